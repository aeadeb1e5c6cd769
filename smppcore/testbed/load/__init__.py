"""Traffic: as an SMSC that sends texts to any ESME (`mo`), and as an ESME that submits to any SMSC (`mt`).

`pace` says when a message is due, `texts` what it says, `series` keeps what happened when, `wire` is one connection;
`mo_books` and `mt_books` know which message is where.
"""
