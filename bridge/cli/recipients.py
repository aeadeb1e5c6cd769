"""Numbers on a command line or in a file, with what is known of each."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import phonenumbers

from bridge.cli import CliProblem
from bridge.cli.asking import contact_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NUMBER = "number"
"""The column that holds the number."""


@dataclass(slots=True)
class Recipient:
    """One line."""

    line: int
    """Of the file, 0 for one on the command line."""
    number: str
    """Its digits."""
    values: dict[str, str] = field(default_factory=dict)
    """The other columns."""
    problem: str = ""
    """Why nothing can be sent there, "" if something can."""


def problem_of(number: str) -> str:
    """Return why no text can be sent to a number, "" if one can."""
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return "is no number with its country code"
    if not phonenumbers.is_possible_number(parsed):
        return "is no possible number of its country"
    if phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.FIXED_LINE:
        return "is a fixed line"
    return ""


def read(numbers: Sequence[str], file: Path | None) -> Iterator[Recipient]:
    """Yield the recipients: those on the command line, then those of the file, a number only once.

    The file is CSV with a header of which one column is `number`, or a number a line.

    Raises:
        CliProblem: The file cannot be read, or has no such column.
    """
    seen: set[str] = set()
    for recipient in _all(numbers, file):
        if not recipient.problem:
            recipient.problem = "came before" if recipient.number in seen else problem_of(recipient.number)
            seen.add(recipient.number)
        yield recipient


def _all(numbers: Sequence[str], file: Path | None) -> Iterator[Recipient]:
    for number in numbers:
        yield _recipient(0, number, {})
    if file is None:
        return
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            if not any(c.isalpha() for c in first):
                for line, text in enumerate(lines, 1):
                    if text.strip():
                        yield _recipient(line, text.strip(), {})
                return
            rows = csv.DictReader(lines)
            if NUMBER not in (rows.fieldnames or ()):
                raise CliProblem(f"{file}: has no column `{NUMBER}`; its first line must name the columns")
            for row in rows:
                number = row.pop(NUMBER) or ""
                yield _recipient(rows.line_num, number, {k: v.strip() for k, v in row.items() if k and v})
    except OSError as exc:
        raise CliProblem(f"{file}: cannot be read: {exc.strerror}") from exc
    except (UnicodeDecodeError, csv.Error) as exc:
        raise CliProblem(f"{file}: is no CSV in UTF-8: {exc}") from exc


def _recipient(line: int, number: str, values: dict[str, str]) -> Recipient:
    try:
        return Recipient(line, contact_of(number), values)
    except CliProblem:
        return Recipient(line, number, values, "is no number")
