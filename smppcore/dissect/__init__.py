"""Reading SMPP that somebody recorded: octets and where they came from in, explained PDUs out.

    recording  any of the following, by its first octets
    sniff      text that holds PDUs: hex in any dress, base64, log lines, our own traces
    kannel     Kannel's dumps
    capture    pcap and pcapng: packets
    tcp        packets to streams: order, overlaps, gaps
    streams    captures to PDUs
    framing    a stream to PDUs, also from its middle
    anatomy    one PDU's octets to fields with their offsets, as far as they can be read
    meanings   values in words
    judge      what is wrong with a PDU
    explain    all of that for one PDU
    masking    texts, numbers and passwords hidden inside the octets
    found      what the readers hand on
    pairing    requests and responses: latencies, windows, what is missing

Rules: input is hostile. Nothing here raises because of it, and memory is bounded whatever its size.
"""
