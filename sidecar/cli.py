"""The command ``classroom-sfu``: from a command line to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from msgspec.structs import fields

from sidecar import __version__
from sidecar.errors import SettingsError
from sidecar.lifecycle.stdio import let_go_of_streams, open_missing_streams
from sidecar.settings import OPTIONS, WORKER_FLAG, Settings
from sidecar.settings_sources import CONFIG_VARIABLE, nearest, resolve

PROGRAM = "classroom-sfu"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments without the program's name; those of the process unless given.

    Returns:
        The exit code, 0 after a run that somebody ended. ``docs/handshake.md`` has the others.
    """
    open_missing_streams()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        from sidecar.process import interrupted

        return interrupted()
    finally:
        let_go_of_streams()


def _run(argv: Sequence[str]) -> int:
    if list(argv) == [WORKER_FLAG]:
        # One of our own processes, see `sidecar.workers`.
        from sidecar.worker import serve_as_worker

        return serve_as_worker()
    try:
        arguments = _parse(argv)
        print_config = arguments.pop("print_config", False)
        resolved = resolve(arguments, os.environ)
    except SettingsError as error:
        from sidecar.process import refuse

        return refuse(error)
    if print_config:
        from sidecar.signaling.lone_surrogates import without_surrogates

        with suppress(OSError):  # nobody reads it, or there is no room
            sys.stdout.write(without_surrogates(resolved.as_toml()))
        return 0
    # Imported here because --help and --print-config have no use for it.
    from sidecar.process import serve

    return serve(resolved.settings)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message, f"All options are explained by: {PROGRAM} --help")


def _parse(argv: Sequence[str]) -> dict[str, object]:
    parser = _build_parser()
    namespace, unknown = parser.parse_known_args(argv)
    if unknown:
        flags = [option.flag for option in OPTIONS] + ["--config", "--print-config", "--help"]
        meant = nearest(unknown[0].partition("=")[0], flags)
        raise SettingsError(
            f"there is no option {unknown[0]}",
            f"Did you mean {meant}? " * bool(meant) + f"See: {PROGRAM} --help",
        )
    return vars(namespace)


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Serve one classroom: forward the teacher's picture and sound to the students.",
        epilog="Each option can also be set by an environment variable, such as "
        f"{OPTIONS[0].variable}, or in the configuration file. The command line wins over the "
        "environment, and that over the file.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    defaults = {field.name: field.default for field in fields(Settings)}
    for option in OPTIONS:
        default = defaults[option.name]
        shown = f" (default: {default})" if default not in ("", (), False) else ""
        help_text = option.help + shown
        if option.is_switch:
            parser.add_argument(option.flag, action="store_true", help=help_text)
        else:
            parser.add_argument(
                option.flag,
                action="append" if option.repeatable else "store",
                metavar=option.metavar,
                help=help_text,
            )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"TOML file with settings (or {CONFIG_VARIABLE}; default: config.toml in this "
        "platform's configuration folder)",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="show every setting and where its value comes from, then exit",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser
