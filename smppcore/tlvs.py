"""How long the value of each defined TLV is, which values it may not have, and in which requests it may stand.

Rules: names are in `constants`; every TLV of v3.4 (§5.3.2) and v5.0 (§4.8.4) is here, with the wider length where the
two differ and in every request where one of them has it; a TLV that is not here may be anything, anywhere. Reading,
writing and meanings must not be here.
"""

from __future__ import annotations

from typing import NamedTuple

from smppcore import constants as c


class TlvRule(NamedTuple):
    """How long a TLV's value is, in octets."""

    shortest: int
    longest: int


_OCTET = TlvRule(1, 1)
_TWO_OCTETS = TlvRule(2, 2)
_ANY = TlvRule(0, 0xFFFF)
_SUBADDRESS = TlvRule(2, 23)
_NETWORK_ID = TlvRule(7, 66)  # v5.0 §4.8.4.22: 7 to 65; its NUL is counted by some
_NODE_ID = TlvRule(6, 6)

TLV_RULES: dict[int, TlvRule] = {
    c.TAG_DEST_ADDR_SUBUNIT: _OCTET,
    c.TAG_DEST_NETWORK_TYPE: _OCTET,
    c.TAG_DEST_BEARER_TYPE: _OCTET,
    c.TAG_DEST_TELEMATICS_ID: _TWO_OCTETS,
    c.TAG_SOURCE_ADDR_SUBUNIT: _OCTET,
    c.TAG_SOURCE_NETWORK_TYPE: _OCTET,
    c.TAG_SOURCE_BEARER_TYPE: _OCTET,
    c.TAG_SOURCE_TELEMATICS_ID: TlvRule(1, 2),  # v3.4 §5.3.2.8: 1; many follow dest_telematics_id
    c.TAG_QOS_TIME_TO_LIVE: TlvRule(4, 4),
    c.TAG_PAYLOAD_TYPE: _OCTET,
    c.TAG_ADDITIONAL_STATUS_INFO_TEXT: TlvRule(1, 256),
    c.TAG_RECEIPTED_MESSAGE_ID: TlvRule(0, 65),  # the NUL is left out by many
    c.TAG_MS_MSG_WAIT_FACILITIES: _OCTET,
    c.TAG_PRIVACY_INDICATOR: _OCTET,
    c.TAG_SOURCE_SUBADDRESS: _SUBADDRESS,
    c.TAG_DEST_SUBADDRESS: _SUBADDRESS,
    c.TAG_USER_MESSAGE_REFERENCE: _TWO_OCTETS,
    c.TAG_USER_RESPONSE_CODE: _OCTET,
    c.TAG_SOURCE_PORT: _TWO_OCTETS,
    c.TAG_DESTINATION_PORT: _TWO_OCTETS,
    c.TAG_SAR_MSG_REF_NUM: _TWO_OCTETS,
    c.TAG_LANGUAGE_INDICATOR: _OCTET,
    c.TAG_SAR_TOTAL_SEGMENTS: _OCTET,
    c.TAG_SAR_SEGMENT_SEQNUM: _OCTET,
    c.TAG_SC_INTERFACE_VERSION: _OCTET,
    c.TAG_CALLBACK_NUM_PRES_IND: TlvRule(1, 1),
    c.TAG_CALLBACK_NUM_ATAG: TlvRule(0, 65),
    c.TAG_NUMBER_OF_MESSAGES: _OCTET,
    c.TAG_CALLBACK_NUM: TlvRule(4, 19),
    c.TAG_DPF_RESULT: _OCTET,
    c.TAG_SET_DPF: _OCTET,
    c.TAG_MS_AVAILABILITY_STATUS: _OCTET,
    c.TAG_NETWORK_ERROR_CODE: TlvRule(3, 3),
    c.TAG_MESSAGE_PAYLOAD: _ANY,
    c.TAG_DELIVERY_FAILURE_REASON: _OCTET,
    c.TAG_MORE_MESSAGES_TO_SEND: _OCTET,
    c.TAG_MESSAGE_STATE: _OCTET,
    c.TAG_CONGESTION_STATE: _OCTET,
    c.TAG_USSD_SERVICE_OP: _OCTET,
    c.TAG_BROADCAST_CHANNEL_INDICATOR: _OCTET,
    c.TAG_BROADCAST_CONTENT_TYPE: TlvRule(3, 3),
    c.TAG_BROADCAST_CONTENT_TYPE_INFO: TlvRule(0, 255),
    c.TAG_BROADCAST_MESSAGE_CLASS: _OCTET,
    c.TAG_BROADCAST_REP_NUM: _TWO_OCTETS,
    c.TAG_BROADCAST_FREQUENCY_INTERVAL: TlvRule(3, 3),
    c.TAG_BROADCAST_AREA_IDENTIFIER: TlvRule(1, 0xFFFF),
    c.TAG_BROADCAST_ERROR_STATUS: TlvRule(4, 4),
    c.TAG_BROADCAST_AREA_SUCCESS: TlvRule(1, 1),
    c.TAG_BROADCAST_END_TIME: TlvRule(16, 17),  # a C-octet string of 17; the NUL is left out by some
    c.TAG_BROADCAST_SERVICE_GROUP: TlvRule(1, 255),
    c.TAG_BILLING_IDENTIFICATION: TlvRule(1, 1024),
    c.TAG_SOURCE_NETWORK_ID: _NETWORK_ID,
    c.TAG_DEST_NETWORK_ID: _NETWORK_ID,
    c.TAG_SOURCE_NODE_ID: _NODE_ID,
    c.TAG_DEST_NODE_ID: _NODE_ID,
    c.TAG_DEST_ADDR_NP_RESOLUTION: _OCTET,
    c.TAG_DEST_ADDR_NP_INFORMATION: TlvRule(10, 10),
    c.TAG_DEST_ADDR_NP_COUNTRY: TlvRule(1, 5),
    c.TAG_DISPLAY_TIME: _OCTET,
    c.TAG_SMS_SIGNAL: _TWO_OCTETS,
    c.TAG_MS_VALIDITY: TlvRule(1, 4),  # v3.4 §5.3.2.27: 1; v5.0: 4 with a relative time
    c.TAG_ALERT_ON_MESSAGE_DELIVERY: TlvRule(0, 1),  # v3.4 §5.3.2.41: 0; v5.0: 0 or 1
    c.TAG_ITS_REPLY_TYPE: _OCTET,
    c.TAG_ITS_SESSION_INFO: _TWO_OCTETS,
}
"""Every TLV that the specifications define, by tag."""

TLV_VALUES: dict[int, range] = {
    c.TAG_NUMBER_OF_MESSAGES: range(100),  # SMPP v3.4 §5.3.2.39
    c.TAG_CALLBACK_NUM: range(2),  # the digit mode (§5.3.2.36)
}
"""What the first octet may be, where all else is invalid; a value that is only reserved stands for the default."""

# SMPP v3.4 §4.4.1 (Table 4-12), §4.5.1, §4.7.1, §4.10.1, v5.0 §4.2.4 and §4.4.1, §4.6.1
_SUBMISSION = frozenset(
    (
        c.TAG_DEST_ADDR_SUBUNIT,
        c.TAG_SOURCE_ADDR_SUBUNIT,
        c.TAG_PAYLOAD_TYPE,
        c.TAG_MS_MSG_WAIT_FACILITIES,
        c.TAG_PRIVACY_INDICATOR,
        c.TAG_SOURCE_SUBADDRESS,
        c.TAG_DEST_SUBADDRESS,
        c.TAG_USER_MESSAGE_REFERENCE,
        c.TAG_SOURCE_PORT,
        c.TAG_DESTINATION_PORT,
        c.TAG_SAR_MSG_REF_NUM,
        c.TAG_LANGUAGE_INDICATOR,
        c.TAG_SAR_TOTAL_SEGMENTS,
        c.TAG_SAR_SEGMENT_SEQNUM,
        c.TAG_CALLBACK_NUM_PRES_IND,
        c.TAG_CALLBACK_NUM_ATAG,
        c.TAG_CALLBACK_NUM,
        c.TAG_MESSAGE_PAYLOAD,
        c.TAG_DISPLAY_TIME,
        c.TAG_SMS_SIGNAL,
        c.TAG_MS_VALIDITY,
        c.TAG_ALERT_ON_MESSAGE_DELIVERY,
        # Message submission request TLVs of v5.0 §4.2.4
        c.TAG_BILLING_IDENTIFICATION,
        c.TAG_DEST_ADDR_NP_COUNTRY,
        c.TAG_DEST_ADDR_NP_INFORMATION,
        c.TAG_DEST_ADDR_NP_RESOLUTION,
        c.TAG_DEST_BEARER_TYPE,
        c.TAG_DEST_NETWORK_ID,
        c.TAG_DEST_NETWORK_TYPE,
        c.TAG_DEST_NODE_ID,
        c.TAG_DEST_TELEMATICS_ID,
        c.TAG_ITS_REPLY_TYPE,
        c.TAG_ITS_SESSION_INFO,
        c.TAG_MORE_MESSAGES_TO_SEND,
        c.TAG_NUMBER_OF_MESSAGES,
        c.TAG_QOS_TIME_TO_LIVE,
        c.TAG_SET_DPF,
        c.TAG_SOURCE_BEARER_TYPE,
        c.TAG_SOURCE_NETWORK_ID,
        c.TAG_SOURCE_NETWORK_TYPE,
        c.TAG_SOURCE_NODE_ID,
        c.TAG_SOURCE_TELEMATICS_ID,
        c.TAG_USER_RESPONSE_CODE,
        c.TAG_USSD_SERVICE_OP,
    )
)
_BROADCAST = frozenset(
    (
        c.TAG_BROADCAST_CHANNEL_INDICATOR,
        c.TAG_BROADCAST_CONTENT_TYPE,
        c.TAG_BROADCAST_CONTENT_TYPE_INFO,
        c.TAG_BROADCAST_MESSAGE_CLASS,
        c.TAG_BROADCAST_REP_NUM,
        c.TAG_BROADCAST_FREQUENCY_INTERVAL,
        c.TAG_BROADCAST_AREA_IDENTIFIER,
        c.TAG_BROADCAST_SERVICE_GROUP,
    )
)

ALLOWED_TLVS: dict[int, frozenset[int]] = {
    c.SUBMIT_SM: _SUBMISSION,
    c.SUBMIT_MULTI: _SUBMISSION,
    c.DATA_SM: _SUBMISSION
    | {
        c.TAG_RECEIPTED_MESSAGE_ID,
        c.TAG_MESSAGE_STATE,
        c.TAG_NETWORK_ERROR_CODE,
        c.TAG_DPF_RESULT,
        c.TAG_MS_AVAILABILITY_STATUS,
    },
    c.REPLACE_SM: frozenset((c.TAG_MESSAGE_PAYLOAD,)),
    c.QUERY_SM: frozenset(),
    c.CANCEL_SM: frozenset(),
    c.BROADCAST_SM: _SUBMISSION | _BROADCAST,
}
"""The TLVs that may stand in each request of an ESME that is judged."""
