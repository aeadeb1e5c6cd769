"""STOPs by the thousand while messages wait for everybody: one confirmation each, and nothing after it.

    python tools/stops.py                            1,000 customers, for each of whom 20 messages wait; half a minute
    python tools/stops.py --messages 1000            a million messages that wait
    python tools/stops.py --count 50 --messages 5

What waits is written through the engine; then the service sends it over TCP to the simulator, slowly, and in the middle
of it every customer writes STOP. The order is that of the octets on the one connection: whatever comes behind the
deliver_sm_resp of a STOP for that number, but for the confirmation, came too late. Exit status 1 for any such message,
for a confirmation that is missing or comes twice, and for a message that is left in the queue.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from process import SMPPBRIDGE, Check, none_of, print_checks

from bridge import config as configuration
from bridge.cli.asking import engine_of
from bridge.events import Asked
from bridge.rules import Request
from bridge.store.lmdb import LmdbReader
from smppcore.events import Outcome
from smppcore.pdu import DeliverSM, SubmitSM
from smppcore.testbed.config import Mo, SimulatorConfig
from smppcore.testbed.simulator import Simulator

if TYPE_CHECKING:
    from smppcore.events import Event
    from smppcore.link import Link

RULES = """\
version = "stops"
[brand.acme]
name = "Acme"
help_contact = "help@acme.example"
numbers = ["60606"]
[brand.acme.quiet]
window = ""
"""
RATE = 500
"""submit_sm per second: so slow that most still wait when the STOPs come."""
BEFORE = 2.0
"""Seconds of sending before them."""
PATIENCE = 60.0
"""Seconds in which the confirmations must be there."""
QUIET = 3.0
"""Seconds after them in which nothing may come."""
BATCH = 1000


class Watching(Simulator):
    """A simulator that notes what comes for whom, in the order of the octets.

    Args:
        customers: How many of them write STOP.
    """

    def __init__(self, customers: int) -> None:
        super().__init__(SimulatorConfig(), random.Random(7))
        self._customers = customers
        self.all_confirmed = trio.Event()
        self.stopped: dict[str, float] = {}
        """Whose STOP was acknowledged, and when."""
        self.confirmed: Counter[str] = Counter()
        self.before = 0
        """Messages that came while they might."""
        self.after: list[str] = []
        """Those that came later."""
        self.waits: list[float] = []
        """Seconds from the acknowledgement to the confirmation."""

    def on_events(self, link: Link, events: list[Event]) -> None:
        """Look first, then do as a simulator does."""
        now = trio.current_time()
        for event in events:
            if isinstance(event, Outcome) and isinstance(event.request, DeliverSM):
                number = event.request.source_addr.decode()
                if event.request.short_message == b"STOP" and event.response and not event.response.command_status:
                    self.stopped[number] = now
            elif isinstance(event, SubmitSM):
                number = event.destination_addr.decode()
                if event.short_message.startswith(b"Acme: you are unsubscribed"):
                    self.confirmed[number] += 1
                    self.waits.append(now - self.stopped.get(number, now))
                    if len(self.confirmed) == self._customers:
                        self.all_confirmed.set()
                elif number in self.stopped:
                    self.after.append(f"{number}: {event.short_message!r}")
                else:
                    self.before += 1
        super().on_events(link, events)


def fill(config: Path, numbers: list[str], messages: int) -> None:
    """Have so many messages wait for each of these numbers."""
    expires = str(time.time() + 86400)
    with engine_of(configuration.load(config)) as engine:
        for n in range(messages):
            values = {"text": f"message {n}", "number": "60606", "link": "a", "expires": expires}
            for start in range(0, len(numbers), BATCH):
                asked = [Asked(one, "acme", Request("send", "us", values)) for one in numbers[start : start + BATCH]]
                refused = [why for _, why in engine.turn(asked, time.time()).answers if why]
                if refused:
                    raise RuntimeError(refused[0])


def states(config: Path) -> Counter[str]:
    """Return how many of the messages that we started are in which state."""
    reader = LmdbReader(configuration.load(config).bridge.data_dir)
    try:
        return Counter(mt.state for mt in reader.mts() if not mt.control)
    finally:
        reader.close()


async def run(folder: Path, numbers: list[str], messages: int) -> tuple[Watching, Counter[str], int]:
    """Play it; return what the simulator saw, what became of the messages, and the service's exit status."""
    simulator = Watching(len(numbers))
    config = folder / "bridge.toml"
    async with trio.open_nursery() as nursery:
        port = await nursery.start(simulator.serve, "127.0.0.1", 0)
        (folder / "rules.toml").write_text(RULES)
        config.write_text(
            '[bridge]\nrules = ["rules.toml"]\n[http]\nlisten = "127.0.0.1:0"\n'
            f'[[link]]\nname = "a"\nport = {port}\nsystem_id = "esme"\npassword = "secret"\nrate = {RATE}\n'
        )
        await trio.to_thread.run_sync(fill, config, numbers, messages)
        with (folder / "log").open("w") as log:
            command = [str(SMPPBRIDGE), "run", "-c", str(config)]
            service = await trio.to_thread.run_sync(partial(subprocess.Popen, command, stdout=log, stderr=log))
            try:
                await simulator.receiving()
                await trio.sleep(BEFORE)
                for number in numbers:
                    simulator.inject(Mo(number, "60606", "STOP"))
                with trio.move_on_after(PATIENCE):
                    await simulator.all_confirmed.wait()
                with trio.move_on_after(PATIENCE + len(numbers) * messages / 2000):
                    while (await trio.to_thread.run_sync(states, config))["queued"]:  # noqa: ASYNC110  another process
                        await trio.sleep(1.0)
                await trio.sleep(QUIET)
            finally:
                service.terminate()
                status = await trio.to_thread.run_sync(service.wait, 60)
        await simulator.stop()
    return simulator, await trio.to_thread.run_sync(states, config), status


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=20)
    options = parser.parse_args()
    numbers = [f"1212{5550000 + n}" for n in range(options.count)]
    total = options.count * options.messages
    with tempfile.TemporaryDirectory() as name:
        seen, ended, status = trio.run(run, Path(name), numbers, options.messages)
    confirmed = [number for number in numbers if seen.confirmed[number] == 1]
    checks = [
        Check("STOPs acknowledged", len(seen.stopped), str(options.count), len(seen.stopped) == options.count),
        Check("customers with exactly one confirmation", len(confirmed), str(options.count), confirmed == numbers),
        none_of("messages after the STOP was acknowledged", seen.after),
        Check("messages before it", seen.before, f"1 … {total - 1}", 0 < seen.before < total),
        Check("suppressed", ended["suppressed"], str(total - seen.before), ended["suppressed"] == total - seen.before),
        Check("left in the queue", ended["queued"], "0", not ended["queued"]),
        Check("exit status of the service", status, "0", not status),
    ]
    good = print_checks(f"{options.count:,} STOPs, {total:,} messages that wait", checks)
    print(f"  from the acknowledgement to the confirmation at most {max(seen.waits, default=0.0):.2f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
