"""What switches off the behaviour behind each case for an ESME, by the case's name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.pdu import DeliverSM, SubmitSMResp
from smppcore.text.alphabets import Alphabet
from tests.conformance.session_switches import (
    ANY_TYPE,
    BINDS_FOR_EVER,
    BODYLESS_LONGER,
    ENQUIRE_IS_ACTIVITY,
    ENQUIRE_OF_16,
    ENQUIRE_OF_ANY_LENGTH,
    LATE_IGNORED,
    MALFORMED_FAILS,
    NACK_FOR_STATE,
    NACK_LONGER,
    NACKS_RESPONSES,
    NEVER_DEAD,
    NO_ENQUIRE_IN_OPEN,
    NO_PARTIAL,
    NO_REPLY_TO_OUTBIND,
    NOTHING_NACKED,
    ONE_PDU_A_READ,
    ONLY_A_RESPONSE_IS_LIFE,
    PROCESSES_AFTER_UNBIND,
    SESSION,
    SILENT_UNBIND,
    STAYS_AFTER_UNBIND,
    TLVS_TO_ANYBODY,
    UNBIND_FOREVER,
    UNKNOWN_REQUEST,
    UNLIMITED_RECEIVE_WINDOW,
    UNLIMITED_WINDOW,
    dying,
    judging,
    one_window_for_all,
    refusing,
    remembers_highest,
)
from tests.conformance.switches import Switch, all_of, bare, edit, longer, put, recompiled, sent_as, sized, swap

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT = "smppcore.esme:"
SETTLEMENT = "bridge.settlement:Settlement."
RECEPTION = "bridge.reception:Reception."
READ_RECEIPT = "smppcore.receipt:_read"
ALPHABETS = "smppcore.text.alphabets:_ALPHABETS"

TO_SUBMIT = "outcome.request.command_id == c.SUBMIT_SM and "
NOTHING_IS_FINAL = swap("bridge.settlement:error_kind", lambda _status, _own: "temporary")
TLVS_NOT_READ = recompiled(DeliverSM, "read_tlvs", "try_tlvs")
REFUSES_HEADERS = judging("pdu.esm_class & 0x40")
ALL_ARE_ACCEPTED = edit(SETTLEMENT + "outcomes", ("response.command_status == 0", "True"))
NO_ALARM = edit(SETTLEMENT + "_name_part", ("self.effects.incidents.append(", "str("))
ANY_PLACE = edit("smppcore.udh:_is_possible", ("1 <= concatenation.sequence <= concatenation.total", "True"))
WHOLE_ESM_CLASS = swap("bridge.reception:_ESM_TYPE", 0xFF)

ON_THE_WIRE: Mapping[str, Switch] = {
    "01-command-length-below-16": edit(SESSION + "_keep_partial", ("if length < _HEADER_BYTES:", "if False:")),
    "02-command-length-above-the-limit": edit(
        SESSION + "_keep_partial", ("if length > self.config.max_pdu_bytes:", "if False:")
    ),
    "03-unknown-command-id": UNKNOWN_REQUEST,
    "04-unknown-response": NACKS_RESPONSES,
    "05-generic-nack-of-nothing": NACKS_RESPONSES,
    "05-generic-nack-to-a-submit-sm": edit(
        SESSION + "_receive_mismatch",
        ("self.counters.generic_nacks_in += 1", "self._nack(c.ESME_RINVCMDID, sequence)"),
    ),
    "06-octet-by-octet": NO_PARTIAL,
    "06-several-pdus-in-one-segment": ONE_PDU_A_READ,
    "06-half-a-pdu-at-the-end": edit(
        SESSION + "receive_eof", ("return self.abort", "self._nack(c.ESME_RINVCMDLEN, 0)\n    return self.abort")
    ),
    "07-enquire-link-of-17-octets": ENQUIRE_OF_16,
    "08-command-status-in-a-request": judging("pdu.command_status"),
    "09-requests-of-its-own": sent_as(c.SUBMIT_SM, lambda octets: octets[:11] + b"\1" + octets[12:]),
    "09-response-ids": sent_as(c.DELIVER_SM_RESP, lambda octets: octets[:12] + bytes(4) + octets[16:]),
    "10-length-of-enquire-link-resp": BODYLESS_LONGER,
    "10-length-of-unbind-resp": BODYLESS_LONGER,
    "10-length-of-generic-nack": NACK_LONGER,
    "11-vendor-s-command-id": UNKNOWN_REQUEST,
    "12-submit-sm-resp-0-without-a-body": all_of(sized(SubmitSMResp, "message_id", 65), MALFORMED_FAILS),
    "13-first-sequence-number": edit(
        "smppcore.window:Window.__init__", ("self.next_sequence = 1", "self.next_sequence = 9")
    ),
    "13-sequence-numbers": edit("smppcore.window:Window.reserve", ("sequence += 1", "sequence -= 1")),
    "14-sequence-numbers-0-and-0x806a179b": refusing("not 1 <= sequence <= 0x7FFFFFFF"),
    "15-sequence-numbers-with-gaps": remembers_highest,
    "16-one-number-in-both-directions": refusing("self._window.get(sequence) is not None"),
    "17-one-number-for-two-requests": refusing("sequence in self._unanswered"),
    "18-answers-in-reverse-order": edit(
        SESSION + "receive_data",
        ("entry = window.get(sequence)", "sequence = next(iter(window._open), sequence); entry = window.get(sequence)"),
    ),
    "18-answer-of-another-type": edit(
        SESSION + "_receive_mismatch",
        ("self.counters.protocol_errors += 1", "self._nack(c.ESME_RINVCMDID, sequence)"),
    ),
    "19-answer-to-an-unknown-number": NACKS_RESPONSES,
    "20-answer-to-another-session-s-number": NACKS_RESPONSES,
    "22-deliver-sm-to-a-transmitter": NACK_FOR_STATE,
    "23-submit-sm-to-an-esme": NACK_FOR_STATE,
    **{
        f"25-{name}": edit("bridge.links:esme_config", ("fallback=link.fallback", "fallback=False"))
        for name in ("bind-transceiver-resp-0x03", "generic-nack-to-bind-transceiver")
    },
    **{
        f"26-bind-refused-with-0x{status}": edit(
            "smppcore.failover:Backoff.delay", ("error.command_status in _CREDENTIALS or", "False or")
        )
        for status in ("0d", "0e", "0f")
    },
    "27-fields-of-the-bind": sent_as(c.BIND_TRANSCEIVER, lambda octets: octets[:16] + b"x" * 20 + octets[16:]),
    "28-interface-version-of-the-bind": edit(
        "bridge.links:esme_config", ("interface_version=link.interface_version", "interface_version=0x99")
    ),
    "30-bind-resp-without-sc-interface-version": edit(
        "smppcore.binding:is_acceptance", ("return ", "return bool(response.tlvs) and ")
    ),
    "31-bind-resp-of-a-refusal-with-a-body": edit("smppcore.binding:is_acceptance", ("return ", "return True or ")),
    "32-bind-resp-0-without-a-body": edit(
        "smppcore.binding:is_acceptance", ("return ", "return len(response.system_id) > 0 and ")
    ),
    "33-requests-behind-the-bind-resp": ONE_PDU_A_READ,
    "33-deliver-sm-before-the-bind-resp": NACK_FOR_STATE,
    "33-enquire-link-before-the-bind-resp": NO_ENQUIRE_IN_OPEN,
    "34-enquire-link-while-a-submit-sm-waits": edit(
        SESSION + "_receive_other",
        ("if command_id == c.ENQUIRE_LINK:", "if command_id == c.ENQUIRE_LINK and not self.outstanding:"),
    ),
    "35-bind-that-is-not-answered": all_of(
        edit(CLIENT + "_Keeper._bind", ("trio.move_on_after(config.bind_timeout)", "trio.move_on_after(1e9)")),
        edit("smppcore.window:Window.next_deadline", ("return recorded + self._timeout", "return math.inf")),
        BINDS_FOR_EVER,
    ),
    "36-outbind-when-bound": NO_REPLY_TO_OUTBIND,
    "36-outbind-before-the-bind-resp": edit(
        SESSION + "_receive_opening",
        ('events += (pdu, self._move(_OUTBOUND, "outbind"))', "self._nack(c.ESME_RINVBNDSTS, sequence)"),
    ),
    "37-unbind": SILENT_UNBIND,
    "37-request-after-unbind": PROCESSES_AFTER_UNBIND,
    "37-unbind-by-the-smsc": edit(CLIENT + "_Keeper._watch", ("self._news.set()", "pass")),
    "39-enquire-link-that-nobody-answers": NEVER_DEAD,
    "39-enquire-link-answered-with-another-pdu": ONLY_A_RESPONSE_IS_LIFE,
    "51-reserved-data-coding": judging("pdu.data_coding == 0x0B"),
    "52-sm-length-255": judging("len(pdu.short_message) > 254"),
    "53-sm-length-beyond-the-pdu": recompiled(DeliverSM, "if at > end:", "if False:"),
    "53-service-type-without-nul": sized(DeliverSM, "service_type", 6, lenient=True),
    "54-sm-length-below-what-is-there": TLVS_NOT_READ,
    "55-short-message-and-message-payload": judging("pdu.short_message and pdu.tlvs"),
    "56-1-000-octets-in-message-payload": judging("pdu.tlvs and len(pdu.tlvs[0][1]) > 254"),
    "57-nul-in-short-message": judging("b'\\0' in pdu.short_message"),
    "57-text-of-a-submit-sm": longer(c.SUBMIT_SM),
    "58-times-of-a-submit-sm": swap("bridge.outbound:relative_validity", lambda _seconds: b"12345"),
    "59-submit-sm-resp-0x101": NOTHING_IS_FINAL,
    "60-tlvs-in-any-order-and-unknown-ones": judging("pdu.tlvs and pdu.tlvs[0][0] == 0x1234"),
    "61-1-octet-after-the-fields": TLVS_NOT_READ,
    "61-3-octets-after-the-fields": TLVS_NOT_READ,
    "61-tlv-longer-than-the-pdu": TLVS_NOT_READ,
    "62-known-tlv-of-a-wrong-length": judging("pdu.tlv(c.TAG_SOURCE_PORT) == b'\\1'"),
    "63-reserved-value-of-a-tlv": judging("pdu.tlv(c.TAG_LANGUAGE_INDICATOR)"),
    "64-tlv-of-another-pdu": judging("pdu.tlv(c.TAG_SC_INTERFACE_VERSION)"),
    "65-data-sm-without-message-payload": judging("command_id == c.DATA_SM and not pdu.tlvs"),
    "66-repeated-callback-num": judging("len(pdu.tlvs) == 2 and pdu.tlvs[0] == pdu.tlvs[1]"),
    "67-sar-that-lack-one": judging("pdu.tlv(c.TAG_SAR_MSG_REF_NUM) and not pdu.tlv(c.TAG_SAR_SEGMENT_SEQNUM)"),
    "68-sar-beside-a-user-data-header": judging("pdu.esm_class & c.ESM_UDHI and pdu.tlvs"),
    "69-tlvs-of-unusual-lengths": judging("pdu.tlv(c.TAG_RECEIPTED_MESSAGE_ID) == b'nobodys'"),
    "71-vendor-s-tlv": judging("pdu.tlv(0x1400)"),
    "71-congestion-state-in-a-response": dying(TO_SUBMIT + "outcome.response.tlvs"),
    "72-submit-sm-resp-of-an-error-with-a-body": dying(TO_SUBMIT + "status and stop - position > 16"),
    "72-submit-sm-resp-with-an-empty-id": dying(TO_SUBMIT + "not outcome.response.message_id"),
    "73-message-id-of-64-characters": dying(TO_SUBMIT + "len(outcome.response.message_id) == 64"),
    "74-length-of-deliver-sm-resp": bare(c.DELIVER_SM_RESP),
    "75-alert-notification": edit(
        SESSION + "_receive_request",
        (
            "answerable = command_id not in WITHOUT_RESPONSE",
            "answerable = command_id not in WITHOUT_RESPONSE or self._nack(c.ESME_RINVCMDID, sequence)",
        ),
    ),
    "76-data-sm": edit("bridge.inbound:sort_events", ("kind is DeliverSM or kind is DataSM", "kind is DeliverSM")),
    "76-receipt-in-a-data-sm": judging("command_id == c.DATA_SM"),
    "78-submit-sm-resp-with-a-vendor-s-status": dying("0x400 <= status <= 0x4FF"),
    "78-submit-sm-resp-with-an-unknown-status": dying("status > 0xFFFF"),
    **{
        f"81-receipt-with-esm-class-0x{value:02x}": judging(f"pdu.esm_class == {value}")
        for value in (0x04, 0x44, 0x07, 0xC4)
    },
    **{f"82-esm-class-0x{value:02x}": judging(f"pdu.esm_class == {value}") for value in (0x08, 0x10, 0x18, 0x20)},
    "84-receipt-with-an-unknown-message-state": judging("pdu.tlv(c.TAG_MESSAGE_STATE) == b'*'"),
    "85-receipt-that-nobody-can-read": judging("pdu.esm_class == 4 and not pdu.short_message.startswith(b'id')"),
    "86-data-coding-of-every-group": judging("pdu.data_coding & 0xF0 == 0xE0"),
    "87-ucs-2-of-an-odd-length": judging("pdu.data_coding == 8 and len(pdu.short_message) & 1"),
    "88-user-data-header-beyond-the-text": judging("pdu.esm_class & 0x40 and pdu.short_message[0] == 9"),
    "88-user-data-header-in-message-payload": judging("pdu.esm_class & 0x40 and not pdu.short_message"),
    "89-part-0-of-0": REFUSES_HEADERS,
    "89-part-0-of-2": REFUSES_HEADERS,
    "89-part-3-of-2": REFUSES_HEADERS,
    "91-submit-sm-resp-esme-rthrottled": dying("status == c.ESME_RTHROTTLED"),
    "91-message-that-was-throttled": swap("bridge.settlement:error_kind", lambda _status, _own: "permanent"),
}

BEHIND: Mapping[str, Switch] = {
    "05-submit-sm-that-got-a-generic-nack": NOTHING_NACKED,
    "06-text-before-half-a-pdu": edit(
        SESSION + "receive_data",
        (
            "self._keep_partial(data, position, end, now, events)",
            "self._keep_partial(data, position, end, now, events); events.clear()",
        ),
    ),
    "07-enquire-link-of-17-octets-strict": ENQUIRE_OF_ANY_LENGTH,
    "12-message-whose-answer-has-no-body": NO_ALARM,
    "13-sequence-numbers-at-their-end": edit("smppcore.window:Window._next_free", ("else 1", "else 2")),
    "18-submit-sm-answered-by-another-type": ANY_TYPE,
    "19-late-submit-sm-resp": LATE_IGNORED,
    "20-answer-of-the-session-before": one_window_for_all,
    "30-version-that-is-assumed": edit(SESSION + "_receive_own", ("else self.config.assume_version", "else 0x34")),
    "37-unbind-of-its-own": STAYS_AFTER_UNBIND,
    "37-unbind-of-its-own-that-nobody-answers": UNBIND_FOREVER,
    "38-only-enquire-link-for-long": ENQUIRE_IS_ACTIVITY,
    "51-octets-of-a-reserved-data-coding": put(ALPHABETS, 0x0B, Alphabet.LATIN1),
    "55-text-beside-message-payload": edit(
        RECEPTION + "arrived",
        (
            "pdu.tlv(constants.TAG_MESSAGE_PAYLOAD) or body",
            'body or pdu.tlv(constants.TAG_MESSAGE_PAYLOAD) or b""',
        ),
    ),
    "56-reply-of-174-characters": sent_as(c.SUBMIT_SM, lambda octets: octets[:-1]),
    "57-nul-within-a-text": recompiled(
        DeliverSM, "short_message = data[start:at]", "short_message = data[start:at].replace(b'\\0', b'')"
    ),
    "66-receipted-message-id-twice": edit(READ_RECEIPT, ("message_id = message_id or value", "message_id = value")),
    "67-sar-that-lack-one": edit(
        "smppcore.udh:concatenation_from_sar", ("or len(sequence) != 1", ""), ("sequence[0]", "1")
    ),
    "67-sar-segment-seqnum-above-the-total": ANY_PLACE,
    "69-receipted-message-id-without-nul": edit(READ_RECEIPT, ('value.partition(b"\\0")[0].strip()', "value[:-1]")),
    "69-receipted-message-id-with-padding": edit(READ_RECEIPT, ('value.partition(b"\\0")[0].strip()', "value[:-1]")),
    "70-submit-sm-to-a-v3-3-smsc": TLVS_TO_ANYBODY,
    "72-message-that-was-refused-with-a-body": ALL_ARE_ACCEPTED,
    "72-message-with-an-empty-id": NO_ALARM,
    "73-receipt-with-the-id-in-another-case": swap("bridge.receipts:normalise_id", lambda given, _kind: given.lower()),
    "76-receipt-in-a-data-sm": edit(
        "bridge.inbound:sort_events", ("kind is DeliverSM or kind is DataSM", "kind is DeliverSM")
    ),
    "77-text-that-cannot-be-stored": edit(
        "bridge.committer:Committer._refuse", ("constants.ESME_RX_T_APPN", "constants.ESME_ROK")
    ),
    "78-message-refused-with-a-vendor-s-status": ALL_ARE_ACCEPTED,
    **{f"81-receipt-with-esm-class-0x{value}": WHOLE_ESM_CLASS for value in ("44", "07", "c4")},
    "82-intermediate-notification": edit("bridge.receipts:_state_of", ("if receipt.intermediate", "if False")),
    "82-esm-class-0x00-with-a-receipt-s-words": edit(RECEPTION + "arrived", ("elif dlr_in_mo and", "elif")),
    **{
        f"82-esm-class-0x{value}-with-a-receipt-s-words": all_of(
            swap("bridge.reception:_ESM_RECEIPTS", (0x04, 0x08, 0x10, 0x20)),
            edit("smppcore.receipt:parse_receipt", ("not in (ESM_TYPE_RECEIPT,", "not in (8, 16, ESM_TYPE_RECEIPT,")),
        )
        for value in ("08", "10")
    },
    "84-tlvs-against-the-text-of-a-receipt": edit(
        READ_RECEIPT, ("if state < 0:\n        state =", "if True:\n        state =")
    ),
    "84-message-state-42": edit(
        READ_RECEIPT, ("if value[0] in STATE_OUTCOME:\n", "if True:\n"), ("state = value[0]", "state = 2")
    ),
    "85-receipt-without-most-fields": swap("smppcore.receipt:_KEY", re.compile(r"(?P<id>id):|(?P<stat>stat):")),
    "86-data-coding-0x18": put(ALPHABETS, 0x18, Alphabet.LATIN1),
    "86-data-coding-0xf4": put(ALPHABETS, 0xF4, Alphabet.LATIN1),
    "86-data-coding-0xf0": put(ALPHABETS, 0xF0, Alphabet.BINARY),
    "87-data-coding-3": put(ALPHABETS, 3, Alphabet.ASCII),
    "87-data-coding-0": recompiled(DeliverSM, "data_coding = data[", "data_coding = 3 + data["),
    "88-user-data-header-beyond-the-text": edit(
        "smppcore.text.decoding:read_message", ("part.octets[header_octets:]", "part.octets[header_octets or 1 :]")
    ),
    "89-part-1-of-0": all_of(ANY_PLACE, edit(RECEPTION + "_with_header", ("and place.total > 1", ""))),
    "89-part-3-of-2": ANY_PLACE,
    "90-parts-in-any-order-one-twice": edit("bridge.assembly:Assembly.ordered", ("sorted(self.parts)", "self.parts")),
    "90-references-of-8-and-of-16-bits": edit("bridge.joining:Joining.part", ("place.reference_bits,", "8,")),
    "90-another-content-for-a-part": edit("bridge.assembly:Assembly.holds", ("held == (", "True or (")),
    "91-its-own-window": all_of(
        UNLIMITED_WINDOW, edit("bridge.carrier:Carrier._capacity", ("len(self._senders) * self.config.window", "1000"))
    ),
    "91-more-requests-than-its-window": UNLIMITED_RECEIVE_WINDOW,
    "94-text-that-comes-again-after-the-session-was-lost": edit(
        RECEPTION + "_came_before", ("redelivery.candidates(key, self.now)", "()")
    ),
    "94-receipt-that-comes-twice": all_of(
        edit(
            "bridge.delivery:apply_receipt",
            ("if mt.state in FINAL_STATES:", "if False:"),
            ("if part >= len(receipts) or", "if False and"),
        ),
        edit("bridge.delivery:finish", ("if mt.state not in FINAL_STATES:", "if True:")),
    ),
}
