"""Plays a script: texts, conversations and traffic from the first bind that takes texts, answers whenever they are due.

Must not be here: how texts travel, file formats.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

import trio

from smppcore.pdu import Outbind
from smppcore.testbed.config import Mo
from smppcore.testbed.delays import draw
from smppcore.testbed.subscriber import NoReply
from smppcore.testbed.tally import Reply
from smppcore.testbed.triggers import matches

if TYPE_CHECKING:
    import random

    from smppcore.testbed.config import Answer, Conversation, Dial, Script, ScriptedText
    from smppcore.testbed.simulator import Simulator


async def play(simulator: Simulator, script: Script, rng: random.Random) -> None:
    """Play a script until its last text has been handed over; answers and outbinds go on until cancelled.

    Args:
        simulator: Serving.
        script: What to play.
        rng: Draws gaps, delays and who answers.
    """
    async with trio.open_nursery() as nursery:
        for dial in script.dials:
            nursery.start_soon(_dial, simulator, dial)
        for answer in script.answers:
            nursery.start_soon(_answer, simulator, answer, rng)
        await simulator.receiving()
        for traffic in script.traffic:
            nursery.start_soon(simulator.generate, traffic)
        for conversation in script.conversations:
            nursery.start_soon(_converse, simulator, conversation)
        started = trio.current_time()
        for entry in sorted(script.texts, key=lambda entry: entry.at):
            await trio.sleep_until(started + entry.at)
            if entry.repeat > 1:
                nursery.start_soon(_repeat, simulator, entry, rng)
            else:
                simulator.inject(entry.mo())


async def _repeat(simulator: Simulator, entry: ScriptedText, rng: random.Random) -> None:
    for number in range(entry.repeat):
        if number:
            await trio.sleep(draw(entry.gap, rng))
        simulator.inject(entry.mo())


async def _converse(simulator: Simulator, conversation: Conversation) -> None:
    await trio.sleep(conversation.at)
    subscriber = simulator.subscriber(conversation.subscriber, conversation.service, conversation.account)
    for text in conversation.texts:
        try:
            await subscriber.ask(text, conversation.wait)
        except NoReply:
            continue  # the report counts it


async def _answer(simulator: Simulator, answer: Answer, rng: random.Random) -> None:
    answered: Counter[tuple[str, str]] = Counter()

    def hear(happening: object) -> None:
        if not isinstance(happening, Reply):
            return
        pair = happening.destination, happening.source
        if (
            matches(answer.subscriber, happening.destination.encode())
            and fnmatchcase(happening.text.casefold(), answer.when.casefold())
            and (not answer.times or answered[pair] < answer.times)
            and (answer.share >= 1.0 or rng.random() < answer.share)
        ):
            answered[pair] += 1
            mo = Mo(happening.destination, happening.source, answer.text, answer.account)
            simulator.later(draw(answer.delay, rng), partial(simulator.inject, mo))

    simulator.observers.append(hear)
    try:
        await trio.sleep_forever()
    finally:
        simulator.observers.remove(hear)


async def _dial(simulator: Simulator, dial: Dial) -> None:
    await trio.sleep(dial.at)
    while True:
        outbind = Outbind(dial.system_id.encode(), dial.password.encode())
        with suppress(OSError):  # nobody listens there, or not yet
            await simulator.dial_outbind(dial.host, dial.port, outbind)
        if not dial.retry:
            return
        await trio.sleep(dial.retry)
