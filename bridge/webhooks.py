"""Webhooks: what happens is told to other programs over HTTP, at least once, in order for each customer.

What is to be told is a row of the table `hook`, written in the commit of what it tells of, so nothing is told that did
not happen and nothing that happened is forgotten. Here it is posted: each webhook, customer and brand is a stream of
its own, in which an event waits for the one before it. What has been taken (2xx) goes out of the table; what is given
up goes to the table `dead`. Both are events of the committer. An event that was posted just before a kill is posted
again, with the same id.

The store is the queue: of each webhook so many events are held in memory, and of one customer so few, that one who
refuses everything holds back nobody else. What is not held is found by walks through the webhook's rows.

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
import ssl
from collections import deque
from math import inf
from typing import TYPE_CHECKING

import httpx2
import trio

from bridge.events import HooksRecalled, HooksSettled
from bridge.hooks import Hook, ad_hoc, hook_prefix, unpack, webhook_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from bridge.config import WebhookConfig
    from bridge.events import Event
    from bridge.store import ContactKey

log = logging.getLogger("smppbridge.webhooks")

MOST_HELD = 5000
"""Events of one webhook that are held in memory, nearly."""
MOST_OF_ONE = 10
"""The same, of one customer."""
GRACE = 2.0
"""Seconds that posts on their way are waited for when the service stops."""
PAUSE = 1.0
"""Seconds between two walks while nothing moves."""
MUCH = 10_000
"""Events that wait, or dead letters, from which on their growth is worth a warning."""
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


def poster() -> httpx2.AsyncClient:
    """Return a client that knows no time limit but ours, and trusts the system's authorities, as links do."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx2.AsyncClient(
        limits=limits, timeout=httpx2.Timeout(None), trust_env=False, verify=ssl.create_default_context()
    )


async def post(
    client: httpx2.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], patience: float, method: str = "POST"
) -> tuple[int, bytes]:
    """Post, and return the status and the beginning of the answer; where it redirects to is not followed.

    Raises:
        httpx2.HTTPError: There is no answer.
        trio.TooSlowError: Not within `patience` seconds.
    """
    with trio.fail_after(patience):
        # Not compressed: a small answer must not become a large one.
        sent = {"accept-encoding": "identity", **headers}
        async with client.stream(method, url, content=body, headers=sent) as response:
            answer = b""
            with trio.CancelScope() as enough:  # leaving the loop would leave the generators below it to the collector
                async for part in response.aiter_raw():
                    answer += part
                    if len(answer) > _MOST_OCTETS:
                        enough.cancel()
            return response.status_code, answer[:_MOST_OCTETS]


class _Stream:
    """What is held for one customer of one webhook."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[bytes, Hook]] = deque()
        self.last = b""
        """The key of the last that was taken in."""
        self.failures = 0
        self.scope = trio.CancelScope()


class _Line:
    """One webhook: what is held of it, and how far the walk through its rows has come.

    Args:
        name: Its name, or the URL that a rules file names.
        config: None if it is not configured any more.
    """

    def __init__(self, name: str, config: WebhookConfig | None) -> None:
        self.name = name
        self.config = config
        self.limit = trio.CapacityLimiter(config.parallel if config is not None else 1)
        self.streams: dict[bytes, _Stream] = {}
        self.held = 0
        self.behind = True
        """The store has events that are not held: new ones wait there too, so that nobody's come out of order."""
        self.missed = False
        """A walk passed over some, or new ones came meanwhile: another one is needed."""
        self.begin = f"{name}\0".encode()
        self.place = self.begin
        """Where the walk goes on."""
        self.passed = b""
        """The customer some of whose events this walk has passed over; so it must pass over the rest."""
        self.asked = False
        """A page of rows is on its way."""
        self.finished: set[bytes] = set()
        """Done with since it was asked for, so that it may still have them."""
        self.down = False
        self.given_up = 0


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
        client: httpx2.AsyncClient,
        rng: random.Random,
    ) -> None:
        self._put = put
        self._clock = clock
        self._client = client
        self._rng = rng
        self._lines = {webhook.name: _Line(webhook.name, webhook) for webhook in webhooks}
        self._done: list[bytes] = []
        self._dead: list[tuple[bytes, str]] = []
        self._woken = trio.Event()
        self._landed = trio.Event()
        self._posting = 0
        self._closing = False
        self._nursery: trio.Nursery | None = None
        self._much = dict.fromkeys(("waiting", "dead"), MUCH)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Post until cancelled; begin with what an earlier process left."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._put(HooksRecalled("", b""))
            self._ask()
            task_status.started()
            while True:
                with trio.move_on_after(PAUSE if any(line.behind for line in self._lines.values()) else inf):
                    await self._woken.wait()
                await trio.sleep(_FLUSH)
                self._woken = trio.Event()
                self._settle()
                self._ask()

    async def close(self) -> None:
        """Begin no more posts, wait a little for those that are on their way, and settle what they came to."""
        self._closing = True
        with trio.move_on_after(GRACE):
            while self._posting:
                self._landed = trio.Event()
                await self._landed.wait()
        self._settle()

    def _settle(self) -> None:
        if self._done or self._dead:
            self._put(HooksSettled(self._done, self._dead))
            self._done, self._dead = [], []

    def _ask(self) -> None:
        """Have the walks go on where there is room; what was settled before is no longer among their rows."""
        for line in self._lines.values():
            if line.behind and not line.asked and line.held <= MOST_HELD // 2:
                line.asked = True
                line.finished.clear()
                self._put(HooksRecalled(line.name, line.place))

    def _line(self, name: str) -> _Line:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = _Line(name, ad_hoc(name) if name.startswith("http") else None)
            self._woken.set()
        return line

    def take(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Take in new events that are on the disk: keys and values of the table `hook`, in order."""
        for key, value in rows:
            line = self._line(webhook_of(key))
            stream = line.streams.get(key[:-8])
            full = line.held >= MOST_HELD or (stream is not None and len(stream.waiting) >= MOST_OF_ONE)
            if line.behind or full:
                line.behind = line.missed = True
                self._woken.set()
            else:
                self._hold(line, stream, key, value)

    def recalled(self, asked: HooksRecalled, rows: Sequence[tuple[bytes, bytes]], more: bytes) -> None:
        """Take in a page of a walk.

        Args:
            asked: What was asked for.
            rows: As the store had them when it was asked.
            more: Where the next page begins, b"" if this was the last.
        """
        if not asked.webhook:
            for name in {webhook_of(key): None for key, _ in rows}:
                self._line(name)
            if rows:
                self._put(HooksRecalled("", f"{webhook_of(rows[-1][0])}\1".encode()))
            return
        line = self._lines[asked.webhook]
        line.asked = False
        if asked.start == line.begin:
            line.missed = False  # whatever was missed before that is in the store by now
        for key, value in rows:
            begin = key[:-8]
            stream = line.streams.get(begin)
            if key in line.finished or begin == line.passed or (stream is not None and key <= stream.last):
                continue
            if stream is not None and len(stream.waiting) >= MOST_OF_ONE:
                line.passed, line.missed = begin, True
            else:
                self._hold(line, stream, key, value)
        if more:
            begin = more[:-9]
            line.place = begin + b"\xff" if begin == line.passed else more
            self._woken.set()
        else:
            line.place, line.passed, line.behind = line.begin, b"", line.missed

    def _hold(self, line: _Line, stream: _Stream | None, key: bytes, value: bytes) -> None:
        if stream is None:
            stream = line.streams[key[:-8]] = _Stream()
            assert self._nursery is not None  # noqa: S101  events come when it runs
            self._nursery.start_soon(self._tell, line, key[:-8], stream)
        stream.waiting.append((key, unpack(value)))
        stream.last = key
        line.held += 1

    def forget(self, who: ContactKey) -> None:
        """Tell nothing more of a customer who is forgotten."""
        for line in self._lines.values():
            stream = line.streams.get(hook_prefix(line.name, *who))
            if stream is not None:
                line.held -= len(stream.waiting)
                stream.waiting.clear()
                stream.scope.cancel()

    def backlog(self, waiting: int, dead: int) -> None:
        """Warn of what grows: once for each tenfold."""
        for what, count in (("waiting", waiting), ("dead", dead)):
            if count >= self._much[what]:
                words = "wait to be told to webhooks" if what == "waiting" else "were given up: dead letters"
                log.warning("%d events %s; see `smppbridge webhooks list`", count, words)
                self._much[what] *= 10
            elif count < MUCH // 2:
                self._much[what] = MUCH

    async def _tell(self, line: _Line, begin: bytes, stream: _Stream) -> None:
        """Tell what waits in one stream, in order."""
        while stream.waiting:
            key, hook = stream.waiting[0]
            why: str | None = "the webhook is not configured any more"
            with trio.CancelScope() as stream.scope:
                if line.config is not None:
                    why = await self._told(line, line.config, hook, stream)
            if not stream.waiting or stream.waiting[0][0] != key:
                continue  # the customer was forgotten meanwhile
            if why is None:
                self._done.append(key)
            else:
                self._dead.append((key, why))
                if not line.given_up:
                    log.warning("webhook %s: gives up events: %s; see `smppbridge webhooks dead`", line.name, why)
                line.given_up += 1
            if line.asked:
                line.finished.add(key)
            stream.waiting.popleft()
            stream.failures = 0
            line.held -= 1
            self._woken.set()
        del line.streams[begin]

    async def _told(self, line: _Line, webhook: WebhookConfig, hook: Hook, stream: _Stream) -> str | None:
        """Post one event until it is taken; return why it is given up, None if it was taken."""
        body = json.dumps(hook.body(), ensure_ascii=False, separators=(",", ":")).encode()
        while True:
            async with line.limit:
                if self._closing:
                    await trio.sleep_forever()  # the next run tells it
                self._posting += 1
                try:
                    why = await self._once(webhook, hook, body)
                finally:
                    self._posting -= 1
                    self._landed.set()
            if not why:
                if line.down and stream.failures:
                    line.down, line.given_up = False, 0
                    log.warning("webhook %s: takes events again", line.name)
                return None
            if why.startswith("410"):
                return why
            if self._clock() - max(hook.time, hook.since) >= webhook.give_up_after:
                return why
            if not line.down:
                line.down = True
                log.warning("webhook %s: %s; what it is to be told waits", line.name, why)
            stream.failures += 1
            wait = min(webhook.retry.initial * 2.0 ** min(stream.failures - 1, 16), webhook.retry.max)
            await trio.sleep(wait * self._rng.uniform(0.5, 1.0))

    async def _once(self, webhook: WebhookConfig, hook: Hook, body: bytes) -> str:
        """Post one event once; return why it was not taken, "" if it was."""
        headers = webhook.headers | signed(body, f"evt_{hook.id}", int(self._clock()), webhook.secret)
        try:
            status, _ = await post(self._client, webhook.url, body, headers, webhook.timeout)
        except trio.TooSlowError:
            return f"no answer within {webhook.timeout:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
            return f"{type(exc).__name__}: {exc}".splitlines()[0][:200]
        return "" if 200 <= status < 300 else f"{status} {httpx2.codes.get_reason_phrase(status)}".strip()
