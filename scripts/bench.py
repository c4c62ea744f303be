"""What a forwarded packet costs, in microseconds and in units of a bare `sendto`.

    .venv/bin/python scripts/bench.py --students 1,10,49 --json bench.json --plot bench.png

Starts a server as its own process, lets a synthetic teacher and many students hold a class on it,
and reads its CPU clock. Linux only. docs/performance.md says what the figures mean.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # The synthetic peers are those of the tests, which are not installed.
    sys.path.insert(0, str(ROOT))

from scripts.benchmark.errors import BenchError  # noqa: E402
from scripts.benchmark.machine import describe_machine  # noqa: E402
from scripts.benchmark.measurement import measure  # noqa: E402
from scripts.benchmark.options import Options, parse_options  # noqa: E402
from scripts.benchmark.plot import require_matplotlib, save  # noqa: E402
from scripts.benchmark.result import Failure, Result  # noqa: E402
from scripts.benchmark.table import render  # noqa: E402


def main(argv: Sequence[str]) -> int:
    """Run the benchmark and return its exit code."""
    try:
        options = parse_options(argv)
        if options.plot_path is not None:
            require_matplotlib()
        machine = describe_machine()
        results, failures = run(options)
        document = {
            "machine": machine,
            "results": [asdict(result) for result in results],
            "failures": [asdict(failure) for failure in failures],
        }
        write_json(json.dumps(document, indent=1), options.json_path)
        if results:
            print(render(results), file=sys.stderr if options.json_path is None else sys.stdout)
            if options.plot_path is not None:
                save(results, options.plot_path)
    except BenchError as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 1 if failures else 0


def run(options: Options) -> tuple[list[Result], list[Failure]]:
    """Measure everything, the servers in turn: all of them see the machine's hours alike.

    What a server does not get through is said and left out; the rest is measured.
    """
    results, failures = [], []
    for scenario in options.scenarios:
        for server in options.servers:
            print(f"{server.name}: {scenario.all_students} students ...", file=sys.stderr)
            try:
                result = measure(server, scenario, student_processes=options.student_processes)
            except BenchError as error:
                print(f"bench.py: {server.name}: {error}", file=sys.stderr)
                failures.append(Failure(server.name, scenario, str(error)))
            else:
                results.append(result)
    return results, failures


def write_json(text: str, path: Path | None) -> None:
    """Write to a file, or to stdout without one.

    Raises:
        BenchError: The file cannot be written.
    """
    if path is None:
        print(text)
        return
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error}") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
