"""Traps 1 to 20 for an SMSC: headers, framing, sequence numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.testbed.conformance.case import Case, Smsc
from smppcore.testbed.conformance.octets import (
    Draft,
    cancel_sm,
    data_sm,
    query_sm,
    replace_sm,
    response,
    submit_multi,
    submit_sm,
)
from smppcore.testbed.conformance.wire import Mismatch, expect_field

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smppcore.testbed.conformance.wire import Wire

ENQUIRE_LINK = Draft(c.ENQUIRE_LINK)

# Of our simulator, for the cases that nobody else can be set up for; it delivers again 1 s after a time-out.
SESSION_INIT_TIMEOUT = RESPONSE_TIMEOUT = 10.0


def on_bound(play: Callable[[Wire], Awaitable[None]]) -> Callable[[Smsc], Awaitable[None]]:
    """Make a script of what happens on one bound connection."""

    async def script(smsc: Smsc) -> None:
        await play(await smsc.bound())

    return script


async def short_length(wire: Wire) -> None:
    await wire.send(Draft(c.ENQUIRE_LINK, sequence=9, length=8))
    await wire.expect_nack(c.ESME_RINVCMDLEN, 0)
    await wire.closed()


async def huge_length(wire: Wire) -> None:
    await wire.send(Draft(c.SUBMIT_SM, sequence=9, length=0x7FFF_FFFF))
    await wire.expect_nack(c.ESME_RINVCMDLEN, 9)
    await wire.closed()


async def unknown_request(wire: Wire) -> None:
    await wire.nacked(Draft(0x55), c.ESME_RINVCMDID)
    await wire.ask(submit_sm())


async def unknown_response(wire: Wire) -> None:
    await wire.ignored(Draft(0x8000_0055))


async def stray_nacks(wire: Wire) -> None:
    await wire.ignored(
        Draft(c.GENERIC_NACK, status=c.ESME_RINVCMDID, sequence=0),
        Draft(c.GENERIC_NACK, status=c.ESME_RINVCMDID, sequence=4242),
    )


async def nack_to_delivery(smsc: Smsc) -> None:
    wire = await smsc.bound()
    delivery = await smsc.delivery(wire)
    await wire.ignored(Draft(c.GENERIC_NACK, status=c.ESME_RX_P_APPN, sequence=delivery.sequence))
    await wire.none(c.DELIVER_SM, smsc.absent)


async def octet_by_octet(wire: Wire) -> None:
    draft = submit_sm().numbered(wire.next_number())
    for octet in draft.octets():
        await wire.send_octets(bytes((octet,)))
        await trio.lowlevel.checkpoint()
    await wire.expect(draft)


async def one_segment(wire: Wire) -> None:
    first, second, third = await wire.send(submit_sm(), Draft(c.ENQUIRE_LINK), submit_sm(b"again"))
    answers = {frame.sequence: frame.command_id for frame in [await wire.answer() for _ in range(3)]}
    wanted = {draft.sequence: draft.command_id | c.RESPONSE_BIT for draft in (first, second, third)}
    if answers != wanted:
        raise Mismatch(f"three requests were answered with {sorted(answers.items())}")


async def cut_short(wire: Wire) -> None:
    (sent,) = await wire.send(ENQUIRE_LINK)
    await wire.send_octets(submit_sm().octets(99)[:20])
    await wire.finish_sending()
    await wire.expect(sent)
    await wire.closed()


async def long_enquire_link(wire: Wire) -> None:
    await wire.nacked(Draft(c.ENQUIRE_LINK, b"\0"), c.ESME_RINVCMDLEN)
    await wire.alive()


async def long_enquire_link_taken(wire: Wire) -> None:
    await wire.ask(Draft(c.ENQUIRE_LINK, b"\0"))
    await wire.alive()


async def status_in_request(wire: Wire) -> None:
    draft = submit_sm()
    await wire.ask(Draft(draft.command_id, draft.body, status=c.ESME_RSYSERR))


async def answers_are_of_their_request(wire: Wire) -> None:
    for draft in (submit_sm(), data_sm(), submit_multi(), query_sm(), cancel_sm(), replace_sm()):
        (sent,) = await wire.send(draft)
        frame = await wire.answer()
        if (frame.command_id, frame.sequence) != (sent.command_id | c.RESPONSE_BIT, sent.sequence):
            raise Mismatch(f"{frame} came to {c.command_name(sent.command_id)} #{sent.sequence}")


async def delivery_header(smsc: Smsc) -> None:
    frame = await smsc.delivery(await smsc.bound())
    if frame.status or not 1 <= frame.sequence <= 0x7FFF_FFFF:
        raise Mismatch(f"{frame} came")


def sixteen(draft: Draft) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        wire = await smsc.bound()
        (sent,) = await wire.send(draft)
        frame = await wire.answer()
        if frame.command_id != sent.command_id | c.RESPONSE_BIT or len(frame.octets) != 16:
            raise Mismatch(f"{frame} came")

    return script


async def sixteen_cancelled(wire: Wire) -> None:
    accepted = await wire.ask(submit_sm())
    message_id = accepted.octets[16:].rstrip(b"\0")
    frame = await wire.ask(cancel_sm(message_id=message_id))
    if len(frame.octets) != 16:
        raise Mismatch(f"{frame} came")


async def sixteen_nack(wire: Wire) -> None:
    await wire.nacked(Draft(0x0000_0F00), c.ESME_RINVCMDID)


async def vendor_request(wire: Wire) -> None:
    await wire.nacked(Draft(0x0001_0201, b"vendor\0"), c.ESME_RINVCMDID)
    await wire.alive()


async def unreadable_answer(smsc: Smsc) -> None:
    wire = await smsc.bound()
    delivery = await smsc.delivery(wire)
    await wire.reply(delivery, body=b"x" * 70 + b"\0\1\0")
    await wire.alive()
    await wire.none(c.DELIVER_SM, smsc.absent)


async def numbers_ascend(smsc: Smsc) -> None:
    for _ in range(2):
        wire = await smsc.bound()
        for number in (1, 2):
            frame = await smsc.delivery(wire)
            await wire.reply(frame)
            if frame.sequence != number:
                raise Mismatch(f"the session's request {number} was {frame}")
        await wire.end()


async def odd_numbers(wire: Wire) -> None:
    for sequence in (0, 0x806A_179B, 0xFFFF_FFFF):
        await wire.ask(submit_sm().numbered(sequence))


async def gaps(wire: Wire) -> None:
    for sequence in (500, 7, 100_000, 8):
        await wire.ask(submit_sm().numbered(sequence))


async def own_spaces(smsc: Smsc) -> None:
    wire = await smsc.bound()
    delivery = await smsc.delivery(wire)
    await wire.ask(submit_sm().numbered(delivery.sequence))
    await wire.reply(delivery)
    await wire.alive()


async def same_number_twice(wire: Wire) -> None:
    first, second = await wire.send(submit_sm().numbered(5), submit_sm(b"other").numbered(5))
    await wire.expect(first)
    await wire.expect(second)
    await wire.alive()


async def answers_in_reverse(smsc: Smsc) -> None:
    wire = await smsc.bound()
    first, second, third = [await smsc.delivery(wire, text) for text in (b"one", b"two", b"three")]
    await wire.reply(third, c.ESME_RX_T_APPN)
    await wire.reply(second)
    await wire.reply(first)
    await wire.alive()
    again = await wire.request(c.DELIVER_SM, patience=smsc.again)
    expect_field(again, "short_message", b"three")


async def wrong_type(smsc: Smsc) -> None:
    wire = await smsc.bound()
    delivery = await smsc.delivery(wire)
    await wire.ignored(response(c.SUBMIT_SM, 0, b"\0", sequence=delivery.sequence))
    again = await wire.request(c.DELIVER_SM, patience=smsc.again)
    expect_field(again, "short_message", delivery.pdu().short_message)  # type: ignore[attr-defined]


async def unknown_number(wire: Wire) -> None:
    await wire.ignored(response(c.DELIVER_SM, 0, b"\0", sequence=777))


async def late_answer(smsc: Smsc) -> None:
    wire = await smsc.bound()
    delivery = await smsc.delivery(wire)
    await trio.sleep(RESPONSE_TIMEOUT + 0.5)
    await wire.reply(delivery)
    await wire.alive()
    await wire.none(c.DELIVER_SM, smsc.absent)


async def answer_of_another_session(smsc: Smsc) -> None:
    first = await smsc.bound()
    delivery = await smsc.delivery(first)
    await first.end()
    second = await smsc.bound("transmitter")
    await second.ignored(response(c.DELIVER_SM, 0, b"\0", sequence=delivery.sequence))
    third = await smsc.bound("receiver")
    await third.request(c.DELIVER_SM)


CASES: tuple[Case[Smsc], ...] = (
    Case(1, "command_length below 16", "generic_nack 0x02 with sequence 0, then the end", on_bound(short_length)),
    Case(2, "command_length above the limit", "generic_nack 0x02 with its number, then the end", on_bound(huge_length)),
    Case(
        3, "unknown command_id", "generic_nack 0x03 with its number; the next PDU is handled", on_bound(unknown_request)
    ),
    Case(4, "unknown response", "nothing is sent; the session stays", on_bound(unknown_response), policy=True),
    Case(5, "stray generic_nack", "nothing is sent; the session stays", on_bound(stray_nacks)),
    Case(5, "generic_nack to a deliver_sm", "the deliver_sm has failed; the session stays", nack_to_delivery),
    Case(6, "octet by octet", "one answer to one PDU", on_bound(octet_by_octet)),
    Case(6, "several PDUs in one segment", "each has its answer", on_bound(one_segment)),
    Case(6, "half a PDU at the end", "whole ones are answered, the half one is discarded", on_bound(cut_short)),
    Case(
        7, "enquire_link of 17 octets", "generic_nack 0x02; the session stays", on_bound(long_enquire_link), policy=True
    ),
    Case(
        7,
        "enquire_link of 17 octets, lenient",
        "enquire_link_resp 0; all 17 octets are consumed",
        on_bound(long_enquire_link_taken),
        policy=True,
        setting="lenient",
    ),
    Case(8, "command_status in a request", "it is ignored", on_bound(status_in_request)),
    Case(9, "response ids", "the request's id with bit 31, and its number", on_bound(answers_are_of_their_request)),
    Case(9, "requests of its own", "command_status 0", delivery_header),
    Case(10, "length of enquire_link_resp", "16 octets", sixteen(ENQUIRE_LINK)),
    Case(10, "length of unbind_resp", "16 octets", sixteen(Draft(c.UNBIND))),
    Case(10, "length of cancel_sm_resp", "16 octets", on_bound(sixteen_cancelled)),
    Case(10, "length of replace_sm_resp", "16 octets", sixteen(replace_sm(message_id=b"nobody's"))),
    Case(10, "length of generic_nack", "16 octets", on_bound(sixteen_nack)),
    Case(11, "vendor's command_id", "generic_nack 0x03", on_bound(vendor_request)),
    Case(12, "deliver_sm_resp that cannot be read", "accepted: it is not delivered again", unreadable_answer),
    Case(13, "sequence numbers", "1, 2 … in each session", numbers_ascend),
    Case(14, "sequence numbers 0 and 0x806A179B", "echoed", on_bound(odd_numbers)),
    Case(15, "sequence numbers with gaps", "honoured", on_bound(gaps)),
    Case(16, "one number in both directions", "both requests are answered", own_spaces),
    Case(17, "one number for two requests", "both are answered", on_bound(same_number_twice), policy=True),
    Case(18, "answers in reverse order", "matched by their numbers", answers_in_reverse),
    Case(18, "answer of another type", "ignored: the request waits on", wrong_type, policy=True, setting="usual"),
    Case(19, "answer to an unknown number", "nothing is sent; the session stays", on_bound(unknown_number)),
    Case(19, "late answer", "it still settles its request", late_answer, setting="usual"),
    Case(20, "answer to another session's number", "never matched", answer_of_another_session),
)
