"""The service: everything composed in one nursery, started in order and stopped in reverse.

Start: store → engine (what an earlier process left) → HTTP → links last. Stop: nothing more is claimed → what is in the
air is answered, bounded by each link's `drain` → unbind → the last events committed → store closed.
"""

from __future__ import annotations

import json
import logging
import math
import random
from dataclasses import fields, replace
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING

import trio

from bridge import config as configuration
from bridge.calling import Caller
from bridge.clock import SteadyClock
from bridge.committer import Committer
from bridge.control import ControlError
from bridge.control import serve as serve_control
from bridge.engine import Engine
from bridge.events import HooksRevived, Returned, RulesChanged
from bridge.hooks import listeners
from bridge.links import Links, esme_config
from bridge.metrics import Metrics
from bridge.notify import Notifier
from bridge.options import Problem, nearest
from bridge.pinned import with_pinned
from bridge.pulse import Pulse
from bridge.rules import Request, RulesError, load
from bridge.steering import steer
from bridge.store.lmdb import LmdbStore
from bridge.trace import Tracer
from bridge.training import TrainingError, prepare, trainer
from bridge.webhooks import Courier, poster
from bridge.workflows import workflows
from smppcore.adaptive import Verdict
from smppcore.tls import TlsFileError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from bridge.calling import Function
    from bridge.config import Config
    from bridge.events import Effects, OpenCall
    from bridge.metrics import Gauges
    from bridge.rules import Ruleset

log = logging.getLogger("smppbridge")

_MOVED = {
    "submit": "out",
    "receipt": "receipts",
    "submit.ESME_RTHROTTLED": "throttled",
    "submit.ESME_RMSGQFUL": "throttled",
}
KEPT_RULES = 20
"""Versions before the present one that sessions can go on by."""


def read_config(file: Path) -> Config:
    """Read a configuration that a service can run on.

    Raises:
        ConfigError: With everything that is wrong.
    """
    config = configuration.load(file)
    if not config.link:
        raise configuration.ConfigError([f"{file}: link: there is no link to run; add a [[link]] table"])
    return config


def needs_restart(old: Config, new: Config) -> list[str]:
    """Return what has changed and is only read at the start, as it is written in the file."""
    found: list[str] = []
    for table in ("bridge", "store", "http", "log"):
        before, after = getattr(old, table), getattr(new, table)
        found += [
            f"[{table}] {field.name}"
            for field in fields(before)
            if field.name != "rules" and getattr(before, field.name) != getattr(after, field.name)
        ]
    for table in ("functions", "workflow", "webhook"):
        if getattr(old, table) != getattr(new, table):
            found.append(f"[[{table}]]" if table == "webhook" else f"[{table}]")
    return found


class Service:
    """One running bridge.

    Resource handling: the store is opened by run() and closed on every way out of it.

    Args:
        config: Checked.
        rules: Loaded.
        functions: That flows call, by name.
        file: The configuration, to be read again by reload(); None: only the rules are.
        notifier: Tells the service manager.
    """

    _workers: trio.Nursery

    def __init__(
        self,
        config: Config,
        rules: Ruleset,
        functions: Mapping[str, Function] | None = None,
        file: Path | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.config = config
        self.rules = rules
        self._caller = Caller(functions or {})
        self._file = file
        self._notifier = notifier or Notifier()
        self._reloading = trio.Lock()
        self._metrics = Metrics([link.name for link in config.link], version("smppbridge"))
        self._full = False
        self._links: Links | None = None
        self._committer: Committer | None = None
        self._pulse: Pulse | None = None
        self._tracer: Tracer | None = None
        self._courier: Courier | None = None
        self._stop = trio.Event()
        self._stopped = trio.Event()

    def stop(self) -> None:
        """Begin the orderly end; run() returns when it is done."""
        self._stop.set()

    async def stopped(self) -> None:
        """Wait until run() has drained and closed the store."""
        await self._stopped.wait()

    def not_ready(self) -> list[str]:
        """Return a line for each reason why the service cannot do its work now; none if it can."""
        if self._stop.is_set():
            return ["stopping"]
        if self._links is None or self._committer is None:
            return ["starting"]
        failure = [self._committer.failure] if self._committer.failure else []
        return failure + [
            f"link {name}: {'no session' if not carrier.sessions else 'bound in one direction only'}"
            for name, carrier in self._links.carriers.items()
            if not carrier.ready
        ]

    def metrics_text(self, survey: Gauges | None = None) -> bytes:
        """Return the metrics in the Prometheus text format.

        Args:
            survey: What `bridge.live.survey` found, None if it could not look.
        """
        engine = None if self._committer is None else self._committer.engine
        links = {} if engine is None else engine.outbox.links
        carriers = {} if self._links is None else self._links.carriers
        gauges: Gauges = {
            **(survey or {}),
            "survey_success": [((), float(survey is not None))],
            "rules_info": [((self.rules.version,), 1.0)],
            "store_max_bytes": [((), float(self.config.store.max_size))],
            "store_full": [((), float(self._full))],
            "link_sessions": [((name,), float(one.sessions)) for name, one in carriers.items()],
            "link_sessions_wanted": [((name,), float(one.wanted)) for name, one in carriers.items()],
            "claims_waiting": [((name,), float(one.waiting)) for name, one in carriers.items()],
            "window_used": [((name,), float(queue.in_air)) for name, queue in links.items()],
            "window_size": [((name,), float(queue.capacity)) for name, queue in links.items()],
            "rate_limit_current": [((name,), queue.limits.rate) for name, queue in links.items()],
            "throttling": [
                ((name, how), float(so))
                for name, queue in links.items()
                for how, so in (
                    ("limited", queue.limits.carrier.bucket is not None),
                    ("sporadic", queue.limits.carrier.verdict is Verdict.SPORADIC),
                )
            ],
            "congestion_state": [
                ((name,), float(queue.limits.carrier.congestion))
                for name, queue in links.items()
                if queue.limits.carrier.congestion is not None
            ],
        }
        if engine is not None:
            gauges["store_used_ratio"] = [((), engine.used_share)]
            gauges["store_used_bytes"] = [((), engine.used_share * self.config.store.max_size)]
        return self._metrics.text(gauges)

    def stalled(self) -> float:
        """Return for how many seconds nothing has been decided and committed; 0.0 if that is nothing to worry about."""
        return self._pulse.stalled if self._pulse is not None else 0.0

    def moved(self) -> dict[str, dict[str, int]]:
        """Return what each link has moved since the start: texts in, submit_sm out, receipts, throttled answers."""
        links = self._links.carriers if self._links is not None else {}
        found = {name: {"in": 0, "out": 0, "receipts": 0, "throttled": 0} for name in links}
        for (link, what), n in self._metrics.totals.items():
            way = _MOVED.get(what) or ("in" if what.startswith("mo.") and what != "mo.redelivered" else "")
            if link in found and way:
                found[link][way] += n
        return found

    async def ask(self, contact: str, brand: str, request: Request) -> str:
        """Have something done about a conversation; return why it is refused, "" once it is committed.

        Raises:
            ControlError: The service is only beginning.
        """
        if self._committer is None:
            raise ControlError("the service is starting; try again")
        return await self._committer.ask(contact, brand, request)

    async def steer(self, name: str, what: str) -> str:
        """Pause, resume, drain or rebind a link; see bridge.steering.

        Raises:
            ControlError: There is no such link, or no such thing to do.
        """
        if self._links is None or self._committer is None:
            raise ControlError("the service is starting; try again")
        link = next((link for link in self.config.link if link.name == name), None)
        return await steer(what, link, name, self._links.carriers, self._links.clients, self._committer.in_the_air)

    async def run(
        self,
        web: Callable[[Service, trio.TaskStatus[None]], Awaitable[None]] | None = None,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run until stop() is called, then drain and return.

        Args:
            web: Serves HTTP until cancelled; reports that it listens.
            task_status: Told when everything is started; the links may not be bound yet.

        Raises:
            StoreError: The store cannot be used.
            OSError: The HTTP address cannot be listened on.
            TlsFileError: A certificate cannot be used any more.
        """
        clock = SteadyClock()
        made = [(link, esme_config(link)) for link in self.config.link]
        settings = self.config.store
        store = LmdbStore(self.config.bridge.data_dir, max_size=settings.max_size, sync=settings.sync == "commit")
        try:
            training = trainer(self.config.bridge.data_dir, keep=True)
            self.rules = await trio.to_thread.run_sync(with_pinned, self.rules, store, training, log.warning)
            hooks, retain = listeners(self.config.webhook), self.config.store.retain
            engine = Engine(store, self.rules, self.config.link, clock(), hooks, retain=retain)
            effects = engine.start(clock())
            self._committer = Committer(engine, self._hand_out, clock)
            self._metrics.count(effects.tally)
            in_doubt = sum(n for (_, what), n in effects.tally.items() if what == "mt.in_doubt")
            if in_doubt:
                log.warning("%d messages were in the air when the last run ended; they are in doubt", in_doubt)
            async with poster() as posting, trio.open_nursery() as back:
                self._workers = back
                self._caller.register(workflows(self.config.workflow, posting))
                for call in effects.calls:
                    back.start_soon(self._call, call)
                if web is not None:
                    await back.start(web, self)
                back.start_soon(self._committer.run)
                self._pulse = Pulse(self._committer, clock, self._notifier, self._status)
                tracer = self._tracer = Tracer(self.config.bridge.data_dir, clock)
                back.start_soon(tracer.run)
                self._courier = Courier(self.config.webhook, self._committer.put, clock, posting, random.Random())
                await back.start(self._courier.run)
                await back.start(serve_control, self.config.bridge.data_dir, self._control)
                async with trio.open_nursery() as front:
                    links = self._links = Links(front, self._committer, tracer, clock)
                    for link, esme in made:
                        links.start(link, esme)
                    self._notifier.ready()
                    back.start_soon(self._pulse.run)
                    task_status.started()
                    await self._stop.wait()
                    self._notifier.stopping()
                    log.info("stopping: waiting for what is in the air")
                    await links.stop()
                    front.cancel_scope.cancel()
                await self._courier.close()
                with trio.move_on_after(5) as scope:
                    await self._committer.drained()
                if scope.cancelled_caught:
                    log.warning("stopped with outcomes that could not be written; what was in the air is in doubt")
                await tracer.close()
                back.cancel_scope.cancel()
        finally:
            store.close()
            self._stopped.set()

    def _status(self) -> str:
        """Return how the service is, in one line."""
        return (
            "; ".join(self.not_ready()) or f"links that are bound: {', '.join(link.name for link in self.config.link)}"
        )

    async def _control(self, request: Mapping[str, object]) -> str:
        """Do what a command line asks; see bridge.control.

        Raises:
            ControlError: It cannot be done.
        """
        if request.get("do") == "ask":
            return await self._ask(request)
        if request.get("do") == "reload":
            return await self.reload()
        if request.get("do") == "link":
            return await self.steer(str(request.get("link")), str(request.get("what")))
        if request.get("do") == "hooks":
            return await self._revive(str(request.get("webhook")), drop=bool(request.get("drop")))
        if request.get("do") != "trace" or self._tracer is None or self._links is None:
            raise ControlError("this version of the service does not know that command; restart it")
        name = str(request.get("link"))
        client = self._links.clients.get(name)
        if client is None:
            raise ControlError(f"there is no link `{name}` in this service{nearest(name, self._links.clients)}")
        if not request.get("on"):
            traced = self._tracer.switch_off(name)
            return f"link {name}: {'the trace is off' if traced else 'it was not traced'}"
        seconds, masked = request.get("seconds"), not request.get("show_text")
        if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ControlError("a trace needs a time")
        self._tracer.switch_on(name, client, seconds=seconds, masked=masked)
        log.info("link %s: traced for %g s, texts %s", name, seconds, "masked" if masked else "shown")
        return f"link {name}: traced for {seconds:g} s in {self._tracer.file(name)}"

    async def _ask(self, request: Mapping[str, object]) -> str:
        """Have things done about conversations; say of each why it is refused, "" if it is done, as JSON.

        Raises:
            ControlError: The service is only beginning, or that is no request.
        """
        if self._committer is None:
            raise ControlError("the service is starting; try again")
        items = request.get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ControlError("a request needs items with contact, brand, kind and values")
        problems = [""] * len(items)

        async def ask(number: int, item: Mapping[str, object]) -> None:
            values = item.get("values")
            contact, brand, kind, by = (str(item.get(key, "")) for key in ("contact", "brand", "kind", "by"))
            said = {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
            assert self._committer is not None  # noqa: S101  judged above
            problems[number] = await self._committer.ask(contact, brand, Request(kind, by, said))

        async with trio.open_nursery() as nursery:
            # All of them are in the same turn.
            for number, item in enumerate(items):
                nursery.start_soon(ask, number, item)
        return json.dumps(problems)

    async def _revive(self, webhook: str, *, drop: bool) -> str:
        """Tell the dead letters of a webhook once more, or forget them; say how many."""
        if self._committer is None:
            raise ControlError("the service is starting; try again")
        counts: list[int] = []
        while not counts or counts[-1]:
            done = trio.Event()

            def answer(count: int, done: trio.Event = done) -> None:
                counts.append(count)
                done.set()

            self._committer.put(HooksRevived(webhook, drop, answer))
            await done.wait()
        return str(sum(counts))

    async def _call(self, call: OpenCall) -> None:
        assert self._committer is not None  # noqa: S101  calls come out of it
        self._committer.put(Returned(await self._caller.call(call)))

    async def reload(self) -> str:
        """Take the configuration and the rules anew, all of it or nothing; return a line for each thing that changes.

        The rules are trained in a process of their own and compiled in a thread; sessions go on by those that they
        began with. Links that are configured as before are not touched.

        Raises:
            ControlError: Something is wrong, or the rules have changed without a new version; all stays as it was.
        """
        if self._links is None or self._committer is None:
            raise ControlError("the service is starting; try again")
        async with self._reloading:
            self._notifier.reloading()
            try:
                return await self._reload(self._links)
            finally:
                if not self._stop.is_set():
                    self._notifier.ready()

    async def _reload(self, links: Links) -> str:
        try:
            config = self.config if self._file is None else await trio.to_thread.run_sync(read_config, self._file)
            made = [(link, esme_config(link)) for link in config.link]
            new = await self._read_rules(config.bridge.rules)
        except (configuration.ConfigError, TlsFileError, RulesError, TrainingError) as exc:
            log.warning("all stays as it was: %s", str(exc).replace("\n", "; "))
            raise ControlError(f"{exc}\nrules {self.rules.version} stay in force, and all else is as it was") from exc
        later = needs_restart(self.config, config)
        self.config = replace(
            self.config, link=config.link, bridge=replace(self.config.bridge, rules=config.bridge.rules)
        )
        for link in config.link:
            self._metrics.know(link.name)
        said = [self._change_rules(new), *await links.change(made)]
        if later:
            said.append(f"not in force before a restart: {', '.join(later)}")
            log.warning("%s", said[-1])
        return "\n".join(said)

    async def _read_rules(self, paths: tuple[Path, ...]) -> Ruleset:
        """Read the rules; those in force if nothing has changed.

        Raises:
            RulesError, TrainingError: Something is wrong with them, or they have changed without a new version.
        """
        folder, old = self.config.bridge.data_dir, self.rules
        await prepare(paths, folder)
        new = await trio.to_thread.run_sync(load, paths, trainer(folder, keep=True))
        if new.sources == old.sources:
            return old
        if new.version in {old.version, *old.older}:
            files = ", ".join(map(str, paths))
            problem = f"the rules have changed, but not their version, {new.version}: give them a new one"
            raise RulesError([Problem(files, 0, "version", problem)])
        return new

    def _change_rules(self, new: Ruleset) -> str:
        """Decide by other rules from now on; say so."""
        assert self._committer is not None  # noqa: S101  it is there before anybody can ask
        old = self.rules
        if new is old:
            return f"rules {old.version}: nothing has changed"
        older = {old.version: replace(old, older={}), **old.older}
        self.rules = replace(new, older=dict(islice(older.items(), KEPT_RULES)))
        self._committer.put(RulesChanged(self.rules))
        line = f"rules {new.version} are in force, after {old.version}"
        log.info("%s", line)
        return line

    def _hand_out(self, effects: Effects) -> None:
        """Do what a committed turn sets free: answers first, then messages."""
        for connection, responses in effects.responses:
            connection.respond(responses)
        if self._links is not None:
            if effects.revoked:
                for carrier in self._links.carriers.values():
                    carrier.revoke(effects.revoked)
            if effects.flights:
                for name in {flight.mt.link for flight in effects.flights}:
                    self._links.carriers[name].send([flight for flight in effects.flights if flight.mt.link == name])
        for event in effects.configured:
            event.done()
        for call in effects.calls:
            self._workers.start_soon(self._call, call)
        if self._courier is not None:
            for who in effects.forgotten:
                self._courier.forget(who)
            for page in effects.recalled:
                self._courier.recalled(*page)
            if effects.hooks:
                self._courier.take(effects.hooks)
            if effects.backlog is not None:
                self._courier.backlog(*effects.backlog)
        for answer, count in effects.revived:
            answer(count)
        for line in effects.incidents:
            log.warning("%s", line)
        self._metrics.count(effects.tally)
        self._metrics.turn(effects)
        self._full = effects.full
