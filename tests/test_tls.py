"""TLS contexts, and the words for what goes wrong between two of them; the handshakes are made in memory."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from smppcore.tls import TlsFileError, client_context, explain, is_end, server_context
from tests.certificates import Authority, Pair

if TYPE_CHECKING:
    from pathlib import Path

NAME = "smsc.example"


@pytest.fixture
def carrier(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "carrier")


def handshake(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str = NAME
) -> tuple[ssl.SSLError | None, ssl.SSLError | None]:
    """Let two contexts meet, and one octet go each way; return what each side says of it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    errors: dict[ssl.SSLObject, ssl.SSLError | None] = {ours: None, theirs: None}
    shaken: set[ssl.SSLObject] = set()
    for _ in range(10):
        for side in (ours, theirs):
            if errors[side] is None:
                try:
                    if side not in shaken:
                        side.do_handshake()
                        shaken.add(side)
                        side.write(b"x")
                    side.read(1)
                except ssl.SSLWantReadError:
                    continue
                except ssl.SSLError as exc:
                    errors[side] = exc
    return errors[ours], errors[theirs]


def words(error: ssl.SSLError | None) -> str:
    assert error is not None
    text = explain(error, NAME)
    assert "\n" not in text
    return text


def test_who_is_trusted_and_has_the_right_name_is_let_in(carrier: Authority) -> None:
    pair = carrier.issue(NAME)
    assert handshake(client_context(carrier.ca), server_context(pair.cert, pair.key)) == (None, None)


def test_both_sides_may_show_who_they_are(carrier: Authority) -> None:
    theirs, ours = carrier.issue(NAME), carrier.issue("esme.example")
    client = client_context(carrier.ca, ours.cert, ours.key)
    assert handshake(client, server_context(theirs.cert, theirs.key, carrier.ca)) == (None, None)


def test_a_bad_certificate_of_the_server_is_refused_with_its_mend(carrier: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    cases: list[tuple[Pair, Authority, str]] = [
        (carrier.expired(NAME), carrier, "the peer's certificate has expired: ask the peer to renew it"),
        (carrier.not_yet_valid(NAME), carrier, "the peer's certificate is not valid yet: look at this machine's clock"),
        (carrier.issue("wrong.example"), carrier, f"the peer's certificate is not for {NAME}: set tls server_name"),
        (carrier.issue(NAME), other, "the peer's certificate is of an unknown authority: name the file"),
    ]
    for pair, trusted, expected in cases:
        error, _ = handshake(client_context(trusted.ca), server_context(pair.cert, pair.key))
        assert words(error).startswith(expected)


def test_without_authorities_of_its_own_a_client_trusts_the_systems_only(carrier: Authority) -> None:
    pair = carrier.issue(NAME)
    error, _ = handshake(client_context(), server_context(pair.cert, pair.key))
    assert "unknown authority" in words(error)


def test_a_client_without_the_certificate_that_is_asked_for_is_refused(carrier: Authority, tmp_path: Path) -> None:
    pair = carrier.issue(NAME)
    server = server_context(pair.cert, pair.key, carrier.ca)
    ours, theirs = handshake(client_context(carrier.ca), server)
    assert words(ours) == "the peer asks for a certificate of ours: set tls cert and key"
    assert words(theirs).startswith("the client gave no certificate")
    stranger = Authority(tmp_path, "other").issue("esme.example")
    ours, theirs = handshake(client_context(carrier.ca, stranger.cert, stranger.key), server)
    assert words(ours).startswith("the peer does not know the authority of our certificate")
    assert "unknown authority" in words(theirs)
    old = carrier.expired("esme.example")
    ours, theirs = handshake(client_context(carrier.ca, old.cert, old.key), server)
    assert words(ours).startswith("the peer says that our certificate has expired")
    assert "has expired" in words(theirs)


def test_versions_below_the_least_are_not_spoken(carrier: Authority) -> None:
    pair = carrier.issue(NAME)
    client = client_context(carrier.ca)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    error, theirs = handshake(client, server_context(pair.cert, pair.key, min_version="1.3"))
    assert words(error).startswith("the two sides have no version of TLS in common")
    assert words(theirs).startswith("the two sides have no version of TLS in common")


def test_a_peer_that_does_not_speak_tls_is_named_so() -> None:
    incoming = ssl.MemoryBIO()
    incoming.write(b"\0\0\0\x10\x80\0\0\x15\0\0\0\0\0\0\0\1")
    with pytest.raises(ssl.SSLError) as caught:
        client_context().wrap_bio(incoming, ssl.MemoryBIO(), server_hostname=NAME).do_handshake()
    assert words(caught.value) == "the peer does not speak TLS here: use its TLS port, or no tls"


def test_an_end_in_the_handshake_and_other_errors_have_words() -> None:
    assert is_end(ssl.SSLEOFError())
    assert explain(ssl.SSLZeroReturnError()).startswith("the peer closed during the handshake")
    nameless = ssl.SSLError("bad luck")
    nameless.reason = None  # type: ignore[assignment]
    assert explain(nameless) == "('bad luck',)"
    assert explain(ssl.SSLEOFError()).startswith("the peer closed during the handshake")
    odd = ssl.SSLError(1, "odd")
    odd.reason = "DATA_LENGTH_TOO_LONG"
    assert explain(odd) == "data length too long"
    assert explain(OSError("no TLS")) == ""
    rare = ssl.SSLCertVerificationError(1, "rare")
    rare.verify_code, rare.verify_message = 7, "certificate signature failure"
    assert explain(rare).startswith("the peer's certificate is not accepted (certificate signature failure)")


def test_files_that_do_not_do_are_named(carrier: Authority, tmp_path: Path) -> None:
    pair, other = carrier.issue(NAME), carrier.issue(NAME)
    missing, nonsense, empty = tmp_path / "missing.pem", tmp_path / "nonsense.pem", tmp_path / "empty.pem"
    nonsense.write_text("nonsense")
    empty.write_text(f"{ssl.PEM_HEADER}\n{ssl.PEM_FOOTER}\n")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    cases: list[tuple[tuple[Path | None, Path | None, Path | None], str, str]] = [
        ((missing, None, None), "ca", f"cannot read {missing}: No such file"),
        ((nonsense, None, None), "ca", f"{nonsense} holds no certificates"),
        ((None, missing, pair.key), "cert", f"cannot read {missing}"),
        ((None, nonsense, pair.key), "cert", f"{nonsense} holds no certificate"),
        ((None, pair.cert, missing), "key", f"cannot read {missing}"),
        ((None, pair.cert, nonsense), "key", f"{nonsense} holds no private key"),
        ((None, pair.cert, None), "key", f"{pair.cert} holds no private key"),
        ((None, pair.cert, other.key), "key", f"{other.key} is not the key of the certificate in {pair.cert}"),
        ((None, pair.cert, encrypted), "key", f"{encrypted} is encrypted"),
    ]
    for files, option, expected in cases:
        with pytest.raises(TlsFileError) as caught:
            client_context(*files)
        assert caught.value.option == option
        assert str(caught.value).startswith(expected)
