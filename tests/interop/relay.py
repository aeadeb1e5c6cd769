"""A TCP relay that writes down what it passes on, and a capture file made of that: no right to capture is needed.

It knows nothing of SMPP except where a PDU ends.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FLAGS_SYN, _FLAGS_SYN_ACK, _FLAGS_DATA, _FLAGS_FIN = 0x02, 0x12, 0x18, 0x11
_LINKTYPE_RAW = 101
_CLIENT_ADDRESS, _SERVER_ADDRESS = bytes([127, 0, 0, 1]), bytes([127, 0, 0, 2])


@dataclass(slots=True)
class Connection:
    """What went over one connection: (from the client, octets) in the order of arrival; b"" is an end."""

    client_port: int
    chunks: list[tuple[bool, bytes]] = field(default_factory=list)

    def pdus(self, *, from_client: bool) -> list[bytes]:
        """Return the whole PDUs of one direction."""
        octets = b"".join(data for sent_by_client, data in self.chunks if sent_by_client is from_client)
        found = []
        start = 0
        while start + 16 <= len(octets):
            end = start + int.from_bytes(octets[start : start + 4], "big")
            if end > len(octets):
                break
            found.append(octets[start:end])
            start = end
        return found


class Relay:
    """Accepts connections and passes them on to a port of loopback."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.connections: list[Connection] = []
        self._news = trio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what has gone over it fulfils a condition."""
        while not condition():
            await self._news.wait()

    def count(self, command_id: int, *, from_client: bool) -> int:
        """Count the PDUs of a kind that have gone over it in one direction."""
        wanted = command_id.to_bytes(4, "big")
        whole = [pdu for connection in self.connections for pdu in connection.pdus(from_client=from_client)]
        return sum(pdu[4:8] == wanted for pdu in whole)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Relay until cancelled; `port` is known once this has started."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._accept, listeners)

    async def _accept(self, client: trio.SocketStream) -> None:
        connection = Connection(client.socket.getpeername()[1])
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            return
        self.connections.append(connection)
        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_on, connection, client, server, True)
            nursery.start_soon(self._pass_on, connection, server, client, False)

    async def _pass_on(
        self, connection: Connection, source: trio.SocketStream, sink: trio.SocketStream, from_client: bool
    ) -> None:
        try:
            async for data in source:
                connection.chunks.append((from_client, bytes(data)))
                await sink.send_all(data)
                self._tell()
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.aclose_forcefully(sink)
        connection.chunks.append((from_client, b""))
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def write_pcap(self, path: Path) -> None:
        """Write everything as a capture of IPv4 packets, each chunk a TCP segment, the server at `target`."""
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _LINKTYPE_RAW))
            packets = (packet for connection in self.connections for packet in self._packets(connection))
            for number, packet in enumerate(packets):
                file.write(struct.pack("<IIII", 1_700_000_000, number, len(packet), len(packet)) + packet)

    def _packets(self, connection: Connection) -> Iterator[bytes]:
        ports = {True: connection.client_port, False: self.target}
        addresses = {True: _CLIENT_ADDRESS, False: _SERVER_ADDRESS}
        sent = {True: 1000, False: 2000}

        def packet(from_client: bool, flags: int, data: bytes = b"") -> bytes:
            acknowledged = sent[not from_client] if flags != _FLAGS_SYN else 0
            tcp = struct.pack(
                "!HHIIBBHHH",
                ports[from_client],
                ports[not from_client],
                sent[from_client],
                acknowledged,
                5 << 4,
                flags,
                65535,
                0,
                0,
            )
            ends = addresses[from_client] + addresses[not from_client]
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0x4000, 64, 6, 0) + ends
            sent[from_client] += len(data) + (flags != _FLAGS_DATA)
            return ip + tcp + data

        yield packet(True, _FLAGS_SYN)
        yield packet(False, _FLAGS_SYN_ACK)
        for from_client, data in connection.chunks:
            if not data:
                yield packet(from_client, _FLAGS_FIN)
            for start in range(0, len(data), 60_000):
                yield packet(from_client, _FLAGS_DATA, data[start : start + 60_000])
