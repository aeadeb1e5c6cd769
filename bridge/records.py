"""What the bridge keeps: messages in and out, conversations, and their bytes.

Each record packs to msgpack as a tuple behind one version octet, so that a later layout can be told apart. Nothing here
knows LMDB, PDUs or a clock: times are float seconds since the epoch (UTC), passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Conversation:
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
    variables: dict[str, str] = field(default_factory=dict)
    """What patterns captured, by group name; templates use them."""
