"""What a video costs at most, from price lines under whichever names. Invented models."""

from decimal import Decimal

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models import datasets
from openrouter_mcp.multimodal import video

ROW = {"id": "acme/reel", "supported_durations": [4, 8], "generate_audio": True}


@pytest.mark.parametrize(
    ("lines", "body", "most"),
    [
        ({"per-video-second": "0.5"}, {"duration": 4}, "2.0"),
        ({"per-video-second": "0.5"}, {}, "4.0"),
        ({"generate": "0.50"}, {"duration": 8}, "0.50"),
        ({"per-video": "0.3"}, {}, "0.3"),
        (
            {"per-video-second": "0.5", "per-video-second-1080p": "0.75"},
            {"duration": 4, "resolution": "1080p"},
            "3.00",
        ),
        (
            {"per-video-second": "0.5", "per-video-second-1080p": "0.75"},
            {"duration": 4, "resolution": "720p"},
            "2.0",
        ),
        ({"per-video-second": "0.5", "per-video-second-4k": "1"}, {"duration": 4}, "4"),
        (
            {"second-with-audio": "0.4", "second-without-audio": "0.2"},
            {"duration": 4, "generate_audio": False},
            "0.8",
        ),
        ({"second-with-audio": "0.4", "second-without-audio": "0.2"}, {"duration": 4}, "1.6"),
        (
            {"text-to-video-second": "0.1", "image-to-video-second": "0.2"},
            {"duration": 4, "frame_images": [{}]},
            "0.8",
        ),
        ({"cents-per-second": "5"}, {"duration": 4}, "0.20"),
        ({"video-tokens": "0.000001"}, {"duration": 4}, None),
        ({"per-video-second": "0.5", "per-lumen": "1"}, {"duration": 4}, None),
        ({}, {"duration": 4}, None),
        (None, {"duration": 4}, None),
    ],
)
def test_the_most_specific_and_else_the_dearest_line_counts(lines, body, most):
    found = video.video_cost({**ROW, "pricing_skus": lines}, body)
    assert found == (None if most is None else Decimal(most))


def test_what_a_row_does_not_say_is_not_checked():
    video.fit({"id": "acme/reel", "supported_durations": None}, {"duration": 77}, ["x"])


def test_a_model_without_sound_needs_not_be_told_to_be_silent():
    body = {"generate_audio": False}
    video.fit({"id": "acme/reel", "generate_audio": False}, body, [])
    assert body == {}


NOTHING_SAID = [None, [], {}, "", " ", [None], {"min": None, "max": None}, {"levels": []}]


@pytest.mark.parametrize("nothing", NOTHING_SAID, ids=repr)
def test_null_empty_and_absent_say_nothing(nothing) -> None:
    silent = dict.fromkeys((*video.LISTS.values(), "supported_frame_images"), nothing)
    body = {"duration": 5, "resolution": "720p", "aspect_ratio": "16:9", "size": "1280x720"}
    for row in ({"id": "acme/reel", **silent}, {"id": "acme/reel"}):
        video.fit(row, dict(body), ["first_frame"])
    assert not datasets.is_upscaler({"creativity": nothing, "upscale_factor": nothing})
    with pytest.raises(OpenRouterError, match=r"takes no options\.creativity"):
        video.fit({"id": "acme/reel", "creativity": nothing}, {"creativity": 1}, [])


@pytest.mark.parametrize("said", [[1, 2], [0], {"min": 1, "max": None}, 2])
def test_an_upscaler_says_so(said) -> None:
    assert datasets.is_upscaler({"creativity": None, "upscale_factor": said})
    video.fit({"id": "acme/up", "creativity": said}, {"creativity": 1}, [])
