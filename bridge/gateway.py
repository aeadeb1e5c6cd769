"""What the service asks of a way to a carrier: whatever hands texts in and takes messages out can be one.

A gateway gives events to the committer (`bridge.events`): Arrivals with an object that takes the answers, Outcomes of
what it was given to send, SessionBound and SessionLost, CapacityChanged, LinkChanged; and Withdrawn for what it cannot
send after all. `bridge.carrier` is the one over SMPP; tests/test_gateway.py is the contract, which another one must
keep too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.delivery import Flight
    from bridge.store import ContactKey


class Gateway(Protocol):
    """One way to a carrier, as the service sees it."""

    @property
    def ready(self) -> bool:
        """Whether texts can come in and messages go out, as far as it has both."""

    @property
    def sessions(self) -> int:
        """How many connections to the carrier are up."""

    @property
    def wanted(self) -> int:
        """How many are to be up."""

    @property
    def waiting(self) -> int:
        """How many claimed messages have not left."""

    def send(self, flights: Sequence[Flight]) -> None:
        """Send what is claimed and on the disk; each gets its outcome, or is withdrawn, once."""

    def revoke(self, contacts: set[ContactKey]) -> None:
        """Withdraw what has not left to customers who opted out since."""

    def pause(self) -> None:
        """Take no more claims for now; what is claimed still goes, and texts still come in."""

    def resume(self) -> None:
        """Take claims again."""

    def stop_sending(self) -> None:
        """Take no more claims; what is claimed still goes."""
