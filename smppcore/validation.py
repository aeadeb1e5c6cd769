"""Is what an ESME submits allowed? The values, after `pdu.decode` has found the layout right.

For servers that want to be strict, as the simulator does; an ESME must take what its SMSC delivers, so for anything but
submissions the answer is yes.

Rules: each field has one check and one status, in a table; a check gets the value and the version of the session, for
v5.0 allows more than v3.4. What depends on more than one field is in the functions below the table. Where the
specification leaves a reaction open only the strict refuse. No clock, no knowledge of accounts, of other messages or of
what a server offers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.codegen import layout
from smppcore.pdu import (
    BroadcastSM,
    CancelSM,
    DataSM,
    DistributionList,
    Pdu,
    QuerySM,
    ReplaceSM,
    SubmitMulti,
    SubmitSM,
)
from smppcore.tlvs import ALLOWED_TLVS, TLV_RULES, TLV_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

Fault = tuple[str, int]
"""The field at fault by its name in the specification, and the status to answer with."""

_NPIS = frozenset((0, 1, 3, 4, 6, 8, 9, 10, 14, 18))
_SUBMIT_TYPES = frozenset((c.ESM_TYPE_DEFAULT, c.ESM_TYPE_DELIVERY_ACK, c.ESM_TYPE_USER_ACK))
_DATA_CODINGS = frozenset((*range(11), 0x0D, 0x0E, *range(0xC0, 0xE0), *range(0xF0, 0x100)))
_YEAR_PIVOT = 38  # SMPP v3.4 §7.1.1.1: 38 to 99 are 19xx
_PORTS_AND_SAR = (
    c.TAG_SOURCE_PORT,
    c.TAG_DESTINATION_PORT,
    c.TAG_SAR_MSG_REF_NUM,
    c.TAG_SAR_TOTAL_SEGMENTS,
    c.TAG_SAR_SEGMENT_SEQNUM,
)
_REQUIRED_TLVS: dict[type[Pdu], tuple[int, ...]] = {
    DataSM: (c.TAG_MESSAGE_PAYLOAD,),
    BroadcastSM: (  # SMPP v5.0 §4.4.1.1
        c.TAG_BROADCAST_AREA_IDENTIFIER,
        c.TAG_BROADCAST_CONTENT_TYPE,
        c.TAG_BROADCAST_REP_NUM,
        c.TAG_BROADCAST_FREQUENCY_INTERVAL,
    ),
}


def is_time(value: bytes) -> bool:
    """Whether a value is a time: empty, absolute `YYMMDDhhmmsstnnp` or relative `YYMMDDhhmmss000R` (v3.4 §7.1.1)."""
    if not value:
        return True
    if len(value) != 16 or not value[:15].isdigit():
        return False
    if value[15:] == b"R":
        return value[12:15] == b"000"
    if value[15:] not in (b"+", b"-") or int(value[13:15]) > 48:
        return False
    year, month, day, hour, minute, second = (int(value[at : at + 2]) for at in range(0, 12, 2))
    try:
        datetime(year + (1900 if year >= _YEAR_PIVOT else 2000), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return False
    return True


def time_at(value: bytes, now: float) -> float:
    """Return when a time is, in seconds since the epoch.

    Args:
        value: A time for which `is_time` says yes, not empty.
        now: What a relative time counts from, in seconds since the epoch; a year is 365 days here, a month 30.
    """
    year, month, day, hour, minute, second = (int(value[at : at + 2]) for at in range(0, 12, 2))
    if value[15:] == b"R":
        return now + ((year * 365 + month * 30 + day) * 24 + hour) * 3600 + minute * 60 + second
    local = datetime(year + (1900 if year >= _YEAR_PIVOT else 2000), month, day, hour, minute, second, tzinfo=UTC)
    ahead = int(value[13:15]) * 900  # quarter-hours that local time is ahead of UTC, or behind it
    return local.timestamp() + int(value[12:13]) / 10 + (ahead if value[15:] == b"-" else -ahead)


def _is_ton(value: int, _version: int) -> bool:
    return value <= c.TON_ABBREVIATED


def _is_npi(value: int, _version: int) -> bool:
    return value in _NPIS


def _is_receipt_request(value: int, version: int) -> bool:
    # SMPP v3.4 §5.2.17: 11 and bits 7 to 5 are reserved; v5.0 §4.7.21: 11 is a receipt on success
    return value < 0x20 and (version >= c.VERSION_50 or value & c.RECEIPT_MASK != c.RECEIPT_ON_SUCCESS)


_CHECKS: dict[str, tuple[Callable[[int, int], bool], int]] = {
    "source_addr_ton": (_is_ton, c.ESME_RINVSRCTON),
    "source_addr_npi": (_is_npi, c.ESME_RINVSRCNPI),
    "dest_addr_ton": (_is_ton, c.ESME_RINVDSTTON),
    "dest_addr_npi": (_is_npi, c.ESME_RINVDSTNPI),
    "esm_class": (lambda value, _version: value & c.ESM_TYPE_MASK in _SUBMIT_TYPES, c.ESME_RINVESMCLASS),
    "priority_flag": (lambda value, version: value <= (4 if version >= c.VERSION_50 else 3), c.ESME_RINVPRTFLG),
    "registered_delivery": (_is_receipt_request, c.ESME_RINVREGDLVFLG),
    "replace_if_present_flag": (lambda value, _version: value <= 1, c.ESME_RINVREPFLAG),
    "sm_default_msg_id": (lambda value, version: value != 255 or version >= c.VERSION_50, c.ESME_RINVDFTMSGID),
}
"""Integer fields: the check that a value and a version must pass, and the status if it does not."""

_TIMES = {"schedule_delivery_time": c.ESME_RINVSCHED, "validity_period": c.ESME_RINVEXPIRY}

_CLASSES: tuple[type[Pdu], ...] = (SubmitSM, SubmitMulti, DataSM, ReplaceSM, QuerySM, CancelSM, BroadcastSM)
_CHECKS_OF = {cls: [(name, *_CHECKS[name]) for name in layout(cls) if name in _CHECKS] for cls in _CLASSES}
_TIMES_OF = {cls: [name for name in layout(cls) if name in _TIMES] for cls in _CLASSES}


def validate(pdu: Pdu, version: int = c.VERSION_34, *, strict: bool = True) -> Fault | None:
    """Judge the values of a request that an ESME has sent.

    Args:
        pdu: As decoded.
        version: The session's interface_version; from 0x50 on v5.0's rules hold.
        strict: Whether what the specification discourages, without saying what to do about it, is a fault.

    Returns:
        The field at fault and the status to answer with, None if nothing is wrong.
    """
    checks = _CHECKS_OF.get(type(pdu))
    if checks is None:
        return None
    for name, check, status in checks:
        if not check(getattr(pdu, name), version):
            return name, status
    for name in _TIMES_OF[type(pdu)]:
        if not is_time(getattr(pdu, name)):
            return name, _TIMES[name]
    return (
        _check_destination(pdu, version)
        or (_check_data_coding(pdu, version) if strict else None)
        or _check_text(pdu, version, strict=strict)
        or _check_tlvs(pdu, strict=strict)
    )


def _check_destination(pdu: Pdu, version: int) -> Fault | None:
    if isinstance(pdu, SubmitSM | DataSM) and not pdu.destination_addr:
        return "destination_addr", c.ESME_RINVDSTADR
    if not isinstance(pdu, SubmitMulti):
        return None
    if len(pdu.dest_address) > 254 and version < c.VERSION_50:  # SMPP v3.4 §5.2.24
        return "number_of_dests", c.ESME_RINVNUMDESTS
    for destination in pdu.dest_address:
        if isinstance(destination, DistributionList):
            if not destination.dl_name:
                return "dl_name", c.ESME_RINVDLNAME
        elif not _is_ton(destination.dest_addr_ton, version):
            return "dest_addr_ton", c.ESME_RINVDSTTON
        elif not _is_npi(destination.dest_addr_npi, version):
            return "dest_addr_npi", c.ESME_RINVDSTNPI
        elif not destination.destination_addr:
            return "destination_addr", c.ESME_RINVDSTADR
    return None


def _check_data_coding(pdu: Pdu, version: int) -> Fault | None:
    if not isinstance(pdu, SubmitSM | SubmitMulti | DataSM | BroadcastSM) or pdu.data_coding in _DATA_CODINGS:
        return None
    # v3.4 has no status of its own for it
    return "data_coding", c.ESME_RINVDCS if version >= c.VERSION_50 else c.ESME_RSUBMITFAIL


def _check_text(pdu: Pdu, version: int, *, strict: bool) -> Fault | None:
    """Check short_message, message_payload, the predefined message and the user data header against each other."""
    if not isinstance(pdu, SubmitSM | SubmitMulti | ReplaceSM | DataSM):
        return None
    payload = pdu.tlv(c.TAG_MESSAGE_PAYLOAD)
    text = payload or b""
    if not isinstance(pdu, DataSM):
        text = pdu.short_message or text
        if len(pdu.short_message) > 254 and version < c.VERSION_50:  # SMPP v3.4 §5.2.21
            return "sm_length", c.ESME_RINVMSGLEN
        if strict and pdu.short_message and payload is not None and version < c.VERSION_50:
            # SMPP v3.4 §5.3.2.32: not both; v5.0 §4.7.26: the payload supersedes
            return "message_payload", c.ESME_ROPTPARNOTALLWD
        if strict and pdu.sm_default_msg_id and text:
            return "sm_default_msg_id", c.ESME_RINVDFTMSGID
    if isinstance(pdu, ReplaceSM):
        return None
    if (
        isinstance(pdu, SubmitSM | SubmitMulti)
        and pdu.esm_class & c.ESM_MODE_MASK == c.ESM_MODE_TRANSACTION
        and version < c.VERSION_50
    ):
        return "esm_class", c.ESME_RINVESMCLASS  # SMPP v3.4 §5.2.12: transaction mode is for data_sm
    if pdu.esm_class & c.ESM_UDHI:
        if not text or text[0] >= len(text):
            return "esm_class", c.ESME_RINVESMCLASS
        for tag in _PORTS_AND_SAR:
            if strict and pdu.tlv(tag) is not None:
                return c.tag_name(tag), c.ESME_ROPTPARNOTALLWD
    return None


def _check_tlvs(pdu: Pdu, *, strict: bool) -> Fault | None:
    allowed = ALLOWED_TLVS[pdu.command_id]
    for tag, value in pdu.tlvs:
        rule = TLV_RULES.get(tag)
        if rule is None:
            continue  # unknown ones are ignored (SMPP v3.4 §3.3)
        if not rule.shortest <= len(value) <= rule.longest:
            return c.tag_name(tag), c.ESME_RINVPARLEN
        if strict and tag not in allowed:
            return c.tag_name(tag), c.ESME_ROPTPARNOTALLWD
        values = TLV_VALUES.get(tag)
        if values is not None and value[0] not in values:
            return c.tag_name(tag), c.ESME_RINVOPTPARAMVAL
    for tag in _REQUIRED_TLVS.get(type(pdu), ()):
        if pdu.tlv(tag) is None:
            return c.tag_name(tag), c.ESME_RMISSINGOPTPARAM
    return None
