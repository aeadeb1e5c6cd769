"""Traps 60 to 71 for an SMSC: TLVs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.testbed.conformance.case import Case, Smsc
from smppcore.testbed.conformance.octets import Draft, data_sm, submit_multi, submit_sm, tlv
from smppcore.testbed.conformance.smsc_fields import accepted, refused
from smppcore.testbed.conformance.wire import Mismatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smppcore.testbed.conformance.wire import Frame, Wire

_CALLBACK = tlv(c.TAG_CALLBACK_NUM, b"\1\1\x0115550000")
_PRESENTATION = tlv(c.TAG_CALLBACK_NUM_PRES_IND, b"\0")
_UDH = bytes((5, 0, 3, 1, 2, 1)) + b"part"


def sar(reference: int | None, total: int | None, sequence: int | None) -> bytes:
    """Return the three TLVs of a part; None leaves one out."""
    return b"".join(
        tlv(tag, value)
        for tag, value in (
            (c.TAG_SAR_MSG_REF_NUM, None if reference is None else reference.to_bytes(2, "big")),
            (c.TAG_SAR_TOTAL_SEGMENTS, None if total is None else bytes((total,))),
            (c.TAG_SAR_SEGMENT_SEQNUM, None if sequence is None else bytes((sequence,))),
        )
        if value is not None
    )


async def receipt_for(wire: Wire, draft: Draft) -> Frame:
    """Submit a message that asks for a receipt, and return it."""
    await wire.ask(draft)
    return await wire.request(c.DELIVER_SM, c.DATA_SM)


async def no_tlvs_to_v33(smsc: Smsc) -> None:
    wire = await smsc.bound(version=0x33)
    frame = await receipt_for(wire, submit_sm(registered_delivery=1))
    if frame.pdu().tlvs:
        raise Mismatch(f"{frame} has TLVs")


async def short_ids_to_v33(smsc: Smsc) -> None:
    wire = await smsc.bound(version=0x33)
    frame = await wire.ask(submit_sm())
    message_id = frame.octets[16:].rstrip(b"\0")
    if not 1 <= len(message_id) <= 8:
        raise Mismatch(f"message_id {message_id.decode('latin-1')!r}")


def on_receipt(judge: Callable[[Frame], None], tlvs: bytes) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        judge(await receipt_for(await smsc.bound(), submit_sm(b"", tlvs, registered_delivery=1)))

    return script


def has_first_text(frame: Frame) -> None:
    if b"second" in frame.octets:
        raise Mismatch("the receipt repeats the second message_payload")


_STREAMS = (
    ("1 octet after the fields", b"\x14"),
    ("2 octets after the fields", b"\x14\x01"),
    ("3 octets after the fields", b"\x14\x01\0"),
    ("TLV longer than the PDU", tlv(0x1401, b"abc", 9)),
)

CASES: tuple[Case[Smsc], ...] = (
    Case(
        60,
        "TLVs in any order, and unknown ones",
        "accepted",
        accepted(
            submit_sm(b"", tlv(0x1234, b"?") + tlv(c.TAG_SOURCE_PORT, b"\0\1") + tlv(c.TAG_MESSAGE_PAYLOAD, b"x"))
        ),
    ),
    *(
        Case(
            61,
            title,
            "0xC0, 16 octets; the session stays",
            refused(submit_sm(tlvs=octets), c.ESME_RINVOPTPARSTREAM),
        )
        for title, octets in _STREAMS
    ),
    Case(
        62,
        "known TLV of a wrong length",
        "0xC2",
        refused(submit_sm(tlvs=tlv(c.TAG_SOURCE_PORT, b"\1")), c.ESME_RINVPARLEN),
    ),
    Case(
        63,
        "number_of_messages 100",
        "0xC4",
        refused(submit_sm(tlvs=tlv(c.TAG_NUMBER_OF_MESSAGES, b"\x64")), c.ESME_RINVOPTPARAMVAL),
    ),
    Case(
        63,
        "reserved language_indicator",
        "accepted, taken for the default",
        accepted(submit_sm(tlvs=tlv(c.TAG_LANGUAGE_INDICATOR, b"\xee"))),
    ),
    Case(
        64,
        "message_state in submit_sm",
        "0xC1",
        refused(submit_sm(tlvs=tlv(c.TAG_MESSAGE_STATE, b"\2")), c.ESME_ROPTPARNOTALLWD),
        policy=True,
    ),
    Case(
        64,
        "receipted_message_id in submit_multi",
        "0xC1",
        refused(submit_multi(tlvs=tlv(c.TAG_RECEIPTED_MESSAGE_ID, b"1\0")), c.ESME_ROPTPARNOTALLWD),
        policy=True,
    ),
    Case(
        64,
        "message_state in submit_sm, lenient",
        "accepted",
        accepted(submit_sm(tlvs=tlv(c.TAG_MESSAGE_STATE, b"\2"))),
        policy=True,
        setting="lenient",
    ),
    Case(65, "data_sm without message_payload", "0xC3", refused(data_sm(b""), c.ESME_RMISSINGOPTPARAM)),
    Case(
        66,
        "repeated callback_num",
        "accepted",
        accepted(submit_sm(tlvs=_CALLBACK + _PRESENTATION + _CALLBACK + _PRESENTATION)),
    ),
    Case(
        66,
        "repeated message_payload",
        "the first wins",
        on_receipt(has_first_text, tlv(c.TAG_MESSAGE_PAYLOAD, b"first") + tlv(c.TAG_MESSAGE_PAYLOAD, b"second")),
        policy=True,
    ),
    Case(67, "sar_* that lack one", "accepted, ignored as a set", accepted(submit_sm(tlvs=sar(1, 2, None)))),
    Case(
        67,
        "sar_segment_seqnum above the total",
        "accepted, ignored as a set",
        accepted(submit_sm(tlvs=sar(1, 2, 3))),
        policy=True,
    ),
    Case(
        68,
        "sar_* beside a user data header",
        "0xC1",
        refused(submit_sm(_UDH, sar(1, 2, 1), esm_class=c.ESM_UDHI), c.ESME_ROPTPARNOTALLWD),
        policy=True,
    ),
    Case(
        68,
        "ports beside a user data header",
        "0xC1",
        refused(submit_sm(_UDH, tlv(c.TAG_DESTINATION_PORT, b"\0\1"), esm_class=c.ESM_UDHI), c.ESME_ROPTPARNOTALLWD),
        policy=True,
    ),
    Case(
        68,
        "sar_* beside a user data header, lenient",
        "accepted",
        accepted(submit_sm(_UDH, sar(1, 2, 1), esm_class=c.ESM_UDHI)),
        policy=True,
        setting="lenient",
    ),
    Case(
        69,
        "alert_on_message_delivery of no octets",
        "accepted",
        accepted(submit_sm(tlvs=tlv(c.TAG_ALERT_ON_MESSAGE_DELIVERY, b""))),
    ),
    Case(
        69,
        "network_error_code of 2 octets",
        "0xC2",
        refused(data_sm(tlv(c.TAG_MESSAGE_PAYLOAD, b"x") + tlv(c.TAG_NETWORK_ERROR_CODE, b"\3\0")), c.ESME_RINVPARLEN),
    ),
    Case(70, "receipt to a v3.3 ESME", "has no TLVs", no_tlvs_to_v33),
    Case(70, "message_id to a v3.3 ESME", "at most 8 characters", short_ids_to_v33, setting="long ids"),
    Case(71, "vendor's TLV", "accepted", accepted(submit_sm(tlvs=tlv(0x1400, b"\0\xff\0") + tlv(0x3FFF, b"")))),
)
