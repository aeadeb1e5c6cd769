"""Claimed messages → submit_sm, handed to a session's writer when it can write and its window has room.

Nothing waits in an output buffer: between the claim and the moment the writer asks, a message can still be withdrawn
because its customer has opted out, or because the link is gone. All parts of a message go over one session.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bridge.delivery import message_reference
from bridge.wireform import Rewriter, tlv_octets
from smppcore.constants import TAG_USER_MESSAGE_REFERENCE
from smppcore.pdu import SubmitSM
from smppcore.text import user_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.config import LinkConfig
    from bridge.delivery import Flight
    from bridge.store import ContactKey
    from smppcore.link import Link

_MAX_VALIDITY = 63 * 86400


def relative_validity(seconds: float) -> bytes:
    """Return validity_period in the relative form (SMPP v3.4 §7.1.1.2), b"" for 0: the SMSC's default.

    At most 63 days, the longest that a short message can be valid (3GPP TS 23.040 §9.2.3.12).
    """
    if not seconds:
        return b""
    whole = min(int(seconds), _MAX_VALIDITY)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    months, day = divmod(days, 30)
    return b"00%02d%02d%02d%02d%02d000R" % (months, day, hour, minute, second)


class Outbound:
    """The claims of one link that no session has been given yet.

    Args:
        config: The link.
    """

    def __init__(self, config: LinkConfig) -> None:
        self._claims: deque[Flight] = deque()
        self._begun: dict[Link, Flight] = {}
        self.retune(config)

    def retune(self, config: LinkConfig) -> None:
        """Make submit_sm's as the link is configured now."""
        self._service_type = config.service_type.encode()
        self._registered_delivery = int(config.registered_delivery)
        self._rewriter = Rewriter(config.rewrite_out) if config.rewrite_out else None
        self._tlvs = tuple((tlv.tag, tlv_octets(tlv)) for tlv in config.send_tlvs)
        self._validity = relative_validity(config.validity)
        self._reference = config.user_message_reference

    def __len__(self) -> int:
        """Return how many messages wait to be taken."""
        return len(self._claims) + len(self._begun)

    def add(self, flights: Iterable[Flight]) -> None:
        """Take in claims that are on the disk."""
        self._claims.extend(flights)

    def take(self, connection: Link, room: int) -> Sequence[SubmitSM]:
        """Return what a session may send now, at most `room` submit_sm's."""
        pdus: list[SubmitSM] = []
        while room > 0:
            flight = self._begun.pop(connection, None)
            if flight is None:
                if not self._claims:
                    break
                flight = self._claims.popleft()
            flight.sent = True
            todo = flight.todo
            if len(todo) > room:
                self._begun[connection] = flight
            pdus += [self._submit(flight, part) for part in todo[:room]]
            flight.todo = todo[room:]
            room -= len(todo)
        if self._rewriter is not None:
            for pdu in pdus:
                self._rewriter.submitted(pdu)
        return pdus

    def _submit(self, flight: Flight, part: int) -> SubmitSM:
        mt, encoded = flight.mt, flight.encoded
        source_ton, source_npi, dest_ton, dest_npi = mt.addressing
        esm_class, body = 0, encoded.parts[part]
        tlvs = self._tlvs
        if encoded.framing is not None:
            # The reference follows from the id, so a part that is sent again still joins with the others.
            esm_class, body, framing = user_data(encoded, part, mt.id)
            tlvs = (*framing, *tlvs)
        if self._reference:
            tlvs = (*tlvs, (TAG_USER_MESSAGE_REFERENCE, message_reference(mt.id, part).to_bytes(2)))
        return SubmitSM(
            self._service_type,
            source_ton,
            source_npi,
            mt.number.encode("latin-1"),
            dest_ton,
            dest_npi,
            mt.contact.encode("latin-1"),
            esm_class,
            0,
            0,
            b"",
            self._validity,
            self._registered_delivery,
            0,
            encoded.data_coding,
            0,
            body,
            tlvs=tlvs,
            context=(flight, part),
        )

    def revoke(self, contacts: set[ContactKey]) -> list[Flight]:
        """Take back claims for these customers, control replies excepted; none of their octets left."""
        revoked = [f for f in self._claims if not f.mt.control and (f.mt.contact, f.mt.brand) in contacts]
        if revoked:
            gone = {id(f) for f in revoked}
            self._claims = deque(f for f in self._claims if id(f) not in gone)
        return revoked

    def session_lost(self, connection: Link, *, last: bool) -> list[Flight]:
        """Take back what a lost session had begun; with the last session, every claim."""
        flights = []
        begun = self._begun.pop(connection, None)
        if begun is not None:
            flights.append(begun)
        if last:
            flights.extend(self._claims)
            self._claims.clear()
        return flights
