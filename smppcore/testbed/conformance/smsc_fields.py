"""Traps 40 to 59 for an SMSC: the values of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore import constants as c
from smppcore.testbed.conformance.case import Case, Smsc
from smppcore.testbed.conformance.octets import Draft, Raw, data_sm, submit_multi, submit_sm, tlv
from smppcore.testbed.conformance.wire import Mismatch, expect_field

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PAYLOAD = tlv(c.TAG_MESSAGE_PAYLOAD, b"hello")


def refused(draft: Draft, status: int, version: int = c.VERSION_34) -> Callable[[Smsc], Awaitable[None]]:
    """Make a script: the request is refused with this status, and the session stays."""

    async def script(smsc: Smsc) -> None:
        wire = await smsc.bound(version=version)
        await wire.ask(draft, status)
        await wire.alive()

    return script


def accepted(*drafts: Draft, version: int = c.VERSION_34) -> Callable[[Smsc], Awaitable[None]]:
    """Make a script: the requests are accepted."""

    async def script(smsc: Smsc) -> None:
        wire = await smsc.bound(version=version)
        for draft in drafts:
            await wire.ask(draft)
        await wire.alive()

    return script


async def text_of_delivery(smsc: Smsc) -> None:
    frame = await smsc.delivery(await smsc.bound(), b"HELP")
    expect_field(frame, "short_message", b"HELP")
    if not frame.octets.endswith(b"\4HELP"):
        raise Mismatch(f"{frame} does not end with sm_length 4 and its text")


_REFUSED: tuple[tuple[int, str, Draft, int], ...] = (
    (40, "service_type of 6 characters", submit_sm(service_type=b"SIXSIX"), c.ESME_RINVSERTYP),
    (41, "source_addr of 21 characters", submit_sm(source_addr=b"1" * 21), c.ESME_RINVSRCADR),
    (42, "destination_addr of 21 characters", submit_sm(destination_addr=b"1" * 21), c.ESME_RINVDSTADR),
    (42, "empty destination_addr", submit_sm(destination_addr=b""), c.ESME_RINVDSTADR),
    (42, "destination_addr of 65 characters in data_sm", data_sm(destination_addr=b"1" * 65), c.ESME_RINVDSTADR),
    (43, "reserved source_addr_ton", submit_sm(source_addr_ton=7), c.ESME_RINVSRCTON),
    (43, "reserved source_addr_npi", submit_sm(source_addr_npi=2), c.ESME_RINVSRCNPI),
    (43, "reserved dest_addr_ton", submit_sm(dest_addr_ton=7), c.ESME_RINVDSTTON),
    (43, "reserved dest_addr_npi", submit_sm(dest_addr_npi=19), c.ESME_RINVDSTNPI),
    (44, "reserved type in esm_class", submit_sm(esm_class=0x0C), c.ESME_RINVESMCLASS),
    (45, "priority_flag 4", submit_sm(priority_flag=4), c.ESME_RINVPRTFLG),
    (
        46,
        "schedule_delivery_time of 15 characters",
        submit_sm(schedule_delivery_time=b"020610233429000"),
        c.ESME_RINVSCHED,
    ),
    (46, "month 13", submit_sm(schedule_delivery_time=b"391310233429000+"), c.ESME_RINVSCHED),
    (46, "49 quarter-hours", submit_sm(schedule_delivery_time=b"991210233429049+"), c.ESME_RINVSCHED),
    (46, "time that is neither +, - nor R", submit_sm(schedule_delivery_time=b"991210233429000*"), c.ESME_RINVSCHED),
    (47, "validity_period of 17 characters", submit_sm(validity_period=b"000001000000000RR"), c.ESME_RINVEXPIRY),
    (47, "validity_period with letters", submit_sm(validity_period=b"00000x000000000R"), c.ESME_RINVEXPIRY),
    (48, "registered_delivery 3", submit_sm(registered_delivery=3), c.ESME_RINVREGDLVFLG),
    (48, "reserved bits of registered_delivery", submit_sm(registered_delivery=0x20), c.ESME_RINVREGDLVFLG),
    (49, "replace_if_present_flag 2", submit_sm(replace_if_present_flag=2), c.ESME_RINVREPFLAG),
    (50, "sm_default_msg_id 255", submit_sm(b"", sm_default_msg_id=255), c.ESME_RINVDFTMSGID),
    (52, "sm_length 255", submit_sm(b"x" * 255), c.ESME_RINVMSGLEN),
    (53, "sm_length beyond the PDU", submit_sm(sm_length=40), c.ESME_RINVMSGLEN),
    (53, "service_type without NUL", Draft(c.SUBMIT_SM, Raw(b"CMT")), c.ESME_RINVSERTYP),
    (53, "source_addr without NUL", Draft(c.SUBMIT_SM, b"\0\1\0011555"), c.ESME_RINVSRCADR),
    (54, "sm_length below what is there", submit_sm(b"hello world", sm_length=5), c.ESME_RINVOPTPARSTREAM),
)
_REFUSED_BY_POLICY: tuple[tuple[int, str, Draft, int], ...] = (
    (47, "validity_period in the past", submit_sm(validity_period=b"010101000000000+"), c.ESME_RINVEXPIRY),
    (
        47,
        "validity_period before schedule_delivery_time",
        submit_sm(schedule_delivery_time=b"000002000000000R", validity_period=b"000001000000000R"),
        c.ESME_RINVEXPIRY,
    ),
    (50, "unknown sm_default_msg_id", submit_sm(b"", sm_default_msg_id=77), c.ESME_RINVDFTMSGID),
    (50, "sm_default_msg_id beside a text", submit_sm(sm_default_msg_id=1), c.ESME_RINVDFTMSGID),
    (51, "reserved data_coding", submit_sm(data_coding=0x0B), c.ESME_RSUBMITFAIL),
    (55, "short_message and message_payload", submit_sm(tlvs=PAYLOAD), c.ESME_ROPTPARNOTALLWD),
)
_ACCEPTED: tuple[tuple[int, str, tuple[Draft, ...]], ...] = (
    (42, "destination_addr of 64 characters in data_sm", (data_sm(destination_addr=b"1" * 64),)),
    (
        43,
        "all defined TONs and NPIs",
        (
            *(submit_sm(source_addr_ton=ton, dest_addr_ton=ton) for ton in range(7)),
            *(submit_sm(source_addr_npi=npi, dest_addr_npi=npi) for npi in (0, 1, 3, 4, 6, 8, 9, 10, 14, 18)),
        ),
    ),
    (56, "1,000 octets in message_payload", (submit_sm(b"", tlv(c.TAG_MESSAGE_PAYLOAD, b"x" * 1000)),)),
    (57, "NUL in short_message", (submit_sm(b"a\0b"),)),
    (
        58,
        "absolute and relative times",
        tuple(
            submit_sm(validity_period=time)
            for time in (b"370610233429000+", b"370610233429048-", b"000610233429000R", b"020000000000000R")
        ),
    ),
)


def _statuses() -> Iterator[Case[Smsc]]:
    for status in (c.ESME_RTHROTTLED, c.ESME_RMSGQFUL, c.ESME_RSYSERR):
        yield Case(
            59,
            f"{c.status_name(status)} by configuration",
            f"submit_sm_resp 0x{status:02X}; the session stays",
            refused(submit_sm(), status),
            setting=c.status_name(status),
        )


CASES: tuple[Case[Smsc], ...] = (
    *(
        Case(trap, title, f"0x{status:02X}, 16 octets; the session stays", refused(draft, status))
        for trap, title, draft, status in _REFUSED
    ),
    *(
        Case(trap, title, f"0x{status:02X}, 16 octets; the session stays", refused(draft, status), policy=True)
        for trap, title, draft, status in _REFUSED_BY_POLICY
    ),
    *(Case(trap, title, "accepted", accepted(*drafts)) for trap, title, drafts in _ACCEPTED),
    Case(
        45,
        "priority_flag 4 by v5.0",
        "accepted",
        accepted(submit_sm(priority_flag=4), version=c.VERSION_50),
        setting="v5.0",
    ),
    Case(
        48,
        "registered_delivery 3 by v5.0",
        "accepted",
        accepted(submit_sm(registered_delivery=3), version=0x50),
        setting="v5.0",
    ),
    Case(
        51,
        "reserved data_coding by v5.0",
        "0x104; the session stays",
        refused(submit_sm(data_coding=0x0B), c.ESME_RINVDCS, 0x50),
        policy=True,
        setting="v5.0",
    ),
    Case(
        51,
        "reserved data_coding, lenient",
        "accepted",
        accepted(submit_sm(data_coding=0x0B)),
        policy=True,
        setting="lenient",
    ),
    Case(
        52, "sm_length 255 by v5.0", "accepted", accepted(submit_sm(b"x" * 255), version=c.VERSION_50), setting="v5.0"
    ),
    Case(
        55,
        "short_message and message_payload, lenient",
        "accepted",
        accepted(submit_sm(tlvs=PAYLOAD)),
        policy=True,
        setting="lenient",
    ),
    Case(
        55,
        "short_message and message_payload by v5.0",
        "accepted",
        accepted(submit_sm(tlvs=PAYLOAD), version=0x50),
        setting="v5.0",
    ),
    Case(57, "text of a deliver_sm", "sm_length counts the text, and no NUL is added", text_of_delivery),
    *_statuses(),
    Case(
        59,
        "operation that the account may not use",
        "its response with 0x101",
        refused(submit_multi(), c.ESME_RPROHIBITED),
        setting="few operations",
    ),
    Case(
        59,
        "service_type that the account may not use",
        "submit_sm_resp 0x100",
        refused(submit_sm(service_type=b"WAP"), c.ESME_RSERTYPUNAUTH),
        setting="few service types",
    ),
)
