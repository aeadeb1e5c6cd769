"""Decide a recorded day once more and compare: what `smppbridge export events` wrote, with the rules configured now.

    smppbridge export events -c bridge.toml | python tools/replay.py -c bridge.toml
    python tools/replay.py -c bridge.toml events.jsonl

Prints each decision that comes out otherwise, and how many were compared. Exit status 1 if one differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bridge import config, rules
from bridge.replay import Replay


def main() -> int:
    """Compare; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", type=Path, required=True, help="of the bridge that recorded it")
    parser.add_argument("events", type=argparse.FileType("r", encoding="utf-8"), nargs="?", default=sys.stdin)
    arguments = parser.parse_args()
    replay = Replay(rules.load(config.load(arguments.config).bridge.rules))
    different = 0
    for line in arguments.events:
        try:
            difference = replay.apply(json.loads(line))
        except ValueError as exc:
            print(f"nothing can be compared: {exc}")
            return 1
        if difference is not None:
            different += 1
            what = f"message {difference.id}" if difference.id else "an event"
            print(f"{what}:\n  recorded {difference.recorded}\n  decided  {difference.decided}")
    print(f"{replay.decisions:,} decisions replayed, {different:,} came out otherwise")
    if replay.other_rules:
        print(f"{replay.other_rules:,} were made by rules of another version, and are not compared")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
