"""Throw broken PDUs at the codec and at sessions, and see that nothing undocumented comes of it.

    python tools/fuzz.py --count 200000 --seed 7

Inputs are random octets, random bodies under good headers, valid PDUs that were mutated, truncated or spliced, and
delivery receipts in all dialects of the simulator, spoilt in the same way. Each goes through `decode`; in batches of a
few and in reads of random size they go through sessions of both roles. What must hold:

- decode returns a PDU or raises DecodeError with a field, a status and the header's command_id and sequence_number;
- a decoded request is encoded again to octets that decode to an equal PDU;
- what a deliver_sm or data_sm says is read as a receipt without an exception, whatever it says;
- a session raises nothing, and what it writes is whole, decodable PDUs; each request of the peer whose header is intact
  gets exactly one answer, or at most one if it comes after an unbind or the framing breaks behind it;
- each request of a session's own ends in exactly one outcome that is not late.

A run is repeatable by its seed. The exit status is 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from smppcore import constants as c
from smppcore.codegen import layout
from smppcore.errors import DecodeError, SmppError
from smppcore.fields import COctets, Integer, Octets
from smppcore.pdu import (
    HEADER,
    PDU_CLASSES,
    BindTransceiver,
    BindTransceiverResp,
    DataSM,
    DeliverSM,
    DistributionList,
    Pdu,
    SmeAddress,
    SubmitSM,
    UnsuccessSme,
    decode,
    encode,
    response_class,
    response_to,
)
from smppcore.receipt import STATE_WORDS, looks_like_receipt, parse_receipt
from smppcore.session import Outcome, Role, Session, SessionConfig
from smppcore.testbed.dialects import DIALECTS, Facts, write

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PDU_BYTES = 4096
SHOWN_VIOLATIONS = 20
WITHOUT_RESPONSE = frozenset((c.OUTBIND, c.ALERT_NOTIFICATION))
FIRST_SEQUENCE = 0x100
BREAK_SEQUENCE = 0xFFFF
COMMAND_IDS = [cls.command_id for cls in PDU_CLASSES]


class Violation(NamedTuple):
    """What did not hold, for which octets."""

    rule: str
    octets: bytes


class Generator:
    """Makes inputs from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def octets(self, longest: int) -> bytes:
        """Random octets, often short and often with NULs."""
        octets = self.random.randbytes(self.random.randint(0, longest))
        return octets.replace(b"\x01", b"\0") if self.random.random() < 0.5 else octets

    def value(self, name: str, kind: object) -> object:
        """A value that a field can hold."""
        choose = self.random
        if isinstance(kind, Integer):
            return choose.randint(0, 255)
        if isinstance(kind, COctets):
            return self.octets(choose.choice((0, kind.size - 1))).replace(b"\0", b"0")
        if isinstance(kind, Octets):
            return self.octets(choose.choice((0, 40, 255)))
        address = (choose.randint(0, 9), choose.randint(0, 9), b"4477")
        if name == "unsuccess_sme":
            return [UnsuccessSme(*address, choose.randint(0, 255)) for _ in range(choose.randint(0, 3))]
        return [choose.choice((SmeAddress(*address), DistributionList(b"list"))) for _ in range(choose.randint(1, 3))]

    def pdu(self) -> Pdu:
        """A PDU that can be encoded."""
        choose = self.random
        cls = choose.choice(PDU_CLASSES)
        pdu = cls(
            sequence_number=choose.getrandbits(32), command_status=choose.choice((0, 0, 0, choose.getrandbits(32)))
        )
        for name, kind in layout(cls).items():
            setattr(pdu, name, self.value(name, kind))
        if choose.random() < 0.4:
            tags = [choose.choice((c.TAG_MESSAGE_PAYLOAD, c.TAG_RECEIPTED_MESSAGE_ID, 0x1400)) for _ in range(3)]
            pdu.tlvs = [(tag, self.octets(20)) for tag in tags]
        return pdu

    def receipt(self) -> bytes:
        """A delivery receipt in some dialect, in which some octets were changed more often than not."""
        message_id, text = (self.octets(6).hex(), self.octets(10))
        address = (1, 1, b"12025550101")
        facts = Facts(message_id, self.random.randrange(10), address, address, 1e9, 1e9 + self.random.random(), text)
        octets = encode(write(self.random.choice([*DIALECTS.values()]), facts))
        return self.mutated(octets) if self.random.random() < 0.7 else octets

    def mutated(self, valid: bytes) -> bytes:
        """A valid PDU with some octets changed, inserted or removed."""
        octets = bytearray(valid)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randrange(len(octets))
            match self.random.randrange(4):
                case 0:
                    octets[at] = self.random.randrange(256)
                case 1:
                    octets[at] ^= 1 << self.random.randrange(8)
                case 2:
                    octets[at:at] = self.octets(6)
                case _:
                    del octets[at : at + self.random.randint(1, 6)]
                    octets = octets or bytearray(1)
        return bytes(octets)

    def spliced(self) -> bytes:
        """The start of one PDU and the end of another."""
        first, second = encode(self.pdu()), encode(self.pdu())
        return first[: self.random.randint(0, len(first))] + second[self.random.randint(0, len(second)) :]

    def truncated(self) -> bytes:
        """The start of a PDU."""
        octets = encode(self.pdu())
        return octets[: self.random.randrange(len(octets))]

    def random_body(self) -> bytes:
        """A good header with a body of random octets."""
        body = self.octets(90)
        return HEADER.pack(16 + len(body), self.random.choice(COMMAND_IDS), 0, self.random.getrandbits(32)) + body

    def input(self) -> tuple[str, bytes]:
        """One input and its kind; most have the right command_length, so that their body is looked at."""
        kind = self.random.choice(
            ("random octets", "random body", "valid", "mutated", "truncated", "spliced", "receipt")
        )
        match kind:
            case "random octets":
                octets = self.octets(60)
            case "random body":
                octets = self.random_body()
            case "valid":
                octets = encode(self.pdu())
            case "mutated":
                octets = self.mutated(encode(self.pdu()))
            case "receipt":
                octets = self.receipt()
            case "truncated":
                octets = self.truncated()
            case _:
                octets = self.spliced()
        if len(octets) >= 4 and self.random.random() < 0.9:
            octets = struct.pack(">I", len(octets)) + octets[4:]
        return kind, octets

    def splits(self, stream: bytes) -> Iterator[bytes]:
        """The stream in reads of random size."""
        position = 0
        while position < len(stream):
            size = self.random.choice((1, 7, 16, 100, len(stream)))
            yield stream[position : position + size]
            position += size


def check_decode(octets: bytes) -> tuple[str, str]:
    """Decode one input; return what came of it, and the rule that did not hold or ""."""
    try:
        pdu = decode(octets)
    except DecodeError as error:
        if not error.field or not error.reason or not 0 < error.command_status <= 0xFFFFFFFF:
            return "error", "a DecodeError names a field, a reason and a status"
        if len(octets) >= 16:
            _, command_id, _, sequence_number = HEADER.unpack_from(octets)
            if (error.command_id, error.sequence_number) != (command_id, sequence_number):
                return "error", "a DecodeError carries the header's command_id and sequence_number"
        return "error", ""
    except Exception as error:
        return "exception", f"decode raised {error!r}"
    if isinstance(pdu, DeliverSM | DataSM):
        try:
            receipt = parse_receipt(replace(pdu, esm_class=c.ESM_TYPE_RECEIPT))
            looks_like_receipt(replace(pdu, esm_class=0))
        except Exception as error:
            return "exception", f"reading a receipt raised {error!r}"
        if receipt is None or receipt.state not in STATE_WORDS:
            return "receipt", "a receipt is read as one, with a state of the specification"
    if pdu.command_id & c.RESPONSE_BIT:
        return "response", ""  # may hold more than we would send: a long message_id, a body beside an error
    try:
        again = decode(encode(pdu))
    except SmppError as error:
        return "request", f"a decoded request cannot be encoded: {error}"
    return "request", "" if again == pdu else "a decoded request is encoded to another one"


def frames(stream: bytes) -> list[tuple[int, int]]:
    """Cut a stream into whole PDUs, up to the first whose length cannot be right: (command_id, sequence_number)."""
    found: list[tuple[int, int]] = []
    position = 0
    while len(stream) - position >= 16:
        length, command_id, _, sequence_number = HEADER.unpack_from(stream, position)
        if not 16 <= length <= min(MAX_PDU_BYTES, len(stream) - position):
            break
        found.append((command_id, sequence_number))
        position += length
    return found


class SessionCheck:
    """One session that is fed a stream, and the account of what it answered and reported."""

    def __init__(self, generator: Generator, role: Role) -> None:
        self.generator = generator
        self.session = Session(role, SessionConfig(max_pdu_bytes=MAX_PDU_BYTES), 0.0)
        self.outcomes: Counter[int] = Counter()
        self.sent: list[int] = []
        self.output = b""
        self.answered = 0
        self.state = ""  # before the end of the stream
        if role is Role.ESME:
            bind = BindTransceiver(b"fuzz")
            self.session.send([bind], 0.0)
            self.session.receive_data(encode(BindTransceiverResp(sequence_number=bind.sequence_number)), 0.0)
            requests = [SubmitSM(destination_addr=b"4477") for _ in range(4)]
            self.session.send(requests, 0.0)
            self.sent = [request.sequence_number for request in requests]
        elif generator.random.random() < 0.8:
            self.feed(encode(BindTransceiver(b"fuzz", sequence_number=1)))
        self.session.bytes_to_send()
        self.output = b""

    def feed(self, octets: bytes) -> None:
        """Hand one read to the session and do the application's part."""
        for event in self.session.receive_data(octets, 1.0):
            if isinstance(event, Pdu):
                if response_class(event.command_id) is not None:
                    status = self.generator.random.choice((0, 0, c.ESME_RSYSERR))
                    self.session.respond([response_to(event, status)], 1.0)
            elif isinstance(event, Outcome) and not event.late:
                self.outcomes[event.request.sequence_number] += 1
        self.output += self.session.bytes_to_send()

    def run(self, stream: Stream) -> str:
        """Feed a whole stream; return the rule that did not hold, "" if all did."""
        try:
            for octets in self.generator.splits(stream.octets):
                self.feed(octets)
            self.state = self.session.state.value
            for event in self.session.receive_eof(2.0):
                if isinstance(event, Outcome):
                    self.outcomes[event.request.sequence_number] += 1
        except Exception as error:
            return f"a session raised {error!r}"
        if any(self.outcomes[sequence_number] != 1 for sequence_number in self.sent):
            return f"own requests {self.sent} ended in outcomes {dict(self.outcomes)}"
        if not self.is_output_whole():
            return "a session wrote something that is not whole, decodable PDUs"
        return self.check_answers(stream) if stream.in_frame else ""

    def is_output_whole(self) -> bool:
        """Whether what the session wrote is PDUs from end to end."""
        position = 0
        while position < len(self.output):
            end = position + max(16, int.from_bytes(self.output[position : position + 4], "big"))
            try:
                decode(self.output, position, end)
            except DecodeError:
                return False
            position = end
        return True

    def check_answers(self, stream: Stream) -> str:
        """Compare what the peer asked with what it was answered."""
        answers: dict[int, list[int]] = {}
        for command_id, sequence_number in frames(self.output):
            answers.setdefault(sequence_number, []).append(command_id)
        unbound = False
        for command_id, sequence_number in frames(stream.octets):
            if command_id & c.RESPONSE_BIT:
                continue
            name = f"{c.command_name(command_id)} {sequence_number}"
            given = answers.pop(sequence_number, [])
            self.answered += len(given)
            optional = unbound or stream.breaks or command_id in WITHOUT_RESPONSE
            if len(given) > 1 or not (given or optional):
                return f"{name} was answered {len(given)} times"
            if given and given[0] not in (command_id | c.RESPONSE_BIT, c.GENERIC_NACK):
                return f"{name} was answered with {c.command_name(given[0])}"
            unbound = unbound or command_id == c.UNBIND
        if stream.breaks and not unbound and answers.pop(BREAK_SEQUENCE, None) != [c.GENERIC_NACK]:
            return "broken framing was not answered with one generic_nack"
        if answers and not unbound:
            return f"answers to nothing that was asked: {answers}"
        return ""


class Stream(NamedTuple):
    """What a session is fed."""

    octets: bytes
    in_frame: bool
    """Whole PDUs, each request with a sequence_number of its own."""
    breaks: bool
    """And, at the end, one whose command_length is beyond the limit."""


def make_stream(generator: Generator, inputs: list[bytes], own: list[int]) -> Stream:
    """Join inputs to a stream for a session that has sent the requests `own`."""
    choose = generator.random
    if choose.random() < 0.1:
        return Stream(b"".join(inputs), in_frame=False, breaks=False)
    parts = []
    for number, octets in enumerate(each for each in inputs if len(each) >= 16):
        _, command_id, status, _ = HEADER.unpack_from(octets)
        if not command_id & c.RESPONSE_BIT:
            sequence_number = FIRST_SEQUENCE + number
        else:
            sequence_number = choose.choice(own) if own and choose.random() < 0.8 else choose.getrandbits(31)
        parts.append(HEADER.pack(len(octets), command_id, status, sequence_number) + octets[16:])
    breaks = choose.random() < 0.1
    if breaks:
        parts.append(
            HEADER.pack(MAX_PDU_BYTES + 1, choose.choice(COMMAND_IDS), 0, BREAK_SEQUENCE) + generator.octets(20)
        )
    return Stream(b"".join(parts), in_frame=True, breaks=breaks)


def fuzz(count: int, seed: int) -> tuple[Counter[str], list[Violation]]:
    """Make and check `count` inputs; return how many there were of what, and what did not hold."""
    generator = Generator(seed)
    totals: Counter[str] = Counter()
    violations: list[Violation] = []
    batch: list[bytes] = []
    for number in range(count):
        kind, octets = generator.input()
        totals[f"input: {kind}"] += 1
        result, rule = check_decode(octets)
        totals[f"decode: {result}"] += 1
        if rule:
            violations.append(Violation(rule, octets))
        batch.append(octets)
        if len(batch) < 6 and number < count - 1:
            continue
        for role in Role:
            check = SessionCheck(generator, role)
            stream = make_stream(generator, batch, check.sent)
            rule = check.run(stream)
            totals[f"session: {role.value}, {check.state} at the end"] += 1
            totals["session: requests answered"] += check.answered
            if rule:
                violations.append(Violation(rule, stream.octets))
        batch = []
    return totals, violations


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200_000, help="how many inputs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: %(default)s)")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    totals, violations = fuzz(options.count, options.seed)
    for what, number in sorted(totals.items()):
        print(f"{number:>9,}  {what}")
    for violation in violations[:SHOWN_VIOLATIONS]:
        print(f"VIOLATION: {violation.rule}\n    {violation.octets.hex()}")
    seconds = time.monotonic() - started
    print(f"{options.count:,} inputs, seed {options.seed}, {seconds:.1f} s: {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
