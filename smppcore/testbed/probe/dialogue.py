"""One request at a time over one connection, with every PDU and its time kept: slow, plain, and open to see.

Must not be here: what the answers mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.errors import BindRefused, DecodeError, LinkClosed, ResponseTimeout
from smppcore.pdu import (
    BindReceiver,
    BindRequest,
    BindTransceiver,
    BindTransmitter,
    DataSM,
    DeliverSM,
    Pdu,
    Unbind,
    decode,
    encode,
    response_to,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.esme import EsmeConfig

_KINDS: dict[str, type[BindRequest]] = {
    "transceiver": BindTransceiver,
    "transmitter": BindTransmitter,
    "receiver": BindReceiver,
}
_MAX_PDU_BYTES = 70_000


class Dialogue:
    """A connection on which we ask and wait.

    Args:
        stream: Connected; the caller closes it.
        timeout: How long a response is waited for, in seconds.
        told: Told of each PDU, as octets, and whether it is ours.
    """

    def __init__(
        self, stream: trio.abc.Stream, timeout: float, told: Callable[[bytes, bool], None] = lambda octets, ours: None
    ) -> None:
        self.delivered: list[DeliverSM | DataSM] = []
        """What the peer has delivered; it was acknowledged."""
        self._stream = stream
        self._timeout = timeout
        self._told = told
        self._buffer = b""
        self._sequence = 0

    async def bind(self, config: EsmeConfig) -> Pdu:
        """Bind; a separate pair's transmitter.

        Returns:
            The response, whatever its status.
        """
        return await self.ask(
            _KINDS.get(config.bind, BindTransmitter)(
                config.system_id,
                config.password,
                config.system_type,
                config.interface_version,
                config.addr_ton,
                config.addr_npi,
                config.address_range,
            )
        )

    async def ask(self, request: Pdu) -> Pdu:
        """Send a request and wait for its response.

        Raises:
            LocalProtocolError: It cannot be encoded.
            ResponseTimeout: There is none in time.
            LinkClosed: The connection has ended.
        """
        self._sequence += 1
        request.sequence_number = self._sequence
        await self._send(request)
        with trio.move_on_after(self._timeout):
            while True:
                pdu = await self._next()
                if pdu.command_id >= c.RESPONSE_BIT:
                    if pdu.sequence_number == request.sequence_number:
                        return pdu
                else:
                    await self._serve(pdu)
        raise ResponseTimeout(request.sequence_number, self._timeout)

    async def listen(self, enough: Callable[[], bool]) -> None:
        """Take what the peer sends until there is enough.

        Raises:
            LinkClosed: The connection has ended.
        """
        while not enough():
            pdu = await self._next()
            if pdu.command_id < c.RESPONSE_BIT:
                await self._serve(pdu)

    async def unbind(self) -> None:
        """Say good-bye; whatever comes of it is all right."""
        try:
            await self.ask(Unbind())
        except (ResponseTimeout, LinkClosed):
            return

    async def _serve(self, request: Pdu) -> None:
        if isinstance(request, DeliverSM | DataSM):
            self.delivered.append(request)
        await self._send(response_to(request))
        if request.command_id == c.UNBIND:
            raise LinkClosed("the peer has unbound")

    async def _send(self, pdu: Pdu) -> None:
        octets = encode(pdu)
        self._told(octets, True)
        try:
            await self._stream.send_all(octets)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise LinkClosed("the connection was lost") from exc

    async def _next(self) -> Pdu:
        while True:
            octets = await self._read()
            self._told(octets, False)
            try:
                return decode(octets)
            except DecodeError:
                continue  # whoever is told sees what is wrong with it

    async def _read(self) -> bytes:
        while len(self._buffer) < 16 or len(self._buffer) < int.from_bytes(self._buffer[:4]):
            if len(self._buffer) >= 4 and not 16 <= int.from_bytes(self._buffer[:4]) <= _MAX_PDU_BYTES:
                raise LinkClosed("the peer sends something that is not SMPP")
            try:
                data = bytes(await self._stream.receive_some(65536))
            except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
                raise LinkClosed("the connection was lost") from exc
            if not data:
                raise LinkClosed("the peer closed the connection")
            self._buffer += data
        length = int.from_bytes(self._buffer[:4])
        octets, self._buffer = self._buffer[:length], self._buffer[length:]
        return octets


def refused(response: Pdu) -> BindRefused | None:
    """Return the refusal in a response to a bind, None if it is a yes."""
    status = response.command_status
    if status == c.ESME_ROK and response.command_id != c.GENERIC_NACK:
        return None
    return BindRefused(status, f"the bind was refused with {c.status_name(status)}: {c.status_text(status)}")
