"""Traps 1 to 20 for an ESME: headers, framing, sequence numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.testbed.conformance.case import Case, Esme
from smppcore.testbed.conformance.octets import Draft, response
from smppcore.testbed.conformance.wire import Mismatch, NotShown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smppcore.testbed.conformance.wire import Frame, Wire

ENQUIRE_LINK = Draft(c.ENQUIRE_LINK)


def on_session(play: Callable[[Esme, Wire], Awaitable[None]]) -> Callable[[Esme], Awaitable[None]]:
    """Make a script of what happens in a bound session."""

    async def script(esme: Esme) -> None:
        wire = await esme.session()
        wire.answering = True
        await play(esme, wire)
        wire.answering = True

    return script


def ending(play: Callable[[Esme, Wire], Awaitable[None]]) -> Callable[[Esme], Awaitable[None]]:
    """Make a script of what ends a bound session."""

    async def script(esme: Esme) -> None:
        wire = await esme.session()
        wire.answering = True
        await esme.outlast()
        try:
            await play(esme, wire)
        finally:
            with trio.move_on_after(5, shield=True):
                await esme.drop()

    return script


async def short_length(_: Esme, wire: Wire) -> None:
    await wire.send(Draft(c.ENQUIRE_LINK, sequence=9, length=8))
    await wire.expect_nack(c.ESME_RINVCMDLEN, 0)
    await wire.closed()


async def huge_length(_: Esme, wire: Wire) -> None:
    await wire.send(Draft(c.DELIVER_SM, sequence=9, length=0x7FFF_FFFF))
    await wire.expect_nack(c.ESME_RINVCMDLEN, 9)
    await wire.closed()


async def unknown_request(esme: Esme, wire: Wire) -> None:
    await wire.nacked(Draft(0x55), c.ESME_RINVCMDID)
    await wire.ask(esme.text())


async def unknown_response(_: Esme, wire: Wire) -> None:
    await wire.ignored(Draft(0x8000_0055))


async def nack_of_nothing(_: Esme, wire: Wire) -> None:
    await wire.ignored(
        Draft(c.GENERIC_NACK, status=c.ESME_RINVCMDLEN, sequence=0),
        Draft(c.GENERIC_NACK, status=c.ESME_RINVCMDID, sequence=424_242),
    )


async def nack_to_submission(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.ignored(Draft(c.GENERIC_NACK, status=c.ESME_RINVCMDID, sequence=submission.sequence))


async def octet_by_octet(esme: Esme, wire: Wire) -> None:
    draft = esme.text(b"octet by octet").numbered(wire.next_number())
    for octet in draft.octets():
        await wire.send_octets(bytes((octet,)))
        await trio.lowlevel.checkpoint()
    await wire.expect(draft)


async def one_segment(esme: Esme, wire: Wire) -> None:
    sent = await wire.send(esme.text(b"one"), ENQUIRE_LINK, esme.text(b"two"))
    answers = {frame.sequence: frame.command_id for frame in [await wire.answer() for _ in sent]}
    if answers != {draft.sequence: draft.command_id | c.RESPONSE_BIT for draft in sent}:
        raise Mismatch(f"three requests were answered with {sorted(answers.items())}")


async def cut_short(esme: Esme, wire: Wire) -> None:
    (sent,) = await wire.send(ENQUIRE_LINK)
    await wire.send_octets(esme.text().octets(99)[:20])
    await wire.finish_sending()
    await wire.expect(sent)
    await wire.closed()


async def long_enquire_link(_: Esme, wire: Wire) -> None:
    await wire.ask(Draft(c.ENQUIRE_LINK, b"\0"))
    await wire.alive()


async def status_in_request(esme: Esme, wire: Wire) -> None:
    draft = esme.text(b"status")
    await wire.ask(Draft(draft.command_id, draft.body, status=c.ESME_RSYSERR))


async def own_status(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.reply(submission)
    if submission.status or not 1 <= submission.sequence <= 0x7FFF_FFFF:
        raise Mismatch(f"{submission} came")


async def response_ids(esme: Esme, wire: Wire) -> None:
    for draft in (esme.text(b"ids").numbered(1234), ENQUIRE_LINK.numbered(0x1000_0000)):
        await wire.ask(draft)


def sixteen(draft: Draft) -> Callable[[Esme, Wire], Awaitable[None]]:
    async def play(_: Esme, wire: Wire) -> None:
        (sent,) = await wire.send(draft)
        frame = await wire.answer()
        if frame.command_id != sent.command_id | c.RESPONSE_BIT or len(frame.octets) != 16:
            raise Mismatch(f"{frame} came")

    return play


async def sixteen_nack(_: Esme, wire: Wire) -> None:
    await wire.nacked(Draft(0x0000_0F00), c.ESME_RINVCMDID)


async def vendor_request(_: Esme, wire: Wire) -> None:
    await wire.nacked(Draft(0x0001_0201, b"vendor\0"), c.ESME_RINVCMDID)
    await wire.alive()


async def not_again(esme: Esme, wire: Wire, submission: Frame) -> None:
    """Expect that a message does not come again for a while."""
    frame = await esme.again(wire, submission, patience=esme.watch)
    if frame is not None:
        await wire.reply(frame)
        raise Mismatch(f"{frame} came again")


async def unreadable_answer(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.send(response(submission.command_id, 0, b"", sequence=submission.sequence))
    await wire.alive()
    await not_again(esme, wire, submission)


async def numbers_begin_at_one(esme: Esme) -> None:
    for _ in range(2):
        await esme.drop()
        wire, bind = await esme.opened()
        if bind.sequence != 1:
            raise Mismatch(f"the session's first request was {bind}")
        await esme.accept_bind(wire, bind)
        await wire.alive()


async def numbers_ascend(esme: Esme, wire: Wire) -> None:
    numbers = []
    for _ in range(3):
        submission = await esme.submission(wire)
        await wire.reply(submission)
        numbers.append(submission.sequence)
    if numbers != sorted(set(numbers)):
        raise Mismatch(f"the numbers were {numbers}")


async def odd_numbers(esme: Esme, wire: Wire) -> None:
    for sequence in (0, 0x806A_179B, 0xFFFF_FFFF):
        await wire.ask(esme.text(b"odd").numbered(sequence))


async def gaps(esme: Esme, wire: Wire) -> None:
    for sequence in (500_000, 7, 900_000, 8):
        await wire.ask(esme.text(b"gaps").numbered(sequence))


async def own_spaces(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.ask(esme.text(b"spaces").numbered(submission.sequence))
    await wire.reply(submission)
    await wire.alive()


async def same_number_twice(esme: Esme, wire: Wire) -> None:
    for sent in await wire.send(esme.text(b"this").numbered(5), esme.text(b"that").numbered(5)):
        await wire.expect(sent)
    await wire.alive()


async def answers_in_reverse(esme: Esme, wire: Wire) -> None:
    first, second = await esme.submissions(wire, 2)
    await wire.reply(second, c.ESME_RTHROTTLED)
    await wire.reply(first)
    await wire.alive()
    again = await esme.again(wire, first, second, patience=esme.rebind)
    if again is None:
        raise NotShown("it does not send again what was throttled")
    await wire.reply(again)
    if again.octets[16:] != second.octets[16:]:
        raise Mismatch(f"{again} came again, which is not the message that was throttled")


async def wrong_type(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.ignored(response(c.QUERY_SM, 0, b"\0\0\0\0", sequence=submission.sequence))
    await wire.reply(submission)
    await wire.alive()
    await not_again(esme, wire, submission)


async def unknown_number(_: Esme, wire: Wire) -> None:
    await wire.ignored(response(c.SUBMIT_SM, 0, b"nobody's\0", sequence=777_777))


async def answer_of_another_session(esme: Esme) -> None:
    wire = await esme.session()
    submission = await esme.submission(wire)
    wire = await esme.new_session()
    await wire.ignored(response(submission.command_id, 0, b"old\0", sequence=submission.sequence + 1000))


CASES: tuple[Case[Esme], ...] = (
    Case(
        1, "command_length below 16", "generic_nack 0x02 with sequence 0, then the end", ending(short_length), ends=True
    ),
    Case(
        2,
        "command_length above the limit",
        "generic_nack 0x02 with its number, then the end",
        ending(huge_length),
        ends=True,
    ),
    Case(
        3,
        "unknown command_id",
        "generic_nack 0x03 with its number; the next PDU is handled",
        on_session(unknown_request),
    ),
    Case(4, "unknown response", "nothing is sent; the session stays", on_session(unknown_response), policy=True),
    Case(5, "generic_nack of nothing", "nothing is sent; the session stays", on_session(nack_of_nothing)),
    Case(5, "generic_nack to a submit_sm", "nothing is sent to it; the session stays", on_session(nack_to_submission)),
    Case(6, "octet by octet", "one answer to one PDU", on_session(octet_by_octet)),
    Case(6, "several PDUs in one segment", "each has its answer", on_session(one_segment)),
    Case(
        6, "half a PDU at the end", "whole ones are answered, the half one is discarded", ending(cut_short), ends=True
    ),
    Case(
        7,
        "enquire_link of 17 octets",
        "enquire_link_resp 0; all 17 octets are consumed",
        on_session(long_enquire_link),
        policy=True,
    ),
    Case(8, "command_status in a request", "it is ignored", on_session(status_in_request)),
    Case(9, "requests of its own", "command_status 0", on_session(own_status)),
    Case(9, "response ids", "the request's id with bit 31, and its number", on_session(response_ids)),
    Case(10, "length of enquire_link_resp", "16 octets", on_session(sixteen(ENQUIRE_LINK))),
    Case(10, "length of unbind_resp", "16 octets", ending(sixteen(Draft(c.UNBIND))), ends=True),
    Case(10, "length of generic_nack", "16 octets", on_session(sixteen_nack)),
    Case(11, "vendor's command_id", "generic_nack 0x03", on_session(vendor_request)),
    Case(
        12, "submit_sm_resp 0 without a body", "accepted: the message is not sent again", on_session(unreadable_answer)
    ),
    Case(13, "first sequence number", "1 in each session", numbers_begin_at_one, fresh=True),
    Case(13, "sequence numbers", "ascending", on_session(numbers_ascend)),
    Case(14, "sequence numbers 0 and 0x806A179B", "echoed", on_session(odd_numbers)),
    Case(15, "sequence numbers with gaps", "honoured", on_session(gaps)),
    Case(16, "one number in both directions", "both requests are answered", on_session(own_spaces)),
    Case(17, "one number for two requests", "both are answered", on_session(same_number_twice), policy=True),
    Case(18, "answers in reverse order", "matched by their numbers", on_session(answers_in_reverse)),
    Case(18, "answer of another type", "ignored: the request waits on", on_session(wrong_type), policy=True),
    Case(19, "answer to an unknown number", "nothing is sent; the session stays", on_session(unknown_number)),
    Case(20, "answer to another session's number", "ignored; the session stays", answer_of_another_session, fresh=True),
)
