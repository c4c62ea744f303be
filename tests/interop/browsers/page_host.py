"""Builds the test page and serves it to the browsers on this machine."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from tests.requirements import PAGE_FOLDER


def build_page(node: str) -> None:
    """Bundle the page into its ``dist`` folder.

    Args:
        node: path of Node.js.

    Raises:
        RuntimeError: the source does not compile; the message is esbuild's.
    """
    build = subprocess.run(
        [node, "build.js"], cwd=PAGE_FOLDER, capture_output=True, text=True, check=False
    )
    if build.returncode:
        raise RuntimeError(f"cannot build the test page:\n{build.stderr}")


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a request for the page is not worth a line."""


@contextmanager
def serve_page() -> Iterator[str]:
    """Serve the built page and yield its URL.

    It is plain HTTP on a loopback address, which browsers trust with camera and microphone.
    """
    handler = partial(_QuietHandler, directory=str(PAGE_FOLDER / "dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="page host")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.html"
        finally:
            server.shutdown()
            thread.join()
