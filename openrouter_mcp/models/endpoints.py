"""One provider's endpoint of a model, as GET /models/{author}/{slug}/endpoints tells it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from openrouter_mcp.api.responses import mapping, number
from openrouter_mcp.money import parse_usd

LEAST_UPTIME = 95
"""Percent of the last half hour below which an endpoint does not count as healthy."""


def is_degraded(endpoint: Mapping[str, Any]) -> bool:
    """Whether OpenRouter reports trouble: its `status` is 0 while all is well, else negative."""
    return (number(endpoint, "status") or 0) < 0


def is_healthy(endpoint: Mapping[str, Any]) -> bool:
    """Whether an endpoint can be relied on now; one whose uptime is not known can."""
    uptime = number(endpoint, "uptime_last_30m")
    return not is_degraded(endpoint) and (uptime is None or uptime >= LEAST_UPTIME)


def blended_price(endpoint: Mapping[str, Any]) -> Decimal:
    """3 x prompt + completion in USD per token, to compare by; infinite where it is not told."""
    pricing = mapping(endpoint, "pricing")
    prompt, completion = parse_usd(pricing.get("prompt")), parse_usd(pricing.get("completion"))
    return Decimal("Infinity") if prompt is None or completion is None else 3 * prompt + completion
