from __future__ import annotations

import pytest

from sidecar.ortc.h264 import (
    DEFAULT_PROFILE_LEVEL,
    LEVEL_1B,
    H264Profile,
    ProfileLevel,
    answered_level,
    parse_profile_level_id,
    profile_level_of,
)


@pytest.mark.parametrize(
    ("text", "profile", "level"),
    [
        ("42e01f", H264Profile.CONSTRAINED_BASELINE, 31),
        ("42E01F", H264Profile.CONSTRAINED_BASELINE, 31),
        ("42c01f", H264Profile.CONSTRAINED_BASELINE, 31),
        ("424028", H264Profile.CONSTRAINED_BASELINE, 40),
        ("4de01f", H264Profile.CONSTRAINED_BASELINE, 31),
        ("4d8029", H264Profile.CONSTRAINED_BASELINE, 41),
        ("58c01f", H264Profile.CONSTRAINED_BASELINE, 31),
        ("42001f", H264Profile.BASELINE, 31),
        ("42a01e", H264Profile.BASELINE, 30),
        ("58801f", H264Profile.BASELINE, 31),
        ("4d001f", H264Profile.MAIN, 31),
        ("4d4033", H264Profile.MAIN, 51),
        ("64001f", H264Profile.HIGH, 31),
        ("640c34", H264Profile.CONSTRAINED_HIGH, 52),
        ("f4001f", H264Profile.PREDICTIVE_HIGH_444, 31),
        ("42e00b", H264Profile.CONSTRAINED_BASELINE, 11),
        ("42f00b", H264Profile.CONSTRAINED_BASELINE, LEVEL_1B),
        ("42100b", H264Profile.BASELINE, LEVEL_1B),
        ("4d100b", H264Profile.MAIN, LEVEL_1B),
    ],
)
def test_profile_and_level_are_read(text: str, profile: H264Profile, level: int) -> None:
    assert parse_profile_level_id(text) == ProfileLevel(profile, level)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42e01",
        "42e01f0",
        "42e01g",
        " 42e01f",
        "42e01f\n",
        "0x42e0",
        "42_e01",
        "\uff14\uff12e01f",
        "000000",
        "42e000",
        "42e009",
        "42e0ff",
        "42e11f",
        "64081f",
        "4d201f",
        "58001f",
        "ffffff",
    ],
)
def test_what_names_no_profile_and_level_is_not_understood(text: str) -> None:
    assert parse_profile_level_id(text) is None


@pytest.mark.parametrize(
    "text",
    ["42e01f", "42001f", "4d0028", "640c29", "640033", "f40034", "42f00b", "42100b", "4d100b"],
)
def test_canonical_ids_survive_a_round_trip(text: str) -> None:
    assert str(parse_profile_level_id(text)) == text


@pytest.mark.parametrize("text", ["42c01f", "4de01f", "58c01f", "42C01F"])
def test_other_spellings_become_the_canonical_one(text: str) -> None:
    assert str(parse_profile_level_id(text)) == "42e01f"


@pytest.mark.parametrize("parameters", [{}, {"profile-level-id": ""}, {"profile-level-id": None}])
def test_missing_id_is_constrained_baseline(
    parameters: dict[str, str | int | float | None],
) -> None:
    assert profile_level_of(parameters) == DEFAULT_PROFILE_LEVEL


def test_id_of_decimal_digits_may_have_become_a_number() -> None:
    assert profile_level_of({"profile-level-id": 640029}) == ProfileLevel(H264Profile.HIGH, 41)


@pytest.mark.parametrize("value", [1, 42.5, -640029, 2**53, "42e0"])
def test_id_that_is_something_else_is_not_understood(value: str | int | float) -> None:
    assert profile_level_of({"profile-level-id": value}) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "asymmetry_allowed", "expected"),
    [
        (31, 40, False, 31),
        (40, 31, False, 31),
        (31, 31, False, 31),
        (LEVEL_1B, 10, False, 10),
        (10, LEVEL_1B, False, 10),
        (LEVEL_1B, 11, False, LEVEL_1B),
        (11, LEVEL_1B, False, LEVEL_1B),
        (40, 31, True, 40),
        (31, 40, True, 31),
    ],
)
def test_answered_level(ours: int, theirs: int, asymmetry_allowed: bool, expected: int) -> None:
    assert answered_level(ours, theirs, asymmetry_allowed=asymmetry_allowed) == expected
