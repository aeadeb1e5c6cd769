"""TOML tables into frozen dataclasses, with every problem found at once and a line number for each.

A dataclass is the only description of a table: its annotations say what may stand in a field, its defaults what stands
there otherwise. Plain types read as expected (``str``, ``bool``, ``int``, ``float``, ``Path``, ``Literal``,
``tuple[X, ...]``, ``dict[str, X]``, ``X | None``, another dataclass); anything with a unit or a range is
``Annotated[type, reader]``, or ``Annotated[type, "name"]`` where whoever reads the file has a reader of that name. The
rules files, the configuration and the simulator's scenarios are read with this.

Rules: a reader raises BadValue with what is wrong, never anything else; an unknown key is a problem that names the
nearest valid one; texts are never printed, for one of them may be a password. Nothing here opens a file.
"""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar, Union, cast

T = TypeVar("T")
Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file, on one line."""

    file: str
    """The file as the user named it."""
    line: int
    """Counted from 1; 0 when the problem is the file's as a whole."""
    key: str
    """The dotted key, "" when it is none."""
    message: str
    """What is wrong and, where it is known, the fix."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class BadValue(ValueError):
    """A value that a reader does not take; the text says what it should have been."""


@dataclass(frozen=True, slots=True)
class At:
    """A place in a TOML file: where a value stands, and where its problems are collected."""

    file: str
    base: Path
    lines: Mapping[Key, int]
    problems: list[Problem]
    key: Key = ()
    readers: Mapping[str, Reader[object]] = field(default_factory=dict)
    """What reads the fields that are `Annotated[type, "name"]`."""

    def child(self, name: str | int) -> At:
        """The place of one key, or of one table of an array (counted from 0)."""
        return replace(self, key=(*self.key, name))

    def problem(self, message: str) -> None:
        """Records what is wrong here."""
        self.problems.append(Problem(self.file, self.line, key_text(self.key), message))

    @property
    def line(self) -> int:
        """The line of this key, or of the nearest table around it."""
        for end in range(len(self.key), 0, -1):
            if line := self.lines.get(self.key[:end]):
                return line
        return 0


Reader = Callable[[object, At], T]


def key_text(key: Key) -> str:
    """The key as a person writes it: ``link[1].rate``, tables of an array counted from 1."""
    text = ""
    for part in key:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Collection[str], likeness: float = 0.6) -> str:
    """The end of a message: ``; did you mean `x`?``, "" when nothing valid is as near as `likeness` (1.0 = equal)."""
    found = get_close_matches(word, known, 1, likeness)
    return f"; did you mean `{found[0]}`?" if found else ""


# ---------------------------------------------------------------- TOML with line numbers


def parse(text: str, file: str, base: Path) -> tuple[dict[str, object], At]:
    """Parses one TOML document.

    Args:
        text: The document.
        file: Its name, for problems.
        base: The folder to which its relative paths belong.

    Returns:
        The tables, and the root place. A syntax error leaves the tables empty and one problem in the place.
    """
    problems: list[Problem] = []
    text = text.removeprefix("\ufeff")  # editors on Windows put it there
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        line = 1 + max(enumerate(text.splitlines()), key=lambda item: item[1].count("[") + item[1].count("{"))[0]
        problems.append(Problem(file, line, "", "cannot be read: too many brackets inside brackets"))
        tables = {}
    except tomllib.TOMLDecodeError as exc:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(exc))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        message = str(exc)[: place.start()] if place else str(exc)
        mend = _mend(message, text.splitlines()[line - 1] if place and place[1] else "")
        problems.append(Problem(file, line, "", f"not valid TOML: {message}{mend}"))
        tables = {}
    except ValueError:  # Python converts no number of more than 4,300 digits
        long = re.search(r"\d[\d_]{1000}", text)
        line = text.count("\n", 0, long.start()) + 1 if long else 0
        problems.append(Problem(file, line, "", "cannot be read: a number with too many digits"))
        tables = {}
    lines: dict[Key, int] = {}
    for key, number in _lines(text):
        for end in range(1, min(len(key), _DEEPEST) + 1):
            lines.setdefault(key[:end], number)
    return tables, At(file, base, lines, problems)


_TYPOGRAPHIC = frozenset("\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb")
_TWICE = "this name is there already; of tables that may be several, each has double brackets, as [[test]]"
_MENDS = {
    "Invalid value": 'a text stands in straight quotes, as name = "text"',
    "Expected newline": 'more follows behind the value; a quote within a text is written \\"',
    "Illegal character '\\n'": "the text has no closing quotes in its line",
    "Unterminated string": "a text has no closing quotes",
    "Expected '='": 'a line is name = "value", or a [table]',
    "Invalid statement": 'a line is name = "value", or a [table]; a name has letters from a to z, figures, _ and -',
    "Cannot declare": _TWICE,
    "Cannot overwrite": _TWICE,
    "Unclosed array": "a list has no closing ]",
    "Unclosed inline": "a table in braces has to end in its line",
    "Unescaped": "in a text, a backslash is written \\\\; regexes stand in 'single quotes', where it is not",
    "Invalid initial": "a name is missing, or there is a comma too many",
    "Expected ']": "the name of a table ends with a bracket",
}
"""How what tomllib finds wrong is mended, by how it begins."""


def _mend(message: str, line: str) -> str:
    if message == "Invalid value" and not _TYPOGRAPHIC.isdisjoint(line):
        return '; its quotes are typographic ones: write straight ones, as "text"'
    return next((f"; {mend}" for begins, mend in _MENDS.items() if message.startswith(begins)), "")


_DEEPEST = 20
"""Parts of a key up to which its line is known; nothing that is read has as many."""
_BARE_OR_QUOTED = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_BARE_OR_QUOTED}(?:\s*\.\s*{_BARE_OR_QUOTED})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_PART = re.compile(_BARE_OR_QUOTED)
_TOKEN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*|[\[\]{}]')


def _lines(text: str) -> Iterator[tuple[Key, int]]:
    # tomllib keeps no positions. This finds headers and first keys of lines, which is where people look; keys inside an
    # inline table fall back to the line of the key that holds it.
    table: Key = ()
    counts: dict[Key, int] = {}
    open_quote, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not open_quote and depth == 0:
            if header := _HEADER.match(line):
                table = _parts(header[2])
                if header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, counts[table])
                yield table, number
                continue
            if key := _KEY.match(line):
                yield (*table, *_parts(key[1])), number
        open_quote, depth = _scan(line, open_quote, depth)


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _scan(line: str, open_quote: str, depth: int) -> tuple[str, int]:
    start = 0
    while True:
        if open_quote:
            end = line.find(open_quote, start)
            if end < 0:
                return open_quote, depth
            open_quote, start = "", end + 3
        token = _TOKEN.search(line, start)
        if token is None or token[0].startswith("#"):
            return "", depth
        start = token.end()
        if token[0] in ('"""', "'''"):
            open_quote = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1


# ---------------------------------------------------------------- tables into dataclasses


def fill(default: T, raw: object, at: At) -> T:
    """Fills a dataclass from a table; what the table does not say stays as in `default`.

    Args:
        default: An instance of the dataclass.
        raw: The table as tomllib gives it.
        at: Where the table stands; its problems go there.

    Returns:
        A new instance; fields with a problem keep their default.
    """
    if not isinstance(raw, dict):
        at.problem(f"must be a table, not {_kind(raw)}")
        return default
    hints = typing.get_type_hints(type(default), include_extras=True)
    # A field `for_` is the key `for`, which Python keeps for itself
    names = {one.name.rstrip("_"): one.name for one in fields(cast("typing.Any", default)) if one.init}
    given: dict[str, object] = {}
    for key, value in raw.items():
        here = at.child(key)
        if key not in names:
            here.problem(f"unknown key{nearest(key, names)}")
            continue
        try:
            name = names[key]
            given[name] = _read(hints[name], value, here, getattr(default, name))
        except BadValue as exc:
            here.problem(str(exc))
    return replace(cast("typing.Any", default), **given)  # type: ignore[no-any-return]


def _read(hint: object, value: object, at: At, default: object) -> object:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        reader = at.readers[args[1]] if isinstance(args[1], str) else cast("Reader[object]", args[1])
        return reader(value, at)
    if origin in (Union, types.UnionType):
        return _read(next(arg for arg in args if arg is not type(None)), value, at, default)
    if origin is Literal:
        return _choice(value, args)
    if origin is tuple:
        return _array(args[0], value, at)
    if origin is dict:
        return _mapping(args[1], value, at)
    if is_dataclass(hint) and isinstance(hint, type):
        return fill(default if isinstance(default, hint) else hint(), value, at)
    return _PLAIN[hint](value, at)


def _array(hint: object, value: object, at: At) -> tuple[object, ...]:
    if isinstance(value, dict) and is_dataclass(hint):
        raise BadValue(f"stands in double brackets: [[{key_text(at.key)}]]")
    if not isinstance(value, list):
        raise BadValue(f"must be a list, not {_kind(value)}")
    items = []
    for number, item in enumerate(value):
        here = at.child(number)
        try:
            items.append(_read(hint, item, here, None))
        except BadValue as exc:
            here.problem(str(exc))
    return tuple(items)


def _mapping(hint: object, value: object, at: At) -> dict[str, object]:
    if not isinstance(value, dict):
        raise BadValue(f"must be a table, not {_kind(value)}")
    items = {}
    for name, item in value.items():
        here = at.child(name)
        try:
            items[name] = _read(hint, item, here, None)
        except BadValue as exc:
            here.problem(str(exc))
    return items


# ---------------------------------------------------------------- readers of single values


def _kind(value: object) -> str:
    names = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def text(value: object, at: At) -> str:
    """Any text."""
    del at
    if not isinstance(value, str):
        raise BadValue(f"must be a text in quotes, not {_kind(value)}")
    return value


def url(value: object, at: At) -> str:
    """The address of something that HTTP reaches."""
    given = text(value, at)
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", given):
        raise BadValue('must be a URL, as "https://crm.example/hooks"')
    return given


def flag(value: object, at: At) -> bool:
    """True or false."""
    del at
    if not isinstance(value, bool):
        raise BadValue(f"must be true or false, not {_kind(value)}")
    return value


def _integer(value: object, at: At) -> int:
    del at
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValue(f"must be a whole number, not {_kind(value)}")
    return value


def _number(value: object, at: At) -> float:
    del at
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadValue(f"must be a number, not {_kind(value)}")
    return float(value)


def _path(value: object, at: At) -> Path:
    given = text(value, at)
    if not given:
        raise BadValue("must name a file or folder")
    return at.base / Path(given).expanduser()


_PLAIN: dict[object, Reader[object]] = {str: text, bool: flag, int: _integer, float: _number, Path: _path}


def _choice(value: object, known: tuple[object, ...]) -> object:
    if value not in known or isinstance(value, bool):
        near = nearest(value, [str(name) for name in known]) if isinstance(value, str) else ""
        raise BadValue(f"must be one of {', '.join(str(name) for name in known)}{near}")
    return value


def whole(low: int, high: int) -> Reader[int]:
    """A whole number from `low` to `high`, both included."""

    def read(value: object, at: At) -> int:
        number = _integer(value, at)
        if not low <= number <= high:
            raise BadValue(f"must be from {low} to {high}, not {number}")
        return number

    return read


def at_least(low: float) -> Reader[float]:
    """A number that is not below `low`."""

    def read(value: object, at: At) -> float:
        number = _number(value, at)
        if not number >= low or number == float("inf"):
            raise BadValue(f"must be {low:g} or more, not {number:g}")
        return number

    return read


def octets(most: int) -> Reader[str]:
    """ASCII text that fits a C-octet string of `most` octets and its NUL (SMPP v3.4 §3.1)."""

    def read(value: object, at: At) -> str:
        given = text(value, at)
        if not given.isascii() or not given.isprintable():
            raise BadValue("must be printable ASCII")
        if len(given) > most:
            raise BadValue(f"must be {most} characters or fewer, not {len(given)} (a limit of SMPP)")
        return given

    return read


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", re.ASCII)


def _quantity(value: object, units: Mapping[str, float], what: str, example: str) -> float:
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise BadValue(f"must be {what} with its unit in quotes, as {example}, not {_kind(value)} like this")
    number, unit = match.groups()
    if unit not in units:
        named = f"has the unit `{unit}`" if unit else "has no unit"
        raise BadValue(f"{named}: must be {what} as {example} (units: {', '.join(units)})")
    return float(number) * units[unit]


def duration(low: float = 0.0) -> Reader[float]:
    """A time span such as "500ms", "30s", "10m", "24h" or "2d", in seconds; not below `low` seconds."""

    def read(value: object, at: At) -> float:
        del at
        seconds = _quantity(value, _UNITS, "a duration", '"30s" or "10m"')
        if seconds < low:
            raise BadValue(f"must be {low:g}s or more")
        return seconds

    return read


_LONG_UNITS = {"d": 86400.0, "w": 7 * 86400.0, "y": 365.25 * 86400.0}


def retention(value: object, at: At) -> float:
    """How long something is kept, as "180d" or "5y", in seconds; "" = for ever, 0.0."""
    del at
    return 0.0 if value == "" else _quantity(value, _LONG_UNITS, "a time to keep things", '"180d" or "5y"')


def retention_of_rows(value: object, at: At) -> float:
    """The same, a day or more: what is not settled yet is not to be forgotten.

    Raises:
        BadValue: It is less.
    """
    seconds = retention(value, at)
    if 0.0 < seconds < _LONG_UNITS["d"]:
        raise BadValue("must be 1d or more")
    return seconds


def size(low: int) -> Reader[int]:
    """A number of octets such as "64GiB"; not below `low` octets."""

    def read(value: object, at: At) -> int:
        del at
        number = int(_quantity(value, _SIZES, "a size", '"64GiB" or "500MiB"'))
        if number < low:
            raise BadValue(f"must be {low} octets or more")
        return number

    return read


Seconds = Annotated[float, duration()]
"""A duration of 0 s or more."""
SomeSeconds = Annotated[float, duration(0.001)]
"""A duration that is not zero."""
