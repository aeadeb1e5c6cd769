"""Kannel on both sides: drive_smpp as the SMSC of our bridge, bearerbox and smsbox as a client of our simulator."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

import pytest
import trio

from smppcore import constants as c
from smppcore.pdu import decode
from smppcore.testbed.config import SimulatorConfig
from smppcore.testbed.simulator import Simulator
from tests.interop.programs import PATIENCE, bridge, free_port, listening, program, until
from tests.interop.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.dissector import Dissect
    from tests.interop.programs import Program

pytestmark = pytest.mark.timeout(60)

DRIVE_SMPP_SMSBOX_PORT = 13001
"""drive_smpp connects there as an smsbox, whatever its configuration says, and gives up if nobody listens."""
MOS = 300


async def ignore(stream: trio.SocketStream) -> None:
    async for _ in stream:
        pass


async def test_the_bridge_answers_every_text_of_drive_smpp(
    drive_smpp: str, dissect: Dissect, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """It has no transceiver, counts requests from 0, probes after each text, gives no message ids, and its texts have a
    TLV of receipts.
    """
    config = tmp_path / "drive_smpp.conf"
    config.write_text('\ngroup = smpp-tlv\nname = "my_id"\ntag = 0x001E\ntype = octetstring\nlength = 65\n')
    relay = Relay(free_port())
    await nursery.start(relay.serve)
    await nursery.start(partial(trio.serve_tcp, ignore, DRIVE_SMPP_SMSBOX_PORT, host="127.0.0.1"))
    command = [drive_smpp, "-v", "0", "-p", str(relay.target), "-m", str(MOS), "-c", str(config)]
    async with program(command) as smsc:
        await smsc.line("Starting drive_smpp test")  # and no probe: it ends when its first connection does
        async with bridge(tmp_path, relay.port, bind='"separate"') as esme:
            await smsc.line("ESME has submitted all messages to SMSC")
            for answer in ("deliver_sm_resp", "enquire_link_resp"):
                await smsc.line(f"of type {answer}", MOS)
            rows = await esme.stop()
        assert await smsc.ended() == 0

    names = await dissect(relay)
    pdus = [decode(octets) for connection in relay.connections for octets in connection.pdus(from_client=False)]
    assert sum(pdu.tlv(c.TAG_RECEIPTED_MESSAGE_ID) == b"receipted_message_id\0" for pdu in pdus) == MOS
    for name in ("deliver_sm", "enquire_link", "submit_sm"):
        assert names[name] == names[name + "_resp"] == MOS
    assert smsc.output.count("of type unbind") == 2
    assert f"Number of messages sent to SMSC: {MOS}" in smsc.output
    assert "ERROR" not in smsc.output
    mos = [row for row in rows if row["kind"] == "mo"]
    mts = [row for row in rows if row["kind"] == "mt"]
    expected = range(1, MOS + 1)
    assert [row["text"] for row in mos] == [str(number) for number in expected]
    assert [row["outcome"] for row in mos] == ["replied"] * MOS
    assert [row["text"] for row in mts] == [f"OK {number}: Acme @ €5 [a]" for number in expected]
    assert [row["state"] for row in mts] == ["accepted"] * MOS


@asynccontextmanager
async def gateway(
    kannel: tuple[str, str], smsc_port: int, callback_port: int, folder: Path
) -> AsyncIterator[tuple[Program, int]]:
    """Run bearerbox, bound to a port of loopback, and smsbox; yield bearerbox and smsbox's port for sendsms."""
    bearerbox, smsbox = kannel
    admin_port, smsbox_port, sendsms_port = free_port(), free_port(), free_port()
    config = folder / "kannel.conf"
    config.write_text(f"""
group = core
admin-port = {admin_port}
admin-password = admin
smsbox-port = {smsbox_port}
box-allow-ip = 127.0.0.1
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = ours
host = 127.0.0.1
port = {smsc_port}
transceiver-mode = true
smsc-username = esme
smsc-password = secret
system-type = ""
interface-version = 34
reconnect-delay = 1
enquire-link-interval = 1
source-addr-ton = 3
dest-addr-ton = 1
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms_port}
global-sender = 12345

group = sendsms-user
username = user
password = user
max-messages = 10
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 10
concatenation = true
get-url = "http://127.0.0.1:{callback_port}/?from=%p&text=%a&charset=%C"
""")
    async with program([bearerbox, "-v", "0", config]) as bearer:
        await listening(smsbox_port)
        async with program([smsbox, "-v", "0", config]):
            await listening(sendsms_port)
            yield bearer, sendsms_port


async def get(port: int, path: str, query: dict[str, str | int]) -> str:
    """Make an HTTP request of loopback and return the status line."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        request = f"GET {path}?{urlencode(query)} HTTP/1.0\r\nHost: localhost\r\n\r\n"
        await stream.send_all(request.encode())
        answer = b"".join([bytes(data) async for data in stream])
        return answer.split(b"\r\n")[0].decode()


class Callbacks:
    """The HTTP server behind Kannel: it answers texts, and is told what became of messages."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        """The texts that came, by subscriber."""
        self.told: set[tuple[str, int]] = set()
        """(message, bit of dlr-mask)"""

    async def serve(self, stream: trio.SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some()
        fields = parse_qs(request.split(b" ")[1].decode().partition("?")[2], encoding="latin-1")
        query = {key: value for key, [value] in fields.items()}
        body = b""
        if "text" in query:
            text = query["text"].encode("latin-1").decode(query["charset"])
            self.texts[query["from"].removeprefix("+")] = text
            body = f"You wrote {len(text)} characters".encode()
        else:
            self.told.add((query["message"], int(query["what"])))
        await stream.send_all(
            b"HTTP/1.0 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        await stream.send_eof()


BEARERBOX_TEXTS = {
    "15550000001": "Hello, what is new?",
    "15550000002": "A long text in parts, with [brackets] and 5 €;" * 6,
    "15550000003": "Привет, что нового?",
}


async def test_bearerbox_is_a_client_like_any_other(
    kannel: tuple[str, str], dissect: Dissect, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """A catch-all service answers texts; messages by HTTP get their receipts back by HTTP."""
    simulator = Simulator(SimulatorConfig(), random.Random(1))
    relay = Relay(await nursery.start(simulator.serve, "127.0.0.1", 0))
    await nursery.start(relay.serve)
    callbacks = Callbacks()
    [listener] = await nursery.start(partial(trio.serve_tcp, callbacks.serve, 0, host="127.0.0.1"))
    callback_port = listener.socket.getsockname()[1]
    async with gateway(kannel, relay.port, callback_port, tmp_path) as (bearerbox, sendsms_port):
        with trio.fail_after(PATIENCE):
            await simulator.receiving()
            for number, text in BEARERBOX_TEXTS.items():
                subscriber = simulator.subscriber(number, "12345")
                assert await subscriber.ask(text) == f"You wrote {len(text)} characters"
                assert callbacks.texts[number] == text
                query: dict[str, str | int] = {
                    "username": "user",
                    "password": "user",
                    "from": "12345",
                    "to": number,
                    "text": text,
                    "charset": "UTF-8",
                    "coding": 2 if number.endswith("3") else 0,
                    "dlr-mask": 8 | 1,
                    "dlr-url": f"http://127.0.0.1:{callback_port}/?message={number}&what=%d",
                }
                status = await get(sendsms_port, "/cgi-bin/sendsms", query)
                assert status.endswith("202 Accepted"), status
                assert (await subscriber.receive()).text == text
        await until(lambda: len(callbacks.told) >= 2 * len(BEARERBOX_TEXTS))
        assert callbacks.told == {(number, event) for number in BEARERBOX_TEXTS for event in (8, 1)}
        with trio.fail_after(PATIENCE):
            await simulator.settled()
        assert await bearerbox.terminate() == 0
    names = await dissect(relay)
    assert not [name for name in names if name.endswith("!")]
    assert names["submit_sm"] == names["submit_sm_resp"] == 7, (
        "three answers, and three messages of which one is in two"
    )
    assert names["deliver_sm"] == names["deliver_sm_resp"] == 7, "as many texts, and three receipts"
    assert names["enquire_link"] == names["enquire_link_resp"]
    assert names["unbind"] == names["unbind_resp"] == 1
