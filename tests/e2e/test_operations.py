"""Stopped, upgraded, reloaded and backed up under load: short runs of tools/operations.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OPERATIONS = Path(__file__).parents[2] / "tools" / "operations.py"


@pytest.mark.parametrize("part", ["upgrade", "reload", "backup"])
def test_nothing_is_lost_and_nothing_is_answered_twice(part: str) -> None:
    command = [sys.executable, str(OPERATIONS), part, "--rate", "500", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_soak_looks_at_the_process_every_minute() -> None:
    command = [sys.executable, str(OPERATIONS), "soak", "--rate", "500", "--minutes", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RssAnon" in done.stdout
