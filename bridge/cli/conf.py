"""Where the shipped configuration is: `conf/` in a source tree, `bridge/conf/` in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import bridge


def conf_dir() -> Path:
    """The folder of the shipped configuration, rules and simulator scripts."""
    package = Path(bridge.__file__).parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"
