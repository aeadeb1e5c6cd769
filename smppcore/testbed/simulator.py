"""A scriptable SMSC: accounts, texts from subscribers, delivery receipts, and faults on demand.

Rules:

1. What an ESME does never harms the simulator: whatever is asked is answered, garbage and bad values by the session.
2. Receipts and texts go to any receiving session of the account, whichever session the message came by.
3. The same seed and the same events in the same order give the same ids, outcomes and delays.

Must not be here: file formats, terminals, knowledge of the bridge.
"""

from __future__ import annotations

import heapq
import itertools
import math
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.events import Event, Outcome
from smppcore.link import Link, prepare_socket
from smppcore.pdu import (
    BindRequest,
    DataSM,
    Pdu,
    SubmitMulti,
    SubmitSM,
    response_class,
)
from smppcore.smsc import SmscConfig, SmscServer
from smppcore.testbed import messages
from smppcore.testbed.centre import Centre
from smppcore.testbed.config import Mo, SimulatorConfig, Traffic
from smppcore.testbed.mailbox import Delivery, Mailbox
from smppcore.testbed.subscriber import Subscriber
from smppcore.testbed.tally import MoRecord, ReceiptDone, Reply, Report, Tally

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from smppcore.testbed.centre import Submission

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
        rng: Draws outcomes, delays and uuids.
        wall: Seconds since the epoch, for the dates in receipts.
    """

    def __init__(self, config: SimulatorConfig, rng: random.Random, wall: Callable[[], float] = time.time) -> None:
        self.config = config
        self.tally = Tally()
        self.observers: list[Observer] = []
        """Called with each Happening, in order; they must not block."""
        self._centre = Centre(config, self.tally, rng, wall, later=self._later, post=self._post, replied=self._replied)
        self._passwords = {account.system_id.encode(): account.password.encode() for account in config.accounts}
        self._mailboxes = {system_id: Mailbox() for system_id in self._passwords}
        self._server = SmscServer(SmscConfig(session=config.session), self._authenticate, self)
        self._subscribers: dict[tuple[str, str], list[Subscriber]] = {}
        self._references = itertools.count(1)
        self._connections: dict[trio.CancelScope, trio.abc.Stream] = {}
        self._listening = trio.CancelScope()
        self._serving = trio.CancelScope()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._agenda_order = itertools.count()
        self._agenda_changed = trio.Event()
        self._bound = trio.Event()
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
        mailbox.put([Delivery(pdu, record) for pdu in pdus])
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
                self.inject(Mo(source, traffic.destination, text, traffic.account))
                number = token + 1
            if number == traffic.count:
                return
            await trio.sleep(_TICK_SECONDS)

    def cut(self) -> bool:
        """Cut all connections, as the faults say, and refuse new ones for `down_for`.

        Returns:
            Whether it is done: False once it has been done `drop_count` times.
        """
        faults, figures = self.config.faults, self.tally.figures
        if faults.drop_count and figures.drops >= faults.drop_count:
            return False
        figures.drops += 1
        if faults.drop_mode == "rst":
            for stream in self._connections.values():
                if isinstance(stream, trio.SocketStream):
                    # close() with a linger of 0 s resets the connection and throws away what is queued
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if faults.down_for:
            self._listening.cancel()
        for scope in self._connections:
            scope.cancel()
        return True

    def report(self) -> Report:
        """Return what was seen since `serve` began."""
        return self.tally.report(trio.current_time() - self._started)

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
                nursery.start_soon(self._keep_agenda)
                if self.config.faults.drop_after:
                    nursery.start_soon(self._ask_for_cuts)
                task_status.started(port)
                while True:
                    with trio.CancelScope() as self._listening:
                        await trio.serve_listeners(self._accept, listeners)
                    await trio.sleep(self.config.faults.down_for)
                    listeners = await trio.open_tcp_listeners(port, host=host)

    async def stop(self) -> None:
        """Unbind every session, for a few seconds at most, and make `serve` return."""
        await self._server.stop()
        self._serving.cancel()

    async def serve_stream(self, stream: trio.abc.Stream, peer: str = "") -> None:
        """Drive one connection until it ends; for connections that `serve` has not accepted while it runs."""
        with trio.CancelScope() as scope:
            self._connections[scope] = stream
            try:
                await self._server.serve_stream(stream, peer)
            finally:
                del self._connections[scope]

    async def _accept(self, tcp: trio.SocketStream) -> None:
        await self.serve_stream(tcp, prepare_socket(tcp))

    async def _ask_for_cuts(self) -> None:
        await self._bound.wait()
        while True:
            await trio.sleep(self.config.faults.drop_after)
            self.cut()

    def _authenticate(self, bind: BindRequest, _peer: str) -> int:
        status = self.config.faults.bind_status
        password = self._passwords.get(bind.system_id)
        if status == c.ESME_ROK and password is None:
            status = c.ESME_RINVSYSID
        elif status == c.ESME_ROK and password != bind.password:
            status = c.ESME_RINVPASWD
        self.tally.figures.binds_refused += status != c.ESME_ROK
        return status

    # -- the agenda: what is due later -------------------------------------------------------------------------------

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (trio.current_time() + seconds, next(self._agenda_order), action))
        self._agenda_changed.set()

    async def _keep_agenda(self) -> None:
        while True:
            self._agenda_changed = trio.Event()
            now = trio.current_time()
            while self._agenda and self._agenda[0][0] <= now:
                heapq.heappop(self._agenda)[2]()
            self._look_settled()
            with trio.move_on_at(self._agenda[0][0] if self._agenda else math.inf):
                await self._agenda_changed.wait()

    def _is_settled(self) -> bool:
        return not self._agenda and not any(map(len, self._mailboxes.values()))

    def _look_settled(self) -> None:
        if self._is_settled():
            self._quiet.set()

    # -- the links' handler ------------------------------------------------------------------------------------------

    def on_bound(self, link: Link) -> None:
        """A session has been bound."""
        self.tally.figures.binds += 1
        self._bound.set()
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
            if isinstance(delivery.subject, MoRecord):
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
        held: list[Pdu] = []
        now = trio.current_time()
        for event in events:
            if isinstance(event, SubmitSM | DataSM | SubmitMulti):
                response = self._submit(link, event, now)
                if response is not None:
                    first = self.config.receipts.before_response and response.command_status == c.ESME_ROK
                    (held if first else responses).append(response)
            elif isinstance(event, Pdu) and response_class(event.command_id) is not None:
                responses.append(self._centre.answer(link.session.system_id, event))
        delay = self.config.faults.response_delay
        self._respond(link, responses, delay)
        receipts = self.config.receipts
        self._respond(link, held, max(delay, receipts.delay + receipts.spread + receipts.lead))

    def _submit(self, link: Link, pdu: Submission, now: float) -> Pdu | None:
        """Return the response; None if it shall never leave."""
        response = self._centre.submit(link.session.system_id, pdu, now)
        every = self.config.faults.drop_after_submits
        return None if every and self.tally.figures.submits % every == 0 and self.cut() else response

    def _post(self, account: bytes, delivery: Delivery) -> None:
        self._mailboxes[account].put([delivery])
        self._wake(account)

    def _replied(self, reply: Reply) -> None:
        for subscriber in self._subscribers.get((reply.destination, reply.source), ()):
            subscriber.deliver(reply)
        self._tell(reply)

    def _respond(self, link: Link, responses: list[Pdu], delay: float) -> None:
        if not responses:
            return
        if delay:
            self._later(delay, lambda: link.respond(responses))
        else:
            link.respond(responses)

    def _settle(self, system_id: bytes, outcomes: Sequence[Outcome]) -> None:
        mailbox = self._mailboxes[system_id]
        settled = mailbox.settle(outcomes)
        tally, figures, now = self.tally, self.tally.figures, trio.current_time()
        for status in settled.errors:
            tally.count(figures.ack_status, c.status_name(status))
        for delivery in settled.acked:
            tally.ack_latency.add(now - delivery.first_sent)
            if not isinstance(delivery.subject, MoRecord):
                figures.receipts_acked += 1
                self._tell(delivery.subject)
            elif tally.acked(delivery.subject, now):
                self._tell(delivery.subject)
        for delivery, _ in settled.refused:
            if isinstance(delivery.subject, MoRecord):
                tally.refused(delivery.subject)
            else:
                figures.receipts_refused += 1
        if settled.again:
            self._later(self.config.redelivery_delay, lambda: self._deliver_again(system_id, settled.again))
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
