"""Rules taken anew again and again under load: nothing is lost, no bind ends, no session goes on by other rules.

    python tools/reload.py                        50 reloads at 1,000 texts/s, about a minute and a half
    python tools/reload.py --reloads 5 --rate 200

The simulator sends the texts, each subscriber one a second. Every other one begins a flow, the next one answers it; the
rules that are in force change between the two. The version stands in each text that is sent, so afterwards the store
tells which rules a session began and ended with.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from process import Check, print_checks

from bridge.control import ControlError, ask
from bridge.records import Mo
from bridge.store.lmdb import LmdbReader

RULES = """version = "{version}"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["60606"]
[[keyword]]
words = ["go"]
match = "first"
flow = "count"
[flow.count]
start = "ask"
[flow.count.step.ask]
say = "ask"
wait = {{ slot = "count", type = "number" }}
next = "tell"
[flow.count.step.tell]
say = "tell"
[template.ask]
en = "begun {version}"
[template.tell]
en = "ended {version}"
"""
SMPPBRIDGE = [sys.executable, "-m", "bridge"]


def wait_for(port_of: Path, seconds: float = 20.0) -> None:
    """Wait until the service answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            ask(port_of, {"do": "reload"})
        except ControlError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the service does not come up:\n" + (port_of.parent / "log").read_text())


def books(folder: Path) -> list[Check]:
    """Return what the store says afterwards."""
    reader = LmdbReader(folder)
    mos = list(reader.mos())
    mts = list(reader.mts())
    bound = [entry for _, _, entries in reader.log() for entry in entries if entry[0] == "link" and entry[2] == "bound"]
    reader.close()
    begun: dict[str, str] = {}
    crossed = moved = 0
    versions = set()
    last = mts[-1].rules_version if mts else ""
    for mt in mts:
        what, _, version = mt.text.partition(" ")
        versions.add(version)
        if version != mt.rules_version:
            moved += 1
        if what == "begun":
            begun[mt.contact] = version
        else:
            moved += begun[mt.contact] != version
    by_time = {mo.id: mo.rules_version for mo in mos}
    crossed = sum(mt.text.startswith("ended") and by_time[mt.mo] != mt.rules_version for mt in mts)
    unanswered = [mo for mo in mos if isinstance(mo, Mo) and mo.outcome not in ("replied", "flow")]
    return [
        Check("texts", len(mos), "> 0", bool(mos)),
        Check("texts not answered by the flow", len(unanswered), "0", not unanswered),
        Check("replies", len(mts), "one a text", len(mts) == len(mos)),
        Check("versions in the texts sent", len(versions), "> 1", len(versions) > 1),
        Check("sessions that a reload fell into", crossed, "> 0", crossed > 0),
        Check("sessions that went on by other rules", moved, "0", moved == 0),
        Check("binds", len(bound), "1", len(bound) == 1),
        Check("the last version", last, "is the last", last != "0"),
    ]


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--rate", type=int, default=1000, help="texts per second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = folder / "rules.toml"
        rules.write_text(RULES.format(version="0"))
        config = folder / "bridge.toml"
        config.write_text(
            '[bridge]\nrules = ["rules.toml"]\n[http]\nlisten = "127.0.0.1:0"\n'
            '[[link]]\nname = "a"\nport = 27751\nsystem_id = "esme"\npassword = "secret"\n'
        )
        sim = [*SMPPBRIDGE, "sim", "--port", "27751", "--rate", str(options.rate), "--text", "go {n}"]
        sim += ["--subscribers", str(options.rate), "--seconds", str(20 + options.reloads * 2)]
        log = (folder / "log").open("w")
        carrier = subprocess.Popen(sim, stdout=subprocess.DEVNULL, stderr=log)
        service = subprocess.Popen([*SMPPBRIDGE, "run", "-c", str(config)], stdout=log, stderr=log)
        failed: list[str] = []
        took: list[float] = []
        try:
            wait_for(folder / "var")
            time.sleep(3.0)
            for number in range(1, options.reloads + 1):
                rules.write_text(RULES.format(version=number))
                began = time.monotonic()
                try:
                    ask(folder / "var", {"do": "reload"})
                except ControlError as exc:
                    failed.append(str(exc))
                took.append(time.monotonic() - began)
            time.sleep(2.0)
        finally:
            service.terminate()
            status = service.wait(30)
            carrier.terminate()
            carrier.wait(30)
            log.close()
        checks = books(folder / "var")
        checks += [
            Check("reloads refused", len(failed), "0", not failed),
            Check("a reload takes, mean", f"{sum(took) / len(took):.2f} s", "", good=True),
            Check("exit status after SIGTERM", status, "0", status == 0),
        ]
    return 0 if print_checks(f"{options.reloads} reloads at {options.rate} texts/s", checks) else 1


if __name__ == "__main__":
    sys.exit(main())
