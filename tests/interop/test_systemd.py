"""The unit for systemd, as systemd reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parents[2] / "conf" / "systemd" / "smppbridge.service"
MOST_EXPOSED = 2.0
"""Of 10, as `systemd-analyze security` has it."""


def test_the_unit_is_valid_and_keeps_the_service_in(tmp_path: Path, systemd_analyze: str) -> None:
    unit = tmp_path / "smppbridge.service"
    # Where the program is not installed, verify finds fault with that alone.
    unit.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/smppbridge/bin", str(Path(sys.executable).parent)),
        encoding="utf-8",
    )
    verified = subprocess.run(
        [systemd_analyze, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judged = subprocess.run(
        [systemd_analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:g}", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
