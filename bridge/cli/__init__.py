"""The command line: which commands there are, and what a problem looks like.

Commands are imported when they are called, so that `smppbridge --help` and a single broken module cost nothing to the
rest. A command parses, makes one call and prints; it raises what it cannot do, and the group turns every expected
exception into one line and exit status 1. Business rules must not be here.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

# name: (where the command is, what it does)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("bridge.cli.init:init", "Make a working folder: configuration, rules, a script for sim, a README."),
    "demo": ("bridge.cli.demo:demo", "Everything on loopback: simulator, bridge and scripted subscribers."),
    "run": ("bridge.cli.run:run", "Run the service."),
    "check": ("bridge.cli.check:check", "Check the configuration, the rules and the rules' tests."),
    "explain": ("bridge.cli.explain:explain", "Why a text gets the answer that it gets."),
    "chat": ("bridge.cli.chat:chat", "Talk to the rules, as a customer."),
    "sim": ("bridge.cli.sim:sim", "Run the SMSC simulator."),
    "diag": ("bridge.cli.diag:diag", "Diagnose a link: bind, throughput, one message to its receipt."),
    "load": ("bridge.cli.load:load", "Submit to any SMSC, or send texts to any ESME, and measure it."),
    "status": ("bridge.cli.look:status", "What the store holds and what the links do."),
    "top": ("bridge.cli.top:top", "What goes on, live, on the terminal."),
    "links": ("bridge.cli.look:links", "The links and their sessions."),
    "queue": ("bridge.cli.look:queue", "What waits to be sent."),
    "receipts": ("bridge.cli.look:receipts", "Delivery receipts that fit no message."),
    "show": ("bridge.cli.look:show", "One message with everything that happened to it."),
    "export": ("bridge.cli.export:export", "Export the messages or the events of a store."),
    "optout": ("bridge.cli.consent:optout", "Who wants no messages: add, remove, list."),
    "evidence": ("bridge.cli.consent:evidence", "What a customer agreed to and took back, and what was sent since."),
    "inbox": (
        "bridge.cli.inbox:inbox",
        "Escalated conversations: list, take, reply, note, tag, transfer, close.",
    ),
    "send": ("bridge.cli.send:send", "Send a message that answers nothing, to one number or to a file of them."),
    "contacts": ("bridge.cli.contacts:contacts", "Customers: list, show, set, import, export, merge, erase."),
    "find": ("bridge.cli.find:find", "Find messages by what is in them, newest first."),
    "report": (
        "bridge.cli.report:report",
        "How customers are served, and where messages fail; what to teach the rules.",
    ),
    "thread": ("bridge.cli.thread:thread", "What a customer wrote and was sent, newest first."),
    "webhooks": ("bridge.cli.webhooks:webhooks", "What waits to be told to other programs, and what was given up."),
    "reload": ("bridge.cli.reload:reload", "Have the running service take the rules anew, all of them or none."),
    "link": ("bridge.cli.link:link", "Steer a link of the running service: pause, resume, drain, rebind."),
    "trace": ("bridge.cli.trace:trace", "Trace the PDUs of a link of the running service."),
    "decode": (
        "bridge.cli.decode:decode",
        "Explain recorded PDUs: hex, log lines, captures, and what is wrong in them.",
    ),
    "store": ("bridge.cli.store:store", "Check the store's file, write it anew, back it up, restore it."),
}

# Looked up when an exception arrives: one whose module was never imported cannot have been raised.
EXPECTED: tuple[tuple[str, str], ...] = (
    ("bridge.config", "ConfigError"),
    ("bridge.control", "ControlError"),
    ("bridge.reporting", "ReportProblem"),
    ("bridge.rules", "RulesError"),
    ("bridge.store", "StoreError"),
    ("smppcore.errors", "SmppError"),
)


class CliProblem(Exception):
    """Something the user can mend; the text is one line that says how."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions inside nested groups: what comes out of a nursery is a group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def problem_of(error: BaseException) -> str | None:
    """Return the text for the user of an expected exception, None for one that is a bug."""
    known: list[type[BaseException]] = [CliProblem]
    for module, name in EXPECTED:
        if module in sys.modules:
            found = getattr(sys.modules[module], name, None)
            if isinstance(found, type):
                known.append(found)
    parts = list(leaves(error))
    if all(isinstance(leaf, tuple(known)) for leaf in parts):
        return "\n".join(dict.fromkeys(str(leaf) for leaf in parts))
    return None


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table: the order in which a newcomer meets them."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an expected exception becomes one line and exit status 1.

        Raises:
            click.ClickException: With the text for the user.
        """
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            text = problem_of(error)
            if text is None:
                raise
            raise click.ClickException(text) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="smppbridge")
def main() -> None:
    """Two-way SMS over direct carrier links (SMPP 3.4 and 5.0).

    \b
    Start with:
      smppbridge demo
      smppbridge init work && smppbridge check -c work/bridge.toml
    """  # noqa: D301 — \b is click's mark for "do not rewrap"
