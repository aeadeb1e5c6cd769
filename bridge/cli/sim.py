"""`smppbridge sim`: an SMSC to try an ESME on."""

from __future__ import annotations

import errno
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import trio
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bridge.cli import CliProblem
from bridge.cli.common import print_json, printable
from bridge.cli.scenario import Conversation, Scenario, ScriptedText, load, with_account
from bridge.options import At, BadValue, duration
from smppcore import constants as c
from smppcore.testbed.config import OUTCOMES, Account, Faults, Mo, Receipts, SimulatorConfig, Traffic
from smppcore.testbed.simulator import Simulator
from smppcore.testbed.subscriber import NoReply
from smppcore.testbed.tally import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smppcore.testbed.simulator import Happening
    from smppcore.testbed.tally import Report

_REFRESH_SECONDS = 0.2


class _Duration(click.ParamType[float]):
    """A time span such as 100ms or 5s; in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return duration()(value, At("", Path(), {}, []))
        except BadValue as exc:
            self.fail(str(exc), param, ctx)


class _Outcomes(click.ParamType["Mapping[str, float]"]):
    """Outcomes and their weights, as delivered=0.9,undeliverable=0.1; one without a weight has 1."""

    name = "outcomes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Mapping[str, float]:
        weights: dict[str, float] = {}
        for item in str(value).split(","):
            word, _, weight = item.strip().partition("=")
            if word not in OUTCOMES:
                self.fail(f"{word!r} is not one of {', '.join(OUTCOMES)}", param, ctx)
            try:
                weights[word] = float(weight or 1)
            except ValueError:
                self.fail(f"{weight!r} is not a number", param, ctx)
        if not all(0 <= weight < float("inf") for weight in weights.values()) or not any(weights.values()):
            self.fail("weights are numbers of 0 or more, and one of them is more than 0", param, ctx)
        return weights


class _Status(click.ParamType[int]):
    """A command_status, as 0x58 or 88."""

    name = "status"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            status = int(str(value), 0)
        except ValueError:
            self.fail(f"{value!r} is not a number such as 0x58", param, ctx)
        if not 0 < status <= 0xFFFFFFFF:
            self.fail("a status of an error is from 1 to 0xFFFFFFFF", param, ctx)
        return status


_DURATION, _OUTCOMES, _STATUS = _Duration(), _Outcomes(), _Status()
_COUNT = click.IntRange(min=0)
_RATE = click.FloatRange(min=0)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=2775, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--system-id", default="esme", show_default=True, help="Who may bind.")
@click.option("--password", default="secret", show_default=True, help="With which password.")
@click.option("--script", type=click.Path(dir_okay=False, path_type=Path), help="Texts and conversations to send.")
@click.option("--rate", default=0.0, type=_RATE, help="Texts per second.")
@click.option("--count", default=0, type=_COUNT, help="How many texts; without --rate all at once.")
@click.option("--text", default="HELP", show_default=True, help="What they say; {n}: their number, {from}: the sender.")
@click.option("--to", default="60606", show_default=True, help="The service's number.")
@click.option("--subscribers", default=1000, show_default=True, type=click.IntRange(1), help="Who take turns.")
@click.option(
    "--receipts", type=_OUTCOMES, default="delivered", show_default=True, help="As delivered=0.9,undeliverable=0.1."
)
@click.option("--receipt-delay", type=_DURATION, default="100ms", show_default=True)
@click.option("--receipt-spread", type=_DURATION, default="0s", show_default=True, help="Up to so much later.")
@click.option("--receipt-form", type=click.Choice(["both", "text", "tlvs"]), default="both", show_default=True)
@click.option("--receipt-id", type=click.Choice(["same", "decimal", "hex"]), default="same", show_default=True)
@click.option("--receipt-first", is_flag=True, help="Receipts come before their responses.")
@click.option("--message-id", type=click.Choice(["decimal", "hex", "uuid"]), default="decimal", show_default=True)
@click.option("--message-id-width", type=click.IntRange(0, 64), default=0, help="Zeros in front up to this width.")
@click.option("--throttle-every", type=_COUNT, default=0, metavar="K", help="Throttle every K-th submit_sm.")
@click.option("--throttle-rate", type=_RATE, default=0.0, help="Throttle above so many submit_sm per second.")
@click.option("--error-every", type=_COUNT, default=0, metavar="K", help="Fail every K-th submit_sm.")
@click.option("--error-status", type=_STATUS, default="0x08", show_default=True, help="With this status.")
@click.option("--delay", type=_DURATION, default="0s", show_default=True, help="Answer submit_sm so much later.")
@click.option("--drop-after", type=_DURATION, default="0s", help="Cut all connections again and again.")
@click.option("--drop-after-submits", type=_COUNT, default=0, metavar="K", help="Cut them at every K-th submit_sm.")
@click.option("--drop-mode", type=click.Choice(["rst", "fin"]), default="rst", show_default=True)
@click.option("--down-for", type=_DURATION, default="0s", help="Refuse connections so long after a cut.")
@click.option("--bind-status", type=_STATUS, help="Refuse every bind with this status.")
@click.option("--seconds", type=_DURATION, default=None, help="End after so long, as 30s; default: at Ctrl-C.")
@click.option("--seed", type=int, help="Make ids, outcomes and delays repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the closing report as JSON.")
def sim(
    *,
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
    receipts: Mapping[str, float],
    receipt_delay: float,
    receipt_spread: float,
    receipt_form: str,
    receipt_id: Literal["same", "decimal", "hex"],
    receipt_first: bool,
    message_id: Literal["decimal", "hex", "uuid"],
    message_id_width: int,
    throttle_every: int,
    throttle_rate: float,
    error_every: int,
    error_status: int,
    delay: float,
    drop_after: float,
    drop_after_submits: int,
    drop_mode: Literal["rst", "fin"],
    down_for: float,
    bind_status: int | None,
    seconds: float | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Run an SMSC: takes binds, sends texts, answers with receipts, and fails on demand.

    Its defaults fit the configuration that `smppbridge init` writes.

    \b
    Example:
      smppbridge sim --script work/sim/hello.toml
      smppbridge sim --rate 50 --text 'BALANCE {n}' --throttle-every 20 --drop-after 30s
    """  # noqa: D301  \b keeps click from wrapping the example
    scenario = with_account(load(script) if script else Scenario(), Account(system_id, password))
    config = SimulatorConfig(
        accounts=scenario.account,
        message_id=message_id,
        message_id_width=message_id_width,
        # Ids must not come again in a simulator that is started anew, unless everything shall come again.
        first_message_id=int(time.time() * 10) if seed is None else 1,
        receipts=Receipts(
            outcomes=receipts,
            delay=receipt_delay,
            spread=receipt_spread,
            text=receipt_form != "tlvs",
            tlvs=receipt_form != "text",
            message_id=receipt_id,
            before_response=receipt_first,
        ),
        faults=Faults(
            bind_status=bind_status or c.ESME_ROK,
            throttle_every=throttle_every,
            throttle_rate=throttle_rate,
            error_every=error_every,
            error_status=error_status,
            response_delay=delay,
            drop_after=drop_after,
            drop_after_submits=drop_after_submits,
            drop_mode=drop_mode,
            down_for=down_for,
        ),
    )
    traffic = Traffic(rate, count, text, to, subscribers)
    simulator = Simulator(config, random.Random(seed))
    console = Console(stderr=True, highlight=False, markup=False)
    try:
        report = trio.run(_run, simulator, host, port, scenario, traffic, seconds, console)
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
        for line in report.lines():
            click.echo(line)


async def _run(
    simulator: Simulator,
    host: str,
    port: int,
    scenario: Scenario,
    traffic: Traffic,
    seconds: float | None,
    console: Console,
) -> Report:
    """Serve until the time is up or a signal comes; return the report."""
    with trio.open_signal_receiver(2, 15) as signals:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(simulator.serve, host, port)
            accounts = ", ".join(account.system_id for account in simulator.config.accounts)
            console.print(f"SMSC on {host}:{port} for {accounts}; Ctrl-C ends it.")
            nursery.start_soon(_play, simulator, scenario, traffic)
            nursery.start_soon(_show, simulator, console)
            with trio.move_on_after(float("inf") if seconds is None else seconds):
                await signals.__anext__()
            report = simulator.report()
            await simulator.stop()
            nursery.cancel_scope.cancel()
    return report


async def _play(simulator: Simulator, scenario: Scenario, traffic: Traffic) -> None:
    """Send what the script and the options say, once somebody is bound to take it."""
    await simulator.receiving()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulator.generate, traffic)
        for conversation in scenario.conversation:
            nursery.start_soon(_converse, simulator, conversation)
        started = trio.current_time()
        for entry in sorted(scenario.text, key=_due):
            await trio.sleep_until(started + entry.at)
            simulator.inject(Mo(entry.subscriber, entry.service, entry.text, entry.account))


def _due(entry: ScriptedText) -> float:
    return entry.at


async def _converse(simulator: Simulator, conversation: Conversation) -> None:
    await trio.sleep(conversation.at)
    subscriber = simulator.subscriber(conversation.subscriber, conversation.service, conversation.account)
    for text in conversation.texts:
        try:
            await subscriber.ask(text, conversation.wait)
        except NoReply:
            continue  # the report counts it


async def _show(simulator: Simulator, console: Console) -> None:
    """Keep one line of figures on a terminal, with the last reply."""
    if not console.is_terminal:
        return
    last = ""

    def watch(happening: Happening) -> None:
        nonlocal last
        if isinstance(happening, Reply):
            last = f"  {happening.destination}: {printable(happening.text)}"

    simulator.observers.append(watch)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            figures = simulator.tally.figures
            sessions = sum(map(len, simulator.links.values()))
            line = (
                f"{sessions} sessions, {figures.mo_unique} texts, {figures.mo_acked} acknowledged, "
                f"{figures.replied} replied, {figures.receipts_acked} receipts{last}"
            )
            live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
            await trio.sleep(_REFRESH_SECONDS)
