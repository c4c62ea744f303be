"""Media that looks like a browser's to anything that does not decode it."""

from __future__ import annotations

import random
from dataclasses import dataclass

PAYLOAD_BYTES = 1100
KEY_FRAME_FACTOR = 6

# NAL unit types of RFC 6184.
_NAL_IDR = 5
_NAL_NON_IDR = 1
_STAP_A = 24
_FU_A = 28
_NRI = 0x60
_SPS = bytes.fromhex("6742e01f8c8d40280f6400")
_PPS = bytes.fromhex("68ce3c80")


def parameter_sets() -> bytes:
    """A STAP-A with SPS and PPS, as it precedes every key frame (RFC 6184 section 5.7.1)."""
    units = (_SPS, _PPS)
    return bytes([_NRI | _STAP_A]) + b"".join(len(u).to_bytes(2, "big") + u for u in units)


def fragment(nal_type: int, body: bytes) -> list[bytes]:
    """Split a NAL unit into FU-A payloads (RFC 6184 section 5.8), about equally as Chromium does.

    Their sizes differ by one byte at most, and the larger ones come last.
    """
    count = -(-len(body) // PAYLOAD_BYTES)
    ends = [(number + 1) * len(body) // count for number in range(count)]
    chunks = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    payloads = []
    for index, chunk in enumerate(chunks):
        start = 0x80 if index == 0 else 0
        end = 0x40 if index == len(chunks) - 1 else 0
        payloads.append(bytes([_NRI | _FU_A, start | end | nal_type]) + chunk)
    return payloads


@dataclass(slots=True)
class H264Source:
    """Frames with the structure and the sizes of a screen share; the slices are noise.

    Attributes:
        bitrate_bps: Mean rate of the delta frames; a key frame is `KEY_FRAME_FACTOR` times one.
        frames_per_second: Of a clock that never skips.
        seed: For sizes and bytes.
        key_frame_wanted: Set to make the next frame a key frame; the first one always is.
        key_frames: Made so far.
        frames: Made so far, key frames included.
    """

    bitrate_bps: int = 1_200_000
    frames_per_second: int = 30
    seed: int = 1
    key_frame_wanted: bool = True
    key_frames: int = 0
    frames: int = 0

    def next_frame(self) -> list[bytes]:
        """The payloads of the next frame, the parameter sets first where it is a key frame."""
        # One seed per frame: the same frame whatever has been asked for before it.
        generator = random.Random(f"{self.seed}/{self.frames}")
        self.frames += 1
        size_bytes = self.bitrate_bps // (8 * self.frames_per_second)
        size_bytes = max(40, int(size_bytes * generator.uniform(0.6, 1.4)))
        if not self.key_frame_wanted:
            return fragment(_NAL_NON_IDR, generator.randbytes(size_bytes))
        self.key_frame_wanted = False
        self.key_frames += 1
        slices = fragment(_NAL_IDR, generator.randbytes(size_bytes * KEY_FRAME_FACTOR))
        return [parameter_sets(), *slices]


def opus_packet(generator: random.Random) -> bytes:
    """Twenty milliseconds of stereo at about 32 kbit/s; TOC of RFC 6716 section 3.1, then noise."""
    return b"\xfc" + generator.randbytes(generator.randrange(70, 90))
