"""What a customer wrote, was sent, and is known of, forgotten; that there were messages, and when, stays for the books.

The evidence of consent stays: without it nobody could show why nothing is sent any more.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from bridge import evidence
from bridge.delivery import finish, is_open
from bridge.desk import Stage
from bridge.hooks import hook_prefix, webhook_of
from bridge.inputs import prefix
from bridge.records import Mo, Mt
from bridge.rules.profile import former
from bridge.scheduling import later_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.desk import Desk
    from bridge.records import Conversation
    from bridge.settlement import Settlement
    from bridge.store import ContactKey, SideTable

PAGE = 1000
_id = struct.Struct(">Q")


def blank(row: Mo | Mt) -> None:
    """Take the words out of a message."""
    row.text, row.personal = "", ()
    if isinstance(row, Mo):
        row.bodies, row.decided, row.tlvs = (), "", {}
    else:
        row.device = ""


class Erasing(Stage):
    """What one turn forgets.

    Args:
        desk: Of this turn.
        settlement: Of this turn.
    """

    def __init__(self, desk: Desk, settlement: Settlement) -> None:
        super().__init__(desk)
        self._settlement = settlement

    def hindrance(self, state: Conversation) -> str:
        """Return why a customer cannot be forgotten now, "" if nothing hinders."""
        if state.last >= self.desk.first_id:
            return "a message of this customer has come or was made just now; ask again"
        if any(isinstance(row, Mt) and row.claim for row in self._messages(state.last)):
            return "a message to this number is on its way; ask again when it has arrived"
        return ""

    def forget(self, key: ContactKey, state: Conversation) -> None:
        """Blank everything of one customer and brand.

        Args:
            key: Who.
            state: As it was before.
        """
        for row in self._messages(state.last):
            self._forget_message(row)
        if state.session is not None and state.session.call:
            self.changes.rows["call", _id.pack(state.session.call)] = None
        self._forget_inputs(key)
        self._forget_events(key)
        self._forget_evidence(key, state)
        self.changes.erased.append(key[0])

    def chain(self, key: ContactKey) -> dict[bytes, bytes]:
        """Return the rows of a customer's evidence, with those of this turn."""
        begin = at = prefix(key)
        rows: dict[bytes, bytes] = {}
        while page := [row for row in self.store.page("evidence", at, PAGE) if row[0].startswith(begin)]:
            rows.update(page)
            at = page[-1][0] + b"\0"
        for (table, name), octets in self.changes.rows.items():
            if table == "evidence" and octets is not None and name.startswith(begin):
                rows[name] = octets
        return rows

    def part(self, key: ContactKey, state: Conversation, chain: Mapping[bytes, bytes]) -> ContactKey:
        """Keep what a number that was given back stood for under another name; return that.

        Args:
            key: Whose consent has just been ended, with one link of evidence that begins a new chain.
            state: As it was before.
            chain: The evidence as it was before.
        """
        after = former(state, self.now)
        new = after.contact, key[1]
        begin = prefix(key)
        for number, (name, octets) in enumerate(sorted(chain.items())):
            self.changes.rows["evidence", prefix(new) + name[len(begin) :]] = octets
            if number:
                self.changes.rows["evidence", name] = None
        if state.session is not None and state.session.call:
            self.changes.rows["call", _id.pack(state.session.call)] = None
        self._forget_inputs(key)
        self.changes.conversations[new] = after
        return new

    def _forget_inputs(self, key: ContactKey) -> None:
        """Forget what operators said and calls returned of a customer: entries of the log name it by his number."""
        begin = start = prefix(key)
        while rows := [name for name, _ in self.store.page("input", start, PAGE) if name.startswith(begin)]:
            self.changes.rows.update((("input", name), None) for name in rows)
            start = rows[-1] + b"\0"

    def _forget_events(self, key: ContactKey) -> None:
        """Take back what is still to be told of the customer, and what was given up."""
        tables: tuple[SideTable, ...] = ("hook", "dead")
        for table in tables:
            start = b""
            while page := self.store.page(table, start, 1):  # one of each webhook, configured or not
                webhook = webhook_of(page[0][0])
                begin = at = hook_prefix(webhook, *key)
                while rows := [name for name, _ in self.store.page(table, at, PAGE) if name.startswith(begin)]:
                    self.changes.rows.update(((table, name), None) for name in rows)
                    at = rows[-1] + b"\0"
                start = f"{webhook}\1".encode()
        # What was given up in this very turn is in neither table yet.
        for table, name in list(self.changes.rows):
            if table == "dead" and name.startswith(hook_prefix(webhook_of(name), *key)):
                self.changes.rows[table, name] = None
        self.effects.forgotten.append(key)

    def _forget_message(self, row: Mo | Mt) -> None:
        if isinstance(row, Mt):
            mt = self._settlement.row(row.id, row) or row
            if is_open(mt):
                if mt.next_try:
                    self.changes.rows["later", later_key(mt)] = None
                finish(mt, "suppressed", self.now, "erased")
                self.desk.final(mt)
                self.changes.unqueued.append(mt)
                if mt.link in self.outbox.links:
                    self.outbox.settle(mt, self.now)
            blank(mt)
            self.changes.mts[mt.id] = mt
        else:
            blank(row)
            self.changes.mos.append(row)

    def _messages(self, last: int) -> Iterator[Mo | Mt]:
        number = last
        while number:
            (mt,) = self.store.mts([number])
            row: Mo | Mt | None = mt if mt is not None else self.store.mos([number])[0]
            if row is None:
                return
            yield row
            number = row.before if row.before < number else 0

    def _forget_evidence(self, key: ContactKey, state: Conversation) -> None:
        """Let the evidence of consent go, if it is older than the rules have it kept."""
        brand = self.state.rules.numbers.get(state.number) or self.state.rules.named(key[1])
        if brand is None or not brand.retain_facts or not state.evidence[0]:
            return
        begin = prefix(key)
        chain = [row for row in self.store.page("evidence", begin, PAGE) if row[0].startswith(begin)]
        if len(chain) == state.evidence[0] and all(
            self.now - evidence.read(row).time > brand.retain_facts for _, row in chain
        ):
            self.changes.rows.update((("evidence", name), None) for name, _ in chain)
            after = self.changes.conversations[key]
            after.evidence = 0, b""
