"""The third stage of a turn: what arrived, what has become due and what was asked for, decided in sequence per contact.

A decision is pure; here its conversation is loaded and kept, its replies get their rows, and what else it leads to (a
call, the time of the next look) is put beside them, for the same commit.
"""

from __future__ import annotations

import struct
from math import ceil, inf
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from bridge import evidence, inputs
from bridge.desk import Stage
from bridge.events import OpenCall
from bridge.records import DEVICE, Conversation, Mt
from bridge.rules import Decision, Inbound, Request, Wake, decide, react
from bridge.rules.message import CALLING, Fact
from bridge.rules.numbers import is_short_code
from bridge.rules.privacy import WHOLE, masked, personal, places
from bridge.rules.threads import known
from smppcore.text import encode_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.desk import Desk
    from bridge.erasing import Erasing
    from bridge.events import Asked, Returned
    from bridge.hooks import Values
    from bridge.outbox import LinkQueue
    from bridge.records import Case, Mo
    from bridge.rules import Reply
    from bridge.rules.privacy import Span
    from bridge.rules.quiet import Restraint
    from bridge.rules.react import Event
    from bridge.store import ContactKey
    from smppcore.text import Encoded

PAGE = 500
"""Conversations that one turn wakes."""
_COUNTED = {
    "resolved": ("by", "again", "topic"),
    "reopened": ("by", "again", "topic"),
    "escalated": ("first", "queue"),
    "breached": ("queue",),
    "closed": ("queue",),
    "rated": ("by", "value", "topic"),
    "rating_asked": ("by",),
    "rating_not_asked": ("why",),
    "opted_out": ("how",),
    "opted_in": ("how",),
    "started": ("topic",),
}
"""The facts that reports count, and by which of their values."""
DONE_BEFORE = "done before"
"""Why a request of a job is refused that the job has made already."""
LATE = 1.0
"""Seconds after which a turn looks again for conversations to wake that it had no time for."""
_LONGEST_DEVICE = 40
"""Characters of a device that are told apart in reports."""
_milliseconds = struct.Struct(">Q")
_id = struct.Struct(">Q")
_unpack_call = msgspec.msgpack.Decoder(OpenCall).decode


def wake_key(at: float, key: ContactKey) -> bytes:
    """Return the key of the table `wake`; a number that is too long for it loses its tail and wakes nobody."""
    # Rounded up: who is looked at early would be found to have nothing to do, and be forgotten.
    return _milliseconds.pack(ceil(at * 1000)) + f"{key[1]}\0{key[0]}".encode()[:500]


def read_wake_key(key: bytes) -> tuple[float, ContactKey]:
    """Return (when, who) of a key of the table `wake`."""
    brand, _, contact = key[8:].decode(errors="replace").partition("\0")
    return _milliseconds.unpack(key[:8])[0] / 1000, (contact, brand)


def start_addressing(number: str) -> bytes:
    """Return the TON and NPI octets of an MO that a message we start would answer (SMPP v3.4 §5.2.5, §5.2.6).

    The customer's number is an international one of E.164; the service number is a short code (network specific), a
    word, or the like.
    """
    if not number.removeprefix("+").isdigit():
        return bytes((1, 1, 5, 0))
    return bytes((1, 1, 3, 0)) if is_short_code(number) else bytes((1, 1, 1, 1))


def figure_of(fact: Fact) -> tuple[str, ...]:
    """Return by what a fact is counted, nothing for one that is not."""
    return tuple(str(fact.values.get(name, "")) for name in _COUNTED.get(fact.kind, ()))


def device_name(said: str | int) -> str:
    """Return a device as reports name it: what comes from a network may hold anything."""
    return "".join(character for character in str(said) if character.isprintable())[:_LONGEST_DEVICE]


class Deciding(Stage):
    """What one turn decides.

    Args:
        desk: Of this turn.
        erasing: Of this turn.
    """

    def __init__(self, desk: Desk, erasing: Erasing) -> None:
        super().__init__(desk)
        self._erasing = erasing
        self.contexts: dict[ContactKey, Conversation | None] = {}
        """What is known of this turn's contacts: after each decision, what it says."""
        self.replies: list[tuple[Mt, Encoded]] = []
        """Decided in this turn, in order."""

    def know(self, keys: Iterable[ContactKey]) -> dict[ContactKey, Conversation | None]:
        """Return what is known of this turn's contacts, with these loaded."""
        contexts = self.contexts
        missing = [key for key in dict.fromkeys(keys) if key not in contexts]
        contexts.update(zip(missing, self.store.conversations(missing), strict=True))
        return contexts

    def texts(self, texts: Sequence[tuple[Mo, str, LinkQueue]]) -> None:
        """Decide what came in."""
        rules, now = self.state.rules, self.now
        keys = [(mo.source, rules.brand_of(mo.destination)) for mo, _, _ in texts]
        contexts = self.know(keys)
        version = rules.version
        for (mo, text, queue), key in zip(texts, keys, strict=True):
            state = contexts[key]
            mo.rules_version = version
            brand = rules.numbers.get(mo.destination)
            if brand is not None and brand.redact:
                mo.personal = personal(text, brand.redact)
            try:
                decision = decide(Inbound(text, mo.source, mo.destination, mo.link), state, rules, now, mo.id)
                replies = [encode_message(reply.text, queue.texts) for reply in decision.replies]
            except Exception as exc:  # one text that the rules fail on must not take the others with it
                mo.outcome = "rejected"
                mo.detail = f"{type(exc).__name__}: {exc}"
                self.effects.incidents.append(f"message {mo.id}: the rules failed: {type(exc).__name__}")
                self.changes.log.append(("mo", mo.id, []))
                state = state or Conversation(mo.source, key[1], id=mo.id, started=now, last_in=now, messages_in=1)
                state.escalated = now
                contexts[key] = self.changes.conversations[key] = state
                if self.state.listening:
                    self._tell_received(mo, state)
                continue
            after = decision.state
            after.addressing = mo.addressing
            mo.outcome = decision.outcome
            mo.layer = decision.layer
            mo.rule = decision.rule
            mo.conversation = after.id
            if decision.confidence >= 0.0:
                mo.intent, mo.confidence, mo.runner_up = decision.intent, decision.confidence, decision.runner_up
            if decision.detail:
                mo.detail = f"{mo.detail}: {decision.detail}" if mo.detail else decision.detail
            reply_ids: list[int] = []
            self.changes.log.append(("mo", mo.id, reply_ids))
            mo.before, after.last = after.last, mo.id
            if decision.personal:
                mo.personal = (WHOLE,)
            self._count(decision)
            if self.state.listening:
                self._tell_received(mo, decision.state)
            asked = mo.time
            for reply, encoded in zip(decision.replies, replies, strict=True):
                reply_ids.append(self._reply(reply, encoded, after, mo.link, mo.id, queue, asked))
                asked = 0.0
            if reply_ids and mo.tlvs and (device := mo.tlvs.get(DEVICE)):
                for mt, _ in self.replies[-len(reply_ids) :]:
                    mt.device = device_name(device)
            self._keep(key, state, decision, mo.id, reply_ids)

    def wake(self) -> None:
        """Wake the conversations whose time has come, a page of them."""
        calendar = self.state.calendar
        if calendar.wake > self.now:
            return
        rows = self.store.page("wake", b"", PAGE)
        due = [(row, *read_wake_key(row)) for row, _ in rows]
        keys = [key for _, at, key in due if at <= self.now]
        contexts = self.know(keys)
        # What this very turn has set is not among the rows yet.
        fresh = [key for (table, key), value in self.changes.rows.items() if table == "wake" and value is not None]
        calendar.wake = min((read_wake_key(key)[0] for key in fresh), default=inf)
        for row, at, key in due:
            if at > self.now:
                calendar.wake = min(calendar.wake, at)
                break
            self.changes.rows["wake", row] = None
            state = contexts[key]
            # A row of before the last change is nobody's: each change of `wake` takes the old one out.
            if state is not None and state.wake and state.wake <= self.now:
                self._react(key, Wake(), ("woken", key[1], key[0]))
        else:
            if len(rows) == PAGE:
                calendar.wake = self.now

    def recall_calls(self) -> None:
        """Have the calls made again that an earlier process left open."""
        start = b""
        while rows := self.store.page("call", start, PAGE):
            self.effects.calls += [_unpack_call(row) for _, row in rows]
            start = rows[-1][0] + b"\0"

    def returned(self, events: Sequence[Returned]) -> None:
        """Go on with the conversations whose calls have returned; a call that nobody waits for any more is ignored."""
        rows = self.store.rows("call", [_id.pack(event.called.id) for event in events])
        for event, row in zip(events, rows, strict=True):
            called = event.called
            if row is None or ("call", _id.pack(called.id)) in self.changes.rows:
                continue
            self.changes.rows["call", _id.pack(called.id)] = None
            call = _unpack_call(row)
            key = call.contact, call.brand
            number = self._keep_input(key, called.values)
            self._react(key, called, ("called", key[1], key[0], called.id, called.error, number))

    def asked(self, events: Sequence[Asked]) -> None:
        """Do what is asked for; whoever asks hears of it once it is committed."""
        for event in events:
            request = event.request
            key = event.contact, event.brand
            if request.kind in ("case.take", "case.transfer"):
                agent = request.values.get("agent") or request.by
                request = Request(request.kind, request.by, {**request.values, "holds": self._holds(key, agent)})
            self.effects.answers.append((event, self._ask(key, request)))

    def _ask(self, key: ContactKey, request: Request) -> str:
        """Have a request done; return why it is refused, "" if it is not."""
        job = request.values.get("job", "")
        name = f"{job}\0{key[0]}\0{key[1]}".encode()[:500]
        if job and (("job", name) in self.changes.rows or self.store.rows("job", [name])[0] is not None):
            return DONE_BEFORE
        before = self.know([key])[key]
        erases = request.kind == "profile.erase"
        if erases and before is not None and (why := self._erasing.hindrance(before)):
            return why
        chain = self._erasing.chain(key) if request.kind == "profile.deactivate" else {}
        values = {} if erases else request.values
        entry = ("asked", key[1], key[0], request.kind, request.by, self._keep_input(key, values))
        problem = self._react(key, request, entry)
        if not problem and job:
            self.changes.rows["job", name] = _id.pack(self.desk.next_id - 1)
        if not problem and erases and before is not None:
            self._erasing.forget(key, before)
        elif not problem and request.kind == "profile.deactivate" and before is not None:
            new = self._erasing.part(key, before, chain)
            self.contexts[new] = self.changes.conversations[new]
        return problem

    def _keep_input(self, key: ContactKey, values: Mapping[str, str]) -> int:
        """Keep the values of an entry of the log; return the number by which it names them, 0 for none."""
        if not values:
            return 0
        number = self.desk.new_id()
        name, octets = inputs.row(key, number, values)
        self.changes.rows["input", name] = octets
        return number

    def count_started(self, mt: Mt, restraint: Restraint) -> None:
        """Count a message that leaves against what its customer gets of its topic."""
        key = mt.contact, mt.brand
        state = replace(self.contexts[key] or Conversation(*key))
        restraint.count(mt.topic, state, self.now)
        self.contexts[key] = self.changes.conversations[key] = state

    def _react(self, key: ContactKey, event: Event, entry: tuple[str | int | dict[str, str], ...]) -> str:
        """Have an event decided; return why it is refused, "" if it is not."""
        before = self.know([key])[key]
        state = before or Conversation(*key)
        try:
            decision = react(event, state, self.state.rules, self.now)
            queue = self._queue_for(decision, state)
            replies = [encode_message(reply.text, queue.texts) for reply in decision.replies] if queue else []
        except Exception as exc:  # as in texts()
            self.effects.incidents.append(f"conversation {state.id}: the rules failed: {type(exc).__name__}")
            if state.wake and state.wake <= self.now:
                # It would be woken without end.
                self._keep(
                    key, before, Decision("silent", "", "", "", (), replace(state, wake=0.0, escalated=self.now))
                )
            return f"the rules failed: {type(exc).__name__}: {exc}"
        if decision.problem:
            return decision.problem
        if decision.replies and queue is None:
            name = decision.replies[0].link or decision.state.link
            return f"the link `{name}` is not configured" if name else "there is no link"
        reply_ids: list[int] = []
        self.changes.log.append((*entry, reply_ids))
        after = decision.state
        for reply, encoded in zip(decision.replies, replies, strict=True):
            assert queue is not None  # noqa: S101  judged above
            reply_ids.append(self._reply(reply, encoded, after, queue.config.name, after.mo, queue))
        if after.contexts and not after.contexts[0].mt and reply_ids:
            after.contexts = (replace(after.contexts[0], mt=reply_ids[-1]), *after.contexts[1:])
        self._keep(key, before, decision, 0, reply_ids)
        return ""

    def opted_out(self, told: Sequence[Mt]) -> None:
        """Send nothing more to those whom the carrier keeps from us: it knows of an opt-out that we do not."""
        contexts = self.know([(mt.contact, mt.brand) for mt in told])
        for mt in told:
            key = mt.contact, mt.brand
            known = contexts[key] or Conversation(*key)
            if not known.opted_out:
                fact = Fact("opted_out", {"how": "carrier", "text": mt.error, "number": mt.number, "message": mt.id})
                after = replace(known, opted_out=self.now)
                self.changes.log.append(("opted out", mt.id))
                self._keep(key, contexts[key], Decision("silent", "", "", "", (), after, facts=(fact,)))

    def _queue_for(self, decision: Decision, state: Conversation) -> LinkQueue | None:
        asked = next((reply.link for reply in decision.replies if reply.link), "")
        return self.outbox.links.get(asked or decision.state.link or state.link)

    def _tell_received(self, mo: Mo, state: Conversation) -> None:
        """Have webhooks told of a text; what is personal is masked there too."""
        values: Values = {
            "message": mo.id,
            "text": masked(mo.text, mo.personal),
            "number": mo.destination,
            "link": mo.link,
        }
        values |= {"outcome": mo.outcome, "rule": mo.rule, "intent": mo.intent}
        self.desk.tell("received", mo.source, state.brand, state.id, values)

    def _told(self, fact: Fact, decision: Decision) -> Values:
        """Return what webhooks are told of a fact: what is personal is masked."""
        if not self.state.listening:
            return fact.values
        after, said = decision.state, dict(fact.values)
        brand = self.state.rules.numbers.get(after.number)
        values = known(after)
        for name in ("text", "note"):
            if words := str(said.get(name, "")):
                spans = (WHOLE,) if decision.personal else personal(words, brand.redact if brand is not None else ())
                said[name] = masked(words, (*spans, *places(words, (values.get(one, "") for one in after.personal))))
        return said

    def _count(self, decision: Decision) -> None:
        """Count a text by what it led to."""
        after, note = decision.state, self.desk.note
        rule = f"flow.{decision.topic}" if decision.layer == "flow" else decision.rule
        note("topic", after.brand, decision.layer, rule, decision.outcome)
        if not after.inquiry and decision.outcome not in ("control", "suppressed") and decision.layer != "rating":
            after.inquiry = True
            note("inquiry", after.brand)

    def _keep(
        self, key: ContactKey, before: Conversation | None, decision: Decision, mo: int = 0, replies: Sequence[int] = ()
    ) -> None:
        """Keep what the conversation has become, with what else the decision leads to."""
        after = decision.state
        for fact in decision.facts:
            self.desk.tell(fact.kind, key[0], key[1], after.id, self._told(fact, decision))
            if counted := figure_of(fact):
                self.desk.note(fact.kind, after.brand, *counted)
            if fact.kind in evidence.KINDS:
                row, octets = evidence.add(fact, after, mo, replies, self.state.rules.version, self.now)
                self.changes.rows["evidence", row] = octets
        if after.opted_out and (before is None or not before.opted_out):
            self.effects.revoked.add(key)
        if decision.call is not None:
            self._call(key, decision)
        had = None if before is None else before.case
        if after.case is not had:
            self._put_case(key, had, after.case)
        woken = before.wake if before is not None else 0.0
        if after.wake != woken:
            rows, calendar = self.changes.rows, self.state.calendar
            if woken:
                rows["wake", wake_key(woken, key)] = None
            if after.wake:
                rows["wake", wake_key(after.wake, key)] = b""
                calendar.wake = min(calendar.wake, after.wake)
        self.contexts[key] = self.changes.conversations[key] = after

    def _holds(self, key: ContactKey, agent: str) -> str:
        """Return how many open cases an agent has in the queue of this one, as a request says it."""
        state = self.know([key])[key]
        if state is None or state.case is None:
            return "0"
        start, count = b"", 0
        while rows := self.store.page("case", start, PAGE):
            for _, value in rows:
                brand, _, contact = value.decode().partition("\0")
                other = self.know([(contact, brand)])[contact, brand]
                held = None if other is None else other.case
                count += held is not None and held.agent == agent and held.queue == state.case.queue
            start = rows[-1][0] + b"\0"
        return str(count)

    def _put_case(self, key: ContactKey, had: Case | None, has: Case | None) -> None:
        """Keep the table of open cases."""
        if had is not None and (has is None or has.id != had.id):
            self.changes.rows["case", _id.pack(had.id)] = None
        if has is not None and (had is None or has.id != had.id):
            self.changes.rows["case", _id.pack(has.id)] = f"{key[1]}\0{key[0]}".encode()

    def _call(self, key: ContactKey, decision: Decision) -> None:
        call, session = decision.call, decision.state.session
        assert call is not None  # noqa: S101  the caller looked
        number = self.desk.new_id()
        if session is not None and session.call == CALLING:
            decision.state.session = replace(session, call=number)
        row = OpenCall(number, *key, call.name, call.arguments, call.timeout, self.now)
        self.changes.rows["call", _id.pack(number)] = msgspec.msgpack.encode(row)
        self.changes.log.append(("call", key[1], key[0], number))
        self.effects.calls.append(row)

    def _reply(
        self,
        reply: Reply,
        encoded: Encoded,
        after: Conversation,
        link: str,
        mo: int,
        queue: LinkQueue,
        asked: float = 0.0,
    ) -> int:
        number = self.desk.new_id()
        addressing = (
            after.addressing if after.mo and not reply.number else start_addressing(reply.number or after.number)
        )
        spans: tuple[Span, ...] = ()
        if after.personal:
            values = known(after)
            spans = places(reply.text, (values.get(name, "") for name in after.personal))
        self.replies.append(
            (
                Mt(
                    number,
                    0 if reply.started else mo,
                    after.id,
                    link,
                    after.contact,
                    reply.number or after.number,
                    after.brand,
                    reply.text,
                    reply.template,
                    reply.version or self.state.rules.version,
                    self.now,
                    reply.control,
                    len(encoded.parts),
                    queue.reply_addressing(addressing),
                    # Positional to the end: keywords would cost 0.3 µs.
                    "queued",
                    0,
                    0.0,
                    reply.at,
                    0.0,
                    0.0,
                    False,
                    "",
                    (),
                    (),
                    after.last,
                    spans,
                    reply.expires,
                    reply.topic,
                    reply.by,
                    reply.asked or (0.0 if reply.control else asked),
                    encoded.data_coding,
                    device_name(after.profile.get(DEVICE, "")) if after.profile else "",
                ),
                encoded,
            )
        )
        after.last = number
        if self.state.listening:
            told: Values = {
                "message": number,
                "text": masked(reply.text, spans),
                "template": reply.template,
                "by": reply.by,
            }
            told |= {"answers": 0 if reply.started else mo, "number": reply.number or after.number}
            self.desk.tell("replied", after.contact, after.brand, after.id, told)
        return number
