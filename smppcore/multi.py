"""The two lists of submit_multi, the only PDU layouts with a structure inside: read and written by hand.

Rules: as in `fields`. Must not be here: the PDU classes that carry the lists.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from smppcore.constants import (
    DEST_FLAG_DISTRIBUTION_LIST,
    DEST_FLAG_SME_ADDRESS,
    ESME_RINVDESTFLAG,
    ESME_RINVDLNAME,
    ESME_RINVDSTADR,
    ESME_RINVMSGLEN,
    ESME_RINVNUMDESTS,
)
from smppcore.fields import COctets, Integer, fault, unterminated

if TYPE_CHECKING:
    from collections.abc import Sequence

_DESTINATION_ADDR = COctets(21, ESME_RINVDSTADR)
_DL_NAME = COctets(21, ESME_RINVDLNAME)
_OCTET = Integer()
_STATUS = Struct(">I")


class SmeAddress(NamedTuple):
    """A destination of submit_multi: one address (SMPP v3.4 §4.5.1.1)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: bytes = b""


class DistributionList(NamedTuple):
    """A destination of submit_multi: a list that the SMSC knows by name (SMPP v3.4 §4.5.1.2)."""

    dl_name: bytes = b""


class UnsuccessSme(NamedTuple):
    """A destination that submit_multi did not reach, and why (SMPP v3.4 §4.5.2.1)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: bytes = b""
    error_status_code: int = 0


def read_destinations(data: bytes, position: int) -> tuple[list[SmeAddress | DistributionList], int]:
    """Read number_of_dests and the destinations; return them and the position after them.

    Raises:
        DecodeError: No destinations (SMPP v3.4 §5.2.24), a dest_flag that is not defined, or the PDU ends within.
        IndexError: The PDU ends at the count.
    """
    count = data[position]
    position += 1
    if not count:
        raise fault(data, "number_of_dests", "no destinations", ESME_RINVNUMDESTS)
    destinations: list[SmeAddress | DistributionList] = []
    for _ in range(count):
        if position >= len(data):
            reason = f"{count} announced, {len(destinations)} in the PDU"
            raise fault(data, "number_of_dests", reason, ESME_RINVNUMDESTS)
        flag = data[position]
        if flag == DEST_FLAG_SME_ADDRESS:
            start = position + 3
            destination_addr, position = _read_string(data, start, "destination_addr", _DESTINATION_ADDR)
            destinations.append(SmeAddress(data[start - 2], data[start - 1], destination_addr))
        elif flag == DEST_FLAG_DISTRIBUTION_LIST:
            dl_name, position = _read_string(data, position + 1, "dl_name", _DL_NAME)
            destinations.append(DistributionList(dl_name))
        else:
            raise fault(data, "dest_flag", f"{flag} is not defined", ESME_RINVDESTFLAG)
    return destinations, position


def write_destinations(destinations: Sequence[object]) -> bytes:
    """Write number_of_dests and the destinations.

    Raises:
        ValueError: A destination does not fit, there are none, or more than 255 (v5.0's limit; v3.4's is 254).
    """
    if not 1 <= len(destinations) <= 255:
        raise ValueError(f"{len(destinations)} destinations where 1 to 255 fit")
    parts = [bytes((len(destinations),))]
    for destination in destinations:
        if isinstance(destination, SmeAddress):
            parts.append(b"%c%b" % (DEST_FLAG_SME_ADDRESS, _write_address(*destination)))
        elif isinstance(destination, DistributionList):
            _require(_DL_NAME.misfit(destination.dl_name), "dl_name")
            parts.append(b"%c%b\0" % (DEST_FLAG_DISTRIBUTION_LIST, destination.dl_name))
        else:
            raise ValueError("a destination is a SmeAddress or a DistributionList")  # noqa: TRY004 - callers catch one
    return b"".join(parts)


def read_unsuccessful(data: bytes, position: int) -> tuple[list[UnsuccessSme], int]:
    """Read no_unsuccess and the failed destinations; return them and the position after them.

    Raises:
        DecodeError: The PDU ends within.
        IndexError: The PDU ends at the count.
    """
    count = data[position]
    position += 1
    failed: list[UnsuccessSme] = []
    for _ in range(count):
        start = position + 2
        destination_addr, position = _read_string(data, start, "destination_addr", _DESTINATION_ADDR)
        if position + 4 > len(data):
            raise fault(data, "error_status_code", "the PDU ends before or within it", ESME_RINVMSGLEN)
        (error_status_code,) = _STATUS.unpack_from(data, position)
        failed.append(UnsuccessSme(data[start - 2], data[start - 1], destination_addr, error_status_code))
        position += 4
    return failed, position


def write_unsuccessful(failed: Sequence[object]) -> bytes:
    """Write no_unsuccess and the failed destinations.

    Raises:
        ValueError: One does not fit, or there are more than 255.
    """
    if len(failed) > 255:
        raise ValueError(f"{len(failed)} entries where 255 fit")
    parts = [bytes((len(failed),))]
    for entry in failed:
        if not isinstance(entry, UnsuccessSme):
            raise ValueError("an entry is an UnsuccessSme")  # noqa: TRY004 - callers catch one
        if not 0 <= entry.error_status_code <= 0xFFFFFFFF:
            raise ValueError("error_status_code: not an integer of 32 bits")
        parts.append(_write_address(*entry[:3]) + _STATUS.pack(entry.error_status_code))
    return b"".join(parts)


def _read_string(data: bytes, start: int, field: str, kind: COctets) -> tuple[bytes, int]:
    end = data.find(b"\0", start, start + kind.size)
    if end < 0:
        raise unterminated(data, start, field, kind.size, kind.status)
    return data[start:end], end + 1


def _write_address(ton: int, npi: int, destination_addr: bytes) -> bytes:
    _require(_OCTET.misfit(ton), "dest_addr_ton")
    _require(_OCTET.misfit(npi), "dest_addr_npi")
    _require(_DESTINATION_ADDR.misfit(destination_addr), "destination_addr")
    return b"%c%c%b\0" % (ton, npi, destination_addr)


def _require(misfit: str, field: str) -> None:
    if misfit:
        raise ValueError(f"{field}: {misfit}")
