"""Requests and responses brought together: what answers what, how late, and what has no counterpart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smppcore import constants as c
from smppcore.dissect import pairing as module
from smppcore.dissect.explain import explain
from smppcore.dissect.found import Found
from smppcore.dissect.pairing import Pair, Pairing
from smppcore.pdu import (
    AlertNotification,
    BindTransceiver,
    BindTransceiverResp,
    DeliverSM,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSM,
    SubmitSMResp,
    encode,
)

if TYPE_CHECKING:
    from smppcore.pdu import Pdu


class Recording:
    """PDUs of a connection, one after the other."""

    def __init__(self) -> None:
        self.pairing = Pairing()
        self.number = 0
        self.findings: list[str] = []

    def add(self, pdu: Pdu, sender: str | None = "out", time: float | None = None, link: str = "a/1") -> Pair | None:
        self.number += 1
        found = Found(encode(pdu), "line 1", time, link=link, sender=sender, direction=f"{sender or ''} {link}".strip())
        explained = explain(found.octets)
        before = len(explained.findings)
        pair = self.pairing.add(self.number, found, explained)
        self.findings = [finding.text for finding in explained.findings[before:]]
        return pair


@pytest.fixture
def recording() -> Recording:
    return Recording()


def test_a_response_answers_the_request_of_the_other_side(recording: Recording) -> None:
    recording.add(SubmitSM(destination_addr=b"1", sequence_number=5), "out", 1.0)
    recording.add(DeliverSM(sequence_number=5), "in", 1.1)
    assert recording.add(SubmitSMResp(b"7", sequence_number=5), "in", 1.5) == Pair(1, 0.5)
    assert recording.add(DeliverSMResp(sequence_number=5), "out", 1.35) == Pair(2, pytest.approx(0.25))  # type: ignore[arg-type]
    assert recording.findings == []
    assert recording.pairing.end() == []


def test_connections_are_kept_apart(recording: Recording) -> None:
    recording.add(EnquireLink(sequence_number=1), link="a/1")
    assert recording.add(EnquireLinkResp(sequence_number=1), "in", link="a/2") is None
    assert recording.findings == ["a response without a request in the recording"]
    assert recording.pairing.unasked == 1


def test_without_directions_the_command_decides(recording: Recording) -> None:
    recording.add(SubmitSM(destination_addr=b"1", sequence_number=5), None)
    recording.add(DeliverSM(sequence_number=5), None)
    assert recording.add(DeliverSMResp(sequence_number=5), None) == Pair(2, None)
    assert recording.add(GenericNack(command_status=3, sequence_number=5), None) == Pair(1, None)


def test_a_response_of_another_command_is_a_violation(recording: Recording) -> None:
    recording.add(EnquireLink(sequence_number=5))
    assert recording.add(SubmitSMResp(b"7", sequence_number=5), "in") is None
    assert recording.findings == ["answers #1, which is a enquire_link"]
    assert recording.add(EnquireLinkResp(sequence_number=5), "in") == Pair(1, None)


def test_a_sequence_number_that_is_open_already_is_said(recording: Recording) -> None:
    recording.add(EnquireLink(sequence_number=5))
    recording.add(EnquireLink(sequence_number=5))
    assert recording.findings == ["5 is open already, as #1"]
    assert recording.add(EnquireLinkResp(sequence_number=5), "in") == Pair(2, None)
    assert recording.pairing.unanswered == 1


def test_what_has_no_response_is_left_at_the_end(recording: Recording) -> None:
    recording.add(EnquireLink(sequence_number=1))
    recording.add(AlertNotification(sequence_number=2), "in")
    recording.add(SubmitSM(destination_addr=b"1", sequence_number=3), link="b/1")
    assert [(lost.number, lost.command_id) for lost in recording.pairing.end()] == [
        (1, c.ENQUIRE_LINK),
        (3, c.SUBMIT_SM),
    ]


def test_a_new_connection_answers_nothing_of_the_one_before(recording: Recording) -> None:
    recording.add(EnquireLink(sequence_number=1))
    assert [lost.number for lost in recording.pairing.begin("a/1")] == [1]
    assert recording.add(EnquireLinkResp(sequence_number=1), "in") is None


def test_open_requests_are_bounded(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 3)
    for sequence in range(1, 6):
        recording.add(EnquireLink(sequence_number=sequence))
    assert recording.pairing.unanswered == 2
    assert [lost.number for lost in recording.pairing.end()] == [3, 4, 5]


def test_the_summary_counts(recording: Recording) -> None:
    recording.add(BindTransceiver(b"esme", b"secret", interface_version=0x50, sequence_number=1), "out", 0.0)
    recording.add(BindTransceiverResp(b"smsc", sequence_number=1), "in", 0.25)
    for sequence in (2, 3, 4):
        recording.add(SubmitSM(destination_addr=b"1", sequence_number=sequence), "out", 1.0)
    recording.add(SubmitSMResp(b"7", sequence_number=2), "in", 1.1)
    recording.add(SubmitSMResp(command_status=c.ESME_RTHROTTLED, sequence_number=3), "in", 1.2)
    assert recording.pairing.versions == {"a/1": 0x50}
    recording.pairing.end()
    row = recording.pairing.summary()
    assert row["pdus"] == 7
    assert row["errors"] == {"submit_sm_resp ESME_RTHROTTLED": 1}
    assert row["answered"] == {"submit_sm": 2, "bind_transceiver": 1}
    assert row["requests_without_response"] == 1
    assert row["latency_ms"]["submit_sm"]["max"] == 200.0  # type: ignore[index]
    assert row["sessions"] == [
        {
            "name": "a/1",
            "bind": "bind_transceiver",
            "system_id": "esme",
            "status": "ESME_ROK",
            "pdus": 7,
            "window": {"out": 3},
        }
    ]
