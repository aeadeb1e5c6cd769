"""Behaviours switched off one at a time, to show that a case can fail.

A switch takes pytest's MonkeyPatch and changes what decides: an entry of a table, a compiled decoder, or a few words of
a function. Where the words are no longer there the test says so, and the case wants a new switch.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import replace
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, cast

import pytest

from smppcore import codegen
from smppcore import pdu as pdus
from smppcore.fields import COctets

if TYPE_CHECKING:
    from smppcore.fields import Kind
    from smppcore.pdu import Pdu

Switch = Callable[[pytest.MonkeyPatch], None]


def _find(target: str) -> Any:
    module, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = inspect.getattr_static(found, name) if inspect.isclass(found) else getattr(found, name)
    except (ImportError, AttributeError):
        pytest.fail(f"{target} is no longer there: give the case a new switch")
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    return found


def edit(target: str, *pairs: tuple[str, str]) -> Switch:
    """Switch: in a function's source, each old text stands as the new one; "module:Class.function"."""

    def switch(patch: pytest.MonkeyPatch) -> None:
        function = cast("FunctionType", _find(target))
        source = textwrap.dedent(inspect.getsource(function))
        for old, new in pairs:
            if old not in source:
                pytest.fail(f"{target} no longer says {old!r}: give the case a new switch")
            source = source.replace(old, new)
        source = source[
            source.index("async def ") if source.lstrip("@").startswith("async") else source.index("def ") :
        ]
        if inspect.iscoroutinefunction(function) and not source.startswith("async"):
            source = "async " + source
        code = compile("from __future__ import annotations\n" + source, f"<{target} switched>", "exec")
        body = next(
            const for const in code.co_consts if isinstance(const, CodeType) and const.co_name == function.__name__
        )
        # The code and not the function, which others may have imported
        patch.setattr(function, "__code__", body)

    return switch


def put(target: str, key: object, value: object) -> Switch:
    """Switch: a table has another value for a key."""
    return lambda patch: patch.setitem(_find(target), key, value)


def swap(target: str, value: object) -> Switch:
    """Switch: a module's name stands for something else; "module:name"."""

    def switch(patch: pytest.MonkeyPatch) -> None:
        _find(target)
        module, _, name = target.partition(":")
        patch.setattr(importlib.import_module(module), name, value)

    return switch


def recompiled(cls: type[Pdu], old: str, new: str) -> Switch:
    """Switch: the decoder of a PDU is compiled from another text."""

    def switch(patch: pytest.MonkeyPatch) -> None:
        source = codegen.decoder_source
        assert old in source(cls)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(codegen, "decoder_source", lambda one: source(one).replace(old, new))
            decoder = codegen.compile_decoder(cls)
        patch.setitem(pdus._DECODERS, cls.command_id, decoder)

    return switch


def sized(cls: type[Pdu], field: str, size: int, *, lenient: bool = False) -> Switch:
    """Switch: the decoder of a PDU takes a string of another size, or without a NUL."""

    def switch(patch: pytest.MonkeyPatch) -> None:
        kinds: dict[str, Kind] = dict(codegen.layout(cls))
        kind = kinds[field]
        assert isinstance(kind, COctets)
        kinds[field] = replace(kind, size=size, lenient=lenient)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(codegen, "layout", lambda _cls: kinds)
            decoder = codegen.compile_decoder(cls)
        patch.setitem(pdus._DECODERS, cls.command_id, decoder)

    return switch


def longer(command_id: int) -> Switch:
    """Switch: a PDU goes out with one octet more."""
    return sent_as(command_id, lambda octets: octets + b"\0")


def bare(command_id: int) -> Switch:
    """Switch: a PDU goes out without its body."""
    return sent_as(command_id, lambda octets: octets[:16])


def sent_as(command_id: int, change: Callable[[bytes], bytes]) -> Switch:
    """Switch: a PDU goes out with other octets; their length is set right."""

    def switch(patch: pytest.MonkeyPatch) -> None:
        encode = pdus._ENCODERS[command_id]

        def changed(pdu: Pdu) -> bytes:
            octets = change(encode(pdu))
            return len(octets).to_bytes(4, "big") + octets[4:]

        patch.setitem(pdus._ENCODERS, command_id, changed)

    return switch


def all_of(*switches: Switch) -> Switch:
    """Switch: several at once, for a behaviour that two places see to."""

    def switch(patch: pytest.MonkeyPatch) -> None:
        for one in switches:
            one(patch)

    return switch
