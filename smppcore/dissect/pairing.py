"""Requests and responses of a recording brought together: latencies, windows, binds, and what has no counterpart.

Rules: a response answers the request of its sequence_number that the other side sent on the same connection. Where the
recording does not say who sent what, any request of the right command does. At most `MAX_OPEN` requests are waited for.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smppcore import constants as c
from smppcore.dissect.judge import Finding
from smppcore.states import BIND_STATES, WITHOUT_RESPONSE
from smppcore.testbed.latency import Latencies

if TYPE_CHECKING:
    from collections.abc import Hashable

    from smppcore.dissect.explain import Explained
    from smppcore.dissect.found import Found

MAX_OPEN: Final = 100_000
_MAX_LINKS: Final = 4000
_Key = tuple["Hashable", int, int]
"""Who sent the request, its sequence_number, and its command_id where the sender is not known."""


@dataclass(slots=True)
class Open:
    """A request whose response has not come."""

    number: int
    """Of the PDU in the recording."""
    command_id: int
    time: float | None


@dataclass(slots=True)
class Pair:
    """What a response answers."""

    request: int
    """The request's number in the recording."""
    latency: float | None
    """Seconds between the two; None where the recording has no times, or too coarse ones."""


@dataclass(slots=True)
class Session:
    """One connection, from its bind on."""

    name: str
    """Which connection, for people."""
    bind: str = ""
    """The bind's command, "" if it is not in the recording."""
    system_id: str = ""
    status: str = ""
    """What the bind was answered with, "" if it was not."""
    pdus: int = 0
    window: dict[str, int] = field(default_factory=dict)
    """The most requests that were un-answered at a time, by who sent them: "out", "10.0.0.1:5000"."""


class Pairing:
    """Everything that depends on more than one PDU."""

    def __init__(self) -> None:
        self.pdus: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        """Responses with an error, by "command status"."""
        self.findings: Counter[str] = Counter()
        """By level."""
        self.answered: Counter[str] = Counter()
        """Requests that have a response, by command."""
        self.latencies: dict[str, Latencies] = {}
        """By the request's command."""
        self.sessions: list[Session] = []
        """The first of them; there is a bound."""
        self.unanswered = 0
        """Requests without a response at the end of their connection, or of the recording."""
        self.unasked = 0
        """Responses without a request."""
        self.versions: dict[Hashable, int] = {}
        """interface_version by connection, as far as it was seen."""
        self._open: dict[Hashable, OrderedDict[_Key, Open]] = {}
        self._counts: dict[Hashable, Counter[Hashable]] = {}
        self._sessions: OrderedDict[Hashable, Session] = OrderedDict()
        self._all_open = 0

    def begin(self, link: Hashable) -> list[Open]:
        """A connection begins anew; return the requests of the one before that have no response."""
        lost = list(self._open.pop(link, {}).values())
        self._counts.pop(link, None)
        self._sessions.pop(link, None)
        self.versions.pop(link, None)
        self._all_open -= len(lost)
        self.unanswered += len(lost)
        return lost

    def end(self) -> list[Open]:
        """The recording is at its end; return the requests without a response, in their order."""
        lost = [request for link in list(self._open) for request in self.begin(link)]
        return sorted(lost, key=lambda request: request.number)

    def add(self, number: int, found: Found, explained: Explained) -> Pair | None:
        """Take the next PDU; what is wrong with it in its surroundings is added to its findings.

        Returns:
            What it answers; None if it is a request, or nothing that it could answer is there.
        """
        name = explained.command or "undecodable"
        self.pdus[name] += 1
        session = self._session(found)
        session.pdus += 1
        pair = None
        if len(explained.octets) >= 16:
            if explained.command_id >= c.RESPONSE_BIT:
                pair = self._response(found, explained, session)
            else:
                self._request(number, found, explained, session)
        for finding in explained.findings:
            self.findings[finding.level] += 1
        return pair

    def _session(self, found: Found) -> Session:
        session = self._sessions.get(found.link)
        if session is None:
            name = found.link if isinstance(found.link, str) else found.direction if found.link is not None else ""
            session = self._sessions[found.link] = Session(name)
            if len(self.sessions) < _MAX_LINKS:
                self.sessions.append(session)
            if len(self._sessions) > _MAX_LINKS:
                self.begin(next(iter(self._sessions)))
        return session

    def _request(self, number: int, found: Found, explained: Explained, session: Session) -> None:
        command_id = explained.command_id
        if command_id in BIND_STATES:
            session.bind = explained.command
            session.system_id = next((str(v.value) for v in explained.fields if v.name == "system_id"), "")
            version = next((v.value for v in explained.fields if v.name == "interface_version"), None)
            if isinstance(version, int):
                self.versions[found.link] = version
        if command_id in WITHOUT_RESPONSE:
            return
        waiting = self._open.setdefault(found.link, OrderedDict())
        key = found.sender, explained.sequence_number, 0 if found.sender is not None else command_id
        earlier = waiting.pop(key, None)
        counts = self._counts.setdefault(found.link, Counter())
        if earlier is not None:
            text = f"{explained.sequence_number} is open already, as #{earlier.number}"
            explained.findings.append(Finding("suspicious", "sequence_number", text, "SMPP v3.4 §5.1.4", 12))
            self.unanswered += 1
        else:
            counts[found.sender] += 1
            self._all_open += 1
        waiting[key] = Open(number, command_id, found.time)
        direction = found.direction.partition(" ")[0]
        session.window[direction] = max(session.window.get(direction, 0), counts[found.sender])
        if self._all_open > MAX_OPEN:
            (sender, *_), _ = waiting.popitem(last=False)
            counts[sender] -= 1
            self._all_open -= 1
            self.unanswered += 1

    def _response(self, found: Found, explained: Explained, session: Session) -> Pair | None:
        command_id, sequence = explained.command_id, explained.sequence_number
        if explained.command_status:
            self.errors[f"{explained.command} {c.status_name(explained.command_status)}"] += 1
        waiting = self._open.get(found.link, OrderedDict())
        if found.sender is not None:
            senders = self._counts.get(found.link, ())
            keys: list[_Key] = [(sender, sequence, 0) for sender in senders if sender != found.sender]
        elif command_id == c.GENERIC_NACK:
            keys = [key for key in waiting if key[1] == sequence]
        else:
            keys = [(None, sequence, command_id - c.RESPONSE_BIT)]
        key = next((key for key in keys if key in waiting), None)
        if key is None:
            if command_id != c.GENERIC_NACK or sequence:
                self.unasked += 1
                explained.findings.append(Finding("suspicious", "", "a response without a request in the recording"))
            return None
        request = waiting[key]
        expected = request.command_id | c.RESPONSE_BIT
        if command_id not in (expected, c.GENERIC_NACK):
            text = f"answers #{request.number}, which is a {c.command_name(request.command_id)}"
            explained.findings.append(Finding("violation", "command_id", text, "SMPP v3.4 §5.1.2", 4))
            return None
        del waiting[key]
        self._counts[found.link][key[0]] -= 1
        self._all_open -= 1
        self.answered[c.command_name(request.command_id)] += 1
        if request.command_id in BIND_STATES:
            session.status = c.status_name(explained.command_status)
        latency = None
        if found.time is not None and request.time is not None and found.time != request.time:
            latency = found.time - request.time
            self.latencies.setdefault(c.command_name(request.command_id), Latencies()).add(max(0.0, latency))
        return Pair(request.number, latency)

    def summary(self) -> dict[str, object]:
        """Return the counts, as what JSON can hold; latencies in milliseconds."""
        return {
            "pdus": sum(self.pdus.values()),
            "commands": dict(self.pdus.most_common()),
            "answered": dict(self.answered.most_common()),
            "errors": dict(self.errors.most_common()),
            "findings": {level: self.findings[level] for level in ("error", "violation", "suspicious")},
            "latency_ms": {name: latencies.report() for name, latencies in self.latencies.items()},
            "requests_without_response": self.unanswered,
            "responses_without_request": self.unasked,
            "sessions": [
                {
                    "name": session.name,
                    "bind": session.bind,
                    "system_id": session.system_id,
                    "status": session.status,
                    "pdus": session.pdus,
                    "window": session.window,
                }
                for session in self.sessions
            ],
        }
