"""What faults do to the PDUs that an SMSC sends: octets in, what really leaves out.

Rules: a session has answered what it has answered, so losing, delaying and doubling a response is done here, behind
its back; texts and receipts are lost, delayed and doubled before they come to a session (see `simulator.py`), for they
come again under a number of their own. One fault of each kind strikes a PDU at most.

Must not be here: streams, clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from smppcore import constants as c
from smppcore.errors import DecodeError
from smppcore.fields import HEADER
from smppcore.pdu import DataSM, DeliverSM, decode
from smppcore.testbed.delays import draw
from smppcore.testbed.faults import Distort, Duplicate, Garbage, Late, Lose, PduFault, Reorder, ResetMidPdu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smppcore.testbed.triggers import Plan, Trigger

P = TypeVar("P", bound=PduFault)
_UPSTREAM: Final = frozenset(("receipt", "mo"))  # what Lose, Late and Duplicate have struck before it comes here

_BIND_RESPS = frozenset((c.BIND_RECEIVER_RESP, c.BIND_TRANSMITTER_RESP, c.BIND_TRANSCEIVER_RESP))
_UNUSED_SEQUENCE = 0x7FFF_0000  # no session comes so far
_UNKNOWN_TAG = 0x3FF0  # of the range for SMSC vendors (SMPP v3.4 §5.3.2)


@dataclass(slots=True)
class Leaving:
    """What leaves instead of some octets."""

    octets: bytes = b""
    """At once."""
    later: list[tuple[float, Callable[[], bytes]]] = field(default_factory=list)
    """After so many seconds, whatever the function returns then."""
    reset: bool = False
    """The connection is reset behind `octets`."""
    shown: bytes = b""
    """What a judge may hold the ESME to: without the requests that were lost or distorted."""
    excused: list[int] = field(default_factory=list)
    """Sequence numbers of requests that were distorted: any answer to them will do."""
    damaged: bool = False
    """The ESME cannot be expected to go on with this connection."""


class PduFaults:
    """The faults that strike PDUs on their way out, shared by all connections, since they count."""

    def __init__(self, plan: Plan) -> None:
        self.lose = plan.picking(Lose)
        self.late = plan.picking(Late)
        self.duplicate = plan.picking(Duplicate)
        self.reorder = plan.picking(Reorder)
        self.distort = plan.picking(Distort)
        self.garbage = plan.picking(Garbage)
        self.reset = plan.picking(ResetMidPdu)
        self.any = any((self.lose, self.late, self.duplicate, self.reorder, self.distort, self.garbage, self.reset))
        """Whether there are any."""


class Outgoing:
    """What one connection sends.

    Args:
        faults: What strikes it.
    """

    def __init__(self, faults: PduFaults) -> None:
        self._faults = faults
        self._overtaken: list[tuple[int, bytes]] = []  # how many PDUs must still pass, and what waits for that

    def send(self, data: bytes, system_id: bytes, now: float) -> Leaving:
        """Say what leaves instead of some whole PDUs."""
        leaving = Leaving()
        position = 0
        while position < len(data) and not leaving.reset:
            end = position + int.from_bytes(data[position : position + 4], "big")
            self._send_one(data[position:end], system_id, now, leaving)
            position = end
        return leaving

    def _send_one(self, pdu: bytes, system_id: bytes, now: float, leaving: Leaving) -> None:
        faults, name = self._faults, name_of(pdu)
        request = pdu[4] < 0x80
        upstream = name in _UPSTREAM
        if not upstream and struck(faults.lose, name, system_id, now):
            leaving.shown += b"" if request else pdu
            return
        leaving.shown += pdu
        if distortion := struck(faults.distort, name, system_id, now):
            if request:
                leaving.excused.append(int.from_bytes(pdu[12:16], "big"))
            pdu = distort(pdu, distortion.fault)
        if struck(faults.reset, name, system_id, now):
            leaving.octets += pdu[: len(pdu) // 2]
            leaving.reset = leaving.damaged = True
            return
        if not upstream and (late := struck(faults.late, name, system_id, now)):
            leaving.later.append((draw(late.fault.delay, late.rng), lambda: pdu))
        elif reorder := struck(faults.reorder, name, system_id, now):
            self._overtaken.append((reorder.fault.behind + 1, pdu))
            leaving.later.append((reorder.fault.within, lambda: self._give_up(pdu)))
        else:
            leaving.octets += pdu
        if not upstream and (duplicate := struck(faults.duplicate, name, system_id, now)):
            delay = draw(duplicate.fault.delay, duplicate.rng)
            if delay:
                leaving.later.append((delay, lambda: pdu))
            else:
                leaving.octets += pdu
        if garbage := struck(faults.garbage, name, system_id, now):
            leaving.octets += bytes.fromhex(garbage.fault.hex) or garbage.rng.randbytes(garbage.fault.count)
            leaving.damaged = True
        self._pass(leaving)

    def _pass(self, leaving: Leaving) -> None:
        """A PDU has gone: let go what has been overtaken by enough of them."""
        counted = [(left - 1, pdu) for left, pdu in self._overtaken]
        leaving.octets += b"".join(pdu for left, pdu in counted if left == 0)
        self._overtaken = [(left, pdu) for left, pdu in counted if left > 0]

    def _give_up(self, pdu: bytes) -> bytes:
        """Return a PDU that has not been overtaken in time; b"" if it has."""
        before = len(self._overtaken)
        self._overtaken = [entry for entry in self._overtaken if entry[1] is not pdu]
        return pdu if len(self._overtaken) < before else b""


def struck(triggers: Sequence[Trigger[P]], name: str, system_id: bytes, now: float) -> Trigger[P] | None:
    """Return the first of some triggers that strikes a PDU of that name."""
    for trigger in triggers:
        if trigger.fault.pdu in ("any", name) and trigger.strikes(system_id, now):
            return trigger
    return None


def name_of(pdu: bytes) -> str:
    """Return what a scenario calls a PDU."""
    command_id = int.from_bytes(pdu[4:8], "big")
    if command_id in _BIND_RESPS:
        return "bind_resp"
    if command_id in (c.DELIVER_SM, c.DATA_SM):
        try:
            message = decode(pdu)
        except DecodeError:
            return "mo"
        assert isinstance(message, DeliverSM | DataSM)  # noqa: S101 - by its command_id
        return "receipt" if message.esm_class & c.ESM_TYPE_MASK else "mo"
    return c.command_name(command_id)


def distort(pdu: bytes, fault: Distort) -> bytes:
    """Return a PDU with one thing wrong; one that does not have the thing comes back as it is."""
    length, command_id, status, sequence = HEADER.unpack_from(pdu)
    body = pdu[16:]
    if fault.form == "wrong_sequence":
        sequence = (_UNUSED_SEQUENCE + sequence) & 0x7FFF_FFFF
    elif fault.form == "wrong_type":
        command_id = c.QUERY_SM_RESP if command_id != c.QUERY_SM_RESP else c.CANCEL_SM_RESP
    elif fault.form == "nack":
        command_id, status, body = c.GENERIC_NACK, status or c.ESME_RSYSERR, b""
    elif fault.form == "no_body":
        body = b""
    elif fault.form == "empty_id":
        body = body and b"\0" + body[body.index(b"\0") + 1 :]
    elif body:  # a TLV has no place behind an error's header (SMPP v3.4 §4.4.2)
        body += _tlv(fault)
    length = 16 + len(body)
    return HEADER.pack(length, command_id, status, sequence) + body


def _tlv(fault: Distort) -> bytes:
    if fault.form == "stub_tlv":
        return b"\x04\x28\x00"
    if fault.form == "short_tlv":  # network_error_code has three octets (SMPP v3.4 §5.3.2.31)
        return c.TAG_NETWORK_ERROR_CODE.to_bytes(2, "big") + b"\x00\x01\x03"
    if fault.form == "unknown_tlv":
        return _UNKNOWN_TAG.to_bytes(2, "big") + b"\x00\x04\xde\xad\xbe\xef"
    if fault.form == "congestion":
        return c.TAG_CONGESTION_STATE.to_bytes(2, "big") + b"\x00\x01" + bytes((fault.value,))
    return _UNKNOWN_TAG.to_bytes(2, "big") + b"\xff\xf0\x01"
