"""Sessions go on by the rules that they began with, over a restart with other rules."""

from __future__ import annotations

from bridge.pinned import with_pinned
from tests.pipeline import START, Bridge, link, rules, text

RULES = """\
version = "{version}"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["60606"]
[[keyword]]
words = ["go"]
flow = "{flow}"
[flow.{flow}]
start = "ask"
expires = "2h"
[flow.{flow}.step.ask]
say = "ask"
wait = {{ slot = "n", type = "number", timeout = "1h" }}
next = "tell"
[flow.{flow}.step.tell]
say = "tell"
[template.ask]
en = "ask {version}"
[template.tell]
en = "tell {version}"
"""


def version(name: str, flow: str = "count") -> str:
    return RULES.format(version=name, flow=flow)


def restart(bridge: Bridge, source: str) -> list[str]:
    said: list[str] = []
    bridge.rules = with_pinned(rules(source), bridge.store, None, said.append)
    bridge.begin()
    return said


def test_a_session_goes_on_by_its_rules() -> None:
    bridge = Bridge(link(), ruleset=rules(version("1")))
    bridge.send("go")
    assert restart(bridge, version("2", flow="other")) == []
    bridge.deliver(text("go", b"2"))
    assert restart(bridge, version("3", flow="third")) == []
    assert sorted(bridge.rules.older) == ["1", "2"]
    assert bridge.reply_texts()[-1:] != [b"tell 3"]
    bridge.now += 60.0
    bridge.deliver(text("41", b"2"))
    bridge.send("42")
    assert [mt.text for mt in bridge.mts() if mt.text.startswith("tell")] == ["tell 2", "tell 1"]
    bridge.now += 60.0
    assert restart(bridge, version("4")) == []
    assert bridge.rules.older == {}
    assert {key for table, key in bridge.memory.side if table == "ruleset"} == {b"4"}


def test_a_version_that_is_not_there_or_cannot_be_used_is_said() -> None:
    bridge = Bridge(link(), ruleset=rules(version("1")))
    bridge.send("go")
    del bridge.memory.side["ruleset", b"1"]
    assert "which the store does not have" in restart(bridge, version("2"))[0]
    bridge = Bridge(link(), ruleset=rules(version("1")))
    bridge.send("go")
    broken = bridge.memory.side["ruleset", b"1"].replace(b"numbers", b"numbrrs")
    bridge.memory.side["ruleset", b"1"] = broken
    assert "which cannot be used any more" in restart(bridge, version("2"))[0]
    assert bridge.now == START
