"""What the stages of one turn share: the changes that will be committed, the effects that they set free, and the time.

Made for one turn and thrown away after it. No decisions here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.analytics import final_figures
from bridge.events import Effects
from bridge.hooks import Hook, Listener, rows
from bridge.store import Changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.analytics import Figure
    from bridge.delivery import Flight
    from bridge.records import Mt
    from bridge.state import State
    from bridge.store import Turn


class Desk:
    """One turn's own memory.

    Args:
        state: What the turns share.
        store: The open transaction.
        now: Seconds since the epoch.
        refuse_texts: There is no room: take no texts, claim nothing.
    """

    def __init__(self, state: State, store: Turn, now: float, *, refuse_texts: bool) -> None:
        self.state = state
        self.outbox = state.outbox
        self.store = store
        self.now = now
        self.refuse_texts = refuse_texts
        self.changes = Changes()
        self.effects = Effects()
        self.landed: list[Flight] = []
        """Claims that have their outcome."""
        self.figures: dict[Figure, int] = {}
        """What this turn adds to the figures of the reports."""
        self.effects.figures = self.figures
        self.next_id = state.position.next_id
        self.first_id = self.next_id
        """Messages from this id on are made by this turn."""

    def count(self, link: str, what: str, n: int = 1) -> None:
        """Count something of a link ("" for what belongs to none)."""
        key = (link, what)
        tally = self.effects.tally
        tally[key] = tally.get(key, 0) + n

    def note(self, *figure: str) -> None:
        """Count a figure of the reports."""
        figures = self.figures
        figures[figure] = figures.get(figure, 0) + 1

    def tell(
        self,
        kind: str,
        contact: str,
        brand: str,
        conversation: int,
        values: Mapping[str, str | int | float],
    ) -> None:
        """Have webhooks told of something."""
        url = values.get("notify")
        if not self.state.listening and not url:
            return
        if not url and not any(kind in one.kinds for one in self.state.listening):
            return
        said = {name: value for name, value in values.items() if name != "notify"}
        hook = Hook(self.new_id(), kind, self.now, contact, brand, conversation, said)
        made = dict(rows(self.state.listening, hook))
        if url:
            made |= rows((Listener(str(url), frozenset({kind})),), hook)
        self.changes.rows.update((("hook", key), row) for key, row in made.items())
        self.effects.hooks += made.items()

    def final(self, mt: Mt) -> None:
        """Count a message that has its final state."""
        if self.state.listening:
            values: dict[str, str | int | float] = {
                "message": mt.id,
                "state": mt.state,
                "error": mt.error,
                "number": mt.number,
            }
            kind = "delivered" if mt.state == "delivered" else "undelivered"
            self.tell(kind, mt.contact, mt.brand, mt.conversation, values)
        self.effects.final.append(mt)
        self.count(mt.link, "mt." + mt.state)
        for figure in final_figures(mt):
            self.note(*figure)

    def new_id(self) -> int:
        """Return the id of the next message."""
        n = self.next_id
        self.next_id = n + 1
        return n


class Stage:
    """A part of the turn's work, with what it reaches for at hand.

    Args:
        desk: Of this turn.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.state = desk.state
        self.outbox = desk.outbox
        self.store = desk.store
        self.now = desk.now
        self.changes = desk.changes
        self.effects = desk.effects
