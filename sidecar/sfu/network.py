"""What the media layer needs from the network layer, which lies outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sidecar.ortc.parameters import DtlsParameters, IceCandidate, IceParameters

if TYPE_CHECKING:
    from sidecar.sfu.batch import Packets
    from sidecar.sfu.transport import WebRtcTransport


class Link(Protocol):
    """The network half of one transport: ICE, DTLS and SRTP on the shared UDP port."""

    @property
    def ice_parameters(self) -> IceParameters:
        """The local ICE credentials."""
        ...

    @property
    def ice_candidates(self) -> Sequence[IceCandidate]:
        """Where the port can be reached, best first."""
        ...

    @property
    def dtls_parameters(self) -> DtlsParameters:
        """The local certificate's fingerprints."""
        ...

    @property
    def silence_ns(self) -> int | None:
        """How long nothing has been heard of the peer; None if nothing ever was."""
        ...

    def connect(self, dtls_parameters: DtlsParameters) -> None:
        """Takes the peer's DTLS role and fingerprints: the handshake may start."""

    def restart_ice(self) -> IceParameters:
        """Makes new ICE credentials."""
        ...

    def offer_ice_restart(self) -> IceParameters:
        """Makes new ICE credentials, unless the latest have not been used yet."""
        ...

    def send_rtp(self, groups: Sequence[Packets]) -> None:
        """Protects packets and sends them, in their order."""

    def send_rtcp(self, compounds: Sequence[bytes]) -> None:
        """Protects compound RTCP packets and sends them."""

    def forget_incoming(self, ssrc: int) -> None:
        """Hears that packets come, or came, under an SSRC that is nobody's.

        What is kept to decrypt them may go. It must not be all of it at once: an SSRC may become
        somebody's a little later, and a stream goes on.
        """

    def end_outgoing(self, ssrc: int) -> None:
        """Hears that nothing will be sent under an SSRC any more: what is kept to do so may go."""

    def close(self) -> None:
        """Says goodbye to the peer and forgets it."""


class Recipients(Protocol):
    """The peers of several links, who get the same packets."""

    def send_rtp(self, packets: Packets) -> None:
        """Protects packets for each of them and sends them, in their order."""


class Network(Protocol):
    """The UDP port and the event loop around a `Worker`."""

    def prepare(self) -> None:
        """Hears that links will be wanted soon: what takes time may begin."""

    def open_link(self, transport: WebRtcTransport, local_address: str | None) -> Link:
        """Makes the network half of a new transport.

        Args:
            transport: The media half, which is handed what arrives.
            local_address: Our own address as its peer knows it, to be offered first.
        """
        ...

    def recipients(self, links: Sequence[Link]) -> Recipients:
        """Makes what sends the same packets to several links."""
        ...

    def report_defect(self, transport: WebRtcTransport, error: Exception) -> None:
        """Takes a mistake of ours that one transport has brought to light.

        The others go on; this one cannot be trusted any more and is closed.
        """

    def wake(self) -> None:
        """Asks for a call of `Worker.process` soon: a time-out has moved, or output waits."""
