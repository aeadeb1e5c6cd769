"""TLS contexts from PEM files, and what OpenSSL says of a failed handshake in words that name the mend.

The peer is always verified: an ESME checks the SMSC's certificate and its name, and a server that is given authorities
asks every client for a certificate of theirs.

Must not be here: sockets, streams.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
"""The oldest versions of TLS that one may ask for."""

# verify_code of an SSLCertVerificationError (OpenSSL, x509_vfy.h): what is wrong, and the mend.
_VERIFY = {
    9: ("is not valid yet", "look at this machine's clock, or ask the peer for a certificate that holds now"),
    10: ("has expired", "ask the peer to renew it, or look at this machine's clock"),
    18: ("is self-signed and not trusted", "name it as an authority (tls ca)"),
    19: ("is of an unknown authority", "name the file of the peer's authority (tls ca)"),
    20: ("is of an unknown authority", "name the file of the peer's authority (tls ca)"),
    21: ("is of an unknown authority", "name the file of the peer's authority (tls ca)"),
    26: ("is not for this purpose", "ask the peer for a certificate for servers"),
}
_WRONG_NAME = (62, 64)

_OLD = "the two sides have no version of TLS in common: lower min_version, or ask the peer to upgrade"
# `reason` of other SSLErrors; an alert is what the other side has told us.
_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client gave no certificate: give it one of our authority (cert, key)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer asks for a certificate of ours: set tls cert and key",
    "TLSV1_ALERT_UNKNOWN_CA": (
        "the peer does not know the authority of our certificate: use one that it has issued (tls cert)"
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired: renew it (tls cert)",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not accept our certificate: use one that it has issued (tls cert)",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the peer does not accept our certificate's kind: use one for clients",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "the peer refuses the handshake: it may ask for a certificate of ours (tls cert, key), or for other ciphers"
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD,
    "UNSUPPORTED_PROTOCOL": _OLD,
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS here: use its TLS port, or no tls",
    "HTTP_REQUEST": "the client speaks HTTP, not SMPP over TLS",
    "NO_SHARED_CIPHER": "the two sides have no cipher in common",
}


class TlsFileError(Exception):
    """A file for TLS cannot be used; the text names it and says why, in one line.

    Args:
        option: Which: "ca", "cert" or "key".
        message: What is wrong.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None, min_version: str = "1.2"
) -> ssl.SSLContext:
    """Make the context of a client, which verifies the server's certificate and its name.

    Args:
        ca: PEM file of the authorities to trust; None is the system's.
        cert: PEM file of our certificate with its chain, for servers that ask for one.
        key: PEM file of its private key; None: it is in `cert`.
        min_version: One of VERSIONS.

    Raises:
        TlsFileError: A file is missing, holds something else, or key and certificate do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    return _complete(context, ca, cert, key, min_version)


def server_context(
    cert: Path, key: Path | None = None, ca: Path | None = None, min_version: str = "1.2"
) -> ssl.SSLContext:
    """Make the context of a server.

    Args:
        cert: PEM file of our certificate with its chain.
        key: PEM file of its private key; None: it is in `cert`.
        ca: PEM file of the authorities of which every client must have a certificate; None: clients need none.
        min_version: One of VERSIONS.

    Raises:
        TlsFileError: A file is missing, holds something else, or key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return _complete(context, ca, cert, key, min_version)


def _complete(
    context: ssl.SSLContext, ca: Path | None, cert: Path | None, key: Path | None, min_version: str
) -> ssl.SSLContext:
    context.minimum_version = VERSIONS[min_version]
    for option, path in (("ca", ca), ("cert", cert), ("key", key)):
        if path is not None:
            try:
                path.read_bytes()
            except OSError as exc:
                raise TlsFileError(option, f"cannot read {path}: {exc.strerror}") from exc
    if ca is not None:
        _trust_only(context, ca)
    if cert is not None:
        _show(context, cert, key)
    return context


def _trust_only(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, ValueError) as exc:
        raise TlsFileError("ca", f"{ca} holds no certificates in PEM form") from exc


def _show(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    encrypted = False

    def password() -> str:
        # Without this OpenSSL would ask on the terminal
        nonlocal encrypted
        encrypted = True
        return ""

    try:
        context.load_cert_chain(cert, key, password)
    except (ssl.SSLError, ValueError) as exc:
        if encrypted:
            raise TlsFileError("key", f"{key or cert} is encrypted: store it without a passphrase") from exc
        if getattr(exc, "reason", None) == "KEY_VALUES_MISMATCH":
            raise TlsFileError("key", f"{key or cert} is not the key of the certificate in {cert}") from exc
        try:
            ssl.PEM_cert_to_DER_cert(_first_certificate(cert))
        except ValueError:
            raise TlsFileError("cert", f"{cert} holds no certificate in PEM form") from exc
        raise TlsFileError("key", f"{key or cert} holds no private key in PEM form") from exc


def _first_certificate(cert: Path) -> str:
    text = cert.read_text(encoding="latin-1")
    begin = text.find(ssl.PEM_HEADER)
    end = text.find(ssl.PEM_FOOTER)
    if begin < 0 or end < begin:
        raise ValueError("no certificate")
    return text[begin : end + len(ssl.PEM_FOOTER)]


def is_end(error: BaseException) -> bool:
    """Whether the peer has closed the connection instead of going on with the handshake."""
    return isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def explain(error: BaseException, name: str = "") -> str:
    """Return what went wrong between two sides of TLS, and the mend, in one line; "" if it was not TLS.

    Args:
        error: As raised, or whatever was raised from it.
        name: The name that the server's certificate must have.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            return f"the peer's certificate is not for {name}: set tls server_name to a name that is in it"
        what, mend = _VERIFY.get(
            error.verify_code, (f"is not accepted ({error.verify_message})", "ask the peer for another")
        )
        return f"the peer's certificate {what}: {mend}"
    if is_end(error):
        return "the peer closed during the handshake: use its TLS port, or no tls"
    if isinstance(error, ssl.SSLError):
        # Some errors come without a reason, whatever the annotation says.
        reason = str(error.reason or error)
        return _REASONS.get(reason, reason.replace("_", " ").lower())
    return ""
