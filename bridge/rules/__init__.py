"""Rules: what operations staff write, compiled; and the pure function that decides an answer with it.

`load` reads and checks rules files, `decide` applies them to one text. Nothing here does I/O (but for `load`), reads a
clock or rolls dice.
"""

from bridge.options import Problem
from bridge.rules.decide import decide
from bridge.rules.load import RulesError, load
from bridge.rules.message import Called, Decision, Inbound, Reply, Request, Wake
from bridge.rules.react import react
from bridge.rules.ruleset import Brand, Ruleset

__all__ = [
    "Brand",
    "Called",
    "Decision",
    "Inbound",
    "Problem",
    "Reply",
    "Request",
    "RulesError",
    "Ruleset",
    "Wake",
    "decide",
    "load",
    "react",
]
