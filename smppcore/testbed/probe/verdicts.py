"""What the answers of a peer mean, in words for whoever has to call the carrier. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from smppcore import constants as c

Word = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of a diagnosis."""

    what: str
    """What was looked at."""
    word: Word
    found: str
    """What was found."""
    advice: str = ""
    """What to do, or to ask the carrier."""


_ASK: Final[dict[int, tuple[str, str]]] = {
    c.ESME_RINVPASWD: (
        "the system_id is known, the password is not its own",
        "ask for the password again; it has at most 8 characters, and upper and lower case count",
    ),
    c.ESME_RINVSYSID: (
        "the system_id is not known there, or not on this port",
        "ask which system_id, host and port belong together: test and live accounts often differ",
    ),
    c.ESME_RBINDFAIL: (
        "refused without a reason: the account, our address, its expiry, or wrong credentials (v5.0 §4.7.6)",
        "ask whether the account is active, which of our addresses they let in, and have the password confirmed",
    ),
    c.ESME_RALYBND: (
        "as many binds as are allowed are there already, perhaps one that died without their noticing",
        "end the other binds, or ask how many are allowed and after what silence theirs are dropped",
    ),
    c.ESME_RINVBNDSTS: (
        "this kind of bind is not allowed in this state",
        "ask which binds the account may make: transceiver, transmitter, receiver",
    ),
    c.ESME_RINVCMDID: (
        "this kind of bind is not known there: servers of before v3.4 have no transceiver (34 §4.1)",
        'use bind = "separate", a transmitter and a receiver',
    ),
    c.ESME_RINVSYSTYP: (
        "system_type is not what they expect",
        "ask for the system_type of the account; often it is empty",
    ),
    c.ESME_RSYSERR: ("their system has an error", "try again later; if it stays, give them the time and our address"),
    c.ESME_RTHROTTLED: ("too many attempts to bind", "wait some minutes; ask for the limit on binds"),
    c.ESME_RINVCMDLEN: ("they could not read the bind", "ask which interface_version they speak, and try another"),
    c.ESME_RUNKNOWNERR: ("refused, and they do not say why", "give them the time, our address and the system_id"),
}


def bind_answer(status: int) -> Verdict:
    """Judge the status of the answer to a bind."""
    if status == c.ESME_ROK:
        return Verdict("bind", "good", "accepted")
    meaning, ask = _ASK.get(
        status,
        (c.status_text(status), "ask the carrier what this status means at a bind; give the time and our address"),
    )
    return Verdict("bind", "bad", f"{c.status_name(status)} (0x{status:02X}): {meaning}", ask)


def versions(ours: int, theirs: int | None) -> Verdict:
    """Judge the versions of the two sides (SMPP v3.4 §5.2.4, §5.3.2.25)."""
    if theirs is None:
        return Verdict(
            "version",
            "note",
            f"we speak {version_name(ours)}; they do not say (no sc_interface_version)",
            "by the specification that is v3.3 without TLVs; in practice most such servers speak v3.4",
        )
    found = f"we speak {version_name(ours)}, they speak {version_name(theirs)}"
    if theirs < c.VERSION_34:
        return Verdict("version", "note", found, "no TLVs, and message_id of at most 8 characters (34 §3.4)")
    return Verdict("version", "good", found)


def version_name(version: int) -> str:
    """Return "3.4" for 0x34."""
    return f"{version >> 4}.{version & 0xF}"


def certificate(days_left: float, until: str) -> Verdict:
    """Judge the expiry of a certificate that was otherwise accepted."""
    found = f"valid until {until}, {days_left:.0f} days left"
    if days_left < 30:
        return Verdict(
            "certificate", "note" if days_left > 7 else "bad", found, "ask the carrier for its successor now"
        )
    return Verdict("certificate", "good", found)


_UNKNOWN_OPERATION: Final = frozenset((c.ESME_RINVCMDID, c.ESME_RPROHIBITED))
_NO_SUCH_MESSAGE: Final = frozenset((c.ESME_RINVMSGID, c.ESME_RQUERYFAIL, c.ESME_RCANCELFAIL, c.ESME_RINVSRCADR))


def operation(name: str, status: int) -> Verdict:
    """Judge the answer to an operation that was asked about a message that is not there."""
    shown = c.status_name(status)
    if status in _UNKNOWN_OPERATION:
        return Verdict(name, "note", f"not offered ({shown})")
    if status in _NO_SUCH_MESSAGE:
        return Verdict(name, "good", f"offered: no such message, as was to be expected ({shown})")
    if status == c.ESME_ROK:
        return Verdict(name, "note", "offered, but it says yes to a message that does not exist")
    return Verdict(name, "note", f"answered with {shown}: {c.status_text(status)}")


def submission(name: str, status: int, *, to_nobody: bool) -> Verdict:
    """Judge the answer to a submit_sm that tries something.

    Args:
        name: What it tries.
        status: Of the answer.
        to_nobody: It had no destination, so that it could not be delivered.
    """
    shown = c.status_name(status)
    if to_nobody:
        if status == c.ESME_RINVDSTADR:
            return Verdict(name, "good", f"refused for its missing destination, not for this ({shown})")
        if status == c.ESME_ROK:
            return Verdict(name, "bad", "accepted without a destination", "ask what becomes of such messages")
        return Verdict(name, "note", f"refused ({shown}): {c.status_text(status)}", "--to NUMBER tries it in earnest")
    if status == c.ESME_ROK:
        return Verdict(name, "good", "accepted")
    if status in (c.ESME_RTHROTTLED, c.ESME_RMSGQFUL):
        return Verdict(name, "note", f"throttled ({shown})", "try again later")
    return Verdict(name, "bad", f"refused ({shown}): {c.status_text(status)}", "ask whether the account may send this")
