"""How many texts a turn takes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from bridge.events import Arrivals, CapacityChanged, Event, Outcomes, SessionLost
from bridge.intake import MUCH, PATIENCE, divide
from bridge.state import _queue_of
from smppcore.pdu import DeliverSM, SubmitSM
from tests.pipeline import START, link

if TYPE_CHECKING:
    from bridge.outbox import LinkQueue
    from bridge.records import Mt
    from smppcore.events import Outcome
    from smppcore.link import Link

WIRE = cast("Link", object())


@pytest.fixture
def queue() -> LinkQueue:
    """A link with a window of ten, full."""
    made = _queue_of(link("a"), START)
    made.capacity = made.in_air = 10
    return made


def arrivals(count: int, name: str = "a", at: float = START) -> Arrivals:
    return Arrivals(name, WIRE, [DeliverSM(sequence_number=n) for n in range(count)], at)


def answers(count: int, name: str = "a") -> Outcomes:
    return Outcomes(name, cast("list[Outcome]", [SubmitSM()] * count))


def sizes(events: list[Event] | list[Arrivals]) -> list[int]:
    return [len(event.pdus) for event in events if isinstance(event, Arrivals)]


def test_without_texts_there_is_nothing_to_divide(queue: LinkQueue) -> None:
    events: list[Event] = [CapacityChanged("a", 10), answers(3)]
    assert divide(events, {"a": queue}, START) == (events, [])


@pytest.mark.parametrize(
    ("answered", "ready", "taken", "waiting"),
    [
        (0, 0, [], [3, 4]),
        (2, 0, [2], [1, 4]),
        (3, 0, [3], [4]),
        (5, 0, [3, 2], [2]),
        (5, 2, [3], [4]),
        (9, 0, [3, 4], []),
        (9, 20, [], [3, 4]),
    ],
)
def test_texts_are_taken_as_far_as_their_replies_could_go(
    queue: LinkQueue, answered: int, ready: int, taken: list[int], waiting: list[int]
) -> None:
    queue.ready.extend(cast("list[Mt]", [None] * ready))
    first, second = arrivals(3), arrivals(4)
    now, later = divide([first, answers(answered), second], {"a": queue}, START)
    assert (sizes(now), sizes(later)) == (taken, waiting)
    together = [pdu for event in [*now, *later] if isinstance(event, Arrivals) for pdu in event.pdus]
    assert sorted(pdu.sequence_number for pdu in together) == sorted([*range(3), *range(4)])
    assert sum(isinstance(event, Outcomes) for event in now) == 1


def test_a_text_waits_only_so_long(queue: LinkQueue) -> None:
    old = arrivals(3, at=START - PATIENCE)
    assert divide([old, arrivals(4)], {"a": queue}, START) == ([old], [arrivals(4)])


def test_one_that_has_waited_takes_its_room(queue: LinkQueue) -> None:
    now, later = divide([arrivals(3, at=START - PATIENCE), arrivals(4), answers(5)], {"a": queue}, START)
    assert (sizes(now), sizes(later)) == ([3, 2], [2])


@pytest.mark.parametrize("why", ["nothing is in the air", "much waits"])
def test_where_waiting_is_of_no_use_everything_is_taken(queue: LinkQueue, why: str) -> None:
    if why == "nothing is in the air":
        queue.capacity = queue.in_air = 0
    else:
        queue.held[0] = MUCH * 10 + 1
    assert sizes(divide([arrivals(30)], {"a": queue}, START)[0]) == [30]


def test_what_came_on_a_lost_session_is_known_before_it_comes_again(queue: LinkQueue) -> None:
    lost: list[Event] = [arrivals(30), SessionLost("a", START)]
    assert divide(lost, {"a": queue}, START) == (lost, [])
    assert divide([arrivals(30), SessionLost("b", START)], {"a": queue}, START)[1] == [arrivals(30)]


def test_links_do_not_wait_for_each_other(queue: LinkQueue) -> None:
    other = _queue_of(link("b"), START)
    other.capacity, other.in_air = 10, 5
    now, later = divide([arrivals(3), arrivals(7, "b"), answers(9, "b")], {"a": queue, "b": other}, START)
    assert (sizes(now), sizes(later)) == ([7], [3])
