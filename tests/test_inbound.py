"""What sessions hand out becomes the committer's events."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bridge.events import Arrivals, Outcomes
from bridge.inbound import sort_events
from smppcore import constants as c
from smppcore.events import Outcome, StateChanged
from smppcore.pdu import AlertNotification, DataSM, Pdu, QuerySM, QuerySMResp, SubmitSM, SubmitSMResp
from smppcore.session import SessionState
from tests.pipeline import START, Wire, text

if TYPE_CHECKING:
    from bridge.events import Event
    from smppcore.link import Link
    from smppcore.session import Event as SessionEvent


def sort(*events: SessionEvent) -> tuple[list[Event], Wire]:
    wire = Wire()
    return list(sort_events("a", cast("Link", wire), list(events), START)), wire


def test_a_batch_becomes_one_event_of_each_kind_outcomes_first() -> None:
    pdus: list[Pdu] = [text("1"), DataSM(), text("2")]
    outcomes = [Outcome(SubmitSM(), SubmitSMResp(b"7")) for _ in range(2)]
    events, wire = sort(pdus[0], outcomes[0], pdus[1], outcomes[1], pdus[2])
    assert events == [Outcomes("a", outcomes), Arrivals("a", cast("Link", wire), pdus, START)]
    assert wire.responses == []


def test_nothing_makes_no_event() -> None:
    assert sort()[0] == []
    assert sort(StateChanged(SessionState.BOUND_TRX, SessionState.UNBOUND, "x"))[0] == []


def test_what_we_do_not_carry_out_is_answered_at_once() -> None:
    query = QuerySM(sequence_number=5)
    events, wire = sort(query, text("1"))
    assert len(events) == 1
    assert wire.responses == [QuerySMResp(command_status=c.ESME_RINVCMDID, sequence_number=5)]


def test_an_alert_has_no_answer() -> None:
    events, wire = sort(AlertNotification())
    assert (events, wire.responses) == ([], [])
