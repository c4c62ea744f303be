"""What must not grow, measured whenever the class is as it was at the start."""

from __future__ import annotations

from typing import NamedTuple, Self

from scripts.soaking.errors import SoakError
from scripts.soaking.sidecar import Sidecar

ALLOWED_GROWTH_BYTES = 8 << 20
"""Of memory, after the first rounds have filled pools and caches."""

MAX_STRAY_STREAMS = 32
"""SSRCs that a link may remember although nobody has them any more, see `sidecar.net`."""


class Sample(NamedTuple):
    """The program at one moment at which the class is as it was at the start.

    Attributes:
        memory_bytes: Resident.
        open_files: Descriptors.
        tasks: Of its event loop.
        srtp_streams: That its SRTP sessions know.
        transports: Over all peers.
        producers: Likewise.
        consumers: Likewise.
    """

    memory_bytes: int
    open_files: int
    tasks: int
    srtp_streams: int
    transports: int
    producers: int
    consumers: int

    @classmethod
    async def take(cls, sidecar: Sidecar) -> Self:
        """Ask the program and the system."""
        status = await sidecar.status()
        process, totals = status["process"], status["totals"]
        peers = [peer for room in status["rooms"] for peer in room["peers"]]
        return cls(
            memory_bytes=process["memoryBytes"],
            open_files=sidecar.open_files(),
            tasks=process["tasks"],
            srtp_streams=process["srtpStreams"],
            transports=sum(len(peer["transports"]) for peer in peers),
            producers=totals["producers"],
            consumers=totals["consumers"],
        )


def is_as_before(sample: Sample, first: Sample) -> bool:
    """Whether all that can be counted is what it was, strays aside."""
    strays = sample.srtp_streams - first.srtp_streams
    counted = sample._replace(memory_bytes=first.memory_bytes, srtp_streams=first.srtp_streams)
    return counted == first and 0 <= strays <= MAX_STRAY_STREAMS


def require_flat(samples: list[Sample]) -> None:
    """Look whether anything has grown.

    Args:
        samples: In the order of time; the first half of them is for memory to settle.

    Raises:
        SoakError: Something has.
    """
    first = samples[0]
    for number, sample in enumerate(samples):
        if not is_as_before(sample, first):
            raise SoakError(f"round {number} left something behind: {sample}, at first {first}")
    half = (len(samples) + 1) // 2
    settled = max(sample.memory_bytes for sample in samples[:half])
    latest = max((sample.memory_bytes for sample in samples[half:]), default=settled)
    if latest - settled > ALLOWED_GROWTH_BYTES:
        raise SoakError(
            f"memory grew from {settled >> 20} to {latest >> 20} MiB: "
            f"{[sample.memory_bytes >> 20 for sample in samples]}"
        )
