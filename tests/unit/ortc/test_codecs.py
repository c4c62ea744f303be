from __future__ import annotations

import pytest
from msgspec.structs import replace

from sidecar.ortc.codecs import (
    answered_parameters,
    codecs_match,
    find_rtx,
    integer_parameter,
    is_rtx,
    media_kind,
)
from sidecar.ortc.parameters import ParameterValue
from tests.unit.ortc.builders import h264, opus, rtx, vp8


def test_mime_types_match_in_any_case() -> None:
    assert codecs_match(vp8(), replace(vp8(), mime_type="VIDEO/vp8"))
    assert not codecs_match(vp8(), h264())


def test_clock_rates_must_be_equal() -> None:
    assert not codecs_match(vp8(), replace(vp8(), clock_rate=48_000))


def test_payload_types_and_feedback_do_not_matter() -> None:
    assert codecs_match(vp8(96), vp8(100))


@pytest.mark.parametrize(
    ("one", "other", "match"), [(2, 2, True), (2, 1, False), (2, None, False), (1, None, True)]
)
def test_audio_channels_must_be_equal_and_are_one_by_default(
    one: int | None, other: int | None, match: bool
) -> None:
    assert codecs_match(opus(channels=one), opus(channels=other)) is match


def test_channels_of_video_do_not_matter() -> None:
    assert codecs_match(vp8(), replace(vp8(), channels=1))


@pytest.mark.parametrize("profile_level_id", ["42e01f", "42c01f", "4de01f", "42e034", "42E00A"])
def test_h264_matches_by_profile(profile_level_id: str) -> None:
    assert codecs_match(h264(profile_level_id=profile_level_id), h264())


@pytest.mark.parametrize("profile_level_id", ["42001f", "4d001f", "64001f", "640c1f", "rubbish"])
def test_h264_of_another_profile_does_not_match(profile_level_id: str) -> None:
    assert not codecs_match(h264(profile_level_id=profile_level_id), h264())
    assert not codecs_match(h264(), h264(profile_level_id=profile_level_id))


def test_h264_that_is_not_understood_matches_not_even_itself() -> None:
    codec = h264(profile_level_id="rubbish")

    assert not codecs_match(codec, codec)


def test_h264_packetization_modes_must_be_equal_and_are_zero_by_default() -> None:
    without_mode = replace(h264(), parameters={"profile-level-id": "42e01f"})

    assert not codecs_match(h264(packetization_mode=0), h264(packetization_mode=1))
    assert not codecs_match(without_mode, h264(packetization_mode=1))
    assert codecs_match(without_mode, h264(packetization_mode=0))


def test_h264_without_profile_is_constrained_baseline() -> None:
    assert codecs_match(replace(h264(), parameters={"packetization-mode": "1"}), h264())


@pytest.mark.parametrize(
    ("asymmetry_allowed", "expected"),
    [((1, 1), "42e028"), ((1, 0), "42e01f"), ((0, 1), "42e01f"), ((0, 0), "42e01f")],
)
def test_a_higher_level_is_kept_only_if_both_allow_asymmetry(
    asymmetry_allowed: tuple[int, int], expected: str
) -> None:
    theirs, ours = (
        replace(codec, parameters={**codec.parameters, "level-asymmetry-allowed": allowed})
        for codec, allowed in zip(
            (h264(profile_level_id="42c028"), h264()), asymmetry_allowed, strict=True
        )
    )

    assert answered_parameters(theirs, ours)["profile-level-id"] == expected


def test_other_parameters_are_kept_and_null_becomes_empty() -> None:
    codec = replace(opus(), parameters={"usedtx": 1, "x": None, "y": "z", "f": 0.5})

    assert answered_parameters(codec, opus()) == {"usedtx": 1, "x": "", "y": "z", "f": 0.5}


def test_answering_leaves_the_codec_as_it_was() -> None:
    codec = h264(profile_level_id="42c01f")

    answered_parameters(codec, h264())

    assert codec == h264(profile_level_id="42c01f")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        ("1", 1),
        ("096", 96),
        ("", None),
        ("one", None),
        ("-1", None),
        ("\u0661", None),
        ("9" * 5000, None),
        (1.5, None),
        (None, None),
    ],
)
def test_integer_parameters(value: ParameterValue, expected: int | None) -> None:
    assert integer_parameter({"key": value}, "key") == expected


def test_rtx_is_found_by_the_payload_type_that_it_repairs() -> None:
    codecs = [vp8(96), rtx(97, 96), h264(98), rtx(99, "98")]

    assert find_rtx(codecs, 96) == rtx(97, 96)
    assert find_rtx(codecs, 98) == rtx(99, "98")
    assert find_rtx(codecs, 97) is None
    assert find_rtx(codecs, None) is None
    assert find_rtx([replace(vp8(), parameters={"apt": 5})], 5) is None


def test_kind_and_rtx_are_told_by_the_mime_type() -> None:
    assert media_kind(replace(vp8(), mime_type="Video/VP8")) == "video"
    assert is_rtx(replace(vp8(), mime_type="video/RTX"))
    assert not is_rtx(vp8())
