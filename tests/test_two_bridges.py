"""Two bridges that take each other for a subscriber: they stop, and people are told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio

from bridge.rules import load
from bridge.service import Service
from bridge.store.lmdb import LmdbReader
from smppcore.pdu import SubmitSM
from tests.pipeline import text
from tests.test_service import Smsc, carrier, config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smppcore.link import Link
    from smppcore.session import Event

pytestmark = pytest.mark.timeout(30)

RULES = """\
version = "1"
[brand.acme]
help_contact = "help@acme.example"
numbers = ["{number}"]
[queue.care]
[template.sorry]
en = "{said}"
[conversation]
max_auto_replies = {{ count = 5, per = "10m", identical = {identical}, then = "mute_1h_and_escalate" }}
unmatched = {{ first = "sorry", second = "sorry" }}
"""


def relay(smsc: Smsc, take: Callable[[SubmitSM], None]) -> None:
    """Have everything that is submitted here taken to the other side as well."""
    before = smsc.on_events

    def on_events(link: Link, events: list[Event]) -> None:
        before(link, events)
        for event in events:
            if isinstance(event, SubmitSM):
                take(event)

    smsc.on_events = on_events  # type: ignore[method-assign]


@pytest.mark.parametrize("identical", [0, 2])
async def test_two_bridges_stop_within_ten_messages_and_tell_people(tmp_path: Path, identical: int) -> None:
    async with carrier() as (left, left_port), carrier() as (right, right_port):

        def taken(other: Smsc) -> Callable[[SubmitSM], None]:
            def take(pdu: SubmitSM) -> None:
                other.deliver(text(pdu.short_message, pdu.source_addr, pdu.destination_addr))

            return take

        relay(left, taken(right))
        relay(right, taken(left))
        services = []
        async with trio.open_nursery() as nursery:
            for name, number, port in (("left", "15550000001", left_port), ("right", "15550000002", right_port)):
                folder = tmp_path / name
                folder.mkdir()
                said = "Sorry?" if identical else "Sorry, {word1|what} is not clear to " + name
                file = folder / "rules.toml"
                file.write_text(RULES.format(number=number, said=said, identical=identical))
                settings = config(folder, port)
                settings = replace(settings, bridge=replace(settings.bridge, rules=(file,)))
                service = Service(settings, load((file,)))
                services.append(service)
                await nursery.start(service.run)
            await left.until(lambda: left.links)
            await right.until(lambda: right.links)
            left.deliver(text("hello", b"15550000002", b"15550000001"))
            with trio.move_on_after(2.0):
                while True:
                    before = len(left.submits) + len(right.submits)
                    await trio.sleep(0.3)
                    if before and before == len(left.submits) + len(right.submits):
                        break
            for service in services:
                service.stop()
                await service.stopped()
    sent = len(left.submits) + len(right.submits)
    assert 2 <= sent <= 10
    escalated = 0
    for name in ("left", "right"):
        reader = LmdbReader(tmp_path / name / "var")
        escalated += sum(state.case is not None for state in reader.conversations())
        reader.close()
    assert escalated >= 1
