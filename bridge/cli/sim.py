"""`smppbridge sim`: an SMSC to try an ESME on."""

from __future__ import annotations

import errno
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import trio
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from bridge.cli import CliProblem
from bridge.cli.common import Duration, print_json, print_table, printable
from bridge.cli.conformance import run_profile
from bridge.cli.readers import parse_outcomes
from bridge.cli.readers import status as read_status
from bridge.cli.scenario import Scenario, load
from bridge.options import At, BadValue
from smppcore.testbed.config import Account, Script, Traffic
from smppcore.testbed.delays import Uniform
from smppcore.testbed.dialects import APPENDIX_B, Dialect
from smppcore.testbed.faults import Cut, Error, Fault, ReceiptFirst, RefuseBind, Throttle
from smppcore.testbed.findings import RULES
from smppcore.testbed.player import play
from smppcore.testbed.simulator import Simulator
from smppcore.testbed.tally import Reply
from smppcore.tls import TlsFileError, server_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from smppcore.testbed.simulator import Happening
    from smppcore.testbed.tally import Report
    from smppcore.testbed.verdicts import Found, Verdict

_REFRESH_SECONDS = 0.2
_NOWHERE = At("", Path(), {}, [])
_HEADERS = ("ESME", "finding", "severity", "count", "first", "section", "what it did", "example")


class _Outcomes(click.ParamType["Mapping[str, float]"]):
    """Outcomes and their weights, as delivered=0.9,undeliverable=0.1; one without a weight has 1."""

    name = "outcomes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, float]:
        try:
            return parse_outcomes(str(value))
        except BadValue as exc:
            self.fail(str(exc), param, ctx)


class _Status(click.ParamType[int]):
    """A command_status, as 0x58, 88 or ESME_RTHROTTLED."""

    name = "status"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return read_status(value, _NOWHERE)
        except BadValue as exc:
            self.fail(str(exc), param, ctx)


_DURATION, _SECONDS, _OUTCOMES, _STATUS = Duration(), Duration(plain=True), _Outcomes(), _Status()
_COUNT = click.IntRange(min=0)
_RATE = click.FloatRange(min=0)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", metavar="[SCENARIO]", type=_FILE, required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=2775, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--system-id", default="esme", show_default=True, help="Who may bind, if the scenario has no account.")
@click.option("--password", default="secret", show_default=True, help="With which password.")
@click.option("--script", type=_FILE, help="One more scenario, or a text a line: its texts are sent as well.")
@click.option("--rate", default=0.0, type=_RATE, help="Texts per second.")
@click.option("--count", default=0, type=_COUNT, help="How many texts; without --rate all at once.")
@click.option("--text", default="HELP", show_default=True, help="What they say; {n}: their number, {from}: the sender.")
@click.option("--to", default="60606", show_default=True, help="The service's number.")
@click.option("--subscribers", default=1000, show_default=True, type=click.IntRange(1), help="Who take turns.")
@click.option("--receipts", type=_OUTCOMES, help="As delivered=0.9,undeliverable=0.1.")
@click.option("--receipt-delay", type=_DURATION, help="From a message to its receipt.")
@click.option("--receipt-spread", type=_DURATION, default="0s", help="Up to so much later.")
@click.option("--receipt-form", type=click.Choice(["both", "text", "tlvs"]), help="What receipts have.")
@click.option("--receipt-id", type=click.Choice(["same", "decimal", "hex"]), help="How receipts write the id.")
@click.option("--receipt-first", is_flag=True, help="Receipts come before their responses.")
@click.option("--message-id", type=click.Choice(["decimal", "hex", "uuid"]), help="How responses write it.")
@click.option("--message-id-width", type=click.IntRange(0, 64), help="Zeros in front up to this width.")
@click.option("--throttle-every", type=_COUNT, default=0, metavar="K", help="Throttle every K-th submit_sm.")
@click.option("--throttle-rate", type=_RATE, default=0.0, help="Throttle above so many submit_sm per second.")
@click.option("--error-every", type=_COUNT, default=0, metavar="K", help="Fail every K-th submit_sm.")
@click.option("--error-status", type=_STATUS, default="0x08", show_default=True, help="With this status.")
@click.option("--delay", type=_DURATION, help="Answer submit_sm so much later.")
@click.option("--drop-after", type=_DURATION, default="0s", help="Cut all connections again and again.")
@click.option("--drop-after-submits", type=_COUNT, default=0, metavar="K", help="Cut them at every K-th submit_sm.")
@click.option("--drop-mode", type=click.Choice(["rst", "fin"]), default="rst", show_default=True)
@click.option("--down-for", type=_DURATION, default="0s", help="Refuse connections so long after a cut.")
@click.option("--bind-status", type=_STATUS, help="Refuse every bind with this status.")
@click.option("--tls-cert", type=_FILE, help="Serve TLS with this certificate (PEM).")
@click.option("--tls-key", type=_FILE, help="Its private key; default: it is in the same file.")
@click.option("--tls-ca", type=_FILE, help="Ask each ESME for a certificate of these authorities.")
@click.option("--seconds", type=_SECONDS, help="End after so long, as 30 or 30s; default: at Ctrl-C.")
@click.option("--seed", type=int, help="Make ids, outcomes, delays and faults repeatable.")
@click.option("--conformance", is_flag=True, help="Judge one ESME, protocol trap by trap, and print a table.")
@click.option("--wait", type=_DURATION, default="150s", show_default=True, help="How long that ESME may stay away.")
@click.option("--json", "as_json", is_flag=True, help="Print the closing report as JSON.")
def sim(
    *,
    file: Path | None,
    host: str,
    port: int,
    system_id: str,
    password: str,
    script: Path | None,
    rate: float,
    count: int,
    text: str,
    to: str,
    subscribers: int,
    receipts: Mapping[str, float] | None,
    receipt_delay: float | None,
    receipt_spread: float,
    receipt_form: str | None,
    receipt_id: Literal["same", "decimal", "hex"] | None,
    receipt_first: bool,
    message_id: Literal["decimal", "hex", "uuid"] | None,
    message_id_width: int | None,
    throttle_every: int,
    throttle_rate: float,
    error_every: int,
    error_status: int,
    delay: float | None,
    drop_after: float,
    drop_after_submits: int,
    drop_mode: Literal["rst", "fin"],
    down_for: float,
    bind_status: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_ca: Path | None,
    seconds: float | None,
    seed: int | None,
    conformance: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Run an SMSC: takes binds, sends texts and receipts, fails on demand, and tells what each ESME did wrong.

    SCENARIO is a TOML file with accounts, receipts, faults and texts; conf/sim has commented examples. What the options
    say is added to it, and wins. Without one the account is esme with the password secret, which fits the
    configuration that `smppbridge init` writes.

    \b
    Example:
      smppbridge sim conf/sim/throttling.toml --seconds 60
      smppbridge sim --rate 50 --text 'BALANCE {n}' --throttle-every 20 --drop-after 30s
      smppbridge sim --conformance
    """  # noqa: D301  \b keeps click from wrapping the example
    if conformance:
        if not run_profile(host, port, text=text, service=to, wait=wait, as_json=as_json):
            raise click.exceptions.Exit(1)
        return
    scenario = load(file) if file else Scenario()
    if script:
        scenario = _with_script(scenario, load(script))
    scenario = scenario.with_account(Account(system_id, password))
    faults: list[Fault] = [
        *([RefuseBind(status=bind_status)] if bind_status else ()),
        *([Throttle(every=throttle_every)] if throttle_every else ()),
        *([Throttle(above=throttle_rate)] if throttle_rate else ()),
        *([Error(every=error_every, status=error_status)] if error_every else ()),
        *([ReceiptFirst()] if receipt_first else ()),
        *([Cut(at=drop_after, again=drop_after, mode=drop_mode, down_for=down_for)] if drop_after else ()),
        *([Cut(every=drop_after_submits, mode=drop_mode, down_for=down_for)] if drop_after_submits else ()),
    ]
    config = scenario.config()
    spoken = config.receipts
    if receipts is not None:
        spoken = replace(spoken, outcomes=receipts)
    if receipt_delay is not None or receipt_spread:
        least = 0.1 if receipt_delay is None else receipt_delay
        spoken = replace(spoken, delay=Uniform(least, least + receipt_spread) if receipt_spread else least)
    if receipt_form or receipt_id:
        own = Dialect(
            "options",
            text="" if receipt_form == "tlvs" else APPENDIX_B,
            tlvs=receipt_form != "text",
            id=receipt_id or "same",
        )
        spoken = replace(spoken, dialect=(own.name,))
        config = replace(config, dialects=(*config.dialects, own))
    seed = scenario.seed if seed is None else seed
    config = replace(
        config,
        receipts=spoken,
        faults=(*config.faults, *faults),
        message_id=message_id or config.message_id,
        message_id_width=config.message_id_width if message_id_width is None else message_id_width,
        response=config.response if delay is None else delay,
        # Ids must not come again in a simulator that is started anew, unless everything shall come again.
        first_message_id=int(time.time() * 10) if seed is None else 1,
    )
    rng = random.Random(seed)
    console = Console(stderr=True, highlight=False, markup=False)
    simulator = Simulator(
        config,
        rng,
        tls=_tls(tls_cert, tls_key, tls_ca),
        on_refused=lambda peer, why: console.print(f"{peer}: no TLS: {why}", soft_wrap=True),
    )
    played = scenario.script()
    if rate or count:
        played = replace(played, traffic=(*played.traffic, Traffic(rate, count, text, to, subscribers)))
    try:
        report = trio.run(_run, simulator, host, port, played, rng, seconds, console)
    except* OSError as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if isinstance(first, OSError) and first.errno == errno.EADDRINUSE:
            raise CliProblem(f"port {port} on {host} is in use; choose another with --port") from group
        raise CliProblem(f"cannot listen on {host}:{port}: {first}") from group
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)


def _tls(cert: Path | None, key: Path | None, ca: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        if key or ca:
            raise click.UsageError("--tls-key and --tls-ca are of no use without --tls-cert")
        return None
    try:
        return server_context(cert, key, ca)
    except TlsFileError as exc:
        raise CliProblem(f"--tls-{exc.option}: {exc}") from exc


def _with_script(scenario: Scenario, script: Scenario) -> Scenario:
    """Return a scenario with the accounts and texts of another besides its own."""
    return replace(
        scenario,
        account=(*scenario.account, *script.account),
        text=(*scenario.text, *script.text),
        conversation=(*scenario.conversation, *script.conversation),
        answer=(*scenario.answer, *script.answer),
        traffic=(*scenario.traffic, *script.traffic),
    )


async def _run(
    simulator: Simulator,
    host: str,
    port: int,
    script: Script,
    rng: random.Random,
    seconds: float | None,
    console: Console,
) -> Report:
    """Serve until the time is up or a signal comes; return the report."""
    with trio.open_signal_receiver(2, 15) as signals:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(simulator.serve, host, port)
            accounts = ", ".join(account.system_id for account in simulator.config.accounts)
            console.print(f"SMSC on {host}:{port} for {accounts}; Ctrl-C ends it.")
            nursery.start_soon(play, simulator, script, rng)
            nursery.start_soon(_show, simulator, console)
            with trio.move_on_after(float("inf") if seconds is None else seconds):
                await signals.__anext__()
            await simulator.stop()
            report = simulator.report()
            nursery.cancel_scope.cancel()
    return report


async def _show(simulator: Simulator, console: Console) -> None:
    """Keep figures and findings on a terminal; elsewhere write a line for each finding when it is new."""
    if not console.is_terminal:
        await _tell(simulator, console)
        return
    last = ""

    def watch(happening: Happening) -> None:
        nonlocal last
        if isinstance(happening, Reply):
            last = f"  {happening.destination}: {printable(happening.text)}"

    simulator.observers.append(watch)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            report = simulator.report()
            figures = report.figures
            sessions = sum(map(len, simulator.links.values()))
            lines = [
                f"{sessions} sessions, {figures.submits} submits, {figures.mo_unique} texts, "
                f"{figures.mo_acked} acknowledged, {figures.replied} replied, {figures.receipts_acked} receipts{last}",
                *(_line(verdict, found) for verdict in report.verdicts for found in verdict.findings()),
            ]
            room = max(1, console.height - 1)
            texts = [Text(printable(line), no_wrap=True, overflow="ellipsis") for line in lines[:room]]
            live.update(Group(*texts), refresh=True)
            await trio.sleep(_REFRESH_SECONDS)


async def _tell(simulator: Simulator, console: Console) -> None:
    told: set[tuple[str, str]] = set()
    while True:
        for verdict in simulator.report().verdicts:
            for found in verdict.findings():
                if (verdict.esme, found.name) not in told:
                    told.add((verdict.esme, found.name))
                    console.print(printable(_line(verdict, found)), soft_wrap=True)
        await trio.sleep(_REFRESH_SECONDS)


def _line(verdict: Verdict, found: Found) -> str:
    rule = RULES[found.name]
    what = f"{rule.severity} {found.name} × {found.count}"
    return f"{found.first:8.1f} s  {verdict.esme}: {what}: {rule.text} ({found.detail})"


def _print(report: Report) -> None:
    for line in report.lines():
        click.echo(line)
    rows: list[Sequence[object]] = [
        (
            verdict.esme,
            found.name,
            RULES[found.name].severity,
            found.count,
            f"{found.first:.1f} s",
            RULES[found.name].section,
            RULES[found.name].text,
            found.detail,
        )
        for verdict in report.verdicts
        for found in verdict.findings()
    ]
    click.echo()
    if rows:
        print_table(_HEADERS, rows, right=("count", "first"))
    elif report.verdicts:
        click.echo(f"Nothing wrong with {', '.join(printable(verdict.esme) for verdict in report.verdicts)}.")
    else:
        click.echo("No ESME has bound.")
