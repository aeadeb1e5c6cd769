"""A small rules file, and how the tests of the rules run texts over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.rules import Decision, Inbound, RulesError, Ruleset, decide
from bridge.rules.load import compile_rules
from bridge.rules.optout import built_in

if TYPE_CHECKING:
    from bridge.records import Conversation

NOW = 1_700_000_000.0
CONTACT = "15550001234"

BRAND = """\
version = "1"
[brand.acme]
country = "US"
help_contact = "help@acme.example"
numbers = ["60606"]
"""

RULES = """\
version = "7"
[brand.acme]
name = "Acme"
languages = ["en", "fr"]
help_contact = "help@acme.example"
numbers = ["60606", "+447700900123"]
vars = { url = "acme.example/t" }
[brand.zeta]
languages = ["fr"]
help_contact = "aide@zeta.example"
numbers = ["70707"]
vars = { url = "zeta.example" }

[optout]
keywords = { en = ["no more"] }
start = { en = ["join"] }
help = { fr = ["au secours"] }

[[keyword]]
words = { en = ["hours"], fr = ["horaires"] }
reply = "hours"
[[keyword]]
words = ["track me"]
reply = "hours"
[[keyword]]
words = ["track"]
match = "first"
reply = "ask"
[[keyword]]
words = ["a person"]
match = "phrase"
reply = "wait"
escalate = { queue = "care", priority = "high" }
[[keyword]]
words = ["a person of the night"]
match = "phrase"
reply = "hours"
[[keyword]]
words = ["thanks", "👍"]
reply = "none"
[[keyword]]
words = ["yes"]
reply = "hours"
[[keyword]]
words = ["last"]
reply = "last"

[[pattern]]
name = "code"
regex = '\\b(?P<code>CD\\d{3})(?P<tail>x)?'
reply = "code"
[[pattern]]
name = "other"
regex = 'EF\\d{3}'
escalate = true

[template.hours]
en = "{brand}: 8-18"
fr = "{brand} : 8h-18h"
[template.ask]
en = "{word2|What}? {url}"
fr = "{word2|Quoi} ? {url}"
[template.wait]
en = "wait"
fr = "attendez"
[template.code]
en = "{code}{tail|} is on its way to {contact} from {number}"
fr = "{code} est en route"
[template.last]
en = "last: {code}"
fr = "dernier : {code}"
[template.which]
en = "which?"
fr = "lequel ?"

[conversation]
idle_close = "1h"
reopen_window = "0s"
unmatched = { first = "which", second = "escalate" }
"""


def compiled(text: str = RULES) -> Ruleset:
    """Compile a rules file that is right."""
    return compile_rules([("rules.toml", text)], built_in())


def problems(text: str) -> list[str]:
    """Return the problems of a rules file that is wrong, without the file's name."""
    try:
        compiled(text)
    except RulesError as error:
        return [str(problem).removeprefix("rules.toml:") for problem in error.problems]
    raise AssertionError("the rules have no problem")


def say(
    rules: Ruleset,
    text: str,
    state: Conversation | None = None,
    *,
    now: float = NOW,
    mo_id: int = 1,
    number: str = "60606",
) -> Decision:
    """Decide one text."""
    return decide(Inbound(text, CONTACT, number), state, rules, now, mo_id)
