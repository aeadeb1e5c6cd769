"""The exceptions of the protocol engine, by who can act on them.

::

    SmppError
    ├── LocalProtocolError       we were used wrongly: a value that does not fit, an operation the state forbids
    ├── RemoteProtocolError      the peer broke the protocol
    │   ├── DecodeError          one PDU is malformed; the stream is intact, the PDU is answered, the session stays
    │   └── FramingError         command_length cannot be trusted; generic_nack, then the stream is closed
    ├── ConnectFailed            there was no connection: name, address, TCP or TLS
    ├── BindRefused              the peer answered our bind with an error status
    ├── ResponseTimeout          no response within response_timeout: what became of the request is not known
    └── LinkClosed               the stream ended while the request was un-answered, or before it was sent

Each error carries values, not only text, so that callers never parse messages.
"""

from __future__ import annotations


class SmppError(Exception):
    """The root of every exception that smppcore raises on purpose."""


class LocalProtocolError(SmppError):
    """The caller asked for something the protocol does not allow; nothing was sent.

    Args:
        message: What was wrong, in one line.
        field: The PDU field at fault, "" if it is none.
        command_status: The status that names the fault (SMPP v3.4 §5.1.3), 0 if there is none.
    """

    def __init__(self, message: str, *, field: str = "", command_status: int = 0) -> None:
        super().__init__(message)
        self.field = field
        self.command_status = command_status


class RemoteProtocolError(SmppError):
    """The peer sent something that the protocol does not allow."""


class DecodeError(RemoteProtocolError):
    """One PDU could not be decoded; its header could, so it can be answered and the next PDU is fine.

    Args:
        field: The field at fault, by its name in the specification ("command_id", "source_addr", "tlvs" …).
        reason: What is wrong with it, in one line.
        command_status: The status to answer with (SMPP v3.4 §5.1.3).
        command_id: As received.
        sequence_number: As received.
    """

    def __init__(
        self, field: str, reason: str, *, command_status: int, command_id: int = 0, sequence_number: int = 0
    ) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.command_status = command_status
        self.command_id = command_id
        self.sequence_number = sequence_number


class FramingError(RemoteProtocolError):
    """command_length cannot be right, so no later octet of the stream can be trusted (SMPP v3.4 §4.3).

    Args:
        reason: What is wrong, in one line.
        sequence_number: To answer with; 0 when the header itself is not trustworthy.
    """

    def __init__(self, reason: str, *, sequence_number: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sequence_number = sequence_number


class ConnectFailed(SmppError):
    """No connection came about.

    Args:
        cause: "dns", "refused", "unreachable", "connect_timeout", "tls" or "connect" for anything else.
        message: What went wrong, in one line.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class BindRefused(SmppError):
    """The peer answered a bind with an error.

    Args:
        command_status: As received.
        explanation: The status by name and in words.
    """

    def __init__(self, command_status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.command_status = command_status


class ResponseTimeout(SmppError):
    """A request of ours had no response in time; the peer may or may not have acted on it.

    Args:
        sequence_number: Of the request.
        seconds: How long we waited.
    """

    def __init__(self, sequence_number: int, seconds: float) -> None:
        super().__init__(f"no response to request {sequence_number} within {seconds:g} s")
        self.sequence_number = sequence_number
        self.seconds = seconds


class LinkClosed(SmppError):
    """The stream has ended.

    Args:
        reason: Why, in one line.
        cause: The same in a word: "peer_closed", "unbound" (by the peer), "lost" (an error of the stream), "tls",
            "enquire_link" (not answered), "write_timeout", "protocol" (broken framing), "closed" for
            anything else.
    """

    def __init__(self, reason: str, cause: str = "closed") -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause
