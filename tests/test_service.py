"""The whole service against an SMSC of our own, over loopback."""

from __future__ import annotations

import io
import logging
import re
import threading
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio

from bridge.config import Address, Backoff, BridgeConfig, Config, HttpConfig, LinkConfig, StoreConfig, TlsConfig
from bridge.control import ControlError, ask
from bridge.export import message_rows
from bridge.links import esme_config
from bridge.rules import load
from bridge.service import Service
from bridge.store import StoreError
from bridge.store.lmdb import LmdbReader, LmdbStore, service_running
from bridge.web import serve
from smppcore import constants as c
from smppcore.dissect.found import Found
from smppcore.dissect.recording import read
from smppcore.failover import Endpoint
from smppcore.pdu import AlertNotification, BindRequest, DeliverSM, Pdu, SubmitSM, SubmitSMResp, decode
from smppcore.session import SessionConfig
from smppcore.smsc import SmscConfig, SmscServer
from smppcore.testbed.tally import Tally
from smppcore.tls import server_context
from tests.certificates import Authority
from tests.pipeline import link, parts_of, receipt, rules, text

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from bridge.export import Row
    from smppcore.link import Link
    from smppcore.session import Event
    from smppcore.text import LongForm

pytestmark = pytest.mark.timeout(30)


class Smsc:
    """A carrier: takes binds, keeps what it is sent, answers or does not, reports delivery."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status = c.ESME_ROK
        self.answers = True
        self.binds = 0
        self.links: list[Link] = []
        self.reasons: list[str] = []
        self.refusals: list[str] = []
        self.submits: list[SubmitSM] = []
        self.to_send: list[Pdu] = []
        self.outcomes: list[Pdu | None] = []
        self._changed = trio.Event()
        session = SessionConfig(system_id=b"carrier", session_init_timeout=10.0)
        self.server = SmscServer(
            SmscConfig(session=session, tls=tls), self.authenticate, self, lambda _, why: self.refusals.append(why)
        )

    def authenticate(self, bind: BindRequest, _peer: str) -> int:
        self.binds += 1
        self._change()
        return self.status if bind.password == b"secret" else c.ESME_RINVPASWD

    def on_bound(self, link: Link) -> None:
        self.links.append(link)
        self._change()

    def on_events(self, link: Link, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, SubmitSM):
                self.submits.append(event)
                if self.answers:
                    self.accept(event)
            elif not isinstance(event, Pdu) and hasattr(event, "response"):
                self.outcomes.append(event.response)
        self._change()

    def accept(self, pdu: SubmitSM) -> None:
        number = b"%04d" % self.submits.index(pdu)
        self.links[-1].respond([SubmitSMResp(number, sequence_number=pdu.sequence_number)])

    def take_requests(self, link: Link, room: int) -> Sequence[Pdu]:
        taken, self.to_send = self.to_send[:room], self.to_send[room:]
        return taken

    def on_closed(self, link: Link, reason: str) -> None:
        self.links.remove(link)
        self.reasons.append(reason)
        self._change()

    def deliver(self, *pdus: DeliverSM) -> None:
        self.to_send += pdus
        self.links[-1].wake()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, happened: Callable[[], object]) -> None:
        while not happened():
            await self._changed.wait()


@asynccontextmanager
async def carrier(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Smsc, int]]:
    smsc = Smsc(tls)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(smsc.server.serve, "127.0.0.1", 0)
        yield smsc, port
        nursery.cancel_scope.cancel()


def config(path: Path, port: int, **options: object) -> Config:
    made = replace(link(**options), host="127.0.0.1", port=port, password="secret", reconnect=Backoff(0.01, 0.05))  # type: ignore[arg-type]
    return Config(
        BridgeConfig(path / "var"), StoreConfig(max_size=64 << 20), HttpConfig(Address("127.0.0.1", 0)), link=(made,)
    )


@asynccontextmanager
async def running(settings: Config) -> AsyncIterator[Service]:
    """A started service; stopped in order at the end."""
    service = Service(settings, rules())
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        yield service
        service.stop()
        await service.stopped()


FLOW_RULES = """\
version = "{version}"
[brand.acme]
name = "Acme"
help_contact = "help@acme.example"
numbers = ["60606"]
[[keyword]]
words = ["track"]
flow = "track"
[[keyword]]
words = ["hours"]
reply = "hours"
[flow.track]
start = "ask"
[flow.track.step.ask]
say = "ask"
wait = {{ slot = "order", type = "number" }}
retry = "again"
next = "look"
[flow.track.step.look]
call = "orders.status"
next = "tell"
[flow.track.step.tell]
say = "tell"
[template.hours]
en = "{hours}"
[template.ask]
en = "Which?"
[template.again]
en = "A number ({version})"
[template.tell]
en = "{{order}} is {{status|somewhere}}"
"""


async def test_rules_are_taken_anew_while_it_runs_and_sessions_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(FLOW_RULES.format(version="1", hours="8-18"))
    made: list[dict[str, str]] = []

    async def status(values: dict[str, str]) -> dict[str, str]:
        made.append(values)
        return {"status": "packed"}

    async with carrier() as (smsc, port):
        settings = config(tmp_path, port)
        settings = replace(settings, bridge=replace(settings.bridge, rules=(file,)))
        service = Service(settings, load(settings.bridge.rules), {"orders.status": status})
        folder = settings.bridge.data_dir

        async def said(body: str) -> bytes:
            count = len(smsc.submits)
            smsc.deliver(text(body))
            await smsc.until(lambda: len(smsc.submits) > count)
            return smsc.submits[-1].short_message

        async def reload() -> str:
            return await trio.to_thread.run_sync(ask, folder, {"do": "reload"})

        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            await smsc.until(lambda: smsc.links)
            assert await said("track") == b"Which?"
            assert await reload() == "rules 1: nothing has changed"
            file.write_text(FLOW_RULES.format(version="1", hours="9-17"))
            with pytest.raises(ControlError, match="but not their version, 1"):
                await reload()
            file.write_text(FLOW_RULES.format(version="2", hours="9-17") + "[[keyword]]\n")
            with pytest.raises(ControlError, match="rules 1 stay in force"):
                await reload()
            assert await said("hours") == b"8-18"
            file.write_text(FLOW_RULES.format(version="2", hours="9-17"))
            assert await reload() == "rules 2 are in force, after 1"
            assert await said("hours") == b"9-17"
            assert await said("no number") == b"A number (1)"
            assert await said("7") == b"7 is packed"
            file.write_text(FLOW_RULES.format(version="1", hours="8-18"))
            with pytest.raises(ControlError, match="but not their version, 1"):
                await reload()
            assert smsc.binds == 1
            service.stop()
            await service.stopped()
        assert [values["order"] for values in made] == ["7"]


def stored(settings: Config) -> list[Row]:
    reader = LmdbReader(settings.bridge.data_dir)
    try:
        return list(message_rows(reader))
    finally:
        reader.close()


@contextmanager
def logged(words: str) -> Iterator[trio.Event]:
    """Give an event that is set when a line with these words is logged."""
    seen = trio.Event()

    class Watcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                seen.set()

    watcher = Watcher(logging.INFO)
    logger = logging.getLogger("smppbridge")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(watcher)
    try:
        yield seen
    finally:
        logger.removeHandler(watcher)
        logger.setLevel(level)


async def test_a_text_gets_its_reply_and_the_reply_its_receipt(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port)
        async with running(settings) as service:
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.submits)
            assert smsc.submits[0].short_message == b"8-18"
            assert service.not_ready() == []
            smsc.deliver(receipt(b"0000"))
            await smsc.until(lambda: len(smsc.outcomes) == 2)
            assert [pdu.command_status for pdu in smsc.outcomes if pdu] == [0, 0]
            shown = service.metrics_text().decode()
            assert 'smppbridge_link_sessions{link="a"} 1.0' in shown
            assert 'smppbridge_mo_total{link="a",outcome="replied"} 1.0' in shown
            assert 'smppbridge_response_seconds_count{brand="acme",by="automated"} 1.0' in shown
            assert 'smppbridge_submit_response_seconds_count{link="a"} 1.0' in shown
            assert 'smppbridge_receipt_delay_seconds_count{link="a"} 1.0' in shown
            (commits,) = re.findall(r"^smppbridge_commit_seconds_sum (.*)$", shown, re.MULTILINE)
            (turns,) = re.findall(r"^smppbridge_turn_seconds_sum (.*)$", shown, re.MULTILINE)
            assert 0.0 < float(commits) < float(turns)
        assert service.not_ready() == ["stopping"]
    mo, mt = stored(settings)
    assert (mo["text"], mo["outcome"]) == ("hours", "replied")
    assert (mt["text"], mt["state"], mt["message_ids"]) == ("8-18", "delivered", ["0000"])
    assert not service_running(settings.bridge.data_dir)


@pytest.mark.parametrize("form", ["udh8", "udh16", "sar", "payload"])
async def test_long_texts_go_both_ways_in_the_form_of_the_link(tmp_path: Path, form: LongForm) -> None:
    words = "Ünïcode ✓ [and] more 🙂, " * 12
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port, long_messages=form)
        async with running(settings):
            await smsc.until(lambda: smsc.links)
            incoming = parts_of("echo " + words, 300, form)
            smsc.deliver(*reversed(incoming), *parts_of("echo " + words, 300, form)[1:])
            await smsc.until(lambda: len(smsc.submits) == (1 if form == "payload" else 5))
            await smsc.until(lambda: len(smsc.outcomes) == 2 * len(incoming) - 1)
    tally = Tally()
    (reply,) = [whole for pdu in smsc.submits if (whole := tally.submitted(pdu, "", 0.0)) is not None]
    assert reply.text == words
    mo, mt = stored(settings)
    assert (mo["text"], mo["redelivered"], mo["flags"]) == ("echo " + words, len(incoming) - 1, [])
    assert (mt["text"], mt["parts"], mt["state"]) == (words, len(smsc.submits), "accepted")


async def test_a_stop_waits_for_what_is_in_the_air_and_unbinds(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        smsc.answers = False
        settings = config(tmp_path, port)
        async with running(settings) as service:
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.submits)
            with logged("stopping") as stopping:
                service.stop()
                assert service.not_ready() == ["stopping"]
                await stopping.wait()
            smsc.accept(smsc.submits[0])
        await smsc.until(lambda: not smsc.links)
        assert smsc.reasons == ["unbound by the peer"]
    assert stored(settings)[1]["state"] == "accepted"


async def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        smsc.answers = False
        settings = config(tmp_path, port, drain=0.05)
        async with running(settings) as service:
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.submits)
            service.stop()
    row = stored(settings)[1]
    assert (row["state"], row["in_doubt"], row["error"]) == ("sent", True, "link_lost")


async def test_what_was_in_the_air_at_a_kill_is_in_doubt_and_sent_again(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        smsc.answers = False
        settings = config(tmp_path, port)
        async with trio.open_nursery() as nursery:
            await nursery.start(Service(settings, rules()).run)
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.submits)
            nursery.cancel_scope.cancel()
        await smsc.until(lambda: not smsc.links)
        smsc.answers = True
        with logged("1 messages were in the air") as said:
            async with running(settings):
                await smsc.until(lambda: len(smsc.submits) == 2)
        assert said.is_set()
    row = stored(settings)[1]
    assert (row["state"], row["in_doubt"], row["attempts"]) == ("accepted", True, 2)


async def test_a_text_that_comes_again_after_a_cut_is_answered_once(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port)
        async with running(settings):
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.outcomes)
            smsc.links[0].abort("cut")
            await smsc.until(lambda: smsc.binds == 2 and smsc.links)
            smsc.deliver(text("hours"), text("echo other"))
            await smsc.until(lambda: len(smsc.submits) == 2)
    assert [row["redelivered"] for row in stored(settings) if row["kind"] == "mo"] == [1, 0]


async def test_a_refused_bind_is_one_line_a_slow_ladder_and_not_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port)
        settings = replace(settings, link=(replace(settings.link[0], password="wrong"),))
        with logged("next attempt") as said:
            async with running(settings) as service:
                await said.wait()
                assert service.not_ready() == ["link a: no session"]
                assert smsc.binds == 1
    lines = [record.getMessage() for record in caplog.records if "next attempt" in record.getMessage()]
    assert len(lines) == 1
    assert "ESME_RINVPASWD" in lines[0]
    assert "wrong" not in lines[0]
    assert float(lines[0].rpartition(" in ")[2].removesuffix(" s")) >= 15.0


async def test_a_turn_that_hangs_is_not_healthy_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.pulse.STALLED", 0.2)
    monkeypatch.setattr("bridge.pulse.INTERVAL", 0.05)
    async with carrier() as (smsc, port), running(config(tmp_path, port)) as service:
        await smsc.until(lambda: smsc.links)
        assert service.stalled() == 0.0
        assert service._committer is not None
        engine, go_on = service._committer.engine, threading.Event()
        turn = engine.turn

        def hang(events: list[object], now: float) -> object:
            go_on.wait(10.0)
            return turn(events, now)  # type: ignore[arg-type]

        monkeypatch.setattr(engine, "turn", hang)
        while not service.stalled():  # noqa: ASYNC110  a thread hangs: nothing tells of it
            await trio.sleep(0.01)
        go_on.set()
        while service.stalled():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_a_store_that_takes_nothing_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with carrier() as (smsc, port), running(config(tmp_path, port)) as service:
        while service.not_ready():  # noqa: ASYNC110  our side of the bind is nobody's event here
            await trio.sleep(0.01)
        assert service._committer is not None
        turn = service._committer.engine.turn

        def fail(events: list[object], now: float) -> object:
            raise StoreError("the store failed")

        with logged("the store failed") as said:
            monkeypatch.setattr(service._committer.engine, "turn", fail)
            smsc.deliver(text("hours"))
            await said.wait()
        assert service.not_ready() == ["the store failed"]
        with logged("the store works again") as said:
            monkeypatch.setattr(service._committer.engine, "turn", turn)
            smsc.deliver(text("hours"))
            await said.wait()
        assert service.not_ready() == []


async def test_a_service_that_starts_is_not_ready(tmp_path: Path) -> None:
    assert Service(config(tmp_path, 1), rules()).not_ready() == ["starting"]


async def test_a_link_bound_in_one_direction_only_is_not_ready(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        refuse = smsc.authenticate

        def only_transmitters(bind: BindRequest, peer: str) -> int:
            return refuse(bind, peer) if bind.name == "bind_transmitter" else c.ESME_RBINDFAIL

        smsc.server._authenticate = only_transmitters
        with logged("(1 of 2)") as bound:
            async with running(config(tmp_path, port, bind="separate")) as service:
                await bound.wait()
                assert service.not_ready() == ["link a: bound in one direction only"]


async def test_an_alert_notification_does_no_harm(tmp_path: Path) -> None:
    async with carrier() as (smsc, port), running(config(tmp_path, port)):
        await smsc.until(lambda: smsc.links)
        smsc.to_send.append(AlertNotification(source_addr=b"1", esme_addr=b"2"))
        smsc.deliver(text("hours"))
        await smsc.until(lambda: smsc.submits)
        assert smsc.binds == 1


async def test_an_opt_out_reaches_what_has_not_left(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        smsc.answers = False
        settings = config(tmp_path, port, window=1)
        async with running(settings):
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("echo busy", source=b"2"))
            await smsc.until(lambda: smsc.submits)
            smsc.deliver(text("echo 1"), text("STOP"))
            await smsc.until(lambda: len(smsc.outcomes) == 3)
            smsc.accept(smsc.submits[0])
            await smsc.until(lambda: len(smsc.submits) == 2)
            smsc.accept(smsc.submits[1])
    assert {row["text"]: row["state"] for row in stored(settings) if row["kind"] == "mt"}["1"] == "suppressed"


async def test_a_store_in_use_ends_the_start(tmp_path: Path) -> None:
    settings = config(tmp_path, 1)
    store = LmdbStore(settings.bridge.data_dir, max_size=64 << 20, sync=True)
    with pytest.raises(StoreError, match="in use by another running service"):
        await Service(settings, rules()).run()
    store.close()


async def test_a_web_server_that_cannot_start_ends_the_service_and_frees_the_store(tmp_path: Path) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    settings = replace(config(tmp_path, 1), http=HttpConfig(Address("127.0.0.1", port)))
    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="set another port"), flatten_subgroups=True):
        await Service(settings, rules()).run(serve)
    assert not service_running(settings.bridge.data_dir)
    await listeners[0].aclose()


def test_the_engine_is_told_what_is_configured() -> None:
    made = esme_config(
        LinkConfig(
            name="a",
            host="smsc.example",
            port=9,
            system_id="me",
            password="pw",
            binds=3,
            bind="separate",
            window=7,
            enquire_link=11.0,
            response_timeout=12.0,
            write_timeout=13.0,
            reconnect=Backoff(1.0, 2.0),
            refused_reconnect=Backoff(3.0, 4.0),
        )
    )
    assert (made.endpoints, made.system_id, made.password, made.binds, made.bind) == (
        (Endpoint("smsc.example", 9),),
        b"me",
        b"pw",
        3,
        "separate",
    )
    assert (made.session.window, made.session.enquire_link_interval, made.session.response_timeout) == (7, 11.0, 12.0)
    assert (made.link.write_timeout, made.backoff.max, made.refused_backoff.initial) == (13.0, 2.0, 3.0)
    assert made.dial.tls is None


def test_tls_verifies_the_peer_by_its_name() -> None:
    made = esme_config(LinkConfig(name="a", host="smsc.example", tls=TlsConfig(server_name="other")))
    assert made.dial.tls is not None
    assert made.dial.tls.check_hostname
    assert made.dial.server_name == "other"


def traced(settings: Config) -> list[Pdu]:
    content = (settings.bridge.data_dir / "trace-a.log").read_bytes()
    return [decode(item.octets) for item in read(io.BytesIO(content)) if isinstance(item, Found)]


async def test_a_traced_link_writes_everything_from_the_bind_on(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port, trace=True)
        async with running(settings):
            await smsc.until(lambda: smsc.links)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.submits and smsc.outcomes)
    names = [pdu.name for pdu in traced(settings)]
    assert names[:3] == ["bind_transceiver", "bind_transceiver_resp", "deliver_sm"]
    assert names.count("submit_sm") == names.count("submit_sm_resp") == names.count("deliver_sm_resp") == 1
    assert names[-2:] == ["unbind", "unbind_resp"]
    assert b"secret" not in (settings.bridge.data_dir / "trace-a.log").read_bytes()


async def test_a_trace_is_switched_while_running(tmp_path: Path) -> None:
    async with carrier() as (smsc, port):
        settings = config(tmp_path, port)
        folder = settings.bridge.data_dir

        async def asked(**request: object) -> str:
            return await trio.to_thread.run_sync(ask, folder, {"do": "trace", "link": "a", **request})

        async with running(settings):
            await smsc.until(lambda: smsc.links)
            assert await asked(on=False) == "link a: it was not traced"
            assert "trace-a.log" in await asked(on=True, seconds=60, show_text=True)
            smsc.deliver(text("hours"))
            await smsc.until(lambda: smsc.submits and smsc.outcomes)
            assert await asked(on=False) == "link a: the trace is off"
            for wrong, problem in (
                ({"link": "b", "on": True, "seconds": 1}, "there is no link `b`"),
                ({"on": True, "seconds": float("inf")}, "a trace needs a time"),
                ({"do": "dance"}, "does not know that command"),
                ({"do": "ask"}, "a request needs items with"),
                ({"do": "ask", "items": ["x"]}, "a request needs items with"),
            ):
                with pytest.raises(ControlError, match=problem):
                    await asked(**wrong)
    pdus = traced(settings)
    assert [pdu.short_message for pdu in pdus if isinstance(pdu, DeliverSM | SubmitSM)] == [b"hours", b"8-18"]
    with pytest.raises(ControlError, match="no service is running"):
        ask(folder, {})


def faulty(authority: Authority, other: Authority, fault: str) -> tuple[ssl.SSLContext, TlsConfig]:
    """The carrier's side and ours, of which one is at fault."""
    theirs = authority.issue("127.0.0.1")
    ours = TlsConfig(authority.ca)
    match fault:
        case "expired":
            theirs = authority.expired("127.0.0.1")
        case "not yet valid":
            theirs = authority.not_yet_valid("127.0.0.1")
        case "wrong host":
            theirs = authority.issue("other.example")
        case "unknown authority":
            ours = TlsConfig(other.ca)
        case "mutual":
            own = authority.issue("esme.example")
            ours = TlsConfig(authority.ca, own.cert, own.key)
        case "wrong client":
            own = other.issue("esme.example")
            ours = TlsConfig(authority.ca, own.cert, own.key)
    asks = fault in ("mutual", "wrong client", "no client certificate")
    return server_context(theirs.cert, theirs.key, authority.ca if asks else None), ours


@pytest.mark.parametrize("fault", ["none", "mutual"])
async def test_texts_are_answered_over_tls(tmp_path: Path, fault: str) -> None:
    theirs, ours = faulty(Authority(tmp_path), Authority(tmp_path, "other"), fault)
    async with carrier(theirs) as (smsc, port), running(config(tmp_path, port, tls=ours)):
        await smsc.until(lambda: smsc.links)
        smsc.deliver(text("hours"))
        await smsc.until(lambda: smsc.submits)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expired", "the peer's certificate has expired: ask the peer to renew it"),
        ("not yet valid", "the peer's certificate is not valid yet: look at this machine's clock"),
        ("wrong host", "the peer's certificate is not for 127.0.0.1: set tls server_name to a name that is in it"),
        (
            "unknown authority",
            "the peer's certificate is of an unknown authority: name the file of the peer's authority",
        ),
        ("no client certificate", "the peer asks for a certificate of ours: set tls cert and key"),
        ("wrong client", "the peer does not know the authority of our certificate: use one that it has issued"),
    ],
)
async def test_a_certificate_at_fault_is_refused_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, words: str
) -> None:
    theirs, ours = faulty(Authority(tmp_path), Authority(tmp_path, "other"), fault)
    async with carrier(theirs) as (smsc, port):
        settings = config(tmp_path, port, tls=ours)
        with logged(words) as said:
            async with running(settings) as service:
                await said.wait()
                assert service.not_ready() == ["link a: no session"]
        assert smsc.binds == 0
        lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(lines) == 1
        assert lines[0].startswith("link a/1: ")
        assert words in lines[0]
        assert smsc.refusals


async def test_metrics_say_how_links_are(tmp_path: Path) -> None:
    async with carrier() as (smsc, port), running(config(tmp_path, port, binds=2, window=7)) as service:
        assert service._committer is not None
        queue = service._committer.engine.outbox.links["a"]

        def shown() -> set[str]:
            return set(service.metrics_text({"cases_open": [(("care",), 3.0)]}).decode().splitlines())

        await smsc.until(lambda: len(smsc.links) == 2)
        while queue.capacity < 14:  # noqa: ASYNC110
            await trio.sleep(0.01)
        assert {
            'smppbridge_link_sessions{link="a"} 2.0',
            'smppbridge_link_sessions_wanted{link="a"} 2.0',
            'smppbridge_window_size{link="a"} 14.0',
            'smppbridge_window_used{link="a"} 0.0',
            'smppbridge_throttling{link="a",verdict="limited"} 0.0',
            'smppbridge_cases_open{queue="care"} 3.0',
            'smppbridge_rules_info{version="3"} 1.0',
            "smppbridge_survey_success 1.0",
            "smppbridge_store_full 0.0",
        } <= shown()
        # Long before it is sure that the rate is the cause, less is sent.
        queue.limits.carrier.answered(20, 10, 0, 1.0)
        assert 'smppbridge_throttling{link="a",verdict="limited"} 1.0' in shown()
        assert 'smppbridge_throttling{link="a",verdict="sporadic"} 0.0' in shown()
        queue.limits.carrier.congested(85, 0, 2.0)
        assert 'smppbridge_congestion_state{link="a"} 85.0' in shown()
        assert "smppbridge_survey_success 0.0" in service.metrics_text().decode().splitlines()
