"""Metrics: what a turn counted, as Prometheus reads it."""

from __future__ import annotations

from bridge.metrics import Metrics
from tests.pipeline import CONTACT, NUMBER, Bridge, accepted, text


def lines(metrics: Metrics) -> set[str]:
    return {line for line in metrics.text().decode().splitlines() if not line.startswith("#")}


def test_what_turns_count_adds_up() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.count({("a", "mo.replied"): 3, ("a", "mt.delivered"): 2, ("a", "parts"): 4, ("b", "submit"): 5})
    shown = lines(metrics)
    assert 'smppbridge_mo_total{link="a",outcome="replied"} 6.0' in shown
    assert 'smppbridge_mt_total{link="a",state="delivered"} 4.0' in shown
    assert 'smppbridge_mo_parts_total{link="a"} 8.0' in shown
    assert 'smppbridge_submit_total{link="b",result="sent"} 10.0' in shown


def test_a_total_never_goes_down() -> None:
    metrics = Metrics()
    metrics.count({("a", "mo.pending"): 1})
    metrics.count({("a", "mo.pending"): -1, ("a", "mo.replied"): 1, ("a", "mt.unknown"): -1})
    shown = lines(metrics)
    assert 'smppbridge_mo_total{link="a",outcome="replied"} 1.0' in shown
    assert not any("pending" in line or "unknown" in line for line in shown)


def test_a_turn_is_a_latency() -> None:
    metrics = Metrics()
    metrics.turn(0.002)
    metrics.turn(0.004)
    shown = lines(metrics)
    assert 'smppbridge_turn_seconds_bucket{le="0.001"} 0.0' in shown
    assert 'smppbridge_turn_seconds_bucket{le="0.0025"} 1.0' in shown
    assert 'smppbridge_turn_seconds_bucket{le="0.005"} 2.0' in shown
    assert "smppbridge_turn_seconds_count 2.0" in shown


def test_how_fast_a_link_may_send_is_a_state() -> None:
    metrics = Metrics()
    metrics.flow("a", 97.5, None)
    metrics.flow("b", 0.0, 85)
    shown = lines(metrics)
    assert {
        'smppbridge_rate_limit_current{link="a"} 97.5',
        'smppbridge_rate_limit_current{link="b"} 0.0',
        'smppbridge_congestion_state{link="b"} 85.0',
    } <= shown
    assert 'smppbridge_congestion_state{link="a"}' not in str(shown)


def test_links_and_room_are_states() -> None:
    metrics = Metrics()
    metrics.link("a", 2, 7)
    metrics.full(full=True)
    assert {
        'smppbridge_link_sessions{link="a"} 2.0',
        'smppbridge_claims_waiting{link="a"} 7.0',
        "smppbridge_store_full 1.0",
    } <= lines(metrics)
    metrics.link("a", 0, 0)
    metrics.full(full=False)
    assert {'smppbridge_link_sessions{link="a"} 0.0', "smppbridge_store_full 0.0"} <= lines(metrics)


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count({("a", "receipt.matched"): 1})
    assert any("receipt" in line for line in lines(one))
    assert not any("receipt" in line for line in lines(other))


def test_no_text_and_no_number_is_in_them() -> None:
    metrics, bridge = Metrics(), Bridge()
    for body in (b"echo secret words", b"hours", b"STOP", b"hm"):
        effects = bridge.deliver(text(body))
        metrics.count(effects.tally)
        for pdu in bridge.submits():
            metrics.count(bridge.turn(bridge.answers(accepted(pdu, b"id-%d" % pdu.sequence_number))).tally)
    shown = metrics.text().decode()
    assert 'outcome="replied"} 2.0' in shown
    for personal in (CONTACT.decode(), NUMBER.decode(), "secret", "unsubscribed", "8-18", "id-"):
        assert personal not in shown
