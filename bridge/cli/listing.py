"""A list of messages of both ways, as `thread` and `find` print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.cli.common import print_json, print_table
from bridge.export import iso, mo_row, mt_row
from bridge.records import Mo
from bridge.rules.privacy import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.records import Mt


def print_messages(rows: Sequence[Mo | Mt], *, as_json: bool, other_side: bool) -> None:
    """Print messages; what is personal in them is masked.

    Args:
        rows: In order.
        as_json: As rows of the export.
        other_side: Name the customer, not the service number.
    """
    if as_json:
        print_json([mo_row(row) if isinstance(row, Mo) else mt_row(row) for row in rows])
        return
    table = []
    for row in rows:
        if isinstance(row, Mo):
            number, when, way, state = row.source if other_side else row.destination, row.time, "←", row.outcome
        else:
            number, when, way, state = row.contact if other_side else row.number, row.created, "→", row.state
        table.append((row.id, iso(when), way, number, masked(row.text, row.personal), state))
    print_table(
        ("id", "time", "", "customer" if other_side else "brand's number", "text", "state"), table, right=("id",)
    )
