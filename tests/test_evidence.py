"""The chain of evidence: whatever is changed in it shows."""

from __future__ import annotations

import pytest

from bridge import evidence, inputs
from bridge.records import Conversation
from bridge.rules.message import Fact


def chain() -> tuple[Conversation, list[bytes]]:
    state, rows = Conversation("1", "acme"), []
    for kind in ("opted_out", "opted_in", "opted_out"):
        key, row = evidence.add(Fact(kind, {"how": "word", "text": "x"}), state, 7, (8,), "v1", 5.0)
        assert key.startswith(inputs.prefix(("1", "acme")))
        rows.append(row)
    return state, rows


def test_a_chain_as_it_was_written_is_whole() -> None:
    state, rows = chain()
    assert evidence.verify(rows, state.evidence) == ""
    assert evidence.verify([], Conversation("2", "acme").evidence) == ""
    link = evidence.read(rows[1])
    assert (link.kind, link.contact, link.mo, link.replies, link.rules_version) == ("opted_in", "1", 7, (8,), "v1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:2], "2 links are there of 3"),
        (lambda rows: rows[1:], "link 1 does not follow from the one before it"),
        (lambda rows: [rows[0], rows[2]], "link 2 does not follow from the one before it"),
        (lambda rows: [rows[0].replace(b"word", b"ward"), *rows[1:]], "link 2 does not follow from the one before it"),
        (lambda rows: [*rows[:2], rows[2].replace(b"word", b"ward")], "the last link is not the one that was written"),
        (lambda rows: [rows[0], b"\xff", rows[2]], "link 2 cannot be read"),
    ],
)
def test_a_change_shows(change: object, said: str) -> None:
    state, rows = chain()
    assert evidence.verify(change(rows), state.evidence) == said  # type: ignore[operator]
