"""Each sans-I/O module must be covered, branches too, by its own test file alone.

`smppcore/udh.py` is run by `tests/test_udh.py` and by nothing else: coverage that a module owes to its users' tests
says nothing about the module's contract. A module that was split keeps one test file: `pdu_fields.py` belongs to
`test_pdu.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Everything of smppcore below link, and the pure part of the bridge.
WITH_IO = {"smppcore/link.py", "smppcore/esme.py", "smppcore/smsc.py"}
SANS_IO = (
    "smppcore/*.py",
    "bridge/records.py",
    "bridge/dispatch.py",
    "bridge/rules/*.py",
)

# Parts of a module that has its own name and test file.
PART_OF = {
    "fields": "pdu",
    "codegen": "pdu",
    "multi": "pdu",
    "layouts": "pdu",
    "tlvs": "validation",
    "states": "session",
    "events": "session",
    "binding": "session",
}


def own_test(module: Path) -> Path:
    """Return the test file of a module: its own name, or that of the longest prefix (in words) that has one."""
    words = PART_OF.get(module.stem, module.stem).split("_")
    for count in range(len(words), 0, -1):
        test = PROJECT / "tests" / f"test_{'_'.join(words[:count])}.py"
        if test.exists():
            return test
    if module.parent.name == "rules":
        return PROJECT / "tests" / f"test_{module.parent.name}.py"
    return PROJECT / "tests" / f"test_{module.stem}.py"


def measure(test: Path, modules: list[Path]) -> tuple[bool, str]:
    """Run one test file under coverage; return whether its modules are whole, and the report."""
    if not test.exists():
        return False, f"{test.relative_to(PROJECT)} is missing\n"
    include = ",".join(str(module.relative_to(PROJECT)) for module in modules)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COVERAGE_FILE": str(Path(folder) / "data")}
        coverage = [sys.executable, "-m", "coverage"]
        steps = (
            [*coverage, "run", f"--include={include}", "-m", "pytest", "-q", "-p", "no:randomly", str(test)],
            [*coverage, "report", f"--include={include}", "--show-missing", "--skip-covered", "--fail-under=100"],
        )
        for step in steps:
            done = subprocess.run(step, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return False, done.stdout + done.stderr
    return True, ""


def main(names: list[str]) -> int:
    """Measure all sans-I/O modules, or those whose path contains one of `names`; return the exit status."""
    groups: dict[Path, list[Path]] = defaultdict(list)
    for pattern in SANS_IO:
        for module in sorted(PROJECT.glob(pattern)):
            path = str(module.relative_to(PROJECT))
            if (
                path not in WITH_IO
                and module.name != "__init__.py"
                and (not names or any(name in path for name in names))
            ):
                groups[own_test(module)].append(module)
    failed = False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (test, modules), (whole, report) in zip(
            groups.items(), pool.map(measure, groups.keys(), groups.values()), strict=True
        ):
            failed |= not whole
            verdict = "100%" if whole else "not covered"
            print(f"{verdict:12} {test.name}: {', '.join(module.stem for module in modules)}\n{report}", end="")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
