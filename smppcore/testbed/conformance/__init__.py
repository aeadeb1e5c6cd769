"""The protocol's traps as cases: each is played on the wire against an SMSC or against an ESME, ours or anybody's."""
