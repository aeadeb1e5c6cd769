"""What a session is told when it begins, and what it tells: its configuration, its events and its totals.

Data only; what they mean in the course of a session is in `session.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from smppcore import constants as c
from smppcore.pdu import Pdu

if TYPE_CHECKING:
    from smppcore.errors import SmppError
    from smppcore.states import SessionState


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session allows and how long it waits. Times in seconds."""

    window: int = 50
    """How many of our requests may be un-answered at once."""
    receive_window: int = 1000
    """How many of the peer's requests may be un-answered; past it we answer ESME_RTHROTTLED ourselves."""
    max_pdu_bytes: int = 65552
    """The longest PDU accepted, header included; above it the link is closed. A full message_payload must fit."""
    session_init_timeout: float = 30.0
    """How long a connection may stay without a bind (SMPP v3.4 §7.2)."""
    enquire_link_interval: float = 30.0
    """After how long without an octet from the peer it is asked whether it is there; 0 is never."""
    enquire_link_timeout: float = 0.0
    """How long any octet is waited for after an enquire_link, before the peer counts as dead; 0 is response_timeout."""
    inactivity_timeout: float = 0.0
    """After how long without an operation, enquire_link not counted, the session is unbound; 0 is never."""
    response_timeout: float = 30.0
    """How long a response is waited for."""
    unbind_grace: float = 1.0
    """How long a peer's unbind is held back for the answers that we still owe."""
    interface_version: int = c.VERSION_34
    """The highest version that we speak."""
    assume_version: int = c.VERSION_34
    """The version of an SMSC whose bind_resp does not say (SMPP v3.4 §3.4 would have 0x33: no TLVs to it)."""
    strict: bool = False
    """Refuse what the specification forbids where peers are known to do it and harm nobody."""
    system_id: bytes = b""
    """The SMSC's name in its bind_resp."""


class Outcome(msgspec.Struct, gc=False):
    """What became of a request of ours: a response, whatever its status, or an error."""

    request: Pdu
    response: Pdu | None
    error: SmppError | None = None
    """ResponseTimeout or LinkClosed; LocalProtocolError for a request that could not be encoded, so never left."""
    late: bool = False
    """The request had already ended in a ResponseTimeout outcome."""
    malformed: bool = False
    """The response said status 0 but its body could not be read: accepted, with every field empty."""
    elapsed: float = 0.0
    """From `send` to the response, in seconds; 0 with an error."""


@dataclass(slots=True)
class StateChanged:
    """The session went from one state to another without the application's doing."""

    old: SessionState
    new: SessionState
    reason: str


Event = Pdu | Outcome | StateChanged
"""A Pdu event is a request of the peer; each but alert_notification and outbind must be answered with `respond`."""


@dataclass(slots=True)
class Counters:
    """What happened in a session, as totals."""

    pdus_in: int = 0
    pdus_out: int = 0
    octets_in: int = 0
    octets_out: int = 0
    protocol_errors: int = 0
    """PDUs that were malformed, unknown, not allowed in their state, or of the wrong type for their request."""
    generic_nacks_in: int = 0
    unknown_responses: int = 0
    """Responses to a number that we do not know, or no longer."""
    late_responses: int = 0
    """Responses that came after their request had timed out."""
    malformed_responses: int = 0
    response_timeouts: int = 0
    throttled_in: int = 0
    """Requests that we answered with ESME_RTHROTTLED because receive_window was full."""
    enquire_links_in: int = 0
    enquire_links_out: int = 0
