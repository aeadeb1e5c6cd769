"""Texts with variables, as "Hi {name|there}, order {order} is on its way".

Compiled once per brand and language: what is known by then (the brand's name, its `vars`) becomes plain text, so that
most replies are rendered by returning a string. A variable without a value and without a default is never sent as "" or
as "{name}": rendering raises, and the message goes to a person. A name that nothing sets is an error at load, unless it
has a default and is not near a name that something sets. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bridge.options import nearest
from bridge.rules.message import Inbound
from smppcore.text import count_segments


class MissingVariable(Exception):
    """A variable has neither a value nor a default.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class TemplateError(ValueError):
    """A template is not well-formed, or uses a variable that nothing sets; the text says which."""


Getter = Callable[[Inbound], str]


def _word(number: int) -> Getter:
    def get(message: Inbound) -> str:
        words = message.text.split(None, number)
        return words[number - 1] if len(words) >= number else ""

    return get


MESSAGE_VARIABLES: Mapping[str, Getter] = {
    "number": lambda message: message.number,
    "contact": lambda message: message.contact,
    "text": lambda message: message.text.strip(),
    **{f"word{number}": _word(number) for number in range(1, 10)},
}
"""What every message brings along: its numbers, its text, its first nine words as they were typed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One variable of a compiled text, and the plain text after it."""

    name: str
    default: str | None
    """None = the variable must have a value."""
    getter: Getter | None
    """For what the message brings along."""
    tail: str


@dataclass(frozen=True, slots=True)
class Text:
    """A compiled template in one language."""

    head: str
    slots: tuple[Slot, ...] = ()

    def shortest(self) -> str:
        """The text with every variable at its default, or left out: no rendering of it is meant to be shorter."""
        return self.head + "".join((slot.default or "") + slot.tail for slot in self.slots)


_OVERRIDES = frozenset("\u202d\u202e")
_MOST_PARTS = 255
"""What the octet for the number of parts can say (3GPP TS 23.040 §9.2.3.24.1)."""
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def compile_text(source: str, known: Mapping[str, str], captured: Collection[str]) -> Text:
    """Compiles a template.

    Args:
        source: The template.
        known: Variables whose values are the same for every message.
        captured: Names of variables that patterns may set.

    Returns:
        The compiled text.

    Raises:
        TemplateError: A brace without its partner, a bad name, or a variable that can have no value.
    """
    literals, found = [""], []
    position = 0
    for token in _TOKEN.finditer(source):
        literals[-1] += source[position : token.start()]
        position = token.end()
        if token[0] in ("{{", "}}"):
            literals[-1] += token[0][0]
            continue
        if token[1] is None:
            raise TemplateError(f"`{token[0]}` without its partner; a brace in the text is written twice")
        name, bar, default = token[1].partition("|")
        if not _NAME.fullmatch(name):
            raise TemplateError(f"`{token[0]}` does not name a variable")
        if name in known:
            if not known[name] and not bar:
                raise TemplateError(f"the variable `{name}` has no value")
            literals[-1] += known[name] or default
        elif name in captured or name in MESSAGE_VARIABLES:
            found.append((name, default if bar else None))
            literals.append("")
        elif bar and not nearest(name, [*known, *captured], 0.8):
            literals[-1] += default
        else:
            raise TemplateError(f"unknown variable `{name}`{nearest(name, [*known, *captured, *MESSAGE_VARIABLES])}")
    literals[-1] += source[position:]
    slots = (
        Slot(name, default, None if name in captured else MESSAGE_VARIABLES[name], tail)
        for (name, default), tail in zip(found, literals[1:], strict=True)
    )
    return Text(literals[0], tuple(slots))


def unsendable(words: str) -> str:
    """Return why no message can have these words, "" if it can.

    Control characters do on telephones what nobody meant, and those that override the direction of writing let a text
    read otherwise than it is. Marks for Arabic and Hebrew within other texts are fine.
    """
    for character in words:
        if (unicodedata.category(character) == "Cc" and character not in "\r\n") or character in _OVERRIDES:
            name = unicodedata.name(character, "a control character")
            return f"has U+{ord(character):04X} in it ({name.lower()}): take it out"
    parts = count_segments(words)
    return f"takes {parts} SMS, and no message has more than {_MOST_PARTS}" if parts > _MOST_PARTS else ""


def render(text: Text, variables: Mapping[str, str], message: Inbound) -> str:
    """Fills in a compiled text.

    Args:
        text: What `compile_text` made.
        variables: What patterns captured in this conversation.
        message: The text that is answered.

    Returns:
        The reply.

    Raises:
        MissingVariable: A variable has no value (or an empty one) and no default.
    """
    if not text.slots:
        return text.head
    rendered = text.head
    for slot in text.slots:
        value = variables.get(slot.name) if slot.getter is None else slot.getter(message)
        if not value:
            if slot.default is None:
                raise MissingVariable(slot.name)
            value = slot.default
        rendered += value + slot.tail
    return rendered
