"""Models and endpoints as short tables: what a person compares, prices per million tokens. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from openrouter_mcp.api.responses import count, mapping, mappings, measure, number, text, texts
from openrouter_mcp.models.endpoints import is_degraded
from openrouter_mcp.models.model import Model, PriceOverride, varies
from openrouter_mcp.models.prices import video_lines
from openrouter_mcp.money import MILLION, parse_usd
from openrouter_mcp.text import DAY, clean

DESCRIPTION_LIMIT = 500
# OpenRouter writes "never" as a date far away.
EXPIRY_SHOWN_DAYS = 365
# Everything else that OpenRouter lists under `pricing` is per token.
PER_UNIT = {"request", "image", "web_search", "discount"}
SHORTEST_LATENCY_MS = 30
SMALLEST_UNIT_PRICE = Decimal("0.0001")
KINDS = ("text", "image", "file", "audio", "video")
ABILITIES = {
    "tools": {"tools"},
    "json": {"structured_outputs", "response_format"},
    "reasoning": {"reasoning"},
}


def row(model: Model, now: float) -> dict[str, Any]:
    """One line of a list: about 50 tokens. Prices are USD per million tokens."""
    return _present(
        {
            "id": model.id,
            "name": model.name.partition(": ")[2] or model.name,
            "context": model.context_length or None,
            **_short_price(model),
            "kinds": _kinds(model),
            "supports": [
                ability
                for ability, any_of in ABILITIES.items()
                if any_of & model.supported_parameters
            ],
            "age": _age(model.created, now),
            "expires": _expires(model, now),
        }
    )


def card(
    model: Model,
    endpoints: Iterable[Mapping[str, Any]],
    now: float,
    policies: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Everything on one model that helps to choose and to call it.

    `policies` says by tag what becomes of data at an endpoint.
    """
    offers = [
        {**endpoint(row), **(policies or {}).get(str(row.get("tag")), {})} for row in endpoints
    ]
    if _priced_by_unit(model):
        for offer in offers:
            offer.pop("prices", None)
    description = model.description
    if len(description) > DESCRIPTION_LIMIT:
        description = f"{description[:DESCRIPTION_LIMIT]}..."
    return _present(
        {
            "id": model.id,
            "name": model.name,
            "description": description,
            "canonical_slug": model.canonical_slug if model.canonical_slug != model.id else "",
            "alias_of": model.alias_target,
            "kinds": _kinds(model),
            "context": model.context_length or None,
            "max_output": model.max_completion_tokens or None,
            "prices": _prices(model),
            "price_overrides": [_override(override) for override in model.price_overrides],
            "parameters": sorted(model.supported_parameters),
            "reasoning": _reasoning(model.reasoning or {}),
            "voices": list(model.supported_voices),
            "benchmarks": _figures(mapping(model.benchmarks, "artificial_analysis")),
            "knowledge_cutoff": model.knowledge_cutoff,
            "age": _age(model.created, now),
            "expires": _expires(model, now),
            "moderated": model.is_moderated,
            "endpoints": offers,
        }
    )


def endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """One provider's offer; `tag` is what provider.only and provider.order take."""
    return _present(
        {
            "tag": text(endpoint, "tag"),
            "provider": text(endpoint, "provider_name"),
            "prices": prices(mapping(endpoint, "pricing")),
            "context": count(endpoint, "context_length") or None,
            "max_output": count(endpoint, "max_completion_tokens") or None,
            "quantization": text(endpoint, "quantization"),
            "latency_ms": _percentiles(_milliseconds(mapping(endpoint, "latency_last_30m"))),
            "tokens_per_second": _percentiles(mapping(endpoint, "throughput_last_30m")),
            "uptime_percent": _figures(endpoint).get("uptime_last_30m"),
            "degraded": is_degraded(endpoint),
        }
    )


def image_endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """One provider's offer to draw; its prices are USD for the unit that each names."""
    return _present(
        {
            "tag": text(endpoint, "provider_tag") or text(endpoint, "provider_slug"),
            "provider": text(endpoint, "provider_name"),
            "prices": [_image_price(line) for line in mappings(endpoint, "pricing")],
            "parameters": {
                name: _allowed(descriptor)
                for name, descriptor in mapping(endpoint, "supported_parameters").items()
            },
            "streaming": endpoint.get("supports_streaming") is True,
        }
    )


def video(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a video model takes, and its prices in USD by the unit in their names."""
    return _present(
        {
            "prices": {name: f"{price:f}" for name, price in video_lines(row).items()},
            "durations_seconds": _seconds(row.get("supported_durations")),
            "resolutions": texts(row, "supported_resolutions"),
            "aspect_ratios": texts(row, "supported_aspect_ratios"),
            "frames": texts(row, "supported_frame_images"),
            "audio": row.get("generate_audio") is True,
            "seed": row.get("seed") is True,
        }
    )


def prices(pricing: Mapping[str, object]) -> dict[str, Any]:
    """USD per million tokens, for `request`, `image` and `web_search` each; zeros left out."""
    shown: dict[str, Any] = {}
    for kind, value in pricing.items():
        price = parse_usd(value)
        if price is None:
            if varies(value):
                shown[kind] = "varies"
        elif price == 0 and kind not in {"prompt", "completion"}:
            continue
        elif kind in PER_UNIT and not (kind == "image" and price < SMALLEST_UNIT_PRICE):
            shown[kind] = _number(price)
        else:
            shown[kind] = _number(price * MILLION)
    return shown


def _prices(model: Model) -> dict[str, Any]:
    """The prices of a card; none where they are those of an image, a video or a request."""
    if audio := _audio_price(model):
        return {"audio_unit": f"{audio.normalize():f}"}
    return {} if _priced_by_unit(model) else prices(mapping(model.raw, "pricing"))


def _short_price(model: Model) -> dict[str, Any]:
    shown = prices(mapping(model.raw, "pricing"))
    if "varies" in shown.values():
        return {"price": "varies"}
    if audio := _audio_price(model):
        return {"price": f"{audio.normalize():f} per unit of audio"}
    if _priced_by_unit(model):
        return {"price": "per unit, see get_model"}
    return {"price_in": shown.get("prompt"), "price_out": shown.get("completion")}


def _audio_price(model: Model) -> Decimal:
    """USD per second, minute or hour of audio: OpenRouter does not say which. 0 = by tokens."""
    if model.output_modalities != {"transcription"} or model.pricing.get("completion"):
        return Decimal(0)
    return model.pricing.get("prompt", Decimal(0))


def _priced_by_unit(model: Model) -> bool:
    """Whether zero token prices hide what an image, a video or a request costs."""
    tokens = model.pricing.get("prompt") or model.pricing.get("completion")
    return bool(model.pricing) and not tokens and not model.is_free


def _override(override: PriceOverride) -> dict[str, Any]:
    """A conditional price: when it holds, in words, and its prices per million tokens."""
    when = []
    if override.min_prompt_tokens > 0:
        when.append(f"prompt over {override.min_prompt_tokens:,} tokens")
    if override.utc_window:
        start, end = (f"{time // 100:02}:{time % 100:02}" for time in override.utc_window)
        when.append(f"{start} to {end} UTC")
    if override.utc_days:
        when.append(f"on {', '.join(override.utc_days)}")
    when += [clean(f"{name} {value}") for name, value in override.not_understood.items()]
    return {"when": ", ".join(when), **prices(override.prices)}


def _image_price(line: Mapping[str, Any]) -> str:
    variant = f" ({line['variant']})" if line.get("variant") else ""
    price, unit = parse_usd(line.get("cost_usd")), str(line.get("unit"))
    if price is None:
        return f"{line.get('billable')}: no price"
    if unit == "token":
        price, unit = price * MILLION, "million tokens"
    return f"{line.get('billable')}: ${_number(price)} per {unit}{variant}"


def _number(price: Decimal) -> int | float:
    """A price as a short JSON number."""
    short = round(price, 6)
    return int(short) if short == short.to_integral_value() else float(short)


def _kinds(model: Model) -> str:
    """What goes in and comes out, as text+image->text."""
    kinds = f"{_ordered(model.input_modalities)}->{_ordered(model.output_modalities)}"
    return kinds if kinds != "->" else ""


def _ordered(kinds: Iterable[str]) -> str:
    rank = {kind: position for position, kind in enumerate(KINDS)}
    return "+".join(sorted(kinds, key=lambda kind: (rank.get(kind, len(rank)), kind)))


def _age(created: int, now: float) -> str:
    """Time since the release, in the largest unit that says something."""
    if not created:
        return ""
    days = max(0, int((now - created) / DAY))
    if days < 60:
        return f"{days} d"
    return f"{days // 30} mo" if days < 730 else f"{days // 365} y"


def _expires(model: Model, now: float) -> str:
    days = model.days_left(now)
    return model.expiration_date if days is not None and days <= EXPIRY_SHOWN_DAYS else ""


def _milliseconds(latency: Mapping[str, Any]) -> Mapping[str, float]:
    """Latencies in ms: they are documented so, but some endpoints tell seconds."""
    known = {name: value for name in latency if (value := measure(latency, name)) is not None}
    in_seconds = known.get("p50", SHORTEST_LATENCY_MS) < SHORTEST_LATENCY_MS
    return {name: value * 1000 if in_seconds else value for name, value in known.items()}


def _percentiles(figures: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in _figures(figures).items() if name in {"p50", "p90"}}


def _figures(fields: Mapping[str, Any]) -> dict[str, float]:
    """Those of the fields that are measured: numbers of at least zero, to a tenth."""
    return {
        name: round(value, 1) if value % 1 else int(value)
        for name in fields
        if (value := measure(fields, name)) is not None
    }


def _seconds(durations: object) -> list[int | float]:
    told = map(parse_usd, durations) if isinstance(durations, list) else ()
    return [_number(seconds) for seconds in told if seconds]


def _reasoning(fields: Mapping[str, Any]) -> dict[str, Any]:
    """How a model reasons: the switches, the efforts that it knows, and the usual one."""
    switches = {name: value for name, value in fields.items() if isinstance(value, bool)}
    efforts = {name: words for name in fields if (words := texts(fields, name))}
    usual = text(fields, "default_effort")
    return {**switches, **efforts, **({"default_effort": usual} if usual else {})}


def _allowed(descriptor: object) -> object:
    """What a parameter takes: its values, or its range as [least, most]."""
    bounds = [number(descriptor, "min"), number(descriptor, "max")]
    if values := texts(descriptor, "values"):
        return values
    return bounds if any(bound is not None for bound in bounds) else text(descriptor, "type")


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Only what says something; a zero does, an empty list does not."""
    return {
        name: value
        for name, value in fields.items()
        if value or (value == 0 and value is not False)
    }
