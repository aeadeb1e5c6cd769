"""The second stage of a turn: what arrived, sorted into receipts, parts of long messages, and texts to decide.

Here an MO gets its row and its number, and what the carrier delivers again is absorbed (invariant 9); `bridge.joining`
has parts wait for each other. What is no text to answer, binary or sent to a port, is kept whole and flagged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.desk import Stage
from bridge.joining import Joining
from bridge.records import Mo
from bridge.redelivery import MoKey, keys_of
from bridge.wireform import kept_tlvs
from smppcore import constants
from smppcore.pdu import DeliverSM, DeliverSMResp, response_to
from smppcore.receipt import looks_like_receipt, parse_receipt
from smppcore.text import Alphabet, UserData, alphabet_of, decode_text, message_class, read_message
from smppcore.udh import concatenation_from_sar
from smppcore.udh import parse as parse_udh

if TYPE_CHECKING:
    from bridge.desk import Desk
    from bridge.events import Arrivals, SessionLost
    from bridge.outbox import LinkQueue
    from smppcore.pdu import Pdu
    from smppcore.receipt import Receipt

_ESM_TYPE = 0x3C
_ESM_RECEIPTS = (0x04, 0x20)
_ESM_UDHI = 0x40
_DISPLAY = b"\x01"  # dest_addr_subunit, SMPP v3.4 §5.3.2.1: the mobile's display


class Reception(Stage):
    """What one turn takes in."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.texts: list[tuple[Mo, str, LinkQueue]] = []
        """To be decided, in order."""
        self.receipts: list[tuple[LinkQueue, Receipt, Pdu]] = []
        self.joining = Joining(desk)
        self.absorbed: list[tuple[str, MoKey, Mo]] = []
        """What came again, by group."""
        self._unanswered: dict[str, dict[MoKey, Mo]] = {}

    def arrived(self, event: Arrivals) -> None:
        """Take in one batch of requests; each gets its response once this turn is committed."""
        queue = self.outbox.links[event.link]
        config = queue.config
        group = config.group
        unanswered = self._unanswered.setdefault(group, {})
        expecting = bool(self.state.redelivery[group])
        dlr_in_mo = config.dlr_in_mo
        responses: list[Pdu] = []
        for pdu in event.pdus:
            esm_class: int = pdu.esm_class  # type: ignore[attr-defined]
            if type(pdu) is DeliverSM:
                responses.append(DeliverSMResp(sequence_number=pdu.sequence_number))
            else:
                responses.append(response_to(pdu))
            if esm_class and esm_class & _ESM_TYPE in _ESM_RECEIPTS:
                receipt = parse_receipt(pdu)  # type: ignore[arg-type]
                if receipt is not None:
                    self.receipts.append((queue, receipt, pdu))
                    continue
            elif dlr_in_mo and (receipt := looks_like_receipt(pdu)) is not None:  # type: ignore[arg-type]
                self.receipts.append((queue, receipt, pdu))
                continue
            body: bytes = pdu.short_message if type(pdu) is DeliverSM else b""
            if pdu.tlvs:
                body = pdu.tlv(constants.TAG_MESSAGE_PAYLOAD) or body  # it supersedes (SMPP v5.0 §4.7.26)
            source: str = pdu.source_addr.decode("latin-1")  # type: ignore[attr-defined]
            destination: str = pdu.destination_addr.decode("latin-1")  # type: ignore[attr-defined]
            data_coding: int = pdu.data_coding  # type: ignore[attr-defined]
            key = (source, destination, esm_class, data_coding, body)
            first = unanswered.get(key)
            # Parts marked by TLVs may say the same and yet be two: `joining` tells.
            if first is not None and not (pdu.tlvs and pdu.tlv(constants.TAG_SAR_MSG_REF_NUM)):
                first.redelivered += 1
                self.changes.log.append(("again", first.id))
                self.desk.count(event.link, "mo.redelivered")
                continue
            if expecting and self._came_before(group, key):
                self.desk.count(event.link, "mo.redelivered")
                continue
            if self.desk.refuse_texts:
                responses[-1] = response_to(pdu, constants.ESME_RX_T_APPN)
                self.desk.count(event.link, "mo.refused")
                continue
            if esm_class & _ESM_UDHI or pdu.tlvs:
                unanswered[key] = self._with_header(queue, event.time, pdu, key)
                continue
            mo = Mo(
                self.desk.next_id,
                event.time,
                event.link,
                source,
                destination,
                "",
                "",
                "",
                "",
                "",
                0,
                "",
                esm_class,
                data_coding,
                _addressing(pdu),
            )
            self.desk.next_id += 1
            unanswered[key] = mo
            self.changes.new_mos.append(mo)
            self._read(mo, queue, decode_text(body, data_coding, queue.texts.default_alphabet), (body,))
        self.effects.responses.append((event.connection, responses))

    def _with_header(self, queue: LinkQueue, time: float, pdu: Pdu, key: MoKey) -> Mo:
        """Take a message that has a user data header or TLVs: a part of a long one, or one for a port, or neither."""
        source, destination, esm_class, data_coding, body = key
        mo = Mo(self.desk.next_id, time, queue.config.name, source, destination, "", "")
        mo.esm_class, mo.data_coding, mo.addressing = esm_class, data_coding, _addressing(pdu)
        part = UserData(body, data_coding, has_header=bool(esm_class & _ESM_UDHI))
        header = parse_udh(body) if part.has_header else None
        place = header.concatenation() if header is not None else None
        ports = header.ports() if header is not None else None
        if pdu.tlvs:
            mo.tlvs = kept_tlvs(queue.config.keep_tlvs, pdu.tlvs)
            place = place or concatenation_from_sar(pdu.tlvs)
            ports = ports or _ports(pdu)
            if pdu.tlv(constants.TAG_DEST_ADDR_SUBUNIT) == _DISPLAY:
                mo.flags = ("flash",)
        if part.has_header and header is None:
            mo.flags = (*mo.flags, "header")
        if ports is not None:
            mo.ports = ports
            mo.flags = (*mo.flags, "ports")
        if place is not None and place.total > 1:
            row = self.joining.part(queue, place, part, mo)
            self._read_joined()
            return row
        self.desk.next_id += 1
        self.changes.new_mos.append(mo)
        self._read_parts(mo, queue, [part])
        return mo

    def overdue(self) -> None:
        """Read what there is of long messages whose missing parts did not come in time."""
        self.joining.overdue()
        self._read_joined()

    def _read_joined(self) -> None:
        # Handed over in a list, not by a callback: that would tie the turn's objects into a cycle, and only the garbage
        # collector would free what each turn held (at full speed it stopped everything for 60 ms).
        for mo, queue, parts in self.joining.joined:
            self._read_parts(mo, queue, parts)
        self.joining.joined.clear()

    def _read_parts(self, mo: Mo, queue: LinkQueue, parts: list[UserData]) -> None:
        text = read_message(parts, queue.texts.default_alphabet)
        self._read(mo, queue, text, tuple(part.octets for part in parts))

    def _read(self, mo: Mo, queue: LinkQueue, text: str | None, bodies: tuple[bytes, ...]) -> None:
        """Put a whole message in line for a decision; what is no text to answer is kept whole and flagged."""
        if mo.data_coding and message_class(mo.data_coding) == 0 and "flash" not in mo.flags:
            mo.flags = (*mo.flags, "flash")
        if text is None:
            binary = alphabet_of(mo.data_coding, queue.texts.default_alphabet) is Alphabet.BINARY
            mo.flags = (*mo.flags, "binary" if binary else "unreadable")
            mo.bodies = bodies
        else:
            mo.text = text
            if mo.flags or len(bodies) > 1 or not text.isascii() or text.encode() != bodies[0]:
                mo.bodies = bodies
            if not mo.ports:
                self.texts.append((mo, text, queue))
                return
        mo.outcome = "silent"
        mo.layer = "silent"
        why = "not a text" if text is None else "port-addressed"
        mo.detail = f"{mo.detail}: {why}" if mo.detail else why
        self.changes.log.append(("mo", mo.id, []))

    def _came_before(self, group: str, key: MoKey) -> bool:
        """Absorb a message that the carrier delivers again (invariant 9)."""
        redelivery = self.state.redelivery[group]
        for mo_id in redelivery.candidates(key, self.now):
            known = self.joining.known(mo_id)
            mo = known or self.store.mos([mo_id])[0]
            if mo is not None and key in keys_of(mo):
                redelivery.absorbed(key, mo, self.now)
                self.absorbed.append((group, key, mo))
                mo.redelivered += 1
                if known is None:
                    self.joining.take_up(mo)
                self.changes.log.append(("again", mo.id))
                return True
        return False

    def expect_again(self, loss: SessionLost) -> None:
        """What this turn takes may not have been answered when the connection ended: it is not in the store yet."""
        group = self.outbox.links[loss.link].config.group
        links = self.state.group_links[group]
        mos = [mo for mo in (*self.changes.new_mos, *self.changes.mos) if mo.link in links and mo.time <= loss.time]
        self.state.redelivery[group].also((loss.link, loss.time), mos)


def _addressing(pdu: Pdu) -> bytes:
    return bytes(
        (pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi)  # type: ignore[attr-defined]
    )


def _ports(pdu: Pdu) -> tuple[int, int] | None:
    """Return (destination, source) of destination_port and source_port (SMPP v3.4 §5.3.2.20 and 21)."""
    destination, source = pdu.tlv(constants.TAG_DESTINATION_PORT), pdu.tlv(constants.TAG_SOURCE_PORT)
    if destination is None:
        return None
    return int.from_bytes(destination, "big"), int.from_bytes(source or b"", "big")
