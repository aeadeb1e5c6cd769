"""An ESME made with smpp34: takes commands and tells events, one JSON object a line.

usage: smpp34_client.py PORT        it answers enquire_link by itself and cannot be asked to send one
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import gsm0338
import smpp34

TLV_MESSAGE_PAYLOAD, TLV_RECEIPTED_MESSAGE_ID, TLV_MESSAGE_STATE = 0x0424, 0x001E, 0x0427
KINDS = {"transceiver": "TRX", "transmitter": "TX", "receiver": "RX"}


def tell(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)  # noqa: T201  how a peer speaks


async def submit(session: Any, command: dict[str, Any]) -> None:
    text = command["text"]
    data_coding = 8 if command["form"] == "ucs2" else 0
    octets = text.encode("utf-16-be") if data_coding else gsm0338.Codec().encode(text)[0]
    tlvs, parts = [], [octets]
    if command["form"] == "payload":
        tlvs, parts = [smpp34.Tlv(TLV_MESSAGE_PAYLOAD, octets)], [b""]
    elif command["form"] == "long":
        bodies = [octets[start : start + 153] for start in range(0, len(octets), 153)]
        parts = [bytes([5, 0, 3, 9, len(bodies), number]) + body for number, body in enumerate(bodies, 1)]
    for part in parts:
        answer = await session.submit_sm(
            command["to"],
            part,
            source_addr="12345",
            source_addr_npi=1,
            dest_addr_ton=1,
            dest_addr_npi=1,
            registered_delivery=1,
            data_coding=data_coding,
            esm_class=0x40 if command["form"] == "long" else 0,
            tlvs=tlvs,
        )
        tell("submitted", status=answer.command_status, message_id=answer.message_id or "")


async def receive(session: Any) -> None:
    while True:
        event = await session.next()
        if isinstance(event, smpp34.Disconnected):
            tell("closed")
            return
        octets = event.short_message
        header = octets[: octets[0] + 1] if event.esm_class & 0x40 else b""
        tlvs = {tlv.tag: tlv.value for tlv in event.tlvs}
        tell(
            "deliver",
            octets=octets[len(header) :].hex(),
            part=header.hex(),
            esm_class=event.esm_class,
            data_coding=event.data_coding,
            message_id=tlvs.get(TLV_RECEIPTED_MESSAGE_ID, b"").removesuffix(b"\0").decode(),
            state=tlvs.get(TLV_MESSAGE_STATE, b"\0")[0],
            **{"from": event.source_addr, "to": event.destination_addr},
        )


async def main(port: int) -> None:
    session: Any = None
    tasks = []
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async for line in commands:
        command = json.loads(line)
        if command["do"] == "bind":
            client = smpp34.Client(
                host="127.0.0.1",
                port=port,
                system_id=command["system_id"],
                password=command["password"],
                bind_type=KINDS[command["as"]],
            )
            session = await client.connect()
            tell("bound", status=0, system_id=session.system_id)
            tasks.append(asyncio.create_task(receive(session)))
        elif command["do"] == "submit":
            await submit(session, command)
        elif command["do"] == "unbind":
            await session.unbind()
            await client.stop()
            tell("unbound", status=0)


asyncio.run(main(int(sys.argv[1])))
