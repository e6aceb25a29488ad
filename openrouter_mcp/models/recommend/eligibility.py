"""Who may be advised at all: hard needs, prices, healthy endpoints. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from openrouter_mcp.models import prices as pricing
from openrouter_mcp.models.filter import supports
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.prices import Demand
from openrouter_mcp.models.recommend.tasks import LONG_CONTEXT, Needs, Task

LEAST_DAYS_LEFT = 30
LEAST_UPTIME = 95


def eligible(
    models: Iterable[Model],
    task: Task,
    needs: Needs,
    *,
    max_price: float,
    min_context: int,
    now: float,
) -> list[Model]:
    """The models that can do the task and have what is needed.

    Aliases and `:batch` rows are left out, and unless asked for free models, routers and what
    expires within a month. `max_price` (USD per million tokens, blended) holds for text models.
    """
    profile = task.profile
    context = max(min_context, LONG_CONTEXT if task.long else 0)

    def fits(model: Model) -> bool:
        days = model.days_left(now)
        price = model.blended_price
        return (
            not model.is_alias
            and model.variant in {"", ":free"}
            and model.is_free == ("free" in needs.flags)
            and model.is_router == ("routers" in needs.flags)
            and ("expiring" in needs.flags or days is None or days > LEAST_DAYS_LEFT)
            and ("open" not in needs.flags or bool(model.raw.get("hugging_face_id")))
            and _makes(model, profile.output)
            and model.input_modalities.issuperset({*profile.input, *needs.input})
            and all(supports(model, ability) for ability in (*profile.supports, *needs.supports))
            and model.context_length >= context
            and (
                not max_price
                or profile.output != "text"
                or (price is not None and price <= max_price)
            )
        )

    return [model for model in models if fits(model)]


def _makes(model: Model, output: str) -> bool:
    """A model that also draws or speaks is not what a text task asks for."""
    if output == "text":
        return model.output_modalities == {"text"} or model.is_router
    return output in model.output_modalities


def price_of(model: Model, demand: Demand, now: datetime) -> Decimal | None:
    """USD for `demand` at the dearest rates that can hold; None where tokens are not the price."""
    if not {"text", "embeddings"}.issuperset(model.output_modalities):
        return None
    rates = pricing.rates(model, demand.input_tokens, now)
    return pricing.cost(demand, rates) if rates else None


def best_endpoint(
    endpoints: Iterable[Mapping[str, Any]], needs: Needs, zdr: Collection[str] | None
) -> Mapping[str, Any] | None:
    """The cheapest healthy endpoint that has what is needed, the quicker one among equals.

    Endpoints of a service tier (flex, priority) count only where there is no other.
    """
    usable = [
        row
        for row in endpoints
        if (row.get("status") or 0) >= 0
        and (row.get("uptime_last_30m") is None or row["uptime_last_30m"] >= LEAST_UPTIME)
        and ("zdr" not in needs.listings or zdr is None or row.get("tag") in zdr)
    ]

    def order(row: Mapping[str, Any]) -> tuple[Any, ...]:
        prices = row.get("pricing") or {}
        price = 3 * Decimal(str(prices.get("prompt", 0))) + Decimal(
            str(prices.get("completion", 0))
        )
        latency = (row.get("latency_last_30m") or {}).get("p50")
        return bool(row.get("service_tier")), price, latency or float("inf"), str(row.get("tag"))

    return min(usable, key=order, default=None)
