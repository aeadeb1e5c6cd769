"""The conformance profile on the command line: `smppbridge sim --conformance`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import trio
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bridge.cli.common import print_json, print_table
from smppcore.testbed.conformance.case import Esme
from smppcore.testbed.conformance.esme import CASES
from smppcore.testbed.conformance.profile import Listener, profile_esme

if TYPE_CHECKING:
    from smppcore.testbed.conformance.case import Case, Result, Verdict

_STABLE_SECONDS = 3.0
_HEADERS = ("trap", "", "what happens", "verdict", "what it must do", "what was seen")
_VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "differs", "not shown")


def run_profile(host: str, port: int, *, text: str, service: str, wait: float, as_json: bool) -> bool:
    """Wait for an ESME, play the cases, and print what became of them.

    Args:
        host: Where to listen.
        port: TCP port; 0: any free one.
        text: A text that the ESME answers with a message of its own.
        service: The number that the text goes to.
        wait: How long the ESME may take to come, and to come back, in seconds.
        as_json: Print one JSON object in place of the table.

    Returns:
        Whether nothing failed.
    """
    results = trio.run(_profile, host, port, text, service, wait)
    counts = Counter(result.verdict for result in results)
    summary = {verdict.replace(" ", "_"): counts[verdict] for verdict in _VERDICTS}
    if as_json:
        print_json({**summary, "cases": [asdict(result) for result in results]})
    else:
        print_table(_HEADERS, [_row(result) for result in results])
        print(", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS))
    return not counts["fail"]


def _row(result: Result) -> tuple[str, str, str, str, str, str]:
    policy = "(P)" if result.policy else ""
    return str(result.trap), policy, result.title, result.verdict, result.expectation, result.seen


async def _profile(host: str, port: int, text: str, service: str, wait: float) -> list[Result]:
    console = Console(stderr=True, highlight=False, markup=False)
    (listener,) = await trio.open_tcp_listeners(port, host=host)
    port = listener.socket.getsockname()[1]
    console.print(f"Waiting on {host}:{port} for the ESME to be judged; its text is {text!r} to {service}.")
    esme = Esme(
        Listener(listener, wait),
        rebind=wait,
        text=text.encode("latin-1", "replace"),
        service=service.encode(),
        stable=_STABLE_SECONDS,
    )
    done = 0
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def tell(case: Case[Esme]) -> None:
            nonlocal done
            done += 1
            if console.is_terminal:
                line = f"{done} of {len(CASES)}: trap {case.trap}, {case.title}"
                live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

        async with listener:
            return await profile_esme(CASES, esme, tell)
