"""All that differs between operating systems, behind the same few functions."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar.net import packet_info
from sidecar.net.packet_info import source_option

if TYPE_CHECKING:
    from sidecar.net.datagrams import Receiver
    from sidecar.net.interfaces import InterfaceAddress
    from sidecar.net.linux import MessageTable
    from sidecar.net.packet_memory import PacketMemory

IS_WINDOWS: Final = sys.platform == "win32"

IS_LINUX: Final = sys.platform == "linux"

PACKET_INFO: Final = {
    "linux": packet_info.LINUX,
    "darwin": packet_info.MACOS,
    "win32": packet_info.WINDOWS,
}.get(sys.platform)
"""How the system says to which of our addresses a datagram came; None if it doesn't."""

_UDP_SEGMENT: Final = 103  # linux/udp.h; Python has no name for it
_UDP_MAX_SEGMENTS: Final = 64
_SEGMENT_SIZE: Final = struct.Struct("=H")

_UP_AND_RUNNING: Final = 0x1 | 0x40
"""IFF_UP and IFF_RUNNING, on Linux and macOS alike (net/if.h)."""

OPEN_FILES: Final = 4096
"""How many a process may want to have open, its sockets included."""

_WINDOWS_SELECT_SOCKETS: Final = 512
"""What Python's ``select`` takes there (FD_SETSIZE); one more is an exception out of the loop."""

_OTHER_FILES: Final = 64
"""Beside WebSocket connections: listeners, UDP, logs, what the loop and Python itself need."""

_FILES_PER_WORKER: Final = 4
"""The pipes to another process, also while it is starting or ending."""

_OTHER_WATCHED_SOCKETS: Final = 32
"""Of those, the sockets that the loop waits for."""

SOCKET_BUFFER_BYTES: Final = 2 * 1024 * 1024
"""A key frame to a full class is some 50 students x 60 packets x 1.2 kB in one burst."""


def _fine_clock() -> Callable[[], int]:
    return time.perf_counter_ns if IS_WINDOWS else time.monotonic_ns


def _clock_that_never_sleeps() -> Callable[[], int]:
    if sys.platform == "linux":
        clock = time.CLOCK_BOOTTIME
    elif sys.platform == "darwin":
        clock = time.CLOCK_MONOTONIC  # Python's own one is another, which stops
    else:
        return time.perf_counter_ns
    return lambda: time.clock_gettime_ns(clock)


monotonic_ns: Final = _fine_clock()
"""The clock of all media, in nanoseconds. Before Python 3.13 ``time.monotonic_ns`` moves in steps
of 15.6 ms on Windows; the performance counter does not."""


elapsed_ns: Final = _clock_that_never_sleeps()
"""A monotonic clock in nanoseconds that runs on while the computer sleeps. `monotonic_ns` does not
everywhere; the two cannot be compared."""


class FineEventLoop(asyncio.SelectorEventLoop):
    """An event loop that keeps its timers by the performance counter.

    What asyncio takes moves in steps of 15.6 ms on Windows before Python 3.13: a timer that is due
    within such a step fires at once, and again and again until the step is over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._clock_resolution = time.get_clock_info("perf_counter").resolution

    def time(self) -> float:
        """The time in seconds (monotonic)."""
        return time.perf_counter()


def event_loop_factory() -> asyncio.AbstractEventLoop:
    """Makes the event loop: selectors everywhere.

    The proactor loop of Windows stops a datagram endpoint's reading after an ICMP error, and has
    no ``add_reader``.
    """
    return FineEventLoop() if IS_WINDOWS else asyncio.SelectorEventLoop()


def raise_file_limit() -> int | None:
    """Has the system let this process open more files, as far as it may decide that itself.

    Returns:
        How many it may open now; None if nothing but memory limits them.
    """
    if IS_WINDOWS:
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def watched_sockets() -> int | None:
    """How many sockets the event loop can wait for; None if as many as there may be files."""
    return _WINDOWS_SELECT_SOCKETS if IS_WINDOWS else None


def connection_capacity(
    open_files: int | None, watched: int | None, *, workers: int, accepting: int
) -> int | None:
    """How many connections a process can hold besides everything else; at least one.

    Args:
        open_files: See `raise_file_limit`.
        watched: See `watched_sockets`.
        workers: How many further processes there may be.
        accepting: How many sockets may be open that are no connections yet, or no longer.

    Returns:
        None if nothing limits them.
    """
    rooms = []
    if open_files is not None:
        rooms.append(open_files - _OTHER_FILES - _FILES_PER_WORKER * workers - accepting)
    if watched is not None:
        rooms.append(watched - _OTHER_WATCHED_SOCKETS)
    return max(1, min(rooms)) if rooms else None


def configure_media_socket(media_socket: socket.socket) -> int:
    """Makes a UDP socket fit for media: non-blocking, large buffers, deaf to ICMP errors.

    Returns:
        The size of its smaller buffer in bytes: the system may grant less than was asked for.
    """
    media_socket.setblocking(False)
    granted_bytes = min(
        _enlarge(media_socket, option) for option in (socket.SO_RCVBUF, socket.SO_SNDBUF)
    )
    if IS_WINDOWS:
        from sidecar.net.windows import ignore_port_unreachable

        ignore_port_unreachable(media_socket)
    return granted_bytes


def _enlarge(udp_socket: socket.socket, option: int) -> int:
    with suppress(OSError):  # macOS refuses what Linux cuts down
        udp_socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    size_bytes = udp_socket.getsockopt(socket.SOL_SOCKET, option)
    # Linux counts its own book-keeping as well, and says twice of what it grants (socket(7)).
    return size_bytes // 2 if IS_LINUX else size_bytes


def max_segments(udp_socket: socket.socket) -> int:
    """How many datagrams the system makes out of one send, 1 if it can't.

    Linux has UDP_SEGMENT since 4.18 (udp(7)), Windows has UDP_SEND_MSG_SIZE since 10 version 2004.
    macOS has nothing of the kind.
    """
    if IS_LINUX:
        option = _UDP_SEGMENT
    elif IS_WINDOWS:
        from sidecar.net.windows import UDP_SEND_MSG_SIZE

        option = UDP_SEND_MSG_SIZE
    else:
        return 1
    try:
        udp_socket.getsockopt(socket.IPPROTO_UDP, option)
    except OSError:
        return 1
    return _UDP_MAX_SEGMENTS


def ask_for_local_addresses(udp_socket: socket.socket) -> None:
    """Has the system say of each datagram to which of our addresses it came, if it can.

    To be called before it is bound: what has arrived by then says nothing.
    """
    if PACKET_INFO is None:
        return
    for level, option in PACKET_INFO.asking_options(udp_socket.family):
        with suppress(OSError):
            udp_socket.setsockopt(level, option, 1)


def tells_local_addresses(udp_socket: socket.socket) -> bool:
    """Whether `ask_for_local_addresses` was called, and has had an effect."""
    if PACKET_INFO is None:
        return False
    try:
        return any(
            udp_socket.getsockopt(level, option)
            for level, option in PACKET_INFO.asking_options(udp_socket.family)
        )
    except OSError:
        return False


def send_segments(
    udp_socket: socket.socket,
    buffers: Sequence[bytes | memoryview],
    segment_bytes: int,
    address: tuple[Any, ...],
    local: str = "",
) -> None:
    """Sends datagrams by one call: a single one, or several where `max_segments` is more than 1.

    Args:
        udp_socket: Where.
        buffers: Their bytes, one behind the other, at most 65,507 of them.
        segment_bytes: The size of each, of which the last one may be shorter; 0 for a single one.
        address: Where to, as the socket says it.
        local: From which of our addresses, see `sidecar.net.ice.Path`; empty for that which the
            system chooses.

    Raises:
        OSError: The system refuses, or has no room.
    """
    if IS_WINDOWS:
        if local:
            from sidecar.net.windows_messages import send_from

            send_from(udp_socket, buffers, segment_bytes, address, local)
            return
        from sidecar.net.windows import send_in_messages

        send_in_messages(udp_socket, buffers, segment_bytes, address)
        return
    options = []
    if segment_bytes:
        options.append((socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT_SIZE.pack(segment_bytes)))
    if local and PACKET_INFO is not None:
        options.append(source_option(PACKET_INFO, local))
    udp_socket.sendmsg(buffers, options, 0, address)


def message_table(udp_socket: socket.socket, memory: PacketMemory) -> MessageTable | None:
    """What sends copies of packets to several addresses by one call, None where nothing does.

    Linux has sendmmsg since 3.0.
    """
    if not IS_LINUX:
        return None
    from sidecar.net.linux import MessageTable

    try:
        return MessageTable(udp_socket, memory, segment_option=_UDP_SEGMENT)
    except AttributeError:  # not this C library
        return None


def overflowed_datagrams(port: int) -> int | None:
    """How many datagrams the system has lost because a UDP port's buffer was full.

    None where the system won't tell.
    """
    if not IS_LINUX:
        return None
    from sidecar.net.linux import udp_drops

    return udp_drops(port)


def message_receiver(udp_socket: socket.socket) -> Receiver | None:
    """What takes several datagrams by one call, or knows where they came to; None if nothing does.

    Linux has recvmmsg since 2.6.33.
    """
    if IS_WINDOWS:
        return _windows_receiver(udp_socket) if tells_local_addresses(udp_socket) else None
    if not IS_LINUX:
        from sidecar.net.ancillary import AncillaryReceiver

        if PACKET_INFO is None or not tells_local_addresses(udp_socket):
            return None
        return AncillaryReceiver(udp_socket, PACKET_INFO)
    from sidecar.net.linux import MessageReceiver

    try:
        return MessageReceiver(udp_socket)
    except AttributeError:  # not this C library
        return None


def _windows_receiver(udp_socket: socket.socket) -> Receiver | None:
    from sidecar.net.windows_messages import MessageReceiver

    try:
        return MessageReceiver(udp_socket)
    except (OSError, AttributeError):
        return None


def interface_addresses() -> list[InterfaceAddress]:
    """All addresses of this machine, and what the system tells of them."""
    with suppress(OSError):  # it may not be permitted to ask
        if IS_LINUX:
            from sidecar.net import netlink

            return netlink.interface_addresses()
        if IS_WINDOWS:
            from sidecar.net import windows_adapters

            return windows_adapters.interface_addresses()
    from sidecar.net.interfaces import portable_addresses

    return portable_addresses(_is_running)


def network_changes() -> socket.socket | None:
    """What becomes readable when addresses, routes or cables have changed.

    What is read from it means nothing. None where the system has nothing of the kind.
    """
    if not IS_LINUX:
        return None
    from sidecar.net.netlink import open_change_feed

    try:
        return open_change_feed()
    except OSError:
        return None


def _is_running(interface: str) -> bool:
    """Whether an interface is switched on and connected (netdevice(7), netintro(4))."""
    get_flags = {"linux": 0x8913, "darwin": 0xC0206911}.get(sys.platform)
    if get_flags is None:
        return True
    import fcntl

    request = struct.pack("16sH14x", interface.encode()[:15], 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, suppress(OSError):
        flags: int = struct.unpack("16sH14x", fcntl.ioctl(any_socket, get_flags, request))[1]
        return flags & _UP_AND_RUNNING == _UP_AND_RUNNING
    return True


def on_stop_signal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Calls `stop` in the loop for SIGINT and SIGTERM; on Windows for Ctrl-C and Ctrl-Break."""
    if not IS_WINDOWS:
        loop.add_signal_handler(signal.SIGINT, stop)
        loop.add_signal_handler(signal.SIGTERM, stop)
        return
    from sidecar.net.windows import wake_on_signal

    wake_on_signal(loop)
    ctrl_break = getattr(signal, "SIGBREAK")  # noqa: B009 - absent elsewhere
    for number in (signal.SIGINT, ctrl_break):
        signal.signal(number, lambda *_arguments: loop.call_soon_threadsafe(stop))


def ignore_stop_signals() -> None:
    """Has this process live on when Ctrl-C, or who stops a service, means the whole group."""
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


def background_process_flags() -> int:
    """The creation flags of a child process that nobody is to see: no window on Windows."""
    return getattr(subprocess, "CREATE_NO_WINDOW", 0)


class InputKind(Enum):
    """What an input stream is."""

    TERMINAL = "terminal"
    PIPE = "pipe"
    OTHER = "other"


def input_kind(descriptor: int) -> InputKind:
    """Tells what a descriptor reads from; a socket counts as a pipe.

    To be asked before anybody reads: on Windows it would wait for a read that is under way.
    """
    if IS_WINDOWS:
        from sidecar.net.windows import FILE_TYPE_PIPE, file_type, is_console

        if is_console(descriptor):
            return InputKind.TERMINAL
        is_pipe = file_type(descriptor) == FILE_TYPE_PIPE
        return InputKind.PIPE if is_pipe else InputKind.OTHER
    if os.isatty(descriptor):
        return InputKind.TERMINAL
    mode = os.fstat(descriptor).st_mode
    return InputKind.PIPE if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else InputKind.OTHER


def resident_memory_bytes() -> int | None:
    """How much memory this process occupies; at most has occupied, where that is all one gets.

    None where the system won't tell.
    """
    try:
        if IS_WINDOWS:
            from sidecar.net.windows import working_set_bytes

            return working_set_bytes()
        statm = Path("/proc/self/statm")
        if statm.exists():
            return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def lock_file(descriptor: int) -> bool:
    """Locks an open file for as long as it is open; False if another one has it locked.

    Its contents can be read all the same.
    """
    try:
        if IS_WINDOWS:
            from sidecar.net.windows import lock

            lock(descriptor)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
