"""Who may send what in which state of a session: SMPP's operation matrix as a table.

Theory of operation:

1. `OPERATIONS` is Table 2-1 of SMPP v3.4 and v5.0, united: for each request, the states in which the ESME may send it
   and those in which the SMSC may. Where the two editions differ the wider one counts (replace_sm on a transceiver
   bind; binds that answer an outbind), except data_sm, which follows v5.0: from the ESME on a bind that transmits,
   from the SMSC on one that receives.
2. What one side may send is what the other may receive, so one table serves both roles and both directions.
3. Responses are not here: they are matched by sequence number, whatever the state.
4. `BIND_STATES` says which state an accepted bind leads to. The other transitions are few and stand in `session.py`:
   outbind → OUTBOUND, unbind → UNBOUND, end of the stream or a fault that ends it → CLOSED.

Tables only; what happens to an operation that is not allowed is decided in `session.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from smppcore import constants as c


class Role(Enum):
    """Which side of the link a session is."""

    ESME = "esme"
    SMSC = "smsc"


class SessionState(Enum):
    """The states of SMPP v3.4 §2.2 and v5.0 §2.4."""

    OPEN = "open"
    OUTBOUND = "outbound"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBOUND = "unbound"
    CLOSED = "closed"


OPEN = SessionState.OPEN
OUTBOUND = SessionState.OUTBOUND
BOUND_TX = SessionState.BOUND_TX
BOUND_RX = SessionState.BOUND_RX
BOUND_TRX = SessionState.BOUND_TRX
UNBOUND = SessionState.UNBOUND
CLOSED = SessionState.CLOSED

_NEVER: Final = frozenset[SessionState]()
_BINDING: Final = frozenset({OPEN, OUTBOUND})
_TRANSMITTING: Final = frozenset({BOUND_TX, BOUND_TRX})
_RECEIVING: Final = frozenset({BOUND_RX, BOUND_TRX})
BOUND: Final = frozenset({BOUND_TX, BOUND_RX, BOUND_TRX})
_CONNECTED: Final = frozenset(SessionState) - {CLOSED}

OPERATIONS: Final[dict[int, tuple[frozenset[SessionState], frozenset[SessionState]]]] = {
    #                        sent by the ESME in, by the SMSC in
    c.BIND_TRANSMITTER: (_BINDING, _NEVER),
    c.BIND_RECEIVER: (_BINDING, _NEVER),
    c.BIND_TRANSCEIVER: (_BINDING, _NEVER),
    c.OUTBIND: (_NEVER, frozenset({OPEN})),
    c.UNBIND: (BOUND, BOUND),
    c.ENQUIRE_LINK: (_CONNECTED, _CONNECTED),  # v3.4 lists the bound states only, v5.0 all
    c.SUBMIT_SM: (_TRANSMITTING, _NEVER),
    c.SUBMIT_MULTI: (_TRANSMITTING, _NEVER),
    c.DATA_SM: (_TRANSMITTING, _RECEIVING),
    c.DELIVER_SM: (_NEVER, _RECEIVING),
    c.QUERY_SM: (_TRANSMITTING, _NEVER),
    c.CANCEL_SM: (_TRANSMITTING, _NEVER),
    c.REPLACE_SM: (_TRANSMITTING, _NEVER),
    c.ALERT_NOTIFICATION: (_NEVER, _RECEIVING),
    c.BROADCAST_SM: (_TRANSMITTING, _NEVER),
    c.QUERY_BROADCAST_SM: (_TRANSMITTING, _NEVER),
    c.CANCEL_BROADCAST_SM: (_TRANSMITTING, _NEVER),
}

BIND_STATES: Final[dict[int, SessionState]] = {
    c.BIND_TRANSMITTER: BOUND_TX,
    c.BIND_RECEIVER: BOUND_RX,
    c.BIND_TRANSCEIVER: BOUND_TRX,
}

WITHOUT_RESPONSE: Final = frozenset({c.OUTBIND, c.ALERT_NOTIFICATION})
"""Requests to which there is no response (SMPP v3.4 §4.1.7, §4.12)."""

_AUTOMATIC: Final = frozenset({c.ENQUIRE_LINK, c.UNBIND})
"""Requests that the session sends and answers itself."""


def _application_requests(role: Role, state: SessionState) -> frozenset[int]:
    column = 0 if role is Role.ESME else 1
    return frozenset(
        command_id
        for command_id, senders in OPERATIONS.items()
        if state in senders[column] and command_id not in _AUTOMATIC
    )


SENDABLE: Final[dict[tuple[Role, SessionState], frozenset[int]]] = {
    (role, state): _application_requests(role, state) for role in Role for state in SessionState
}
"""The requests that an application in this role may send in this state."""

RECEIVABLE: Final[dict[tuple[Role, SessionState], frozenset[int]]] = {
    (role, state): SENDABLE[Role.SMSC if role is Role.ESME else Role.ESME, state]
    for role in Role
    for state in SessionState
}
"""The requests of the peer that an application in this role is handed in this state."""
