"""Scripted conversations with known ends, over TCP against the simulator: every figure must equal the script's.

    python tools/conversations.py                    1,000 conversations, about a minute
    python tools/conversations.py --count 60 --seed 3

Each subscriber plays one script, drawn by the seed: what is said, what must be answered, and what that is in the books
(an inquiry, resolved automatically, reopened, handed to people, rated, opted out …). Afterwards the sums of the scripts
are compared with `smppbridge report`, and that with a recomputation from `smppbridge export`. Exit status 1 for any
difference.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from process import SMPPBRIDGE, Check, print_checks

from smppcore.testbed.config import Receipts, SimulatorConfig
from smppcore.testbed.delays import Uniform
from smppcore.testbed.simulator import Simulator
from smppcore.testbed.subscriber import NoReply

if TYPE_CHECKING:
    from collections.abc import Callable

RULES = """\
version = "scripted"
[brand.acme]
country = "US"
name = "Acme"
languages = ["en", "fr"]
help_contact = "help@acme.example"
numbers = ["60606"]
[brand.acme.quiet]
window = ""
[[keyword]]
words = { en = ["hours"], fr = ["horaires"] }
reply = "hours"
[[keyword]]
words = ["track"]
flow = "track"
[[keyword]]
words = ["thanks"]
reply = "none"
[[keyword]]
words = ["agent"]
reply = "wait"
escalate = true
[flow.track]
start = "order"
[flow.track.step.order]
say = "ask"
wait = { slot = "order", type = "regex", regex = '(?i)\\b(AC\\d{8})\\b', retries = 1 }
retry = "again"
next = "tell"
[flow.track.step.tell]
say = "tell"
resolve = true
[queue.care]
[csat]
delay = "1s"
ask = "rate"
thanks = "rated"
[conversation]
unmatched = { first = "escalate", second = "escalate" }
[template.hours]
en = "8-18"
fr = "8h-18h"
[template.ask]
en = "Which order?"
fr = "Quelle commande ?"
[template.again]
en = "AC and 8 digits, please"
fr = "AC et 8 chiffres"
[template.tell]
en = "{order} is on its way"
fr = "{order} est en route"
[template.wait]
en = "A colleague will answer"
fr = "Un collegue vous repondra"
[template.rate]
en = "How did we do? 1 to 5"
fr = "Votre avis, de 1 a 5 ?"
[template.rated]
en = "Thank you"
fr = "Merci"
"""
Step = tuple[str, str]
"""(what the subscriber writes, "" = nothing; how the answer begins, "" = there is none)."""
PATIENCE = 30.0
AT_A_TIME = 100


@dataclass(slots=True)
class Script:
    """One conversation, and what it adds to the books."""

    name: str
    steps: list[Step]
    books: Counter[str] = field(default_factory=Counter)
    outcomes: list[str] = field(default_factory=list)
    """Of each text, in order."""


def _tracked(order: str) -> tuple[list[Step], list[str]]:
    return [("track", "Which"), (order, order)], ["replied", "flow"]


def _faq(rng: random.Random) -> Script:
    del rng
    return Script("faq", [("hours", "8-18")], Counter(inquiries=1), ["replied"])


def _french(rng: random.Random) -> Script:
    order = f"AC{rng.randrange(10**8):08}"
    steps = [("horaires", "8h"), ("track", "Quelle"), (order, f"{order} est")]
    return Script(
        "french",
        [*steps, ("", "Votre avis")],
        Counter(inquiries=1, automated=1, asked=1),
        ["replied", "replied", "flow"],
    )


def _rated(rng: random.Random) -> Script:
    value = rng.randint(1, 5)
    steps, outcomes = _tracked(f"AC{rng.randrange(10**8):08}")
    books = Counter({"inquiries": 1, "automated": 1, "asked": 1, "rated": 1, f"rated {value}": 1})
    return Script("rated", [*steps, ("", "How did we"), (str(value), "Thank you")], books, [*outcomes, "replied"])


def _mistaken(rng: random.Random) -> Script:
    order = f"AC{rng.randrange(10**8):08}"
    steps = [("track", "Which"), ("no idea", "AC and"), (order, order), ("", "How did we")]
    return Script("mistaken", steps, Counter(inquiries=1, automated=1, asked=1), ["replied", "flow", "flow"])


def _given_up(rng: random.Random) -> Script:
    del rng
    steps = [("track", "Which"), ("no idea", "AC and"), ("still none", "")]
    return Script("given up", steps, Counter(inquiries=1, handed_over=1), ["replied", "flow", "escalated"])


def _reopened(rng: random.Random) -> Script:
    steps, outcomes = _tracked(f"AC{rng.randrange(10**8):08}")
    books = Counter(inquiries=1, asked=1, reopened=1, handed_over=1)
    return Script("reopened", [*steps, ("", "How did we"), ("it never came", "")], books, [*outcomes, "escalated"])


def _human(rng: random.Random) -> Script:
    del rng
    return Script(
        "human", [("agent", "A colleague"), ("hello?", "")], Counter(inquiries=1, handed_over=1), ["escalated"] * 2
    )


def _stop(rng: random.Random) -> Script:
    word = rng.choice(("STOP", "Unsubscribe!", "cancel"))
    steps = [("hours", "8-18"), (word, "Acme: you are unsubscribed"), ("hours", "")]
    return Script("stop", steps, Counter(inquiries=1, opted_out=1), ["replied", "control", "suppressed"])


def _free_text(rng: random.Random) -> Script:
    text = rng.choice(("please stop texting me", "take me off your list"))
    return Script("free text", [(text, "Acme: you are unsubscribed")], Counter(opted_out=1), ["control"])


def _back_again(rng: random.Random) -> Script:
    del rng
    steps = [("stop", "Acme: you are unsub"), ("start", "Acme: you are sub"), ("hours", "8-18")]
    return Script("back again", steps, Counter(inquiries=1), ["control", "control", "replied"])


def _stop_in_a_flow(rng: random.Random) -> Script:
    del rng
    steps = [("track", "Which"), ("stop", "Acme: you are unsub"), ("AC12345678", "")]
    return Script("stop in a flow", steps, Counter(inquiries=1, opted_out=1), ["replied", "control", "suppressed"])


def _help_in_a_flow(rng: random.Random) -> Script:
    order = f"AC{rng.randrange(10**8):08}"
    steps = [("track", "Which"), ("help", "Acme. Help"), (order, order), ("", "How did we")]
    return Script("help in a flow", steps, Counter(inquiries=1, automated=1, asked=1), ["replied", "control", "flow"])


def _silent(rng: random.Random) -> Script:
    del rng
    return Script("silent", [("thanks", "")], Counter(inquiries=1), ["silent"])


KINDS: tuple[Callable[[random.Random], Script], ...] = (
    _faq, _french, _rated, _mistaken, _given_up, _reopened, _human, _stop, _free_text, _back_again, _stop_in_a_flow,
    _help_in_a_flow, _silent,
)  # fmt: skip


async def _play(simulator: Simulator, number: str, script: Script, problems: list[str]) -> None:
    subscriber = simulator.subscriber(number, "60606")
    for said, expected in script.steps:
        if said:
            subscriber.send(said)
        if not expected:
            continue
        try:
            reply = await subscriber.receive(PATIENCE)
        except NoReply:
            problems.append(f"{number} ({script.name}): no answer to {said!r}")
            return
        if not reply.text.startswith(expected):
            problems.append(f"{number} ({script.name}): {said!r} got {reply.text!r}, not {expected!r}…")


async def _run(folder: Path, scripts: dict[str, Script]) -> list[str]:
    problems: list[str] = []
    receipts = Receipts(delay=Uniform(0.05, 0.2))
    simulator = Simulator(SimulatorConfig(receipts=receipts), random.Random(7))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, "127.0.0.1", 0)
        (folder / "rules.toml").write_text(RULES)
        (folder / "bridge.toml").write_text(
            '[bridge]\nrules = ["rules.toml"]\n[http]\nlisten = "127.0.0.1:0"\n'
            f'[[link]]\nname = "a"\nport = {port}\nsystem_id = "esme"\npassword = "secret"\n'
        )
        command = [str(SMPPBRIDGE), "run", "-c", str(folder / "bridge.toml")]
        log = (folder / "log").open("w")
        service = await trio.to_thread.run_sync(partial(subprocess.Popen, command, stdout=log, stderr=log))
        try:
            await simulator.receiving()
            limit = trio.CapacityLimiter(AT_A_TIME)

            async def one(number: str, script: Script) -> None:
                async with limit:
                    await _play(simulator, number, script, problems)

            async with trio.open_nursery() as people:
                for number, script in scripts.items():
                    people.start_soon(one, number, script)
            with trio.move_on_after(PATIENCE):
                await simulator.settled()
            await trio.sleep(1.5)  # questions that are not to be asked would be
        finally:
            service.terminate()
            status = await trio.to_thread.run_sync(service.wait, 30)
            log.close()
        if status:
            problems.append(f"the service ended with status {status}: " + (folder / "log").read_text()[-500:])
        await simulator.stop()
    return problems


def _said(folder: Path, *words: str) -> str:
    command = [str(SMPPBRIDGE), *words, "-c", str(folder / "bridge.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _seconds(times: dict[str, str]) -> float:
    return (datetime.fromisoformat(times["accepted"]) - datetime.fromisoformat(times["asked"])).total_seconds()


def books(folder: Path, scripts: dict[str, Script]) -> list[Check]:
    """Compare the scripts with the report, and that with the export."""
    wanted: Counter[str] = sum((script.books for script in scripts.values()), Counter())
    outcomes = Counter(outcome for script in scripts.values() for outcome in script.outcomes)
    replies = sum(bool(expected) for script in scripts.values() for _, expected in script.steps)
    report: dict[str, Any] = json.loads(_said(folder, "report", "--json", "--days", "2"))
    rows: list[dict[str, Any]] = [json.loads(line) for line in _said(folder, "export", "messages").splitlines()]
    mos, mts = [row for row in rows if row["kind"] == "mo"], [row for row in rows if row["kind"] == "mt"]
    by_number: dict[str, list[str]] = {}
    for row in mos:
        by_number.setdefault(row["from"], []).append(row["outcome"])
    wrong = [number for number, script in scripts.items() if by_number.get(number) != script.outcomes]
    resolution, satisfaction = report["resolution"], report["satisfaction"]
    opted_out = json.loads(_said(folder, "optout", "list", "--json"))
    checks: list[Check] = []

    def same(what: str, found: int, expected: int) -> None:
        checks.append(Check(what, found, str(expected), found == expected))

    same("conversations whose texts had another outcome", len(wrong), 0)
    same("texts, export", len(mos), sum(outcomes.values()))
    same("texts, report", report["volume"]["total"], len(mos))
    for outcome in sorted(outcomes):
        same(f"  {outcome}", report["topics"]["outcomes"].get(outcome, 0), outcomes[outcome])
    same("messages sent, export", len(mts), replies)
    same("delivered, report", report["failures"]["states"].get("delivered", 0), replies)
    same("inquiries", resolution["inquiries"], wanted["inquiries"])
    same("resolved automatically", resolution["automated"], wanted["automated"])
    same("reopened", resolution["reopened"], wanted["reopened"])
    same("handed to people", resolution["handed_over"], wanted["handed_over"])
    same("contained", resolution["contained"], wanted["inquiries"] - wanted["handed_over"])
    same("asked for a rating", satisfaction["asked"], wanted["asked"])
    same("ratings", satisfaction["count"], wanted["rated"])
    for value in range(1, 6):
        same(f"  {value}", satisfaction["values"][str(value)], wanted[f"rated {value}"])
    same("opted out", len(opted_out), wanted["opted_out"])
    times = [_seconds(row["times"]) for row in mts if row["times"]["asked"] and row["times"]["accepted"]]
    measured = report["response"]["automated"]
    same("first answers timed, report and export", measured["count"], len(times))
    mean = sum(times) / max(len(times), 1)
    off = abs(mean - (measured["mean_s"] or 0.0))
    checks.append(Check("their mean, report less export", f"{off * 1000:.3f} ms", "< 1 ms", off < 0.001))
    return checks


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    scripts = {f"1212{5550000 + n}": rng.choice(KINDS)(rng) for n in range(options.count)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problems = trio.run(_run, folder, scripts)
        checks = [Check("answers that were wrong or missing", len(problems), "0", not problems)]
        checks += books(folder, scripts)
    for problem in problems[:10]:
        print(problem)
    return 0 if print_checks(f"{options.count} conversations", checks) else 1


if __name__ == "__main__":
    sys.exit(main())
