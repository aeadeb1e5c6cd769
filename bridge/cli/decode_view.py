"""How `smppbridge decode` shows PDUs to people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import click

from bridge.cli.common import print_table, printable
from smppcore import constants as c

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smppcore.dissect.explain import Explained, Value
    from smppcore.dissect.found import Found, Remark
    from smppcore.dissect.judge import Finding
    from smppcore.dissect.pairing import Open, Pair

_IN_HEX = frozenset(("esm_class", "registered_delivery", "data_coding", "protocol_id", "interface_version"))
_LONGEST_HEX = 64
_SHOWN = 20
_COLOURS = {"error": "red", "violation": "yellow", "suspicious": "cyan"}
_SIGNS = {"error": "✗", "violation": "!", "suspicious": "?"}


class View:
    """Prints as it is told; what is in texts cannot act on the terminal."""

    def pdu(self, number: int, found: Found, explained: Explained, pair: Pair | None) -> None:
        """Print one PDU."""
        facts = [found.when or _clock(found.time), found.direction, found.place]
        click.secho(printable("  ".join([f"#{number}", *(fact for fact in facts if fact)])), dim=True)
        name = explained.command or f"{len(explained.octets)} octets that are no PDU"
        line = [click.style(printable(name), bold=True)]
        if explained.command:
            line += [f"sequence {explained.sequence_number}", f"{len(explained.octets)} octets"]
        if explained.status:
            line.append(click.style(explained.status, fg="red" if explained.command_status else "green"))
        if pair is not None:
            after = "" if pair.latency is None else f" after {_milliseconds(pair.latency * 1e3)}"
            line.append(f"answers #{pair.request}{after}")
        click.echo("  ".join(line))
        for value in explained.fields:
            _print_value(value, "  ")
        for value in explained.tlvs:
            _print_value(value, "  TLV ", quoted=False)
        for value in explained.udh:
            _print_value(value, "  UDH ", quoted=False)
        if explained.text is not None:
            characters = f"text, {len(explained.text)} characters"
            click.echo(f"  {characters:<26} {click.style(printable(explained.text), bold=True)}")
        if explained.receipt is not None:
            receipt = explained.receipt
            parts = [f"for {receipt.message_id or 'no message'}", c.state_name(receipt.state)]
            parts += ["final" if receipt.final else "not final", f"error {receipt.error}" if receipt.error else ""]
            parts += [f"submitted {receipt.submit_date}" if receipt.submit_date else ""]
            parts += [f"done {receipt.done_date}" if receipt.done_date else ""]
            click.echo(f"  {'receipt':<26} {printable(', '.join(part for part in parts if part))}")
        for finding in explained.findings:
            _print_finding(finding)
        click.echo()

    def remark(self, remark: Remark) -> None:
        """Print something that belongs to no PDU."""
        where = "  ".join(part for part in (remark.place, remark.direction) if part)
        text = f"-- {where}: {remark.text}" if where else f"-- {remark.text}"
        click.secho(printable(text), fg="red" if remark.undecodable else "cyan")
        click.echo()

    def unanswered(self, requests: Sequence[Open]) -> None:
        """Print the requests that got no response."""
        if not requests:
            return
        names = [f"#{request.number} {c.command_name(request.command_id)}" for request in requests[:_SHOWN]]
        more = f" and {len(requests) - _SHOWN:,} more" if len(requests) > _SHOWN else ""
        click.secho(f"-- no response in the recording: {', '.join(names)}{more}", fg="cyan")

    def closing(self, row: Mapping[str, object]) -> None:
        """Print the counts in one line."""
        findings = cast("dict[str, int]", row["findings"])
        words = {"error": "not decodable", "violation": "against the specification", "suspicious": "suspicious"}
        parts = [f"PDUs: {row['pdus']:,}", *(f"{words[level]}: {n:,}" for level, n in findings.items() if n)]
        click.echo(", ".join(parts))

    def summary(self, row: Mapping[str, object]) -> None:
        """Print all the counts."""
        self.closing(row)
        commands = cast("dict[str, int]", row["commands"])
        answered = cast("dict[str, int]", row["answered"])
        latencies = cast("dict[str, dict[str, float]]", row["latency_ms"])
        columns = ("command", "PDUs", "answered", "p50", "p90", "p99", "max")
        rows = []
        for name, count in commands.items():
            report = latencies.get(name)
            times = [_milliseconds(report[key]) for key in ("p50", "p90", "p99", "max")] if report else [""] * 4
            rows.append((name, f"{count:,}", f"{answered[name]:,}" if name in answered else "", *times))
        if rows:
            click.echo()
            print_table(columns, rows, right=columns[1:])
        errors = cast("dict[str, int]", row["errors"])
        if errors:
            click.echo()
            print_table(("error", "PDUs"), [(name, f"{n:,}") for name, n in errors.items()], right=("PDUs",))
        sessions = cast("list[dict[str, object]]", row["sessions"])
        if sessions:
            click.echo()
            print_table(
                ("connection", "bind", "system_id", "answer", "PDUs", "window at most"),
                [
                    (
                        session["name"] or "-",
                        session["bind"] or "not recorded",
                        session["system_id"],
                        session["status"],
                        f"{session['pdus']:,}",
                        ", ".join(
                            f"{n:,} {'from ' if ':' in sender else ''}{sender}".strip()
                            for sender, n in cast("dict[str, int]", session["window"]).items()
                        ),
                    )
                    for session in sessions[:_SHOWN]
                ],
                right=("PDUs",),
            )
            if len(sessions) > _SHOWN:
                click.echo(f"… and {len(sessions) - _SHOWN:,} connections more")
        for key, words in (
            ("requests_without_response", "requests without a response in the recording"),
            ("responses_without_request", "responses without a request in the recording"),
        ):
            if row[key]:
                click.echo(f"\n{row[key]:,} {words}")


def _print_value(value: Value, indent: str, *, quoted: bool = True) -> None:
    shown = value.value
    if isinstance(shown, int):
        text = f"0x{shown:02X}" if value.name.rpartition(".")[2] in _IN_HEX else str(shown)
    elif quoted and value.name != "short_message":
        text = f'"{printable(shown)}"'
    else:
        text = shown if len(shown) <= _LONGEST_HEX else f"{shown[:_LONGEST_HEX]}… ({len(shown) // 2} octets)"
    name = f"{indent}{value.name}"
    click.echo(f"{name:<28} {text}{'  ' if value.meaning else ''}{click.style(printable(value.meaning), fg='green')}")


def _print_finding(finding: Finding) -> None:
    at = f" at octet {finding.offset}" if finding.offset is not None else ""
    where = f"{finding.field}: " if finding.field else ""
    section = f" ({finding.section})" if finding.section else ""
    text = f"  {_SIGNS[finding.level]} {finding.level}{at}: {where}{finding.text}{section}"
    click.secho(printable(text), fg=_COLOURS[finding.level])


def _milliseconds(value: float) -> str:
    return f"{value:,.1f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def _clock(time: float | None) -> str:
    if time is None:
        return ""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    except (OverflowError, ValueError, OSError):
        return ""
