"""What a case is, and what became of it.

A case names its trap, the role that it judges, and in a line what must happen; its script does it. Scripts get a `Smsc`
or an `Esme`, which stand for whatever is judged: they say how one comes to a connection, and nothing of what is right.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

import trio

from smppcore import constants as c
from smppcore.testbed.conformance.octets import Draft, deliver_sm, response
from smppcore.testbed.conformance.wire import Frame, Mismatch, NotShown, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_BOUND_SECONDS = 0.05  # until the application behind a server knows of the session

Subject = TypeVar("Subject")
Verdict = Literal["pass", "fail", "differs", "not shown"]
"""differs: another policy than the recommended one, where the specification leaves it open."""


@dataclass(frozen=True, slots=True)
class Case(Generic[Subject]):
    """One behaviour of one role."""

    trap: int
    """The trap's number, 1 to 94."""
    title: str
    """What happens, in a few words; unique for its trap."""
    expectation: str
    """What the role must do, in a line."""
    script: Callable[[Subject], Awaitable[None]]
    """Plays it; raises Mismatch, or NotShown if this peer cannot be brought to it."""
    policy: bool = False
    """(P): the specification leaves it open; what is expected is the recommended policy."""
    fresh: bool = False
    """It needs a connection of its own, from the bind on."""
    ends: bool = False
    """The connection is of no use after it."""
    setting: str = ""
    """What our own side must be set up with, by name; a peer that we cannot set up is not judged."""

    @property
    def name(self) -> str:
        """As in tests and reports: "03-unknown-command-id"."""
        return f"{self.trap:02d}-" + re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case."""

    trap: int
    title: str
    expectation: str
    policy: bool
    verdict: Verdict
    seen: str
    """What was seen instead, or why it could not be shown; "" for a pass."""


async def judge(case: Case[Subject], subject: Subject) -> Result:
    """Play one case."""
    verdict: Verdict = "pass"
    seen = ""
    try:
        await case.script(subject)
    except Mismatch as exc:
        verdict, seen = "differs" if case.policy else "fail", str(exc)
    except NotShown as exc:
        verdict, seen = "not shown", str(exc)
    return Result(case.trap, case.title, case.expectation, case.policy, verdict, seen)


class SmscTarget(Protocol):
    """An SMSC that is judged."""

    async def connect(self) -> trio.abc.Stream:
        """Make a connection. Raises OSError."""

    async def deliver(self, text: bytes) -> None:
        """Have it deliver a text to whoever is bound to receive. Raises NotShown."""

    async def unbind(self) -> None:
        """Have it unbind every session. Raises NotShown."""


class Smsc:
    """What the cases for an SMSC are given: connections to it.

    Args:
        target: Is judged.
        patience: How long answers are waited for, in seconds.
        again: How long it may take until what was not acknowledged comes again, in seconds.
        absent: How long what must not come again is looked out for, in seconds.
    """

    def __init__(self, target: SmscTarget, patience: float = 2.0, again: float = 15.0, absent: float = 15.0) -> None:
        self.target = target
        self.again = again
        self.absent = absent
        self._patience = patience
        self._wires: list[Wire] = []

    async def open(self) -> Wire:
        """Return a new connection, not bound."""
        try:
            wire = Wire(await self.target.connect(), self._patience)
        except OSError as exc:
            raise NotShown(f"it takes no connection: {exc}") from exc
        self._wires.append(wire)
        return wire

    async def bound(self, kind: str = "transceiver", version: int = c.VERSION_34) -> Wire:
        """Return a new connection, bound."""
        wire = await self.open()
        await wire.bind(kind, interface_version=version)
        return wire

    async def delivery(self, wire: Wire, text: bytes = b"HELP") -> Frame:
        """Have a text delivered and return its deliver_sm, not answered."""
        wire.answering = False
        await trio.sleep(_BOUND_SECONDS)
        await self.target.deliver(text)
        try:
            return await wire.request(c.DELIVER_SM, c.DATA_SM)
        except Mismatch as exc:
            raise NotShown(f"it was to deliver a text: {exc}") from exc

    async def end(self) -> None:
        """Close all connections that the case has left open."""
        for wire in self._wires:
            await wire.end()


class EsmeTarget(Protocol):
    """An ESME that is judged: it connects to us."""

    async def accept(self) -> trio.abc.Stream:
        """Wait for its next connection. Raises NotShown if none comes."""


BINDS = (c.BIND_TRANSCEIVER, c.BIND_TRANSMITTER, c.BIND_RECEIVER)


class Esme:
    """What the cases for an ESME are given: connections that it makes.

    Args:
        target: Is judged.
        patience: How long answers are waited for, in seconds.
        rebind: How long it may take to come back, in seconds.
        text: A text that it answers with a message of its own.
        service: The number that the text goes to.
        reply: How long such an answer may take, in seconds.
        response_timeout: How long it waits for responses, in seconds.
        stable: How long a session must last so that the next comes soon, in seconds.
        watch: How long a message that shall not come again is looked out for, in seconds.
    """

    def __init__(
        self,
        target: EsmeTarget,
        *,
        patience: float = 2.0,
        rebind: float = 90.0,
        text: bytes = b"HELP",
        service: bytes = b"60606",
        reply: float = 5.0,
        response_timeout: float = 60.0,
        stable: float = 0.0,
        watch: float = 8.0,
    ) -> None:
        self.target = target
        self.watch = watch
        self._stable = stable
        self._bound_at = 0.0
        self.response_timeout = response_timeout
        self.rebind = rebind
        self._patience = patience
        self._text = text
        self._service = service
        self._reply = reply
        self._wire: Wire | None = None
        self._wires: list[Wire] = []
        self._subscribers = 15_550_100_000

    async def open(self, *, keep: bool = False) -> Wire:
        """Return a new connection; its bind has not been read. Unless kept, the session that there is ends."""
        if not keep:
            await self.drop()
        wire = Wire(await self.target.accept(), self._patience)
        self._wires.append(wire)
        return wire

    async def opened(self, *, keep: bool = False) -> tuple[Wire, Frame]:
        """Return a new connection and its bind, not answered."""
        while True:
            wire = await self.open(keep=keep)
            wire.answering = False
            try:
                return wire, await wire.request(*BINDS, patience=max(10.0, self._patience))
            except Mismatch:
                # It has given up meanwhile, or is no ESME at all
                await wire.end()

    async def accept_bind(self, wire: Wire, bind: Frame, body: bytes = b"smsc\0\2\x10\0\1\x34") -> None:
        """Let it in; the wire is the session that the cases share."""
        await wire.send(response(bind.command_id, 0, body, sequence=bind.sequence))
        wire.answering = True
        self.keep(wire)

    def keep(self, wire: Wire) -> None:
        """Make it the session that the cases share."""
        self._wire = wire
        self._bound_at = trio.current_time()

    async def session(self) -> Wire:
        """Return a bound session: the one there is, or a new one."""
        if self._wire is None:
            wire, bind = await self.opened()
            await self.accept_bind(wire, bind)
        if self._wire is None:
            raise NotShown("it is not bound")
        return self._wire

    async def new_session(self) -> Wire:
        """Return a session that has just begun."""
        await self.drop()
        return await self.session()

    async def outlast(self) -> None:
        """Let the session last, for ESMEs that come back later and later when sessions are short."""
        while self._wire is not None and trio.current_time() < self._bound_at + self._stable:
            await self._wire.alive()
            await trio.sleep(self._stable / 4)

    async def drop(self) -> None:
        """Close the session, if there is one."""
        with contextlib.suppress(Mismatch):
            await self.outlast()
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.end()

    def text(self, text: bytes = b"", tlvs: bytes = b"", **fields: int | bytes) -> Draft:
        """Return a deliver_sm of a subscriber who has not written before, by default with the text that is answered."""
        self._subscribers += 1
        given: dict[str, int | bytes] = {
            "source_addr": b"%d" % self._subscribers,
            "dest_addr_ton": 0,
            "destination_addr": self._service,
            **fields,
        }
        return deliver_sm(text or self._text, tlvs, None, **given)

    async def submission(self, wire: Wire) -> Frame:
        """Send the text that is answered, and return the submit_sm; the case has to answer it."""
        (frame,) = await self.submissions(wire, 1)
        return frame

    async def submissions(self, wire: Wire, count: int) -> list[Frame]:
        """Send the text that is answered as so many subscribers; return the submit_sm's in the order of arrival."""
        wire.drop_requests()
        wire.answering = False
        texts = [self.text() for _ in range(count)]
        wanted = {b"%d" % (self._subscribers - number) for number in range(count)}
        for sent in await wire.send(*texts):
            await wire.expect(sent)
        found: list[Frame] = []
        try:
            while wanted:
                frame = await wire.request(c.SUBMIT_SM, c.DATA_SM, patience=self._reply)
                named = {number for number in wanted if number in frame.octets}
                if named:
                    wanted -= named
                    found.append(frame)
                else:
                    await wire.reply(frame)  # to an earlier text
        except Mismatch as exc:
            raise NotShown("it sent no message when it was sent one") from exc
        return found

    async def again(self, wire: Wire, *submissions: Frame, patience: float) -> Frame | None:
        """Return the first of these messages that comes again, not answered; None if none does in time."""
        bodies = [submission.octets[16:] for submission in submissions]
        with trio.move_on_after(patience):
            while True:
                frame = await wire.request(c.SUBMIT_SM, c.DATA_SM, patience=patience + 1)
                if frame.octets[16:] in bodies:
                    return frame
                await wire.reply(frame)
        return None

    async def end(self) -> None:
        """Close every connection."""
        for wire in self._wires:
            await wire.end()
