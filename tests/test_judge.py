"""What the judge notes of an ESME, from the octets of its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smppcore import constants as c
from smppcore.events import SessionConfig
from smppcore.pdu import (
    AlertNotification,
    BindReceiver,
    BindTransceiver,
    DeliverSM,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    SubmitSM,
    SubmitSMResp,
    Unbind,
    UnbindResp,
    encode,
    response_to,
)
from smppcore.testbed.findings import ORDER, RULES
from smppcore.testbed.judge import Judge
from smppcore.testbed.verdicts import Limits

if TYPE_CHECKING:
    from smppcore.testbed.verdicts import Found

NO_LIMITS = Limits()
SESSION = SessionConfig(response_timeout=10.0, session_init_timeout=5.0, interface_version=c.VERSION_50)
RECEIPT = DeliverSM(esm_class=4, short_message=b"id:1 stat:DELIVRD", sequence_number=1)
MO = DeliverSM(source_addr=b"1", short_message=b"HELP", sequence_number=1)


class Case:
    """A connection that is judged; what happens comes a millisecond after what was before."""

    def __init__(self, limits: Limits = NO_LIMITS, judge: Judge | None = None) -> None:
        self.judge = judge or Judge(lambda _system_id: limits, SESSION)
        self.now = 100.0
        self.witness = self.judge.connected("10.0.0.1:5000", self.now)
        self.sequence = 0

    def says(self, *pdus: Pdu) -> Case:
        """The ESME sends PDUs, numbered if they are not; the SMSC does not answer."""
        for pdu in pdus:
            self.now += 0.001
            if not pdu.sequence_number:
                self.sequence += 1
                pdu.sequence_number = self.sequence
            self.witness.received(encode(pdu), self.now)
        return self

    def hears(self, *pdus: Pdu) -> Case:
        """The SMSC sends PDUs."""
        for pdu in pdus:
            self.now += 0.001
            self.witness.sent(encode(pdu), self.now)
        return self

    def asks(self, *pdus: Pdu, status: int = 0) -> Case:
        """The ESME sends requests, each of which is answered at once."""
        for pdu in pdus:
            self.says(pdu)
            self.hears(response_to(pdu, status))
        return self

    def waits(self, seconds: float) -> Case:
        self.now += seconds
        return self

    def bound(self, kind: type[BindTransceiver | BindReceiver] = BindTransceiver, version: int = 0x34) -> Case:
        return self.asks(kind(b"esme", b"secret", interface_version=version))

    def found(self) -> dict[str, int]:
        """How often each rule was broken, by whomever."""
        return {found.name: found.count for verdict in self.judge.report(self.now) for found in verdict.found.values()}

    def only(self) -> Found:
        [found] = [found for verdict in self.judge.report(self.now) for found in verdict.found.values()]
        return found


def submit(**fields: object) -> SubmitSM:
    return SubmitSM(**{"destination_addr": b"12025550101", "short_message": b"hi", **fields})  # type: ignore[arg-type]


def test_an_esme_that_does_everything_right_has_no_findings() -> None:
    case = Case(Limits(rate=10, window=2)).bound().asks(submit(), submit(), EnquireLink())
    case.hears(MO).says(response_to(MO))
    case.hears(EnquireLink(sequence_number=2)).says(EnquireLinkResp(sequence_number=2))
    case.asks(Unbind()).witness.ended(case.now)
    case.witness.closed(case.now)
    assert case.found() == {}
    [verdict] = case.judge.report(case.now)
    assert verdict.to_dict() == {"esme": "esme", "sessions": 1, "submissions": 2, "throttled": 0, "findings": []}


def test_a_finding_says_what_when_and_where() -> None:
    case = Case().bound().waits(3.0).says(submit(command_status=8)).says(submit(command_status=8))
    found = case.only()
    assert found.to_dict() == {
        "finding": "status_in_request",
        "severity": "warning",
        "section": "§3.2",
        "text": RULES["status_in_request"].text,
        "count": 2,
        "first": pytest.approx(3.003),
        "last": pytest.approx(3.004),
        "example": "submit_sm: ESME_RSYSERR",
    }


# -- binds and states --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (lambda: Case().says(submit()), {"request_before_bind": 1}),
        (lambda: Case().bound().says(BindTransceiver(b"esme", b"secret")), {"second_bind": 1}),
        (lambda: Case().bound(BindReceiver).says(submit()), {"operation_not_allowed": 1}),
        (lambda: Case().bound().says(DeliverSM()), {"operation_not_allowed": 1}),
        (lambda: Case().bound().asks(Unbind()).says(submit()), {"request_after_unbind": 1}),
        (lambda: Case().asks(BindTransceiver(b"esme", b"wrong"), status=c.ESME_RINVPASWD), {"bind_refused": 1}),
        (lambda: Case().asks(EnquireLink()), {}),
        (lambda: Case().hears(Outbind(b"smsc", sequence_number=1)).bound(BindReceiver), {}),
    ],
)
def test_requests_have_their_states(case: object, expected: dict[str, int]) -> None:
    assert case().found() == expected  # type: ignore[operator]


def test_a_bind_that_cannot_be_read_is_a_malformed_field() -> None:
    case = Case()
    case.witness.received(bytes.fromhex("00000014 00000009 00000000 00000001") + b"esme", 100.0)  # no NUL
    case.hears(response_to(BindTransceiver(sequence_number=1), c.ESME_RINVSYSID))
    assert set(case.found()) == {"malformed_field", "bind_refused"}


def test_a_second_bind_may_come_before_the_first_has_its_answer() -> None:
    first, second = BindTransceiver(b"esme", b"secret"), BindTransceiver(b"esme", b"secret")
    case = Case().says(first, second).hears(response_to(second, c.ESME_RALYBND), response_to(first)).says(submit())
    assert case.found() == {"second_bind": 1}


def test_a_bind_may_be_tried_again_on_the_same_connection() -> None:
    case = Case().asks(BindTransceiver(b"esme", b"wrong"), status=c.ESME_RINVPASWD).bound().asks(submit())
    assert case.found() == {"bind_refused": 1}
    assert case.judge.verdicts["esme"].connections == 1


def test_who_never_binds_is_known_by_the_address() -> None:
    case = Case().waits(6.0)
    case.witness.closed(case.now)
    [verdict] = case.judge.report(case.now)
    assert (verdict.esme, list(verdict.found)) == ("10.0.0.1", ["no_bind"])
    probe = Case().waits(1.0)
    probe.witness.closed(probe.now)
    assert probe.found() == {}


def test_coming_again_at_once_is_a_storm_and_backing_off_is_not() -> None:
    for pauses, stormy in (([1.0] * 12, True), ([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0], False)):
        judge = Judge(lambda _system_id: Limits(), SESSION)
        now = 0.0
        for pause in pauses:
            case = Case(judge=judge)
            case.now = now
            case.asks(BindTransceiver(b"esme", b"wrong"), status=c.ESME_RINVPASWD)
            case.witness.closed(case.now)
            now = case.now + pause
        assert ("rebind_storm" in judge.verdicts["esme"].found) is stormy


def test_many_sessions_that_come_back_once_are_no_storm() -> None:
    judge = Judge(lambda _system_id: Limits(), SESSION)
    cases = [Case(judge=judge).bound() for _ in range(50)]
    for case in cases:
        case.witness.closed(case.now)
    for _ in range(50):
        Case(judge=judge).bound()
    assert judge.verdicts["esme"].found == {}
    assert judge.verdicts["esme"].peak == 50


def test_closing_without_unbind_is_noted_unless_the_connection_was_damaged() -> None:
    case = Case().bound()
    case.witness.ended(case.now)
    assert case.found() == {"closed_without_unbind": 1}
    case = Case().bound()
    case.witness.forgive()
    case.witness.ended(case.now)
    assert case.found() == {}


def test_an_unbind_is_given_its_time() -> None:
    case = Case().bound().hears(Unbind(sequence_number=1)).waits(1.0)
    case.witness.closed(case.now)
    assert case.found() == {}


def test_an_unbind_wants_its_answer() -> None:
    case = Case().bound().hears(Unbind(sequence_number=1)).waits(11.0)
    assert case.found() == {"unbind_unanswered": 1}
    case = Case().bound().hears(Unbind(sequence_number=1)).waits(3.0)
    case.witness.closed(case.now)
    assert case.found() == {"unbind_unanswered": 1}
    case = Case().bound().hears(Unbind(sequence_number=1)).says(UnbindResp(sequence_number=1)).waits(3.0)
    case.witness.ended(case.now)
    case.witness.closed(case.now)
    assert case.found() == {}


# -- framing and numbers -----------------------------------------------------------------------------------------------


def test_a_length_that_cannot_be_ends_the_judging_of_a_connection() -> None:
    for length in (15, 70_000):
        case = Case().bound()
        case.witness.received(length.to_bytes(4, "big") + b"garbage and more of it", case.now)
        case.says(submit(sequence_number=0xFFFFFFFF))
        case.witness.ended(case.now)
        assert case.found() == {"bad_length": 1}


def test_pdus_may_come_in_any_pieces() -> None:
    whole = Case().bound()
    octets = encode(submit(sequence_number=2, command_status=1)) + encode(submit(sequence_number=3))
    for start in range(len(octets)):
        whole.witness.received(octets[start : start + 1], whole.now)
    assert whole.found() == {"status_in_request": 1}
    whole.witness.received(octets[:20], whole.now)
    whole.witness.ended(whole.now)
    assert whole.found() == {"status_in_request": 1, "truncated_pdu": 1, "closed_without_unbind": 1}


def test_unknown_commands_are_noted_once() -> None:
    case = Case().bound()
    case.witness.received(bytes.fromhex("00000010 00010200 00000000 00000009"), case.now)
    case.hears(GenericNack(command_status=c.ESME_RINVCMDID, sequence_number=9))
    assert case.found() == {"unknown_command": 1}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((2, 3, 10, 11), {}),
        ((0x7FFFFFFF, 1, 2), {}),
        ((2, 0x80000000), {"sequence_out_of_range": 1}),
        ((5, 4), {"sequence_not_ascending": 1}),
        ((5, 5), {"sequence_reused": 1}),
    ],
)
def test_numbers_of_requests(numbers: tuple[int, ...], expected: dict[str, int]) -> None:
    case = Case().bound()
    case.says(*(submit(sequence_number=number) for number in numbers))
    assert case.found() == expected


def test_number_zero_is_out_of_range() -> None:
    case = Case().bound()
    case.witness.received(encode(submit(sequence_number=0)), case.now)
    assert case.found() == {"sequence_out_of_range": 1}


def test_what_has_no_body_has_no_octets_behind_its_header() -> None:
    case = Case().bound()
    case.witness.received(bytes.fromhex("00000011 00000015 00000000 00000009 00"), case.now)
    case.hears(EnquireLink(sequence_number=1))
    case.witness.received(bytes.fromhex("00000011 80000015 00000000 00000001 00"), case.now)
    assert case.found() == {"extra_octets": 2}


# -- rate and window ---------------------------------------------------------------------------------------------------


def test_a_window_is_counted_from_what_is_not_answered() -> None:
    case = Case(Limits(window=2)).bound()
    pdus = [submit() for _ in range(4)]
    case.says(*pdus[:2]).hears(response_to(pdus[0])).says(pdus[2])
    assert case.found() == {}
    case.says(pdus[3])
    assert case.only().detail == "3 of 2"


def test_a_rate_allows_a_second_s_worth_at_once() -> None:
    case = Case(Limits(rate=10)).bound().asks(*(submit() for _ in range(10)))
    assert case.found() == {}
    case.asks(submit()).waits(1.0).asks(submit())
    assert case.found() == {"rate_exceeded": 1}


@pytest.mark.parametrize(("per_second", "throttled", "found"), [(20, 10, True), (20, 3, False)])
def test_going_on_while_much_is_throttled_is_noted(per_second: int, throttled: int, found: bool) -> None:
    case = Case().bound()
    for _ in range(6):
        for number in range(per_second):
            case.asks(submit(), status=c.ESME_RTHROTTLED if number < throttled else 0)
        case.now = int(case.now) + 1.0
    assert ("ignored_throttling" in case.found()) is found
    assert case.judge.verdicts["esme"].throttled == 6 * throttled


def test_a_pause_ends_what_was_ignored() -> None:
    case = Case().bound()
    for _ in range(6):
        case.asks(submit(), submit(), status=c.ESME_RMSGQFUL)
        case.now = int(case.now) + 3.0
    assert case.found() == {}


def test_enquire_link_is_for_idle_times() -> None:
    case = Case().bound()
    for _ in range(20):
        case.asks(EnquireLink()).waits(2.0)
    assert case.found() == {}
    for _ in range(7):
        case.asks(EnquireLink()).waits(0.1)
    assert case.found() == {"enquire_link_flood": 2}


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pdu", "name"),
    [
        (MO, "mo_unanswered"),
        (RECEIPT, "receipt_unanswered"),
        (EnquireLink(sequence_number=1), "enquire_link_unanswered"),
    ],
)
def test_what_is_not_answered_in_time_is_noted(pdu: Pdu, name: str) -> None:
    case = Case().bound().hears(pdu).waits(9.0)
    assert case.found() == {}
    assert case.waits(2.0).found() == {name: 1}
    case.says(response_to(pdu))
    assert case.found() == {name: 1, "response_late": 1}


def test_only_so_many_late_answers_are_remembered() -> None:
    case = Case().bound()
    case.hears(*(DeliverSM(sequence_number=number) for number in range(1, 1002))).waits(20.0)
    assert case.found() == {"mo_unanswered": 1001}
    case.says(DeliverSMResp(sequence_number=1))
    assert case.found() == {"mo_unanswered": 1001, "response_repeated": 1}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([DeliverSMResp(sequence_number=1)], {}),
        ([DeliverSMResp(command_status=c.ESME_RX_T_APPN, sequence_number=1)], {"receipt_refused": 1}),
        ([DeliverSMResp(b"77", sequence_number=1)], {"message_id_not_null": 1}),
        ([DeliverSMResp(sequence_number=1), DeliverSMResp(sequence_number=1)], {"response_repeated": 1}),
        ([DeliverSMResp(sequence_number=99)], {"response_to_nothing": 1}),
        ([EnquireLinkResp(sequence_number=1)], {"response_wrong_type": 1}),
        ([GenericNack(command_status=3, sequence_number=1)], {"nack_to_request": 1}),
        ([GenericNack(command_status=3, sequence_number=77)], {"stray_nack": 1}),
    ],
)
def test_answers_have_their_form(answers: list[Pdu], expected: dict[str, int]) -> None:
    case = Case().bound().hears(RECEIPT)
    for answer in answers:
        case.witness.received(encode(answer), case.now)
    assert case.found() == expected


def test_a_late_answer_is_noted() -> None:
    case = Case().bound().hears(MO).waits(6.0).says(DeliverSMResp(sequence_number=1))
    assert case.only().detail == "deliver_sm_resp after 6.0 s"


def test_a_response_whose_body_cannot_be_read_is_noted() -> None:
    for body in (b"11", b"1" * 65 + b"\0"):
        case = Case().bound().hears(MO)
        header = bytes.fromhex(f"000000{16 + len(body):02x} 80000005 00000000 00000001")
        case.witness.received(header + body, case.now)
        assert case.found() == {"response_malformed": 1}


def test_a_data_sm_resp_may_have_an_id() -> None:
    case = Case().bound()
    case.witness.sent(bytes.fromhex("0000001a 00000103 00000000 00000001") + bytes(10), case.now)
    case.witness.received(bytes.fromhex("00000013 80000103 00000000 00000001 313100"), case.now)
    assert case.found() == {}


def test_a_nack_to_a_response_is_told_from_one_to_nothing() -> None:
    case = Case().bound().asks(submit()).says(GenericNack(command_status=3, sequence_number=2))
    assert case.found() == {"nack_to_response": 1}


def test_what_has_no_response_gets_none() -> None:
    alert = AlertNotification(sequence_number=1)
    for answer in (GenericNack(sequence_number=1), UnbindResp(sequence_number=1)):
        case = Case().bound().hears(alert)
        case.witness.received(encode(answer), case.now)
        assert case.found() == {"answered_the_unanswerable": 1}


def test_any_answer_to_a_distorted_request_will_do() -> None:
    for answers in ([], [GenericNack(sequence_number=1)], [DeliverSMResp(sequence_number=1)]):
        case = Case().bound().hears(MO)
        case.witness.excuse(1)
        for answer in answers:
            case.witness.received(encode(answer), case.now)
        assert case.waits(20.0).found() == {}


def test_a_damaged_connection_is_forgiven() -> None:
    case = Case().bound().hears(MO, Unbind(sequence_number=2))
    case.witness.forgive()
    case.says(GenericNack(command_status=2, sequence_number=55)).waits(20.0)
    case.witness.closed(case.now)
    assert case.found() == {}


def test_not_reading_is_noted() -> None:
    case = Case().bound()
    case.witness.stalled(5.0, case.now)
    assert case.only().detail == "5.0 s"


# -- what it submits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pdu", "status", "expected"),
    [
        (submit(source_addr_ton=9), c.ESME_RINVSRCTON, ("malformed_field", "source_addr_ton 0x09 (ESME_RINVSRCTON)")),
        (
            submit(validity_period=b"x" * 16),
            c.ESME_RINVEXPIRY,
            ("malformed_field", "validity_period (ESME_RINVEXPIRY)"),
        ),
        (
            submit(tlvs=((c.TAG_NETWORK_ERROR_CODE, b"x"),)),
            c.ESME_RINVPARLEN,
            ("malformed_tlv", "network_error_code (ESME_RINVPARLEN)"),
        ),
    ],
)
def test_malformed_requests_are_explained(pdu: Pdu, status: int, expected: tuple[str, str]) -> None:
    case = Case().bound().asks(pdu, status=status)
    found = case.only()
    assert (found.name, found.detail) == (expected[0], f"submit_sm: {expected[1]}")


def test_a_refusal_alone_is_no_fault_of_the_esme() -> None:
    assert Case().bound().asks(submit(), status=c.ESME_RSYSERR).found() == {}


def test_a_request_that_cannot_be_read_is_malformed() -> None:
    case = Case().bound()
    octets = bytearray(encode(submit(sequence_number=2)))
    octets[octets.index(b"hi") - 1] = 200  # sm_length
    case.witness.received(bytes(octets), case.now)
    case.hears(SubmitSMResp(command_status=c.ESME_RINVMSGLEN, sequence_number=2))
    assert case.found() == {"malformed_field": 1}


def test_before_v3_4_there_are_no_tlvs() -> None:
    tagged = submit(tlvs=((c.TAG_MESSAGE_PAYLOAD, b"x"),), short_message=b"")
    assert Case().bound(version=0x33).asks(submit(), tagged).found() == {"tlv_before_34": 1}
    assert Case().bound(version=0x34).asks(tagged).found() == {}
    broken = Case().bound(version=0x33)
    octets = encode(submit(sequence_number=9))
    broken.witness.received((len(octets) - 1).to_bytes(4, "big") + octets[4:-1], broken.now)
    broken.hears(SubmitSMResp(b"1", sequence_number=9))
    assert "tlv_before_34" not in broken.found()


def test_answers_of_ours_to_nothing_are_of_no_interest() -> None:
    assert Case().bound().hears(SubmitSMResp(b"1", sequence_number=77)).found() == {}


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_worst_come_first() -> None:
    judge = Judge(lambda _system_id: Limits(), SESSION)
    good, bad = Case(judge=judge), Case(judge=judge)
    good.asks(BindTransceiver(b"good", b"x"))
    bad.asks(BindTransceiver(b"bad", b"x")).says(submit(command_status=1), submit(sequence_number=1)).says(DeliverSM())
    good.says(submit(command_status=1))
    verdicts = judge.report(200.0)
    assert [verdict.esme for verdict in verdicts] == ["bad", "good"]
    assert [found.name for found in verdicts[0].findings()] == [
        "operation_not_allowed",
        "status_in_request",
        "sequence_not_ascending",
    ]


def test_every_rule_has_a_severity_a_section_and_a_line() -> None:
    for name, rule in RULES.items():
        assert rule.name == name
        assert rule.severity in ORDER
        assert rule.section
        assert rule.text[0].islower()
        assert not rule.text.endswith(".")
