"""The protocol error of the RTP layer."""


class RtpError(ValueError):
    """A peer sent bytes that are not valid RTP or RTCP.

    It is the only exception that a parser of :mod:`sidecar.rtp` raises,
    whatever the bytes.
    """
