"""What a simulated SMSC does not offer, beyond what `validation` can tell from the values alone.

It has no predefined messages, replaces nothing from submit_multi, and knows what time it is. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.pdu import DataSM, SubmitMulti
from smppcore.validation import time_at

if TYPE_CHECKING:
    from smppcore.pdu import SubmitSM


def judge_offer(pdu: SubmitSM | DataSM | SubmitMulti, wall: float, *, strict: bool) -> int:
    """Judge a submission whose values are in order.

    Args:
        pdu: As received.
        wall: Now, in seconds since the epoch.
        strict: Whether a message that could never be delivered in time is refused.

    Returns:
        The status to answer with, ESME_ROK if nothing is asked for that there is not.
    """
    if isinstance(pdu, DataSM):
        return c.ESME_ROK
    if pdu.sm_default_msg_id:
        return c.ESME_RINVDFTMSGID
    if isinstance(pdu, SubmitMulti) and pdu.replace_if_present_flag:
        return c.ESME_RINVSUBREP
    if strict and pdu.validity_period:
        begins = time_at(pdu.schedule_delivery_time, wall) if pdu.schedule_delivery_time else wall
        if time_at(pdu.validity_period, wall) <= begins:
            return c.ESME_RINVEXPIRY
    return c.ESME_ROK
