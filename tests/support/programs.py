"""The forms in which the SFU is launched: from its source, and frozen."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Literal

PROJECT_FOLDER = Path(__file__).parents[2]

Form = Literal["source", "onefile", "onedir"]
FORMS: tuple[Form, ...] = ("source", "onefile", "onedir")

Program = tuple[str, ...]
"""A command line without arguments."""


def program(form: Form) -> Program:
    """How to launch the SFU in one of its forms. A frozen one is built when first asked for.

    Raises:
        AssertionError: It can't be built.
    """
    if form == "source":
        return sys.executable, "-m", "sidecar"
    return (str(frozen(form)),)


@cache
def frozen(form: Literal["onefile", "onedir"]) -> Path:
    """The executable of a frozen form.

    Raises:
        AssertionError: It can't be built.
    """
    script = PROJECT_FOLDER / "scripts" / "build_sidecar.py"
    options = ["--onedir"] * (form == "onedir")
    build = [sys.executable, str(script), *options]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stderr)  # noqa: T201 - how large it is, for who looks at a failing test
    built = Path(done.stdout.splitlines()[-1])
    return built if form == "onefile" else next(built.glob("classroom-sfu*"))
