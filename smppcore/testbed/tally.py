"""What a simulated SMSC has seen: its figures, and which reply belongs to which text.

Replies are matched by their order: the oldest text of that subscriber to that service that has none. Replies in parts
count once, when the last part is there.

Must not be here: sockets, clocks.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore import udh
from smppcore.testbed.latency import Latencies
from smppcore.text import UserData, read_message

if TYPE_CHECKING:
    from smppcore.pdu import DataSM, SubmitSM
    from smppcore.testbed.config import Mo
    from smppcore.testbed.verdicts import Verdict

_MOST_OPEN = 100
_MOST_UNJOINED = 10_000


@dataclass(slots=True)
class MoRecord:
    """A text that was handed to the simulator."""

    number: int
    """Counted from 1."""
    mo: Mo
    """As given."""
    parts: int
    """How many deliver_sm it takes."""
    injected: float
    """When, in seconds."""
    acked_parts: int = 0
    """How many of them the ESME has acknowledged."""
    acked_at: float = 0.0
    """When the last part was acknowledged; 0.0 before."""
    refused: bool = False
    """The ESME has refused a part for good."""
    replied_at: float = 0.0
    """When the first reply was complete; 0.0 before."""


@dataclass(slots=True)
class Reply:
    """A whole message from the ESME to a subscriber."""

    source: str
    """The service's number."""
    destination: str
    """The subscriber's."""
    text: str
    """As a phone would show it; data that is no text shows as its hex."""
    message_ids: tuple[str, ...]
    """One for each part, in the order of the parts."""
    time: float
    """When the last part came, in seconds."""
    mo: MoRecord | None = None
    """The text that it answers; None if every text of the subscriber had its reply."""


@dataclass(slots=True)
class ReceiptDone:
    """A receipt that the ESME has acknowledged."""

    message_id: str
    """As in the receipt."""
    state: int
    """message_state."""


@dataclass(slots=True)
class Figures:
    """Totals since the simulator's start; the names are the JSON's."""

    binds: int = 0
    binds_refused: int = 0
    drops: int = 0
    mo_unique: int = 0
    mo_parts: int = 0
    mo_sent: int = 0
    """deliver_sm with texts, counting each attempt."""
    mo_resent: int = 0
    mo_acked: int = 0
    """Texts whose every part was acknowledged."""
    mo_refused: int = 0
    ack_status: dict[str, int] = field(default_factory=dict)
    """Answers to deliver_sm that were not ESME_ROK."""
    submits: int = 0
    submits_accepted: int = 0
    submit_status: dict[str, int] = field(default_factory=dict)
    """Our answers that were not ESME_ROK."""
    replies: int = 0
    """Whole messages from the ESME."""
    replied: int = 0
    """Texts that have had their reply."""
    unmatched: int = 0
    """Replies to subscribers whose every text had one."""
    dup_replies: int = 0
    """Those of them that repeat the reply before."""
    receipts_made: int = 0
    receipts_sent: int = 0
    receipts_acked: int = 0
    receipts_refused: int = 0
    receipts_lost: int = 0
    """Receipts that a fault has kept from the ESME."""
    extras: int = 0
    """deliver_sm and data_sm beyond those: intermediate notifications and doubles."""
    receipts: dict[str, int] = field(default_factory=dict)
    """Receipts made, by state."""


@dataclass(slots=True)
class Report:
    """The figures with what follows from them."""

    figures: Figures
    seconds: float
    never_acked: int
    """Texts that are neither acknowledged nor refused."""
    unreplied_acked: int
    """Texts that were acknowledged and have no reply: silence, or a loss."""
    receipts_unacked: int
    """Receipts that are neither acknowledged nor refused."""
    ack_ms: dict[str, float]
    """From the first attempt to the acknowledgement of a deliver_sm."""
    reply_ms: dict[str, float]
    """From the injection of a text to its whole reply."""
    verdicts: list[Verdict]
    """What each ESME did wrong."""

    def to_dict(self) -> dict[str, object]:
        """Return everything in one table, with a list of the ESMEs."""
        table = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("figures", "verdicts")}
        return {**asdict(self.figures), **table, "esmes": [verdict.to_dict() for verdict in self.verdicts]}

    def to_json(self) -> str:
        """Return one JSON object."""
        return json.dumps(self.to_dict())

    def lines(self) -> list[str]:
        """Return the report for people, a few lines."""
        f = self.figures
        lines = [
            f"texts     {f.mo_unique} sent, {f.mo_acked} acknowledged, {f.mo_refused} refused, "
            f"{self.never_acked} not acknowledged, {f.mo_resent} redeliveries",
            f"replies   {f.replies}: {f.replied} to texts, {f.unmatched} beyond, {f.dup_replies} repeated; "
            f"{self.unreplied_acked} texts without",
            f"submits   {f.submits}: {f.submits_accepted} accepted{_counts(f.submit_status)}",
            f"receipts  {f.receipts_made} made, {f.receipts_acked} acknowledged, "
            f"{self.receipts_unacked} not{_counts(f.receipts)}",
            f"sessions  {f.binds} bound, {f.binds_refused} refused, {f.drops} cuts",
        ]
        for name, table in (("ack", self.ack_ms), ("reply", self.reply_ms)):
            if table["n"]:
                lines.append(f"{name:9} p50 {table['p50']} ms, p99 {table['p99']} ms, max {table['max']} ms")
        return lines


def _counts(table: dict[str, int]) -> str:
    return "".join(f", {count} {name}" for name, count in sorted(table.items()))


class Tally:
    """The books: figures, open texts, replies in parts."""

    def __init__(self) -> None:
        self.figures = Figures()
        self.ack_latency = Latencies()
        self.reply_latency = Latencies()
        self._open: dict[tuple[str, str], deque[MoRecord]] = {}
        self._last_reply: dict[tuple[str, str], str] = {}
        self._unjoined: dict[tuple[object, ...], dict[int, tuple[UserData, str]]] = {}

    def count(self, table: dict[str, int], name: str) -> None:
        """Count one more of a kind."""
        table[name] = table.get(name, 0) + 1

    def injected(self, record: MoRecord) -> None:
        """Note a new text; it waits for its reply."""
        self.figures.mo_unique += 1
        self.figures.mo_parts += record.parts
        waiting = self._open.setdefault((record.mo.source, record.mo.destination), deque(maxlen=_MOST_OPEN))
        waiting.append(record)

    def acked(self, record: MoRecord, now: float) -> bool:
        """Note that a part was acknowledged; return whether it was the last."""
        record.acked_parts += 1
        if record.acked_parts < record.parts:
            return False
        record.acked_at = now
        self.figures.mo_acked += 1
        return True

    def refused(self, record: MoRecord) -> None:
        """Note that a part was refused for good."""
        if not record.refused:
            record.refused = True
            self.figures.mo_refused += 1

    def submitted(self, pdu: SubmitSM | DataSM, message_id: str, now: float) -> Reply | None:
        """Take in an accepted message; return the reply if it is whole now."""
        octets = getattr(pdu, "short_message", b"") or pdu.tlv(c.TAG_MESSAGE_PAYLOAD) or b""
        place = udh.concatenation_from_sar(pdu.tlvs)
        part = UserData(octets, pdu.data_coding, has_header=bool(pdu.esm_class & c.ESM_UDHI))
        header = udh.parse(octets) if part.has_header else None
        if header is not None:
            place = header.concatenation() or place
        if place is None or place.total == 1:
            return self._replied(pdu, [part], (message_id,), now)
        key = (pdu.source_addr, pdu.destination_addr, place.reference, place.reference_bits, place.total)
        parts = self._unjoined.setdefault(key, {})
        parts[place.sequence] = part, message_id
        if len(parts) < place.total:
            if len(self._unjoined) > _MOST_UNJOINED:
                del self._unjoined[next(iter(self._unjoined))]
            return None
        del self._unjoined[key]
        ordered = [parts[sequence] for sequence in sorted(parts)]
        return self._replied(pdu, [part for part, _ in ordered], tuple(name for _, name in ordered), now)

    def _replied(
        self, pdu: SubmitSM | DataSM, parts: list[UserData], message_ids: tuple[str, ...], now: float
    ) -> Reply:
        text = read_message(parts)
        source, destination = pdu.source_addr.decode("latin-1"), pdu.destination_addr.decode("latin-1")
        reply = Reply(
            source,
            destination,
            b"".join(part.octets for part in parts).hex() if text is None else text,
            message_ids,
            now,
        )
        key = (destination, source)
        figures = self.figures
        figures.replies += 1
        waiting = self._open.get(key)
        if waiting:
            reply.mo = waiting.popleft()
            reply.mo.replied_at = now
            figures.replied += 1
            self.reply_latency.add(now - reply.mo.injected)
            if not waiting:
                del self._open[key]
        else:
            figures.unmatched += 1
            figures.dup_replies += self._last_reply.get(key) == reply.text
        self._last_reply[key] = reply.text
        return reply

    def report(self, seconds: float, verdicts: list[Verdict]) -> Report:
        """Return the figures after so many seconds."""
        figures = self.figures
        return Report(
            figures,
            round(seconds, 3),
            figures.mo_unique - figures.mo_acked - figures.mo_refused,
            max(0, figures.mo_acked - figures.replied),
            figures.receipts_made - figures.receipts_acked - figures.receipts_refused - figures.receipts_lost,
            self.ack_latency.report(),
            self.reply_latency.report(),
            verdicts,
        )
