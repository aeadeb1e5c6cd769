"""What switches off the behaviour behind each case for an SMSC, by the case's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore import validation
from smppcore.pdu import (
    BindTransceiver,
    DataSM,
    DeliverSMResp,
    GenericNack,
    Pdu,
    SubmitSM,
)
from smppcore.tlvs import TlvRule
from tests.conformance.session_switches import (
    ANSWERS_ALERTS,
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
    one_window_for_all,
    refusing,
    remembers_highest,
)
from tests.conformance.switches import Switch, all_of, bare, edit, longer, put, recompiled, sized, swap

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

VALIDATION = "smppcore.validation:"
CENTRE = "smppcore.testbed.centre:Centre."
MAILBOX = "smppcore.testbed.mailbox:"
OFFER = "smppcore.testbed.offer:judge_offer"


def without_check(name: str) -> Switch:
    """Switch: an integer field may be anything."""

    def switch(patch: pytest.MonkeyPatch) -> None:
        for cls, checks in validation._CHECKS_OF.items():
            patch.setitem(validation._CHECKS_OF, cls, [check for check in checks if check[0] != name])

    return switch


def validated(function: str, old: str, new: str) -> Switch:
    return edit(VALIDATION + function, (old, new))


ANY_TIME = validated("is_time", "if not value:\n        return True", "return True")
OFFERS_ALL = edit(OFFER, ("if isinstance(pdu, DataSM):", "if True:"))
NO_DEFAULT_MSG_CHECK = all_of(validated("_check_text", "pdu.sm_default_msg_id and text", "False"), OFFERS_ALL)
TLVS_NOT_READ = recompiled(SubmitSM, "read_tlvs", "try_tlvs")
KNOWN_TLVS_ONLY = validated(
    "_check_tlvs", "continue  # unknown", "return c.tag_name(tag), c.ESME_ROPTPARNOTALLWD  # unknown"
)
ANY_LENGTH_OF_TLV = validated("_check_tlvs", "if not rule.shortest <= len(value) <= rule.longest:", "if False:")
ANY_TLV = validated("_check_tlvs", "if strict and tag not in allowed:", "if False:")


def bad_tlvs(condition: str) -> Switch:
    """Switch: TLVs for which something holds are refused."""
    line = "allowed = ALLOWED_TLVS[pdu.command_id]"
    return validated("_check_tlvs", line, f"{line}\n    if {condition}:\n        return 'tlvs', c.ESME_RINVOPTPARAMVAL")


def not_an_answer(request: Pdu, command_status: int = 0) -> Pdu:
    return GenericNack(command_status=command_status, sequence_number=request.sequence_number)


SAR_OF_ITS_OWN = bad_tlvs("pdu.tlv(c.TAG_SAR_MSG_REF_NUM) is not None")
ANY_HEADER = validated("_check_text", "if not text or text[0] >= len(text):", "if False:")
COMES_AGAIN = swap(MAILBOX + "TEMPORARY", frozenset((0, 0x4FF, c.ESME_RX_P_APPN, c.ESME_RX_R_APPN)))
NEVER_COMES_AGAIN = swap(MAILBOX + "TEMPORARY", frozenset())
CODINGS = VALIDATION + "_DATA_CODINGS"
ADMISSION = "smppcore.testbed.admission:Admission.judge_bind"
RECEIPT = "smppcore.testbed.dialects:write"
BINDS_FAIL_ALIKE = edit(
    ADMISSION,
    ("c.ESME_RINVSYSID", "c.ESME_RBINDFAIL"),
    ("c.ESME_RINVPASWD", "c.ESME_RBINDFAIL"),
)
EARLY = ("submit-sm", "data-sm", "submit-multi", "query-sm", "cancel-sm", "replace-sm")

SWITCHES: Mapping[str, Switch] = {
    "01-command-length-below-16": edit(SESSION + "_keep_partial", ("if length < _HEADER_BYTES:", "if False:")),
    "02-command-length-above-the-limit": edit(
        SESSION + "_keep_partial", ("if length > self.config.max_pdu_bytes:", "if False:")
    ),
    "03-unknown-command-id": UNKNOWN_REQUEST,
    "04-unknown-response": NACKS_RESPONSES,
    "05-stray-generic-nack": NACKS_RESPONSES,
    "05-generic-nack-to-a-deliver-sm": NOTHING_NACKED,
    "06-octet-by-octet": NO_PARTIAL,
    "06-several-pdus-in-one-segment": ONE_PDU_A_READ,
    "06-half-a-pdu-at-the-end": edit(
        SESSION + "receive_eof", ("return self.abort", "self._nack(c.ESME_RINVCMDLEN, 0)\n    return self.abort")
    ),
    "07-enquire-link-of-17-octets": ENQUIRE_OF_ANY_LENGTH,
    "07-enquire-link-of-17-octets-lenient": ENQUIRE_OF_16,
    "08-command-status-in-a-request": edit(
        SESSION + "_receive_request",
        (
            "if self._judges and",
            "if pdu.command_status:\n        return self._reject(command_id, 8, sequence)\n    if self._judges and",
        ),
    ),
    "09-response-ids": swap("smppcore.testbed.centre:response_to", not_an_answer),
    "09-requests-of-its-own": edit(
        MAILBOX + "Mailbox.take", ("pdu.context = delivery", "pdu.context = delivery; pdu.command_status = 1")
    ),
    "10-length-of-enquire-link-resp": BODYLESS_LONGER,
    "10-length-of-unbind-resp": BODYLESS_LONGER,
    "10-length-of-cancel-sm-resp": longer(c.CANCEL_SM_RESP),
    "10-length-of-replace-sm-resp": longer(c.REPLACE_SM_RESP),
    "10-length-of-generic-nack": NACK_LONGER,
    "11-vendor-s-command-id": UNKNOWN_REQUEST,
    "12-deliver-sm-resp-that-cannot-be-read": all_of(sized(DeliverSMResp, "message_id", 65), MALFORMED_FAILS),
    "13-sequence-numbers": edit(
        "smppcore.window:Window.__init__", ("self.next_sequence = 1", "self.next_sequence = 9")
    ),
    "14-sequence-numbers-0-and-0x806a179b": refusing("not 1 <= sequence <= 0x7FFFFFFF"),
    "15-sequence-numbers-with-gaps": remembers_highest,
    "16-one-number-in-both-directions": refusing("self._window.get(sequence) is not None"),
    "17-one-number-for-two-requests": refusing("sequence in self._unanswered"),
    "18-answers-in-reverse-order": edit(
        SESSION + "receive_data",
        ("entry = window.get(sequence)", "sequence = next(iter(window._open), sequence); entry = window.get(sequence)"),
    ),
    "18-answer-of-another-type": ANY_TYPE,
    "19-answer-to-an-unknown-number": NACKS_RESPONSES,
    "19-late-answer": LATE_IGNORED,
    "20-answer-to-another-session-s-number": one_window_for_all,
    **{f"21-{name}-before-the-bind": NACK_FOR_STATE for name in EARLY},
    "22-submit-sm-on-a-receiver": NACK_FOR_STATE,
    "23-deliver-sm-from-an-esme": NACK_FOR_STATE,
    "24-second-bind": NACK_FOR_STATE,
    "24-second-bind-of-another-type": NACK_FOR_STATE,
    "26-wrong-system-id": edit(ADMISSION, ("c.ESME_RINVSYSID", "c.ESME_RINVPASWD")),
    "26-wrong-password": edit(ADMISSION, ("if account.password.encode() != bind.password:", "if False:")),
    "25-bind-of-a-type-that-is-not-offered": edit(ADMISSION, ("return c.ESME_RINVCMDID", "return c.ESME_RBINDFAIL")),
    "26-wrong-system-id-by-v5-0": edit(ADMISSION, ("c.ESME_RBINDFAIL if self._style_50 else", "")),
    "26-wrong-password-by-v5-0": edit(ADMISSION, ("c.ESME_RBINDFAIL if self._style_50 else", "")),
    "27-system-id-of-16-characters": all_of(sized(BindTransceiver, "system_id", 99), BINDS_FAIL_ALIKE),
    "27-password-of-9-characters": all_of(sized(BindTransceiver, "password", 99), BINDS_FAIL_ALIKE),
    "27-system-type-of-13-characters": sized(BindTransceiver, "system_type", 99),
    "27-address-range-of-41-characters": sized(BindTransceiver, "address_range", 99),
    "27-system-id-without-nul": sized(BindTransceiver, "system_id", 16, lenient=True),
    **{
        f"28-interface-version-0x{version}": swap("smppcore.session:is_reserved", lambda _version: True)
        for version in ("00", "33", "34", "50")
    },
    "28-interface-version-0x99": swap("smppcore.session:is_reserved", lambda _version: False),
    "28-interface-version-0x99-lenient": edit(
        SESSION + "_receive_opening", ("if self.config.strict and is_reserved", "if is_reserved")
    ),
    "29-bind-resp-to-v3-4": edit(
        "smppcore.binding:complete_response", ("elif complete.tlv(c.TAG_SC_INTERFACE_VERSION) is None:", "elif False:")
    ),
    "29-bind-resp-to-v3-3": edit(
        "smppcore.binding:complete_response",
        ("if negotiate(config.interface_version, bind.interface_version) < c.VERSION_34:", "if False:"),
    ),
    "31-bind-resp-of-a-refusal": longer(c.BIND_TRANSCEIVER_RESP),
    "34-enquire-link-before-the-bind": NO_ENQUIRE_IN_OPEN,
    "35-no-bind": BINDS_FOR_EVER,
    "35-50-connections-without-a-bind": edit(
        "smppcore.smsc:SmscServer.serve_stream",
        (
            "if len(self._unbound) >= config.max_unbound:",
            "if len(self._unbound) >= 5:\n        await trio.aclose_forcefully(stream)\n        return ''\n    if 0:",
        ),
    ),
    "36-outbind-from-an-esme": NO_REPLY_TO_OUTBIND,
    "37-unbind": SILENT_UNBIND,
    "37-request-after-unbind": PROCESSES_AFTER_UNBIND,
    "37-unbind-by-the-smsc": STAYS_AFTER_UNBIND,
    "37-unbind-that-nobody-answers": UNBIND_FOREVER,
    "38-only-enquire-link-for-long": ENQUIRE_IS_ACTIVITY,
    "39-enquire-link-that-nobody-answers": NEVER_DEAD,
    "39-enquire-link-answered-with-another-pdu": ONLY_A_RESPONSE_IS_LIFE,
    "40-service-type-of-6-characters": sized(SubmitSM, "service_type", 99),
    "41-source-addr-of-21-characters": sized(SubmitSM, "source_addr", 99),
    "42-destination-addr-of-21-characters": sized(SubmitSM, "destination_addr", 99),
    "42-empty-destination-addr": validated(
        "_check_destination", "if isinstance(pdu, SubmitSM | DataSM) and not pdu.destination_addr:", "if False:"
    ),
    "42-destination-addr-of-65-characters-in-data-sm": sized(DataSM, "destination_addr", 99),
    "42-destination-addr-of-64-characters-in-data-sm": sized(DataSM, "destination_addr", 21),
    "43-reserved-source-addr-ton": without_check("source_addr_ton"),
    "43-reserved-source-addr-npi": without_check("source_addr_npi"),
    "43-reserved-dest-addr-ton": without_check("dest_addr_ton"),
    "43-reserved-dest-addr-npi": without_check("dest_addr_npi"),
    "43-all-defined-tons-and-npis": validated("_is_npi", "value in _NPIS", "value < 9"),
    "44-reserved-type-in-esm-class": without_check("esm_class"),
    "45-priority-flag-4": without_check("priority_flag"),
    "45-priority-flag-4-by-v5-0": put(
        VALIDATION + "_CHECKS_OF", SubmitSM, [("priority_flag", lambda value, _version: value <= 3, 6)]
    ),
    "46-schedule-delivery-time-of-15-characters": ANY_TIME,
    "46-month-13": ANY_TIME,
    "46-49-quarter-hours": ANY_TIME,
    "46-time-that-is-neither-nor-r": ANY_TIME,
    "47-validity-period-of-17-characters": all_of(sized(SubmitSM, "validity_period", 99), ANY_TIME, OFFERS_ALL),
    "47-validity-period-with-letters": all_of(ANY_TIME, OFFERS_ALL),
    "47-validity-period-in-the-past": OFFERS_ALL,
    "47-validity-period-before-schedule-delivery-time": OFFERS_ALL,
    "48-registered-delivery-3": without_check("registered_delivery"),
    "48-reserved-bits-of-registered-delivery": without_check("registered_delivery"),
    "48-registered-delivery-3-by-v5-0": validated(
        "_is_receipt_request",
        "(version >= c.VERSION_50 or value & c.RECEIPT_MASK != c.RECEIPT_ON_SUCCESS)",
        "value < 3",
    ),
    "48-receipt-on-failure-only-of-a-message-delivered": edit(
        CENTRE + "_conclude", ("message.registered == (", "99 == (")
    ),
    "48-receipt-of-any-outcome": edit(CENTRE + "_conclude", ("if not message.registered", "if True")),
    "49-replace-if-present-flag-2": without_check("replace_if_present_flag"),
    "50-sm-default-msg-id-255": all_of(without_check("sm_default_msg_id"), OFFERS_ALL),
    "50-unknown-sm-default-msg-id": OFFERS_ALL,
    "50-sm-default-msg-id-beside-a-text": NO_DEFAULT_MSG_CHECK,
    "51-reserved-data-coding": validated("validate", "(_check_data_coding(pdu, version) if strict else None)", "None"),
    "51-reserved-data-coding-by-v5-0": validated("_check_data_coding", "c.ESME_RINVDCS if", "c.ESME_RSYSERR if"),
    "51-reserved-data-coding-lenient": validated("validate", "if strict else None", "if True else None"),
    "52-sm-length-255": validated("_check_text", "if len(pdu.short_message) > 254 and", "if False and"),
    "52-sm-length-255-by-v5-0": validated(
        "_check_text", "if len(pdu.short_message) > 254 and version < c.VERSION_50:", "if len(pdu.short_message) > 254:"
    ),
    "53-sm-length-beyond-the-pdu": recompiled(SubmitSM, "if at > end:", "if False:"),
    "53-service-type-without-nul": sized(SubmitSM, "service_type", 6, lenient=True),
    "53-source-addr-without-nul": sized(SubmitSM, "source_addr", 21, lenient=True),
    "54-sm-length-below-what-is-there": TLVS_NOT_READ,
    "55-short-message-and-message-payload": validated("_check_text", "if strict and pdu.short_message", "if False"),
    "55-short-message-and-message-payload-lenient": validated(
        "_check_text", "if strict and pdu.short_message", "if pdu.short_message"
    ),
    "55-short-message-and-message-payload-by-v5-0": validated(
        "_check_text", "payload is not None and version < c.VERSION_50", "payload is not None"
    ),
    "56-1-000-octets-in-message-payload": put(VALIDATION + "TLV_RULES", c.TAG_MESSAGE_PAYLOAD, TlvRule(0, 254)),
    "57-nul-in-short-message": validated(
        "_check_text",
        "text = pdu.short_message or text",
        "text = pdu.short_message\n        if b'\\0' in text:\n            return '', 1",
    ),
    "57-text-of-a-deliver-sm": longer(c.DELIVER_SM),
    "58-absolute-and-relative-times": validated("is_time", 'return value[12:15] == b"000"', "return False"),
    **{
        f"59-{c.status_name(status).lower().replace('_', '-')}-by-configuration": edit(
            "smppcore.testbed.simulator:Simulator._fault_status",
            ("refusals[0] if refusals else c.ESME_ROK", "c.ESME_ROK"),
        )
        for status in (c.ESME_RTHROTTLED, c.ESME_RMSGQFUL, c.ESME_RSYSERR)
    },
    "59-operation-that-the-account-may-not-use": edit(
        "smppcore.testbed.admission:Admission.judge_operation", ("c.ESME_RPROHIBITED if", "c.ESME_ROK if")
    ),
    "59-service-type-that-the-account-may-not-use": edit(
        "smppcore.testbed.admission:Admission.judge_submission", ("status = c.ESME_RSERTYPUNAUTH", "pass")
    ),
    "60-tlvs-in-any-order-and-unknown-ones": KNOWN_TLVS_ONLY,
    **{f"61-{count}-after-the-fields": TLVS_NOT_READ for count in ("1-octet", "2-octets", "3-octets")},
    "61-tlv-longer-than-the-pdu": TLVS_NOT_READ,
    "62-known-tlv-of-a-wrong-length": ANY_LENGTH_OF_TLV,
    "63-number-of-messages-100": validated("_check_tlvs", "values is not None", "False"),
    "63-reserved-language-indicator": put(VALIDATION + "TLV_VALUES", c.TAG_LANGUAGE_INDICATOR, range(6)),
    "64-message-state-in-submit-sm": ANY_TLV,
    "64-receipted-message-id-in-submit-multi": ANY_TLV,
    "64-message-state-in-submit-sm-lenient": validated("_check_tlvs", "if strict and tag not", "if tag not"),
    "65-data-sm-without-message-payload": put(VALIDATION + "_REQUIRED_TLVS", DataSM, ()),
    "66-repeated-callback-num": bad_tlvs("len({tag for tag, _ in pdu.tlvs}) < len(pdu.tlvs)"),
    "66-repeated-message-payload": edit("smppcore.pdu:Pdu.tlv", ("in self.tlvs:", "in reversed(self.tlvs):")),
    "67-sar-that-lack-one": SAR_OF_ITS_OWN,
    "67-sar-segment-seqnum-above-the-total": SAR_OF_ITS_OWN,
    "68-sar-beside-a-user-data-header": validated(
        "_check_text", "if strict and pdu.tlv(tag)", "if False and pdu.tlv(tag)"
    ),
    "68-ports-beside-a-user-data-header": validated(
        "_check_text", "if strict and pdu.tlv(tag)", "if False and pdu.tlv(tag)"
    ),
    "68-sar-beside-a-user-data-header-lenient": validated(
        "_check_text", "if strict and pdu.tlv(tag)", "if pdu.tlv(tag)"
    ),
    "69-alert-on-message-delivery-of-no-octets": put(
        VALIDATION + "TLV_RULES", c.TAG_ALERT_ON_MESSAGE_DELIVERY, TlvRule(1, 1)
    ),
    "69-network-error-code-of-2-octets": ANY_LENGTH_OF_TLV,
    "70-receipt-to-a-v3-3-esme": TLVS_TO_ANYBODY,
    "70-message-id-to-a-v3-3-esme": swap("smppcore.testbed.messages:_SHORT", 64),
    "71-vendor-s-tlv": KNOWN_TLVS_ONLY,
    "72-message-id-of-an-accepted-message": bare(c.SUBMIT_SM_RESP),
    "73-message-id-in-another-case": edit(
        CENTRE + "_query", ('request.message_id.decode("latin-1")', 'request.message_id.decode("latin-1").lower()')
    ),
    "74-deliver-sm-resp-of-16-octets": COMES_AGAIN,
    "74-deliver-sm-resp-of-17-octets": COMES_AGAIN,
    "74-deliver-sm-resp-with-an-id": COMES_AGAIN,
    "75-alert-notification-from-an-esme": ANSWERS_ALERTS,
    "76-data-sm-resp": bare(c.DATA_SM_RESP),
    **{
        f"77-deliver-sm-answered-with-esme-{name}": NEVER_COMES_AGAIN
        for name in ("rx-t-appn", "rsyserr", "rmsgqful", "rthrottled")
    },
    "77-deliver-sm-answered-with-esme-rx-p-appn": COMES_AGAIN,
    "77-deliver-sm-answered-with-esme-rx-r-appn": COMES_AGAIN,
    "77-deliver-sm-that-is-not-answered": edit(
        MAILBOX + "Mailbox.settle",
        ("else:\n            settled.again.append(delivery)", "else:\n            pass"),
    ),
    "78-deliver-sm-resp-with-a-vendor-s-status": COMES_AGAIN,
    "79-submit-multi": bare(c.SUBMIT_MULTI_RESP),
    "79-submit-multi-to-nobody": edit("smppcore.multi:read_destinations", ("if not count:", "if False:")),
    "79-dest-flag-3": edit("smppcore.multi:read_destinations", ("ESME_RINVDESTFLAG", "ESME_RINVNUMDESTS")),
    "79-distribution-list": edit(CENTRE + "submit", ("status = c.ESME_RCNTSUBDL", "pass")),
    "79-255-destinations": validated("_check_destination", "if len(pdu.dest_address) > 254 and", "if False and"),
    "79-255-destinations-by-v5-0": validated("_check_destination", "254 and version < c.VERSION_50:", "254:"),
    "79-submit-multi-that-shall-replace": OFFERS_ALL,
    "80-query-sm-by-id-and-source": edit(CENTRE + "_query", ("or message.source[2] != request.source_addr", "")),
    "80-query-sm-of-a-message-on-its-way": edit(
        CENTRE + "_query", ('done if message.state in _FINAL else b""', "done")
    ),
    "80-cancel-sm-without-an-id": edit(
        CENTRE + "_cancel", ("(not request.service_type or one.service_type == request.service_type)", "True")
    ),
    "80-cancel-sm-that-finds-none": edit(CENTRE + "_cancel", ("if cancelled else c.ESME_RCANCELFAIL", "")),
    "80-cancel-sm-in-a-final-state": edit(
        CENTRE + "_cancel", ("request.source_addr, c.STATE_ENROUTE)", "request.source_addr, message.state)")
    ),
    "80-replace-sm-that-finds-none": put("smppcore.testbed.centre:_NOT_OFFERED", c.REPLACE_SM, c.ESME_ROK),
    "80-submit-sm-that-would-replace-and-finds-none": edit(
        OFFER, ("if pdu.sm_default_msg_id:", "if pdu.replace_if_present_flag:")
    ),
    "81-type-of-a-receipt": edit(RECEIPT, ("esm_class=esm_class", "esm_class=0")),
    "83-addresses-of-a-receipt": edit(
        RECEIPT, ("= facts.destination, facts.source", "= facts.source, facts.destination")
    ),
    "83-registered-delivery-of-a-receipt": edit(
        RECEIPT, ("short_message=body,", "short_message=body, registered_delivery=1,")
    ),
    "84-tlvs-of-a-receipt": edit("smppcore.receipt:receipt_tlvs", ('+ b"\\0"', "")),
    "85-text-of-a-receipt": edit(
        "smppcore.testbed.dialects:_text", ("dialect.text.format(", "dialect.text.replace('id:', 'ID=').format(")
    ),
    **{f"86-data-coding-0x{coding}": swap(CODINGS, frozenset(range(11))) for coding in ("c8", "d0", "f0", "f4")},
    "86-data-coding-0xe0": swap(CODINGS, frozenset(range(256))),
    "87-data-coding-0-1-3-and-8": swap(CODINGS, frozenset((0, 1, 3))),
    "88-user-data-header-beyond-the-text": ANY_HEADER,
    "88-user-data-header-beyond-the-message-payload": validated(
        "_check_text", "if not text or text[0] >= len(text):", "if pdu.short_message and text[0] >= len(text):"
    ),
    "89-part-3-of-2": validated("_check_text", "text[0] >= len(text):", "text[5:6] > text[4:5]:"),
    "91-its-own-window": UNLIMITED_WINDOW,
    "91-more-requests-than-its-window": UNLIMITED_RECEIVE_WINDOW,
    "92-receipt-for-a-datagram": edit(CENTRE + "_accept", ("0 if mode == c.ESM_MODE_DATAGRAM else", "")),
    "92-submit-sm-in-transaction-mode": validated(
        "_check_text", "pdu.esm_class & c.ESM_MODE_MASK == c.ESM_MODE_TRANSACTION", "False"
    ),
    "92-data-sm-in-transaction-mode-that-fails": edit(
        CENTRE + "_accept", ("failed and mode == c.ESM_MODE_TRANSACTION", "False")
    ),
    "93-sm-default-msg-id-beside-message-payload": NO_DEFAULT_MSG_CHECK,
    "94-deliver-sm-un-answered-as-the-session-is-lost": edit(
        MAILBOX + "Mailbox.settle", ("lost.append(delivery)", "pass")
    ),
}
