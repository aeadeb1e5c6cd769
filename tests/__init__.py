"""Tests, one file per module; what they share is imported as `tests.strategies` and so on."""
