"""The intents of a rules file: checked, trained, and put together with what they lead to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.rules.intents.model import NONE, Model
from bridge.rules.intents.train import Trained, TrainingSet, background
from bridge.rules.intents.understanding import Understanding
from bridge.rules.normalise import normalise
from bridge.rules.ruleset import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.options import At
    from bridge.rules.intents.tables import IntentsTable, IntentTable
    from bridge.rules.intents.train import Report

Trainer = Callable[[TrainingSet], Trained]
"""What makes a model of examples: `train`, or something that knows it already."""
ActionOf = Callable[["IntentTable", str, "At"], Action]
"""(the intent's table, its name, its place) → what it does."""

_MOST_EXAMPLES = 5000
"""4,000 took 12 s and 400 MB of memory, which grows with their square."""


def compile_intents(
    tables: Mapping[str, IntentTable],
    settings: IntentsTable,
    at: At,
    action_of: ActionOf,
    train: Trainer,
) -> tuple[Understanding, Report] | None:
    """Checks and trains the intents of a file.

    Args:
        tables: By name; at least one.
        settings: [intents].
        at: The root of the file; problems go there.
        action_of: What an intent does.
        train: Makes the model.

    Returns:
        The intents and how well they do; None if something is wrong with them.
    """
    sound = True
    actions: dict[str, Action] = {}
    for name, table in tables.items():
        here = at.child("intent").child(name)
        if name == NONE:
            here.problem("the name `none` has a meaning of its own: what no intent is about goes to [intents].none")
            sound = False
        if not any(map(normalise, table.examples)):
            here.child("examples").problem("is missing: give at least 8 texts as customers write them")
            sound = False
        actions[name] = action_of(table, name, here)
    count = sum(len(table.examples) for table in tables.values()) + len(settings.none)
    if count > _MOST_EXAMPLES:
        at.child("intent").problem(
            f"{count:,} examples with those under [intents] none: no more than {_MOST_EXAMPLES:,} can be learnt from; "
            "a few dozen of each intent, all different, do as well"
        )
        sound = False
    if not sound:
        return None
    examples = tuple((name, table.examples) for name, table in tables.items())
    trained = train(
        TrainingSet(examples, settings.none, background(), settings.precision, settings.margin, settings.threshold)
    )
    titles = {name: _titles(name, table) for name, table in tables.items()}
    names = {" ".join(normalise(title)): name for name in tables for title in (*titles[name].values(), name)}
    picked = {name: replace(action, layer="ask") for name, action in actions.items()}
    people = Action("ask", "ask.agent", "escalated", "", "queue=default priority=normal")
    understanding = Understanding(
        Model(trained.weights),
        trained.weights.threshold,
        settings.margin,
        actions,
        picked,
        titles,
        names,
        people,
    )
    return understanding, trained.report


def _titles(name: str, table: IntentTable) -> dict[str, str]:
    plain = name.replace("_", " ").replace("-", " ")
    return {"": next(iter(table.title.values()), plain), **table.title}
