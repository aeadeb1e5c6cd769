"""The other end of an SMPP connection, down to the octets: it sends anything, and says what came instead.

Rules:

1. What the peer asks for on its own (enquire_link, messages) never disturbs a case: enquire_link is answered, the rest
   is answered and put aside until a case wants it.
2. Every wait is bounded by `patience`; what does not come in time is a `Mismatch`, never a hang.
3. "Nothing came" is shown by a fence: an enquire_link is sent, and its response must be the next answer.

Must not be here: what any case expects.
"""

from __future__ import annotations

from collections import deque

import trio

from smppcore import constants as c
from smppcore.errors import DecodeError, SmppError
from smppcore.pdu import Pdu, decode
from smppcore.testbed.conformance.octets import HEADER, HEADER_BYTES, Draft, bind, response

_STREAM_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)
_LONGEST = 1 << 20
_SETTLE_SECONDS = 0.05
_WITH_MESSAGE_ID = frozenset((c.SUBMIT_SM, c.SUBMIT_MULTI, c.DATA_SM, c.DELIVER_SM))


class Mismatch(SmppError):
    """The peer did not do what the case expects; the text says what it did."""


class NotShown(SmppError):
    """The case could not be played against this peer; the text says why."""


class Frame:
    """A PDU that came, with its header read."""

    __slots__ = ("command_id", "octets", "sequence", "status")

    command_id: int
    status: int
    sequence: int

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        _, self.command_id, self.status, self.sequence = HEADER.unpack_from(octets)

    def __str__(self) -> str:
        status = "" if self.command_id < c.RESPONSE_BIT and not self.status else f" 0x{self.status:02X}"
        return f"{c.command_name(self.command_id)}{status} #{self.sequence} ({len(self.octets)} octets)"

    @property
    def is_response(self) -> bool:
        """Whether bit 31 of the command_id is set."""
        return bool(self.command_id & c.RESPONSE_BIT)

    def pdu(self) -> Pdu:
        """Return it decoded.

        Raises:
            Mismatch: It cannot be.
        """
        try:
            return decode(self.octets)
        except DecodeError as exc:
            raise Mismatch(f"{self} cannot be read: {exc}") from exc


class Wire:
    """One connection.

    Args:
        stream: Connected; the wire closes it.
        patience: How long an answer is waited for, in seconds.
    """

    def __init__(self, stream: trio.abc.Stream, patience: float = 2.0) -> None:
        self.stream = stream
        self.patience = patience
        self.answering = True
        """Whether messages of the peer's are answered as they come; a case that answers itself sets it to False."""
        self.lively = True
        """Whether enquire_link is answered."""
        self.number = 0
        """The last sequence_number of ours."""
        self._buffer = b""
        self._answers: deque[Frame] = deque()
        self._requests: deque[Frame] = deque()
        self._message_ids = 0

    # -- sending

    def next_number(self) -> int:
        """Return the next sequence_number of ours."""
        self.number += 1
        return self.number

    async def send(self, *drafts: Draft) -> list[Draft]:
        """Send PDUs in one write; return them with their numbers."""
        numbered = [draft if draft.sequence is not None else draft.numbered(self.next_number()) for draft in drafts]
        await self.send_octets(b"".join(draft.octets() for draft in numbered))
        return numbered

    async def send_octets(self, octets: bytes) -> None:
        """Send octets as they are.

        Raises:
            Mismatch: The peer has closed the connection, or takes nothing.
        """
        with trio.move_on_after(self.patience):
            try:
                await self.stream.send_all(octets)
            except _STREAM_ERRORS as exc:
                raise Mismatch("the connection was closed") from exc
            return
        raise Mismatch("the peer takes no octets")

    # -- what comes

    async def answer(self) -> Frame:
        """Return the next response or generic_nack.

        Raises:
            Mismatch: None came in time.
        """
        return await self._next(self._answers, "no answer")

    async def request(self, *command_ids: int, patience: float | None = None) -> Frame:
        """Return the next request of one of these kinds; others are dropped.

        Raises:
            Mismatch: None came in time.
        """
        names = " or ".join(map(c.command_name, command_ids))
        with trio.move_on_after(self.patience if patience is None else patience):
            while True:
                while self._requests:
                    frame = self._requests.popleft()
                    if frame.command_id in command_ids:
                        return frame
                await self._receive()
        raise Mismatch(f"no {names} came")

    async def _next(self, inbox: deque[Frame], otherwise: str) -> Frame:
        with trio.move_on_after(self.patience):
            while not inbox:
                await self._receive()
        if not inbox:
            raise Mismatch(otherwise)
        return inbox.popleft()

    async def _receive(self) -> None:
        """Read one PDU and put it where it belongs."""
        frame = await self._read()
        if frame is None:
            raise Mismatch("the connection was closed")
        if frame.is_response:
            self._answers.append(frame)
        elif frame.command_id == c.ENQUIRE_LINK and self.lively:
            await self.send(response(frame.command_id, sequence=frame.sequence))
        else:
            self._requests.append(frame)
            if self.answering and frame.command_id != c.ENQUIRE_LINK:
                await self.reply(frame)

    async def _read(self) -> Frame | None:
        while True:
            if len(self._buffer) >= HEADER_BYTES:
                length = int.from_bytes(self._buffer[:4], "big")
                if not HEADER_BYTES <= length <= _LONGEST:
                    raise Mismatch(f"a PDU of {length} octets came")
                if len(self._buffer) >= length:
                    octets, self._buffer = self._buffer[:length], self._buffer[length:]
                    return Frame(octets)
            try:
                data = bytes(await self.stream.receive_some(65536))
            except _STREAM_ERRORS:
                data = b""
            if not data:
                return None
            self._buffer += data

    async def reply(self, frame: Frame, status: int = 0, body: bytes | None = None) -> None:
        """Answer a request of the peer's, if it has an answer; a message that we accept gets an id."""
        if frame.command_id in (c.ALERT_NOTIFICATION, c.OUTBIND):
            return
        if body is None:
            body = b""
            if frame.command_id in _WITH_MESSAGE_ID and not status:
                self._message_ids += 1
                named = b"" if frame.command_id == c.DELIVER_SM else b"c-%d" % self._message_ids
                body = named + b"\0" + (b"\0" if frame.command_id == c.SUBMIT_MULTI else b"")
        await self.send(response(frame.command_id, status, body, sequence=frame.sequence))

    # -- what is expected

    async def ask(self, draft: Draft, status: int = 0) -> Frame:
        """Send a request and expect its response with this status; one that says an error is of 16 octets.

        Raises:
            Mismatch: Something else came, or nothing.
        """
        (sent,) = await self.send(draft)
        return await self.expect(sent, status)

    async def expect(self, sent: Draft, status: int = 0) -> Frame:
        """Expect the response to a request that was sent.

        Raises:
            Mismatch: Something else came, or nothing.
        """
        frame = await self.answer()
        command_id = sent.command_id | c.RESPONSE_BIT
        wrong = (frame.command_id, frame.status, frame.sequence) != (command_id, status, sent.sequence)
        if wrong or (status and len(frame.octets) != HEADER_BYTES):
            wanted = f"{c.command_name(command_id)} 0x{status:02X} #{sent.sequence}"
            raise Mismatch(f"{frame} came, not {wanted}{' of 16 octets' if status else ''}")
        return frame

    async def nacked(self, draft: Draft, status: int) -> None:
        """Send a PDU and expect a generic_nack with this status and its number.

        Raises:
            Mismatch: Something else came, or nothing.
        """
        (sent,) = await self.send(draft)
        await self.expect_nack(status, sent.sequence or 0)

    async def expect_nack(self, status: int, sequence: int) -> None:
        """Expect a generic_nack.

        Raises:
            Mismatch: Something else came, or nothing.
        """
        frame = await self.answer()
        if (frame.command_id, frame.status, frame.sequence) != (c.GENERIC_NACK, status, sequence):
            raise Mismatch(f"{frame} came, not generic_nack 0x{status:02X} #{sequence}")
        if len(frame.octets) != HEADER_BYTES:
            raise Mismatch(f"{frame} came: a generic_nack has 16 octets")

    async def ignored(self, *drafts: Draft) -> None:
        """Send PDUs and expect no answer, and that the session stays.

        Raises:
            Mismatch: One came, or the session has ended.
        """
        await self.send(*drafts)
        await self.alive()

    async def alive(self) -> None:
        """Expect that nothing is left to be read, and that enquire_link is answered.

        Raises:
            Mismatch: Something came, or there is no answer.
        """
        (sent,) = await self.send(Draft(c.ENQUIRE_LINK))
        frame = await self.answer()
        if frame.command_id != c.ENQUIRE_LINK_RESP or frame.sequence != sent.sequence:
            raise Mismatch(f"{frame} came, to which nothing was to be answered")
        if frame.status:
            raise Mismatch(f"{frame} came")
        # A peer may answer an enquire_link before what came earlier
        with trio.move_on_after(_SETTLE_SECONDS):
            while not self._answers:
                await self._receive()
        if self._answers:
            raise Mismatch(f"{self._answers.popleft()} came, to which nothing was to be answered")

    async def closed(self, patience: float | None = None) -> None:
        """Expect the end of the connection; answers before it must have been taken.

        Raises:
            Mismatch: It stays open, or something was answered.
        """
        with trio.move_on_after(self.patience if patience is None else patience):
            while (frame := await self._read()) is not None:
                if frame.is_response:
                    self._answers.append(frame)
                elif frame.command_id == c.UNBIND:
                    await self.send(response(frame.command_id, sequence=frame.sequence))
                else:
                    self._requests.append(frame)
            if self._answers:
                raise Mismatch(f"{self._answers.popleft()} came before the end")
            return
        raise Mismatch("the connection stays open")

    async def none(self, command_id: int, within: float) -> None:
        """Expect that no request of this kind comes for a while.

        Raises:
            Mismatch: One came.
        """
        try:
            frame = await self.request(command_id, patience=within)
        except Mismatch:
            return
        raise Mismatch(f"{frame} came")

    async def bind(self, kind: str = "transceiver", **fields: int | bytes) -> Frame:
        """Bind as an ESME.

        Raises:
            NotShown: The SMSC refuses a bind that is in order, so nothing else can be shown.
        """
        try:
            return await self.ask(bind(kind, **fields))
        except Mismatch as exc:
            raise NotShown(f"bind_{kind}: {exc}") from exc

    def drop_requests(self) -> None:
        """Forget requests that came and nobody has taken."""
        self._requests.clear()

    def forget(self) -> None:
        """Forget what came and nobody has taken."""
        self._answers.clear()
        self._requests.clear()
        self.answering = self.lively = True

    async def end(self) -> None:
        """Close the connection, whatever state it is in."""
        await trio.aclose_forcefully(self.stream)

    async def finish_sending(self) -> None:
        """Close our side of the connection only."""
        if isinstance(self.stream, trio.abc.HalfCloseableStream):
            await self.stream.send_eof()


def expect_field(frame: Frame, name: str, wanted: object) -> None:
    """Check one field of a PDU.

    Raises:
        Mismatch: It is another.
    """
    value = getattr(frame.pdu(), name)
    if value != wanted:
        raise Mismatch(f"{name} is {value!r}, not {wanted!r}")
