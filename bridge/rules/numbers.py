"""Service numbers."""

from __future__ import annotations

SHORT_CODE_DIGITS = 6
"""A service number of no more digits is a short code."""


def is_short_code(number: str) -> bool:
    """Return whether a service number is a short code."""
    return len(number) <= SHORT_CODE_DIGITS and number.isdigit()
