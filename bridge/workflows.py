"""Workflows: HTTP endpoints that flows call as they call functions.

The variables go there as a JSON object, signed as a webhook is; what is answered, a flat object, becomes variables. The
lower of the step's time limit and the endpoint's counts, and whoever fails again and again is left alone for a while
(`bridge.calling`). `webhook-id` is the same when a call is made again after a kill.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import trio

from bridge.webhooks import post, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from bridge.calling import Function
    from bridge.config import WorkflowConfig


class WorkflowError(Exception):
    """An endpoint did not answer as it should; the text says how."""


def workflows(configured: Mapping[str, WorkflowConfig], client: httpx2.AsyncClient) -> dict[str, Function]:
    """Return a function for each configured endpoint.

    Args:
        configured: By name.
        client: To post with.
    """
    return {name: _function(config, client) for name, config in configured.items()}


def _function(config: WorkflowConfig, client: httpx2.AsyncClient) -> Function:
    async def call(values: dict[str, str]) -> Mapping[str, object]:
        body = json.dumps(values, ensure_ascii=False).encode()
        number = f"call_{values.get('call_id', '')}"
        headers = config.headers | signed(body, number, int(time.time()), config.secret)
        try:
            status, answer = await post(client, config.url, body, headers, config.timeout, config.method)
        except trio.TooSlowError as exc:
            raise WorkflowError(f"no answer within {config.timeout:g} s") from exc
        if not 200 <= status < 300:
            raise WorkflowError(f"status {status}")
        try:
            found = json.loads(answer or b"{}")
        except ValueError as exc:
            raise WorkflowError("the answer is no JSON") from exc
        if not isinstance(found, dict) or any(isinstance(value, dict | list) for value in found.values()):
            raise WorkflowError("the answer is no flat JSON object")
        return found

    return call
