"""E-mail addresses and phone numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.rules.answers.setting import Setting

_LONGEST_EMAIL = 300
_LONGEST_PHONE = 60


def read_email(text: str, setting: Setting) -> str | None:
    """Read the one e-mail address of a text; whether it exists is not looked up."""
    # The two libraries take 0.1 s to load, which only those pay for who ask such questions.
    from email_validator import EmailNotValidError, validate_email

    del setting
    if len(text) > _LONGEST_EMAIL or text.count("@") != 1:
        return None
    word = next(word for word in text.split() if "@" in word)
    try:
        return validate_email(
            word.strip("<>()[].,;:!?\"'").removeprefix("mailto:"), check_deliverability=False
        ).normalized
    except EmailNotValidError:
        return None


def read_phone(text: str, setting: Setting) -> str | None:
    """Read the one phone number of a text, in international form; without its country's code it is of the brand's."""
    from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher, format_number, is_valid_number

    if len(text) > _LONGEST_PHONE or not 5 <= sum(map(str.isdigit, text)) <= 17:
        return None
    matches = PhoneNumberMatcher(text, setting.country, leniency=Leniency.POSSIBLE)
    # One that is written with its country's code is believed: numbering plans change.
    found = [match.number for match in matches if is_valid_number(match.number) or match.raw_string[0] == "+"]
    return format_number(found[0], PhoneNumberFormat.E164) if len(found) == 1 else None
