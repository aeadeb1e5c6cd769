"""What a bind settles: the version that both sides speak, and what the SMSC says of itself in the response.

Pure functions; the state that follows from them is the session's.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from smppcore import constants as c

if TYPE_CHECKING:
    from smppcore.events import SessionConfig
    from smppcore.pdu import BindRequest, BindResponse, Pdu


def negotiate(ours: int, theirs: int) -> int:
    """The version of a session: the lower of both, a reserved value counting as the highest known below it."""
    known = c.VERSION_50 if theirs >= c.VERSION_50 else min(theirs, c.VERSION_34)
    return min(ours, known)


def is_reserved(version: int) -> bool:
    """Whether the specifications give an interface_version no meaning (SMPP v3.4 §5.2.4, v5.0 §4.7.13)."""
    return version > c.VERSION_34 and version != c.VERSION_50


def is_acceptance(response: Pdu) -> bool:
    """Whether the answer to a bind is a yes."""
    return response.command_status == c.ESME_ROK and response.command_id != c.GENERIC_NACK


def complete_response(bind: BindRequest, response: Pdu, config: SessionConfig) -> Pdu:
    """An accepting bind_resp with what the application left out: system_id and the sc_interface_version TLV.

    The TLV goes to peers from v3.4 on, and no TLV at all to earlier ones (SMPP v3.4 §3.4, §4.1.2).

    Returns:
        A copy; the response itself if it is not the answer to this bind, or a refusal.
    """
    if response.sequence_number != bind.sequence_number or not is_acceptance(response):
        return response
    complete = cast("BindResponse", copy.copy(response))
    complete.system_id = complete.system_id or config.system_id
    if negotiate(config.interface_version, bind.interface_version) < c.VERSION_34:
        complete.tlvs = ()
    elif complete.tlv(c.TAG_SC_INTERFACE_VERSION) is None:
        complete.tlvs = (*complete.tlvs, (c.TAG_SC_INTERFACE_VERSION, bytes((config.interface_version,))))
    return complete
