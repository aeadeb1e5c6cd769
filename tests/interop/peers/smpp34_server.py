"""An SMSC made with smpp34: takes commands and tells events, one JSON object a line.

usage: smpp34_server.py PORT        deliver_sm for {"do": "deliver", …}; a receipt for each submit_sm that asks for one
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import smpp34

TLV_MESSAGE_PAYLOAD, TLV_RECEIPTED_MESSAGE_ID, TLV_MESSAGE_STATE = 0x0424, 0x001E, 0x0427


def tell(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)  # noqa: T201  how a peer speaks


async def main(port: int) -> None:
    # Above its inbound_capacity smpp34 refuses with an answer that is an octet longer than it says.
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="smpp34", inbound_capacity=10_000)
    await server.start()
    tell("listening", port=port)
    sessions: dict[str, Any] = {}
    tasks: set[asyncio.Future[None]] = set()

    def start(work: Any) -> None:
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def deliver(command: dict[str, Any]) -> None:
        octets = bytes.fromhex(command["octets"])
        answer = await next(iter(sessions.values())).deliver_sm(
            command["to"],
            b"" if command.get("payload") else octets,
            source_addr=command["from"],
            source_addr_ton=1,
            source_addr_npi=1,
            dest_addr_npi=1,
            esm_class=command["esm_class"],
            data_coding=command["data_coding"],
            tlvs=[smpp34.Tlv(TLV_MESSAGE_PAYLOAD, octets)] if command.get("payload") else [],
        )
        tell("delivered", status=answer.command_status)

    async def receipt(event: Any, message_id: str) -> None:
        answer = await sessions[event.session_id].deliver_sm(
            event.source_addr,
            f"id:{message_id} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 "
            "text:".encode(),
            source_addr=event.destination_addr,
            esm_class=0x04,
            tlvs=[
                smpp34.Tlv(TLV_RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"),
                smpp34.Tlv(TLV_MESSAGE_STATE, b"\2"),
            ],
        )
        tell("receipted", status=answer.command_status, message_id=message_id)

    async def serve() -> None:
        number = 0
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                sessions[event.session_id] = event
                tell("bound", system_id=event.system_id)
            elif isinstance(event, smpp34.SubmitSmEvent):
                number += 1
                message_id = f"r-{number}"
                octets = event.short_message
                header = octets[: octets[0] + 1] if event.esm_class & 0x40 else b""
                tell(
                    "submit",
                    message_id=message_id,
                    part=header.hex(),
                    esm_class=event.esm_class,
                    data_coding=event.data_coding,
                    registered_delivery=event.registered_delivery,
                    octets=octets[len(header) :].hex(),
                    **{"from": event.source_addr, "to": event.destination_addr},
                )
                event.accept(message_id=message_id)
                if event.registered_delivery & 1:
                    start(receipt(event, message_id))
            else:
                sessions.pop(event.session_id, None)
                tell("unbound")

    start(serve())
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async for line in commands:
        command = json.loads(line)
        if command["do"] == "deliver":
            start(deliver(command))
        elif command["do"] == "unbind":
            start(next(iter(sessions.values())).unbind())
    await server.stop()


asyncio.run(main(int(sys.argv[1])))
