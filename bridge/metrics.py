"""Prometheus metrics of the running service.

What turns count and how long things took is kept in plain numbers, a turn at a time, and becomes families of
prometheus-client only when somebody scrapes: a labelled metric of that library costs 3 µs to find, here a message costs
a tenth of that in all. What is a state, as sessions and queues, is given by whoever scrapes.

No message text and no phone numbers: labels are names of links, brands and queues, and closed sets of words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from bridge.analytics import BUCKETS
from bridge.events import Arrivals, Outcomes
from bridge.records import FINAL_STATES, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from bridge.analytics import Figure
    from bridge.events import Effects

Labels = tuple[str, ...]
"""The values of a family's labels."""
Gauges = dict[str, list[tuple[Labels, float]]]
"""By the name of the family without the prefix: every series with its value."""

_TURN: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_CARRIER: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RECEIPT: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 259200.0)
_BATCH: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name without the prefix, what it is, and its labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    """Of a histogram: the upper ends of its buckets, without the last, which holds the rest."""


FAMILIES: Final = (
    Family("build_info", "gauge", "Always 1; the version that runs", ("version",)),
    Family("rules_info", "gauge", "Always 1; the version of the rules in force", ("version",)),
    # What comes in.
    Family("mo_total", "counter", "Inbound texts, by what became of them", ("link", "outcome")),
    Family("mo_parts_total", "counter", "Parts of long inbound texts", ("link",)),
    Family("mo_partial_total", "counter", "Long texts that were taken without all of their parts", ("link",)),
    Family("mo_redelivered_total", "counter", "Texts that the carrier delivered again, known and absorbed", ("link",)),
    Family("mo_refused_total", "counter", "deliver_sm refused for want of room, to come again", ("link",)),
    # What goes out.
    Family("mt_created_total", "counter", "Messages made, to be sent", ("link",)),
    Family("mt_total", "counter", "Messages that have come to their final state", ("link", "state")),
    Family("mt_in_doubt_total", "counter", "Messages whose submit_sm had no response", ("link",)),
    Family("submit_total", "counter", "submit_sm claimed for sending, each attempt", ("link",)),
    Family("submit_failed_total", "counter", "submit_sm not accepted, by status or reason", ("link", "result")),
    Family("submit_nameless_total", "counter", "submit_sm accepted without a message_id", ("link",)),
    Family("receipt_total", "counter", "Delivery receipts received", ("link",)),
    Family("receipt_irregular_total", "counter", "Receipts that did not just fit, or are missed", ("link", "kind")),
    Family("reconnects_total", "counter", "Binds lost or not come about", ("link", "reason")),
    Family("hook_total", "counter", "Events for webhooks, by what became of them", ("result",)),
    # How long it takes.
    Family(
        "response_seconds",
        "histogram",
        "From the last octet of a text to the carrier's acceptance of its first answer",
        ("brand", "by"),
        BUCKETS,
    ),
    Family("submit_response_seconds", "histogram", "From submit_sm to its response", ("link",), _CARRIER),
    Family("receipt_delay_seconds", "histogram", "From acceptance to the final receipt", ("link",), _RECEIPT),
    Family("turn_seconds", "histogram", "Deciding and committing one batch", (), _TURN),
    Family("commit_seconds", "histogram", "Bringing one commit to the disk", (), _TURN),
    Family("turn_messages", "histogram", "Requests and responses of carriers in one batch", (), _BATCH),
    # How it is now.
    Family("link_sessions", "gauge", "Sessions bound", ("link",)),
    Family("link_sessions_wanted", "gauge", "Sessions that the configuration wants", ("link",)),
    Family("window_used", "gauge", "submit_sm claimed and not answered", ("link",)),
    Family("window_size", "gauge", "submit_sm that may be un-answered; 0 while nothing is sent", ("link",)),
    Family("claims_waiting", "gauge", "Claimed messages that no session has taken", ("link",)),
    Family("rate_limit_current", "gauge", "submit_sm per second that may go, 0 = any", ("link",)),
    Family("throttling", "gauge", "1 while the carrier is known to throttle in this way", ("link", "verdict")),
    Family("congestion_state", "gauge", "The carrier's last congestion_state, 0 to 100", ("link",)),
    Family("queue_messages", "gauge", "Messages that wait to be sent or to be tried again", ("link", "class")),
    Family("queue_oldest_seconds", "gauge", "Age of the oldest of them, 0 = none waits", ("link", "class")),
    Family("cases_open", "gauge", "Cases in the hands of people", ("queue",)),
    Family("cases_overdue", "gauge", "Those of them that are past the time of their service level", ("queue",)),
    Family("hooks_stored", "gauge", "Events for webhooks that wait, and dead letters", ("state",)),
    Family("store_used_ratio", "gauge", "Share of [store] max_size that is used, 0 to 1"),
    Family("store_used_bytes", "gauge", "Octets of the store that are used"),
    Family("store_max_bytes", "gauge", "[store] max_size, in octets"),
    Family("store_full", "gauge", "1 while the store has no room, and texts are refused"),
    Family("survey_success", "gauge", "1 if queues, cases and webhooks could be looked up for this scrape"),
)
"""Everything that is exported, but for what every process exports: process_… and python_info."""

_BY_NAME: Final = {family.name: family for family in FAMILIES}
_WHOLE: Final = {
    "parts": "mo_parts_total",
    "mo.partial": "mo_partial_total",
    "mo.redelivered": "mo_redelivered_total",
    "mo.refused": "mo_refused_total",
    "mt": "mt_created_total",
    "mt.in_doubt": "mt_in_doubt_total",
    "submit": "submit_total",
    "submit.no_message_id": "submit_nameless_total",
    "receipt": "receipt_total",
}
"""What turns count, where it is a family of its own."""
_DIVIDED: Final = {
    "mo": "mo_total",
    "mt": "mt_total",
    "submit": "submit_failed_total",
    "receipt": "receipt_irregular_total",
    "reconnects": "reconnects_total",
    "hook": "hook_total",
}
"""By the first word of the others: the family, of which the second is a label."""
_PASSING: Final = frozenset({"mo.pending", "mt.unknown"})
"""What is counted down again is no event."""
_KNOWN: Final = (
    *_WHOLE,
    *(f"mo.{outcome}" for outcome in OUTCOMES if outcome != "pending"),
    *(f"mt.{state}" for state in sorted(FINAL_STATES)),
    *(f"submit.{result}" for result in ("ESME_RTHROTTLED", "ESME_RMSGQFUL", "no_response", "link_lost")),
    *(f"receipt.{kind}" for kind in ("by_reference", "conflict", "overdue", "parked", "unmatched", "unreadable")),
)
"""What begins at 0 for each link: of a series that begins at 1, rate() and increase() miss the first event."""
_KNOWN_OF_NONE: Final = ("hook.taken", "hook.dead", "hook.dropped")


class _Histogram:
    """One series: how many values are in each bucket, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, values: list[float]) -> None:
        """Take in the values of a turn: sorted, and then from bucket to bucket, at a third of a look-up for each."""
        values.sort()
        bounds, last, done = self.bounds, len(self.bounds), 0
        while done < len(values):
            bucket = bisect_left(bounds, values[done])
            end = len(values) if bucket == last else bisect_right(values, bounds[bucket], done)
            self.counts[bucket] += end - done
            done = end
        self.total += sum(values)

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper end, how many values up to it)."""
        ends = [*map(str, self.bounds), "+Inf"]
        return list(zip(ends, accumulate(self.counts), strict=True))


class _Scrape(Collector):
    """The families of one scrape, in the form that prometheus-client writes out."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class Metrics:
    """Of one service; several can live in one process.

    Args:
        links: Names of the configured links.
        version: Of this software.
    """

    def __init__(self, links: Sequence[str], version: str) -> None:
        self.totals: dict[tuple[str, str], int] = {("", what): 0 for what in _KNOWN_OF_NONE}
        """By link and what: what count() was given, since the start."""
        self._version = version
        self._times: dict[tuple[str, Labels], _Histogram] = {}
        self._standard = (ProcessCollector(registry=None), PlatformCollector(registry=None))
        for name in _times_of(()):
            self._histogram(name)
        for link in links:
            self.know(link)

    def know(self, link: str) -> None:
        """Begin what is counted of a link at 0, unless it is known already."""
        for what in _KNOWN:
            self.totals.setdefault((link, what), 0)
        for name in _times_of(("link",)):
            self._histogram(name, (link,))

    def count(self, tally: Mapping[tuple[str, str], int]) -> None:
        """Add what a turn counted."""
        totals = self.totals
        for key, n in tally.items():
            if key[1] not in _PASSING:
                totals[key] = totals.get(key, 0) + n

    def turn(self, effects: Effects) -> None:
        """Take in how long things took, from a turn that was committed."""
        size = 0
        for event in effects.events:
            if isinstance(event, Outcomes):
                size += len(event.outcomes)
                answered = [outcome.elapsed for outcome in event.outcomes if outcome.response is not None]
                self._histogram("submit_response_seconds", (event.link,)).add(answered)
            elif isinstance(event, Arrivals):
                size += len(event.pdus)
        for link in {mt.link for mt in effects.final}:
            # A receipt may have come without an answer before it.
            delays = [mt.done - mt.accepted for mt in effects.final if mt.receipts and mt.accepted and mt.link == link]
            self._histogram("receipt_delay_seconds", (link,)).add(delays)
        self._responses(effects.figures)
        if effects.seconds is not None:
            self._histogram("turn_seconds").add([effects.seconds])
            self._histogram("commit_seconds").add([effects.commit_seconds])
        if size:
            self._histogram("turn_messages").add([float(size)])

    def _responses(self, figures: Mapping[Figure, int]) -> None:
        """Take in the response times, which the turn has sorted into buckets for the reports."""
        for figure, n in figures.items():
            if figure[0] == "response":
                _, brand, by, bucket = figure
                self._histogram("response_seconds", (brand, by)).counts[int(bucket)] += n
            elif figure[0] == "response_us":
                self._histogram("response_seconds", figure[1:]).total += n / 1e6

    def _histogram(self, name: str, labels: Labels = ()) -> _Histogram:
        key = name, labels
        found = self._times.get(key)
        if found is None:
            found = self._times[key] = _Histogram(_BY_NAME[name].bounds)
        return found

    def text(self, gauges: Gauges) -> bytes:
        """Return the exposition in the Prometheus text format.

        Args:
            gauges: How it is now.
        """
        known: Gauges = {**gauges, "build_info": [((self._version,), 1.0)]}
        return generate_latest(_Scrape(self._families(known)))

    def _families(self, gauges: Gauges) -> Iterator[Metric]:
        counted: dict[str, Counter[Labels]] = defaultdict(Counter)
        for (link, what), n in self.totals.items():
            name, labels = _series(link, what)
            counted[name][labels] += n
        for family in FAMILIES:
            name = f"smppbridge_{family.name}"
            if family.kind == "histogram":
                histogram = HistogramMetricFamily(name, family.help, labels=family.labels)
                for (of, labels), found in self._times.items():
                    if of == family.name:
                        histogram.add_metric(labels, found.buckets(), found.total)
                yield histogram
                continue
            kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
            metric = kind(name, family.help, labels=family.labels)
            for labels, value in chain(counted[family.name].items(), gauges.get(family.name, ())):
                metric.add_metric(labels, value)
            yield metric
        for standard in self._standard:
            yield from standard.collect()


def _times_of(labels: Labels) -> list[str]:
    """Return the histograms with these labels."""
    return [family.name for family in FAMILIES if family.kind == "histogram" and family.labels == labels]


def _series(link: str, what: str) -> tuple[str, Labels]:
    """Return the family of something that turns count, and the values of its labels."""
    whole = _WHOLE.get(what)
    if whole is not None:
        return whole, (link,)
    family, _, word = what.partition(".")
    name = _DIVIDED[family]
    if family == "submit" and word.startswith("0x"):
        word = "other"  # a status that no specification names: a carrier may send any of four thousand million
    return name, (link, word) if "link" in _BY_NAME[name].labels else (word,)
