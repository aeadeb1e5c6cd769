"""The reports as sums of figures; the figures of whole turns."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import pytest

from bridge import reports
from bridge.analytics import (
    BUCKETS,
    HOUR,
    Figures,
    Peaks,
    bucket_of,
    figure_key,
    final_figures,
    read_key,
    read_total,
    response_figures,
)
from bridge.events import Asked
from bridge.records import Mt
from bridge.reports import Span
from bridge.rules import Request
from bridge.store import StoreFull
from bridge.wireform import KeptTlv
from tests.pipeline import CONTACT, START, Bridge, accepted, link, receipt, refused, rules, text
from tests.rules_helpers import BRAND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.analytics import Figure
    from bridge.reports import Counted, Table

LONDON = ZoneInfo("Europe/London")
DAY = 86400.0


def hour(moment: str, zone: ZoneInfo = LONDON) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp()) // HOUR


def counted(bridge: Bridge) -> list[Counted]:
    """Return the figures of a store."""
    rows = [(key, value) for (table, key), value in bridge.memory.side.items() if table == "figure"]
    return [(*read_key(key), read_total(value)) for key, value in sorted(rows)]


WIDE = Span(0, 1 << 31, LONDON)


# ---------------------------------------------------------------- sums


def test_a_day_of_a_clock_change_has_all_its_hours() -> None:
    first, last = hour("2026-10-25 00:00"), hour("2026-10-26 00:00")
    rows: list[Counted] = [(h, ("topic", "acme", "keyword", "k", "replied"), 1) for h in range(first, last)]
    made = reports.volume(rows, Span(first, last, LONDON))
    assert (made["total"], made["days"], made["hours_of_day"]) == (25, {"2026-10-25": 25}, {"2026-10-25": 25})
    sunday = cast("dict[str, list[int]]", made["by_weekday_and_hour"])["Sun"]
    assert (sum(sunday), sunday[1]) == (25, 2)
    spring = hour("2026-03-29 00:00")
    rows = [(h, ("topic", "acme", "keyword", "k", "replied"), 1) for h in range(spring, hour("2026-03-30 00:00"))]
    assert reports.volume(rows, Span(spring, spring + 24, LONDON))["hours_of_day"] == {"2026-03-29": 23}


def test_only_what_is_in_the_span_and_of_the_brand_counts() -> None:
    rows: list[Counted] = [
        (5, ("topic", "acme", "keyword", "k", "replied"), 1),
        (6, ("topic", "acme", "keyword", "k", "replied"), 2),
        (6, ("topic", "zeta", "keyword", "k", "replied"), 4),
        (7, ("topic", "acme", "keyword", "k", "replied"), 8),
    ]
    assert reports.volume(rows, Span(6, 7, LONDON))["total"] == 6
    assert reports.volume(rows, Span(6, 7, LONDON, "acme"))["total"] == 2
    made = reports.topics(rows, Span(6, 7, LONDON, "acme"))
    assert made["topics"] == [
        {"layer": "keyword", "rule": "k", "count": 2, "share": 1.0, "before": 1, "trend": 1.0},
    ]
    assert cast("list[Table]", reports.topics(rows, Span(7, 8, LONDON, "zeta"))["topics"]) == []
    assert cast("list[Table]", reports.topics(rows, Span(5, 6, LONDON))["topics"])[0]["trend"] is None


def test_response_times() -> None:
    times = [0.004, 0.006, 0.5, 3.0, 100000.0]
    rows: list[Counted] = [(1, ("response", "acme", "automated", bucket_of(t)), 1) for t in times]
    rows.append((1, ("response_us", "acme", "automated"), round(sum(times) * 1e6)))
    made = cast("Table", reports.response(rows, WIDE)["automated"])
    assert (made["count"], made["mean_s"]) == (5, round(sum(times) / 5, 6))
    assert (made["p50_s"], made["p90_s"], made["p99_s"]) == (0.5, BUCKETS[-1], BUCKETS[-1])
    histogram = cast("list[Table]", made["histogram"])
    assert sum(cast("int", bar["count"]) for bar in histogram) == 5
    assert histogram[-1] == {"up_to_s": None, "count": 1}
    empty = cast("Table", reports.response(rows, WIDE)["human"])
    assert (empty["count"], empty["mean_s"], empty["p50_s"]) == (0, None, None)
    exact = cast("Table", reports.exact_response({"automated": times})["automated"])
    assert (exact["p50_s"], exact["p99_s"], exact["mean_s"]) == (0.5, 100000.0, made["mean_s"])
    assert cast("Table", reports.exact_response({})["human"])["p50_s"] is None


def test_failures_are_flagged_where_they_are_many() -> None:
    def cells(dimension: str, *cells: tuple[str, int, int]) -> list[Counted]:
        return [
            (1, ("final", "acme", dimension, cell, state), n)
            for cell, good, bad in cells
            for state, n in (("delivered", good), ("undeliverable", bad))
        ]

    rows = cells("link", ("a", 900, 60)) + cells("network", ("1212", 860, 20), ("4477", 40, 40), ("3366", 0, 3))
    rows.append((1, ("final", "acme", "link", "a", "suppressed"), 5))
    made = reports.failures(rows, WIDE)
    assert (made["ended"], made["failed"], made["rate"], made["suppressed"]) == (960, 60, 0.0625, 5)
    networks = cast("dict[str, list[Table]]", made["by"])["network"]
    assert [(row["network"], row["rate"], row["flag"]) for row in networks] == [
        ("4477", 0.5, True),
        ("1212", 0.0227, False),
        ("3366", 1.0, False),
    ]
    assert [row["hour"] for row in cast("dict[str, list[Table]]", made["by"])["hour"]] == ["02"]
    assert reports.failures([], WIDE)["rate"] is None


def test_quotas_headroom_and_forecast() -> None:
    until = 10_000
    rows: list[Counted] = [
        (until - 1, ("peak", "a", "out"), 80),
        (until - 169, ("peak", "a", "out"), 40),
        (until - 600, ("peak", "a", "out"), 90),
        (until - 1, ("peak", "b", "in"), 7),
        (until, ("peak", "b", "in"), 70),
    ]
    made = reports.quota(rows, Span(until - 24, until, LONDON), {"a": 100.0, "c": 0.0})
    a, b, c = (cast("Table", made[name]) for name in "abc")
    assert cast("Table", a["out"])["peak_per_second"] == 80
    assert (a["headroom"], cast("Table", a["out"])["forecast_per_second"], a["forecast_headroom"]) == (0.2, 180.0, -0.8)
    assert (cast("Table", b["in"])["peak_per_second"], b["limit"]) == (7, None)
    assert (cast("Table", c["out"])["peak_per_second"], c["headroom"]) == (0, None)


def test_texts_about_the_same_are_put_together() -> None:
    texts = ["where is my refund", "refund where is it", "do you sell shoes", "my refund please, where is it", "hm"]
    assert reports.clusters(texts) == [[0, 1, 3], [2], [4]]
    many = [f"{n} {chr(97 + n % 26) * 9}{n}" for n in range(300)]
    assert len(reports.clusters(many)) <= 100


def test_figures_go_on_where_the_store_is() -> None:
    figure: Figure = ("topic", "acme", "keyword", "k", "replied")
    figures = Figures(7, [(figure_key(7, figure), (5).to_bytes(8))])
    assert list(figures.add({figure: 2})) == [(figure_key(7, figure), (7).to_bytes(8))]
    assert figures.top(figure) == 5
    figures.committed()
    assert (figures.top(figure), read_key(figure_key(7, figure))) == (7, (7, figure))
    peaks = Peaks()
    assert peaks.add({figure: 3}, 10.2) == {figure: 3}
    assert peaks.add({figure: 4}, 10.9) == {figure: 7}
    assert peaks.add({figure: 1}, 11.0) == {figure: 1}


# ---------------------------------------------------------------- whole turns

SOURCE = (
    BRAND
    + """\
[brand.acme.quiet]
window = ""
[queue.care]
idle_close = "30d"
[[keyword]]
words = ["where"]
flow = "track"
[[keyword]]
words = ["hours"]
reply = "hours"
[[keyword]]
words = ["thanks"]
reply = "none"
[[keyword]]
words = ["agent"]
escalate = true
[flow.track]
start = "tell"
[flow.track.step.tell]
say = "status"
resolve = true
[template.status]
en = "on its way"
[template.hours]
en = "8-18"
[template.ask]
en = "1 to 5?"
[csat]
delay = "1m"
ask = "ask"
[conversation]
unmatched = { first = "escalate", second = "escalate" }
"""
)


def settle(bridge: Bridge) -> None:
    """Have the carrier accept and deliver what leaves."""
    for pdu in bridge.submits():
        message_id = b"%d" % bridge.engine.position.next_id
        bridge.turn(bridge.answers(accepted(pdu, message_id)))
        bridge.deliver(receipt(message_id))


def play(bridge: Bridge, steps: Iterable[str]) -> None:
    """Play a conversation: "+10m" lets time pass, "agent: …" and "agent closes" are people, the rest is a text."""
    contact = CONTACT.decode()
    for step in steps:
        if step.startswith("+"):
            until = bridge.now + float(step[1:-1]) * {"s": 1, "m": 60, "h": 3600, "d": DAY}[step[-1]]
            while (due := bridge.engine.next_due(bridge.now)) <= until:
                bridge.now = max(due, bridge.now)
                bridge.turn()
                settle(bridge)
            bridge.now = until
        elif step.startswith("agent: "):
            bridge.turn(Asked(contact, "acme", Request("case.reply", "ann", {"text": step[7:]})))
        elif step == "agent closes":
            bridge.turn(Asked(contact, "acme", Request("case.close", "ann", {})))
        else:
            bridge.deliver(text(step))
        settle(bridge)


GOLDEN = tomllib.loads((Path(__file__).parent / "data" / "golden.toml").read_text(encoding="utf-8"))["conversation"]


@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["name"] for golden in GOLDEN])
def test_golden_conversations(golden: dict[str, object]) -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    play(bridge, cast("list[str]", golden["steps"]))
    rows = counted(bridge)
    found: dict[str, object] = {**reports.resolution(rows, WIDE)}
    times = reports.response(rows, WIDE)
    for by in ("automated", "human"):
        row = cast("Table", times[by])
        found |= {f"{by}_answers": row["count"], f"{by}_mean_s": row["mean_s"]}
    rated = reports.satisfaction(rows, WIDE)
    found |= {"ratings": rated["count"], "mean_rating": rated["mean"], "asked": rated["asked"]}
    wanted = cast("dict[str, object]", golden["expect"])
    assert {name: found[name] for name in wanted} == wanted
    spent = [mt.accepted - mt.asked for mt in bridge.mts() if mt.asked and mt.accepted]
    assert sum(spent) == pytest.approx(
        sum(
            cast("int", found[f"{by}_answers"]) * cast("float", found[f"{by}_mean_s"] or 0)
            for by in ("automated", "human")
        )
    )


def test_every_text_is_counted_once_by_what_it_led_to() -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    play(bridge, ["hours", "thanks", "help", "stop", "hours", "start", "where", "what?"])
    made = reports.topics(counted(bridge), WIDE)
    by_outcome = Counter(mo.outcome for mo in bridge.mos())
    assert made["outcomes"] == dict(by_outcome)
    assert made["total"] == len(bridge.mos())


def test_messages_that_came_to_an_end_are_counted_by_what_they_were() -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    (pdu,) = bridge.send("hours")
    bridge.turn(bridge.answers(refused(pdu, 0x45)))
    bridge.deliver(text("hours", b"447700900123"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"1")))
    bridge.deliver(receipt(b"1"))
    made = reports.failures(counted(bridge), WIDE)
    assert (made["ended"], made["failed"]) == (2, 1)
    cells = cast("dict[str, list[Table]]", made["by"])
    assert [(row["error"], row["failed"]) for row in cells["error"]] == [("ESME_RSUBMITFAIL", 1)]
    assert {row["network"] for row in cells["network"]} == {"1555", "4477"}
    assert [row["template"] for row in cells["template"]] == ["hours"]


def test_failures_are_told_apart_by_device_where_it_is_known() -> None:
    bridge = Bridge(link(keep_tlvs=(KeptTlv(0x1401, "device", "string"),)), ruleset=rules(SOURCE))
    nobody = reports.failures(counted(bridge), WIDE)
    assert (nobody["device"], "device" in cast("Table", nobody["by"])) == ("not known: SMPP carries none", False)
    pdu = text("hours", b"447700900123")
    pdu.tlvs = ((0x1401, b"Nokia\0 3310" + b"x" * 60),)
    bridge.deliver(pdu)
    (sent,) = bridge.submits()
    bridge.turn(bridge.answers(refused(sent, 0x45)))
    bridge.turn(Asked("447700900124", "acme", Request("profile.set", "ann", {"device": "tracker"})))
    bridge.deliver(text("hours", b"447700900124"), text("hours", b"447700900125"))
    bridge.turn(bridge.answers(*(accepted(one, b"%d" % n) for n, one in enumerate(bridge.submits(), 1))))
    bridge.deliver(receipt(b"1"), receipt(b"2"))
    made = reports.failures(counted(bridge), WIDE)
    assert (made["ended"], made["device"]) == (3, "known of 2")
    rows = cast("dict[str, list[Table]]", made["by"])["device"]
    assert [(row["device"], row["failed"]) for row in rows] == [("Nokia 3310" + "x" * 30, 1), ("tracker", 0)]


def test_figures_survive_a_kill_and_a_turn_that_is_not_committed() -> None:
    bridge = Bridge(link(), ruleset=rules(SOURCE))
    bridge.send("hours")
    bridge.begin()
    bridge.deliver(text("hours", b"447700900123"))
    assert reports.topics(counted(bridge), WIDE)["total"] == 2
    bridge.now += 3600.0
    bridge.deliver(text("hours", b"447700900124"))
    hours = [row[0] for row in counted(bridge) if row[1][0] == "topic"]
    assert hours == [int(START) // HOUR, int(START) // HOUR + 1]
    bridge.memory.failures.append(StoreFull("full"))
    with pytest.raises(StoreFull):
        bridge.deliver(text("hours", b"447700900125"))
    bridge.deliver(text("hours", b"447700900125"))
    assert reports.topics(counted(bridge), WIDE)["total"] == 4


def test_the_answer_to_an_agents_text_is_human() -> None:
    mt = Mt(1, 1, 1, "a", "1", "2", "acme", "x", "", "1", 5.0, by="ann", asked=1.0, accepted=6.0)
    assert response_figures([mt, mt]) == {
        ("response", "acme", "human", bucket_of(5.0)): 2,
        ("response_us", "acme", "human"): 10_000_000,
    }
    mt.state, mt.error = "failed", "too_old"
    assert ("final", "acme", "template", "agent", "failed") in set(final_figures(mt))
