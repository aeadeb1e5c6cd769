"""Nothing lost: a short run of tools/crash.py, which kills the running bridge and compares books."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).parents[2] / "tools" / "crash.py"


@pytest.mark.parametrize("in_doubt", ["resend", "hold"])
def test_nothing_is_lost_when_the_bridge_is_killed_under_load(in_doubt: str) -> None:
    command = [sys.executable, str(CRASH), "--kills", "3", "--seed", "2", "--rate", "1000", "--in-doubt", in_doubt]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
