"""Whatever a peer sends, decrypted, nobody else notices and nothing is raised."""

from __future__ import annotations

from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.rtp.header_extensions import build_extension_block
from sidecar.rtp.packet import build_rtp
from sidecar.rtp.rtcp import (
    Bye,
    FirEntry,
    FullIntraRequest,
    GenericNack,
    PictureLossIndication,
    ReceiverEstimatedMaxBitrate,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
)
from tests.fuzz.mutations import mutated
from tests.unit.sfu import media
from tests.unit.sfu.support import MS, Peer, S, Stage

MAX_PROTECTABLE_BYTES: Final = 1500 - 148
"""What libsrtp's binding can encrypt: its buffer without the room for SRTCP's trailer."""

u8 = st.integers(0, 2**8 - 1)
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)

KNOWN_SSRCS: Final = (media.VIDEO_SSRC, media.VIDEO_RTX_SSRC, media.AUDIO_SSRC, 4444)
ssrcs = st.one_of(st.sampled_from(KNOWN_SSRCS), u32)
sequence_numbers = st.one_of(st.integers(0, 40), st.integers(65_500, 65_535), u16)

elements = st.lists(st.tuples(st.integers(1, 15), st.binary(max_size=20)), max_size=4).map(
    build_extension_block
)
payloads = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([media.KEY_START, media.DELTA, b"", b"\x00\x05\x67", bytes(1400)]),
)
rtp_packets = st.builds(
    build_rtp,
    payload_type=st.sampled_from([media.H264, media.H264_RTX, media.OPUS, 35]),
    sequence_number=sequence_numbers,
    timestamp=u32,
    ssrc=ssrcs,
    payload=payloads,
    marker=st.booleans(),
    extensions=elements,
    padding_bytes=st.integers(0, 20),
)


def rtcp_packets(sent: int, received: list[int]) -> st.SearchStrategy[RtcpPacket]:
    """Feedback about streams that are there, and others."""
    media_ssrcs = st.one_of(st.just(sent), st.sampled_from(received), u32)
    blocks = st.builds(
        ReportBlock, media_ssrcs, u8, st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32
    )
    block_tuples = st.lists(blocks, max_size=3).map(tuple)
    ssrc_tuples = st.lists(media_ssrcs, max_size=3).map(tuple)
    ntp_timestamps = st.integers(0, 2**64 - 1)
    return st.one_of(
        st.builds(SenderReport, media_ssrcs, ntp_timestamps, u32, u32, u32, block_tuples),
        st.builds(ReceiverReport, u32, block_tuples),
        st.builds(GenericNack, u32, media_ssrcs, st.lists(u16, min_size=1, max_size=20).map(tuple)),
        st.builds(PictureLossIndication, u32, media_ssrcs),
        st.builds(
            FullIntraRequest,
            u32,
            st.lists(st.builds(FirEntry, media_ssrcs, u8), min_size=1, max_size=3).map(tuple),
        ),
        st.builds(ReceiverEstimatedMaxBitrate, u32, st.integers(0, 2**40), ssrc_tuples),
        st.builds(Bye, ssrc_tuples),
    )


class Classroom(Stage):
    """A teacher with video, a student who watches, and a troublemaker who talks and listens."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.student, self.troublemaker = (self.peer() for _ in range(3))
        video, audio = self.teacher.produces_video(), self.teacher.produces_audio()
        self.student.consumes(video)
        # Video as well, with RTX and NACK: the harder case; the policy is not of this layer.
        noise = self.troublemaker.produces_video()
        more_noise = self.troublemaker.produces_audio(media.audio(ssrc=4444))
        self.teacher.consumes(noise)
        self.teacher.consumes(more_noise)
        self.troublemakers = [self.troublemaker.consumes(each) for each in (video, audio)]
        self.sent = 0
        self.teach()

    def teach(self) -> None:
        """The lesson goes on: the student gets what the teacher sends, and nothing else."""
        self.teacher.sends(media.rtp(1000 + self.sent, media.KEY_START, timestamp=self.sent))
        self.sent += 1
        (packet,) = self.student.gets()
        assert packet.payload == media.KEY_START
        assert packet.payload_type == media.ROUTER_H264

    def check_output(self, peer: Peer) -> None:
        """All that is sent can be sent, and parsed."""
        for data in (*peer.link.rtp, *peer.link.rtcp):
            assert len(data) <= MAX_PROTECTABLE_BYTES
        peer.gets()
        peer.hears()

    def time_passes(self) -> None:
        """Everything that becomes due is done, and all go on living."""
        self.advance(1100 * MS)
        for peer in (self.teacher, self.troublemaker):
            self.check_output(peer)
        assert len(self.worker.transports) == 3
        self.student.hears()
        self.teach()


OWN_SSRCS: Final = [
    ssrc
    for consumer in Classroom().troublemakers
    for ssrc in (consumer.stream.ssrc, consumer.stream.rtx_ssrc)
    if ssrc is not None
]
"""What the troublemaker's consumers have: the same in every classroom."""


def send_rtp(packets: list[bytes]) -> None:
    classroom = Classroom()
    classroom.troublemaker.sends(*packets)
    classroom.time_passes()


def send_rtcp(compounds: list[bytes]) -> None:
    classroom = Classroom()
    for data in compounds:
        classroom.troublemaker.transport.receive_rtcp(data, classroom.now_ns)
        classroom.process()
    classroom.time_passes()


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_as_rtp(packets: list[bytes]) -> None:
    send_rtp(packets)


@given(st.lists(st.one_of(rtp_packets, mutated(rtp_packets)), max_size=12))
@example([media.rtp(1), media.rtp(1000, media.KEY_START), media.rtp(2, bytes(1480))])
def test_any_streams(packets: list[bytes]) -> None:
    send_rtp(packets)


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_any_bytes_as_rtcp(compounds: list[bytes]) -> None:
    send_rtcp(compounds)


@given(st.data())
def test_any_feedback(data: st.DataObject) -> None:
    packets = rtcp_packets(media.VIDEO_SSRC, OWN_SSRCS)
    compounds = st.lists(packets, min_size=1, max_size=4).map(
        lambda values: b"".join(value.to_bytes() for value in values)
    )
    send_rtcp(data.draw(st.lists(st.one_of(compounds, mutated(compounds)), max_size=4)))


@given(st.lists(rtp_packets, max_size=10), st.lists(st.binary(max_size=40), max_size=3))
def test_anything_before_the_connection(packets: list[bytes], compounds: list[bytes]) -> None:
    stage = Stage()
    peer = stage.peer(connected=False)
    peer.produces_video()
    peer.sends(*packets)
    for data in compounds:
        peer.transport.receive_rtcp(data, stage.now_ns)
    stage.advance(S)
    assert (peer.link.rtp, peer.link.rtcp) == ([], [])
