"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure, and a run must be repeatable: tools/fuzz.py is where new inputs are looked for.
settings.register_profile("smppbridge", deadline=None, derandomize=True)
settings.load_profile("smppbridge")
