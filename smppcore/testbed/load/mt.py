"""Outbound messages as fast as an SMSC takes them: an ESME with many binds that submits and reports the figures.

Closed loop (`window` un-answered submit_sm a bind) or open loop (`rate`, `ramp`; latency counts from the time at which
a message was due). The binds stay while one load follows another, as the search for a peer's limits needs it.

Must not be here: what is counted (`mt_books`), configuration files.
"""

from __future__ import annotations

import math
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.dial import connect_tcp
from smppcore.errors import BindRefused, ConnectFailed, LinkClosed, ResponseTimeout
from smppcore.failover import Addresses
from smppcore.pdu import (
    BindReceiver,
    BindRequest,
    BindResponse,
    BindTransceiver,
    BindTransmitter,
    DataSM,
    DeliverSM,
    EnquireLink,
    Pdu,
    SubmitSM,
    Unbind,
    encode,
    response_to,
)
from smppcore.receipt import parse_receipt
from smppcore.testbed.load.mt_books import MtBooks, MtLoad
from smppcore.testbed.load.wire import HEADER, Connection

if TYPE_CHECKING:
    from smppcore.errors import SmppError
    from smppcore.esme import Connect, EsmeConfig
    from smppcore.testbed.load.mt_books import MtReport
    from smppcore.testbed.load.texts import Body

_TICK_SECONDS = 0.001
_SLOW_TICK_SECONDS = 0.02
_ENQUIRE_SECONDS = 30.0
_REBIND_SECONDS = 1.0
_UNBIND_SECONDS = 2.0
_STOP_SECONDS = 2.0
_BINDS: dict[str, tuple[type[BindRequest], ...]] = {
    "transceiver": (BindTransceiver,),
    "transmitter": (BindTransmitter,),
    "receiver": (BindReceiver,),
    "separate": (BindTransmitter, BindReceiver),
}


class MtGenerator:
    """An ESME that submits.

    Resource handling: connections belong to `hold`, and are unbound and closed when it returns.

    Args:
        config: Where to connect and as whom; window and rate are the load's.
        load: What to submit first.
        connect: Makes connections; TCP and TLS if left out.
    """

    def __init__(self, config: EsmeConfig, load: MtLoad, connect: Connect | None = None) -> None:
        self.config = config
        self.books = MtBooks(load)
        self.sessions: list[_Session] = []
        """The sessions that are bound."""
        self._connect = connect or partial(connect_tcp, config=config.dial)
        self._addresses = Addresses()
        self._stopped_at = math.inf
        self._closing = trio.Event()
        self._failures: list[SmppError] = []
        self._fixed: dict[tuple[int, int, int], bytes] = {}  # a submit_sm for esm_class, data_coding, sm_length
        self._pdu = self._prepare(load)

    # -- the binds -----------------------------------------------------------------------------------------------------

    async def hold(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Bind, and keep the binds until `close`; one that is lost is bound again.

        Args:
            task_status: Told how many sessions are bound, once all have been tried.

        Raises:
            SmppError: None could be bound: why the first was not.
        """
        kinds = _BINDS[self.config.bind] * self.config.binds
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as attempts:
                for kind in kinds:
                    attempts.start_soon(nursery.start, self._keep, kind)
            self.books.report.binds_refused = len(self._failures)
            if not self.sessions:
                raise self._failures[0]
            task_status.started(len(self.sessions))
            await self._closing.wait()
            with trio.move_on_after(_UNBIND_SECONDS):
                while self.sessions:  # noqa: ASYNC110  a moment, once
                    await trio.sleep(_TICK_SECONDS)
            nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Unbind; `hold` returns when it is done."""
        self._closing.set()
        for session in self.sessions:
            session.unbind()

    async def _keep(self, kind: type[BindRequest], *, task_status: trio.TaskStatus[None]) -> None:
        failure = await self._bind(kind, task_status)
        if failure is not None:
            self._failures.append(failure)
            task_status.started()
            return
        while not self._closing.is_set():
            self.books.report.binds_lost += 1
            await trio.sleep(_REBIND_SECONDS)
            await self._bind(kind, trio.TASK_STATUS_IGNORED)

    async def _bind(self, kind: type[BindRequest], task_status: trio.TaskStatus[None]) -> SmppError | None:
        """Connect, bind, and serve the session until it ends; return why it was never bound."""
        config = self.config
        host = config.endpoints[0]
        stream: trio.abc.Stream | None = None
        try:
            with trio.move_on_after(config.connect_timeout):
                stream, _ = await self._connect(host, self._addresses)
        except ConnectFailed as exc:
            return exc
        if stream is None:
            return ConnectFailed("connect_timeout", f"no connection to {host} within {config.connect_timeout:g} s")
        request = kind(
            config.system_id,
            config.password,
            config.system_type,
            config.interface_version,
            config.addr_ton,
            config.addr_npi,
            config.address_range,
        )
        session = _Session(self, stream, request)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.serve)
            with trio.move_on_after(config.bind_timeout):
                await session.answered.wait()
            if not session.answered.is_set():
                session.failure = ResponseTimeout(1, config.bind_timeout)
                nursery.cancel_scope.cancel()
            elif session.bound:
                self.books.report.binds += 1
                self.sessions.append(session)
                session.wake()
                task_status.started()
        if session.bound:
            self.sessions.remove(session)
            self.books.report.bad_pdus += session.bad_pdus
            return None
        return session.failure

    # -- the loads -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let the load that runs end with the figures so far, once what is un-answered had a moment to be answered."""
        now = trio.current_time()
        self._stopped_at = min(self._stopped_at, now)
        self.books.pace.ends = min(self.books.pace.ends, now)

    async def run(self, load: MtLoad | None = None) -> MtReport:
        """Submit while `hold` runs, and return the figures; what is un-answered at the end is lost.

        Args:
            load: What to submit; the one that the generator was made with if left out.
        """
        if load is not None:
            self._prepare_next(load)
        books = self.books
        cpu_before = time.process_time()
        books.begin(trio.current_time())
        end = ""
        while not end:
            now = trio.current_time()
            for session in self.sessions:
                session.tick(now)
            # Only an open loop needs us to the millisecond; a closed one is driven by the answers
            due, latest = books.pace.due_at(), now + _SLOW_TICK_SECONDS
            await trio.sleep_until(max(now + _TICK_SECONDS, min(due, latest)) if books.pace.open else latest)
            now = trio.current_time()
            end = books.ended(now)
            if now >= self._stopped_at and (end or now >= self._stopped_at + _STOP_SECONDS):
                end = "interrupted"
        for session in self.sessions:
            session.give_up()
        return books.finish(end, trio.current_time(), time.process_time() - cpu_before)

    def _prepare_next(self, load: MtLoad) -> None:
        report, self.books = self.books.report, MtBooks(load)
        self.books.report.binds, self.books.report.binds_refused = report.binds, report.binds_refused
        self._fixed.clear()
        self._pdu = self._prepare(load)

    def _prepare(self, load: MtLoad) -> tuple[bytes, bytes, bytes]:
        """Return the octets of a submit_sm before its destination, behind it up to data_coding, and behind that."""
        alphanumeric = not load.source.isdigit()
        pdu = SubmitSM(
            source_addr_ton=c.TON_ALPHANUMERIC if alphanumeric else c.TON_UNKNOWN,
            source_addr_npi=c.NPI_UNKNOWN if alphanumeric else c.NPI_ISDN,
            source_addr=load.source.encode("ascii", "replace"),
            dest_addr_ton=c.TON_INTERNATIONAL,
            dest_addr_npi=c.NPI_ISDN,
            destination_addr=b"",
            registered_delivery=int(load.receipts),
        )
        octets = encode(pdu)[16:]
        # SMPP v3.4 §4.4.1: behind destination_addr stand its NUL, esm_class, protocol_id, priority_flag, two empty
        # times, registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length
        return octets[:-11], octets[-9:-3], octets[-2:-1]

    def submit(self, sequence: int, destination: int, body: Body, part: int) -> bytes:
        """Return a submit_sm."""
        octets = body.parts[part]
        key = body.esm_class, body.data_coding, len(octets)
        fixed = self._fixed.get(key)
        if fixed is None:
            head, middle, tail = self._pdu
            fixed = self._fixed[key] = (
                head.replace(b"%", b"%%")
                + b"%d"
                + bytes((0, body.esm_class, *middle, body.data_coding, *tail, len(octets))).replace(b"%", b"%%")
                + b"%b"
            )
        fields = fixed % (destination, octets)
        return HEADER.pack(16 + len(fields), c.SUBMIT_SM, 0, sequence) + fields


class _Session(Connection):
    """One connection to the SMSC: binds, submits, acknowledges.

    Args:
        generator: Whose it is.
        stream: Connected.
        bind: The request to begin with.
    """

    def __init__(self, generator: MtGenerator, stream: trio.abc.Stream, bind: BindRequest) -> None:
        super().__init__(stream)
        self.answered = trio.Event()
        """The bind has its answer, or the connection has ended."""
        self.bound = False
        self.failure: SmppError | None = None
        """Why it was not bound."""
        self._generator = generator
        self._submits = not isinstance(bind, BindReceiver)
        self._unanswered: dict[int, float] = {}  # sequence_number → when it was due, oldest first
        self._sent: deque[tuple[float, int]] = deque()  # when, and the last sequence_number that left then
        self._unbinding = False
        self._enquire_at = trio.current_time() + _ENQUIRE_SECONDS
        self._now = 0.0
        bind.sequence_number = self.next_sequence()
        self.output.append(encode(bind))

    async def serve(self) -> None:
        """Serve the connection until it ends."""
        try:
            await self.run()
        finally:
            self._generator.books.lost(len(self._unanswered))
            self._unanswered.clear()
            if not self.answered.is_set():
                self.failure = self.failure or LinkClosed("the peer closed the connection before it answered the bind")
                self.answered.set()

    def unbind(self) -> None:
        """Ask the peer to end the session; nothing more is submitted."""
        self._unbinding = True
        self.output.append(encode(Unbind(sequence_number=self.next_sequence())))
        self.wake()

    def tick(self, now: float) -> None:
        """Give up what has waited too long, keep the session alive, and let the writer look what is due."""
        books = self._generator.books
        given_up = 0
        while self._sent and now - self._sent[0][0] >= books.load.response_timeout:
            last = self._sent.popleft()[1]
            while self._unanswered and (oldest := next(iter(self._unanswered))) <= last:
                del self._unanswered[oldest]
                given_up += 1
        if given_up:
            books.lost(given_up)
        if now >= self._enquire_at:
            self._enquire_at = now + _ENQUIRE_SECONDS
            self.output.append(encode(EnquireLink(sequence_number=self.next_sequence())))
        self.wake()

    def give_up(self) -> None:
        """Wait for nothing any more: the load has ended."""
        self._unanswered.clear()
        self._sent.clear()

    def begin(self, now: float) -> None:
        """A read begins."""
        self._now = now
        self._generator.books.seen(now)

    def take(self, data: bytes, position: int, stop: int, command: int, status: int, sequence: int) -> bool:
        """Take in a submit_sm_resp."""
        if command != c.SUBMIT_SM_RESP and command != c.GENERIC_NACK:
            return False
        books = self._generator.books
        due = self._unanswered.pop(sequence, None)
        if due is None:
            books.report.late += 1
            return True
        books.in_flight -= 1
        if status or command == c.GENERIC_NACK:
            books.refused(status)
            return True
        interval = books.series.current
        interval.answered += 1
        interval.answer_latency.add(self._now - due)
        if books.load.receipts:
            books.named(data[position + 16 : stop].partition(b"\0")[0], due)
        return True

    def take_other(self, pdu: Pdu) -> None:
        """Take in the bind's answer, receipts, and what else the SMSC asks."""
        if isinstance(pdu, BindResponse) or (pdu.command_id == c.GENERIC_NACK and not self.bound):
            self._on_bind(pdu)
        if pdu.command_id == c.UNBIND_RESP:
            self.closing = True
        if pdu.command_id & c.RESPONSE_BIT:
            return
        self.output.append(encode(response_to(pdu)))
        self.closing = pdu.command_id == c.UNBIND
        if isinstance(pdu, (DeliverSM, DataSM)):
            books = self._generator.books
            receipt = parse_receipt(pdu)
            if receipt is None:
                books.report.mo_received += 1
            else:
                books.receipt(receipt, self._now)

    def _on_bind(self, pdu: Pdu) -> None:
        status = pdu.command_status
        if status or pdu.command_id == c.GENERIC_NACK:
            text = f"{c.command_name(pdu.command_id)} {c.status_name(status)}: {c.status_text(status)}"
            self.failure = BindRefused(status, f"the bind was refused: {text}")
            self.closing = True
        else:
            self.bound = True
        self.answered.set()

    def fill(self, output: list[bytes], now: float) -> None:
        """Append what is due and the window has room for."""
        generator, books, unanswered = self._generator, self._generator.books, self._unanswered
        if not self.bound or not self._submits or self._unbinding:
            return
        room = books.load.window - len(unanswered)
        sent = sequence = 0
        while sent < room:
            message = books.take(now)
            if message is None:
                break
            sequence = self.next_sequence()
            due, destination, body, part = message
            unanswered[sequence] = due
            output.append(generator.submit(sequence, destination, body, part))
            sent += 1
        if sent:
            self._sent.append((now, sequence))
            books.in_flight += sent
            books.series.move_to(now).sent += sent
