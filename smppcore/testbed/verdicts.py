"""What has been noted of one ESME: its findings, and the counts that some of them follow from.

Must not be here: octets, what is wrong and what is not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from smppcore.testbed.findings import ORDER, RULES
from smppcore.throttle import TokenBucket

IGNORED_SHARE = 0.2
"""Of a second's submissions; whoever has more of them throttled and goes on ignores it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is agreed with an account; 0 is no limit."""

    rate: float = 0.0
    """Submissions a second."""
    window: int = 0
    """Un-answered submissions of a session."""


@dataclass(slots=True)
class Found:
    """One rule that an ESME has broken."""

    name: str
    """Of the rule."""
    count: int
    """How often."""
    first: float
    """When first, in seconds since the judge began."""
    last: float
    """When last."""
    detail: str
    """Of the first time."""

    def to_dict(self) -> dict[str, object]:
        """Return it with its rule, for JSON."""
        rule = RULES[self.name]
        return {
            "finding": self.name,
            "severity": rule.severity,
            "section": rule.section,
            "text": rule.text,
            "count": self.count,
            "first": round(self.first, 3),
            "last": round(self.last, 3),
            "example": self.detail,
        }


@dataclass(slots=True)
class Verdict:
    """One ESME, by its system_id, or by its address if it never sent a bind."""

    esme: str
    limits: Limits
    sessions: int = 0
    """How many have been bound."""
    submissions: int = 0
    throttled: int = 0
    """Submissions that were answered with ESME_RTHROTTLED or ESME_RMSGQFUL."""
    found: dict[str, Found] = field(default_factory=dict)
    connections: int = 0
    """That are open and have sent a bind."""
    peak: int = 0
    """The most of them."""
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    """When binds were refused and bound sessions ended."""
    bucket: TokenBucket = field(default_factory=lambda: TokenBucket(0.0, 0.0, 0.0))
    second: int = 0
    """The whole second that the next three are about."""
    submissions_in_second: int = 0
    throttled_in_second: int = 0
    seconds_ignored: int = 0

    def findings(self) -> list[Found]:
        """Return what was found, the worst and most frequent first."""
        return sorted(self.found.values(), key=lambda found: (ORDER[RULES[found.name].severity], -found.count))

    def rank(self) -> tuple[int, ...]:
        """Return how bad it is, for sorting: minus the findings of each severity."""
        kinds = [RULES[name].severity for name in self.found]
        return tuple(-kinds.count(severity) for severity in ORDER)

    def to_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "esme": self.esme,
            "sessions": self.sessions,
            "submissions": self.submissions,
            "throttled": self.throttled,
            "findings": [found.to_dict() for found in self.findings()],
        }

    def submitted(self, now: float) -> bool:
        """Count a submission; return whether it is beyond the rate."""
        self.submissions += 1
        if int(now) != self.second:
            self._end_second(int(now))
        self.submissions_in_second += 1
        return not self.bucket.take(1, now)

    def _end_second(self, second: int) -> None:
        heavy = self.throttled_in_second > IGNORED_SHARE * self.submissions_in_second
        self.seconds_ignored = self.seconds_ignored + 1 if heavy and second == self.second + 1 else 0
        self.second, self.submissions_in_second, self.throttled_in_second = second, 0, 0
