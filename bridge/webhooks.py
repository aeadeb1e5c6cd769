"""Webhooks: what happens is told to other programs over HTTP, at least once, in order for each customer.

What is to be told is a row of the table `hook`, written in the commit of what it tells of, so nothing is told that did
not happen and nothing that happened is forgotten. Here it is posted: each webhook, customer and brand is a stream of
its own, in which an event waits for the one before it. What has been taken (2xx) goes out of the table; what is given
up goes to the table `dead`. Both are events of the committer. An event that was posted just before a kill is posted
again, with the same id.

Signed after the Standard Webhooks specification 1.0: `webhook-id`, `webhook-timestamp` and
`webhook-signature: v1,base64(HMAC-SHA256(secret, "id.timestamp.body"))`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import httpx
import trio

from bridge.events import HooksRecalled, HooksSettled
from bridge.hooks import MOST_HELD, Hook, ad_hoc, read_key, unpack

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from bridge.config import WebhookConfig
    from bridge.events import Event

log = logging.getLogger("smppbridge.webhooks")

_MOST_OCTETS = 65536
"""Of an answer that are read."""
_FLUSH = 0.02
"""Seconds that events which are done wait for others, for one commit."""
_PREFIX = "whsec_"


def secret_octets(secret: str) -> bytes:
    """Return the key of a secret: what follows "whsec_" is base64, anything else is taken as it is."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def signed(body: bytes, number: str, timestamp: int, secret: str) -> dict[str, str]:
    """Return the headers of a request.

    Args:
        body: Of the request.
        number: The event's id: the same whenever it is posted again.
        timestamp: Seconds since the epoch.
        secret: "" = no signature.
    """
    headers = {"content-type": "application/json", "webhook-id": number, "webhook-timestamp": str(timestamp)}
    if secret:
        content = f"{number}.{timestamp}.".encode() + body
        digest = hmac.new(secret_octets(secret), content, hashlib.sha256).digest()
        headers["webhook-signature"] = "v1," + base64.b64encode(digest).decode()
    return headers


async def post(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], patience: float
) -> tuple[int, bytes]:
    """Post, and return the status and the beginning of the answer.

    Raises:
        httpx.HTTPError: There is no answer.
        trio.TooSlowError: Not within `patience` seconds.
    """
    with trio.fail_after(patience):
        async with client.stream("POST", url, content=body, headers=dict(headers)) as response:
            answer = b""
            async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_bytes())) as parts:
                async for part in parts:
                    answer += part
                    if len(answer) > _MOST_OCTETS:
                        break
            return response.status_code, answer[:_MOST_OCTETS]


class _Stream:
    """What waits for one customer of one webhook."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[bytes, Hook]] = deque()
        self.failures = 0


class Courier:
    """Posts events.

    Args:
        webhooks: As configured.
        put: Takes events of the committer.
        clock: Seconds since the epoch.
        client: To post with.
        rng: For the spread of retries.
    """

    def __init__(
        self,
        webhooks: Sequence[WebhookConfig],
        put: Callable[[Event], None],
        clock: Callable[[], float],
        client: httpx.AsyncClient,
        rng: random.Random,
    ) -> None:
        self._webhooks = {webhook.name: webhook for webhook in webhooks}
        self._put = put
        self._clock = clock
        self._client = client
        self._rng = rng
        self._limits = {name: trio.CapacityLimiter(hook.parallel) for name, hook in self._webhooks.items()}
        self._streams: dict[bytes, _Stream] = {}
        self._held = 0
        self._behind = True
        """The store has events that are not here."""
        self._done: list[bytes] = []
        self._dead: list[tuple[bytes, Hook, str]] = []
        self._settled = trio.Event()
        self._down: set[str] = set()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Post until cancelled; begin with what an earlier process left."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._put(HooksRecalled())
            task_status.started()
            while True:
                await self._settled.wait()
                await trio.sleep(_FLUSH)
                self._settled = trio.Event()
                done, self._done = self._done, []
                dead, self._dead = self._dead, []
                self._put(HooksSettled(done, [(key, hook, why) for key, hook, why in dead]))
                if self._behind and not self._held:
                    self._put(HooksRecalled())

    def take(self, rows: Sequence[tuple[bytes, bytes]], *, recalled: bool) -> None:
        """Take events in that are on the disk.

        Args:
            rows: Keys and values of the table `hook`, in order.
            recalled: They were asked for, and are the oldest; otherwise they are new.
        """
        if recalled:
            self._behind = len(rows) >= MOST_HELD
        elif self._behind or self._held + len(rows) > MOST_HELD:
            # They come in their order, once those before them are gone.
            self._behind = True
            return
        for key, value in rows:
            begin = key[:-8]
            stream = self._streams.get(begin)
            if stream is None:
                stream = self._streams[begin] = _Stream()
                assert self._nursery is not None  # noqa: S101  events come when it runs
                self._nursery.start_soon(self._tell, begin, stream)
            stream.waiting.append((key, unpack(value)))
            self._held += 1

    async def _tell(self, begin: bytes, stream: _Stream) -> None:
        """Tell what waits in one stream, in order."""
        while stream.waiting:
            key, hook = stream.waiting[0]
            name = read_key(key)[0]
            webhook = self._webhooks.get(name)
            if webhook is None and name.startswith("http"):
                webhook = ad_hoc(name)
            if webhook is None:
                why: str | None = "the webhook is not configured any more"
            else:
                why = await self._told(webhook, hook, stream)
            if why is None:
                self._done.append(key)
            else:
                self._dead.append((key, hook, why))
                log.warning("webhook %s: event %d is given up: %s", name, hook.id, why)
            stream.waiting.popleft()
            stream.failures = 0
            self._held -= 1
            self._settled.set()
        del self._streams[begin]

    async def _told(self, webhook: WebhookConfig, hook: Hook, stream: _Stream) -> str | None:
        """Post one event until it is taken; return why it is given up, None if it was taken."""
        body = json.dumps(hook.body(), ensure_ascii=False, separators=(",", ":")).encode()
        limit = self._limits.setdefault(webhook.name, trio.CapacityLimiter(1))
        while True:
            async with limit:
                why = await self._once(webhook, hook, body)
            if not why:
                if webhook.name in self._down:
                    self._down.discard(webhook.name)
                    log.warning("webhook %s: takes events again", webhook.name)
                return None
            if why.startswith("410"):
                return "410 Gone"
            if self._clock() - hook.time >= webhook.give_up_after:
                return why
            if webhook.name not in self._down:
                self._down.add(webhook.name)
                log.warning("webhook %s: %s; its events wait", webhook.name, why)
            stream.failures += 1
            wait = min(webhook.retry.initial * 2.0 ** min(stream.failures - 1, 16), webhook.retry.max)
            await trio.sleep(wait * self._rng.uniform(0.5, 1.0))

    async def _once(self, webhook: WebhookConfig, hook: Hook, body: bytes) -> str:
        """Post one event once; return why it was not taken, "" if it was."""
        headers = signed(body, f"evt_{hook.id}", int(self._clock()), webhook.secret)
        try:
            status, _ = await post(self._client, webhook.url, body, headers, webhook.timeout)
        except trio.TooSlowError:
            return f"no answer within {webhook.timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            return f"{type(exc).__name__}: {exc}".splitlines()[0][:200]
        return "" if 200 <= status < 300 else f"{status} {httpx.codes.get_reason_phrase(status)}".strip()
