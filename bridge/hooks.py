"""Events for other programs, as rows: what is told, to whom, in which order; pure.

hook   webhook NUL number NUL brand NUL id, 8 octets → what is to be told
dead   the same                                      → (what was to be told, why it was given up, when)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bridge.config import EVENTS, WebhookConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = 1000
"""Rows of a page of a walk, and dead letters that one turn revives."""
MOST_DEAD = 100_000
"""Dead letters that are kept, nearly: a receiver that is gone for good must not fill the disk."""
_id = struct.Struct(">Q")


Values = dict[str, str | int | float]


class Hook(msgspec.Struct, array_like=True, gc=False):
    """One event."""

    id: int
    """Shared with the messages' ids; the event's id, and what its receiver tells repetitions by."""
    kind: str
    """One of config.EVENTS."""
    time: float
    contact: str
    brand: str
    conversation: int
    values: Values
    since: float = 0.0
    """When it was taken out of the dead letters; 0.0 = it never was one."""

    def body(self) -> dict[str, object]:
        """Return what is posted."""
        return {
            "id": f"evt_{self.id}",
            "type": self.kind,
            "timestamp": self.time,
            "data": {
                "contact": self.contact,
                "brand": self.brand,
                "conversation": self.conversation,
                **self.values,
            },
        }


class Dead(msgspec.Struct, array_like=True, gc=False):
    """One that was given up."""

    hook: Hook
    why: str
    time: float


_pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Hook).decode
unpack_dead = msgspec.msgpack.Decoder(Dead).decode


def pack(event: Hook | Dead) -> bytes:
    """Return the octets of a row."""
    return _pack(event)


def hook_key(webhook: str, hook: Hook) -> bytes:
    """Return the key of an event's row."""
    return hook_prefix(webhook, hook.contact, hook.brand) + _id.pack(hook.id)


def hook_prefix(webhook: str, contact: str, brand: str) -> bytes:
    """Return how the keys of one customer's events begin."""
    return f"{webhook}\0{contact}\0{brand}\0".encode()[:480]


def webhook_of(key: bytes) -> str:
    """Return the webhook of a key."""
    return key.partition(b"\0")[0].decode()


def id_of(key: bytes) -> int:
    """Return the id of the event of a key."""
    return int(_id.unpack(key[-8:])[0])


def read_key(key: bytes) -> tuple[str, str]:
    """Return (webhook, number) of a key."""
    webhook, _, rest = key[:-8].decode(errors="replace").partition("\0")
    return webhook, rest.partition("\0")[0]


@dataclass(frozen=True, slots=True)
class Listener:
    """Who wants to be told of what."""

    name: str
    kinds: frozenset[str]


def listeners(webhooks: Sequence[WebhookConfig]) -> tuple[Listener, ...]:
    """Return who wants to be told of what."""
    return tuple(Listener(webhook.name, frozenset(webhook.events or EVENTS)) for webhook in webhooks)


def rows(listening: Sequence[Listener], hook: Hook) -> Mapping[bytes, bytes]:
    """Return the rows of an event: one for each who wants it."""
    octets = pack(hook)
    return {hook_key(one.name, hook): octets for one in listening if hook.kind in one.kinds}


def ad_hoc(url: str) -> WebhookConfig:
    """Return the webhook of a URL that a rules file names: not signed, else as others are by default."""
    return WebhookConfig(name=url, url=url)
