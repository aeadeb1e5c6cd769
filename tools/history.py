"""What it takes to look at a long history: a store of a million messages, made here, and how long each look needs.

    python tools/history.py                 a million messages of 20,000 customers over 28 days
    python tools/history.py --messages 100000

The store is written through the engine, ten thousand texts a turn; `thread`, `find` and `report` are timed in process
and as commands. Nothing is asserted: the figures are printed, with what is asked of them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from process import SMPPBRIDGE

from bridge import config as configuration
from bridge import history, lookup
from bridge.analytics import HOUR
from bridge.engine import Engine
from bridge.events import Arrivals, CapacityChanged, Outcomes
from bridge.outbound import Outbound
from bridge.reporting import make
from bridge.reports import Span
from bridge.rules import load
from bridge.store.lmdb import LmdbReader, LmdbStore
from smppcore.events import Outcome
from smppcore.pdu import DeliverSM, SubmitSMResp

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.link import Link
    from smppcore.pdu import Pdu

RULES = """\
version = "history"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["60606"]
timezone = "Europe/London"
[[keyword]]
words = ["hours"]
reply = "hours"
[[pattern]]
name = "order"
regex = '(?P<order>AC\\d{8})'
reply = "order"
[conversation]
unmatched = { first = "escalate", second = "escalate" }
[template.hours]
en = "8-18"
[template.order]
en = "{order} is on its way"
"""
CUSTOMERS = 20_000
BATCH = 5_000
DAYS = 28


class _Wire:
    def respond(self, responses: list[Pdu]) -> None:
        """Take the answers to what was delivered."""


def fill(folder: Path, messages: int) -> float:
    """Write the history; return when it ends, in seconds since the epoch."""
    settings = configuration.load(folder / "bridge.toml")
    rules = load(settings.bridge.rules)
    end = time.time()
    store = LmdbStore(settings.bridge.data_dir, max_size=settings.store.max_size, sync=False)
    now = end - DAYS * 86400
    engine = Engine(store, rules, settings.link, now)
    engine.start(now)
    engine.turn([CapacityChanged("a", BATCH)], now)
    wire, link = cast("Link", _Wire()), settings.link[0]
    texts = ("hours", "where is AC{:08}", "what about my refund")
    made = 0
    while made < messages:
        pdus = [
            DeliverSM(
                source_addr=b"1212%07d" % (5_000_000 + (made + n) % CUSTOMERS),
                destination_addr=b"60606",
                short_message=texts[(made + n) % 7 % 3].format(made + n).encode(),
            )
            for n in range(BATCH)
        ]
        effects = engine.turn([Arrivals("a", wire, list(pdus), now)], now)
        outbound = Outbound(link)
        outbound.add(effects.flights)
        sent = outbound.take(wire, BATCH)
        answers = [Outcome(pdu, SubmitSMResp(b"%d" % (made + n)), late=False) for n, pdu in enumerate(sent)]
        engine.turn([Outcomes("a", answers)], now + 0.02)
        made += len(pdus) + len(sent)
        now = min(now + DAYS * 86400 * (len(pdus) + len(sent)) / messages, end)
    store.close()
    return end


def timed(look: Callable[[], object]) -> float:
    """Return the shortest of three runs, in milliseconds."""
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        look()
        spent.append((time.perf_counter() - began) * 1000)
    return min(spent)


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.toml").write_text(RULES)
        config = folder / "bridge.toml"
        config.write_text(f'[bridge]\nrules = ["rules.toml"]\n[[link]]\nname = "a"\npassword = "x"\nwindow = {BATCH}\n')
        began = time.perf_counter()
        end = fill(folder, options.messages)
        print(f"{options.messages:,} messages written in {time.perf_counter() - began:.0f} s")
        settings = configuration.load(config)
        rates = {link.name: link.submit_rate for link in settings.link}
        reader = LmdbReader(settings.bridge.data_dir)
        last = int(end) // HOUR + 1
        spans = {days: Span(last - 24 * days, last, ZoneInfo("Europe/London")) for days in (7, 28)}
        sections = ("volume", "response", "resolution", "satisfaction", "topics", "unmatched", "failures", "quota")
        looks: list[tuple[str, Callable[[], object], list[str]]] = [
            ("thread", lambda: list(history.thread(reader, "12125000007", 20)), ["thread", "12125000007"]),
            ("find, among the newest", lambda: lookup.search(reader, "AC00", "", 20, 100_000), ["find", "AC00"]),
            ("find, nothing there", lambda: lookup.search(reader, "99887766", "", 20, 100_000), ["find", "99887766"]),
            ("find, a word, nothing there", lambda: lookup.search(reader, "zebra", "", 20, 100_000), ["find", "zebra"]),
            ("report of 7 days", lambda: make(reader, rates, spans[7], sections), ["report", "--json"]),
            (
                "report of 28 days",
                lambda: make(reader, rates, spans[28], sections),
                ["report", "--json", "--days", "28"],
            ),
        ]
        print(f"{'':30}{'in process':>12}{'(200 ms)':>10}{'as a command':>14}{'(600 ms)':>10}")
        inside = [timed(look) for _, look, _ in looks]
        reader.close()
        for (what, _, words), took in zip(looks, inside, strict=True):
            command = [str(SMPPBRIDGE), *words, "-c", str(config)]
            outside = timed(lambda command=command: subprocess.run(command, capture_output=True, check=True))  # type: ignore[misc]
            print(f"{what:30}{took:>9.0f} ms{'':10}{outside:>11.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
