"""One turn: every waiting event, decided and committed as one transaction.

The order inside a turn is fixed: outcomes of what we sent, then what arrived, then decisions (a contact's messages in
sequence), then receipts, then the outbox. So a receipt finds the message_id that came in the same read, and a STOP
suppresses the replies decided just before it. Nothing here touches a socket or reads a clock; what must happen outside
is returned as Effects, once the commit is done.

If the commit fails, the caller has the memory rebuilt from the store (`State.recall`) and gives the outcomes again
later.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

import msgspec

from bridge.analytics import HOUR, Counters, Figures, figure_key, response_figures
from bridge.deciding import Deciding
from bridge.delivery import finish
from bridge.desk import Desk, Stage
from bridge.dispatch import WAIT, may_send
from bridge.erasing import Erasing
from bridge.events import (
    Arrivals,
    Asked,
    CapacityChanged,
    HooksRecalled,
    HooksRevived,
    HooksSettled,
    LinkChanged,
    LinkConfigured,
    Outcomes,
    Returned,
    RulesChanged,
    SessionBound,
    SessionLost,
    Withdrawn,
)
from bridge.outbox import PAGE
from bridge.receipts import Receipts
from bridge.reception import Reception
from bridge.retention import Retention
from bridge.scheduling import Scheduling
from bridge.settlement import Settlement
from bridge.store import Position
from bridge.telling import Telling
from bridge.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.analytics import Figure
    from bridge.dispatch import Verdict
    from bridge.events import Effects, Event
    from bridge.limits import Spent
    from bridge.outbox import LinkQueue
    from bridge.records import Mt
    from bridge.state import State
    from bridge.store import Turn


class TurnWork(Stage):
    """The work of one turn: made for it, run once, thrown away."""

    def __init__(self, state: State, store: Turn, now: float, *, refuse_texts: bool) -> None:
        super().__init__(Desk(state, store, now, refuse_texts=refuse_texts))
        self.settlement = Settlement(self.desk)
        self.reception = Reception(self.desk)
        self.receipts = Receipts(self.desk, self.settlement)
        self.upkeep = Upkeep(self.desk, self.settlement, self.receipts)
        self.deciding = Deciding(self.desk, Erasing(self.desk, self.settlement))
        self.scheduling = Scheduling(self.desk)
        self.retention = Retention(self.desk, self.settlement)
        self.telling = Telling(self.desk)
        self._returned: list[Returned] = []
        self._asked: list[Asked] = []
        self._lost: list[SessionLost] = []

    def recover(self) -> None:
        """Judge the claims that an earlier process left without an outcome: they are in doubt (invariant 2)."""
        self._keep_rules()
        self.deciding.recall_calls()
        for row in self.store.open_claims(self.state.position.settled_below):
            self.changes.mts[row.id] = row
            if row.link not in self.outbox.links:
                # It waits in the queue until its link is configured again.
                row.in_doubt = True
                row.claim = 0.0
                self.changes.queued.append(row)
                continue
            self.settlement.in_doubt(row, None)
            if self.settlement.resends(row):
                self.changes.queued.append(row)
                self.outbox.load(row, self.now)

    def _keep_rules(self) -> None:
        """Keep the files of the rules in force, for sessions that outlive this process; forget what nobody keeps to."""
        rules = self.state.rules
        if not rules.sources:
            return
        kept = {rules.version, *rules.older}
        for key, _ in self.store.page("ruleset", b"", PAGE):
            if key.decode(errors="replace") not in kept:
                self.changes.rows["ruleset", key] = None
        self.changes.rows["ruleset", rules.version.encode()[:500]] = msgspec.msgpack.encode(rules.sources)

    def run(self, events: Iterable[Event]) -> Effects:
        """Do everything and commit it.

        Raises:
            StoreError: Nothing was committed; the memory of the outbox is no longer true.
        """
        arrivals: list[Arrivals] = []
        busy = False
        for event in events:
            busy = True
            if isinstance(event, Arrivals):
                arrivals.append(event)
            elif isinstance(event, Outcomes):
                self.settlement.outcomes(event)
            else:
                self._other(event)
        for arrival in arrivals:
            self.reception.arrived(arrival)
        self.reception.overdue()
        for loss in self._lost:
            self.reception.expect_again(loss)
        if self.settlement.opted_out:
            self.deciding.opted_out(self.settlement.opted_out)
        if self.reception.texts:
            self.deciding.texts(self.reception.texts)
        if self._returned:
            self.deciding.returned(self._returned)
        if self._asked:
            self.deciding.asked(self._asked)
        self.deciding.wake()
        if self.reception.receipts:
            told = len(self.settlement.opted_out)
            self.receipts.match(self.reception.receipts)
            if len(self.settlement.opted_out) > told:
                self.deciding.opted_out(self.settlement.opted_out[told:])
        self.upkeep.run(busy=busy)
        self.scheduling.begin()
        self.retention.run(busy=busy)
        for queue in self.outbox.links.values():
            # Before the new replies: what the store's queue will hold only with this commit cannot be loaded yet.
            self._load_page(queue)
        if not any(mt.control for mt, _ in self.deciding.replies):
            # Replies that have waited go first; then new ones find nothing before them, and may be claimed as they are
            # made. Control replies would go before what waits.
            self._refill(started=False)
        self._schedule_replies()
        self._refill()
        self._commit()
        return self.effects

    def undo(self, events: Iterable[Event]) -> None:
        """Nothing was committed: make these events fit to be given once more, and what was absorbed to come again."""
        for event in events:
            if isinstance(event, Outcomes):
                for outcome in event.outcomes:
                    context = outcome.request.context
                    if isinstance(context, tuple) and not outcome.late:
                        flight, part = context
                        flight.open |= 1 << part
            elif isinstance(event, Withdrawn):
                for flight in event.flights:
                    flight.open |= sum(1 << part for part in flight.todo)
        for group, key, mo in self.reception.absorbed:
            self.state.redelivery[group].not_absorbed(key, mo)

    def _other(self, event: Event) -> None:
        state = self.state
        if isinstance(event, Returned):
            self._returned.append(event)
        elif isinstance(event, Asked):
            self._asked.append(event)
        elif isinstance(event, RulesChanged):
            state.rules = event.rules
            state.calendar.retention = 0.0
            self._keep_rules()
        elif isinstance(event, HooksRecalled | HooksSettled | HooksRevived):
            self.telling.settle(event)
        elif isinstance(event, Withdrawn):
            for flight in event.flights:
                self.settlement.withdrawn(flight, suppressed=event.suppressed)
        elif isinstance(event, CapacityChanged):
            self.outbox.links[event.link].capacity = event.capacity
        elif isinstance(event, SessionLost):
            config = self.outbox.links[event.link].config
            since = event.time - config.response_timeout
            links = state.group_links[config.group]
            state.redelivery[config.group].connection_ended(
                (event.link, event.time), since, self.store.recent_mos(links, since, 1_000_000)
            )
            self._lost.append(event)
        elif isinstance(event, SessionBound):
            state.redelivery[self.outbox.links[event.link].config.group].bound(event.time)
        elif isinstance(event, LinkChanged):
            row = event.row
            self.changes.links.append(row)
            self.changes.log.append(("link", row.name, row.state, row.detail))
            if event.reconnect:
                self.desk.count(row.name, "reconnects." + event.reconnect)
        elif isinstance(event, LinkConfigured):
            self.effects.configured.append(event)

    def _schedule_replies(self) -> None:
        """Put the replies of this turn in order; those that can go at once are claimed by this very commit."""
        now, outbox, changes, flights = self.now, self.outbox, self.changes, self.effects.flights
        for mt, encoded in self.deciding.replies:
            changes.new_mts.append(mt)
            queue = outbox.links[mt.link]
            verdict = self._verdict(mt, queue)
            if verdict is not None:
                self._not_now(mt, *verdict)
            elif (flight := outbox.admit(mt, encoded, now)) is not None:
                flights.append(flight)
                self._leaves(mt)
            else:
                changes.queued.append(mt)

    def _refill(self, *, started: bool = True) -> None:
        """Claim what waits, as far as windows and rates allow."""
        outbox, now = self.outbox, self.now
        outbox.release_due(now)
        if self.desk.refuse_texts:
            # From 95% on only what settles open work is written: no new claims.
            return
        for queue in outbox.links.values():
            while True:
                heads = outbox.candidates(queue, now, started=started)
                if not heads:
                    break
                self.deciding.know([(mt.contact, mt.brand) for mt in heads])
                for mt in heads:
                    self._send_or_drop(queue, mt)

    def _send_or_drop(self, queue: LinkQueue, mt: Mt) -> None:
        if mt.id < self.desk.first_id:
            self.changes.mts[mt.id] = mt
        verdict = self._verdict(mt, queue)
        if verdict is None:
            before = self.settlement.again.pop(mt.id, None)
            encoded = None if before is None else before.encoded
            self.effects.flights.append(self.outbox.claim(mt, self.now, encoded, queued=before is None))
            self._leaves(mt)
            return
        self._not_now(mt, *verdict)
        self.changes.unqueued.append(mt)
        self.outbox.leave(mt, self.now)

    def _verdict(self, mt: Mt, queue: LinkQueue) -> Verdict | None:
        """Judge whether a message may leave."""
        contact = self.deciding.contexts[mt.contact, mt.brand]
        if mt.mo:
            return may_send(mt, contact, queue.max_age, self.now)
        brand = self.state.rules.numbers.get(mt.number)
        return may_send(mt, contact, queue.max_age, self.now, None if brand is None else brand.restraint)

    def _not_now(self, mt: Mt, state: str, why: str, until: float) -> None:
        """Put a message off, or bring it to its end."""
        if state == WAIT:
            self.scheduling.put_off(mt, until)
            return
        finish(mt, state, self.now, why)
        self.desk.final(mt)

    def _leaves(self, mt: Mt) -> None:
        """Count a message that we start against what its customer gets of its topic."""
        if mt.mo or not mt.topic or mt.attempts > 1:
            return
        brand = self.state.rules.numbers.get(mt.number)
        if brand is not None and brand.restraint.cap.count:
            self.deciding.count_started(mt, brand.restraint)

    def _load_page(self, queue: LinkQueue) -> None:
        for kind, after in enumerate(queue.unloaded):
            if after is None or not queue.wants_page(kind):
                continue
            rows = self.store.queued(queue.config.name, kind, after, PAGE)
            queue.unloaded[kind] = rows[-1].id if len(rows) == PAGE else None
            gone = {mt.id for mt in self.changes.unqueued}
            for row in rows:
                mt = self.outbox.find(row)
                if mt is not row or row.id in gone:
                    continue
                if row.claim:
                    # Claimed before the process was started anew, and nobody knows what became of it.
                    self.changes.mts[row.id] = row
                    self.settlement.in_doubt(row, None)
                    if not self.settlement.resends(row):
                        self.changes.unqueued.append(row)
                        continue
                self.outbox.load(row, self.now)

    def _flow(self) -> tuple[dict[str, dict[str, Spent]], dict[str, tuple[float, str, int | None]]]:
        """Return what the store keeps of the links' limits, and say what is new of them."""
        spent: dict[str, dict[str, Spent]] = {}
        carrier: dict[str, tuple[float, str, int | None]] = {}
        for name, queue in self.outbox.links.items():
            limits = queue.limits
            self.effects.incidents.extend(limits.lines())
            if queue.gate is not None and (days := limits.spent()):
                spent[name] = days
            if (said := limits.carrier_row()) is not None:
                carrier[name] = said
        return spent, carrier

    def _figures(self, hour: int, submits: Mapping[str, int]) -> None:
        """Add what this turn has counted to the figures of the hour."""
        changes, state, figures = self.changes, self.state, self.desk.figures
        if state.figures.hour != hour:
            begin, end = figure_key(hour), figure_key(hour + 1)
            rows: list[tuple[bytes, bytes]] = []
            while page := [row for row in self.store.page("figure", begin, PAGE) if row[0] < end]:
                rows += page
                begin = page[-1][0] + b"\0"
            state.figures = Figures(hour, rows)
        figures.update(response_figures(self.settlement.answers))
        busy: Counter[Figure] = Counter(("peak", mo.link, "in") for mo in changes.new_mos)
        busy.update({("peak", link, "out"): n for link, n in submits.items()})
        for figure, n in state.peaks.add(busy, self.now).items():
            if n > state.figures.top(figure):
                figures[figure] = n - state.figures.top(figure)
        changes.rows.update((("figure", key), total) for key, total in state.figures.add(figures))

    def _commit(self) -> None:
        changes, state = self.changes, self.state
        changes.queued += [flight.mt for flight in self.settlement.again.values()]
        self.upkeep.expect()
        submits: Counter[str] = Counter()
        for (link, outcome), n in Counter([(mo.link, mo.outcome) for mo in changes.new_mos]).items():
            self.desk.count(link, "mo." + outcome, n)
        for mo in self.reception.joining.pending.values():
            if mo.id < self.desk.first_id and mo.outcome != "pending":
                self.desk.count(mo.link, "mo." + mo.outcome)
                self.desk.count(mo.link, "mo.pending", -1)
        for link, n in Counter([mt.link for mt in changes.new_mts]).items():
            self.desk.count(link, "mt", n)
        for flight in self.effects.flights:
            submits[flight.mt.link] += flight.claimed
        for link, n in submits.items():
            self.desk.count(link, "submit", n)
        hour = int(self.now) // HOUR
        if state.counters.hour != hour:
            state.counters = Counters(hour, self.store.counters(hour))
        changes.counters = state.counters.totals(self.effects.tally)
        self._figures(hour, submits)
        changes.position = Position(
            self.desk.next_id,
            state.position.commit + 1,
            self.now,
            next(iter(state.births), self.desk.first_id),
            {group: r.since(self.now) for group, r in state.redelivery.items() if r.since(self.now) < inf},
            self.upkeep.mark,
            *self._flow(),
            self.retention.marks,
            self.retention.kept_from,
            self.retention.log_until,
        )
        self.store.commit(changes)
