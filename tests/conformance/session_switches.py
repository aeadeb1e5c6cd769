"""What both roles owe to the session, switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore.window import Window
from tests.conformance.switches import Switch, edit

if TYPE_CHECKING:
    import pytest

    from smppcore.pdu import Pdu

SESSION = "smppcore.session:Session."

UNKNOWN_REQUEST = edit(SESSION + "_receive_other", ("self._nack(c.ESME_RINVCMDID, sequence)", "pass"))
NACKS_RESPONSES = edit(
    SESSION + "_receive_late", ("counters.unknown_responses += 1", "self._nack(c.ESME_RINVCMDID, sequence)")
)
NOTHING_NACKED = edit(SESSION + "_receive_mismatch", ("if command_id != c.GENERIC_NACK:", "if True:"))
ANY_TYPE = edit(SESSION + "_receive_mismatch", ("if command_id != c.GENERIC_NACK:", "if False:"))
NO_PARTIAL = edit(SESSION + "_keep_partial", ("self._partial += data[position:]", "pass"))
ONE_PDU_A_READ = edit(SESSION + "receive_data", ("position = stop", "position = end"))
LATE_IGNORED = edit(SESSION + "_receive_late", ("events.append(outcome)", "pass"))
MALFORMED_FAILS = edit(
    SESSION + "_malformed", ("cls(sequence_number=sequence)", "cls(command_status=8, sequence_number=sequence)")
)
NACK_FOR_STATE = edit(
    SESSION + "_receive_other",
    (
        "self._reject(command_id, c.ESME_RALYBND if already else c.ESME_RINVBNDSTS, sequence)",
        "self._nack(c.ESME_RINVBNDSTS, sequence)",
    ),
)
NO_ENQUIRE_IN_OPEN = edit(
    SESSION + "_receive_other", ("if command_id == c.ENQUIRE_LINK:", "if command_id == c.ENQUIRE_LINK and self.bound:")
)
NO_REPLY_TO_OUTBIND = edit(SESSION + "_receive_other", ("if command_id == c.OUTBIND:", "if False:"))
ANSWERS_ALERTS = edit(SESSION + "_receive_other", ("if command_id == c.OUTBIND:", "if True:"))
SILENT_UNBIND = edit(
    SESSION + "_receive_other",
    ("self._answer(c.UNBIND, c.ESME_ROK, sequence)\n", "pass\n"),
)
PROCESSES_AFTER_UNBIND = edit(SESSION + "_receive_other", ("elif self.state is _UNBOUND:", "elif False:"))
STAYS_AFTER_UNBIND = edit(SESSION + "_receive_own", ("self.wants_close = True", "pass"))
UNBIND_FOREVER = edit(SESSION + "handle_timeout", ("elif request.command_id == c.UNBIND:", "elif False:"))
ENQUIRE_IS_ACTIVITY = edit(
    SESSION + "_receive_other",
    ("self.counters.enquire_links_in += 1", "self._last_operation = now"),
)
NEVER_DEAD = edit(SESSION + "handle_timeout", ("if self._last_received < self._enquire_sent:", "if False:"))
ONLY_A_RESPONSE_IS_LIFE = edit(SESSION + "handle_timeout", ("if self._last_received < self._enquire_sent:", "if True:"))
BINDS_FOR_EVER = edit(SESSION + "next_deadline", ("elif self.state is not _UNBOUND:", "elif False:"))
BODYLESS_LONGER = edit(SESSION + "_answer", ("_HEADER.pack(_HEADER_BYTES,", 'b"%b\\0" % _HEADER.pack(17,'))
NACK_LONGER = edit(SESSION + "_nack", ("_HEADER.pack(_HEADER_BYTES,", 'b"%b\\0" % _HEADER.pack(17,'))
ENQUIRE_OF_ANY_LENGTH = edit(SESSION + "_receive_other", ("if self.config.strict and", "if False and"))
ENQUIRE_OF_16 = edit(SESSION + "_receive_other", ("if self.config.strict and", "if"))
UNLIMITED_RECEIVE_WINDOW = edit(
    SESSION + "_receive_request", ("self._unanswered_count >= self.config.receive_window", "False")
)
UNLIMITED_WINDOW = edit(
    "smppcore.window:Window.room", ("return self.size - len(self._open) + len(self._extra)", "return 1000")
)
TLVS_TO_ANYBODY = edit(SESSION + "_encoder", ("self.interface_version >= c.VERSION_34", "True"))


def refusing(condition: str) -> Switch:
    """Switch: the session refuses requests for which something holds."""
    line = "answerable = command_id not in WITHOUT_RESPONSE"
    return edit(
        SESSION + "_receive_request",
        (line, f"if {condition}:\n        return self._reject(command_id, c.ESME_RSYSERR, sequence)\n    {line}"),
    )


def remembers_highest(patch: pytest.MonkeyPatch) -> None:
    refusing("sequence < self.__dict__.get('highest', 0) or self.__dict__.update(highest=sequence)")(patch)


def one_window_for_all(patch: pytest.MonkeyPatch) -> None:
    shared: Window[Pdu] = Window(50, 10.0)
    patch.setattr("smppcore.session.Window", lambda *_: shared)
    edit("smppcore.window:Window.drain", ("self._open.clear()", "pass"))(patch)


def judging(condition: str) -> Switch:
    """Switch: the session refuses requests whose `pdu` something holds for."""
    line = "if self._judges and"
    return edit(
        SESSION + "_receive_request",
        (line, f"if {condition}:\n        return self._reject(command_id, c.ESME_RSYSERR, sequence)\n    {line}"),
    )


def dying(condition: str) -> Switch:
    """Switch: the session ends when an answer comes for which something holds."""
    return edit(
        SESSION + "receive_data",
        (
            "if window.release(sequence):",
            f"if self.__dict__.update(wants_close=self.wants_close or bool({condition})) or window.release(sequence):",
        ),
    )
