"""Inbound texts as fast as an ESME takes them: an SMSC that sends MOs, matches the replies and reports the figures.

Closed loop (`window` un-answered deliver_sm a bind) or open loop (`rate`; latency counts from the time at which an MO
was due, so that a slow ESME does not hide its own delay). The report's names are those of common SMPP load drivers.

This measures other programs, so it must cost little itself: it stands on the stream, not on Session. PDUs are patched
into octets that `encode` made once, the two PDUs that come by the thousand are read in place, everything else goes
through `decode`. One read is one batch, one write is everything that waits. *Measured* on one core against a trivial
peer: 47,000 MO/s answered at window 10, 115,000 at 50, 155,000 at 200.

Must not be here: the faults and scripts of the simulator, correctness of what an ESME says beyond counting it.
"""

from __future__ import annotations

import json
import math
import re
import struct
import time
from array import array
from collections import Counter, deque
from dataclasses import asdict, dataclass, field

import trio

from smppcore import constants as c
from smppcore.errors import DecodeError
from smppcore.pdu import BindReceiver, BindTransceiver, DeliverSM, Pdu, decode, encode, response_to
from smppcore.receipt import format_receipt, receipt_tlvs
from smppcore.testbed.latency import Latencies

_HEADER = struct.Struct(">IIII")
_TOKEN = re.compile(rb"(?<!\d)\d{7}(?!\d)")
_READ_BYTES = 256 * 1024
_RETRY_SECONDS = 0.1
_TICK_SECONDS = 0.001
_LAST_WRITE_SECONDS = 1.0
_RETRY_STATUSES = frozenset((c.ESME_RX_T_APPN, c.ESME_RSYSERR, c.ESME_RMSGQFUL, c.ESME_RTHROTTLED))

_ACKED, _REPLIED, _RESENT = 1, 2, 4


@dataclass(frozen=True, slots=True)
class MoLoad:
    """What to send, and when to stop."""

    messages: int = 0
    """How many MOs; 0: for `seconds`."""
    seconds: float = 10.0
    """How long to send, where `messages` is 0."""
    window: int = 50
    """At most so many un-answered deliver_sm a bind, MOs and receipts together; 0 is no limit."""
    rate: float = 0.0
    """MOs per second over all binds; 0 is a closed loop."""
    max_unreplied: int = 0
    """Send nothing while so many MOs wait for their reply; 0: none, and replies/s need not be sustainable."""
    binds: int = 1
    """Begin when so many receiving sessions are bound."""
    settle: float = 0.2
    """Seconds after the last of them."""
    subscribers: int = 100_000
    """MOs come from so many numbers in turn."""
    service: str = "12345"
    """The number that they are sent to."""
    text: str = "BALANCE %07u please check my account"
    """With one %07u for the token by which a reply is matched."""
    receipts: bool = False
    """A receipt for each submit_sm that asks for one."""
    warmup: float = 1.0
    """Seconds left out of rates and percentiles."""
    idle: float = 5.0
    """Seconds without anything received after which the run ends."""
    timeout: float = 120.0
    """Seconds after which the run ends at all events."""


@dataclass(slots=True)
class LoadReport:
    """What was seen; the names are the JSON's.

    Rates are over the steady part: after the warm-up, until sending stopped; `overall_*` from the first to the last.
    """

    end: str = ""
    """complete, idle (something never came), stalled (before all was sent) or timeout."""
    seconds: float = 0.0
    replies_per_s: float = 0.0
    acks_per_s: float = 0.0
    submits_per_s: float = 0.0
    best_1s: int = 0
    worst_1s: int = 0
    overall_replies_per_s: float = 0.0
    ack_ms: dict[str, float] = field(default_factory=dict)
    reply_ms: dict[str, float] = field(default_factory=dict)
    mo_unique: int = 0
    mo_sent: int = 0
    mo_resent: int = 0
    ack_ok: int = 0
    ack_err: int = 0
    ack_status: dict[str, int] = field(default_factory=dict)
    never_acked: int = 0
    submits: int = 0
    matched_token: int = 0
    matched_addr: int = 0
    unmatched: int = 0
    wrong_addr: int = 0
    replied: int = 0
    unreplied: int = 0
    unreplied_acked: int = 0
    dup_replies: int = 0
    dup_of_resent: int = 0
    dup_not_resent: int = 0
    receipts_made: int = 0
    receipts_sent: int = 0
    receipts_acked: int = 0
    receipts_err: int = 0
    bad_pdus: int = 0
    bad_resp_seq: int = 0
    generic_nacks: int = 0
    regdel_set: int = 0
    dcs_nonzero: int = 0
    closed_by_peer: int = 0
    driver_cpu_s: float = 0.0
    driver_util: float = 0.0
    series_1s: list[int] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps(asdict(self))


def _template(pdu: Pdu, *placeholders: bytes) -> bytes:
    """Encode a PDU once and make sequence_number and each placeholder (in order of appearance) a %b."""
    octets = encode(pdu)
    rest = octets[16:].replace(b"%", b"%%")
    for placeholder in placeholders:
        rest = rest.replace(placeholder, b"%b", 1)
    return octets[:12].replace(b"%", b"%%") + b"%b" + rest


class _Run:
    """The books of one run: which MO is where. No I/O; `now` is passed in."""

    def __init__(self, load: MoLoad) -> None:
        self.load = load
        self.report = LoadReport()
        self.started = math.inf
        self.stopped = math.inf
        self.last_seen = 0.0
        self.receivers: list[_Bind] = []
        self.bound = trio.Event()
        self.sent_at = array("d")
        self.state = bytearray()
        self.again: deque[tuple[float, int]] = deque()
        self.receipts: deque[tuple[bytes, bytes]] = deque()
        self.unanswered = 0
        self.ack_latency = Latencies()
        self.reply_latency = Latencies()
        self.replies_by_second: Counter[int] = Counter()
        self.acks_by_second: Counter[int] = Counter()
        self.submits_by_second: Counter[int] = Counter()
        self._oldest_open: dict[int, int] = {}
        subscriber, token, message_id = b"#" * 12, b"#" * 7, "#" * 10
        mo = DeliverSM(
            source_addr_ton=c.TON_INTERNATIONAL,
            source_addr_npi=c.NPI_ISDN,
            source_addr=subscriber,
            dest_addr_npi=c.NPI_ISDN,
            destination_addr=load.service.encode(),
            short_message=load.text.replace("%07u", token.decode()).encode("latin-1"),
        )
        self.mo_octets = _template(mo, subscriber, token)
        mo.esm_class = c.ESM_TYPE_RECEIPT
        mo.short_message = format_receipt(message_id, c.STATE_DELIVERED, submitted=time.time(), done=time.time())
        mo.tlvs = receipt_tlvs(message_id, c.STATE_DELIVERED)
        self.receipt_octets = _template(mo, subscriber, message_id.encode(), message_id.encode())
        id_octets = c.SUBMIT_SM_RESP.to_bytes(4) + b"\0\0\0\0%b%b\0"
        self.submit_resp_octets = (16 + 10 + 1).to_bytes(4) + id_octets

    def add_receiver(self, bind: _Bind) -> None:
        """Note a bind that takes MOs; `bound` is set when there are enough."""
        self.receivers.append(bind)
        if len(self.receivers) >= self.load.binds:
            self.bound.set()

    # -- sending -----------------------------------------------------------------------------------------------------

    def subscriber(self, index: int) -> bytes:
        """Return the number that an MO comes from, 12 digits."""
        return b"2557%08d" % (index % self.load.subscribers)

    def next_mo(self, now: float) -> int:
        """Return the MO to send now, -1 if none is due or allowed."""
        if self.again and self.again[0][0] <= now:
            index = self.again.popleft()[1]
            if self.state[index] & _ACKED:
                return self.next_mo(now)
            self.state[index] |= _RESENT
            self.report.mo_resent += 1
            return index
        load, index = self.load, len(self.state)
        if now < self.started or now >= self.stopped:
            return -1
        if load.max_unreplied and index - self.report.replied >= load.max_unreplied:
            return -1
        due = now
        if load.rate:
            due = self.started + index / load.rate
            if due > now:
                return -1
        self.sent_at.append(due)
        self.state.append(0)
        if index + 1 == load.messages:
            self.stopped = now
        return index

    def begin(self, now: float) -> None:
        """Start the clock of the run."""
        self.started = self.last_seen = now
        if not self.load.messages:
            self.stopped = now + self.load.seconds

    # -- receiving ---------------------------------------------------------------------------------------------------

    def acked(self, index: int, status: int, now: float) -> None:
        """Note the deliver_sm_resp of an MO."""
        report = self.report
        if status != c.ESME_ROK:
            report.ack_err += 1
            name = c.status_name(status)
            report.ack_status[name] = report.ack_status.get(name, 0) + 1
            if status in _RETRY_STATUSES:
                self.again.append((now + _RETRY_SECONDS, index))
            return
        report.ack_ok += 1
        self.state[index] |= _ACKED
        self.acks_by_second[int(now - self.started)] += 1
        if now - self.started >= self.load.warmup:
            self.ack_latency.add(now - self.sent_at[index])

    def submitted(self, destination: bytes, octets: bytes, now: float) -> None:
        """Match one submit_sm to its MO."""
        report = self.report
        report.submits += 1
        self.submits_by_second[int(now - self.started)] += 1
        found = _TOKEN.search(octets)
        if found:
            index = int(found[0])
            if index >= len(self.state):
                report.unmatched += 1
                return
            if destination != self.subscriber(index):
                report.wrong_addr += 1
                return
            report.matched_token += 1
        else:
            index = self._oldest_of(destination)
            if index < 0:
                report.unmatched += 1
                return
            report.matched_addr += 1
        state = self.state[index]
        if state & _REPLIED:
            report.dup_replies += 1
            if state & _RESENT:
                report.dup_of_resent += 1
            else:
                report.dup_not_resent += 1
            return
        self.state[index] = state | _REPLIED
        report.replied += 1
        self.replies_by_second[int(now - self.started)] += 1
        if now - self.started >= self.load.warmup:
            self.reply_latency.add(now - self.sent_at[index])

    def _oldest_of(self, destination: bytes) -> int:
        if len(destination) != 12 or not destination.startswith(b"2557") or not destination.isdigit():
            return -1
        number = int(destination[4:])
        index = self._oldest_open.get(number, number)
        while index < len(self.state) and self.state[index] & _REPLIED:
            index += self.load.subscribers
        self._oldest_open[number] = index
        return index if index < len(self.state) else -1

    # -- the end -----------------------------------------------------------------------------------------------------

    def ended(self, now: float) -> str:
        """Return why the run is over, "" while it is not."""
        if now >= self.started + self.load.timeout:
            return "timeout"
        report, stopped = self.report, now >= self.stopped
        if stopped and report.replied == len(self.state) == report.ack_ok and not self.unanswered and not self.receipts:
            return "complete"
        if now - self.last_seen >= self.load.idle:
            return "idle" if stopped else "stalled"
        return ""

    def finish(self, end: str, now: float, cpu_seconds: float) -> LoadReport:
        """Close the books."""
        report, load = self.report, self.load
        stopped = min(now, self.stopped)
        report.end = end
        report.seconds = round(now - self.started, 3)
        # Whole seconds, unless the run was too short to have any after the warm-up.
        first, last = math.ceil(load.warmup), int(stopped - self.started)
        if last > first:
            series = [self.replies_by_second[second] for second in range(first, last)]
            report.best_1s, report.worst_1s = max(series), min(series)
        else:
            first, last = 0, int(now - self.started) + 1
        span = min(float(last), now - self.started) - first
        for name, counts in (
            ("replies_per_s", self.replies_by_second),
            ("acks_per_s", self.acks_by_second),
            ("submits_per_s", self.submits_by_second),
        ):
            total = sum(counts[second] for second in range(first, last))
            setattr(report, name, round(total / span, 1) if span > 0 else 0.0)
        elapsed = self.last_seen - self.started
        report.overall_replies_per_s = round(report.replied / elapsed, 1) if elapsed > 0 else 0.0
        report.ack_ms, report.reply_ms = self.ack_latency.report(), self.reply_latency.report()
        report.mo_unique = len(self.state)
        report.never_acked = sum(not state & _ACKED for state in self.state)
        report.unreplied = len(self.state) - report.replied
        report.unreplied_acked = sum(state & (_ACKED | _REPLIED) == _ACKED for state in self.state)
        report.series_1s = [self.replies_by_second[second] for second in range(int(now - self.started) + 1)]
        report.driver_cpu_s = round(cpu_seconds, 3)
        report.driver_util = round(cpu_seconds / (now - self.started), 3) if now > self.started else 0.0
        return report


class _Bind:
    """One connection: a reader and a writer.

    Resource handling: the stream is closed when `run` returns. Error handling: a stream that breaks ends this bind;
    what it had not answered is sent again on another.
    """

    def __init__(self, run: _Run, stream: trio.SocketStream) -> None:
        self.receives = False
        self._run = run
        self._stream = stream
        self._output: list[bytes] = []
        self._unanswered: dict[int, int | tuple[bytes, bytes]] = {}
        self._sequence = 0
        self._wake = trio.Event()
        self._closing = False

    def wake(self) -> None:
        """There may be something to write."""
        self._wake.set()

    async def run(self) -> None:
        """Serve the connection until it ends."""
        run = self._run
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read()
                if self._closing:  # the writer ends by itself, once the last answer is written
                    nursery.cancel_scope.deadline = trio.current_time() + _LAST_WRITE_SECONDS
                else:
                    run.report.closed_by_peer += 1
                    nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            run.report.closed_by_peer += 1
        finally:
            if self in run.receivers:
                run.receivers.remove(self)
            run.unanswered -= len(self._unanswered)
            for item in reversed(self._unanswered.values()):
                if isinstance(item, int):
                    run.again.appendleft((0.0, item))
                else:
                    run.receipts.appendleft(item)
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        rest = b""
        while not self._closing:
            chunk = await self._stream.receive_some(_READ_BYTES)
            if not chunk:
                return
            rest = self._scan(rest + chunk if rest else bytes(chunk), time.monotonic())
            self._wake.set()

    def _scan(self, data: bytes, now: float) -> bytes:
        """Take all whole PDUs of `data`; return what is left."""
        run, report = self._run, self._run.report
        run.last_seen = now
        position, end = 0, len(data)
        while end - position >= 16:
            length, command, status, sequence = _HEADER.unpack_from(data, position)
            if not 16 <= length <= 70_000:
                report.bad_pdus += 1
                self._closing = True
                return b""
            if end - position < length:
                break
            if command == c.DELIVER_SM_RESP:
                item = self._unanswered.pop(sequence, None)
                run.unanswered -= item is not None
                if item is None:
                    report.bad_resp_seq += 1
                elif isinstance(item, int):
                    run.acked(item, status, now)
                elif status == c.ESME_ROK:
                    report.receipts_acked += 1
                else:
                    report.receipts_err += 1
            elif command == c.SUBMIT_SM:
                self._on_submit(data[position : position + length], sequence, now)
            else:
                self._on_other(data[position : position + length])
            position += length
        return data[position:]

    def _on_submit(self, octets: bytes, sequence: int, now: float) -> None:
        run, report = self._run, self._run.report
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
            report.bad_pdus += 1
            self._output.append(_HEADER.pack(16, c.SUBMIT_SM_RESP, c.ESME_RINVMSGLEN, sequence))
            return
        if not length:
            text = octets[position + 5 :]  # message_payload; a token cannot be mistaken for its tag
        if coding:
            report.dcs_nonzero += 1
            text = text.replace(b"\0", b"")
        run.submitted(destination, text, now)
        message_id = b"%010d" % report.submits
        self._output.append(run.submit_resp_octets % (sequence.to_bytes(4), message_id))
        if registered & c.RECEIPT_MASK:
            report.regdel_set += 1
            if run.load.receipts and len(destination) == 12:
                report.receipts_made += 1
                run.receipts.append((destination, message_id))

    def _on_other(self, octets: bytes) -> None:
        run = self._run
        try:
            pdu = decode(octets)
        except DecodeError as error:
            run.report.bad_pdus += 1
            self._output.append(_HEADER.pack(16, c.GENERIC_NACK, error.command_status, error.sequence_number))
            return
        if pdu.command_id == c.GENERIC_NACK:
            run.report.generic_nacks += 1
        if pdu.command_id & c.RESPONSE_BIT:
            return
        self._output.append(encode(response_to(pdu)))
        self._closing = pdu.command_id == c.UNBIND
        if isinstance(pdu, (BindReceiver, BindTransceiver)):
            self.receives = True
            run.add_receiver(self)

    async def _write(self) -> None:
        while True:
            self._wake = trio.Event()
            output, self._output = self._output, []
            if self.receives and not self._closing:
                self._fill(output, time.monotonic())
            if output:
                await self._stream.send_all(b"".join(output))
            elif self._closing:
                return
            else:
                await self._wake.wait()

    def _fill(self, output: list[bytes], now: float) -> None:
        """Append what the window has room for, receipts first."""
        run, report, unanswered = self._run, self._run.report, self._unanswered
        room = (run.load.window or 1 << 14) - len(unanswered)
        while room > 0:
            sequence = self._sequence = self._sequence % 0x7FFFFFFF + 1
            if run.receipts:
                subscriber, message_id = unanswered[sequence] = run.receipts.popleft()
                output.append(run.receipt_octets % (sequence.to_bytes(4), subscriber, message_id, message_id))
                report.receipts_sent += 1
            else:
                index = run.next_mo(now)
                if index < 0:
                    return
                unanswered[sequence] = index
                output.append(run.mo_octets % (sequence.to_bytes(4), run.subscriber(index), b"%07d" % index))
                report.mo_sent += 1
            run.unanswered += 1
            room -= 1


async def run_mo_load(
    load: MoLoad,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> LoadReport:
    """Listen as an SMSC that accepts every bind, send the MOs, and return the figures.

    Args:
        load: What to send.
        host: To listen on.
        port: To listen on, 0 for a free one; `task_status` is started with the one that it became.
        task_status: For `nursery.start`.

    Raises:
        OSError: The address cannot be listened on.
    """
    run = _Run(load)
    listeners = await trio.open_tcp_listeners(port, host=host)

    async def serve(stream: trio.SocketStream) -> None:
        stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        await _Bind(run, stream).run()

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, listeners)
        task_status.started(listeners[0].socket.getsockname()[1])
        await run.bound.wait()
        await trio.sleep(load.settle)
        cpu_before = time.process_time()
        run.begin(time.monotonic())
        end = ""
        while not end:
            for bind in run.receivers:
                bind.wake()
            # Only an open loop needs a fine tick; a closed one is driven by the answers.
            await trio.sleep(_TICK_SECONDS if load.rate else _TICK_SECONDS * 20)
            end = run.ended(time.monotonic())
        report = run.finish(end, time.monotonic(), time.process_time() - cpu_before)
        nursery.cancel_scope.cancel()
    return report
