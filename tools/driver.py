"""An SMSC that keeps books: what it sent, what was acknowledged, what came back, and in which life of the bridge.

For tools that kill the bridge or take its disk away. It does what a carrier does: it delivers texts, delivers again
what was not acknowledged, takes replies or refuses them, and sends receipts. What becomes of a reply follows from the
text's token, so the books say what the bridge's export has to say.

Rules:

- Every text has a token of seven digits, a subscriber of its own and a body of its own; the reply repeats the token.
- The books are kept from what passed on the wire; nothing is ever read from the bridge's store here.
- Loopback only. Processes are started by `Bridge` and ended by it, by their own id.
"""

from __future__ import annotations

import heapq
import json
import re
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.events import Event, Outcome, SessionConfig
from smppcore.pdu import DeliverSM, EnquireLink, Pdu, SubmitSM, SubmitSMResp, response_to
from smppcore.receipt import STATE_OUTCOME, format_receipt, receipt_tlvs
from smppcore.smsc import SmscConfig, SmscServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from smppcore.link import Link

HOST = "127.0.0.1"
SERVICE_NUMBER = b"12345"
SMPPBRIDGE = Path(sys.executable).with_name("smppbridge")
TICK = 0.005
"""Seconds between two looks at what is due."""
AGAIN_AFTER = 0.3
"""Seconds until a delivery that was refused is tried again."""

_TOKEN = re.compile(rb"(?<!\d)\d{7}(?!\d)")

RULES = """\
version = "driver.1"

[brand.acme]
country = "US"
name = "Acme"
languages = ["en"]
numbers = ["12345"]
help_contact = "help@acme.example"

[[pattern]]
name = "balance"
regex = '(?i)^balance (?P<token>\\d{7})\\b'
reply = "balance"

[template.balance]
en = "OK {token}: {brand} has your balance, thank you"

[template.fallback]
en = "Sorry?"

[conversation]
idle_close = "24h"
unmatched = { first = "fallback", second = "escalate" }
"""

CONFIG = """\
[bridge]
data_dir = "{data_dir}"
rules = ["rules.toml"]

[store]
sync = "commit"
max_size = "{max_size}"

[http]
listen = "127.0.0.1:0"

[[link]]
name = "carrier"
port = {port}
system_id = "bridge"
password = "secret"
window = {window}
binds = {binds}
reconnect = {{ initial = "100ms", max = "500ms" }}
retry = {{ initial = "200ms", max = "1s" }}
in_doubt = {{ reply = "{in_doubt}", started = "hold" }}
"""


@dataclass(slots=True)
class Taken:
    """One submit_sm that the driver took."""

    message_id: str
    life: int
    """How many kills came before it."""
    answered: bool = False
    """Its submit_sm_resp was handed to a connection that was up."""
    receipts: int = 0
    """How often its receipt was sent."""
    settled: bool = False
    """Its receipt was acknowledged."""


@dataclass(slots=True)
class Text:
    """One text and everything that happened to it on the wire."""

    token: int
    sent: int = 0
    """How often its deliver_sm left."""
    refused: int = 0
    """How often it was answered with an error."""
    acknowledged: bool = False
    submits: int = 0
    """How many submit_sm's came for it, taken or not."""
    unasked: int = 0
    """How many of them came while no deliver_sm of it had been acknowledged."""
    denied: int = 0
    """How many of them got a permanent error."""
    taken: list[Taken] = field(default_factory=list)


def deny(token: int) -> bool:
    """Whether the driver refuses every reply to this text for good."""
    return token % 40 == 21


def throttle(token: int) -> bool:
    """Whether the driver refuses the first reply to this text for now."""
    return token % 25 == 13


def message_state(token: int) -> int | None:
    """The message_state in the receipt for a reply to this text (SMPP v3.4 §5.2.28); None: there is no receipt."""
    if token % 20 == 9:
        return None
    states = (c.STATE_UNDELIVERABLE, c.STATE_REJECTED, c.STATE_EXPIRED, c.STATE_DELETED)
    return states[token % 10] if token % 10 < len(states) else c.STATE_DELIVERED


def expected_state(token: int) -> str:
    """The state in which the reply to this text has to end, once its receipt is acknowledged."""
    if deny(token):
        return "failed"
    state = message_state(token)
    return "accepted" if state is None else STATE_OUTCOME[state] or "accepted"


def early(token: int) -> bool:
    """Whether the receipt of this text's reply comes before the submit_sm_resp."""
    return token % 30 == 4


class Driver:
    """The SMSC's side of every session.

    Args:
        window: Un-answered deliver_sm's per session.
        rate: New texts per second while `sending`, over all sessions.
        answer_delay: Seconds from a submit_sm to its response: what is in the air when the bridge dies.
        receipt_delay: Seconds from a submit_sm to its receipt.
    """

    def __init__(self, *, window: int, rate: float, answer_delay: float = 0.008, receipt_delay: float = 0.05) -> None:
        self.server = SmscServer(
            SmscConfig(session=SessionConfig(window=window, receive_window=10_000, response_timeout=60.0)),
            lambda _bind, _peer: c.ESME_ROK,
            self,
        )
        self.texts: dict[int, Text] = {}
        self.life = 0
        """How many kills there have been."""
        self.sending = False
        """Whether new texts are sent."""
        self.answering = True
        """Whether submit_sm's are answered; what is withheld goes out when this is set again."""
        self.reporting = True
        """Whether receipts are sent."""
        self.watch: Callable[[str], None] = lambda _what: None
        """Called at each "acknowledged", "submit" and "receipt" (acknowledged)."""
        self.strays: list[bytes] = []
        """Bodies of submit_sm's that answer no text of ours, or go to the wrong number."""
        self.refusals: dict[str, int] = {}
        """Answers to deliver_sm's other than ESME_ROK, by the status' name."""
        self.last_news = 0.0
        """When the books changed last, on trio's clock."""
        self._rate = rate
        self._answer_delay = answer_delay
        self._receipt_delay = receipt_delay
        self._links: list[Link] = []
        self._next = 1
        self._budget = 0.0
        self._again: deque[Text] = deque()
        self._later: list[tuple[float, int, Text]] = []
        self._answers: deque[tuple[float, Link, Pdu, Taken | None]] = deque()
        self._receipts: list[tuple[float, str, Text, Taken]] = []
        self._ids = 0x5EED0000
        self._deferred = 0

    # -- for the tools

    @property
    def bound(self) -> int:
        """How many sessions are bound."""
        return len(self._links)

    def counts(self) -> dict[str, int]:
        """Totals of the books."""
        texts = self.texts.values()
        return {
            "texts": len(self.texts),
            "deliveries": sum(t.sent for t in texts),
            "acknowledged": sum(t.acknowledged for t in texts),
            "submits": sum(t.submits for t in texts),
            "taken": sum(len(t.taken) for t in texts),
        }

    def unanswered(self) -> Iterator[Text]:
        """Yield the texts that have neither a reply that was taken nor one that was refused for good."""
        return (t for t in self.texts.values() if not t.taken and not t.denied)

    def open(self) -> int:
        """Return how many deliveries have not been acknowledged: texts and receipts."""
        texts = sum(not t.acknowledged for t in self.texts.values())
        reported = (t for t in self.texts.values() if message_state(t.token) is not None)
        return texts + sum(not reply.settled for t in reported for reply in t.taken)

    async def ask(self) -> float:
        """Send an enquire_link on every session; return the longest wait for an answer in seconds.

        Raises:
            SmppError: There was no answer.
        """
        began = trio.current_time()
        for link in list(self._links):
            await link.request(EnquireLink())
        return trio.current_time() - began

    async def tick(self) -> None:
        """Hand out what is due, until cancelled."""
        last = trio.current_time()
        while True:
            await trio.sleep(TICK)
            now = trio.current_time()
            if self.sending and self._links:
                # What cannot be sent now is not made up for: the rate is a ceiling
                self._budget = min(self._budget + (now - last) * self._rate, max(self._rate / 20, 1.0))
            last = now
            while self._later and self._later[0][0] <= now:
                self._again.append(heapq.heappop(self._later)[2])
            self._answer(now)
            for link in self._links:
                link.wake()

    # -- smppcore.link.LinkHandler

    def on_bound(self, link: Link) -> None:
        """A session is up."""
        self._links.append(link)
        self._news()

    def on_closed(self, link: Link, reason: str) -> None:
        """A session has ended; the outcomes of what was outstanding came before."""
        self._links.remove(link)
        self._news()

    def on_events(self, link: Link, events: list[Event]) -> None:
        """Note replies and acknowledgements."""
        self._news()
        now = trio.current_time()
        for event in events:
            if isinstance(event, Outcome):
                self._delivered(event, now)
            elif isinstance(event, SubmitSM):
                self._submitted(link, event, now)
            elif isinstance(event, Pdu):
                link.respond([response_to(event, c.ESME_RINVCMDID)])

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        """Give what was not acknowledged first, then receipts that are due, then new texts."""
        pdus: list[Pdu] = []
        if not link.session.can_send:
            return pdus
        while self._again and len(pdus) < room:
            pdus.append(self._text(self._again.popleft()))
        now = trio.current_time()
        while self.reporting and self._receipts and self._receipts[0][0] <= now and len(pdus) < room:
            _, _, text, reply = heapq.heappop(self._receipts)
            pdus.append(self._receipt(text, reply))
        while self.sending and self._budget >= 1.0 and len(pdus) < room:
            self._budget -= 1.0
            text = self.texts[self._next] = Text(self._next)
            self._next += 1
            pdus.append(self._text(text))
        return pdus

    # -- inside

    def _news(self) -> None:
        self.last_news = trio.current_time()

    def _text(self, text: Text) -> DeliverSM:
        text.sent += 1
        return DeliverSM(
            b"",
            1,
            1,
            b"2557%08d" % text.token,
            3,
            0,
            SERVICE_NUMBER,
            short_message=b"balance %07d please" % text.token,
            context=(text, None),
        )

    def _receipt(self, text: Text, reply: Taken) -> DeliverSM:
        state = message_state(text.token) or c.STATE_UNKNOWN
        reply.receipts += 1
        now = time.time()
        return DeliverSM(
            b"",
            1,
            1,
            b"2557%08d" % text.token,
            3,
            0,
            SERVICE_NUMBER,
            c.ESM_TYPE_RECEIPT,
            # Some carriers send the TLVs, some do not
            tlvs=receipt_tlvs(reply.message_id, state) if text.token % 2 else (),
            short_message=format_receipt(reply.message_id, state, submitted=now, done=now),
            context=(text, reply),
        )

    def _delivered(self, outcome: Outcome, now: float) -> None:
        context = outcome.request.context
        if not isinstance(context, tuple):
            return
        text: Text = context[0]
        reply: Taken | None = context[1]
        status = outcome.response.command_status if outcome.response is not None else None
        if status == c.ESME_ROK:
            if reply is None:
                text.acknowledged = True
                self.watch("acknowledged")
            else:
                reply.settled = True
                self.watch("receipt")
            return
        if status is not None:
            name = c.status_name(status)
            self.refusals[name] = self.refusals.get(name, 0) + 1
            text.refused += reply is None
        # After a lost connection everything comes again as soon as there is one, in the old order
        if reply is not None:
            self._report(text, reply, now if status is None else now + AGAIN_AFTER)
        elif status is None:
            self._again.append(text)
        else:
            self._deferred += 1
            heapq.heappush(self._later, (now + AGAIN_AFTER, self._deferred, text))

    def _report(self, text: Text, reply: Taken, at: float) -> None:
        heapq.heappush(self._receipts, (at, reply.message_id, text, reply))

    def _submitted(self, link: Link, pdu: SubmitSM, now: float) -> None:
        found = _TOKEN.search(pdu.short_message)
        text = self.texts.get(int(found[0])) if found else None
        if (
            text is None
            or pdu.destination_addr != b"2557%08d" % text.token
            or pdu.source_addr != SERVICE_NUMBER
            or not pdu.registered_delivery
        ):
            self.strays.append(bytes(pdu.short_message))
            link.respond([response_to(pdu, c.ESME_RSYSERR)])
            return
        text.submits += 1
        text.unasked += not text.acknowledged
        due = now + self._answer_delay
        if deny(text.token):
            text.denied += 1
            self._answers.append((due, link, response_to(pdu, c.ESME_RINVDSTADR), None))
        elif throttle(text.token) and text.submits == 1:
            self._answers.append((due, link, response_to(pdu, c.ESME_RTHROTTLED), None))
        else:
            self._ids += 1
            reply = Taken(f"{self._ids:X}", self.life)
            text.taken.append(reply)
            response = SubmitSMResp(reply.message_id.encode(), sequence_number=pdu.sequence_number)
            self._answers.append((due, link, response, reply))
            if message_state(text.token) is not None:
                self._report(text, reply, now if early(text.token) else now + self._receipt_delay)
        self.watch("submit")

    def _answer(self, now: float) -> None:
        due: dict[Link, list[Pdu]] = {}
        while self.answering and self._answers and self._answers[0][0] <= now:
            _, link, response, reply = self._answers.popleft()
            if link in self._links:
                due.setdefault(link, []).append(response)
                if reply is not None:
                    reply.answered = True
        for link, responses in due.items():
            link.respond(responses)


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a configuration and rules, for one bridge."""

    folder: Path
    data_dir: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "bridge.toml"

    @property
    def log(self) -> Path:
        """What the bridge says, all lives one after the other."""
        return self.folder / "bridge.log"

    def write(
        self, port: int, *, window: int, binds: int = 1, in_doubt: str = "resend", max_size: str = "8GiB"
    ) -> None:
        """Write configuration and rules for a bridge of the driver on this port."""
        text = CONFIG.format(
            data_dir=self.data_dir, port=port, window=window, binds=binds, in_doubt=in_doubt, max_size=max_size
        )
        self.config.write_text(text, encoding="utf-8")
        (self.folder / "rules.toml").write_text(RULES, encoding="utf-8")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of smppbridge on this site to its end."""
        return subprocess.run(
            [SMPPBRIDGE, *arguments, "-c", self.config], capture_output=True, text=True, check=False, timeout=120
        )

    def messages(self) -> list[dict[str, object]]:
        """Return the rows of `smppbridge export messages`.

        Raises:
            RuntimeError: The command failed.
        """
        done = self.command("export", "messages", "--format", "jsonl")
        if done.returncode:
            raise RuntimeError(f"export messages ended with {done.returncode}: {done.stderr.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def said(self, lines: int = 12) -> str:
        """Return the end of the bridge's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class BridgeEnded(Exception):
    """The bridge ended by itself."""


class Bridge:
    """One life of a bridge: a process of its own.

    Resource handling: start with `running`, which kills what is left on every way out.
    """

    def __init__(self, process: trio.Process) -> None:
        self.process = process

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, at once."""
        if self.alive:
            self.process.kill()

    async def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; return the exit status.

        Raises:
            BridgeEnded: It did not end within the time.
        """
        self.process.send_signal(signal.SIGTERM)
        with trio.move_on_after(seconds):
            return await self.process.wait()
        raise BridgeEnded(f"SIGTERM did not end the bridge within {seconds:g} s")

    async def until(self, what: str, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for a condition while the bridge runs.

        Raises:
            BridgeEnded: The process ended before, or the time was up.
        """
        deadline = trio.current_time() + seconds
        while not condition():
            if not self.alive:
                raise BridgeEnded(f"the bridge ended with status {self.process.returncode} before: {what}")
            if trio.current_time() > deadline:
                raise BridgeEnded(f"in vain for {seconds:g} s: {what}")
            await trio.sleep(TICK)


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Bridge]:
    """Start a bridge; what is left of it at the end is killed."""
    with site.log.open("ab") as log:
        process = await trio.lowlevel.open_process(
            [SMPPBRIDGE, "run", "-c", site.config], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    bridge = Bridge(process)
    try:
        yield bridge
    finally:
        with trio.CancelScope(shield=True):
            bridge.kill()
            await process.wait()


@asynccontextmanager
async def serving(driver: Driver) -> AsyncIterator[int]:
    """Run a driver on a port of loopback that the system chooses; yield the port."""
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(driver.server.serve, HOST, 0)
        nursery.start_soon(driver.tick)
        yield port
        nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a verdict."""

    what: str
    found: int | str
    wanted: str
    good: bool
    examples: tuple[object, ...] = ()


def print_checks(title: str, checks: Sequence[Check]) -> bool:
    """Print a verdict as a table; return whether all is well."""
    print(f"\n{title}")
    width = max(len(check.what) for check in checks)
    for check in checks:
        mark = "ok  " if check.good else "FAIL"
        print(f"  {mark} {check.what:<{width}}  {check.found!s:>9}   {check.wanted}")
        if check.examples and not check.good:
            print(f"       e.g. {', '.join(map(str, check.examples[:5]))}")
    return all(check.good for check in checks)


def none_of(what: str, examples: Sequence[object]) -> Check:
    """A check that there is none of something."""
    return Check(what, len(examples), "0", not examples, tuple(examples[:5]))
