"""What some tests need beyond Python packages: browsers, Node, Rust, network namespaces.

A test (or a fixture) asks with ``require``. A missing part is a named skip with the command that
installs it; under ``pytest --all`` it is a failure, so that a continuous-integration run cannot
pass by skipping.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PAGE_FOLDER = Path(__file__).parent / "interop" / "page"
BRIDGE_FOLDER = Path(__file__).parents[1] / "tauri-bridge"
APP_FOLDER = BRIDGE_FOLDER / "examples" / "classroom-app" / "src-tauri"
SIDECAR_NAME = f"classroom-sfu{'.exe' if os.name == 'nt' else ''}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing outside of Python that tests may need.

    Attributes:
        what: its name for people.
        find: returns where it is, or ``None`` when it is missing.
        install: how to get it, by ``platform.system()``; ``""`` holds for all other systems.
    """

    what: str
    find: Callable[[], str | None]
    install: Mapping[str, str]

    def install_hint(self) -> str:
        """The command that installs it on this machine's operating system."""
        return self.install.get(platform.system(), self.install[""])


def _program(*names: str, variable: str = "", places: tuple[str, ...] = ()) -> str | None:
    """Find a program: by an environment variable, on the PATH, then in well-known places."""
    candidates = (os.environ.get(variable, ""), *names, *map(os.path.expandvars, places))
    for candidate in filter(None, candidates):
        if found := shutil.which(candidate):
            return found
    return None


def _find_chromium() -> str | None:
    return _program(
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        variable="CHROME_BIN",
        places=(
            r"%ProgramFiles%\Google\Chrome\Application\chrome.exe",
            r"%ProgramFiles(x86)%\Microsoft\Edge\Application\msedge.exe",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
            "/Applications/Chromium.app/Contents/MacOS/Chromium",
        ),
    )


def _find_firefox() -> str | None:
    return _program(
        "firefox-esr",
        "firefox",
        variable="FIREFOX_BIN",
        places=(
            r"%ProgramFiles%\Mozilla Firefox\firefox.exe",
            "/Applications/Firefox.app/Contents/MacOS/firefox",
        ),
    )


def _find_page_packages() -> str | None:
    packages = PAGE_FOLDER / "node_modules"
    wanted = ("mediasoup-client", "esbuild")
    complete = all((packages / name / "package.json").is_file() for name in wanted)
    return str(packages) if complete else None


def _find_tauri_libraries() -> str | None:
    pkg_config = _program("pkg-config")
    if pkg_config is None or platform.system() != "Linux":
        return None
    wanted = [pkg_config, "--exists", "webkit2gtk-4.1"]
    return pkg_config if subprocess.run(wanted, check=False).returncode == 0 else None


def _find_network_namespaces() -> str | None:
    ip = _program("ip", places=("/usr/sbin/ip",))
    if ip is None or platform.system() != "Linux":
        return None
    # Being root is not enough: containers often drop CAP_SYS_ADMIN. Only trying tells.
    name = f"sfu-probe-{os.getpid()}"
    if subprocess.run([ip, "netns", "add", name], capture_output=True, check=False).returncode:
        return None
    subprocess.run([ip, "netns", "delete", name], capture_output=True, check=False)
    return ip


_ON_LINUX = "run the tests on Linux, for instance in a virtual machine"

REQUIREMENTS: Mapping[str, Requirement] = {
    "chromium": Requirement(
        "Chromium (or the program that CHROME_BIN names)",
        _find_chromium,
        {
            "": "apt-get install chromium",
            "Windows": "winget install Google.Chrome",
            "Darwin": "brew install --cask google-chrome",
        },
    ),
    "firefox": Requirement(
        "Firefox (or the program that FIREFOX_BIN names)",
        _find_firefox,
        {
            "": "apt-get install firefox-esr",
            "Windows": "winget install Mozilla.Firefox.ESR",
            "Darwin": "brew install --cask firefox@esr",
        },
    ),
    "node": Requirement(
        "Node.js",
        lambda: _program("node"),
        {
            "": "apt-get install nodejs npm",
            "Windows": "winget install OpenJS.NodeJS.LTS",
            "Darwin": "brew install node",
        },
    ),
    "page": Requirement(
        "the npm packages of the test page (mediasoup-client, esbuild)",
        _find_page_packages,
        {"": f"npm ci --prefix {PAGE_FOLDER}"},
    ),
    "cargo": Requirement("Rust", lambda: _program("cargo"), {"": "https://rustup.rs"}),
    "tauri-libraries": Requirement(
        "the libraries that Tauri is built with on Linux",
        _find_tauri_libraries,
        {
            "": "apt-get install libwebkit2gtk-4.1-dev pkg-config",
            "Windows": _ON_LINUX,
            "Darwin": _ON_LINUX,
        },
    ),
    "webkit-driver": Requirement(
        "WebKitWebDriver",
        lambda: _program("WebKitWebDriver"),
        {
            "": "apt-get install webkit2gtk-driver",
            "Windows": _ON_LINUX,
            "Darwin": _ON_LINUX,
        },
    ),
    "xvfb": Requirement("Xvfb", lambda: _program("Xvfb"), {"": "apt-get install xvfb"}),
    "network-namespaces": Requirement(
        "Linux network namespaces (root and the program `ip`)",
        _find_network_namespaces,
        {
            "": "apt-get install iproute2, then run the tests as root",
            "Windows": "run the tests as root on Linux, for instance in WSL",
            "Darwin": "run the tests as root on Linux, for instance in a virtual machine",
        },
    ),
}

missing_is_failure = False
"""Set by ``pytest --all``, see ``tests/conftest.py``."""


@cache
def _find(name: str) -> str | None:
    return REQUIREMENTS[name].find()


def require(name: str) -> str:
    """Return where the named requirement is, or end the test here.

    Args:
        name: a key of ``REQUIREMENTS``, such as "chromium".

    Returns:
        The path of the program (of ``node_modules`` for "page").

    Raises:
        pytest.skip.Exception: it is missing.
        pytest.fail.Exception: it is missing and pytest runs with ``--all``.
    """
    if found := _find(name):
        return found
    requirement = REQUIREMENTS[name]
    message = f"needs {requirement.what}; install it with: {requirement.install_hint()}"
    if missing_is_failure:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
