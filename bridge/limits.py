"""What one link may send now: its limits per second, minute and day, those of its service numbers, the carrier's own.

A limit is counted in submit_sm, and spent by the claim. Of each limit of the configuration, messages that we start get
no more than what `reserve_replies` leaves; replies may have all of it. The rate that the carrier's answers have shown
(`smppcore.adaptive`) is not divided: replies go first there too, as everywhere in the outbox.

No clock, and no queue: a message that may not go now is the outbox's.
"""

from __future__ import annotations

import heapq
from collections import deque
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from smppcore.adaptive import AdaptiveRate, Verdict
from smppcore.throttle import SlidingWindow, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config import LimitsConfig, LinkConfig, NumberLimits
    from bridge.records import Mt

Spent = tuple[float, int, int]
"""(beginning of the day in seconds since the epoch, submit_sm of that day, those of them for messages we started)."""

_Lane = tuple[str, bool]
"""(service number, started by us)."""

ANY_NUMBER = "*"
"""In `limits.numbers`: every number without a line of its own."""
_MINUTE = 60.0


class _Limiter(Protocol):
    def admits(self, n: int, now: float) -> bool: ...
    def spend(self, n: int, now: float) -> None: ...
    def next_at(self, now: float, n: int = 1) -> float: ...


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name.

    Raises:
        ValueError, OSError: There is none of that name (`zoneinfo.ZoneInfoNotFoundError` is a KeyError).
        KeyError: There is none of that name.
    """
    return UTC if name == "UTC" else ZoneInfo(name)


class DayQuota:
    """So many submit_sm in a calendar day.

    Args:
        subject: What it is a quota of, for people: "link a", "link a, number 60606".
        limit: How many.
        reserve: The share that is kept for replies.
        zone: Where midnight is.
        warn_at: The shares at which to say so, 0 to 1.
    """

    def __init__(self, subject: str, limit: int, reserve: float, zone: tzinfo, warn_at: tuple[float, ...]) -> None:
        self.subject = subject
        self.limit = limit
        self.spent: Spent = (0.0, 0, 0)
        self._started_limit = limit - int(limit * reserve)
        self._zone = zone
        self._warn_at = sorted(warn_at)
        self._end = 0.0
        self._said: set[str] = set()
        self._lines: list[str] = []

    def recall(self, spent: Spent) -> None:
        """Go on with what the store has."""
        self.spent = spent
        self._end = 0.0

    def left(self, now: float, *, started: bool) -> int:
        """Return how many may still go today."""
        self._turn_page(now)
        _, total, of_started = self.spent
        left = self.limit - total
        return min(left, self._started_limit - of_started) if started else left

    def admits(self, n: int, now: float, *, started: bool) -> bool:
        """Return whether n may go today; what was refused is said once a day."""
        if self.left(now, started=started) >= n:
            return True
        who = "started" if started and self.limit - self.spent[1] >= n else "all"
        if who not in self._said:
            self._said.add(who)
            until = datetime.fromtimestamp(self._end, self._zone).isoformat(" ", "minutes")
            self._lines.append(
                f"{self.subject}: the {self.limit:,} messages of the day are used up: nothing is sent until {until}"
                if who == "all"
                else f"{self.subject}: started messages have had their {self._started_limit:,} of the day's "
                f"{self.limit:,}: they wait until {until}, replies go on"
            )
        return False

    def spend(self, n: int, now: float, *, started: bool) -> None:
        """Count n that go."""
        self._turn_page(now)
        began, before, of_started = self.spent
        after = before + n
        self.spent = began, after, of_started + n if started else of_started
        for share in self._warn_at:
            if before < share * self.limit <= after:
                self._lines.append(f"{self.subject}: {share:.0%} of the {self.limit:,} messages of the day are used")

    def ends(self, now: float) -> float:
        """Return when the day ends."""
        self._turn_page(now)
        return self._end

    def lines(self) -> list[str]:
        """Return what there is to be said since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def _turn_page(self, now: float) -> None:
        if now < self._end:
            return
        midnight = datetime.fromtimestamp(now, self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        # A day of a clock change has 23 or 25 hours: the next midnight is found on the calendar.
        self._end = (midnight + timedelta(days=1)).timestamp()
        if self.spent[0] < midnight.timestamp():
            self.spent = midnight.timestamp(), 0, 0
            self._said.clear()


class Allowance:
    """The limits of one subject: a link, or a service number on it.

    Args:
        subject: For people.
        config: Its limits.
        link: Those of its link, for the reserve, the warnings and the time zone.
        rate: submit_sm per second, 0.0 for no limit.
        now: Seconds since the epoch.
    """

    def __init__(
        self, subject: str, config: LimitsConfig | NumberLimits, link: LimitsConfig, rate: float, now: float
    ) -> None:
        reserve = link.reserve_replies
        self.rate = rate
        self.day: DayQuota | None = None
        if config.per_day:
            self.day = DayQuota(subject, config.per_day, reserve, zone_of(link.day_zone), link.warn_at)
        everything = _limiters(rate, config.per_minute, now)
        self._limiters: dict[bool, list[_Limiter]] = {False: everything, True: everything}
        if reserve:
            rest = 1.0 - reserve
            self._limiters[True] = everything + _limiters(rate * rest, int(config.per_minute * rest), now)

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return bool(self._limiters[False] or self.day)

    def admits(self, n: int, now: float, *, started: bool) -> bool:
        """Return whether n may go now."""
        return all(limiter.admits(n, now) for limiter in self._limiters[started]) and (
            self.day is None or self.day.admits(n, now, started=started)
        )

    def spend(self, n: int, now: float, *, started: bool) -> None:
        """Count n that go."""
        for limiter in self._limiters[started]:
            limiter.spend(n, now)
        if self.day is not None:
            self.day.spend(n, now, started=started)

    def next_at(self, n: int, now: float, *, started: bool) -> float:
        """Return when n may go: `now` if they may already."""
        at = max((limiter.next_at(now, n) for limiter in self._limiters[started]), default=now)
        if self.day is not None and self.day.left(now, started=started) < n:
            at = max(at, self.day.ends(now))
        return at


def _limiters(per_second: float, per_minute: int, now: float) -> list[_Limiter]:
    found: list[_Limiter] = []
    if per_second:
        # A tenth of a second's worth may go at once: more would exceed a carrier's limit that counts in short
        # intervals.
        found.append(TokenBucket(per_second, max(1.0, per_second / 10), now))
    if per_minute:
        found.append(SlidingWindow(per_minute, _MINUTE))
    return found


class Gate:
    """Everything that limits one link.

    Args:
        config: The link.
        now: Seconds since the epoch.
        carrier: What the carrier allows, if that is known already.
    """

    def __init__(self, config: LinkConfig, now: float, carrier: AdaptiveRate | None = None) -> None:
        self.name = config.name
        self.carrier = carrier or AdaptiveRate()
        """What the carrier allows, by its answers."""
        self._config = config
        self._link = Allowance(f"link {config.name}", config.limits, config.limits, config.submit_rate, now)
        self._numbers: dict[str, Allowance | None] = {}
        self._spent: dict[str, Spent] = {}
        self._waiting: dict[_Lane, deque[Mt]] = {}
        self._due: list[tuple[float, _Lane]] = []
        self._verdict = self.carrier.verdict

    @property
    def shut(self) -> bool:
        """Whether anything is limited now."""
        return bool(self._link or self._config.limits.numbers or self.carrier.bucket)

    @property
    def rate(self) -> float:
        """submit_sm per second that may go, the lower of what is configured and what the carrier allows; 0.0: all."""
        return min((rate for rate in (self._link.rate, self.carrier.rate) if rate), default=0.0)

    # -- may it go?

    def admits(self, mt: Mt, now: float) -> bool:
        """Return whether a message may go now."""
        number = self._number(mt.number, now)
        return self.open_for(mt, now) and (number is None or number.admits(mt.parts, now, started=not mt.mo))

    def open_for(self, mt: Mt, now: float) -> bool:
        """Return whether the link as a whole lets a message pass; its service number may not."""
        bucket = self.carrier.bucket
        return (bucket is None or bucket.admits(mt.parts, now)) and self._link.admits(mt.parts, now, started=not mt.mo)

    def spend(self, mt: Mt, parts: int, now: float) -> None:
        """Count a message that goes."""
        if self.carrier.bucket is not None:
            self.carrier.bucket.spend(parts, now)
        self._link.spend(parts, now, started=not mt.mo)
        number = self._number(mt.number, now)
        if number is not None:
            number.spend(parts, now, started=not mt.mo)

    def next_at(self, mt: Mt, now: float) -> float:
        """Return when the link as a whole lets a message pass."""
        at = self._link.next_at(mt.parts, now, started=not mt.mo)
        bucket = self.carrier.bucket
        return at if bucket is None else max(at, bucket.next_at(now, mt.parts))

    # -- what waits for a service number

    def put_aside(self, mt: Mt, now: float) -> None:
        """Keep the head of a pair until its service number may send."""
        lane = mt.number, not mt.mo
        waiting = self._waiting.get(lane)
        if waiting is None:
            self._waiting[lane] = deque((mt,))
            self._expect(lane, now)
        else:
            waiting.append(mt)

    def called(self, now: float) -> list[Mt]:
        """Take out what may go now, as its service number sends again; one message of a number at a time."""
        found: list[Mt] = []
        again: list[_Lane] = []
        while self._due and self._due[0][0] <= now:
            lane = heapq.heappop(self._due)[1]
            waiting = self._waiting[lane]
            if self.admits(waiting[0], now):
                found.append(waiting.popleft())
            if waiting:
                again.append(lane)
            else:
                del self._waiting[lane]
        for lane in again:
            self._expect(lane, now)
        return found

    def next_call(self) -> float:
        """Return when a number may send for which a message waits; inf if there is none."""
        return self._due[0][0] if self._due else float("inf")

    def forget_waiting(self) -> None:
        """Nothing waits: the outbox is made anew from the store."""
        self._waiting.clear()
        self._due.clear()

    def _expect(self, lane: _Lane, now: float) -> None:
        """Look at a lane again when its first message may go; what was taken out of it may not be counted yet."""
        mt = self._waiting[lane][0]
        number = self._number(mt.number, now)
        at = self.next_at(mt, now)
        if number is not None:
            at = max(at, number.next_at(mt.parts, now, started=lane[1]))
        heapq.heappush(self._due, (at, lane))

    def _number(self, number: str, now: float) -> Allowance | None:
        numbers = self._config.limits.numbers
        if not numbers:
            return None
        try:
            return self._numbers[number]
        except KeyError:
            limits = numbers.get(number) or numbers.get(ANY_NUMBER)
            allowance = None
            if limits is not None:
                subject = f"link {self.name}, number {number}"
                allowance = Allowance(subject, limits, self._config.limits, limits.per_second, now)
                if allowance.day is not None and number in self._spent:
                    allowance.day.recall(self._spent[number])
            self._numbers[number] = allowance
            return allowance

    # -- what the store keeps

    def recall(self, spent: dict[str, dict[str, Spent]]) -> None:
        """Go on with the days' quotas as the store has them: by link, by number, "" for the link itself."""
        self._spent = spent.get(self.name, {})
        for number, allowance in [("", self._link), *self._numbers.items()]:
            if allowance is not None and allowance.day is not None:
                allowance.day.recall(self._spent.get(number, (0.0, 0, 0)))

    def spent(self) -> dict[str, Spent]:
        """Return the days' quotas as the store shall have them."""
        return self._spent | {
            number: allowance.day.spent
            for number, allowance in [("", self._link), *self._numbers.items()]
            if allowance is not None and allowance.day is not None
        }

    def carrier_row(self) -> tuple[float, str, int | None] | None:
        """Return what is to be seen from outside of the carrier's own limit, None if nothing is known of one."""
        carrier = self.carrier
        if carrier.bucket is None and carrier.verdict is Verdict.OPEN and carrier.congestion is None:
            return None
        return carrier.rate, carrier.verdict.value, carrier.congestion

    # -- what there is to say

    def lines(self) -> Iterator[str]:
        """Return what there is to be said since the last call, a line each."""
        for allowance in [self._link, *self._numbers.values()]:
            if allowance is not None and allowance.day is not None:
                yield from allowance.day.lines()
        carrier = self.carrier
        if carrier.verdict is not self._verdict:
            self._verdict = carrier.verdict
            if carrier.verdict is Verdict.LIMITED:
                yield (
                    f"link {self.name}: the carrier throttles: {carrier.rate:,.1f} messages per second are sent, "
                    "and more is tried now and then"
                )
            elif carrier.verdict is Verdict.SPORADIC:
                yield (
                    f"link {self.name}: the carrier throttles {carrier.share:.0%} of the messages at whatever rate: "
                    "they are tried again, the rate stays"
                )
            else:
                yield f"link {self.name}: the carrier throttles no longer: no limit"
