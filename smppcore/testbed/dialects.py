"""Dialects of delivery receipts: how carriers write what SMPP v3.4 Appendix B leaves to them.

A dialect is data; `DIALECTS` has those that are seen in the field, a scenario may add its own. Must not be here: when a
receipt is due, what it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, Literal

from smppcore import constants as c
from smppcore.pdu import DataSM, DeliverSM
from smppcore.receipt import STATE_WORDS, receipt_tlvs

if TYPE_CHECKING:
    from collections.abc import Mapping

APPENDIX_B: Final = (
    "id:{id} sub:001 dlvrd:{dlvrd} submit date:{submit} done date:{done} stat:{stat} err:{err} text:{text}"
)
FIELDS: Final = ("id", "dlvrd", "submit", "done", "stat", "err", "text")
"""What may stand in braces."""
ReceiptId = Literal["same", "decimal", "hex", "HEX"]

_DATES = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S", 16: "%y%m%d%H%M%S000+"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How receipts look."""

    name: str = ""
    """What a scenario calls it."""
    text: str = APPENDIX_B
    """The text, with FIELDS in braces; "" is none."""
    tlvs: bool = True
    """Whether there are receipted_message_id and message_state."""
    id: ReceiptId = "same"
    """The base of the id's number, where it is not that of the response; of no meaning for a uuid."""
    id_width: Annotated[int, "count"] = 0
    """Zeros in front of such an id up to so many characters."""
    date: Literal[10, 12, 14, 16] = 10
    """Digits of dates; 16 is the form of SMPP v3.4 §7.1.1, as all the others in UTC."""
    words: dict[str, str] = field(default_factory=dict)
    """Other words for stat, as { DELIVRD = "DELIVERED" }."""
    ok: str = "000"
    """err of what was delivered."""
    error: str = "042"
    """err of what was not."""
    network_error: bool = False
    """Whether there is network_error_code."""
    pdu: Literal["deliver_sm", "data_sm"] = "deliver_sm"
    """By which operation it comes; data_sm has its text in message_payload."""
    payload: bool = False
    """Whether the text is in message_payload."""
    ucs2: bool = False
    """Whether the text is in UCS-2, with data_coding 8."""
    esm_class: Annotated[int, "octet"] = c.ESM_TYPE_RECEIPT
    """Other bits than those of the type may be set."""
    enroute: bool = False
    """Whether an intermediate notification (esm_class 0x20) of ENROUTE comes first."""
    padding: Annotated[int, "count"] = 0
    """NULs behind the text."""
    bare_id_tlv: bool = False
    """receipted_message_id is without its NUL."""


def _named(*dialects: Dialect) -> Mapping[str, Dialect]:
    return {dialect.name: dialect for dialect in dialects}


DIALECTS: Final = _named(
    Dialect("appendix_b"),
    Dialect("text_only", tlvs=False),
    Dialect("tlvs_only", text=""),
    Dialect("hex_id", id="hex", tlvs=False),
    Dialect("upper_hex_id", id="HEX", id_width=8, tlvs=False),
    Dialect("decimal_id", id="decimal", tlvs=False),
    Dialect("zero_padded_id", id="decimal", id_width=10, tlvs=False),
    Dialect("seconds", date=12, tlvs=False),
    Dialect("long_dates", date=14, tlvs=False),
    Dialect("smpp_dates", date=16, tlvs=False),
    Dialect(
        "lower_case",
        APPENDIX_B,
        words={word: word.lower() for word in STATE_WORDS.values()},
        tlvs=False,
    ),
    Dialect("upper_text", APPENDIX_B.replace(" text:", " Text:"), tlvs=False),
    Dialect("no_text", APPENDIX_B.removesuffix(" text:{text}"), tlvs=False),
    Dialect("short", "id:{id} stat:{stat}", tlvs=False),
    Dialect(
        "other_order",
        "stat:{stat} err:{err} id:{id} done date:{done} submit date:{submit} dlvrd:{dlvrd} sub:001 text:{text}",
        tlvs=False,
    ),
    Dialect("long_words", words={"DELIVRD": "DELIVERED", "UNDELIV": "FAILED", "ENROUTE": "BUFFERED"}, tlvs=False),
    Dialect("error_words", ok="0", error="EC_ABSENT_SUBSCRIBER", tlvs=False),
    Dialect("long_error", ok="0000", error="0x0000001B", tlvs=False),
    Dialect("network_error", network_error=True),
    Dialect("ucs2", ucs2=True, tlvs=False),
    Dialect("payload", payload=True, tlvs=False),
    Dialect("data_sm", pdu="data_sm"),
    Dialect("padded", padding=12, tlvs=False),
    Dialect("bare_id_tlv", text="", bare_id_tlv=True),
    Dialect("reply_path", esm_class=0x84),
    Dialect("mode_bits", esm_class=0x07),
    Dialect("enroute_first", enroute=True),
)
"""Seen in the field."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a receipt says."""

    message_id: str
    """As it shall stand there."""
    state: int
    """message_state."""
    source: tuple[int, int, bytes]
    """(TON, NPI, address) of the message's source, to which the receipt goes."""
    destination: tuple[int, int, bytes]
    """Of the message's destination, from which the receipt comes."""
    submitted: float
    """When the message came, in seconds since the epoch."""
    done: float
    """When it reached its state."""
    text: bytes
    """The message's text, of which the first 20 octets are repeated."""


def write(dialect: Dialect, facts: Facts, *, intermediate: bool = False) -> DeliverSM | DataSM:
    """Make a delivery receipt, or with `intermediate` a notification (SMPP v3.4 Appendix B, §5.2.12)."""
    body = _text(dialect, facts) if dialect.text else b""
    tlvs: tuple[tuple[int, bytes], ...] = ()
    if dialect.tlvs:
        tlvs = receipt_tlvs(facts.message_id, facts.state)
        if dialect.bare_id_tlv:
            tlvs = ((c.TAG_RECEIPTED_MESSAGE_ID, facts.message_id.encode("latin-1")), tlvs[1])
    if dialect.network_error:
        code = 0 if facts.state == c.STATE_DELIVERED else 27
        tlvs += ((c.TAG_NETWORK_ERROR_CODE, b"\x03" + code.to_bytes(2, "big")),)  # 3: GSM (SMPP v3.4 §5.3.2.31)
    # With a UUID in UCS-2 it is longer than a short_message may be (SMPP v3.4 §4.4.1).
    if body and (dialect.payload or dialect.pdu == "data_sm" or len(body) > 254):
        tlvs += ((c.TAG_MESSAGE_PAYLOAD, body),)
        body = b""
    (source_ton, source_npi, source), (dest_ton, dest_npi, dest) = facts.destination, facts.source
    esm_class = dialect.esm_class & ~c.ESM_TYPE_MASK | c.ESM_TYPE_INTERMEDIATE if intermediate else dialect.esm_class
    if dialect.pdu == "data_sm":
        return DataSM(
            source_addr_ton=source_ton,
            source_addr_npi=source_npi,
            source_addr=source,
            dest_addr_ton=dest_ton,
            dest_addr_npi=dest_npi,
            destination_addr=dest,
            esm_class=esm_class,
            data_coding=c.DATA_CODING_UCS2 if dialect.ucs2 else 0,
            tlvs=tlvs,
        )
    return DeliverSM(
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source,
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        destination_addr=dest,
        esm_class=esm_class,
        data_coding=c.DATA_CODING_UCS2 if dialect.ucs2 else 0,
        short_message=body,
        tlvs=tlvs,
    )


def _text(dialect: Dialect, facts: Facts) -> bytes:
    delivered = facts.state == c.STATE_DELIVERED
    word = STATE_WORDS.get(facts.state, "UNKNOWN")
    text = dialect.text.format(
        id=facts.message_id,
        dlvrd=f"{delivered:03d}",
        submit=_date(int(facts.submitted), dialect.date),
        done=_date(int(facts.done), dialect.date),
        stat=dialect.words.get(word, word),
        err=dialect.ok if delivered else dialect.error,
        text=facts.text[:20].decode("latin-1"),
    )
    return text.encode("utf-16-be" if dialect.ucs2 else "latin-1", "replace") + bytes(dialect.padding)


@lru_cache(maxsize=256)  # receipts come in bursts of the same seconds
def _date(seconds: int, digits: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_DATES[digits])
