"""Steering one link of the running service: pause, resume, drain, rebind.

In the memory of the service alone: a service that is started anew sends, as its configuration says. Verb is to stay
off is taken out of the configuration.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal, get_args

import trio

from bridge.control import ControlError
from bridge.options import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.config import LinkConfig
    from bridge.gateway import Gateway
    from smppcore.esme import Esme

log = logging.getLogger("smppbridge")

Verb = Literal["pause", "resume", "drain", "rebind"]
VERBS: Final[tuple[Verb, ...]] = get_args(Verb)
_LOOK: Final = 0.05


async def steer(
    what: str,
    link: LinkConfig | None,
    name: str,
    carriers: Mapping[str, Gateway],
    clients: Mapping[str, Esme],
    in_the_air: Callable[[str], int],
) -> str:
    """Steer a link; return what has come of it, a line for people.

    pause: nothing is claimed any more, texts still come in and are answered into the queue. resume: the end of that.
    drain: pause, and wait for what is in the air, for at most the link's `drain`. rebind: drain, unbind, bind anew, go
    on.

    Args:
        what: One of VERBS.
        link: As configured, None if there is none of that name.
        name: Of the link.
        carriers: By name.
        clients: By name.
        in_the_air: How many messages of a link are claimed and have no outcome.

    Raises:
        ControlError: There is no such link or no such thing to do.
    """
    if link is None or name not in carriers:
        raise ControlError(f"there is no link `{name}` in this service{nearest(name, carriers)}")
    if what not in VERBS:
        raise ControlError(f"`{what}` is nothing to do with a link; there are: {', '.join(VERBS)}")
    carrier = carriers[name]
    if what == "resume":
        carrier.resume()
        log.info("link %s: sends again", name)
        return f"link {name}: sends again"
    carrier.pause()
    log.info("link %s: paused", name)
    if what == "pause":
        return f"link {name}: nothing more is sent; texts still come in"
    left = await _drained(name, link.drain, in_the_air)
    if what == "drain":
        if left:
            return f"link {name}: paused, {left} still in the air after {link.drain:g} s"
        return f"link {name}: paused, nothing is in the air"
    clients[name].rebind()
    carrier.resume()
    log.info("link %s: unbound, to be bound anew", name)
    return f"link {name}: unbound{f' with {left} in the air' if left else ''}, and bound anew"


async def _drained(name: str, seconds: float, in_the_air: Callable[[str], int]) -> int:
    with trio.move_on_after(seconds):
        while in_the_air(name):  # noqa: ASYNC110  the outcomes of one link are nobody's event
            await trio.sleep(_LOOK)
    return in_the_air(name)
