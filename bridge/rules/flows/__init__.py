"""Flows: conversations in steps, with a wait, a time-out and checked answers, from the rules file alone.

`tables` is what is written, `compile` looks every name up and refuses what could go round for ever, `engine` takes a
session from one wait to the next. What a step has happens in the order in which `StepTable` lists it.
"""
