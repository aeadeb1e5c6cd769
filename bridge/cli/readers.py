"""What may stand in the fields of a simulator's scenario, by the names that their annotations give.

Must not be here: tables, what they mean.
"""

from __future__ import annotations

import math
import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from bridge.options import At, BadValue, Reader, at_least, duration, nearest, octets, text, whole
from smppcore import constants as c
from smppcore.testbed.config import OUTCOMES
from smppcore.testbed.delays import Delay, Lognormal, Normal, Percentiles, Uniform
from smppcore.text import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUSES: Final = {
    name: value for name, value in vars(c).items() if name.startswith("ESME_") and isinstance(value, int)
}
_SHAPES: Final = ("uniform", "normal", "lognormal", "p0", "p50", "p90", "p99", "p100")
_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d+)?)")
_seconds = duration()


def delay(value: object, at: At) -> Delay:
    """A fixed time, or a table of one distribution."""
    if not isinstance(value, dict):
        return _seconds(value, at)
    if value and all(_PERCENTILE.fullmatch(key) for key in value):
        return _percentiles(value, at)
    if len(value) != 1:
        raise BadValue("must be one of uniform, normal, lognormal, or percentiles as p0, p50, p99, p100")
    [(shape, given)] = value.items()
    if shape not in _SHAPES:
        raise BadValue(f"no distribution is called `{shape}`{nearest(shape, _SHAPES)}")
    if not isinstance(given, list) or len(given) != 2:
        raise BadValue(f'`{shape}` must be a list of two durations, as {shape} = ["50ms", "200ms"]')
    first, second = (_seconds(one, at) for one in given)
    if shape == "normal":
        return Normal(first, second)
    if not first <= second:
        raise BadValue(f"the first of `{shape}` must not be more than the second")
    if shape == "uniform":
        return Uniform(first, second)
    if not first:
        raise BadValue("the median of `lognormal` must be more than 0")
    return Lognormal(first, second)


def _percentiles(table: Mapping[str, object], at: At) -> Percentiles:
    points = sorted((float(key[1:]) / 100, _seconds(value, at)) for key, value in table.items())
    if points[-1][0] > 1:
        raise BadValue("a percentile is from p0 to p100")
    if points != sorted(points, key=lambda point: point[1]):
        raise BadValue("a higher percentile must not be less than a lower one")
    if points[0][0] > 0:
        points.insert(0, (0.0, points[0][1]))
    if points[-1][0] < 1:
        points.append((1.0, points[-1][1]))
    return Percentiles(tuple(points))


def status(value: object, at: At) -> int:
    """A command_status of an error, as 0x58, 88 or "ESME_RTHROTTLED"."""
    if isinstance(value, str) and not value[:1].isdigit():
        if value not in _STATUSES:
            raise BadValue(f"is not the name of a status{nearest(value, _STATUSES)}")
        value = _STATUSES[value]
    elif isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            raise BadValue("is not a number such as 0x58") from None
    number = whole(0, 0xFFFFFFFF)(value, at)
    if not number:
        raise BadValue("must be from 1 to 0xFFFFFFFF: 0 is no error")
    return number


def outcomes(value: object, at: At) -> Mapping[str, float]:
    """Names of outcomes with their weights, as { delivered = 0.9, expired = 0.1 }."""
    if not isinstance(value, dict) or not value:
        raise BadValue("must be a table such as { delivered = 0.9, undeliverable = 0.1 }")
    for name in value:
        if name not in OUTCOMES:
            raise BadValue(f"`{name}` is not one of {', '.join(OUTCOMES)}{nearest(name, OUTCOMES)}")
    weights = {name: at_least(0)(weight, at) for name, weight in value.items()}
    if not any(weights.values()):
        raise BadValue("one of the weights must be more than 0")
    return weights


def names(value: object, at: At) -> tuple[str, ...]:
    """A name, or a list of names."""
    found = tuple(text(one, at) for one in (value if isinstance(value, list) else [value]))
    if not found:
        raise BadValue("must have a name at least")
    return found


def network(value: object, at: At) -> str:
    """An address, or a network such as 10.0.0.0/8."""
    given = text(value, at)
    try:
        ip_network(given, strict=False)
    except ValueError:
        raise BadValue('must be an address or a network, as "10.1.0.0/16"') from None
    return given


def hexadecimal(value: object, at: At) -> str:
    """Octets in hex; blanks between them are allowed."""
    given = text(value, at)
    try:
        bytes.fromhex(given)
    except ValueError:
        raise BadValue('must be octets in hex, as "0a 4f"') from None
    return given


def language(value: object, at: At) -> str:
    """A national language of the GSM alphabet."""
    given = text(value, at)
    if given not in LANGUAGES:
        raise BadValue(f"is not one of {', '.join(LANGUAGES)}{nearest(given, LANGUAGES)}")
    return given


def share(value: object, at: At) -> float:
    """A share from 0.0 to 1.0."""
    given = at_least(0)(value, at)
    if given > 1:
        raise BadValue(f"must be from 0.0 to 1.0, not {given:g}")
    return given


READERS: Final[Mapping[str, Reader[object]]] = cast(
    "Mapping[str, Reader[object]]",
    {
        "seconds": _seconds,
        "delay": delay,
        "status": status,
        "outcomes": outcomes,
        "names": names,
        "network": network,
        "hex": hexadecimal,
        "language": language,
        "share": share,
        "rate": at_least(0),
        "count": whole(0, 1_000_000_000),
        "octet": whole(0, 255),
        "coding": whole(-1, 255),
        "port": whole(-1, 65535),
        "system_id": octets(15),
        "password": octets(8),
    },
)
"""By name."""


_NOWHERE = At("", Path(), {}, [])


def parse_outcomes(value: str) -> Mapping[str, float]:
    """Read outcomes as an option has them: delivered=0.9,undeliverable=0.1; one without a weight has 1.

    Raises:
        BadValue: They cannot be read.
    """
    weights: dict[str, float] = {}
    for item in value.split(","):
        word, _, weight = item.strip().partition("=")
        try:
            weights[word] = float(weight or 1)
        except ValueError:
            raise BadValue(f"{weight!r} is not a number") from None
        if math.isnan(weights[word]):
            raise BadValue(f"{weight!r} is not a number")
    return outcomes(weights, _NOWHERE)
