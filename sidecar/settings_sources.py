"""Where settings come from: command line over environment over file over default."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from sidecar.errors import SettingsError
from sidecar.settings import ENVIRONMENT_PREFIX, OPTIONS, Option, PortRange, Settings, at_home

CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"
_FOLDER_NAME = "classroom-sfu"


class ResolvedSettings(Struct, frozen=True):
    """The settings in force, and of each where its value came from.

    Attributes:
        settings: the settings.
        origins: where the value came from, by the setting's name.
        file: the configuration file; one that nobody named need not exist.
    """

    settings: Settings
    origins: Mapping[str, str]
    file: Path

    def as_toml(self) -> str:
        """Every setting with its origin as a comment: a file that ``--config`` would take."""
        lines = [_toml_line(option, getattr(self.settings, option.name)) for option in OPTIONS]
        width = max(map(len, lines))
        absent = "" if os.path.exists(self.file) else " (does not exist)"
        return f"# configuration file: {self.file}{absent}\n" + "".join(
            f"{line:<{width}}  # {self.origins[option.name]}\n"
            for option, line in zip(OPTIONS, lines, strict=True)
        )


class _Source(Struct, frozen=True):
    """Values as they were written in one place.

    Attributes:
        values: what was written, by the option's name.
        describe: says where an option is set, for people.
        assign: says how to write an option's example there.
    """

    values: Mapping[str, object]
    describe: Callable[[Option], str]
    assign: Callable[[Option], str]

    def convert(self, option: Option) -> object:
        """Return the option's value.

        Raises:
            SettingsError: it is not a value that the option can have.
        """
        written = self.values[option.name]
        try:
            return option.convert(written)
        except ValueError as error:
            shown = "what is set" if option.is_secret else _show(written)
            raise SettingsError(
                f"{self.describe(option)}: {shown} is wrong, it {error}",
                f"Write for example: {self.assign(option)}",
            ) from error


def resolve(
    arguments: Mapping[str, object],
    environment: Mapping[str, str],
    default_file: Path | None = None,
) -> ResolvedSettings:
    """Find the value of every setting.

    Args:
        arguments: what stood on the command line, by setting; "config" names a file.
        environment: the environment variables.
        default_file: read if it exists and no other file is named; the one in the platform's
            configuration folder unless given.

    Raises:
        SettingsError: a file cannot be read, a key in it is unknown, or any of the places holds
            a wrong value, even one that another place overrides.
    """
    sources = [
        _Source(
            arguments,
            lambda option: f"command line {option.flag}",
            lambda option: f"{option.flag} {option.example}",
        ),
        _Source(
            _from_environment(environment),
            lambda option: f"environment {option.variable}",
            lambda option: f"{option.variable}={option.example}",
        ),
    ]
    named = arguments.get("config") or environment.get(CONFIG_VARIABLE)
    file = _named_file(str(named)) if named else default_file or default_config_file()
    if named or os.path.exists(file):
        sources.append(
            _Source(
                _from_file(file),
                lambda option: f"file {file}, key {option.name}",
                lambda option: f"{option.name} = {_toml_value(option.convert(option.example))}",
            )
        )

    values: dict[str, Any] = {}
    origins = {option.name: "default" for option in OPTIONS}
    for source in reversed(sources):
        for option in OPTIONS:
            if option.name in source.values:
                values[option.name] = source.convert(option)
                origins[option.name] = source.describe(option)
    return ResolvedSettings(Settings(**values), origins, file)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return which of the known words was probably meant."""
    import difflib  # most runs have no mistakes

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def default_config_file() -> Path:
    """Return where the configuration file is looked for on this platform."""
    # Imported here because a run with --config, as under a host application, has no use for it.
    from platformdirs import user_config_path

    return user_config_path(_FOLDER_NAME, appauthor=False) / "config.toml"


def _named_file(path: str) -> Path:
    try:
        return Path(at_home(path))
    except ValueError as error:
        raise _cannot_be_read(path, str(error)) from error


def _cannot_be_read(path: object, reason: object) -> SettingsError:
    return SettingsError(
        f"the configuration file {path} cannot be read: {reason}",
        f"Name a file that can be read with --config or {CONFIG_VARIABLE}, or none at all.",
    )


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    """Return what the environment sets. An empty variable counts as not set."""
    values: dict[str, object] = {}
    for option in OPTIONS:
        if written := environment.get(option.variable):
            values[option.name] = written.split(",") if option.repeatable else written
    return values


def _from_file(path: Path) -> dict[str, object]:
    import tomllib  # most runs have no file

    try:
        # Windows' Notepad may put a byte-order mark at the front, which TOML does not know.
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _cannot_be_read(path, error.strerror or error) from error
    except ValueError as error:
        raise SettingsError(
            f"the configuration file {path} is not valid TOML: {error}",
            'Put one setting on each line, for example: policy = "classroom"',
        ) from error
    _refuse_unknown_keys(path, values)
    return values


def _refuse_unknown_keys(path: Path, values: Mapping[str, object]) -> None:
    known = [option.name for option in OPTIONS]
    for key in values:
        if key not in known:
            meant = nearest(key.replace("-", "_"), known)
            raise SettingsError(
                f"file {path}: there is no setting {key}",
                f"Did you mean {meant}?" if meant else f"The settings are: {', '.join(known)}.",
            )


def _show(written: object) -> str:
    """Spell a value as it was written; one element of a repeatable flag without the list."""
    if isinstance(written, list):
        return ", ".join(map(str, written)) or "an empty list"
    return str(written) or "an empty text"


def _toml_line(option: Option, value: object) -> str:
    if option.is_secret and value:
        return f"# {option.name} is set, and not shown"
    return f"{option.name} = {_toml_value(value)}"


def _toml_value(value: object) -> str:
    # A TOML basic string, integer or array is written exactly as in JSON.
    return json.dumps(str(value) if isinstance(value, PortRange) else value, ensure_ascii=False)
