"""The table of options: what each takes, what it refuses and how it says so."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import fields

from sidecar.settings import OPTIONS, Option, PortRange, Settings

BY_NAME = {option.name: option for option in OPTIONS}


def test_every_setting_has_exactly_one_option() -> None:
    assert sorted(option.name for option in OPTIONS) == sorted(
        field.name for field in fields(Settings)
    )


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_example_in_an_error_is_a_good_value(option: Option) -> None:
    option.convert(option.example)


def test_flag_and_variable_follow_from_the_name() -> None:
    option = BY_NAME["max_clients_per_room"]
    assert option.flag == "--max-clients-per-room"
    assert option.variable == "CLASSROOM_SFU_MAX_CLIENTS_PER_ROOM"


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("host", "", ""),
        ("host", "::", "::"),
        ("host", "127.0.0.1", "127.0.0.1"),
        ("host", "teacher-pc.school.example", "teacher-pc.school.example"),
        ("port", "0", 0),
        ("port", " 65535 ", 65535),
        ("port", 3016, 3016),
        ("media_ports", "40000-45000", PortRange(40000, 45000)),
        ("media_ports", " 40000 - 45000 ", PortRange(40000, 45000)),
        ("media_ports", "40000", PortRange(40000, 40000)),
        ("media_ports", 40000, PortRange(40000, 40000)),
        ("media_ports", "0", PortRange(0, 0)),
        ("announce", [], ()),
        ("announce", "10.0.0.1", ("10.0.0.1",)),
        ("announce", ["10.0.0.1", " FE80::1 ", "10.0.0.1"], ("10.0.0.1", "fe80::1")),
        ("allow_origin", [], ()),
        ("allow_origin", "https://Class.example", ("https://class.example",)),
        (
            "allow_origin",
            ["*", "null", " http://[::1]:5173 ", "*"],
            ("*", "null", "http://[::1]:5173"),
        ),
        ("pin", "", ""),
        ("pin", " 0815 ", "0815"),
        ("pin", 4711, "4711"),
        ("pin", "x" * 64, "x" * 64),
        ("pin", "Grüne Biene", "Grüne Biene"),
        ("num_workers", "1", 1),
        ("max_clients_per_room", "2", 2),
        ("max_incoming_bitrate", 6_000_000, 6_000_000),
        ("policy", "open", "open"),
        ("log_level", "debug", "debug"),
        ("log_file", "", ""),
        ("log_file", "C:\\logs\\sfu.log", "C:\\logs\\sfu.log"),
        ("log_file", "~/sfu.log", os.path.expanduser("~/sfu.log")),
        ("port_fallback", True, True),
        ("port_fallback", "true", True),
        ("port_fallback", "false", False),
        ("teacher_from", "token", "token"),
    ],
)
def test_a_good_value_is_taken(name: str, written: object, value: object) -> None:
    assert BY_NAME[name].convert(written) == value


@pytest.mark.parametrize(
    ("name", "written", "complaint"),
    [
        ("host", "two words", "an IP address or a host name"),
        ("host", "http://localhost", "an IP address or a host name"),
        ("host", 7, "an IP address or a host name"),
        ("port", "-1", "from 0 to 65535"),
        ("port", "65536", "from 0 to 65535"),
        ("port", "3016.0", "from 0 to 65535"),
        ("port", 3016.0, "from 0 to 65535"),
        ("port", True, "from 0 to 65535"),
        ("port", "", "from 0 to 65535"),
        ("port", "٣٠١٦", "from 0 to 65535"),
        ("port", "9" * 5000, "from 0 to 65535"),
        ("media_ports", "45000-40000", "from low to high"),
        ("media_ports", "0-40000", "from 1 to 65535"),
        ("media_ports", "40000-65536", "from 1 to 65535"),
        ("media_ports", "40000-", "a range of ports"),
        ("media_ports", "a-b", "a range of ports"),
        ("media_ports", False, "a range of ports"),
        ("announce", "teacher-pc", "IP addresses, not names"),
        ("announce", ["10.0.0.1", 7], "IP addresses, not names"),
        ("announce", ["10.0.0.1", ""], "IP addresses, not names"),
        ("announce", "0.0.0.0", "which 0.0.0.0 is not"),
        ("announce", "ff02::1", "which ff02::1 is not"),
        ("allow_origin", "class.example", "scheme://host"),
        ("allow_origin", "https://class.example/", "scheme://host"),
        ("allow_origin", ["https://class.example/room"], "without a path"),
        ("allow_origin", "https://*.class.example", "scheme://host"),
        ("allow_origin", ["https://class.example", 7], "scheme://host"),
        ("allow_origin", "", "or \\* for all"),
        ("pin", " ", "1 to 64 characters"),
        ("pin", "x" * 65, "1 to 64 characters"),
        ("pin", "a\tb", "that can be typed"),
        ("pin", "\udcff", "that can be typed"),
        ("pin", True, "1 to 64 characters"),
        ("pin", ["1234"], "or empty for no PIN"),
        ("num_workers", "0", "from 1 to 64"),
        ("max_clients_per_room", "1", "from 2 to 1000"),
        ("max_incoming_bitrate", "6M", "from 50000 to 1000000000 bit/s"),
        ("policy", "Classroom", "one of: classroom, open"),
        ("policy", ["open"], "one of: classroom, open"),
        ("log_file", 7, "the path of a file"),
        ("log_file", "a\0b", "the path of a file"),
        ("log_file", "~nobody-of-that-name/log", "in a home folder that exists"),
        ("port_fallback", "yes", "true or false"),
        ("port_fallback", 1, "true or false"),
        ("teacher_from", "nowhere", "one of: any, local, token"),
        ("log_level", "verbose", "one of: debug, info, warning, error"),
    ],
)
def test_a_wrong_value_is_refused_with_what_it_must_be(
    name: str, written: object, complaint: str
) -> None:
    with pytest.raises(ValueError, match=f"must be .*{complaint}"):
        BY_NAME[name].convert(written)


def test_a_range_of_one_port_is_written_as_one_port() -> None:
    assert str(PortRange(40000, 40000)) == "40000"
    assert str(PortRange(40000, 45000)) == "40000-45000"
