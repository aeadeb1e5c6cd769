"""Who may bind, and what an account may do."""

from __future__ import annotations

import pytest

from smppcore import constants as c
from smppcore.pdu import BindReceiver, BindRequest, BindTransceiver, BindTransmitter, DataSM, QuerySM, SubmitSM
from smppcore.testbed.admission import Admission
from smppcore.testbed.config import Account, SimulatorConfig

BIND = BindTransceiver(b"esme", b"secret")
SUBMIT = SubmitSM(destination_addr=b"1")


def judge(account: Account, bind: BindRequest = BIND, peer: str = "10.1.2.3:5000", bound: int = 0) -> int:
    return Admission(SimulatorConfig(accounts=(account,))).judge_bind(bind, peer, bound)


@pytest.mark.parametrize(
    ("style", "system_id", "password"), [("34", c.ESME_RINVSYSID, c.ESME_RINVPASWD), ("50", c.ESME_RBINDFAIL, 0x0D)]
)
def test_a_stranger_is_told_what_the_style_tells(style: str, system_id: int, password: int) -> None:
    admission = Admission(SimulatorConfig(bind_error_style=style))  # type: ignore[arg-type]
    assert admission.judge_bind(BindTransceiver(b"nobody", b"secret"), "", 0) == system_id
    assert admission.judge_bind(BindTransceiver(b"esme", b"wrong"), "", 0) == password
    assert admission.judge_bind(BIND, "", 0) == c.ESME_ROK


@pytest.mark.parametrize(
    ("bind", "status"),
    [
        (BindTransmitter(b"esme", b"secret"), c.ESME_ROK),
        (BindReceiver(b"esme", b"secret"), c.ESME_ROK),
        (BIND, c.ESME_RINVCMDID),
    ],
)
def test_kinds_of_binds_may_be_excluded(bind: BindRequest, status: int) -> None:
    assert judge(Account(binds=("transmitter", "receiver")), bind) == status


@pytest.mark.parametrize(
    ("version", "status"),
    [(0x00, c.ESME_RBINDFAIL), (0x33, c.ESME_RBINDFAIL), (0x34, c.ESME_ROK), (0x50, c.ESME_ROK)],
)
def test_versions_may_be_excluded(version: int, status: int) -> None:
    bind = BindTransceiver(b"esme", b"secret", interface_version=version)
    assert judge(Account(versions=("3.4", "5.0")), bind) == status


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("10.1.2.3:5000", c.ESME_ROK),
        ("10.2.2.3:5000", c.ESME_RBINDFAIL),
        ("[::1]:5000", c.ESME_ROK),
        ("?", c.ESME_RBINDFAIL),
    ],
)
def test_addresses_may_be_listed(peer: str, status: int) -> None:
    assert judge(Account(addresses=("10.1.0.0/16", "::1")), peer=peer) == status


def test_one_session_too_many_is_told_so() -> None:
    assert judge(Account(max_binds=2), bound=1) == c.ESME_ROK
    assert judge(Account(max_binds=2), bound=2) == c.ESME_RALYBND


@pytest.mark.parametrize(
    ("excess", "status"),
    [("throttle", c.ESME_RTHROTTLED), ("queue_full", c.ESME_RMSGQFUL), ("note", c.ESME_ROK)],
)
def test_what_is_beyond_rate_or_window_is_answered_as_agreed(excess: str, status: int) -> None:
    account = Account(rate=2.0, window=5, excess=excess)  # type: ignore[arg-type]
    admission = Admission(SimulatorConfig(accounts=(account, Account("free"))))
    assert admission.limited
    assert [admission.judge_submission(b"esme", SUBMIT, 1, 0.0) for _ in range(3)] == [c.ESME_ROK, c.ESME_ROK, status]
    assert admission.judge_submission(b"esme", SUBMIT, 1, 1.0) == c.ESME_ROK
    assert admission.judge_submission(b"esme", SUBMIT, 6, 1.0) == status
    assert [admission.judge_submission(b"free", SUBMIT, 1000, 0.0) for _ in range(9)] == [c.ESME_ROK] * 9
    assert not Admission(SimulatorConfig()).limited


def test_operations_and_service_types_may_be_excluded() -> None:
    account = Account(operations=("submit_sm",), service_types=("", "CMT"))
    admission = Admission(SimulatorConfig(accounts=(account,)))
    assert admission.judge_operation(b"esme", QuerySM()) == c.ESME_RPROHIBITED
    assert admission.judge_operation(b"esme", SUBMIT) == c.ESME_ROK
    assert admission.judge_submission(b"esme", DataSM(), 1, 0.0) == c.ESME_RPROHIBITED
    assert admission.judge_submission(b"esme", SUBMIT, 1, 0.0) == c.ESME_ROK
    assert admission.judge_submission(b"esme", SubmitSM(b"WAP"), 1, 0.0) == c.ESME_RSERTYPUNAUTH
