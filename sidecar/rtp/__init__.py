"""RTP and RTCP: bytes to values and back (RFC 3550 and its extensions).

Parsers accept any bytes and either return a value or raise
:exc:`sidecar.rtp.errors.RtpError`; nothing else escapes them. Serialising a
value whose fields do not fit their bits is a programming error of the caller
and raises a plain :exc:`ValueError`.
"""
