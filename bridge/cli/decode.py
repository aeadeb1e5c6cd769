"""`smppbridge decode`: recorded SMPP made readable, and what is wrong in it."""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click
from rich.console import Console
from rich.progress import wrap_file

from bridge.cli import CliProblem
from bridge.cli.common import json_option
from bridge.cli.decode_view import View
from smppcore import constants as c
from smppcore.dissect.explain import Explained, Options, explain
from smppcore.dissect.found import Begin, Found, Remark
from smppcore.dissect.pairing import Open, Pair, Pairing
from smppcore.dissect.recording import read
from smppcore.text import Alphabet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_LARGE = 10_000_000
"""Octets of a file from which on progress is shown while only a summary is made."""


@click.command()
@click.argument("sources", metavar="[FILE | - | TEXT]...", nargs=-1)
@json_option
@click.option("--summary", is_flag=True, help="Print only the counts: commands, errors, latencies, windows.")
@click.option("--mask", "masked", is_flag=True, help="Hide texts and numbers.")
@click.option("--show-secrets", is_flag=True, help="Show passwords, which are hidden otherwise.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="The SMSC's port in captures; 0: any.")
@click.option(
    "--charset",
    default=Alphabet.GSM7.value,
    show_default=True,
    type=click.Choice([alphabet.value for alphabet in Alphabet]),
    help="What data_coding 0 means.",
)
def decode(
    sources: tuple[str, ...],
    *,
    as_json: bool,
    summary: bool,
    masked: bool,
    show_secrets: bool,
    port: int,
    charset: str,
) -> None:
    """Explain recorded PDUs: every field in words, and what is wrong.

    Reads hex in any dress, base64, hex dumps, log lines (Kannel's and Jasmin's dumps among them), traces of
    `smppbridge trace`, pcap and pcapng, gzipped or not; a FILE, "-" for standard input, or the TEXT itself. With --json
    an object a line. Exit status 1 if something could not be decoded.

    \b
    Example:
      smppbridge decode 00000010800000150000000000000001
      smppbridge decode --summary capture.pcap
      smppbridge decode --mask --json var/trace-carrier-a.log
    """  # noqa: D301  \b keeps click from wrapping the example
    view = None if as_json else View()
    decoding = _Decoding(Options(Alphabet(charset), masked, show_secrets, words=not summary), None if summary else view)
    decoding.as_json = as_json and not summary
    for name, file in _open(sources or ("-",)):
        before = decoding.number
        with file, _progress(file, name, shown=summary) as stream:
            decoding.take(read(stream, port))
        if decoding.number == before and not decoding.problem:
            decoding.problem = f"{name}: no PDU found"
    decoding.finish()
    if summary:
        row = decoding.pairing.summary()
        if as_json:
            click.echo(json.dumps(row, indent=2))
        elif view is not None:
            view.summary(row)
    if decoding.problem:
        raise CliProblem(decoding.problem)


def _open(sources: Sequence[str]) -> Iterator[tuple[str, BinaryIO]]:
    """Return a name and a stream for each source; what is no file is text, and texts side by side are one.

    Raises:
        CliProblem: A file cannot be opened.
    """
    words: list[str] = []
    for source in [*sources, None]:
        path = None if source is None else _file(source)
        if source is not None and source != "-" and path is None:
            words.append(source)
            continue
        if words:
            text = " ".join(words)
            shown = text if len(text) <= 20 else f"{text[:20]}…"
            yield (
                f"{shown!r} (no such file, so it is taken as text)",
                io.BytesIO(text.encode("utf-8", "surrogateescape")),
            )
            words = []
        if source == "-":
            yield "standard input", cast("BinaryIO", io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False)))
        elif path is not None:
            try:
                yield str(path), path.open("rb")
            except OSError as exc:
                raise CliProblem(f"{path}: cannot be read: {exc.strerror}") from exc


def _file(source: str) -> Path | None:
    path = Path(source)
    try:
        return path if path.exists() else None
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return None


@contextmanager
def _progress(file: BinaryIO, name: str, *, shown: bool) -> Iterator[BinaryIO]:
    size = Path(name).stat().st_size if shown and _file(name) is not None else 0
    console = Console(stderr=True)
    if size < _LARGE or not console.is_terminal:
        yield file
        return
    with wrap_file(file, size, description=name, console=console, transient=True) as wrapped:
        yield wrapped


class _Decoding:
    """One run over all sources: numbers PDUs, pairs them, and hands them to whoever shows them."""

    def __init__(self, options: Options, view: View | None) -> None:
        self.pairing = Pairing()
        self.number = 0
        self.problem = ""
        """What could not be decoded, in one line; "" if everything could."""
        self.as_json = False
        self._options = options
        self._view = view
        self._undecoded = 0

    def take(self, items: Iterable[Found | Remark | Begin]) -> None:
        """Take what a reader finds.

        Raises:
            CliProblem: It cannot be read.
        """
        try:
            for item in items:
                if isinstance(item, Found):
                    self._pdu(item)
                elif isinstance(item, Remark):
                    self._remark(item)
                else:
                    self._unanswered(self.pairing.begin(item.link))
        except BrokenPipeError:
            raise  # whoever read our output has seen enough
        except OSError as exc:
            raise CliProblem(f"cannot be read: {exc.strerror or exc}") from exc

    def finish(self) -> None:
        """Say what the end of the recordings shows."""
        self._unanswered(self.pairing.end())
        if self._undecoded:
            more = f"; {self._undecoded} such in all" if self._undecoded > 1 else ""
            self.problem += more
        if self._view is not None and self.number > 1:
            self._view.closing(self.pairing.summary())

    def _pdu(self, found: Found) -> None:
        self.number += 1
        version = self.pairing.versions.get(found.link, c.VERSION_34)
        explained = explain(found.octets, self._options, version)
        pair = self.pairing.add(self.number, found, explained)
        if not explained.decoded:
            error = next(finding for finding in explained.findings if finding.level == "error")
            self._count(f"{found.place}: #{self.number} cannot be decoded: {error.field}: {error.text}")
        if self._view is not None:
            self._view.pdu(self.number, found, explained, pair)
        elif self.as_json:
            _print_line(_row(self.number, found, explained, pair))

    def _remark(self, remark: Remark) -> None:
        if remark.undecodable:
            self._count(f"{remark.place}: {remark.text}" if remark.place else remark.text)
        if self._view is not None:
            self._view.remark(remark)
        elif self.as_json:
            row = {"kind": "remark", "place": remark.place, "time": iso(remark.time), "direction": remark.direction}
            _print_line({**row, "text": remark.text, "undecodable": remark.undecodable})

    def _unanswered(self, requests: Sequence[Open]) -> None:
        if self._view is not None:
            self._view.unanswered(requests)
        elif self.as_json:
            for request in requests:
                name = c.command_name(request.command_id)
                _print_line({"kind": "unanswered", "number": request.number, "command": name})

    def _count(self, problem: str) -> None:
        self._undecoded += 1
        self.problem = self.problem or problem


def _row(number: int, found: Found, explained: Explained, pair: Pair | None) -> dict[str, object]:
    return {
        "kind": "pdu",
        "number": number,
        "place": found.place,
        "time": iso(found.time),
        "direction": found.direction,
        "request": None if pair is None else pair.request,
        "latency_ms": None if pair is None or pair.latency is None else round(pair.latency * 1e3, 3),
        **explained.row(),
    }


def iso(time: float | None) -> str | None:
    """Return a time in UTC, None for none or for one that no calendar has."""
    if time is None:
        return None
    try:
        return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")
    except (OverflowError, ValueError, OSError):
        return None


def _print_line(row: object) -> None:
    click.echo(json.dumps(row))  # in ASCII, for nothing in a text may act on a terminal
