"""Any recording, whatever its form: PDUs with where they come from."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from smppcore.dissect.capture import PCAP_MAGICS, PCAPNG_MAGIC, CaptureError
from smppcore.dissect.found import Found, Item, Remark
from smppcore.dissect.framing import Framer, has_shape
from smppcore.dissect.sniff import LONGEST_LINE, TextReader
from smppcore.dissect.streams import CaptureReader

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP = b"\x1f\x8b"
_CHUNK = 65536


def read(file: BinaryIO, port: int = 0) -> Iterator[Item]:
    """Read a recording: pcap, pcapng, the octets of a stream, or text that holds PDUs; any of them also gzipped.

    Args:
        file: At its beginning; may be a pipe.
        port: Of the SMSC, in captures; 0: any.

    Raises:
        CaptureError: A capture, or a gzipped file, is damaged; what was readable before it has been returned.
        OSError: It cannot be read.
    """
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", file))
    head = buffered.peek(64)
    if head[:2] == _GZIP:
        unpacked = gzip.GzipFile(fileobj=buffered)
        try:
            yield from read(cast("BinaryIO", io.BufferedReader(unpacked)), port)
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise CaptureError(f"the gzipped file is damaged: {exc}") from exc
    elif head[:4] == PCAPNG_MAGIC or head[:4] in PCAP_MAGICS:
        yield from CaptureReader(buffered, port).items()
    elif has_shape(head):
        yield from _stream(buffered)
    else:
        reader = TextReader()
        while line := buffered.readline(LONGEST_LINE):
            yield from reader.feed(line.decode("utf-8", "surrogateescape"))
        yield from reader.end()


def _stream(file: io.BufferedReader) -> Iterator[Item]:
    """Read the octets of one direction of a stream."""
    framer = Framer()
    octets = 0
    while data := file.read1(_CHUNK):
        framed = framer.feed(data)
        octets += len(data)
        for each in framed:
            place = f"octet {octets}"
            if each.octets:
                yield Found(each.octets, place)
            else:
                yield Remark(f"{each.skipped} octets passed over: {each.why}", place, undecodable=True)
    for each in framer.end():
        yield Remark(f"{each.skipped} octets passed over: {each.why}", f"octet {octets}", undecodable=True)
