"""Which source wins, what a wrong source says, and what ``--print-config`` shows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sidecar.errors import SettingsError
from sidecar.settings import OPTIONS, PortRange, Settings
from sidecar.settings_sources import default_config_file, nearest, resolve


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration file that would be found on its own; the test writes it if it wants."""
    return tmp_path / "config.toml"


def test_without_any_source_the_defaults_hold(config: Path) -> None:
    resolved = resolve({}, {}, config)
    assert resolved.settings == Settings()
    assert set(resolved.origins.values()) == {"default"}


def test_command_line_over_environment_over_file_over_default(config: Path) -> None:
    config.write_text("port = 1\nmax_clients_per_room = 11\npolicy = 'open'\n")
    environment = {"CLASSROOM_SFU_PORT": "2", "CLASSROOM_SFU_MAX_CLIENTS_PER_ROOM": "22"}
    resolved = resolve({"port": "3"}, environment, config)
    assert resolved.settings == Settings(port=3, max_clients_per_room=22, policy="open")
    assert resolved.origins == {
        **{option.name: "default" for option in OPTIONS},
        "port": "command line --port",
        "max_clients_per_room": "environment CLASSROOM_SFU_MAX_CLIENTS_PER_ROOM",
        "policy": f"file {config}, key policy",
    }


@pytest.mark.parametrize(
    ("arguments", "environment", "content"),
    [
        ({"announce": ["10.0.0.1", "10.0.0.2"]}, {}, ""),
        ({}, {"CLASSROOM_SFU_ANNOUNCE": "10.0.0.1, 10.0.0.2"}, ""),
        ({}, {}, "announce = ['10.0.0.1', '10.0.0.2']"),
    ],
    ids=["command line", "environment", "file"],
)
def test_several_addresses_can_be_announced(
    arguments: dict[str, object], environment: dict[str, str], content: str, config: Path
) -> None:
    config.write_text(content)
    assert resolve(arguments, environment, config).settings.announce == ("10.0.0.1", "10.0.0.2")


def test_an_empty_variable_counts_as_not_set(config: Path) -> None:
    environment = {"CLASSROOM_SFU_PORT": "", "CLASSROOM_SFU_CONFIG": ""}
    assert resolve({}, environment, config).settings == Settings()


def test_the_named_file_is_read_instead_of_the_default_one(config: Path, tmp_path: Path) -> None:
    config.write_text("port = 1")
    by_flag, by_variable = tmp_path / "flag.toml", tmp_path / "variable.toml"
    by_flag.write_text("port = 2")
    by_variable.write_text("port = 3")
    environment = {"CLASSROOM_SFU_CONFIG": str(by_variable)}
    assert resolve({}, environment, config).settings.port == 3
    assert resolve({"config": str(by_flag)}, environment, config).settings.port == 2


def test_a_file_written_by_notepad_is_read(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbfport = 1\r\nmedia_ports = '40000-40010'\r\n")
    settings = resolve({}, {}, config).settings
    assert (settings.port, settings.media_ports) == (1, PortRange(40000, 40010))


@pytest.mark.parametrize(
    ("arguments", "environment", "content", "message", "hint"),
    [
        (
            {"port": "http"},
            {},
            "",
            "command line --port: http is wrong, it must be a whole number from 0 to 65535",
            "Write for example: --port 3016",
        ),
        (
            {},
            {"CLASSROOM_SFU_ANNOUNCE": "10.0.0.1,server"},
            "",
            "environment CLASSROOM_SFU_ANNOUNCE: 10.0.0.1, server is wrong, "
            "it must be IP addresses, not names",
            "Write for example: CLASSROOM_SFU_ANNOUNCE=192.168.1.20",
        ),
        (
            {},
            {},
            "announce = 'server'",
            "file {file}, key announce: server is wrong, it must be IP addresses, not names",
            'Write for example: announce = ["192.168.1.20"]',
        ),
        (
            {"port": ""},
            {},
            "",
            "command line --port: an empty text is wrong, "
            "it must be a whole number from 0 to 65535",
            "Write for example: --port 3016",
        ),
        (
            {"port": "1"},
            {"CLASSROOM_SFU_PORT": "2"},
            "port = -3",
            "file {file}, key port: -3 is wrong, it must be a whole number from 0 to 65535",
            "Write for example: port = 3016",
        ),
        (
            {},
            {},
            "max-client-per-room = 3",
            "file {file}: there is no setting max-client-per-room",
            "Did you mean max_clients_per_room?",
        ),
        (
            {},
            {},
            "[x9]",
            "file {file}: there is no setting x9",
            f"The settings are: {', '.join(option.name for option in OPTIONS)}.",
        ),
    ],
    ids=[
        "flag",
        "variable",
        "key",
        "empty",
        "wrong though overridden",
        "nearly a key",
        "nothing like a key",
    ],
)
def test_a_mistake_is_reported_with_its_place_and_its_cure(
    arguments: dict[str, object],
    environment: dict[str, str],
    content: str,
    message: str,
    hint: str,
    config: Path,
) -> None:
    config.write_text(content)
    with pytest.raises(SettingsError) as caught:
        resolve(arguments, environment, config)
    assert caught.value.message == message.format(file=config)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "content", [b"port = ", b"port 3016", b"\xff\xfe", b"port = 1\nport = 2"], ids=repr
)
def test_a_file_that_is_no_toml_is_reported(content: bytes, config: Path) -> None:
    config.write_bytes(content)
    with pytest.raises(SettingsError, match="is not valid TOML") as caught:
        resolve({}, {}, config)
    assert str(config) in caught.value.message


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.toml"
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        resolve({"config": str(missing)}, {})
    assert str(missing) in caught.value.message
    assert "--config" in caught.value.hint


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        resolve({"config": str(tmp_path)}, {})


def test_the_printed_settings_are_a_file_that_gives_the_same_settings(
    config: Path, tmp_path: Path
) -> None:
    arguments = {"announce": ["fe80::1", "10.0.0.1"], "media_ports": "0", "host": "localhost"}
    resolved = resolve(arguments, {"CLASSROOM_SFU_POLICY": "open"}, config)
    printed = tmp_path / "printed.toml"
    printed.write_text(resolved.as_toml(), encoding="utf-8")
    assert resolve({"config": str(printed)}, {}).settings == resolved.settings
    assert list(tomllib.loads(resolved.as_toml())) == [option.name for option in OPTIONS]


def test_the_printed_settings_say_where_each_comes_from(config: Path) -> None:
    config.write_text("port = 1")
    lines = resolve({"policy": "open"}, {}, config).as_toml().splitlines()
    assert lines[0] == f"# configuration file: {config}"
    comments = {line.split(" = ")[0]: line.split("  # ")[1] for line in lines[1:]}
    assert comments["port"] == f"file {config}, key port"
    assert comments["policy"] == "command line --policy"
    assert comments["host"] == "default"


def test_the_printed_settings_name_the_file_that_would_be_read(config: Path) -> None:
    first_line = resolve({}, {}, config).as_toml().splitlines()[0]
    assert first_line == f"# configuration file: {config} (does not exist)"


def test_the_default_file_is_in_a_folder_of_our_own() -> None:
    path = default_config_file()
    assert (path.parent.name, path.name) == ("classroom-sfu", "config.toml")


def test_nearest_offers_nothing_for_a_word_unlike_any() -> None:
    assert nearest("prot", ["port", "policy"]) == "port"
    assert nearest("zzz", ["port", "policy"]) is None


def test_a_pin_is_shown_nowhere(config: Path) -> None:
    resolved = resolve({"pin": "4711"}, {}, config)
    assert resolved.settings.pin == "4711"
    shown = resolved.as_toml()
    assert "4711" not in shown
    assert "# pin is set, and not shown" in shown
    assert "pin" not in tomllib.loads(shown)
    assert tomllib.loads(resolve({}, {}, config).as_toml())["pin"] == ""
    with pytest.raises(SettingsError) as refused:
        resolve({}, {"CLASSROOM_SFU_PIN": "4711\x00"}, config)
    assert "4711" not in refused.value.message
    assert refused.value.message.startswith("environment CLASSROOM_SFU_PIN: what is set is wrong")


def test_a_tilde_is_the_home_folder_in_every_place(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    expected = str(tmp_path / "sfu.log")
    config.write_text("log_file = '~/sfu.log'\n")
    assert resolve({}, {}, config).settings.log_file == expected
    assert resolve({"log_file": "~/sfu.log"}, {}, config).settings.log_file == expected
    environment = {"CLASSROOM_SFU_LOG_FILE": "~/sfu.log"}
    assert resolve({}, environment, config).settings.log_file == expected
    assert resolve({"config": "~/config.toml"}, {}).file == config
    assert resolve({}, {"CLASSROOM_SFU_CONFIG": "~/config.toml"}).file == config
    with pytest.raises(SettingsError, match="a home folder that exists"):
        resolve({"config": "~nobody-of-that-name/config.toml"}, {})
