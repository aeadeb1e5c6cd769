"""Traps 21 to 39 for an ESME: binds, states, timers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.testbed.conformance.case import BINDS, Case, Esme
from smppcore.testbed.conformance.esme_framing import ENQUIRE_LINK, ending, on_session
from smppcore.testbed.conformance.octets import Draft, response, submit_sm
from smppcore.testbed.conformance.wire import Mismatch, NotShown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from smppcore.testbed.conformance.wire import Frame, Wire

VERSION = b"smsc\0\2\x10\0\1\x34"
_SOON = 2.0
_KINDS = {c.BIND_TRANSMITTER: "transmitter", c.BIND_RECEIVER: "receiver", c.BIND_TRANSCEIVER: "transceiver"}


async def deliver_to_transmitter(esme: Esme) -> None:
    wire, bind = await esme.opened()
    if bind.command_id != c.BIND_TRANSMITTER:
        raise NotShown("it does not bind as transmitter")
    await esme.accept_bind(wire, bind)
    await wire.ask(esme.text(), c.ESME_RINVBNDSTS)
    await wire.alive()


async def submit_to_esme(_: Esme, wire: Wire) -> None:
    await wire.ask(submit_sm(), c.ESME_RINVBNDSTS)
    await wire.alive()


def pair_instead(nack: bool) -> Callable[[Esme], Awaitable[None]]:
    async def script(esme: Esme) -> None:
        wire, bind = await esme.opened()
        if bind.command_id != c.BIND_TRANSCEIVER:
            raise NotShown("it does not bind as transceiver")
        command_id = c.GENERIC_NACK if nack else bind.command_id
        await wire.send(response(command_id, c.ESME_RINVCMDID, sequence=bind.sequence))
        kinds = set()
        for _ in range(2):
            wire, bind = await esme.opened(keep=True)
            if bind.command_id == c.BIND_TRANSCEIVER:
                raise Mismatch("it came back as transceiver")
            kinds.add(_KINDS[bind.command_id])
            await esme.accept_bind(wire, bind)
        if kinds != {"transmitter", "receiver"}:
            raise Mismatch(f"it came back as {' and '.join(sorted(kinds))}")

    return script


def refused_for_long(status: int) -> Callable[[Esme], Awaitable[None]]:
    async def script(esme: Esme) -> None:
        wire, bind = await esme.opened()
        await wire.send(response(bind.command_id, status, sequence=bind.sequence))
        await trio.sleep(0.1)
        await wire.end()
        with trio.move_on_after(_SOON):
            await esme.opened()
            raise Mismatch(f"it bound again within {_SOON:g} s")

    return script


async def bind_fields(esme: Esme) -> None:
    wire, bind = await esme.opened()
    await esme.accept_bind(wire, bind)
    body = bind.octets[16:]
    for name, longest in (("system_id", 15), ("password", 8), ("system_type", 12)):
        value, nul, body = body.partition(b"\0")
        if not nul or len(value) > longest:
            raise Mismatch(f"{name} has {len(value)} characters")
    if body[3:].find(b"\0") != len(body) - 4 or len(body) > 44:
        raise Mismatch(f"address_range is {body[3:]!r}")


async def bind_version(esme: Esme) -> None:
    wire, bind = await esme.opened()
    await esme.accept_bind(wire, bind)
    version: int = bind.pdu().interface_version  # type: ignore[attr-defined]
    if version not in (*range(0x35), 0x50):
        raise Mismatch(f"interface_version is 0x{version:02X}")


def taken_for_bound(body: bytes) -> Callable[[Esme], Awaitable[None]]:
    async def script(esme: Esme) -> None:
        wire, bind = await esme.opened()
        await esme.accept_bind(wire, bind, body)
        await wire.ask(esme.text(b"bound"))

    return script


async def refusal_with_body(esme: Esme) -> None:
    wire, bind = await esme.opened()
    await wire.send(response(bind.command_id, c.ESME_RSYSERR, VERSION, sequence=bind.sequence))
    try:
        # It may try again here or on another connection, but must not stay
        await wire.request(*BINDS, patience=10.0)
    except Mismatch as exc:
        if "closed" not in str(exc):
            raise Mismatch("it stays as if it were bound") from exc


async def behind_bind_resp(esme: Esme) -> None:
    wire, bind = await esme.opened()
    answer = response(bind.command_id, 0, VERSION, sequence=bind.sequence)
    _, *sent = await wire.send(answer, esme.text(b"first"), ENQUIRE_LINK, esme.text(b"second"))
    esme.keep(wire)
    answers = {frame.sequence: (frame.command_id, frame.status) for frame in [await wire.answer() for _ in sent]}
    if answers != {draft.sequence: (draft.command_id | c.RESPONSE_BIT, 0) for draft in sent}:
        raise Mismatch(f"three requests were answered with {sorted(answers.items())}")


async def before_bind_resp(esme: Esme) -> None:
    wire, bind = await esme.opened()
    await wire.ask(esme.text(b"early"), c.ESME_RINVBNDSTS)
    await esme.accept_bind(wire, bind)
    await wire.ask(esme.text(b"in time"))


async def enquire_before_bind_resp(esme: Esme) -> None:
    wire, bind = await esme.opened()
    await wire.ask(ENQUIRE_LINK)
    await esme.accept_bind(wire, bind)
    await wire.alive()


async def enquire_while_busy(esme: Esme, wire: Wire) -> None:
    submission = await esme.submission(wire)
    await wire.alive()
    await wire.reply(submission)


async def bind_unanswered(esme: Esme) -> None:
    wire, _ = await esme.opened()
    await wire.closed(esme.rebind)


async def outbind_when_bound(_: Esme, wire: Wire) -> None:
    await wire.nacked(Draft(c.OUTBIND, b"smsc\0\0"), c.ESME_RINVBNDSTS)
    await wire.alive()


async def outbind_when_open(esme: Esme) -> None:
    wire, bind = await esme.opened()
    await wire.send(Draft(c.OUTBIND, b"smsc\0\0"))
    await esme.accept_bind(wire, bind)
    await wire.alive()


async def unbind(_: Esme, wire: Wire) -> None:
    await wire.ask(Draft(c.UNBIND))
    await wire.closed()


async def request_after_unbind(esme: Esme, wire: Wire) -> None:
    sent, _ = await wire.send(Draft(c.UNBIND), esme.text())
    await wire.expect(sent)
    await wire.closed()


async def comes_back(esme: Esme) -> None:
    wire = await esme.session()
    await wire.ask(Draft(c.UNBIND))
    try:
        await esme.new_session()
    except NotShown as exc:
        raise Mismatch(str(exc)) from exc


async def enquiry(wire: Wire, esme: Esme) -> Frame:
    wire.lively = False
    try:
        return await wire.request(c.ENQUIRE_LINK, patience=esme.rebind)
    except Mismatch as exc:
        raise NotShown(f"it sent no enquire_link within {esme.rebind:g} s") from exc


async def enquire_unanswered(esme: Esme, wire: Wire) -> None:
    await enquiry(wire, esme)
    await wire.closed(esme.rebind)


async def enquire_answered_otherwise(esme: Esme) -> None:
    wire = await esme.session()
    asked = await enquiry(wire, esme)
    await wire.ask(esme.text(b"alive"))
    try:
        await wire.closed(esme.response_timeout)
    except Mismatch:
        wire.lively = True
        await wire.reply(asked)
        await wire.alive()
        return
    raise Mismatch("the connection was closed")


CASES: tuple[Case[Esme], ...] = (
    Case(
        22,
        "deliver_sm to a transmitter",
        "deliver_sm_resp 0x04; the session stays",
        deliver_to_transmitter,
        fresh=True,
        setting="transmitter",
    ),
    Case(23, "submit_sm to an ESME", "submit_sm_resp 0x04", on_session(submit_to_esme), policy=True),
    Case(
        25, "bind_transceiver_resp 0x03", "it binds a pair instead", pair_instead(False), fresh=True, setting="fallback"
    ),
    Case(
        25,
        "generic_nack to bind_transceiver",
        "it binds a pair instead",
        pair_instead(True),
        fresh=True,
        setting="fallback",
    ),
    *(
        Case(
            26,
            f"bind refused with 0x{status:02X}",
            "credentials: it does not try again at once",
            refused_for_long(status),
            fresh=True,
        )
        for status in (c.ESME_RBINDFAIL, c.ESME_RINVPASWD, c.ESME_RINVSYSID)
    ),
    Case(27, "fields of the bind", "within their lengths, each with its NUL", bind_fields, fresh=True),
    Case(28, "interface_version of the bind", "a defined one", bind_version, fresh=True),
    Case(30, "bind_resp without sc_interface_version", "bound", taken_for_bound(b"smsc\0"), fresh=True),
    Case(31, "bind_resp of a refusal with a body", "refused: it tries again later", refusal_with_body, fresh=True),
    Case(32, "bind_resp 0 without a body", "bound", taken_for_bound(b""), fresh=True, policy=True),
    Case(33, "requests behind the bind_resp", "answered in order", behind_bind_resp, fresh=True),
    Case(
        33,
        "deliver_sm before the bind_resp",
        "deliver_sm_resp 0x04; it waits on",
        before_bind_resp,
        fresh=True,
        policy=True,
    ),
    Case(33, "enquire_link before the bind_resp", "enquire_link_resp 0", enquire_before_bind_resp, fresh=True),
    Case(34, "enquire_link while a submit_sm waits", "enquire_link_resp 0", on_session(enquire_while_busy)),
    Case(35, "bind that is not answered", "it closes the connection", bind_unanswered, fresh=True, ends=True),
    Case(36, "outbind when bound", "generic_nack 0x04; the session stays", on_session(outbind_when_bound), policy=True),
    Case(36, "outbind before the bind_resp", "no answer to it; it is bound", outbind_when_open, fresh=True),
    Case(37, "unbind", "unbind_resp 0, then the end", ending(unbind), ends=True),
    Case(37, "request after unbind", "not processed", ending(request_after_unbind), ends=True),
    Case(37, "unbind by the SMSC", "it binds again", comes_back, fresh=True),
    Case(39, "enquire_link that nobody answers", "it closes the connection", ending(enquire_unanswered), ends=True),
    Case(
        39,
        "enquire_link answered with another PDU",
        "a sign of life: the session stays",
        enquire_answered_otherwise,
        policy=True,
    ),
)
