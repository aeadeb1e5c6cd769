"""The second stage of a turn: what arrived, sorted into receipts, parts of long messages, and texts to decide.

Here an MO gets its row and its number, what the carrier delivers again is absorbed (invariant 9), and parts wait for
each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.assembly import Assembly, add_part, joined, pack_key
from bridge.desk import Stage
from bridge.records import Mo
from bridge.redelivery import MoKey, keys_of
from smppcore import constants
from smppcore.pdu import DeliverSM, DeliverSMResp, response_to
from smppcore.receipt import looks_like_receipt, parse_receipt
from smppcore.text import decode_text
from smppcore.udh import Concatenation, concatenation_from_sar
from smppcore.udh import parse as parse_udh

if TYPE_CHECKING:
    from bridge.assembly import AssemblyKey
    from bridge.desk import Desk
    from bridge.events import Arrivals, SessionLost
    from bridge.outbox import LinkQueue
    from smppcore.pdu import Pdu
    from smppcore.receipt import Receipt

_ESM_TYPE = 0x3C
_ESM_RECEIPTS = (0x04, 0x20)
_ESM_UDHI = 0x40


class Reception(Stage):
    """What one turn takes in."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.texts: list[tuple[Mo, str, LinkQueue]] = []
        """To be decided, in order."""
        self.receipts: list[tuple[LinkQueue, Receipt, Pdu]] = []
        self.pending: dict[int, Mo] = {}
        """Rows of long messages that this turn touched."""
        self.absorbed: list[tuple[str, MoKey, Mo]] = []
        """What came again, by group."""
        self._unanswered: dict[str, dict[MoKey, Mo]] = {}
        self._redelivered: dict[int, Mo] = {}

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
            if first is not None:
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
                place, octets = _place_of(pdu, esm_class, body)
                if place is not None:
                    self.desk.count(event.link, "parts")
                    unanswered[key] = self._part(queue, event.time, pdu, key, place, octets)
                    continue
            else:
                octets = body
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
            self._read(mo, queue, octets, (body,))
        self.effects.responses.append((event.connection, responses))

    def _read(self, mo: Mo, queue: LinkQueue, octets: bytes, bodies: tuple[bytes, ...]) -> None:
        """Decode a whole message and put it in line for a decision; what is no text is kept whole and not answered."""
        text = decode_text(octets, mo.data_coding, queue.texts.default_alphabet)
        if text is None:
            mo.bodies = bodies
            mo.outcome = "silent"
            mo.layer = "silent"
            mo.detail = "not a text"
            self.changes.log.append(("mo", mo.id, []))
            return
        mo.text = text
        if len(bodies) > 1 or not text.isascii() or text.encode() != bodies[0]:
            mo.bodies = bodies
        self.texts.append((mo, text, queue))

    def _came_before(self, group: str, key: MoKey) -> bool:
        """Absorb a message that the carrier delivers again (invariant 9)."""
        redelivery = self.state.redelivery[group]
        for mo_id in redelivery.candidates(key, self.now):
            known = self.pending.get(mo_id) or self._redelivered.get(mo_id)
            mo = known or self.store.mos([mo_id])[0]
            if mo is not None and key in keys_of(mo):
                redelivery.absorbed(key, mo, self.now)
                self.absorbed.append((group, key, mo))
                mo.redelivered += 1
                if known is None:
                    self._redelivered[mo_id] = mo
                    self.changes.mos.append(mo)
                self.changes.log.append(("again", mo.id))
                return True
        return False

    def _part(self, queue: LinkQueue, time: float, pdu: Pdu, key: MoKey, place: Concatenation, octets: bytes) -> Mo:
        """Take one part of a long message; the last one makes it a text like any other."""
        assemblies = self.state.assemblies
        name: AssemblyKey = (
            queue.config.group,
            key[0],
            key[1],
            place.reference,
            place.reference_bits,
            place.total,
        )
        assembly = assemblies.get(name)
        if assembly is not None and not add_part(assembly, place.sequence, octets, key[4]):
            self._join(name, assembly, queue, partial=True)
            assembly = None
        if assembly is None:
            mo = Mo(self.desk.new_id(), time, queue.config.name, key[0], key[1], "", "pending")
            mo.esm_class, mo.data_coding, mo.addressing = key[2], key[3], _addressing(pdu)
            self.changes.new_mos.append(mo)
            self.pending[mo.id] = mo
            assembly = Assembly(mo.id, queue.config.name, time, mo.esm_class, mo.data_coding, mo.addressing)
            add_part(assembly, place.sequence, octets, key[4])
            assemblies[name] = assembly
        else:
            mo = self._pending_mo(assembly)
        self.changes.log.append(("part", mo.id))
        mo.bodies = joined(assembly)[1]
        if len(assembly.parts) == place.total:
            self._join(name, assembly, queue, partial=False)
        else:
            self.changes.assemblies[pack_key(name)] = assembly.pack()
        return mo

    def _pending_mo(self, assembly: Assembly) -> Mo:
        """Return the row of a message that lacks parts; it is written with this turn."""
        mo = self.pending.get(assembly.mo)
        if mo is None:
            mo = self._redelivered.get(assembly.mo)
            if mo is None:
                mo = self.store.mos([assembly.mo])[0]
                if mo is None:
                    raise RuntimeError(f"the store lacks the row {assembly.mo} of a long message")
                self.changes.mos.append(mo)
            self.pending[mo.id] = mo
        return mo

    def _join(self, name: AssemblyKey, assembly: Assembly, queue: LinkQueue, *, partial: bool) -> None:
        mo = self._pending_mo(assembly)
        del self.state.assemblies[name]
        self.changes.assemblies[pack_key(name)] = None
        if partial:
            mo.detail = "partial"
        octets, bodies = joined(assembly)
        mo.outcome = ""
        self._read(mo, queue, octets, bodies)

    def overdue_assemblies(self) -> None:
        """Read what there is of long messages whose missing parts did not come in time."""
        overdue = [
            (name, assembly)
            for name, assembly in self.state.assemblies.items()
            if assembly.link in self.outbox.links
            and self.now >= assembly.started + self.outbox.links[assembly.link].config.assemble_timeout
        ]
        for name, assembly in overdue:
            self.desk.count(assembly.link, "mo.partial")
            self._join(name, assembly, self.outbox.links[assembly.link], partial=True)

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


def _place_of(pdu: Pdu, esm_class: int, body: bytes) -> tuple[Concatenation | None, bytes]:
    """Return where a part belongs, None for a message of its own, and its user data without the header."""
    if esm_class & _ESM_UDHI:
        header = parse_udh(body)
        if header is None:
            return None, body
        return header.concatenation(), body[header.length :]
    return concatenation_from_sar(pdu.tlvs), body
