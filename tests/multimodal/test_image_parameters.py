"""What image endpoints take, and what they can cost at most."""

from decimal import Decimal
from typing import Any

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.multimodal import image, image_parameters
from openrouter_mcp.multimodal.image import ImageRequest

SMALL = {
    "resolution": {"type": "enum", "values": ["1K"]},
    "n": {"type": "range", "min": 1, "max": 4},
}
LARGE = {
    "resolution": {"type": "enum", "values": ["1K", "4K"]},
    "seed": {"type": "boolean"},
    "output_format": {"type": "enum", "values": ["png", "jpeg"]},
}
PER_IMAGE = [
    {"billable": "output_image", "unit": "image", "cost_usd": 0.04, "variant": "1k"},
    {"billable": "output_image", "unit": "image", "cost_usd": 0.16, "variant": "4K"},
]


def endpoint(tag: str, takes: dict[str, Any], pricing: list[dict] = PER_IMAGE) -> dict[str, Any]:
    return {"provider_slug": tag, "supported_parameters": takes, "pricing": pricing}


BOTH = [endpoint("small", SMALL), endpoint("large", LARGE)]


def price(pricing: list[dict], **demand: Any) -> Decimal | None:
    known = {"prompt": "x" * 300, "images": 1, "references": 0, "resolution": ""}
    return image_parameters.image_cost([endpoint("a", {}, pricing)], **(known | demand))


def test_only_endpoints_that_take_everything_are_left() -> None:
    fit = image_parameters.fitting("m", BOTH, {"resolution": "4K", "seed": 3})
    assert [each["provider_slug"] for each in fit] == ["large"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"resolution": "2K"}, "It takes 1K or 1K, 4K."),
        ({"quality": "low"}, "takes no quality. It takes n: 1 to 4; format: png, jpeg;"),
        ({"n": 5}, "It takes 1 to 4."),
        ({"n": 2, "seed": 1}, "takes n 2 and seed 1 together"),
    ],
)
def test_a_wrong_value_is_answered_with_the_right_ones(asked, said) -> None:
    with pytest.raises(OpenRouterError, match=said):
        image_parameters.fitting("m", BOTH, asked)


def test_a_descriptor_of_a_new_kind_allows_anything() -> None:
    assert image_parameters.allows({"type": "pattern"}, "x")


def test_one_request_may_make_what_every_endpoint_makes() -> None:
    assert image_parameters.most_images([endpoint("small", SMALL)]) == 4
    assert image_parameters.most_images(BOTH) == 1
    assert image_parameters.most_images([]) == 1


def test_the_price_follows_the_resolution_and_is_the_dearest_without_one() -> None:
    assert price(PER_IMAGE, images=2, resolution="1K") == Decimal("0.08")
    assert price(PER_IMAGE, images=2, resolution="4K") == Decimal("0.32")
    assert price(PER_IMAGE) == Decimal("0.16")
    assert price(PER_IMAGE, resolution="2K") == Decimal("0.16")


def test_pixels_tokens_and_what_is_sent_along_are_priced() -> None:
    pixels = [{"billable": "output_image", "unit": "megapixel", "cost_usd": 0.01}]
    assert price(pixels, resolution="1K") == Decimal("0.016")
    tokens = [{"billable": "output_image", "unit": "token", "cost_usd": 0.00001}]
    assert price(tokens, images=2) == Decimal("0.13")
    words = [{"billable": "input_text", "unit": "token", "cost_usd": 0.001}]
    assert price(words + pixels, resolution="1K") == Decimal("0.116")
    sent = [{"billable": "input_reference", "unit": "image", "cost_usd": 0.003}]
    assert price(sent + pixels, resolution="1K", references=2) == Decimal("0.022")


def test_a_price_that_one_endpoint_does_not_list_bounds_nothing() -> None:
    known = {"prompt": "", "images": 1, "references": 0, "resolution": ""}
    unpriced = [endpoint("a", {}), endpoint("b", {}, [])]
    assert image_parameters.image_cost(unpriced, **known) is None
    assert image_parameters.image_cost([], **known) is None


@pytest.mark.parametrize("odd", ["dear", None, -1, "1e400", [0.1]])
def test_a_price_that_cannot_be_read_bounds_nothing(odd) -> None:
    assert price([{"billable": "output_image", "unit": "image", "cost_usd": odd}]) is None


def test_a_request_is_kept_to_the_providers_that_can() -> None:
    body: dict[str, Any] = {"provider": {"sort": "price"}}
    image.kept_to_able("m", BOTH, {"resolution": "4K"}, "", body)
    assert body["provider"] == {"sort": "price", "only": ["large"]}
    chosen: dict[str, Any] = {"provider": {"only": ["mine"]}}
    image.kept_to_able("m", BOTH, {"resolution": "4K"}, "", chosen)
    assert chosen["provider"] == {"only": ["mine"]}


def test_the_format_follows_from_the_name_or_the_transparency_where_it_can() -> None:
    endpoints = [endpoint("large", LARGE | {"background": {"type": "boolean"}})]
    for asked, suffix, made in (
        ({}, ".jpg", "jpeg"),
        ({}, ".webp", None),
        ({}, "", None),
        ({"background": "transparent"}, "", "png"),
        ({"background": "transparent"}, ".jpg", "png"),
        ({"output_format": "jpeg"}, ".png", None),
    ):
        body: dict[str, Any] = {}
        image.kept_to_able("m", endpoints, asked, suffix, body)
        assert body.get("output_format") == made


def test_images_are_divided_among_requests_with_seeds_of_their_own() -> None:
    ask = ImageRequest(prompt="p", n=5, options={})
    bodies = image.image_bodies({"seed": 7}, ask, [], 2)
    assert [(body.get("n", 1), body["seed"]) for body in bodies] == [(2, 7), (2, 8), (1, 9)]
