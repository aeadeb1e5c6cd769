"""`smppbridge chat`: talk to the rules as a customer would. The clock is its own, and nothing is written."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, cast

import click
import msgspec
from msgspec.structs import replace

from bridge import config as configuration
from bridge.cli.common import config_option, printable
from bridge.cli.explain import load_rules, standard_input, texted_number
from bridge.explaining import CONTACT, reasons
from bridge.records import Conversation
from bridge.rules import Called, Inbound, Request, Wake, decide, react

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.rules import Decision, Ruleset

COMMANDS = """\
/why          why the last text got its answer
/state        what is known of the conversation
/timeout      let time pass until the conversation has something to do
/call A=B …   let the open call return values; without any, let it fail
/sent TOPIC   let a message of this topic, which we start, be the last that was sent
/lang CODE    be a customer who was answered in this language
/new          be another customer
/quit         end"""


@click.command()
@config_option
@click.option("--number", help="The service number that is texted. [default: the first of the rules]")
def chat(config: Path, number: str | None) -> None:
    """Talk to the rules, as a customer; /help lists what else can be typed.

    Nothing is written, nothing is called, no service needs to run. A line is a text.

    \b
    Example:
      smppbridge chat -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    ruleset = load_rules(configuration.load(config))
    talk = Chat(ruleset, texted_number(ruleset, number), time.time())
    prompt = sys.stdin.isatty()
    if prompt:
        click.echo(f"{talk.number} ({talk.brand}), rules {ruleset.version}; /help")
    lines = standard_input()
    while True:
        if prompt:
            click.echo("> ", nl=False)
        line = next(lines, "/quit")
        if line.strip() == "/quit":
            return
        for said in talk.say(line):
            click.echo(printable(said))


class Chat:
    """One customer and the rules.

    Args:
        ruleset: The rules.
        number: The service number that is texted.
        now: Where its clock begins.
    """

    def __init__(self, ruleset: Ruleset, number: str, now: float) -> None:
        self.number = number
        self.brand = ruleset.brand_of(number)
        self._ruleset = ruleset
        self._now = now
        self._messages = 0
        self._state: Conversation | None = None
        self._last: tuple[str, Decision] | None = None

    def say(self, line: str) -> list[str]:
        """Take a text, or a command that begins with a slash; return the lines that answer it."""
        word, _, rest = line.strip().partition(" ")
        if not word.startswith("/"):
            return self._text(line)
        match word:
            case "/why" if self._last is not None:
                return list(reasons(*self._last, self._ruleset, self.number))
            case "/why":
                return ["nothing was said yet"]
            case "/state":
                return self._shown()
            case "/timeout":
                return self._timeout()
            case "/call":
                return self._call(rest)
            case "/sent":
                return self._sent(rest.strip())
            case "/lang":
                return self._language(rest.strip())
            case "/new":
                self._state = self._last = None
                return ["a new customer"]
            case _:
                return COMMANDS.splitlines()

    def _shown(self) -> list[str]:
        if self._state is None:
            return ["there is no conversation yet"]
        nothing = msgspec.structs.asdict(Conversation("", ""))
        known = {name: value for name, value in msgspec.structs.asdict(self._state).items() if value != nothing[name]}
        return json.dumps(known, default=_plain, ensure_ascii=False, indent=2).splitlines()

    def _text(self, text: str) -> list[str]:
        self._now += 1.0
        self._messages += 1
        decision = decide(Inbound(text, CONTACT, self.number), self._state, self._ruleset, self._now, self._messages)
        self._last = (text, decision)
        return self._done(decision)

    def _timeout(self) -> list[str]:
        if self._state is None or not self._state.wake:
            return ["nothing is due by time alone"]
        passed = max(0.0, self._state.wake - self._now)
        self._now += passed
        return [f"({passed:.0f} s later)", *self._done(react(Wake(), self._state, self._ruleset, self._now))]

    def _call(self, rest: str) -> list[str]:
        if self._state is None or self._state.session is None or not self._state.session.call:
            return ["no call is open"]
        values = dict(pair.partition("=")[::2] for pair in rest.split())
        called = Called(self._state.session.call, values, "" if values else "it failed")
        return self._done(react(called, self._state, self._ruleset, self._now))

    def _sent(self, topic: str) -> list[str]:
        brand = self._ruleset.numbers[self.number]
        if topic not in brand.topics:
            return [f"topics that can be stopped alone: {', '.join(brand.topics) or 'none; see [optout.topics]'}"]
        state = self._state or Conversation(CONTACT, self.brand)
        request = Request("send", "chat", {"text": topic, "topic": topic, "number": self.number})
        decision = react(request, state, self._ruleset, self._now)
        self._state = decision.state
        return [f"(not sent: {decision.problem})" if decision.problem else f"(a message of the topic {topic} was sent)"]

    def _language(self, language: str) -> list[str]:
        known = self._ruleset.numbers[self.number].languages
        if language not in known:
            return [f"the brand speaks {', '.join(known)}"]
        if self._state is None:
            self._state = Conversation(CONTACT, self.brand)
        self._state.language = language
        return [f"answered in {language} from now on"]

    def _done(self, decision: Decision) -> list[str]:
        self._state = decision.state
        said = [f"< {reply.text}" for reply in decision.replies]
        if decision.call is not None and decision.state.session is not None:
            said.append(f"(calls {decision.call.name}; /call says what it returns)")
            decision.state.session = replace(decision.state.session, call=1)
        if not decision.replies or decision.outcome == "escalated":
            said.append(f"({decision.outcome}{f': {decision.detail}' if decision.detail else ''})")
        return said


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else msgspec.structs.asdict(cast("msgspec.Struct", value))
