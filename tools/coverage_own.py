"""Each sans-I/O module must be covered, branches too, by its own test file alone.

`smppcore/udh.py` is run by `tests/test_udh.py` and by nothing else: coverage that a module owes to its users' tests
says nothing about the module's contract. A module that was split keeps one test file, a package has several.
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
WITH_IO = {"smppcore/dial.py", "smppcore/link.py", "smppcore/esme.py", "smppcore/smsc.py"}
SANS_IO = (
    "smppcore/*.py",
    "smppcore/text/*.py",
    "smppcore/testbed/admission.py",
    "smppcore/testbed/delays.py",
    "smppcore/testbed/dialects.py",
    "smppcore/testbed/findings.py",
    "smppcore/testbed/judge.py",
    "smppcore/testbed/outgoing.py",
    "smppcore/testbed/triggers.py",
    "smppcore/testbed/verdicts.py",
    "bridge/records.py",
    "bridge/replay.py",
    "bridge/store/recent.py",
    "bridge/tokens.py",
    "bridge/dispatch.py",
    "bridge/intake.py",
    "bridge/limits.py",
    "bridge/rules/*.py",
    "bridge/rules/intents/*.py",
    "bridge/rules/answers/*.py",
    "bridge/rules/flows/*.py",
)

# Package → the tests of which package.
PACKAGES = {"rules": "rules", "flows": "rules", "intents": "intents", "answers": "answers", "text": "text"}

# Modules whose tests fill several files, by topic.
SEVERAL = {"session"}

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
    "findings": "judge",
    "verdicts": "judge",
}


def own_tests(module: Path) -> tuple[Path, ...]:
    """Return the test files of a module: that of its name or of what it is a part of; a package has several."""
    tests = PROJECT / "tests"
    package = module.parent.name
    if package in PACKAGES:
        return tuple(sorted(tests.glob(f"test_{PACKAGES[package]}*.py")))
    name = PART_OF.get(module.stem, module.stem)
    if name in SEVERAL:
        return tuple(sorted(tests.glob(f"test_{name}_*.py")))
    return (tests / f"test_{name}.py",)


def measure(tests: tuple[Path, ...], modules: list[Path]) -> tuple[bool, str]:
    """Run test files under coverage; return whether their modules are whole, and the report."""
    missing = [str(test.relative_to(PROJECT)) for test in tests if not test.exists()]
    if missing:
        return False, f"{', '.join(missing)} is missing\n"
    include = ",".join(str(module.relative_to(PROJECT)) for module in modules)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COVERAGE_FILE": str(Path(folder) / "data")}
        coverage = [sys.executable, "-m", "coverage"]
        steps = (
            [*coverage, "run", f"--include={include}", "-m", "pytest", "-q", "-p", "no:randomly", *map(str, tests)],
            [*coverage, "report", f"--include={include}", "--show-missing", "--skip-covered", "--fail-under=100"],
        )
        for step in steps:
            done = subprocess.run(step, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return False, done.stdout + done.stderr
    return True, ""


def main(names: list[str]) -> int:
    """Measure all sans-I/O modules, or those whose path contains one of `names`; return the exit status."""
    groups: dict[tuple[Path, ...], list[Path]] = defaultdict(list)
    for pattern in SANS_IO:
        for module in sorted(PROJECT.glob(pattern)):
            path = str(module.relative_to(PROJECT))
            if (
                path not in WITH_IO
                and module.name != "__init__.py"
                and (not names or any(name in path for name in names))
            ):
                groups[own_tests(module)].append(module)
    failed = False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (tests, modules), (whole, report) in zip(
            groups.items(), pool.map(measure, groups.keys(), groups.values()), strict=True
        ):
            failed |= not whole
            verdict = "100%" if whole else "not covered"
            names_of_tests = ", ".join(test.name for test in tests)
            print(f"{verdict:12} {names_of_tests}: {', '.join(module.stem for module in modules)}\n{report}", end="")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
