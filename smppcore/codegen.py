"""Turns the layout that a PDU class declares into two functions of straight-line Python, once, at import.

Why: interpreting a field table for each PDU costs a multiple of the straight line's 1.3 µs a deliver_sm; written by
hand, 33 PDU classes would be 33 chances to differ from it. `decoder_source` and `encoder_source` return the text:

    python -c "from smppcore import codegen, pdu; print(codegen.decoder_source(pdu.DeliverSM))"

How the generated decoder works: it gets exactly one PDU as bytes, so that running off the end is Python's own
IndexError. It reads each field into a local variable of that name, then makes the object with one call. After an
IndexError the first field that is no local therefore is the one that the PDU ends before; nothing on the fast path has
to keep count. An empty string is recognised by its first octet, which saves a search and a slice; most strings are
empty.

How the generated encoder works: one test of all strings, one bytes %-format of the body (%c refuses what is no octet).
Only if either fails are the fields looked at one by one, to say which and why.

Rules: what is generated depends on the class alone. Layouts and the names of PDUs must not be here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import TYPE_CHECKING, cast, get_type_hints

from smppcore.constants import ESME_RINVMSGLEN, ESME_RINVOPTPARSTREAM, RESPONSE_BIT
from smppcore.errors import DecodeError, LocalProtocolError
from smppcore.fields import (
    HEADER,
    COctets,
    Entries,
    Integer,
    Kind,
    Octets,
    fault,
    read_tlvs,
    try_tlvs,
    unterminated,
    write_tlvs,
)

if TYPE_CHECKING:
    from smppcore.pdu import Pdu

Decoder = Callable[[bytes, int, int], "Pdu"]
"""Takes one whole PDU, its command_status and its sequence_number."""

Encoder = Callable[["Pdu"], bytes]


def layout(pdu_class: type[Pdu]) -> Mapping[str, Kind]:
    """Return a PDU class's mandatory fields in the order of the wire, each with its kind."""
    return _read_layout(cast("Hashable", pdu_class))  # a class is; mypy asks its instances


@cache
def _read_layout(pdu_class: type[Pdu]) -> Mapping[str, Kind]:
    hints = get_type_hints(pdu_class, include_extras=True)
    annotated = {name: getattr(hints[name], "__metadata__", ()) for name in pdu_class.__struct_fields__}
    return {name: metadata[0] for name, metadata in annotated.items() if metadata}


def compile_decoder(pdu_class: type[Pdu]) -> Decoder:
    """Compile the decode function of a PDU class."""
    names: dict[str, object] = {
        "cls": pdu_class,
        "DecodeError": DecodeError,
        "fault": fault,
        "unterminated": unterminated,
        "cut_short": _cut_short,
        "salvage": _salvage,
        "read_tlvs": read_tlvs,
        "try_tlvs": try_tlvs,
    }
    for name, kind in layout(pdu_class).items():
        if isinstance(kind, Entries):
            names[f"read_{name}"] = kind.read
    return cast("Decoder", _compile(decoder_source(pdu_class), names))


def compile_encoder(pdu_class: type[Pdu]) -> Encoder:
    """Compile the encode function of a PDU class."""
    names: dict[str, object] = {
        "pack": HEADER.pack,
        "write_tlvs": write_tlvs,
        "misfit": _misfit,
        "not_encodable": (TypeError, ValueError, OverflowError, struct.error),
    }
    for name, kind in layout(pdu_class).items():
        if isinstance(kind, Entries):
            names[f"write_{name}"] = kind.write
    return cast("Encoder", _compile(encoder_source(pdu_class), names))


def decoder_source(pdu_class: type[Pdu]) -> str:
    """Return the source of a PDU class's decode function."""
    response = bool(pdu_class.command_id & RESPONSE_BIT)
    position, body = _decode_fields(layout(pdu_class))
    read = "read_tlvs" if pdu_class.tlvs_defined and not response else "try_tlvs"
    lines = [
        "def function(data, command_status, sequence_number):",
        "    end = len(data)",
    ]
    if body:
        lines += ["    try:", *("        " + line for line in body)]
        if response:
            lines += ["    except (IndexError, DecodeError) as exc:", "        return salvage(cls, locals(), exc)"]
        else:
            lines += ["    except IndexError:", "        raise cut_short(cls, locals()) from None"]
    lines += [f"    tlvs = {read}(data, {position}) if {position} < end else ()"]
    given = [*layout(pdu_class), *(f"{name}={name}" for name in ("command_status", "sequence_number", "tlvs"))]
    lines += [f"    return cls({', '.join(given)})", ""]
    return "\n".join(lines)


def _decode_fields(kinds: Mapping[str, Kind]) -> tuple[str, list[str]]:
    """Return the expression for the position after the last field, and the lines that read the fields.

    The expression is a number while everything before has a fixed length, later relative to `at`, the position after
    the last field that has none.
    """
    base, offset = "", HEADER.size
    lines: list[str] = []
    for name, kind in kinds.items():
        position = f"{base} + {offset}" if base and offset else base or str(offset)
        if isinstance(kind, Integer):
            lines.append(f"{name} = data[{position}]")
            offset += 1
            continue
        if isinstance(kind, COctets):
            lines += _decode_string(name, kind, position)
        elif isinstance(kind, Octets):
            lines += _decode_octets(name, kind, position)
        else:
            lines.append(f"{name}, at = read_{name}(data, {position})")
        base, offset = "at", 0
    return (f"{base} + {offset}" if base and offset else base or str(offset)), lines


def _decode_string(name: str, kind: COctets, position: str) -> list[str]:
    if kind.lenient:
        return [
            f"start = {position}",
            'nul = data.find(b"\\0", start)',
            "if nul < 0:",
            "    nul = end",
            f"{name} = data[start:nul]",
            "at = nul + 1",
        ]
    return [
        f"start = {position}",
        "if data[start]:",
        f'    nul = data.find(b"\\0", start, start + {kind.size})',
        "    if nul < 0:",
        f"        raise unterminated(data, start, {name!r}, {kind.size}, {kind.status})",
        f"    {name} = data[start:nul]",
        "    at = nul + 1",
        "else:",
        f'    {name} = b""',
        "    at = start + 1",
    ]


def _decode_octets(name: str, kind: Octets, position: str) -> list[str]:
    return [
        f"start = {position} + 1",
        "at = start + data[start - 1]",
        "if at > end:",
        '    reason = f"{at - start} octets announced, {end - start} in the PDU"',
        f"    raise fault(data, {kind.length_field!r}, reason, {kind.status})",
        f"{name} = data[start:at]",
    ]


def encoder_source(pdu_class: type[Pdu]) -> str:
    """Return the source of a PDU class's encode function."""
    kinds = layout(pdu_class)
    command_id = pdu_class.command_id
    lines: list[str] = []
    if command_id & RESPONSE_BIT and kinds:
        # SMPP v3.4 §4.1.2, §4.4.2 …: the body of an error response is not returned
        lines += [
            "if pdu.command_status and not pdu.tlvs:" if pdu_class.tlvs_with_error else "if pdu.command_status:",
            f"    return pack({HEADER.size}, {command_id}, pdu.command_status, pdu.sequence_number)",
        ]
    formats, values, misfits = _encode_fields(kinds)
    lines += [f"{name} = pdu.{name}" for name, kind in kinds.items() if isinstance(kind, COctets | Octets)]
    if misfits:
        lines += ["if (", *(f"    {'or ' if index else ''}{test}" for index, test in enumerate(misfits)), "):"]
        lines += ["    raise misfit(pdu)"]
    lines += [f'body = b"{formats}" % (', *(f"    {value}," for value in values), ")"] if kinds else ['body = b""']
    lines += [
        "if pdu.tlvs:",
        "    body += write_tlvs(pdu.tlvs)",
        f"return pack({HEADER.size} + len(body), {command_id}, pdu.command_status, pdu.sequence_number) + body",
    ]
    lines = ["def function(pdu):", "    try:", *("        " + line for line in lines)]
    return "\n".join([*lines, "    except not_encodable:", "        raise misfit(pdu) from None", ""])


def _encode_fields(kinds: Mapping[str, Kind]) -> tuple[str, list[str], list[str]]:
    """Return the %-format of the body, the expressions to fill it and the tests that a field does not fit."""
    formats = ""
    values: list[str] = []
    misfits: list[str] = []
    for name, kind in kinds.items():
        if isinstance(kind, Integer):
            formats += "%c"
            values.append(f"pdu.{name}")
        elif isinstance(kind, COctets):
            formats += "%b\\0"
            values.append(name)
            misfits.append(f"({name} and (len({name}) > {kind.size - 1} or 0 in {name}))")
        elif isinstance(kind, Octets):
            formats += "%c%b"
            values += [f"len({name})", name]
        else:
            formats += "%b"
            values.append(f"write_{name}(pdu.{name})")
    return formats, values, misfits


def _cut_short(pdu_class: type[Pdu], read: Mapping[str, object]) -> DecodeError:
    """Name the field that a PDU ends before: the first one that the decoder, whose locals these are, has not read."""
    name, kind = next(item for item in layout(pdu_class).items() if item[0] not in read)
    if isinstance(kind, Octets):
        name = kind.length_field
    elif isinstance(kind, Entries):
        name = kind.count_field
    return fault(cast("bytes", read["data"]), name, "the PDU ends before it", kind.status)


def _salvage(pdu_class: type[Pdu], read: Mapping[str, object], error: IndexError | DecodeError) -> Pdu:
    """Return an error response without the body that could not be read; raise what is wrong with any other.

    A body has no place in an error response (SMPP v3.4 §4.4.2), and peers put many things there.
    """
    status, sequence_number = cast("int", read["command_status"]), cast("int", read["sequence_number"])
    if status:
        return pdu_class(command_status=status, sequence_number=sequence_number)
    raise error if isinstance(error, DecodeError) else _cut_short(pdu_class, read)


def _misfit(pdu: Pdu) -> LocalProtocolError:
    """Find the field of a PDU that cannot be sent."""
    for name, kind in layout(type(pdu)).items():
        reason = kind.misfit(getattr(pdu, name))
        if reason:
            return _not_sendable(pdu, name, reason, kind.status)
    try:
        write_tlvs(pdu.tlvs)
    except (TypeError, ValueError, struct.error):
        return _not_sendable(pdu, "tlvs", "not pairs of a 16-bit tag and at most 65,535 octets", ESME_RINVOPTPARSTREAM)
    name = "sequence_number" if _is_32_bits(pdu.command_status) else "command_status"
    return _not_sendable(pdu, name, "not an integer of 32 bits", ESME_RINVMSGLEN)


def _is_32_bits(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= 0xFFFFFFFF


def _not_sendable(pdu: Pdu, field: str, reason: str, status: int) -> LocalProtocolError:
    return LocalProtocolError(f"{pdu.name}: {field}: {reason}", field=field, command_status=status)


def _compile(source: str, names: dict[str, object]) -> object:
    exec(source, names)  # noqa: S102 - our own text, made from class declarations alone
    return names["function"]
