"""What the readers of recordings hand on: PDUs with where they come from, and remarks on what is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


@dataclass(slots=True)
class Found:
    """Octets that are taken for one PDU."""

    octets: bytes
    place: str
    """Where in the recording: "line 12", "packet 7"."""
    time: float | None = None
    """Seconds since the epoch; None: not recorded."""
    when: str = ""
    """The same as a log had it."""
    link: Hashable = None
    """Which connection: requests and responses are paired within one."""
    sender: Hashable = None
    """Which side of it; None: not recorded."""
    direction: str = ""
    """The same for people: "in", "10.0.0.1:5000 → 10.0.0.2:2775"."""


@dataclass(slots=True)
class Remark:
    """Something to be said that belongs to no PDU."""

    text: str
    place: str = ""
    time: float | None = None
    direction: str = ""
    undecodable: bool = False
    """Octets of SMPP were lost to the reader by it."""


@dataclass(slots=True)
class Begin:
    """A new connection begins: requests of an earlier one of that name stay without response."""

    link: Hashable


Item = Found | Remark | Begin
