"""Who may do what over HTTP: bearer tokens with roles, a rate for each, and what guards a server without tokens.

Without tokens only loopback is served, and whoever reaches the port may do everything. A page that somebody on this
machine looks at must not: what changes anything wants `application/json`, which a foreign page cannot send without
being asked first, and the Host must be this machine's, so that no foreign name leads here (DNS rebinding).

Must not be here: what is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.tokens import Token, holder
from smppcore.throttle import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RATE: Final = 50.0
"""Requests per second of one caller."""
BURST: Final = 100.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LOCAL: Final = Token("local", "operator", b"")


class Problem(Exception):
    """A request is refused; the text is one line.

    Args:
        status: Of the answer (RFC 9110 §15).
        text: Why.
        headers: That the answer has besides.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, text, headers)  # all of it, as it comes out of another process
        self.status = status
        self.text = text
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return self.text


class Access:
    """Judges requests.

    Args:
        tokens: Those of the token file, None = there is none.
        clock: Seconds that never go back.
    """

    def __init__(self, tokens: Sequence[Token] | None, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def admit(self, headers: Mapping[str, str], role: str, *, changes: bool) -> Token:
        """Return who asks.

        Args:
            headers: Of the request, names in lower case.
            role: That is needed.
            changes: Whether the request may change anything.

        Raises:
            Problem: He may not, or not so often.
        """
        caller = self._caller(headers)
        now = self._clock()
        bucket = self._buckets.setdefault(caller.name, TokenBucket(RATE, BURST, now))
        if not bucket.take(1, now):
            raise Problem(429, f"at most {RATE:g} requests per second", {"Retry-After": "1"})
        if changes and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "what changes anything needs Content-Type: application/json")
        if not caller.may(role):
            raise Problem(403, f"the role {role} is needed, {caller.name} has {caller.role}")
        return caller

    def _caller(self, headers: Mapping[str, str]) -> Token:
        if self._tokens is None:
            host = headers.get("host", "").lower()
            if (host if host.endswith("]") else host.rsplit(":", 1)[0]) not in _LOOPBACK:
                raise Problem(421, "without a token file only this machine is served: ask for 127.0.0.1 or localhost")
            return _LOCAL
        # Only one of the tokens' holders has a bucket, so nobody can make others.
        caller = holder(self._tokens, headers.get("authorization", "").encode("latin-1", "replace"))
        if caller is None:
            raise Problem(401, "a token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        return caller
