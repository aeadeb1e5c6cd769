"""An ESME made with smpplib that answers each text with one of its own, and binds again when its session has ended.

usage: smpplib_esme.py PORT
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from smpplib.client import Client

logging.disable(logging.CRITICAL)


def run(port: int) -> None:
    client = Client("127.0.0.1", port, allow_unknown_opt_params=True)

    def answer(pdu: Any) -> int:
        if pdu.esm_class == 0:
            client.send_message(
                source_addr=pdu.destination_addr.decode(),
                destination_addr=pdu.source_addr.decode(),
                short_message=b"OK",
            )
        return 0

    client.set_message_received_handler(answer)
    client.set_message_sent_handler(lambda pdu: None)
    client.connect()
    client.bind_transceiver(system_id="smpplib", password="secret")
    client.listen()


while True:
    try:
        run(int(sys.argv[1]))
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201  for whoever looks on
    time.sleep(0.5)
