"""One message, followed to its receipt: each step with its time.

Must not be here: terminals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from smppcore import constants as c
from smppcore.dial import connect_tcp
from smppcore.errors import ConnectFailed, LinkClosed
from smppcore.failover import Addresses
from smppcore.pdu import SubmitSM, SubmitSMResp
from smppcore.receipt import STATE_OUTCOME, normalise_id, parse_receipt
from smppcore.testbed.probe.dialogue import Dialogue, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from smppcore.esme import Connect, EsmeConfig
    from smppcore.receipt import Receipt
    from smppcore.testbed.load.texts import Body

_FORMS = (("text", "text"), ("hex", "decimal"), ("decimal", "hex"), ("decimal", "decimal"), ("hex", "hex"))


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to the message."""

    at_ms: float
    """Since the beginning."""
    what: str
    """connected, bound, submitted, accepted, intermediate, receipt."""
    detail: str = ""


@dataclass(slots=True)
class Journey:
    """A message and what became of it."""

    outcome: str = ""
    """delivered and the other final states, refused, or no receipt."""
    message_ids: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    id_forms: tuple[str, str] = ("text", "text")
    """How ids are written in the response and in the receipt, as `message_id` of the configuration has it."""


async def follow(
    config: EsmeConfig,
    source: str,
    destination: str,
    body: Body,
    wait: float,
    *,
    connect: Connect | None = None,
    told: Callable[[Step], None] = lambda step: None,
    pdu: Callable[[bytes, bool], None] = lambda octets, ours: None,
) -> Journey:
    """Send one message and wait for its receipt.

    Args:
        config: Where to bind and as whom.
        source: The sender.
        destination: The number.
        body: The text.
        wait: How long for the receipt, in seconds.
        connect: Makes connections; TCP and TLS if left out.
        told: Told of each step.
        pdu: Told of each PDU's octets, and whether it is ours.

    Raises:
        SmppError: There was no connection, no bind, or no response.
    """
    journey = Journey()
    began = trio.current_time()

    def step(what: str, detail: str = "") -> None:
        journey.steps.append(Step(round((trio.current_time() - began) * 1e3, 1), what, detail))
        told(journey.steps[-1])

    host = config.endpoints[0]
    with trio.move_on_after(config.connect_timeout) as scope:
        stream, peer = await (connect or partial(connect_tcp, config=config.dial))(host, Addresses())
    if scope.cancelled_caught:
        raise ConnectFailed("connect_timeout", f"no connection to {host} within {config.connect_timeout:g} s")
    try:
        step("connected", peer)
        dialogue = Dialogue(stream, config.bind_timeout, pdu)
        response = await dialogue.bind(config)
        refusal = refused(response)
        if refusal is not None:
            raise refusal
        step("bound", getattr(response, "system_id", b"").decode("latin-1"))
        for octets in body.parts:
            step("submitted", f"{len(octets)} octets to {destination}")
            answer = await dialogue.ask(_submit(source, destination, body, octets))
            status = answer.command_status
            if status != c.ESME_ROK or not isinstance(answer, SubmitSMResp):
                journey.outcome = "refused"
                step("refused", f"{c.status_name(status)}: {c.status_text(status)}")
                break
            journey.message_ids.append(answer.message_id.decode("latin-1"))
            step("accepted", f"as {journey.message_ids[-1] or 'no id: its receipt cannot be known'}")
        else:
            await _await_receipt(dialogue, journey, wait, step)
        await dialogue.unbind()
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
    return journey


def _submit(source: str, destination: str, body: Body, octets: bytes) -> SubmitSM:
    return SubmitSM(
        source_addr_ton=0 if source.isdigit() else c.TON_ALPHANUMERIC,
        source_addr_npi=c.NPI_ISDN if source.isdigit() else 0,
        source_addr=source.encode("ascii", "replace"),
        dest_addr_ton=c.TON_INTERNATIONAL,
        dest_addr_npi=c.NPI_ISDN,
        destination_addr=destination.encode("ascii", "replace"),
        esm_class=body.esm_class,
        registered_delivery=c.RECEIPT_FINAL | c.INTERMEDIATE_NOTIFICATION,
        data_coding=body.data_coding,
        short_message=octets,
    )


async def _await_receipt(dialogue: Dialogue, journey: Journey, wait: float, step: Callable[[str, str], None]) -> None:
    """Wait for the last part's final receipt; one that is not delivered ends it as well."""
    open_ids = list(journey.message_ids)

    def settled() -> bool:
        while dialogue.delivered:
            receipt = parse_receipt(dialogue.delivered.pop(0))
            if receipt is not None:
                _take(receipt, open_ids, journey, step)
        return bool(journey.outcome)

    try:
        with trio.move_on_after(wait):
            if not settled():
                await dialogue.listen(settled)
    except LinkClosed as exc:
        step("closed", str(exc))
    journey.outcome = journey.outcome or "no receipt"


def _take(receipt: Receipt, open_ids: list[str], journey: Journey, step: Callable[[str, str], None]) -> None:
    for forms in _FORMS:
        for message_id in open_ids:
            if message_id and normalise_id(message_id, forms[0]) == normalise_id(receipt.message_id, forms[1]):
                journey.id_forms = forms
                break
        else:
            continue
        break
    else:
        step("other", f"a receipt for {receipt.message_id or 'nothing'}, which is not this message")
        return
    error = f", error {receipt.error}" if receipt.error and receipt.error.strip("0") else ""
    detail = f"{c.state_name(receipt.state)} for {receipt.message_id}{error}"
    if not receipt.final:
        step("intermediate", detail)
        return
    step("receipt", detail)
    open_ids.remove(message_id)
    state = STATE_OUTCOME[receipt.state] or ""
    if state != "delivered" or not open_ids:
        journey.outcome = state
