"""What an ESME can do wrong: one table, which the judge notes from and the report explains from.

Data only. Sections are those of SMPP v3.4 (Issue 1.2), or of v5.0 where it says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning", "note"]
"""An error loses messages or breaks sessions sooner or later; a warning is against the specification or the agreement
and mostly does no harm; a note is worth knowing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong."""

    name: str
    """What reports call it."""
    severity: Severity
    """How bad it is."""
    section: str
    """Where it is written."""
    text: str
    """What the ESME did, in one line."""


_TERMS = "the account's terms"

RULES: Final = {
    rule.name: rule
    for rule in (
        # Binds and states
        Rule("no_bind", "warning", "§7.2", "connected and sent no bind in session_init time"),
        Rule("bind_refused", "note", "§4.1", "sent a bind that was refused"),
        Rule("rebind_storm", "error", "§7.2", "came again too soon after refusals or lost sessions, again and again"),
        Rule("request_before_bind", "error", "§2.3", "sent a request before it was bound"),
        Rule("second_bind", "error", "§4.1", "sent a bind where there was one already"),
        Rule("operation_not_allowed", "error", "§2.3", "sent a request that its kind of bind does not allow"),
        Rule("request_after_unbind", "error", "§4.2", "sent a request after its unbind"),
        Rule("unbind_unanswered", "warning", "§4.2.2", "did not answer unbind"),
        Rule("closed_without_unbind", "note", "§4.2", "closed the connection without unbind"),
        # Framing
        Rule("bad_length", "error", "§3.2", "sent a command_length that cannot be: less than a header, or huge"),
        Rule("truncated_pdu", "error", "§3.2", "closed the connection in the middle of a PDU"),
        Rule("unknown_command", "error", "§5.1.2", "sent a command_id that nobody has defined"),
        Rule("status_in_request", "warning", "§3.2", "sent a request whose command_status is not 0"),
        Rule("extra_octets", "warning", "§4.11", "sent octets behind the header of a PDU that has no body"),
        # Sequence numbers
        Rule("sequence_out_of_range", "warning", "§3.2", "sent a sequence_number outside 1 to 0x7FFFFFFF"),
        Rule("sequence_reused", "error", "v5.0 §2.6", "sent a request under the number of one that was not answered"),
        Rule("sequence_not_ascending", "note", "v5.0 §2.6", "sent a request with a number not above the one before"),
        # Rate and window
        Rule("window_exceeded", "warning", _TERMS, "had more submissions un-answered than its window allows"),
        Rule("rate_exceeded", "warning", _TERMS, "sent more submissions a second than its rate allows"),
        Rule("ignored_throttling", "error", "§5.1.3", "went on as before while more than a fifth was throttled"),
        Rule("enquire_link_flood", "note", "§4.11", "sent enquire_link more than once a second"),
        # Answers to what the SMSC asks
        Rule("enquire_link_unanswered", "error", "§4.11.2", "did not answer enquire_link"),
        Rule("mo_unanswered", "error", "§4.6.2", "did not answer a deliver_sm or data_sm in time"),
        Rule("receipt_unanswered", "error", "§4.6.2", "did not acknowledge a delivery receipt in time"),
        Rule("receipt_refused", "warning", "§4.6.2", "answered a delivery receipt with an error"),
        Rule("response_late", "warning", "§7.2", "answered later than half of the response time-out"),
        Rule("response_repeated", "warning", "§3.2", "answered a request twice"),
        Rule("response_to_nothing", "error", "§3.2", "sent a response under a number that was not asked"),
        Rule("response_wrong_type", "error", "§3.2", "answered a request with the response to another operation"),
        Rule("response_malformed", "error", "§4.6.2", "sent a response whose body cannot be read"),
        Rule("message_id_not_null", "note", "§4.6.2", "sent a message_id in deliver_sm_resp, where it is unused"),
        Rule("nack_to_request", "error", "§4.3", "answered a request with generic_nack instead of its response"),
        Rule("nack_to_response", "error", "§4.3", "sent generic_nack in reply to a response"),
        Rule("stray_nack", "warning", "§4.3", "sent generic_nack to nothing"),
        Rule("answered_the_unanswerable", "error", "§4.12", "answered alert_notification or outbind"),
        Rule("not_reading", "error", "§2.4", "did not read from its connection for seconds"),
        # What it submits
        Rule("malformed_field", "error", "§5.2", "sent a request with a value that is not allowed"),
        Rule("malformed_tlv", "error", "§3.2.4", "sent a request with an optional parameter that is not allowed"),
        Rule("tlv_before_34", "warning", "§3.4", "sent an optional parameter in a session of a version before 3.4"),
    )
}
"""All of them by name."""

ORDER: Final[dict[Severity, int]] = {"error": 0, "warning": 1, "note": 2}
"""The worst first."""
