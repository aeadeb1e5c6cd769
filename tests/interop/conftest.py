"""Which programs of other people are there; without one its tests skip and say so, and fail where .ci/run asks for all.

`.ci/install` fetches the programs; `.ci/run` sets SMPPBRIDGE_INTEROP=1.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections import Counter

    from tests.interop.dissector import Dissect
    from tests.interop.relay import Relay

for helper in ("dissector", "programs", "relay"):
    pytest.register_assert_rewrite(f"tests.interop.{helper}")

_ALL_NEEDED = os.environ.get("SMPPBRIDGE_INTEROP") == "1"
DRIVE_SMPP = Path("/usr/lib/kannel/test/drive_smpp")


def missing(what: str, package: str) -> None:
    """Skip, or fail where all programs have to be there."""
    text = f"{what} is not here; `.ci/install` fetches it ({package})"
    if _ALL_NEEDED:
        pytest.fail(text)
    pytest.skip(text)


def _program(name: str, package: str) -> str:
    # Daemons are in a folder that not every user's PATH has
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        missing(name, package)
        raise AssertionError
    return found


@pytest.fixture
def script(request: pytest.FixtureRequest) -> str:
    """A script of `peers/`, by indirect parametrization; the test is skipped where the library is missing."""
    name: str = request.param
    if name.startswith("node"):
        node = _program("node", "Debian nodejs")
        if subprocess.run([node, "-e", "require('smpp')"], capture_output=True, check=False).returncode:
            missing("node's package smpp", "npm smpp, with NODE_PATH set to its node_modules")
    elif importlib.util.find_spec(name.partition("_")[0]) is None:
        missing(f"the package {name.partition('_')[0]}", "PyPI, with PYTHONPATH set to its folder")
    return name


@pytest.fixture(scope="session")
def tshark() -> str:
    return _program("tshark", "Debian tshark")


@pytest.fixture(scope="session")
def systemd_analyze() -> str:
    return _program("systemd-analyze", "Debian systemd")


@pytest.fixture
def dissect(tmp_path: Path) -> Dissect:
    """Compare what went over a relay with what tshark sees; where there is no tshark, only count the PDUs."""
    from tests.interop.dissector import compare, count  # after its assertions have been marked to be rewritten

    path = shutil.which("tshark")
    if path is None and _ALL_NEEDED:
        missing("tshark", "Debian tshark")

    async def judge(relay: Relay) -> Counter[str]:
        return count(relay) if path is None else await compare(path, relay, tmp_path)

    return judge


@pytest.fixture(scope="session")
def kannel() -> tuple[str, str]:
    """Paths of bearerbox and smsbox."""
    return _program("bearerbox", "Debian kannel"), _program("smsbox", "Debian kannel")


@pytest.fixture(scope="session")
def drive_smpp() -> str:
    if not DRIVE_SMPP.exists():
        missing("drive_smpp", "Debian kannel-extras")
    return str(DRIVE_SMPP)


@pytest.fixture(scope="session")
def prometheus() -> tuple[str, str]:
    """Paths of prometheus and promtool."""
    return _program("prometheus", "Debian prometheus"), _program("promtool", "Debian prometheus")
