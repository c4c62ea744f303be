"""Results as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scripts.benchmark.result import Result

MIB = 1 << 20

COLUMNS: Sequence[tuple[str, Callable[[Result], str]]] = (
    ("server", lambda r: r.server),
    ("rooms", lambda r: str(r.scenario.rooms)),
    ("students", lambda r: str(r.scenario.students)),
    ("Mbit/s", lambda r: f"{r.scenario.bitrate_bps / 1e6:g}"),
    ("burst ms", lambda r: f"{r.scenario.burst_ms:g}"),
    ("SRTP", lambda r: r.scenario.srtp_profile),
    ("loss %", lambda r: f"{100 * r.scenario.loss:g}"),
    ("packets/s", lambda r: f"{r.cost.packets_per_second:,.0f}"),
    ("µs/packet", lambda r: f"{r.cost.us_per_packet:.2f}"),
    ("sendto µs", lambda r: f"{r.cost.sendto_us:.2f}"),
    ("ratio", lambda r: f"{r.cost.ratio:.2f}"),
    ("protect µs", lambda r: f"{r.cost.protect_us:.2f}"),
    ("core %", lambda r: f"{r.cost.core_percent:.1f}"),
    ("asked for again", lambda r: f"{r.nacked_packets:,}"),
    ("sent again", lambda r: f"{r.retransmitted_packets:,}"),
    ("delivered %", lambda r: f"{100 * r.delivered_ratio:.3f}"),
    ("p50 ms", lambda r: f"{r.latency.p50_ms:.2f}"),
    ("p99 ms", lambda r: f"{r.latency.p99_ms:.2f}"),
    ("max ms", lambda r: f"{r.latency.max_ms:.2f}"),
    ("RSS MiB", lambda r: f"{r.memory.rss_bytes / MIB:.0f}"),
    ("PSS MiB", lambda r: f"{r.memory.pss_bytes / MIB:.0f}"),
    ("all set up s", lambda r: f"{r.join.all_set_up_s:.2f}"),
    ("first packet ms", lambda r: f"{r.join.first_packet.max_ms:.0f}"),
    ("first picture p50 ms", lambda r: f"{r.join.first_picture.p50_ms:.0f}"),
    ("first picture ms", lambda r: f"{r.join.first_picture.max_ms:.0f}"),
    ("key frames asked for", lambda r: str(r.join.key_frame_requests)),
    ("joining max ms", lambda r: f"{r.join.latency.max_ms:.1f}" if r.join.latency.count else "-"),
    ("teacher core %", lambda r: f"{r.load_generator.teacher_core_percent:.0f}"),
    ("students core %", lambda r: f"{r.load_generator.students_core_percent:.0f}"),
    ("idle %", lambda r: f"{r.load_generator.machine_idle_percent:.0f}"),
)


def render(results: Sequence[Result]) -> str:
    """One line a figure, one column a result: there are more figures than fit in a line."""
    rows = [[name, *(value(result) for result in results)] for name, value in COLUMNS]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )
