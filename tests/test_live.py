"""What goes on, read from a store: for metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.events import HooksSettled
from bridge.hooks import Listener
from bridge.live import survey
from bridge.store.lmdb import LmdbReader, LmdbStore
from tests.pipeline import START, Bridge, link, rules, text

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.metrics import Gauges

RULES = """\
version = "1"
[brand.acme]
name = "Acme"
numbers = ["60606"]
help_contact = "help@acme.example"
[[keyword]]
words = ["hours"]
reply = "hours"
[[keyword]]
words = ["agent"]
escalate = { queue = "care" }
[template.hours]
en = "8-18"
[queue.care]
sla = { first = "10m" }
[queue.sales]
"""


def surveyed(folder: Path, now: float) -> Gauges:
    reader = LmdbReader(folder)
    try:
        return survey(reader, [link("a"), link("b")], ["care", "sales"], now)
    finally:
        reader.close()


def test_where_nothing_waits_there_is_a_nought_for_each_link_and_queue(tmp_path: Path) -> None:
    LmdbStore(tmp_path, max_size=16 << 20, sync=False).close()
    found = surveyed(tmp_path, START)
    assert dict(found["queue_messages"]) == {
        (name, word): 0.0 for name in "ab" for word in ("control", "reply", "started")
    }
    assert dict(found["queue_oldest_seconds"]) == dict(found["queue_messages"])
    assert found["cases_open"] == found["cases_overdue"] == [(("care",), 0.0), (("sales",), 0.0)]
    assert found["hooks_stored"] == [(("waiting",), 0.0), (("dead",), 0.0)]


def test_what_waits_is_counted_and_as_old_as_the_oldest(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, max_size=16 << 20, sync=False)
    bridge = Bridge(link("a"), store=store, ruleset=rules(RULES), capacity=0)
    bridge.deliver(text("hours"))
    bridge.now += 7.0
    bridge.deliver(text("hours", b"2"), text("STOP", b"3"))
    store.close()
    found = surveyed(tmp_path, START + 10.0)
    waits = {labels: n for labels, n in found["queue_messages"] if n}
    assert waits == {("a", "control"): 1.0, ("a", "reply"): 2.0}
    ages = {labels: age for labels, age in found["queue_oldest_seconds"] if age}
    assert ages == {("a", "control"): 3.0, ("a", "reply"): 10.0}


def test_cases_are_late_when_their_time_is_over(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, max_size=16 << 20, sync=False)
    bridge = Bridge(link("a"), store=store, ruleset=rules(RULES))
    bridge.deliver(text("agent"))
    bridge.now += 300.0
    bridge.deliver(text("agent", b"2"))
    store.close()
    for later, late in ((599.0, 0.0), (601.0, 1.0), (901.0, 2.0)):
        found = surveyed(tmp_path, START + later)
        assert dict(found["cases_open"]) == {("care",): 2.0, ("sales",): 0.0}
        assert dict(found["cases_overdue"]) == {("care",): late, ("sales",): 0.0}


def test_events_for_webhooks_wait_or_are_dead(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, max_size=16 << 20, sync=False)
    bridge = Bridge(link("a"), store=store, ruleset=rules(RULES))
    bridge.engine.listening = (Listener("crm", frozenset({"received"})),)
    hooks = bridge.deliver(text("hours"), text("hours", b"2"), text("hours", b"3")).hooks
    bridge.turn(HooksSettled([hooks[0][0]], [(hooks[1][0], "410 Gone")]))
    store.close()
    assert surveyed(tmp_path, START)["hooks_stored"] == [(("waiting",), 1.0), (("dead",), 1.0)]
