"""The history of a customer, newest first: each message names the one before it, so no index has to be kept."""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.records import Conversation, Mo, Mt
    from bridge.store.lmdb import LmdbReader


def messages(reader: LmdbReader, conversation: Conversation) -> Iterator[Mo | Mt]:
    """Yield the messages of one customer and brand, newest first."""
    number = conversation.last
    while number:
        row = reader.mt(number) or reader.mo(number)
        if row is None:
            return
        yield row
        # What an operator or a clock led to may be older than its number says, but never points ahead.
        number = row.before if row.before < number else 0


def thread(reader: LmdbReader, contact: str, limit: int = 0) -> Iterator[Mo | Mt]:
    """Yield what a customer wrote and was sent, of all brands and with all his numbers, newest first.

    Args:
        reader: Open.
        contact: The number, as the carrier gives it.
        limit: How many at most, 0 = all.
    """
    known = list(reader.conversations(contact))
    others = dict.fromkeys(number for conversation in known for number in conversation.also)
    known += [conversation for number in others for conversation in reader.conversations(number)]
    threads = [messages(reader, conversation) for conversation in known]
    return islice(merge(*threads, key=lambda row: -row.id), limit or None)
