"""The PDUs that a simulated SMSC makes: texts in their parts, receipts, message ids.

Must not be here: state, sockets, clocks, randomness of its own.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.pdu import DeliverSM
from smppcore.receipt import format_receipt, receipt_tlvs
from smppcore.text import encode_message, user_data

if TYPE_CHECKING:
    import random

    from smppcore.testbed.config import IdForm, Mo, Receipts, SimulatorConfig


def ton_npi(address: str) -> tuple[int, int]:
    """Return type and plan of a number as carriers send it: international, a short code, or alphanumeric."""
    if not address.isdigit():
        return c.TON_ALPHANUMERIC, c.NPI_UNKNOWN
    return (c.TON_INTERNATIONAL if len(address) > 8 else c.TON_UNKNOWN), c.NPI_ISDN


def mo_parts(mo: Mo, reference: int) -> list[DeliverSM]:
    """Make the deliver_sm of a text: one, or as many as it takes with 8-bit references (3GPP TS 23.040 §9.2.3.24.1).

    Args:
        mo: The text.
        reference: For the parts of a long one, any int.

    Raises:
        LocalProtocolError: The text takes more than 255 parts.
    """
    encoded = encode_message(mo.text)
    source_ton, source_npi = ton_npi(mo.source)
    dest_ton, dest_npi = ton_npi(mo.destination)
    parts = [user_data(encoded, part, reference) for part in range(len(encoded.parts))]
    return [
        DeliverSM(
            source_addr_ton=source_ton,
            source_addr_npi=source_npi,
            source_addr=mo.source.encode("latin-1", "replace"),
            dest_addr_ton=dest_ton,
            dest_addr_npi=dest_npi,
            destination_addr=mo.destination.encode("latin-1", "replace"),
            esm_class=flags,
            data_coding=encoded.data_coding,
            short_message=octets,
            tlvs=tlvs,
        )
        for flags, octets, tlvs in parts
    ]


def receipt(
    config: Receipts,
    message_id: str,
    state: int,
    addresses: tuple[tuple[int, int, bytes], tuple[int, int, bytes]],
    *,
    submitted: float,
    done: float,
    text: bytes = b"",
) -> DeliverSM:
    """Make a delivery receipt (SMPP v3.4 Appendix B).

    Args:
        config: The dialect.
        message_id: As it shall stand in the receipt.
        state: message_state.
        addresses: (TON, NPI, address) of the message's source and of its destination; a receipt goes the other way.
        submitted: When the message came, seconds since the epoch.
        done: When it reached its state, likewise.
        text: The message's user data.
    """
    (dest_ton, dest_npi, dest), (source_ton, source_npi, source) = addresses
    error = "000" if state == c.STATE_DELIVERED else config.error
    body = format_receipt(message_id, state, submitted=submitted, done=done, error=error, text=text)
    return DeliverSM(
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source,
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        destination_addr=dest,
        esm_class=c.ESM_TYPE_RECEIPT,
        short_message=body if config.text else b"",
        tlvs=receipt_tlvs(message_id, state) if config.tlvs else (),
    )


class MessageIds:
    """Gives out message ids, and knows how receipts write them."""

    def __init__(self, config: SimulatorConfig, rng: random.Random) -> None:
        self._form: IdForm = config.message_id
        self._receipt_form: IdForm = (
            self._form if config.receipts.message_id == "same" or self._form == "uuid" else config.receipts.message_id
        )
        self._width = config.message_id_width
        self._next = config.first_message_id
        self._rng = rng

    def take(self) -> tuple[str, str]:
        """Return a new id: as in the response, and as in the receipt."""
        if self._form == "uuid":
            message_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
            return message_id, message_id
        number = self._next
        self._next += 1
        return self._write(number, self._form), self._write(number, self._receipt_form)

    def _write(self, number: int, form: IdForm) -> str:
        return format(number, "x" if form == "hex" else "d").zfill(self._width)
