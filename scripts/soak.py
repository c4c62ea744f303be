"""A class that is disturbed in every way for a long time, and what must be left of that: nothing.

    .venv/bin/python scripts/soak.py --minutes 120 --seed 7

Starts the program, holds a class on it and lets things happen, in rounds: pupils come, go, crash,
roam and restart ICE; the teacher shares anew and crashes; the computer sleeps; one client floods
in turn whatever can be flooded. After each the picture must move for everybody. After each round
memory, descriptors, tasks and SRTP streams must be what they were; in the log there must be no
error. What happens is decided by the seed. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # The synthetic peers are those of the tests, which are not installed.
    sys.path.insert(0, str(ROOT))

from scripts.soaking.errors import SoakError  # noqa: E402
from scripts.soaking.health import Sample, is_as_before, require_flat  # noqa: E402
from scripts.soaking.lesson import Lesson  # noqa: E402
from scripts.soaking.sidecar import SOURCE, Sidecar  # noqa: E402

MAX_MINUTES = 24 * 60
MAX_STUDENTS = 48
SETTLING_TIMEOUT_S = 60.0
SETTLING_INTERVAL_S = 1.0


def main(argv: Sequence[str]) -> int:
    """Run it and return the exit code."""
    options = _parser().parse_args(argv)
    try:
        samples = asyncio.run(soak(options))
        require_flat(samples)
    except SoakError as error:
        print(f"soak.py: seed {options.seed}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{len(samples) - 1} rounds; nothing has grown")
    return 0


async def soak(options: argparse.Namespace) -> list[Sample]:
    """Hold the class until the time is up.

    Returns:
        One sample from before the first round, and one after each.

    Raises:
        SoakError: Something did not hold.
    """
    rng = random.Random(options.seed)
    ends_s = time.monotonic() + options.minutes * 60
    sidecar = await Sidecar.launch(options.command or SOURCE)
    try:
        lesson = Lesson(sidecar, options.students, rng)
        await lesson.begin()
        samples = [await Sample.take(sidecar)]
        print(samples[0])
        while len(samples) == 1 or time.monotonic() < ends_s:
            await lesson.one_round()
            samples.append(await _settled(sidecar, samples[0]))
            print(f"round {len(samples) - 1}: {samples[-1]}", flush=True)
            _require_clean_log(sidecar)
        await lesson.end()
        await sidecar.stop()
        _require_clean_log(sidecar)
    finally:
        sidecar.kill()
    return samples


async def _settled(sidecar: Sidecar, wanted: Sample) -> Sample:
    """A sample taken when what is closed after a while has been, or when that takes too long."""
    ends_s = time.monotonic() + SETTLING_TIMEOUT_S
    while not is_as_before(sample := await Sample.take(sidecar), wanted):
        if time.monotonic() > ends_s:
            break
        await asyncio.sleep(SETTLING_INTERVAL_S)
    return sample


def _require_clean_log(sidecar: Sidecar) -> None:
    if sidecar.defects:
        raise SoakError("the log has errors:\n" + "\n".join(sidecar.defects[:20]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Disturb a class for a long time.")
    parser.add_argument("--minutes", type=_minutes, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--students", type=_students, default=8)
    parser.add_argument(
        "--command", type=shlex.split, help="the program, instead of that of the source"
    )
    return parser


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"must be at most {MAX_MINUTES}")
    return minutes


def _students(text: str) -> int:
    students = int(text)
    if not 1 <= students <= MAX_STUDENTS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MAX_STUDENTS}")
    return students


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
