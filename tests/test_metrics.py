"""Metrics: what turns counted and how long things took, as Prometheus reads it."""

from __future__ import annotations

from bridge.events import Effects, Outcomes
from bridge.metrics import FAMILIES, Gauges, Metrics
from smppcore.errors import ResponseTimeout
from smppcore.events import Outcome
from smppcore.pdu import SubmitSM, SubmitSMResp
from tests.pipeline import CONTACT, NUMBER, Bridge, accepted, link, receipt, text, timed_out


def lines(metrics: Metrics, gauges: Gauges | None = None) -> set[str]:
    return {line for line in metrics.text(gauges or {}).decode().splitlines() if not line.startswith("#")}


def made(*links: str) -> Metrics:
    return Metrics(links, "1.2.3")


def test_what_turns_count_adds_up() -> None:
    metrics = made("a", "b")
    for _ in range(2):
        metrics.count({("a", "mo.replied"): 3, ("a", "mt.delivered"): 2, ("a", "parts"): 4, ("b", "submit"): 5})
    shown = lines(metrics)
    assert 'smppbridge_mo_total{link="a",outcome="replied"} 6.0' in shown
    assert 'smppbridge_mt_total{link="a",state="delivered"} 4.0' in shown
    assert 'smppbridge_mo_parts_total{link="a"} 8.0' in shown
    assert 'smppbridge_submit_total{link="b"} 10.0' in shown


def test_what_is_no_kind_of_the_others_is_a_metric_of_its_own() -> None:
    metrics = made("a")
    metrics.count({("a", "mo.replied"): 1, ("a", "mo.redelivered"): 2, ("a", "mo.refused"): 3, ("a", "mo.partial"): 4})
    metrics.count({("a", "mt"): 5, ("a", "mt.in_doubt"): 6, ("a", "submit.no_message_id"): 7, ("a", "receipt"): 8})
    assert {
        'smppbridge_mo_redelivered_total{link="a"} 2.0',
        'smppbridge_mo_refused_total{link="a"} 3.0',
        'smppbridge_mo_partial_total{link="a"} 4.0',
        'smppbridge_mt_created_total{link="a"} 5.0',
        'smppbridge_mt_in_doubt_total{link="a"} 6.0',
        'smppbridge_submit_nameless_total{link="a"} 7.0',
        'smppbridge_receipt_total{link="a"} 8.0',
    } <= lines(metrics)
    totals = [line for line in lines(metrics) if line.startswith(("smppbridge_mo_total", "smppbridge_mt_total"))]
    assert sum(float(line.split()[1]) for line in totals) == 1.0


def test_a_total_never_goes_down() -> None:
    metrics = made("a")
    metrics.count({("a", "mo.pending"): 1})
    metrics.count({("a", "mo.pending"): -1, ("a", "mo.replied"): 1, ("a", "mt.unknown"): -1})
    shown = lines(metrics)
    assert 'smppbridge_mo_total{link="a",outcome="replied"} 1.0' in shown
    assert not any("pending" in line or "unknown" in line for line in shown)


def test_statuses_that_a_carrier_makes_up_are_one() -> None:
    metrics = made("a")
    metrics.count({("a", f"submit.0x{status:08X}"): 1 for status in range(0x400, 0x500)})
    metrics.count({("a", "submit.ESME_RINVDSTADR"): 2})
    shown = lines(metrics)
    assert 'smppbridge_submit_failed_total{link="a",result="other"} 256.0' in shown
    assert 'smppbridge_submit_failed_total{link="a",result="ESME_RINVDSTADR"} 2.0' in shown
    assert not any("0x" in line for line in shown)


def test_what_is_counted_later_is_there_from_the_start() -> None:
    shown = lines(made("a"))
    assert {
        'smppbridge_mo_total{link="a",outcome="rejected"} 0.0',
        'smppbridge_mt_in_doubt_total{link="a"} 0.0',
        'smppbridge_submit_failed_total{link="a",result="ESME_RTHROTTLED"} 0.0',
        'smppbridge_hook_total{result="dead"} 0.0',
        'smppbridge_submit_response_seconds_count{link="a"} 0.0',
        "smppbridge_commit_seconds_count 0.0",
    } <= shown


def test_a_turn_is_a_latency_and_so_is_its_commit() -> None:
    metrics = made()
    metrics.turn(Effects(seconds=0.004, commit_seconds=0.001))
    metrics.turn(Effects(seconds=9.0, commit_seconds=0.002))
    shown = lines(metrics)
    assert {
        'smppbridge_turn_seconds_bucket{le="0.0025"} 0.0',
        'smppbridge_turn_seconds_bucket{le="0.005"} 1.0',
        'smppbridge_turn_seconds_bucket{le="5.0"} 1.0',
        'smppbridge_turn_seconds_bucket{le="+Inf"} 2.0',
        "smppbridge_turn_seconds_count 2.0",
        "smppbridge_turn_seconds_sum 9.004",
        'smppbridge_commit_seconds_bucket{le="0.001"} 1.0',
        'smppbridge_commit_seconds_bucket{le="0.0025"} 2.0',
        "smppbridge_turn_messages_count 0.0",
    } <= shown


def test_a_turn_that_was_not_committed_is_none() -> None:
    metrics = made()
    metrics.turn(Effects())
    assert "smppbridge_turn_seconds_count 0.0" in lines(metrics)


def test_each_response_is_in_the_bucket_that_holds_it() -> None:
    metrics = made("a")
    seconds = [0.003, 0.001, 0.0010001, 70.0, 0.0025, 60.0, 0.002, 0.5]
    request = SubmitSM(destination_addr=b"15550001234")
    outcomes = [Outcome(request, SubmitSMResp(b"1"), elapsed=elapsed) for elapsed in seconds]
    outcomes.append(Outcome(request, None, ResponseTimeout(1, 30.0)))
    metrics.turn(Effects(seconds=1.0, events=[Outcomes("a", outcomes)]))
    shown = lines(metrics)
    expected = {"0.001": 1, "0.0025": 4, "0.005": 5, "0.25": 5, "0.5": 6, "30.0": 6, "60.0": 7, "+Inf": 8}
    for end, count in expected.items():
        assert f'smppbridge_submit_response_seconds_bucket{{le="{end}",link="a"}} {count}.0' in shown
    (total,) = [line for line in shown if line.startswith('smppbridge_submit_response_seconds_sum{link="a"}')]
    assert round(float(total.split()[1]), 6) == round(sum(seconds), 6)
    assert 'smppbridge_turn_messages_bucket{le="5.0"} 0.0' in shown
    assert 'smppbridge_turn_messages_bucket{le="10.0"} 1.0' in shown


def test_a_first_answer_is_timed_from_the_text_to_its_acceptance() -> None:
    bridge, metrics = Bridge(link()), made("a")
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.now += 3.0
    metrics.turn(bridge.turn(bridge.answers(accepted(pdu, b"1"))))
    shown = lines(metrics)
    assert 'smppbridge_response_seconds_bucket{brand="acme",by="automated",le="2.0"} 0.0' in shown
    assert 'smppbridge_response_seconds_bucket{brand="acme",by="automated",le="5.0"} 1.0' in shown
    assert 'smppbridge_response_seconds_sum{brand="acme",by="automated"} 3.0' in shown


def test_an_answer_without_a_response_is_not_timed_yet() -> None:
    bridge, metrics = Bridge(link()), made("a")
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    metrics.turn(bridge.turn(bridge.answers(timed_out(pdu))))
    assert not any(line.startswith("smppbridge_response_seconds") for line in lines(metrics))


def test_a_receipt_is_timed_from_the_acceptance_of_its_message() -> None:
    bridge, metrics = Bridge(link()), made("a")
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    bridge.now += 20.0
    metrics.turn(bridge.deliver(receipt(b"1")))
    shown = lines(metrics)
    assert 'smppbridge_receipt_delay_seconds_bucket{le="10.0",link="a"} 0.0' in shown
    assert 'smppbridge_receipt_delay_seconds_bucket{le="30.0",link="a"} 1.0' in shown
    assert 'smppbridge_receipt_delay_seconds_sum{link="a"} 20.0' in shown


def test_a_message_without_a_receipt_has_no_delay() -> None:
    bridge, metrics = Bridge(link(), capacity=0), made("a")
    bridge.deliver(text("echo one"))
    bridge.now += 100_000.0
    effects = bridge.turn()
    assert [mt.state for mt in effects.final] == ["failed"]
    metrics.turn(effects)
    assert 'smppbridge_receipt_delay_seconds_count{link="a"} 0.0' in lines(metrics)


def test_states_are_what_they_are_said_to_be() -> None:
    shown = lines(made("a"), {"link_sessions": [(("a",), 2.0)], "store_full": [((), 1.0)]})
    assert {'smppbridge_link_sessions{link="a"} 2.0', "smppbridge_store_full 1.0"} <= shown
    assert 'smppbridge_build_info{version="1.2.3"} 1.0' in shown


def test_a_family_has_its_help_and_type_before_it_has_a_value() -> None:
    shown = made().text({}).decode()
    for family in FAMILIES:
        assert f"# HELP smppbridge_{family.name} {family.help}\n" in shown
        assert f"# TYPE smppbridge_{family.name} {family.kind}\n" in shown


def test_two_services_in_one_process_count_apart() -> None:
    one, other = made("a"), made("a")
    one.count({("a", "receipt.unmatched"): 1})
    assert 'smppbridge_receipt_irregular_total{kind="unmatched",link="a"} 1.0' in lines(one)
    assert 'smppbridge_receipt_irregular_total{kind="unmatched",link="a"} 0.0' in lines(other)


def test_the_process_is_described_as_every_process_is() -> None:
    shown = made().text({}).decode()
    assert "# TYPE process_start_time_seconds gauge\n" in shown
    assert 'python_info{implementation="' in shown


def test_no_text_and_no_number_is_in_them() -> None:
    metrics, bridge = made("a"), Bridge()
    for body in (b"echo secret words", b"hours", b"STOP", b"hm"):
        effects = bridge.deliver(text(body))
        metrics.count(effects.tally)
        metrics.turn(effects)
        for pdu in bridge.submits():
            metrics.count(bridge.turn(bridge.answers(accepted(pdu, b"id-%d" % pdu.sequence_number))).tally)
    shown = metrics.text({}).decode()
    assert 'outcome="replied"} 2.0' in shown
    for personal in (CONTACT.decode(), NUMBER.decode(), "secret", "unsubscribed", "8-18", "id-"):
        assert personal not in shown
