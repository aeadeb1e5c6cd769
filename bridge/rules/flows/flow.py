"""A compiled flow: what `compile` makes and `engine` runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.rules.flows.tables import Instead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.rules.answers import Answer
    from bridge.rules.escalation import Escalation
    from bridge.rules.flows.conditions import Condition

END = "end"
"""Instead of a step's name: the flow is over."""
_VARIABLE = re.compile(r"\{(\w+)(?:\|([^{}]*))?\}")


def fill_in(source: str, variables: Mapping[str, str]) -> str:
    """Return a text that no customer sees (a note, a field to save) with its variables, "" for what has no value."""
    return _VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", source)


def used(source: str) -> set[str]:
    """Return the variables of such a text."""
    return {found[1] for found in _VARIABLE.finditer(source)}


@dataclass(frozen=True, slots=True)
class Step:
    """One step; see StepTable."""

    name: str
    skip_if: Condition | None = None
    say: str = ""
    answer: Answer | None = None
    """What it waits for."""
    timeout: float = 0.0
    """Of the wait, in seconds."""
    retries: int = 0
    pii: bool = False
    retry: str = ""
    """The template for what is no answer."""
    on_fail: Instead = field(default_factory=Instead)
    on_timeout: Instead = field(default_factory=Instead)
    call: str = ""
    call_timeout: float = 0.0
    """Seconds."""
    on_error: Instead = field(default_factory=Instead)
    save: Mapping[str, str] = field(default_factory=dict)
    """Field of the profile → text with variables."""
    escalate: Escalation | None = None
    resolve: bool = False
    next: tuple[tuple[Condition | None, str], ...] = ()

    def follower(self, variables: Mapping[str, str]) -> str:
        """Return the step that comes after this one, or END."""
        for condition, name in self.next:
            if condition is None or condition.test(variables):
                return name
        return END


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow; see FlowTable."""

    name: str
    start: str
    expires: float
    """Seconds."""
    on_expire: Instead
    interrupt_by: frozenset[str]
    """Of keyword and intent."""
    steps: Mapping[str, Step]
