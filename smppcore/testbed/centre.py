"""What a simulated SMSC does with messages: accepts them, draws their fate, and knows of them for a while.

Must not be here: sessions, sockets, clocks; `now` is passed in, and what is due later is handed to `later`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore import udh
from smppcore.pdu import (
    CancelSM,
    DataSM,
    DataSMResp,
    Pdu,
    QuerySM,
    QuerySMResp,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSM,
    SubmitSMResp,
    response_to,
)
from smppcore.testbed import dialects
from smppcore.testbed.config import OUTCOMES
from smppcore.testbed.delays import draw
from smppcore.testbed.mailbox import Delivery
from smppcore.testbed.messages import MessageIds, receipt_id
from smppcore.testbed.offer import judge_offer
from smppcore.testbed.tally import ReceiptDone
from smppcore.testbed.triggers import matches

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from smppcore.testbed.config import Receipts, SimulatorConfig
    from smppcore.testbed.tally import Reply, Tally

Submission = SubmitSM | DataSM | SubmitMulti
"""What brings a message."""

_MOST_MESSAGES = 100_000
_FINAL = frozenset((c.STATE_DELIVERED, c.STATE_EXPIRED, c.STATE_DELETED, c.STATE_UNDELIVERABLE, c.STATE_REJECTED))
# What we do not offer, with the status that says so (SMPP v3.4 §5.1.3, v5.0 §4.7.6).
_NOT_OFFERED = {
    c.REPLACE_SM: c.ESME_RREPLACEFAIL,
    c.BROADCAST_SM: c.ESME_RBCASTFAIL,
    c.QUERY_BROADCAST_SM: c.ESME_RBCASTQUERYFAIL,
    c.CANCEL_BROADCAST_SM: c.ESME_RBCASTCANCELFAIL,
}


class _Fate:
    """What becomes of messages to some numbers."""

    def __init__(self, receipts: Receipts, known: Mapping[str, dialects.Dialect]) -> None:
        self.outcomes = list(receipts.outcomes)
        self.weights = list(receipts.outcomes.values())
        self.delay = receipts.delay
        self._dialects = [known[name] for name in receipts.dialect]
        self._written = 0

    def next_dialect(self) -> dialects.Dialect:
        """Return the dialect of the next receipt: they take turns."""
        self._written += 1
        return self._dialects[(self._written - 1) % len(self._dialects)]


@dataclass(slots=True)
class _Message:
    """An accepted message until its receipt, and a while after it for query_sm."""

    account: bytes
    source: tuple[int, int, bytes]
    destination: tuple[int, int, bytes]
    service_type: bytes
    message_id: str
    number: int
    registered: int
    text: bytes
    submitted: float
    state: int = c.STATE_ENROUTE
    done: float = 0.0


class Centre:
    """The messages of all accounts.

    Args:
        config: How the SMSC behaves.
        tally: Where everything is counted.
        rng: Draws outcomes, delays and uuids.
        wall: Seconds since the epoch, for the dates in receipts.
        later: Runs an action after so many seconds.
        post: Puts a receipt into an account's mailbox.
        replied: Told of each whole message.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        tally: Tally,
        rng: random.Random,
        wall: Callable[[], float],
        *,
        later: Callable[[float, Callable[[], None]], None],
        post: Callable[[bytes, Delivery], None],
        replied: Callable[[Reply], None],
    ) -> None:
        self._config = config
        self._tally = tally
        self._rng = rng
        self._wall = wall
        self._later = later
        self._post = post
        self._replied = replied
        self._ids = MessageIds(config, rng)
        known = {**dialects.DIALECTS, **{dialect.name: dialect for dialect in config.dialects}}
        self._fates = [(one.to, _Fate(one, known)) for one in config.destinations]
        self._fate = _Fate(config.receipts, known)
        self._messages: OrderedDict[str, _Message] = OrderedDict()

    def submit(
        self, account: bytes, pdu: Submission, status: int, now: float, *, short_id: bool = False
    ) -> tuple[Pdu, float]:
        """Accept or refuse a message.

        Args:
            account: The system_id of the session.
            pdu: As received; its values have been judged by the session.
            status: ESME_ROK, or why it shall be refused.
            now: In seconds.
            short_id: Whether its message_id must be short, as ESMEs of before v3.4 want it.

        Returns:
            The response, with ESME_ROK if the message was accepted, and in how many seconds its receipt will come.
        """
        figures = self._tally.figures
        figures.submits += 1
        if status == c.ESME_ROK and isinstance(pdu, SubmitMulti) and not _knows_all(pdu):
            status = c.ESME_RCNTSUBDL
        status = status or judge_offer(pdu, self._wall(), strict=self._config.session.strict)
        if status == c.ESME_ROK:
            return self._accept(account, pdu, now, short_id=short_id)
        self._tally.count(figures.submit_status, c.status_name(status))
        return response_to(pdu, status), 0.0

    def answer(self, account: bytes, request: Pdu) -> Pdu:
        """Answer any other operation."""
        if isinstance(request, QuerySM):
            return self._query(account, request)
        if isinstance(request, CancelSM):
            return response_to(request, self._cancel(account, request))
        return response_to(request, _NOT_OFFERED.get(request.command_id, c.ESME_RINVCMDID))

    def _accept(self, account: bytes, pdu: Submission, now: float, *, short_id: bool) -> tuple[Pdu, float]:
        self._tally.figures.submits_accepted += 1
        message_id, number = self._ids.take(short=short_id)
        longest = 0.0
        failed = False
        mode = pdu.esm_class & c.ESM_MODE_MASK
        for single in _by_destination(pdu):
            message = _Message(
                account,
                (single.source_addr_ton, single.source_addr_npi, single.source_addr),
                (single.dest_addr_ton, single.dest_addr_npi, single.destination_addr),
                single.service_type,
                message_id,
                number,
                # No receipt for a datagram, whatever it asks for (SMPP v5.0 §4.2.10.3)
                0 if mode == c.ESM_MODE_DATAGRAM else single.registered_delivery & c.RECEIPT_MASK,
                _excerpt(single),
                self._wall(),
            )
            self._messages[message_id] = message
            delay, state = self._plan(message)
            longest = max(longest, delay)
            failed = failed or state != c.STATE_DELIVERED
            reply = self._tally.submitted(single, message_id, now)
            if reply is not None:
                self._replied(reply)
        while len(self._messages) > _MOST_MESSAGES:
            self._messages.popitem(last=False)
        if isinstance(pdu, SubmitMulti):
            return SubmitMultiResp(message_id.encode(), sequence_number=pdu.sequence_number), longest
        if failed and mode == c.ESM_MODE_TRANSACTION:
            return response_to(pdu, c.ESME_RDELIVERYFAILURE), longest  # the outcome is the response (§5.2.12)
        response = SubmitSMResp if isinstance(pdu, SubmitSM) else DataSMResp
        return response(message_id.encode(), sequence_number=pdu.sequence_number), longest

    def _plan(self, message: _Message) -> tuple[float, int | None]:
        """Draw what becomes of a message: in how many seconds, and its message_state."""
        fate = self._fate
        for pattern, special in self._fates:
            if matches(pattern, message.destination[2]):
                fate = special
                break
        state = OUTCOMES[self._rng.choices(fate.outcomes, fate.weights)[0]]
        delay = draw(fate.delay, self._rng)
        if state is None:
            return 0.0, None
        if delay:
            self._later(delay, lambda: self._conclude(message, state, fate))
        else:
            self._conclude(message, state, fate)
        return delay, state

    def _conclude(self, message: _Message, state: int, fate: _Fate) -> None:
        """Bring a message to its state, and send the receipt if one was asked for."""
        if message.state != c.STATE_ENROUTE:
            return
        message.state = state
        message.done = self._wall()
        delivered = state == c.STATE_DELIVERED
        if not message.registered or message.registered == (
            c.RECEIPT_ON_FAILURE if delivered else c.RECEIPT_ON_SUCCESS
        ):
            return
        figures = self._tally.figures
        dialect = fate.next_dialect()
        if dialect.enroute:
            self._send_receipt(message, c.STATE_ENROUTE, dialect, intermediate=True)
        figures.receipts_made += 1
        self._tally.count(figures.receipts, c.state_name(state))
        self._send_receipt(message, state, dialect)

    def _send_receipt(
        self, message: _Message, state: int, dialect: dialects.Dialect, *, intermediate: bool = False
    ) -> None:
        name = receipt_id(dialect, message.message_id, message.number)
        facts = dialects.Facts(
            name, state, message.source, message.destination, message.submitted, message.done, message.text
        )
        pdu = dialects.write(dialect, facts, intermediate=intermediate)
        self._post(message.account, Delivery(pdu, ReceiptDone(name, state), extra=intermediate))

    def _query(self, account: bytes, request: QuerySM) -> Pdu:
        message = self._messages.get(request.message_id.decode("latin-1"))
        if message is None or message.account != account or message.source[2] != request.source_addr:
            return response_to(request, c.ESME_RQUERYFAIL)  # the id and its source must match (SMPP v3.4 §4.8.1)
        done = datetime.fromtimestamp(message.done, UTC).strftime("%y%m%d%H%M%S000+").encode()
        final_date = done if message.state in _FINAL else b""
        return QuerySMResp(request.message_id, final_date, message.state, sequence_number=request.sequence_number)

    def _cancel(self, account: bytes, request: CancelSM) -> int:
        """Cancel one message, or with no id all between two addresses of a service_type (SMPP v3.4 §4.9.1)."""
        if request.message_id:
            found = [self._messages.get(request.message_id.decode("latin-1"))]
        else:
            found = [
                one
                for one in self._messages.values()
                if one.destination[2] == request.destination_addr
                and (not request.service_type or one.service_type == request.service_type)
            ]
        cancelled = [
            message
            for message in found
            if message is not None
            and (message.account, message.source[2], message.state) == (account, request.source_addr, c.STATE_ENROUTE)
        ]
        for message in cancelled:
            self._conclude(message, c.STATE_DELETED, self._fate)
        return c.ESME_ROK if cancelled else c.ESME_RCANCELFAIL


def _knows_all(pdu: SubmitMulti) -> bool:
    """Whether a message goes to numbers only: there are no distribution lists."""
    return all(isinstance(to, SmeAddress) for to in pdu.dest_address)


def _excerpt(pdu: SubmitSM | DataSM) -> bytes:
    """Return what a receipt, which is in the default alphabet, may repeat (SMPP v3.4 Appendix B): characters only."""
    octets: bytes = getattr(pdu, "short_message", b"") or pdu.tlv(c.TAG_MESSAGE_PAYLOAD) or b""
    if pdu.data_coding != c.DATA_CODING_DEFAULT:
        return b""
    header = udh.parse(octets) if pdu.esm_class & c.ESM_UDHI else None
    return octets if header is None else octets[header.length :]


def _by_destination(pdu: Submission) -> list[SubmitSM | DataSM]:
    """Return a message to several destinations as one message to each."""
    if not isinstance(pdu, SubmitMulti):
        return [pdu]
    return [
        SubmitSM(
            pdu.service_type,
            source_addr_ton=pdu.source_addr_ton,
            source_addr_npi=pdu.source_addr_npi,
            source_addr=pdu.source_addr,
            dest_addr_ton=to.dest_addr_ton,
            dest_addr_npi=to.dest_addr_npi,
            destination_addr=to.destination_addr,
            esm_class=pdu.esm_class,
            registered_delivery=pdu.registered_delivery,
            data_coding=pdu.data_coding,
            short_message=pdu.short_message,
            tlvs=pdu.tlvs,
        )
        for to in pdu.dest_address
        if isinstance(to, SmeAddress)
    ]
