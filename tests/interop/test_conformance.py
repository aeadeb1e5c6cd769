"""The conformance profile against ESMEs that nobody here wrote: what all of them do must come out as a pass."""

from __future__ import annotations

import pytest
import trio

from smppcore.testbed.conformance.case import Esme
from smppcore.testbed.conformance.esme import CASES
from smppcore.testbed.conformance.profile import Listener, profile_esme
from tests.interop.programs import PATIENCE, peer

pytestmark = pytest.mark.timeout(60)

# Of a session as every library has it; the rest of the profile is a table for people, not a test
ALL_PASS = (
    "06-octet-by-octet",
    "06-several-pdus-in-one-segment",
    "10-length-of-enquire-link-resp",
    "14-sequence-numbers-0-and-0x806a179b",
    "15-sequence-numbers-with-gaps",
    "27-fields-of-the-bind",
    "52-sm-length-255",
    "57-text-of-a-submit-sm",
)
ALL_FAIL = ("53-sm-length-beyond-the-pdu", "54-sm-length-below-what-is-there")


@pytest.mark.parametrize("script", ["node_esme.js", "smpplib_esme.py", "smpp34_esme.py"], indirect=True)
async def test_what_every_library_does_and_fails_to_do_is_seen(script: str) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listener.socket.getsockname()[1]
    cases = [case for case in CASES if case.name in (*ALL_PASS, *ALL_FAIL)]
    async with listener, peer(script, str(port)):
        results = await profile_esme(cases, Esme(Listener(listener, PATIENCE), rebind=PATIENCE))
    verdicts = {result.title: (result.verdict, result.seen) for result in results}
    for case in cases:
        verdict, seen = verdicts[case.title]
        assert verdict == ("pass" if case.name in ALL_PASS else "fail"), (case.name, seen)
