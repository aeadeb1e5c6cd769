"""What the wire alone does not show of an ESME: what our bridge makes of messages, answers and receipts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio
import trio.testing

from bridge.store import StoreError
from smppcore import constants as c
from smppcore.pdu import SubmitSM
from smppcore.testbed.conformance.case import Case, Esme
from smppcore.testbed.conformance.octets import Draft, data_sm, response, tlv
from smppcore.testbed.conformance.smsc_tlvs import sar
from smppcore.testbed.conformance.wire import Mismatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.records import Mo, Mt
    from smppcore.testbed.conformance.wire import Frame, Wire
    from tests.conformance.ours import OurBridge


@dataclass
class Ours:
    """Our ESME on the wire, and the bridge behind it."""

    esme: Esme
    bridge: OurBridge

    async def session(self) -> Wire:
        """Return the bound session; the bridge knows of it."""
        wire = await self.esme.session()
        await trio.testing.wait_all_tasks_blocked()
        return wire

    async def text(self, body: bytes = b"thanks", tlvs: bytes = b"", **fields: int | bytes) -> Mo:
        """Deliver a text and return its row."""
        wire = await self.session()
        await wire.ask(self.esme.text(body, tlvs, **fields))
        return self.bridge.mos()[-1]

    async def sent(self, answer: bytes = b"id-1\0") -> Mt:
        """Have a message sent and accepted; return its row."""
        wire = await self.session()
        submission = await self.esme.submission(wire)
        await wire.send(response(c.SUBMIT_SM, 0, answer, sequence=submission.sequence))
        wire.answering = True
        return await self.mt()

    async def mt(self) -> Mt:
        """Return the first message that was sent, as it is now."""
        await trio.testing.wait_all_tasks_blocked()
        return self.bridge.mts()[0]

    async def receipt(self, text: bytes = b"", tlvs: bytes = b"", esm_class: int = c.ESM_TYPE_RECEIPT) -> Mt:
        """Deliver a receipt; return the row of the first message."""
        wire = await self.session()
        await wire.ask(self.esme.text(text or b"\0", tlvs, esm_class=esm_class))
        return await self.mt()


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Mismatch(f"{what} is {found!r}, not {wanted!r}")


def delivered(message_id: bytes = b"id-1") -> bytes:
    """The text of a receipt."""
    return (
        b"id:%b sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:" % message_id
    )


def ids(*message_ids: bytes, state: int = c.STATE_DELIVERED) -> bytes:
    """The TLVs of a receipt."""
    return b"".join(tlv(c.TAG_RECEIPTED_MESSAGE_ID, one) for one in message_ids) + tlv(
        c.TAG_MESSAGE_STATE, bytes((state,))
    )


async def nack_fails_it(ours: Ours) -> None:
    wire = await ours.session()
    submission = await ours.esme.submission(wire)
    await wire.ignored(Draft(c.GENERIC_NACK, status=c.ESME_RINVCMDID, sequence=submission.sequence))
    expect("the message's state", (await ours.mt()).state, "failed")


async def whole_ones_are_taken(ours: Ours) -> None:
    wire = await ours.session()
    draft = ours.esme.text(b"thanks")
    await wire.send_octets(draft.octets(1) + draft.octets(2)[:30])
    await trio.testing.wait_all_tasks_blocked()
    await wire.finish_sending()
    await trio.testing.wait_all_tasks_blocked()
    expect("how many texts there are", len(ours.bridge.mos()), 1)


async def strict_enquire_link(ours: Ours) -> None:
    wire = await ours.session()
    await wire.nacked(Draft(c.ENQUIRE_LINK, b"\0"), c.ESME_RINVCMDLEN)
    await wire.alive()


def accepted_nameless(body: bytes) -> Callable[[Ours], Awaitable[None]]:
    async def script(ours: Ours) -> None:
        mt = await ours.sent(body)
        expect("the message's state", mt.state, "accepted")
        if not any("without a message_id" in line for line in ours.bridge.incidents):
            raise Mismatch("there is no alarm")

    return script


async def numbers_wrap(ours: Ours) -> None:
    wire = await ours.session()
    (session,) = ours.bridge.carrier._sessions
    session.session._window.next_sequence = 0x7FFF_FFFE
    found = []
    for _ in range(3):
        submission = await ours.esme.submission(wire)
        await wire.reply(submission)
        found.append(submission.sequence)
    expect("the order of sequence numbers", found, [0x7FFF_FFFE, 0x7FFF_FFFF, 1])


async def wrong_type_settles_nothing(ours: Ours) -> None:
    wire = await ours.session()
    submission = await ours.esme.submission(wire)
    await wire.ignored(response(c.QUERY_SM, 0, b"x\0\0\2\0", sequence=submission.sequence))
    expect("the message's state", (await ours.mt()).state, "sent")


async def late_answer(ours: Ours) -> None:
    wire = await ours.session()
    submission = await ours.esme.submission(wire)
    await trio.sleep(7.0)
    await wire.send(response(c.SUBMIT_SM, 0, b"late\0", sequence=submission.sequence))
    await wire.none(c.SUBMIT_SM, 15.0)
    mt = await ours.mt()
    expect("the message's state", (mt.state, mt.in_doubt), ("accepted", False))


async def old_answer(ours: Ours) -> None:
    submission = await ours.esme.submission(await ours.session())
    wire = await ours.esme.new_session()
    await wire.ignored(response(c.SUBMIT_SM, 0, b"old\0", sequence=submission.sequence))
    mt = await ours.mt()
    expect("the message's state", (mt.state, mt.in_doubt), ("sent", True))


async def assumed_version(ours: Ours) -> None:
    wire, bind = await ours.esme.opened()
    await ours.esme.accept_bind(wire, bind, b"smsc\0")
    await wire.alive()
    (session,) = ours.bridge.carrier._sessions
    expect("the session's version", session.session.interface_version, c.VERSION_33)


async def unbinds(ours: Ours) -> None:
    wire = await ours.session()
    wire.answering = False
    (session,) = ours.bridge.carrier._sessions
    session.start_unbind()
    frame = await wire.request(c.UNBIND)
    await wire.reply(frame)
    await wire.closed()


async def unbind_unanswered(ours: Ours) -> None:
    wire = await ours.session()
    wire.answering = False
    (session,) = ours.bridge.carrier._sessions
    session.start_unbind()
    await wire.request(c.UNBIND)
    await wire.closed(6.0)


async def inactive(ours: Ours) -> None:
    wire = await ours.session()
    for _ in range(5):
        await trio.sleep(3.9)
        await wire.alive()
    await wire.request(c.UNBIND, patience=1.0)


async def no_tlvs_to_v33(ours: Ours) -> None:
    wire, bind = await ours.esme.opened()
    await ours.esme.accept_bind(wire, bind, b"smsc\0")
    wire.answering = False
    await trio.testing.wait_all_tasks_blocked()
    (link,) = ours.bridge.carrier._sessions
    link.session.send([SubmitSM(destination_addr=b"1", tlvs=((0x1400, b"x"),))], trio.current_time())
    link.wake()
    frame = await wire.request(c.SUBMIT_SM)
    await wire.reply(frame)
    expect("the TLVs of the submit_sm", tuple(frame.pdu().tlvs), ())


def kept_raw(body: bytes, outcome: str = "silent", **fields: int | bytes) -> Callable[[Ours], Awaitable[None]]:
    async def script(ours: Ours) -> None:
        mo = await ours.text(body, b"", **fields)
        expect("what is kept", (mo.bodies, mo.outcome), ((body,), outcome))

    return script


def read_as(body: bytes, text: str, tlvs: bytes = b"", **fields: int | bytes) -> Callable[[Ours], Awaitable[None]]:
    async def script(ours: Ours) -> None:
        expect("the text", (await ours.text(body, tlvs, **fields)).text, text)

    return script


async def split_and_whole(ours: Ours) -> None:
    wire = await ours.session()
    wire.answering = False
    said = b"echo " + b"a" * 149
    for part in (bytes((5, 0, 3, 9, 2, 1)) + said, bytes((5, 0, 3, 9, 2, 2)) + b"abc\x1be" + b"d" * 20):
        await wire.ask(ours.esme.text(part, esm_class=c.ESM_UDHI, source_addr=b"15557770000"))
    parts = []
    for _ in range(2):
        submission = await wire.request(c.SUBMIT_SM)
        await wire.reply(submission)
        parts.append(submission.pdu().short_message)  # type: ignore[attr-defined]
    expect("the reply", b"".join(part[6:] for part in parts), b"a" * 149 + b"abc\x1be" + b"d" * 20)
    if parts[0].endswith(b"\x1b"):
        raise Mismatch("an escape pair was split")


def settles(
    text: bytes, tlvs: bytes = b"", esm_class: int = 4, state: str = "delivered"
) -> Callable[[Ours], Awaitable[None]]:
    """Make a script: after this receipt for id-1 the message is in that state."""

    async def script(ours: Ours) -> None:
        await ours.sent()
        expect("the message's state", (await ours.receipt(text, tlvs, esm_class)).state, state)

    return script


async def data_sm_receipt(ours: Ours) -> None:
    await ours.sent()
    wire = await ours.session()
    await wire.ask(data_sm(tlv(c.TAG_MESSAGE_PAYLOAD, delivered()), esm_class=c.ESM_TYPE_RECEIPT))
    expect("the message's state", (await ours.mt()).state, "delivered")


def is_text(esm_class: int) -> Callable[[Ours], Awaitable[None]]:
    async def script(ours: Ours) -> None:
        await ours.sent()
        mo = await ours.text(delivered(), esm_class=esm_class)
        expect("the text", mo.text, delivered().decode())
        expect("the message's state", (await ours.mt()).state, "accepted")

    return script


def answered_with(status: int, body: bytes, state: str, error: str) -> Callable[[Ours], Awaitable[None]]:
    async def script(ours: Ours) -> None:
        wire = await ours.session()
        submission = await ours.esme.submission(wire)
        await wire.send(response(c.SUBMIT_SM, status, body, sequence=submission.sequence))
        wire.answering = True
        await wire.alive()
        mt = await ours.mt()
        expect("the message's state", (mt.state, error in mt.error), (state, True))

    return script


async def store_fails(ours: Ours) -> None:
    wire = await ours.session()
    ours.bridge.store.failures.append(StoreError("the disk is gone"))
    await wire.ask(ours.esme.text(), c.ESME_RX_T_APPN)
    await wire.ask(ours.esme.text())


async def part_of(ours: Ours, wire: Wire, header: bytes, body: bytes, source: bytes = b"15556660000") -> None:
    await wire.ask(ours.esme.text(header + body, esm_class=c.ESM_UDHI, source_addr=source))


async def joined_in_any_order(ours: Ours) -> None:
    wire = await ours.session()
    for number in (3, 1, 1, 2):
        await part_of(ours, wire, bytes((5, 0, 3, 9, 3, number)), b"%d" % number)
    expect("the texts", [(mo.text, mo.outcome != "pending") for mo in ours.bridge.mos()], [("123", True)])


async def widths_do_not_mix(ours: Ours) -> None:
    wire = await ours.session()
    await part_of(ours, wire, bytes((5, 0, 3, 9, 2, 1)), b"one")
    await part_of(ours, wire, bytes((6, 8, 4, 0, 9, 2, 2)), b"two")
    expect("the outcomes", [mo.outcome for mo in ours.bridge.mos()], ["pending", "pending"])


async def another_content(ours: Ours) -> None:
    wire = await ours.session()
    await part_of(ours, wire, bytes((5, 0, 3, 9, 2, 1)), b"one")
    await part_of(ours, wire, bytes((5, 0, 3, 9, 2, 1)), b"other")
    expect("how many texts there are", len(ours.bridge.mos()), 2)


def whole_at_once(header: bytes, tlvs: bytes = b"", esm_class: int = c.ESM_UDHI) -> Callable[[Ours], Awaitable[None]]:
    async def script(ours: Ours) -> None:
        mo = await ours.text(header + b"thanks", tlvs, esm_class=esm_class)
        expect("the text", (mo.text, mo.outcome), ("thanks", "silent"))

    return script


async def own_window(ours: Ours) -> None:
    wire = await ours.session()
    wire.answering = False
    for sent in await wire.send(*(ours.esme.text() for _ in range(5))):
        await wire.expect(sent)
    submissions: list[Frame] = [await wire.request(c.SUBMIT_SM) for _ in range(3)]
    await wire.none(c.SUBMIT_SM, 5.0)
    await wire.reply(submissions[0])
    await wire.request(c.SUBMIT_SM)


async def over_the_window(ours: Ours) -> None:
    wire = await ours.session()
    sent = await wire.send(*(ours.esme.text(b"thanks") for _ in range(4)), Draft(c.ENQUIRE_LINK))
    found = {}
    for _ in sent:
        frame = await wire.answer()
        found[frame.sequence] = frame.status
    expect(
        "the answers", [found[draft.sequence or 0] for draft in sent], [0, 0, c.ESME_RTHROTTLED, c.ESME_RTHROTTLED, 0]
    )


async def delivered_again(ours: Ours) -> None:
    wire = await ours.session()
    draft = ours.esme.text(b"thanks")
    await wire.ask(draft)
    wire = await ours.esme.new_session()
    await wire.ask(draft)
    expect("how often each text came again", [mo.redelivered for mo in ours.bridge.mos()], [1])


async def receipt_twice(ours: Ours) -> None:
    await ours.sent()
    await ours.receipt(delivered())
    again = await ours.receipt(delivered().replace(b"DELIVRD", b"UNDELIV"))
    expect("the message's state", again.state, "delivered")


UNDELIVERED = delivered().replace(b"DELIVRD", b"UNDELIV")

CASES: tuple[Case[Ours], ...] = (
    Case(5, "submit_sm that got a generic_nack", "has failed with its status", nack_fails_it),
    Case(6, "text before half a PDU", "is stored", whole_ones_are_taken),
    Case(7, "enquire_link of 17 octets, strict", "generic_nack 0x02", strict_enquire_link, setting="strict"),
    Case(12, "message whose answer has no body", "is accepted, with an alarm", accepted_nameless(b"")),
    Case(13, "sequence numbers at their end", "0x7FFFFFFF, then 1", numbers_wrap),
    Case(18, "submit_sm answered by another type", "waits on", wrong_type_settles_nothing),
    Case(19, "late submit_sm_resp", "settles the message", late_answer, setting="short timers"),
    Case(20, "answer of the session before", "settles nothing", old_answer, setting="hold in doubt"),
    Case(30, "version that is assumed", "the link's", assumed_version, setting="v3.3 assumed"),
    Case(37, "unbind of its own", "it waits for the answer, then the end", unbinds),
    Case(37, "unbind of its own that nobody answers", "the end", unbind_unanswered, setting="short timers"),
    Case(38, "only enquire_link for long", "it unbinds", inactive, setting="short timers"),
    Case(51, "octets of a reserved data_coding", "are kept", kept_raw(b"\1\2\3", data_coding=0x0B)),
    Case(
        55,
        "text beside message_payload",
        "message_payload wins",
        read_as(b"short", "from the payload", tlv(c.TAG_MESSAGE_PAYLOAD, b"from the payload")),
    ),
    Case(56, "reply of 174 characters", "split, nothing lost, no escape pair split", split_and_whole),
    Case(57, "NUL within a text", "is a character", read_as(b"a@\0b", "a¡@b")),
    Case(
        66,
        "receipted_message_id twice",
        "the first wins",
        settles(b"\0", ids(b"id-1\0", b"id-2\0")),
    ),
    Case(67, "sar_* that lack one", "ignored: a text of its own", whole_at_once(b"", sar(1, 2, None), 0)),
    Case(67, "sar_segment_seqnum above the total", "ignored: a text of its own", whole_at_once(b"", sar(1, 2, 3), 0)),
    Case(69, "receipted_message_id without NUL", "is the id", settles(b"\0", ids(b"id-1"))),
    Case(69, "receipted_message_id with padding", "is the id", settles(b"\0", ids(b"id-1\0  "))),
    Case(70, "submit_sm to a v3.3 SMSC", "has no TLVs", no_tlvs_to_v33, setting="v3.3 assumed"),
    Case(
        72,
        "message that was refused with a body",
        "has failed",
        answered_with(c.ESME_RINVDSTADR, b"id\0", "failed", "RINVDSTADR"),
    ),
    Case(72, "message with an empty id", "is accepted, with an alarm", accepted_nameless(b"\0")),
    Case(
        73, "receipt with the id in another case", "is another message's", settles(delivered(b"ID-1"), state="accepted")
    ),
    Case(76, "receipt in a data_sm", "settles the message", data_sm_receipt),
    Case(77, "text that cannot be stored", "0x64, and the next is taken", store_fails),
    Case(
        78,
        "message refused with a vendor's status",
        "has failed, with the number",
        answered_with(0x4FF, b"", "failed", "4FF"),
    ),
    *(
        Case(
            81,
            f"receipt with esm_class 0x{esm_class:02X}",
            "settles the message",
            settles(delivered(), esm_class=esm_class),
        )
        for esm_class in (0x44, 0x07, 0xC4)
    ),
    Case(82, "intermediate notification", "closes nothing", settles(delivered(), esm_class=0x20, state="accepted")),
    *(
        Case(82, f"esm_class 0x{esm_class:02X} with a receipt's words", "is a text", is_text(esm_class))
        for esm_class in (0x00, 0x08, 0x10)
    ),
    Case(84, "TLVs against the text of a receipt", "the TLVs win", settles(UNDELIVERED, ids(b"id-1\0"))),
    Case(84, "message_state 42", "settles nothing", settles(b"\0", ids(b"id-1\0", state=42), state="accepted")),
    Case(85, "receipt without most fields", "is read", settles(b"STAT:delivrd ID:id-1")),
    Case(86, "data_coding 0x18", "UCS-2", read_as("да".encode("utf-16-be"), "да", data_coding=0x18)),
    Case(86, "data_coding 0xF4", "octets", kept_raw(b"\1\2", data_coding=0xF4)),
    Case(86, "data_coding 0xF0", "text", read_as(b"hi", "hi", data_coding=0xF0)),
    Case(87, "data_coding 3", "Latin-1", read_as(b"\xe9", "é", data_coding=3)),
    Case(87, "data_coding 0", "the link's alphabet", read_as(b"\2", "$", data_coding=0)),
    Case(88, "user data header beyond the text", "is kept with the text", read_as(b"\x0aabc", "\nabc", esm_class=0x40)),
    Case(89, "part 1 of 0", "a text of its own", whole_at_once(bytes((5, 0, 3, 9, 0, 1)))),
    Case(89, "part 3 of 2", "a text of its own", whole_at_once(bytes((5, 0, 3, 9, 2, 3)))),
    Case(90, "parts in any order, one twice", "joined once", joined_in_any_order),
    Case(90, "references of 8 and of 16 bits", "do not mix", widths_do_not_mix),
    Case(90, "another content for a part", "another message", another_content),
    Case(91, "its own window", "no submit_sm beyond it", own_window, setting="window of 3"),
    Case(
        91,
        "more requests than its window",
        "0x58 in order; enquire_link is answered",
        over_the_window,
        setting="receive window of 2",
    ),
    Case(94, "text that comes again after the session was lost", "is the same one", delivered_again),
    Case(94, "receipt that comes twice", "counts once", receipt_twice),
)
