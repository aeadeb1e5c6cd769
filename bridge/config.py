"""The configuration file, `conf/bridge.toml`, as typed and frozen dataclasses.

Every option is a field below: its name is the key, its default stands beside it, its meaning and unit are in the line
under it. There are no defaults anywhere else. `load` reports everything that is wrong at once; an unknown key is an
error that names the nearest valid one.

Times are float seconds ("30s" in the file), sizes are octets ("64GiB"). Relative paths are relative to the file.
What must not be here: anything that connects, or knows what a rule is.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.options import (
    At,
    BadValue,
    Seconds,
    SomeSeconds,
    at_least,
    fill,
    nearest,
    octets,
    parse,
    retention_of_rows,
    size,
    text,
    url,
    whole,
)
from bridge.tokens import parse_tokens
from bridge.wireform import KeptTlv, NumberRule, SentTlv, TonNpi, problem_of, tlv_octets
from smppcore.constants import VERSION_34, status_number
from smppcore.failover import Endpoint, HostsMode
from smppcore.text import Alphabet, TextProfile
from smppcore.tls import TlsFileError, client_context

if TYPE_CHECKING:
    from collections.abc import Mapping


class ConfigError(Exception):
    """The configuration cannot be used.

    Args:
        problems: One line each: ``file:line: key: what is wrong; did you mean `x`?``
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _name(value: object, at: At) -> str:
    given = text(value, at)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", given):
        raise BadValue("must be 1 to 64 letters, digits, dots, dashes or underscores")
    return given


def _host(value: object, at: At) -> str:
    given = text(value, at)
    if not given or any(char.isspace() for char in given):
        raise BadValue("must be a host name or an IP address")
    return given


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    """An IP address or a host name; "" = every interface."""
    port: int
    """0 = any free port."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(value: object, at: At) -> Address:
    host, colon, port = text(value, at).rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadValue('must be an address and a port, as "127.0.0.1:8080"')
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _endpoint(value: object, at: At) -> Endpoint:
    given = _host(value, at)
    host, colon, port = given.rpartition(":")
    if not colon or ("]" not in host and ":" in host):
        return Endpoint(given.removeprefix("[").removesuffix("]"), 0)  # without a port, or an IPv6 address
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise BadValue('must be a host, or a host and a port as "smsc1.example:2775"')
    return Endpoint(host.removeprefix("[").removesuffix("]"), int(port))


def _ip(value: object, at: At) -> str:
    given = text(value, at)
    if given:
        try:
            ipaddress.ip_address(given)
        except ValueError as exc:
            raise BadValue("must be an IP address of this machine") from exc
    return given


_INTERFACE_VERSIONS = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}


def _interface_version(value: object, at: At) -> int:
    given = text(value, at)
    if given not in _INTERFACE_VERSIONS:
        raise BadValue(f"must be one of {', '.join(_INTERFACE_VERSIONS)}")
    return _INTERFACE_VERSIONS[given]


Language = Literal[
    "turkish", "spanish", "portuguese", "bengali", "gujarati", "hindi", "kannada", "malayalam", "oriya", "punjabi",
    "tamil", "telugu", "urdu",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """The table [bridge]."""

    data_dir: Path = Path("var")
    """The folder of the store; made when it is missing."""
    rules: tuple[Path, ...] = ()
    """The rules files; without one every message is stored and none is answered."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The table [store]."""

    sync: Literal["commit", "relaxed"] = "commit"
    """commit: on disk before a message is acknowledged; relaxed: a power cut may lose the last commits."""
    max_size: Annotated[int, size(16 << 20)] = 64 << 30
    """The most octets the store's file may grow to (sparse); from 95% no new messages are taken."""
    retain: Annotated[float, retention_of_rows] = 0.0
    """Messages and the log of what led to them are let go after that, "400d" or "2y"; "" = never. Counts stay."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The table [log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less than this is not said."""
    format: Literal["text", "json"] = "text"
    """text: a line for people; json: an object a line, with time, level, logger, event and what it is about."""
    show_text: bool = False
    """Show phone numbers, and what exceptions say, which may be a customer's words."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The table [http]."""

    listen: Annotated[Address, _address] = Address("127.0.0.1", 8080)
    """Address and port of the console, the API, the metrics and the health checks."""
    token_file: Path | None = None
    """Lines of `name role sha256-of-token`: all but health checks wants one; without it only loopback is served."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times that double from one attempt to the next, with jitter."""

    initial: SomeSeconds = 1.0
    """Before the first new attempt."""
    max: SomeSeconds = 60.0
    """The longest."""


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """What happens after a temporary error of the carrier."""

    initial: SomeSeconds = 5.0
    """Before the first new attempt; doubles each time."""
    max: SomeSeconds = 300.0
    """The longest wait between two attempts."""
    max_age: SomeSeconds = 86400.0
    """An older message is not sent any more: it fails as `too_old`."""


ErrorKind = Literal["throttled", "temporary", "in_doubt", "opted_out", "permanent"]
"""What an error status of the carrier means for the message: again when we are slower, again later, taken or not, never
again to this customer, never."""


def _errors(value: object, at: At) -> dict[int, ErrorKind]:
    if not isinstance(value, dict):
        raise BadValue('must be a table of statuses, as { "0x58" = "throttled", "0x4A1" = "opted_out" }')
    kinds = get_args(ErrorKind)
    single: dict[int, ErrorKind] = {}
    ranges: dict[int, ErrorKind] = {}
    for name, kind in value.items():
        here = at.child(name)
        first, dash, last = name.partition("-")
        low = status_number(first.strip())
        high = status_number(last.strip()) if dash else low
        if low is None or high is None or not 0 < low <= high or high - low > _LONGEST_RANGE:
            here.problem('must be a status by name or number, or a range of them, as "0x58" or "0x400-0x4FF"')
        elif kind not in kinds:
            here.problem(f"must be one of {', '.join(kinds)}{nearest(str(kind), kinds)}")
        else:
            (ranges if dash else single).update((status, kind) for status in range(low, high + 1))
    return ranges | single


_LONGEST_RANGE = 0xFFFF


@dataclass(frozen=True, slots=True)
class InDoubtConfig:
    """What becomes of a message whose submit_sm had no response: the carrier may or may not have it."""

    reply: Literal["resend", "hold", "fail"] = "resend"
    """An answer to a text."""
    started: Literal["resend", "hold", "fail"] = "hold"
    """A message that we started."""


@dataclass(frozen=True, slots=True)
class MessageIdConfig:
    """How the carrier writes message ids: the two are compared as numbers, or as texts with or without their case."""

    response: Literal["text", "caseless", "hex", "decimal"] = "text"
    """In submit_sm_resp."""
    receipt: Literal["text", "caseless", "hex", "decimal"] = "text"
    """In delivery receipts."""


def _share(value: object, at: At) -> float:
    share = at_least(0)(value, at)
    if share > 1:
        raise BadValue(f"must be from 0 to 1, not {share:g}")
    return share


def _reserve(value: object, at: At) -> float:
    share = _share(value, at)
    if share == 1:
        raise BadValue("must be below 1: with 1 no message that you start would ever go")
    return share


def _zone(value: object, at: At) -> str:
    given = text(value, at)
    if given != "UTC":
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadValue('must be a time zone such as "UTC" or "America/Los_Angeles", and known here') from None
    return given


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """What the carrier allows one service number, on one link."""

    per_second: Annotated[float, at_least(0)] = 0.0
    """submit_sm per second, 0 = no limit."""
    per_minute: Annotated[int, whole(0, 10**12)] = 0
    """submit_sm in any minute, 0 = no limit."""
    per_day: Annotated[int, whole(0, 10**12)] = 0
    """submit_sm per day, 0 = no limit."""


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What the carrier allows."""

    per_second: Annotated[float, at_least(0)] = 0.0
    """submit_sm per second over all binds, 0 = no limit; the lower of this and `rate` holds."""
    per_minute: Annotated[int, whole(0, 10**12)] = 0
    """submit_sm in any minute, 0 = no limit."""
    per_day: Annotated[int, whole(0, 10**12)] = 0
    """submit_sm per day, 0 = no limit."""
    day_zone: Annotated[str, _zone] = "UTC"
    """The time zone in which the carrier's day begins."""
    reserve_replies: Annotated[float, _reserve] = 0.0
    """The share of each limit that is kept for replies, 0 to below 1: messages that we start get the rest."""
    warn_at: tuple[Annotated[float, _share], ...] = ()
    """Shares of per_day at which to warn, 0 to 1."""
    max_age: Seconds = 0.0
    """A reply older than this is not sent: it fails as `too_old`; 0 = only retry.max_age counts."""
    numbers: dict[str, NumberLimits] = field(default_factory=dict)
    """Limits of single service numbers; "*" stands for every number without its own."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """TLS towards the carrier; the peer's certificate is always verified."""

    ca: Path | None = None
    """PEM file of the authorities to trust; without it the system's."""
    cert: Path | None = None
    """PEM file of our own certificate, where the carrier asks for one."""
    key: Path | None = None
    """PEM file of its private key; without it the key is in `cert`."""
    server_name: str = ""
    """The name that the peer's certificate must have; "" = the host."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""


def _tls(value: object, at: At) -> TlsConfig | None:
    if isinstance(value, bool):
        return TlsConfig() if value else None
    if not isinstance(value, dict):
        raise BadValue("must be true, false or a table of ca, cert, key, server_name, min_version")
    tls = fill(TlsConfig(), value, at)
    if tls.key and not tls.cert:
        at.child("key").problem("is of no use without `cert`")
    else:
        try:
            client_context(tls.ca, tls.cert, tls.key, tls.min_version)
        except TlsFileError as exc:
            at.child(exc.option).problem(str(exc))
    return tls


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """One table [[link]]: a carrier's SMSC and how to talk to it."""

    name: Annotated[str, _name] = ""
    """Unique; in logs, exports and commands."""
    group: Annotated[str, _name] = ""
    """The carrier: receipts and redelivered messages are matched within it; "" = the link's name."""
    host: Annotated[str, _host] = "127.0.0.1"
    """Name or address of the SMSC."""
    port: Annotated[int, whole(1, 65535)] = 2775
    """TCP port of the SMSC, and of those of `hosts` that name none."""
    hosts: tuple[Annotated[Endpoint, _endpoint], ...] = ()
    """In place of `host`, the carrier's hosts as "name" or "name:port", the most wanted first."""
    hosts_mode: HostsMode = "failover"
    """failover = every bind on the first host that can be had; balance = the binds begin with the hosts in turn;
    standby = `binds` on every host at once, and only the first host that is bound is sent messages."""
    source_address: Annotated[str, _ip] = ""
    """The local IP address to connect from; "" = the system's choice."""
    keepalive: Seconds = 60.0
    """TCP keep-alive after so long without an octet; 0s = never."""
    system_id: Annotated[str, octets(15)] = "esme"
    """The account (SMPP v3.4 §5.2.1)."""
    password: str = field(default="", repr=False)
    """The password itself; exactly one of the three password options must be given. At most 8 characters (§5.2.2)."""
    password_env: str = ""
    """Or the name of an environment variable that holds it."""
    password_file: Path | None = None
    """Or a file that holds it; a line end after it is dropped."""
    system_type: Annotated[str, octets(12)] = ""
    """As the carrier wants it (§5.2.3)."""
    address_range: Annotated[str, octets(40)] = ""
    """Which destinations' messages this bind wants (§5.2.7); most carriers ignore it."""
    address_ton: Annotated[int, whole(0, 255)] = 0
    """Type of number of address_range (§5.2.5)."""
    address_npi: Annotated[int, whole(0, 255)] = 0
    """Numbering plan of address_range (§5.2.6)."""
    bind: Literal["transceiver", "transmitter", "receiver", "separate"] = "transceiver"
    """separate = one transmitter and one receiver for each of `binds`."""
    binds: Annotated[int, whole(1, 64)] = 1
    """Parallel sessions."""
    interface_version: Annotated[int, _interface_version] = 0x34
    """"3.3", "3.4" or "5.0"; the octet on the wire."""
    assume_version: Annotated[int, _interface_version] = 0x34
    """The version of an SMSC that does not say its own; the specification has "3.3": no TLVs to it (§3.4)."""
    fallback: bool = False
    """Bind a transmitter and a receiver where the SMSC does not know bind_transceiver (§4.1)."""
    strict: bool = False
    """Refuse an enquire_link that is longer than its header, instead of reading over the rest."""
    numbers: tuple[str, ...] = ()
    """The service numbers of this link; informational."""

    window: Annotated[int, whole(1, 10_000)] = 50
    """Un-answered submit_sm per session."""
    receive_window: Annotated[int, whole(1, 100_000)] = 1000
    """Un-answered deliver_sm per session; above it the carrier is told to slow down (ESME_RTHROTTLED)."""
    rate: Annotated[float, at_least(0)] = 0.0
    """submit_sm per second over all binds, 0 = no limit."""
    limits: LimitsConfig = LimitsConfig()
    """What the carrier allows."""

    connect_timeout: SomeSeconds = 10.0
    """For the TCP connection, and TLS."""
    enquire_link: Seconds = 30.0
    """An idle session is probed this often; 0s = never."""
    enquire_link_timeout: Seconds = 0.0
    """A session that stays silent for so long after a probe is dead; 0s = response_timeout."""
    response_timeout: SomeSeconds = 30.0
    """A request without a response for this long is in doubt."""
    write_timeout: SomeSeconds = 30.0
    """A write that takes longer ends the session."""
    inactivity_timeout: Seconds = 0.0
    """A session without any message for this long is ended; 0s = never."""
    reconnect: Backoff = Backoff()
    """After a lost or failed connection."""
    refused_reconnect: Backoff = Backoff(30.0, 300.0)
    """After a refused bind: a wrong password does not become right by hammering."""
    drain: Seconds = 10.0
    """At a stop: how long un-answered messages are waited for before the unbind."""
    tls: Annotated[TlsConfig | None, _tls] = None
    """false, true (the system's authorities), or a table of ca, cert, key, server_name, min_version."""

    trace: bool = False
    """Write each PDU to data_dir/trace-NAME.log from the start; passwords, texts and numbers masked."""

    registered_delivery: bool = True
    """Ask for a delivery receipt for each message."""
    accepted_is_final: bool = False
    """The carrier sends no receipt after the state ACCEPTED (§5.2.28)."""
    dlr_in_mo: bool = False
    """The carrier sends receipts as texts, with esm_class 0: what reads like a receipt is taken for one."""
    message_id: MessageIdConfig = MessageIdConfig()
    """How the carrier writes message ids."""
    user_message_reference: bool = False
    """Give each message a reference (§5.3.2.17); a carrier that repeats it in receipts so settles messages in doubt."""
    opted_out_errors: tuple[str, ...] = ()
    """`err` of receipts by which the carrier says that the customer has opted out there, as it writes them."""
    validity: Seconds = 0.0
    """validity_period of each message, as a relative time (§7.1.1); 0s = the carrier's own."""
    receipt_grace: Seconds = 86400.0
    """A message without a receipt for `validity` plus this, since it was accepted, becomes `unknown`."""
    retry: RetryConfig = RetryConfig()
    """After a temporary error of the carrier."""
    errors: Annotated[dict[int, ErrorKind], _errors] = field(default_factory=dict)
    """Statuses that mean something else here than usual: throttled, temporary, in_doubt, opted_out or permanent."""
    in_doubt: InDoubtConfig = InDoubtConfig()
    """What becomes of a message without a response: resend, hold or fail."""
    redelivery_window: Seconds = 300.0
    """After a reconnect: an un-acknowledged message that comes again within this time is the same one."""
    assemble_timeout: SomeSeconds = 300.0
    """A long message whose parts have not all come by then is taken as it is."""

    charset: Literal["gsm7", "gsm7_packed", "latin1", "ascii", "ucs2"] = "gsm7"
    """What data_coding 0, the carrier's default alphabet, means here (§5.2.19)."""
    encodings: tuple[Literal["default", "ascii", "latin1", "ucs2"], ...] = ("default", "ucs2")
    """What data_coding may be sent, 0, 1, 3, 8: the one that takes the fewest SMS is."""
    languages: tuple[Language, ...] = ()
    """National languages whose GSM shift tables may be sent, where that takes fewer SMS."""
    transliterate: bool = False
    """Replace typographic characters and accents that the alphabet lacks, where that takes fewer SMS."""
    long_messages: Literal["udh8", "udh16", "sar", "payload"] = "udh8"
    """How a text of several SMS is sent: its parts with a reference of 8 or 16 bits, with SAR TLVs, or whole in
    message_payload."""
    service_type: Annotated[str, octets(5)] = ""
    """Of each submit_sm (§5.2.11)."""
    rewrite_in: tuple[NumberRule, ...] = ()
    """How the carrier's numbers become those that rules, conversations and exports know."""
    rewrite_out: tuple[NumberRule, ...] = ()
    """How those become what the carrier wants."""
    send_tlvs: tuple[SentTlv, ...] = ()
    """On each submit_sm, to carriers that speak 3.4 or later."""
    keep_tlvs: tuple[KeptTlv, ...] = ()
    """Of deliver_sm, with the message."""
    source_ton: TonNpi = -1
    """Type of number of the sender of a reply; -1 = as the message that it answers had it."""
    source_npi: TonNpi = -1
    """Numbering plan of the sender; -1 = as it came."""
    dest_ton: TonNpi = -1
    """Type of number of the recipient; -1 = as it came."""
    dest_npi: TonNpi = -1
    """Numbering plan of the recipient; -1 = as it came."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The hosts, one or several, the most wanted first."""
        return self.hosts or (Endpoint(self.host, self.port),)

    @property
    def text_profile(self) -> TextProfile:
        """How texts are encoded and divided."""
        alphabet = Alphabet[self.charset.upper()]
        return TextProfile(alphabet, self.encodings, self.languages, self.long_messages, self.transliterate)

    @property
    def submit_rate(self) -> float:
        """submit_sm per second that may leave: the lower of `rate` and `limits.per_second`; 0.0 = no limit."""
        return min((rate for rate in (self.rate, self.limits.per_second) if rate), default=0.0)

    @property
    def max_age(self) -> float:
        """Seconds after which a reply is too old to be sent: the lower of `limits.max_age` and `retry.max_age`."""
        return min(self.limits.max_age or self.retry.max_age, self.retry.max_age)


EventKind = Literal[
    "received", "replied", "delivered", "undelivered", "escalated", "breached", "taken", "answered", "closed",
    "resolved", "reopened", "rating_asked", "rating_not_asked", "rated", "opted_out", "opted_in", "started", "profile",
    "merged", "deactivated", "erased",
]  # fmt: skip
EVENTS: tuple[EventKind, ...] = get_args(EventKind)
"""What webhooks can be told of."""


_SECRET = re.compile(r"\$\{(file:)?([^{}]*)\}")


def _header(value: object, at: At) -> str:
    """Read the value of a header, with ${NAME} of the environment and ${file:PATH} filled in."""

    def fill_in(found: re.Match[str]) -> str:
        if found[1]:
            return _content(at.base / Path(found[2]).expanduser())
        if found[2] not in os.environ:
            raise BadValue(f"the environment variable {found[2]} is not set")
        return os.environ[found[2]]

    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", str(at.key[-1])):
        raise BadValue("is no name of a header")
    given = _SECRET.sub(fill_in, text(value, at))
    if not given.isascii() or not given.isprintable():
        raise BadValue("must be printable ASCII, with what is filled in")
    return given


def _content(path: Path) -> str:
    """Return what a file with a secret holds.

    Raises:
        BadValue: It cannot be read, or more people can than should.
    """
    try:
        _closed(path, 0o027, "read or changed")
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise BadValue(f"cannot read {path}: {reason}") from exc


def _closed(path: Path, shut: int, what: str) -> None:
    """Judge a file's mode.

    Args:
        path: Of the file.
        shut: The permissions that it must not give.
        what: Can be done with it by those who have them.

    Raises:
        BadValue: It gives one of them.
        OSError: The file cannot be looked at.
    """
    mode = path.stat().st_mode & 0o777
    if mode & shut:
        raise BadValue(f"{path} can be {what} by other users of this machine (mode {mode:o}): chmod 600 {path}")


Headers = dict[str, Annotated[str, _header]]


@dataclass(frozen=True, slots=True)
class WebhookRetry:
    """retry = { … } of a webhook."""

    initial: SomeSeconds = 1.0
    """Before the second attempt; doubles each time."""
    max: SomeSeconds = 300.0
    """The longest."""


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """[[webhook]]: another program that is told what happens."""

    name: Annotated[str, _name] = ""
    """Unique; in the log and in `smppbridge webhooks`."""
    url: Annotated[str, url] = ""
    """Where events are posted."""
    events: tuple[EventKind, ...] = ()
    """Of which it is told; empty = of all."""
    secret: str = field(default="", repr=False)
    """Signs what is posted (Standard Webhooks: "whsec_" and base64, or any text); "" = not signed."""
    secret_env: str = ""
    """Or the name of an environment variable that holds it."""
    secret_file: Path | None = None
    """Or a file that holds it; a line end after it is dropped."""
    headers: Headers = field(default_factory=dict, repr=False)
    """More headers; ${NAME} is a variable of the environment, ${file:PATH} a file's content."""
    timeout: SomeSeconds = 10.0
    """How long an answer may take."""
    retry: WebhookRetry = WebhookRetry()
    """After what was not taken."""
    give_up_after: SomeSeconds = 86400.0
    """An event that was not taken for so long goes to the dead letters, and those behind it go on."""
    parallel: Annotated[int, whole(1, 100)] = 4
    """Events posted at the same time; those of one customer never are."""


@dataclass(frozen=True, slots=True)
class WorkflowConfig:
    """[workflow.NAME]: an HTTP endpoint that flows call by that name, as they call functions."""

    url: Annotated[str, url] = ""
    """Where the variables go, as a JSON object; what it answers, a flat one, becomes variables."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """Of the request."""
    timeout: SomeSeconds = 10.0
    """The longest that an answer may take; a step's own `timeout` may be shorter."""
    secret: str = field(default="", repr=False)
    """As of a webhook."""
    secret_env: str = ""
    """Or the name of an environment variable that holds it."""
    secret_file: Path | None = None
    """Or a file that holds it."""
    headers: Headers = field(default_factory=dict, repr=False)
    """As of a webhook."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    bridge: BridgeConfig = BridgeConfig()
    """Where the data and the rules are."""
    store: StoreConfig = StoreConfig()
    """The embedded store."""
    http: HttpConfig = HttpConfig()
    """The HTTP server."""
    log: LogConfig = LogConfig()
    """What the service says on standard error."""
    link: tuple[LinkConfig, ...] = ()
    """The carriers."""
    functions: dict[str, str] = field(default_factory=dict)
    """Functions that flows call, by name: "file.py:name", relative to this file, or "package.module:name"."""
    workflow: dict[str, WorkflowConfig] = field(default_factory=dict)
    """HTTP endpoints that flows call, by name."""
    webhook: tuple[WebhookConfig, ...] = ()
    """Who is told what happens."""


def load(path: Path) -> Config:
    """Reads a configuration file.

    Args:
        path: A TOML file; relative paths in it are relative to its folder.

    Returns:
        The configuration, with passwords resolved and every path absolute or relative to the working folder.

    Raises:
        ConfigError: With everything that is wrong.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError([f"{path}: cannot read the configuration: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from exc
    base = path.parent
    tables, at = parse(content, str(path), base)
    default = Config(bridge=BridgeConfig(data_dir=base / BridgeConfig().data_dir))
    config = fill(default, tables, at)
    raw_links = tables.get("link")
    links = []
    for number, link in enumerate(config.link):
        raw = raw_links[number] if isinstance(raw_links, list) else {}
        links.append(_finish(link, raw, at.child("link").child(number)))
    _distinct(links, at)
    webhooks = tuple(_hook(each, at.child("webhook").child(n)) for n, each in enumerate(config.webhook))
    workflows = {name: _hook(each, at.child("workflow").child(name)) for name, each in config.workflow.items()}
    _named_once(webhooks, config.functions, workflows, at)
    _guard(config.http, at.child("http"))
    if at.problems:
        raise ConfigError([str(problem) for problem in sorted(at.problems, key=lambda problem: problem.line)])
    return replace(config, link=tuple(links), webhook=webhooks, workflow=workflows)


Called = TypeVar("Called", WebhookConfig, WorkflowConfig)


def _hook(hook: Called, at: At) -> Called:
    """Check what is posted to, and look up its secret."""
    if not hook.url:
        at.child("url").problem("is missing")
    # Lower case, as ours are: each is sent once.
    hook = replace(hook, headers={name.lower(): value for name, value in hook.headers.items()})
    given = [name for name in ("secret", "secret_env", "secret_file") if getattr(hook, name)]
    if len(given) > 1:
        at.child(given[1]).problem(f"give one of {', '.join(f'`{name}`' for name in given)}")
    elif hook.secret_env:
        if hook.secret_env not in os.environ:
            at.child("secret_env").problem(f"the environment variable {hook.secret_env} is not set")
        return replace(hook, secret=os.environ.get(hook.secret_env, ""))
    elif hook.secret_file is not None:
        try:
            return replace(hook, secret=_content(hook.secret_file))
        except BadValue as exc:
            at.child("secret_file").problem(str(exc))
    return hook


def _named_once(
    webhooks: tuple[WebhookConfig, ...], functions: Mapping[str, str], workflows: Mapping[str, WorkflowConfig], at: At
) -> None:
    seen: set[str] = set()
    for number, hook in enumerate(webhooks):
        here = at.child("webhook").child(number)
        if not hook.name:
            here.child("name").problem("is missing")
        elif hook.name in seen:
            here.child("name").problem(f"there is already a webhook `{hook.name}`")
        seen.add(hook.name)
        if hook.retry.initial > hook.retry.max:
            here.child("retry").problem("`initial` is longer than `max`")
    for name in workflows:
        if name in functions:
            at.child("workflow").child(name).problem("is the name of a function too; flows could not tell them apart")


def _guard(http: HttpConfig, at: At) -> None:
    """Beyond this machine, nobody is served who has no token."""
    if http.token_file is None:
        if not http.listen.loopback:
            at.child("listen").problem(f"{http.listen} is open to other machines: set `token_file`, or use 127.0.0.1")
        return
    here = at.child("token_file")
    try:
        # Who can read it has no token yet, who can change it has.
        _closed(http.token_file, 0o022, "changed")
        lines = http.token_file.read_text(encoding="utf-8")
    except OSError as exc:
        here.problem(f"cannot read {http.token_file}: {exc.strerror}")
    except UnicodeDecodeError:
        here.problem(f"cannot read {http.token_file}: not UTF-8 text")
    except BadValue as exc:
        here.problem(str(exc))
    else:
        try:
            parse_tokens(lines)
        except BadValue as exc:
            here.problem(f"{http.token_file} {exc}")


def _finish(link: LinkConfig, raw: object, at: At) -> LinkConfig:
    given = raw if isinstance(raw, dict) else {}
    if "name" not in given:
        at.problem("`name` is missing")
    for name in ("reconnect", "refused_reconnect", "retry"):
        backoff: Backoff | RetryConfig = getattr(link, name)
        if backoff.initial > backoff.max:
            at.child(name).problem("`initial` is longer than `max`")
    if given.get("encodings") == []:
        at.child("encodings").problem("must name at least one: default, ascii, latin1, ucs2")
    if link.long_messages in ("sar", "payload") and link.interface_version < VERSION_34:
        at.child("long_messages").problem(
            f'"{link.long_messages}" needs TLVs, which begin with interface_version "3.4"'
        )
    for name in ("rewrite_in", "rewrite_out"):
        rules: tuple[NumberRule, ...] = getattr(link, name)
        for number, rule in enumerate(rules):
            if problem := problem_of(rule):
                at.child(name).child(number).problem(problem)
    for number, tlv in enumerate(link.send_tlvs):
        try:
            tlv_octets(tlv)
        except ValueError as exc:
            at.child("send_tlvs").child(number).child("value").problem(str(exc))
    if link.hosts:
        if "host" in given:
            at.child("host").problem("give `host` or `hosts`, not both")
        link = replace(link, hosts=tuple(replace(host, port=host.port or link.port) for host in link.hosts))
        if len(set(link.hosts)) < len(link.hosts):
            at.child("hosts").problem("names a host twice")
    if link.hosts_mode != "failover" and len(link.hosts) < 2:
        at.child("hosts_mode").problem("is of no use without several `hosts`")
    return replace(link, group=link.group or link.name, password=_password(link, given, at))


def _password(link: LinkConfig, given: dict[str, object], at: At) -> str:
    ways = [name for name in ("password", "password_env", "password_file") if name in given]
    if len(ways) != 1:
        at.problem(
            f"give exactly one of `password`, `password_env`, `password_file`, not {' and '.join(ways)}"
            if ways
            else "`password` is missing (or `password_env`, or `password_file`)"
        )
        return ""
    here = at.child(ways[0])
    password = link.password
    if ways[0] == "password_env":
        if link.password_env not in os.environ:
            here.problem(f"the environment variable {link.password_env} is not set")
            return ""
        password = os.environ[link.password_env]
    elif link.password_file is not None:
        try:
            password = _content(link.password_file)
        except BadValue as exc:
            here.problem(str(exc))
            return ""
    try:
        return octets(8)(password, here)
    except BadValue as exc:
        here.problem(f"the password {exc}")
        return ""


def _distinct(links: list[LinkConfig], at: At) -> None:
    seen: set[str] = set()
    for number, link in enumerate(links):
        if link.name and link.name in seen:
            at.child("link").child(number).child("name").problem(f"there is already a link `{link.name}`")
        seen.add(link.name)
