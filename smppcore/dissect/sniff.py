"""PDUs in text: hex in any dress, base64, bytes of Python, hex dumps, log lines, Kannel's dumps, our own traces.

Rules:

* A line stands alone; only what is nothing but hex, base64 or a line of a hex dump goes on in the next.
* What is taken for a PDU has the shape of one (see `framing`), or begins with its own exact length.
* The time and the direction that a line states are kept; for a hex dump, those of the line before it.
* Nothing raises, and no more than a few PDUs' worth of text is kept.
"""

from __future__ import annotations

import ast
import base64
import binascii
import re
import warnings
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from smppcore.dissect.found import Begin, Found, Item, Remark
from smppcore.dissect.framing import LONGEST, Framer, find_pdu, has_shape
from smppcore.dissect.kannel import KannelReader, rebuild
from smppcore.pdu import BindReceiver, BindTransceiver, BindTransmitter

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE: Final = 1 << 20
"""Octets of a line; what is longer is looked at in pieces of this size."""

_BINDS = frozenset((BindReceiver.command_id, BindTransmitter.command_id, BindTransceiver.command_id))

_TRACE = re.compile(r"(\S+) (in|out) (\S+) ([0-9a-f]+)$")
_TRACE_REMARK = re.compile(r"# smppbridge: (.*)$")
_PAIR = r"(?:0x|\\x)?[0-9A-Fa-f]{2}"
_HEX = re.compile(rf"(?<![0-9A-Za-z])(?:{_PAIR}[\s:,;|-]{{0,2}}){{15,}}{_PAIR}(?![0-9A-Za-z])")
_ONLY_HEX = re.compile(rf"[\s{{\[(\"']*(?:{_PAIR}[\s:,;|-]{{0,2}})*[\s}}\])\"';,]*$")
_PREFIXES = re.compile(r"0x|\\x", re.IGNORECASE)
_NOT_HEX = re.compile(r"[^0-9A-Fa-f]+")
_BASE64 = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{22,}={0,2}(?![\w+/=-])")
_ONLY_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}$")
_BYTES = re.compile(r"""\bb('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_DUMP = re.compile(r"\s*(?:0x)?([0-9A-Fa-f]{4,8})(?::\s*|\s{2,}|(?<=[0-9A-Fa-f]{6})\s)((?:[0-9A-Fa-f]{2})(?:.*))?$")
_DUMP_END = re.compile(r"\s*(?:0x)?([0-9A-Fa-f]{4,8}):?\s*$")
_DUMP_TEXT = re.compile(r"\s+\|.*\|\s*$")

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?")
_SYSLOG = re.compile(
    r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d\d?) (\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
)
_CLOCK = re.compile(r"(?<![\d:])(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?![\d:])")
_EPOCH = re.compile(r"^\s*\[?(\d{10})\.(\d{3,9})\b")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IN = re.compile(r"\b(?:recv|recei\w*|got|rx|incoming|in|read)\b|<<|<-", re.IGNORECASE)
_OUT = re.compile(r"\b(?:send\w*|sent|tx|outgoing|out|wrote|write|writing)\b|>>|->", re.IGNORECASE)


def time_of(line: str) -> tuple[float | None, str]:
    """Return the time that a line begins with or holds: seconds since the epoch, and as it stands; (None, "") without.

    A time without a zone counts as UTC, one without a date as of 1970: differences are right all the same.
    """
    head = line[:200]
    try:
        if found := _ISO.search(head):
            year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
            moment = datetime(year, month, day, hour, minute, second, tzinfo=_zone(found[8]))
            return moment.timestamp() + _fraction(found[7]), found[0]
        if found := _EPOCH.search(head):
            return int(found[1]) + _fraction(found[2]), f"{found[1]}.{found[2]}"
        if found := _SYSLOG.search(head):
            day, hour, minute, second = (int(found[n]) for n in range(2, 6))
            moment = datetime(1972, _MONTHS.index(found[1]) + 1, day, hour, minute, second, tzinfo=UTC)
            return moment.timestamp() + _fraction(found[6]), found[0]
        if found := _CLOCK.search(head):
            hour, minute, second = (int(found[n]) for n in range(1, 4))
            return datetime(1970, 1, 1, hour, minute, second, tzinfo=UTC).timestamp() + _fraction(found[4]), found[0]
    except ValueError:
        pass  # digits that are no time
    return None, ""


def _zone(text: str | None) -> timezone:
    if not text or text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(offset if text[0] == "+" else -offset)


def _fraction(digits: str | None) -> float:
    return float(f"0.{digits}") if digits else 0.0


def direction_of(text: str) -> str:
    """Return "in" or "out" by the words of a log line, "" if they say neither, or both."""
    coming, going = _IN.search(text), _OUT.search(text)
    return "" if bool(coming) is bool(going) else "in" if coming else "out"


class _Context:
    """What a line said of the PDU in it or after it."""

    __slots__ = ("direction", "place", "time", "when")

    def __init__(self, line: str, number: int) -> None:
        self.place = f"line {number}"
        self.time, self.when = time_of(line)
        self.direction = direction_of(line[:200])

    def found(self, octets: bytes) -> Found:
        return Found(octets, self.place, self.time, self.when, sender=self.direction or None, direction=self.direction)


class TextReader:
    """Finds the PDUs in lines of text."""

    def __init__(self) -> None:
        self._number = 0
        self._kannel = KannelReader()
        self._before: _Context | None = None  # of the last line that was no hex
        self._dump = bytearray()  # of a hex dump
        self._squeezed = False  # rows of it were left out
        self._dump_context: _Context | None = None
        self._hex = bytearray()  # of lines that are nothing but hex
        self._hex_context: _Context | None = None
        self._base64 = ""
        self._base64_context: _Context | None = None

    def feed(self, line: str) -> list[Item]:
        """Take the next line; return what has become whole."""
        self._number += 1
        line = line.rstrip("\r\n")
        return list(self._line(line))

    def end(self) -> list[Item]:
        """There are no more lines; return what is left."""
        return [*self._end_dump(), *self._end_hex(), *self._end_base64()]

    def _line(self, line: str) -> Iterator[Item]:
        if traced := _TRACE.match(line):
            yield from self.end()
            yield from self._traced(traced)
            return
        if said := _TRACE_REMARK.match(line):
            yield Remark(said[1], f"line {self._number}")
            return
        dump = self._kannel.feed(line, self._number)
        if dump:
            if dump is not True:
                octets = rebuild(dump)
                context = _Context(line, dump.line)
                if isinstance(octets, str):
                    yield Remark(octets, context.place, context.time, undecodable=True)
                else:
                    yield self._of_link(context, octets, dump.direction, dump.link)
            return
        if self._in_dump(line):
            return
        yield from self._end_dump()
        if _ONLY_HEX.match(line) and line.strip():
            yield from self._end_base64()
            yield from self._only_hex(line)
            return
        yield from self._end_hex()
        stripped = line.strip()
        if self._base64 and _ONLY_BASE64.match(stripped):
            yield from self._continue_base64(stripped)
            return
        yield from self._end_base64()
        yield from self._log_line(line, stripped)

    def _traced(self, traced: re.Match[str]) -> Iterator[Item]:
        """A line of our own trace: time, direction, bind, hex."""
        context = _Context(traced[1], self._number)
        if len(traced[4]) % 2:
            yield Remark("a line of a trace that is cut short", context.place, context.time, undecodable=True)
            return
        octets = bytes.fromhex(traced[4])
        if int.from_bytes(octets[4:8], "big") in _BINDS:
            yield Begin(traced[3])
        yield self._of_link(context, octets, traced[2], traced[3])

    def _of_link(self, context: _Context, octets: bytes, direction: str, link: str) -> Found:
        shown = f"{direction} {link}".strip()
        return Found(octets, context.place, context.time, context.when, link, direction or None, shown)

    # Hex dumps --------------------------------------------------------------------------------------------------------

    def _in_dump(self, line: str) -> bool:
        """Take a line of a hex dump; return whether it is one."""
        if self._dump and line.strip() == "*":  # hexdump leaves out rows like the one before
            self._squeezed = True
            return True
        if self._dump and (ended := _DUMP_END.match(line)) and self._reaches(int(ended[1], 16)):
            return True
        found = _DUMP.match(line)
        if found is None or not found[2]:
            return False
        offset = int(found[1], 16)
        if not self._reaches(offset) or len(self._dump) > LONGEST:
            return False
        text = found[2]
        without = _DUMP_TEXT.sub("", text)
        digits = without if without != text else re.split(r"\s{2,}|\t", text)[0]
        tokens = re.split(r"[ :]+", digits.strip())
        if not all(len(token) % 2 == 0 and not _NOT_HEX.search(token) for token in tokens):
            # xxd and tcpdump put text behind; a last group of odd length is cut too
            return False
        if not self._dump:
            self._dump_context = self._before or _Context("", self._number)
            self._dump_context.place = f"line {self._number}"
        self._dump += bytes.fromhex("".join(tokens))
        return True

    def _reaches(self, offset: int) -> bool:
        """Whether a hex dump has come to an offset, after rows that were left out are put back."""
        rows, odd = divmod(offset - len(self._dump), 16)
        if self._squeezed and not odd and 0 < rows <= LONGEST // 16:
            self._dump += self._dump[-16:] * rows
        self._squeezed = False
        return offset == len(self._dump)

    def _end_dump(self) -> Iterator[Item]:
        if self._dump:
            assert self._dump_context is not None  # noqa: S101  set with the first octets
            yield from _frame(bytes(self._dump), self._dump_context, certain=True)
            self._dump.clear()
            self._before = None

    # Lines of hex -----------------------------------------------------------------------------------------------------

    def _only_hex(self, line: str) -> Iterator[Item]:
        octets = _octets(line)
        if self._hex and has_shape(octets) and len(octets) >= int.from_bytes(octets[:4], "big"):
            yield from self._end_hex()  # the lines before were cut short
        if not self._hex:
            self._hex_context = self._before or _Context("", self._number)
            self._hex_context.place = f"line {self._number}"
        self._hex += octets
        while self._hex and has_shape(self._hex):
            length = int.from_bytes(self._hex[:4], "big")
            if len(self._hex) < length:
                break
            assert self._hex_context is not None  # noqa: S101  set with the first octets
            yield self._hex_context.found(bytes(self._hex[:length]))
            del self._hex[:length]
        if len(self._hex) > 2 * LONGEST:
            yield from self._end_hex()

    def _end_hex(self) -> Iterator[Item]:
        if self._hex:
            assert self._hex_context is not None  # noqa: S101  set with the first octets
            yield from _frame(bytes(self._hex), self._hex_context, certain=True)
            self._hex.clear()
        self._before = None

    # Base64 -----------------------------------------------------------------------------------------------------------

    def _continue_base64(self, text: str) -> Iterator[Item]:
        self._base64 += text
        octets = _from_base64(self._base64)
        if len(octets) >= int.from_bytes(octets[:4], "big") or len(self._base64) > 2 * LONGEST:
            yield from self._end_base64()

    def _end_base64(self) -> Iterator[Item]:
        if self._base64:
            assert self._base64_context is not None  # noqa: S101  set with the first line
            octets, self._base64 = _from_base64(self._base64), ""
            yield from _frame(octets, self._base64_context, certain=True)

    # Log lines --------------------------------------------------------------------------------------------------------

    def _log_line(self, line: str, stripped: str) -> Iterator[Item]:
        context = _Context(line, self._number)
        items: list[Item] = []
        for found in _HEX.finditer(line):
            items += _frame(_octets(found[0]), context, certain=False)
        if not items:
            for found in _BYTES.finditer(line):
                items += _frame(_literal(found[0]), context, certain=False)
        if not items:
            for found in _BASE64.finditer(line):
                octets = _from_base64(found[0])
                whole = len(octets) >= int.from_bytes(octets[:4], "big")
                if has_shape(octets) and not whole and found[0] == stripped:
                    self._base64, self._base64_context = stripped, context  # it goes on in the next lines
                elif has_shape(octets) or _is_exact(octets):
                    items += _frame(octets, context, certain=False)
        if not items:
            self._before = context
        yield from items


def _octets(text: str) -> bytes:
    digits = _NOT_HEX.sub("", _PREFIXES.sub("", text))
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _literal(text: str) -> bytes:
    try:
        with warnings.catch_warnings(action="ignore"):  # escapes that Python does not know
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return b""
    return value if isinstance(value, bytes) else b""


def _from_base64(text: str) -> bytes:
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text[: len(text) - (len(text) % 4 == 1)] + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _is_exact(octets: bytes) -> bool:
    """Whether octets begin with their own length: a PDU of whatever command."""
    return len(octets) >= 16 and int.from_bytes(octets[:4], "big") == len(octets)


def _frame(octets: bytes, context: _Context, *, certain: bool) -> Iterator[Item]:
    """Return the PDUs in octets that stand together.

    Args:
        octets: Found in a text.
        context: Of the line.
        certain: Somebody took them for octets, so that it is said if there is no PDU in them.
    """
    if _is_exact(octets):
        yield context.found(octets)
        return
    start = 0 if has_shape(octets) else find_pdu(octets)
    if start < 0:
        if certain and len(octets) >= 4:
            yield Remark(f"{len(octets)} octets that hold no PDU", context.place, context.time, undecodable=True)
        return
    if start:
        yield Remark(f"{start} octets before the PDU are passed over", context.place, context.time)
    framer = Framer()
    rest = octets[start:]
    for framed in framer.feed(rest):
        if framed.octets:
            yield context.found(framed.octets)
            rest = rest[len(framed.octets) :]
        else:
            text = f"{framed.skipped} octets passed over: {framed.why}"
            yield Remark(text, context.place, context.time, undecodable=True)
            rest = rest[framed.skipped :]
    if has_shape(rest):
        yield context.found(rest)  # cut short: decoding says so
    elif rest:
        yield Remark(f"{len(rest)} octets after the PDU are passed over", context.place, context.time)
