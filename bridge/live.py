"""What goes on at the moment: links, what waits, who waits for a person; for the console and for `top`.

Cheap however much is stored, as it is asked for every second. Nothing here prints.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from bridge.customers import case_row, cases, most_urgent
from bridge.lookup import CLASSES, flow_row
from bridge.rules.privacy import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config import LinkConfig
    from bridge.export import Row, Value
    from bridge.metrics import Gauges
    from bridge.store.lmdb import LmdbReader

_MOST_CASES = 500


def live_row(reader: LmdbReader, links: Sequence[LinkConfig], now: float, *, running: bool) -> Row:
    """Return what goes on, as of the last commit.

    Args:
        reader: Open.
        links: The configured links.
        now: Seconds since the epoch.
        running: Whether a service holds the store.
    """
    said = {row.name: row for row in reader.links()}
    waits: dict[str, dict[str, Value]] = {}
    for (name, kind), (count, first) in reader.waiting().items():
        mt = reader.mt(first)
        waits.setdefault(name, {})[CLASSES[kind]] = {
            "length": count,
            "oldest_seconds": None if mt is None else round(max(now - mt.created, 0.0), 1),
        }
    shown: list[Value] = []
    for link in links:
        row = said.get(link.name)
        up = running and row is not None
        shown.append(
            {
                "name": link.name,
                "state": "never started" if row is None else row.state if running else "stopped",
                "since_seconds": None if row is None else round(max(now - row.since, 0.0)),
                "sessions": row.binds if row is not None and up else 0,
                "window": link.window,
                "peer": row.peer if row is not None and up else ", ".join(map(str, link.endpoints)),
                "detail": row.detail if row is not None else "",
                "queue": dict(waits.get(link.name, {})),
                **flow_row(reader, link, running=running),
            }
        )
    return {"running": running, "commit": reader.position.commit, "links": shown, "cases": case_rows(reader, now)}


def survey(reader: LmdbReader, links: Sequence[LinkConfig], queues: Sequence[str], now: float) -> Gauges:
    """Return what only the store knows of the state that things are in, for metrics; 0 where nothing is.

    Args:
        reader: Open.
        links: The configured links.
        queues: Names of the queues of people in the rules.
        now: Seconds since the epoch.
    """
    length = {(link.name, word): 0.0 for link in links for word in CLASSES}
    oldest = dict(length)
    for (name, kind), (count, first) in reader.waiting().items():
        mt = reader.mt(first)
        length[name, CLASSES[kind]] = float(count)
        oldest[name, CLASSES[kind]] = 0.0 if mt is None else max(now - mt.created, 0.0)
    opened = dict.fromkeys(queues, 0.0)
    overdue = dict(opened)
    for case, _ in cases(reader):
        opened[case.queue] = opened.get(case.queue, 0.0) + 1.0
        overdue[case.queue] = overdue.get(case.queue, 0.0) + (0.0 < case.due < now)
    rows = reader.raw_counts()
    return {
        "queue_messages": list(length.items()),
        "queue_oldest_seconds": list(oldest.items()),
        "cases_open": [((queue,), n) for queue, n in opened.items()],
        "cases_overdue": [((queue,), n) for queue, n in overdue.items()],
        "hooks_stored": [(("waiting",), float(rows["hook"])), (("dead",), float(rows["dead"]))],
    }


def case_rows(reader: LmdbReader, now: float, queue: str = "", agent: str = "") -> list[Value]:
    """Return the open cases, the most urgent first, each with the customer's last text.

    Args:
        reader: Open.
        now: Seconds since the epoch.
        queue: Only of this one, "" = any.
        agent: Only what this agent has, "" = any.
    """
    found = [(case, state) for case, state in cases(reader) if queue in ("", case.queue) and agent in ("", case.agent)]
    rows: list[Value] = []
    for case, state in islice(most_urgent(found), _MOST_CASES):
        mo = reader.mo(state.mo)
        rows.append({**case_row(case, state, now), "text": "" if mo is None else masked(mo.text, mo.personal)})
    return rows
