"""[flow.NAME] as it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from bridge.options import At, BadValue, SomeSeconds, fill, whole
from bridge.rules.escalation import Escalation, read_escalation


@dataclass(frozen=True, slots=True)
class Instead:
    """on_fail, on_timeout, on_error, on_expire = { … }: what happens instead of going on."""

    say: str = ""
    """A template."""
    escalate: Annotated[Escalation | None, read_escalation] = None
    then: str = ""
    """The step to go on with, or "end", which is what happens without it."""


def _instead(value: object, at: At) -> Instead:
    return fill(Instead(), value, at)


def _expiry(value: object, at: At) -> Instead:
    if value == "close":
        return Instead()
    if not isinstance(value, dict):
        raise BadValue('must be "close" or a table of say, escalate')
    given = fill(Instead(), value, at)
    if given.then not in ("", "end"):
        at.child("then").problem('the flow is over when it has expired; only "end" can be here')
    return given


Type = Literal["text", "regex", "choice", "number", "amount", "date", "time", "email", "phone"]


@dataclass(frozen=True, slots=True)
class WaitTable:
    """wait = { … } of a step: the answer that it waits for."""

    slot: str = ""
    """The variable that takes it."""
    type: Type = "text"
    regex: str = ""
    """type = "regex": in RE2's syntax, found anywhere in the text; its first group is the value, its named groups are
    variables too."""
    min: float | None = None
    """Of a number or an amount: the least value; of a text: characters; of a date: days from today."""
    max: float | None = None
    """The same, the most."""
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """type = "choice": for each value the words for it; `yes` and `no` know those of many languages besides."""
    timeout: SomeSeconds = 3600.0
    """How long it waits; then `on_timeout`."""
    retries: Annotated[int, whole(0, 10)] = 1
    """How often it asks again after what is no answer; then `on_fail`."""
    pii: bool = False
    """Personal: masked in logs and exports."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One of `next = [{ when = "…", go = "…" }, …]`."""

    when: str = ""
    """A condition, "" = always."""
    go: str = ""
    """A step, or "end"."""


def _next(value: object, at: At) -> tuple[Branch, ...]:
    if isinstance(value, str):
        return (Branch("", value),)
    if not isinstance(value, list):
        raise BadValue('must be the name of a step, "end", or a list of { when, go }')
    return tuple(fill(Branch(), item, at.child(number)) for number, item in enumerate(value))


@dataclass(frozen=True, slots=True)
class StepTable:
    """[flow.NAME.step.NAME]: what it has happens in this order."""

    skip_if: str = ""
    """A condition under which nothing of it happens and the flow goes on: mostly the name of a variable that is set."""
    say: str = ""
    """A template."""
    wait: WaitTable | None = None
    retry: str = ""
    """The template for what is no answer, "" = `say` again."""
    on_fail: Annotated[Instead, _instead] = Instead(escalate=Escalation())
    """After the last retry."""
    on_timeout: Annotated[Instead, _instead] = Instead()
    call: str = ""
    """A function or workflow; what it returns are variables."""
    timeout: SomeSeconds = 5.0
    """How long the call may take."""
    on_error: Annotated[Instead, _instead] = Instead(escalate=Escalation())
    """The call failed or took too long."""
    save: dict[str, str] = field(default_factory=dict)
    """Fields of the customer's profile, as { "profile.address" = "{address}" }."""
    escalate: Annotated[Escalation | None, read_escalation] = None
    """Hands the conversation to people; the flow is over."""
    resolve: bool = False
    """The matter is settled: counted as resolved by automation unless the customer comes back to it."""
    next: Annotated[tuple[Branch, ...], _next] = ()
    """The first that holds; without one the flow ends."""


@dataclass(frozen=True, slots=True)
class FlowTable:
    """[flow.NAME]."""

    start: str = ""
    """Its first step."""
    expires: SomeSeconds = 86400.0
    """The whole flow takes no longer; then `on_expire`."""
    on_expire: Annotated[Instead, _expiry] = Instead()
    interrupt_by: tuple[Literal["keyword", "intent", "none"], ...] = ("keyword",)
    """What may be answered in between when a text is no answer. Control words always may."""
    step: dict[str, StepTable] = field(default_factory=dict)
