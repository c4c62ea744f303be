"""Closes a window of an X display as a window manager does when somebody clicks on the cross.

    python -m tests.support.close_window NAME

A program of its own: Xlib ends the process in which something goes wrong.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p

CLIENT_MESSAGE = 33


class ClientMessage(ctypes.Structure):
    """``XClientMessageEvent``, at the length of an ``XEvent``."""

    _fields_ = (
        ("type", c_int),
        ("serial", c_ulong),
        ("send_event", c_int),
        ("display", c_void_p),
        ("window", c_ulong),
        ("message_type", c_ulong),
        ("format", c_int),
        ("data", c_long * 5),
        ("padding", c_long * 12),
    )


def _load() -> ctypes.CDLL:
    x11 = ctypes.CDLL("libX11.so.6")
    window, display = c_ulong, c_void_p
    x11.XOpenDisplay.argtypes = (c_char_p,)
    x11.XOpenDisplay.restype = display
    x11.XDefaultRootWindow.argtypes = (display,)
    x11.XDefaultRootWindow.restype = window
    x11.XQueryTree.argtypes = (
        display,
        window,
        POINTER(window),
        POINTER(window),
        POINTER(POINTER(window)),
        POINTER(c_uint),
    )
    x11.XFetchName.argtypes = (display, window, POINTER(c_char_p))
    x11.XInternAtom.argtypes = (display, c_char_p, c_int)
    x11.XInternAtom.restype = c_ulong
    x11.XSendEvent.argtypes = (display, window, c_int, c_long, POINTER(ClientMessage))
    x11.XCloseDisplay.argtypes = (display,)
    return x11


def main(name: str) -> int:
    """Close the window of that name; returns 1 if there is none."""
    x11 = _load()
    display = x11.XOpenDisplay(None)
    if not display:
        raise SystemExit("there is no X display")
    window = next((each for each in _windows(x11, display) if _name(x11, display, each) == name), 0)
    if window:
        # ICCCM section 4.2.8.1
        message = ClientMessage(
            type=CLIENT_MESSAGE,
            window=window,
            message_type=x11.XInternAtom(display, b"WM_PROTOCOLS", False),
            format=32,
        )
        message.data[0] = x11.XInternAtom(display, b"WM_DELETE_WINDOW", False)
        x11.XSendEvent(display, window, False, 0, byref(message))
    x11.XCloseDisplay(display)
    return 0 if window else 1


def _windows(x11: ctypes.CDLL, display: int) -> list[int]:
    """The windows on the display. Without a window manager nothing is around them."""
    root, parent, count = c_ulong(), c_ulong(), c_uint()
    children = POINTER(c_ulong)()
    of = x11.XDefaultRootWindow(display)
    x11.XQueryTree(display, of, byref(root), byref(parent), byref(children), byref(count))
    return children[: count.value]


def _name(x11: ctypes.CDLL, display: int, window: int) -> str:
    name = c_char_p()
    x11.XFetchName(display, window, byref(name))
    return (name.value or b"").decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
