"""Traps 51 to 94 for an ESME, as far as the wire shows them: messages, receipts, answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.testbed.conformance.case import Case, Esme
from smppcore.testbed.conformance.esme_framing import not_again, on_session
from smppcore.testbed.conformance.octets import Draft, Raw, data_sm, deliver_sm, response, tlv
from smppcore.testbed.conformance.smsc_tlvs import sar
from smppcore.testbed.conformance.wire import Mismatch
from smppcore.validation import is_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smppcore.testbed.conformance.wire import Wire

_PAYLOAD = tlv(c.TAG_MESSAGE_PAYLOAD, b"from the payload")
_UDH = bytes((5, 0, 3, 77, 2, 1)) + b"part"
_RECEIPT = b"id:nobodys sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:"


def taken(*drafts: Draft, statuses: tuple[int, ...] = (0,)) -> Callable[[Esme], Awaitable[None]]:
    """Make a script: each message is acknowledged, and the session stays."""

    async def play(_: Esme, wire: Wire) -> None:
        for draft in drafts:
            (sent,) = await wire.send(draft)
            frame = await wire.answer()
            if (frame.command_id, frame.sequence) != (sent.command_id | c.RESPONSE_BIT, sent.sequence):
                raise Mismatch(f"{frame} came")
            if frame.status not in statuses:
                raise Mismatch(f"{frame} came, not {' or '.join(f'0x{status:02X}' for status in statuses)}")
        await wire.alive()

    return on_session(play)


def refused(draft: Draft, status: int) -> Callable[[Esme], Awaitable[None]]:
    """Make a script: the request is refused with this status, and the session stays."""

    async def play(_: Esme, wire: Wire) -> None:
        await wire.ask(draft, status)
        await wire.alive()

    return on_session(play)


def answered(status: int, body: bytes = b"") -> Callable[[Esme], Awaitable[None]]:
    """Make a script: a submit_sm gets this answer, and the session stays."""

    async def play(esme: Esme, wire: Wire) -> None:
        submission = await esme.submission(wire)
        await wire.send(response(submission.command_id, status, body, sequence=submission.sequence))
        wire.answering = True
        await wire.alive()
        await wire.ask(esme.text(b"still there"))

    return on_session(play)


async def refused_for_good(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.reply(submission, c.ESME_RPROHIBITED)
    await wire.alive()
    await not_again(esme, wire, submission)


async def whole_submission(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.reply(submission)
    pdu = submission.pdu()
    text: bytes = getattr(pdu, "short_message", b"")
    if not submission.octets.endswith(bytes((len(text),)) + text) and not pdu.tlvs:
        raise Mismatch(f"{submission} has something behind its {len(text)} octets of text")
    if len(text) > 254:
        raise Mismatch(f"short_message has {len(text)} octets")


async def times_of_submission(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.reply(submission)
    pdu = submission.pdu()
    for name in ("schedule_delivery_time", "validity_period"):
        value: bytes = getattr(pdu, name, b"")
        if not is_time(value):
            raise Mismatch(f"{name} is {value!r}")


async def no_answer_to_alert(_: Esme, wire: Wire) -> None:
    await wire.ignored(Draft(c.ALERT_NOTIFICATION, b"\1\x011\0\1\x012\0"))


async def length_of_answer(esme: Esme, wire: Wire) -> None:
    frame = await wire.ask(esme.text(b"17 octets"))
    if frame.octets[16:] != b"\0":
        raise Mismatch(f"{frame} came, with the message_id {frame.octets[16:]!r}")


async def throttled(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.reply(submission, c.ESME_RTHROTTLED)
    wire.answering = True
    await wire.alive()


async def again_after_throttling(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.reply(submission, c.ESME_RTHROTTLED)
    again = await esme.again(wire, submission, patience=esme.rebind)
    if again is None:
        raise Mismatch("it was not sent again")
    await wire.reply(again)


CASES: tuple[Case[Esme], ...] = (
    Case(51, "reserved data_coding", "deliver_sm_resp 0", taken(deliver_sm(data_coding=0x0B))),
    Case(52, "sm_length 255", "deliver_sm_resp 0", taken(deliver_sm(b"x" * 255))),
    Case(
        53, "sm_length beyond the PDU", "0x01; the session stays", refused(deliver_sm(sm_length=40), c.ESME_RINVMSGLEN)
    ),
    Case(
        53,
        "service_type without NUL",
        "0x15; the session stays",
        refused(Draft(c.DELIVER_SM, Raw(b"CMT")), c.ESME_RINVSERTYP),
    ),
    Case(
        54,
        "sm_length below what is there",
        "0xC0; the session stays",
        refused(deliver_sm(b"hello world", sm_length=5), c.ESME_RINVOPTPARSTREAM),
    ),
    Case(55, "short_message and message_payload", "deliver_sm_resp 0", taken(deliver_sm(tlvs=_PAYLOAD)), policy=True),
    Case(56, "1,000 octets in message_payload", "deliver_sm_resp 0", taken(deliver_sm(b"", tlv(0x0424, b"x" * 1000)))),
    Case(57, "NUL in short_message", "deliver_sm_resp 0", taken(deliver_sm(b"a\0b"))),
    Case(57, "text of a submit_sm", "sm_length counts the text, and no NUL is added", on_session(whole_submission)),
    Case(58, "times of a submit_sm", "absolute, relative or none", on_session(times_of_submission)),
    Case(59, "submit_sm_resp 0x101", "the session stays; the message is not sent again", on_session(refused_for_good)),
    Case(
        60,
        "TLVs in any order, and unknown ones",
        "deliver_sm_resp 0",
        taken(deliver_sm(b"", tlv(0x1234, b"?") + tlv(c.TAG_SOURCE_PORT, b"\0\1") + _PAYLOAD)),
    ),
    *(
        Case(61, title, "0xC0; the session stays", refused(deliver_sm(tlvs=octets), c.ESME_RINVOPTPARSTREAM))
        for title, octets in (
            ("1 octet after the fields", b"\x14"),
            ("3 octets after the fields", b"\x14\x01\0"),
            ("TLV longer than the PDU", tlv(0x1401, b"abc", 9)),
        )
    ),
    Case(
        62,
        "known TLV of a wrong length",
        "deliver_sm_resp 0 or 0xC2; the session stays",
        taken(deliver_sm(tlvs=tlv(c.TAG_SOURCE_PORT, b"\1")), statuses=(0, c.ESME_RINVPARLEN)),
    ),
    Case(
        63,
        "reserved value of a TLV",
        "deliver_sm_resp 0",
        taken(deliver_sm(tlvs=tlv(c.TAG_LANGUAGE_INDICATOR, b"\xee"))),
    ),
    Case(
        64,
        "TLV of another PDU",
        "deliver_sm_resp 0",
        taken(deliver_sm(tlvs=tlv(c.TAG_SC_INTERFACE_VERSION, b"\x34"))),
        policy=True,
    ),
    Case(
        65,
        "data_sm without message_payload",
        "data_sm_resp 0 or 0xC3; the session stays",
        taken(data_sm(b""), statuses=(0, c.ESME_RMISSINGOPTPARAM)),
    ),
    Case(
        66,
        "repeated callback_num",
        "deliver_sm_resp 0",
        taken(deliver_sm(tlvs=tlv(c.TAG_CALLBACK_NUM, b"\1\1\x01155") * 2)),
    ),
    Case(67, "sar_* that lack one", "deliver_sm_resp 0", taken(deliver_sm(tlvs=sar(1, 2, None)))),
    Case(
        68,
        "sar_* beside a user data header",
        "deliver_sm_resp 0 or 0xC1; the session stays",
        taken(deliver_sm(_UDH, sar(1, 2, 1), esm_class=c.ESM_UDHI), statuses=(0, c.ESME_ROPTPARNOTALLWD)),
        policy=True,
    ),
    Case(
        69,
        "TLVs of unusual lengths",
        "deliver_sm_resp 0",
        taken(
            deliver_sm(tlvs=tlv(c.TAG_ALERT_ON_MESSAGE_DELIVERY, b"")),
            deliver_sm(_RECEIPT, tlv(c.TAG_RECEIPTED_MESSAGE_ID, b"nobodys"), esm_class=4),
            deliver_sm(_RECEIPT, tlv(c.TAG_RECEIPTED_MESSAGE_ID, b"nobodys\0   "), esm_class=4),
        ),
    ),
    Case(71, "vendor's TLV", "deliver_sm_resp 0", taken(deliver_sm(tlvs=tlv(0x1400, b"\0\xff") + tlv(0x3FFF, b"")))),
    Case(
        71,
        "congestion_state in a response",
        "taken; the session stays",
        answered(0, b"c-1\0" + tlv(c.TAG_CONGESTION_STATE, b"\xff")),
    ),
    Case(72, "submit_sm_resp of an error with a body", "the session stays", answered(c.ESME_RSYSERR, b"id\0")),
    Case(72, "submit_sm_resp with an empty id", "the session stays", answered(0, b"\0")),
    Case(73, "message_id of 64 characters", "the session stays", answered(0, b"A" * 64 + b"\0")),
    Case(74, "length of deliver_sm_resp", "17 octets: message_id is one NUL", on_session(length_of_answer)),
    Case(75, "alert_notification", "nothing is sent; the session stays", on_session(no_answer_to_alert)),
    Case(76, "data_sm", "data_sm_resp 0", taken(data_sm())),
    Case(
        76, "receipt in a data_sm", "data_sm_resp 0", taken(data_sm(tlv(c.TAG_MESSAGE_PAYLOAD, _RECEIPT), esm_class=4))
    ),
    Case(78, "submit_sm_resp with a vendor's status", "the session stays", answered(0x4FF)),
    Case(78, "submit_sm_resp with an unknown status", "the session stays", answered(0x1234_5678)),
    *(
        Case(
            81,
            f"receipt with esm_class 0x{esm_class:02X}",
            "deliver_sm_resp 0",
            taken(deliver_sm(_RECEIPT, esm_class=esm_class)),
        )
        for esm_class in (0x04, 0x44, 0x07, 0xC4)
    ),
    *(
        Case(82, f"esm_class 0x{esm_class:02X}", "deliver_sm_resp 0", taken(deliver_sm(_RECEIPT, esm_class=esm_class)))
        for esm_class in (0x08, 0x10, 0x18, 0x20)
    ),
    Case(
        84,
        "receipt with an unknown message_state",
        "deliver_sm_resp 0",
        taken(
            deliver_sm(b"", tlv(c.TAG_RECEIPTED_MESSAGE_ID, b"x\0") + tlv(c.TAG_MESSAGE_STATE, b"\x2a"), esm_class=4)
        ),
    ),
    Case(85, "receipt that nobody can read", "deliver_sm_resp 0", taken(deliver_sm(b"\xff\0 gar:ble", esm_class=4))),
    Case(
        86,
        "data_coding of every group",
        "deliver_sm_resp 0",
        taken(*(deliver_sm(b"ab", data_coding=coding) for coding in (0x18, 0xC0, 0xC8, 0xD0, 0xE0, 0xF0, 0xF4))),
    ),
    Case(87, "UCS-2 of an odd length", "deliver_sm_resp 0", taken(deliver_sm(b"\0a\0", data_coding=8))),
    Case(88, "user data header beyond the text", "deliver_sm_resp 0", taken(deliver_sm(b"\x09ab", esm_class=0x40))),
    Case(
        88,
        "user data header in message_payload",
        "deliver_sm_resp 0",
        taken(deliver_sm(b"", tlv(c.TAG_MESSAGE_PAYLOAD, bytes((5, 0, 3, 9, 1, 1)) + b"x"), esm_class=0x40)),
    ),
    *(
        Case(
            89,
            f"part {sequence} of {total}",
            "deliver_sm_resp 0",
            taken(deliver_sm(bytes((5, 0, 3, 9, total, sequence)) + b"x", esm_class=0x40)),
        )
        for sequence, total in ((0, 0), (0, 2), (3, 2))
    ),
    Case(91, "submit_sm_resp ESME_RTHROTTLED", "the session stays", on_session(throttled)),
    Case(91, "message that was throttled", "it is sent again", on_session(again_after_throttling)),
)
