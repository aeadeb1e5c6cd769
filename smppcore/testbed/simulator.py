"""A scriptable SMSC: accounts, texts from subscribers, delivery receipts, faults on demand, and a judge of its ESMEs.

Rules:

1. What an ESME does never harms the simulator: whatever is asked is answered, garbage and bad values by the session.
2. Receipts and texts go to any receiving session of the account, whichever session the message came by.
3. The same seed and the same events in the same order give the same ids, outcomes, delays and faults.

Must not be here: file formats, terminals, knowledge of the bridge.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.events import Event, Outcome
from smppcore.link import Link, prepare_socket
from smppcore.pdu import (
    BindRequest,
    DataSM,
    Outbind,
    Pdu,
    SubmitMulti,
    SubmitSM,
    response_class,
    response_to,
)
from smppcore.smsc import SmscConfig, SmscServer
from smppcore.testbed import messages
from smppcore.testbed.admission import Admission
from smppcore.testbed.agenda import Agenda
from smppcore.testbed.centre import Centre
from smppcore.testbed.config import Mo, SimulatorConfig, Traffic
from smppcore.testbed.delays import draw
from smppcore.testbed.faults import (
    Cut,
    Duplicate,
    Error,
    Late,
    Lose,
    PduName,
    ReceiptFirst,
    RefuseBind,
    Unbinding,
)
from smppcore.testbed.judge import Judge
from smppcore.testbed.mailbox import Delivery, Mailbox
from smppcore.testbed.outgoing import struck
from smppcore.testbed.subscriber import Subscriber
from smppcore.testbed.tally import MoRecord, ReceiptDone, Reply, Report, Tally
from smppcore.testbed.triggers import Plan, matches
from smppcore.testbed.verdicts import Limits
from smppcore.testbed.wire import Wire, WireFaults

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Sequence

    from smppcore.testbed.centre import Submission
    from smppcore.testbed.faults import Event as FaultEvent

Happening = MoRecord | Reply | ReceiptDone
"""What observers are told: a text was acknowledged, a reply is whole, a receipt was acknowledged."""
Observer = Callable[[Happening], None]

_TICK_SECONDS = 0.01


class Simulator:
    """An SMSC for tests, demonstrations and people.

    Resource handling: connections and timers belong to `serve`; they end when it returns or is cancelled.

    Error handling: whatever happens on a connection ends that connection only.

    Args:
        config: How it behaves.
        rng: Draws outcomes, delays, uuids and what faults strike.
        wall: Seconds since the epoch, for the dates in receipts.
        tls: TLS with this context's certificate; None is plain TCP.
        on_refused: Told the address of a peer with which there is no TLS, and why, in one line.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        rng: random.Random,
        wall: Callable[[], float] = time.time,
        *,
        tls: ssl.SSLContext | None = None,
        on_refused: Callable[[str, str], None] | None = None,
    ) -> None:
        self.config = config
        self.tally = Tally()
        self.observers: list[Observer] = []
        """Called with each Happening, in order; they must not block."""
        self.admission = Admission(config)
        self.judge = Judge(self._limits, config.session) if config.judged else None
        """Notes what each ESME does wrong; None if nobody does."""
        self._rng = rng
        self._plan = Plan(config.faults, rng)
        self._bind_refusals = self._plan.picking(RefuseBind)
        self._refusals = self._plan.picking(Error)
        self._receipt_firsts = self._plan.picking(ReceiptFirst)
        self._cuts = self._plan.picking(Cut)
        self._unbindings = self._plan.picking(Unbinding)
        self._losses = self._plan.picking(Lose)
        self._delays = self._plan.picking(Late)
        self._doubles = self._plan.picking(Duplicate)
        self._upstream = bool(self._losses or self._delays or self._doubles)
        self._wire_faults = WireFaults(self._plan)
        self._agenda = Agenda(self._look_settled)
        self._centre = Centre(
            config, self.tally, rng, wall, later=self._agenda.later, post=self._post, replied=self._replied
        )
        self._mailboxes = {system_id: Mailbox() for system_id in self.admission.accounts}
        self._server = SmscServer(SmscConfig(session=config.session, tls=tls), self._authenticate, self, on_refused)
        self._subscribers: dict[tuple[str, str], list[Subscriber]] = {}
        self._references = itertools.count(1)
        self._connections: dict[trio.CancelScope, Wire] = {}
        self._listening = trio.CancelScope()
        self._serving = trio.CancelScope()
        self._down_for = 0.0
        self._connected = trio.Event()
        self._receiving = trio.Event()
        self._quiet = trio.Event()
        self._started = 0.0

    # -- for scripts -------------------------------------------------------------------------------------------------

    @property
    def links(self) -> dict[bytes, list[Link]]:
        """The bound sessions by system_id."""
        return self._server.links

    def inject(self, mo: Mo) -> MoRecord:
        """Send a text; it waits until an ESME is bound that takes it.

        Raises:
            LocalProtocolError: The text takes more than 255 parts.
            KeyError: There is no such account.
        """
        system_id = mo.account.encode() or next(iter(self._mailboxes))
        mailbox = self._mailboxes[system_id]
        pdus = messages.mo_parts(mo, next(self._references))
        record = MoRecord(self.tally.figures.mo_unique + 1, mo, len(pdus), trio.current_time())
        self.tally.injected(record)
        deliveries = [Delivery(pdu, record) for pdu in pdus]
        if self._upstream:
            for delivery in deliveries:
                self._put_faultily(system_id, delivery, "mo")
        else:
            mailbox.put(deliveries)
        self._wake(system_id)
        return record

    def subscriber(self, number: str, service: str, account: str = "") -> Subscriber:
        """Make a subscriber that talks to one service and gets its replies."""
        subscriber = Subscriber(number, service, account, self.inject)
        self._subscribers.setdefault((number, service), []).append(subscriber)
        return subscriber

    async def receiving(self) -> None:
        """Wait until a session has been bound that takes texts."""
        await self._receiving.wait()

    async def settled(self) -> None:
        """Wait until every text and receipt is acknowledged or refused, and no response or receipt is due any more."""
        while not self._is_settled():
            self._quiet = trio.Event()
            await self._quiet.wait()

    async def generate(self, traffic: Traffic) -> None:
        """Send texts at a rate; return when the last of `count` was handed over."""
        started = trio.current_time()
        number = 0
        while traffic.rate or number < traffic.count:
            due = int((trio.current_time() - started) * traffic.rate) + 1 if traffic.rate else traffic.count
            for token in range(number, min(due, traffic.count or due)):
                source = str(traffic.first_subscriber + token % traffic.subscribers)
                text = traffic.text.replace("{n}", f"{token:07d}").replace("{from}", source)
                self.inject(Mo(source, traffic.service, text, traffic.account))
                number = token + 1
            if number == traffic.count:
                return
            await trio.sleep(_TICK_SECONDS)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something in so many seconds; `settled` waits for it."""
        self._agenda.later(seconds, action)

    def cut(self, cut: Cut) -> None:
        """Cut all connections, or those of the account that the fault names."""
        self.tally.figures.drops += 1
        if cut.down_for:
            self._down_for = cut.down_for
            self._listening.cancel()
        for scope, wire in self._connections.items():
            if not cut.account or wire.system_id == cut.account.encode():
                if cut.mode == "rst":
                    wire.prepare_reset()
                if wire.witness is not None:
                    wire.witness.forgive()
                scope.cancel()

    def unbind(self, account: str = "") -> None:
        """Unbind all sessions, or those of one account."""
        for system_id, links in self.links.items():
            if not account or system_id == account.encode():
                for link in links:
                    link.start_unbind()

    def report(self) -> Report:
        """Return what was seen since `serve` began."""
        now = trio.current_time()
        return self.tally.report(now - self._started, self.judge.report(now) if self.judge else [])

    # -- serving -----------------------------------------------------------------------------------------------------

    async def serve(
        self, host: str, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen and serve until `stop` or cancellation.

        Args:
            host: Where to listen.
            port: TCP port; 0 lets the system choose.
            task_status: Told the port once connections are accepted.

        Raises:
            OSError: It cannot be listened there.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        port = listeners[0].socket.getsockname()[1]
        self._started = trio.current_time()
        with self._serving:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._agenda.run)
                for cut in self.config.faults:
                    if isinstance(cut, Cut) and cut.timed:
                        nursery.start_soon(self._repeat, cut, partial(self.cut, cut))
                    elif isinstance(cut, Unbinding) and cut.timed:
                        nursery.start_soon(self._repeat, cut, partial(self.unbind, cut.account))
                task_status.started(port)
                while True:
                    with trio.CancelScope() as self._listening:
                        await trio.serve_listeners(self._accept, listeners)
                    await trio.sleep(self._down_for)
                    listeners = await trio.open_tcp_listeners(port, host=host)

    async def stop(self) -> None:
        """Unbind every session, for a few seconds at most, and make `serve` return."""
        await self._server.stop()
        self._serving.cancel()

    async def serve_stream(self, stream: trio.abc.Stream, peer: str = "") -> None:
        """Drive one connection until it ends; for connections that `serve` has not accepted while it runs."""
        await self._drive(stream, peer, None)

    async def dial_outbind(self, host: str, port: int, outbind: Outbind) -> None:
        """Connect to an ESME, ask it to bind, and serve the connection (SMPP v3.4 §2.2.1, §4.1.7).

        Raises:
            OSError: There was no connection.
        """
        tcp = await trio.open_tcp_stream(host, port)
        await self._drive(tcp, prepare_socket(tcp), outbind)

    async def _drive(self, stream: trio.abc.Stream, peer: str, outbind: Outbind | None) -> None:
        if not self._connected.is_set():
            self._plan.started = trio.current_time()
            self._connected.set()
        witness = None if self.judge is None else self.judge.connected(peer, trio.current_time())
        with trio.CancelScope() as scope:
            try:
                async with trio.open_nursery() as nursery:
                    wire = Wire(stream, self._wire_faults, nursery, witness)
                    self._connections[scope] = wire
                    await self._server.serve_stream(wire, peer, outbind)
                    await wire.stay_silent()
                    nursery.cancel_scope.cancel()
            finally:
                del self._connections[scope]
                if witness is not None:
                    witness.closed(trio.current_time())

    async def _accept(self, tcp: trio.SocketStream) -> None:
        peer = prepare_socket(tcp)
        stream = await self._server.secure(tcp, peer)
        if stream is not None:
            await self.serve_stream(stream, peer)

    async def _repeat(self, event: FaultEvent, happen: Callable[[], None]) -> None:
        """Let something happen at its times."""
        await self._connected.wait()
        await trio.sleep_until(self._plan.started + event.at)
        for number in itertools.count(1):
            happen()
            if not event.again or number == event.times:
                return
            await trio.sleep(event.again)

    def _authenticate(self, bind: BindRequest, peer: str) -> int:
        now = trio.current_time()
        refusals = (one.fault.status for one in self._bind_refusals if one.strikes(bind.system_id, now))
        status = next(refusals, c.ESME_ROK)
        status = status or self.admission.judge_bind(bind, peer, len(self.links.get(bind.system_id, ())))
        self.tally.figures.binds_refused += status != c.ESME_ROK
        return status

    def _limits(self, system_id: bytes) -> Limits:
        account = self.admission.accounts.get(system_id)
        return Limits(account.rate, account.window) if account else Limits()

    # -- settled -----------------------------------------------------------------------------------------------------

    def _is_settled(self) -> bool:
        return not self._agenda and not any(map(len, self._mailboxes.values()))

    def _look_settled(self) -> None:
        if self._is_settled():
            self._quiet.set()

    # -- the links' handler ------------------------------------------------------------------------------------------

    def on_bound(self, link: Link) -> None:
        """A session has been bound."""
        self.tally.figures.binds += 1
        wire = link.stream
        assert isinstance(wire, Wire)  # noqa: S101 - `_drive` made it
        wire.system_id = link.session.system_id
        if link.can_send:
            self._receiving.set()
            link.wake()

    def on_closed(self, link: Link, reason: str) -> None:
        """A session has ended; what it had not acknowledged is waiting again."""
        self._wake(link.session.system_id)

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        """Give a session's writer what waits for its account."""
        pdus = self._mailboxes[link.session.system_id].take(room, trio.current_time())
        figures = self.tally.figures
        for pdu in pdus:
            delivery = pdu.context
            assert isinstance(delivery, Delivery)  # noqa: S101 - put there by the mailbox
            if delivery.extra:
                figures.extras += 1
            elif isinstance(delivery.subject, MoRecord):
                figures.mo_sent += 1
                figures.mo_resent += delivery.attempts > 1
            else:
                figures.receipts_sent += 1
        return pdus

    def on_events(self, link: Link, events: list[Event]) -> None:
        """Answer requests and settle deliveries."""
        # First, so that a text is known to be acknowledged before the reply that came in the same octets.
        outcomes = [event for event in events if isinstance(event, Outcome)]
        if outcomes:
            self._settle(link.session.system_id, outcomes)
        responses: list[Pdu] = []
        now = trio.current_time()
        unanswered = link.session.unanswered - sum(isinstance(event, Pdu) for event in events)
        for event in events:
            if isinstance(event, SubmitSM | DataSM | SubmitMulti):
                unanswered += 1
                response, delay = self._submit(link, event, unanswered, now)
                if response is None:
                    continue
                if delay:
                    self._agenda.later(delay, partial(link.respond, (response,)))
                else:
                    responses.append(response)
            elif isinstance(event, Pdu) and response_class(event.command_id) is not None:
                status = self.admission.judge_operation(link.session.system_id, event)
                response = None if status == c.ESME_ROK else response_to(event, status)
                responses.append(response or self._centre.answer(link.session.system_id, event))
        if responses:
            link.respond(responses)

    def _submit(self, link: Link, pdu: Submission, unanswered: int, now: float) -> tuple[Pdu | None, float]:
        """Return the response, None if it shall never leave, and in how many seconds it leaves."""
        system_id = link.session.system_id
        status = c.ESME_ROK
        if self.admission.limited:
            status = self.admission.judge_submission(system_id, pdu, unanswered, now)
        if self._refusals:
            status = self._fault_status(system_id, pdu, now) or status
        short_id = link.session.interface_version < c.VERSION_34
        response, receipt = self._centre.submit(system_id, pdu, status, now, short_id=short_id)
        delay = draw(self.config.response, self._rng)
        if pdu.esm_class & c.ESM_MODE_MASK == c.ESM_MODE_TRANSACTION:
            delay = max(delay, receipt)  # it waits for what becomes of the message (SMPP v3.4 §5.2.12)
        for first in self._receipt_firsts:
            if response.command_status == c.ESME_ROK and first.strikes(system_id, now):
                delay = max(delay, receipt + first.fault.lead)
        for unbinding in self._unbindings:
            if not unbinding.fault.timed and unbinding.strikes(system_id, now):
                self.unbind(unbinding.fault.account)
        for cut in self._cuts:
            if not cut.fault.timed and cut.strikes(system_id, now):
                self.cut(cut.fault)
                return None, 0.0
        return response, delay

    def _fault_status(self, system_id: bytes, pdu: Submission, now: float) -> int:
        """The status with which the faults refuse a submission."""
        destinations = [b""] if isinstance(pdu, SubmitMulti) else [pdu.destination_addr]
        # Each counts every submission, whatever the others make of it; the first that strikes gives the status
        refusals = [
            one.fault.status
            for one in self._refusals
            if any(matches(one.fault.to, number) for number in destinations) and one.strikes(system_id, now)
        ]
        return refusals[0] if refusals else c.ESME_ROK

    def _post(self, account: bytes, delivery: Delivery) -> None:
        if self._upstream:
            self._put_faultily(account, delivery, "receipt")
        else:
            self._mailboxes[account].put([delivery])
        self._wake(account)

    def _put_faultily(self, account: bytes, delivery: Delivery, name: PduName) -> None:
        """Put a text or a receipt into its mailbox, unless it is lost, and twice if it is doubled, when it is time."""
        now = trio.current_time()
        if struck(self._losses, name, account, now):
            self.tally.figures.receipts_lost += name == "receipt" and not delivery.extra
            return
        late = struck(self._delays, name, account, now)
        delay = draw(late.fault.delay, late.rng) if late else 0.0
        self._put_later(account, delivery, delay)
        if double := struck(self._doubles, name, account, now):
            extra = replace(delivery, pdu=copy.copy(delivery.pdu), extra=True)
            self._put_later(account, extra, delay + draw(double.fault.delay, double.rng))

    def _put_later(self, account: bytes, delivery: Delivery, delay: float) -> None:
        def put() -> None:
            self._mailboxes[account].put([delivery])
            self._wake(account)

        if delay:
            self._agenda.later(delay, put)
        else:
            put()

    def _replied(self, reply: Reply) -> None:
        for subscriber in self._subscribers.get((reply.destination, reply.source), ()):
            subscriber.deliver(reply)
        self._tell(reply)

    def _settle(self, system_id: bytes, outcomes: Sequence[Outcome]) -> None:
        mailbox = self._mailboxes[system_id]
        settled = mailbox.settle(outcomes)
        tally, figures, now = self.tally, self.tally.figures, trio.current_time()
        for status in settled.errors:
            tally.count(figures.ack_status, c.status_name(status))
        for delivery in settled.acked:
            tally.ack_latency.add(now - delivery.first_sent)
            if delivery.extra:
                continue
            if not isinstance(delivery.subject, MoRecord):
                figures.receipts_acked += 1
                self._tell(delivery.subject)
            elif tally.acked(delivery.subject, now):
                self._tell(delivery.subject)
        for delivery, _ in settled.refused:
            if isinstance(delivery.subject, MoRecord):
                tally.refused(delivery.subject)
            elif not delivery.extra:
                figures.receipts_refused += 1
        if settled.again:
            self._agenda.later(self.config.redelivery_delay, lambda: self._deliver_again(system_id, settled.again))
        self._look_settled()

    def _deliver_again(self, system_id: bytes, deliveries: Sequence[Delivery]) -> None:
        self._mailboxes[system_id].put_back(deliveries)
        self._wake(system_id)

    def _wake(self, system_id: bytes) -> None:
        for link in self._server.links.get(system_id, ()):
            link.wake()

    def _tell(self, happening: Happening) -> None:
        for observer in self.observers:
            observer(happening)
