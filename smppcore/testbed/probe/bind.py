"""What a bind shows: names, addresses, TLS, the answer, the round trip, and what the peer takes.

Must not be here: what it means (`verdicts`), terminals. No password is in anything that is returned.
"""

from __future__ import annotations

import socket
import ssl
import statistics
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.dial import connect_tcp
from smppcore.errors import LinkClosed, ResponseTimeout, SmppError
from smppcore.failover import Addresses
from smppcore.pdu import CancelSM, EnquireLink, Pdu, QuerySM, SubmitSM
from smppcore.testbed.probe import verdicts
from smppcore.testbed.probe.dialogue import Dialogue
from smppcore.testbed.probe.verdicts import Verdict
from smppcore.udh import concat8

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.esme import Connect, EsmeConfig
    from smppcore.failover import Endpoint

_ENQUIRIES = 5
_TEXT = "smppbridge test"
_UNKNOWN_ID = b"smppbridge-0"
_VENDOR_TAG = 0x1400
"""The first of those that vendors may use as they like (SMPP v3.4 §5.3.2)."""


@dataclass(slots=True)
class Examination:
    """Everything that was looked at; the names are the JSON's."""

    host: str
    port: int
    verdicts: list[Verdict] = field(default_factory=list)
    addresses: list[dict[str, object]] = field(default_factory=list)
    """`address`, `connect_ms` (null: no connection), `error`."""
    tls: dict[str, object] | None = None
    """`version`, `cipher`, `subject`, `issuer`, `not_after`, `days_left`; null: not asked for, or not reached."""
    bind_status: int | None = None
    """command_status of the answer; null: there was none."""
    bind_ms: float | None = None
    peer_system_id: str = ""
    interface_version: int = 0
    sc_interface_version: int | None = None
    enquire_link_ms: dict[str, float] = field(default_factory=dict)
    """`min`, `median`, `max`."""
    problem: str = ""
    """Why it ended early, in one line."""

    @property
    def good(self) -> bool:
        """Whether nothing is bad."""
        return not self.problem and not any(verdict.word == "bad" for verdict in self.verdicts)


async def examine(
    config: EsmeConfig,
    wall: Callable[[], float],
    *,
    source: str = "12345",
    to: str = "",
    connect: Connect | None = None,
) -> Examination:
    """Look at everything that a bind to the first host shows.

    Args:
        config: Where to bind and as whom.
        wall: Seconds since the epoch, for a certificate's expiry.
        source: The sender of tests.
        to: A number that is sent a tiny text in each form; "": nothing is sent to anybody.
        connect: Makes connections; TCP and TLS if left out.
    """
    host = config.endpoints[0]
    found = Examination(host.host, host.port, interface_version=config.interface_version)
    try:
        if connect is None:
            await _reach(host, config.connect_timeout, found)
        with trio.move_on_after(config.connect_timeout) as scope:
            stream, _ = await (connect or partial(connect_tcp, config=config.dial))(host, Addresses())
        if scope.cancelled_caught:
            found.problem = f"no connection to {host} within {config.connect_timeout:g} s"
            return found
    except SmppError as exc:
        found.problem = str(exc)
        return found
    try:
        if isinstance(stream, trio.SSLStream):
            _look_at_tls(stream, wall(), found)
        await _talk(Dialogue(stream, config.bind_timeout), config, source, to, found)
    except (ResponseTimeout, LinkClosed) as exc:
        found.problem = str(exc)
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
    return found


async def _reach(host: Endpoint, patience: float, found: Examination) -> None:
    """Resolve the name, and connect to each of its addresses."""
    began = trio.current_time()
    try:
        resolved = await trio.socket.getaddrinfo(host.host, host.port, type=socket.SOCK_STREAM)
    except OSError as exc:
        found.verdicts.append(Verdict("DNS", "bad", f"{host.host} has no address: {exc.strerror}", "check the name"))
        return
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in resolved))
    taken = (trio.current_time() - began) * 1e3
    found.verdicts.append(Verdict("DNS", "good", f"{host.host}: {', '.join(addresses)} ({taken:.1f} ms)"))
    for address in addresses:
        began = trio.current_time()
        error = f"no connection within {patience:g} s"
        try:
            with trio.move_on_after(patience):
                await (await trio.open_tcp_stream(address, host.port)).aclose()
                error = ""
        except OSError as exc:
            cause: BaseException | None = exc.__cause__
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            error = str(cause or exc).rpartition(": ")[2]
        taken = round((trio.current_time() - began) * 1e3, 1)
        found.addresses.append({"address": address, "connect_ms": None if error else taken, "error": error})
        if error:
            advice = "ask whether they let our address in, and whether the port is right"
            found.verdicts.append(Verdict(f"TCP {address}", "bad", error, advice))
        else:
            found.verdicts.append(Verdict(f"TCP {address}", "good", f"connected in {taken:g} ms"))


def _look_at_tls(stream: trio.SSLStream[trio.SocketStream], now: float, found: Examination) -> None:
    certificate = stream.getpeercert() or {}
    cipher = stream.cipher()
    until = str(certificate.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(until) - now) / 86400 if until else 0.0
    found.tls = {
        "version": stream.version(),
        "cipher": cipher[0] if cipher else "",
        "subject": _name(certificate.get("subject")),
        "issuer": _name(certificate.get("issuer")),
        "not_after": until,
        "days_left": round(days, 1),
    }
    shown = f"{found.tls['version']}, {found.tls['cipher']}; {found.tls['subject']}, issued by {found.tls['issuer']}"
    found.verdicts += [Verdict("TLS", "good", shown), verdicts.certificate(days, until)]


def _name(parts: object) -> str:
    """Return "commonName=…, …" for a name as the ssl module gives it."""
    pairs = [pair for part in parts for pair in part] if isinstance(parts, tuple) else []
    return ", ".join(f"{key}={value}" for key, value in pairs)


async def _talk(dialogue: Dialogue, config: EsmeConfig, source: str, to: str, found: Examination) -> None:
    began = trio.current_time()
    response = await dialogue.bind(config)
    found.bind_ms = round((trio.current_time() - began) * 1e3, 1)
    found.bind_status = response.command_status or (c.ESME_RINVCMDID if response.command_id == c.GENERIC_NACK else 0)
    found.verdicts.append(verdicts.bind_answer(found.bind_status))
    if found.bind_status:
        return
    found.peer_system_id = getattr(response, "system_id", b"").decode("latin-1")
    tlv = response.tlv(c.TAG_SC_INTERFACE_VERSION)
    found.sc_interface_version = tlv[0] if tlv else None
    found.verdicts.append(verdicts.versions(config.interface_version, found.sc_interface_version))
    trips = []
    for _ in range(_ENQUIRIES):
        began = trio.current_time()
        await dialogue.ask(EnquireLink())
        trips.append((trio.current_time() - began) * 1e3)
    trip = {"min": min(trips), "median": statistics.median(trips), "max": max(trips)}
    found.enquire_link_ms = {name: round(value, 2) for name, value in trip.items()}
    shown = ", ".join(f"{name} {value:.1f} ms" for name, value in trip.items())
    found.verdicts.append(Verdict("enquire_link", "good", shown))
    if config.bind != "receiver":
        await _try_out(dialogue, source, to, found)
    await dialogue.unbind()


async def _try_out(dialogue: Dialogue, source: str, to: str, found: Examination) -> None:
    """Try operations on a message that is not there, and forms of a message to nobody, or to a number."""
    sender = source.encode("ascii", "replace")
    for name, request in (
        ("query_sm", QuerySM(_UNKNOWN_ID, source_addr=sender)),
        ("cancel_sm", CancelSM(message_id=_UNKNOWN_ID, source_addr=sender)),
    ):
        answer = await dialogue.ask(request)
        found.verdicts.append(verdicts.operation(name, answer.command_status))
    for name, pdus in forms(sender, to.encode("ascii", "replace")):
        statuses = [(await dialogue.ask(pdu)).command_status for pdu in pdus]
        status = next((status for status in statuses if status), c.ESME_ROK)
        found.verdicts.append(verdicts.submission(name, status, to_nobody=not to))


def forms(source: bytes, destination: bytes) -> list[tuple[str, list[Pdu]]]:
    """Return a tiny message in each form that links differ in; those of two parts are one message each."""

    def submit(octets: bytes = _TEXT.encode(), coding: int = 0, esm_class: int = 0, *tlvs: tuple[int, bytes]) -> Pdu:
        return SubmitSM(
            source_addr_npi=c.NPI_ISDN if source.isdigit() else 0,
            source_addr_ton=0 if source.isdigit() else c.TON_ALPHANUMERIC,
            source_addr=source,
            dest_addr_ton=c.TON_INTERNATIONAL if destination else 0,
            dest_addr_npi=c.NPI_ISDN if destination else 0,
            destination_addr=destination,
            esm_class=esm_class,
            data_coding=coding,
            short_message=octets,
            tlvs=tlvs,
        )

    halves = (_TEXT[:8].encode(), _TEXT[8:].encode())
    return [
        ("data_coding 0, the default alphabet", [submit()]),
        ("data_coding 1, ASCII", [submit(coding=c.DATA_CODING_ASCII)]),
        ("data_coding 3, Latin-1", [submit(f"{_TEXT} é".encode("latin-1"), c.DATA_CODING_LATIN1)]),
        ("data_coding 8, UCS-2", [submit(f"{_TEXT} ✓".encode("utf-16-be"), c.DATA_CODING_UCS2)]),
        (
            "two parts by user data header",
            [submit(concat8(77, 2, place) + half, 0, c.ESM_UDHI) for place, half in enumerate(halves, 1)],
        ),
        (
            "two parts by SAR TLVs",
            [
                submit(
                    half,
                    0,
                    0,
                    (c.TAG_SAR_MSG_REF_NUM, b"\0\x4d"),
                    (c.TAG_SAR_TOTAL_SEGMENTS, b"\x02"),
                    (c.TAG_SAR_SEGMENT_SEQNUM, bytes((place,))),
                )
                for place, half in enumerate(halves, 1)
            ],
        ),
        ("message_payload", [submit(b"", 0, 0, (c.TAG_MESSAGE_PAYLOAD, _TEXT.encode()))]),
        ("a TLV of the specification", [submit(_TEXT.encode(), 0, 0, (c.TAG_USER_MESSAGE_REFERENCE, b"\0\x01"))]),
        ("a vendor's TLV that they cannot know", [submit(_TEXT.encode(), 0, 0, (_VENDOR_TAG, b"x"))]),
    ]
