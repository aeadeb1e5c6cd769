"""What values mean, in words: the specifications' tables for people.

Rules: a value always gets its words from its own octets; "" where the value says all there is to say. Nothing raises.
Judging whether a value is allowed is `judge`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smppcore import constants as c
from smppcore.udh import IE_CONCATENATION_8, IE_CONCATENATION_16, IE_PORTS_8, IE_PORTS_16
from smppcore.validation import is_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RESERVED: Final = "reserved"

_TONS: Final = (
    "unknown",
    "international",
    "national",
    "network specific",
    "subscriber number",
    "alphanumeric",
    "abbreviated",
)
_NPIS: Final = {
    0: "unknown",
    1: "ISDN (E.163/E.164)",
    3: "data (X.121)",
    4: "telex (F.69)",
    6: "land mobile (E.212)",
    8: "national",
    9: "private",
    10: "ERMES",
    14: "internet (IP)",
    18: "WAP client id",
}
_MODES: Final = ("default mode", "datagram mode", "transaction mode", "store and forward mode")
_TYPES: Final = {
    c.ESM_TYPE_DEFAULT: "",
    c.ESM_TYPE_RECEIPT: "delivery receipt",
    c.ESM_TYPE_DELIVERY_ACK: "delivery acknowledgement",
    c.ESM_TYPE_USER_ACK: "manual/user acknowledgement",
    c.ESM_TYPE_CONVERSATION_ABORT: "conversation abort",
    c.ESM_TYPE_INTERMEDIATE: "intermediate notification",
}
_RECEIPTS: Final = ("no receipt", "receipt wanted", "receipt wanted on failure", "receipt wanted on success")
_ACKS: Final = ("", "delivery acknowledgement wanted", "user acknowledgement wanted", "both acknowledgements wanted")
_CODINGS: Final = {
    0x00: "the SMSC's default alphabet",
    0x01: "ASCII (IA5)",
    0x02: "8-bit binary",
    0x03: "Latin-1",
    0x04: "8-bit binary",
    0x05: "JIS",
    0x06: "Cyrillic (ISO 8859-5)",
    0x07: "Latin/Hebrew (ISO 8859-8)",
    0x08: "UCS-2",
    0x09: "pictogram",
    0x0A: "ISO-2022-JP",
    0x0D: "extended Kanji JIS",
    0x0E: "KS C 5601",
    0x18: "reserved, in practice UCS-2, class 0 (flash)",
}
_CLASSES: Final = ("class 0 (flash)", "class 1 (handset)", "class 2 (SIM)", "class 3 (terminal)")
_WAITING: Final = ("voicemail", "fax", "e-mail", "other")
_PRIORITIES: Final = ("lowest", "1", "2", "highest")
_ABSENT_TIME: Final = {
    "schedule_delivery_time": "at once",
    "validity_period": "the SMSC's default",
    "final_date": "not final yet",
}


def data_coding(value: int) -> str:
    """Say what a data_coding is (SMPP v3.4 §5.2.19; GSM groups: 3GPP TS 23.038 §4)."""
    known = _CODINGS.get(value)
    if known is not None:
        return known
    if value & 0xE0 == 0xC0:  # 0xC0 … 0xDF
        state = "active" if value & 0x08 else "inactive"
        return f"GSM message waiting, {_WAITING[value & 3]} {state}, {'store' if value & 0x10 else 'discard'}"
    if value & 0xF0 == 0xF0:
        return f"GSM {'8-bit data' if value & 0x04 else '7-bit'}, {_CLASSES[value & 3]}"
    return RESERVED


def esm_class(value: int) -> str:
    """Say what an esm_class's bits are (SMPP v3.4 §5.2.12)."""
    words = [_MODES[value & c.ESM_MODE_MASK], _TYPES.get(value & c.ESM_TYPE_MASK, "reserved type")]
    words += [
        "UDHI: a user data header" if value & c.ESM_UDHI else "",
        "reply path" if value & c.ESM_REPLY_PATH else "",
    ]
    return _joined(words)


def registered_delivery(value: int) -> str:
    """Say what a registered_delivery's bits are (SMPP v3.4 §5.2.17; success only: v5.0 §4.7.21)."""
    words = [_RECEIPTS[value & c.RECEIPT_MASK], _ACKS[(value & c.SME_ACK_MASK) >> 2]]
    words += ["intermediate notification wanted" if value & c.INTERMEDIATE_NOTIFICATION else ""]
    words += ["reserved bits set" if value & 0xE0 else ""]
    return _joined(words)


def status(value: int) -> str:
    """Say what a command_status is."""
    return f"{c.status_name(value)}: {c.status_text(value)}"


def time(value: bytes) -> str:
    """Say what a time is (SMPP v3.4 §7.1.1); "not a time" for what is none."""
    if not value or not is_time(value):
        return "not a time" if value else ""
    text = value.decode("ascii")
    if text.endswith("R"):
        units = ("y", "mo", "d", "h", "min", "s")
        parts = [
            f"{int(text[2 * n : 2 * n + 2])} {unit}" for n, unit in enumerate(units) if text[2 * n : 2 * n + 2] != "00"
        ]
        return "relative: in " + (" ".join(parts) or "0 s")
    year = int(text[:2]) + (1900 if int(text[:2]) >= 38 else 2000)
    quarters = int(text[13:15])
    offset = f"{text[15]}{quarters // 4:02}:{quarters % 4 * 15:02}"
    return f"{year}-{text[2:4]}-{text[4:6]} {text[6:8]}:{text[8:10]}:{text[10:12]}.{text[12]} {offset}"


def _ton(value: int) -> str:
    return _TONS[value] if value < len(_TONS) else RESERVED


def _npi(value: int) -> str:
    return _NPIS.get(value, RESERVED)


def _version(value: int) -> str:
    return f"v{value >> 4}.{value & 15}" if value in (0x33, 0x34, 0x50) else "before v3.4" if value < 0x33 else RESERVED


def _protocol_id(value: int) -> str:
    if value == 0:
        return ""
    if 0x41 <= value <= 0x47:
        return f"replace short message type {value - 0x40}"
    return {0x40: "short message type 0 (silent)", 0x7F: "SIM data download"}.get(value, "")


_INTEGERS: Final[Mapping[str, Callable[[int], str]]] = {
    "command_id": c.command_name,
    "command_status": status,
    "error_status_code": status,
    "interface_version": _version,
    "addr_ton": _ton,
    "addr_npi": _npi,
    "source_addr_ton": _ton,
    "source_addr_npi": _npi,
    "dest_addr_ton": _ton,
    "dest_addr_npi": _npi,
    "esme_addr_ton": _ton,
    "esme_addr_npi": _npi,
    "esm_class": esm_class,
    "protocol_id": _protocol_id,
    "priority_flag": lambda value: (
        _PRIORITIES[value] if value < 4 else "cell broadcast (v5.0)" if value == 4 else RESERVED
    ),
    "registered_delivery": registered_delivery,
    "replace_if_present_flag": lambda value: ("do not replace", "replace")[value] if value < 2 else RESERVED,
    "data_coding": data_coding,
    "sm_default_msg_id": lambda value: f"predefined message {value}" if value else "none",
    "message_state": c.state_name,
    "dest_flag": lambda value: {1: "an address", 2: "a distribution list"}.get(value, RESERVED),
}


def field(name: str, value: int | bytes) -> str:
    """Say what a mandatory field's value means, "" if it speaks for itself."""
    if isinstance(value, bytes):
        if name in _ABSENT_TIME:
            return time(value) if value else _ABSENT_TIME[name]
        return ""
    words = _INTEGERS.get(name)
    return words(value) if words is not None else ""


# TLVs ----------------------------------------------------------------------------------------------------------------

_NETWORKS: Final = {
    0: "unknown", 1: "GSM", 2: "ANSI-136/TDMA", 3: "IS-95/CDMA", 4: "PDC", 5: "PHS", 6: "iDEN", 7: "AMPS", 8: "paging",
}  # fmt: skip
_ERROR_NETWORKS: Final = {1: "ANSI-136", 2: "IS-95", 3: "GSM", 4: "reserved (v5.0: ANSI-136 cause code)"}
_STRINGS: Final = frozenset(
    (c.TAG_RECEIPTED_MESSAGE_ID, c.TAG_ADDITIONAL_STATUS_INFO_TEXT, c.TAG_SOURCE_NETWORK_ID, c.TAG_DEST_NETWORK_ID)
)
_TLV_WORDS: Final[Mapping[int, Callable[[int], str]]] = {
    c.TAG_SC_INTERFACE_VERSION: _version,
    c.TAG_MESSAGE_STATE: c.state_name,
    c.TAG_SOURCE_NETWORK_TYPE: lambda value: _NETWORKS.get(value, RESERVED),
    c.TAG_DEST_NETWORK_TYPE: lambda value: _NETWORKS.get(value, RESERVED),
    c.TAG_DELIVERY_FAILURE_REASON: lambda value: {
        0: "destination unavailable", 1: "destination address invalid", 2: "permanent network error",
        3: "temporary network error",
    }.get(value, RESERVED),
    c.TAG_MORE_MESSAGES_TO_SEND: lambda value: {0: "no more", 1: "more to come"}.get(value, RESERVED),
    c.TAG_MS_AVAILABILITY_STATUS: lambda value: {0: "available", 1: "denied", 2: "unavailable"}.get(value, RESERVED),
    c.TAG_PRIVACY_INDICATOR: lambda value: {
        0: "not restricted", 1: "restricted", 2: "confidential", 3: "secret",
    }.get(value, RESERVED),
    c.TAG_PAYLOAD_TYPE: lambda value: {0: "default", 1: "WCMP"}.get(value, RESERVED),
    c.TAG_LANGUAGE_INDICATOR: lambda value: {
        0: "unspecified", 1: "English", 2: "French", 3: "Spanish", 4: "German", 5: "Portuguese",
    }.get(value, RESERVED),
    c.TAG_CONGESTION_STATE: lambda value: f"{value}% busy" if value <= 100 else RESERVED,
    c.TAG_QOS_TIME_TO_LIVE: lambda value: f"{value} s",
    c.TAG_SET_DPF: lambda value: {0: "not wanted", 1: "wanted"}.get(value, RESERVED),
    c.TAG_DPF_RESULT: lambda value: {0: "not set", 1: "set"}.get(value, RESERVED),
}  # fmt: skip


def tlv(tag: int, value: bytes) -> str:
    """Say what a TLV's value means: numbers as such, strings in quotes; "" if nobody can say."""
    if tag in _STRINGS:
        return f'"{value.partition(bytes(1))[0].decode("latin-1")}"'
    if tag == c.TAG_NETWORK_ERROR_CODE and len(value) == 3:
        network = _ERROR_NETWORKS.get(value[0], "reserved")
        return f"network {value[0]} ({network}), error {int.from_bytes(value[1:], 'big')}"
    if tag == c.TAG_CALLBACK_NUM and len(value) > 3:
        return f'"{value[3:].decode("latin-1")}", TON {value[1]} {_ton(value[1])}, NPI {value[2]} {_npi(value[2])}'
    if tag == c.TAG_MESSAGE_PAYLOAD or not c.tag_name(tag).isidentifier() or not 1 <= len(value) <= 4:
        return ""
    number = int.from_bytes(value, "big")
    words = _TLV_WORDS.get(tag)
    return _joined([str(number), words(number) if words is not None else ""])


def is_vendors(tag: int) -> bool:
    """Whether a tag is reserved for vendors (SMPP v3.4 §5.3.2)."""
    return 0x1400 <= tag <= 0x3FFF


# User data headers ---------------------------------------------------------------------------------------------------


def element(identifier: int, data: bytes) -> str:
    """Say what an element of a user data header is (3GPP TS 23.040 §9.2.3.24)."""
    if identifier == IE_CONCATENATION_8 and len(data) == 3:
        return f"concatenation: part {data[2]} of {data[1]}, reference {data[0]} (8 bits)"
    if identifier == IE_CONCATENATION_16 and len(data) == 4:
        return f"concatenation: part {data[3]} of {data[2]}, reference {data[0] << 8 | data[1]} (16 bits)"
    if identifier == IE_PORTS_8 and len(data) == 2:
        return f"ports: to {data[0]}, from {data[1]}"
    if identifier == IE_PORTS_16 and len(data) == 4:
        return f"ports: to {data[0] << 8 | data[1]}, from {data[2] << 8 | data[3]}"
    if identifier in (0x24, 0x25) and len(data) == 1:
        return f"national language {'single' if identifier == 0x24 else 'locking'} shift table {data[0]}"
    return {0x01: "special message indication", 0x06: "SMSC control parameters", 0x09: "wireless control message"}.get(
        identifier, "SIM toolkit security" if 0x70 <= identifier <= 0x7F else ""
    )


def _joined(words: list[str]) -> str:
    return ", ".join(word for word in words if word)
