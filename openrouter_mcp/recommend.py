"""Which few models to advise: a ladder from the best down in price, each with its reason. Pure.

One ranking knows one scale: an index of Artificial Analysis or an Elo rating, never both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from openrouter_mcp import pricing
from openrouter_mcp.filters import supports
from openrouter_mcp.model import Model
from openrouter_mcp.pricing import Demand
from openrouter_mcp.tasks import LONG_CONTEXT, Needs, Task

FINALISTS = 8
ADVISED = 5
LEAST_SCORED = 3
"""Fewer models with a score are no ranking."""
AS_GOOD = 0.97
GOOD_ENOUGH = 0.6
CHEAPER = Decimal("0.5")
BETTER = 1.08
ROUGHLY = Decimal("0.02")
LEAST_DAYS_LEFT = 30
LEAST_UPTIME = 95


@dataclass(frozen=True, slots=True)
class Scale:
    """One measure of quality: its name, its date, and each measured model's score by id."""

    name: str
    as_of: str
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Pick:
    """A model to advise, and why."""

    model: Model
    why: str


@dataclass(frozen=True, slots=True)
class Usage:
    """How much each model is used for a task: shares (0 to 1) by id, and where that is from."""

    shares: Mapping[str, float]
    what: str


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


def shortlist(
    models: Sequence[Model],
    task: Task,
    scale: Scale | None,
    prices: Mapping[str, Decimal | None],
    popular: Sequence[str],
    usage: Usage | None,
    swift: Sequence[str],
) -> list[Pick]:
    """At most eight finalists, best advice first, the last ones in reserve.

    `popular` and `swift` are ids in OpenRouter's order of use and of speed.
    """
    scores = {
        model.id: scale.scores[model.id] for model in models if scale and model.id in scale.scores
    }
    if len(scores) < LEAST_SCORED:
        return _by_use(models, task, prices, popular)[:FINALISTS]
    measured = sorted(
        (model for model in models if model.id in scores),
        key=lambda model: (-scores[model.id], _price(prices, model), model.id),
    )
    if task.fast and swift:
        picks = _fastest(measured, scores, swift)
    elif task.frugal:
        picks = _upwards(measured, scores, prices)
    else:
        picks = _downwards(measured, scores, prices)
    chosen = {pick.model.id for pick in picks}
    if usage and (used := _most_used(models, usage)) and used.model.id not in chosen:
        picks = [*picks[: ADVISED - 1], used, *picks[ADVISED - 1 :]]
        chosen.add(used.model.id)
    enough = GOOD_ENOUGH * scores[measured[0].id]
    reserve = [
        Pick(model, f"number {place} of {len(measured)} by score")
        for place, model in enumerate(measured, 1)
        if model.id not in chosen and scores[model.id] >= enough
    ]
    return [*picks, *(() if task.frugal or task.fast else reserve)][:FINALISTS]


def _price(prices: Mapping[str, Decimal | None], model: Model) -> Decimal:
    price = prices.get(model.id)
    return Decimal("Infinity") if price is None else price


def _downwards(
    measured: Sequence[Model], scores: Mapping[str, float], prices: Mapping[str, Decimal | None]
) -> list[Pick]:
    """As good as the best for the least money; then the best that costs half, and half again."""
    best = measured[0]
    top = scores[best.id]
    near = [model for model in measured if scores[model.id] >= AS_GOOD * top]
    head = min(near, key=lambda model: (_price(prices, model), -scores[model.id], model.id))
    if head is best:
        picks = [Pick(head, f"highest score of {len(measured)} that fit")]
    else:
        share = f"{scores[head.id] / top:.0%} of the best score"
        picks = [
            Pick(head, f"{share}{_at_part(head, best, prices)}"),
            Pick(best, f"highest score of {len(measured)} that fit"),
        ]
    last = head
    for model in measured:
        if scores[model.id] < GOOD_ENOUGH * top:
            break
        if (
            _price(prices, model) <= CHEAPER * _price(prices, last)
            and _price(prices, last).is_finite()
        ):
            share = f"{scores[model.id] / top:.0%} of the best score"
            picks.append(Pick(model, f"{share}{_at_part(model, best, prices)}"))
            last = model
    return picks


def _upwards(
    measured: Sequence[Model], scores: Mapping[str, float], prices: Mapping[str, Decimal | None]
) -> list[Pick]:
    """The cheapest that is good enough; then what is clearly better for the least money."""
    best = measured[0]
    top = scores[best.id]
    enough = [model for model in measured if scores[model.id] >= GOOD_ENOUGH * top]
    enough.sort(key=lambda model: (_price(prices, model), -scores[model.id], model.id))
    picks: list[Pick] = []
    reached = 0.0
    for model in enough:
        if scores[model.id] < reached * BETTER or not _price(prices, model).is_finite():
            continue
        reached = scores[model.id]
        share = f"{reached / top:.0%} of the best score{_at_part(model, best, prices)}"
        first = f"cheapest of {len(enough)} that reach {GOOD_ENOUGH:.0%} of the best score: "
        picks.append(Pick(model, share if picks else first + share))
    return picks


def _fastest(
    measured: Sequence[Model], scores: Mapping[str, float], swift: Sequence[str]
) -> list[Pick]:
    """The quickest to answer of those that are good enough."""
    top = scores[measured[0].id]
    rank = {id_: place for place, id_ in enumerate(swift)}
    enough = [m for m in measured if scores[m.id] >= GOOD_ENOUGH * top and m.id in rank]
    enough.sort(key=lambda model: rank[model.id])
    return [
        Pick(
            model,
            f"{_nth(place)} latency of {len(enough)} with {GOOD_ENOUGH:.0%} of the best score",
        )
        for place, model in enumerate(enough[:FINALISTS], 1)
    ]


def _nth(place: int) -> str:
    return "lowest" if place == 1 else f"number {place} by"


def _at_part(model: Model, best: Model, prices: Mapping[str, Decimal | None]) -> str:
    price, dearest = _price(prices, model), _price(prices, best)
    if not price.is_finite() or not dearest.is_finite() or not dearest or model is best:
        return ""
    part = price / dearest
    return f" at {part:.0%} of its price" if part > ROUGHLY else f" at {part:.1%} of its price"


def _most_used(models: Sequence[Model], usage: Usage) -> Pick | None:
    used = [model for model in models if model.id in usage.shares]
    if not used:
        return None
    model = max(used, key=lambda model: (usage.shares[model.id], model.id))
    return Pick(model, f"most used for {usage.what}: {usage.shares[model.id]:.0%}")


def _by_use(
    models: Sequence[Model],
    task: Task,
    prices: Mapping[str, Decimal | None],
    popular: Sequence[str],
) -> list[Pick]:
    """Nobody measures this: what others use, the cheapest where that is the point, else newest."""
    if task.frugal and any(prices.get(model.id) is not None for model in models):
        cheap = sorted(models, key=lambda model: (_price(prices, model), model.id))
        return [Pick(m, f"number {n} by price of {len(cheap)}") for n, m in enumerate(cheap, 1)]
    rank = {id_: place for place, id_ in enumerate(popular)}
    known = sorted((m for m in models if m.id in rank), key=lambda model: rank[model.id])
    picks = [
        Pick(m, f"number {n} by use of {len(models)} that fit") for n, m in enumerate(known, 1)
    ]
    rest = sorted(
        (m for m in models if m.id not in rank), key=lambda model: (-model.created, model.id)
    )
    return picks + [Pick(model, "new; nobody ranks it yet") for model in rest]


def best_endpoint(
    endpoints: Iterable[Mapping[str, Any]], needs: Needs, zdr: Sequence[str] | None
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
