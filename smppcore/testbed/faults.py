"""What can go wrong at an SMSC, each kind of fault with what can be said about it.

Three sorts: those that hold for a while (`Fault`), those that strike single messages, PDUs or binds (`Picking`), and
those that happen at a time or at single messages (`Event`). Times count from the first connection, in seconds.

Data only. Must not be here: which of many is struck (`triggers.py`), how it is done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from smppcore import constants as c
from smppcore.testbed.delays import Delay

Seconds = Annotated[float, "seconds"]
"""Read from a text with its unit, as "500ms", where a file says it."""
Status = Annotated[int, "status"]
"""A command_status of an error, by number or by name."""
Duration = Annotated[Delay, "delay"]
"""A time, or a table that says where it is drawn from."""

PduName = Literal[
    "any",
    "receipt",
    "mo",
    "bind_resp",
    "submit_sm_resp",
    "submit_multi_resp",
    "data_sm_resp",
    "query_sm_resp",
    "cancel_sm_resp",
    "replace_sm_resp",
    "enquire_link",
    "enquire_link_resp",
    "unbind",
    "unbind_resp",
    "generic_nack",
]
"""PDUs that the SMSC sends. A receipt is a deliver_sm or data_sm by its esm_class, an mo is any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong, always or at times."""

    at: Seconds = 0.0
    """From when."""
    for_: Seconds = math.inf
    """For how long."""
    again: Seconds = 0.0
    """From `at` to when it begins anew; 0 is once."""
    account: str = ""
    """The system_id that it is for; "" is everybody, and who has not bound yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picking(Fault):
    """Strikes each, unless `every`, `numbers` or `share` pick some."""

    every: Annotated[int, "count"] = 0
    """Every so many-th."""
    numbers: tuple[Annotated[int, "count"], ...] = ()
    """These, counted from 1."""
    share: Annotated[float, "share"] = 0.0
    """So many of all, 0.0 to 1.0, drawn."""
    times: Annotated[int, "count"] = 0
    """No more than so many; 0 is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Error(Picking):
    """Submissions are refused."""

    to: str = "*"
    """Those to numbers that match, as "2557*"."""
    status: Status = c.ESME_RSYSERR
    """With this status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(Error):
    """Submissions are refused for their number."""

    above: Annotated[float, "rate"] = 0.0
    """Those above so many a second; 0 is no such limit."""
    burst: Annotated[float, "rate"] = 0.0
    """So many at once are within the rate; 0: as many as in a second."""
    counting: Literal["bucket", "clock", "sliding"] = "bucket"
    """What `above` means: a bucket that fills steadily, so many in each second of the clock, or in any second."""
    status: Status = c.ESME_RTHROTTLED
    """With this status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseBind(Picking):
    """Binds are refused."""

    status: Status = c.ESME_RBINDFAIL
    """With this status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFirst(Picking):
    """The receipt comes before the response of the message that it is for."""

    lead: Seconds = 0.05
    """By how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PduFault(Picking):
    """Strikes PDUs that the SMSC sends."""

    pdu: PduName = "submit_sm_resp"
    """Which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lose(PduFault):
    """PDUs never leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed(PduFault):
    """Has a delay."""

    delay: Duration = 0.0
    """How much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(Delayed):
    """PDUs leave later than others, which overtake them."""

    delay: Duration = 5.0
    """How much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(Delayed):
    """PDUs come twice; receipts and texts with a new sequence_number, responses with the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(PduFault):
    """PDUs are overtaken by those behind them."""

    behind: Annotated[int, "count"] = 1
    """By how many."""
    within: Seconds = 1.0
    """They go anyway after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distort(PduFault):
    """PDUs are not what the specification has.

    `wrong_sequence`: a sequence_number that nobody used. `wrong_type`: the response to another operation. `nack`: a
    generic_nack in place of the PDU. `no_body`: the header alone. `empty_id`: message_id is empty. `cut_tlv`: a TLV
    that says it is longer than the PDU. `stub_tlv`: three octets that are no TLV. `short_tlv`: a known TLV of a wrong
    length. `unknown_tlv`: a TLV that nobody has defined. `congestion`: congestion_state as `value` says; no fault.
    """

    form: Literal[
        "wrong_sequence",
        "wrong_type",
        "nack",
        "no_body",
        "empty_id",
        "cut_tlv",
        "stub_tlv",
        "short_tlv",
        "unknown_tlv",
        "congestion",
    ] = "cut_tlv"
    """How."""
    value: Annotated[int, "octet"] = 90
    """See `congestion`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage(PduFault):
    """Octets that are no PDU follow a PDU."""

    count: Annotated[int, "count"] = 32
    """How many octets, drawn."""
    hex: Annotated[str, "hex"] = ""
    """These octets instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetMidPdu(PduFault):
    """The connection is reset after the first half of a PDU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Picking):
    """Happens at the submissions that `every`, `numbers` or `share` pick; without them at `at`, and `again`."""

    @property
    def timed(self) -> bool:
        """Whether it happens by the clock."""
        return not (self.every or self.numbers or self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Event):
    """Connections are cut, all of the account's or simply all; the submission at which it happens is not answered."""

    mode: Literal["rst", "fin"] = "rst"
    """How TCP says it."""
    down_for: Seconds = 0.0
    """New connections are refused for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbinding(Event):
    """The SMSC unbinds its sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen(Fault):
    """Connections are accepted and stay open, and nothing is read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRead(Fault):
    """The SMSC reads slowly, so that TCP pushes back."""

    octets: Annotated[int, "count"] = 64
    """It reads at most so many octets,"""
    pause: Seconds = 0.1
    """with such a pause before each read;"""
    buffer: Annotated[int, "count"] = 4096
    """the system's receive buffer, which bounds the TCP window, is made so small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Fault):
    """What is sent goes out in small pieces."""

    octets: Annotated[int, "count"] = 1
    """Of so many octets,"""
    pause: Seconds = 0.001
    """with such a pause between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesce(Fault):
    """What is sent is held back and goes out at once."""

    hold: Seconds = 0.2
    """For how long."""


KINDS: Final[dict[str, type[Fault]]] = {
    "throttle": Throttle,
    "error": Error,
    "refuse_bind": RefuseBind,
    "receipt_first": ReceiptFirst,
    "lose": Lose,
    "late": Late,
    "duplicate": Duplicate,
    "reorder": Reorder,
    "distort": Distort,
    "garbage": Garbage,
    "reset_mid_pdu": ResetMidPdu,
    "cut": Cut,
    "unbind": Unbinding,
    "half_open": HalfOpen,
    "slow_read": SlowRead,
    "split": Split,
    "coalesce": Coalesce,
}
"""What a file calls each kind."""
