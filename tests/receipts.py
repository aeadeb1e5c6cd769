"""Delivery receipts of the world: the data files, and the PDUs that they stand for."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from smppcore.pdu import DataSM, DeliverSM, decode

_DATA = Path(__file__).parent / "data"
_TAG_MESSAGE_PAYLOAD = 0x0424


def _load(name: str) -> list[dict[str, Any]]:
    shapes: list[dict[str, Any]] = tomllib.loads((_DATA / name).read_text(encoding="utf-8"))["receipt"]
    return shapes


SEEN = _load("receipts.toml")
MADE_UP = _load("receipts_made_up.toml")


def build(shape: dict[str, Any]) -> DeliverSM | DataSM:
    """Make the PDU of one shape."""

    def body(key: str) -> bytes:
        text: str = shape[key]
        return bytes.fromhex(shape.get("udh", "")) + text.encode(shape.get("encoding", "latin-1"))

    if "pdu" in shape:
        pdu = decode(bytes.fromhex(shape["pdu"]))
        assert isinstance(pdu, DeliverSM)
        return pdu
    tlvs = [(tag, bytes.fromhex(value)) for tag, value in shape.get("tlvs", [])]
    if "message_payload" in shape:
        tlvs.append((_TAG_MESSAGE_PAYLOAD, body("message_payload")))
    esm_class, data_coding = shape.get("esm_class", 0x04), shape.get("data_coding", 0)
    if shape.get("command") == "data_sm":
        return DataSM(esm_class=esm_class, data_coding=data_coding, tlvs=tlvs)
    short_message = body("short_message") if "short_message" in shape else b""
    return DeliverSM(esm_class=esm_class, data_coding=data_coding, short_message=short_message, tlvs=tlvs)
