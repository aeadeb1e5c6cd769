"""How intents do on texts that they were not trained on, by the files that lie beside the checkout.

The gates are those of the product: of what is asked four fifths are answered, nearly all of the answers are right, and
of what is none of the service's business little is answered. `tools/intents.py` prints the same figures.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.rules_helpers import BRAND, compiled, say

if TYPE_CHECKING:
    from bridge.rules import Ruleset

SHARED = Path(__file__).parents[2] / "shared/data"
CLINC, REAL_SMS = SHARED / "clinc20.tsv", SHARED / "sms_spam_collection.tsv"
NONE = "none"

pytestmark = pytest.mark.skipif(not CLINC.exists(), reason="the labelled texts lie beside the checkout")


@cache
def rows() -> dict[tuple[str, str], list[str]]:
    """Texts by split and intent."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    with CLINC.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            found[row["split"], row["intent"]].append(row["text"])
    return found


@cache
def rules(*, own_none: bool) -> Ruleset:
    """Rules that are trained on the training split, with or without its rows of no intent."""
    none = rows()["train", NONE] if own_none else []
    source = [BRAND, '[template.answer]\nen = "x"', f"[intents]\nnone = {json.dumps(none)}"]
    for (split, name), texts in rows().items():
        if split == "train" and name != NONE:
            source.append(f'[intent.{name}]\nreply = "answer"\nexamples = {json.dumps(texts)}')
    return compiled("\n".join(source))


def answered(text: str, *, own_none: bool) -> str:
    """The intent that a text is answered by, "" for none."""
    decision = say(rules(own_none=own_none), text)
    return decision.intent if decision.layer == "intent" else ""


@pytest.mark.parametrize("own_none", [True, False], ids=["own none rows", "shipped none rows only"])
def test_held_out_texts_are_answered_and_answered_right(own_none: bool) -> None:
    inside = [
        (name, text) for (split, name), texts in rows().items() for text in texts if (split, name) != ("train", name)
    ]
    inside = [(name, text) for name, text in inside if name != NONE]
    assert len(inside) == 600
    given = [(answered(text, own_none=own_none), name) for name, text in inside]
    taken = [(found, name) for found, name in given if found]
    assert len(taken) >= 0.80 * len(inside)
    assert sum(found == name for found, name in taken) >= 0.95 * len(taken)


@pytest.mark.parametrize("own_none", [True, False], ids=["own none rows", "shipped none rows only"])
def test_what_is_out_of_scope_is_seldom_answered(own_none: bool) -> None:
    outside = rows()["test", NONE]
    assert len(outside) == 500
    assert sum(bool(answered(text, own_none=own_none)) for text in outside) <= 0.15 * len(outside)


@pytest.mark.skipif(not REAL_SMS.exists(), reason="the collection of real SMS lies beside the checkout")
def test_real_chatter_is_hardly_ever_answered() -> None:
    lines = [line.partition("\t")[2] for line in REAL_SMS.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 5000
    assert sum(bool(answered(text, own_none=True)) for text in lines) <= 0.01 * len(lines)


def test_what_is_like_none_says_so_with_its_confidence() -> None:
    decision = say(rules(own_none=True), "what do we have for breakfast")
    assert (decision.layer, decision.intent) == ("escalate", NONE)
    assert decision.confidence > 0.5
