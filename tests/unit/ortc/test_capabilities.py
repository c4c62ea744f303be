from __future__ import annotations

from sidecar.ortc import can_consume, router_rtp_capabilities
from sidecar.ortc.codecs import find_rtx, is_rtx, media_kind
from sidecar.ortc.validation import validate_rtp_capabilities
from tests.unit.ortc.builders import consumable, h264, opus, sending, vp8

ROUTER = router_rtp_capabilities()


def test_router_capabilities_are_valid_and_always_the_same() -> None:
    validate_rtp_capabilities(ROUTER)
    assert router_rtp_capabilities() == ROUTER


def test_every_video_codec_has_rtx_and_audio_has_none() -> None:
    for codec in ROUTER.codecs:
        if not is_rtx(codec):
            rtx = find_rtx(ROUTER.codecs, codec.preferred_payload_type)
            assert (rtx is not None) == (media_kind(codec) == "video")


def test_payload_types_are_unique() -> None:
    payload_types = [codec.preferred_payload_type for codec in ROUTER.codecs]

    assert payload_types == [100, 101, 102, 103, 104]


def test_a_header_extension_has_one_id_and_an_id_one_header_extension() -> None:
    pairs = {(each.uri, each.preferred_id) for each in ROUTER.header_extensions}

    assert len({uri for uri, _ in pairs}) == len(pairs) == len({number for _, number in pairs})


def test_the_router_can_consume_all_that_it_accepts() -> None:
    assert can_consume(consumable(sending(opus()), "audio"), ROUTER)
    assert can_consume(consumable(sending(h264())), ROUTER)
    assert can_consume(consumable(sending(vp8())), ROUTER)
