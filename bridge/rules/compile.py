"""One rules file's tables into brands: every name is looked up here, so that `decide` never has to."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

from bridge.options import At, nearest
from bridge.rules import people
from bridge.rules.flows.compile import compile_flows, variables_of
from bridge.rules.hours import Hours
from bridge.rules.keywords import Keywords
from bridge.rules.lint import lint
from bridge.rules.normalise import normalise
from bridge.rules.optout import KINDS, BuiltIn, Control, add_word
from bridge.rules.patterns import Pattern, PatternError, PatternSet
from bridge.rules.quiet import Restraint
from bridge.rules.ruleset import Action, Brand, Texts
from bridge.rules.templates import MESSAGE_VARIABLES, TemplateError, Text, compile_text, unsendable
from bridge.rules.topics import ANSWER, Topic
from bridge.rules.typos import compile_typos
from smppcore.text import count_segments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bridge.options import Problem
    from bridge.rules.escalation import Escalation
    from bridge.rules.intents.compile import Trainer
    from bridge.rules.intents.tables import IntentTable
    from bridge.rules.intents.train import Report
    from bridge.rules.intents.understanding import Understanding
    from bridge.rules.tables import BrandTable, OptoutTable, RulesTables, Unmatched

_BRAND_VARIABLES = ("brand", "help_contact")
_NAMES_NEEDED = {
    "stop": ("brand",),
    "start": ("brand",),
    "help": ("brand", "help_contact"),
    "ask": ("brand",),
    "confirm": ("brand",),
    "topic": ("brand", "topic"),
}
_GROUP = re.compile(r"\(\?P?<(\w+)>")
_DEFAULTED = re.compile(r"\{([A-Za-z_]\w*)\|")
_EVERYWHERE = {"en", "fr"}
"""Languages whose control words are in force whatever a brand speaks: those of the US and of Canada."""
_POLICIES = ("escalate", "silent")
_ALWAYS_STOPS = ("stop", "stopall", "stop all", "unsubscribe")


def compile_file(
    tables: RulesTables, at: At, shipped: BuiltIn, train: Trainer | None = None
) -> tuple[list[Brand], Report | None, tuple[Problem, ...]]:
    """Compiles a rules file.

    Args:
        tables: The file as it is written.
        at: Its root; problems go there.
        shipped: The built-in control words and texts.
        train: Makes the model of its intents; None = it is trained here.

    Returns:
        Its brands, of no use if there were problems; how well its intents do, None if it has none; notes on its texts.
    """
    spoken = {language.partition("-")[0] for brand in tables.brand.values() for language in brand.languages}
    controls = _controls(tables.optout, spoken | _EVERYWHERE, at.child("optout"), shipped)
    keywords = _keywords(tables, at, controls)
    patterns, pattern_actions, captured = _patterns(tables, at)
    reserved = (*MESSAGE_VARIABLES, *_BRAND_VARIABLES, *people.PROMISES, "input")
    answer_first = _answer_first(tables.optout, controls, at)
    first = {word: control for word, control in controls.items() if word not in answer_first}
    flows = compile_flows(tables.flow, tables.template, reserved, first, at.child("flow"))
    captured |= variables_of(flows) | _returned(tables) | (people.PROMISES if tables.queue else frozenset())
    captured |= tables.profile.keys() | _given(tables, reserved, at)
    _check_queues(tables, at)
    _check_said(tables, at)
    _check_saved(tables, at)
    unmatched_at = at.child("conversation").child("unmatched")
    unmatched = _unmatched(tables.conversation.unmatched, tables, unmatched_at)
    _check_names(tables, at)
    understanding, report = _understanding(tables, at, train)
    vocabulary = frozenset() if understanding is None else understanding.model.vocabulary
    typos = compile_typos(keywords, controls, vocabulary)
    declared = _declared(keywords, controls)
    _check_phrases(tables.optout.phrases, at.child("optout").child("phrases"))
    which = Action("ask", "ask.which", "replied", "which", asks=True) if _asks("which", tables) else None
    brands = []
    for name, table in tables.brand.items():
        languages = table.languages or ("en",)
        values = {"brand": table.name or name, "help_contact": table.help_contact, **table.vars}
        _check_vars(table, captured, at.child("brand").child(name).child("vars"))
        brands.append(
            Brand(
                name,
                table.country,
                languages,
                table.numbers,
                controls,
                _control_texts(tables.optout, languages, values, at, shipped),
                keywords,
                patterns,
                pattern_actions,
                _templates(tables, languages, values, captured, at),
                unmatched,
                tables.conversation.idle_close,
                tables.conversation.max_auto_replies or None,
                typos,
                understanding,
                which,
                shipped.requests,
                tuple(" ".join(normalise(phrase)) for phrase in tables.optout.phrases),
                declared,
                tables.optout.free_text,
                tables.optout.double_opt_in,
                table.optout_by == "carrier",
                table.timezone,
                flows,
                tables.queue,
                tables.conversation.reopen_window,
                None if table.hours is None else Hours(table.hours, table.timezone),
                Restraint(table.quiet, table.cap, table.timezone),
                tables.csat if tables.csat is not None and tables.csat.ask else None,
                tables.privacy.redact,
                tables.profile,
                tables.privacy.retain_text,
                tables.privacy.retain_facts,
                answer_first,
                _topics(tables.optout, languages, values, controls, at.child("optout"), shipped),
                _topics_until(table, shipped),
            )
        )
    return brands, report, lint(tables, brands, at) if not at.problems else ()


# ---------------------------------------------------------------- topics that can be stopped alone


def _topics(
    optout: OptoutTable,
    languages: tuple[str, ...],
    values: Mapping[str, str],
    controls: Mapping[str, Control],
    at: At,
    shipped: BuiltIn,
) -> Mapping[str, Topic]:
    if optout.scope == "brand":
        return {}
    if not optout.topics:
        at.child("scope").problem('needs [optout.topics], as offers = { en = "offers" }: what can be stopped alone')
    topics = {}
    for name, called in optout.topics.items():
        here = at.child("topics").child(name)
        texts: dict[str, Text] = {}
        for language in languages:
            if not normalise(called.get(language, "")):
                here.problem(f"has no name in `{language}`: what customers call it")
                continue
            text = _text_of("topic", language, optout, {**values, "topic": called[language]}, at, shipped)
            if text is not None:
                texts[language] = text
                texts.setdefault("", text)
        answers = {ANSWER, *(" ".join(normalise(word)) for word in called.values())}
        for word in sorted(answers & controls.keys()):
            here.problem(f"is called `{word}`, which is a {controls[word].kind.upper()} word")
        topics[name] = Topic(texts, frozenset(answers))
    return topics


def _topics_until(table: BrandTable, shipped: BuiltIn) -> float:
    last = shipped.topics_until.get(table.country)
    return inf if last is None else datetime.fromisoformat(last).replace(tzinfo=UTC).timestamp()


# ---------------------------------------------------------------- control words and their texts


def _controls(optout: OptoutTable, spoken: Collection[str], at: At, shipped: BuiltIn) -> Mapping[str, Control]:
    controls = {
        word: control for word, control in shipped.controls.items() if set(spoken).intersection(control.languages)
    }
    for kind, key, added in (
        ("stop", "keywords", optout.keywords),
        ("start", "start", optout.start),
        ("help", "help", optout.help),
    ):
        for language, words in added.items():
            here = at.child(key).child(language)
            if not language:
                at.child(key).problem('must say the language of the words, as { en = ["…"] }')
            for word in words:
                if not normalise(word):
                    here.problem("holds an empty word")
                elif other := add_word(controls, word, kind, language):
                    here.problem(f"`{word}` is a {other.kind.upper()} word already")
    return controls


def _check_phrases(phrases: tuple[str, ...], at: At) -> None:
    for phrase in phrases:
        if len(normalise(phrase)) < 2:
            at.problem(f"`{phrase}` must be two words or more; a single word is a keyword")


def _declared(keywords: Keywords, controls: Mapping[str, Control]) -> Keywords | None:
    """Return the keywords that begin with a STOP word: whoever declares "stop order" means it."""

    def stops(words: Collection[str]) -> bool:
        first = next(iter(words))
        return first in controls and controls[first].kind == "stop"

    only = {text: action for text, action in keywords.only.items() if stops(text.split())}
    phrases = {first: group for first, group in keywords.phrases.items() if stops((first,))}
    return Keywords(only, {}, phrases) if only or phrases else None


def _control_texts(
    optout: OptoutTable, languages: tuple[str, ...], values: Mapping[str, str], at: At, shipped: BuiltIn
) -> Mapping[str, Texts]:
    kinds = (*KINDS, *(("ask",) if optout.free_text == "ask" else ()), *(("confirm",) if optout.double_opt_in else ()))
    texts: dict[str, dict[str, Text]] = {kind: {} for kind in kinds}
    for kind in kinds:
        for language in languages:
            text = _text_of(kind, language, optout, values, at.child("optout"), shipped)
            if text is not None:
                texts[kind][language] = text
                texts[kind].setdefault("", text)
    return texts


def _text_of(
    kind: str, language: str, optout: OptoutTable, values: Mapping[str, str], at: At, shipped: BuiltIn
) -> Text | None:
    here = at.child("reply").child(language).child(kind)
    own = optout.reply.get(language)
    source = getattr(own, kind) if own else ""
    source = source or shipped.replies.get(language, {}).get(kind, "")
    if not source:
        here.problem(f"is missing, and there is no built-in text in `{language}`")
        return None
    return _control_text(source, kind, values, here)


def _control_text(source: str, kind: str, values: Mapping[str, str], at: At) -> Text | None:
    for name in _NAMES_NEEDED[kind]:
        if not re.search(rf"\{{{name}(\|[^{{}}]*)?\}}", source):
            at.problem(f"must contain {{{name}}}: carriers demand it of every {kind.upper()} text")
    if not values["help_contact"]:
        # Reported as the brand's problem; once is enough.
        values = {**values, "help_contact": "-"}
    try:
        text = compile_text(source, values, ())
    except TemplateError as exc:
        at.problem(str(exc))
        return None
    # A confirmation must never fail for a variable; {number} always has a value, for that is how the brand was found.
    for slot in text.slots:
        if slot.default is None and slot.name != "number":
            at.problem(f"`{{{slot.name}}}` needs a default here, as {{{slot.name}|…}}")
    if problem := unsendable(text.shortest()):
        at.problem(problem)
        return None
    segments = count_segments(text.shortest())
    if kind in ("stop", "topic") and segments > 1:
        at.problem(f"takes {segments} SMS for {values['brand']}; what confirms a STOP must fit one")
    return text


# ---------------------------------------------------------------- keywords and patterns


def _keywords(tables: RulesTables, at: At, controls: Mapping[str, Control]) -> Keywords:
    only: dict[str, Action] = {}
    first: dict[str, Action] = {}
    phrases: dict[str, dict[tuple[str, ...], Action]] = {}
    owners: dict[tuple[str, str], int] = {}
    for number, table in enumerate(tables.keyword):
        here = at.child("keyword").child(number)
        if not any(table.words.values()):
            here.child("words").problem("is missing")
            continue
        rule = "keyword." + " ".join(normalise(next(word for words in table.words.values() for word in words)))
        for language, words in table.words.items():
            action = _action("keyword", rule, language, table.reply, table.escalate, tables, here, table.flow)
            for word in words:
                split = normalise(word)
                key = " ".join(split)
                if problem := _bad_keyword(word, split, table.match, controls):
                    here.child("words").problem(problem)
                elif owners.setdefault((table.match, key), number) != number:
                    line = at.child("keyword").child(owners[table.match, key]).line
                    here.child("words").problem(f"`{word}` is a keyword already, in line {line}")
                elif table.match == "only":
                    only[key] = action
                elif table.match == "first":
                    first[key] = action
                else:
                    phrases.setdefault(split[0], {})[tuple(split)] = action
    return Keywords(
        only,
        first,
        {word: tuple(sorted(by_phrase.items(), key=lambda item: -len(item[0]))) for word, by_phrase in phrases.items()},
    )


def _bad_keyword(word: str, split: list[str], match: str, controls: Mapping[str, Control]) -> str:
    if not split:
        return "holds an empty word"
    control = controls.get(" ".join(split))
    if control is not None and not control.only_opted_out:
        return f"`{word}` is a {control.kind.upper()} word, which always comes first; choose another, or a [[pattern]]"
    if match == "first" and len(split) > 1:
        return f'`{word}` is more than one word; use match = "phrase"'
    return ""


def _patterns(tables: RulesTables, at: At) -> tuple[PatternSet, tuple[Action, ...], frozenset[str]]:
    patterns: list[Pattern] = []
    actions: list[Action] = []
    captured: set[str] = set()
    names: set[str] = set()
    for number, table in enumerate(tables.pattern):
        here = at.child("pattern").child(number)
        if not table.name:
            here.problem("`name` is missing")
        elif table.name in names:
            here.child("name").problem(f"there is already a pattern `{table.name}`")
        names.add(table.name)
        action = _action("pattern", f"pattern.{table.name}", "", table.reply, table.escalate, tables, here, table.flow)
        if not table.regex:
            here.problem("`regex` is missing")
            continue
        try:
            pattern = Pattern(table.regex)
        except PatternError as exc:
            here.child("regex").problem(f"RE2 does not take it: {exc}")
            # One mistake is enough: the templates that use its groups are right.
            captured.update(_GROUP.findall(table.regex))
            continue
        if pattern.captures(b"") is not None:
            here.child("regex").problem("matches the empty text, so it would match every message")
        for group in pattern.groups:
            if group in MESSAGE_VARIABLES or group in _BRAND_VARIABLES:
                here.child("regex").problem(f"the group `{group}` has the name of a built-in variable")
        patterns.append(pattern)
        actions.append(action)
        captured.update(pattern.groups)
    return PatternSet(patterns), tuple(actions), frozenset(captured)


def _action(
    layer: str,
    rule: str,
    language: str,
    reply: str,
    escalate: Escalation | None,
    tables: RulesTables,
    at: At,
    flow: str = "",
) -> Action:
    known = tables.template.keys()
    if not reply and escalate is None and not flow:
        at.problem("does nothing: give it a `reply`, a `flow` or `escalate`")
    if flow:
        if flow not in tables.flow:
            at.child("flow").problem(f"there is no flow `{flow}`{nearest(flow, tables.flow)}")
        if reply or escalate is not None:
            at.child("flow").problem("stands alone: what is said, and to whom it is handed, is in its steps")
        return Action(layer, rule, "flow", "", "", language, flow=flow)
    if reply not in ("", "none") and reply not in known:
        at.child("reply").problem(f"there is no template `{reply}`{nearest(reply, [*known, 'none'])}")
    template = "" if reply == "none" else reply
    if escalate is not None:
        return Action(layer, rule, "escalated", template, escalate.detail, language, escalation=escalate)
    if not template:
        return Action(layer, rule, "silent", "", "known, deliberately not answered", language)
    return Action(layer, rule, "replied", template, "", language)


def _understanding(tables: RulesTables, at: At, train: Trainer | None) -> tuple[Understanding | None, Report | None]:
    if not tables.intent:
        return None, None
    # NumPy takes a tenth of a second to import: only whoever has intents pays for it.
    from bridge.rules.intents.compile import compile_intents
    from bridge.rules.intents.train import train as train_here

    def action_of(table: IntentTable, name: str, here: At) -> Action:
        action = _action("intent", f"intent.{name}", "", table.reply, table.escalate, tables, here, table.flow)
        return replace(action, resolves=table.resolves)

    return compile_intents(tables.intent, tables.intents, at, action_of, train or train_here) or (None, None)


def _returned(tables: RulesTables) -> frozenset[str]:
    """Return names that calls may set: nobody knows what these return, so every variable with a default may be one."""
    steps = [step for flow in tables.flow.values() for step in flow.step.values()]
    if not any(step.call for step in steps):
        return frozenset()
    texts = [text for table in tables.template.values() for text in table.texts.values()]
    return frozenset(name for text in texts for name in _DEFAULTED.findall(text)) - {
        *MESSAGE_VARIABLES,
        *_BRAND_VARIABLES,
    }


def _check_queues(tables: RulesTables, at: At) -> None:
    for name, table in tables.queue.items():
        moved = table.on_breach.move_to
        if moved and moved not in tables.queue:
            here = at.child("queue").child(name).child("on_breach").child("move_to")
            here.problem(f"there is no queue `{moved}`{nearest(moved, tables.queue)}")
    if not tables.queue:
        return
    named = [(at.child("keyword").child(number), table.escalate) for number, table in enumerate(tables.keyword)]
    named += [(at.child("pattern").child(number), table.escalate) for number, table in enumerate(tables.pattern)]
    named += [(at.child("intent").child(name), table.escalate) for name, table in tables.intent.items()]
    for name, flow in tables.flow.items():
        named.append((at.child("flow").child(name).child("on_expire"), flow.on_expire.escalate))
        for label, step in flow.step.items():
            here = at.child("flow").child(name).child("step").child(label)
            ways = (("on_fail", step.on_fail), ("on_timeout", step.on_timeout), ("on_error", step.on_error))
            named += [(here, step.escalate), *((here.child(key), way.escalate) for key, way in ways)]
    for here, to in named:
        if to is not None and to.queue not in ("default", *tables.queue):
            here.child("escalate").problem(f"there is no queue `{to.queue}`{nearest(to.queue, tables.queue)}")


def _check_said(tables: RulesTables, at: At) -> None:
    """Templates that other tables than rules and flows name."""
    named = [(at.child("queue").child(name).child("closed_reply"), q.closed_reply) for name, q in tables.queue.items()]
    if tables.csat is not None:
        here = at.child("csat")
        named += [(here.child("ask"), tables.csat.ask), (here.child("thanks"), tables.csat.thanks)]
        if not tables.csat.ask:
            here.child("ask").problem("is missing: the template of the question")
    for here, template in named:
        if template and template not in tables.template:
            here.problem(f"there is no template `{template}`{nearest(template, tables.template)}")
    if tables.queue and any(q.closed_reply for q in tables.queue.values()):
        for name, brand in tables.brand.items():
            if brand.hours is None:
                problem = "a queue has a `closed_reply`, but the brand no [hours]: it is always open"
                at.child("brand").child(name).problem(problem)
    if len(tables.conversation.key) != 2:
        at.child("conversation").child("key").problem('must be ["customer", "brand"]')


def _given(tables: RulesTables, reserved: Collection[str], at: At) -> set[str]:
    """Return the variables that come with messages that `send` makes."""
    for name, table in tables.template.items():
        for variable in table.given:
            if variable in reserved or not variable.isidentifier():
                problem = "is the name of a built-in variable" if variable in reserved else "is no variable's name"
                at.child("template").child(name).child("given").problem(f"`{variable}` {problem}")
    return {variable for table in tables.template.values() for variable in table.given}


def _check_saved(tables: RulesTables, at: At) -> None:
    for name, flow in tables.flow.items():
        for label, step in flow.step.items():
            for field in step.save:
                plain = field.removeprefix("profile.")
                if tables.profile and plain not in tables.profile:
                    here = at.child("flow").child(name).child("step").child(label).child("save")
                    here.problem(f"there is no field `{plain}` in [profile]{nearest(plain, tables.profile)}")


def _answer_first(optout: OptoutTable, controls: Mapping[str, Control], at: At) -> frozenset[str]:
    here = at.child("optout").child("answer_first")
    words = set()
    for word in optout.answer_first:
        said = " ".join(normalise(word))
        control = controls.get(said)
        if said in _ALWAYS_STOPS:
            here.problem(f"`{word}` always stops, whatever a flow waits for")
        elif control is None or control.kind != "stop":
            here.problem(f"`{word}` is no STOP word, so a flow gets it anyway")
        words.add(said)
    return frozenset(words)


def _asks(name: str, tables: RulesTables) -> bool:
    texts = tables.template[name].texts.values() if name in tables.template else ()
    return bool(texts) and all("{a}" in text and "{b}" in text for text in texts)


def _unmatched(policy: Unmatched, tables: RulesTables, at: At) -> tuple[Action, Action]:
    known = tables.template.keys()

    def action(which: str, choice: str) -> Action:
        rule = f"unmatched.{which}"
        if choice == "escalate":
            return Action("escalate", rule, "escalated", "", "no rule knows this text")
        if choice == "silent":
            return Action("silent", rule, "silent", "", "no rule knows this text")
        if choice not in known:
            at.child(which).problem(f"there is no template `{choice}`{nearest(choice, [*known, *_POLICIES])}")
        if _asks(choice, tables):
            if which == "second":
                at.child(which).problem(f"`{choice}` asks which of two is meant; asking again does not help")
            elif not tables.intent:
                at.child(which).problem(f"`{choice}` asks which of two intents is meant, and there is no [intent.NAME]")
            return Action("ask", rule, "replied", choice, asks=True)
        return Action("ask", rule, "replied", choice)

    return action("first", policy.first), action("second", policy.second)


# ---------------------------------------------------------------- templates


def _templates(
    tables: RulesTables,
    languages: tuple[str, ...],
    values: Mapping[str, str],
    captured: Collection[str],
    at: At,
) -> Mapping[str, Texts]:
    compiled: dict[str, Texts] = {}
    for name, table in tables.template.items():
        here = at.child("template").child(name)
        texts: dict[str, Text] = {}
        values_later = {*captured, "a", "b"} if _asks(name, tables) else captured
        for language in languages:
            source = table.texts.get(language)
            if source is None:
                here.problem(f"has no text in `{language}`")
                continue
            if not source.strip():
                here.child(language).problem("is empty")
            try:
                text = compile_text(source, values, values_later)
            except TemplateError as exc:
                here.child(language).problem(str(exc))
                continue
            if problem := unsendable(text.shortest()):
                here.child(language).problem(problem)
                continue
            segments = count_segments(text.shortest())
            if table.max_segments and segments > table.max_segments:
                here.child(language).problem(
                    f"takes {segments} SMS for {values['brand']}, max_segments is {table.max_segments}"
                )
            texts[language] = text
            texts.setdefault("", text)
        compiled[name] = texts
    return compiled


def _check_names(tables: RulesTables, at: At) -> None:
    spoken = {language for brand in tables.brand.values() for language in brand.languages}
    for name, table in tables.template.items():
        here = at.child("template").child(name)
        if name in (*_POLICIES, "none", "escalated") or name.startswith("optout."):
            here.problem("this name has a meaning of its own; choose another")
        for language in table.texts.keys() - spoken:
            here.child(language).problem(f"no brand has the language `{language}`{nearest(language, spoken)}")
    for language in tables.optout.reply.keys() - spoken:
        at.child("optout").child("reply").child(language).problem(f"no brand has the language `{language}`")


def _check_vars(table: BrandTable, captured: Collection[str], at: At) -> None:
    for name in table.vars:
        if name in MESSAGE_VARIABLES or name in _BRAND_VARIABLES:
            at.child(name).problem("is the name of a built-in variable")
        elif name in captured:
            at.child(name).problem("is the name of a pattern's group too")
