"""The SMPP dissector of tshark on real conversations: nothing malformed, and the fields that our codec sees."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

from bridge import demo
from bridge.cli.conf import conf_dir
from smppcore import constants as c
from smppcore.pdu import DeliverSM, encode
from smppcore.testbed.config import Account, Receipts, SimulatorConfig
from smppcore.testbed.faults import Throttle
from smppcore.testbed.simulator import Simulator
from tests.interop.dissector import compare
from tests.interop.programs import PATIENCE, STORY, TALE, bridge, free_port
from tests.interop.relay import Connection, Relay

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
        faults=(Throttle(every=4),),
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


async def test_the_dissector_agrees_on_the_demo(
    tshark: str, tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    relay = Relay(port)
    await nursery.start(relay.serve)
    write_files = demo.write_files

    def by_the_relay(folder: Path, rules: Path, _port: int, http_port: int) -> Path:
        return write_files(folder, rules, relay.port, http_port)

    monkeypatch.setattr(demo, "write_files", by_the_relay)
    nothing = demo.Hooks(lambda line: None, lambda answered, total: None, lambda text: None)
    summary = await demo.play(tmp_path, conf_dir() / "rules" / "acme.toml", nothing, crowd=200, sim_port=port)

    names = await compare(tshark, relay, tmp_path)
    assert not summary.problems
    assert summary.cuts == 1
    assert names["bind_transceiver"] == names["bind_transceiver_resp"] == 2
    assert names["submit_sm"] >= summary.replies
    assert names["deliver_sm"] >= summary.texts + summary.receipts
    assert names["unbind"] == names["unbind_resp"] == 1


async def test_what_is_malformed_would_be_noticed(tshark: str, tmp_path: Path) -> None:
    relay = Relay(2775)
    whole = encode(DeliverSM(source_addr=b"1", destination_addr=b"2", tlvs=((c.TAG_MESSAGE_PAYLOAD, b"Hello"),)))
    short = len(whole[:-3]).to_bytes(4, "big") + whole[4:-3]
    relay.connections.append(Connection(40000, [(False, whole), (False, short)]))
    with pytest.raises(AssertionError, match="malformed"):
        await compare(tshark, relay, tmp_path)
