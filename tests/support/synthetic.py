"""A teacher and students who hold a class without a browser: cheap, seeded, and exact.

They speak the WebSocket protocol, ICE, DTLS and SRTP like a browser with `mediasoup-client`, but
neither encode nor decode: every packet carries its number, so that a test can say which ones
arrived, and in what order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.support.dtls import SRTP_PROFILES, DtlsRole, SrtpProfile
from tests.support.media_peer import MediaPeer
from tests.support.media_sources import H264Source
from tests.support.received_stream import ReceivedStream
from tests.support.receiving_side import ReceivingSide
from tests.support.sending_side import BURST_INTERVAL_S, SendingSide
from tests.support.signaling import CandidateRewriter, SignalingClient

POLL_INTERVAL_S = 0.02


async def eventually(
    condition: Callable[[], bool], what: str | Callable[[], str], *, timeout_s: float = 10.0
) -> None:
    """Wait until a condition holds.

    Args:
        condition: Looked at every few milliseconds.
        what: What was waited for, to be said when it does not come.
        timeout_s: Generous: only a failing test uses it up.

    Raises:
        AssertionError: It never held.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if condition():
                    return
                await asyncio.sleep(POLL_INTERVAL_S)
    except TimeoutError:
        raise AssertionError(f"never: {what if isinstance(what, str) else what()}") from None


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """How a synthetic peer behaves on the wire.

    Attributes:
        dtls_role: Its own; `server` makes the SFU the client.
        srtp_profiles: What it offers or accepts.
        rewrite: Leads its media elsewhere, see `tests.support.relay`.
        decrypt_every: See `ReceivingSide`.
        nack: Whether it asks for missing packets.
        burst_interval_s: See `SendingSide`.
        arrival_times: See `MediaPeer`.
        host: See `MediaPeer`.
    """

    dtls_role: DtlsRole = "client"
    srtp_profiles: Sequence[SrtpProfile] = SRTP_PROFILES
    rewrite: CandidateRewriter | None = None
    decrypt_every: int = 1
    nack: bool = True
    burst_interval_s: float = BURST_INTERVAL_S
    arrival_times: bool = False
    host: str = "127.0.0.1"


class SyntheticPeer:
    """Anybody in a room: has joined, may publish, may consume.

    Attributes:
        sending: The sending half, once something was published.
        receiving: The receiving half, once something was consumed.
        send_transport: The data of its `transportCreated`, likewise `recv_transport`.
    """

    is_teacher = False

    def __init__(
        self, signaling: SignalingClient, peer_id: str, joined: dict[str, Any], options: PeerOptions
    ) -> None:
        self.signaling = signaling
        self.peer_id = peer_id
        self.rtp_capabilities: dict[str, Any] = joined["rtpCapabilities"]
        self.options = options
        self.sending: SendingSide | None = None
        self.receiving: ReceivingSide | None = None
        self.send_transport: dict[str, Any] = {}
        self.recv_transport: dict[str, Any] = {}

    @classmethod
    async def join(
        cls, url: str, room_id: str, peer_id: str, options: PeerOptions | None = None
    ) -> Self:
        """Open a connection and join a room."""
        options = options or PeerOptions()
        signaling = await SignalingClient.connect(url, rewrite=options.rewrite)
        who = {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": cls.is_teacher}
        try:
            return cls(signaling, peer_id, await signaling.request("join", who), options)
        except BaseException:
            await signaling.close()
            raise

    async def open_sending(self, source: H264Source | None = None) -> SendingSide:
        """Create and connect the send transport."""
        peer, self.send_transport = await self._open_transport("send")
        self.sending = SendingSide(
            peer, self.peer_id, source, burst_interval_s=self.options.burst_interval_s
        )
        return self.sending

    async def publish(self, kind: str, *, first_sequence: int | None = None) -> str:
        """Produce `video` or `audio` and return the producer's id; `sending.start()` follows."""
        sending = self.sending or await self.open_sending()
        parameters = sending.add(kind, first_sequence=first_sequence)
        produced = await self.signaling.request(
            "produce", {"kind": kind, "rtpParameters": parameters}
        )
        return str(produced["producerId"])

    async def open_receiving(self) -> ReceivingSide:
        """Create and connect the receive transport."""
        peer, self.recv_transport = await self._open_transport("recv")
        self.receiving = ReceivingSide(
            peer, decrypt_every=self.options.decrypt_every, nack=self.options.nack
        )
        return self.receiving

    async def consume(self, producer_id: str) -> tuple[str, ReceivedStream]:
        """Consume one producer and resume it; returns the consumer's id and its stream."""
        receiving = self.receiving or await self.open_receiving()
        consumer = await self.signaling.request(
            "consume", {"producerId": producer_id, "rtpCapabilities": self.rtp_capabilities}
        )
        stream = receiving.add(consumer)
        await self.signaling.request("resumeConsumer", {"consumerId": consumer["consumerId"]})
        return consumer["consumerId"], stream

    async def restart_ice(self, direction: str) -> None:
        """Ask for new ICE credentials and go on with them."""
        restarted = await self.signaling.request("restartIce", {"direction": direction})
        half = self.sending if direction == "send" else self.receiving
        if half is None:
            raise RuntimeError(f"no {direction} transport to restart")
        await half.peer.restart_ice(restarted["iceParameters"])

    async def leave(self) -> None:
        """Stop sending, close the transports and the connection in good order."""
        if self.sending is not None:
            await self.sending.stop()
        self._close_media(silently=False)
        await self.signaling.close()

    async def vanish(self) -> None:
        """Disappear as a killed process does: no BYE, no close_notify, no close frame."""
        if self.sending is not None:
            await self.sending.stop()
        self._close_media(silently=True)
        await self.signaling.abort()

    async def _open_transport(self, direction: str) -> tuple[MediaPeer, dict[str, Any]]:
        transport = await self.signaling.request("createTransport", {"direction": direction})
        peer = MediaPeer(
            dtls_role=self.options.dtls_role,
            srtp_profiles=self.options.srtp_profiles,
            host=self.options.host,
            arrival_times=self.options.arrival_times,
        )
        try:
            await self.signaling.request(
                "connectTransport",
                {"direction": direction, "dtlsParameters": peer.dtls_parameters},
            )
            await peer.connect(transport)
        except BaseException:
            peer.close(silently=True)
            raise
        return peer, transport

    def _close_media(self, *, silently: bool) -> None:
        if self.sending is not None:
            self.sending.peer.close(silently=silently)
        if self.receiving is not None:
            self.receiving.stop()
            self.receiving.peer.close(silently=silently)


class SyntheticTeacher(SyntheticPeer):
    """Shares a screen with sound."""

    is_teacher = True

    async def share(self, source: H264Source | None = None) -> None:
        """Publish video and audio and begin to send them."""
        sending = await self.open_sending(source)
        await self.publish("video")
        await self.publish("audio")
        sending.start()

    @property
    def outgoing(self) -> SendingSide:
        """The sending half."""
        if self.sending is None:
            raise RuntimeError("the teacher has not published")
        return self.sending

    def packets_sent(self, kind: str) -> int:
        """How many packets of a kind were sent: the next one's content index."""
        return self.outgoing.senders[kind].packets


class SyntheticStudent(SyntheticPeer):
    """Watches and listens."""

    async def watch(self) -> None:
        """Consume everything that the teacher has published."""
        await self.open_receiving()
        for producer in await self.signaling.request("getProducers"):
            await self.consume(producer["producerId"])

    @property
    def incoming(self) -> ReceivingSide:
        """The receiving half."""
        if self.receiving is None:
            raise RuntimeError("the student has no receive transport")
        return self.receiving

    @property
    def video(self) -> ReceivedStream:
        """The first video stream."""
        return self.incoming.streams["video"][0]

    @property
    def audio(self) -> ReceivedStream:
        """The first audio stream."""
        return self.incoming.streams["audio"][0]

    def has_everything(self, teacher: SyntheticTeacher) -> bool:
        """Whether nothing is missing up to the last packet that the teacher has sent."""
        return self.saw_everything(teacher) and (
            self.audio.last_content == teacher.packets_sent("audio") - 1 and not self.audio.missing
        )

    def saw_everything(self, teacher: SyntheticTeacher) -> bool:
        """The same of the picture alone: sound is not retransmitted."""
        return self.video.last_content == teacher.packets_sent("video") - 1 and (
            not self.video.missing
        )

    def describe(self) -> str:
        """What has arrived, for the message of a failing test."""
        return f"{self.peer_id}: " + "; ".join(
            f"{kind} {stream.packets} packets, content from {[s.content for s in stream.segments]}"
            f" to {stream.last_content}, {len(stream.missing)} missing, {stream.duplicates} twice"
            for kind, streams in self.incoming.streams.items()
            for stream in streams
        )
