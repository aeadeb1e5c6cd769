"""Kannel on both sides: drive_smpp as the SMSC of our bridge, bearerbox and smsbox as a client of our simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.interop.programs import bridge, free_port, program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

DRIVE_SMPP_SMSBOX_PORT = 13001
"""drive_smpp connects there as an smsbox, whatever its configuration says, and gives up if nobody listens."""
MOS = 300


async def ignore(stream: trio.SocketStream) -> None:
    async for _ in stream:
        pass


async def test_the_bridge_answers_every_text_of_drive_smpp(drive_smpp: str, tmp_path: Path) -> None:
    """It has no transceiver, numbers requests from 0, probes after each text, and gives no message ids."""
    # Since 3.4 its texts have a receipted_message_id, as a receipt would.
    tlv = '\ngroup = smpp-tlv\nname = "my_id"\ntag = 0x001E\ntype = octetstring\nlength = 65\n'
    (tmp_path / "drive_smpp.conf").write_text(tlv)
    port = free_port()
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_tcp, ignore, DRIVE_SMPP_SMSBOX_PORT)
        command = [drive_smpp, "-v", "0", "-p", str(port), "-m", str(MOS), "-c", str(tmp_path / "drive_smpp.conf")]
        async with program(command) as smsc:
            await smsc.line(
                "Starting drive_smpp test"
            )  # it ends when its first connection does, so no other shall be made
            async with bridge(tmp_path, port, bind='"separate"') as esme:
                await smsc.line("ESME has submitted all messages to SMSC")
                for answer in ("deliver_sm_resp", "enquire_link_resp"):
                    await smsc.line(f"of type {answer}", MOS)
                rows = await esme.stop()
            assert await smsc.ended() == 0
        nursery.cancel_scope.cancel()

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
