"""Long replies through the pipeline, in every form that a link may want, read by the simulator's books."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from smppcore import constants as c
from smppcore import udh
from smppcore.pdu import SubmitSM, decode, encode
from smppcore.testbed.tally import Tally
from smppcore.text import TextProfile, count_segments
from smppcore.text.gsm import pack
from tests.pipeline import Bridge, accepted, check, link, receipt, refused, text

if TYPE_CHECKING:
    from smppcore.text import LongForm

PLAIN = "All of the long story, [in brackets] for €5. " * 11
CYRILLIC = "Всё это длинная история про 🐈 и 🐕. " * 9
FORMS: list[LongForm] = ["udh8", "udh16", "sar", "payload"]


def asks(words: str) -> object:
    return text(("echo " + words).encode("utf-16-be"), data_coding=8)


def on_the_wire(pdu: SubmitSM) -> SubmitSM:
    pdu.sequence_number = 1
    sent = decode(encode(pdu))
    assert isinstance(sent, SubmitSM)
    return sent


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("words", [PLAIN, CYRILLIC], ids=["gsm", "ucs2"])
def test_a_long_reply_arrives_whole_in_every_form(form: LongForm, words: str) -> None:
    bridge = Bridge(link(long_messages=form))
    bridge.deliver(asks(words))  # type: ignore[arg-type]
    pdus = [on_the_wire(pdu) for pdu in bridge.submits()]
    segments = count_segments(words, TextProfile(long_form=form))
    assert segments > 2
    assert bridge.mt().parts == len(pdus) == (1 if form == "payload" else segments)
    tally = Tally()
    replies = [tally.submitted(pdu, str(n), 0.0) for n, pdu in enumerate(pdus)]
    assert replies[:-1] == [None] * (len(pdus) - 1)
    last = replies[-1]
    assert last is not None
    assert last.text == words
    for pdu in pdus:
        assert (pdu.esm_class == c.ESM_UDHI) == (form in ("udh8", "udh16"))
        assert (pdu.tlv(c.TAG_SAR_MSG_REF_NUM) is not None) == (form == "sar")
        assert (pdu.tlv(c.TAG_MESSAGE_PAYLOAD) is not None) == (form == "payload")
        assert len(pdu.short_message) <= 160


@pytest.mark.parametrize("form", FORMS)
def test_parts_that_are_refused_for_now_are_sent_again_and_still_join(form: LongForm) -> None:
    bridge = Bridge(link(long_messages=form))
    bridge.deliver(asks(PLAIN))  # type: ignore[arg-type]
    first = bridge.submits()
    outcomes = [accepted(pdu, b"%d" % n) for n, pdu in enumerate(first[:-1])]
    bridge.turn(bridge.answers(*outcomes, refused(first[-1], c.ESME_RSYSERR)))
    bridge.now += 60
    bridge.begin()  # a kill between the attempts
    bridge.now += 60
    bridge.turn()
    (again,) = bridge.submits()
    tally = Tally()
    for pdu in first[:-1]:
        assert tally.submitted(on_the_wire(pdu), "", 0.0) is None
    reply = tally.submitted(on_the_wire(again), "", 0.0)
    assert reply is not None
    assert reply.text == PLAIN
    bridge.turn(bridge.answers(accepted(again, b"last")))
    assert bridge.mt().state == "accepted"
    check(bridge)


def test_a_reply_whose_link_sends_texts_in_another_way_since_goes_anew() -> None:
    bridge = Bridge(link(long_messages="udh8"))
    bridge.deliver(asks(PLAIN))  # type: ignore[arg-type]
    first = bridge.submits()
    bridge.turn(bridge.answers(*(accepted(pdu, b"1") for pdu in first[:-1]), refused(first[-1], c.ESME_RSYSERR)))
    bridge.links = (replace(bridge.links[0], long_messages="payload"),)
    bridge.begin()
    bridge.now += 60
    bridge.turn()
    (pdu,) = bridge.submits()
    assert pdu.tlv(c.TAG_MESSAGE_PAYLOAD) == first[0].short_message[6:] + b"".join(
        each.short_message[6:] for each in first[1:]
    )
    bridge.turn(bridge.answers(accepted(pdu, b"whole")))
    assert (bridge.mt().parts, bridge.mt().message_ids, bridge.mt().state) == (1, ("whole",), "accepted")
    bridge.deliver(receipt(b"whole"))
    assert bridge.mt().state == "delivered"
    check(bridge)


def test_a_language_of_the_link_makes_a_reply_shorter() -> None:
    words = "Şişli'de buluşalım, ığdır güzel. " * 4
    bridge = Bridge(link(languages=("turkish",)))
    bridge.deliver(asks(words))  # type: ignore[arg-type]
    (pdu,) = bridge.submits()
    reply = Tally().submitted(on_the_wire(pdu), "", 0.0)
    assert reply is not None
    assert reply.text == words
    header = udh.parse(pdu.short_message)
    assert header is not None
    assert (pdu.esm_class, pdu.data_coding, header.element(udh.IE_LOCKING_SHIFT)) == (c.ESM_UDHI, 0, b"\x01")


def test_a_packed_link_gets_and_gives_packed_texts() -> None:
    bridge = Bridge(link(charset="gsm7_packed"))
    bridge.deliver(text(bytes.fromhex("e531fa0d9aa7f1e539")))
    (pdu,) = bridge.submits()
    assert (bridge.mo().text, pdu.short_message, pdu.esm_class) == ("echo sixes", pack(b"sixes"), 0)


@pytest.mark.parametrize(("transliterate", "submits"), [(True, 1), (False, 2)])
def test_quotes_are_made_plain_where_the_link_says_so(*, transliterate: bool, submits: int) -> None:
    bridge = Bridge(link(transliterate=transliterate))
    bridge.deliver(asks("“Don’t wait” – come… " * 5))  # type: ignore[arg-type]
    assert len(bridge.submits()) == submits
    assert bridge.mt().text == "“Don’t wait” – come… " * 5
