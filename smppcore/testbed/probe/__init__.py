"""Diagnosing a link before it is trusted: what a bind shows, how much the peer takes, what becomes of one message.

`capacity` and `verdicts` judge, without I/O; `throughput`, `bind` and `follow` ask the peer.
"""
