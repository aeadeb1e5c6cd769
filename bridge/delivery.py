"""What becomes of a message that we send: pure functions over an Mt and what the SMSC said of it.

The states (queued → held | sent → accepted → unknown → final) never go backwards and a final one never changes; the one
exception is a claim that is withdrawn before a single octet left, which puts the message back as if it had not been
claimed.

Outcomes may be applied twice (a turn whose commit failed is done again), so every function here is idempotent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from bridge.records import FINAL_STATES
from smppcore import constants
from smppcore.receipt import STATE_OUTCOME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.config import ErrorKind
    from bridge.records import Mt
    from smppcore.text import Encoded

ERRORS: Final[Mapping[int, ErrorKind]] = {
    constants.ESME_RTHROTTLED: "throttled",
    constants.ESME_RMSGQFUL: "throttled",
    constants.ESME_RSYSERR: "temporary",
    constants.ESME_RX_T_APPN: "temporary",
    constants.ESME_RINVBNDSTS: "temporary",
    constants.ESME_RSERTYPUNAVAIL: "temporary",
}
"""What a status in a submit_sm_resp means unless the link's `errors` says otherwise. Every other one, those of v5.0 and
of vendors (0x400 to 0x4FF) too, is permanent: what the carrier has looked at and refused it refuses again."""

ACCEPTED = "accepted"
RETRY = "retry"
FAILED = "failed"
DOUBT = "doubt"


class Flight(msgspec.Struct, gc=False, eq=False):
    """One claim of a message: from the commit that holds it to the answer to its last part."""

    mt: Mt
    encoded: Encoded
    todo: list[int]
    """Numbers of the parts that were not handed to a session yet."""
    open: int
    """A bit for each part that has no answer yet."""
    claimed: int
    """How many parts this claim is for."""
    queued: bool
    """The store's queue holds the message: it was not claimed by the turn that made it."""
    sent: bool = False
    """A session was given at least one part."""
    fate: str = ACCEPTED
    """The worst that happened to a part so far: accepted < retry < doubt < failed."""
    throttled: bool = False
    """The carrier asked us to slow down."""
    opted_out: bool = False
    """The carrier says that the customer wants no messages."""


_WORSE = {ACCEPTED: 0, RETRY: 1, DOUBT: 2, FAILED: 3}
_FATES: Final[Mapping[ErrorKind, str]] = {
    "throttled": RETRY,
    "temporary": RETRY,
    "in_doubt": DOUBT,
    "opted_out": FAILED,
    "permanent": FAILED,
}


def is_open(mt: Mt) -> bool:
    """Return whether a message is not claimed and may still be sent, for the first time or once more."""
    return mt.state in ("queued", "sent") and not mt.claim


def unaccepted_parts(mt: Mt) -> list[int]:
    """Return the numbers of the parts that the SMSC has not accepted, from 0."""
    if not mt.message_ids:
        return [0] if mt.parts == 1 else list(range(mt.parts))
    return [n for n, message_id in enumerate(mt.message_ids) if message_id is None]


def divide_anew(mt: Mt, parts: int) -> None:
    """Forget what was accepted: the link's way of sending texts has changed, and with it the parts of the message."""
    mt.parts = parts
    mt.message_ids = mt.receipts = ()


def message_reference(number: int, part: int) -> int:
    """Return the user_message_reference of one part of a message (SMPP v3.4 §5.3.2.17, two octets)."""
    return (number + part) & 0xFFFF


def name_part(mt: Mt, part: int, message_id: str) -> None:
    """Note what the SMSC called one part that it accepted."""
    if mt.parts == 1:
        mt.message_ids = (message_id,)
        return
    ids = list(mt.message_ids) or [None] * mt.parts
    ids[part] = message_id
    mt.message_ids = tuple(ids)


def part_accepted(flight: Flight, part: int, message_id: str) -> None:
    """Note that the SMSC has taken one part."""
    flight.open &= ~(1 << part)
    name_part(flight.mt, part, message_id)


def error_kind(command_status: int, own: Mapping[int, ErrorKind]) -> ErrorKind:
    """Return what a status means, by the link's own table before the usual one."""
    return own.get(command_status) or ERRORS.get(command_status, "permanent")


def part_failed(flight: Flight, part: int, command_status: int, kind: ErrorKind) -> None:
    """Note that the SMSC has refused one part, for now or for good.

    Args:
        flight: The claim.
        part: Which of its parts, from 0.
        command_status: As answered.
        kind: What error_kind() makes of it.
    """
    flight.open &= ~(1 << part)
    flight.mt.error = constants.status_name(command_status)
    if kind == "throttled":
        flight.throttled = True
    elif kind == "opted_out":
        flight.opted_out = True
    _worsen(flight, _FATES[kind])


def part_refused(flight: Flight, part: int, why: str) -> None:
    """Note that one part can never be sent: no octet of it left."""
    flight.open &= ~(1 << part)
    flight.mt.error = why
    _worsen(flight, FAILED)


def part_in_doubt(flight: Flight, part: int, why: str) -> None:
    """Note that one part has no answer and will get none."""
    flight.open &= ~(1 << part)
    flight.mt.error = why
    _worsen(flight, DOUBT)


def _worsen(flight: Flight, fate: str) -> None:
    if _WORSE[fate] > _WORSE[flight.fate]:
        flight.fate = fate


def retry_delay(attempts: int, *, throttled: bool, initial: float, maximum: float) -> float:
    """Return the seconds to wait before the next attempt, after so many that count; 0.0 after none.

    A throttled message is soon tried again, whatever the ladder for errors says: the rate sees to it that the carrier
    is not asked too often (`bridge.limits`), and others wait behind it.
    """
    if throttled:
        initial, maximum = _THROTTLED_INITIAL, min(_THROTTLED_LONGEST, maximum)
    return min(initial * 2.0 ** min(attempts - 1, 16), maximum) if attempts else 0.0


_THROTTLED_INITIAL = 0.02
_THROTTLED_LONGEST = 10.0


def finish(mt: Mt, state: str, now: float, error: str | None = None) -> None:
    """Bring a message to a final state, unless it is in one."""
    if mt.state not in FINAL_STATES:
        mt.state = state
        mt.done = now
        mt.claim = mt.next_try = 0.0
        if error is not None:
            mt.error = error


def accept(mt: Mt, now: float) -> None:
    """All parts are accepted by the SMSC."""
    if mt.state in ("queued", "held", "sent"):
        mt.state = ACCEPTED
        mt.accepted = now
    mt.claim = mt.next_try = 0.0
    mt.error = ""


def outcome_of(state: int | str, *, accepted_is_final: bool = False) -> str | None:
    """Return what a receipt's state finally makes of its part, None if it is not final.

    Args:
        state: message_state (SMPP v3.4 §5.2.28), or a word that the specification does not have.
        accepted_is_final: The carrier sends nothing after ACCEPTED.
    """
    if accepted_is_final and state == constants.STATE_ACCEPTED:
        return ACCEPTED
    return STATE_OUTCOME.get(state) if isinstance(state, int) else None


def apply_receipt(
    mt: Mt, part: int, state: int | str, error: str, now: float, *, accepted_is_final: bool = False
) -> bool:
    """Apply one delivery receipt to its message.

    A message of several parts is delivered only when all parts are; the first part that finally fails decides the rest.
    While a part is in the air the state waits for its answer: judge() is to be called then.

    Args:
        mt: The message.
        part: Which of its parts, from 0.
        state: message_state (SMPP v3.4 §5.2.28), or a word that the specification does not have.
        error: The network's error code as received, "" if there is none.
        now: Seconds since the epoch.
        accepted_is_final: The carrier sends nothing after ACCEPTED.

    Returns:
        Whether anything changed.
    """
    if mt.state in FINAL_STATES:
        return False
    receipts = list(mt.receipts) or [-1] * mt.parts
    if part >= len(receipts) or outcome_of(receipts[part], accepted_is_final=accepted_is_final) is not None:
        return False
    receipts[part] = state
    mt.receipts = tuple(receipts)
    if outcome_of(state) not in (None, "delivered"):
        mt.error = error
    if not mt.claim:
        judge(mt, now, accepted_is_final=accepted_is_final)
    return True


def judge(mt: Mt, now: float, *, accepted_is_final: bool = False) -> bool:
    """Bring a message to the state that its receipts finally give it, if they do; say whether.

    All parts delivered: delivered. Any other final outcome of a part is the message's. Where ACCEPTED is final, a
    message with such a part and no failed one stays accepted for good; `done` says since when.
    """
    if not mt.receipts:
        return False
    outcomes = [outcome_of(state, accepted_is_final=accepted_is_final) for state in mt.receipts]
    failed = next((outcome for outcome in outcomes if outcome not in (None, "delivered", ACCEPTED)), None)
    if failed is not None:
        finish(mt, failed, now)
    elif None not in outcomes:
        mt.accepted = mt.accepted or now  # its answer may have been lost
        finish(mt, ACCEPTED if ACCEPTED in outcomes else "delivered", now, "")
    return mt.done > 0.0
