"""A folder of rules files that are wrong: each says in its first line what is to be said of it, with its line.

Add one by writing a file that begins with `# expect: LINE: KEY: MESSAGE`, as `smppbridge check` prints it after the
name of the file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules_helpers import problems

FILES = sorted((Path(__file__).parent / "data" / "rules" / "broken").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_mistake_is_named_with_its_line(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    mark, _, expected = source.partition("\n")[0].partition("# expect: ")
    assert mark == ""
    found = [problem.strip() for problem in problems(source)]
    assert expected in found
    # A mistake may have consequences, but not many.
    assert len(found) <= 2, found


def test_the_folder_covers_every_table() -> None:
    assert len(FILES) >= 100
    tables = {file.stem.split("-")[0] for file in FILES}
    wanted = {"brand", "optout", "keyword", "pattern", "intent", "flow", "template", "queue", "conversation", "csat"}
    assert wanted | {"privacy", "profile", "test"} <= tables
