"""Who may bind, and what an account may do: its rate and its window.

Must not be here: sessions, sockets, clocks.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.throttle import TokenBucket

if TYPE_CHECKING:
    from smppcore.pdu import BindRequest, DataSM, Pdu, SubmitMulti, SubmitSM
    from smppcore.testbed.config import Account, SimulatorConfig

_KINDS = {
    c.BIND_TRANSCEIVER: "transceiver",
    c.BIND_TRANSMITTER: "transmitter",
    c.BIND_RECEIVER: "receiver",
}
_EXCESS = {"throttle": c.ESME_RTHROTTLED, "queue_full": c.ESME_RMSGQFUL, "note": c.ESME_ROK}


class Admission:
    """The accounts."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.accounts = {account.system_id.encode(): account for account in config.accounts}
        self._style_50 = config.bind_error_style == "50"
        self._buckets = {
            system_id: TokenBucket(account.rate, account.rate, 0.0)
            for system_id, account in self.accounts.items()
            if account.rate
        }
        self.limited = any(
            account.rate or account.window or account.operations or account.service_types for account in config.accounts
        )
        """Whether any account has a rate or a window, or may not send everything."""

    def judge_bind(self, bind: BindRequest, peer: str, bound: int) -> int:
        """Judge a bind.

        Args:
            bind: As received.
            peer: The address that it comes from, "host:port".
            bound: How many sessions the account has.

        Returns:
            The status to answer with.
        """
        account = self.accounts.get(bind.system_id)
        if account is None:
            return c.ESME_RBINDFAIL if self._style_50 else c.ESME_RINVSYSID
        if account.password.encode() != bind.password:
            return c.ESME_RBINDFAIL if self._style_50 else c.ESME_RINVPASWD
        if not _is_from(account, peer) or _version(bind.interface_version) not in account.versions:
            return c.ESME_RBINDFAIL
        if _KINDS[bind.command_id] not in account.binds:
            return c.ESME_RINVCMDID
        if account.max_binds and bound >= account.max_binds:
            return c.ESME_RALYBND
        return c.ESME_ROK

    def judge_operation(self, system_id: bytes, request: Pdu) -> int:
        """Judge whether an account may ask for this; return the status to answer with."""
        account = self.accounts[system_id]
        return c.ESME_RPROHIBITED if account.operations and request.name not in account.operations else c.ESME_ROK

    def judge_submission(
        self, system_id: bytes, pdu: SubmitSM | DataSM | SubmitMulti, unanswered: int, now: float
    ) -> int:
        """Judge one more submission.

        Args:
            system_id: The account's.
            pdu: As received.
            unanswered: How many submissions of the session are un-answered, this one included.
            now: In seconds.

        Returns:
            The status to answer with.
        """
        account = self.accounts[system_id]
        status = self.judge_operation(system_id, pdu)
        if (
            status == c.ESME_ROK
            and account.service_types
            and pdu.service_type.decode("latin-1") not in account.service_types
        ):
            status = c.ESME_RSERTYPUNAUTH
        if status != c.ESME_ROK:
            return status
        bucket = self._buckets.get(system_id)
        if (account.window and unanswered > account.window) or (bucket is not None and not bucket.take(1, now)):
            return _EXCESS[account.excess]
        return c.ESME_ROK


def _is_from(account: Account, peer: str) -> bool:
    if not account.addresses:
        return True
    host = peer.rpartition(":")[0].strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in ip_network(network, strict=False) for network in account.addresses)


def _version(interface_version: int) -> str:
    if interface_version >= c.VERSION_50:
        return "5.0"
    return "3.4" if interface_version >= c.VERSION_34 else "3.3"
