"""Precedence as one table: who answers a text that several layers could answer."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bridge.records import Case, Context, Conversation, Guard, Rating, Session
from bridge.rules.normalise import normalise
from tests.intents import ADDRESS, COMPLAINT, PARCEL
from tests.rules_helpers import BRAND, CONTACT, NOW, compiled, say

ROWS = tomllib.loads((Path(__file__).parent / "data/rules/precedence.toml").read_text(encoding="utf-8"))["rows"]


def lines(examples: tuple[str, ...]) -> str:
    return ", ".join(f'"{line}"' for line in examples)


RULES = compiled(
    f"""{BRAND}
[queue.care]
[[keyword]]
words = ["hours"]
reply = "t"
[[keyword]]
words = ["track"]
match = "first"
reply = "t"
[[keyword]]
words = ["yes"]
reply = "t"
[[keyword]]
words = ["thanks"]
reply = "none"
[[keyword]]
words = ["no more texts"]
reply = "t"
[[keyword]]
words = ["stop texting me the scores"]
reply = "t"
[[pattern]]
name = "order"
regex = 'AC\\d{{3}}X'
reply = "t"
[intents]
threshold = 0.5
[intent.parcel]
examples = [{lines(PARCEL)}]
reply = "t"
[intent.address]
examples = [{lines(ADDRESS)}]
reply = "t"
[intent.complaint]
examples = [{lines(COMPLAINT)}]
escalate = true
[flow.number]
start = "ask"
[flow.number.step.ask]
say = "t"
wait = {{ slot = "count", type = "number" }}
[flow.words]
start = "ask"
[flow.words.step.ask]
say = "t"
wait = {{ slot = "said", type = "text" }}
[flow.closed]
start = "ask"
interrupt_by = ["none"]
[flow.closed.step.ask]
say = "t"
wait = {{ slot = "count", type = "number" }}
[flow.call]
start = "look"
[flow.call.step.look]
call = "orders.status"
next = "tell"
[flow.call.step.tell]
say = "t"
[csat]
ask = "t"
accept = {{ "5" = ["great"] }}
[template.t]
en = "x"
[conversation]
max_auto_replies = {{ count = 5, identical = 2 }}
"""
)


def conversation(given: str, text: str) -> Conversation | None:
    """Return the conversation that a row describes."""
    if not given:
        return None
    state = Conversation(CONTACT, "acme", 1, NOW - 60, NOW - 60, 1, number="60606")
    for one in given.split("+"):
        match one:
            case "opted_out":
                state.opted_out = NOW - 60
            case "muted":
                state.guard = Guard(muted_until=NOW + 60)
            case "again":
                state.guard = Guard(last=" ".join(normalise(text)), same=2, heard=NOW - 1)
            case "case":
                state.case = Case(1, "care", NOW - 60)
            case "number" | "words" | "closed":
                state.session = Session(one, "1", "ask", NOW - 60, NOW + 600, NOW + 600)
            case "call":
                state.session = Session("call", "1", "look", NOW - 60, NOW + 600, call=7)
            case "asked":
                state.rating = Rating(1, asked=NOW - 60)
            case "notice":
                state.contexts = (Context(1, NOW + 600, "number"),)
            case "offered":
                state.offered = ("parcel", "address")
            case _:
                raise AssertionError(one)
    return state


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['given'] or 'new'}: {row['text']}" for row in ROWS])
def test_the_table_of_layers(row: dict[str, str]) -> None:
    decision = say(RULES, row["text"], conversation(row["given"], row["text"]), mo_id=2)
    # What is recognised and not answered has the layer of its rule.
    layer = "keyword" if row["layer"] == "silent" else row["layer"]
    assert decision.layer == layer
    if layer in ("optedout", "loop", "human") or row["layer"] == "silent":
        assert decision.replies == ()


def test_the_table_is_long_and_has_every_layer() -> None:
    assert len({(row["given"], row["text"]) for row in ROWS}) == len(ROWS) >= 60
    layers = {row["layer"] for row in ROWS}
    every = "control optout optedout loop human flow rating context keyword pattern typo intent ask escalate silent"
    assert layers == set(every.split())
