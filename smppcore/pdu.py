"""The PDUs of SMPP v3.4 and v5.0 and the two functions between them and octets: `decode` and `encode`.

The classes are declared in `layouts`; each is compiled at import to a decoder and an encoder (see `codegen`).

Rules:

- `decode` raises DecodeError and `encode` LocalProtocolError, and neither anything else; encoding changes nothing.
- What peers send is kept, also where the specification reserves the value; `validation` is the judge of values.
- A response is read as far as it can be: nobody can tell its sender, and its message_id is worth more than a rule.

Must not be here: sequence numbers and other state, text and alphabets, the meaning of a receipt.
"""

from __future__ import annotations

from smppcore import constants as c
from smppcore.codegen import compile_decoder, compile_encoder
from smppcore.errors import DecodeError
from smppcore.fields import HEADER, Tlv, fault
from smppcore.layouts import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindRequest,
    BindResponse,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    BroadcastSM,
    BroadcastSMResp,
    CancelBroadcastSM,
    CancelBroadcastSMResp,
    CancelSM,
    CancelSMResp,
    DataSM,
    DataSMResp,
    DeliverSM,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QueryBroadcastSM,
    QueryBroadcastSMResp,
    QuerySM,
    QuerySMResp,
    ReplaceSM,
    ReplaceSMResp,
    ShortMessage,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSM,
    SubmitSMResp,
    Unbind,
    UnbindResp,
)
from smppcore.multi import DistributionList, SmeAddress, UnsuccessSme

__all__ = [
    "HEADER",
    "PDU_CLASSES",
    "AlertNotification",
    "BindReceiver",
    "BindReceiverResp",
    "BindRequest",
    "BindResponse",
    "BindTransceiver",
    "BindTransceiverResp",
    "BindTransmitter",
    "BindTransmitterResp",
    "BroadcastSM",
    "BroadcastSMResp",
    "CancelBroadcastSM",
    "CancelBroadcastSMResp",
    "CancelSM",
    "CancelSMResp",
    "DataSM",
    "DataSMResp",
    "DeliverSM",
    "DeliverSMResp",
    "DistributionList",
    "EnquireLink",
    "EnquireLinkResp",
    "GenericNack",
    "Outbind",
    "Pdu",
    "QueryBroadcastSM",
    "QueryBroadcastSMResp",
    "QuerySM",
    "QuerySMResp",
    "ReplaceSM",
    "ReplaceSMResp",
    "ShortMessage",
    "SmeAddress",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSM",
    "SubmitSMResp",
    "Tlv",
    "Unbind",
    "UnbindResp",
    "UnsuccessSme",
    "decode",
    "decode_framed",
    "encode",
    "response_class",
    "response_to",
]

PDU_CLASSES: tuple[type[Pdu], ...] = (
    BindReceiver,
    BindReceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    BindTransceiver,
    BindTransceiverResp,
    Outbind,
    Unbind,
    UnbindResp,
    GenericNack,
    EnquireLink,
    EnquireLinkResp,
    SubmitSM,
    SubmitSMResp,
    DeliverSM,
    DeliverSMResp,
    SubmitMulti,
    SubmitMultiResp,
    DataSM,
    DataSMResp,
    QuerySM,
    QuerySMResp,
    CancelSM,
    CancelSMResp,
    ReplaceSM,
    ReplaceSMResp,
    AlertNotification,
    BroadcastSM,
    BroadcastSMResp,
    QueryBroadcastSM,
    QueryBroadcastSMResp,
    CancelBroadcastSM,
    CancelBroadcastSMResp,
)
"""Every PDU there is."""

_BY_ID = {pdu_class.command_id: pdu_class for pdu_class in PDU_CLASSES}
_DECODERS = {pdu_class.command_id: compile_decoder(pdu_class) for pdu_class in PDU_CLASSES}
_ENCODERS = {pdu_class.command_id: compile_encoder(pdu_class) for pdu_class in PDU_CLASSES}
_unpack_header = HEADER.unpack_from


def decode(data: bytes | bytearray | memoryview, start: int = 0, end: int | None = None) -> Pdu:
    """Decode one whole PDU, its header included.

    Args:
        data: Octets that hold the PDU.
        start: Where it begins, 0 to len(data).
        end: Where it ends; None is the end of `data`.

    Raises:
        DecodeError: It is malformed; the error names the field and the status to answer with. The field is
            "command_length" if the header is incomplete or command_length is not end - start, and "command_id" if the
            specifications have no such command.
    """
    if start or end is not None or type(data) is not bytes:
        data = bytes(data[start:end])
    if len(data) < HEADER.size:
        raise DecodeError("command_length", f"only {len(data)} octets", command_status=c.ESME_RINVCMDLEN)
    command_length, command_id, command_status, sequence_number = _unpack_header(data)
    if command_length != len(data):
        reason = f"{command_length} in a PDU of {len(data)} octets"
        raise fault(data, "command_length", reason, c.ESME_RINVCMDLEN)
    if command_id not in _DECODERS:
        raise fault(data, "command_id", f"0x{command_id:08X} is not a command", c.ESME_RINVCMDID)
    return decode_framed(data, command_id, command_status, sequence_number)


def decode_framed(octets: bytes, command_id: int, command_status: int, sequence_number: int) -> Pdu:
    """Decode one whole PDU whose header has been read: its length is right and the command is one of PDU_CLASSES.

    Raises:
        DecodeError: As for decode().
    """
    return _DECODERS[command_id](octets, command_status, sequence_number)


def encode(pdu: Pdu) -> bytes:
    """Encode a PDU, its header included. The body of an error response is left out, as the specification has it.

    Raises:
        LocalProtocolError: A field does not fit; the error names it.
    """
    return _ENCODERS[pdu.command_id](pdu)


def response_class(command_id: int) -> type[Pdu] | None:
    """Return the class that answers a request, None if nothing does: outbind, alert_notification, any response."""
    return _BY_ID.get(command_id | c.RESPONSE_BIT) if 0 < command_id < c.RESPONSE_BIT else None


def response_to(request: Pdu, command_status: int = 0) -> Pdu:
    """Make the answer to a request: its response with the same sequence_number, or generic_nack if it has none."""
    answer = response_class(request.command_id) or GenericNack
    return answer(command_status=command_status, sequence_number=request.sequence_number)
