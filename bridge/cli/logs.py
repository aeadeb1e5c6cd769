"""The service's log: one line an incident on standard error, as text or as JSON, and no flood of lines.

Nothing that comes from outside can forge a line or act on a terminal: what is not printable is escaped. Phone numbers
are masked, and of an exception only its kind and where it was raised are kept, for its words may be a customer's;
`[log] show_text` shows both. An incident that comes again within `WINDOW` is counted, and said once more with its
count.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.cli.common import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from bridge.config import LogConfig

WINDOW: Final = 10.0
"""Seconds."""
PLAIN: Final = 5
"""How often within it anything less than a warning is said as it comes: a bind that is lost and made anew."""
_FRAMES: Final = 6
"""Of a traceback, the innermost."""
_KEPT_DIGITS: Final = 4
"""Of a phone number: country and network, as in traces."""

_NUMBER = re.compile(r"\b((?:message|conversation|rules|after) \d+)|(?<!\w)(\+?\d{4})(\d{3,})")
"""A phone number, in the second and third group; in the first what only looks like one."""
_CHANGING = re.compile(r"\d{4,}|(?<=in )\d+\.\d+(?= s)")
"""What tells two of the same incidents apart: ids, and seconds until something."""
_SUBJECT = re.compile(r"(link|webhook) ([A-Za-z0-9][A-Za-z0-9._-]*)(?:/\S*)?: ")
"""At the beginning of a line: what it is about."""
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def masked(text: str) -> str:
    """Return a text with phone numbers masked."""
    return _NUMBER.sub(lambda found: found[1] or found[2] + "*" * len(found[3]), text)


def _raised(exc: BaseException, *, show_text: bool) -> Iterator[str]:
    """Yield a phrase for an exception and each that it came from, the innermost last."""
    seen: set[int] = set()
    following: BaseException | None = exc
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        frames = traceback.extract_tb(following.__traceback__)[-_FRAMES:]
        places = " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)
        # What the system says of a file or a socket is nobody's text.
        words = f": {following}" if show_text or isinstance(following, OSError) else ""
        yield f"{type(following).__name__}{words}" + (f" in {places}" if places else "")
        if isinstance(following, BaseExceptionGroup):
            following = following.exceptions[0]
        else:
            following = following.__cause__ or following.__context__


class Lines(logging.Formatter):
    """Makes a line of a record.

    Args:
        settings: [log].
    """

    def __init__(self, settings: LogConfig) -> None:
        super().__init__()
        self._settings = settings

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, without its end."""
        show_text = self._settings.show_text
        event = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            event += ": " + "; from ".join(_raised(record.exc_info[1], show_text=show_text))
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._settings.format == "text":
            line = f"{record.levelname} {record.name}: {event}"
            return f"{time} {printable(line if show_text else masked(line))}"
        row: dict[str, object] = {"time": time, "level": record.levelname.lower(), "logger": record.name}
        subject = _SUBJECT.match(event)
        more = {subject[1]: subject[2]} if subject else {}
        more |= {key: value for key, value in record.__dict__.items() if key not in _OWN}
        for key, value in {"event": event, **more}.items():
            row[key] = value if isinstance(value, int | float) else str(value) if show_text else masked(str(value))
        return json.dumps(row)


@dataclass(slots=True)
class _Said:
    """An incident that has been said a moment ago."""

    until: float
    last: logging.LogRecord
    times: int = 0
    """How often it came."""
    again: int = 0
    """How often of these it was not said."""


class Handler(logging.StreamHandler["TextIO"]):
    """Writes lines; what comes again and again, once and with its count.

    Args:
        settings: [log].
        stream: Where they go.
        clock: Seconds, never going backwards.
    """

    def __init__(self, settings: LogConfig, stream: TextIO, clock: Callable[[], float]) -> None:
        super().__init__(stream)
        self.setFormatter(Lines(settings))
        self._clock = clock
        self._said: dict[tuple[str, int, str, type | None], _Said] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it."""
        try:
            self._emit(record)
        except Exception:  # a line that cannot be made is no reason to stop
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        self.sweep()
        raised = type(record.exc_info[1]) if record.exc_info else None
        key = record.name, record.levelno, _CHANGING.sub("#", record.getMessage()), raised
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = _Said(self._clock() + WINDOW, record)
        said.times += 1
        said.last = record
        if said.times <= (1 if record.levelno >= logging.WARNING else PLAIN):
            super().emit(record)
        else:
            said.again += 1

    def sweep(self, *, all_of_it: bool = False) -> None:
        """Say how often incidents came again, once their time is over."""
        now = self._clock()
        self.acquire()  # records come from threads, too
        try:
            for key, said in list(self._said.items()):
                if not all_of_it and now < said.until:
                    break  # they stand in the order of their times
                del self._said[key]
                if said.again:
                    event = f"{said.last.getMessage()} (the last of {said.again} more within {WINDOW:g} s)"
                    again = {**said.last.__dict__, "msg": event, "args": (), "times": said.again}
                    super().emit(logging.makeLogRecord(again))
        finally:
            self.release()


@contextmanager
def logging_to(
    stream: TextIO, settings: LogConfig, clock: Callable[[], float], *, verbose: bool = False
) -> Iterator[Handler]:
    """Have everything logged as the configuration says; at the end, say what is left to be said.

    Args:
        stream: Where lines go.
        settings: [log].
        clock: Seconds, never going backwards.
        verbose: Log more than it says.
    """
    handler = Handler(settings, stream, clock)
    root = logging.getLogger()
    for noisy in ("hypercorn", "httpx2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # A record that cannot be formatted would be printed as it is, with all that is in it.
    before, logging.raiseExceptions = (root.level, logging.raiseExceptions), False
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else settings.level.upper())
    try:
        yield handler
    finally:
        level, logging.raiseExceptions = before
        root.setLevel(level)
        handler.sweep(all_of_it=True)
        root.removeHandler(handler)
