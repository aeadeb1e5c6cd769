"""Plays the cases against peers over TCP: the profile of any ESME that connects to us, the audit of any SMSC.

Rules:

1. Cases that need no connection of their own share one session, for an ESME may take long to come back.
2. After a case that failed the session is kept only if it still answers, and nothing is left in it.
3. What cannot be shown is said, with the reason; a peer that stays away is not waited for again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from smppcore.errors import SmppError
from smppcore.testbed.conformance.case import Esme, Result, Smsc, judge
from smppcore.testbed.conformance.wire import NotShown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from smppcore.testbed.conformance.case import Case, SmscTarget

_AWAY_SECONDS = 2.0
_CREDENTIALS = 26  # what is refused for them comes back last


class Listener:
    """An ESME's connections, in their order.

    Args:
        listener: Listening.
        patience: How long the next connection is waited for, in seconds.
    """

    def __init__(self, listener: trio.SocketListener, patience: float) -> None:
        self._listener = listener
        self._patience = patience
        self._away = False

    async def accept(self) -> trio.abc.Stream:
        """Wait for the next connection.

        Raises:
            NotShown: None comes. The next one is only looked for, not waited for.
        """
        with trio.move_on_after(_AWAY_SECONDS if self._away else self._patience):
            stream = await self._listener.accept()
            self._away = False
            return stream
        self._away = True
        raise NotShown(f"it did not connect within {self._patience:g} s")


def _order(case: Case[Esme]) -> tuple[bool, bool, bool]:
    return case.trap == _CREDENTIALS, case.fresh, case.ends


async def profile_esme(
    cases: Sequence[Case[Esme]], esme: Esme, told: Callable[[Case[Esme]], None] = lambda _: None
) -> list[Result]:
    """Play cases against an ESME.

    Args:
        cases: In any order.
        esme: How it is reached.
        told: Called before each case.

    Returns:
        The results, in the order of the traps.
    """
    results: list[Result] = []
    for case in sorted(cases, key=_order):
        told(case)
        if case.setting:
            reason = f"needs an ESME set up for it: {case.setting}"
            results.append(Result(case.trap, case.title, case.expectation, case.policy, "not shown", reason))
            continue
        result = await judge(case, esme)
        results.append(result)
        if result.verdict in ("fail", "differs") or (case.ends and result.verdict == "pass"):
            await _recover(esme)
    await esme.end()
    return sorted(results, key=lambda result: result.trap)


async def _recover(esme: Esme) -> None:
    """Keep the session if it is as good as new."""
    try:
        wire = await esme.session()
        wire.forget()
        await wire.alive()
    except SmppError:
        await esme.drop()


class TcpSmsc:
    """An SMSC at an address.

    Args:
        host: Its name or address.
        port: Its port.
        deliver: Has it deliver a text; None if nobody can.
    """

    def __init__(self, host: str, port: int, deliver: Callable[[bytes], Awaitable[None]] | None = None) -> None:
        self._host = host
        self._port = port
        self._deliver = deliver

    async def connect(self) -> trio.abc.Stream:
        """Connect. Raises OSError."""
        return await trio.open_tcp_stream(self._host, self._port)

    async def deliver(self, text: bytes) -> None:
        """Have it deliver a text. Raises NotShown."""
        if self._deliver is None:
            raise NotShown("nothing makes it deliver a text")
        await self._deliver(text)

    async def unbind(self) -> None:
        """Raise NotShown: nothing makes it unbind."""
        raise NotShown("nothing makes it unbind")


async def audit_smsc(
    cases: Sequence[Case[Smsc]],
    target: SmscTarget,
    told: Callable[[Case[Smsc]], None] = lambda _: None,
    *,
    patience: float = 1.0,
    again: float = 12.0,
    absent: float = 2.0,
) -> list[Result]:
    """Play cases against an SMSC, each on connections of its own.

    Args:
        cases: In any order.
        target: Is judged.
        told: Called before each case.
        patience: How long answers are waited for, in seconds.
        again: How long it may take until what was not acknowledged comes again, in seconds.
        absent: How long what must not come again is looked out for, in seconds.

    Returns:
        The results, in the order of the cases.
    """
    results: list[Result] = []
    for case in cases:
        told(case)
        if case.setting:
            reason = f"needs an SMSC set up for it: {case.setting}"
            results.append(Result(case.trap, case.title, case.expectation, case.policy, "not shown", reason))
            continue
        smsc = Smsc(target, patience, again, absent)
        results.append(await judge(case, smsc))
        await smsc.end()
    return results
