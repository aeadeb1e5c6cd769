"""The configuration: what is read, and what is refused in which words."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import typing
from pathlib import Path

import pytest

from bridge import config as configuration
from bridge.config import Address, Backoff, Config, ConfigError, LinkConfig, TlsConfig, load
from bridge.wireform import KeptTlv, NumberRule, SentTlv
from smppcore.failover import Endpoint
from smppcore.text import LANGUAGES
from tests.certificates import Authority

CONF = Path(__file__).parent.parent / "conf" / "bridge.toml"
DATA = Path(__file__).parent / "data"

QUOTE = '"'


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "bridge.toml")


class Writer:
    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, text: str) -> Config:
        self.path.write_text(text, encoding="utf-8")
        return load(self.path)

    def link(self, text: str) -> LinkConfig:
        return self.load(f'[[link]]\nname = "a"\npassword = "p"\n{text}\n').link[0]

    def problems(self, text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(text)
        assert str(caught.value) == "\n".join(caught.value.problems)
        prefix = f"{self.path}:"
        assert all(problem.startswith(prefix) for problem in caught.value.problems)
        return [problem.removeprefix(prefix) for problem in caught.value.problems]

    def link_problems(self, text: str) -> list[str]:
        return self.problems(f'[[link]]\nname = "a"\npassword = "p"\n{text}\n')


def test_an_empty_file_is_all_defaults(write: Writer) -> None:
    config = write.load("")
    assert config == Config(bridge=configuration.BridgeConfig(data_dir=write.path.parent / "var"))
    assert config.store.sync == "commit"
    assert config.store.max_size == 64 << 30
    assert config.http.listen == Address("127.0.0.1", 8080)


def test_the_defaults_of_the_contract(write: Writer) -> None:
    link = write.link("")
    assert (link.host, link.port, link.system_id, link.password) == ("127.0.0.1", 2775, "esme", "p")
    assert (link.bind, link.binds, link.interface_version) == ("transceiver", 1, 0x34)
    assert (link.window, link.receive_window, link.rate) == (50, 1000, 0.0)
    assert (link.enquire_link, link.response_timeout) == (30.0, 30.0)
    assert link.reconnect == Backoff(1.0, 60.0)
    assert link.tls is None
    assert link.registered_delivery is True
    assert (link.in_doubt.reply, link.in_doubt.started) == ("resend", "hold")


def test_relative_paths_are_relative_to_the_file(write: Writer) -> None:
    config = write.load('[bridge]\ndata_dir = "d"\nrules = ["rules/a.toml", "/b.toml"]\n')
    assert config.bridge.data_dir == write.path.parent / "d"
    assert config.bridge.rules == (write.path.parent / "rules/a.toml", Path("/b.toml"))


def test_the_group_is_the_links_name_unless_given(write: Writer) -> None:
    assert write.link("").group == "a"
    assert write.link('group = "carrier"').group == "carrier"


@pytest.mark.parametrize(("written", "octet"), [("3.3", 0x33), ("3.4", 0x34), ("5.0", 0x50)])
def test_the_interface_version_is_its_octet(write: Writer, written: str, octet: int) -> None:
    assert write.link(f'interface_version = "{written}"').interface_version == octet


def test_the_languages_are_those_that_have_tables() -> None:
    assert typing.get_args(configuration.Language) == tuple(LANGUAGES)


def test_a_partial_backoff_keeps_the_defaults_of_its_place(write: Writer) -> None:
    assert write.link('refused_reconnect = { initial = "1m" }').refused_reconnect == Backoff(60.0, 300.0)


def test_the_lower_of_two_rates_holds(write: Writer) -> None:
    assert write.link("").submit_rate == 0.0
    assert write.link("rate = 10").submit_rate == 10.0
    assert write.link("limits = { per_second = 5 }").submit_rate == 5.0
    assert write.link("rate = 10\nlimits = { per_second = 5 }").submit_rate == 5.0
    assert write.link("rate = 4\nlimits = { per_second = 5 }").submit_rate == 4.0


def test_the_lower_of_two_ages_holds(write: Writer) -> None:
    assert write.link("").max_age == 86400.0
    assert write.link('limits = { max_age = "10m" }').max_age == 600.0
    assert write.link('limits = { max_age = "2d" }').max_age == 86400.0


@pytest.mark.parametrize(
    ("written", "address", "loopback"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080), True),
        ("localhost:0", Address("localhost", 0), True),
        ("[::1]:80", Address("::1", 80), True),
        ("192.0.2.1:80", Address("192.0.2.1", 80), False),
        ("example.com:80", Address("example.com", 80), False),
        (":80", Address("", 80), False),
    ],
)
def test_listen_is_an_address_and_a_port(write: Writer, written: str, address: Address, loopback: bool) -> None:
    (write.path.parent / "tokens").write_text(f"prometheus viewer {'0' * 64}\n")
    listen = write.load(f'[http]\nlisten = "{written}"\ntoken_file = "tokens"\n').http.listen
    assert listen == address
    assert listen.loopback is loopback
    assert str(listen) == written


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", ":8080", "[::]:80", "bridge.example:80"])
def test_nobody_else_is_served_without_a_token_file(write: Writer, listen: str) -> None:
    assert write.problems(f'[http]\nlisten = "{listen}"\n') == [
        f"2: http.listen: {listen} is open to other machines: set `token_file`, or use 127.0.0.1"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot read {file}: No such file or directory"),
        (b"\xff", "cannot read {file}: not UTF-8 text"),
        (b"# nobody yet\n", "{file} has no line of `name role sha256-of-token`"),
        (
            b"\nprometheus viewer s3cret\n",
            "{file} line 2 must be `name role sha256-of-token`, the last in 64 hexadecimal digits",
        ),
    ],
)
def test_an_unusable_token_file_is_named(write: Writer, content: bytes | None, problem: str) -> None:
    file = write.path.parent / "tokens"
    if content is not None:
        file.write_bytes(content)
    assert write.problems('[http]\ntoken_file = "tokens"\n') == [f"2: http.token_file: {problem.format(file=file)}"]


# ---------------------------------------------------------------- the contract


def test_the_contracts_example_loads_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_bytes((DATA / "contract.toml").read_bytes())
    (tmp_path / "…").write_text(f"prometheus viewer {'0' * 64}\n")
    config = load(path)
    assert config.bridge == configuration.BridgeConfig(tmp_path / "var", (tmp_path / "rules/acme.toml",))
    assert config.store.sync == "commit"
    assert config.http == configuration.HttpConfig(Address("127.0.0.1", 8080), tmp_path / "…")
    (link,) = config.link
    limits = configuration.LimitsConfig(
        per_second=100.0, per_day=200000, reserve_replies=0.4, warn_at=(0.7, 0.9), max_age=600.0
    )
    assert link == dataclasses.replace(
        LinkConfig(), name="carrier-a", group="carrier-a", password="secret", limits=limits
    )


# ---------------------------------------------------------------- passwords


def secret(file: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with a secret, closed to others unless told otherwise."""
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("mode", "closed"), [(0o600, True), (0o640, True), (0o660, False), (0o644, False), (0o602, False)]
)
def test_a_secret_that_others_can_read_or_change_is_refused(write: Writer, mode: int, *, closed: bool) -> None:
    file = secret(write.path.parent / "secret", b"s3cret", mode)
    problem = f"{file} can be read or changed by other users of this machine (mode {mode:o}): chmod 600 {file}"
    link = '[[link]]\nname = "a"\npassword_file = "secret"\n'
    hook = '[[webhook]]\nname = "w"\nurl = "http://a/"\nsecret_file = "secret"\nheaders = { x = "${file:secret}" }\n'
    if closed:
        assert write.load(link).link[0].password == "s3cret"
        assert write.load(hook).webhook[0].secret == "s3cret"
    else:
        assert write.problems(link) == [f"3: link[1].password_file: {problem}"]
        assert write.problems(hook) == [
            f"4: webhook[1].secret_file: {problem}",
            f"5: webhook[1].headers.x: {problem}",
        ]


@pytest.mark.parametrize(("mode", "closed"), [(0o600, True), (0o644, True), (0o664, False), (0o646, False)])
def test_a_token_file_that_others_can_change_is_refused(write: Writer, mode: int, *, closed: bool) -> None:
    file = secret(write.path.parent / "tokens", f"ann agent {'0' * 64}\n".encode(), mode)
    if closed:
        assert write.load('[http]\ntoken_file = "tokens"\n').http.token_file == file
    else:
        problem = f"{file} can be changed by other users of this machine (mode {mode:o}): chmod 600 {file}"
        assert write.problems('[http]\ntoken_file = "tokens"\n') == [f"2: http.token_file: {problem}"]


def test_a_password_comes_from_the_environment(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRIER_PASSWORD", "s3cret")
    assert write.load('[[link]]\nname = "a"\npassword_env = "CARRIER_PASSWORD"\n').link[0].password == "s3cret"


def test_a_password_comes_from_a_file_without_its_line_end(write: Writer) -> None:
    secret(write.path.parent / "secret", b"s3cret \r\n")
    assert write.load('[[link]]\nname = "a"\npassword_file = "secret"\n').link[0].password == "s3cret "


def test_an_empty_password_is_allowed_but_must_be_said(write: Writer) -> None:
    assert write.load('[[link]]\nname = "a"\npassword = ""\n').link[0].password == ""
    assert write.problems('[[link]]\nname = "a"\n') == [
        "1: link[1]: `password` is missing (or `password_env`, or `password_file`)"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            'password = "x"\npassword_env = "X"',
            "1: link[1]: give exactly one of `password`, `password_env`, `password_file`, "
            "not password and password_env",
        ),
        (
            'password_env = "NOWHERE_SET"',
            "3: link[1].password_env: the environment variable NOWHERE_SET is not set",
        ),
        (
            'password = "123456789"',
            "3: link[1].password: the password must be 8 characters or fewer, not 9 (a limit of SMPP)",
        ),
    ],
)
def test_an_unusable_password_is_named(write: Writer, text: str, problem: str) -> None:
    assert write.problems(f'[[link]]\nname = "a"\n{text}\n') == [problem]


def test_an_unreadable_password_file_is_named(write: Writer) -> None:
    folder = write.path.parent
    assert write.problems('[[link]]\nname = "a"\npassword_file = "none"\n') == [
        f"3: link[1].password_file: cannot read {folder / 'none'}: No such file or directory"
    ]
    secret(folder / "binary", b"\xff\xfe")
    assert write.problems('[[link]]\nname = "a"\npassword_file = "binary"\n') == [
        f"3: link[1].password_file: cannot read {folder / 'binary'}: not UTF-8 text"
    ]


def test_a_password_is_never_printed(write: Writer) -> None:
    assert "s3cr3t" not in repr(write.load('[[link]]\nname = "a"\npassword = "s3cr3t"\n'))
    assert not any("s3cr3t" in problem for problem in write.problems('[[link]]\npassword = "s3cr3t-too-long"\n'))


# ---------------------------------------------------------------- TLS


def test_tls_is_off_on_or_a_table(write: Writer) -> None:
    authority = Authority(write.path.parent)
    pair = authority.issue("esme.example")
    assert write.link("tls = false").tls is None
    assert write.link("tls = true").tls == TlsConfig()
    files = f'ca = "{authority.ca.name}", cert = "{pair.cert.name}", key = "{pair.key.name}"'
    link = write.link(f'tls = {{ {files}, server_name = "smpp.example", min_version = "1.3" }}')
    assert link.tls == TlsConfig(authority.ca, pair.cert, pair.key, "smpp.example", "1.3")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('tls = "on"', "4: link[1].tls: must be true, false or a table of ca, cert, key, server_name, min_version"),
        ("tls = { verify = false }", "4: link[1].tls.verify: unknown key"),
        ('tls = { key = "bridge.toml" }', "4: link[1].tls.key: is of no use without `cert`"),
    ],
)
def test_wrong_tls_is_named(write: Writer, text: str, problem: str) -> None:
    assert write.link_problems(text) == [problem]


def test_a_missing_tls_file_is_named(write: Writer) -> None:
    assert write.link_problems('tls = { ca = "nope.pem" }') == [
        f"4: link[1].tls.ca: cannot read {write.path.parent / 'nope.pem'}: No such file or directory"
    ]


def test_errors_are_statuses_by_name_number_or_range_and_single_ones_win(write: Writer) -> None:
    (link,) = write.load(
        '[[link]]\nname = "a"\npassword = ""\n[link.errors]\n'
        'ESME_RINVDSTADR = "temporary"\n"0x401" = "opted_out"\n"0x400 - 0x402" = "in_doubt"\n88 = "permanent"\n'
    ).link
    assert link.errors == {0x0B: "temporary", 0x400: "in_doubt", 0x401: "opted_out", 0x402: "in_doubt", 88: "permanent"}


def test_a_certificate_without_its_key_is_named(write: Writer) -> None:
    authority = Authority(write.path.parent)
    ours, other = authority.issue("esme.example"), authority.issue("esme.example")
    (problem,) = write.link_problems(f'tls = {{ cert = "{ours.cert.name}", key = "{other.key.name}" }}')
    assert problem == f"4: link[1].tls.key: {other.key} is not the key of the certificate in {ours.cert}"


# ---------------------------------------------------------------- hosts


def test_hosts_are_names_with_or_without_a_port(write: Writer) -> None:
    assert write.link('host = "smsc.example"\nport = 3550').endpoints == (Endpoint("smsc.example", 3550),)
    link = write.link('hosts = ["a.example", "b.example:2776", "[::1]:2777", "::1", "[::2]"]\nport = 3550')
    assert link.endpoints == (
        Endpoint("a.example", 3550),
        Endpoint("b.example", 2776),
        Endpoint("::1", 2777),
        Endpoint("::1", 3550),
        Endpoint("::2", 3550),
    )
    assert link.hosts_mode == "failover"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('host = "a"\nhosts = ["b"]', "4: link[1].host: give `host` or `hosts`, not both"),
        ('hosts = ["a", "a:2775"]', "4: link[1].hosts: names a host twice"),
        ('hosts = ["a:0", "b"]', '4: link[1].hosts[1]: must be a host, or a host and a port as "smsc1.example:2775"'),
        ('hosts = [":1"]', '4: link[1].hosts[1]: must be a host, or a host and a port as "smsc1.example:2775"'),
        ('hosts_mode = "standby"', "4: link[1].hosts_mode: is of no use without several `hosts`"),
        ('hosts_mode = "stand-by"', "4: link[1].hosts_mode: must be one of failover, balance, standby"),
        ('source_address = "here"', "4: link[1].source_address: must be an IP address of this machine"),
    ],
)
def test_wrong_hosts_are_named(write: Writer, text: str, problem: str) -> None:
    assert [found.partition("; did you")[0] for found in write.link_problems(text)] == [problem]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("windw = 3", "4: link[1].windw: unknown key; did you mean `window`?"),
        ("window = 0", "4: link[1].window: must be from 1 to 10000, not 0"),
        ("limits = { per_day = 1.5 }", "4: link[1].limits.per_day: must be a whole number, not a number"),
        ("limits = { reserve_replies = 1.5 }", "4: link[1].limits.reserve_replies: must be from 0 to 1, not 1.5"),
        (
            "limits = { reserve_replies = 1 }",
            "4: link[1].limits.reserve_replies: must be below 1: with 1 no message that you start would ever go",
        ),
        (
            'limits = { day_zone = "Mars" }',
            '4: link[1].limits.day_zone: must be a time zone such as "UTC" or "America/Los_Angeles", and known here',
        ),
        (
            'limits = { numbers = { "60606" = { per_minutes = 1 } } }',
            "4: link[1].limits.numbers.60606.per_minutes: unknown key; did you mean `per_minute`?",
        ),
        ("limits = { warn_at = [0.7, -1] }", "4: link[1].limits.warn_at[2]: must be 0 or more, not -1"),
        ('reconnect = { initial = "2m" }', "4: link[1].reconnect: `initial` is longer than `max`"),
        ('retry = { max = "1s" }', "4: link[1].retry: `initial` is longer than `max`"),
        ('interface_version = "3.5"', "4: link[1].interface_version: must be one of 3.3, 3.4, 5.0"),
        ("encodings = []", "4: link[1].encodings: must name at least one: default, ascii, latin1, ucs2"),
        (
            'encodings = ["ucs"]',
            "4: link[1].encodings[1]: must be one of default, ascii, latin1, ucs2; did you mean `ucs2`?",
        ),
        (
            'interface_version = "3.3"\nlong_messages = "sar"',
            '5: link[1].long_messages: "sar" needs TLVs, which begin with interface_version "3.4"',
        ),
        ('host = "a b"', "4: link[1].host: must be a host name or an IP address"),
        ('host = ""', "4: link[1].host: must be a host name or an IP address"),
        ('group = "a b"', "4: link[1].group: must be 1 to 64 letters, digits, dots, dashes or underscores"),
        (
            'bind = "tranceiver"',
            "4: link[1].bind: must be one of transceiver, transmitter, receiver, separate; did you mean `transceiver`?",
        ),
        ("source_ton = -2", "4: link[1].source_ton: must be from -1 to 255, not -2"),
        (
            "errors = 3",
            '4: link[1].errors: must be a table of statuses, as { "0x58" = "throttled", "0x4A1" = "opted_out" }',
        ),
        *(
            (
                f'errors = {{ {name} = "permanent" }}',
                f"4: link[1].errors.{name.strip(QUOTE)}: must be a status by name or number, or a range of them,"
                ' as "0x58" or "0x400-0x4FF"',
            )
            for name in ("ESME_RTHROTLED", "0", '"0x500-0x400"', '"1-x"', '"0x1-0x100000"')
        ),
        (
            'errors = { "0x58" = "throtled" }',
            "4: link[1].errors.0x58: must be one of throttled, temporary, in_doubt, opted_out, permanent;"
            " did you mean `throttled`?",
        ),
    ],
)
def test_a_wrong_option_of_a_link_is_named(write: Writer, text: str, problem: str) -> None:
    assert write.link_problems(text) == [problem]


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:²"])
def test_a_wrong_listen_address_is_named(write: Writer, listen: str) -> None:
    assert write.problems(f'[http]\nlisten = "{listen}"\n') == [
        '2: http.listen: must be an address and a port, as "127.0.0.1:8080"'
    ]


def test_a_link_needs_a_name(write: Writer) -> None:
    assert write.problems('[[link]]\npassword = ""\n') == ["1: link[1]: `name` is missing"]


def test_two_links_cannot_share_a_name(write: Writer) -> None:
    one = '[[link]]\nname = "a"\npassword = ""\n'
    assert write.problems(one + one) == ["5: link[2].name: there is already a link `a`"]


def test_one_bracket_where_two_belong_is_named(write: Writer) -> None:
    assert write.problems('[link]\nname = "a"\n') == ["1: link: stands in double brackets: [[link]]"]


def test_a_list_of_something_else_is_no_list_of_links(write: Writer) -> None:
    assert "1: link[1]: must be a table, not a number" in write.problems("link = [1]\n")


def test_problems_come_in_the_order_of_the_file(write: Writer) -> None:
    text = '[bridge]\ndatadir = "x"\n[store]\nsync = "no"\n[[link]]\nname = "a"\npassword = ""\nport = 0\n'
    assert [problem.split(":")[0] for problem in write.problems(text)] == ["2", "4", "8"]


def test_a_syntax_error_is_one_line_with_file_and_line(write: Writer) -> None:
    (problem,) = write.problems("[bridge]\ndata_dir = \n")
    assert problem == '2: not valid TOML: Invalid value; a text stands in straight quotes, as name = "text"'


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml")
    assert caught.value.problems == [
        f"{tmp_path / 'none.toml'}: cannot read the configuration: No such file or directory"
    ]


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "b.toml")
    assert caught.value.problems == [f"{tmp_path / 'b.toml'}: is not UTF-8 text"]


# ---------------------------------------------------------------- conf/bridge.toml


def options(cls: type) -> set[str]:
    return {item.name for item in dataclasses.fields(cls)}


def test_the_shipped_file_loads() -> None:
    config = load(CONF)
    assert [link.name for link in config.link] == ["carrier-a"]
    assert all(path.is_file() for path in config.bridge.rules)


def hooked(folder: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("CRM_TOKEN", "t0ken")
    monkeypatch.delenv("NO_SUCH", raising=False)
    secret(folder / "crm.secret", b"from a file\n")
    secret(folder / "umlaut", "ü".encode())
    file = folder / "bridge.toml"
    file.write_text(table)
    return load(file)


def test_secrets_and_headers_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = hooked(
        tmp_path,
        """[[webhook]]
name = "crm"
url = "https://crm.example/hooks"
secret_file = "crm.secret"
headers = { Authorization = "Bearer ${CRM_TOKEN}", x-team = "sms" }
[workflow.orders]
url = "https://crm.example/orders"
secret_env = "CRM_TOKEN"
headers = { x-key = "${file:crm.secret}" }
""",
        monkeypatch,
    )
    (webhook,), workflow = config.webhook, config.workflow["orders"]
    assert (webhook.secret, webhook.headers) == ("from a file", {"authorization": "Bearer t0ken", "x-team": "sms"})
    assert (workflow.secret, workflow.headers) == ("t0ken", {"x-key": "from a file"})
    assert "t0ken" not in repr(config)
    assert "from a file" not in repr(config)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('secret = "a"\nsecret_env = "CRM_TOKEN"', "secret_env: give one of `secret`, `secret_env`"),
        ('secret_env = "NO_SUCH"', "secret_env: the environment variable NO_SUCH is not set"),
        ('secret_file = "none"', "none: No such file or directory"),
        ('headers = { x = "${NO_SUCH}" }', "headers.x: the environment variable NO_SUCH is not set"),
        ('headers = { x = "${file:none}" }', "No such file or directory"),
        ('headers = { x = "${file:umlaut}" }', "headers.x: must be printable ASCII"),
        ('headers = { "a b" = "x" }', "is no name of a header"),
        ('events = ["opted_ot"]', "did you mean `opted_out`?"),
        ('retry = { initial = "2s", max = "1s" }', "`initial` is longer than `max`"),
        ('url = "ftp://x"', "must be a URL"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_said(
    tmp_path: Path, line: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "" if line.startswith("url") else 'url = "https://crm.example/hooks"\n'
    with pytest.raises(ConfigError) as caught:
        hooked(tmp_path, f'[[webhook]]\nname = "crm"\n{url}{line}\n', monkeypatch)
    assert problem in str(caught.value)


def test_the_shipped_file_names_every_option() -> None:
    text = CONF.read_text(encoding="utf-8")
    sections = re.split(r"^\[+(\w+)\]+$", text, flags=re.MULTILINE)
    named = {
        name: set(re.findall(r"^(?:# )?(\w+) = ", body, flags=re.MULTILINE))
        for name, body in zip(sections[1::2], sections[2::2], strict=True)
    }
    expected = {item.name: item for item in dataclasses.fields(Config)}
    assert named.keys() | {"workflow", "webhook"} == expected.keys()
    for table, cls in (("[[webhook]]", configuration.WebhookConfig), ('[workflow."', configuration.WorkflowConfig)):
        block = text.partition(f"\n# {table}")[2].partition("\n\n")[0]
        assert set(re.findall(r"^#     (\w+) = ", block, flags=re.MULTILINE)) == options(cls)
    assert named["bridge"] == options(configuration.BridgeConfig)
    assert named["store"] == options(configuration.StoreConfig)
    assert named["http"] == options(configuration.HttpConfig)
    assert named["link"] == options(LinkConfig)


def test_what_the_shipped_file_comments_out_is_the_default(tmp_path: Path) -> None:
    # Each `# key = value` line, put in force, must change nothing.
    shown = re.compile(r"^# (\w+ = .*)$", re.MULTILINE)
    examples = ("password_env", "password_file", "token_file", "group", "hosts = ", "tls = {")
    lines = []
    for line in CONF.read_text(encoding="utf-8").splitlines():
        match = shown.match(line)
        lines.append(match[1] if match and not match[1].startswith(examples) else line)
    path = tmp_path / "bridge.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert tomllib.loads(path.read_text())["link"][0]["window"] == 50
    original = tmp_path / "original.toml"
    original.write_bytes(CONF.read_bytes())
    assert load(path) == load(original)


def test_every_option_has_a_line_of_meaning_and_stands_in_the_shipped_file() -> None:
    source = Path(configuration.__file__).read_text(encoding="utf-8")
    meant = set(re.findall(r'^    (\w+): [^\n]*\n    """', source, flags=re.MULTILINE))
    tables = [item for item in vars(configuration).values() if dataclasses.is_dataclass(item) and item is not Address]
    every = set().union(*(options(table) for table in tables if isinstance(table, type) and "Config" in table.__name__))
    assert every - meant == set()
    assert every - set(re.findall(r"\w+", CONF.read_text(encoding="utf-8"))) == set()


# ---------------------------------------------------------------- numbers and TLVs


def test_numbers_are_rewritten_and_tlvs_sent_as_configured(write: Writer) -> None:
    link = write.link(
        'rewrite_in = [{ ton = 2, strip = "0", add = "49", set_ton = 1 }]\n'
        "rewrite_out = [{ of = \"both\", match = '(\\d+)', to = '+\\1' }]\n"
        'send_tlvs = [{ tag = 0x1403, type = "int8", value = 7 }]\n'
        'keep_tlvs = [{ tag = 0x1401, name = "mcc_mnc", type = "string" }]'
    )
    assert link.rewrite_in == (NumberRule(ton=2, strip="0", add="49", set_ton=1),)
    assert link.rewrite_out == (NumberRule(of="both", match=r"(\d+)", to=r"+\1"),)
    assert link.send_tlvs == (SentTlv(0x1403, "int8", 7),)
    assert link.keep_tlvs == (KeptTlv(0x1401, "mcc_mnc", "string"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('rewrite_in = [{ match = "(" }]', "rewrite_in[1].match: must be a regular expression as RE2 has them"),
        (
            'rewrite_in = [{ match = "1", add = "2" }]',
            "rewrite_in[1]: has `match`, so `strip` and `add` are of no use: give `to`",
        ),
        (
            "rewrite_in = [{ match = '(1)', to = '\\2' }]",
            "rewrite_in[1]: `to` names a group that `match` does not have",
        ),
        ('rewrite_in = [{ add = "\u20ac" }]', "rewrite_in[1].add: must be printable ASCII"),
        ('rewrite_out = [{ to = "2" }]', "rewrite_out[1]: `to` is of no use without `match`"),
        (
            'send_tlvs = [{ tag = 0x1403, type = "int8", value = 300 }]',
            "send_tlvs[1].value: must be a number from 0 to 255 for int8",
        ),
        ("send_tlvs = [{ tag = 0x1403, value = 1.5 }]", "send_tlvs[1].value: must be a text or a whole number"),
        ("keep_tlvs = [{ tag = 0 }]", "keep_tlvs[1].tag: must be from 1 to 65535, not 0"),
    ],
)
def test_wrong_rules_for_numbers_and_tlvs_are_named(write: Writer, text: str, problem: str) -> None:
    assert write.link_problems(text) == [f"4: link[1].{problem}"]
