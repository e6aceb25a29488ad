"""What a request costs its user, as OpenRouter tells it. Pure.

With the user's own provider key (BYOK) OpenRouter takes a fee, and the provider bills the user for
the rest. Without one the upstream cost is OpenRouter's own matter, and part of what it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from openrouter_mcp.api import responses
from openrouter_mcp.money import parse_usd

UPSTREAM = "upstream_inference_cost"
UPSTREAM_PARTS = (
    ("upstream_inference_prompt_cost", "upstream_inference_completions_cost"),
    ("upstream_inference_input_cost", "upstream_inference_output_cost"),
)
"""What the upstream cost is made of, under the names of both APIs."""


class Cost(NamedTuple):
    """USD that the user pays for a request."""

    total: Decimal | None
    """OpenRouter's charge and the provider's; None as long as either is not told."""
    upstream: Decimal | None = None
    """The provider's charge for the user's own key; None without one, or if it is not told."""


def of_usage(usage: Mapping[str, Any]) -> Cost:
    """The cost that the `usage` of a reply tells."""
    charged = parse_usd(usage.get("cost"))
    if usage.get("is_byok") is not True:
        return Cost(charged)
    upstream = _upstream(responses.mapping(usage, "cost_details"))
    unknown = charged is None or upstream is None
    return Cost(None if unknown else charged + upstream, upstream)


def of_statistics(statistics: Mapping[str, Any]) -> Cost:
    """The cost that the statistics of a generation (`GET /generation`) tell."""
    return of_usage(completed({}, statistics))


def completed(usage: Mapping[str, Any], statistics: Mapping[str, Any]) -> dict[str, Any]:
    """The `usage` of a reply, with what it leaves open from the statistics of the generation."""
    told = usage if isinstance(usage.get("is_byok"), bool) else statistics
    charged, details = usage.get("cost"), responses.mapping(usage, "cost_details")
    if parse_usd(charged) is None:
        charged = statistics.get("total_cost")
    if _upstream(details) is None:
        details = {UPSTREAM: statistics.get(UPSTREAM)}
    return {**usage, "cost": charged, "is_byok": told.get("is_byok"), "cost_details": details}


def _upstream(details: Mapping[str, Any]) -> Decimal | None:
    """The provider's charge, or else the sum of its parts."""
    whole = parse_usd(details.get(UPSTREAM))
    if whole is not None:
        return whole
    for names in UPSTREAM_PARTS:
        parts = [parse_usd(details.get(name)) for name in names]
        if None not in parts:
            return sum((part for part in parts if part), Decimal(0))
    return None
