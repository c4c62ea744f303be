"""Which web pages may connect."""

from __future__ import annotations

import logging

import pytest

from sidecar.signaling.origin import (
    MAX_REPORTED,
    Origin,
    OriginCheck,
    OriginRule,
    OwnHosts,
    names_of,
    parse_origin,
)

OWN = {"192.168.1.20", "fd00::20"}
HERE = "127.0.0.1:3016"


def rule(*allowed: str) -> OriginRule:
    return OriginRule(allowed, OwnHosts(names_of("Teacher-PC"), OWN.__contains__))


def allows(origin: str, host: str = HERE, *allowed: str) -> bool:
    return rule(*allowed).allows([origin], [host])


@pytest.mark.parametrize("hosts", [[], [HERE], ["evil.example"], ["a", "b"]])
def test_what_is_no_browser_is_not_concerned(hosts: list[str]) -> None:
    assert rule().allows([], hosts)


@pytest.mark.parametrize(
    "origin",
    ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost", "TAURI://LOCALHOST"],
)
def test_the_app_may_connect_by_any_name(origin: str) -> None:
    assert allows(origin)
    assert allows(origin, "sfu.school.example")
    assert rule().allows([origin], [])


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:5173",
        "https://LocalHost:8443",
        "http://app.localhost:1",
        "http://127.0.0.1:65535",
        "http://127.8.9.10",
        "http://[::1]:5173",
        "http://[::ffff:7f00:1]",
        "http://192.168.1.20:8080",
        "https://192.168.1.20",
        "http://[fd00::20]",
        "http://[FD00:0::20]:3016",
        "http://teacher-pc:8080",
        "http://Teacher-PC.local",
    ],
)
@pytest.mark.parametrize(
    "host", [HERE, "localhost", "192.168.1.20:3016", "[fd00::20]:3016", "teacher-pc.local:3016"]
)
def test_pages_of_this_computer_may_connect_to_it(origin: str, host: str) -> None:
    assert allows(origin, host)


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://192.168.1.20:3016"])
@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example:3016"],
        ["192.168.1.21:3016"],
        ["localhost.evil.example"],
        [HERE, HERE],
        [HERE, "evil.example"],
        ["user@127.0.0.1"],
        ["127.0.0.1:x"],
    ],
)
def test_but_not_by_a_name_that_is_not_ours(origin: str, hosts: list[str]) -> None:
    assert not rule().allows([origin], hosts)


def test_a_name_that_leads_here_is_not_ours_for_that() -> None:
    assert not allows("http://evil.example:3016", "evil.example:3016")


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "NULL",
        "*",
        "http://evil.example",
        "http://192.168.1.21",
        "http://[fd00::21]",
        "http://0.0.0.0",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://localhost@evil.example",
        "http://user:password@localhost",
        "http://localhost/",
        "http://localhost/path",
        "http://localhost?x",
        "http://localhost#x",
        "http://localhost:5173 http://evil.example",
        "http://localhost,http://localhost",
        " http://localhost",
        "http://localhost\n",
        "http://localhost.",
        "http://127.0.0.1.",
        "http://.localhost",
        "http://a..localhost",
        "http://localhost:",
        "http://localhost:99999",
        "http://localhost:+80",
        "http://localhost:0080",
        "http://localhost:\N{ARABIC-INDIC DIGIT EIGHT}",
        "http://2130706433",
        "http://0x7f000001",
        "http://0x7f.0.0.1",
        "http://0177.0.0.1",
        "http://127.0.0.001",
        "http://127.1",
        "http://127.0.0.1.1",
        "http://[::1",
        "http://::1",
        "http://[::1%25lo]",
        "http://[127.0.0.1]",
        "http://loc\N{LATIN SMALL LETTER DOTLESS I}lhost",
        "http://\N{FULLWIDTH LATIN SMALL LETTER L}ocalhost",
        "http://localhos\N{LATIN SMALL LETTER LONG S}t",
        "//localhost",
        "localhost",
        "localhost:5173",
        "http:localhost",
        "http:/localhost",
        "file://localhost",
        "ws://localhost",
        "ftp://127.0.0.1",
        "chrome-extension://localhost",
        "tauri://localhost:1",
        "tauri://evil.example",
        "tauri.localhost",
        "http://tauri.localhost.evil.example",
        "http://teacher-pc.evil.example",
        "http://teacher-pc.local.evil.example",
        "http://" + "a" * 300,
    ],
)
def test_strange_or_malformed_origins_are_refused(origin: str) -> None:
    assert not allows(origin)


def test_several_origins_are_refused() -> None:
    assert not rule().allows(["tauri://localhost"] * 2, [HERE])
    assert not rule("*").allows(["http://a.example", "http://b.example"], [HERE])


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("https://class.example", "https://class.example", True),
        ("https://class.example", "https://CLASS.example:443", True),
        ("https://class.example:443", "https://class.example", True),
        ("http://class.example:8080", "http://class.example:8080", True),
        ("https://class.example", "http://class.example", False),
        ("https://class.example", "https://class.example:8443", False),
        ("https://class.example", "https://sub.class.example", False),
        ("https://class.example", "https://class.example.evil.example", False),
        ("http://[fd00:0::99]", "http://[fd00::99]", True),
        ("chrome-extension://abcdef", "chrome-extension://abcdef", True),
        ("null", "null", True),
        ("*", "null", True),
        ("*", "http://evil.example", True),
    ],
)
@pytest.mark.parametrize("host", [HERE, "sfu.school.example"])
def test_what_is_allowed_by_the_person_running_it(
    allowed: str, origin: str, expected: bool, host: str
) -> None:
    assert allows(origin, host, allowed) is expected


def test_an_origin_taken_apart() -> None:
    assert parse_origin("HTTPS://Class.Example:8443") == Origin("https", "class.example", 8443)
    assert parse_origin("https://class.example:443") == Origin("https", "class.example", None)
    assert parse_origin("http://[FD00::0:1]:80") == Origin("http", "fd00::1", None)
    assert parse_origin("tauri://localhost") == Origin("tauri", "localhost", None)


@pytest.mark.parametrize(
    ("host_name", "names"),
    [
        ("", ()),
        ("pc", ("pc", "pc.local")),
        ("pc.school.example", ("pc.school.example", "pc.local")),
    ],
)
def test_the_names_of_a_computer(host_name: str, names: tuple[str, ...]) -> None:
    assert names_of(host_name) == names


def test_each_refused_origin_is_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    check = OriginCheck(rule())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not check.allows(["http://evil.example"], [HERE])
            assert not check.allows(["http://worse.example"], [HERE])
            assert check.allows(["http://localhost"], [HERE])
    assert len(caplog.messages) == 2
    assert "'http://evil.example'" in caplog.messages[0]
    assert "--allow-origin" in caplog.messages[0]


def test_made_up_origins_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    check = OriginCheck(rule())
    with caplog.at_level(logging.WARNING):
        for number in range(10 * MAX_REPORTED):
            check.allows([f"http://evil{number}.example"], [HERE])
    assert len(caplog.messages) == MAX_REPORTED + 1


def test_what_is_said_in_the_log_is_one_short_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        OriginCheck(rule()).allows(["http://\x85\x1b[2J" + "x" * 9999], [HERE])
    [message] = caplog.messages
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 300
