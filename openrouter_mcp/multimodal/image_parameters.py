"""What image models take and cost: parameters held against their descriptors, prices. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from openrouter_mcp.api.responses import mappings, number
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models import prices
from openrouter_mcp.models.model import Model
from openrouter_mcp.money import MILLION, parse_usd
from openrouter_mcp.multimodal.documents import count_tokens

Descriptor = Mapping[str, Any]

ON_CHAT: Mapping[str, Any] = {
    "supported_parameters": {
        "aspect_ratio": {
            "type": "enum",
            "values": [
                *("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"),
            ],
        },
        "resolution": {"type": "enum", "values": ["1K", "2K", "4K"]},
        "seed": {"type": "boolean"},
    }
}
"""What a model takes that draws in a chat (`image_config`), as an endpoint would say it."""
MEGAPIXELS = {
    "512": Decimal("0.3"),
    "768": Decimal("0.7"),
    "1K": Decimal("1.6"),
    "1.5K": Decimal("3.5"),
    "2K": Decimal("6.3"),
    "4K": Decimal(25),
}
"""The largest that an image of this resolution has in any aspect ratio, roughly."""
ARGUMENTS = {"output_format": "format"}
"""What callers know parameters by where that is not OpenRouter's name."""
UNKNOWN_MEGAPIXELS = Decimal("6.3")
TOKENS_PER_IMAGE = 6500
"""The most that a common model counts for one image, made or sent."""


def fitting(
    model_id: str, endpoints: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The endpoints that take all of the parameters that were `asked` for.

    Raises `INVALID_INPUT` with what is right where none does.
    """
    supported = [_descriptors(endpoint) for endpoint in endpoints]
    for name, value in asked.items():
        known = [descriptors[name] for descriptors in supported if name in descriptors]
        if not known:
            raise _unsupported(model_id, name, supported)
        if not any(allows(descriptor, value) for descriptor in known):
            right = " or ".join(dict.fromkeys(_right(descriptor) for descriptor in known))
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"{ARGUMENTS.get(name, name)} {str(value)!r} is not taken by {model_id}. It takes "
                f"{right}.",
            )
    fit = able(endpoints, asked)
    if not fit:
        names = " and ".join(f"{ARGUMENTS.get(name, name)} {v}" for name, v in asked.items())
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"No provider of {model_id} takes {names} together. Leave one of them out, or choose "
            "another model.",
        )
    return fit


def able(
    endpoints: Iterable[Mapping[str, Any]], asked: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Those of the endpoints, or of the rows of `GET /images/models`, that take all of `asked`."""
    return [
        endpoint
        for endpoint in endpoints
        if all(
            name in (known := _descriptors(endpoint)) and allows(known[name], value)
            for name, value in asked.items()
        )
    ]


def allows(descriptor: Descriptor, value: object) -> bool:
    """Whether a value is one that the descriptor names; a kind that is not known allows any."""
    match descriptor.get("type"):
        case "enum":
            return str(value) in _values(descriptor)
        case "range" if isinstance(value, int | float):
            low, high = number(descriptor, "min"), number(descriptor, "max")
            return (low is None or value >= low) and (high is None or value <= high)
    return True


def most_images(endpoints: Iterable[Mapping[str, Any]]) -> int:
    """How many images one request may ask for at every one of these endpoints."""
    each = [number(_descriptors(endpoint).get("n"), "max") or 1 for endpoint in endpoints]
    return max(1, int(min(each, default=1)))


def image_cost(
    endpoints: Iterable[Mapping[str, Any]],
    *,
    prompt: str,
    images: int,
    references: int,
    resolution: str,
    quality: str = "",
) -> Decimal | None:
    """USD at most, at the dearest endpoint; None where one lists no price.

    Source: `GET /images/models/{author}/{slug}/endpoints`, `pricing`.
    """
    demand = {
        "output_image": images,
        "input_image": references,
        "input_reference": references,
        "input_text": 1,
    }
    costs = []
    for endpoint in endpoints:
        lines = mappings(endpoint, "pricing")
        if not any(line.get("billable") == "output_image" for line in lines):
            return None
        total = Decimal(0)
        for billable, count in demand.items():
            prices = [
                _price(line, count, prompt, resolution)
                for line in _in_force(lines, billable, resolution, quality)
            ]
            listed = [price for price in prices if price is not None]
            if len(listed) < len(prices):
                return None
            total += max(listed, default=Decimal(0))
        costs.append(total)
    return max(costs, default=None)


def chat_image_cost(model: Model | None, prompt: str) -> Decimal | None:
    """USD at most for an image that is drawn in a chat; None where no price is listed."""
    listed = prices.listed(model, "prompt", "completion", "image_output")
    if listed is None or not max(listed[1:]):
        return None
    sent = count_tokens(prompt) + TOKENS_PER_IMAGE
    return TOKENS_PER_IMAGE * max(listed[1:]) + sent * listed[0]


def _descriptors(endpoint: Mapping[str, Any]) -> Mapping[str, Descriptor]:
    supported = endpoint.get("supported_parameters")
    if not isinstance(supported, Mapping):
        return {}
    return {str(k): v for k, v in supported.items() if isinstance(v, Mapping)}


def _values(descriptor: Descriptor) -> list[str]:
    listed = descriptor.get("values")
    return [str(value) for value in listed] if isinstance(listed, list) else []


def _right(descriptor: Descriptor) -> str:
    match descriptor.get("type"):
        case "enum":
            return ", ".join(_values(descriptor))
        case "range":
            return f"{descriptor.get('min')} to {descriptor.get('max')}"
    return "any"


def _unsupported(
    model_id: str, name: str, supported: Sequence[Mapping[str, Descriptor]]
) -> OpenRouterError:
    union = {key: value for descriptors in supported for key, value in descriptors.items()}
    takes = "; ".join(
        f"{ARGUMENTS.get(key, key)}: {_right(value)}" for key, value in sorted(union.items())
    )
    name = ARGUMENTS.get(name, name)
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{model_id} takes no {name}. It takes {takes or 'a prompt alone'}. Leave {name} out, or "
        "choose another model.",
    )


def _in_force(
    lines: Iterable[Mapping[str, Any]], billable: str, resolution: str, quality: str
) -> list[Mapping[str, Any]]:
    """The price lines for what is asked for where some name it, else all of them."""
    listed = [line for line in lines if line.get("billable") == billable]
    wanted = {each.casefold() for each in (resolution, quality) if each}
    named = [line for line in listed if str(line.get("variant") or "").casefold() in wanted]
    # A line without a variant may hold beside them.
    return [*named, *(line for line in listed if not line.get("variant"))] if named else listed


def _price(line: Mapping[str, Any], count: int, prompt: str, resolution: str) -> Decimal | None:
    """USD for `count` of what a price line is for; None where its price cannot be read."""
    price = parse_usd(line.get("cost_usd"))
    if price is None:
        return None
    text = line.get("billable") == "input_text"
    match line.get("unit"):
        case "token":
            price *= count_tokens(prompt) if text else TOKENS_PER_IMAGE
        case "megapixel":
            price *= _megapixels(resolution)
    return price * count


def _megapixels(resolution: str) -> Decimal:
    """The most megapixels of an image of this resolution, which may be its size in pixels."""
    width, _, height = resolution.casefold().partition("x")
    if width.isdecimal() and height.isdecimal():
        return Decimal(width) * Decimal(height) / MILLION
    return MEGAPIXELS.get(resolution, UNKNOWN_MEGAPIXELS)
