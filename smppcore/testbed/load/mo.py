"""Inbound texts as fast as an ESME takes them: an SMSC that sends MOs, matches the replies and reports the figures.

Closed loop (`window` un-answered deliver_sm a bind) or open loop (`rate`, `ramp`; latency counts from the time at which
an MO was due, so that a slow ESME does not hide its own delay). *Measured* on one core against a trivial peer: 47,000
MO/s answered at window 10, 115,000 at 50, 155,000 at 200.

Must not be here: the faults and scripts of the simulator, correctness of what an ESME says beyond counting it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.link import prepare_socket
from smppcore.pdu import BindReceiver, BindTransceiver, DeliverSM, Pdu, encode, response_to
from smppcore.receipt import format_receipt, receipt_tlvs
from smppcore.testbed.load.mo_books import Item, MoBooks, MoLoad, MoReport
from smppcore.testbed.load.wire import HEADER, Connection, patched, template

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_SECONDS = 0.001
_MOST_AT_ONCE = 1 << 14


class MoGenerator:
    """An SMSC that accepts every bind and sends texts.

    Resource handling: connections belong to `serve` and `serve_stream`, and end with them.

    Args:
        load: What to send.
        wall: Seconds since the epoch, for the dates in receipts.
    """

    def __init__(self, load: MoLoad, wall: Callable[[], float] = time.time) -> None:
        self.load = load
        self.books = MoBooks(load)
        self.receivers: list[_Session] = []
        """The sessions that take MOs now."""
        self._bound = trio.Event()
        self._stopped_by = ""
        self._bad_pdus = 0
        mo = DeliverSM(
            source_addr_ton=c.TON_INTERNATIONAL,
            source_addr_npi=c.NPI_ISDN,
            source_addr=b"#",
            dest_addr_npi=c.NPI_ISDN,
            destination_addr=load.service.encode(),
        )
        # What stands before the subscriber's number, and behind it up to esm_class (SMPP v3.4 §4.6.1)
        self.head, self._service = encode(mo)[16:-10].split(b"#")
        self.fixed: dict[tuple[int, int, int], bytes] = {}
        """What stands between the subscriber's number and short_message, by what `fix` is given."""
        message_id = "#" * 10
        mo.source_addr = b"@@"
        mo.esm_class = c.ESM_TYPE_RECEIPT
        mo.short_message = format_receipt(message_id, c.STATE_DELIVERED, submitted=wall(), done=wall())
        mo.tlvs = receipt_tlvs(message_id, c.STATE_DELIVERED)
        self.receipt = template(mo, b"@@", message_id.encode(), message_id.encode())

    def fix(self, esm_class: int, data_coding: int, length: int) -> bytes:
        """Return what stands between the subscriber's number and a short_message."""
        octets = self._service + bytes((esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, length))
        self.fixed[esm_class, data_coding, length] = octets
        return octets

    async def serve(
        self, host: str, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen until cancelled.

        Args:
            host: To listen on.
            port: To listen on, 0 for a free one; `task_status` is started with the one that it became.
            task_status: For `nursery.start`.

        Raises:
            OSError: The address cannot be listened on.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._accept, listeners)

    async def _accept(self, tcp: trio.SocketStream) -> None:
        prepare_socket(tcp)
        await self.serve_stream(tcp)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Drive one connection until it ends."""
        session = _Session(self, stream)
        if await session.run():
            self.books.report.closed_by_peer += 1
        if session in self.receivers:
            self.receivers.remove(session)
        self._bad_pdus += session.bad_pdus
        self.books.lost(list(session.unanswered.values()))

    def add_receiver(self, session: _Session) -> None:
        """Note a session that takes MOs; the run can begin when there are enough."""
        self.books.report.binds += 1
        self.receivers.append(session)
        if len(self.receivers) >= self.load.binds:
            self._bound.set()

    async def bound(self) -> None:
        """Wait until as many receiving sessions have been bound as the load wants."""
        await self._bound.wait()

    def stop(self) -> None:
        """Let the run end now."""
        self._stopped_by = "interrupted"
        self._bound.set()

    async def run(self) -> MoReport:
        """Wait for the binds, send, and return the figures."""
        await self.bound()
        books = self.books
        if not self._stopped_by:
            await trio.sleep(self.load.settle)
        cpu_before = time.process_time()
        books.begin(trio.current_time())
        # Only an open loop needs a fine tick; a closed one is driven by the answers.
        tick = _TICK_SECONDS if self.load.rate or self.load.ramp else _TICK_SECONDS * 20
        end = self._stopped_by
        while not end:
            for session in self.receivers:
                session.wake()
            await trio.sleep(tick)
            end = self._stopped_by or books.ended(trio.current_time())
        books.report.bad_pdus = self._bad_pdus + sum(session.bad_pdus for session in self.receivers)
        return books.finish(end, trio.current_time(), time.process_time() - cpu_before)


class _Session(Connection):
    """One connection of an ESME; what it had not answered at its end is sent again on another."""

    def __init__(self, generator: MoGenerator, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self.unanswered: dict[int, Item | tuple[bytes, bytes]] = {}
        """What was sent, by sequence_number: a part of an MO, or a receipt's subscriber and message_id."""
        self._generator = generator
        self._books = generator.books
        self._receives = False
        self._now = 0.0

    def begin(self, now: float) -> None:
        """A read begins."""
        self._now = self._books.last_seen = now
        self._books.series.move_to(now)

    def take(self, data: bytes, position: int, stop: int, command: int, status: int, sequence: int) -> bool:
        """Take in a deliver_sm_resp or a submit_sm."""
        if command == c.DELIVER_SM_RESP:
            item = self.unanswered.pop(sequence, None)
            report = self._books.report
            if item is None:
                report.bad_resp_seq += 1
                return True
            self._books.unanswered -= 1
            if isinstance(item[0], int):
                self._books.acked(item, status, self._now)
            elif status == c.ESME_ROK:
                report.receipts_acked += 1
            else:
                report.receipts_err += 1
            return True
        if command == c.SUBMIT_SM:
            self._on_submit(data[position:stop], sequence)
            return True
        return False

    def _on_submit(self, octets: bytes, sequence: int) -> None:
        books, report = self._books, self._books.report
        try:
            # SMPP v3.4 §4.4.1: service_type, source and destination, then three octets, two times, four octets.
            position = octets.index(0, 16) + 3
            position = octets.index(0, position) + 3
            end = octets.index(0, position)
            destination = octets[position:end]
            position = octets.index(0, octets.index(0, end + 4) + 1) + 1
            registered, coding = octets[position], octets[position + 2]
            length = octets[position + 4]
            text = octets[position + 5 : position + 5 + length]
        except (ValueError, IndexError):
            self.bad_pdus += 1
            self.output.append(HEADER.pack(16, c.SUBMIT_SM_RESP, c.ESME_RINVMSGLEN, sequence))
            return
        if not length:
            text = octets[position + 5 :]  # message_payload; a number cannot be mistaken for its tag
        if coding:
            report.dcs_nonzero += 1
            text = text.replace(b"\0", b"")
        books.submitted(destination, text, self._now)
        message_id = b"%010d" % report.submits
        self.output.append(HEADER.pack(16 + 10 + 1, c.SUBMIT_SM_RESP, c.ESME_ROK, sequence) + message_id + b"\0")
        if registered & c.RECEIPT_MASK:
            report.regdel_set += 1
            if books.load.receipts:
                report.receipts_made += 1
                books.receipts.append((destination, message_id))

    def take_other(self, pdu: Pdu) -> None:
        """Answer any other request."""
        if pdu.command_id == c.GENERIC_NACK:
            self._books.report.generic_nacks += 1
        if pdu.command_id & c.RESPONSE_BIT:
            return
        self.output.append(encode(response_to(pdu)))
        self.closing = pdu.command_id == c.UNBIND
        if isinstance(pdu, (BindReceiver, BindTransceiver)) and not self._receives:
            self._receives = True
            self._generator.add_receiver(self)

    def fill(self, output: list[bytes], now: float) -> None:
        """Append what the window has room for, receipts first."""
        if not self._receives:
            return
        generator, books, unanswered = self._generator, self._books, self.unanswered
        subscriber_of = books.subscriber
        head = generator.head
        room = (books.load.window or _MOST_AT_ONCE) - len(unanswered)
        sent = 0
        while room > sent:
            sequence = self.next_sequence()
            if books.receipts:
                subscriber, message_id = unanswered[sequence] = books.receipts.popleft()
                output.append(patched(generator.receipt, sequence, subscriber, message_id, message_id))
                books.report.receipts_sent += 1
                books.unanswered += 1
                room -= 1
                continue
            item = books.next_item(now)
            if item is None:
                break
            unanswered[sequence] = item
            index, part, body = item
            octets = body.parts[part]
            fixed = generator.fixed.get((body.esm_class, body.data_coding, len(octets)))
            if fixed is None:
                fixed = generator.fix(body.esm_class, body.data_coding, len(octets))
            fields = head + subscriber_of(index) + fixed + octets
            output.append(HEADER.pack(16 + len(fields), c.DELIVER_SM, 0, sequence) + fields)
            sent += 1
        if sent:
            books.report.mo_sent += sent
            books.unanswered += sent
            books.series.move_to(now).sent += sent


async def run_mo_load(
    load: MoLoad,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> MoReport:
    """Listen as an SMSC that accepts every bind, send the MOs, and return the figures; arguments as `serve`'s.

    Raises:
        OSError: The address cannot be listened on.
    """
    generator = MoGenerator(load)
    async with trio.open_nursery() as nursery:
        task_status.started(await nursery.start(generator.serve, host, port))
        report = await generator.run()
        nursery.cancel_scope.cancel()
    return report
