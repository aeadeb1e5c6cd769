"""Have something done about a customer: by the running service, or, where none runs, here under the store's lock."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge import customers
from bridge.cli import CliProblem
from bridge.control import ControlError
from bridge.control import ask as ask_service
from bridge.engine import Engine
from bridge.events import Asked
from bridge.hooks import listeners
from bridge.pinned import with_pinned
from bridge.rules import Request, load
from bridge.store.lmdb import LmdbReader, LmdbStore, service_running
from bridge.training import trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.config import Config
    from bridge.rules import Ruleset

Item = tuple[str, str, Request]
"""(contact, brand, what is asked for)."""
Ask = Callable[[str, str, Request], str]
"""Of one item → why it was refused, "" if it is done and on the disk."""
AskAll = Callable[[Sequence[Item]], list[str]]
"""The same of many."""
BATCH = 100
"""Items that are asked for in one request to the service, and written in one commit."""


@contextmanager
def asker_of_many(config: Config) -> Iterator[AskAll]:
    """Give what has many requests done, up to BATCH at a time.

    Raises:
        StoreError: No service runs, and the store cannot be used.
        RulesError: The same, and the rules are wrong.
    """
    if service_running(config.bridge.data_dir):
        yield lambda items: _by_service(config, items)
        return
    with engine_of(config) as engine:

        def here(items: Sequence[Item]) -> list[str]:
            effects = engine.turn([Asked(*item) for item in items], time.time())
            return [why for _, why in effects.answers]

        yield here


@contextmanager
def engine_of(config: Config) -> Iterator[Engine]:
    """Take the place of the service, which does not run.

    Raises:
        StoreError: The store cannot be used.
        RulesError: The rules are wrong: what has become due is decided too.
    """
    rules = load(config.bridge.rules, trainer(config.bridge.data_dir, keep=False))
    store = LmdbStore(config.bridge.data_dir, max_size=config.store.max_size, sync=True)
    try:
        rules = with_pinned(rules, store, trainer(config.bridge.data_dir, keep=False), lambda _: None)
        hooks, retain = listeners(config.webhook), config.store.retain
        engine = Engine(store, rules, config.link, time.time(), hooks, retain=retain)
        engine.start(time.time())
        yield engine
    finally:
        store.close()


@contextmanager
def asker(config: Config) -> Iterator[Ask]:
    """Give what has one request done.

    Raises:
        StoreError: No service runs, and the store cannot be used.
        RulesError: The same, and the rules are wrong.
    """
    with asker_of_many(config) as ask:
        yield lambda contact, brand, request: ask([(contact, brand, request)])[0]


def _by_service(config: Config, items: Sequence[Item]) -> list[str]:
    asked = [
        {"contact": contact, "brand": brand, "kind": request.kind, "by": request.by, "values": request.values}
        for contact, brand, request in items
    ]
    try:
        answer = json.loads(ask_service(config.bridge.data_dir, {"do": "ask", "items": asked}))
    except ControlError as exc:
        return [str(exc)] * len(items)
    return [str(why) for why in answer]


def operator() -> str:
    """Return who asks: the name of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def contact_of(number: str) -> str:
    """Return a number as carriers give it: its digits.

    Raises:
        CliProblem: It has none, or letters.
    """
    try:
        return customers.contact_of(number)
    except ValueError as exc:
        raise CliProblem(str(exc)) from exc


def contacts_of(numbers: Sequence[str], file: Path | None) -> list[str]:
    """Return the numbers of a command line and those of its file, a number a line.

    Raises:
        CliProblem: There is none, one is no number, or the file cannot be read.
    """
    found = [contact_of(number) for number in numbers]
    try:
        lines = [] if file is None else file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as exc:
        raise CliProblem(f"{file}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CliProblem(f"{file}: is not UTF-8 text; a number a line is wanted") from exc
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(customers.contact_of(line.strip()))
            except ValueError as exc:
                raise CliProblem(f"{file}:{number}: {exc}") from exc
    if not found:
        raise CliProblem("name a number, or a --file of numbers")
    return found


def brands_of(config: Config, rules: Ruleset | None, given: str) -> list[str]:
    """Return the brands that a command is for: the one that is named, or all.

    Raises:
        CliProblem: There is none of that name.
    """
    known = list(dict.fromkeys(brand.name for brand in rules.numbers.values())) if rules else _stored(config)
    if given and given not in known:
        raise CliProblem(f"there is no brand `{given}`; there are: {', '.join(known) or 'none'}")
    return [given] if given else known


def _stored(config: Config) -> list[str]:
    reader = LmdbReader(config.bridge.data_dir)
    try:
        return [brand for brand in reader.brands() if brand]
    finally:
        reader.close()
