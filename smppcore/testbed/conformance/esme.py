"""All cases for an ESME, in the order of the traps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smppcore.testbed.conformance import esme_binding, esme_framing, esme_messages

if TYPE_CHECKING:
    from smppcore.testbed.conformance.case import Case, Esme

CASES: tuple[Case[Esme], ...] = (*esme_framing.CASES, *esme_binding.CASES, *esme_messages.CASES)
