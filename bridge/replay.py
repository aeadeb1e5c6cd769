"""A recorded day decided once more: what `export events` wrote, through the same pure functions, compared.

Rows go in as they were written, in their order; each decision must come out with the same octets. Rules that have been
changed since are no ground for a comparison: their rows are passed over and counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bridge.records import Conversation
from bridge.rules import Called, Inbound, Request, Wake, decide, react
from bridge.rules.message import CALLING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.rules import Decision, Reply, Ruleset
    from bridge.store import ContactKey

_PREFIX = "partial: "
"""Before the detail of a text that lacks parts."""


@dataclass(slots=True)
class Difference:
    """A decision that came out otherwise."""

    id: int
    """Of the MO; 0 for another event."""
    recorded: str
    """As JSON."""
    decided: str


def _octets(decision: Mapping[str, object]) -> str:
    return json.dumps(decision, ensure_ascii=False, separators=(",", ":"))


def _sent(replies: tuple[Reply, ...]) -> list[dict[str, object]]:
    return [{"template": reply.template, "text": reply.text, "control": reply.control} for reply in replies]


class Replay:
    """Decides what is recorded, from the snapshot on.

    Args:
        rules: In force when it was recorded.
    """

    def __init__(self, rules: Ruleset) -> None:
        self.rules = rules
        self.decisions = 0
        self.other_rules = 0
        """Rows of rules of another version: not compared."""
        self._states: dict[ContactKey, Conversation] = {}

    def apply(self, row: Mapping[str, Any]) -> Difference | None:
        """Take one row; return how it differs from what is decided now, None if it does not, or nothing is decided.

        Args:
            row: As `export events` writes it.

        Raises:
            ValueError: The log lacks its beginning, so nobody knows on what its decisions were made.
        """
        kind = row["kind"]
        if kind == "snapshot":
            if not row["complete"]:
                raise ValueError("the log lacks its beginning, which [store] retain has let go of")
        elif kind == "mo":
            return self._text(row) if row["rules_version"] else None
        elif kind == "opted out":
            key = row["contact"], row["brand"]
            self._states[key] = replace(self._states.get(key) or Conversation(*key), opted_out=row["now"])
        elif kind == "call":
            self._name_call(self._states.get((row["contact"], row["brand"])), row["id"])
        elif kind == "woken":
            return self._event(row, Wake())
        elif kind == "called":
            return self._event(row, Called(row["id"], row["values"], row["error"]))
        elif kind == "asked":
            return self._event(row, Request(row["request"], row["by"], row["values"]))
        return None

    def _text(self, row: Mapping[str, Any]) -> Difference | None:
        key = row["from"], self.rules.brand_of(row["to"])
        if row["rules_version"] != self.rules.version:
            self.other_rules += 1
            return None
        self.decisions += 1
        recorded = {name: row[name] for name in ("outcome", "layer", "rule", "detail", "replies")}
        recorded["replies"] = [{k: v for k, v in reply.items() if k != "id"} for reply in recorded["replies"]]
        before = self._states.get(key)
        message = Inbound(row["text"], row["from"], row["to"], row["link"])
        try:
            decision = decide(message, before, self.rules, row["now"], row["id"])
        except Exception as exc:  # the rules may have failed when it was recorded, too
            decided: dict[str, object] = {
                "outcome": "rejected",
                "layer": "",
                "rule": "",
                "detail": f"{type(exc).__name__}: {exc}",
                "replies": [],
            }
            at = row["now"]
            state = before or Conversation(*key, id=row["id"], started=at, last_in=at, messages_in=1)
            self._states[key] = replace(state, escalated=at)
        else:
            detail = decision.detail
            if row["detail"].startswith(_PREFIX.rstrip(": ")):
                detail = _PREFIX + detail if detail else _PREFIX.rstrip(": ")
            decided = {
                "outcome": decision.outcome,
                "layer": decision.layer,
                "rule": decision.rule,
                "detail": detail,
                "replies": _sent(decision.replies),
            }
            self._keep(key, decision)
        return self._compare(row["id"], recorded, decided)

    def _event(self, row: Mapping[str, Any], event: Wake | Called | Request) -> Difference | None:
        key = row["contact"], row["brand"]
        self.decisions += 1
        recorded = {"replies": [{k: v for k, v in reply.items() if k != "id"} for reply in row["replies"]]}
        decision = react(event, self._states.get(key) or Conversation(*key), self.rules, row["now"])
        self._keep(key, decision)
        return self._compare(0, recorded, {"replies": _sent(decision.replies)})

    @staticmethod
    def _name_call(state: Conversation | None, number: int) -> None:
        if state is not None and state.session is not None and state.session.call == CALLING:
            state.session = replace(state.session, call=number)

    def _keep(self, key: ContactKey, decision: Decision) -> None:
        self._states[key] = decision.state

    @staticmethod
    def _compare(number: int, recorded: Mapping[str, object], decided: Mapping[str, object]) -> Difference | None:
        before, now = _octets(recorded), _octets(decided)
        return None if before == now else Difference(number, before, now)
