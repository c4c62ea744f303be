"""Media with something to recognise in it after encoding, forwarding and decoding.

The picture shows its own number as black and white blocks; the sound is one sine.
"""

from __future__ import annotations

import array
import asyncio
import fractions
import math
import zlib

from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame

WIDTH, HEIGHT = 320, 240
COLUMNS, ROWS = 8, 3
BLOCK_WIDTH, BLOCK_HEIGHT = WIDTH // COLUMNS, HEIGHT // ROWS
NUMBER_BITS, CHECK_BITS = 16, 8
BLACK, WHITE, GREY = 16, 235, 128
FRAMES_PER_SECOND = 15
VIDEO_CLOCK_RATE = 90_000

SAMPLE_RATE = 48_000
SAMPLES_PER_FRAME = 960
AMPLITUDE = 8000


def paint_number(number: int) -> VideoFrame:
    """Make a picture of a 16-bit number."""
    word = number << CHECK_BITS | _check(number)
    rows = []
    for row in range(ROWS):
        bits = [word >> (row * COLUMNS + column) & 1 for column in range(COLUMNS)]
        line = b"".join(bytes([WHITE if bit else BLACK]) * BLOCK_WIDTH for bit in bits)
        rows.append(line * BLOCK_HEIGHT)
    frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma, *chroma = frame.planes
    luma.update(b"".join(rows))
    for plane in chroma:
        plane.update(bytes([GREY]) * plane.buffer_size)
    return frame


def read_number(frame: VideoFrame) -> int | None:
    """Read the number off a picture; None where the picture is damaged."""
    luma = frame.planes[0]
    pixels, stride = bytes(luma), luma.line_size
    word = 0
    for index in range(ROWS * COLUMNS):
        row, column = divmod(index, COLUMNS)
        word |= _is_white(pixels, stride, row, column) << index
    number = word >> CHECK_BITS
    return number if word & (1 << CHECK_BITS) - 1 == _check(number) else None


def _is_white(pixels: bytes, stride: int, row: int, column: int) -> bool:
    """Judge a block by its middle, away from the blur of the edges."""
    x = column * BLOCK_WIDTH + BLOCK_WIDTH // 4
    y = row * BLOCK_HEIGHT + BLOCK_HEIGHT // 2
    middle = pixels[y * stride + x : y * stride + x + BLOCK_WIDTH // 2]
    return sum(middle) > len(middle) * (BLACK + WHITE) // 2


def _check(number: int) -> int:
    return zlib.crc32(number.to_bytes(2, "big")) & (1 << CHECK_BITS) - 1


class PaintedVideoTrack(MediaStreamTrack):
    """Numbered pictures, from 0 on.

    Attributes:
        frames: How many were taken so far.
    """

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.frames = 0
        self._started_s = 0.0

    async def recv(self) -> VideoFrame:
        """Wait until the next picture is due and return it."""
        loop = asyncio.get_running_loop()
        if self.frames == 0:
            self._started_s = loop.time()
        due_s = self._started_s + self.frames / FRAMES_PER_SECOND
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        frame = paint_number(self.frames & 0xFFFF)
        frame.pts = self.frames * VIDEO_CLOCK_RATE // FRAMES_PER_SECOND
        frame.time_base = fractions.Fraction(1, VIDEO_CLOCK_RATE)
        self.frames += 1
        return frame


class SineTrack(MediaStreamTrack):
    """A sine of one frequency on both channels."""

    kind = "audio"

    def __init__(self, frequency_hz: int) -> None:
        super().__init__()
        self._frequency_hz = frequency_hz
        self._samples = 0
        self._started_s = 0.0

    async def recv(self) -> AudioFrame:
        """Wait until the next 20 ms are due and return them."""
        loop = asyncio.get_running_loop()
        if self._samples == 0:
            self._started_s = loop.time()
        await asyncio.sleep(max(0.0, self._started_s + self._samples / SAMPLE_RATE - loop.time()))
        step = 2 * math.pi * self._frequency_hz / SAMPLE_RATE
        interleaved = array.array("h")
        for index in range(self._samples, self._samples + SAMPLES_PER_FRAME):
            sample = int(AMPLITUDE * math.sin(step * index))
            interleaved.extend((sample, sample))
        frame = AudioFrame(format="s16", layout="stereo", samples=SAMPLES_PER_FRAME)
        frame.planes[0].update(interleaved.tobytes())
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._samples
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        self._samples += SAMPLES_PER_FRAME
        return frame


def left_channel(frames: list[AudioFrame]) -> list[int]:
    """The left channel of decoded s16 stereo frames, one after the other."""
    samples: list[int] = []
    for frame in frames:
        interleaved = array.array("h", bytes(frame.planes[0])[: frame.samples * 4])
        samples.extend(interleaved[::2])
    return samples


def tone_share(samples: list[int], frequency_hz: int) -> float:
    """Which part of the energy lies at one frequency: 1 for a pure sine, near 0 without it."""
    step = 2 * math.pi * frequency_hz / SAMPLE_RATE
    cosine = sum(sample * math.cos(step * i) for i, sample in enumerate(samples))
    sine = sum(sample * math.sin(step * i) for i, sample in enumerate(samples))
    energy = sum(sample * sample for sample in samples)
    return 2 * (cosine**2 + sine**2) / (len(samples) * energy) if energy else 0.0
