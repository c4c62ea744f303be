"""The architecture, enforced: imports point downward, and the inner layers do no input or output.

Every import counts, also one inside a function or under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sidecar"

MAY_IMPORT = {
    "rtp": set[str](),
    "ortc": set[str](),
    "engine": {"rtp"},
    "sfu": {"engine", "rtp", "ortc", "limits"},
    # RTP, ICE and DTLS parameters, as `ortc` types them, are the vocabulary of the whole wire.
    "net": {"sfu", "engine", "rtp", "ortc", "limits"},
    "classroom": {"sfu", "ortc", "limits"},
    "signaling": {"classroom", "sfu", "ortc", "limits"},
    "lifecycle": {"settings", "signaling", "classroom", "net", "limits"},
    "workers": {"settings", "lifecycle", "signaling", "classroom", "net", "limits"},
}
"""What each layer may import of ours. The modules beside them (cli, app, ...) may import all."""

THIRD_PARTY = {
    "rtp": set[str](),
    "ortc": {"msgspec"},
    "engine": set[str](),
    "sfu": {"msgspec"},
}
"""The sans-IO layers, and what each may import that is neither ours nor Python's."""

INPUT_OUTPUT = {
    "asyncio",
    "datetime",
    "random",
    "secrets",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "uuid",
}
"""Clocks, sockets and randomness, which sans-IO layers get passed in."""

PASSED_IN = {"random", "random.Random", "uuid.UUID"}
"""Of these modules the names that are harmless: types of what is passed in or made of it."""

OWN_RANDOMNESS = {"os.urandom", "os.getrandom"}

NEVER = {"aiortc", "av"}
"""Too heavy for the process that forwards; tests may use them."""

WITH_THE_FIRST_PEER = {"cryptography", "OpenSSL", "pylibsrtp"}
"""Too large for a program that only waits."""

PLATFORM_MODULE = "sidecar.net.platform"


def imports_of(source: str, module: str, *, is_package: bool = False) -> set[str]:
    """Return the absolute dotted names that a module imports, wherever the statement stands."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def attributes_of(source: str) -> set[str]:
    """Return every ``name.attribute`` that a module uses, with ``()`` behind it if it calls it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        called = isinstance(node, ast.Call)
        used = node.func if isinstance(node, ast.Call) else node
        if isinstance(used, ast.Attribute) and isinstance(used.value, ast.Name):
            found.add(f"{used.value.id}.{used.attr}{'()' * called}")
    return found


def faults(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Return what a module does that its layer may not."""
    imported = imports_of(source, module, is_package=is_package)
    uses = attributes_of(source) | imported
    parts = module.split(".")
    layer = parts[1] if len(parts) > 1 else ""
    found = [f"imports {name}" for name in imported if name.split(".")[0] in NEVER]
    if layer in MAY_IMPORT:
        found += [f"imports {name}" for name in imported if _points_up(name, layer)]
    if layer in THIRD_PARTY:
        found += [f"imports {name}" for name in imported if _is_foreign(name, THIRD_PARTY[layer])]
        found += [f"imports {name}" for name in imported - PASSED_IN if _does_io(name)]
        found += [f"uses {name}" for name in uses & OWN_RANDOMNESS]
        if "random" in imported:
            found += [f"uses {name}" for name in uses - PASSED_IN if name.startswith("random.")]
    if module != PLATFORM_MODULE:
        found += [f"uses {name}" for name in uses & {"sys.platform", "os.name"}]
        found += [f"imports {name}" for name in imported if name.split(".")[0] == "platform"]
    return found


def _points_up(name: str, layer: str) -> bool:
    parts = name.split(".")
    if parts[0] != "sidecar" or name == "sidecar.__version__":
        return False
    return len(parts) == 1 or parts[1] not in MAY_IMPORT[layer] | {layer}


def _does_io(name: str) -> bool:
    return name.split(".")[0] in INPUT_OUTPUT


def _is_foreign(name: str, allowed: set[str]) -> bool:
    top = name.split(".")[0]
    return top != "sidecar" and top not in sys.stdlib_module_names | allowed


def modules() -> dict[str, Path]:
    """Return the file of every module of ours, by its dotted name."""
    files = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


MODULES = modules()


@pytest.mark.parametrize("module", list(MODULES))
def test_the_module_keeps_to_its_layer(module: str) -> None:
    path = MODULES[module]
    source = path.read_text(encoding="utf-8")
    assert faults(source, module, is_package=path.name == "__init__.py") == []


def test_every_package_has_its_place_in_the_table() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sidecar.rtp.packet", "import sidecar.engine"),
        ("sidecar.rtp.packet", "from ..engine import rtx"),
        ("sidecar.rtp.packet", "from .. import engine"),
        ("sidecar.rtp.packet", "import msgspec"),
        ("sidecar.rtp.rtcp.reports", "from ...ortc import parameters"),
        ("sidecar.ortc.codecs", "from sidecar.rtp import packet"),
        ("sidecar.engine.rtx", "def f():\n    from sidecar.sfu import Router"),
        ("sidecar.engine.rtx", "import time"),
        ("sidecar.engine.rtx", "from os import urandom"),
        ("sidecar.engine.rtx", "import os\nos.urandom(4)"),
        ("sidecar.sfu.router", "if TYPE_CHECKING:\n    from sidecar.net.dtls import Dtls"),
        ("sidecar.sfu.router", "import sidecar"),
        ("sidecar.sfu.router", "import random\nrandom.getrandbits(32)"),
        ("sidecar.sfu.router", "import random\nrng = random.Random()"),
        ("sidecar.sfu.router", "from random import randrange"),
        ("sidecar.sfu.router", "from uuid import uuid4"),
        ("sidecar.sfu.router", "from asyncio import sleep"),
        ("sidecar.sfu.router", "import pylibsrtp"),
        ("sidecar.classroom.room", "from sidecar.signaling.server import Server"),
        ("sidecar.net.udp", "from sidecar.settings import Settings"),
        ("sidecar.signaling.server", "from sidecar.lifecycle.host import Host"),
        ("sidecar.lifecycle.host", "from sidecar.app import run"),
        ("sidecar.lifecycle.status", "from sidecar.workers.pool import Pool"),
        ("sidecar.signaling.dialogue", "from sidecar.workers.relay import Relay"),
        ("sidecar.workers.pool", "from sidecar.app import run"),
        ("sidecar.net.udp", "import sys\nif sys.platform == 'win32': pass"),
        ("sidecar.net.udp", "from os import name"),
        ("sidecar.app", "import platform"),
        ("sidecar.app", "from platform import system"),
        ("sidecar.app", "def f():\n    import aiortc.contrib.media"),
        ("sidecar.app", "from av import open"),
    ],
)
def test_a_breach_is_noticed(module: str, source: str) -> None:
    assert faults(source, module) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sidecar.rtp.packet", "from sidecar import __version__\nimport struct"),
        ("sidecar.rtp.rtcp.reports", "from .wire import pack\nfrom ..errors import RtpError"),
        ("sidecar.engine.rtx", "from sidecar.rtp.packet import RtpPacket"),
        ("sidecar.sfu.router", "import random\nfrom uuid import UUID\nrng: random.Random"),
        ("sidecar.net.platform", "import sys\nif sys.platform == 'win32': pass"),
        (
            "sidecar.net.udp",
            "import socket, time\nfrom sidecar.net import platform\nplatform.drain()",
        ),
        ("sidecar.app", "from sidecar.signaling.server import Server"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert faults(source, module) == []


def loaded_after_importing(*names: str) -> set[str]:
    """Return what a new interpreter has loaded once it has imported modules."""
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "print(*sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    return set(finished.stdout.split())


def test_the_running_program_never_loads_a_media_library() -> None:
    assert "sidecar.app" in MODULES
    loaded = loaded_after_importing(*MODULES)
    assert "cryptography" in loaded
    assert not loaded & NEVER


def test_what_the_start_does_not_need_comes_later() -> None:
    loaded = loaded_after_importing("sidecar.cli", "sidecar.process", "sidecar.app")
    later = {"sidecar.server", "sidecar.sfu", "sidecar.ortc", "sidecar.classroom", "websockets"}
    assert not loaded & (later | WITH_THE_FIRST_PEER)


def test_what_nobody_needs_before_the_first_peer_comes_with_it() -> None:
    loaded = loaded_after_importing("sidecar.server")
    assert "sidecar.sfu" in loaded
    assert not loaded & WITH_THE_FIRST_PEER
