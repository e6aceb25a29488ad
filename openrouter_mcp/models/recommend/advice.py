"""Which model to take, from everything that is known now: catalogue, benchmarks, use, endpoints."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from openrouter_mcp.api.responses import mapping, measure
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models import cards, endpoints, search
from openrouter_mcp.models import prices as pricing
from openrouter_mcp.models.catalogue import Catalogue, Snapshot
from openrouter_mcp.models.datasets import Market, is_upscaler
from openrouter_mcp.models.filter import supports
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.output_types import Advice
from openrouter_mcp.models.prices import Demand
from openrouter_mcp.models.recommend import evidence, picks
from openrouter_mcp.models.recommend.evidence import Sources
from openrouter_mcp.models.recommend.picks import Pick, Scale, Usage
from openrouter_mcp.models.recommend.tasks import (
    LISTINGS,
    LONG_CONTEXT,
    Needs,
    Task,
    needed,
    understand,
)

LEAST_DAYS_LEFT = 30
"""Days before its expiry in which a model is no longer advised."""
LEAST_SHARE = 0.005
"""Of all use, below which it says nothing in favour of a model."""
UNIT_PRICES = 4
"""Prices of an image that are shown, of the many that a provider may list."""


@dataclass(frozen=True, slots=True)
class RecommendationRequest:
    """What a caller wants a model for, in the words of `recommend_model`.

    `max_price` is USD per million tokens (3 parts input to 1 output), `min_context` tokens; 0 is
    no limit. `prompt` is what would be sent, to reckon its cost.
    """

    task: str
    needs: Sequence[str] = ()
    max_price: float = 0
    min_context: int = 0
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """Where to run a finalist: its best endpoint, and its price where that is not by tokens."""

    endpoint: Mapping[str, Any] | None
    price: Any = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What the models of one answer are judged by."""

    scale: Scale | None
    usages: Sequence[Usage]
    prices: Mapping[str, Decimal | None]


async def advise(
    catalogue: Catalogue, market: Market, request: RecommendationRequest, now: float
) -> Advice:
    """At most five models for a task, best advice first, with what they were judged by.

    Raises `OpenRouterError`: INVALID_INPUT for an unknown need, NOT_FOUND when nothing fits.
    """
    snapshot = await catalogue.models()
    task = understand(request.task)
    known = {name for model in snapshot.models for name in model.supported_parameters}
    needs = needed(request.needs, known)
    demand = _demand(request, task)
    models = await _candidates(snapshot, market, request, task, needs, now)
    sources = Sources()
    scale, usages, popular, swift = await asyncio.gather(
        evidence.scale(snapshot, market, task, sources),
        evidence.usages(snapshot, market, task, sources),
        _order(market, "most-popular", sources, needed=not task.profile.index),
        _order(market, "latency-low-to-high", sources, needed=task.fast),
    )
    moment = datetime.fromtimestamp(now, UTC)
    prices = {model.id: price_of(model, demand, moment) for model in models}
    finalists = picks.shortlist(models, task, scale, prices, popular, usages, swift)
    judged = Judged(scale, usages, prices)
    rows = await _healthy(catalogue, market, finalists, needs, sources)
    return {
        "task": task.name,
        "cost_for": f"{demand.input_tokens:,} tokens in, {demand.output_tokens:,} out",
        "models": [_row(pick, endpoint, judged, now) for pick, endpoint in rows],
        "considered": len(models),
        "sources": sources.cited,
        "missing": sources.missing,
        "as_of": search.as_of(snapshot),
    }


async def _order(market: Market, sort: str, sources: Sources, *, needed: bool) -> list[str]:
    """Ids of all models in an order of OpenRouter's; none where it is not needed or not told."""
    return (await sources.read(f"order {sort}", market.listed(sort=sort)) or []) if needed else []


def _demand(request: RecommendationRequest, task: Task) -> Demand:
    """The tokens to reckon cost with: those of the prompt, or usual ones for such a task."""
    tokens_in, tokens_out = task.tokens
    if request.prompt:
        tokens_in = pricing.count_tokens([{"content": request.prompt}])
    return Demand(tokens_in, tokens_out)


async def _candidates(
    snapshot: Snapshot,
    market: Market,
    request: RecommendationRequest,
    task: Task,
    needs: Needs,
    now: float,
) -> list[Model]:
    """The models that fit, at least one. Raises NOT_FOUND."""
    length = _demand(request, task).input_tokens if request.prompt else 0
    models = eligible(
        snapshot.models,
        task,
        needs,
        max_price=request.max_price,
        min_context=max(request.min_context, length),
        now=now,
    )
    for listing in needs.listings:
        listed = await market.listed(**LISTINGS[listing])
        models = [model for model in models if model.id in listed]
    if task.profile.output == "video":
        upscalers = await _upscalers(market)
        models = [model for model in models if model.id not in upscalers]
    if not models:
        raise OpenRouterError(
            Code.NOT_FOUND,
            f"No model fits {task.name} with these needs and limits. Drop a need, or raise "
            "max_price or lower min_context.",
        )
    return models


async def _upscalers(market: Market) -> set[str]:
    """Models that enlarge videos and make none; empty where that cannot be asked."""
    try:
        rows = await market.video_models()
    except OpenRouterError:
        return set()
    return {row["id"] for row in rows if is_upscaler(row)}


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


async def _healthy(
    catalogue: Catalogue,
    market: Market,
    finalists: Sequence[Pick],
    needs: Needs,
    sources: Sources,
) -> list[tuple[Pick, Offer]]:
    """The first five finalists with an endpoint that works; all, where nothing is known of it."""
    zdr = None
    if "zdr" in needs.listings:
        zdr = await sources.read("zero data retention", market.zdr_tags())

    async def offer(pick: Pick) -> Offer | None:
        model = pick.model
        rows = await sources.read("endpoints", catalogue.endpoints(model.id))
        if not rows:
            return Offer(None, await _unit_price(market, model, sources))
        retaining_none = None if zdr is None else search.tags(zdr, model, rows)
        best = best_endpoint(rows, needs, retaining_none)
        return Offer(best, await _unit_price(market, model, sources)) if best else None

    offers = await asyncio.gather(*map(offer, finalists))
    alive = [(pick, offer) for pick, offer in zip(finalists, offers, strict=True) if offer]
    return alive[: picks.ADVISED]


def best_endpoint(
    rows: Iterable[Mapping[str, Any]], needs: Needs, zdr: Collection[str] | None
) -> Mapping[str, Any] | None:
    """The cheapest healthy endpoint that has what is needed, the quicker one among equals.

    Endpoints of a service tier (flex, priority) count only where there is no other.
    """
    usable = [
        row
        for row in rows
        if endpoints.is_healthy(row)
        and ("zdr" not in needs.listings or zdr is None or str(row.get("tag")) in zdr)
    ]

    def order(row: Mapping[str, Any]) -> tuple[Any, ...]:
        latency = measure(mapping(row, "latency_last_30m"), "p50") or math.inf
        price = endpoints.blended_price(row)
        return bool(row.get("service_tier")), price, latency, str(row.get("tag"))

    return min(usable, key=order, default=None)


async def _unit_price(market: Market, model: Model, sources: Sources) -> Any:
    """What an image or a video costs."""
    if "image" in model.output_modalities and not model.is_router:
        rows = await sources.read("image prices", market.image_endpoints(model.id))
        return cards.image_endpoint(rows[0]).get("prices", [])[:UNIT_PRICES] if rows else None
    if "video" in model.output_modalities:
        rows = await sources.read("video prices", market.video_models())
        films = (cards.video(row) for row in rows or [] if row["id"] == model.id)
        return next(films, {}).get("prices")
    return None


def _row(pick: Pick, offer: Offer, judged: Judged, now: float) -> dict[str, Any]:
    """One advised model; what is not known of it is left out."""
    model = pick.model
    row = {"model": model.id, "why": pick.why}
    scale = judged.scale
    if scale and (score := scale.scores.get(model.id)):
        row["score"] = score
        row["scored_by"] = f"{scale.name}, {scale.as_of}"
        if not scale.is_elo and (price := model.blended_price):
            row["score_per_dollar"] = round(score / float(price), 1)
    shares = [
        f"{usage.shares[model.id]:.1%} of {usage.what}"
        for usage in judged.usages
        if usage.shares.get(model.id, 0) >= LEAST_SHARE
    ]
    if shares:
        row["used"] = shares
    short = cards.row(model, now)
    row |= {name: short[name] for name in ("price_in", "price_out", "price") if name in short}
    if offer.price:
        row["price"] = offer.price
    if (cost := judged.prices.get(model.id)) is not None:
        row["cost"] = float(round(cost, 6))
    if offer.endpoint:
        row |= _health(offer.endpoint)
    if "expires" in short:
        row["expires"] = short["expires"]
    return row


def _health(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    shown = cards.endpoint(endpoint)
    health = {
        "provider": shown.get("tag"),
        "latency_ms": shown.get("latency_ms", {}).get("p50"),
        "tokens_per_second": shown.get("tokens_per_second", {}).get("p50"),
        "uptime_percent": shown.get("uptime_percent"),
    }
    return {name: value for name, value in health.items() if value is not None}
