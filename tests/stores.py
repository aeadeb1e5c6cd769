"""A small store on the disk with a configuration beside it, for what reads stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.events import LinkChanged
from bridge.store import LinkRow
from bridge.store.lmdb import LmdbStore
from smppcore import constants as c
from tests.pipeline import START, Bridge, accepted, link, part, receipt, refused, text, timed_out

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config import LinkConfig

TOML = """\
[bridge]
data_dir = "var"
[[link]]
name = "a"
password = "x"
"""


def configured(folder: Path, extra: str = "") -> Path:
    """Write a configuration; its store is in `var` beside it."""
    file = folder / "bridge.toml"
    file.write_text(TOML + extra)
    return file


def open_bridge(folder: Path, *links: LinkConfig) -> tuple[Bridge, LmdbStore]:
    store = LmdbStore(folder / "var", max_size=16 << 20, sync=True)
    return Bridge(*(links or (link(),)), store=store), store


def fill(folder: Path) -> Path:
    """Make a store with something of everything; return its configuration.

    By id: 1 is answered by 2, delivered; 3 by 4, long and failed; 5 by 7, in doubt and to be sent again, with
    characters that a terminal would obey; 6 by 8, which waits behind it; 9 is a STOP, answered by 10; 11 is suppressed,
    12 silent; 13 lacks a part. One receipt fits nothing.
    """
    bridge, store = open_bridge(folder)
    bridge.turn(LinkChanged(LinkRow("a", "bound", START, 1, "", "127.0.0.1:2775 (smsc)")))
    bridge.deliver(text("hours"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"0A1")))
    bridge.deliver(receipt(b"0A1"))
    bridge.deliver(text("echo " + "x" * 200, source=b"2"))
    one, two = bridge.submits()
    bridge.turn(bridge.answers(accepted(one, b"0A2"), refused(two, c.ESME_RINVDSTADR)))
    red = text('echo \u009b31m,"red"\n'.encode("latin-1"), source=b"3", data_coding=3)
    bridge.deliver(red, text("echo later", source=b"3"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(timed_out(pdu)))
    bridge.deliver(text("STOP", source=b"4"))
    (pdu,) = bridge.submits()
    bridge.turn(bridge.answers(accepted(pdu, b"0A3")))
    bridge.deliver(text("thanks", source=b"4"), text("thanks", source=b"5"))
    bridge.deliver(part(1, 2, b"never whole", source=b"6"))
    bridge.deliver(receipt(b"nobody's"))
    store.close()
    return configured(folder)
