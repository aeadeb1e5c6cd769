"""The layout of every PDU of SMPP v3.4 (issue 1.2) and of those that v5.0 adds: one class each.

A class's annotated fields are its field table, the only one: in the order of the wire, each with a kind of `fields`,
which holds the limits. `pdu` compiles them; import the classes from there.

Rules:

- Field names are the specification's. Strings are bytes without their NUL, integers are int.
- Lengths and counts (command_length, sm_length, number_of_dests, no_unsuccess) are derived from what they count.
- TLVs are pairs of tag and value in the order of the wire, repeats and unknown ones kept.
- Every field has a default; the mandatory ones may be given by position, the common ones only by name.

Must not be here: reading and writing octets, sequence numbers and other state, text and alphabets.
"""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the annotations are evaluated
from typing import Annotated, ClassVar

import msgspec

from smppcore import constants as c
from smppcore.fields import COctets, Entries, Integer, Octets, Tlv
from smppcore.multi import (
    DistributionList,
    SmeAddress,
    UnsuccessSme,
    read_destinations,
    read_unsuccessful,
    write_destinations,
    write_unsuccessful,
)

# The kinds by the names that the specification gives the fields; sizes: SMPP v3.4 §4, v5.0 §4.
_Octet = Annotated[int, Integer()]
_SystemId = Annotated[bytes, COctets(16, c.ESME_RINVSYSID)]
_Password = Annotated[bytes, COctets(9, c.ESME_RINVPASWD)]
_SystemType = Annotated[bytes, COctets(13, c.ESME_RINVSYSTYP)]
_AddressRange = Annotated[bytes, COctets(41, c.ESME_RBINDFAIL)]
_ServiceType = Annotated[bytes, COctets(6, c.ESME_RINVSERTYP)]
_SourceAddr = Annotated[bytes, COctets(21, c.ESME_RINVSRCADR)]
_LongSourceAddr = Annotated[bytes, COctets(65, c.ESME_RINVSRCADR)]
_DestinationAddr = Annotated[bytes, COctets(21, c.ESME_RINVDSTADR)]
_LongDestinationAddr = Annotated[bytes, COctets(65, c.ESME_RINVDSTADR)]
_MessageId = Annotated[bytes, COctets(65, c.ESME_RINVMSGID)]
_ScheduleDeliveryTime = Annotated[bytes, COctets(17, c.ESME_RINVSCHED)]
_ValidityPeriod = Annotated[bytes, COctets(17, c.ESME_RINVEXPIRY)]
_ShortMessage = Annotated[bytes, Octets()]
_ReturnedSystemId = Annotated[bytes, COctets(16, lenient=True)]
_ReturnedMessageId = Annotated[bytes, COctets(65, lenient=True)]
_FinalDate = Annotated[bytes, COctets(17, lenient=True)]


class Pdu(msgspec.Struct, kw_only=True, eq=False):
    """What all PDUs have. Two are equal if they are of one class and all that goes on the wire is equal; no hash."""

    command_id: ClassVar[int]
    name: ClassVar[str]
    tlvs_defined: ClassVar[bool] = False
    """Whether v3.4 or v5.0 define TLVs for it: then what follows the fields must be TLVs, else it may be anything."""
    tlvs_with_error: ClassVar[bool] = False
    """Whether its TLVs explain an error: then an error response that has TLVs keeps its body."""

    command_status: int = 0
    sequence_number: int = 0
    tlvs: Sequence[Tlv] = ()
    context: object = None
    """The caller's own; never on the wire."""

    def tlv(self, tag: int) -> bytes | None:
        """Return the value of the first TLV of a tag, None if there is none."""
        for candidate, value in self.tlvs:
            if candidate == tag:
                return value
        return None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _comparable(getattr(self, name)) == _comparable(getattr(other, name))
            for name in self.__struct_fields__
            if name != "context"
        )

    def __ne__(self, other: object) -> bool:
        # A Struct has an inequality of its own, which would compare the context too.
        return not self == other

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name not in _HIDDEN)
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


_HIDDEN = ("password", "context")


def _comparable(value: object) -> object:
    """Make a list and a tuple of the same TLVs or destinations equal."""
    return tuple(value) if isinstance(value, list) else value


# Binding (SMPP v3.4 §4.1) --------------------------------------------------------------------------------------------


class BindRequest(Pdu, eq=False):
    """What the three binds have in common (SMPP v3.4 §4.1.1, §4.1.3, §4.1.5)."""

    system_id: _SystemId = b""
    password: _Password = b""
    system_type: _SystemType = b""
    interface_version: _Octet = c.VERSION_34
    addr_ton: _Octet = 0
    addr_npi: _Octet = 0
    address_range: _AddressRange = b""


class BindReceiver(BindRequest, eq=False):
    """bind_receiver (SMPP v3.4 §4.1.3)."""

    command_id: ClassVar[int] = c.BIND_RECEIVER
    name: ClassVar[str] = "bind_receiver"


class BindTransmitter(BindRequest, eq=False):
    """bind_transmitter (SMPP v3.4 §4.1.1)."""

    command_id: ClassVar[int] = c.BIND_TRANSMITTER
    name: ClassVar[str] = "bind_transmitter"


class BindTransceiver(BindRequest, eq=False):
    """bind_transceiver (SMPP v3.4 §4.1.5)."""

    command_id: ClassVar[int] = c.BIND_TRANSCEIVER
    name: ClassVar[str] = "bind_transceiver"


class BindResponse(Pdu, eq=False):
    """What the three bind responses have in common (SMPP v3.4 §4.1.2, §4.1.4, §4.1.6)."""

    tlvs_defined: ClassVar[bool] = True

    system_id: _ReturnedSystemId = b""


class BindReceiverResp(BindResponse, eq=False):
    """bind_receiver_resp (SMPP v3.4 §4.1.4)."""

    command_id: ClassVar[int] = c.BIND_RECEIVER_RESP
    name: ClassVar[str] = "bind_receiver_resp"


class BindTransmitterResp(BindResponse, eq=False):
    """bind_transmitter_resp (SMPP v3.4 §4.1.2)."""

    command_id: ClassVar[int] = c.BIND_TRANSMITTER_RESP
    name: ClassVar[str] = "bind_transmitter_resp"


class BindTransceiverResp(BindResponse, eq=False):
    """bind_transceiver_resp (SMPP v3.4 §4.1.6)."""

    command_id: ClassVar[int] = c.BIND_TRANSCEIVER_RESP
    name: ClassVar[str] = "bind_transceiver_resp"


class Outbind(Pdu, eq=False):
    """outbind (SMPP v3.4 §4.1.7); it has no response."""

    command_id: ClassVar[int] = c.OUTBIND
    name: ClassVar[str] = "outbind"

    system_id: _SystemId = b""
    password: _Password = b""


# The session (SMPP v3.4 §4.2, §4.3, §4.11) ---------------------------------------------------------------------------


class Unbind(Pdu, eq=False):
    """unbind (SMPP v3.4 §4.2.1)."""

    command_id: ClassVar[int] = c.UNBIND
    name: ClassVar[str] = "unbind"


class UnbindResp(Pdu, eq=False):
    """unbind_resp (SMPP v3.4 §4.2.2)."""

    command_id: ClassVar[int] = c.UNBIND_RESP
    name: ClassVar[str] = "unbind_resp"


class GenericNack(Pdu, eq=False):
    """generic_nack (SMPP v3.4 §4.3.1)."""

    command_id: ClassVar[int] = c.GENERIC_NACK
    name: ClassVar[str] = "generic_nack"


class EnquireLink(Pdu, eq=False):
    """enquire_link (SMPP v3.4 §4.11.1)."""

    command_id: ClassVar[int] = c.ENQUIRE_LINK
    name: ClassVar[str] = "enquire_link"


class EnquireLinkResp(Pdu, eq=False):
    """enquire_link_resp (SMPP v3.4 §4.11.2)."""

    command_id: ClassVar[int] = c.ENQUIRE_LINK_RESP
    name: ClassVar[str] = "enquire_link_resp"


# Messages (SMPP v3.4 §4.4 to §4.7) -----------------------------------------------------------------------------------


class ShortMessage(Pdu, eq=False):
    """What submit_sm and deliver_sm have in common (SMPP v3.4 §4.4.1, §4.6.1)."""

    tlvs_defined: ClassVar[bool] = True

    service_type: _ServiceType = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""
    dest_addr_ton: _Octet = 0
    dest_addr_npi: _Octet = 0
    destination_addr: _DestinationAddr = b""
    esm_class: _Octet = 0
    protocol_id: _Octet = 0
    priority_flag: _Octet = 0
    schedule_delivery_time: _ScheduleDeliveryTime = b""
    validity_period: _ValidityPeriod = b""
    registered_delivery: _Octet = 0
    replace_if_present_flag: _Octet = 0
    data_coding: _Octet = 0
    sm_default_msg_id: _Octet = 0
    short_message: _ShortMessage = b""


class SubmitSM(ShortMessage, eq=False):
    """submit_sm (SMPP v3.4 §4.4.1)."""

    command_id: ClassVar[int] = c.SUBMIT_SM
    name: ClassVar[str] = "submit_sm"


class SubmitSMResp(Pdu, eq=False):
    """submit_sm_resp (SMPP v3.4 §4.4.2)."""

    command_id: ClassVar[int] = c.SUBMIT_SM_RESP
    name: ClassVar[str] = "submit_sm_resp"
    tlvs_defined: ClassVar[bool] = True

    message_id: _ReturnedMessageId = b""


class DeliverSM(ShortMessage, eq=False):
    """deliver_sm (SMPP v3.4 §4.6.1)."""

    command_id: ClassVar[int] = c.DELIVER_SM
    name: ClassVar[str] = "deliver_sm"


class DeliverSMResp(Pdu, eq=False):
    """deliver_sm_resp (SMPP v3.4 §4.6.2); its message_id is not used and empty."""

    command_id: ClassVar[int] = c.DELIVER_SM_RESP
    name: ClassVar[str] = "deliver_sm_resp"
    tlvs_defined: ClassVar[bool] = True

    message_id: _ReturnedMessageId = b""


class SubmitMulti(Pdu, eq=False):
    """submit_multi (SMPP v3.4 §4.5.1)."""

    command_id: ClassVar[int] = c.SUBMIT_MULTI
    name: ClassVar[str] = "submit_multi"
    tlvs_defined: ClassVar[bool] = True

    service_type: _ServiceType = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""
    dest_address: Annotated[
        Sequence[SmeAddress | DistributionList],
        Entries(read_destinations, write_destinations, "number_of_dests", c.ESME_RINVNUMDESTS),
    ] = ()
    esm_class: _Octet = 0
    protocol_id: _Octet = 0
    priority_flag: _Octet = 0
    schedule_delivery_time: _ScheduleDeliveryTime = b""
    validity_period: _ValidityPeriod = b""
    registered_delivery: _Octet = 0
    replace_if_present_flag: _Octet = 0
    data_coding: _Octet = 0
    sm_default_msg_id: _Octet = 0
    short_message: _ShortMessage = b""


class SubmitMultiResp(Pdu, eq=False):
    """submit_multi_resp (SMPP v3.4 §4.5.2)."""

    command_id: ClassVar[int] = c.SUBMIT_MULTI_RESP
    name: ClassVar[str] = "submit_multi_resp"
    tlvs_defined: ClassVar[bool] = True

    message_id: _ReturnedMessageId = b""
    unsuccess_sme: Annotated[
        Sequence[UnsuccessSme], Entries(read_unsuccessful, write_unsuccessful, "no_unsuccess")
    ] = ()


class DataSM(Pdu, eq=False):
    """data_sm (SMPP v3.4 §4.7.1)."""

    command_id: ClassVar[int] = c.DATA_SM
    name: ClassVar[str] = "data_sm"
    tlvs_defined: ClassVar[bool] = True

    service_type: _ServiceType = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _LongSourceAddr = b""
    dest_addr_ton: _Octet = 0
    dest_addr_npi: _Octet = 0
    destination_addr: _LongDestinationAddr = b""
    esm_class: _Octet = 0
    registered_delivery: _Octet = 0
    data_coding: _Octet = 0


class DataSMResp(Pdu, eq=False):
    """data_sm_resp (SMPP v3.4 §4.7.2)."""

    command_id: ClassVar[int] = c.DATA_SM_RESP
    name: ClassVar[str] = "data_sm_resp"
    tlvs_defined: ClassVar[bool] = True
    tlvs_with_error: ClassVar[bool] = True

    message_id: _ReturnedMessageId = b""


# Operations on a submitted message (SMPP v3.4 §4.8 to §4.10) ---------------------------------------------------------


class QuerySM(Pdu, eq=False):
    """query_sm (SMPP v3.4 §4.8.1)."""

    command_id: ClassVar[int] = c.QUERY_SM
    name: ClassVar[str] = "query_sm"

    message_id: _MessageId = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""


class QuerySMResp(Pdu, eq=False):
    """query_sm_resp (SMPP v3.4 §4.8.2)."""

    command_id: ClassVar[int] = c.QUERY_SM_RESP
    name: ClassVar[str] = "query_sm_resp"

    message_id: _ReturnedMessageId = b""
    final_date: _FinalDate = b""
    message_state: _Octet = 0
    error_code: _Octet = 0


class CancelSM(Pdu, eq=False):
    """cancel_sm (SMPP v3.4 §4.9.1)."""

    command_id: ClassVar[int] = c.CANCEL_SM
    name: ClassVar[str] = "cancel_sm"

    service_type: _ServiceType = b""
    message_id: _MessageId = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""
    dest_addr_ton: _Octet = 0
    dest_addr_npi: _Octet = 0
    destination_addr: _DestinationAddr = b""


class CancelSMResp(Pdu, eq=False):
    """cancel_sm_resp (SMPP v3.4 §4.9.2)."""

    command_id: ClassVar[int] = c.CANCEL_SM_RESP
    name: ClassVar[str] = "cancel_sm_resp"


class ReplaceSM(Pdu, eq=False):
    """replace_sm (SMPP v3.4 §4.10.1; TLVs: v5.0 §4.5.3.1)."""

    command_id: ClassVar[int] = c.REPLACE_SM
    name: ClassVar[str] = "replace_sm"
    tlvs_defined: ClassVar[bool] = True

    message_id: _MessageId = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""
    schedule_delivery_time: _ScheduleDeliveryTime = b""
    validity_period: _ValidityPeriod = b""
    registered_delivery: _Octet = 0
    sm_default_msg_id: _Octet = 0
    short_message: _ShortMessage = b""


class ReplaceSMResp(Pdu, eq=False):
    """replace_sm_resp (SMPP v3.4 §4.10.2)."""

    command_id: ClassVar[int] = c.REPLACE_SM_RESP
    name: ClassVar[str] = "replace_sm_resp"


class AlertNotification(Pdu, eq=False):
    """alert_notification (SMPP v3.4 §4.12.1); it has no response."""

    command_id: ClassVar[int] = c.ALERT_NOTIFICATION
    name: ClassVar[str] = "alert_notification"
    tlvs_defined: ClassVar[bool] = True

    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _LongSourceAddr = b""
    esme_addr_ton: _Octet = 0
    esme_addr_npi: _Octet = 0
    esme_addr: _LongDestinationAddr = b""


# Cell broadcast (SMPP v5.0 §4.4, §4.6) -------------------------------------------------------------------------------


class BroadcastSM(Pdu, eq=False):
    """broadcast_sm (SMPP v5.0 §4.4.1)."""

    command_id: ClassVar[int] = c.BROADCAST_SM
    name: ClassVar[str] = "broadcast_sm"
    tlvs_defined: ClassVar[bool] = True

    service_type: _ServiceType = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""
    message_id: _MessageId = b""
    priority_flag: _Octet = 0
    schedule_delivery_time: _ScheduleDeliveryTime = b""
    validity_period: _ValidityPeriod = b""
    replace_if_present_flag: _Octet = 0
    data_coding: _Octet = 0
    sm_default_msg_id: _Octet = 0


class BroadcastSMResp(Pdu, eq=False):
    """broadcast_sm_resp (SMPP v5.0 §4.4.2)."""

    command_id: ClassVar[int] = c.BROADCAST_SM_RESP
    name: ClassVar[str] = "broadcast_sm_resp"
    tlvs_defined: ClassVar[bool] = True
    tlvs_with_error: ClassVar[bool] = True

    message_id: _ReturnedMessageId = b""


class QueryBroadcastSM(Pdu, eq=False):
    """query_broadcast_sm (SMPP v5.0 §4.6.1)."""

    command_id: ClassVar[int] = c.QUERY_BROADCAST_SM
    name: ClassVar[str] = "query_broadcast_sm"
    tlvs_defined: ClassVar[bool] = True

    message_id: _MessageId = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""


class QueryBroadcastSMResp(Pdu, eq=False):
    """query_broadcast_sm_resp (SMPP v5.0 §4.6.1.3)."""

    command_id: ClassVar[int] = c.QUERY_BROADCAST_SM_RESP
    name: ClassVar[str] = "query_broadcast_sm_resp"
    tlvs_defined: ClassVar[bool] = True

    message_id: _ReturnedMessageId = b""


class CancelBroadcastSM(Pdu, eq=False):
    """cancel_broadcast_sm (SMPP v5.0 §4.6.2)."""

    command_id: ClassVar[int] = c.CANCEL_BROADCAST_SM
    name: ClassVar[str] = "cancel_broadcast_sm"
    tlvs_defined: ClassVar[bool] = True

    service_type: _ServiceType = b""
    message_id: _MessageId = b""
    source_addr_ton: _Octet = 0
    source_addr_npi: _Octet = 0
    source_addr: _SourceAddr = b""


class CancelBroadcastSMResp(Pdu, eq=False):
    """cancel_broadcast_sm_resp (SMPP v5.0 §4.6.2.3)."""

    command_id: ClassVar[int] = c.CANCEL_BROADCAST_SM_RESP
    name: ClassVar[str] = "cancel_broadcast_sm_resp"
