"""Where a bind goes next, and when: hosts in an order of preference, each with delays of its own.

Rules:

1. A bind has one attempt in flight. It goes to the host that it prefers among those whose delay is over, so a host that
   fails costs only the hop to the next one. A hop has jitter, for many links may be at it.
2. Each host has two ladders: one for failures, with full jitter, so that the binds of many links spread; and a slower
   one for credentials that are refused and for "already bound", which trying again soon cannot mend.
3. A bind that lasted begins the ladders of its host anew; one that is accepted and closed at once does not.
4. A bind that is not where it prefers to be goes there as soon as that host's delay is over (`better`).

No I/O and no clock here; `now` is an argument, in seconds, and so is the source of jitter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from smppcore import constants as c
from smppcore.errors import BindRefused, ConnectFailed, LinkClosed, LocalProtocolError, ResponseTimeout, SmppError

Uniform = Callable[[float, float], float]
"""Draws evenly between two numbers, as random.Random.uniform does."""
HostsMode = Literal["failover", "balance", "standby"]
"""What several hosts are for:

failover
    every bind prefers the first host, then the second …
balance
    as failover, but the binds begin with the hosts in turn
standby
    every bind is held on every host at once; who uses them sends on the first host that is bound
"""

_CREDENTIALS = frozenset({c.ESME_RBINDFAIL, c.ESME_RINVPASWD, c.ESME_RINVSYSID})
"""Refusals that trying again soon cannot mend (SMPP v3.4 §5.1.3; v5.0 §4.7.6 has 0x0D for wrong credentials)."""

_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host of an SMSC."""

    host: str
    """Name or address."""
    port: int = 2775

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BackoffConfig:
    """A ladder of delays: each step doubles, up to a maximum. Times in seconds."""

    initial: float = 1.0
    """The most that the first delay can be."""
    max: float = 60.0
    """The most that any delay can be."""


@dataclass(frozen=True, slots=True)
class LadderConfig:
    """The delays of a bind. Times in seconds."""

    failed: BackoffConfig = BackoffConfig()
    """After a lost or failed connection."""
    refused: BackoffConfig = BackoffConfig(initial=30.0, max=300.0)
    """After refused credentials and after "already bound"."""
    already_bound: float = 30.0
    """The least after "already bound": the SMSC must first notice that the old link is dead."""


class Backoff:
    """The delays of one bind to one host, on two ladders.

    Args:
        config: The ladders.
        uniform: For the jitter.
    """

    __slots__ = ("_config", "_refusals", "_steps", "_uniform")

    def __init__(self, config: LadderConfig, uniform: Uniform) -> None:
        self._config = config
        self._uniform = uniform
        self._steps = 0
        self._refusals = 0

    def reset(self) -> None:
        """Begin both ladders anew: the bind has lasted."""
        self._steps = self._refusals = 0

    def delay(self, error: SmppError) -> float:
        """How long to wait after this error, in seconds."""
        config = self._config
        if isinstance(error, BindRefused) and (
            error.command_status in _CREDENTIALS or error.command_status == c.ESME_RALYBND
        ):
            ceiling = _step(config.refused, self._refusals)
            self._refusals += 1
            floor = config.already_bound if error.command_status == c.ESME_RALYBND else 0.0
            return max(self._uniform(ceiling / 2, ceiling), min(floor, config.refused.max))
        ceiling = _step(config.failed, self._steps)
        self._steps += 1
        return self._uniform(0.0, ceiling)


def _step(ladder: BackoffConfig, steps: int) -> float:
    return min(ladder.max, ladder.initial * 2.0 ** min(steps, _MAX_DOUBLINGS))


class Route:
    """Where one bind goes next. Hosts are named by their rank, from 0, the one that the bind prefers.

    Args:
        hosts: How many.
        config: The ladders.
        uniform: For the jitter.
    """

    __slots__ = ("_backoffs", "_due", "_hop", "_uniform")

    def __init__(self, hosts: int, config: LadderConfig, uniform: Uniform) -> None:
        self._backoffs = [Backoff(config, uniform) for _ in range(hosts)]
        self._due = [0.0] * hosts
        self._uniform = uniform
        self._hop = config.failed.initial / 2

    def next(self, now: float) -> tuple[int, float]:
        """Return the rank of the host to try next, and when; a time that is not in the future is now."""
        for rank, due in enumerate(self._due):
            if due <= now:
                return rank, now
        due = min(self._due)
        return self._due.index(due), due

    def better(self, rank: int) -> tuple[int, float] | None:
        """Return the rank of a host that is preferred to this one and when it may be tried; None if it is the first."""
        due = min(self._due[:rank], default=None)
        return None if due is None else (self._due.index(due), due)

    def failed(self, rank: int, error: SmppError, now: float) -> None:
        """Note that an attempt at a host has failed."""
        # With one host there is nowhere to hop to, so the ladder alone counts.
        hop = now + self._uniform(0.0, self._hop) if len(self._due) > 1 else now
        self._due = [max(due, hop) for due in self._due]
        self._due[rank] = hop + self._backoffs[rank].delay(error)

    def lost(self, rank: int, error: SmppError, now: float) -> None:
        """Note that a bind at a host has ended: the others are worth an attempt at once, however long they failed."""
        self._due = [now] * len(self._due)
        self.failed(rank, error, now)

    def hurry(self, now: float) -> None:
        """Let every host be due after a hop at most: a bind that stood in for this one has been lost."""
        hop = now + self._uniform(0.0, self._hop)
        self._due = [min(due, hop) for due in self._due]

    def lasted(self, rank: int) -> None:
        """Note that a bind to a host has lasted."""
        self._backoffs[rank].reset()


Host = TypeVar("Host")


def preferences(hosts: Sequence[Host], mode: HostsMode, number: int) -> list[list[Host]]:
    """Return the orders of preference in which one configured bind is to be held: several for a warm standby.

    Args:
        hosts: As configured, the most wanted first.
        mode: What they are for.
        number: Which of the binds, from 0.
    """
    if mode == "standby":
        return [[host] for host in hosts]
    first = number % len(hosts) if mode == "balance" else 0
    return [[*hosts[first:], *hosts[:first]]]


class Addresses:
    """The addresses of one host that failed, kept so that the others are tried first."""

    __slots__ = ("_failures", "_order")

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._order = 0

    def order(self, found: Sequence[str]) -> list[str]:
        """Return the addresses that a name has now, each once: those that never failed, then the longest ago first."""
        self._failures = {address: when for address, when in self._failures.items() if address in found}
        return sorted(dict.fromkeys(found), key=lambda address: self._failures.get(address, 0))

    def failed(self, address: str) -> None:
        """Note that connecting there failed, or that a bind there did not last."""
        self._order += 1
        self._failures[address] = self._order

    def worked(self, address: str) -> None:
        """Note that a bind there has lasted."""
        self._failures.pop(address, None)


def reason_of(error: SmppError) -> str:
    """Return why there is no link, in a word of a closed set, as metrics want it."""
    if isinstance(error, ConnectFailed | LinkClosed):
        return error.cause
    if isinstance(error, BindRefused):
        if error.command_status == c.ESME_RALYBND:
            return "already_bound"
        return "credentials" if error.command_status in _CREDENTIALS else "bind_refused"
    if isinstance(error, ResponseTimeout):
        return "bind_timeout"
    return "configuration" if isinstance(error, LocalProtocolError) else "closed"
