"""Requests as octets, right and wrong ones: whatever is given is written, nothing is checked.

Not made with `smppcore.pdu`, so that a fault of that codec shows instead of cancelling out; an int is an octet, bytes
are a C-octet string, `Raw` stands as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from struct import Struct
from typing import TYPE_CHECKING

from smppcore import constants as c

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = Struct(">IIII")
HEADER_BYTES = HEADER.size

Tlvs = "Sequence[tuple[int, bytes]]"
Field = int | bytes


class Raw(bytes):
    """Octets that are written as they are: a C-octet string without its NUL, or any garbage."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A PDU to be sent."""

    command_id: int
    body: bytes = b""
    status: int = 0
    sequence: int | None = None
    """None: the wire's next number."""
    length: int | None = None
    """command_length, where it shall not be the PDU's own."""

    def octets(self, sequence: int = 0) -> bytes:
        """Return it as it goes over the wire; `sequence` is used where it has none of its own."""
        length = HEADER_BYTES + len(self.body) if self.length is None else self.length
        number = sequence if self.sequence is None else self.sequence
        return HEADER.pack(length, self.command_id, self.status, number) + self.body

    def numbered(self, sequence: int) -> Draft:
        """Return the same with a sequence_number."""
        return replace(self, sequence=sequence)


_BIND: Mapping[str, Field] = {
    "system_id": b"esme",
    "password": b"secret",
    "system_type": b"",
    "interface_version": c.VERSION_34,
    "addr_ton": 0,
    "addr_npi": 0,
    "address_range": b"",
}
_SOURCE: Mapping[str, Field] = {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": b"15550000001"}
_DESTINATION: Mapping[str, Field] = {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": b"15550009999"}
_SHORT_MESSAGE: Mapping[str, Field] = {
    "service_type": b"",
    **_SOURCE,
    **_DESTINATION,
    "esm_class": 0,
    "protocol_id": 0,
    "priority_flag": 0,
    "schedule_delivery_time": b"",
    "validity_period": b"",
    "registered_delivery": 0,
    "replace_if_present_flag": 0,
    "data_coding": 0,
    "sm_default_msg_id": 0,
}
_DATA: Mapping[str, Field] = {
    "service_type": b"",
    **_SOURCE,
    **_DESTINATION,
    "esm_class": 0,
    "registered_delivery": 0,
    "data_coding": 0,
}
_MULTI: Mapping[str, Field] = {
    "service_type": b"",
    **_SOURCE,
    "destinations": Raw(b"\1\1\1\x0115550009999\0"),
    **{name: value for name, value in _SHORT_MESSAGE.items() if name not in {"service_type", *_SOURCE, *_DESTINATION}},
}
_QUERY: Mapping[str, Field] = {"message_id": b"", **_SOURCE}
_CANCEL: Mapping[str, Field] = {"service_type": b"", "message_id": b"", **_SOURCE, **_DESTINATION}
_REPLACE: Mapping[str, Field] = {
    "message_id": b"",
    **_SOURCE,
    "schedule_delivery_time": b"",
    "validity_period": b"",
    "registered_delivery": 0,
    "sm_default_msg_id": 0,
}
_BINDS = {"transmitter": c.BIND_TRANSMITTER, "receiver": c.BIND_RECEIVER, "transceiver": c.BIND_TRANSCEIVER}


def tlv(tag: int, value: bytes, length: int | None = None) -> bytes:
    """Return a TLV; `length` is what it claims, where that shall not be true."""
    return tag.to_bytes(2, "big") + (len(value) if length is None else length).to_bytes(2, "big") + value


def bind(kind: str = "transceiver", **fields: Field) -> Draft:
    """Return a bind of a kind."""
    return Draft(_BINDS[kind], _write(_BIND, fields))


def submit_sm(text: bytes = b"hello", tlvs: bytes = b"", sm_length: int | None = None, **fields: Field) -> Draft:
    """Return a submit_sm from 15550000001 to 15550009999."""
    return Draft(c.SUBMIT_SM, _write(_SHORT_MESSAGE, fields) + _text(text, sm_length) + tlvs)


def deliver_sm(text: bytes = b"hello", tlvs: bytes = b"", sm_length: int | None = None, **fields: Field) -> Draft:
    """Return a deliver_sm from 15550000001 to 15550009999."""
    return Draft(c.DELIVER_SM, _write(_SHORT_MESSAGE, fields) + _text(text, sm_length) + tlvs)


def submit_multi(text: bytes = b"hello", tlvs: bytes = b"", **fields: Field) -> Draft:
    """Return a submit_multi to one address; `destinations` is the raw list with its count."""
    return Draft(c.SUBMIT_MULTI, _write(_MULTI, fields) + _text(text, None) + tlvs)


def data_sm(tlvs: bytes = tlv(c.TAG_MESSAGE_PAYLOAD, b"hello"), **fields: Field) -> Draft:
    """Return a data_sm from 15550000001 to 15550009999."""
    return Draft(c.DATA_SM, _write(_DATA, fields) + tlvs)


def query_sm(**fields: Field) -> Draft:
    """Return a query_sm for a message of 15550000001's."""
    return Draft(c.QUERY_SM, _write(_QUERY, fields))


def cancel_sm(**fields: Field) -> Draft:
    """Return a cancel_sm for a message of 15550000001's."""
    return Draft(c.CANCEL_SM, _write(_CANCEL, fields))


def replace_sm(text: bytes = b"other", **fields: Field) -> Draft:
    """Return a replace_sm for a message of 15550000001's."""
    return Draft(c.REPLACE_SM, _write(_REPLACE, fields) + _text(text, None))


def response(command_id: int, status: int = 0, body: bytes = b"", *, sequence: int) -> Draft:
    """Return the response to a request of `command_id` with that number."""
    return Draft(command_id | c.RESPONSE_BIT, body, status, sequence)


def _write(defaults: Mapping[str, Field], fields: Mapping[str, Field]) -> bytes:
    unknown = fields.keys() - defaults.keys()
    if unknown:
        raise TypeError(f"no such field: {', '.join(sorted(unknown))}")
    return b"".join(_field(fields.get(name, value)) for name, value in defaults.items())


def _field(value: Field) -> bytes:
    if isinstance(value, int):
        return bytes((value,))
    return bytes(value) if isinstance(value, Raw) else value + b"\0"


def _text(text: bytes, sm_length: int | None) -> bytes:
    return bytes((len(text) if sm_length is None else sm_length,)) + text
