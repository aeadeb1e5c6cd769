"""Links that are configured otherwise while the service runs, over loopback: only those that must are bound anew."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from bridge import config as configuration
from bridge.config import InDoubtConfig, LimitsConfig, LinkConfig, RetryConfig, TlsConfig
from bridge.control import ControlError
from bridge.links import needs_rebind
from bridge.rules import load
from bridge.service import Service
from bridge.store.lmdb import LmdbReader
from smppcore.pdu import DeliverSMResp
from tests.pipeline import RULES, link, receipt, text
from tests.test_service import Smsc, carrier, logged, stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(30)


class Site:
    """A running service with a configuration file, and a carrier for each link."""

    def __init__(self, folder: Path, carriers: dict[str, tuple[Smsc, int]]) -> None:
        self.file = folder / "bridge.toml"
        self.smscs = {name: smsc for name, (smsc, _) in carriers.items()}
        self._ports = {name: port for name, (_, port) in carriers.items()}
        self.service: Service

    def write(self, *, head: str = "", **links: str) -> None:
        content = (
            '[bridge]\nrules = ["rules.toml"]\n[http]\nlisten = "127.0.0.1:0"\n[store]\nmax_size = "64MiB"\n' + head
        )
        for name, more in links.items():
            content += (
                f'[[link]]\nname = "{name}"\nport = {self._ports[name]}\npassword = "secret"\n'
                f'reconnect = {{ initial = "10ms", max = "50ms" }}\n{more}\n'
            )
        self.file.write_text(content)

    def peers(self) -> dict[str, list[str]]:
        """Our address of each connection, as the carriers see it."""
        return {name: [link.peer for link in smsc.links] for name, smsc in self.smscs.items()}

    async def draining(self, name: str) -> None:
        """Wait until a reload has begun to end a link."""
        assert self.service._links is not None
        while not self.service._links.carriers[name].stopping:  # noqa: ASYNC110  nobody is told of it
            await trio.sleep(0.01)

    async def bound(self, *names: str) -> None:
        for name in names:
            await self.smscs[name].until(lambda name=name: self.smscs[name].links)  # type: ignore[misc]


@asynccontextmanager
async def site(folder: Path, *names: str, **links: str) -> AsyncIterator[Site]:
    """A service with carriers of these names, of which the links are configured."""
    async with AsyncExitStack() as stack:
        made = Site(folder, {name: await stack.enter_async_context(carrier()) for name in names})
        (folder / "rules.toml").write_text(RULES)
        made.write(**links)
        settings = configuration.load(made.file)
        made.service = Service(settings, load(settings.bridge.rules), file=made.file)
        nursery = await stack.enter_async_context(trio.open_nursery())
        await nursery.start(made.service.run)
        await made.bound(*links)
        yield made
        made.service.stop()
        await made.service.stopped()


def acknowledged(smsc: Smsc) -> int:
    return sum(isinstance(pdu, DeliverSMResp) and not pdu.command_status for pdu in smsc.outcomes)


async def test_one_of_three_is_changed_under_traffic_and_the_others_keep_their_sockets(tmp_path: Path) -> None:
    async with site(tmp_path, "a", "b", "c", a="", b="", c="") as here:
        before = here.peers()
        sent = 0

        async def write_texts() -> None:
            nonlocal sent
            while True:
                for smsc in here.smscs.values():
                    if smsc.links:
                        sent += 1
                        smsc.deliver(text(f"echo {sent}", source=b"1555%07d" % sent))
                await trio.sleep(0.001)

        async with trio.open_nursery() as traffic:
            traffic.start_soon(write_texts)
            while sent < 60:  # noqa: ASYNC110  the traffic is the clock
                await trio.sleep(0.001)
            here.write(a="", b='system_type = "new"', c="")
            said = await here.service.reload()
            after = sent
            while sent < after + 60:  # noqa: ASYNC110
                await trio.sleep(0.001)
            traffic.cancel_scope.cancel()
        assert said == "rules 3: nothing has changed\nlink b: changed, bound anew"
        assert {name: here.peers()[name] for name in "ac"} == {name: before[name] for name in "ac"}
        assert here.peers()["b"] != before["b"]
        assert [smsc.binds for smsc in here.smscs.values()] == [1, 2, 1]
        assert [smsc.reasons for smsc in here.smscs.values()] == [[], ["unbound by the peer"], []]

        def settled() -> bool:
            outcomes = sum(len(smsc.outcomes) for smsc in here.smscs.values())
            return outcomes == sent and all(len(s.submits) >= acknowledged(s) for s in here.smscs.values())

        while not settled():  # noqa: ASYNC110
            await trio.sleep(0.01)
    rows = stored(configuration.load(here.file))
    texts = [row["text"] for row in rows if row["kind"] == "mo"]
    replies = [row for row in rows if row["kind"] == "mt"]
    assert len(set(map(str, texts))) == len(texts) >= sum(map(acknowledged, here.smscs.values())) >= 100
    assert len(replies) == len(texts)
    answered = [pdu.short_message for smsc in here.smscs.values() for pdu in smsc.submits]
    assert len(answered) == len(set(answered)) == len(texts)
    assert {row["state"] for row in replies} == {"accepted"}


async def test_what_needs_no_new_bind_is_used_at_once_on_the_sessions_there_are(tmp_path: Path) -> None:
    async with site(tmp_path, "a", a="window = 1") as here:
        smsc = here.smscs["a"]
        smsc.answers = False
        smsc.deliver(*(text(f"echo {n}", source=b"1555%07d" % n) for n in range(5)))
        await smsc.until(lambda: len(smsc.submits) == 1)
        here.write(a='window = 3\nservice_type = "x"\nlimits = { per_day = 4 }\naccepted_is_final = true')
        said = await here.service.reload()
        assert said.splitlines()[1] == "link a: changed, its sessions go on"
        await smsc.until(lambda: len(smsc.submits) == 3)
        assert [pdu.service_type for pdu in smsc.submits] == [b"", b"x", b"x"]
        here.write(a='window = 1\nservice_type = "x"\nlimits = { per_day = 4 }')
        await here.service.reload()
        with logged("the 4 messages of the day are used up"):
            smsc.answers = True
            for pdu in list(smsc.submits):
                smsc.accept(pdu)
            await smsc.until(lambda: len(smsc.submits) == 5)
        assert smsc.binds == 1


async def test_a_new_link_starts_and_one_that_is_removed_ends_and_keeps_what_waits_for_it(tmp_path: Path) -> None:
    async with site(tmp_path, "a", "b", a="drain = '0s'\nwindow = 1") as here:
        smsc = here.smscs["a"]
        smsc.answers = False
        smsc.deliver(text("echo 1"), text("echo 2", source=b"2"))
        await smsc.until(lambda: smsc.submits and len(smsc.outcomes) == 2)
        assert b'link_sessions{link="a"} 1.0' in here.service.metrics_text()
        here.write(b="")
        assert (await here.service.reload()).splitlines()[1:] == [
            "link a: removed and unbound; what waits for it stays in the store",
            "link b: new",
        ]
        await here.bound("b")
        assert smsc.reasons == ["unbound by the peer"]
        assert here.service.not_ready() == []
        assert list(here.service.moved()) == ["b"]
        assert b'link_sessions{link="b"} 1.0' in here.service.metrics_text()
        assert b'link_sessions{link="a"}' not in here.service.metrics_text()
        here.smscs["b"].deliver(text("echo 3", source=b"3"))
        await here.smscs["b"].until(lambda: here.smscs["b"].submits)
    reader = LmdbReader(tmp_path / "var")
    assert [(mt.link, mt.text) for mt in reader.queue()] == [("a", "1"), ("a", "2")]
    reader.close()
    async with site(tmp_path, "a", "b", b="") as here:
        here.write(a="", b="")
        await here.service.reload()
        await here.smscs["a"].until(lambda: len(here.smscs["a"].submits) == 2)
    rows = [row for row in stored(configuration.load(here.file)) if row["kind"] == "mt"]
    assert [(row["text"], row["attempts"], row["state"]) for row in rows] == [
        ("1", 2, "accepted"),
        ("2", 1, "accepted"),
        ("3", 1, "accepted"),
    ]


async def test_who_gives_up_waiting_for_a_reload_leaves_no_link_unbound(tmp_path: Path) -> None:
    async with site(tmp_path, "a", a="drain = '20s'") as here:
        smsc = here.smscs["a"]
        smsc.answers = False
        smsc.deliver(text("echo 1"))
        await smsc.until(lambda: smsc.submits)
        here.write(a="receive_window = 7")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.service.reload)
            await here.draining("a")
            nursery.cancel_scope.cancel()
        assert smsc.binds == 1
        smsc.accept(smsc.submits[0])
        await smsc.until(lambda: smsc.binds == 2 and smsc.links)
        assert (await here.service.reload()).splitlines() == ["rules 3: nothing has changed"]


async def test_a_text_that_comes_again_under_another_group_is_answered_once(tmp_path: Path) -> None:
    async with site(tmp_path, "a", a="") as here:
        smsc = here.smscs["a"]
        smsc.deliver(text("echo 1"))
        await smsc.until(lambda: smsc.outcomes)
        here.write(a='group = "other"')
        await here.service.reload()
        await smsc.until(lambda: smsc.binds == 2 and smsc.links)
        smsc.deliver(text("echo 1"))
        await smsc.until(lambda: len(smsc.outcomes) == 2)
    (mo, mt) = stored(configuration.load(here.file))
    assert (mo["redelivered"], mt["state"]) == (1, "accepted")


async def test_a_receipt_finds_its_message_after_the_link_was_bound_anew(tmp_path: Path) -> None:
    async with site(tmp_path, "a", a="") as here:
        smsc = here.smscs["a"]
        smsc.deliver(text("echo 1"))
        await smsc.until(lambda: smsc.submits)
        here.write(a="receive_window = 7")
        await here.service.reload()
        await smsc.until(lambda: smsc.binds == 2 and smsc.links)
        smsc.deliver(receipt(b"0000"))
        await smsc.until(lambda: len(smsc.outcomes) == 2)
    assert stored(configuration.load(here.file))[1]["state"] == "delivered"


async def test_a_paused_link_that_is_bound_anew_stays_paused(tmp_path: Path) -> None:
    async with site(tmp_path, "a", a="") as here:
        smsc = here.smscs["a"]
        await here.service.steer("a", "pause")
        here.write(a="receive_window = 7")
        await here.service.reload()
        await smsc.until(lambda: smsc.binds == 2 and smsc.links)
        smsc.deliver(text("echo 1"))
        await smsc.until(lambda: smsc.outcomes)
        assert smsc.submits == []
        await here.service.steer("a", "resume")
        await smsc.until(lambda: smsc.submits)


@pytest.mark.parametrize(
    ("links", "problem"),
    [
        ({"a": "windoww = 1"}, "windoww: unknown key; did you mean `window`?"),
        ({"a": "tls = { ca = 'none.pem' }"}, "none.pem"),
        ({}, "there is no link to run"),
    ],
)
async def test_a_mistake_anywhere_leaves_everything_as_it_was(
    tmp_path: Path, links: dict[str, str], problem: str
) -> None:
    async with site(tmp_path, "a", "b", a="") as here:
        if links:
            links = {**links, "b": ""}
        here.write(**links)
        (tmp_path / "rules.toml").write_text(RULES.replace('"3"', '"4"'))
        with pytest.raises(ControlError, match="all else is as it was") as caught:
            await here.service.reload()
        assert problem in str(caught.value)
        assert here.service.rules.version == "3"
        assert [link.name for link in here.service.config.link] == ["a"]
        here.write(a="window = 2", b="")
        (tmp_path / "rules.toml").write_text("nonsense")
        with pytest.raises(ControlError, match="not valid TOML"):
            await here.service.reload()
        assert here.smscs["a"].binds == 1
        assert here.smscs["b"].binds == 0


async def test_what_only_a_restart_changes_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    async with site(tmp_path, "a", a="") as here:
        head = '[functions]\n"x.y" = "file.py:name"\n[[webhook]]\nname = "w"\nurl = "http://127.0.0.1:1/"\n'
        here.write(head=head, a="window = 2")
        content = here.file.read_text()
        here.file.write_text(
            content.replace("64MiB", "65MiB")
            .replace("127.0.0.1:0", "127.0.0.1:1")
            .replace("[bridge]", '[bridge]\ndata_dir = "else"')
        )
        assert (await here.service.reload()).splitlines()[1:] == [
            "link a: changed, its sessions go on",
            "not in force before a restart: [bridge] data_dir, [store] max_size, [http] listen, "
            "[functions], [[webhook]]",
        ]
        assert here.service.config.store.max_size == 64 << 20


async def test_a_stop_in_the_middle_of_a_change_starts_nothing(tmp_path: Path) -> None:
    async with site(tmp_path, "a", "b", a="drain = '20s'") as here:
        smsc = here.smscs["a"]
        smsc.answers = False
        smsc.deliver(text("echo 1"))
        await smsc.until(lambda: smsc.submits)
        here.write(a="receive_window = 7")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.service.reload)
            await here.draining("a")
            with logged("stopping") as stopping:
                here.service.stop()
                await stopping.wait()
            smsc.accept(smsc.submits[0])
            await here.service.stopped()
            nursery.cancel_scope.cancel()
        assert smsc.binds == 1


def test_what_sessions_are_made_from_needs_a_new_bind_and_nothing_else_does() -> None:
    old = link()
    anew: tuple[dict[str, Any], ...] = (
        {"host": "other"},
        {"password": "y"},
        {"binds": 2},
        {"enquire_link": 1.0},
        {"response_timeout": 1.0},
        {"group": "g"},
        {"trace": True},
        {"tls": TlsConfig()},
        {"bind": "separate"},
    )
    for options in anew:
        assert needs_rebind(old, replace(old, **options)), options
    going_on: tuple[dict[str, Any], ...] = (
        {"window": 7},
        {"rate": 3.0},
        {"limits": LimitsConfig(per_day=3)},
        {"errors": {0x58: "permanent"}},
        {"retry": RetryConfig(1.0)},
        {"in_doubt": InDoubtConfig("hold")},
        {"drain": 1.0},
        {"charset": "latin1"},
    )
    for options in going_on:
        assert not needs_rebind(old, replace(old, **options)), options
    secured = LinkConfig(name="a", tls=TlsConfig())
    assert not needs_rebind(secured, replace(secured, window=3))
