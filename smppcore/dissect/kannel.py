"""Kannel's PDU dumps: the fields of a PDU, a line each, made a PDU again.

    2026-01-02 03:04:05 [9444] [7] DEBUG: SMPP[carrier]: Got PDU:
    2026-01-02 03:04:05 [9444] [7] DEBUG: SMPP PDU 0x7fc080001100 dump:
    2026-01-02 03:04:05 [9444] [7] DEBUG:   type_name: enquire_link
    2026-01-02 03:04:05 [9444] [7] DEBUG:   command_id: 21 = 0x00000015
    2026-01-02 03:04:05 [9444] [7] DEBUG:   command_status: 0 = 0x00000000
    2026-01-02 03:04:05 [9444] [7] DEBUG:   sequence_number: 2 = 0x00000002
    2026-01-02 03:04:05 [9444] [7] DEBUG: SMPP PDU dump ends.

Its threads write between each other's lines; what stands before the message tells them apart.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from smppcore import constants as c
from smppcore.codegen import layout
from smppcore.errors import LocalProtocolError
from smppcore.fields import Entries, Integer
from smppcore.pdu import PDU_CLASSES, encode
from smppcore.tlvs import TLV_RULES

_BEGINS = re.compile(r"SMPP PDU 0x[0-9a-f]+ dump:\s*$")
_ENDS = re.compile(r"SMPP PDU dump ends\.\s*$")
_INTEGER = re.compile(r" {2}(\w+): (\d+) = 0x[0-9a-f]+\s*$")
_STRING = re.compile(r' {2}(\w+): (?:NULL|"(.*)")\s*$', re.DOTALL)
_OCTETS = re.compile(r" {2}(\w+):\s*$")
_DATA = re.compile(r" {3,}data: ((?:[0-9a-f]{2} ){1,16})")
_THREAD = re.compile(r"\[\d+\] \[(\d+)\]")
_LINK = re.compile(r"SMPP\[([^\]]*)\]: (Got|Sending)\b")
_LONGEST = 200_000
_MOST_THREADS = 100

_CLASSES: Final = {pdu_class.command_id: pdu_class for pdu_class in PDU_CLASSES}
_TAGS: Final = {c.tag_name(tag): tag for tag in TLV_RULES}
_WITH_NUL: Final = frozenset((c.TAG_RECEIPTED_MESSAGE_ID, c.TAG_ADDITIONAL_STATUS_INFO_TEXT))


@dataclass(slots=True)
class Dump:
    """One dump, as far as it has been read."""

    line: int
    """Where it begins."""
    link: str = ""
    """smsc-id and thread, if Kannel said them before."""
    direction: str = ""
    """"in", "out", or "" if Kannel did not say."""
    values: dict[str, int | bytes] = field(default_factory=dict)
    octets: int = 0
    current: str = ""
    """The field whose data lines follow."""


class KannelReader:
    """Reads the lines of a log of Kannel."""

    def __init__(self) -> None:
        self._open: dict[str, Dump] = {}
        self._said: OrderedDict[str, tuple[str, str]] = OrderedDict()  # by thread: link, direction

    def feed(self, line: str, number: int) -> Dump | bool:
        """Take a line; return a dump that it ends, else whether the line was a part of one."""
        found = _THREAD.search(line[:100])
        thread = found[0] if found else ""
        said = _LINK.search(line)
        if said:
            # Each bind has a thread of its own, so that it tells the connections of a link apart
            link = f"{said[1]}/{found[1]}" if found else said[1]
            self._said[thread] = link, "in" if said[2] == "Got" else "out"
            if len(self._said) > _MOST_THREADS:
                self._said.popitem(last=False)
            return False
        if _BEGINS.search(line):
            link, direction = self._said.pop(thread, ("", ""))
            if len(self._open) < _MOST_THREADS:
                self._open[thread] = Dump(number, link, direction)
            return True
        dump = self._open.get(thread)
        if dump is None:
            return False
        if _ENDS.search(line):
            return self._open.pop(thread)
        dump.octets += len(line)
        if dump.octets > _LONGEST:
            del self._open[thread]
            return True
        _read(dump, line)
        return True


def _read(dump: Dump, line: str) -> None:
    if found := _INTEGER.search(line):
        dump.values[found[1]] = int(found[2])
        dump.current = ""
    elif found := _DATA.search(line):
        known = dump.values.get(dump.current, b"")
        if dump.current and isinstance(known, bytes):
            dump.values[dump.current] = known + bytes.fromhex(found[1])
    elif found := _STRING.search(line):
        dump.values[found[1]] = (found[2] or "").encode("utf-8", "surrogateescape")
        dump.current = ""
    elif found := _OCTETS.search(line):
        dump.current = found[1]
        dump.values[dump.current] = b""


def rebuild(dump: Dump) -> bytes | str:
    """Return the PDU that a dump is of, or in one line why there is none."""
    values = dict(dump.values)
    command_id = values.pop("command_id", None)
    pdu_class = _CLASSES.get(command_id) if isinstance(command_id, int) else None
    if pdu_class is None:
        return "a dump of Kannel's without a command_id that is known"
    pdu = pdu_class()
    for name in ("command_status", "sequence_number"):
        value = values.pop(name, 0)
        setattr(pdu, name, value if isinstance(value, int) else 0)
    for name, kind in layout(pdu_class).items():
        if isinstance(kind, Entries) or name not in values:
            continue
        value = values.pop(name)
        if isinstance(value, int) is not isinstance(kind, Integer):
            return f"{name} in a dump of Kannel's is of the wrong kind"
        setattr(pdu, name, value)
    pdu.tlvs = [(_TAGS[name], _tlv_value(_TAGS[name], value)) for name, value in values.items() if name in _TAGS]
    try:
        return encode(pdu)
    except LocalProtocolError as error:
        return f"a dump of Kannel's that is no PDU: {error}"


def _tlv_value(tag: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value + b"\0" if tag in _WITH_NUL and not value.endswith(b"\0") else value
    octets = max(TLV_RULES[tag].shortest, (value.bit_length() + 7) // 8)
    return value.to_bytes(octets, "big")
