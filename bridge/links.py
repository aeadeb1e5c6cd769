"""The links of a running service: started, changed while the others go on, drained, ended.

A link whose configuration changes keeps its sessions where nothing of what they were made from is another: its window,
rate, limits, errors, texts and times of the pipeline are used at once. Otherwise it is drained and bound anew. What
waits for a link that is removed stays in the store, until it is configured again.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import trio

from bridge.carrier import Carrier
from bridge.events import LinkConfigured
from smppcore.dial import DialConfig
from smppcore.esme import Esme, EsmeConfig
from smppcore.failover import BackoffConfig
from smppcore.link import LinkConfig as StreamConfig
from smppcore.session import SessionConfig
from smppcore.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from bridge.committer import Committer
    from bridge.config import LinkConfig, TlsConfig
    from bridge.trace import Tracer

log = logging.getLogger("smppbridge")


def tls_context(tls: TlsConfig) -> ssl.SSLContext:
    """Return a context that verifies the peer, with our certificate if one is given.

    Raises:
        TlsFileError: A file cannot be used.
    """
    return client_context(tls.ca, tls.cert, tls.key, tls.min_version)


def esme_config(link: LinkConfig) -> EsmeConfig:
    """Return what the protocol engine needs to know of a configured link.

    Raises:
        TlsFileError: A file cannot be used.
    """
    return EsmeConfig(
        name=link.name,
        hosts=link.endpoints,
        hosts_mode=link.hosts_mode,
        system_id=link.system_id.encode(),
        password=link.password.encode(),
        system_type=link.system_type.encode(),
        address_range=link.address_range.encode(),
        addr_ton=link.address_ton,
        addr_npi=link.address_npi,
        bind=link.bind,
        fallback=link.fallback,
        binds=link.binds,
        interface_version=link.interface_version,
        session=SessionConfig(
            window=link.window,
            receive_window=link.receive_window,
            enquire_link_interval=link.enquire_link,
            enquire_link_timeout=link.enquire_link_timeout,
            inactivity_timeout=link.inactivity_timeout,
            response_timeout=link.response_timeout,
            assume_version=link.assume_version,
            strict=link.strict,
        ),
        link=StreamConfig(write_timeout=link.write_timeout),
        connect_timeout=link.connect_timeout,
        backoff=BackoffConfig(link.reconnect.initial, link.reconnect.max),
        refused_backoff=BackoffConfig(link.refused_reconnect.initial, link.refused_reconnect.max),
        dial=DialConfig(
            tls=None if link.tls is None else tls_context(link.tls),
            server_name=link.tls.server_name if link.tls else "",
            source_address=link.source_address or None,
            keepalive=link.keepalive,
        ),
    )


def needs_rebind(old: LinkConfig, new: LinkConfig) -> bool:
    """Return whether a change of a link's configuration cannot be taken over by its sessions."""

    def of_sessions(link: LinkConfig) -> tuple[object, ...]:
        # Two contexts made from the same files are never equal.
        return esme_config(replace(link, tls=None, window=1)), link.tls, link.group, link.trace

    return of_sessions(old) != of_sessions(new)


@dataclass(slots=True)
class _Running:
    """One link."""

    config: LinkConfig
    client: Esme
    ended: trio.Event
    """Every connection is closed, and what they brought has been given to the committer."""


class Links:
    """All of them.

    Resource handling: the links run in the caller's nursery; stop() unbinds them.

    Args:
        nursery: Where they run.
        committer: Takes what they bring.
        tracer: Writes what goes over those that are traced.
        clock: Seconds since the epoch.
    """

    def __init__(self, nursery: trio.Nursery, committer: Committer, tracer: Tracer, clock: Callable[[], float]) -> None:
        self._nursery = nursery
        self._committer = committer
        self._tracer = tracer
        self._clock = clock
        self.carriers: dict[str, Carrier] = {}
        """By name."""
        self._running: dict[str, _Running] = {}
        self._changing = trio.Lock()
        self._stopping = False

    @property
    def clients(self) -> Mapping[str, Esme]:
        """By name."""
        return {name: link.client for name, link in self._running.items()}

    def start(self, config: LinkConfig, made: EsmeConfig, *, paused: bool = False) -> None:
        """Start a link that the engine knows.

        Args:
            config: Of the link.
            made: What esme_config() makes of that.
            paused: It sends nothing until it is resumed.
        """
        if self._stopping:
            return
        carrier = self.carriers[config.name] = Carrier(config, self._committer.put, self._clock)
        if paused:
            carrier.pause()
        link = self._running[config.name] = _Running(config, Esme(made, carrier, random.Random()), trio.Event())
        if config.trace:
            self._tracer.switch_on(config.name, link.client)
        self._nursery.start_soon(self._run, link)

    async def _run(self, link: _Running) -> None:
        await link.client.run()
        link.ended.set()

    async def change(self, wanted: Sequence[tuple[LinkConfig, EsmeConfig]]) -> list[str]:
        """Have these links and no others; return a line for each that is not as it was.

        It is done to its end, even if the caller gives up waiting for it: a link that is drained is bound anew.
        """
        said: list[str] = []
        done = trio.Event()
        if self._stopping:
            return said

        async def one(name: str, config: LinkConfig | None, made: EsmeConfig | None) -> None:
            line = await self._change(name, config, made)
            if line:
                said.append(line)
                log.info("%s", line)

        async def all_of_them() -> None:
            names = {config.name for config, _ in wanted}
            async with self._changing, trio.open_nursery() as nursery:
                for name in [name for name in self._running if name not in names]:
                    nursery.start_soon(one, name, None, None)
                for config, made in wanted:
                    nursery.start_soon(one, config.name, config, made)
            done.set()

        self._nursery.start_soon(all_of_them)
        await done.wait()
        return sorted(said)

    async def _change(self, name: str, config: LinkConfig | None, made: EsmeConfig | None) -> str:
        link = self._running.get(name)
        if config is None or made is None:
            await self._end(name)
            del self._running[name], self.carriers[name]
            await self._configure(name, None)
            return f"link {name}: removed and unbound; what waits for it stays in the store"
        if link is None:
            await self._configure(name, config)
            self.start(config, made)
            return f"link {name}: new"
        if needs_rebind(link.config, config):
            await self._end(name)
            await self._configure(name, config)
            self.start(config, made, paused=self.carriers[name].paused)
            return f"link {name}: changed, bound anew"
        link.client.retune(made)
        if config == link.config:
            return ""
        await self._configure(name, config)
        link.config = config
        self.carriers[name].retune(config)
        return f"link {name}: changed, its sessions go on"

    async def _configure(self, name: str, config: LinkConfig | None) -> None:
        """Have the engine know a link as it is configured now."""
        done = trio.Event()
        self._committer.put(LinkConfigured(name, config, done.set))
        await done.wait()

    async def _end(self, name: str) -> None:
        """Claim nothing more for a link, wait for what is in the air, unbind, and see all that it brought committed."""
        link = self._running[name]
        self.carriers[name].stop_sending()
        with trio.move_on_after(link.config.drain):
            await self._committer.settled(name, texts=False)
        self._tracer.switch_off(name, "the link is configured otherwise")
        await link.client.stop()
        await link.ended.wait()
        await self._committer.settled(name)

    async def stop(self) -> None:
        """Claim nothing more, wait for what is in the air, unbind."""
        self._stopping = True
        for carrier in self.carriers.values():
            carrier.stop_sending()
        with trio.move_on_after(max((link.config.drain for link in self._running.values()), default=0)):
            await self._committer.drained()
        async with trio.open_nursery() as nursery:
            for link in self._running.values():
                nursery.start_soon(link.client.stop)
