"""Typed answers: what a customer wrote, into the value that a flow asked for, or into nothing.

A value is always a text in one form: a number as "1234.5", a date as "2026-11-25", a time as "14:30", a phone number as
"+14155550123", whatever the language and the habits of who wrote it. Every reader looks at so many characters only that
no text takes it longer than a fraction of a millisecond. Nothing here reads a clock.
"""

from bridge.rules.answers.reading import Answer, AnswerError, compile_answer
from bridge.rules.answers.setting import Setting

__all__ = ["Answer", "AnswerError", "Setting", "compile_answer"]
