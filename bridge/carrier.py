"""One configured link in service: its ESME on one side, the committer on the other.

It sorts what sessions hand out into events, gives claims to the sessions that can write, and says how the link is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bridge.events import CapacityChanged, LinkChanged, SessionBound, SessionLost, Withdrawn
from bridge.inbound import sort_events
from bridge.outbound import Outbound
from bridge.store import LinkRow
from smppcore.errors import BindRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.config import LinkConfig
    from bridge.delivery import Flight
    from bridge.events import Event
    from bridge.store import ContactKey
    from smppcore.link import Link
    from smppcore.pdu import Pdu
    from smppcore.session import Event as SessionEvent

log = logging.getLogger("smppbridge.link")


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
        self._put = put
        self._clock = clock
        self._sessions: list[Link] = []
        self._receivers: set[Link] = set()
        self._wanted = config.binds * (2 if config.bind == "separate" else 1)
        self.stopping = False
        self._state = ""
        self._since = 0.0
        self._say("connecting", "")

    @property
    def sessions(self) -> int:
        """How many sessions are bound now."""
        return len(self._sessions)

    @property
    def ready(self) -> bool:
        """Whether at least one session is bound that can send and one that can receive, as far as the link has both."""
        bind = self.config.bind
        send = bind == "receiver" or any(s.session.can_send for s in self._sessions)
        receive = bind == "transmitter" or any(s.session.can_receive for s in self._sessions)
        return send and receive

    # -- called by the links' tasks

    def on_bound(self, link: Link) -> None:
        """A session has been bound."""
        self._sessions.append(link)
        log.info("link %s: bound (%d of %d)", self.config.name, self.sessions, self._wanted)
        if link.session.can_receive:
            self._receivers.add(link)
            self._put(SessionBound(self.config.name, self._clock()))
        self._capacity()
        self._say("bound" if self.sessions == self._wanted else "partly bound", "", link)

    def on_events(self, link: Link, events: list[SessionEvent]) -> None:
        """One read's worth of requests and outcomes."""
        for event in sort_events(self.config.name, link, events, self._clock()):
            self._put(event)

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        """The writer asks for submit_sm's."""
        return self.outbound.take(link, room) if link.session.can_send else ()

    def on_closed(self, link: Link, reason: str) -> None:
        """A session has ended."""
        self._sessions.remove(link)
        log.log(
            logging.INFO if self.stopping else logging.WARNING, "link %s: session ended: %s", self.config.name, reason
        )
        if link in self._receivers:
            self._receivers.remove(link)
            self._put(SessionLost(self.config.name, self._clock()))
        last = not any(s.session.can_send for s in self._sessions)
        flights = self.outbound.session_lost(link, last=last)
        if flights:
            self._put(Withdrawn(flights, suppressed=False))
        self._capacity()
        if self.stopping:
            self._say("stopped", "")
        else:
            self._say("partly bound" if self._sessions else "connecting", reason)

    def on_retry(self, bind_name: str, reason: str, error: Exception, delay: float) -> None:
        """A connection or a bind did not come about; the next attempt is in `delay` seconds."""
        refused = isinstance(error, BindRefused)
        log.warning("link %s: %s; next attempt in %.1f s", bind_name, reason, delay)
        if not self._sessions:
            self._say("refused" if refused else "connecting", reason)

    # -- called by the service with what a turn sets free

    def send(self, flights: Sequence[Flight]) -> None:
        """Hand claims to the sessions; if there is none any more, they go back."""
        senders = [s for s in self._sessions if s.session.can_send]
        if not senders:
            self._put(Withdrawn(list(flights), suppressed=False))
            return
        self.outbound.add(flights)
        for session in senders:
            session.wake()

    def revoke(self, contacts: set[ContactKey]) -> None:
        """Withdraw claims for customers who opted out since."""
        flights = self.outbound.revoke(contacts)
        if flights:
            self._put(Withdrawn(flights, suppressed=True))

    def _capacity(self) -> None:
        senders = sum(s.session.can_send for s in self._sessions)
        self._put(CapacityChanged(self.config.name, 0 if self.stopping else senders * self.config.window))

    def stop_sending(self) -> None:
        """Claim nothing more for this link; what is claimed still goes."""
        self.stopping = True
        self._capacity()

    def _say(self, state: str, detail: str, link: Link | None = None) -> None:
        peer = f"{self.config.host}:{self.config.port}"
        if link is not None and link.session.peer_system_id:
            peer += f" ({link.session.peer_system_id.decode('latin-1')})"
        if state != self._state:
            # Not with each attempt: what matters is how long it has been so.
            self._state, self._since = state, self._clock()
        row = LinkRow(self.config.name, state, self._since, self.sessions, detail, peer)
        self._put(LinkChanged(row))
