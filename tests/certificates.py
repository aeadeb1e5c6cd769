"""Certificates for the tests of TLS, made as OpenSSL would: authorities, and what they have issued, as PEM files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """An authority; `ca` is the file that trusts it."""

    def __init__(self, folder: Path, name: str = "carrier") -> None:
        self._folder = folder
        self._name = name
        self._count = 0
        self._authority = trustme.CA(organization_name=name)
        self.ca = folder / f"{name}-ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, host: str, *, begins: timedelta = -DAY, ends: timedelta = DAY) -> Pair:
        """Issue a certificate that is valid from `begins` to `ends`, counted from now."""
        self._count += 1
        made = self._authority.issue_cert(host, not_before=NOW + begins, not_after=NOW + ends)
        pair = Pair(self._folder / f"{self._name}-{self._count}.pem", self._folder / f"{self._name}-{self._count}.key")
        for number, blob in enumerate(made.cert_chain_pems):
            blob.write_to_path(str(pair.cert), append=number > 0)
        made.private_key_pem.write_to_path(str(pair.key))
        return pair

    def expired(self, host: str) -> Pair:
        return self.issue(host, begins=-2 * DAY, ends=-DAY)

    def not_yet_valid(self, host: str) -> Pair:
        return self.issue(host, begins=DAY, ends=2 * DAY)
