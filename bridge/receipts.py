"""The stage of a turn in which receipts find their messages, or are kept.

A receipt whose message_id no message has yet waits for the answer that brings it. One that waits in vain, and one in
which no id can be read, is kept for people to look at. What a receipt does to its message is `bridge.settlement`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bridge.delivery import outcome_of, unaccepted_parts
from bridge.desk import Stage
from bridge.store import Parked
from smppcore import constants
from smppcore.errors import LocalProtocolError
from smppcore.pdu import encode
from smppcore.receipt import normalise_id

if TYPE_CHECKING:
    from bridge.desk import Desk
    from bridge.outbox import LinkQueue
    from bridge.records import Mt
    from bridge.settlement import Settlement
    from bridge.store import IdKey
    from smppcore.pdu import Pdu
    from smppcore.receipt import Receipt

MOST_KEPT = 100_000
"""Receipts that may wait for their message at a time, and that are kept when it has not come: the newest. A carrier
that floods us with receipts of nobody's must not fill the disk."""
MOST_PARTS = 4
"""Parts of a message that a reference is looked up for; longer ones in doubt wait for their submit_sm_resp."""
LAPS = 4
"""How many messages with the same reference are looked at, the last ones first: a quarter of a million messages."""
_OPEN_STATES = (constants.STATE_SCHEDULED, constants.STATE_ENROUTE, constants.STATE_UNKNOWN)


class Receipts(Stage):
    """The receipts of one turn.

    Args:
        desk: Of this turn.
        settlement: Of this turn; the outcomes are settled.
    """

    def __init__(self, desk: Desk, settlement: Settlement) -> None:
        super().__init__(desk)
        self._settlement = settlement
        self._parked: dict[IdKey, Parked] = {}
        waiting = desk.store.parked_count()
        self._any_parked = waiting > 0
        self._room = MOST_KEPT - waiting

    def match(self, received: list[tuple[LinkQueue, Receipt, Pdu]]) -> None:
        """Match receipts to their messages; keep those whose message is not known."""
        keys: list[IdKey] = [
            (queue.config.group, normalise_id(receipt.message_id, queue.config.message_id.receipt))
            for queue, receipt, _ in received
        ]
        found = self.store.correlate(keys)
        fresh = {key: (mt_id, part) for key, mt_id, part in self.changes.ids}
        places = [fresh.get(key) or place for key, place in zip(keys, found, strict=True)] if fresh else found
        rows = self.changes.mts
        unknown = [place[0] for place in places if place is not None and place[0] not in rows]
        loaded = {row.id: self.outbox.find(row) for row in self.store.mts(unknown) if row is not None}
        for (queue, receipt, pdu), key, place in zip(received, keys, places, strict=True):
            link = queue.config.name
            self.desk.count(link, "receipt")
            if receipt.conflict:
                self._conflict(link)
            if place is None and receipt.reference is not None and key[1]:
                row = self._by_reference(queue, key, receipt, receipt.reference, pdu)
                if row is not None:
                    loaded[row.id], place = row, self.changes.ids[-1][1:]
            if place is None:
                self._park(link, key, receipt, pdu)
                continue
            row = rows.get(place[0]) or loaded.get(place[0])
            if row is not None and self._settlement.receipt(queue, row, place[1], _state_of(receipt), receipt.error):
                rows[row.id] = row

    def _by_reference(self, queue: LinkQueue, key: IdKey, receipt: Receipt, reference: int, pdu: Pdu) -> Mt | None:
        """Find a message in doubt whose message_id never reached us by the reference that its receipt repeats.

        Two octets repeat themselves, so only the last messages that may have this one are asked, and the receipt must
        come from the customer of exactly one part in doubt.
        """
        links = self.state.group_links[key[0]]
        customer: str = pdu.source_addr.decode("latin-1").lstrip("+0")  # type: ignore[attr-defined]
        top = self.desk.first_id - 1
        places: list[tuple[Mt, int]] = []
        for part in range(MOST_PARTS):
            newest = top - ((top - reference + part) & 0xFFFF)
            numbers = [n for n in (newest - 0x10000 * lap for lap in range(LAPS)) if n > 0]
            for number, stored in zip(numbers, self.store.mts(numbers), strict=True):
                row = None if stored is None else self._settlement.row(number, stored)
                if (
                    row is not None
                    and row.in_doubt
                    and row.done == 0.0
                    and row.link in links
                    and row.contact.lstrip("+0") == customer
                    and part in unaccepted_parts(row)
                ):
                    places.append((row, part))
        if len(places) != 1:
            return None
        row, part = places[0]
        self.changes.ids.append((key, row.id, part))
        self._settlement.taken_after_all(queue, row, part, receipt.message_id)
        self.changes.mts[row.id] = row
        self.desk.count(queue.config.name, "receipt.by_reference")
        return row

    def _conflict(self, link: str) -> None:
        """The TLVs of a receipt say something else than its text: the TLVs count."""
        self.desk.count(link, "receipt.conflict")
        if link not in self.state.conflicting:
            self.state.conflicting.add(link)
            self.effects.incidents.append(f"link {link}: TLVs and text of a receipt disagree; the TLVs count")

    def _park(self, link: str, key: IdKey, receipt: Receipt, pdu: Pdu) -> None:
        """Keep a receipt whose message is not known: its submit_sm_resp may be on the way."""
        parked = Parked(key[0], key[1], _state_of(receipt), receipt.error, self.now, link, _octets_of(pdu))
        if not key[1]:
            self.desk.count(link, "receipt.unreadable")
            self.keep_unmatched(parked)
            return
        self.desk.count(link, "receipt.parked")
        earlier = self._parked.get(key) or (self.store.parked([key])[0] if self._any_parked else None)
        if earlier is not None and outcome_of(earlier.state) is not None:
            return  # nothing that comes after a final receipt counts
        if earlier is None:
            self._room -= 1
        if self._room < 0:
            self.desk.count(link, "receipt.unmatched")
            self.keep_unmatched(parked)
        else:
            self._parked[key] = parked
            self.changes.parked.append(parked)

    def keep_unmatched(self, parked: Parked) -> None:
        """Keep a receipt of no message for people to look at, while there is room for it."""
        if not self.desk.refuse_texts:
            self.changes.unmatched.append(parked)

    def give_up_parked(self, parked: Parked) -> None:
        """Its message never came, unless another receipt of the same id came just now."""
        key = parked.group, parked.message_id
        if key not in self._parked and key not in self.changes.unparked:
            self.changes.unparked.append(key)
            self.desk.count(parked.link, "receipt.unmatched")
            self.keep_unmatched(parked)


def _octets_of(pdu: Pdu) -> bytes:
    """Return a received receipt whole; without its addresses if a lenient reader let them be longer than they may."""
    try:
        return encode(pdu)
    except LocalProtocolError:
        return encode(replace(pdu, source_addr=b"", destination_addr=b""))


def _state_of(receipt: Receipt) -> int | str:
    """Return the state of a receipt as it is kept; an intermediate notification closes nothing, whatever it says."""
    if receipt.intermediate and receipt.state not in _OPEN_STATES:
        return constants.STATE_ENROUTE
    return receipt.raw_state
