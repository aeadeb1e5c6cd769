"""Delivery receipts: read whatever a carrier calls one, and write the form of SMPP v3.4 Appendix B.

Rules:

* esm_class alone says what is a receipt; a text that looks like one is a text (SMPP v3.4 §5.2.12). Only for a carrier
  that is known to forget esm_class, `looks_like_receipt` is asked.
* The TLVs win over the text (§5.3.2.12, §5.3.2.26 and §5.3.2.35): they are defined, the text is each vendor's own.
* Reading never raises and never drops a receipt: what cannot be read is "" or STATE_UNKNOWN.
* Field values are kept as received. They are ASCII by the specification; other octets show as Latin-1.

Must not be here: looking up which message a receipt belongs to, "now".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from smppcore import udh
from smppcore.constants import (
    DATA_CODING_UCS2,
    ESM_TYPE_INTERMEDIATE,
    ESM_TYPE_MASK,
    ESM_TYPE_RECEIPT,
    ESM_UDHI,
    STATE_ACCEPTED,
    STATE_DELETED,
    STATE_DELIVERED,
    STATE_ENROUTE,
    STATE_EXPIRED,
    STATE_REJECTED,
    STATE_SCHEDULED,
    STATE_SKIPPED,
    STATE_UNDELIVERABLE,
    STATE_UNKNOWN,
    TAG_MESSAGE_PAYLOAD,
    TAG_MESSAGE_STATE,
    TAG_NETWORK_ERROR_CODE,
    TAG_RECEIPTED_MESSAGE_ID,
    TAG_USER_MESSAGE_REFERENCE,
    state_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smppcore.pdu import DataSM, DeliverSM

STATE_OUTCOME: Final[Mapping[int, str | None]] = {
    STATE_SCHEDULED: None,
    STATE_ENROUTE: None,
    STATE_DELIVERED: "delivered",
    STATE_EXPIRED: "expired",
    STATE_DELETED: "deleted",
    STATE_UNDELIVERABLE: "undeliverable",
    STATE_ACCEPTED: None,  # final by the specification, on its way in practice
    STATE_UNKNOWN: None,
    STATE_REJECTED: "rejected",
    STATE_SKIPPED: "undeliverable",
}
"""message_state (SMPP v3.4 §5.2.28, v5.0 §4.7.15) to what has finally become of the message; None: not final."""

STATE_WORDS: Final[Mapping[int, str]] = {
    STATE_SCHEDULED: "SCHEDLD",
    STATE_ENROUTE: "ENROUTE",
    STATE_DELIVERED: "DELIVRD",
    STATE_EXPIRED: "EXPIRED",
    STATE_DELETED: "DELETED",
    STATE_UNDELIVERABLE: "UNDELIV",
    STATE_ACCEPTED: "ACCEPTD",
    STATE_UNKNOWN: "UNKNOWN",
    STATE_REJECTED: "REJECTD",
    STATE_SKIPPED: "SKIPPED",
}
"""message_state to the word that stands for it in a receipt's text (SMPP v3.4 Appendix B)."""

# Appendix B's words, and those that SMSCs use beside them.
_STATES: Final[Mapping[str, int]] = {word: state for state, word in STATE_WORDS.items()} | {
    "DELIVERED": STATE_DELIVERED,
    "DELIVERD": STATE_DELIVERED,
    "UNDELIVERABLE": STATE_UNDELIVERABLE,
    "UNDELIVERED": STATE_UNDELIVERABLE,
    "FAILED": STATE_UNDELIVERABLE,
    "ACCEPTED": STATE_ACCEPTED,
    "REJECTED": STATE_REJECTED,
    "SCHEDULED": STATE_SCHEDULED,
    "ACKED": STATE_ENROUTE,
    "BUFFRED": STATE_ENROUTE,
    "BUFFERD": STATE_ENROUTE,
    "BUFFERED": STATE_ENROUTE,
}


@dataclass(slots=True)
class Receipt:
    """What a carrier says about a message that we sent."""

    message_id: str
    """As received; "" if the receipt names none that can be read. Compare it by the link's rule: `normalise_id`."""
    state: int
    """message_state by the specification's numbers; STATE_UNKNOWN for words and numbers that nobody defined."""
    state_word: str
    """The text's word for the state, as received; without one, a message_state that nobody defined, as "0x2A"."""
    final: bool
    """Nothing else is to be expected for the message. Never true of an intermediate notification."""
    error: str
    """The text's err, as received; with a network_error_code TLV "network:code", both decimal (§5.3.2.31)."""
    submit_date: str
    """As received, "" if missing."""
    done_date: str
    """As received, "" if missing."""
    text: str
    """The beginning of the message that the receipt is for, or the whole body if no field could be read."""
    intermediate: bool = False
    """An intermediate notification (esm_class 0x20): its state may not close anything."""
    conflict: bool = False
    """The TLVs and the text name different ids or states; what stands here is the TLVs'."""
    reference: int | None = None
    """user_message_reference (§5.3.2.17): what we called the message, which the SMSC repeats; None if it does not."""

    @property
    def raw_state(self) -> int | str:
        """The state by number; by its word, shortened to 20 characters, if the specification has no number for it."""
        if self.state != STATE_UNKNOWN or self.state_word.upper() in _STATES:
            return self.state
        return self.state_word[:20] or self.state


# -- reading ---------------------------------------------------------------------------------------------------------

# Appendix B to the letter, which most SMSCs send. What it does not match goes the slower way.
_APPENDIX_B = re.compile(
    r"id:(\S+) sub:\d+ dlvrd:\d+ submit date:(\S+) done date:(\S+) stat:(\w+) err:(\w+)"
    r"(?: [Tt]ext:(.*)|[\0 ]*)\Z",
    re.DOTALL,
)

# A key of any case, in any order. "text" ends the keys, unless id or stat has not come yet.
_KEY = re.compile(
    r"\b(?:(?P<id>id)|(?P<sub>sub)|(?P<dlvrd>dlvrd)|(?P<submit>submit[ _]?date)|(?P<done>done[ _]?date)"
    r"|(?P<stat>stat(?:us)?)|(?P<err>err(?:or)?)|(?P<text>text)) *:",
    re.ASCII | re.IGNORECASE,
)
_STATED = re.compile(r"\bstat(?:us)? *: *(\w+)", re.ASCII | re.IGNORECASE)
_STATE_WORD = re.compile(rf"\b(?:{'|'.join(_STATES)})\b", re.ASCII | re.IGNORECASE)

_PADDING = "\0 \t\r\n,;"
_UCS2_CODINGS = frozenset((DATA_CODING_UCS2, 0x18))


def parse_receipt(pdu: DeliverSM | DataSM) -> Receipt | None:
    """Read a deliver_sm or data_sm as a delivery receipt.

    Args:
        pdu: As received.

    Returns:
        The receipt; None if esm_class makes it something else: a text from a subscriber, or a subscriber's own
        acknowledgement (0x08, 0x10), which carries text for people. A receipt that cannot be read has message_id ""
        and STATE_UNKNOWN, and the body in `text`: acknowledge, keep and count it.
    """
    message_type = pdu.esm_class & ESM_TYPE_MASK  # mode bits, UDHI and reply path say nothing here
    if message_type not in (ESM_TYPE_RECEIPT, ESM_TYPE_INTERMEDIATE):
        return None
    return _read(pdu, intermediate=message_type == ESM_TYPE_INTERMEDIATE)


def looks_like_receipt(pdu: DeliverSM | DataSM) -> Receipt | None:
    """Read a message that esm_class calls a text as a receipt, for a carrier that sends its receipts so.

    Returns:
        The receipt; None if esm_class says anything, or if there is neither a receipted_message_id nor a text with both
        an id and, under its key, a state that the specification knows: "parcel id: 7 failed" stays a text.
    """
    if pdu.esm_class & ESM_TYPE_MASK:
        return None
    receipt = _read(pdu, intermediate=False)
    if not receipt.message_id:
        return None
    if any(tag == TAG_RECEIPTED_MESSAGE_ID for tag, _ in pdu.tlvs):
        return receipt
    body = pdu.tlv(TAG_MESSAGE_PAYLOAD) or getattr(pdu, "short_message", b"")
    stated = _STATED.search(_characters(body or b"", pdu))
    return receipt if stated and stated[1].upper() in _STATES else None


def _read(pdu: DeliverSM | DataSM, *, intermediate: bool) -> Receipt:
    message_id = error = reserved = ""
    reference: int | None = None
    state = -1
    payload = b""
    for tag, value in pdu.tlvs:
        if tag == TAG_RECEIPTED_MESSAGE_ID:
            # A C-octet string, yet seen without its NUL and padded.
            message_id = message_id or value.partition(b"\0")[0].strip().decode("latin-1")
        elif tag == TAG_MESSAGE_STATE:
            if state < 0 and len(value) == 1:
                if value[0] in STATE_OUTCOME:
                    state = value[0]
                else:
                    reserved = reserved or state_name(value[0])
        elif tag == TAG_MESSAGE_PAYLOAD:
            payload = payload or value
        elif tag == TAG_NETWORK_ERROR_CODE and not error and len(value) == 3:
            error = f"{value[0]}:{value[1] << 8 | value[2]}"
        elif tag == TAG_USER_MESSAGE_REFERENCE and reference is None and len(value) == 2:
            reference = value[0] << 8 | value[1]

    # v5.0 §4.7.26: short_message is superseded by message_payload. A data_sm has no short_message at all.
    body = payload or getattr(pdu, "short_message", b"")
    text = _characters(body, pdu)
    found = _APPENDIX_B.match(text)
    if found:
        text_id, submit_date, done_date, word, text_error, excerpt = found.groups("")
    else:
        text_id, submit_date, done_date, word, text_error, excerpt = _read_tolerantly(text)
    conflict = bool(message_id and text_id and message_id != text_id) and not _same_number(message_id, text_id)
    if state < 0:
        state = _STATES.get(word.upper(), STATE_UNKNOWN)
    elif word and _STATES.get(word.upper(), state) != state:
        conflict = True
    return Receipt(
        message_id or text_id,
        state,
        word or reserved,
        not intermediate and STATE_OUTCOME[state] is not None,
        error or text_error,
        submit_date,
        done_date,
        excerpt.rstrip("\0"),
        intermediate,
        conflict,
        reference,
    )


def _same_number(one: str, other: str) -> bool:
    """Return whether two ids are one number, in hexadecimal or decimal each."""
    readings = [{normalise_id(text, kind) for kind in ("hex", "decimal")} for text in (one, other)]
    return not readings[0].isdisjoint(readings[1])


def _characters(body: bytes, pdu: DeliverSM | DataSM) -> str:
    if pdu.esm_class & ESM_UDHI:
        # Receipts come with the flag and no header too; a text taken for a header has no elements that fill it.
        header = udh.parse(body)
        if header is not None and header.elements:
            body = body[header.length :]
    # SMSCs copy data_coding from the message and write the text in ASCII, or the reverse: the keys being ASCII, UCS-2
    # shows by its NUL octets, padding apart.
    if body[:1] == b"\0" or (pdu.data_coding in _UCS2_CODINGS and b"\0" in body.rstrip(b"\0")):
        return body.decode("utf-16-be", "replace")
    return body.decode("latin-1")


def _read_tolerantly(text: str) -> tuple[str, str, str, str, str, str]:
    """Return id, submit date, done date, stat, err and text, each "" if missing."""
    fields: dict[str, str] = {}
    name, start = "", 0
    for key in _KEY.finditer(text):
        found = key.lastgroup or ""
        if found in fields or found == name or (name == "text" and found not in ("id", "stat")):
            continue  # a key's second appearance belongs to the excerpt, or to a value
        fields[name] = text[start : key.start()]
        name, start = found, key.end()
    if not name:
        return "", "", "", "", "", text
    fields[name] = text[start:]
    word = _token(fields.get("stat", ""))
    if not word:
        # The word without its key, as in "done date:1809031208 DELIVRD err:000": anywhere but in the excerpt.
        bare = _STATE_WORD.search(" ".join(value for key, value in fields.items() if key != "text"))
        word = bare[0] if bare else ""
    return (
        _token(fields.get("id", "")),
        _token(fields.get("submit", "")),
        _token(fields.get("done", "")),
        word,
        _token(fields.get("err", "")),
        fields.get("text", ""),
    )


def _token(value: str) -> str:
    """Return the first word: what stands behind a blank is a vendor's key that we do not know, or its value."""
    words = value.strip(_PADDING).split(maxsplit=1)
    return words[0].rstrip(_PADDING) if words else ""


def normalise_id(message_id: str, kind: str) -> str:
    """Bring a message_id into the form in which the link compares ids.

    A carrier that answers in one base and reports in the other gets a kind for each: "hex" makes the canonical decimal
    number of a hexadecimal one, "decimal" only drops leading zeros. "text", the default of a link, leaves an id alone:
    it is opaque and case-sensitive (SMPP v3.4 §5.2.23). "caseless" is for texts, such as UUIDs, of which the carrier
    changes the case.

    Args:
        message_id: As received.
        kind: "text", "caseless", "hex" or "decimal".

    Returns:
        The comparable id; an id that is not a number of that kind stays as it is.
    """
    if kind == "hex" and message_id.isascii() and message_id.isalnum():
        try:
            return str(int(message_id, 16))
        except ValueError:
            return message_id
    if kind == "decimal" and message_id.isascii() and message_id.isdigit():
        return message_id.lstrip("0") or "0"
    return message_id.lower() if kind == "caseless" else message_id


# -- writing ---------------------------------------------------------------------------------------------------------


def format_receipt(
    message_id: str, state: int, *, submitted: float, done: float, error: str = "000", text: bytes = b""
) -> bytes:
    """Write a receipt's short_message (SMPP v3.4 Appendix B).

    Args:
        message_id: Of the message that the receipt is for, as its submit_sm_resp gave it.
        state: message_state; one that nobody defined is written as UNKNOWN.
        submitted: When the message came, seconds since the epoch; written in UTC, to the minute.
        done: When it reached its state, likewise.
        error: The vendor's own code.
        text: The message's user data; the first 20 octets are repeated.

    Returns:
        The octets, ASCII but for text.
    """
    return (
        f"id:{message_id} sub:001 dlvrd:{state == STATE_DELIVERED:03d}"
        f" submit date:{_minute(submitted // 60)} done date:{_minute(done // 60)}"
        f" stat:{STATE_WORDS.get(state, 'UNKNOWN')} err:{error} text:"
    ).encode("latin-1") + text[:20]


def receipt_tlvs(message_id: str, state: int) -> tuple[tuple[int, bytes], ...]:
    """Build the TLVs that make a receipt's text unnecessary (SMPP v3.4 §5.3.2.12 and §5.3.2.35)."""
    return (
        (TAG_RECEIPTED_MESSAGE_ID, message_id.encode("latin-1") + b"\0"),
        (TAG_MESSAGE_STATE, bytes((state,))),
    )


@lru_cache(maxsize=256)  # receipts come in bursts of the same minutes
def _minute(minutes: float) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%y%m%d%H%M")
