"""A `wait` into what reads its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.rules.answers.contacts import read_email, read_phone
from bridge.rules.answers.dates import read_date, read_time
from bridge.rules.answers.numbers import read_amount, read_number
from bridge.rules.answers.setting import Setting
from bridge.rules.answers.words import POLITE, YES_NO
from bridge.rules.normalise import normalise
from bridge.rules.patterns import Pattern, PatternError

if TYPE_CHECKING:
    from datetime import date as Date  # noqa: N812

    from bridge.rules.flows.tables import WaitTable

Values = dict[str, str]
Reader = Callable[[str, Setting], Values | None]
_LONGEST = 1000
"""Characters of a text that a regex or a choice looks at."""


class AnswerError(ValueError):
    """A `wait` that no answer could satisfy; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step waits for."""

    slot: str
    """The variable that takes it."""
    typed: bool
    """Not any text will do: an answer of this type goes before keywords and intents."""
    names: frozenset[str]
    """The variables that it may set."""
    read: Reader
    """The variables that an answer sets, None for what is no answer."""


def compile_answer(wait: WaitTable) -> Answer:
    """Prepare the reading of an answer.

    Args:
        wait: As it is written.

    Raises:
        AnswerError: No answer could satisfy it.
    """
    if wait.min is not None and wait.max is not None and wait.min > wait.max:
        raise AnswerError(f"`min` is {wait.min:g}, which is more than `max`, {wait.max:g}")
    if (wait.type == "regex") != bool(wait.regex):
        raise AnswerError('`regex` and type = "regex" go together')
    if (wait.type == "choice") != bool(wait.choices):
        raise AnswerError('`choices` and type = "choice" go together')
    if wait.type == "regex":
        return _regex(wait)
    if wait.type == "choice":
        return _choice(wait)
    if wait.type == "amount":
        return Answer(wait.slot, True, frozenset({wait.slot, f"{wait.slot}_currency"}), _amount(wait))
    return Answer(wait.slot, wait.type != "text", frozenset({wait.slot}), _READERS[wait.type](wait))


def _within(number: float, wait: WaitTable) -> bool:
    return (wait.min is None or number >= wait.min) and (wait.max is None or number <= wait.max)


def _text(wait: WaitTable) -> Reader:
    def read(text: str, setting: Setting) -> Values | None:
        del setting
        value = text.strip()
        return {wait.slot: value} if value and _within(len(value), wait) else None

    return read


def _number(wait: WaitTable) -> Reader:
    def read(text: str, setting: Setting) -> Values | None:
        value = read_number(text, setting)
        return {wait.slot: value} if value is not None and _within(float(value), wait) else None

    return read


def _amount(wait: WaitTable) -> Reader:
    def read(text: str, setting: Setting) -> Values | None:
        found = read_amount(text, setting)
        if found is None or not _within(float(found[0]), wait):
            return None
        return {wait.slot: found[0], f"{wait.slot}_currency": found[1]}

    return read


def _date(wait: WaitTable) -> Reader:
    def read(text: str, setting: Setting) -> Values | None:
        found: Date | None = read_date(text, setting)
        if found is None or not _within((found - setting.today).days, wait):
            return None
        return {wait.slot: found.isoformat()}

    return read


def _plain(reader: Callable[[str, Setting], str | None]) -> Callable[[WaitTable], Reader]:
    def make(wait: WaitTable) -> Reader:
        def read(text: str, setting: Setting) -> Values | None:
            value = reader(text, setting)
            return None if value is None else {wait.slot: value}

        return read

    return make


_READERS: Mapping[str, Callable[[WaitTable], Reader]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "time": _plain(read_time),
    "email": _plain(read_email),
    "phone": _plain(read_phone),
}


def _regex(wait: WaitTable) -> Answer:
    try:
        pattern = Pattern(wait.regex)
    except PatternError as exc:
        raise AnswerError(f"RE2 does not take the regex: {exc}") from exc
    named = frozenset(pattern.groups)

    def read(text: str, setting: Setting) -> Values | None:
        del setting
        octets = text[:_LONGEST].encode("utf-8", "replace")
        value = pattern.first(octets)
        if value is None:
            return None
        return {**(pattern.captures(octets) or {} if named else {}), wait.slot: value}

    return Answer(wait.slot, True, named | {wait.slot}, read)


def _choice(wait: WaitTable) -> Answer:
    values: dict[str, str] = {}
    for value, words in wait.choices.items():
        for word in words:
            key = " ".join(normalise(word))
            if not key:
                raise AnswerError(f"the choice `{value}` has an empty word")
            if values.setdefault(key, value) != value:
                raise AnswerError(f"`{word}` stands for `{values[key]}` and for `{value}`")
    for value in wait.choices:
        # What the file says goes before the words that are shipped, and the name of a choice is one of its words.
        for key in (" ".join(normalise(value)), *YES_NO.get(value, ())):
            values.setdefault(key, value)

    def read(text: str, setting: Setting) -> Values | None:
        del setting
        words = normalise(text[:_LONGEST])
        value = values.get(" ".join(words))
        if value is None:
            value = values.get(" ".join(word for word in words if word not in POLITE))
        return None if value is None else {wait.slot: value}

    return Answer(wait.slot, True, frozenset({wait.slot}), read)
