"""Rules that sessions keep to, over a restart: each version that is in force stands in the store with its files.

A session goes on by the rules that it began with. While the service runs these are in memory; a service that starts
looks which versions its sessions name, and compiles those from the store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from bridge.deciding import read_wake_key
from bridge.rules import RulesError
from bridge.rules.load import compile_rules
from bridge.rules.optout import built_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.rules import Ruleset
    from bridge.rules.intents.compile import Trainer
    from bridge.store import Store, Turn

PAGE = 1000
_unpack = msgspec.msgpack.Decoder(tuple[tuple[str, str], ...]).decode


def with_pinned(rules: Ruleset, store: Store, train: Trainer | None, say: Callable[[str], None]) -> Ruleset:
    """Return the rules with those before them that sessions in the store keep to.

    Args:
        rules: Those in force.
        store: Open, with no turn.
        train: Makes the models of their intents.
        say: Told of versions that cannot be had any more: their sessions are over.
    """
    older: dict[str, Ruleset] = {}
    with store.turn() as turn:
        versions = sorted(set(_pinned(turn)) - {rules.version})
        rows = turn.rows("ruleset", [version.encode() for version in versions])
    for version, row in zip(versions, rows, strict=True):
        if row is None:
            say(f"sessions keep to rules {version}, which the store does not have: they are over")
            continue
        try:
            older[version] = compile_rules(_unpack(row), built_in(), train=train)
        except RulesError as exc:
            say(f"sessions keep to rules {version}, which cannot be used any more ({exc.problems[0]}): they are over")
    return replace(rules, older=older)


def _pinned(turn: Turn) -> Iterator[str]:
    """Yield the versions that sessions keep to: each session has an end, so it has a row in the table `wake`."""
    start = b""
    while rows := turn.page("wake", start, PAGE):
        start = rows[-1][0] + b"\0"
        for state in turn.conversations([read_wake_key(key)[1] for key, _ in rows]):
            if state is not None and state.session is not None:
                yield state.session.version
