"""The client: connects to an SMSC, binds, and does so again whenever a link is lost.

Rules:

1. One attempt is in flight per configured bind. Between attempts there is a delay with full jitter, so that the binds
   of many links spread; credentials that are refused, and "already bound", wait on a slower ladder of their own.
2. A bind that lasted resets its ladder; one that is accepted and closed at once does not.
3. What ends a link, or keeps it from being bound, is told to the observer with the delay that follows; nothing is
   logged here.

No message handling here: that is the handler's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

import trio

from smppcore import constants as c
from smppcore.errors import BindRefused, LinkClosed, LocalProtocolError, ResponseTimeout, SmppError
from smppcore.events import SessionConfig
from smppcore.link import Link, LinkConfig, LinkHandler, Tap, prepare_socket
from smppcore.pdu import BindReceiver, BindRequest, BindTransceiver, BindTransmitter
from smppcore.session import Role, Session

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Iterator

_CREDENTIALS_OR_BOUND = frozenset({c.ESME_RBINDFAIL, c.ESME_RINVPASWD, c.ESME_RINVSYSID, c.ESME_RALYBND})
"""Refusals that trying again soon cannot mend (SMPP v3.4 §5.1.3; v5.0 §4.7.6 has 0x0D for wrong credentials)."""

_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class BackoffConfig:
    """A ladder of delays: each step doubles, up to a maximum. Times in seconds."""

    initial: float = 1.0
    """The most that the first delay can be."""
    max: float = 60.0
    """The most that any delay can be."""


@dataclass(frozen=True, slots=True)
class EsmeConfig:
    """Where to connect, as whom, and how often. Times in seconds."""

    host: str
    """Name or address of the SMSC."""
    port: int = 2775
    """TCP port of the SMSC."""
    name: str = "smsc"
    """What the links are called: "name/1", "name/2", with "-tx" and "-rx" for a separate pair."""
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
    backoff: BackoffConfig = BackoffConfig()
    """The delays before reconnecting."""
    refused_backoff: BackoffConfig = BackoffConfig(initial=30.0, max=300.0)
    """The delays after refused credentials and after "already bound"."""
    stable_after: float = 2.0
    """A bind that lasted so long starts the ladder again."""
    tls: ssl.SSLContext | None = None
    """TLS by this context, which says whom to trust; None is plain TCP."""
    server_name: str = ""
    """The name in the server's certificate; "" is host."""
    source_address: str | None = None
    """The local address to connect from."""


class EsmeObserver(Protocol):
    """What is told about links that are not there."""

    def on_retry(self, bind_name: str, reason: str, error: SmppError | OSError, delay: float) -> None:
        """A bind has failed or ended, and will be tried again in `delay` seconds.

        Args:
            bind_name: Which of the configured binds.
            reason: In one line.
            error: BindRefused, ResponseTimeout, LinkClosed, or the OSError of connecting.
            delay: In seconds.
        """


class EsmeHandler(LinkHandler, EsmeObserver, Protocol):
    """What uses an Esme."""


Connect = Callable[[EsmeConfig], Awaitable[tuple[trio.abc.Stream, str]]]
"""Makes a connection: the stream, and the peer's address. Raises OSError."""


async def connect_tcp(config: EsmeConfig) -> tuple[trio.abc.Stream, str]:
    """Connect by TCP, and by TLS over it where the configuration says so.

    Raises:
        OSError: Connecting or the handshake failed.
    """
    try:
        tcp = await trio.open_tcp_stream(config.host, config.port, local_address=config.source_address)
    except OSError as exc:
        # trio says that all attempts failed, and keeps why as the cause: an error, or a group of one for each address.
        cause = exc.__cause__
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        why = (cause.strerror if isinstance(cause, OSError) else None) or str(exc)
        raise ConnectionError(f"cannot connect to {config.host}:{config.port}: {why}") from exc
    try:
        peer = prepare_socket(tcp)
        if config.tls is None:
            return tcp, peer
        tls = trio.SSLStream(tcp, config.tls, server_hostname=config.server_name or config.host)
        try:
            await tls.do_handshake()
        except trio.BrokenResourceError as exc:
            raise ConnectionError(f"TLS handshake failed: {exc.__cause__ or exc}") from exc
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return tls, peer


class Backoff:
    """The delays of one bind, on two ladders.

    Args:
        config: The ladders.
        rng: For the jitter.
    """

    __slots__ = ("_config", "_refusals", "_rng", "_steps")

    def __init__(self, config: EsmeConfig, rng: random.Random) -> None:
        self._config = config
        self._rng = rng
        self._steps = 0
        self._refusals = 0

    def reset(self) -> None:
        """Begin both ladders anew: the bind has lasted."""
        self._steps = self._refusals = 0

    def delay(self, error: SmppError | OSError) -> float:
        """How long to wait after this error, in seconds."""
        config = self._config
        if isinstance(error, BindRefused) and error.command_status in _CREDENTIALS_OR_BOUND:
            ceiling = _step(config.refused_backoff, self._refusals)
            self._refusals += 1
            # Never soon: an SMSC that says "already bound" must first notice that the old link is dead
            floor = config.session.enquire_link_interval if error.command_status == c.ESME_RALYBND else 0.0
            return max(self._rng.uniform(ceiling / 2, ceiling), min(floor, config.refused_backoff.max))
        ceiling = _step(config.backoff, self._steps)
        self._steps += 1
        return self._rng.uniform(0.0, ceiling)


def _step(ladder: BackoffConfig, steps: int) -> float:
    return min(ladder.max, ladder.initial * 2.0 ** min(steps, _MAX_DOUBLINGS))


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
        connect: Makes connections; TCP if left out.
    """

    def __init__(
        self, config: EsmeConfig, handler: EsmeHandler, rng: random.Random, connect: Connect = connect_tcp
    ) -> None:
        self.config = config
        self.links: dict[str, Link] = {}
        """The connections there are, bound or about to be, by name."""
        self.tap: Callable[[Link], Tap] | None = None
        """Makes the tap of each new connection; None: they get none. See `set_tap`."""
        self._handler = handler
        self._rng = rng
        self._connect = connect
        self._stopping = False
        self._waits: set[trio.CancelScope] = set()  # what `stop` need not wait for: connecting, and waiting for a retry
        self._scope = trio.CancelScope()
        self._done = trio.Event()

    async def run(self) -> None:
        """Keep all binds up until `stop` or cancellation."""
        config = self.config
        with self._scope:
            async with trio.open_nursery() as nursery:
                for number in range(1, config.binds + 1):
                    name = f"{config.name}/{number}"
                    if config.bind == "separate":
                        for suffix, bind_class in _PAIR:
                            nursery.start_soon(self._supervise, name + suffix, bind_class)
                    else:
                        nursery.start_soon(self._supervise, name, _BINDS[config.bind])
        self._done.set()

    def set_tap(self, tap: Callable[[Link], Tap] | None) -> None:
        """Tap every connection there is and each that will be made, before its first octet; None ends it."""
        self.tap = tap
        for link in self.links.values():
            link.tap = tap(link) if tap is not None else None

    async def stop(self) -> None:
        """Unbind every link, for at most `unbind_timeout`, and make `run` return."""
        self._stopping = True
        for wait in tuple(self._waits):
            wait.cancel()
        for link in tuple(self.links.values()):
            link.start_unbind()
        with trio.move_on_after(self.config.unbind_timeout):
            await self._done.wait()
        self._scope.cancel()

    async def _supervise(self, name: str, bind_class: type[BindRequest]) -> None:
        config = self.config
        backoff = Backoff(config, self._rng)
        while not self._stopping:
            try:
                error = await self._hold(name, bind_class, backoff)
            except OSError as exc:
                error = exc
            if self._stopping:
                return
            if (
                config.fallback
                and bind_class is BindTransceiver
                and isinstance(error, BindRefused)
                and error.command_status == c.ESME_RINVCMDID
            ):
                # 34 §4.1: an SMSC of before v3.4 does not know bind_transceiver
                async with trio.open_nursery() as nursery:
                    for suffix, other_class in _PAIR:
                        nursery.start_soon(self._supervise, name + suffix, other_class)
                return
            delay = backoff.delay(error)
            self._handler.on_retry(name, str(error) or type(error).__name__, error, delay)
            with self._interruptible():
                await trio.sleep(delay)

    async def _hold(self, name: str, bind_class: type[BindRequest], backoff: Backoff) -> SmppError | OSError:
        """Connect, bind, and drive the link until it ends; return what ended it.

        Raises:
            OSError: There was no connection.
        """
        config = self.config
        connection: tuple[trio.abc.Stream, str] | None = None
        with self._interruptible(), trio.move_on_after(config.connect_timeout):
            connection = await self._connect(config)
        if connection is None:
            raise TimeoutError(f"no connection to {config.host}:{config.port} within {config.connect_timeout:g} s")
        stream, peer = connection
        session_config = replace(config.session, interface_version=config.interface_version)
        session = Session(Role.ESME, session_config, trio.current_time())
        link = self.links[name] = Link(stream, session, self._handler, config.link, name=name, peer=peer)
        if self.tap is not None:
            link.tap = self.tap(link)
        failure: SmppError | None = None

        async def bind() -> None:
            nonlocal failure
            failure = await self._bind(link, bind_class)
            if failure is not None:
                link.start_unbind()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bind)
                reason = await link.run()
        finally:
            del self.links[name]
        if trio.current_time() - link.bound_at >= config.stable_after:
            backoff.reset()
        return failure or LinkClosed(reason)

    async def _bind(self, link: Link, bind_class: type[BindRequest]) -> SmppError | None:
        """Bind a new link; return what went wrong."""
        config = self.config
        request = bind_class(
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

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """A wait that `stop` cuts short."""
        with trio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.remove(scope)
