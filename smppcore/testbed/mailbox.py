"""What an SMSC holds for one account until it is acknowledged: texts from subscribers, and receipts.

Rules: nothing leaves the mailbox but by an answer. A temporary error, no answer in time and a lost session bring a
message again; a final error drops it. What comes again keeps its place in front of what never went.

Must not be here: sockets, clocks, what a message is about.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.errors import LinkClosed, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smppcore.events import Outcome
    from smppcore.pdu import DataSM, DeliverSM
    from smppcore.testbed.tally import MoRecord, ReceiptDone

# What an ESME answers when it wants the message later (SMPP v3.4 §5.1.3). Everything else that is not ESME_ROK says
# that it will never want it, ESME_RX_P_APPN and ESME_RX_R_APPN expressly.
TEMPORARY = frozenset((c.ESME_RX_T_APPN, c.ESME_RSYSERR, c.ESME_RMSGQFUL, c.ESME_RTHROTTLED))


@dataclass(slots=True)
class Delivery:
    """One deliver_sm on its way to an ESME."""

    pdu: DeliverSM | DataSM
    subject: MoRecord | ReceiptDone
    """The text that this is a part of, or the receipt that it is."""
    extra: bool = False
    """Beyond the books: a copy, or a notification before the receipt."""
    attempts: int = 0
    """How often it has been taken to be sent."""
    first_sent: float = 0.0
    """When it was taken first, in seconds."""
    settled: bool = False
    """It was acknowledged or dropped."""


@dataclass(slots=True)
class Settled:
    """What a batch of outcomes comes to."""

    acked: list[Delivery] = field(default_factory=list)
    refused: list[tuple[Delivery, int]] = field(default_factory=list)
    """Dropped, with the status that the ESME gave; -1 for what could not be encoded."""
    again: list[Delivery] = field(default_factory=list)
    """To be put back with `put_back` once redelivery_delay has passed."""
    errors: list[int] = field(default_factory=list)
    """The statuses of all answers that were not ESME_ROK."""


class Mailbox:
    """The messages of one account, oldest first."""

    def __init__(self) -> None:
        self.outstanding = 0
        """Messages that were sent and have no outcome yet."""
        self._waiting: deque[Delivery] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + self.outstanding

    @property
    def waiting(self) -> int:
        """Messages that can be sent now."""
        return len(self._waiting)

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Add messages behind all others."""
        self._waiting.extend(deliveries)

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """Put messages in front of all others, in their order; those settled meanwhile are left out."""
        self._waiting.extendleft(delivery for delivery in reversed(deliveries) if not delivery.settled)

    def take(self, room: int, now: float) -> list[DeliverSM | DataSM]:
        """Take at most `room` messages to send; each comes back in an Outcome whose request's context it is."""
        pdus: list[DeliverSM | DataSM] = []
        while self._waiting and len(pdus) < room:
            delivery = self._waiting.popleft()
            if delivery.settled:  # by an answer that came after its time-out
                continue
            pdu = delivery.pdu
            if delivery.attempts:
                # The session still knows the PDU of the earlier attempt, by its sequence_number.
                pdu = copy.copy(pdu)
            else:
                delivery.first_sent = now
            delivery.attempts += 1
            pdu.context = delivery
            pdus.append(pdu)
        self.outstanding += len(pdus)
        return pdus

    def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        """Take in what became of messages; those of a lost session are waiting again."""
        settled = Settled()
        lost = []
        for outcome in outcomes:
            delivery = outcome.request.context
            if not isinstance(delivery, Delivery):
                continue
            if not outcome.late:
                self.outstanding -= 1
            if delivery.settled:
                continue
            if outcome.response is not None:
                status = outcome.response.command_status
                if status != c.ESME_ROK:
                    settled.errors.append(status)
                if status in TEMPORARY:
                    if not outcome.late:  # a late one is on its way again already
                        settled.again.append(delivery)
                    continue
                delivery.settled = True
                if status == c.ESME_ROK:
                    settled.acked.append(delivery)
                else:
                    settled.refused.append((delivery, status))
            elif isinstance(outcome.error, LinkClosed):
                lost.append(delivery)
            elif isinstance(outcome.error, LocalProtocolError):
                delivery.settled = True
                settled.refused.append((delivery, -1))
            else:
                settled.again.append(delivery)
        self.put_back(lost)
        return settled
