"""An SMSC that keeps books: what it sent, what was acknowledged, what came back, and in which life of the bridge.

For tools that kill the bridge or take its disk away. It does what a carrier does: it delivers texts, delivers again
what was not acknowledged, takes replies or refuses them, and sends receipts. What becomes of a reply follows from the
text's token, so the books say what the bridge's export has to say.

Rules:

- Every text has a token of seven digits, a subscriber of its own and a body of its own; the reply repeats the token.
- The books are kept from what passed on the wire; nothing is ever read from the bridge's store here.
- Loopback only.
"""

from __future__ import annotations

import heapq
import re
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.events import Event, Outcome, SessionConfig
from smppcore.pdu import DeliverSM, Pdu, SubmitSM, SubmitSMResp, response_to
from smppcore.receipt import STATE_OUTCOME, format_receipt, receipt_tlvs
from smppcore.smsc import SmscConfig, SmscServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from smppcore.link import Link

HOST = "127.0.0.1"
SERVICE_NUMBER = b"12345"
TICK = 0.005
"""Seconds between two looks at what is due."""
AGAIN_AFTER = 0.3
"""Seconds until a delivery that was refused is tried again."""
ENQUIRE = 0.2
"""Seconds of silence after which a session is asked whether it is there."""

_TOKEN = re.compile(rb"(?<!\d)\d{7}(?!\d)")


@dataclass(slots=True)
class Taken:
    """One submit_sm that the driver took."""

    message_id: str
    life: int
    """How many kills came before it."""
    answered: bool = False
    """Its submit_sm_resp was handed to a connection that was up."""
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


@dataclass(slots=True)
class Totals:
    """Sums over the books, kept as they grow."""

    texts: int = 0
    deliveries: int = 0
    """deliver_sm's with a text."""
    acknowledged: int = 0
    """Texts with at least one deliver_sm_resp of status 0."""
    submits: int = 0
    taken: int = 0
    reports: int = 0
    """Replies that were taken and get a receipt."""
    settled: int = 0
    """Of these, those whose receipt was acknowledged."""

    @property
    def open(self) -> int:
        """Texts and receipts that have not been acknowledged."""
        return self.texts - self.acknowledged + self.reports - self.settled


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
            SmscConfig(
                session=SessionConfig(
                    window=window, receive_window=10_000, response_timeout=60.0, enquire_link_interval=ENQUIRE
                )
            ),
            lambda _bind, _peer: c.ESME_ROK,
            self,
        )
        self.texts: dict[int, Text] = {}
        self.totals = Totals()
        self.life = 0
        """How many kills there have been."""
        self.sending = False
        """Whether new texts are sent."""
        self.answering = True
        """Whether submit_sm's are answered; what is withheld goes out when this is set again."""
        self.reporting = True
        """Whether receipts are sent."""
        self.silent = False
        """Whether nothing at all is delivered; then each session asks with enquire_link, every ENQUIRE seconds."""
        self.deaf = False
        """Whether answers to deliveries are lost, as when a connection breaks; what they were for comes again."""
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
        self._unheard: list[Text] = []
        self._later: list[tuple[float, int, Text]] = []
        self._answers: deque[tuple[float, Link, Pdu, Taken | None]] = deque()
        self._receipts: list[tuple[float, str, Text, Taken]] = []
        self._ids = 0x5EED0000
        self._deferred = 0

    # -- for the tools

    @property
    def links(self) -> tuple[Link, ...]:
        """The sessions that are bound."""
        return tuple(self._links)

    @property
    def bound(self) -> int:
        """How many sessions are bound."""
        return len(self._links)

    def unanswered(self) -> Iterator[Text]:
        """Yield the texts that have neither a reply that was taken nor one that was refused for good."""
        return (t for t in self.texts.values() if not t.taken and not t.denied)

    @property
    def asked(self) -> int:
        """How many enquire_link's were sent on the sessions bound now; each waits for the answer to the one before."""
        return sum(link.session.counters.enquire_links_out for link in self._links)

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
        if not self._links:
            self._again.extend(self._unheard)
            self._unheard.clear()

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
        if self.silent or not link.session.can_send:
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
            self.totals.texts += 1
            self._next += 1
            pdus.append(self._text(text))
        return pdus

    # -- inside

    def _news(self) -> None:
        self.last_news = trio.current_time()

    def _text(self, text: Text) -> DeliverSM:
        text.sent += 1
        self.totals.deliveries += 1
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
        if self.deaf and status is not None:
            if reply is None:
                self._unheard.append(text)
            else:
                self._report(text, reply, now)
            return
        if status == c.ESME_ROK:
            if reply is None:
                self.totals.acknowledged += not text.acknowledged
                text.acknowledged = True
                self.watch("acknowledged")
            else:
                self.totals.settled += not reply.settled
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
        self.totals.submits += 1
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
            self.totals.taken += 1
            response = SubmitSMResp(reply.message_id.encode(), sequence_number=pdu.sequence_number)
            self._answers.append((due, link, response, reply))
            if message_state(text.token) is not None:
                self.totals.reports += 1
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


@asynccontextmanager
async def serving(driver: Driver) -> AsyncIterator[int]:
    """Run a driver on a port of loopback that the system chooses; yield the port."""
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(driver.server.serve, HOST, 0)
        nursery.start_soon(driver.tick)
        yield port
        nursery.cancel_scope.cancel()
