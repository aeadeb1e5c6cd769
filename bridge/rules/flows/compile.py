"""[flow.*] into flows: every name is looked up, and steps that could follow each other for ever are refused."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from bridge.options import At, nearest
from bridge.rules.answers import Answer, AnswerError, compile_answer
from bridge.rules.flows.conditions import Condition, ConditionError, parse_condition
from bridge.rules.flows.flow import END, Flow, Step
from bridge.rules.normalise import normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from bridge.rules.flows.tables import FlowTable, Instead, StepTable
    from bridge.rules.optout import Control

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def compile_flows(
    tables: Mapping[str, FlowTable],
    templates: Collection[str],
    reserved: Collection[str],
    controls: Mapping[str, Control],
    at: At,
) -> dict[str, Flow]:
    """Compile the flows of a rules file.

    Args:
        tables: By name, as they are written.
        templates: The names of the file's templates.
        reserved: Names of variables that no answer may have.
        controls: Control words that never reach a flow.
        at: [flow]; problems go there.
    """
    return {
        name: _Compiler(name, table, templates, reserved, controls, at.child(name)).flow()
        for name, table in tables.items()
    }


def variables_of(flows: Mapping[str, Flow]) -> frozenset[str]:
    """Return the names of the variables that flows set, or expect a call to set: those that conditions ask for."""
    names: set[str] = set()
    for flow in flows.values():
        for step in flow.steps.values():
            names.update(field.removeprefix("profile.") for field in step.save)
            if step.answer is not None:
                names |= step.answer.names
            for condition in (step.skip_if, *(condition for condition, _ in step.next)):
                if condition is not None:
                    names |= condition.names
    return frozenset(names)


class _Compiler:
    """Compiles one flow."""

    def __init__(
        self,
        name: str,
        table: FlowTable,
        templates: Collection[str],
        reserved: Collection[str],
        controls: Mapping[str, Control],
        at: At,
    ) -> None:
        self._name = name
        self._table = table
        self._templates = templates
        self._reserved = reserved
        self._controls = controls
        self._at = at

    def flow(self) -> Flow:
        table, at = self._table, self._at
        if not table.step:
            at.problem(f"has no step; write a [flow.{self._name}.step.NAME]")
        elif not table.start:
            at.problem('`start` is missing: the name of its first step, as start = "ask"')
        else:
            self._step_name(table.start, at.child("start"), end=False)
        if "none" in table.interrupt_by and len(table.interrupt_by) > 1:
            at.child("interrupt_by").problem('"none" stands alone')
        self._instead(table.on_expire, at.child("on_expire"))
        steps = {name: self._step(name, step, at.child("step").child(name)) for name, step in table.step.items()}
        if table.start in steps:
            self._reachable(steps)
            self._endless(steps)
        interrupts = frozenset(table.interrupt_by) - {"none"}
        return Flow(self._name, table.start, table.expires, table.on_expire, interrupts, steps)

    def _step(self, name: str, table: StepTable, at: At) -> Step:
        if name == END:
            at.problem('"end" is what ends a flow; choose another name')
        self._template(table.say, at.child("say"))
        self._template(table.retry, at.child("retry"))
        for key, instead in (
            ("on_fail", table.on_fail),
            ("on_timeout", table.on_timeout),
            ("on_error", table.on_error),
        ):
            self._instead(instead, at.child(key))
        for field in table.save:
            if not re.fullmatch(r"profile\.[A-Za-z_][A-Za-z0-9_]*", field):
                at.child("save").problem(f'`{field}` must be a field of the profile, as "profile.address"')
        if table.escalate is not None and (table.wait or table.call or table.next or table.resolve):
            at.child("escalate").problem("people go on from here: no `wait`, `call`, `resolve` or `next` beside it")
        if not (table.say or table.wait or table.call or table.save or table.escalate or table.resolve or table.next):
            at.problem("does nothing")
        follow = []
        for number, branch in enumerate(table.next):
            here = at.child("next").child(number)
            self._step_name(branch.go, here)
            follow.append((self._condition(branch.when, here), branch.go))
            if not branch.when and number < len(table.next) - 1:
                here.problem("always holds, so what comes after it never happens")
        wait = table.wait
        answer = self._answer(table, at.child("wait"))
        return Step(
            name,
            self._condition(table.skip_if, at.child("skip_if")),
            table.say,
            answer,
            wait.timeout if wait else 0.0,
            wait.retries if wait else 0,
            wait.pii if wait else False,
            table.retry or table.say,
            table.on_fail,
            table.on_timeout,
            table.call,
            table.timeout,
            table.on_error,
            table.save,
            table.escalate,
            table.resolve,
            tuple(follow),
        )

    def _answer(self, table: StepTable, at: At) -> Answer | None:
        wait = table.wait
        if wait is None:
            return None
        if not _NAME.fullmatch(wait.slot):
            at.child("slot").problem("is no variable's name" if wait.slot else "must name a variable")
        elif wait.slot in self._reserved:
            at.child("slot").problem(f"`{wait.slot}` is the name of a built-in variable")
        for words in wait.choices.values():
            for word in words:
                control = self._controls.get(" ".join(normalise(word)))
                if control is not None and not control.only_opted_out:
                    at.child("choices").problem(
                        f"`{word}` never gets here: it is a {control.kind.upper()} word, which comes first"
                    )
        try:
            return compile_answer(wait)
        except AnswerError as exc:
            at.problem(str(exc))
            return None

    def _instead(self, instead: Instead, at: At) -> None:
        self._template(instead.say, at.child("say"))
        if instead.then:
            self._step_name(instead.then, at.child("then"))
            if instead.escalate is not None and instead.then != END:
                at.child("then").problem("people go on from `escalate`: only one of the two can be")

    def _template(self, name: str, at: At) -> None:
        if name and name not in self._templates:
            at.problem(f"there is no template `{name}`{nearest(name, self._templates)}")

    def _step_name(self, name: str, at: At, *, end: bool = True) -> None:
        known = [*self._table.step, END] if end else list(self._table.step)
        if name not in known:
            at.problem(f"there is no step `{name}`{nearest(name, known)}" if name else "`go` is missing")

    def _condition(self, source: str, at: At) -> Condition | None:
        if not source:
            return None
        try:
            return parse_condition(source)
        except ConditionError as exc:
            at.problem(f"the condition {exc}")
            return None

    def _reachable(self, steps: Mapping[str, Step]) -> None:
        seen: set[str] = set()
        waiting = [self._table.start]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in steps:
                continue
            seen.add(name)
            waiting += _exits(steps[name])
        for name in steps.keys() - seen:
            self._at.child("step").child(name).problem("no step leads here")

    def _endless(self, steps: Mapping[str, Step]) -> None:
        """Refuse a circle that can be gone round without an answer of the customer."""
        free = {name: [after for after in _followers(step) if after in steps] for name, step in steps.items()}
        try:
            TopologicalSorter(free).prepare()
        except CycleError as exc:
            circle = exc.args[1][::-1]
            turned = circle.index(min(circle[1:]))
            circle = [*circle[turned:-1], *circle[:turned], circle[turned]]
            self._at.child("step").child(circle[0]).problem(
                f"goes round for ever without an answer: {' → '.join(circle)}"
            )


def _exits(step: Step) -> Iterator[str]:
    yield from (name for _, name in step.next)
    for instead in (step.on_fail, step.on_timeout, step.on_error):
        yield instead.then


def _followers(step: Step) -> Iterator[str]:
    """Yield the steps that may come after this one without an answer of the customer."""
    if step.answer is None or step.skip_if is not None:
        yield from (name for _, name in step.next)
    if step.answer is not None:
        yield step.on_timeout.then
    elif step.call:
        yield step.on_error.then
