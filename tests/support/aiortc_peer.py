"""aiortc spoken over the WebSocket protocol: an independent WebRTC implementation that decodes.

The ORTC parameters of the protocol become session descriptions for an `RTCPeerConnection`, as
`mediasoup-client`'s handlers do it in a browser: publishing makes an offer and invents the SFU's
answer, consuming invents the SFU's offer and answers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceCandidate, RTCIceParameters
from aiortc.rtcrtpparameters import (
    RTCRtcpFeedback,
    RTCRtpCodecCapability,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
)
from aiortc.sdp import (
    GroupDescription,
    MediaDescription,
    SessionDescription,
    SsrcDescription,
)

from tests.support.signaling import SignalingClient

JsonObject = dict[str, Any]
DtlsRole = Literal["client", "server"]

PROFILE = "UDP/TLS/RTP/SAVPF"
H264_PROFILE = "42e01f"


class AiortcPeer:
    """Somebody in a room who really encodes and decodes.

    Attributes:
        signaling: The protocol, for whatever else a test wants to say.
    """

    def __init__(self, signaling: SignalingClient, joined: JsonObject) -> None:
        self.signaling = signaling
        self._rtp_capabilities = joined["rtpCapabilities"]
        self._connections: list[RTCPeerConnection] = []

    @classmethod
    async def join(cls, url: str, room_id: str, peer_id: str, *, is_teacher: bool) -> Self:
        """Open a connection and join a room."""
        signaling = await SignalingClient.connect(url)
        who = {"roomId": room_id, "peerId": peer_id, "name": peer_id, "isTeacher": is_teacher}
        return cls(signaling, await signaling.request("join", who))

    async def publish(
        self,
        tracks: Sequence[MediaStreamTrack],
        *,
        video_mime_type: str = "video/VP8",
        dtls_role: DtlsRole = "client",
    ) -> list[str]:
        """Send tracks over a new transport and return their producers' ids.

        Args:
            tracks: At most one of each kind.
            video_mime_type: How to encode a picture.
            dtls_role: Ours; `server` makes the SFU the DTLS client.
        """
        connection = self._open_connection()
        for track in tracks:
            transceiver = connection.addTransceiver(track, direction="sendonly")
            wanted = video_mime_type if track.kind == "video" else "audio/opus"
            transceiver.setCodecPreferences(_preferences(track.kind, wanted))
        await connection.setLocalDescription(await connection.createOffer())
        offer = SessionDescription.parse(connection.localDescription.sdp)

        transport = await self.signaling.request("createTransport", {"direction": "send"})
        await self._connect_transport("send", dtls_role, offer)
        sfu_role: DtlsRole = "server" if dtls_role == "client" else "client"
        answer = _describe_sfu(transport, sfu_role, [_accepting(media) for media in offer.media])
        await connection.setRemoteDescription(RTCSessionDescription(str(answer), "answer"))

        producer_ids = []
        for media in offer.media:
            produced = await self.signaling.request(
                "produce", {"kind": media.kind, "rtpParameters": _rtp_parameters(media)}
            )
            producer_ids.append(produced["producerId"])
        return producer_ids

    async def consume(self, producer_ids: Sequence[str]) -> list[MediaStreamTrack]:
        """Receive producers over a new transport and return their tracks, in the same order."""
        transport = await self.signaling.request("createTransport", {"direction": "recv"})
        consumers = [
            await self.signaling.request(
                "consume",
                {"producerId": producer_id, "rtpCapabilities": self._rtp_capabilities},
            )
            for producer_id in producer_ids
        ]
        offer = _describe_sfu(transport, "auto", [_offering(consumer) for consumer in consumers])
        connection = self._open_connection()
        await connection.setRemoteDescription(RTCSessionDescription(str(offer), "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        answer = SessionDescription.parse(connection.localDescription.sdp)
        await self._connect_transport("recv", "client", answer)
        for consumer in consumers:
            await self.signaling.request("resumeConsumer", {"consumerId": consumer["consumerId"]})
        return [transceiver.receiver.track for transceiver in connection.getTransceivers()]

    async def leave(self) -> None:
        """Close everything."""
        for connection in self._connections:
            await connection.close()
        await self.signaling.close()

    def _open_connection(self) -> RTCPeerConnection:
        # No ICE servers: the default would ask a STUN server on the internet.
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connections.append(connection)
        return connection

    async def _connect_transport(
        self, direction: str, role: DtlsRole, local: SessionDescription
    ) -> None:
        dtls = local.media[0].dtls
        assert dtls is not None, "aiortc describes its DTLS end"
        fingerprints = [{"algorithm": f.algorithm, "value": f.value} for f in dtls.fingerprints]
        await self.signaling.request(
            "connectTransport",
            {
                "direction": direction,
                "dtlsParameters": {"role": role, "fingerprints": fingerprints},
            },
        )


def _preferences(kind: str, mime_type: str) -> list[RTCRtpCodecCapability]:
    """What of aiortc's capabilities the router knows too, of one codec, with retransmission."""
    return [
        codec
        for codec in RTCRtpSender.getCapabilities(kind).codecs
        if codec.mimeType in (mime_type, "video/rtx")
        and codec.parameters.get("profile-level-id", H264_PROFILE) == H264_PROFILE
    ]


def _describe_sfu(
    transport: JsonObject, role: str, sections: Sequence[MediaDescription]
) -> SessionDescription:
    """The SFU's session description: the given media sections over one ICE-lite transport."""
    description = SessionDescription()
    description.origin = "- 1 1 IN IP4 127.0.0.1"
    description.media = list(sections)
    mids: list[int | str] = [section.rtp.muxId for section in sections]
    description.group.append(GroupDescription(semantic="BUNDLE", items=mids))
    ice = transport["iceParameters"]
    for section in sections:
        section.rtcp_mux = True
        section.ice = RTCIceParameters(ice["usernameFragment"], ice["password"], iceLite=True)
        section.ice_candidates = [
            RTCIceCandidate(
                component=1,
                foundation=candidate["foundation"],
                ip=candidate["ip"],
                port=candidate["port"],
                priority=candidate["priority"],
                protocol=candidate["protocol"],
                type=candidate["type"],
            )
            for candidate in transport["iceCandidates"]
        ]
        section.ice_candidates_complete = True
        section.dtls = RTCDtlsParameters(
            [
                RTCDtlsFingerprint(f["algorithm"], f["value"])
                for f in transport["dtlsParameters"]["fingerprints"]
            ],
            role,
        )
    return description


def _accepting(offered: MediaDescription) -> MediaDescription:
    """The SFU's media section that takes all that was offered."""
    section = MediaDescription(offered.kind, offered.port, PROFILE, offered.fmt)
    section.direction = "recvonly"
    section.rtp = offered.rtp
    section.rtcp_port = offered.rtcp_port
    return section


def _offering(consumer: JsonObject) -> MediaDescription:
    """The SFU's media section that sends one consumer."""
    parameters = consumer["rtpParameters"]
    codecs = [_codec_from_json(codec) for codec in parameters["codecs"]]
    section = MediaDescription(consumer["kind"], 9, PROFILE, [c.payloadType for c in codecs])
    section.direction = "sendonly"
    section.rtcp_port = 9
    section.rtp = RTCRtpParameters(
        codecs=codecs,
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=extension["id"], uri=extension["uri"])
            for extension in parameters["headerExtensions"]
        ],
        muxId=parameters["mid"],
    )
    encoding = parameters["encodings"][0]
    ssrcs = [encoding["ssrc"]]
    if "rtx" in encoding:
        ssrcs.append(encoding["rtx"]["ssrc"])
        section.ssrc_group = [GroupDescription(semantic="FID", items=list(ssrcs))]
    section.ssrc = [SsrcDescription(ssrc, parameters["rtcp"]["cname"]) for ssrc in ssrcs]
    return section


def _codec_from_json(codec: JsonObject) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(
        mimeType=codec["mimeType"],
        clockRate=codec["clockRate"],
        channels=codec.get("channels"),
        payloadType=codec["payloadType"],
        rtcpFeedback=[
            RTCRtcpFeedback(feedback["type"], feedback["parameter"] or None)
            for feedback in codec["rtcpFeedback"]
        ],
        parameters=codec["parameters"],
    )


def _rtp_parameters(media: MediaDescription) -> JsonObject:
    """The RtpParameters of one of our media sections, for `produce`."""
    encoding: JsonObject = {"ssrc": media.ssrc[0].ssrc}
    if len(media.ssrc) > 1:
        encoding["rtx"] = {"ssrc": media.ssrc[1].ssrc}
    return {
        "mid": media.rtp.muxId,
        "codecs": [_codec_to_json(codec) for codec in media.rtp.codecs],
        "headerExtensions": [
            {"uri": extension.uri, "id": extension.id, "encrypt": False, "parameters": {}}
            for extension in media.rtp.headerExtensions
        ],
        "encodings": [encoding],
        "rtcp": {"cname": media.ssrc[0].cname, "reducedSize": True},
    }


def _codec_to_json(codec: RTCRtpCodecParameters) -> JsonObject:
    json_codec: JsonObject = {
        "mimeType": codec.mimeType,
        "payloadType": codec.payloadType,
        "clockRate": codec.clockRate,
        "parameters": {
            name: int(value) if isinstance(value, str) and value.isdecimal() else value
            for name, value in codec.parameters.items()
        },
        "rtcpFeedback": [
            {"type": feedback.type, "parameter": feedback.parameter or ""}
            for feedback in codec.rtcpFeedback
        ],
    }
    if codec.channels is not None:
        json_codec["channels"] = codec.channels
    return json_codec
