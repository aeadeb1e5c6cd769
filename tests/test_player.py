"""Scripts, played to an ESME."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

from smppcore import constants as c
from smppcore.errors import LinkClosed
from smppcore.pdu import BindReceiver, BindReceiverResp, Outbind
from smppcore.testbed.config import Answer, Conversation, Dial, Script, ScriptedText, Traffic
from smppcore.testbed.delays import Uniform
from smppcore.testbed.player import play
from tests.esme import Esme
from tests.links import Peer
from tests.simulators import SERVICE, SUBSCRIBER, World, submit, world

if TYPE_CHECKING:
    from trio.testing import MockClock


async def played(w: World, script: Script) -> Esme:
    """An ESME that is bound while a script plays."""
    w.nursery.start_soon(play, w.simulator, script, random.Random(1))
    esme = Esme()
    await w.bind(esme)
    return esme


async def test_texts_come_at_their_times_and_again(autojump_clock: MockClock) -> None:
    texts = (
        ScriptedText(5.0, SUBSCRIBER, SERVICE, "later"),
        ScriptedText(0.0, SUBSCRIBER, SERVICE, "now", repeat=3, gap=2.0),
    )
    async with world() as w:
        esme = await played(w, Script(texts))
        await trio.sleep(4.5)
        assert esme.texts == [b"now"] * 3
        await trio.sleep(1.0)
        assert esme.texts == [b"now"] * 3 + [b"later"]


async def test_conversations_and_traffic_are_played_beside_each_other(autojump_clock: MockClock) -> None:
    script = Script(
        conversations=(Conversation(1.0, "1", SERVICE, ("a", "b"), wait=3.0),),
        traffic=(Traffic(rate=1.0, count=3, text="t"),),
    )
    async with world() as w:
        esme = await played(w, script)
        await trio.sleep(20.0)
        assert sorted(esme.texts) == [b"a", b"b", b"t", b"t", b"t"]


async def test_subscribers_answer_what_they_get_and_not_for_ever(autojump_clock: MockClock) -> None:
    answers = (
        Answer("2557*", "*yes or no*", "YES", delay=Uniform(1.0, 2.0)),
        Answer("2557*", "never mind", "so what", share=0.0),
        Answer("49*", "*", "wrong number"),
    )
    async with world() as w:
        esme = await played(w, Script(answers=answers))
        assert esme.link is not None
        for _ in range(2):
            await esme.link.request(submit("Parcel today? Reply Yes or No."))
            await trio.sleep(5.0)
        await esme.link.request(submit("never mind"))
        await trio.sleep(5.0)
        assert esme.texts == [b"YES"]
        [mo] = [pdu for pdu in esme.received if not pdu.esm_class]
        assert (mo.source_addr, mo.destination_addr) == (SUBSCRIBER.encode(), SERVICE.encode())


@pytest.mark.parametrize("times", [0, 3])
async def test_how_often_one_answers_can_be_said(autojump_clock: MockClock, times: int) -> None:
    async with world() as w:
        esme = await played(w, Script(answers=(Answer(text="ok", times=times),)))
        assert esme.link is not None
        for _ in range(5):
            await esme.link.request(submit("hello"))
            await trio.sleep(2.0)
        assert len(esme.texts) == (times or 5)


async def test_the_smsc_calls_an_esme_and_calls_again(autojump_clock: MockClock) -> None:
    calls: list[Outbind] = []

    async def answer(stream: trio.SocketStream) -> None:
        peer = Peer(stream)
        outbind = await peer.read()
        assert isinstance(outbind, Outbind)
        calls.append(outbind)
        await peer.send(BindReceiver(b"esme", b"secret", sequence_number=1))
        response = await peer.expect(BindReceiverResp)
        assert response.command_status == c.ESME_ROK
        await stream.aclose()

    async with world() as w:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        w.nursery.start_soon(trio.serve_listeners, answer, listeners)
        dial = Dial(at=3.0, port=port, system_id="smsc", password="calling", retry=10.0)
        w.nursery.start_soon(play, w.simulator, Script(dials=(dial,)), random.Random(1))
        await trio.sleep(20.0)
        assert [(one.system_id, one.password) for one in calls] == [(b"smsc", b"calling")] * 2


async def test_an_esme_that_is_not_there_is_called_once_if_told_so(autojump_clock: MockClock) -> None:
    async with world() as w:
        dial = Dial(port=1, retry=0.0)
        with trio.fail_after(5.0):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(play, w.simulator, Script(dials=(dial,)), random.Random(1))
                await w.bind(Esme())


async def test_a_session_that_ends_leaves_its_texts_to_the_next(autojump_clock: MockClock) -> None:
    async with world() as w:
        esme = await played(w, Script((ScriptedText(0.0, SUBSCRIBER, SERVICE, "x", repeat=2, gap=5.0),)))
        await esme.until(lambda: esme.texts)
        assert esme.link is not None
        esme.link.abort("the test says so")
        await trio.sleep(10.0)
        with pytest.raises(LinkClosed):
            await esme.link.request(submit())
        again = Esme()
        await w.bind(again)
        await again.until(lambda: again.texts)
