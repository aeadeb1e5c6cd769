"""PDU traces: what they write, what they hide, and that nothing of them reaches a link."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING, cast

import pytest
import trio

from bridge import trace as module
from bridge.trace import Tracer
from smppcore.dissect.found import Found, Remark
from smppcore.dissect.recording import read
from smppcore.pdu import BindTransceiver, DeliverSM, EnquireLink, SubmitSM, decode, encode
from tests.pipeline import START

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smppcore.dissect.found import Item
    from smppcore.esme import Esme
    from smppcore.link import Link, Tap

BIND = encode(BindTransceiver(b"esme", b"s3cret", sequence_number=1))
TEXT = encode(DeliverSM(source_addr=b"12025550102", short_message=b"hello", sequence_number=2))
SUBMIT = encode(SubmitSM(destination_addr=b"12025550102", short_message=b"reply", sequence_number=3))
PROBE = encode(EnquireLink(sequence_number=4))


class FakeSession:
    def __init__(self, unfinished: bytes) -> None:
        self.unfinished = unfinished


class FakeLink:
    def __init__(self, name: str, unfinished: bytes = b"") -> None:
        self.name = name
        self.session = FakeSession(unfinished)
        self.tap: Tap | None = None


class FakeEsme:
    """Connections that can be tapped."""

    def __init__(self, *links: FakeLink) -> None:
        self.links = links
        self.untapped = trio.Event()

    def set_tap(self, tap: Callable[[Link], Tap] | None) -> None:
        for link in self.links:
            link.tap = tap(cast("Link", link)) if tap is not None else None
        if tap is None:
            self.untapped.set()


class Desk:
    def __init__(self, folder: Path) -> None:
        self.now = START
        self.tracer = Tracer(folder, lambda: self.now)
        self.path = folder / "trace-a.log"

    def on(self, *links: FakeLink, seconds: float = 60.0, masked: bool = True) -> None:
        self.esme = FakeEsme(*links)
        self.tracer.switch_on("a", cast("Esme", self.esme), seconds=seconds, masked=masked)

    def items(self) -> list[Item]:
        return list(read(io.BytesIO(self.path.read_bytes())))

    def found(self) -> list[Found]:
        return [item for item in self.items() if isinstance(item, Found)]

    def remarks(self) -> list[str]:
        return [item.text for item in self.items() if isinstance(item, Remark)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def tap(link: FakeLink) -> Tap:
    assert link.tap is not None
    return link.tap


async def test_each_pdu_is_a_line_with_time_direction_and_bind(desk: Desk) -> None:
    first, second = FakeLink("a/1"), FakeLink("a/2")
    desk.on(first, second)
    tap(first).sent(PROBE + PROBE)
    desk.now += 1.25
    tap(second).received(PROBE[:7])
    tap(second).received(PROBE[7:])
    await desk.tracer.close()
    assert [(found.direction, found.time, found.octets) for found in desk.found()] == [
        ("out a/1", START, PROBE),
        ("out a/1", START, PROBE),
        ("in a/2", START + 1.25, PROBE),
    ]
    begins, ends = desk.remarks()
    assert begins.startswith("trace of link a from ")
    assert begins.endswith("; passwords, texts and numbers are masked")
    assert ends == "the trace of link a ends: the service stops"
    assert desk.path.stat().st_mode & 0o777 == 0o600
    assert first.tap is None


@pytest.mark.parametrize("masked", [True, False])
async def test_texts_and_numbers_are_masked_and_the_password_always(desk: Desk, masked: bool) -> None:
    link = FakeLink("a/1")
    desk.on(link, masked=masked)
    tap(link).sent(BIND + SUBMIT)
    tap(link).received(TEXT)
    await desk.tracer.close()
    octets = b"".join(found.octets for found in desk.found())
    assert len(octets) == len(BIND + SUBMIT + TEXT)
    assert b"s3cret" not in octets
    for private in (b"hello", b"reply", b"5550102"):
        assert (private in octets) is not masked
    bind = decode(desk.found()[0].octets)
    assert isinstance(bind, BindTransceiver)
    assert (bind.system_id, bind.password) == (b"esme", b"******")


async def test_a_trace_that_begins_within_a_pdu_has_it_whole(desk: Desk) -> None:
    link = FakeLink("a/1", PROBE[:9])
    desk.on(link)
    tap(link).received(PROBE[9:] + PROBE)
    await desk.tracer.close()
    assert [found.octets for found in desk.found()] == [PROBE, PROBE]


async def test_a_trace_ends_when_its_time_has_come(desk: Desk) -> None:
    link = FakeLink("a/1")
    desk.on(link, seconds=5)
    tap(link).sent(PROBE)
    desk.now += 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.tracer.run)
        await desk.esme.untapped.wait()
        nursery.cancel_scope.cancel()
    assert link.tap is None
    await desk.tracer.close()
    assert desk.remarks()[-1] == "the trace of link a ends: its time is over"
    assert not desk.tracer.switch_off("a")  # a second time


async def test_switching_on_again_begins_anew(desk: Desk) -> None:
    link = FakeLink("a/1")
    desk.on(link)
    tap(link).sent(PROBE)
    desk.on(link, masked=False)
    tap(link).sent(SUBMIT)
    assert desk.tracer.switch_off("a")
    await desk.tracer.close()
    assert [found.octets for found in desk.found()] == [PROBE, SUBMIT]
    assert [remark[:5] for remark in desk.remarks()] == ["trace", "the t", "trace", "the t"]


async def test_what_comes_too_fast_is_dropped_and_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 40)
    link = FakeLink("a/1")
    desk.on(link)
    tap(link).received(PROBE + PROBE)
    tap(link).received(PROBE[:9])
    tap(link).received(PROBE[9:])
    await desk.tracer._turn()
    tap(link).received(PROBE)
    await desk.tracer.close()
    assert [found.octets for found in desk.found()] == [PROBE] * 3
    assert "they came faster than they could be written" in "".join(desk.remarks())


async def test_a_full_disk_costs_lines_and_is_said_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    link = FakeLink("a/1")
    desk.on(link)
    tap(link).sent(PROBE)
    await desk.tracer._turn()
    write, room = os.write, [30]

    def short(descriptor: int, octets: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, octets[: room[0]])
        room[0] -= written
        return written

    size = desk.path.stat().st_size
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        for _ in range(2):
            tap(link).sent(SUBMIT)
            await desk.tracer._turn()
    assert desk.path.stat().st_size == size
    tap(link).sent(BIND)
    await desk.tracer.close()
    assert [len(found.octets) for found in desk.found()] == [len(PROBE), len(BIND)]
    assert "2 PDUs are missing here: No space left on device" in desk.remarks()
    assert [record.getMessage() for record in caplog.records] == [
        "link a: the trace cannot be written: No space left on device"
    ]


async def test_the_beginning_of_a_trace_waits_for_room(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _octets: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        desk.on(FakeLink("a/1"))
        await desk.tracer._turn()
    await desk.tracer._turn()
    assert desk.remarks()[-1].startswith("trace of link a from ")


async def test_files_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE", 1000)
    link = FakeLink("a/1")
    desk.on(link)
    for _ in range(100):
        tap(link).sent(PROBE)
        await desk.tracer._turn()
    files = sorted(desk.path.parent.iterdir())
    assert [file.name for file in files] == ["trace-a.log", "trace-a.log.1"]
    assert all(file.stat().st_size <= 1000 for file in files)


async def test_a_link_to_another_file_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    desk.path.symlink_to(other)
    desk.on(FakeLink("a/1"))
    await desk.tracer.close()
    assert other.read_text() == "mine"
