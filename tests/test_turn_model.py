"""The pipeline under anything that a carrier, a disk and a kill can do to it, in any order.

A carrier that keeps its own books delivers texts until they are acknowledged, answers or does not answer, sends
receipts early, late and twice, cuts connections; commits fail; the process is killed. At the end everything is let run
dry and the books of both sides must agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.events import CapacityChanged, Outcomes
from bridge.records import FINAL_STATES
from bridge.store import StoreFull
from smppcore import constants as c
from tests.pipeline import (
    Bridge,
    Wire,
    accepted,
    check,
    cut_off,
    in_doubt,
    link,
    part,
    receipt,
    refused,
    text,
    timed_out,
)

if TYPE_CHECKING:
    from bridge.events import Event
    from smppcore.pdu import DeliverSM, SubmitSM

CONTACTS = (b"1", b"2", b"3")


class Carrier(RuleBasedStateMachine):
    """One link of one session, and what the carrier knows."""

    @initialize(policy=st.sampled_from(["resend", "hold", "fail"]), capacity=st.sampled_from([1, 2, 50]))
    def start(self, policy: str, capacity: int) -> None:
        self.policy = policy
        self.bridge = Bridge(link(in_doubt=in_doubt(policy)), capacity=capacity)
        self.up = True
        self.number = 0
        self.ids = 0
        self.unacknowledged: list[DeliverSM] = []
        self.acknowledged: set[bytes] = set()
        self.open: list[SubmitSM] = []
        self.late: list[SubmitSM] = []
        self.kept: list[Event] = []
        self.taken: dict[bytes, list[bytes]] = {}
        self.heard: dict[bytes, int] = {}

    # -- how things reach the bridge

    def commit(self, *events: Event, pdus: tuple[DeliverSM, ...] = (), fails: bool = False) -> None:
        """Do a turn as the committer does: what a failed one leaves behind comes with the next."""
        waiting, self.kept = self.kept, []
        every = [*waiting, *events]
        if fails:
            self.bridge.memory.failures.append(StoreFull("no room"))
        responses = self.bridge.wire.responses
        responses.clear()
        arrivals = [self.bridge.arrivals(*pdus)] if pdus else []
        try:
            self.bridge.turn(*every, *arrivals)
        except StoreFull:
            self.kept = every
            return
        for pdu, response in zip(pdus, responses[len(responses) - len(pdus) :], strict=True):
            if response.command_status == 0 and not pdu.esm_class & 0x3C:
                self.acknowledged.add(body(pdu))
                self.unacknowledged = [held for held in self.unacknowledged if held is not pdu]

    @precondition(lambda self: self.up)
    @rule(contact=st.sampled_from(CONTACTS), long=st.booleans(), fails=st.booleans())
    def text(self, contact: bytes, *, long: bool, fails: bool) -> None:
        self.number += 1
        body = f"echo {self.number:04d}" + "x" * (200 if long else 0)
        pdu = text(body, source=contact)
        self.unacknowledged.append(pdu)
        self.commit(pdus=(pdu,), fails=fails)

    @precondition(lambda self: self.up)
    @rule(contact=st.sampled_from(CONTACTS), fails=st.booleans())
    def long_text(self, contact: bytes, *, fails: bool) -> None:
        self.number += 1
        halves = tuple(
            part(n, 2, half, self.number & 255, contact)
            for n, half in ((1, b"echo %04d" % self.number), (2, b"-%04d" % self.number))
        )
        self.unacknowledged += halves
        self.commit(pdus=halves[:1])
        self.commit(pdus=halves[1:], fails=fails)

    @precondition(lambda self: self.up and self.unacknowledged)
    @rule(fails=st.booleans())
    def deliver_again(self, *, fails: bool) -> None:
        self.commit(pdus=tuple(self.unacknowledged), fails=fails)

    @precondition(lambda self: self.up)
    @rule(contact=st.sampled_from(CONTACTS), word=st.sampled_from(["STOP", "START", "HELP"]))
    def control(self, contact: bytes, word: str) -> None:
        self.commit(pdus=(text(word, source=contact),))

    @precondition(lambda self: self.up)
    @rule(room=st.integers(1, 4))
    def take(self, room: int) -> None:
        """The writer asks for as much as its window has room for."""
        self.open += self.bridge.submits(min(room, max(self.bridge.capacity - len(self.open), 0)))

    def accept(self, pdu: SubmitSM, *, late: bool = False, known_as: bytes = b"") -> None:
        self.ids += 1
        message_id = known_as or b"%010d" % self.ids
        outcome = accepted(pdu, message_id, late=late)
        self.answer = outcome
        self.taken.setdefault(pdu.short_message, []).append(message_id)

    @precondition(lambda self: self.open)
    @rule(
        data=st.data(),
        how=st.sampled_from(["accept", "accept", "accept", "throttle", "error", "time-out"]),
        fails=st.booleans(),
        early=st.booleans(),
    )
    def settle(self, data: st.DataObject, how: str, *, fails: bool, early: bool) -> None:
        pdu = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        if how == "accept":
            self.accept(pdu)
            if early:
                self.commit(pdus=(receipt(self.taken[pdu.short_message][-1]),))
            self.commit(Outcomes("a", [self.answer]), fails=fails)
        elif how == "time-out":
            self.late.append(pdu)
            self.commit(Outcomes("a", [timed_out(pdu)]), fails=fails)
        else:
            status = c.ESME_RTHROTTLED if how == "throttle" else c.ESME_RINVDSTADR
            self.commit(Outcomes("a", [refused(pdu, status)]), fails=fails)

    @precondition(lambda self: self.late and self.up)
    @rule(fails=st.booleans())
    def answer_late(self, *, fails: bool) -> None:
        pdu = self.late.pop()
        self.accept(pdu, late=True)
        self.commit(Outcomes("a", [self.answer]), fails=fails)

    @precondition(lambda self: self.up and self.taken)
    @rule(
        data=st.data(),
        state=st.sampled_from([c.STATE_ENROUTE, c.STATE_DELIVERED, c.STATE_UNDELIVERABLE]),
    )
    def report(self, data: st.DataObject, state: int) -> None:
        ids = [message_id for known in self.taken.values() for message_id in known]
        self.commit(pdus=(receipt(data.draw(st.sampled_from(ids)), state),))

    @precondition(lambda self: self.up)
    @rule(fails=st.booleans())
    def lose(self, *, fails: bool) -> None:
        lost = [cut_off(pdu) for pdu in self.open]
        self.open, self.late = [], []
        events = [Outcomes("a", lost)] if lost else []
        self.commit(*events, *self.bridge.lose_session(), fails=fails)
        self.bridge.wire = Wire()
        self.up = False

    @precondition(lambda self: self.up)
    @rule(contact=st.sampled_from(CONTACTS), killed=st.booleans())
    def text_that_is_taken_and_not_acknowledged(self, contact: bytes, *, killed: bool) -> None:
        self.number += 1
        pdu = text(f"echo {self.number:04d}", source=contact)
        self.unacknowledged.append(pdu)
        if killed:
            self.bridge.deliver(pdu)
            self.kill()
        else:
            arrivals = self.bridge.arrivals(pdu)
            self.kept.append(arrivals)
            self.lose(fails=False)

    @precondition(lambda self: not self.up)
    @rule(fails=st.booleans())
    def bind(self, *, fails: bool) -> None:
        self.commit(*self.bridge.rebind())
        self.up = True
        if self.unacknowledged:
            self.commit(pdus=tuple(self.unacknowledged), fails=fails)

    @rule(seconds=st.sampled_from([0.0, 0.6, 6.0, 40.0, 40_000.0]))
    def wait(self, seconds: float) -> None:
        self.bridge.now += seconds
        self.commit()

    @rule()
    def kill(self) -> None:
        """SIGKILL: whatever is not in the store is gone."""
        self.open, self.late, self.kept = [], [], []
        self.bridge.begin(bind=False)
        self.up = False

    # -- what must hold

    @invariant()
    def the_books_agree_with_themselves(self) -> None:
        if not self.bridge.engine._stale:
            check(self.bridge)

    def teardown(self) -> None:
        if not hasattr(self, "bridge"):
            return
        self.run_dry()
        check(self.bridge)
        mos, mts = self.bridge.mos(), self.bridge.mts()
        # Every acknowledged text is there, exactly once, with one decision.
        echoes = [mo.text for mo in mos if mo.text.startswith("echo")]
        assert len(echoes) == len(set(echoes))
        kept = {body for mo in mos for body in (mo.bodies or (mo.text.encode(),))}
        assert self.acknowledged <= kept
        assert not self.unacknowledged
        assert not any(mo.outcome == "pending" for mo in mos)
        for mo in mos:
            assert sum(mt.mo == mo.id for mt in mts) == (
                mo.outcome in {"replied", "control"}
            ) or not mo.text.startswith("echo")
        # Every reply has come to an end, and the carrier took none twice but where one was in doubt.
        for mt in mts:
            assert mt.state in FINAL_STATES | {"unknown"}, mt
            taken_whole = bool(mt.message_ids) and None not in mt.message_ids
            assert mt.state != "unknown" or taken_whole or (mt.in_doubt and self.policy == "hold"), mt
            taken = [self.taken.get(body, []) for body in self.bodies(mt.id, mt.text, mt.parts)]
            if mt.template == "echo":
                assert mt.in_doubt or mt.attempts > 1 or all(len(ids) <= 1 for ids in taken)
                assert not (taken_whole or mt.state == "delivered") or all(taken)
        assert not self.bridge.memory.queue
        assert not self.bridge.memory.due
        assert not self.bridge.memory.parked
        assert all(queue.loaded == 0 for queue in self.bridge.engine.outbox.links.values())

    @staticmethod
    def bodies(number: int, text: str, parts: int) -> list[bytes]:
        if parts == 1:
            return [text.encode()]
        return [
            bytes((5, 0, 3, number & 255, parts, n + 1)) + text[153 * n : 153 * (n + 1)].encode() for n in range(parts)
        ]

    def run_dry(self) -> None:
        if not self.up:
            self.bind(fails=False)
        self.bridge.capacity = 50
        self.commit(CapacityChanged("a", 50))
        for _ in range(200):
            if self.unacknowledged:
                self.commit(pdus=tuple(self.unacknowledged))
            self.open += self.bridge.submits()
            outcomes = []
            for pdu in self.open:
                self.accept(pdu)
                outcomes.append(self.answer)
            self.open = []
            self.commit(*([Outcomes("a", outcomes)] if outcomes else []))
            due = self.bridge.engine.next_due(self.bridge.now)
            if due == float("inf") and not self.bridge.engine.outbox.flights and not self.bridge._revoked:
                return
            if not outcomes and due < float("inf"):
                self.bridge.now = max(due, self.bridge.now)
        raise AssertionError("it does not run dry")


def body(pdu: DeliverSM) -> bytes:
    return pdu.short_message


TestCarrier = Carrier.TestCase
TestCarrier.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
