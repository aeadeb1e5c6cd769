"""Workflows: HTTP endpoints called as functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
import pytest

from bridge.config import WorkflowConfig
from bridge.workflows import WorkflowError, workflows
from tests.test_webhooks import SECRET, Receiver, taken

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_a_workflow_is_called_as_a_function() -> None:
    receiver = Receiver(lambda request, number: httpx2.Response(200, json={"status": "lost", "days": 3}))
    call = workflows({"orders": WorkflowConfig("https://x.example/call", secret=SECRET)}, receiver.client)["orders"]
    assert await call({"order": "1", "call_id": "7"}) == {"status": "lost", "days": 3}  # type: ignore[misc]
    (request,) = receiver.requests
    assert json.loads(request.content) == {"order": "1", "call_id": "7"}
    assert request.headers["webhook-id"] == "call_7"
    assert request.headers["webhook-signature"].startswith("v1,")


async def test_an_endpoint_is_asked_in_its_own_way_and_for_so_long(autojump_clock: MockClock) -> None:
    receiver = Receiver(lambda request, number: 4.0)
    config = WorkflowConfig("https://x.example/call", "PUT", timeout=3.0, headers={"x-key": "k", "webhook-id": "mine"})
    with pytest.raises(WorkflowError, match="no answer within 3 s"):
        await workflows({"orders": config}, receiver.client)["orders"]({"call_id": "7"})  # type: ignore[misc]
    (request,) = receiver.requests
    assert (request.method, request.headers["x-key"], request.headers["webhook-id"]) == ("PUT", "k", "call_7")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx2.Response(500), "status 500"),
        (httpx2.Response(200, content=b"x"), "no JSON"),
        (httpx2.Response(200, json=[1]), "no flat JSON object"),
        (httpx2.Response(200, json={"a": {}}), "no flat JSON object"),
    ],
)
async def test_an_answer_that_is_none(answer: httpx2.Response, why: str) -> None:
    receiver = Receiver(lambda request, number: answer)
    call = workflows({"orders": WorkflowConfig("https://x.example/call")}, receiver.client)["orders"]
    with pytest.raises(WorkflowError, match=why):
        await call({})  # type: ignore[misc]


async def test_no_answer_is_an_empty_one() -> None:
    receiver = Receiver(taken)
    call = workflows({"orders": WorkflowConfig("https://x.example/call")}, receiver.client)["orders"]
    assert await call({}) == {}  # type: ignore[misc]
