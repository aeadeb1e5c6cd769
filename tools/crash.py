"""Nothing lost: kill the running bridge with SIGKILL at random moments under load, then compare books.

    python tools/crash.py                          50 kills, in_doubt.reply = "resend"
    python tools/crash.py --in-doubt hold          the same with "hold": nothing may be answered twice
    python tools/crash.py --kills 3 --seed 7       a short run

The driver is an SMSC with books of its own (`driver.py`) that delivers again what was not acknowledged. Kills come at a
random time after the bind, during the start, or are aimed: right when a text or a receipt was acknowledged, when a
submit_sm has come and is not answered, or some milliseconds after the last acknowledgement that the driver heard, so
that texts come again which the bridge has taken. After each kill the dead store's open claims are noted; only these may
be sent again. After the last one everything settles, the bridge is stopped with SIGTERM, and its export is compared
with the books. Exit status 0: nothing was lost; 1: something was, and the table says what.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from driver import Driver, deny, expected_state, message_state, serving
from process import Bridge, BridgeEnded, Check, Site, none_of, print_checks, running

from bridge.store.lmdb import LmdbReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driver import Text

Row = dict[str, object]

_TOKEN = re.compile(r"(?<!\d)\d{7}(?!\d)")
QUIET = 2.0
"""Seconds without any news after which everything has settled."""
SETTLE = 60.0
"""Seconds after the last kill within which it has to."""


@dataclass(slots=True)
class Kill:
    """One SIGKILL."""

    number: int
    moment: str
    lived: float
    """Seconds from the start of the process."""
    acknowledged: int
    """Texts that were acknowledged in this life."""
    taken: int
    """Replies that were taken in this life."""
    claimed: set[int] = field(default_factory=set)
    """Tokens of the messages whose claim was open in the dead store."""


@dataclass(slots=True)
class Aim:
    """When to kill in one life."""

    how: str
    """"start", "time", "deaf", or what the driver watches: "acknowledged", "submit", "receipt"."""
    after: float
    """Seconds after the start, seconds after the bind, or so many of these."""
    deaf: float = 0.0
    """Seconds before the kill from which on the bridge's acknowledgements do not arrive."""

    def __str__(self) -> str:
        if self.how == "deaf":
            return f"deaf {self.after:.2f} + {self.deaf:.3f} s"
        return f"{self.how} {self.after:.3f} s" if self.how in ("start", "time") else f"{self.how} {self.after:.0f}"


def choose(rng: random.Random, number: int) -> Aim:
    """Choose the moment of a kill; the first three are of one kind each, so that a short run has them."""
    how = (
        ("deaf", "submit", "time")[number - 1]
        if number <= 3
        else rng.choices(("time", "deaf", "acknowledged", "submit", "receipt", "start"), (6, 4, 4, 4, 2, 2))[0]
    )
    if how == "deaf":
        return Aim(how, rng.uniform(0.0, 1.0), rng.uniform(0.005, 0.1))
    if how == "start":
        return Aim(how, rng.uniform(0.2, 1.2))
    if how == "time":
        return Aim(how, rng.choice((rng.uniform(0.0, 0.1), rng.uniform(0.0, 1.5))))
    return Aim(how, rng.choice((rng.randint(1, 50), rng.randint(1, 2000))))


def open_claims(data_dir: Path) -> set[int]:
    """Return the tokens of messages that a dead bridge had claimed without an outcome."""
    if not (data_dir / "data.mdb").exists():
        return set()
    reader = LmdbReader(data_dir)
    try:
        rows = [*reader.mts(reader.position.settled_below), *reader.queue()]
        return {int(token[0]) for row in rows if row.claim and (token := _TOKEN.search(row.text))}
    finally:
        reader.close()


async def one_life(site: Site, driver: Driver, aim: Aim) -> float:
    """Start the bridge, kill it at the chosen moment; return how long it lived in seconds."""
    began = trio.current_time()
    async with running(site) as bridge:
        if aim.how == "start":
            with trio.move_on_after(aim.after):
                await ended(bridge)
        else:
            await bridge.until("the bind", lambda: driver.bound > 0)
            if aim.how in ("time", "deaf"):
                with trio.move_on_after(aim.after):
                    await ended(bridge)
                driver.deaf = aim.deaf > 0
                with trio.move_on_after(aim.deaf):
                    await ended(bridge)
            else:
                left = aim.after

                def count(what: str) -> None:
                    nonlocal left
                    left -= what == aim.how
                    if left == 0:
                        bridge.kill()

                driver.watch = count
                # A life with little to do may never come so far
                with trio.move_on_after(3.0):
                    await bridge.process.wait()
                driver.watch = lambda _what: None
                if not bridge.alive and left > 0:
                    raise BridgeEnded(f"the bridge ended by itself with status {bridge.process.returncode}")
        bridge.kill()
        await bridge.process.wait()
    return trio.current_time() - began


async def ended(bridge: Bridge) -> None:
    """Wait for the end of a process that must not end.

    Raises:
        BridgeEnded: Always, sooner or later.
    """
    status = await bridge.process.wait()
    raise BridgeEnded(f"the bridge ended by itself with status {status}")


async def settle(bridge: Bridge, driver: Driver, may_lack: set[int]) -> None:
    """Wait until nothing is open and nothing happens any more; after SETTLE seconds the books say what is."""

    def settled() -> bool:
        return (
            driver.bound > 0
            and trio.current_time() - driver.last_news > QUIET
            and driver.totals.open == 0
            and all(text.token in may_lack for text in driver.unanswered())
        )

    try:
        await bridge.until("everything settled", settled, SETTLE)
    except BridgeEnded:
        if not bridge.alive:
            raise


async def crash(options: argparse.Namespace, folder: Path) -> tuple[Driver, list[Kill], int, Site]:
    """Run all lives; return the books, the kills and the exit status of the last, orderly end."""
    rng = random.Random(options.seed)
    driver = Driver(window=options.window, rate=options.rate)
    site = Site(folder, folder / "var")
    kills: list[Kill] = []
    async with serving(driver) as port:
        site.write(port, window=options.window, binds=options.binds, in_doubt=options.in_doubt)
        driver.sending = True
        for number in range(1, options.kills + 1):
            aim = choose(rng, number)
            before = replace(driver.totals)
            lived = await one_life(site, driver, aim)
            driver.life = number
            while driver.bound:  # noqa: ASYNC110  octets that were on the way are still read
                await trio.sleep(0.001)
            driver.deaf = False
            after = driver.totals
            kill = Kill(
                number,
                str(aim),
                lived,
                after.acknowledged - before.acknowledged,
                after.taken - before.taken,
            )
            kill.claimed = await trio.to_thread.run_sync(open_claims, site.data_dir)
            kills.append(kill)
            print(
                f"kill {kill.number:3}  {kill.moment:20} lived {kill.lived:5.2f} s"
                f"  acknowledged {kill.acknowledged:6}  taken {kill.taken:6}  claims open {len(kill.claimed):4}",
                flush=True,
            )
        async with running(site) as bridge:
            await bridge.until("the bind", lambda: driver.bound > 0)
            await trio.sleep(0.5)
            driver.sending = False
            held = set().union(*(kill.claimed for kill in kills)) if options.in_doubt == "hold" else set()
            await settle(bridge, driver, held)
            status = await bridge.stop()
    return driver, kills, status, site


def doubled(texts: Sequence[Text]) -> list[tuple[Text, int]]:
    """Return every reply that was taken although one was already, with the kill that lies between (0: none does)."""
    found = []
    for text in texts:
        for first, second in zip(text.taken, text.taken[1:], strict=False):
            found.append((text, first.life + 1 if first.life < second.life else 0))
    return found


def verify(driver: Driver, kills: Sequence[Kill], rows: Sequence[Row], limit: int, *, hold: bool) -> list[Check]:
    """Compare the export with the books.

    Args:
        driver: The books.
        kills: What was claimed at each kill.
        rows: Of `export messages`.
        limit: window × binds.
        hold: Whether the bridge kept back what was in doubt.
    """
    texts = list(driver.texts.values())
    mos: dict[int, list[Row]] = {}
    for row in rows:
        if row["kind"] == "mo":
            token = _TOKEN.search(str(row["text"]))
            mos.setdefault(int(token[0]) if token else -1, []).append(row)
    mts: dict[object, list[Row]] = {}
    for row in rows:
        if row["kind"] == "mt":
            mts.setdefault(row["mo"], []).append(row)
    replies = {token: [mt for mo in found for mt in mts.get(mo["id"], [])] for token, found in mos.items()}
    claimed = {kill.number: kill.claimed for kill in kills}
    ever_claimed = set().union(*claimed.values())
    again = doubled(texts)
    per_kill = Counter(kill for _, kill in again)
    held = {
        token for token, found in replies.items() for mt in found if mt["state"] == "sent" and mt["in_doubt"] and hold
    }

    def doubt_is_noted(token: int) -> bool:
        return any(mt["in_doubt"] and int(str(mt["attempts"])) >= 2 for mt in replies.get(token, []))

    checks = [
        none_of("texts never acknowledged", [t.token for t in texts if not t.acknowledged]),
        none_of("acknowledged texts missing from the export", [t.token for t in texts if t.token not in mos]),
        none_of("texts with more than one row", [t for t, found in mos.items() if len(found) > 1]),
        none_of("rows of texts that were never sent", [t for t in mos if t not in driver.texts]),
        none_of(
            "texts with an outcome that is not replied",
            [t for t, found in mos.items() if any(mo["outcome"] != "replied" for mo in found)],
        ),
        none_of("texts without exactly one reply's row", [t for t, found in replies.items() if len(found) != 1]),
        none_of("texts never answered", [t.token for t in driver.unanswered() if t.token not in held]),
        none_of("submit_sm's that answer no text", driver.strays),
    ]
    if hold:
        checks += [
            none_of("texts answered twice", [t.token for t, _ in again]),
            none_of("replies held that were not claimed at a kill", sorted(held - ever_claimed)),
        ]
    else:
        checks += [
            none_of("answered twice without a kill between", [t.token for t, kill in again if kill == 0]),
            none_of(
                "answered twice but not claimed at the kill",
                [t.token for t, kill in again if kill and t.token not in claimed[kill]],
            ),
            none_of(
                "answered twice, row lacks in_doubt or attempts ≥ 2",
                [t.token for t, _ in again if not doubt_is_noted(t.token)],
            ),
            Check(
                "answered twice because of one kill, at most",
                max(per_kill.values(), default=0),
                f"≤ {limit} (window × binds)",
                max(per_kill.values(), default=0) <= limit,
            ),
        ]
    most = max((len(kill.claimed) for kill in kills), default=0)
    checks += [
        Check("claims open at one kill, at most", most, f"≤ {limit} (window × binds)", most <= limit),
        none_of("replies with a wrong final state", wrong_states(driver, replies, held)),
        none_of("replies with an id the driver did not give", wrong_ids(driver, replies)),
    ]
    return checks


def wrong_states(driver: Driver, replies: dict[int, list[Row]], held: set[int]) -> list[str]:
    """Return what the export and the books do not agree on, a line each."""
    wrong = []
    for token, found in replies.items():
        for mt in found:
            text = driver.texts.get(token)
            if text is None or token in held:
                continue
            wanted = expected_state(token)
            if message_state(token) is not None and not deny(token) and not any(t.settled for t in text.taken):
                wanted = "accepted"
            if mt["state"] != wanted:
                wrong.append(f"{token:07} is {mt['state']}, not {wanted}")
    return wrong


def wrong_ids(driver: Driver, replies: dict[int, list[Row]]) -> list[int]:
    """Return the tokens of replies whose row names a message_id that the driver gave to none of them."""
    wrong = []
    for token, found in replies.items():
        text = driver.texts.get(token)
        given = {reply.message_id for reply in text.taken} if text is not None else set()
        for mt in found:
            ids = mt["message_ids"]
            if not isinstance(ids, list) or not given.issuperset(ids) or (mt["state"] == "accepted" and not ids):
                wrong.append(token)
    return wrong


def report(driver: Driver, kills: Sequence[Kill], rows: Sequence[Row], *, hold: bool) -> None:
    """Print what the run was about."""
    texts = driver.texts.values()
    totals = driver.totals
    again = doubled(list(texts))
    states = Counter(str(row["state"]) for row in rows if row["kind"] == "mt")
    moments = Counter(kill.moment.split()[0] for kill in kills)
    print(f"\n{len(kills)} kills: " + ", ".join(f"{n} × {how}" for how, n in moments.most_common()))
    print(
        f"{totals.texts} texts in {totals.deliveries} deliver_sm's, {totals.acknowledged} acknowledged;"
        f" {sum(t.sent > 1 for t in texts)} delivered again,"
        f" {sum(t.sent > 1 and len(t.taken) > 1 for t in texts)} of these answered twice"
    )
    print(
        f"of the texts delivered again the bridge knew {sum(int(str(row.get('redelivered', 0))) > 0 for row in rows)}"
    )
    print(
        f"{totals.submits} submit_sm's, {totals.taken} taken, {len(again)} of them for a text that had its reply;"
        f" taken but not answered before the kill: {sum(not r.answered for t in texts for r in t.taken)}"
    )
    in_doubt = [row for row in rows if row["kind"] == "mt" and row["in_doubt"]]
    held = [row for row in in_doubt if row["state"] == "sent"]
    print(f"claims open at the kills: {sum(len(kill.claimed) for kill in kills)}; rows in doubt: {len(in_doubt)}")
    if hold:
        tokens = [int(found[0]) for row in held if (found := _TOKEN.search(str(row["text"])))]
        known = sum(any(reply.settled for reply in driver.texts[token].taken) for token in tokens)
        print(
            f"held: {len(held)}; for {known} of them the driver's receipt was acknowledged, with an id never heard of"
        )
    print("final states: " + ", ".join(f"{n} {state}" for state, n in states.most_common()))


def main() -> int:
    """Run and judge; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--binds", type=int, default=1)
    parser.add_argument("--in-doubt", choices=("resend", "hold"), default="resend")
    parser.add_argument("--rate", type=float, default=3000.0, help="texts per second at most")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave it")
    options = parser.parse_args()
    hold = options.in_doubt == "hold"
    with tempfile.TemporaryDirectory(prefix="crash-") as temporary:
        folder: Path = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        result = None
        try:
            result = trio.run(crash, options, folder)
        except* BridgeEnded as group:
            print(*group.exceptions, Site(folder, folder / "var").said(), sep="\n")
        if result is None:
            return 1
        driver, kills, status, site = result
        rows = site.messages()
        report(driver, kills, rows, hold=hold)
        checks = [
            Check("exit status after SIGTERM", status, "0", status == 0),
            *verify(driver, kills, rows, options.window * options.binds, hold=hold),
        ]
        checked = site.command("store", "check")
        checks.append(Check("exit status of store check", checked.returncode, "0", checked.returncode == 0))
        if checked.returncode:
            print(checked.stdout, checked.stderr)
        if not print_checks(f"seed {options.seed}, window {options.window}, binds {options.binds}", checks):
            print(site.said())
            return 1
    print("\nnothing was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
