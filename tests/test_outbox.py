"""Which message may be sent next."""

from __future__ import annotations

from math import inf

import pytest

from bridge.limits import Gate
from bridge.outbox import PAGE, LinkQueue, Outbox, class_of, pair_of
from bridge.records import Mt
from smppcore.text import USUAL, encode_message
from tests.pipeline import link


def queue_of(name: str = "a", *, capacity: int = 50, rate: float = 0.0) -> LinkQueue:
    config = link(name, rate=rate)
    return LinkQueue(config, Gate(config, 0.0), USUAL, 86400.0, capacity)


def message(
    number: int, contact: str = "1", *, control: bool = False, started: bool = False, parts: int = 1, name: str = "a"
) -> Mt:
    text = "x" * (160 if parts == 1 else 153 * parts)
    reply_to = 0 if started else 1
    return Mt(number, reply_to, 1, name, contact, "60606", "acme", text, "t", "v", 0.0, control, parts)


def outbox(queue: LinkQueue | None = None) -> tuple[Outbox, LinkQueue]:
    queue = queue or queue_of()
    return Outbox({queue.config.name: queue}), queue


def add(box: Outbox, mt: Mt, now: float = 0.0) -> bool:
    """Admit a new message as a turn does; say whether it was claimed at once."""
    flight = box.admit(mt, encode_message(mt.text), now)
    if flight is None:
        return False
    box.flights[mt.id] = flight
    return True


def send(box: Outbox, queue: LinkQueue, now: float = 0.0) -> list[int]:
    """Claim all that may go, as a turn does."""
    ids = []
    while heads := box.candidates(queue, now):
        for mt in heads:
            box.flights[mt.id] = box.claim(mt, now)
            ids.append(mt.id)
    return ids


def land(box: Outbox, queue: LinkQueue, number: int, now: float = 0.0) -> None:
    """A message is accepted."""
    flight = box.flights.pop(number)
    queue.in_air -= flight.claimed
    flight.mt.state, flight.mt.claim = "accepted", 0.0
    box.leave(flight.mt, now)


def put_off(box: Outbox, queue: LinkQueue, number: int, at: float) -> None:
    """A message is to be tried again."""
    flight = box.flights.pop(number)
    queue.in_air -= flight.claimed
    box.retry(flight.mt, at)


# -- order


def test_classes_and_pairs() -> None:
    assert [class_of(m) for m in (message(1, control=True), message(1), message(1, started=True))] == [0, 1, 2]
    assert pair_of(message(1)) == ("1", "60606", False)
    assert pair_of(message(1, started=True)) == ("1", "60606", True)


def test_a_claim_has_the_parts_that_are_to_be_sent() -> None:
    box, queue = outbox()
    mt = message(1, parts=3)
    mt.message_ids = ("7", None, None)
    assert add(box, mt, 4.0)
    flight = box.flights[1]
    assert (flight.todo, flight.open, flight.claimed, flight.queued) == ([1, 2], 0b110, 2, False)
    assert (mt.state, mt.attempts, mt.claim, queue.in_air) == ("sent", 1, 4.0, 2)


def test_one_message_to_a_person_is_un_answered_at_a_time() -> None:
    box, queue = outbox()
    assert [add(box, message(n)) for n in (1, 2, 3)] == [True, False, False]
    assert add(box, message(4, "2"))
    assert send(box, queue) == []
    land(box, queue, 1)
    assert send(box, queue) == [2]
    land(box, queue, 2)
    assert send(box, queue) == [3]
    land(box, queue, 3)
    assert (queue.loaded, queue.in_air) == (0, 1)


def test_conversation_and_started_messages_do_not_wait_for_each_other() -> None:
    box, _ = outbox()
    assert add(box, message(1, started=True))
    assert add(box, message(2))


def test_control_replies_go_before_what_is_not_claimed_and_in_their_order() -> None:
    box, queue = outbox()
    add(box, message(1))
    add(box, message(2))
    add(box, message(3, control=True))
    add(box, message(4, control=True))
    order = []
    for number in (1, 3, 4):
        land(box, queue, number)
        order += send(box, queue)
    assert order == [3, 4, 2]


def test_a_control_reply_goes_before_other_peoples_messages_too() -> None:
    box, queue = outbox(queue_of(capacity=0))
    for number in range(1, 4):
        add(box, message(number, str(number)))
    add(box, message(4, "4", control=True))
    queue.capacity = 2
    assert send(box, queue) == [4, 1]


def test_a_head_that_was_overtaken_is_claimed_once() -> None:
    box, queue = outbox(queue_of(capacity=0))
    add(box, message(1))
    add(box, message(2, control=True))
    queue.capacity = 1
    assert send(box, queue) == [2]
    queue.capacity = 10
    land(box, queue, 2)
    assert send(box, queue) == [1]
    assert queue.loaded == 0


def test_a_retry_for_which_there_is_no_room_wakes_nobody() -> None:
    box, queue = outbox(queue_of(capacity=2))
    add(box, message(1))
    add(box, message(2, "2"))
    put_off(box, queue, 1, 5.0)
    assert box.next_due(0.0) == 5.0
    add(box, message(3, "3"))
    assert box.next_due(0.0) == inf
    land(box, queue, 2)
    assert box.next_due(0.0) == 5.0


def test_a_retry_blocks_its_queue_until_its_time() -> None:
    box, queue = outbox()
    add(box, message(1))
    add(box, message(2))
    put_off(box, queue, 1, 5.0)
    box.release_due(4.9)
    assert send(box, queue, 4.9) == []
    assert box.next_due(4.9) == 5.0
    box.release_due(5.0)
    assert send(box, queue, 5.0) == [1]
    assert box.next_due(5.0) == inf
    land(box, queue, 1)
    assert send(box, queue, 5.0) == [2]


@pytest.mark.parametrize("late", [False, True])
def test_a_retry_that_a_control_reply_has_overtaken_comes_after_it(*, late: bool) -> None:
    box, queue = outbox()
    add(box, message(1))
    put_off(box, queue, 1, 5.0)
    add(box, message(2, control=True))
    assert send(box, queue) == [2]
    if late:
        box.release_due(6.0)
    land(box, queue, 2, 6.0 if late else 1.0)
    if not late:
        assert send(box, queue, 1.0) == []
        box.release_due(6.0)
    assert send(box, queue, 6.0) == [1]
    land(box, queue, 1)
    assert queue.loaded == 0


def test_a_held_message_leaves_its_queue() -> None:
    box, queue = outbox()
    add(box, message(1))
    add(box, message(2))
    flight = box.flights.pop(1)
    queue.in_air -= 1
    box.leave(flight.mt, 0.0)
    assert send(box, queue) == [2]


def test_leaving_twice_or_from_behind_is_harmless() -> None:
    box, queue = outbox()
    first, second, third = message(1), message(2), message(3)
    for mt in (first, second, third):
        add(box, mt)
    box.leave(message(9, "9"), 0.0)
    box.leave(message(8), 0.0)
    box.settle(second, 0.0)
    box.settle(second, 0.0)
    land(box, queue, 1)
    assert send(box, queue) == [3]
    box.leave(message(7), 0.0)
    land(box, queue, 3)
    assert queue.loaded == 0


def test_what_is_settled_from_elsewhere_while_it_waits_is_not_sent() -> None:
    box, queue = outbox()
    mt = message(1)
    add(box, mt)
    put_off(box, queue, 1, 5.0)
    box.settle(mt, 1.0)
    assert queue.loaded == 0
    box.release_due(6.0)
    assert send(box, queue, 6.0) == []


# -- window and rate


def test_the_window_bounds_parts_in_the_air() -> None:
    box, queue = outbox(queue_of(capacity=4))
    assert add(box, message(1, "1", parts=3))
    assert not add(box, message(2, "2", parts=2))
    assert not add(box, message(3, "3"))  # nobody overtakes who waits for room
    assert send(box, queue) == []
    land(box, queue, 1)
    assert send(box, queue) == [2, 3]
    assert queue.in_air == 3


def test_a_message_longer_than_the_window_goes_alone() -> None:
    box, queue = outbox(queue_of(capacity=2))
    add(box, message(1))
    assert not add(box, message(2, "2", parts=5))
    land(box, queue, 1)
    assert send(box, queue) == [2]
    assert queue.room == 0
    box2, _ = outbox(queue_of(capacity=2))
    assert add(box2, message(1, parts=5))


def test_without_a_session_nothing_goes() -> None:
    box, queue = outbox(queue_of(capacity=0))
    assert not add(box, message(1))
    assert send(box, queue) == []
    queue.capacity = 1
    assert send(box, queue) == [1]


def test_the_rate_bounds_what_goes_and_says_when_more_may() -> None:
    box, queue = outbox(queue_of(rate=10.0))
    assert [add(box, message(n, str(n))) for n in range(1, 4)] == [True, False, False]
    assert box.next_due(0.0) == pytest.approx(0.1, abs=2e-6)
    assert send(box, queue, 0.1) == [2]
    assert send(box, queue, 0.15) == []
    assert send(box, queue, 0.21) == [3]
    assert box.next_due(0.21) == inf


def test_there_is_nothing_due_for_a_rate_while_the_window_is_full_or_nothing_is_claimed() -> None:
    box, queue = outbox(queue_of(capacity=1, rate=10.0))
    add(box, message(1))
    add(box, message(2, "2"))
    assert box.next_due(0.0) == inf
    land(box, queue, 1)
    assert box.next_due(0.0) < inf
    assert box.next_due(0.0, claiming=False) == inf


def test_a_long_message_on_a_slow_rate_goes_when_the_rate_is_full_and_the_next_waits_for_all_its_parts() -> None:
    box, queue = outbox(queue_of(rate=10.0))
    add(box, message(1, parts=3))
    add(box, message(2, "2"))
    assert box.next_due(0.0) == pytest.approx(0.3, abs=2e-6)
    assert send(box, queue, 0.29) == []
    assert send(box, queue, 0.31) == [2]


def test_turns_that_only_wait_for_a_rate_are_some_time_apart() -> None:
    box, _ = outbox(queue_of(rate=1000.0, capacity=500))
    for number in range(1, 110):
        add(box, message(number, str(number)))
    assert box.next_due(0.0) == pytest.approx(0.01)


# -- pages and rebuilding


def test_beyond_a_page_new_messages_stay_in_the_store() -> None:
    box, queue = outbox(queue_of(capacity=0))
    for number in range(1, PAGE + 3):
        add(box, message(number, str(number)))
    assert queue.loaded == PAGE
    assert queue.unloaded == [None, PAGE, None]
    assert not add(box, message(PAGE + 3, "control", control=True))
    assert queue.loaded == PAGE + 1
    queue.held = [PAGE - 1, 0]
    assert box.next_due(3.0) == 3.0


def test_a_queued_message_is_loaded_and_sent_in_its_order() -> None:
    box, queue = outbox()
    box.load(message(1), 0.0)
    box.load(message(2), 0.0)
    waiting = message(3, "2")
    waiting.next_try = 5.0
    box.load(waiting, 0.0)
    assert queue.loaded == 3
    assert send(box, queue) == [1]
    assert box.next_due(0.0) == 5.0
    box.release_due(5.0)
    assert send(box, queue, 5.0) == [3]
    land(box, queue, 1)
    assert send(box, queue, 5.0) == [2]
    assert queue.loaded == 0


def test_a_loaded_retry_behind_a_control_reply_keeps_its_time() -> None:
    box, queue = outbox()
    box.load(message(2, control=True), 0.0)
    retry = message(1)
    retry.next_try = 5.0
    box.load(retry, 0.0)
    assert send(box, queue) == [2]
    land(box, queue, 2)
    assert send(box, queue) == []
    assert box.next_due(0.0) == 5.0
    box.release_due(5.0)
    assert send(box, queue, 5.0) == [1]


def test_rows_are_found_again_as_the_object_in_memory() -> None:
    box, _ = outbox()
    first, second = message(1), message(2)
    add(box, first)
    add(box, second)
    assert box.find(message(1)) is first
    assert box.find(message(2)) is second
    stranger = message(3)
    assert box.find(stranger) is stranger


def test_clearing_keeps_only_what_is_in_the_air() -> None:
    box, queue = outbox(queue_of(capacity=3))
    add(box, message(1, parts=2))
    add(box, message(2))
    add(box, message(3, "3"))
    flight = box.flights[1]
    del box.flights[3]
    box.clear()
    assert (queue.in_air, queue.loaded, queue.unloaded) == (2, 0, [0, 0, 0])
    box.load(message(2), 0.0)
    assert send(box, queue) == []
    queue.unloaded = [None, None, None]
    land(box, queue, flight.mt.id)
    assert send(box, queue) == [2]


# -- addresses


def test_a_reply_has_the_numbering_of_its_text_unless_the_link_sets_it() -> None:
    queue = queue_of()
    assert queue.reply_addressing(b"\x01\x02\x03\x04") == b"\x03\x04\x01\x02"
    queue.fixed_addressing = (5, -1, -1, 9)
    assert queue.reply_addressing(b"\x01\x02\x03\x04") == b"\x05\x04\x01\x09"
