"""escalate = …: to whom a message is handed, for every rule that can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.options import At, BadValue, fill


@dataclass(frozen=True, slots=True)
class Escalation:
    """escalate = { … }: to whom a message is handed."""

    queue: str = "default"
    priority: Literal["low", "normal", "high"] = "normal"


def read_escalation(value: object, at: At) -> Escalation | None:
    """Reads true, false or a table.

    Raises:
        BadValue: It is something else.
    """
    if isinstance(value, bool):
        return Escalation() if value else None
    if not isinstance(value, dict):
        raise BadValue("must be true, false or a table of queue, priority")
    return fill(Escalation(), value, at)
