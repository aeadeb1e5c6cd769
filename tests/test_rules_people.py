"""People: from the escalation until the case is closed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bridge.records import Case, Conversation
from bridge.rules import Decision, Request, Wake, react
from bridge.rules.threads import next_wake
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, problems, say

QUEUES = """\
[queue.care]
sla = { first = "15m", next = "30m" }
on_breach = { move_to = "supervisors" }
idle_close = "24h"
[queue.supervisors]
sla = { first = "5m" }
[queue.last]
"""
SOURCE = (
    BRAND
    + QUEUES
    + """\
[[keyword]]
words = ["agent"]
escalate = { queue = "care", priority = "high", tags = ["vip"], note = "said {input}" }
[[keyword]]
words = ["late"]
escalate = { queue = "supervisors" }
[[keyword]]
words = ["calm"]
escalate = { queue = "last" }
[[keyword]]
words = ["hours"]
reply = "hours"
[template.hours]
en = "8-18"
"""
)
RULES = compiled(SOURCE)
MINUTE, DAY = 60.0, 86400.0


def case_of(decision: Decision) -> Case:
    assert decision.state.case is not None
    return decision.state.case


def ask(state: Conversation, what: str, *, by: str = "ann", now: float = NOW, **values: str) -> Decision:
    return react(Request(f"case.{what}", by, values), state, RULES, now)


def escalated(text: str = "agent") -> Conversation:
    return say(RULES, text, mo_id=5).state


def test_an_escalation_opens_a_case() -> None:
    decision = say(RULES, "agent", mo_id=5)
    case = case_of(decision)
    idle = NOW + 15 * MINUTE + DAY
    notes = ((NOW, "", "said agent"),)
    wanted = Case(5, "care", NOW, "high", "", NOW + 15 * MINUTE, ("vip",), notes, idle, waiting=NOW)
    assert case == wanted
    assert decision.state.wake == case.due == next_wake(decision.state)


def test_an_escalation_without_a_queue_goes_to_the_first() -> None:
    assert case_of(say(RULES, "hm")).queue == "care"
    assert say(compiled(BRAND), "hm").state.case is None


def test_the_bot_is_silent_and_control_words_are_not() -> None:
    state = escalated()
    decision = say(RULES, "hours", state, now=NOW + 1)
    assert (decision.outcome, decision.layer, decision.rule, decision.replies) == (
        "escalated",
        "human",
        "queue.care",
        (),
    )
    assert case_of(decision).due == NOW + 15 * MINUTE
    helped = say(RULES, "help", state)
    assert (helped.control, len(helped.replies), helped.state.case) == ("help", 1, state.case)
    stopped = say(RULES, "stop", state)
    assert (len(stopped.replies), stopped.state.case) == (1, state.case)


def test_an_answer_of_people_stops_the_clock_and_a_text_starts_it_again() -> None:
    answered = ask(escalated(), "reply", text=" found it ", now=NOW + MINUTE)
    (reply,) = answered.replies
    assert (reply.text, reply.by, reply.control, reply.started) == ("found it", "ann", False, False)
    assert (case_of(answered).agent, case_of(answered).due) == ("ann", 0.0)
    assert [fact.kind for fact in answered.facts] == ["answered"]
    again = say(RULES, "thanks but", answered.state, now=NOW + 2 * MINUTE)
    assert case_of(again).due == NOW + 32 * MINUTE
    quiet = ask(escalated("calm"), "reply", text="x").state
    assert case_of(say(RULES, "and", quiet)).due == 0.0


def test_people_who_write_first_have_it_in_hand() -> None:
    state = say(RULES, "hours", mo_id=3).state
    decision = ask(state, "reply", text="hello")
    assert (case_of(decision).queue, case_of(decision).agent, decision.state.escalated) == ("care", "ann", NOW)
    assert ask(Conversation(CONTACT, "acme"), "reply", text="x").problem == "there is no open case of this customer"
    assert ask(state, "take").problem == "there is no open case of this customer"


def test_one_agent_has_it() -> None:
    taken = ask(escalated(), "take").state
    assert ask(taken, "take", by="bob").problem == "ann has it"
    assert case_of(ask(taken, "take", by="bob", force="yes")).agent == "bob"
    assert case_of(ask(taken, "take")).agent == "ann"
    assert case_of(ask(taken, "reply", by="bob", text="x")).agent == "ann"


@pytest.mark.parametrize(
    ("what", "values", "said"),
    [
        ("reply", {"text": " "}, "an empty text is not sent"),
        ("reply", {"text": "\u202eolleh"}, "the text has U+202E in it (right-to-left override): take it out"),
        ("note", {}, "an empty note says nothing"),
        ("transfer", {}, "to whom? Name a queue or an agent"),
        ("transfer", {"queue": "x"}, "there is no queue `x`; there are: care, supervisors, last"),
        ("dance", {}, "there is no request `case.dance`"),
    ],
)
def test_what_is_refused(what: str, values: dict[str, str], said: str) -> None:
    state = escalated()
    assert react(Request(f"case.{what}", "ann", values), state, RULES, NOW).problem == said


def test_nothing_is_sent_to_somebody_who_has_opted_out() -> None:
    state = say(RULES, "stop", escalated()).state
    assert ask(state, "reply", text="x").problem.startswith("opted_out")


def test_notes_tags_and_transfers() -> None:
    state = ask(escalated(), "note", text="called", now=NOW + 5).state
    assert state.case is not None
    assert state.case.notes[1:] == ((NOW + 5, "ann", "called"),)
    assert case_of(ask(state, "tag", tags="vip,lost,")).tags == ("vip", "lost")
    moved = case_of(ask(state, "transfer", queue="supervisors", now=NOW + MINUTE))
    assert (moved.queue, moved.agent, moved.due) == ("supervisors", "", NOW + 6 * MINUTE)
    assert case_of(ask(state, "transfer", queue="last")).due == 0.0
    given = case_of(ask(state, "transfer", agent="bob"))
    assert (given.queue, given.agent, given.due) == ("care", "bob", NOW + 15 * MINUTE)
    same = case_of(ask(state, "transfer", queue="care", agent="bob"))
    assert same.due == NOW + 15 * MINUTE


def test_a_closed_case_gives_the_conversation_back() -> None:
    closed = ask(escalated(), "close", now=NOW + MINUTE)
    assert (closed.state.case, closed.state.escalated, closed.state.resolved_by) == (None, 0.0, "agent")
    assert [fact.kind for fact in closed.facts] == ["resolved", "closed"]
    assert closed.state.wake == 0.0
    assert len(say(RULES, "hours", closed.state, now=NOW + 2 * MINUTE).replies) == 1
    assert case_of(say(RULES, "agent", closed.state, mo_id=9)).id == 9
    assert ask(escalated(), "close", resolved="no").state.resolved == 0.0


def test_a_late_case_goes_to_another_queue_once() -> None:
    taken = ask(escalated(), "take").state
    late = react(Wake(), taken, RULES, NOW + 15 * MINUTE)
    assert (case_of(late).queue, case_of(late).agent, case_of(late).due) == ("supervisors", "", NOW + 20 * MINUTE)
    assert late.facts[0].values["moved_to"] == "supervisors"
    assert late.state.wake == NOW + 20 * MINUTE
    later = react(Wake(), late.state, RULES, NOW + 20 * MINUTE)
    assert (case_of(later).queue, case_of(later).due, later.facts[0].kind) == ("supervisors", 0.0, "breached")
    assert later.state.wake == NOW + 15 * MINUTE + DAY


def test_a_late_case_may_go_to_a_queue_without_a_clock() -> None:
    rules = compiled(SOURCE.replace('move_to = "supervisors"', 'move_to = "last"'))
    late = react(Wake(), escalated(), rules, NOW + 15 * MINUTE)
    assert (case_of(late).queue, case_of(late).due) == ("last", 0.0)


def test_a_silent_case_is_closed() -> None:
    state = ask(escalated(), "reply", text="x").state
    early = react(Wake(), state, RULES, NOW + DAY - 1)
    assert (early.state.case, early.state.wake) == (state.case, NOW + DAY)
    over = react(Wake(), state, RULES, NOW + DAY)
    assert (over.state.case, over.state.resolved, over.facts[0].values["by"]) == (None, 0.0, "idle")


def test_a_case_whose_rules_are_gone_can_still_be_closed() -> None:
    state = escalated()
    state.number = "99999"
    assert case_of(react(Wake(), state, RULES, NOW + 15 * MINUTE)).due == 0.0
    assert ask(state, "close").state.case is None
    moved = escalated()
    assert moved.case is not None
    moved.case.queue = "gone"
    assert case_of(say(RULES, "hm", moved)).idle == NOW + 15 * MINUTE + DAY


# ---------------------------------------------------------------- opening hours

HOURS = (
    BRAND.replace('["60606"]', '["447700900123", "60606"]\nlanguages = ["en", "fr"]\ntimezone = "Europe/London"')
    + """\
[brand.acme.hours]
mon-fri = "08:00-18:00"
closed = ["2026-12-25"]
[queue.care]
sla = { first = "15m", next = "90m", business_hours = true }
on_breach = { notify = "https://crm.example/sla", move_to = "supervisors" }
closed_reply = "after"
max_open_per_agent = 2
bot_while_open = "off"
[queue.supervisors]
sla = { first = "5m", business_hours = true }
[[keyword]]
words = ["agent"]
reply = "wait"
escalate = { queue = "care" }
[[keyword]]
words = ["lost"]
flow = "lost"
[flow.lost]
start = "say"
[flow.lost.step.say]
say = "wait"
escalate = { queue = "supervisors" }
[optout]
free_text = "escalate"
[template.wait]
en = "An answer comes within {sla}."
fr = "Dans {sla}."
[template.after]
en = "We open {opens}."
fr = "Ouvert {opens}."
"""
)  # fmt: skip
SHUT = compiled(HOURS)
FRIDAY = 1_795_802_400.0  # 2026-11-27 18:00 UTC
HOUR = 3600.0


def texts(decision: Decision) -> list[str]:
    return [reply.text for reply in decision.replies]


def test_outside_the_hours_it_is_said_once() -> None:
    decision = say(SHUT, "agent", now=FRIDAY)
    assert texts(decision) == ["An answer comes within 15 minutes.", "We open Monday 08:00."]
    assert case_of(decision).due == FRIDAY + 62 * HOUR + 15 * MINUTE
    assert not say(SHUT, "hm", decision.state, now=FRIDAY + 1).replies
    inside = say(SHUT, "agent", now=FRIDAY - 60)
    assert texts(inside) == ["An answer comes within 15 minutes."]
    assert case_of(inside).due == FRIDAY + 62 * HOUR + 14 * MINUTE
    later = say(SHUT, "hm", inside.state, now=FRIDAY + 60)
    assert texts(later) == ["We open Monday 08:00."]


def test_when_it_opens_in_other_words() -> None:
    assert texts(say(SHUT, "agent", now=FRIDAY - 11 * HOUR))[1] == "We open 08:00."
    christmas = FRIDAY + 27 * DAY
    state = Conversation(CONTACT, "acme", language="fr")
    assert texts(say(SHUT, "agent", state, now=christmas))[1] == "Ouvert lundi 08:00."
    far = compiled(HOURS.replace('mon-fri = "08:00-18:00"', 'mon = "08:00-18:00"'))
    assert texts(say(far, "agent", now=FRIDAY - 4 * DAY))[1] == "We open Monday 30 November 08:00."
    unknown = compiled(HOURS.replace('"fr"', '"tlh"').replace("\nfr =", "\ntlh =") + OPTOUT_IN_KLINGON)
    state.language = "tlh"
    assert texts(say(unknown, "agent", state, now=FRIDAY))[1] == "Ouvert Monday 08:00."
    plain = compiled(
        BRAND + '[[keyword]]\nwords = ["agent"]\nreply = "t"\nescalate = true\n[template.t]\nen = "wait"\n'
    )
    assert texts(say(plain, "agent")) == ["wait"]


OPTOUT_IN_KLINGON = """\
[optout.reply.tlh]
stop = "{brand}: you are unsubscribed and will get no more messages."
start = "{brand}: you are subscribed again. Msg frequency varies. Msg&data rates may apply. Reply HELP, STOP to end."
help = "{brand}: {help_contact}. Msg frequency varies. Msg&data rates may apply. Reply STOP to end."
"""


def test_a_flow_and_a_request_to_stop_say_it_too() -> None:
    assert texts(say(SHUT, "lost", now=FRIDAY)) == ["An answer comes within 5 minutes."]
    assert texts(say(SHUT, "please stop texting me", now=FRIDAY)) == ["We open Monday 08:00."]


def test_what_lacks_a_value_is_not_said() -> None:
    never = compiled(HOURS.replace("We open {opens}.", "We open {word1}."))
    assert texts(say(never, "agent", now=FRIDAY)) == ["An answer comes within 15 minutes."]
    shut = compiled(HOURS.replace('mon-fri = "08:00-18:00"', 'mon = "08:00-08:01"').replace("15m", "9000h"))
    decision = say(shut, "agent", now=FRIDAY)
    assert case_of(decision).due == 0.0
    assert texts(decision)[0] == "An answer comes within 9,000 hours."


def test_who_is_never_open_again_promises_nothing() -> None:
    mondays = ", ".join(f'"{date(2026, 11, 30) + timedelta(7 * n)}"' for n in range(60))
    never = compiled(
        HOURS.replace('mon-fri = "08:00-18:00"\nclosed = ["2026-12-25"]', f'mon = "08:00-09:00"\nclosed = [{mondays}]')
    )
    decision = say(never, "agent", now=FRIDAY)
    assert texts(decision) == ["An answer comes within 15 minutes."]
    assert case_of(decision).due == 0.0


def test_a_breach_tells_a_url_and_moves_on_by_the_clock_of_the_brand() -> None:
    case = case_of(say(SHUT, "agent", now=FRIDAY))
    state = say(SHUT, "agent", now=FRIDAY).state
    decision = react(Wake(), state, SHUT, case.due)
    assert decision.facts[0].values["notify"] == "https://crm.example/sla"
    assert case_of(decision).due == case.due + 5 * MINUTE
    assert "must be a URL" in problems(HOURS.replace("https://crm.example/sla", "crm"))[0]
    long = "https://crm.example/" + "x" * 400
    assert "must be 400 characters or fewer, not 420" in problems(HOURS.replace("https://crm.example/sla", long))[0]
    long = f"https://crm.example/{'x' * 400}"
    assert "characters or fewer" in problems(HOURS.replace("https://crm.example/sla", long))[0]


def test_an_agent_has_only_so_many_cases() -> None:
    state = say(SHUT, "agent", now=FRIDAY).state
    full = react(Request("case.take", "ann", {"holds": "2"}), state, SHUT, FRIDAY)
    assert full.problem == "ann has 2 open cases of queue care, and that is the most for one agent"
    taken = react(Request("case.take", "ann", {"holds": "1"}), state, SHUT, FRIDAY).state
    again = react(Request("case.take", "ann", {"holds": "2"}), taken, SHUT, FRIDAY)
    assert not again.problem
    given = react(Request("case.transfer", "ann", {"agent": "bob", "holds": "2"}), taken, SHUT, FRIDAY)
    assert "bob has 2" in given.problem
    assert not react(Request("case.transfer", "ann", {"agent": "bob", "holds": "1"}), taken, SHUT, FRIDAY).problem


def test_help_is_left_to_people_where_the_bot_is_off() -> None:
    state = say(SHUT, "agent", now=FRIDAY, number="447700900123").state
    assert say(SHUT, "HELP", state, now=FRIDAY, number="447700900123").outcome == "escalated"
    assert say(SHUT, "HELP", state, now=FRIDAY, number="60606").outcome == "control"
    assert say(SHUT, "STOP", state, now=FRIDAY, number="447700900123").control == "stop"


def test_a_closed_reply_needs_hours() -> None:
    assert any(
        "a queue has a `closed_reply`" in one
        for one in problems(BRAND + '[queue.care]\nclosed_reply = "t"\n[template.t]\nen = "x"\n')
    )
    assert any("there is no template `t`" in one for one in problems(BRAND + '[queue.care]\nclosed_reply = "t"\n'))


# ---------------------------------------------------------------- STOP words that a flow takes first

CANCEL = """\
[optout]
answer_first = ["cancel"]
[[keyword]]
words = ["order"]
flow = "order"
[flow.order]
start = "ask"
[flow.order.step.ask]
say = "ask"
wait = { slot = "do", type = "choice", choices = { ship = ["ship"], cancel = ["cancel"] } }
[template.ask]
en = "Ship or cancel?"
"""


def test_a_flow_may_take_a_stop_word_first() -> None:
    rules = compiled(BRAND + CANCEL)
    waiting = say(rules, "order").state
    taken = say(rules, "Cancel", waiting)
    assert (taken.layer, taken.state.opted_out, taken.state.variables["do"]) == ("flow", 0.0, "cancel")
    assert say(rules, "cancel").control == "stop"
    assert say(rules, "end", waiting).control == "stop"
    waiting.session.version = "gone"  # type: ignore[union-attr]
    assert say(rules, "cancel", waiting).control == "stop"


def test_stop_itself_cannot_be_taken() -> None:
    assert "always stops" in problems(BRAND + '[optout]\nanswer_first = ["STOP"]\n')[0]
    assert "is no STOP word" in problems(BRAND + '[optout]\nanswer_first = ["order"]\n')[0]
    assert "must be" in problems(BRAND + '[conversation]\nkey = ["customer"]\n')[0]
