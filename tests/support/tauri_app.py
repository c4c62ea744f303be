"""The example app with its window and its sidecar, installed in a folder of its own.

Linux only: it is driven through WebKitWebDriver, and processes are looked up in ``/proc``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.requirements import APP_FOLDER, BRIDGE_FOLDER, SIDECAR_NAME
from tests.support.synthetic import POLL_INTERVAL_S, eventually
from tests.support.webdriver import WebDriver, is_up

APP_NAME = "classroom-app"
WINDOW_TITLE = "Classroom"
BUILD_TIMEOUT_S = 1500.0
READY_TIMEOUT_S = 40.0
GONE_TIMEOUT_S = 15.0
READY_TEXT = "Ready on this computer at "


def build_app(cargo: str, frozen: Path) -> Path:
    """Build the app as its developer does, and return the folder with it and its sidecar.

    Args:
        cargo: the program.
        frozen: the sidecar in one file.

    Raises:
        RuntimeError: it does not compile; the message is the compiler's.
    """
    target = subprocess.run(
        [Path(cargo).with_name("rustc"), "--print", "host-tuple"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    place = APP_FOLDER / "binaries" / f"classroom-sfu-{target}"
    if not (place.exists() and place.samefile(frozen)):
        place.parent.mkdir(exist_ok=True)
        shutil.copy(frozen, place)
    build = subprocess.run(
        [cargo, "build", "--locked", "--package", APP_NAME],
        cwd=BRIDGE_FOLDER,
        env={**os.environ, "CARGO_TARGET_DIR": str(BRIDGE_FOLDER / "target")},
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if build.returncode:
        raise RuntimeError(f"cannot build the app:\n{build.stderr}")
    return BRIDGE_FOLDER / "target" / "debug"


@dataclass(frozen=True, slots=True)
class Installation:
    """An installed app.

    Attributes:
        program: its executable.
        folder: all of it.
    """

    program: Path
    folder: Path

    @classmethod
    def make(cls, built: Path, folder: Path, sidecar_folder: Path | None = None) -> Installation:
        """Copy an app into a folder, as an installer of Linux does.

        Args:
            built: what ``build_app`` returned.
            folder: is made.
            sidecar_folder: the folder form of the sidecar, to be used instead of the one file.
        """
        programs = folder / "bin"
        programs.mkdir(parents=True)
        shutil.copy(built / APP_NAME, programs)
        if sidecar_folder is None:
            shutil.copy(built / SIDECAR_NAME, programs)
        else:
            resources = folder / "lib" / APP_NAME
            shutil.copytree(sidecar_folder, resources / "classroom-sfu", symlinks=True)
        return cls((programs / APP_NAME).resolve(), folder.resolve())

    def processes(self, name: str) -> set[int]:
        """The processes of the executables of that name in it."""
        found = set()
        for entry in Path("/proc").iterdir():
            # Gone meanwhile, a zombie, or no process at all.
            with suppress(OSError):
                program = (entry / "exe").readlink()
                if program.name == name and program.is_relative_to(self.folder):
                    found.add(int(entry.name))
        return found


class TauriApp:
    """The running app.

    Args:
        installation: where it is.
        home: where it keeps everything else.
        window: its window.
        environment: what its processes see.
    """

    def __init__(
        self,
        installation: Installation,
        home: Path,
        window: WebDriver,
        environment: Mapping[str, str],
    ) -> None:
        self.window = window
        self._installation = installation
        self._home = home
        self._environment = environment

    @property
    def pid(self) -> int:
        """The app's own process; what it forks is called the same until it is something else."""
        pids = self._installation.processes(APP_NAME)
        (pid,) = (pid for pid in pids if _parent(pid) not in pids)
        return pid

    @property
    def sidecar_pids(self) -> set[int]:
        """The processes of the sidecar: of the one-file form a launcher and one that serves."""
        return self._installation.processes(SIDECAR_NAME)

    @property
    def unpacked(self) -> list[Path]:
        """The folders that one-file sidecars have unpacked themselves to."""
        return sorted((self._home / "tmp").glob("_MEI*"))

    @property
    def sidecar_log(self) -> str:
        """What the sidecars have written down so far."""
        log = self._home / "sfu.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""

    async def text(self, element_id: str) -> str:
        """What stands in an element of the window, a line for each item of a list."""
        return str(
            await self.window.run(
                "const element = document.getElementById(arguments[0]);"
                "return element ? element.innerText.trim() : ''",
                element_id,
            )
        )

    async def wait_text(self, element_id: str, wanted: str) -> None:
        """Wait until exactly this stands in an element."""
        seen = ""

        async def is_there() -> bool:
            nonlocal seen
            seen = await self.text(element_id)
            return seen == wanted

        await _eventually(is_there, lambda: f"{wanted!r} in {element_id}, which has {seen!r}")

    async def wait_ready(self, *, other_than: int = 0) -> dict[str, Any]:
        """Wait until the window shows the URL of a sidecar that serves.

        Args:
            other_than: the process of one that does not count any more.

        Returns:
            Its ``ready``.
        """
        info: dict[str, Any] = {}

        async def serves() -> bool:
            nonlocal info
            info = await self.window.run(
                "return window.__TAURI__?.core.invoke('plugin:classroom-sfu|info') ?? {}"
            )
            ready = info.get("ready")
            return bool(ready and ready["pid"] != other_than)

        await _eventually(serves, lambda: f"ready, but {info}\n{self.sidecar_log}")
        ready: dict[str, Any] = info["ready"]
        await self.wait_text("state", f"{READY_TEXT}{ready['localUrl']}")
        return ready

    def kill(self, with_signal: signal.Signals) -> None:
        """Send a signal to the app's own process."""
        os.kill(self.pid, with_signal)

    async def close_window(self) -> None:
        """Close the window as a person does; the driver's way is to kill the app."""
        closing = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.close_window",
            WINDOW_TITLE,
            cwd=BRIDGE_FOLDER.parent,
            env=self._environment,
        )
        assert await closing.wait() == 0, "there was no window to be closed"

    async def wait_gone(self) -> None:
        """Wait until no process of the app or the sidecar is left."""
        names = (APP_NAME, SIDECAR_NAME)

        def left() -> list[set[int]]:
            return [pids for name in names if (pids := self._installation.processes(name))]

        await eventually(lambda: not left(), lambda: f"gone: {left()}", timeout_s=GONE_TIMEOUT_S)


@contextmanager
def virtual_display(xvfb: str) -> Iterator[str]:
    """Start an X server without a screen, and yield the name of its display."""
    # It would start anew whenever the last window closes, just when the next one may open.
    options = ["-noreset", "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    with subprocess.Popen([xvfb, "-displayfd", "1", *options], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f":{server.stdout.readline().decode().strip()}"
        finally:
            server.terminate()


@asynccontextmanager
async def launch_app(
    driver: str, display: str, installation: Installation, home: Path
) -> AsyncIterator[TauriApp]:
    """Start the app; in the end everything is killed that is left of it.

    Args:
        driver: path of WebKitWebDriver.
        display: where its window opens.
        installation: the app.
        home: an empty folder for everything that it writes.
    """
    environment = _environment(home, display)
    port = _free_port()
    process = await asyncio.create_subprocess_exec(driver, f"--port={port}", env=environment)
    driver_url = f"http://127.0.0.1:{port}"
    try:
        await _eventually(lambda: is_up(driver_url), lambda: "the WebDriver listens")
        how = {"binary": str(installation.program), "args": []}
        try:
            window = await WebDriver.open(driver_url, {"webkitgtk:browserOptions": how})
        except TimeoutError:
            # So the driver behaves when the app has died, too.
            running = {n: installation.processes(n) for n in (APP_NAME, SIDECAR_NAME)}
            raise AssertionError(f"never: a window; there are {running}") from None
        yield TauriApp(installation, home, window, environment)
    finally:
        process.kill()
        await process.wait()
        for name in (APP_NAME, SIDECAR_NAME):
            for pid in installation.processes(name):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _environment(home: Path, display: str) -> dict[str, str]:
    """This process's environment with other folders, and without settings of the SFU."""
    config = home / "config.toml"
    config.touch()
    (home / "tmp").mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLASSROOM_SFU_", "XDG_"))}
    return {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "DISPLAY": display,
        "GDK_BACKEND": "x11",
        "NO_AT_BRIDGE": "1",
        "TAURI_WEBVIEW_AUTOMATION": "true",
        "CLASSROOM_SFU_CONFIG": str(config),
        "CLASSROOM_SFU_LOG_FILE": str(home / "sfu.log"),
        "CLASSROOM_SFU_PORT": "0",
        "CLASSROOM_SFU_MEDIA_PORTS": "0",
    }


def _parent(pid: int) -> int:
    """The process that has started another one, 0 if that is gone (see proc_pid_stat(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def _eventually(condition: Callable[[], Awaitable[bool]], what: Callable[[], str]) -> None:
    """As ``eventually``, of something that has to be asked for."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + READY_TIMEOUT_S
    while not await condition():
        assert clock() < deadline, f"never: {what()}"
        await asyncio.sleep(POLL_INTERVAL_S)
