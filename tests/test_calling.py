"""Calls to functions: whatever these do, the call comes back in its time."""

from __future__ import annotations

import importlib.metadata
import threading
from typing import TYPE_CHECKING

import pytest
import trio
import trio.lowlevel

from bridge import calling
from bridge.calling import FAILURES, PAUSE, Caller, FunctionError, load_functions
from bridge.events import OpenCall
from bridge.rules import Called

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock


def call(name: str = "f", timeout: float = 1.0) -> OpenCall:
    return OpenCall(7, "1555", "acme", name, {"order": "AC1"}, timeout, 0.0)


async def test_a_plain_function_runs_in_a_thread_and_knows_who_calls() -> None:
    seen: list[object] = []

    def function(values: dict[str, str]) -> dict[str, object]:
        seen.append((values, threading.current_thread() is threading.main_thread()))
        return {"status": "lost", "count": 3, "nothing": None}

    assert await Caller({"f": function}).call(call()) == Called(7, {"status": "lost", "count": "3"}, "")
    assert seen == [({"order": "AC1", "contact": "1555", "brand": "acme", "call_id": "7"}, False)]


async def test_an_async_function_may_return_nothing() -> None:
    async def function(values: dict[str, str]) -> None:
        await trio.lowlevel.checkpoint()

    assert await Caller({"f": function}).call(call()) == Called(7)


async def test_one_that_is_too_slow_is_given_up(autojump_clock: MockClock) -> None:
    async def function(values: dict[str, str]) -> None:
        await trio.sleep_forever()

    assert (await Caller({"f": function}).call(call(timeout=0.8))).error == "no answer within 0.8 s"


async def test_a_thread_that_hangs_is_abandoned() -> None:
    over = threading.Event()

    def function(values: dict[str, str]) -> None:
        over.wait(30)

    try:
        assert (await Caller({"f": function}).call(call(timeout=0.01))).error == "no answer within 0.01 s"
    finally:
        over.set()


@pytest.mark.parametrize(
    ("returned", "error"),
    [([1], "TypeError: returned list, not a dict"), ("x", "TypeError: returned str, not a dict")],
)
async def test_what_is_no_dict_is_an_error(returned: object, error: str) -> None:
    async def function(values: dict[str, str]) -> object:
        return returned

    assert (await Caller({"f": function}).call(call())).error == error  # type: ignore[dict-item]


async def test_an_unknown_name_is_told_with_the_nearest() -> None:
    caller = Caller({"orders.status": dict})
    assert (await caller.call(call("orders.state"))).error.startswith(
        "there is no function `orders.state`; did you mean"
    )


async def test_one_that_keeps_failing_is_left_alone_for_a_while(autojump_clock: MockClock) -> None:
    made = 0
    good = False

    async def function(values: dict[str, str]) -> None:
        nonlocal made
        made += 1
        if not good:
            raise ValueError("no\nway")

    caller = Caller({"f": function})
    for _ in range(FAILURES):
        assert (await caller.call(call())).error == "ValueError: no"
    assert (await caller.call(call())).error == f"left alone after {FAILURES} failures in a row"
    assert made == FAILURES
    await trio.sleep(PAUSE)
    assert (await caller.call(call())).error == "ValueError: no"
    assert (await caller.call(call())).error.startswith("left alone")
    await trio.sleep(PAUSE)
    good = True
    assert (await caller.call(call())).error == ""
    good = False
    assert (await caller.call(call())).error == "ValueError: no"
    assert made == FAILURES + 3


async def test_long_values_are_cut() -> None:
    caller = Caller({"f": lambda values: {"x": "y" * 5000}})
    assert len((await caller.call(call())).values["x"]) == 1000


def test_functions_are_found_in_files_and_modules(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def status(values):\n    return {'a': values['b']}\n")
    found = load_functions({"a": "mine.py:status", "b": "os.path:basename"}, tmp_path)
    assert found["a"]({"b": "1"}) == {"a": "1"}
    assert set(found) >= {"a", "b"}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("none.py:f", "FileNotFoundError"),
        ("os.path:nothing", "AttributeError"),
        ("os.path:sep", "`sep` is no function"),
        ("no.such.module:f", "ModuleNotFoundError"),
        ("nothing", "ValueError"),
    ],
)
def test_one_that_is_not_there_is_named(tmp_path: Path, where: str, said: str) -> None:
    with pytest.raises(FunctionError, match=r'functions\."x"') as caught:
        load_functions({"x": where}, tmp_path)
    assert said in str(caught.value)


def test_packages_may_register_functions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = importlib.metadata.EntryPoint("orders.status", "os.path:basename", calling.GROUP)
    monkeypatch.setattr(calling, "entry_points", lambda group: [good])
    assert set(load_functions({}, tmp_path)) == {"orders.status"}
    bad = importlib.metadata.EntryPoint("orders.status", "no.such:thing", calling.GROUP)
    monkeypatch.setattr(calling, "entry_points", lambda group: [bad])
    with pytest.raises(FunctionError, match=r"the function orders\.status of no\.such:thing"):
        load_functions({}, tmp_path)
