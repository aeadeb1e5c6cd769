"""The documents for people, taken apart: what they show in blocks, and where they point.

A block of `sh` is run, line by line. A comment that begins with `elsewhere:` says what a line needs that is not on
every machine. A block of `toml` is a file where the words before it say so, as "Save this as `work/shop.toml`:". In
the guide to the rules every further block goes to the end of the file that was saved last; in the others it is a
piece of a configuration, or of a scenario.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
GUIDES = PROJECT / "bridge" / "guides"
DOCUMENTS = (README, *sorted(GUIDES.glob("*.md")))
WRITTEN = tuple(path for path in DOCUMENTS if path.name != "reference.md")
"""Those that people write."""


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two lines of three backquotes."""

    language: str
    text: str
    saved_as: str
    """The file that it is, as the line before it says; "" = it says none."""


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a document in order."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        named = re.search(r"as `([\w/.]+)`[^`\n]*:\n\n\Z", text[: match.start()])
        found.append(Block(match[1], match[2], named[1] if named else ""))
    return found


def lines(path: Path) -> list[str]:
    """Return the command lines of a document in order."""
    return [
        line for block in blocks(path) if block.language == "sh" for line in block.text.splitlines() if line.strip()
    ]


def elsewhere(line: str) -> str:
    """Return what a line needs that is not on every machine, "" = nothing."""
    return line.partition("# elsewhere: ")[2]


def anchors(path: Path) -> set[str]:
    """Return what links can point to in a document, as GitHub makes it of headings."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
