"""Calls of flows to Python functions: registered by name, with a time limit, and left alone while they keep failing.

A function takes the values that the conversation knows, with `contact`, `brand` and `call_id` beside them, and returns
what it has found, by name. It may be `async` (trio) or plain: then it runs in a worker thread, and is abandoned when
its time is over. A call that was open when the process was killed is made again: `call_id` is the same, for whoever
must not do a thing twice.

    [functions]
    "orders.status" = "plugins/orders.py:status"     a file beside the configuration, or package.module:name

Installed packages may register functions themselves, as entry points of the group `smppbridge.functions`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

import trio

from bridge.options import nearest
from bridge.rules import Called

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.events import OpenCall

GROUP = "smppbridge.functions"
AT_ONCE = 20
"""Plain functions that run at the same time; more wait for a thread, and their time runs."""
FAILURES = 5
"""In a row, after which a function is left alone."""
PAUSE = 30.0
"""Seconds for which it is; then one call is tried."""
_LONGEST = 1000
"""Characters of a value that is kept."""

Function = Callable[[dict[str, str]], "Mapping[str, object] | Awaitable[Mapping[str, object] | None] | None"]


class FunctionError(Exception):
    """A function cannot be found; the text is one line."""


def load_functions(named: Mapping[str, str], base: Path) -> dict[str, Function]:
    """Find every registered function.

    Args:
        named: Of [functions]: where each is.
        base: The folder that files are relative to.

    Raises:
        FunctionError: One is not there, or cannot be imported.
    """
    found: dict[str, Function] = {}
    for point in entry_points(group=GROUP):
        try:
            found[point.name] = point.load()
        except Exception as exc:
            raise FunctionError(f"the function {point.name} of {point.value}: {type(exc).__name__}: {exc}") from exc
    for name, where in named.items():
        try:
            found[name] = _find(where, base)
        except Exception as exc:
            raise FunctionError(f'functions."{name}": {where}: {type(exc).__name__}: {exc}') from exc
    return found


def _find(where: str, base: Path) -> Function:
    source, _, attribute = where.rpartition(":")
    if source.endswith(".py"):
        path = base / source
        spec = importlib.util.spec_from_file_location(f"smppbridge_functions_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise FileNotFoundError(path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(source)
    function = getattr(module, attribute)
    if not callable(function):
        raise TypeError(f"`{attribute}` is no function")
    return cast("Function", function)


@dataclass(slots=True)
class _Health:
    failures: int = 0
    """In a row."""
    until: float = 0.0
    """It is left alone until then, by trio's clock."""


class Caller:
    """Makes calls.

    Args:
        functions: By name.
    """

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self.functions = functions
        self._health = {name: _Health() for name in functions}
        self._threads = trio.CapacityLimiter(AT_ONCE)

    def register(self, functions: Mapping[str, Function]) -> None:
        """Take in more functions."""
        self.functions = {**self.functions, **functions}
        self._health |= {name: _Health() for name in functions}

    async def call(self, call: OpenCall) -> Called:
        """Make one call; whatever becomes of it is returned, in the call's time."""
        function = self.functions.get(call.name)
        if function is None:
            return Called(call.id, error=f"there is no function `{call.name}`{nearest(call.name, self.functions)}")
        health = self._health[call.name]
        if health.until > trio.current_time():
            return Called(call.id, error=f"left alone after {FAILURES} failures in a row")
        arguments = {**call.arguments, "contact": call.contact, "brand": call.brand, "call_id": str(call.id)}
        values: dict[str, str] = {}
        error = f"no answer within {call.timeout:g} s"
        with trio.move_on_after(call.timeout):
            try:
                values, error = _values(await self._made(function, arguments)), ""
            except Exception as exc:  # whatever somebody else's code raises
                error = f"{type(exc).__name__}: {exc}".splitlines()[0][:200]
        health.failures = health.failures + 1 if error else 0
        if health.failures >= FAILURES:
            health.until = trio.current_time() + PAUSE
        return Called(call.id, values, error)

    async def _made(self, function: Function, arguments: dict[str, str]) -> object:
        if inspect.iscoroutinefunction(function):
            return await function(arguments)
        return await trio.to_thread.run_sync(function, arguments, abandon_on_cancel=True, limiter=self._threads)


def _values(returned: object) -> dict[str, str]:
    """Return what a function has found as texts; what has no value is left out.

    Raises:
        TypeError: It is no mapping.
    """
    if returned is None:
        return {}
    if not isinstance(returned, Mapping):
        raise TypeError(f"returned {type(returned).__name__}, not a dict")
    return {str(name): str(value)[:_LONGEST] for name, value in returned.items() if value is not None}
