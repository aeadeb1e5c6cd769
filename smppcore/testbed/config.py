"""What a simulated SMSC is told: accounts, receipts, faults, and the texts of its subscribers.

Data only; times in seconds. Must not be here: file formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from smppcore import constants as c
from smppcore.events import SessionConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True, slots=True)
class Account:
    """Who may bind, with any number of sessions of any kind."""

    system_id: str = "esme"
    """As in the bind."""
    password: str = "secret"  # noqa: S105 - as `smppbridge init` writes it
    """As in the bind."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """The delivery receipts for messages that ask for one."""

    outcomes: Mapping[str, float] = field(default_factory=lambda: {"delivered": 1.0})
    """Names of OUTCOMES and their weights."""
    delay: float = 0.1
    """The least time from a message to its receipt."""
    spread: float = 0.0
    """A receipt comes up to so much later than `delay`, evenly spread."""
    text: bool = True
    """Whether the receipt has a text (SMPP v3.4 Appendix B)."""
    tlvs: bool = True
    """Whether the receipt has receipted_message_id and message_state."""
    message_id: Literal["same", "decimal", "hex"] = "same"
    """The id's form in receipts where carriers differ from their own responses; of no meaning for a uuid."""
    before_response: bool = False
    """Whether the response follows its receipt, `lead` after it."""
    lead: float = 0.05
    """See `before_response`."""
    error: str = "042"
    """err of what was not delivered."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; everything off by default."""

    bind_status: int = c.ESME_ROK
    """Answer binds with this status, whoever binds."""
    throttle_every: int = 0
    """ESME_RTHROTTLED for every so many-th submission."""
    throttle_rate: float = 0.0
    """ESME_RTHROTTLED above so many submissions a second, over all accounts."""
    error_every: int = 0
    """`error_status` for every so many-th submission."""
    error_status: int = c.ESME_RSYSERR
    """See `error_every`."""
    response_delay: float = 0.0
    """Answer submissions so much later."""
    drop_after: float = 0.0
    """Cut all connections so long after the first bind, and again each time so long after that."""
    drop_after_submits: int = 0
    """Cut all connections at every so many-th submission, which is not answered."""
    drop_count: int = 0
    """Cut no more than so many times; 0 is no limit."""
    drop_mode: Literal["rst", "fin"] = "rst"
    """How TCP says it."""
    down_for: float = 0.0
    """Refuse connections for so long after each cut."""


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """A simulated SMSC."""

    accounts: tuple[Account, ...] = (Account(),)
    """Who may bind."""
    message_id: IdForm = "decimal"
    """The form of message ids in responses."""
    message_id_width: int = 0
    """Zeros in front up to so many characters."""
    first_message_id: int = 1
    """Ids count from here."""
    receipts: Receipts = field(default_factory=Receipts)
    """What becomes of messages."""
    faults: Faults = field(default_factory=Faults)
    """What goes wrong."""
    redelivery_delay: float = 1.0
    """When a text comes again after a temporary error or no answer; after a lost session it comes at once."""
    session: SessionConfig = field(
        default_factory=lambda: SessionConfig(
            system_id=b"simulator", session_init_timeout=10.0, response_timeout=10.0, strict=True
        )
    )
    """Name, window, timers, and whether it is strict."""


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


@dataclass(frozen=True, slots=True)
class Traffic:
    """Texts from many subscribers at a rate."""

    rate: float = 0.0
    """Texts per second; 0: all `count` of them at once."""
    count: int = 0
    """How many texts; 0 is no end, with a rate."""
    text: str = "HELP"
    """{n} is the text's number, from 0, of seven digits; {from} the subscriber's number."""
    destination: str = "60606"
    """The service's number."""
    subscribers: int = 1000
    """They take turns."""
    first_subscriber: int = 12_025_550_000
    """The first of their numbers, which are consecutive."""
    account: str = ""
    """The system_id that the texts go to; "" is the first account."""
