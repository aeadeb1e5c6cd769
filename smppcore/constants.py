"""The numbers of SMPP v3.4 (issue 1.2) and v5.0, with the names and texts to print them by.

Values, names and descriptions are smpplib's wherever smpplib has them; the rest is from the specifications' tables.

Rules: plain ints, because peers send anything and an enum look-up costs ten times a dict look-up (0.43 to 0.04 µs);
no number is ever unknown to a printing function. Layouts, length rules and behaviour must not be here.
"""

from __future__ import annotations

from smpplib import command_codes, consts

# Commands (SMPP v3.4 §5.1.2.1; v5.0 §4.7.5) -------------------------------------------------------------------------

RESPONSE_BIT = 0x80000000
"""Set in every response's command_id."""

GENERIC_NACK: int = command_codes.commands["generic_nack"]
BIND_RECEIVER: int = command_codes.commands["bind_receiver"]
BIND_RECEIVER_RESP: int = command_codes.commands["bind_receiver_resp"]
BIND_TRANSMITTER: int = command_codes.commands["bind_transmitter"]
BIND_TRANSMITTER_RESP: int = command_codes.commands["bind_transmitter_resp"]
QUERY_SM: int = command_codes.commands["query_sm"]
QUERY_SM_RESP: int = command_codes.commands["query_sm_resp"]
SUBMIT_SM: int = command_codes.commands["submit_sm"]
SUBMIT_SM_RESP: int = command_codes.commands["submit_sm_resp"]
DELIVER_SM: int = command_codes.commands["deliver_sm"]
DELIVER_SM_RESP: int = command_codes.commands["deliver_sm_resp"]
UNBIND: int = command_codes.commands["unbind"]
UNBIND_RESP: int = command_codes.commands["unbind_resp"]
REPLACE_SM: int = command_codes.commands["replace_sm"]
REPLACE_SM_RESP: int = command_codes.commands["replace_sm_resp"]
CANCEL_SM: int = command_codes.commands["cancel_sm"]
CANCEL_SM_RESP: int = command_codes.commands["cancel_sm_resp"]
BIND_TRANSCEIVER: int = command_codes.commands["bind_transceiver"]
BIND_TRANSCEIVER_RESP: int = command_codes.commands["bind_transceiver_resp"]
OUTBIND: int = command_codes.commands["outbind"]
ENQUIRE_LINK: int = command_codes.commands["enquire_link"]
ENQUIRE_LINK_RESP: int = command_codes.commands["enquire_link_resp"]
SUBMIT_MULTI: int = command_codes.commands["submit_multi"]
SUBMIT_MULTI_RESP: int = command_codes.commands["submit_multi_resp"]
ALERT_NOTIFICATION: int = command_codes.commands["alert_notification"]
DATA_SM: int = command_codes.commands["data_sm"]
DATA_SM_RESP: int = command_codes.commands["data_sm_resp"]
# v5.0 only:
BROADCAST_SM = 0x00000111
BROADCAST_SM_RESP = 0x80000111
QUERY_BROADCAST_SM = 0x00000112
QUERY_BROADCAST_SM_RESP = 0x80000112
CANCEL_BROADCAST_SM = 0x00000113
CANCEL_BROADCAST_SM_RESP = 0x80000113

_COMMAND_NAMES: dict[int, str] = {number: name for name, number in command_codes.commands.items()} | {
    BROADCAST_SM: "broadcast_sm",
    BROADCAST_SM_RESP: "broadcast_sm_resp",
    QUERY_BROADCAST_SM: "query_broadcast_sm",
    QUERY_BROADCAST_SM_RESP: "query_broadcast_sm_resp",
    CANCEL_BROADCAST_SM: "cancel_broadcast_sm",
    CANCEL_BROADCAST_SM_RESP: "cancel_broadcast_sm_resp",
}

# Statuses (SMPP v3.4 §5.1.3; v5.0 §4.7.6) ----------------------------------------------------------------------------

ESME_ROK: int = consts.SMPP_ESME_ROK
ESME_RINVMSGLEN: int = consts.SMPP_ESME_RINVMSGLEN
ESME_RINVCMDLEN: int = consts.SMPP_ESME_RINVCMDLEN
ESME_RINVCMDID: int = consts.SMPP_ESME_RINVCMDID
ESME_RINVBNDSTS: int = consts.SMPP_ESME_RINVBNDSTS
ESME_RALYBND: int = consts.SMPP_ESME_RALYBND
ESME_RINVPRTFLG: int = consts.SMPP_ESME_RINVPRTFLG
ESME_RINVREGDLVFLG: int = consts.SMPP_ESME_RINVREGDLVFLG
ESME_RSYSERR: int = consts.SMPP_ESME_RSYSERR
ESME_RINVSRCADR: int = consts.SMPP_ESME_RINVSRCADR
ESME_RINVDSTADR: int = consts.SMPP_ESME_RINVDSTADR
ESME_RINVMSGID: int = consts.SMPP_ESME_RINVMSGID
ESME_RBINDFAIL: int = consts.SMPP_ESME_RBINDFAIL
ESME_RINVPASWD: int = consts.SMPP_ESME_RINVPASWD
ESME_RINVSYSID: int = consts.SMPP_ESME_RINVSYSID
ESME_RCANCELFAIL: int = consts.SMPP_ESME_RCANCELFAIL
ESME_RREPLACEFAIL: int = consts.SMPP_ESME_RREPLACEFAIL
ESME_RMSGQFUL: int = consts.SMPP_ESME_RMSGQFUL
ESME_RINVSERTYP: int = consts.SMPP_ESME_RINVSERTYP
ESME_RINVNUMDESTS: int = consts.SMPP_ESME_RINVNUMDESTS
ESME_RINVDLNAME: int = consts.SMPP_ESME_RINVDLNAME
ESME_RINVDESTFLAG: int = consts.SMPP_ESME_RINVDESTFLAG
ESME_RINVSUBREP: int = consts.SMPP_ESME_RINVSUBREP
ESME_RINVESMCLASS: int = consts.SMPP_ESME_RINVESMCLASS
ESME_RCNTSUBDL: int = consts.SMPP_ESME_RCNTSUBDL
ESME_RSUBMITFAIL: int = consts.SMPP_ESME_RSUBMITFAIL
ESME_RINVSRCTON: int = consts.SMPP_ESME_RINVSRCTON
ESME_RINVSRCNPI: int = consts.SMPP_ESME_RINVSRCNPI
ESME_RINVDSTTON: int = consts.SMPP_ESME_RINVDSTTON
ESME_RINVDSTNPI: int = consts.SMPP_ESME_RINVDSTNPI
ESME_RINVSYSTYP: int = consts.SMPP_ESME_RINVSYSTYP
ESME_RINVREPFLAG: int = consts.SMPP_ESME_RINVREPFLAG
ESME_RINVNUMMSGS: int = consts.SMPP_ESME_RINVNUMMSGS
ESME_RTHROTTLED: int = consts.SMPP_ESME_RTHROTTLED
ESME_RINVSCHED: int = consts.SMPP_ESME_RINVSCHED
ESME_RINVEXPIRY: int = consts.SMPP_ESME_RINVEXPIRY
ESME_RINVDFTMSGID: int = consts.SMPP_ESME_RINVDFTMSGID
ESME_RX_T_APPN: int = consts.SMPP_ESME_RX_T_APPN
ESME_RX_P_APPN: int = consts.SMPP_ESME_RX_P_APPN
ESME_RX_R_APPN: int = consts.SMPP_ESME_RX_R_APPN
ESME_RQUERYFAIL: int = consts.SMPP_ESME_RQUERYFAIL
ESME_RINVOPTPARSTREAM: int = consts.SMPP_ESME_RINVOPTPARSTREAM
ESME_ROPTPARNOTALLWD: int = consts.SMPP_ESME_ROPTPARNOTALLWD
ESME_RINVPARLEN: int = consts.SMPP_ESME_RINVPARLEN
ESME_RMISSINGOPTPARAM: int = consts.SMPP_ESME_RMISSINGOPTPARAM
ESME_RINVOPTPARAMVAL: int = consts.SMPP_ESME_RINVOPTPARAMVAL
ESME_RDELIVERYFAILURE: int = consts.SMPP_ESME_RDELIVERYFAILURE
ESME_RUNKNOWNERR: int = consts.SMPP_ESME_RUNKNOWNERR
# v5.0 only:
ESME_RSERTYPUNAUTH = 0x00000100
ESME_RPROHIBITED = 0x00000101
ESME_RSERTYPUNAVAIL = 0x00000102
ESME_RSERTYPDENIED = 0x00000103
ESME_RINVDCS = 0x00000104
ESME_RINVSRCADDRSUBUNIT = 0x00000105
ESME_RINVDSTADDRSUBUNIT = 0x00000106
ESME_RINVBCASTFREQINT = 0x00000107
ESME_RINVBCASTALIAS_NAME = 0x00000108
ESME_RINVBCASTAREAFMT = 0x00000109
ESME_RINVNUMBCAST_AREAS = 0x0000010A
ESME_RINVBCASTCNTTYPE = 0x0000010B
ESME_RINVBCASTMSGCLASS = 0x0000010C
ESME_RBCASTFAIL = 0x0000010D
ESME_RBCASTQUERYFAIL = 0x0000010E
ESME_RBCASTCANCELFAIL = 0x0000010F
ESME_RINVBCAST_REP = 0x00000110
ESME_RINVBCASTSRVGRP = 0x00000111
ESME_RINVBCASTCHANIND = 0x00000112

_STATUS_NAMES: dict[int, str] = {
    number: name for name, number in globals().items() if name.startswith("ESME_R") and isinstance(number, int)
}

_STATUS_NUMBERS = {name: number for number, name in _STATUS_NAMES.items()}

_STATUS_TEXTS: dict[int, str] = consts.DESCRIPTIONS | {
    ESME_RINVREGDLVFLG: "Invalid Registered Delivery Flag",  # smpplib: "<Desc Not Set>"
    ESME_RSERTYPUNAUTH: "ESME not authorised to use specified service_type",
    ESME_RPROHIBITED: "ESME prohibited from using specified operation",
    ESME_RSERTYPUNAVAIL: "Specified service_type is unavailable",
    ESME_RSERTYPDENIED: "Specified service_type is denied",
    ESME_RINVDCS: "Invalid Data Coding Scheme",
    ESME_RINVSRCADDRSUBUNIT: "Source Address Sub unit is invalid",
    ESME_RINVDSTADDRSUBUNIT: "Destination Address Sub unit is invalid",
    ESME_RINVBCASTFREQINT: "Broadcast Frequency Interval is invalid",
    ESME_RINVBCASTALIAS_NAME: "Broadcast Alias Name is invalid",
    ESME_RINVBCASTAREAFMT: "Broadcast Area Format is invalid",
    ESME_RINVNUMBCAST_AREAS: "Number of Broadcast Areas is invalid",
    ESME_RINVBCASTCNTTYPE: "Broadcast Content Type is invalid",
    ESME_RINVBCASTMSGCLASS: "Broadcast Message Class is invalid",
    ESME_RBCASTFAIL: "broadcast_sm operation failed",
    ESME_RBCASTQUERYFAIL: "query_broadcast_sm operation failed",
    ESME_RBCASTCANCELFAIL: "cancel_broadcast_sm operation failed",
    ESME_RINVBCAST_REP: "Number of Repeated Broadcasts is invalid",
    ESME_RINVBCASTSRVGRP: "Broadcast Service Group is invalid",
    ESME_RINVBCASTCHANIND: "Broadcast Channel Indicator is invalid",
}

# TLV tags (SMPP v3.4 §5.3.2; v5.0 §4.8.1) ----------------------------------------------------------------------------

TAG_DEST_ADDR_SUBUNIT: int = consts.OPTIONAL_PARAMS["dest_addr_subunit"]
TAG_DEST_NETWORK_TYPE: int = consts.OPTIONAL_PARAMS["dest_network_type"]
TAG_DEST_BEARER_TYPE: int = consts.OPTIONAL_PARAMS["dest_bearer_type"]
TAG_DEST_TELEMATICS_ID: int = consts.OPTIONAL_PARAMS["dest_telematics_id"]
TAG_SOURCE_ADDR_SUBUNIT: int = consts.OPTIONAL_PARAMS["source_addr_subunit"]
TAG_SOURCE_NETWORK_TYPE: int = consts.OPTIONAL_PARAMS["source_network_type"]
TAG_SOURCE_BEARER_TYPE: int = consts.OPTIONAL_PARAMS["source_bearer_type"]
TAG_SOURCE_TELEMATICS_ID: int = consts.OPTIONAL_PARAMS["source_telematics_id"]
TAG_QOS_TIME_TO_LIVE: int = consts.OPTIONAL_PARAMS["qos_time_to_live"]
TAG_PAYLOAD_TYPE: int = consts.OPTIONAL_PARAMS["payload_type"]
TAG_ADDITIONAL_STATUS_INFO_TEXT: int = consts.OPTIONAL_PARAMS["additional_status_info_text"]
TAG_RECEIPTED_MESSAGE_ID: int = consts.OPTIONAL_PARAMS["receipted_message_id"]
TAG_MS_MSG_WAIT_FACILITIES: int = consts.OPTIONAL_PARAMS["ms_msg_wait_facilities"]
TAG_PRIVACY_INDICATOR: int = consts.OPTIONAL_PARAMS["privacy_indicator"]
TAG_SOURCE_SUBADDRESS: int = consts.OPTIONAL_PARAMS["source_subaddress"]
TAG_DEST_SUBADDRESS: int = consts.OPTIONAL_PARAMS["dest_subaddress"]
TAG_USER_MESSAGE_REFERENCE: int = consts.OPTIONAL_PARAMS["user_message_reference"]
TAG_USER_RESPONSE_CODE: int = consts.OPTIONAL_PARAMS["user_response_code"]
TAG_SOURCE_PORT: int = consts.OPTIONAL_PARAMS["source_port"]
TAG_DESTINATION_PORT: int = consts.OPTIONAL_PARAMS["destination_port"]
TAG_SAR_MSG_REF_NUM: int = consts.OPTIONAL_PARAMS["sar_msg_ref_num"]
TAG_LANGUAGE_INDICATOR: int = consts.OPTIONAL_PARAMS["language_indicator"]
TAG_SAR_TOTAL_SEGMENTS: int = consts.OPTIONAL_PARAMS["sar_total_segments"]
TAG_SAR_SEGMENT_SEQNUM: int = consts.OPTIONAL_PARAMS["sar_segment_seqnum"]
TAG_SC_INTERFACE_VERSION: int = consts.OPTIONAL_PARAMS["sc_interface_version"]
TAG_CALLBACK_NUM_PRES_IND: int = consts.OPTIONAL_PARAMS["callback_num_pres_ind"]
TAG_CALLBACK_NUM_ATAG: int = consts.OPTIONAL_PARAMS["callback_num_atag"]
TAG_NUMBER_OF_MESSAGES: int = consts.OPTIONAL_PARAMS["number_of_messages"]
TAG_CALLBACK_NUM: int = consts.OPTIONAL_PARAMS["callback_num"]
TAG_DPF_RESULT: int = consts.OPTIONAL_PARAMS["dpf_result"]
TAG_SET_DPF: int = consts.OPTIONAL_PARAMS["set_dpf"]
TAG_MS_AVAILABILITY_STATUS: int = consts.OPTIONAL_PARAMS["ms_availability_status"]
TAG_NETWORK_ERROR_CODE: int = consts.OPTIONAL_PARAMS["network_error_code"]
TAG_MESSAGE_PAYLOAD: int = consts.OPTIONAL_PARAMS["message_payload"]
TAG_DELIVERY_FAILURE_REASON: int = consts.OPTIONAL_PARAMS["delivery_failure_reason"]
TAG_MORE_MESSAGES_TO_SEND: int = consts.OPTIONAL_PARAMS["more_messages_to_send"]
TAG_MESSAGE_STATE: int = consts.OPTIONAL_PARAMS["message_state"]
TAG_USSD_SERVICE_OP: int = consts.OPTIONAL_PARAMS["ussd_service_op"]
TAG_DISPLAY_TIME: int = consts.OPTIONAL_PARAMS["display_time"]
TAG_SMS_SIGNAL: int = consts.OPTIONAL_PARAMS["sms_signal"]
TAG_MS_VALIDITY: int = consts.OPTIONAL_PARAMS["ms_validity"]
TAG_ALERT_ON_MESSAGE_DELIVERY: int = consts.OPTIONAL_PARAMS["alert_on_message_delivery"]
TAG_ITS_REPLY_TYPE: int = consts.OPTIONAL_PARAMS["its_reply_type"]
TAG_ITS_SESSION_INFO: int = consts.OPTIONAL_PARAMS["its_session_info"]
# v5.0 only:
TAG_CONGESTION_STATE = 0x0428
TAG_BROADCAST_CHANNEL_INDICATOR = 0x0600
TAG_BROADCAST_CONTENT_TYPE = 0x0601
TAG_BROADCAST_CONTENT_TYPE_INFO = 0x0602
TAG_BROADCAST_MESSAGE_CLASS = 0x0603
TAG_BROADCAST_REP_NUM = 0x0604
TAG_BROADCAST_FREQUENCY_INTERVAL = 0x0605
TAG_BROADCAST_AREA_IDENTIFIER = 0x0606
TAG_BROADCAST_ERROR_STATUS = 0x0607
TAG_BROADCAST_AREA_SUCCESS = 0x0608
TAG_BROADCAST_END_TIME = 0x0609
TAG_BROADCAST_SERVICE_GROUP = 0x060A
TAG_BILLING_IDENTIFICATION = 0x060B
TAG_SOURCE_NETWORK_ID = 0x060D
TAG_DEST_NETWORK_ID = 0x060E
TAG_SOURCE_NODE_ID = 0x060F
TAG_DEST_NODE_ID = 0x0610
TAG_DEST_ADDR_NP_RESOLUTION = 0x0611
TAG_DEST_ADDR_NP_INFORMATION = 0x0612
TAG_DEST_ADDR_NP_COUNTRY = 0x0613

_TAG_NAMES: dict[int, str] = {
    number: name.removeprefix("TAG_").lower()
    for name, number in globals().items()
    if name.startswith("TAG_") and isinstance(number, int)
}

# Versions (SMPP v3.4 §5.2.4; v5.0 §4.7.13) ---------------------------------------------------------------------------

VERSION_33: int = consts.SMPP_VERSION_33
VERSION_34: int = consts.SMPP_VERSION_34
VERSION_50 = 0x50

# Addresses (SMPP v3.4 §5.2.5, §5.2.6) --------------------------------------------------------------------------------

TON_UNKNOWN: int = consts.SMPP_TON_UNK
TON_INTERNATIONAL: int = consts.SMPP_TON_INTL
TON_NATIONAL: int = consts.SMPP_TON_NATNL
TON_NETWORK_SPECIFIC: int = consts.SMPP_TON_NWSPEC
TON_SUBSCRIBER: int = consts.SMPP_TON_SBSCR
TON_ALPHANUMERIC: int = consts.SMPP_TON_ALNUM
TON_ABBREVIATED: int = consts.SMPP_TON_ABBREV

NPI_UNKNOWN: int = consts.SMPP_NPI_UNK
NPI_ISDN: int = consts.SMPP_NPI_ISDN
NPI_DATA: int = consts.SMPP_NPI_DATA
NPI_TELEX: int = consts.SMPP_NPI_TELEX
NPI_LAND_MOBILE: int = consts.SMPP_NPI_LNDMBL
NPI_NATIONAL: int = consts.SMPP_NPI_NATNL
NPI_PRIVATE: int = consts.SMPP_NPI_PRVT
NPI_ERMES: int = consts.SMPP_NPI_ERMES
NPI_INTERNET: int = consts.SMPP_NPI_IP
NPI_WAP: int = consts.SMPP_NPI_WAP

# dest_flag of submit_multi (SMPP v3.4 §5.2.25)
DEST_FLAG_SME_ADDRESS = 1
DEST_FLAG_DISTRIBUTION_LIST = 2

# esm_class (SMPP v3.4 §5.2.12; conversation abort and intermediate notification: deliver_sm only) --------------------

ESM_MODE_MASK = 0x03
ESM_MODE_DEFAULT: int = consts.SMPP_MSGMODE_DEFAULT
ESM_MODE_DATAGRAM: int = consts.SMPP_MSGMODE_DATAGRAM
ESM_MODE_TRANSACTION: int = consts.SMPP_MSGMODE_FORWARD
ESM_MODE_STORE_AND_FORWARD: int = consts.SMPP_MSGMODE_STOREFORWARD
ESM_TYPE_MASK = 0x3C
ESM_TYPE_DEFAULT: int = consts.SMPP_MSGTYPE_DEFAULT
ESM_TYPE_RECEIPT = 0x04
ESM_TYPE_DELIVERY_ACK: int = consts.SMPP_MSGTYPE_DELIVERYACK
ESM_TYPE_USER_ACK: int = consts.SMPP_MSGTYPE_USERACK
ESM_TYPE_CONVERSATION_ABORT = 0x18
ESM_TYPE_INTERMEDIATE = 0x20
ESM_UDHI: int = consts.SMPP_GSMFEAT_UDHI
ESM_REPLY_PATH: int = consts.SMPP_GSMFEAT_REPLYPATH

# registered_delivery (SMPP v3.4 §5.2.17; success only: v5.0 §4.7.21) --------------------------------------------------

RECEIPT_MASK: int = consts.SMPP_SMSC_DELIVERY_RECEIPT_BITMASK
RECEIPT_NONE: int = consts.SMPP_SMSC_DELIVERY_RECEIPT_NONE
RECEIPT_FINAL: int = consts.SMPP_SMSC_DELIVERY_RECEIPT_BOTH
RECEIPT_ON_FAILURE: int = consts.SMPP_SMSC_DELIVERY_RECEIPT_FAILURE
RECEIPT_ON_SUCCESS = 0x03
SME_ACK_MASK: int = consts.SMPP_SME_ACK_BITMASK
INTERMEDIATE_NOTIFICATION: int = consts.SMPP_INT_NOTIFICATION_REQUESTED

# data_coding (SMPP v3.4 §5.2.19) -------------------------------------------------------------------------------------

DATA_CODING_DEFAULT: int = consts.SMPP_ENCODING_DEFAULT
DATA_CODING_ASCII: int = consts.SMPP_ENCODING_IA5
DATA_CODING_BINARY_ALIAS: int = consts.SMPP_ENCODING_BINARY
DATA_CODING_LATIN1: int = consts.SMPP_ENCODING_ISO88591
DATA_CODING_BINARY: int = consts.SMPP_ENCODING_BINARY2
DATA_CODING_JIS: int = consts.SMPP_ENCODING_JIS
DATA_CODING_CYRILLIC: int = consts.SMPP_ENCODING_ISO88595
DATA_CODING_HEBREW: int = consts.SMPP_ENCODING_ISO88598
DATA_CODING_UCS2: int = consts.SMPP_ENCODING_ISO10646
DATA_CODING_PICTOGRAM: int = consts.SMPP_ENCODING_PICTOGRAM
DATA_CODING_ISO2022JP: int = consts.SMPP_ENCODING_ISO2022JP
DATA_CODING_EXTENDED_JIS: int = consts.SMPP_ENCODING_EXTJIS
DATA_CODING_KSC5601: int = consts.SMPP_ENCODING_KSC5601

# message_state (SMPP v3.4 §5.2.28; v5.0 §4.7.15) ---------------------------------------------------------------------

STATE_SCHEDULED = 0  # v5.0
STATE_ENROUTE: int = consts.SMPP_MESSAGE_STATE_ENROUTE
STATE_DELIVERED: int = consts.SMPP_MESSAGE_STATE_DELIVERED
STATE_EXPIRED: int = consts.SMPP_MESSAGE_STATE_EXPIRED
STATE_DELETED: int = consts.SMPP_MESSAGE_STATE_DELETED
STATE_UNDELIVERABLE: int = consts.SMPP_MESSAGE_STATE_UNDELIVERABLE
STATE_ACCEPTED: int = consts.SMPP_MESSAGE_STATE_ACCEPTED
STATE_UNKNOWN: int = consts.SMPP_MESSAGE_STATE_UNKNOWN
STATE_REJECTED: int = consts.SMPP_MESSAGE_STATE_REJECTED
STATE_SKIPPED = 9  # v5.0

_STATE_NAMES: dict[int, str] = {
    number: name.removeprefix("STATE_")
    for name, number in globals().items()
    if name.startswith("STATE_") and isinstance(number, int)
}


def status_name(command_status: int) -> str:
    """The specification's name of a status ("ESME_RTHROTTLED"); one that it does not define as "0x00000400"."""
    return _STATUS_NAMES.get(command_status) or f"0x{command_status:08X}"


def status_number(name: str) -> int | None:
    """The status that is written by its name ("ESME_RTHROTTLED") or number ("0x58", "88"); None if it is neither."""
    number = _STATUS_NUMBERS.get(name)
    if number is None:
        try:
            number = int(name, 0)
        except ValueError:
            return None
    return number if 0 <= number <= 0xFFFFFFFF else None


def status_text(command_status: int) -> str:
    """A status in words ("Throttling error …"), also for vendors' and unknown ones."""
    text = _STATUS_TEXTS.get(command_status)
    if text is not None:
        return text
    if 0x400 <= command_status <= 0x4FF:  # SMPP v3.4 §5.1.3, Table 5-2
        return "SMSC vendor specific error"
    return "Error that the specification does not define"


def command_name(command_id: int) -> str:
    """The name of a command ("submit_sm"); an unknown one as "0x00010200"."""
    return _COMMAND_NAMES.get(command_id) or f"0x{command_id:08X}"


def tag_name(tag: int) -> str:
    """The name of a TLV ("message_payload"); an unknown or vendor's one as "0x1400"."""
    return _TAG_NAMES.get(tag) or f"0x{tag:04X}"


def state_name(message_state: int) -> str:
    """The name of a message_state ("DELIVERED"); an unknown one as "0x2A"."""
    return _STATE_NAMES.get(message_state) or f"0x{message_state:02X}"
