"""Scripted conversations over TCP: a short run of tools/conversations.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONVERSATIONS = Path(__file__).parents[2] / "tools" / "conversations.py"


def test_every_figure_equals_the_scripts() -> None:
    command = [sys.executable, str(CONVERSATIONS), "--count", "60", "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
