"""What an answer is read by, besides its text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and when an answer was written."""

    now: float
    """Seconds since the epoch."""
    zone: str = "UTC"
    """The brand's IANA time zone."""
    language: str = "en"
    """In which the customer is answered."""
    country: str = "US"
    """The brand's: for the order of day and month, phone numbers without a country, the currency of a bare sign."""

    @property
    def today(self) -> date:
        """The day in the brand's zone."""
        return datetime.fromtimestamp(self.now, ZoneInfo(self.zone)).date()
