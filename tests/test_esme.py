"""The client: connecting, binding, and trying again."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from smppcore import constants as c
from smppcore.errors import BindRefused, ConnectFailed, LinkClosed, LocalProtocolError, ResponseTimeout
from smppcore.esme import Esme, EsmeConfig
from smppcore.failover import Addresses, BackoffConfig, Endpoint
from smppcore.link import LinkConfig
from smppcore.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    GenericNack,
    Pdu,
    SubmitSM,
    Unbind,
    response_to,
)
from smppcore.session import SessionConfig, SessionState
from tests.links import Peer, Recorder
from tests.sessions import deliver, submit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from trio.testing import MockClock


class Smsc:
    """Connections made in memory, each played by a script; the last script plays all further ones."""

    def __init__(self, *scripts: Callable[[Peer], Awaitable[None]]) -> None:
        self.scripts = list(scripts)
        self.attempts: list[float] = []
        self.peers: list[Peer] = []
        self.nursery: trio.Nursery

    async def connect(self, host: Endpoint, addresses: Addresses) -> tuple[trio.abc.Stream, str]:
        self.attempts.append(trio.current_time())
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        if script is nowhere:
            raise ConnectFailed("refused", f"cannot connect to {host}: Connection refused")
        if script is black_hole:
            await trio.sleep_forever()
        ours, theirs = trio.testing.memory_stream_pair()
        peer = Peer(theirs)
        self.peers.append(peer)
        self.nursery.start_soon(script, peer)
        return ours, "memory"


async def nowhere(peer: Peer) -> None:
    """Nobody listens."""


async def black_hole(peer: Peer) -> None:
    """Connecting never ends."""


async def silent(peer: Peer) -> None:
    """Takes everything and says nothing."""


async def accepting(peer: Peer) -> None:
    """Answers everything; closes after an unbind."""
    while (pdu := await peer.read()) is not None:
        if pdu.command_id < c.RESPONSE_BIT:
            await peer.send(response_to(pdu))
    await peer.close()


async def accepting_then_cutting(peer: Peer) -> None:
    await peer.answer(BindTransceiver)
    await peer.close()


def refusing(status: int) -> Callable[[Peer], Awaitable[None]]:
    async def script(peer: Peer) -> None:
        request = await peer.read()
        assert request is not None
        await peer.send(response_to(request, status))
        assert await peer.read() is None
        await peer.close()

    return script


def nacking(status: int) -> Callable[[Peer], Awaitable[None]]:
    async def script(peer: Peer) -> None:
        request = await peer.read()
        assert request is not None
        await peer.send(GenericNack(command_status=status, sequence_number=request.sequence_number))
        assert await peer.read() is None
        await peer.close()

    return script


class Highest(random.Random):
    """No jitter: always the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


def configured(**options: object) -> EsmeConfig:
    options = {"backoff": BackoffConfig(1.0, 8.0), "system_id": b"esme", "password": b"secret", "name": "c"} | options
    return EsmeConfig("smsc.example", **options)  # type: ignore[arg-type]


@asynccontextmanager
async def esme(
    smsc: Smsc, handler: Recorder, config: EsmeConfig | None = None, rng: random.Random | None = None
) -> AsyncIterator[Esme]:
    async with trio.open_nursery() as nursery:
        smsc.nursery = nursery
        client = Esme(config or configured(), handler, rng or Highest(), smsc.connect)
        nursery.start_soon(client.run)
        yield client
        nursery.cancel_scope.cancel()


async def test_it_binds_as_configured_and_carries_messages_both_ways(autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(silent)
    config = configured(system_type=b"vms", addr_ton=1, addr_npi=1, address_range=b"^1", interface_version=0x50)
    async with esme(smsc, handler, config) as client:
        await trio.testing.wait_all_tasks_blocked()
        (peer,) = smsc.peers
        assert await peer.answer(BindTransceiver) == BindTransceiver(
            b"esme", b"secret", b"vms", 0x50, 1, 1, b"^1", sequence_number=1
        )
        await peer.send(deliver(1))
        await trio.testing.wait_all_tasks_blocked()
        (link,) = client.links
        assert handler.bound == [link]
        assert (link.name, link.peer, link.session.state) == ("c/1", "memory", SessionState.BOUND_TRX)
        assert handler.requests == [deliver(1)]
        await peer.read()
        handler.to_send = [submit()]
        link.wake()
        await peer.expect(SubmitSM)


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("transceiver", {"c/1": BindTransceiver, "c/2": BindTransceiver}),
        ("transmitter", {"c/1": BindTransmitter, "c/2": BindTransmitter}),
        ("receiver", {"c/1": BindReceiver, "c/2": BindReceiver}),
        (
            "separate",
            {"c/1-tx": BindTransmitter, "c/1-rx": BindReceiver, "c/2-tx": BindTransmitter, "c/2-rx": BindReceiver},
        ),
    ],
)
async def test_every_configured_bind_is_held(
    bind: str, expected: dict[str, type[Pdu]], autojump_clock: MockClock
) -> None:
    handler = Recorder()
    async with esme(Smsc(accepting), handler, configured(bind=bind, binds=2)) as client:
        await trio.sleep(0.1)
        bound = {link.name: link.session.bind_command_id for link in client.links}
        assert bound == {name: pdu_class.command_id for name, pdu_class in expected.items()}
        assert {link.name for link in handler.bound} == set(expected)


async def test_a_lost_link_is_told_with_its_delay_and_bound_again(autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(accepting_then_cutting, accepting)
    async with esme(smsc, handler) as client:
        await trio.sleep(1.5)
        ((_, name, error, delay),) = handler.retries
        assert (name, delay) == ("c/1", 1.0)
        assert isinstance(error, LinkClosed)
        assert error.reason == "the peer closed the connection"
        assert len(handler.bound) == 2
        assert handler.closed == [(handler.bound[0], error.reason)]
        assert client.links == [handler.bound[1]]
        assert smsc.attempts == [0.0, 1.0]


async def test_delays_double_up_to_the_maximum_and_one_attempt_is_in_flight(autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(nowhere)
    async with esme(smsc, handler):
        await trio.sleep(40.0)
        assert smsc.attempts == [0.0, 1.0, 3.0, 7.0, 15.0, 23.0, 31.0, 39.0]
        assert [delay for *_, delay in handler.retries] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0]
        assert all(isinstance(error, ConnectFailed) for _, _, error, _ in handler.retries)
        assert handler.bound == []


async def test_a_bind_that_lasted_starts_the_ladder_again(autojump_clock: MockClock) -> None:
    async def lasting(peer: Peer) -> None:
        await peer.answer(BindTransceiver)
        await trio.sleep(5.0)
        await peer.close()

    handler = Recorder()
    async with esme(Smsc(nowhere, nowhere, lasting, nowhere), handler):
        await trio.sleep(12.0)
        assert [delay for *_, delay in handler.retries] == [1.0, 2.0, 1.0, 2.0, 4.0]


async def test_a_bind_that_is_cut_at_once_climbs_the_ladder(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with esme(Smsc(accepting_then_cutting), handler):
        await trio.sleep(8.0)
        assert [delay for *_, delay in handler.retries] == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("status", [c.ESME_RBINDFAIL, c.ESME_RINVPASWD, c.ESME_RINVSYSID])
async def test_refused_credentials_are_tried_again_slowly(status: int, autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(refusing(status))
    async with esme(smsc, handler):
        await trio.sleep(400.0)
        assert [delay for *_, delay in handler.retries] == [30.0, 60.0, 120.0, 240.0]
        _, name, error, _ = handler.retries[0]
        assert name == "c/1"
        assert isinstance(error, BindRefused)
        assert error.command_status == status
        assert str(error).startswith(f"bind_transceiver refused with {c.status_name(status)}: ")
        assert handler.bound == []


async def test_other_refusals_are_tried_again_soon(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with esme(Smsc(refusing(c.ESME_RTHROTTLED)), handler):
        await trio.sleep(2.0)
        assert [delay for *_, delay in handler.retries] == [1.0, 2.0]


async def test_a_refused_bind_is_closed_not_kept(autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(refusing(c.ESME_RINVPASWD), silent)
    async with esme(smsc, handler):
        await trio.sleep(20.0)
        assert len(smsc.peers) == 1


async def test_no_answer_to_the_bind_is_a_retry(autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(silent, accepting)
    async with esme(smsc, handler, configured(bind_timeout=4.0, link=LinkConfig(close_timeout=2.0))):
        await trio.sleep(10.0)
        ((at, _, error, _),) = handler.retries
        assert isinstance(error, ResponseTimeout)
        assert error.seconds == 4.0
        assert at == 4.0
        assert len(handler.bound) == 1


async def test_a_response_timeout_shorter_than_the_bind_timeout_counts(autojump_clock: MockClock) -> None:
    handler = Recorder()
    config = configured(session=SessionConfig(response_timeout=3.0))
    async with esme(Smsc(silent), handler, config):
        await trio.sleep(3.5)
        ((at, _, error, _),) = handler.retries
        assert isinstance(error, ResponseTimeout)
        assert at == 3.0


async def test_a_connection_that_is_never_made_is_a_retry(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with esme(Smsc(black_hole, accepting), handler, configured(connect_timeout=6.0)):
        await trio.sleep(8.0)
        ((at, _, error, _),) = handler.retries
        assert isinstance(error, ConnectFailed)
        assert error.cause == "connect_timeout"
        assert str(error) == "no connection to smsc.example:2775 within 6 s"
        assert at == 6.0
        assert len(handler.bound) == 1


async def test_credentials_that_do_not_fit_are_a_retry_that_says_so(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with esme(Smsc(silent), handler, configured(system_id=b"much longer than fifteen")):
        await trio.sleep(6.0)
        _, _, error, _ = handler.retries[0]
        assert isinstance(error, LocalProtocolError)
        assert error.field == "system_id"


@pytest.mark.parametrize("refusal", [refusing(c.ESME_RINVCMDID), nacking(c.ESME_RINVCMDID)])
async def test_an_smsc_that_knows_no_transceiver_gets_a_pair_if_that_is_wanted(
    refusal: Callable[[Peer], Awaitable[None]], autojump_clock: MockClock
) -> None:
    handler = Recorder()
    async with esme(Smsc(refusal, accepting), handler, configured(fallback=True)) as client:
        await trio.sleep(1.0)
        assert {link.name for link in handler.bound} == {"c/1-tx", "c/1-rx"}
        assert handler.retries == []
        await client.stop()


async def test_without_fallback_it_stays_a_transceiver(autojump_clock: MockClock) -> None:
    handler = Recorder()
    async with esme(Smsc(refusing(c.ESME_RINVCMDID), accepting), handler):
        await trio.sleep(2.0)
        assert [link.name for link in handler.bound] == ["c/1"]


async def test_stopping_unbinds_every_link_and_ends_the_run(autojump_clock: MockClock) -> None:
    handler = Recorder()
    unbinds = 0

    async def counting(peer: Peer) -> None:
        nonlocal unbinds
        await peer.answer(BindTransceiver)
        await peer.answer(Unbind)
        unbinds += 1
        assert await peer.read() is None
        await peer.close()

    smsc = Smsc(counting)
    async with trio.open_nursery() as nursery:
        smsc.nursery = nursery
        client = Esme(configured(binds=3), handler, Highest(), smsc.connect)
        nursery.start_soon(client.run)
        await trio.sleep(1.0)
        await client.stop()
    assert unbinds == 3
    assert [reason for _, reason in handler.closed] == ["unbound"] * 3
    assert handler.retries == []
    assert trio.current_time() == 1.0


async def test_another_window_counts_on_the_links_there_are_and_on_those_to_come(autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(accepting)
    async with esme(smsc, handler, configured(session=SessionConfig(window=2))) as client:
        await trio.sleep(1.0)
        client.retune(configured(session=SessionConfig(window=5)))
        (link,) = client.links
        assert link.session.window_room == 5
        link.abort("cut")
        await trio.sleep(5.0)
        (link,) = client.links
        assert link.session.window_room == 5
        assert len(handler.bound) == 2


@pytest.mark.parametrize("script", [nowhere, black_hole])
async def test_stopping_does_not_wait_for_what_is_not_connected(
    script: Callable[[Peer], Awaitable[None]], autojump_clock: MockClock
) -> None:
    smsc = Smsc(script)
    async with trio.open_nursery() as nursery:
        smsc.nursery = nursery
        client = Esme(configured(), Recorder(), Highest(), smsc.connect)
        nursery.start_soon(client.run)
        await trio.sleep(0.5)
        await client.stop()
    assert trio.current_time() == 0.5


async def test_stopping_waits_only_so_long(autojump_clock: MockClock) -> None:
    async def deaf(peer: Peer) -> None:
        await peer.answer(BindTransceiver)

    handler = Recorder()
    smsc = Smsc(deaf)
    async with trio.open_nursery() as nursery:
        smsc.nursery = nursery
        client = Esme(configured(unbind_timeout=3.0), handler, Highest(), smsc.connect)
        nursery.start_soon(client.run)
        await trio.sleep(1.0)
        await client.stop()
    assert trio.current_time() == 4.0
    assert [reason for _, reason in handler.closed] == ["cancelled"]


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(configured())


async def test_stopping_does_not_wait_for_a_peer_that_keeps_sending(autojump_clock: MockClock) -> None:
    async def talking(peer: Peer) -> None:
        await peer.answer(BindTransceiver)
        number = 0
        while True:
            number += 1
            try:
                await peer.send(deliver(number))
            except trio.BrokenResourceError:
                return
            await trio.sleep(0.1)

    handler = Recorder()
    smsc = Smsc(talking)
    async with trio.open_nursery() as nursery:
        smsc.nursery = nursery
        client = Esme(configured(unbind_timeout=3.0), handler, Highest(), smsc.connect)
        nursery.start_soon(client.run)
        await trio.sleep(1.0)
        await client.stop()
        assert trio.current_time() == 4.0
    assert len(handler.requests) >= 30, "what comes meanwhile is taken"


async def test_a_bind_goes_back_to_the_host_that_it_prefers_and_lets_the_other_go(autojump_clock: MockClock) -> None:
    handler = Recorder()
    smsc = Smsc(nowhere, accepting)
    config = configured(hosts=(Endpoint("a"), Endpoint("b")), stable_after=2.0)
    async with esme(smsc, handler, config) as client:
        await trio.sleep(1.0)
        assert [link.host for link in client.links] == ["b:2775"]
        await trio.sleep(1.0)
        assert [link.host for link in client.links] == ["b:2775", "a:2775"], "the other stays until this one has lasted"
        await trio.sleep(3.0)
        assert [link.host for link in client.links] == ["a:2775"]
        assert [reason for _, reason in handler.closed] == ["unbound"]
        assert [(hop.host, hop.next_host) for hop in handler.hops] == [("a:2775", "b:2775")]
