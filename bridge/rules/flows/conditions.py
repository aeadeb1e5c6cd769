"""Conditions of flows, as ``status == 'lost' or amount > 100``: parsed at load, and never more than comparisons.

    name == 'text'    name != 'text'    name < 10   name > 10   name <= 10   name >= 10
    name in ['a', 'b']    name is set    name    not …    … and …    … or …    ( … )

A name alone means that it is set. What has no value equals no text, is in no list, and is neither less nor more. Both
sides are compared as numbers where both are numbers, else as texts, blind to case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Variables = Mapping[str, str]
Test = Callable[[Variables], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,))"""
)
_WORDS = frozenset({"and", "or", "not", "in", "is", "set"})
_DEEPEST = 20


class ConditionError(ValueError):
    """A condition that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read."""

    test: Test
    """Whether it holds for given variables."""
    names: frozenset[str]
    """The variables that it asks for."""


@dataclass(frozen=True, slots=True)
class _Value:
    """One side of a comparison: a variable, or what stands there."""

    name: str
    text: str = ""

    def get(self, variables: Variables) -> str:
        return variables.get(self.name, "") if self.name else self.text


def _number(text: str) -> float | None:
    try:
        return float(text) if len(text) <= 32 else None
    except ValueError:
        return None


def _equal(left: str, right: str) -> bool:
    one, other = _number(left), _number(right)
    if one is not None and other is not None:
        return one == other
    return left.casefold() == right.casefold()


def _less(left: str, right: str) -> bool:
    one, other = _number(left), _number(right)
    if one is not None and other is not None:
        return one < other
    return bool(left and right) and left.casefold() < right.casefold()


_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _less,
    ">": lambda left, right: _less(right, left),
    "<=": lambda left, right: _less(left, right) or bool(left and _equal(left, right)),
    ">=": lambda left, right: _less(right, left) or bool(left and _equal(left, right)),
}


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, source: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self.names: set[str] = set()
        self._depth = 0
        position = 0
        source = source.rstrip()
        while position < len(source):
            token = _TOKEN.match(source, position)
            if token is None:
                rest = source[position:].strip()
                mend = "; equal is written ==" if rest.startswith("=") else ""
                raise ConditionError(f"cannot be read from `{rest[:20]}` on{mend}")
            kind = token.lastgroup or ""
            word = token[kind]
            self._tokens.append(("word" if word in _WORDS else kind, word))
            position = token.end()
        self._tokens.append(("end", ""))

    def whole(self) -> Test:
        test = self._either()
        if self._tokens[0][0] != "end":
            raise ConditionError(f"has `{self._tokens[0][1]}` where it should end")
        return test

    def _next(self, *expected: str) -> str | None:
        if self._tokens[0][0] in ("word", "sign") and self._tokens[0][1] in expected:
            return self._tokens.pop(0)[1]
        return None

    def _demand(self, sign: str, after: str) -> None:
        if self._next(sign) is None:
            raise ConditionError(f"lacks `{sign}` after {after}")

    def _either(self) -> Test:
        tests = [self._both()]
        while self._next("or"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda variables: any(test(variables) for test in tests)

    def _both(self) -> Test:
        tests = [self._not()]
        while self._next("and"):
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda variables: all(test(variables) for test in tests)

    def _not(self) -> Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ConditionError("is nested too deep")
        try:
            if self._next("not"):
                test = self._not()
                return lambda variables: not test(variables)
            if self._next("("):
                test = self._either()
                self._demand(")", "a bracket")
                return test
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        left = self._value()
        if self._next("in"):
            self._demand("[", "`in`")
            values = [self._value()]
            while self._next(","):
                values.append(self._value())
            self._demand("]", "the list")
            return lambda variables: any(_equal(left.get(variables), value.get(variables)) for value in values)
        if sign := self._next(*_COMPARISONS):
            right = self._value()
            compare = _COMPARISONS[sign]
            return lambda variables: compare(left.get(variables), right.get(variables))
        if not left.name:
            raise ConditionError(f"compares '{left.text}' with nothing")
        if self._next("is"):
            negated = self._next("not")
            self._demand("set", "`is`")
            if negated:
                return lambda variables: not left.get(variables)
        return lambda variables: bool(left.get(variables))

    def _value(self) -> _Value:
        kind, word = self._tokens[0]
        if kind not in ("text", "number", "name"):
            raise ConditionError(f"has {f'`{word}`' if word else 'nothing'} where a name or a value should be")
        self._tokens.pop(0)
        if kind == "name":
            self.names.add(word)
            return _Value(word)
        return _Value("", word[1:-1] if kind == "text" else word)


def parse_condition(source: str) -> Condition:
    """Read a condition.

    Args:
        source: As it is written.

    Raises:
        ConditionError: It cannot be read.
    """
    parser = _Parser(source)
    test = parser.whole()
    return Condition(test, frozenset(parser.names))
