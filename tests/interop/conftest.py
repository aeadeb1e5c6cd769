"""These tests talk to programs of other people, which `.ci/install` fetches; elsewhere they skip and say so."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("SMPPBRIDGE_INTEROP") == "1":
        return
    skip = pytest.mark.skip(
        reason="needs tshark, Kannel, node-smpp and smpp34: run .ci/run, or set SMPPBRIDGE_INTEROP=1"
    )
    for item in items:
        if "interop" in item.path.parts:
            item.add_marker(skip)
