"""The log in words; what the commands show of it is in test_cli_look.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.lookup import describe

if TYPE_CHECKING:
    from bridge.store import LogEntry


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (("mo", 1, [2, 3]), "decided; replies: 2, 3"),
        (("mo", 1, []), "decided; no reply"),
        (("part", 1), "a part of the long message came"),
        (("again", 1), "delivered again by the carrier; not decided again"),
        (("submit", 1, 0, 0, ""), "part 1: submit_sm_resp ESME_ROK"),
        (("submit", 1, 1, 0x58, ""), "part 2: submit_sm_resp ESME_RTHROTTLED"),
        (("submit", 1, 0, None, "link_lost"), "part 1: no submit_sm_resp (link_lost)"),
        (("withdrawn", 1), "the claim was taken back before anything left"),
        (("receipt", 1, 0, 5, "042"), "part 1: receipt UNDELIVERABLE, error 042"),
        (("receipt", 1, 2, 2, "000"), "part 3: receipt DELIVERED"),
        (("in doubt", 1), "claimed when the last run ended, without an answer: in doubt"),
        (("something new", 1, 2), "something new 1 2"),
    ],
)
def test_an_entry_of_the_log_in_words(entry: LogEntry, words: str) -> None:
    assert describe(entry) == words
