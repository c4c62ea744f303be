"""What is left of a text when others see it."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable

import pytest

from sidecar.classroom.peer import Peer
from sidecar.classroom.text import MAX_MARKS, PLACEHOLDER, is_plain_id, one_line, speech

EVERYTHING = list(map(chr, range(sys.maxunicode + 1)))
DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TEACHER = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{SCHOOL}"
HEART = "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}"
KEYCAP = "1\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize("category", ["Cc", "Cf", "Cs", "Zl", "Zp"])
def test_no_character_of_these_kinds_is_in_a_name(category: str) -> None:
    strange = [each for each in EVERYTHING if unicodedata.category(each) == category]
    assert [each for each in strange if each in one_line(f"a{each}b")] == []


def test_no_blank_or_joiner_is_in_a_name() -> None:
    blanks = "\u115f\u1160\u17b4\u2800\u3164\uffa0\ufe0f\U000e0100\u034f\u180b\U000e0041\u2065"
    assert one_line(f"A{blanks}nn") == "Ann"


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "Zoë",
        "Zoe\N{COMBINING DIAERESIS}",
        "Nguyễn Thị Ánh",
        "Nguye\u0302\u0303n",
        "علي",
        "דָּוִד",
        "王小明",
        "สมชาย ก็",
        "अनुष्का",
        "O'Neil-Smith, 3b",
        "\N{WOMAN} Ms T",
    ],
)
def test_names_of_all_scripts_stay(name: str) -> None:
    assert one_line(name) == name
    assert speech(name) == name
    assert is_plain_id(name)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("  Ann \n\t B.  ", "Ann B."),
        ("Ann\u2028Teacher", "Ann Teacher"),
        ("Ann\N{NO-BREAK SPACE}\u3000B.", "Ann B."),
        ("\u202eAnn", "Ann"),
        ("T\u200beacher", "Teacher"),
        ("Ann\x1b[31m", "Ann[31m"),
        ("Ann \ud83d", f"Ann {PLACEHOLDER}"),
        (TEACHER, "\N{WOMAN}\N{SCHOOL}"),
        ("\N{COMBINING ACUTE ACCENT}Ann", "Ann"),
        (" ", PLACEHOLDER),
        ("\u200b\u2800\n", PLACEHOLDER),
        ("\N{COMBINING ACUTE ACCENT}", PLACEHOLDER),
        ("", PLACEHOLDER),
    ],
)
def test_what_is_seen_of_a_name(name: str, seen: str) -> None:
    assert one_line(name) == seen
    assert Peer("id", name, False).name == seen


@pytest.mark.parametrize("mark", ["\u0301", "\u0e47", "\u0489", "\u20dd"])
def test_marks_do_not_pile_up(mark: str) -> None:
    assert one_line("a" + mark * 200 + "b" + mark) == "a" + mark * MAX_MARKS + "b" + mark
    assert speech("a" + f"{mark}\u200d" * 200).count(mark) == MAX_MARKS


@pytest.mark.parametrize(
    "said", ["one\ntwo\tthree", TEACHER, HEART, KEYCAP, SCOTLAND, PERSIAN, "⠀⣿⠀", " a  b "]
)
def test_lines_and_emoji_may_be_said(said: str) -> None:
    assert speech(said) == said


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\u2028b\x85c", "a\nb\nc"),
        ("\x1b[2Jhello\x07\x00", "[2Jhello"),
        (f"a{DIRECTIONS}b", "ab"),
        ("a\U000e0068\U000e0069\ufeffb", "ab"),
        ("cut \ud83d", f"cut {PLACEHOLDER}"),
        ("\u200d\ufe0f \n", PLACEHOLDER),
        ("\u202e", PLACEHOLDER),
    ],
)
def test_what_is_seen_of_what_is_said(said: str, seen: str) -> None:
    assert speech(said) == seen


@pytest.mark.parametrize("clean", [one_line, speech])
def test_what_is_clean_stays_as_it_is(clean: Callable[[str], str]) -> None:
    everything = "".join(EVERYTHING)
    once = clean(everything)
    assert clean(once) == once


@pytest.mark.parametrize(
    "strange", ["", *"\n\t\x00\x1b\x85\u2028\u200b\ufeff\u3164\U000e0041", *DIRECTIONS, "\ud83d"]
)
def test_ids_are_compared_and_not_cleaned(strange: str) -> None:
    assert is_plain_id(f"room{strange}7") is (strange == "")


def test_ids_that_people_type_are_plain() -> None:
    for typed in ("7b", "Klasse 7b ", TEACHER, HEART, PERSIAN, "\N{REPLACEMENT CHARACTER}"):
        assert is_plain_id(typed)
