"""All cases for an SMSC, in the order of the traps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore.testbed.conformance import smsc_binding, smsc_fields, smsc_framing, smsc_messages, smsc_tlvs

if TYPE_CHECKING:
    from smppcore.testbed.conformance.case import Case, Smsc

CASES: tuple[Case[Smsc], ...] = tuple(
    sorted(
        (
            case
            for module in (smsc_framing, smsc_binding, smsc_fields, smsc_tlvs, smsc_messages)
            for case in module.CASES
        ),
        key=lambda case: case.trap,
    )
)
