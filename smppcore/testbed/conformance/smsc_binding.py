"""Traps 21 to 39 for an SMSC: binds, states, timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.testbed.conformance.case import Case, Smsc
from smppcore.testbed.conformance.octets import (
    Draft,
    Raw,
    bind,
    cancel_sm,
    data_sm,
    deliver_sm,
    query_sm,
    replace_sm,
    submit_multi,
    submit_sm,
)
from smppcore.testbed.conformance.smsc_framing import ENQUIRE_LINK, RESPONSE_TIMEOUT, SESSION_INIT_TIMEOUT, on_bound
from smppcore.testbed.conformance.wire import Mismatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smppcore.testbed.conformance.wire import Wire


def on_open(play: Callable[[Wire], Awaitable[None]]) -> Callable[[Smsc], Awaitable[None]]:
    """Make a script of what happens on one connection that is not bound."""

    async def script(smsc: Smsc) -> None:
        await play(await smsc.open())

    return script


def too_early(draft: Draft) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        wire = await smsc.open()
        await wire.ask(draft, c.ESME_RINVBNDSTS)
        await wire.ask(bind())

    return script


async def submit_on_receiver(smsc: Smsc) -> None:
    wire = await smsc.bound("receiver")
    await wire.ask(submit_sm(), c.ESME_RINVBNDSTS)
    await wire.alive()


async def deliver_from_esme(wire: Wire) -> None:
    await wire.ask(deliver_sm(), c.ESME_RINVBNDSTS)
    await wire.alive()


def second_bind(kind: str) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        wire = await smsc.bound()
        await wire.ask(bind(kind), c.ESME_RALYBND)
        await wire.ask(submit_sm())

    return script


def refused_bind(draft: Draft, status: int) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        wire = await smsc.open()
        await wire.ask(draft, status)

    return script


async def others_bind(smsc: Smsc) -> None:
    wire = await smsc.open()
    await wire.ask(bind("transceiver"), c.ESME_RINVCMDID)
    await smsc.bound("transmitter")
    await smsc.bound("receiver")


def version_taken(version: int) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        wire = await smsc.open()
        await wire.ask(bind(interface_version=version))
        await wire.alive()

    return script


def own_version(version: int, *, given: bool) -> Callable[[Smsc], Awaitable[None]]:
    async def script(smsc: Smsc) -> None:
        wire = await smsc.open()
        frame = await wire.ask(bind(interface_version=version))
        found = frame.pdu().tlv(c.TAG_SC_INTERFACE_VERSION)
        if (found is not None and len(found) == 1) is not given:
            raise Mismatch(f"sc_interface_version is {found!r}")

    return script


async def refusal_without_body(smsc: Smsc) -> None:
    wire = await smsc.open()
    (sent,) = await wire.send(bind(password=b"wrong"))
    frame = await wire.answer()
    if frame.status == c.ESME_ROK or len(frame.octets) != 16 or frame.sequence != sent.sequence:
        raise Mismatch(f"{frame} came")


async def enquire_before_bind(wire: Wire) -> None:
    await wire.ask(ENQUIRE_LINK)
    await wire.ask(bind())


async def never_bound(wire: Wire) -> None:
    await wire.closed(SESSION_INIT_TIMEOUT + 5)


async def many_idle(smsc: Smsc) -> None:
    for _ in range(50):
        await smsc.open()
    await trio.sleep(0.1)
    wire = await smsc.open()
    await wire.ask(bind())


async def outbind_from_esme(wire: Wire) -> None:
    await wire.nacked(Draft(c.OUTBIND, b"smsc\0\0"), c.ESME_RINVBNDSTS)
    await wire.alive()


async def unbind(wire: Wire) -> None:
    await wire.ask(Draft(c.UNBIND))
    await wire.closed()


async def requests_after_unbind(wire: Wire) -> None:
    sent, _ = await wire.send(Draft(c.UNBIND), submit_sm())
    await wire.expect(sent)
    await wire.closed()


async def unbind_by_smsc(smsc: Smsc) -> None:
    wire = await smsc.bound()
    wire.answering = False
    await smsc.target.unbind()
    frame = await wire.request(c.UNBIND)
    await wire.reply(frame)
    await wire.closed()


async def unbind_unanswered(smsc: Smsc) -> None:
    wire = await smsc.bound()
    wire.answering = False
    await smsc.target.unbind()
    await wire.request(c.UNBIND)
    await wire.closed(RESPONSE_TIMEOUT + 1)


async def inactive(smsc: Smsc) -> None:
    wire = await smsc.bound()
    for _ in range(5):
        await trio.sleep(3.9)
        await wire.alive()
    await wire.request(c.UNBIND, patience=1.0)


async def enquire_unanswered(smsc: Smsc) -> None:
    wire = await smsc.bound()
    wire.lively = False
    await wire.request(c.ENQUIRE_LINK, patience=6.0)
    await wire.closed(RESPONSE_TIMEOUT + 1)


async def enquire_answered_otherwise(smsc: Smsc) -> None:
    wire = await smsc.bound()
    wire.lively = False
    await wire.request(c.ENQUIRE_LINK, patience=6.0)
    await wire.ask(submit_sm())
    await trio.sleep(RESPONSE_TIMEOUT + 1)
    await wire.ask(submit_sm())


_EARLY = (submit_sm(), data_sm(), submit_multi(), query_sm(), cancel_sm(), replace_sm())
_TOO_LONG: tuple[tuple[str, Draft, int], ...] = (
    ("system_id of 16 characters", bind(system_id=b"s" * 16), c.ESME_RINVSYSID),
    ("password of 9 characters", bind(password=b"p" * 9), c.ESME_RINVPASWD),
    ("system_type of 13 characters", bind(system_type=b"t" * 13), c.ESME_RINVSYSTYP),
    ("address_range of 41 characters", bind(address_range=b"1" * 41), c.ESME_RBINDFAIL),
    ("system_id without NUL", Draft(c.BIND_TRANSCEIVER, Raw(b"esme")), c.ESME_RINVSYSID),
)

CASES: tuple[Case[Smsc], ...] = (
    *(
        Case(21, f"{c.command_name(draft.command_id)} before the bind", "its response with 0x04", too_early(draft))
        for draft in _EARLY
    ),
    Case(22, "submit_sm on a receiver", "submit_sm_resp 0x04; the session stays", submit_on_receiver),
    Case(23, "deliver_sm from an ESME", "deliver_sm_resp 0x04", on_bound(deliver_from_esme), policy=True),
    Case(24, "second bind", "its response with 0x05; the session stays usable", second_bind("transceiver")),
    Case(
        24, "second bind of another type", "its response with 0x05; the session stays usable", second_bind("receiver")
    ),
    Case(25, "bind of a type that is not offered", "its response with 0x03", others_bind, setting="no transceiver"),
    Case(26, "wrong system_id", "0x0F", refused_bind(bind(system_id=b"nobody"), c.ESME_RINVSYSID)),
    Case(26, "wrong password", "0x0E", refused_bind(bind(password=b"wrong"), c.ESME_RINVPASWD)),
    Case(
        26,
        "wrong system_id by v5.0",
        "0x0D",
        refused_bind(bind(system_id=b"nobody"), c.ESME_RBINDFAIL),
        setting="v5.0 statuses",
    ),
    Case(
        26,
        "wrong password by v5.0",
        "0x0D",
        refused_bind(bind(password=b"wrong"), c.ESME_RBINDFAIL),
        setting="v5.0 statuses",
    ),
    *(
        Case(27, title, f"its response with 0x{status:02X}", refused_bind(draft, status))
        for title, draft, status in _TOO_LONG
    ),
    *(
        Case(28, f"interface_version 0x{version:02X}", "accepted", version_taken(version))
        for version in (0x00, 0x33, 0x34, 0x50)
    ),
    Case(
        28,
        "interface_version 0x99",
        "its response with 0x0D",
        refused_bind(bind(interface_version=0x99), c.ESME_RBINDFAIL),
        policy=True,
    ),
    Case(28, "interface_version 0x99, lenient", "accepted", version_taken(0x99), policy=True, setting="lenient"),
    Case(29, "bind_resp to v3.4", "has sc_interface_version", own_version(0x34, given=True)),
    Case(29, "bind_resp to v3.3", "has no TLV", own_version(0x33, given=False)),
    Case(31, "bind_resp of a refusal", "16 octets", refusal_without_body),
    Case(34, "enquire_link before the bind", "enquire_link_resp 0", on_open(enquire_before_bind)),
    Case(35, "no bind", "closed after the session_init timer", on_open(never_bound), setting="usual"),
    Case(35, "50 connections without a bind", "a new one binds all the same", many_idle),
    Case(36, "outbind from an ESME", "generic_nack 0x04; the session stays", on_bound(outbind_from_esme), policy=True),
    Case(37, "unbind", "unbind_resp 0, then the end", on_bound(unbind)),
    Case(37, "request after unbind", "not processed", on_bound(requests_after_unbind)),
    Case(37, "unbind by the SMSC", "it waits for the answer, then the end", unbind_by_smsc, setting="usual"),
    Case(37, "unbind that nobody answers", "closed after the response timer", unbind_unanswered, setting="usual"),
    Case(38, "only enquire_link for long", "unbound: it is no activity", inactive, setting="inactivity timer"),
    Case(
        39,
        "enquire_link that nobody answers",
        "closed after the response timer",
        enquire_unanswered,
        setting="enquire_link",
    ),
    Case(
        39,
        "enquire_link answered with another PDU",
        "a sign of life: the session stays",
        enquire_answered_otherwise,
        setting="enquire_link",
    ),
)
