"""What the bridge keeps: messages in and out, conversations, and their bytes.

Each record packs to msgpack as an array behind one version octet, so that a later layout can be told apart; a field
added at the end of a record has its default in the rows that lack it. Nothing here knows LMDB, PDUs or a clock: times
are float seconds since the epoch (UTC), passed in.

Records are msgspec Structs: made, packed and unpacked in C, in a third of the time that dataclasses and msgpack take
for it. That is the largest single share of what a message costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

# The outcomes of an MO: exactly one of these each; "pending" while parts of a long message are missing.
OUTCOMES = (
    "replied",
    "flow",
    "escalated",
    "control",
    "silent",
    "called",
    "suppressed",
    "rejected",
    "pending",
)


FLAGS = ("flash", "ports", "header", "binary", "unreadable", "partial", "late")
"""What an MO may be besides a text: to be shown at once (class 0), for an application port, read with the octets of a
header that does not fit into it, 8-bit data or of an unknown coding, a text that its coding cannot be right for,
lacking parts when it was read, with parts that came after that."""


class Session(msgspec.Struct, array_like=True, gc=False):
    """A flow in progress."""

    flow: str
    """Its name."""
    version: str
    """The rules version that it began with, which it keeps to."""
    step: str
    """The step that it is in."""
    started: float
    expires: float = 0.0
    """When the whole flow ends, 0.0 = never."""
    until: float = 0.0
    """When the wait of this step times out, 0.0 = it does not wait for an answer."""
    failures: int = 0
    """Answers in a row that this step could not take."""
    call: int = 0
    """The id of the call whose result it waits for, 0 = of none."""
    kept: tuple[str, ...] = ()
    """Texts that came while the call was open."""


class Case(msgspec.Struct, array_like=True, gc=False):
    """A conversation in the hands of people: from the escalation until it is closed."""

    id: int
    """Shared with the messages' ids."""
    queue: str
    opened: float
    priority: str = "normal"
    """low, normal or high."""
    agent: str = ""
    """Who has taken it, "" = nobody yet."""
    due: float = 0.0
    """When an answer is due by the queue's service level, 0.0 = none is."""
    tags: tuple[str, ...] = ()
    notes: tuple[tuple[float, str, str], ...] = ()
    """(when, by whom, what) for each note of the people."""
    idle: float = 0.0
    """When it is closed if neither side says anything."""
    told_closed: bool = False
    """The customer was told that nobody is there."""
    waiting: float = 0.0
    """Since when the customer waits for a person's answer, 0.0 if he does not."""


class Guard(msgspec.Struct, array_like=True, gc=False):
    """What the loop guard remembers."""

    replies: tuple[float, ...] = ()
    """When the last automatic replies were made."""
    last: str = ""
    """The last text that came in, normalised."""
    same: int = 0
    """How often it has come in a row."""
    muted_until: float = 0.0
    heard: float = 0.0
    """When it came."""


class Rating(msgspec.Struct, array_like=True, gc=False):
    """The question how we did."""

    conversation: int
    """Which conversation it is about."""
    due: float = 0.0
    """When it is to be asked; 0.0 = it was."""
    asked: float = 0.0
    """When it was asked; 0.0 = not yet."""
    by: str = "automated"
    """Who resolved the conversation: automated, or agent."""
    topic: str = ""
    """What did it: a flow, or a rule."""
    value: int = 0
    """1 to 5, 0 = no answer yet."""
    rated: float = 0.0
    """When it was answered."""


class Topics(msgspec.Struct, array_like=True, gc=False):
    """Where a STOP may end one topic of the messages that we start, and the rest go on."""

    last: str = ""
    """The topic of the last message that we started, "" if it has none that can be stopped alone."""
    texts: int = 0
    """How many MOs of this conversation there had been by then."""
    at: float = 0.0
    """When it was to leave, at the earliest."""
    asked: str = ""
    """The topic of which the confirmation of STOP asked whether it alone was meant, "" = no answer is expected."""
    asked_at: float = 0.0
    stopped: tuple[str, ...] = ()
    """Those that the customer has stopped alone."""


class Context(msgspec.Struct, array_like=True, gc=False):
    """A message that we started, which a bare answer may be about."""

    mt: int
    """Its id."""
    until: float
    """From then on an answer is not read as one to it."""
    flow: str = ""
    """The flow that an answer begins, "" = none."""
    values: dict[str, str] = {}
    """What is known with it, as an order number: variables of that flow."""


class Conversation(msgspec.Struct, array_like=True, gc=False):
    """What is known of one customer of one brand; `decide` gets it and returns the next one.

    The key is (contact, brand): the thread survives a change of service number of the same brand.
    """

    contact: str
    """The subscriber's number, as the carrier gives it."""
    brand: str
    """The brand's name in the rules, "" for numbers of no brand."""
    id: int = 0
    """The conversation's number: the id of the MO that opened it; 0 before the first."""
    started: float = 0.0
    """When this conversation was opened."""
    last_in: float = 0.0
    """When the customer wrote last."""
    messages_in: int = 0
    """MOs of this conversation."""
    messages_out: int = 0
    """Replies decided in this conversation."""
    opted_out: float = 0.0
    """When the customer opted out, 0.0 if messages may be sent."""
    language: str = ""
    """The language last answered in, "" for the brand's first."""
    unmatched: int = 0
    """Texts in a row that no rule knew."""
    escalated: float = 0.0
    """When the conversation was handed to a person, 0.0 if it was not."""
    variables: dict[str, str] = {}
    """What patterns captured, by group name; templates use them."""
    mo: int = 0
    """The id of the last MO."""
    link: str = ""
    """The link that it came on: what we say next goes there."""
    number: str = ""
    """The service number that it was for: what we say next comes from it."""
    addressing: bytes = bytes(4)
    """As in Mo."""
    previous: int = 0
    """The conversation before this one, 0 = none, or long ago."""
    resolved: float = 0.0
    """When it was resolved, 0.0 if it is not."""
    resolved_by: str = ""
    """automated or agent."""
    wake: float = 0.0
    """When something of it is due by time alone, 0.0 = nothing is; the earliest of what the parts below say."""
    offered: tuple[str, ...] = ()
    """The intents that were offered for choice with the last reply."""
    session: Session | None = None
    case: Case | None = None
    guard: Guard | None = None
    rating: Rating | None = None
    contexts: tuple[Context, ...] = ()
    """The newest first."""
    last: int = 0
    """The id of its last message, whichever way it went; each message has that of the one before it."""
    opting_in: float = 0.0
    """When START was answered by the question whether it is meant, 0.0 if that is not open."""
    told: dict[str, tuple[float, ...]] = {}
    """When a short code answered STOP, START and HELP: the last two times."""
    profile: dict[str, str] = {}
    """What is known of the customer, by the names of [profile]; it outlives the conversation."""
    evidence: tuple[int, bytes] = (0, b"")
    """(links of its chain of evidence, SHA-256 of the last)."""
    topic: str = ""
    """What resolved it: a flow, or a rule."""
    reopened: float = 0.0
    """When the customer came back to a matter that was resolved, 0.0 if he has not."""
    personal: tuple[str, ...] = ()
    """Names of variables and fields of the profile whose values are personal."""
    started_messages: dict[str, tuple[float, ...]] = {}
    """By topic, when the last messages that we started left."""
    also: tuple[str, ...] = ()
    """Other numbers of the same customer."""
    inquiry: bool = False
    """There was a text that is no control word: the conversation counts as an inquiry."""
    human: bool = False
    """People have had it in hand."""
    topics: Topics | None = None
    """None = no message of a topic was started, and none is stopped."""


class Mo(msgspec.Struct, array_like=True, gc=False):
    """An inbound message, whole: the parts of a long one are joined."""

    id: int
    """Shared with the messages we send: one ascending sequence."""
    time: float
    """When its last octet was read."""
    link: str
    """Name of the link it came on."""
    source: str
    """The subscriber."""
    destination: str
    """The service number that was texted."""
    text: str
    """As decoded; "" for a binary message."""
    outcome: str
    """One of OUTCOMES."""
    layer: str = ""
    """Which layer of the rules decided."""
    rule: str = ""
    """Which rule of that layer."""
    detail: str = ""
    """Why it was silent, rejected or escalated; "partial" for a long message that lacks parts."""
    conversation: int = 0
    """The id of the conversation it belongs to, 0 if it is of none."""
    rules_version: str = ""
    """The version of the rules that decided."""
    esm_class: int = 0
    data_coding: int = 0
    addressing: bytes = bytes(4)
    """source_addr_ton, source_addr_npi, dest_addr_ton, dest_addr_npi, an octet each."""
    bodies: tuple[bytes, ...] = ()
    """The user data of each deliver_sm as received; empty where it is just the text in ASCII."""
    redelivered: int = 0
    """How often the carrier delivered it, or a part of it, again after it was taken."""
    flags: tuple[str, ...] = ()
    """Of FLAGS, what is out of the ordinary."""
    ports: tuple[int, ...] = ()
    """The application ports that it is for and from; empty if it has none."""
    tlvs: dict[str, str | int] = {}
    """Values of TLVs that the link keeps, by name."""
    intent: str = ""
    """The intent that the text was taken for, or nearest to; "" if the model was not asked."""
    confidence: float = -1.0
    """Of that, 0.0 to 1.0; -1.0 if the model was not asked."""
    runner_up: str = ""
    """The second nearest."""
    decided: str = ""
    """The text that was decided, if parts that came after that have made `text` another one (flag "late")."""
    before: int = 0
    """The id of the customer's message before this one, whichever way it went; 0 = none."""
    personal: tuple[tuple[int, int], ...] = ()
    """(first character, first one behind) of what is personal in the text; masked wherever it is shown."""


class Mt(msgspec.Struct, array_like=True, gc=False):
    """A message that we send: a reply, or one that we start (then `mo` is 0)."""

    id: int
    mo: int
    """The id of the MO that it answers; 0 for one that we start."""
    conversation: int
    link: str
    contact: str
    """The subscriber it goes to."""
    number: str
    """The service number it comes from."""
    brand: str
    text: str
    template: str
    rules_version: str
    created: float
    control: bool = False
    """The answer to STOP, START or HELP: passes suppression and goes first."""
    parts: int = 1
    addressing: bytes = bytes(4)
    """source_addr_ton, source_addr_npi, dest_addr_ton, dest_addr_npi of the submit_sm, an octet each."""

    state: str = "queued"
    """queued, held, sent, accepted, unknown; finally one of FINAL_STATES."""
    attempts: int = 0
    """How often it was claimed for sending."""
    claim: float = 0.0
    """When the claim was made that has no outcome yet; 0.0 if none is open."""
    next_try: float = 0.0
    """Not before this time; 0.0 at once."""
    accepted: float = 0.0
    """When the last part was accepted by the SMSC."""
    done: float = 0.0
    """When it came to its final state."""
    in_doubt: bool = False
    """A submit_sm had no response: the SMSC may or may not have taken it."""
    error: str = ""
    """The last error: a status by name, or our own word ("too_old", "suppressed" …)."""
    message_ids: tuple[str | None, ...] = ()
    """What the SMSC called each part ("" if it gave no id), None for a part not accepted yet; empty before the first.
    """
    receipts: tuple[int | str, ...] = ()
    """The last message_state of each part (SMPP v3.4 §5.2.28), or the carrier's own word for one that the specification
    does not have; -1 for a part without a receipt; empty if there is none."""
    before: int = 0
    """As in Mo."""
    personal: tuple[tuple[int, int], ...] = ()
    """As in Mo."""
    expires: float = 0.0
    """It is of no use after that, 0.0 = the link's `max_age` after it was made."""
    topic: str = ""
    """Of a message that we start: what the customer has had enough of is counted by topic."""
    by: str = ""
    """The agent or operator who wrote it, "" for an automatic one."""
    asked: float = 0.0
    """For the first answer to a text: when the last octet of that was read; 0.0 for any other message."""
    data_coding: int = 0
    """Of the submit_sm."""
    device: str = ""
    """What it goes to, where the profile or a kept TLV of the text says so; "" = not known."""


DEVICE = "device"
"""The field of a profile, and the name of a TLV that a link keeps, that say what a customer has in hand."""
FINAL_STATES = frozenset({"delivered", "undeliverable", "expired", "deleted", "rejected", "suppressed", "failed"})

_VERSION = b"\x01"
_pack = msgspec.msgpack.Encoder().encode
_unpack_conversation = msgspec.msgpack.Decoder(Conversation).decode
_unpack_mo = msgspec.msgpack.Decoder(Mo).decode
_unpack_mt = msgspec.msgpack.Decoder(Mt).decode


class RecordVersionError(Exception):
    """A record was written by a newer version of this software."""


def _body(data: bytes) -> memoryview:
    if data[:1] != _VERSION:
        raise RecordVersionError(f"record version {data[0] if data else 'missing'} is not known; upgrade smppbridge")
    return memoryview(data)[1:]


def pack(record: Conversation | Mo | Mt) -> bytes:
    """Return the octets of a record."""
    return _VERSION + _pack(record)


def pack_all(records: Iterable[Conversation | Mo | Mt]) -> list[bytes]:
    """Return the octets of each of these records; for many, it is a fifth faster."""
    version, encode = _VERSION, _pack
    return [version + encode(record) for record in records]


def unpack_conversation(data: bytes) -> Conversation:
    """Return a Conversation from its octets.

    Raises:
        RecordVersionError: It was written by a newer version.
        msgspec.DecodeError: The octets are no Conversation.
    """
    return _unpack_conversation(_body(data))


def unpack_mo(data: bytes) -> Mo:
    """Return an Mo from its octets.

    Raises:
        RecordVersionError: It was written by a newer version.
        msgspec.DecodeError: The octets are no Mo.
    """
    return _unpack_mo(_body(data))


def unpack_mt(data: bytes) -> Mt:
    """Return an Mt from its octets.

    Raises:
        RecordVersionError: It was written by a newer version.
        msgspec.DecodeError: The octets are no Mt.
    """
    return _unpack_mt(_body(data))
