"""Traps 72 to 94 for an SMSC: what becomes of messages, and what their responses and receipts say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.testbed.conformance.case import Case, Smsc
from smppcore.testbed.conformance.octets import (
    Draft,
    Raw,
    cancel_sm,
    data_sm,
    query_sm,
    replace_sm,
    submit_multi,
    submit_sm,
    tlv,
)
from smppcore.testbed.conformance.smsc_fields import PAYLOAD, accepted, refused
from smppcore.testbed.conformance.smsc_framing import on_bound
from smppcore.testbed.conformance.smsc_tlvs import receipt_for
from smppcore.testbed.conformance.wire import Mismatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from smppcore.testbed.conformance.wire import Frame, Wire


def message_id(frame: Frame) -> bytes:
    """Return the message_id of a response."""
    return frame.octets[16:].partition(b"\0")[0]


async def has_id(wire: Wire) -> None:
    for draft in (submit_sm(), data_sm()):
        frame = await wire.ask(draft)
        given = message_id(frame)
        if not 1 <= len(given) <= 64 or frame.octets[16:] != given + b"\0":
            raise Mismatch(f"{frame} has the message_id {given!r}")


async def ids_are_opaque(wire: Wire) -> None:
    given = message_id(await wire.ask(submit_sm()))
    await wire.ask(query_sm(message_id=given))
    await wire.ask(query_sm(message_id=given.swapcase()), c.ESME_RQUERYFAIL)


def answered(body: bytes, status: int, *, again: bool) -> Callable[[Smsc], Awaitable[None]]:
    """Make a script: a deliver_sm is answered so; does it come again?"""

    async def script(smsc: Smsc) -> None:
        wire = await smsc.bound()
        delivery = await smsc.delivery(wire)
        await wire.reply(delivery, status, body)
        await wire.alive()
        if again:
            await wire.request(c.DELIVER_SM, patience=smsc.again)
        else:
            await wire.none(c.DELIVER_SM, smsc.absent)

    return script


async def never_answered(smsc: Smsc) -> None:
    wire = await smsc.bound()
    await smsc.delivery(wire)
    await wire.request(c.DELIVER_SM, patience=smsc.again)


async def session_lost(smsc: Smsc) -> None:
    wire = await smsc.bound()
    delivery = await smsc.delivery(wire)
    await wire.end()
    again = await (await smsc.bound()).request(c.DELIVER_SM)
    if again.octets[16:] != delivery.octets[16:]:
        raise Mismatch(f"{again} came, which is not the message that was not acknowledged")


async def no_answer_to_alert(wire: Wire) -> None:
    await wire.ignored(Draft(c.ALERT_NOTIFICATION, b"\1\x011\0\1\x012\0"))


async def multi_answer(wire: Wire) -> None:
    frame = await wire.ask(submit_multi())
    if not message_id(frame) or not frame.octets.endswith(b"\0\0"):
        raise Mismatch(f"{frame} has no message_id, or no no_unsuccess 0")


async def query_by_both(wire: Wire) -> None:
    given = message_id(await wire.ask(submit_sm()))
    await wire.ask(query_sm(message_id=given))
    await wire.ask(query_sm(message_id=given, source_addr=b"1"), c.ESME_RQUERYFAIL)
    await wire.ask(query_sm(message_id=b"nobody's"), c.ESME_RQUERYFAIL)


async def not_final(wire: Wire) -> None:
    given = message_id(await wire.ask(submit_sm()))
    frame = await wire.ask(query_sm(message_id=given))
    if frame.octets[16 + len(given) + 1 : 16 + len(given) + 2] != b"\0" or frame.octets[-2] != c.STATE_ENROUTE:
        raise Mismatch(f"{frame} has a final_date, or is not ENROUTE")


async def cancel_group(wire: Wire) -> None:
    first = message_id(await wire.ask(submit_sm(service_type=b"CMT")))
    other = message_id(await wire.ask(submit_sm(service_type=b"WAP")))
    await wire.ask(cancel_sm(service_type=b"CMT"))
    states = [(await wire.ask(query_sm(message_id=given))).octets[-2] for given in (first, other)]
    if states != [c.STATE_DELETED, c.STATE_ENROUTE]:
        raise Mismatch(f"the states are {states}")


async def cancel_none(wire: Wire) -> None:
    await wire.ask(cancel_sm(), c.ESME_RCANCELFAIL)
    await wire.ask(cancel_sm(message_id=b"nobody's"), c.ESME_RCANCELFAIL)


async def cancel_final(wire: Wire) -> None:
    wire.answering = False
    given = message_id(await wire.ask(submit_sm(registered_delivery=1)))
    await wire.reply(await wire.request(c.DELIVER_SM))
    await wire.ask(cancel_sm(message_id=given), c.ESME_RCANCELFAIL)


async def replace_none(wire: Wire) -> None:
    await wire.ask(replace_sm(message_id=b"nobody's"), c.ESME_RREPLACEFAIL)
    await wire.ask(query_sm(message_id=b"nobody's"), c.ESME_RQUERYFAIL)


async def replace_flag(wire: Wire) -> None:
    if not message_id(await wire.ask(submit_sm(replace_if_present_flag=1, destination_addr=b"15550008888"))):
        raise Mismatch("there is no message_id")


async def receipt_type(wire: Wire) -> None:
    frame = await receipt_for(wire, submit_sm(registered_delivery=1))
    esm_class: int = frame.pdu().esm_class  # type: ignore[attr-defined]
    if esm_class & c.ESM_TYPE_MASK != c.ESM_TYPE_RECEIPT:
        raise Mismatch(f"a receipt with esm_class 0x{esm_class:02X} came")


async def receipt_addresses(wire: Wire) -> None:
    pdu = (await receipt_for(wire, submit_sm(registered_delivery=1, source_addr_ton=2, dest_addr_npi=8))).pdu()
    found = pdu.source_addr, pdu.destination_addr, pdu.dest_addr_ton, pdu.source_addr_npi  # type: ignore[attr-defined]
    if found != (b"15550009999", b"15550000001", 2, 8):
        raise Mismatch(f"a receipt from {found[0]!r} to {found[1]!r} came")


async def receipt_unregistered(wire: Wire) -> None:
    pdu = (await receipt_for(wire, submit_sm(registered_delivery=1))).pdu()
    if pdu.registered_delivery:  # type: ignore[attr-defined]
        raise Mismatch("the receipt asks for a receipt")


async def receipt_tlvs(wire: Wire) -> None:
    wire.answering = False
    given = message_id(await wire.ask(submit_sm(registered_delivery=1)))
    pdu = (await wire.request(c.DELIVER_SM)).pdu()
    found = pdu.tlv(c.TAG_RECEIPTED_MESSAGE_ID), pdu.tlv(c.TAG_MESSAGE_STATE)
    if found != (given + b"\0", bytes((c.STATE_DELIVERED,))):
        raise Mismatch(f"receipted_message_id and message_state are {found}")


async def receipt_text(wire: Wire) -> None:
    pdu = (await receipt_for(wire, submit_sm(registered_delivery=1))).pdu()
    text: bytes = pdu.short_message  # type: ignore[attr-defined]
    if not text.startswith(b"id:") or b" stat:DELIVRD err:000 text:" not in text.replace(b"Text", b"text"):
        raise Mismatch(f"the text is {text!r}")


def receipts_asked(registered: int, *, come: bool) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        wire = await smsc.bound()
        draft = submit_sm(registered_delivery=registered)
        if come:
            await receipt_for(wire, draft)
        else:
            await wire.ask(draft)
            await wire.none(c.DELIVER_SM, 2.0)

    return script


async def no_receipt_for_datagram(wire: Wire) -> None:
    await wire.ask(data_sm(esm_class=c.ESM_MODE_DATAGRAM, registered_delivery=1))
    await wire.none(c.DELIVER_SM, 2.0)


async def header_in_payload(wire: Wire) -> None:
    beyond = tlv(c.TAG_MESSAGE_PAYLOAD, b"\x05ab")
    await wire.ask(submit_sm(b"", beyond, esm_class=c.ESM_UDHI), c.ESME_RINVESMCLASS)
    await wire.alive()


async def own_window(smsc: Smsc) -> None:
    wire = await smsc.bound()
    first = [await smsc.delivery(wire) for _ in range(3)]
    await smsc.target.deliver(b"one more")
    await wire.none(c.DELIVER_SM, 5.0)
    await wire.reply(first[0])
    await wire.request(c.DELIVER_SM)


async def over_the_window(wire: Wire) -> None:
    sent = await wire.send(*(submit_sm() for _ in range(8)), Draft(c.ENQUIRE_LINK))
    throttled = [await wire.answer() for _ in range(3)]
    found = [(frame.status, frame.sequence) for frame in throttled]
    if found != [(c.ESME_RTHROTTLED, draft.sequence) for draft in sent[5:8]]:
        raise Mismatch(f"beyond the window came {', '.join(map(str, throttled))}")
    await wire.expect(sent[8])
    for draft in sent[:5]:
        await wire.expect(draft)


async def failed_transaction(wire: Wire) -> None:
    await wire.ask(data_sm(esm_class=c.ESM_MODE_TRANSACTION), c.ESME_RDELIVERYFAILURE)


def _outcomes() -> Iterator[Case[Smsc]]:
    for status in (c.ESME_RX_T_APPN, c.ESME_RSYSERR, c.ESME_RMSGQFUL, c.ESME_RTHROTTLED):
        name = c.status_name(status)
        yield Case(77, f"deliver_sm answered with {name}", "it comes again", answered(b"", status, again=True))
    for status in (c.ESME_RX_P_APPN, c.ESME_RX_R_APPN):
        name = c.status_name(status)
        yield Case(77, f"deliver_sm answered with {name}", "it is dropped", answered(b"", status, again=False))


_LIST = Raw(b"\1\2friends\0")
_255 = Raw(b"\xff" + b"".join(b"\1\1\1%d\0" % n for n in range(255)))

CASES: tuple[Case[Smsc], ...] = (
    Case(72, "message_id of an accepted message", "1 to 64 characters, and nothing behind it", on_bound(has_id)),
    Case(73, "message_id in another case", "another message's", on_bound(ids_are_opaque), setting="hex ids"),
    Case(74, "deliver_sm_resp of 16 octets", "accepted", answered(b"", 0, again=False)),
    Case(74, "deliver_sm_resp of 17 octets", "accepted", answered(b"\0", 0, again=False)),
    Case(74, "deliver_sm_resp with an id", "accepted", answered(b"m-1\0", 0, again=False)),
    Case(75, "alert_notification from an ESME", "nothing is sent; the session stays", on_bound(no_answer_to_alert)),
    Case(76, "data_sm_resp", "has a message_id", on_bound(has_id)),
    *_outcomes(),
    Case(77, "deliver_sm that is not answered", "it comes again", never_answered),
    Case(
        78,
        "deliver_sm_resp with a vendor's status",
        "taken for a refusal; the session stays",
        answered(b"", 0x4FF, again=False),
    ),
    Case(79, "submit_multi", "message_id and no_unsuccess 0", on_bound(multi_answer)),
    Case(79, "submit_multi to nobody", "0x33", refused(submit_multi(destinations=Raw(b"\0")), c.ESME_RINVNUMDESTS)),
    Case(79, "dest_flag 3", "0x40", refused(submit_multi(destinations=Raw(b"\1\3\1\x011\0")), c.ESME_RINVDESTFLAG)),
    Case(79, "distribution list", "0x44", refused(submit_multi(destinations=_LIST), c.ESME_RCNTSUBDL)),
    Case(79, "255 destinations", "0x33", refused(submit_multi(destinations=_255), c.ESME_RINVNUMDESTS)),
    Case(
        79,
        "255 destinations by v5.0",
        "accepted",
        accepted(submit_multi(destinations=_255), version=c.VERSION_50),
        setting="v5.0",
    ),
    Case(
        79,
        "submit_multi that shall replace",
        "0x42",
        refused(submit_multi(replace_if_present_flag=1), c.ESME_RINVSUBREP),
        policy=True,
    ),
    Case(80, "query_sm by id and source", "0x67 unless both match", on_bound(query_by_both), policy=True),
    Case(80, "query_sm of a message on its way", "final_date is one NUL", on_bound(not_final), setting="slow receipts"),
    Case(
        80,
        "cancel_sm without an id",
        "cancels by source, destination and service_type",
        on_bound(cancel_group),
        setting="slow receipts",
    ),
    Case(80, "cancel_sm that finds none", "0x11", on_bound(cancel_none)),
    Case(80, "cancel_sm in a final state", "0x11", on_bound(cancel_final)),
    Case(80, "replace_sm that finds none", "0x13, and no new message", on_bound(replace_none)),
    Case(80, "submit_sm that would replace and finds none", "a new message", on_bound(replace_flag)),
    Case(81, "type of a receipt", "0x04 in bits 5 to 2 of esm_class", on_bound(receipt_type)),
    Case(83, "addresses of a receipt", "swapped", on_bound(receipt_addresses)),
    Case(83, "registered_delivery of a receipt", "0", on_bound(receipt_unregistered)),
    Case(84, "TLVs of a receipt", "the id of the response, and the state", on_bound(receipt_tlvs)),
    Case(85, "text of a receipt", "the form of Appendix B", on_bound(receipt_text)),
    *(
        Case(
            86,
            f"data_coding 0x{coding:02X}",
            "accepted",
            accepted(submit_sm(data_coding=coding)),
        )
        for coding in (0xC8, 0xD0, 0xF0, 0xF4)
    ),
    Case(86, "data_coding 0xE0", "0x45", refused(submit_sm(data_coding=0xE0), c.ESME_RSUBMITFAIL), policy=True),
    Case(
        87,
        "data_coding 0, 1, 3 and 8",
        "accepted",
        accepted(*(submit_sm(b"ab", data_coding=coding) for coding in (0, 1, 3, 8))),
    ),
    Case(
        88,
        "user data header beyond the text",
        "0x43",
        refused(submit_sm(b"\x09ab", esm_class=c.ESM_UDHI), c.ESME_RINVESMCLASS),
        policy=True,
    ),
    Case(88, "user data header beyond the message_payload", "0x43", on_bound(header_in_payload), policy=True),
    Case(
        89,
        "part 3 of 2",
        "accepted as a message of its own",
        accepted(submit_sm(bytes((5, 0, 3, 1, 2, 3)) + b"x", esm_class=c.ESM_UDHI)),
    ),
    Case(91, "its own window", "no deliver_sm beyond it", own_window, setting="small windows"),
    Case(
        91,
        "more requests than its window",
        "0x58 in order; enquire_link is answered",
        on_bound(over_the_window),
        setting="small windows",
    ),
    Case(92, "receipt for a datagram", "none", on_bound(no_receipt_for_datagram)),
    Case(
        92,
        "submit_sm in transaction mode",
        "0x43",
        refused(submit_sm(esm_class=c.ESM_MODE_TRANSACTION), c.ESME_RINVESMCLASS),
        policy=True,
    ),
    Case(92, "data_sm in transaction mode that fails", "0xFE", on_bound(failed_transaction), setting="undeliverable"),
    Case(
        93,
        "sm_default_msg_id beside message_payload",
        "0x63",
        refused(submit_sm(b"", PAYLOAD, sm_default_msg_id=1), c.ESME_RINVDFTMSGID),
    ),
    Case(94, "deliver_sm un-answered as the session is lost", "it comes again on the next", session_lost),
    Case(48, "receipt on failure only, of a message delivered", "none", receipts_asked(2, come=False)),
    Case(48, "receipt of any outcome", "comes", receipts_asked(1, come=True)),
)
