"""The token file of the HTTP server: who may ask, known by the SHA-256 of a token.

A line is `name role sha256-of-token`: the role is viewer, agent or operator, the last is in hexadecimal, as
`printf %s TOKEN | sha256sum` prints it; empty lines and lines that begin with `#` are skipped. The tokens themselves
stand in no file of ours. Nothing here opens a file.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.options import BadValue

ROLES: Final = ("viewer", "agent", "operator")
"""Each may what those before it may: look; answer customers; change links, rules and consent, and send."""

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE = re.compile(r"(\S+)\s+(\S+)\s+([0-9A-Fa-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the file."""

    name: str
    """Who it was given to."""
    role: str
    """One of ROLES."""
    sha256: bytes
    """The digest, 32 octets."""

    def may(self, role: str) -> bool:
        """Return whether its holder may do what asks for a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


def parse_tokens(text: str) -> tuple[Token, ...]:
    """Read the content of a token file.

    Raises:
        BadValue: With the number of the first line that is none; or there is no token at all, so nobody could ask.
    """
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise BadValue(f"line {number} must be `name role sha256-of-token`, the last in 64 hexadecimal digits")
        if match[2] not in ROLES:
            raise BadValue(f"line {number}: `{match[2]}` is no role; there are {', '.join(ROLES)}")
        tokens.append(Token(match[1], match[2], bytes.fromhex(match[3])))
    if not tokens:
        raise BadValue("has no line of `name role sha256-of-token`")
    return tuple(tokens)


def holder(tokens: Sequence[Token], authorization: bytes) -> Token | None:
    """Return whose token an Authorization header brings (`Bearer TOKEN`, RFC 6750 §2.1), None if nobody's."""
    scheme, _, presented = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    digest = hashlib.sha256(presented.strip()).digest()
    return next((token for token in tokens if hmac.compare_digest(token.sha256, digest)), None)
