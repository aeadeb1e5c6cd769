"""The PDUs that a simulated SMSC makes of texts, and its message ids.

Must not be here: receipts (`dialects.py`), state, sockets, clocks, randomness of its own.
"""

from __future__ import annotations

import copy
import uuid
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.pdu import DeliverSM
from smppcore.text import Encoded, Framing, encode_message, user_data
from smppcore.udh import IE_PORTS_16

if TYPE_CHECKING:
    import random

    from smppcore.testbed.config import IdForm, Mo, SimulatorConfig
    from smppcore.testbed.dialects import Dialect

_PART_OCTETS = 140  # of user data on the air (3GPP TS 23.040 §9.2.3.16)
_HEADER_OCTETS = {"udh8": 6, "udh16": 7, "sar": 7, "payload": 0}  # of a part, its length octet counted


def ton_npi(address: str) -> tuple[int, int]:
    """Return type and plan of a number as carriers send it: international, a short code, or alphanumeric."""
    if not address.isdigit():
        return c.TON_ALPHANUMERIC, c.NPI_UNKNOWN
    return (c.TON_INTERNATIONAL if len(address) > 8 else c.TON_UNKNOWN), c.NPI_ISDN


def mo_parts(mo: Mo, reference: int) -> list[DeliverSM]:
    """Make the deliver_sm of a text or of data, in the order in which they come; what never comes is left out.

    Args:
        mo: What is sent, and how.
        reference: For the parts of a long one, any int.

    Raises:
        LocalProtocolError: It takes more than 255 parts.
    """
    encoded = _divide(mo) if mo.data else encode_message(mo.text, mo.profile)
    if mo.port >= 0:
        framing = encoded.framing or Framing(None)
        ports = bytes((IE_PORTS_16, 4)) + mo.port.to_bytes(2, "big") + b"\0\0"
        encoded = Encoded(
            encoded.data_coding, encoded.parts, Framing(framing.long_form, framing.elements + ports, framing.packed)
        )
    source_ton, source_npi = ton_npi(mo.source)
    dest_ton, dest_npi = ton_npi(mo.destination)
    pdus: list[DeliverSM] = []
    for part in range(len(encoded.parts)):
        if part + 1 in mo.without:
            continue
        flags, octets, tlvs = user_data(encoded, part, reference)
        pdu = DeliverSM(
            source_addr_ton=source_ton,
            source_addr_npi=source_npi,
            source_addr=mo.source.encode("latin-1", "replace"),
            dest_addr_ton=dest_ton,
            dest_addr_npi=dest_npi,
            destination_addr=mo.destination.encode("latin-1", "replace"),
            esm_class=flags,
            data_coding=encoded.data_coding if mo.data_coding < 0 else mo.data_coding,
            short_message=octets,
            tlvs=tlvs,
        )
        # A part that comes twice is two requests, each with its own sequence_number
        pdus += [pdu, copy.copy(pdu)] if part + 1 in mo.twice else [pdu]
    return pdus[::-1] if mo.shuffled else pdus


def _divide(mo: Mo) -> Encoded:
    """Divide 8-bit data as a text of that length would be."""
    form = mo.profile.long_form
    room = _PART_OCTETS - (7 if mo.port >= 0 else 0)
    if len(mo.data) <= room:
        return Encoded(c.DATA_CODING_BINARY, (mo.data,))
    room = len(mo.data) if form == "payload" else room - _HEADER_OCTETS[form]
    parts = tuple(mo.data[start : start + room] for start in range(0, len(mo.data), room))
    return Encoded(c.DATA_CODING_BINARY, parts, Framing(form))


_SHORT = 8


class MessageIds:
    """Gives out message ids, and knows how receipts write them."""

    def __init__(self, config: SimulatorConfig, rng: random.Random) -> None:
        self._form: IdForm = config.message_id
        self._width = config.message_id_width
        self._next = config.first_message_id
        self._rng = rng

    def take(self, *, short: bool = False) -> tuple[str, int]:
        """Return a new id as in the response, and its number; 0 for a uuid.

        Args:
            short: For an ESME of before v3.4: at most 8 characters (SMPP v3.4 §3.4).
        """
        if self._form == "uuid":
            text = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
            return (text[:_SHORT] if short else text), 0
        number = self._next
        self._next += 1
        base, width = (16 if self._form == "hex" else 10), self._width
        if short:
            number, width = number % base**_SHORT, min(width, _SHORT)
        return format(number, "x" if base == 16 else "d").zfill(width), number


def receipt_id(dialect: Dialect, message_id: str, number: int) -> str:
    """Return a message id as receipts of a dialect write it."""
    if dialect.id == "same" or not number:
        return message_id
    return format(number, {"decimal": "d", "hex": "x", "HEX": "X"}[dialect.id]).zfill(dialect.id_width)
