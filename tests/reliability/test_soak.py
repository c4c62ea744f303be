"""The soak test in its short form; by hand it runs for hours."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.soaking.errors import SoakError
from scripts.soaking.health import ALLOWED_GROWTH_BYTES, Sample, require_flat
from tests.support.programs import PROJECT_FOLDER

ROUND_TIMEOUT_S = 240
START = Sample(
    memory_bytes=50 << 20,
    open_files=12,
    tasks=20,
    srtp_streams=30,
    transports=5,
    producers=3,
    consumers=6,
)


@pytest.mark.slow
@pytest.mark.timeout(ROUND_TIMEOUT_S)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc: run it on Linux")
def test_a_class_that_is_disturbed_in_every_way_is_as_it_was() -> None:
    finished = subprocess.run(
        [sys.executable, "scripts/soak.py", "--minutes", "0.5", "--students", "4", "--seed", "1"],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_memory_may_settle_but_not_go_on_growing() -> None:
    settling = [START, START._replace(memory_bytes=80 << 20)]
    require_flat([*settling, START._replace(memory_bytes=(80 << 20) + ALLOWED_GROWTH_BYTES)])
    with pytest.raises(SoakError, match="memory grew"):
        require_flat([*settling, START._replace(memory_bytes=(81 << 20) + ALLOWED_GROWTH_BYTES)])


@pytest.mark.parametrize("what", ["open_files", "tasks", "srtp_streams", "producers", "consumers"])
def test_whatever_is_left_behind_is_noticed(what: str) -> None:
    with pytest.raises(SoakError, match=what):
        require_flat([START, START, START._replace(**{what: 100})])
