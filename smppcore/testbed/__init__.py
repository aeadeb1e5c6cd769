"""The other side of the wire, to test against: a scriptable SMSC with faults, and traffic.

`simulator` is an SMSC for people and for tests; `load` sends as much as a machine can take. Both stand on smppcore and
know nothing of the bridge.
"""
