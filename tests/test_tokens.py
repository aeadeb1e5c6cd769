"""The token file: its lines, and whose token a header brings."""

from __future__ import annotations

import hashlib

import pytest

from bridge.options import BadValue
from bridge.tokens import ROLES, Token, holder, parse_tokens

DIGEST = hashlib.sha256(b"s3cret").digest()
PROMETHEUS = Token("prometheus", "viewer", DIGEST)
OTHER = Token("anna", "operator", hashlib.sha256(b"other").digest())


def test_a_line_is_name_role_and_digest() -> None:
    text = f"# who asks\n\nprometheus viewer {DIGEST.hex()}\n  anna\toperator   {OTHER.sha256.hex().upper()}  \n"
    assert parse_tokens(text) == (PROMETHEUS, OTHER)


@pytest.mark.parametrize(
    "line",
    ["prometheus viewer", f"prometheus {DIGEST.hex()}", f"a b {DIGEST.hex()}0", f"a b {DIGEST.hex()} c", "a b x"],
)
def test_any_other_line_is_named_without_its_content(line: str) -> None:
    with pytest.raises(BadValue, match=r"^line 2 must be `name role sha256-of-token`, the last in 64 hex") as caught:
        parse_tokens(f"#\n{line}\n")
    assert line not in str(caught.value)


def test_a_role_that_is_none_is_named() -> None:
    with pytest.raises(BadValue, match=r"^line 1: `admin` is no role; there are viewer, agent, operator$"):
        parse_tokens(f"anna admin {DIGEST.hex()}\n")


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", [True, False, False]), ("agent", [True, True, False]), ("operator", [True] * 3)]
)
def test_a_role_may_what_those_before_it_may(role: str, may: list[bool]) -> None:
    token = Token("anna", role, DIGEST)
    assert [token.may(one) for one in ROLES] == may


def test_a_file_without_tokens_lets_nobody_in_and_says_so() -> None:
    with pytest.raises(BadValue, match="has no line"):
        parse_tokens("\n# nobody\n")


@pytest.mark.parametrize("header", [b"Bearer s3cret", b"bearer s3cret", b"BEARER  s3cret "])
def test_a_bearer_token_has_its_holder(header: bytes) -> None:
    assert holder([OTHER, PROMETHEUS], header) is PROMETHEUS


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Bearer ", b"Bearer s3cre", b"Bearer s3cret2", b"Basic s3cret", b"s3cret", b"Bearer \xff"],
)
def test_anything_else_is_nobodys(header: bytes) -> None:
    assert holder([OTHER, PROMETHEUS], header) is None


def test_the_digest_itself_is_no_token() -> None:
    assert holder([PROMETHEUS], b"Bearer " + DIGEST.hex().encode()) is None
