"""What a simulated SMSC is told: accounts, receipts, faults, and the texts of its subscribers.

Data only; times in seconds. Must not be here: file formats.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - annotations are looked up by whoever reads a scenario
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from smppcore import constants as c
from smppcore.events import SessionConfig
from smppcore.testbed.delays import Delay  # noqa: TC001
from smppcore.testbed.dialects import Dialect  # noqa: TC001
from smppcore.testbed.faults import Duration, Fault, Seconds  # noqa: TC001
from smppcore.text import USUAL, LongForm, TextProfile, Way

OUTCOMES: Final[Mapping[str, int | None]] = {
    "delivered": c.STATE_DELIVERED,
    "undeliverable": c.STATE_UNDELIVERABLE,
    "expired": c.STATE_EXPIRED,
    "rejected": c.STATE_REJECTED,
    "deleted": c.STATE_DELETED,
    "unknown": c.STATE_UNKNOWN,
    "accepted": c.STATE_ACCEPTED,
    "none": None,
}
"""What may become of a submitted message, as message_state; None: its receipt never comes."""

IdForm = Literal["decimal", "hex", "uuid"]


BindKind = Literal["transceiver", "transmitter", "receiver"]
VersionName = Literal["3.3", "3.4", "5.0"]


@dataclass(frozen=True, slots=True)
class Account:
    """Who may bind, and what is agreed with it."""

    system_id: Annotated[str, "system_id"] = "esme"
    """As in the bind."""
    password: Annotated[str, "password"] = "secret"  # noqa: S105 - as `smppbridge init` writes it
    """As in the bind."""
    binds: tuple[BindKind, ...] = ("transceiver", "transmitter", "receiver")
    """In which ways; any other is answered with ESME_RINVCMDID (SMPP v3.4 §4.1)."""
    max_binds: Annotated[int, "count"] = 0
    """How many sessions at once; one more is answered with ESME_RALYBND. 0 is no limit."""
    versions: tuple[VersionName, ...] = ("3.3", "3.4", "5.0")
    """By interface_version; any other is answered with ESME_RBINDFAIL."""
    addresses: tuple[Annotated[str, "network"], ...] = ()
    """From where, as "10.1.0.0/16"; anybody else is answered with ESME_RBINDFAIL. Empty is from everywhere."""
    operations: Annotated[tuple[str, ...], "names"] = ()
    """What it may ask for, as "submit_sm"; anything else is answered with ESME_RPROHIBITED. Empty is everything."""
    service_types: Annotated[tuple[str, ...], "names"] = ()
    """Of its messages; any other is answered with ESME_RSERTYPUNAUTH. Empty is any."""
    rate: Annotated[float, "rate"] = 0.0
    """Submissions a second, all sessions together; 0 is no limit."""
    window: Annotated[int, "count"] = 0
    """Un-answered submissions of a session; 0 is no limit."""
    excess: Literal["throttle", "queue_full", "note"] = "throttle"
    """What is beyond `rate` or `window` is answered with ESME_RTHROTTLED or ESME_RMSGQFUL, or only reported."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """What becomes of messages, and the delivery receipts of those that ask for one."""

    outcomes: Annotated[Mapping[str, float], "outcomes"] = field(default_factory=lambda: {"delivered": 1.0})
    """Names of OUTCOMES and their weights."""
    delay: Duration = 0.1
    """From a message to its receipt."""
    dialect: Annotated[tuple[str, ...], "names"] = ("appendix_b",)
    """Names of dialects, which receipts take in turn."""


@dataclass(frozen=True, slots=True)
class Destination(Receipts):
    """The same for messages to some numbers; the first that matches holds."""

    to: str = "*"
    """The numbers, as "2557*"."""


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """A simulated SMSC."""

    accounts: tuple[Account, ...] = (Account(),)
    """Who may bind."""
    bind_error_style: Literal["34", "50"] = "34"
    """A wrong system_id or password: ESME_RINVSYSID and ESME_RINVPASWD, or ESME_RBINDFAIL as v5.0 §4.7.6 has it."""
    message_id: IdForm = "decimal"
    """The form of message ids in responses."""
    message_id_width: int = 0
    """Zeros in front up to so many characters."""
    first_message_id: int = 1
    """Ids count from here."""
    response: Delay = 0.0
    """From a submission to its response."""
    receipts: Receipts = field(default_factory=Receipts)
    """What becomes of messages."""
    destinations: tuple[Destination, ...] = ()
    """What becomes of messages to some numbers."""
    dialects: tuple[Dialect, ...] = ()
    """Dialects besides those of DIALECTS."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong."""
    redelivery_delay: float = 1.0
    """When a text comes again after a temporary error or no answer; after a lost session it comes at once."""
    session: SessionConfig = field(
        default_factory=lambda: SessionConfig(
            system_id=b"simulator", session_init_timeout=10.0, response_timeout=10.0, strict=True
        )
    )
    """Name, window, timers, and whether it is strict."""
    judged: bool = True
    """Whether it is noted what each ESME does wrong."""


@dataclass(frozen=True, slots=True)
class Mo:
    """A text from a subscriber."""

    source: str
    """The subscriber's number."""
    destination: str
    """The service's number."""
    text: str
    """Whatever fits 255 parts."""
    account: str = ""
    """The system_id that it goes to; "" is the first account."""
    profile: TextProfile = USUAL
    """How it is encoded, and how it travels if it takes more than one part."""
    shuffled: bool = False
    """Its parts come in the reverse order."""
    without: tuple[int, ...] = ()
    """Parts that never come, counted from 1."""
    twice: tuple[int, ...] = ()
    """Parts that come twice."""
    data: bytes = b""
    """Sent as 8-bit data in place of `text`."""
    data_coding: int = -1
    """Instead of what fits `text`; -1 is what fits."""
    port: int = -1
    """An application's port that it is addressed to, in its header (3GPP TS 23.040 §9.2.3.24.4); -1 is none."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Texts from many subscribers at a rate."""

    rate: Annotated[float, "rate"] = 0.0
    """Texts per second; 0: all `count` of them at once."""
    count: Annotated[int, "count"] = 0
    """How many texts; 0 is no end, with a rate."""
    text: str = "HELP"
    """{n} is the text's number, from 0, of seven digits; {from} the subscriber's number."""
    service: str = "60606"
    """The service's number."""
    subscribers: Annotated[int, "count"] = 1000
    """They take turns."""
    first_subscriber: int = 12_025_550_000
    """The first of their numbers, which are consecutive."""
    account: str = ""
    """The system_id that the texts go to; "" is the first account."""


@dataclass(frozen=True, slots=True)
class ScriptedText:
    """One text of a script, or the same again and again."""

    at: Seconds = 0.0
    """When, from the first bind that takes texts."""
    subscriber: str = ""
    """The number that it comes from."""
    service: str = "60606"
    """The number that it goes to."""
    text: str = ""
    """What it says."""
    account: str = ""
    """The system_id that it goes to; "" is the first account."""
    repeat: Annotated[int, "count"] = 1
    """How many of it."""
    gap: Duration = 1.0
    """From one to the next."""
    encodings: tuple[Way, ...] = ("default", "ucs2")
    """What data_coding may say; the cheapest is taken."""
    languages: tuple[Annotated[str, "language"], ...] = ()
    """National languages whose shift tables may be used."""
    long_messages: LongForm = "udh8"
    """How it travels if it takes more than one part: a header with 8- or 16-bit references, sar_* TLVs, or
    message_payload."""
    shuffled: bool = False
    """Its parts come in the reverse order."""
    without: tuple[Annotated[int, "count"], ...] = ()
    """Parts that never come, counted from 1."""
    twice: tuple[Annotated[int, "count"], ...] = ()
    """Parts that come twice."""
    hex: Annotated[str, "hex"] = ""
    """Octets that are sent as 8-bit data in place of `text`."""
    data_coding: Annotated[int, "coding"] = -1
    """Instead of what fits `text`; -1 is what fits."""
    port: Annotated[int, "port"] = -1
    """An application's port that it is addressed to; -1 is none."""

    def mo(self) -> Mo:
        """Return it as the simulator takes it."""
        return Mo(
            self.subscriber,
            self.service,
            self.text,
            self.account,
            TextProfile(ways=self.encodings, languages=self.languages, long_form=self.long_messages),
            self.shuffled,
            self.without,
            self.twice,
            bytes.fromhex(self.hex),
            self.data_coding,
            self.port,
        )


@dataclass(frozen=True, slots=True)
class Conversation:
    """Texts of which each is sent when the one before has had its reply."""

    at: Seconds = 0.0
    """When the first is sent, from the first bind that takes texts."""
    subscriber: str = ""
    """The number that they come from."""
    service: str = "60606"
    """The number that they go to."""
    texts: tuple[str, ...] = ()
    """What they say."""
    wait: Seconds = 10.0
    """How long each reply is waited for; the conversation goes on without it."""
    account: str = ""
    """The system_id that they go to; "" is the first account."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Subscribers who answer what they get."""

    subscriber: str = "*"
    """Those whose numbers match, as "1202555*"."""
    when: str = "*"
    """Texts that match, in any case, as "*yes or no*"."""
    text: str = ""
    """What they say."""
    delay: Duration = 1.0
    """How long they take."""
    share: Annotated[float, "share"] = 1.0
    """So many of all answer, 0.0 to 1.0."""
    times: Annotated[int, "count"] = 1
    """How often each subscriber answers at most: two machines that answer each other would never end."""
    account: str = ""
    """The system_id that it goes to; "" is the first account."""


@dataclass(frozen=True, slots=True)
class Dial:
    """An outbind: the SMSC connects to an ESME and asks it to bind (SMPP v3.4 §2.2.1)."""

    at: Seconds = 0.0
    """When, from the simulator's start."""
    host: str = "127.0.0.1"
    """Where the ESME listens."""
    port: Annotated[int, "port"] = 2775
    """Where the ESME listens."""
    system_id: Annotated[str, "system_id"] = "simulator"
    """Of the SMSC, as in the outbind."""
    password: Annotated[str, "password"] = ""
    """Of the SMSC, as in the outbind."""
    retry: Seconds = 5.0
    """When it is tried again after a failure or the end of the session; 0 is never."""


@dataclass(frozen=True, slots=True)
class Script:
    """What subscribers send, and whom the SMSC calls."""

    texts: tuple[ScriptedText, ...] = ()
    conversations: tuple[Conversation, ...] = ()
    answers: tuple[Answer, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    dials: tuple[Dial, ...] = ()
