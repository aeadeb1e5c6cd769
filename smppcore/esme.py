"""The client: keeps binds to the hosts of an SMSC, and makes them anew whenever they are lost.

Rules:

1. One attempt is in flight per configured bind. Which host it goes to, and after what delay, `failover.py` says.
2. A bind that is not on the host that it prefers tries that one while it works. The new link takes over once it has
   lasted; the old one then takes no more requests, and is unbound when what it has is answered.
3. What ends a link, or keeps it from being bound, is told to the observer with the attempt that follows; nothing is
   logged here.

No message handling here: that is the handler's.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import trio

from smppcore import constants as c
from smppcore.dial import DialConfig, connect_tcp, tcp_address
from smppcore.errors import (
    BindRefused,
    ConnectFailed,
    LinkClosed,
    LocalProtocolError,
    ResponseTimeout,
    SmppError,
)
from smppcore.events import SessionConfig
from smppcore.failover import Addresses, BackoffConfig, Endpoint, HostsMode, LadderConfig, Route, preferences
from smppcore.link import Link, LinkConfig, LinkHandler, Tap
from smppcore.pdu import BindReceiver, BindRequest, BindTransceiver, BindTransmitter
from smppcore.session import Role, Session

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class EsmeConfig:
    """Where to connect, as whom, and how often. Times in seconds."""

    host: str = ""
    """Name or address of the SMSC."""
    port: int = 2775
    """TCP port of the SMSC."""
    hosts: tuple[Endpoint, ...] = ()
    """Its hosts when there are several, the most wanted first; then host and port are not looked at."""
    hosts_mode: HostsMode = "failover"
    """What several hosts are for."""
    name: str = "smsc"
    """What the links are called: "name/1", "name/2", with "-tx" and "-rx" for a separate pair, "-standby" on further
    hosts of a warm standby."""
    system_id: bytes = b""
    """As in the bind, up to 15 octets."""
    password: bytes = field(default=b"", repr=False)
    """As in the bind, up to 8 octets."""
    system_type: bytes = b""
    """As in the bind, up to 12 octets."""
    addr_ton: int = 0
    """Type of number of address_range."""
    addr_npi: int = 0
    """Numbering plan of address_range."""
    address_range: bytes = b""
    """The addresses served, in the SMSC's notation, up to 40 octets."""
    bind: Literal["transceiver", "transmitter", "receiver", "separate"] = "transceiver"
    """Which bind; "separate" is a transmitter and a receiver, each on a connection of its own."""
    fallback: bool = False
    """Bind a separate pair where a transceiver bind is answered with ESME_RINVCMDID."""
    binds: int = 1
    """How many such binds in parallel."""
    interface_version: int = c.VERSION_34
    """The highest version that we speak, as in the bind."""
    session: SessionConfig = field(default_factory=SessionConfig)
    """Window and timers; interface_version is taken from above."""
    link: LinkConfig = field(default_factory=LinkConfig)
    """How streams are treated."""
    connect_timeout: float = 10.0
    """How long connecting, the TLS handshake included, may take."""
    bind_timeout: float = 10.0
    """How long the bind's response may take."""
    unbind_timeout: float = 5.0
    """How long `Esme.stop` waits for the links to unbind."""
    backoff: BackoffConfig = field(default_factory=BackoffConfig)
    """The delays before reconnecting."""
    refused_backoff: BackoffConfig = field(default_factory=partial(BackoffConfig, 30.0, 300.0))
    """The delays after refused credentials and after "already bound"."""
    stable_after: float = 2.0
    """A bind that lasted so long starts the ladder again."""
    dial: DialConfig = field(default_factory=DialConfig)
    """TLS, source address, keep-alive."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The hosts, one or several."""
        return self.hosts or (Endpoint(self.host, self.port),)

    @property
    def ladders(self) -> LadderConfig:
        """The delays; after "already bound" never soon, for the SMSC must first notice that the old link is dead."""
        return LadderConfig(self.backoff, self.refused_backoff, self.session.enquire_link_interval)


@dataclass(frozen=True, slots=True)
class Retry:
    """A bind has failed or ended, and what follows."""

    bind_name: str
    """Which of the configured binds."""
    host: str
    """Where."""
    error: SmppError
    """BindRefused, ResponseTimeout, LinkClosed, ConnectFailed, or LocalProtocolError for a bind that cannot be encoded.
    """
    delay: float
    """The next attempt is in so many seconds; math.inf if none is wanted."""
    next_host: str
    """And goes there."""
    held_host: str = ""
    """Where the bind is all the same, "" if it is not."""

    @property
    def reason(self) -> str:
        """What was wrong, in one line."""
        return str(self.error) or type(self.error).__name__


class EsmeObserver(Protocol):
    """What is told about links that are not there."""

    def on_retry(self, retry: Retry) -> None:
        """A bind has failed or ended, and will be tried again."""


class EsmeHandler(LinkHandler, EsmeObserver, Protocol):
    """What uses an Esme."""


Connect = Callable[[Endpoint, Addresses], Awaitable[tuple[trio.abc.Stream, str]]]
"""Makes a connection: the stream, and the peer's address. Raises ConnectFailed."""

_BINDS: dict[str, type[BindRequest]] = {
    "transceiver": BindTransceiver,
    "transmitter": BindTransmitter,
    "receiver": BindReceiver,
}
_PAIR: tuple[tuple[str, type[BindRequest]], ...] = (("-tx", BindTransmitter), ("-rx", BindReceiver))


class Esme:
    """All binds to one SMSC.

    Resource handling: every connection belongs to `run` and is closed when it returns or is cancelled; cancelling it
    closes without unbinding, `stop` unbinds first.

    Error handling: whatever happens to a connection is told to the handler and tried again. Exceptions that leave `run`
    are bugs in the handler.

    Args:
        config: Where, as whom, how often.
        handler: Told of links and of what they bring; one for all of them.
        rng: For the jitter of the delays.
        connect: Makes connections; TCP and TLS if left out.
    """

    def __init__(
        self, config: EsmeConfig, handler: EsmeHandler, rng: random.Random, connect: Connect | None = None
    ) -> None:
        self.config = config
        self.handler = handler
        self.rng = rng
        self.connect = connect or self._dial
        self.links: list[Link] = []
        """The connections there are: bound, about to be, or being closed."""
        self.tap: Callable[[Link], Tap] | None = None
        """Makes the tap of each new connection; None: they get none. See `set_tap`."""
        self.stopping = False
        self.addresses = {host: Addresses() for host in config.endpoints}
        """Which addresses of each host failed."""
        self._keepers: list[_Keeper] = []
        self._scope = trio.CancelScope()
        self._done = trio.Event()

    async def run(self) -> None:
        """Keep all binds up until `stop` or cancellation."""
        config = self.config
        with self._scope:
            async with trio.open_nursery() as nursery:
                for number in range(config.binds):
                    for rank, hosts in enumerate(preferences(config.endpoints, config.hosts_mode, number)):
                        standby = f"-standby{rank if rank > 1 else ''}" if rank else ""
                        name = f"{config.name}/{number + 1}{standby}"
                        if config.bind == "separate":
                            for suffix, bind_class in _PAIR:
                                nursery.start_soon(self.keep, name + suffix, bind_class, hosts)
                        else:
                            nursery.start_soon(self.keep, name, _BINDS[config.bind], hosts)
        self._done.set()

    async def _dial(self, host: Endpoint, addresses: Addresses) -> tuple[trio.abc.Stream, str]:
        return await connect_tcp(host, addresses, config=self.config.dial)

    def retune(self, config: EsmeConfig) -> None:
        """Use another window at once, and other TLS files from the next connection on; the rest must be as it was."""
        self.config = config
        for link in self.links:
            link.session.resize(config.session.window)
            link.wake()

    def set_tap(self, tap: Callable[[Link], Tap] | None) -> None:
        """Tap every connection there is and each that will be made, before its first octet; None ends it."""
        self.tap = tap
        for link in self.links:
            link.tap = tap(link) if tap is not None else None

    async def keep(self, name: str, bind_class: type[BindRequest], hosts: list[Endpoint]) -> None:
        """Keep one bind up, or a pair in its place where the SMSC knows no transceiver."""
        keeper = _Keeper(self, name, bind_class, hosts)
        self._keepers.append(keeper)
        await keeper.run()
        self._keepers.remove(keeper)
        if keeper.wants_pair and not self.stopping:
            async with trio.open_nursery() as nursery:
                for suffix, other_class in _PAIR:
                    nursery.start_soon(self.keep, name + suffix, other_class, hosts)

    def hurry(self) -> None:
        """Have the binds that are down tried at once: one that may have stood in for them has been lost."""
        for keeper in self._keepers:
            keeper.hurry()

    def rebind(self) -> None:
        """Unbind every link that is bound; each bind is then made anew, as after any loss."""
        for link in tuple(self.links):
            if link.session.bound:
                link.start_unbind()

    async def stop(self) -> None:
        """Unbind every link, for at most `unbind_timeout`, and make `run` return."""
        self.stopping = True
        for keeper in self._keepers:
            keeper.stop()
        for link in tuple(self.links):
            link.start_unbind()
        with trio.move_on_after(self.config.unbind_timeout):
            await self._done.wait()
        self._scope.cancel()


@dataclass(slots=True, eq=False)
class _Held:
    """A link of one bind, and the host that it is on."""

    link: Link
    rank: int
    lasted: bool = False


class _Keeper:
    """One configured bind: a link on the best host that can be had, and for a moment two while it goes to a better one.

    Args:
        esme: Whose bind it is.
        name: Of the bind.
        bind_class: Which bind.
        hosts: In the order of preference.
    """

    def __init__(self, esme: Esme, name: str, bind_class: type[BindRequest], hosts: list[Endpoint]) -> None:
        self.wants_pair = False
        """The SMSC does not know this bind, and a pair is to be tried."""
        self._esme = esme
        self._name = name
        self._bind_class = bind_class
        self._hosts = hosts
        self._route = Route(len(hosts), esme.config.ladders, esme.rng.uniform)
        self._held: list[_Held] = []  # bound, and not retired; the last is the one to stay
        self._news = trio.Event()
        self._attempting = trio.CancelScope()

    async def run(self) -> None:
        """Keep the bind up until `stop`."""
        async with trio.open_nursery() as nursery:
            while not self._esme.stopping and not self.wants_pair:
                now = trio.current_time()
                goal = self._route.better(self._held[-1].rank) if self._held else self._route.next(now)
                rank, due = goal or (0, math.inf)
                if due <= now:
                    with trio.CancelScope() as self._attempting:
                        await self._attempt(rank, nursery)
                else:
                    self._news = trio.Event()
                    with trio.move_on_at(due):
                        await self._news.wait()

    def stop(self) -> None:
        """Try nothing more; the links are the caller's to unbind."""
        self._attempting.cancel()
        self._news.set()

    def hurry(self) -> None:
        """If the bind is down, try it at once."""
        if not self._held:
            self._route.hurry(trio.current_time())
            self._attempting.cancel()
            self._news.set()

    async def _attempt(self, rank: int, nursery: trio.Nursery) -> None:
        """Try to have a link on a host."""
        esme, config, host = self._esme, self._esme.config, self._hosts[rank]
        connection: tuple[trio.abc.Stream, str] | None = None
        try:
            with trio.move_on_after(config.connect_timeout):
                connection = await esme.connect(host, esme.addresses[host])
            if connection is None:
                raise ConnectFailed("connect_timeout", f"no connection to {host} within {config.connect_timeout:g} s")
        except ConnectFailed as error:
            self._failed(rank, error)
            return
        stream, peer = connection
        # Not the one from before: retune() may have been called while the connection was made
        session_config = replace(esme.config.session, interface_version=config.interface_version)
        session = Session(Role.ESME, session_config, trio.current_time())
        link = Link(stream, session, esme.handler, config.link, name=self._name, peer=peer, host=str(host))
        if esme.tap is not None:
            link.tap = esme.tap(link)
        esme.links.append(link)
        held = _Held(link, rank)
        nursery.start_soon(self._drive, held)
        bound = False
        try:
            refusal = await self._bind(link)
            if refusal is None:
                bound = True
                self._held.append(held)
                nursery.start_soon(self._settle, held, nursery)
                nursery.start_soon(self._watch, held)
            elif not esme.stopping:
                esme.addresses[host].failed(tcp_address(peer))
                self._failed(rank, refusal)
        finally:
            if not bound:
                link.start_unbind()

    async def _drive(self, held: _Held) -> None:
        """Run a link to its end."""
        try:
            await held.link.run()
        finally:
            self._esme.links.remove(held.link)

    async def _watch(self, held: _Held) -> None:
        """Wait for the end of a session, and look for another; its link may be closing for a while."""
        await held.link.over.wait()
        if held in self._held:
            self._held.remove(held)
            self._lost(held)
            if not self._held:
                self._attempting.cancel()  # of a better host: what is to be had soon counts now
            self._news.set()

    async def _settle(self, held: _Held, nursery: trio.Nursery) -> None:
        """Once a link has lasted, let go of the one on a host that is not so good."""
        with trio.move_on_after(self._esme.config.stable_after):
            await held.link.over.wait()
            return
        held.lasted = True
        self._route.lasted(held.rank)
        self._esme.addresses[self._hosts[held.rank]].worked(tcp_address(held.link.peer))
        worse = [other for other in self._held if other.rank > held.rank]
        self._held = [other for other in self._held if other not in worse]
        for other in worse:
            nursery.start_soon(self._let_go, other)

    async def _let_go(self, held: _Held) -> None:
        held.link.retire()
        with trio.move_on_after(self._esme.config.unbind_timeout):
            await held.link.over.wait()
        held.link.start_unbind()

    def _lost(self, held: _Held) -> None:
        """Note that a bind has ended that nobody let go."""
        if self._esme.stopping:
            return
        if not held.lasted:
            self._esme.addresses[self._hosts[held.rank]].failed(tcp_address(held.link.peer))
        session = held.link.session
        error = LinkClosed(session.close_reason, session.close_cause)
        if self._esme.config.hosts_mode == "standby":
            self._esme.hurry()
        self._route.lost(held.rank, error, trio.current_time())
        self._tell(held.rank, error)

    def _failed(self, rank: int, error: SmppError) -> None:
        """Note that an attempt at a host has failed."""
        self.wants_pair = (
            self._esme.config.fallback
            and self._bind_class is BindTransceiver
            and isinstance(error, BindRefused)
            and error.command_status == c.ESME_RINVCMDID  # 34 §4.1: an SMSC of before v3.4
        )
        if not self.wants_pair:
            self._route.failed(rank, error, trio.current_time())
            self._tell(rank, error)

    def _tell(self, rank: int, error: SmppError) -> None:
        goal = self._route.better(self._held[-1].rank) if self._held else self._route.next(trio.current_time())
        following, due = goal or (self._held[-1].rank, math.inf)
        delay = max(due - trio.current_time(), 0.0)
        held_host = str(self._hosts[self._held[-1].rank]) if self._held else ""
        retry = Retry(self._name, str(self._hosts[rank]), error, delay, str(self._hosts[following]), held_host)
        self._esme.handler.on_retry(retry)

    async def _bind(self, link: Link) -> SmppError | None:
        """Bind a new link; return what went wrong."""
        config = self._esme.config
        request = self._bind_class(
            config.system_id,
            config.password,
            config.system_type,
            config.interface_version,
            config.addr_ton,
            config.addr_npi,
            config.address_range,
        )
        response = None
        with trio.move_on_after(config.bind_timeout):
            try:
                response = await link.request(request)
            except (ResponseTimeout, LinkClosed, LocalProtocolError) as exc:
                return exc
        if response is None:
            return ResponseTimeout(request.sequence_number, config.bind_timeout)
        status = response.command_status
        if status == c.ESME_ROK:
            return None
        text = f"{request.name} refused with {c.status_name(status)}: {c.status_text(status)}"
        return BindRefused(status, text)
