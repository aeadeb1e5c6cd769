"""Errors carry values, not only text, and hang in one tree."""

from __future__ import annotations

import pytest

from smppcore.constants import ESME_RBINDFAIL, ESME_RINVCMDLEN, ESME_RINVSRCADR
from smppcore.errors import (
    BindRefused,
    ConnectFailed,
    DecodeError,
    FramingError,
    LinkClosed,
    LocalProtocolError,
    RemoteProtocolError,
    ResponseTimeout,
    SmppError,
)


def test_every_error_is_one_of_ours() -> None:
    assert issubclass(DecodeError, RemoteProtocolError)
    assert issubclass(FramingError, RemoteProtocolError)
    for error in (LocalProtocolError, RemoteProtocolError, BindRefused, ConnectFailed, ResponseTimeout, LinkClosed):
        assert issubclass(error, SmppError)


def test_a_decode_error_names_the_field_and_what_to_answer_with() -> None:
    error = DecodeError("source_addr", "no NUL", command_status=ESME_RINVSRCADR, command_id=4, sequence_number=7)
    assert str(error) == "source_addr: no NUL"
    assert (error.field, error.reason, error.command_status) == ("source_addr", "no NUL", ESME_RINVSRCADR)
    assert (error.command_id, error.sequence_number) == (4, 7)


def test_a_framing_error_keeps_the_sequence_number_to_answer() -> None:
    error = FramingError("command_length 3", sequence_number=9)
    assert (error.reason, error.sequence_number, str(error)) == ("command_length 3", 9, "command_length 3")


def test_misuse_names_the_field_and_the_status() -> None:
    error = LocalProtocolError("too long", field="message_id", command_status=ESME_RINVCMDLEN)
    assert (str(error), error.field, error.command_status) == ("too long", "message_id", ESME_RINVCMDLEN)


def test_a_refused_bind_carries_the_status() -> None:
    error = BindRefused(ESME_RBINDFAIL, "ESME_RBINDFAIL: bind failed")
    assert (error.command_status, str(error)) == (ESME_RBINDFAIL, "ESME_RBINDFAIL: bind failed")


@pytest.mark.parametrize(("seconds", "text"), [(30.0, "30 s"), (0.5, "0.5 s")])
def test_a_response_timeout_says_how_long(seconds: float, text: str) -> None:
    error = ResponseTimeout(12, seconds)
    assert (error.sequence_number, error.seconds) == (12, seconds)
    assert str(error) == f"no response to request 12 within {text}"


def test_a_closed_link_says_why() -> None:
    assert LinkClosed("the peer closed the stream").reason == "the peer closed the stream"


def test_a_connection_that_did_not_come_about_has_its_cause_in_a_word() -> None:
    error = ConnectFailed("dns", "the name has no address")
    assert (error.cause, str(error)) == ("dns", "the name has no address")
    assert LinkClosed("gone").cause == "closed"
    assert LinkClosed("silent", "enquire_link").cause == "enquire_link"
