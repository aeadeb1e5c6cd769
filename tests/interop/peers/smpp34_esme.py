"""An ESME made with smpp34 that answers each text with one of its own, and binds again when its session has ended.

usage: smpp34_esme.py PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import smpp34


async def answer(session: Any, event: Any) -> None:
    await session.submit_sm(event.source_addr, b"OK", source_addr=event.destination_addr)


async def run(port: int) -> None:
    client = smpp34.Client(host="127.0.0.1", port=port, system_id="smpp34", password="secret", bind_type="TRX")
    tasks = set()
    try:
        session = await client.connect()
        while True:
            event = await session.next()
            if isinstance(event, smpp34.Disconnected):
                return
            if getattr(event, "esm_class", 4) == 0:
                task = asyncio.create_task(answer(session, event))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
        await client.stop()


async def main(port: int) -> None:
    while True:
        try:
            await run(port)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201  for whoever looks on
        await asyncio.sleep(0.5)


asyncio.run(main(int(sys.argv[1])))
