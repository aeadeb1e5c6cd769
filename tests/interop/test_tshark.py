"""The SMPP dissector of tshark on real conversations: nothing malformed, and the fields that our codec sees."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

from smppcore.testbed.config import Account, Faults, Receipts, SimulatorConfig
from smppcore.testbed.simulator import Simulator
from tests.interop.dissector import compare
from tests.interop.programs import PATIENCE, STORY, TALE, bridge
from tests.interop.relay import Relay

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

LONG = "ping 7777777 " + "and a long text, in several parts: [éàü] € " * 9
LONG_UCS2 = "ping 8888888 " + "Длинный текст 🙂 " * 12


async def test_the_dissector_agrees_on_a_conversation_of_everything(
    tshark: str, tmp_path: Path, nursery: trio.Nursery
) -> None:
    config = SimulatorConfig(
        accounts=(Account("bridge", "secret"),),
        message_id="uuid",
        receipts=Receipts(outcomes={"delivered": 2, "undeliverable": 1, "expired": 1}, delay=0.5),
        faults=Faults(throttle_every=4),
    )
    simulator = Simulator(config, random.Random(1))
    relay = Relay(await nursery.start(simulator.serve, "127.0.0.1", 0))
    await nursery.start(relay.serve)
    (tmp_path / "wrong").mkdir()
    async with bridge(tmp_path / "wrong", relay.port, password='"wrong"') as refused:
        await refused.program.line("next attempt")
    retry = '{ initial = "0.1s", max = "0.1s" }'
    async with bridge(tmp_path, relay.port, enquire_link='"0.2s"', retry=retry, validity='"1h"') as esme:
        with trio.fail_after(PATIENCE):
            for number, (text, reply) in enumerate(
                [
                    ("ping 1234567", "OK 1234567: Acme @ €5 [a]"),
                    ("ping 2222222 – ünïcode ✓", "OK 2222222: Acme @ €5 [a]"),
                    ("story please", STORY),
                    ("сказка", TALE),
                    (LONG, "OK 7777777: Acme @ €5 [a]"),
                    (LONG_UCS2, "OK 8888888: Acme @ €5 [a]"),
                ]
            ):
                subscriber = simulator.subscriber(f"1555000000{number}", "12345")
                assert await subscriber.ask(text) == reply
            await simulator.settled()
            answered = bytes.fromhex("0000001080000015")
            chunks = relay.connections[-1].chunks
            await relay.until(lambda: sum(data.startswith(answered) for _, data in chunks) >= 2)
        rows = await esme.stop()

    names = await compare(tshark, relay, tmp_path)
    assert {row["state"] for row in rows if row["kind"] == "mt"} <= {"delivered", "undeliverable", "expired"}
    assert names["bind_transceiver"] == 2
    assert names["bind_transceiver_resp"] == names["bind_transceiver_resp!"] == 1
    assert names["submit_sm_resp!"] == simulator.tally.figures.submit_status["ESME_RTHROTTLED"] > 0
    assert names["submit_sm"] == names["submit_sm_resp"] + names["submit_sm_resp!"]
    assert names["deliver_sm"] == names["deliver_sm_resp"] > 20
    assert names["enquire_link"] == names["enquire_link_resp"] >= 2
    assert names["unbind"] == names["unbind_resp"] == 1
