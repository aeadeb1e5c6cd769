"""One configured link in service: its ESME on one side, the committer on the other.

It sorts what sessions hand out into events, gives claims to the sessions that can write, and says how the link is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge.events import CapacityChanged, LinkChanged, SessionBound, SessionLost, Withdrawn
from bridge.inbound import sort_events
from bridge.outbound import Outbound
from bridge.store import LinkRow, SessionRow
from bridge.wireform import Rewriter
from smppcore.errors import BindRefused
from smppcore.failover import reason_of
from smppcore.pdu import DataSM, DeliverSM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.config import LinkConfig
    from bridge.delivery import Flight
    from bridge.events import Event
    from bridge.store import ContactKey
    from smppcore.esme import Retry
    from smppcore.link import Link
    from smppcore.pdu import Pdu
    from smppcore.session import Event as SessionEvent

log = logging.getLogger("smppbridge.link")


def _rewriter_of(config: LinkConfig) -> Rewriter | None:
    return Rewriter(config.rewrite_in) if config.rewrite_in else None


class Carrier:
    """The handler of one link's sessions.

    Args:
        config: The link.
        put: Gives an event to the committer.
        clock: Seconds since the epoch.
    """

    def __init__(self, config: LinkConfig, put: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self.config = config
        self.outbound = Outbound(config)
        self._rewriter = _rewriter_of(config)
        self._put = put
        self._clock = clock
        self._sessions: list[Link] = []
        self._receivers: set[Link] = set()
        self._senders: list[Link] = []  # of those that can send, the ones that do
        self._hosts = [str(host) for host in config.endpoints]
        self._standby = config.hosts_mode == "standby"
        self.wanted = (
            config.binds * (2 if config.bind == "separate" else 1) * (len(self._hosts) if self._standby else 1)
        )
        """How many sessions are to be bound."""
        self._incidents: set[tuple[str, str]] = set()  # what was said of each host since it was last bound
        self.stopping = False
        self.paused = False
        self._state = ""
        self._since = 0.0
        self._say("connecting", "")

    @property
    def sessions(self) -> int:
        """How many sessions are bound now."""
        return len(self._sessions)

    @property
    def waiting(self) -> int:
        """How many claimed messages no session has taken."""
        return len(self.outbound)

    @property
    def ready(self) -> bool:
        """Whether at least one session is bound that can send and one that can receive, as far as the link has both."""
        bind = self.config.bind
        send = bind == "receiver" or bool(self._senders)
        receive = bind == "transmitter" or any(s.session.can_receive for s in self._sessions)
        return send and receive

    # -- called by the links' tasks

    def on_bound(self, link: Link) -> None:
        """A session has been bound."""
        self._sessions.append(link)
        log.info(
            "link %s: bound to %s (%d of %d)",
            self.config.name,
            link.host,
            self.sessions,
            self.wanted,
            extra={"host": link.host, "sessions": self.sessions},
        )
        self._incidents = {incident for incident in self._incidents if incident[0] != link.host}
        if link.session.can_receive:
            self._receivers.add(link)
            self._put(SessionBound(self.config.name, self._clock()))
        self._choose_senders()
        self._say("bound" if self.sessions >= self.wanted else "partly bound", "")

    def on_events(self, link: Link, events: list[SessionEvent]) -> None:
        """One read's worth of requests and outcomes."""
        if self._rewriter is not None:
            for event in events:
                if isinstance(event, DeliverSM | DataSM):
                    self._rewriter.delivered(event)
        for put in sort_events(self.config.name, link, events, self._clock()):
            self._put(put)
        if not link.session.bound:
            self._choose_senders()  # what it would have sent need not wait until it is closed

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        """The writer asks for submit_sm's."""
        return self.outbound.take(link, room) if link in self._senders else ()

    def on_closed(self, link: Link, reason: str) -> None:
        """A session has ended."""
        self._sessions.remove(link)
        about = {"host": link.host, "reason": reason}
        log.info("link %s: session on %s ended: %s", self.config.name, link.host, reason, extra=about)
        if link in self._receivers:
            self._receivers.remove(link)
            self._put(SessionLost(self.config.name, self._clock()))
        last = not any(s.session.can_send for s in self._sessions)
        flights = self.outbound.session_lost(link, last=last)
        if flights:
            self._put(Withdrawn(flights, suppressed=False))
        self._choose_senders()
        if self.stopping:
            self._say("stopped", "")
        else:
            self._say("partly bound" if self._sessions else "connecting", reason)

    def on_retry(self, retry: Retry) -> None:
        """A connection or a bind did not come about, or a session was lost."""
        name, host, reason = retry.bind_name, retry.host, retry.reason
        if len(self._hosts) > 1 and host not in reason:
            reason = f"{host}: {reason}"
        if retry.held_host:
            following = f"goes on at {retry.held_host}"
        elif retry.next_host != host:
            following = f"on to {retry.next_host}"
        else:
            following = f"next attempt in {retry.delay:.1f} s"
        # An outage is one line, however often it is tried meanwhile
        cause = reason_of(retry.error)
        incident = (host, str(getattr(retry.error, "command_status", cause)))
        level = logging.DEBUG if incident in self._incidents else logging.WARNING
        self._incidents.add(incident)
        about = {"host": host, "reason": cause}
        log.log(level, "link %s: %s; %s", name, reason, following, extra=about)
        if self._sessions:
            self._say(self._state, self._detail, reconnect=cause)
        else:
            self._say("refused" if isinstance(retry.error, BindRefused) else "connecting", reason, reconnect=cause)

    # -- called by the service with what a turn sets free

    def send(self, flights: Sequence[Flight]) -> None:
        """Hand claims to the sessions; if there is none any more, they go back."""
        if not self._senders:
            self._put(Withdrawn(list(flights), suppressed=False))
            return
        self.outbound.add(flights)
        for session in self._senders:
            session.wake()

    def revoke(self, contacts: set[ContactKey]) -> None:
        """Withdraw claims for customers who opted out since."""
        flights = self.outbound.revoke(contacts)
        if flights:
            self._put(Withdrawn(flights, suppressed=True))

    def _choose_senders(self) -> None:
        """Let every session send, or, with a warm standby, those on the first host that has one."""
        senders = [s for s in self._sessions if s.session.can_send]
        if self._standby and senders:
            first = min(self._hosts.index(s.host) for s in senders)
            senders = [s for s in senders if s.host == self._hosts[first]]
        if senders == self._senders:
            return
        fresh = [s for s in senders if s not in self._senders]
        self._senders = senders
        self._capacity()
        if len(self.outbound):
            for session in fresh:
                session.wake()

    def _capacity(self) -> None:
        self._put(
            CapacityChanged(
                self.config.name, 0 if self.stopping or self.paused else len(self._senders) * self.config.window
            )
        )

    def pause(self) -> None:
        """Claim nothing more for this link until resume(); what is claimed still goes, and texts still come in."""
        self._pause(paused=True)

    def resume(self) -> None:
        """Claim again."""
        self._pause(paused=False)

    def retune(self, config: LinkConfig) -> None:
        """Go on as the link is configured now; what would need other sessions must be as it was."""
        self.config = config
        self.outbound.retune(config)
        self._rewriter = _rewriter_of(config)
        self._capacity()

    def _pause(self, *, paused: bool) -> None:
        self.paused = paused
        self._capacity()
        self._say(self._state, "")

    def stop_sending(self) -> None:
        """Claim nothing more for this link; what is claimed still goes."""
        self.stopping = True
        self._capacity()

    def _say(self, state: str, detail: str, *, reconnect: str = "") -> None:
        if state != self._state:
            # Not with each attempt: what matters is how long it has been so.
            self._state, self._since = state, self._clock()
        self._detail = detail or ("paused: nothing is sent" if self.paused else "")
        held = [SessionRow(s.name, s.host, s.peer, self._role(s)) for s in self._sessions]
        row = LinkRow(self.config.name, state, self._since, self.sessions, self._detail, self._peer(), held)
        self._put(LinkChanged(row, reconnect))

    def _role(self, session: Link) -> str:
        if session in self._senders:
            return ""
        return "standby" if session.session.can_send else "receives"

    def _peer(self) -> str:
        """Where the sessions are, or where they are to be."""
        if not self._sessions:
            return ", ".join(self._hosts)
        parts = []
        for host in self._hosts:
            there = [s for s in self._sessions if s.host == host]
            if there:
                named = there[0].session.peer_system_id.decode("latin-1")
                idle = not any(s in self._senders for s in there) and any(s.session.can_send for s in there)
                parts.append(
                    host
                    + (f" ×{len(there)}" if len(self._hosts) > 1 and len(there) > 1 else "")
                    + (f" ({named})" if named else "")
                    + (" standby" if idle else "")
                )
        return ", ".join(parts)
