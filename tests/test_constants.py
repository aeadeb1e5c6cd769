"""The numbers against the specifications' tables, and the names that are printed."""

from __future__ import annotations

import pytest
from smpplib import command_codes, consts

from smppcore import constants as c


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0x00, "ESME_ROK"),
        (0x15, "ESME_RINVSERTYP"),
        (0x58, "ESME_RTHROTTLED"),
        (0xC0, "ESME_RINVOPTPARSTREAM"),
        (0x112, "ESME_RINVBCASTCHANIND"),
        (0x400, "0x00000400"),
        (0xFFFFFFFF, "0xFFFFFFFF"),
    ],
)
def test_status_name(number: int, name: str) -> None:
    assert c.status_name(number) == name


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ESME_RTHROTTLED", 0x58),
        ("ESME_RSERTYPUNAVAIL", 0x102),
        ("0x58", 0x58),
        ("88", 88),
        ("0", 0),
        ("0xFFFFFFFF", 0xFFFFFFFF),
        ("0x100000000", None),
        ("-1", None),
        ("ESME_RNOTHING", None),
        ("", None),
    ],
)
def test_a_status_is_known_by_its_name_or_its_number(name: str, number: int | None) -> None:
    assert c.status_number(name) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0x00, "No Error"),
        (0x07, "Invalid Registered Delivery Flag"),
        (0x104, "Invalid Data Coding Scheme"),
        (0x3FF, "Error that the specification does not define"),
        (0x400, "SMSC vendor specific error"),
        (0x4FF, "SMSC vendor specific error"),
        (0x500, "Error that the specification does not define"),
    ],
)
def test_status_text(number: int, text: str) -> None:
    assert c.status_text(number) == text


def test_every_status_of_smpplib_has_its_name_and_a_text() -> None:
    statuses = {name: number for name, number in vars(consts).items() if name.startswith("SMPP_ESME_")}
    assert len(statuses) == 48
    for name, number in statuses.items():
        assert getattr(c, name.removeprefix("SMPP_")) == number
        assert c.status_name(number) == name.removeprefix("SMPP_")
        assert "Desc Not Set" not in c.status_text(number)


def test_statuses_of_v50_are_consecutive_and_described() -> None:
    statuses = sorted(n for name, n in vars(c).items() if name.startswith("ESME_R") and n >= 0x100)
    assert statuses == list(range(0x100, 0x113))
    assert len({c.status_text(status) for status in statuses}) == len(statuses)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0x80000000, "generic_nack"),
        (0x00000004, "submit_sm"),
        (0x80000112, "query_broadcast_sm_resp"),
        (0x00010200, "0x00010200"),
    ],
)
def test_command_name(number: int, name: str) -> None:
    assert c.command_name(number) == name


def test_commands_are_smpplibs_and_those_of_v50() -> None:
    for name, number in command_codes.commands.items():
        assert getattr(c, name.upper()) == number
    assert (c.BROADCAST_SM, c.QUERY_BROADCAST_SM, c.CANCEL_BROADCAST_SM) == (0x111, 0x112, 0x113)
    for name in ("BROADCAST_SM", "QUERY_BROADCAST_SM", "CANCEL_BROADCAST_SM"):
        assert getattr(c, f"{name}_RESP") == getattr(c, name) | c.RESPONSE_BIT


@pytest.mark.parametrize(
    ("number", "name"),
    [(0x0424, "message_payload"), (0x0428, "congestion_state"), (0x0613, "dest_addr_np_country"), (0x1400, "0x1400")],
)
def test_tag_name(number: int, name: str) -> None:
    assert c.tag_name(number) == name


def test_tags_are_smpplibs_and_those_of_v50() -> None:
    for name, number in consts.OPTIONAL_PARAMS.items():
        assert getattr(c, f"TAG_{name.upper()}") == number
        assert c.tag_name(number) == name
    tags = [number for name, number in vars(c).items() if name.startswith("TAG_")]
    assert len(tags) == len(set(tags)) == 44 + 20  # v3.4 §5.3.2 and what v5.0 §4.8.1 adds


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "SCHEDULED"), (1, "ENROUTE"), (2, "DELIVERED"), (8, "REJECTED"), (9, "SKIPPED"), (42, "0x2A")],
)
def test_state_name(number: int, name: str) -> None:
    assert c.state_name(number) == name


def test_message_types_lie_under_their_mask() -> None:
    types = [number for name, number in vars(c).items() if name.startswith("ESM_TYPE_") and name != "ESM_TYPE_MASK"]
    assert all(number & c.ESM_TYPE_MASK == number for number in types)
    assert c.ESM_TYPE_MASK & (c.ESM_UDHI | c.ESM_REPLY_PATH | c.ESM_MODE_MASK) == 0
