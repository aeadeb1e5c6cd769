"""What faults do to the PDUs that an SMSC sends."""

from __future__ import annotations

import random

import pytest

from smppcore import constants as c
from smppcore.errors import DecodeError
from smppcore.pdu import (
    BindTransceiverResp,
    DataSM,
    DeliverSM,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    QuerySMResp,
    SubmitSMResp,
    decode,
    encode,
)
from smppcore.testbed.faults import Distort, Duplicate, Fault, Garbage, Late, Lose, Reorder, ResetMidPdu
from smppcore.testbed.outgoing import Leaving, Outgoing, PduFaults, distort, name_of
from smppcore.testbed.triggers import Plan


def outgoing(*faults: Fault) -> Outgoing:
    return Outgoing(PduFaults(Plan(faults, random.Random(1))))


def send(out: Outgoing, *pdus: Pdu) -> Leaving:
    return out.send(b"".join(map(encode, pdus)), b"esme", 0.0)


def responses(*numbers: int) -> list[Pdu]:
    return [SubmitSMResp(b"%d" % number, sequence_number=number) for number in numbers]


def numbers(octets: bytes) -> list[int]:
    """The sequence numbers of whole PDUs."""
    found = []
    while octets:
        length = int.from_bytes(octets[:4], "big")
        found.append(int.from_bytes(octets[12:16], "big"))
        octets = octets[length:]
    return found


@pytest.mark.parametrize(
    ("pdu", "name"),
    [
        (SubmitSMResp(b"1"), "submit_sm_resp"),
        (BindTransceiverResp(b"x"), "bind_resp"),
        (EnquireLink(), "enquire_link"),
        (DeliverSM(short_message=b"x"), "mo"),
        (DeliverSM(esm_class=4), "receipt"),
        (DataSM(esm_class=0x20), "receipt"),
    ],
)
def test_pdus_have_the_names_that_scenarios_use(pdu: Pdu, name: str) -> None:
    assert name_of(encode(pdu)) == name


def test_what_cannot_be_read_is_taken_for_a_text() -> None:
    assert name_of(encode(DeliverSM())[:20]) == "mo"


def test_without_faults_everything_leaves() -> None:
    pdus = [*responses(1, 2), EnquireLink(sequence_number=3)]
    leaving = send(outgoing(), *pdus)
    assert leaving.octets == leaving.shown == b"".join(map(encode, pdus))
    assert not PduFaults(Plan((), random.Random(1))).any


def test_lost_responses_count_as_given_and_lost_requests_do_not() -> None:
    leaving = send(outgoing(Lose(pdu="any", every=2)), *responses(1, 2), EnquireLinkResp(sequence_number=3))
    assert (numbers(leaving.octets), numbers(leaving.shown)) == ([1, 3], [1, 2, 3])
    leaving = send(outgoing(Lose(pdu="enquire_link")), *responses(1), EnquireLink(sequence_number=2))
    assert (numbers(leaving.octets), numbers(leaving.shown)) == ([1], [1])


def test_texts_and_receipts_have_been_lost_delayed_and_doubled_before() -> None:
    out = outgoing(Lose(pdu="mo"), Late(pdu="receipt"), Duplicate(pdu="mo"), Duplicate(pdu="any"))
    leaving = send(out, DeliverSM(sequence_number=1), DeliverSM(esm_class=4, sequence_number=2))
    assert (numbers(leaving.octets), leaving.later) == ([1, 2], [])


def test_late_ones_come_after_their_delay() -> None:
    leaving = send(outgoing(Late(numbers=(1,), delay=7.0)), *responses(1, 2))
    assert numbers(leaving.octets) == [2]
    [(delay, take)] = leaving.later
    assert (delay, numbers(take())) == (7.0, [1])


def test_doubles_come_at_once_or_later() -> None:
    assert numbers(send(outgoing(Duplicate()), *responses(1)).octets) == [1, 1]
    leaving = send(outgoing(Duplicate(delay=3.0)), *responses(1))
    assert (numbers(leaving.octets), [(delay, numbers(take())) for delay, take in leaving.later]) == ([1], [(3.0, [1])])


def test_overtaken_ones_wait_for_their_number_of_others() -> None:
    out = outgoing(Reorder(numbers=(1,), behind=2))
    first = send(out, *responses(1, 2))
    assert numbers(first.octets) == [2]
    assert numbers(send(out, *responses(3, 4)).octets) == [3, 1, 4]
    [(within, take)] = first.later
    assert (within, take()) == (1.0, b"")


def test_one_that_nobody_overtakes_goes_in_time() -> None:
    [(_, take)] = send(outgoing(Reorder()), *responses(1)).later
    assert numbers(take()) == [1]
    assert take() == b""


def test_a_reset_comes_in_the_middle_of_a_pdu() -> None:
    leaving = send(outgoing(ResetMidPdu(numbers=(2,))), *responses(1, 2, 3))
    first, second = map(encode, responses(1, 2))
    assert leaving.octets == first + second[: len(second) // 2]
    assert (leaving.reset, leaving.damaged) == (True, True)


def test_garbage_follows_a_pdu() -> None:
    leaving = send(outgoing(Garbage(count=10, numbers=(1,))), *responses(1, 2))
    first, second = map(encode, responses(1, 2))
    assert leaving.octets.startswith(first)
    assert leaving.octets.endswith(second)
    assert len(leaving.octets) == len(first) + 10 + len(second)
    assert leaving.damaged
    assert send(outgoing(Garbage(hex="00 ff")), *responses(1)).octets == first + b"\x00\xff"


def test_distorted_requests_excuse_their_answers() -> None:
    out = outgoing(Distort(pdu="mo", form="cut_tlv"), Distort(form="empty_id"))
    leaving = send(out, DeliverSM(sequence_number=9), *responses(1))
    assert leaving.excused == [9]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("cut_tlv", c.ESME_RINVOPTPARSTREAM),
        ("stub_tlv", c.ESME_RINVOPTPARSTREAM),
    ],
)
def test_broken_tlvs_cannot_be_read(form: str, status: int) -> None:
    octets = distort(encode(DeliverSM(short_message=b"x")), Distort(form=form))  # type: ignore[arg-type]
    with pytest.raises(DecodeError) as caught:
        decode(octets)
    assert caught.value.command_status == status


def test_each_distortion_is_what_it_says() -> None:
    original = encode(SubmitSMResp(b"abc", sequence_number=7))

    def distorted(form: str, octets: bytes = original) -> Pdu:
        return decode(distort(octets, Distort(form=form, value=85)))  # type: ignore[arg-type]

    assert distorted("wrong_sequence").sequence_number not in (0, 7)
    assert distort(original, Distort(form="wrong_type"))[4:8] == c.QUERY_SM_RESP.to_bytes(4, "big")
    query = encode(QuerySMResp(b"1", sequence_number=7))
    assert distort(query, Distort(form="wrong_type"))[4:8] == c.CANCEL_SM_RESP.to_bytes(4, "big")
    nack = distorted("nack")
    assert (type(nack), nack.command_status, nack.sequence_number) == (GenericNack, c.ESME_RSYSERR, 7)
    assert len(distort(original, Distort(form="no_body"))) == 16
    empty = distorted("empty_id")
    assert isinstance(empty, SubmitSMResp)
    assert empty.message_id == b""
    assert distorted("congestion").tlv(c.TAG_CONGESTION_STATE) == b"\x55"
    assert distorted("short_tlv").tlv(c.TAG_NETWORK_ERROR_CODE) == b"\3"
    assert distorted("unknown_tlv").tlv(0x3FF0) == b"\xde\xad\xbe\xef"


def test_a_header_alone_gets_no_tlv() -> None:
    refusal = encode(SubmitSMResp(command_status=c.ESME_RTHROTTLED, sequence_number=7))
    for form in ("congestion", "empty_id"):
        assert distort(refusal, Distort(form=form)) == refusal
