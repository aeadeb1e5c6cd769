"""Run every check of the project; the first that fails ends the run with its exit status.

The suites that need programs from elsewhere (tests/interop) and whole runs (tests/e2e) are not here: see `.ci/run`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    str(file.relative_to(PROJECT)) for top in ("smppcore", "bridge") for file in PROJECT.glob(f"{top}/**/*.py")
)

CHECKS: dict[str, list[str]] = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "async": ["flake8-async", "--disable=ASYNC114,ASYNC9", *SOURCES],
    "types": ["mypy"],
    "layers": ["lint-imports", "--no-logo"],
    "spelling": ["codespell"],
    "tests": ["pytest", "-q", "-p", "no:randomly", "--ignore=tests/interop", "--ignore=tests/e2e"],
    "own coverage": ["python", "tools/coverage_own.py"],
}


def main() -> int:
    """Run the checks in order, from the project's folder; return the exit status of the first failure, 0 if none."""
    scripts = Path(sys.executable).parent
    for name, command in CHECKS.items():
        print(f"── {name}: {command[0]}", flush=True)
        started = time.monotonic()
        status = subprocess.run([scripts / command[0], *command[1:]], cwd=PROJECT, check=False).returncode
        if status != 0:
            print(f"── {name} failed with exit status {status}", flush=True)
            return status
        print(f"── {name}: {time.monotonic() - started:.1f} s", flush=True)
    print("all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
