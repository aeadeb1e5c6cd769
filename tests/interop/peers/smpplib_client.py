"""An ESME made with smpplib: takes commands and tells events, one JSON object a line.

usage: smpplib_client.py PORT
"""

from __future__ import annotations

import json
import select
import sys
from typing import Any

from smpplib.client import Client
from smpplib.exceptions import PDUError
from smpplib.gsm import gsm_encode, make_parts
from smpplib.smpp import make_pdu


def tell(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)  # noqa: T201  how a peer speaks


def bind(client: Client, command: dict[str, Any]) -> None:
    try:
        answer = getattr(client, f"bind_{command['as']}")(
            system_id=command["system_id"], password=command["password"], interface_version=0x34
        )
    except PDUError as error:
        tell("bound", status=error.args[1], system_id="")
    else:
        tell("bound", status=answer.status, system_id=answer.system_id.decode())


def submit(client: Client, command: dict[str, Any]) -> None:
    common = {
        "source_addr_npi": 1,
        "source_addr": "12345",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": command["to"],
        "registered_delivery": 1,
    }
    if command["form"] == "payload":
        client.send_message(**common, data_coding=0, message_payload=gsm_encode(command["text"]))
        return
    parts, data_coding, esm_class = make_parts(command["text"])
    for part in parts:
        client.send_message(**common, data_coding=data_coding, esm_class=esm_class, short_message=part)


def submitted(pdu: Any) -> None:
    tell("submitted", status=pdu.status, message_id=(pdu.message_id or b"").decode())


def delivered(pdu: Any) -> None:
    octets = pdu.short_message or b""
    header = octets[: octets[0] + 1] if pdu.esm_class & 0x40 else b""
    tell(
        "deliver",
        octets=octets[len(header) :].hex(),
        part=header.hex(),
        esm_class=pdu.esm_class,
        data_coding=pdu.data_coding,
        message_id=(pdu.receipted_message_id or b"").decode(),
        state=pdu.message_state or 0,
        **{"from": pdu.source_addr.decode(), "to": pdu.destination_addr.decode()},
    )


def main(port: int) -> None:
    client = Client("127.0.0.1", port, allow_unknown_opt_params=True)
    client.set_message_sent_handler(submitted)
    client.set_message_received_handler(delivered)
    client.set_error_pdu_handler(lambda pdu: None)  # without one it raises; `submitted` is told as well
    client.connect()
    while True:
        ready, _, _ = select.select([sys.stdin, client._socket], [], [])
        if client._socket in ready:
            client.read_once(auto_send_enquire_link=False)
            continue
        line = sys.stdin.readline()
        if not line:
            return
        command = json.loads(line)
        if command["do"] == "bind":
            bind(client, command)
        elif command["do"] == "submit":
            submit(client, command)
        elif command["do"] == "enquire_link":
            client.send_pdu(make_pdu("enquire_link", client=client))
            tell("enquired", status=client.read_pdu().status)
        elif command["do"] == "unbind":
            answer = client.unbind()
            tell("unbound", status=answer.status)
            client.disconnect()
            return


main(int(sys.argv[1]))
