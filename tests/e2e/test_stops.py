"""STOPs while messages wait, over TCP: a short run of tools/stops.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STOPS = Path(__file__).parents[2] / "tools" / "stops.py"


def test_nothing_follows_a_confirmation() -> None:
    command = [sys.executable, str(STOPS), "--count", "100", "--messages", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
