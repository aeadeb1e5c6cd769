"""`load` and `diag` against peers that nobody here wrote."""

from __future__ import annotations

import json

import pytest
import trio

from tests.interop.programs import SMPPBRIDGE, free_port, listening, peer, program

pytestmark = pytest.mark.timeout(60)


async def run(*arguments: str) -> tuple[int, dict[str, object], str]:
    """Run a command to its end: its exit status, what it printed as JSON, and its complaints."""
    done = await trio.run_process([SMPPBRIDGE, *arguments], capture_stdout=True, capture_stderr=True, check=False)
    return done.returncode, json.loads(done.stdout or b"{}"), done.stderr.decode()


@pytest.mark.parametrize("script", ["node_server.js"], indirect=True)
async def test_load_mt_submits_to_node_smpp_and_gets_all_receipts(script: str) -> None:
    async with peer(script) as smsc:
        port = (await smsc.event("listening"))["port"]
        code, report, complaints = await run(
            *("load", "mt", "--port", str(port), "--count", "500", "--window", "20", "--receipts", "--json", "-")
        )
    assert (code, complaints) == (0, "")
    assert (report["accepted"], report["lost"], report["receipts_by_state"]) == (500, 0, {"delivered": 500})
    submits = smsc.events("submit")
    assert sorted(str(event["text"]) for event in submits) == [f"Load test {number:07d}" for number in range(500)]
    assert not smsc.events("error")


@pytest.mark.parametrize("script", ["node_server.js"], indirect=True)
async def test_diag_bind_and_send_with_node_smpp(script: str) -> None:
    async with peer(script) as smsc:
        port = str((await smsc.event("listening"))["port"])
        code, found, complaints = await run("diag", "bind", "--port", port, "--bind", "receiver", "--json", "-")
        assert (code, complaints, found["good"]) == (0, "", True)
        assert (found["peer_system_id"], found["sc_interface_version"]) == ("node-smsc", 0x34)
        code, found, complaints = await run("diag", "bind", "--port", port, "--password", "wrong", "--json", "-")
        assert (code, found["bind_status"]) == (1, 0x0E)
        code, journey, complaints = await run("diag", "send", "--port", port, "--json", "-")
        assert (code, journey["outcome"]) == (0, "delivered"), complaints


@pytest.mark.parametrize("script", ["smpplib_client.py"], indirect=True)
async def test_load_mo_sends_to_smpplib(script: str) -> None:
    port = free_port()
    command = [SMPPBRIDGE, "load", "mo", "--port", str(port), "--count", "300", "--text", "hello {n} é", "--json", "-"]
    async with program(command) as load:
        await listening(port)
        async with peer(script, str(port)) as esme:
            await esme.do("bind", **{"as": "transceiver", "system_id": "esme", "password": "secret"})
            assert (await esme.event("bound"))["status"] == 0
            assert await load.ended() == 0, load.output
            await esme.program.until("300 texts", lambda: len(esme.events("deliver")) == 300)
    report = json.loads("\n".join(line for line in load.lines if not line.startswith("Waiting")))
    assert (report["ack_ok"], report["never_acked"], report["end"]) == (300, 0, "complete")
