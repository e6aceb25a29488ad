"""What image and video models take and cost, each in its own units. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from openrouter_mcp.models.cards import MILLION, decimal, number, present


def image_endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """One provider's offer to draw; its prices are USD for the unit that each names."""
    return present(
        {
            "tag": endpoint.get("provider_tag") or endpoint.get("provider_slug"),
            "provider": endpoint.get("provider_name"),
            "prices": [_image_price(line) for line in endpoint.get("pricing") or []],
            "parameters": {
                name: _allowed(descriptor)
                for name, descriptor in (endpoint.get("supported_parameters") or {}).items()
            },
            "streaming": endpoint.get("supports_streaming"),
        }
    )


def _image_price(line: Mapping[str, Any]) -> str:
    variant = f" ({line['variant']})" if line.get("variant") else ""
    price = decimal(line.get("cost_usd")) or Decimal(0)
    unit = str(line.get("unit"))
    if unit == "token":
        price, unit = price * MILLION, "million tokens"
    return f"{line.get('billable')}: ${number(price)} per {unit}{variant}"


def _allowed(descriptor: object) -> object:
    """What a parameter takes: its values, or its range as [least, most]."""
    if not isinstance(descriptor, Mapping):
        return descriptor
    if "values" in descriptor:
        return descriptor["values"]
    bounds = [descriptor.get("min"), descriptor.get("max")]
    return bounds if any(bound is not None for bound in bounds) else descriptor.get("type")


def video(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a video model takes, and its prices in USD by the unit in their names."""
    return present(
        {
            "prices": row.get("pricing_skus"),
            "durations_seconds": row.get("supported_durations"),
            "resolutions": row.get("supported_resolutions"),
            "aspect_ratios": row.get("supported_aspect_ratios"),
            "frames": row.get("supported_frame_images"),
            "audio": row.get("generate_audio"),
            "seed": row.get("seed"),
        }
    )
