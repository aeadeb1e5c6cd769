"""Loads the PDUs of `vectors/`, each with where it comes from.

The files hold two kinds of table. `[[vector]]` is a PDU that can be decoded: `hex`, the class `pdu`, the `fields` that
are not at their default (text is ASCII, `{ hex = "…" }` anything else; `tlvs` are pairs of tag and hex), and, where our
own encoding is a different one, `encoded` and `why`. `[[malformed]]` is one that cannot be: `hex`, the `field` at fault
and the `command_status` to answer with. `source` says where a PDU was seen, or from which section of a specification it
was written.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smppcore import pdu as pdus
from smppcore.pdu import DistributionList, Pdu, SmeAddress, UnsuccessSme

FILES = sorted((Path(__file__).parent / "vectors").glob("*.toml"))


@dataclass
class Vector:
    name: str
    source: str
    octets: bytes
    pdu: Pdu
    encoded: bytes


@dataclass
class Malformed:
    name: str
    source: str
    octets: bytes
    field: str
    command_status: int


def value(given: Any) -> Any:
    if isinstance(given, str):
        return given.encode("ascii")
    if isinstance(given, dict):
        return bytes.fromhex(given["hex"])
    return given


def destination(entry: dict[str, Any]) -> SmeAddress | DistributionList:
    values = {name: value(given) for name, given in entry.items()}
    return DistributionList(**values) if "dl_name" in values else SmeAddress(**values)


def build(pdu_class: type[Pdu], fields: dict[str, Any]) -> Pdu:
    arguments: dict[str, Any] = {}
    for name, given in fields.items():
        if name == "tlvs":
            arguments[name] = [(tag, bytes.fromhex(octets)) for tag, octets in given]
        elif name == "dest_address":
            arguments[name] = [destination(entry) for entry in given]
        elif name == "unsuccess_sme":
            arguments[name] = [UnsuccessSme(**{key: value(each) for key, each in entry.items()}) for entry in given]
        else:
            arguments[name] = value(given)
    return pdu_class(**arguments)


def load() -> tuple[list[Vector], list[Malformed]]:
    vectors, malformed = [], []
    for file in FILES:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        for table in tables.get("vector", []):
            octets = bytes.fromhex(table["hex"])
            encoded = bytes.fromhex(table["encoded"]) if "encoded" in table else octets
            expected = build(getattr(pdus, table["pdu"]), table.get("fields", {}))
            vectors.append(Vector(table["name"], table["source"], octets, expected, encoded))
        malformed += [
            Malformed(t["name"], t["source"], bytes.fromhex(t["hex"]), t["field"], t["command_status"])
            for t in tables.get("malformed", [])
        ]
    return vectors, malformed


VECTORS, MALFORMED = load()


def with_length(octets: bytes) -> bytes:
    """Make command_length that of the octets."""
    return len(octets).to_bytes(4, "big") + octets[4:]
