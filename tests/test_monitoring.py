"""Dashboard, alerts and README name what the service really exports, and what it exports keeps the conventions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from bridge.config import Address, HttpConfig
from bridge.metrics import FAMILIES
from bridge.service import Service
from bridge.web import serve
from smppcore import constants as c
from tests.pipeline import CONTACT, RULES, receipt, rules, text
from tests.test_docs import COMMANDS, REFERENCE
from tests.test_service import carrier, config
from tests.test_web import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CONF = Path(__file__).parent.parent / "conf"
ALERTS = (CONF / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
SCRAPE = (CONF / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
DASHBOARD = json.loads((CONF / "grafana" / "smppbridge.json").read_text(encoding="utf-8"))
UNIT_TESTS = (Path(__file__).parent / "interop" / "alerts_test.yml").read_text(encoding="utf-8")

QUEUES = '[queue.care]\nsla = { first = "10m" }\n'
UNITS = ("seconds", "bytes", "ratio", "info", "total")
COUNTED_IN = {
    *("turn_messages", "queue_messages", "link_sessions", "link_sessions_wanted", "window_used", "window_size"),
    *("claims_waiting", "rate_limit_current", "congestion_state", "cases_open", "cases_overdue", "hooks_stored"),
    *("store_full", "throttling", "survey_success"),
}
"""Names that end with no unit: how many of what they say, or yes and no."""
STANDARD = {"process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes", "up"}


@dataclass(frozen=True)
class Exported:
    """A family as it is in the exposition."""

    kind: str
    help: str
    labels: frozenset[str]
    values: dict[str, set[str]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """What a service exports that has answered a text and has the receipt for it."""
    shown = ""
    folder = tmp_path_factory.mktemp("monitored")

    async def main() -> None:
        nonlocal shown
        async with carrier() as (smsc, port), trio.open_nursery() as nursery:
            http = free_port()
            settings = replace(config(folder, port), http=HttpConfig(Address("127.0.0.1", http)))
            service = Service(settings, rules(RULES + QUEUES))

            async def run(task_status: trio.TaskStatus[None]) -> None:
                await service.run(serve, task_status=task_status)

            await nursery.start(run)
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.submits)
            smsc.deliver(receipt(b"0000", c.STATE_UNDELIVERABLE))
            await smsc.until(lambda: len(smsc.outcomes) == 2)
            async with httpx2.AsyncClient(trust_env=False) as client:
                # On a busy machine the first look into the store takes longer than a scrape waits for it.
                while "smppbridge_survey_success 1.0" not in shown:
                    shown = (await client.get(f"http://127.0.0.1:{http}/metrics")).text
            service.stop()

    trio.run(main)
    found: dict[str, Exported] = {}
    for family in text_string_to_metric_families(shown):
        labels = [sample.labels for sample in family.samples]
        values: dict[str, set[str]] = {}
        for one in labels:
            for label, value in one.items():
                values.setdefault(label, set()).add(value)
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = Exported(family.type, family.documentation, frozenset(values), values)
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Every expression of the dashboard and of the alerts, with where it is."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["query"]["query"]
    for annotation in DASHBOARD["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["name"], annotation["expr"]
    for name, rule in alerts().items():
        yield name, rule["expr"]


def _base(name: str) -> str:
    """The family of a series of a histogram."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def alerts() -> dict[str, dict[str, str]]:
    """The alerts by name; folded lines are one."""
    found = {}
    for block in ALERTS.split("      - alert: ")[1:]:
        name, _, rest = block.partition("\n")
        keys = re.findall(
            r"^\s+(expr|for|severity|summary|description): (.*(?:\n {10,}(?!\w+: ).*)*)", rest, re.MULTILINE
        )
        found[name] = {key: " ".join(value.removeprefix(">-").split()) for key, value in keys}
    return found


def test_what_is_exported_is_what_is_declared(exported: dict[str, Exported]) -> None:
    ours = {
        name.removeprefix("smppbridge_"): found for name, found in exported.items() if name.startswith("smppbridge_")
    }
    assert set(ours) == {family.name for family in FAMILIES}
    for family in FAMILIES:
        found = ours[family.name]
        assert (found.kind, found.help) == (family.kind, family.help)
        histogram = {"le"} if family.kind == "histogram" else set()
        if family.name not in ("congestion_state", "reconnects_total"):  # this carrier has made none
            assert found.labels == {*family.labels, *histogram}, family.name


def test_names_and_units_are_those_of_the_ecosystem(exported: dict[str, Exported]) -> None:
    assert STANDARD - {"up"} <= set(exported)
    for family in FAMILIES:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
        assert re.match(r"[A-Z1]|submit_sm|deliver_sm|\[store\]", family.help), family.name
        assert not family.help.endswith(".")
        assert family.name.endswith(UNITS) or family.name in COUNTED_IN, family.name
        assert (family.kind == "counter") == family.name.endswith("_total")
        assert bool(family.bounds) == (family.kind == "histogram")
        assert list(family.bounds) == sorted(set(family.bounds))


def test_labels_are_few_and_hold_nothing_of_a_customer(exported: dict[str, Exported]) -> None:
    for name, found in exported.items():
        for label, values in found.values.items():
            assert label != "le" or found.kind == "histogram"
            assert len(values) <= 30, (name, label)
            for value in values:
                assert CONTACT.decode() not in value
                assert label in ("le", "version") or not re.search(r"\d{5}", value), (name, label, value)
                assert len(value) <= 30


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_every_query_names_what_is_exported(where: str, query: str, exported: dict[str, Exported]) -> None:
    declared = {f"smppbridge_{family.name}": family for family in FAMILIES}
    names = re.findall(r"\b(?:smppbridge_|process_)\w+|\bup\b", query)
    assert names, where
    for name in names:
        base = _base(name)
        found = exported.get(base)
        histogram = found is not None and found.kind == "histogram"
        assert (base if histogram else name) in exported or name in STANDARD, (where, name)
        assert histogram == (base != name), (where, name)
    for name, matchers in re.findall(r"(smppbridge_\w+)\{([^}]*)\}", query):
        base = _base(name)
        for label, sign, value in re.findall(r'(\w+)(=~|=|!=|!~)"([^"]*)"', matchers):
            assert label in {*declared[base].labels, "instance", "job"}, (where, label)
            if not value.startswith("$") and label not in ("job", "instance"):
                allowed = exported[base].values.get(label, set()) | ({"human"} if label == "by" else set())
                assert set(value.split("|") if sign == "=~" else [value]) <= allowed, (where, value)
    for labels in re.findall(r"\bby \(([^)]*)\)", query):
        known = {label for name in names for label in getattr(declared.get(_base(name)), "labels", ())}
        assert set(labels.split(", ")) <= known | {"le", "instance", "job"}, (where, labels)


def test_every_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    assert len(alerts()) >= 12
    for name, rule in alerts().items():
        assert re.fullmatch(r"Smppbridge[A-Za-z]+", name)
        assert rule["severity"] in ("critical", "warning"), name
        assert len(rule["summary"]) > 20, name
        assert len(rule["description"]) > 80, name
        assert f'alertname="{name}"' in UNIT_TESTS, name


def test_every_command_that_an_alert_or_a_panel_names_exists() -> None:
    said = ALERTS + "".join(panel.get("description", "") for panel in DASHBOARD["panels"])
    named = re.findall(r"`smppbridge ([a-z ]+)", said)
    assert len(named) >= 10
    for words in named:
        found = tuple(words.split())
        assert any(found[:length] in COMMANDS for length in (1, 2)), words


def test_the_example_scrapes_the_job_that_the_alerts_name() -> None:
    assert "job_name: smppbridge " in SCRAPE
    assert f'"{HttpConfig().listen}"' in SCRAPE
    assert "- alerts.yml" in SCRAPE
    assert {job for _, query in queries() for job in re.findall(r'job="(\w+)"', query)} == {"smppbridge"}


def test_the_dashboard_is_laid_out_and_works_with_any_prometheus() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH")[: len(panel["targets"])]
        for one in (panel, *panel["targets"]):
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows[0] == "Now"
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "instance", "link"}
    used = set(re.findall(r"\$(\w+)", json.dumps(panels)))
    assert used <= {"datasource", "instance", "link", "__rate_interval"}


def test_the_readme_has_a_line_for_every_metric() -> None:
    rows = re.findall(r"^\| `smppbridge_(\w+)(?:\{([\w,]+)\})?` \| (\w+) \| (.+) \|$", REFERENCE, re.MULTILINE)
    assert {name: (kind, tuple(labels.split(",")) if labels else (), said) for name, labels, kind, said in rows} == {
        family.name: (family.kind, family.labels, family.help) for family in FAMILIES
    }
