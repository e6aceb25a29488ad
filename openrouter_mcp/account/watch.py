"""What the catalogue says about the models that were used: prices, retirement, cheaper ones.

It asks OpenRouter for nothing but the catalogue, which costs one request an hour at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from openrouter_mcp.app import App
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.filter import supports
from openrouter_mcp.models.model import Model
from openrouter_mcp.money import MILLION, usd_number
from openrouter_mcp.spending.ledger import Prices, Usage

MOST_WATCHED = 10
"""Models of which something is told: those that cost the most."""
WORTH_TELLING = Decimal("0.9")
"""A model is cheaper where the same tokens cost less than this share."""


async def watch(app: App, days: int) -> list[dict[str, Any]]:
    """What is worth knowing of the models used in these days; empty if that is nothing.

    Prices are USD per million tokens, `percent` is the change.
    """
    used = await app.budget.usage("model", days)
    if not used:
        return []
    try:
        async with asyncio.timeout(app.timing.look_up):
            snapshot = await app.catalogue.models()
    except (OpenRouterError, TimeoutError):
        return []
    remembered = await app.budget.last_prices(days)
    found = (_told(row, snapshot, remembered.get(row.name)) for row in used)
    return [row for row in found if len(row) > 1][:MOST_WATCHED]


def _told(used: Usage, snapshot: Snapshot, before: Prices | None) -> dict[str, Any]:
    """What is to be told of one model, beside its name."""
    told: dict[str, Any] = {"model": used.name}
    model = snapshot.routable(used.name)
    if model is None:
        return told
    if before:
        told |= _price_changes(before, Prices.of(model.pricing))
    if model.expiration_date:
        told["retires"] = model.expiration_date
    if found := _cheaper(model, used, snapshot.models):
        told["cheaper"] = found
    return told


def _price_changes(before: Prices, now: Prices) -> dict[str, Any]:
    changes = {}
    for name, old, new in zip(("input", "output"), before, now, strict=True):
        if old is not None and new is not None and old != new:
            change = {"percent": round(float((new / old - 1) * 100), 1)} if old else {}
            changes[name] = {"was": usd_number(old), "now": usd_number(new), **change}
    return {"price_changed": changes} if changes else {}


def _cheaper(model: Model, used: Usage, models: Iterable[Model]) -> Mapping[str, Any] | None:
    """The cheapest model that does the same, scores no worse, and saves money on these tokens."""
    now = _cost(model, used)
    if not (now and model.intelligence):
        return None
    rivals = [
        (cost, -rival.intelligence, rival.id)
        for rival in models
        if _can_replace(rival, model) and (cost := _cost(rival, used))
    ]
    cost, score, name = min(rivals, default=(now, 0.0, ""))
    if cost > now * WORTH_TELLING:
        return None
    return {
        "model": name,
        "percent": round(float((cost / now - 1) * 100), 1),
        "intelligence": {"this": model.intelligence, "cheaper": -score},
    }


def _can_replace(rival: Model, model: Model) -> bool:
    lasting = not (rival.variant or rival.is_alias or rival.is_router or rival.expiration_date)
    return (
        lasting
        and rival.id != model.id
        and rival.intelligence >= model.intelligence
        and rival.input_modalities >= model.input_modalities
        and rival.output_modalities >= model.output_modalities
        and (supports(rival, "tools") or not supports(model, "tools"))
    )


def _cost(model: Model, used: Usage) -> Decimal | None:
    """USD for the tokens that were used, at the listed prices; None where these are not told."""
    prompt, completion = Prices.of(model.pricing)
    if prompt is None or completion is None:
        return None
    return (prompt * used.input_tokens + completion * used.output_tokens) / MILLION
