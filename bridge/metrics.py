"""Prometheus metrics of the running service.

No message text and no phone numbers: labels are names of links and closed sets of words.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_STATES = frozenset({"mo.pending", "mt.unknown"})
"""What is counted down again is no event."""
_FAMILIES = {
    "mo": ("outcome", "Inbound messages by outcome"),
    "mt": ("state", "Messages sent by final state"),
    "receipt": ("kind", "Delivery receipts"),
    "reconnects": ("reason", "Binds lost or not come about, by reason"),
    "hook": ("result", "Events for webhooks by what became of them"),
    "submit": ("result", 'submit_sm by result other than accepted; "sent" counts all'),
}


class Metrics:
    """A registry of its own, so that several services can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"smppbridge_{name}", text, ["link", label], registry=self.registry)
            for name, (label, text) in _FAMILIES.items()
        }
        self._by_key: dict[tuple[str, str], Counter] = {}
        self._shown: set[str] = set()
        """Links of which there is a state."""
        self.totals: dict[tuple[str, str], int] = {}
        """By link and what: what count() was given, since the start."""
        self._parts = Counter("smppbridge_mo_parts", "Parts of long inbound messages", ["link"], registry=self.registry)
        self._commit = Histogram(
            "smppbridge_turn_seconds", "Deciding and committing one batch", buckets=_SECONDS, registry=self.registry
        )
        self._bound = Gauge("smppbridge_link_sessions", "Sessions bound", ["link"], registry=self.registry)
        self._rate = Gauge(
            "smppbridge_rate_limit_current",
            "submit_sm per second that may go, 0 = any",
            ["link"],
            registry=self.registry,
        )
        self._congestion = Gauge(
            "smppbridge_congestion_state", "The carrier's last congestion_state", ["link"], registry=self.registry
        )
        self._events = Gauge(
            "smppbridge_hooks_stored", "Events for webhooks in the store", ["state"], registry=self.registry
        )
        self._full = Gauge("smppbridge_store_full", "1 while the store has no room", registry=self.registry)
        self._waiting = Gauge(
            "smppbridge_claims_waiting", "Claimed messages no session has taken", ["link"], registry=self.registry
        )

    def backlog(self, waiting: int, dead: int) -> None:
        """Note how many events wait for webhooks, and how many were given up."""
        self._events.labels("waiting").set(waiting)
        self._events.labels("dead").set(dead)

    def count(self, tally: Mapping[tuple[str, str], int]) -> None:
        """Add what a turn counted."""
        for key, n in tally.items():
            if key[1] in _STATES:
                continue
            self.totals[key] = self.totals.get(key, 0) + n
            counter = self._by_key.get(key)
            if counter is None:
                # Finding a labelled counter takes 3 µs, which would be a thirtieth of a turn.
                counter = self._by_key[key] = self._find(*key)
            counter.inc(n)

    def _find(self, link: str, what: str) -> Counter:
        family, _, word = what.partition(".")
        if family == "parts":
            return self._parts.labels(link)
        return self._counters[family].labels(link, word or {"mt": "created", "submit": "sent"}.get(family, "all"))

    def turn(self, seconds: float) -> None:
        """Note one committed turn."""
        self._commit.observe(seconds)

    def full(self, *, full: bool) -> None:
        """Note whether the store has room."""
        self._full.set(full)

    def flow(self, name: str, rate: float, congestion: int | None) -> None:
        """Note how fast one link may send, and how busy its carrier says it is."""
        self._rate.labels(name).set(rate)
        if congestion is not None:
            self._congestion.labels(name).set(congestion)

    def link(self, name: str, sessions: int, waiting: int) -> None:
        """Note the state of one link."""
        self._bound.labels(name).set(sessions)
        self._waiting.labels(name).set(waiting)

    def only(self, links: Collection[str]) -> None:
        """Show the state of these links and of no others: what a removed one was last is not what it is."""
        for name in self._shown.difference(links):
            for gauge in (self._bound, self._waiting, self._rate, self._congestion):
                with contextlib.suppress(KeyError):
                    gauge.remove(name)
        self._shown = set(links)

    def text(self) -> bytes:
        """Return the exposition in the Prometheus text format."""
        return generate_latest(self.registry)
