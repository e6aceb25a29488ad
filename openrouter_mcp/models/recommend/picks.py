"""Which few models to advise: a ladder from the best down in price, each with its reason. Pure.

One ranking knows one scale: an index of Artificial Analysis or an Elo rating, never both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from typing import Self

from openrouter_mcp.models.model import Model
from openrouter_mcp.models.recommend.tasks import Task

FINALISTS = 8
ADVISED = 5
LEAST_SCORED = 3
"""Fewer models with a score are no ranking."""
CHEAPER = Decimal("0.5")
ROUGHLY = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Scale:
    """One measure of quality: its name, its date, and each measured model's score by id.

    An index has a zero, so that shares of the best mean something; an Elo rating only has
    distances (200 points less: one duel in four is won).
    """

    name: str
    as_of: str
    scores: Mapping[str, float]
    is_elo: bool = False

    def as_good(self, score: float, best: float) -> bool:
        """Whether the difference to the best hardly matters."""
        return score >= best - 20 if self.is_elo else score >= 0.97 * best

    def enough(self, score: float, best: float) -> bool:
        """Whether this can stand in for the best where money or time counts."""
        return score >= best - 200 if self.is_elo else score >= 0.6 * best

    def better(self, score: float, than: float) -> bool:
        """Whether the step up is worth telling."""
        return score >= than + 30 if self.is_elo else score >= 1.08 * than

    def beside(self, score: float, best: float) -> str:
        """A score told by the best one."""
        if score == best:
            return "highest score"
        return (
            f"{best - score:.0f} points below the best"
            if self.is_elo
            else (f"{min(score / best, 0.99):.0%} of the best score")
        )


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


def shortlist(
    models: Sequence[Model],
    task: Task,
    scale: Scale | None,
    prices: Mapping[str, Decimal | None],
    popular: Sequence[str],
    usages: Sequence[Usage],
    swift: Sequence[str],
) -> list[Pick]:
    """At most eight finalists, best advice first, the last ones in reserve.

    `popular` and `swift` are ids in OpenRouter's order of use and of speed; the first of `usages`
    says who is used most for the task.
    """
    if scale is None or sum(model.id in scale.scores for model in models) < LEAST_SCORED:
        return _by_use(models, task, prices, popular, usages)[:FINALISTS]
    field = Field.of(models, scale, prices)
    if task.fast and swift:
        return _fastest(field, swift)
    if task.frugal:
        return _upwards(field)[:FINALISTS]
    picks = _downwards(field)
    chosen = {pick.model.id for pick in picks}
    if usages and (used := _most_used(models, usages[0])) and used.model.id not in chosen:
        picks.insert(ADVISED - 1, used)
        chosen.add(used.model.id)
    reserve = [
        Pick(model, f"number {place} of {len(field.models)} by score")
        for place, model in enumerate(field.models, 1)
        if model.id not in chosen and scale.enough(field.score(model), field.top)
    ]
    return [*picks, *reserve][:FINALISTS]


@dataclass(frozen=True, slots=True)
class Field:
    """The models that were measured, best first, with their prices for the task."""

    models: Sequence[Model]
    scale: Scale
    prices: Mapping[str, Decimal | None]

    @classmethod
    def of(
        cls, models: Iterable[Model], scale: Scale, prices: Mapping[str, Decimal | None]
    ) -> Self:
        """Order what has a score; the cheaper one first among equals."""
        field = cls([model for model in models if model.id in scale.scores], scale, prices)
        best_first = sorted(field.models, key=lambda m: (-field.score(m), field.price(m), m.id))
        return replace(field, models=best_first)

    @property
    def best(self) -> Model:
        """The model with the highest score."""
        return self.models[0]

    @property
    def top(self) -> float:
        """The highest score."""
        return self.score(self.best)

    def score(self, model: Model) -> float:
        """What a model reached on the scale."""
        return self.scale.scores[model.id]

    def price(self, model: Model) -> Decimal:
        """USD for the task; infinite where it is not known."""
        return _price(self.prices, model)

    def why(self, model: Model) -> str:
        """Score and price beside those of the best."""
        said = self.scale.beside(self.score(model), self.top)
        if model is self.best:
            return f"{said} of {len(self.models)} that fit"
        price, dearest = self.price(model), self.price(self.best)
        if not price.is_finite() or not dearest.is_finite() or not dearest:
            return said
        part = price / dearest
        return (
            f"{said} at {part:.0%} of its price"
            if part > ROUGHLY
            else (f"{said} at {part:.1%} of its price")
        )


def _price(prices: Mapping[str, Decimal | None], model: Model) -> Decimal:
    price = prices.get(model.id)
    return Decimal("Infinity") if price is None else price


def _downwards(field: Field) -> list[Pick]:
    """As good as the best for the least money; then the best that costs half, and half again."""
    near = [m for m in field.models if field.scale.as_good(field.score(m), field.top)]
    head = min(near, key=lambda model: (field.price(model), -field.score(model), model.id))
    chosen = list(dict.fromkeys([head, field.best]))
    last = head
    for model in field.models:
        if not field.scale.enough(field.score(model), field.top):
            break
        # Nothing is half of what is free or has no price.
        if field.price(last).is_finite() and field.price(model) < CHEAPER * field.price(last):
            chosen.append(model)
            last = model
    return [Pick(model, field.why(model)) for model in chosen]


def _upwards(field: Field) -> list[Pick]:
    """The cheapest that is good enough; then what is clearly better for the least money."""
    enough = [
        model
        for model in field.models
        if field.scale.enough(field.score(model), field.top) and field.price(model).is_finite()
    ]
    enough.sort(key=lambda model: (field.price(model), -field.score(model), model.id))
    chosen: list[Model] = []
    for model in enough:
        if not chosen or field.scale.better(field.score(model), field.score(chosen[-1])):
            chosen.append(model)
    first = f"cheapest of {len(enough)} that are good enough: "
    return [Pick(m, field.why(m) if m is not enough[0] else first + field.why(m)) for m in chosen]


def _fastest(field: Field, swift: Sequence[str]) -> list[Pick]:
    """The quickest to answer of those that are good enough."""
    rank = {id_: place for place, id_ in enumerate(swift)}
    enough = [
        model
        for model in field.models
        if model.id in rank and field.scale.enough(field.score(model), field.top)
    ]
    enough.sort(key=lambda model: rank[model.id])
    return [
        Pick(model, f"number {place} by latency of {len(enough)} good enough: {field.why(model)}")
        for place, model in enumerate(enough[:FINALISTS], 1)
    ]


def _most_used(models: Sequence[Model], usage: Usage) -> Pick | None:
    used = [model for model in models if model.id in usage.shares]
    if not used:
        return None
    model = max(used, key=lambda model: (usage.shares[model.id], model.id))
    return Pick(model, f"most used: {usage.shares[model.id]:.0%} of {usage.what}")


def _by_use(
    models: Sequence[Model],
    task: Task,
    prices: Mapping[str, Decimal | None],
    popular: Sequence[str],
    usages: Sequence[Usage],
) -> list[Pick]:
    """Without a measure: the cheapest if that is the point, else what others use most."""
    priced = [model for model in models if prices.get(model.id) is not None]
    if task.frugal and priced:
        priced.sort(key=lambda model: (_price(prices, model), model.id))
        return [Pick(m, f"number {n} by price of {len(priced)}") for n, m in enumerate(priced, 1)]
    if usages:
        shares = usages[0].shares
        popular = sorted(shares, key=lambda id_: (-shares[id_], id_))
    rank = {id_: place for place, id_ in enumerate(popular)}
    known = sorted((m for m in models if m.id in rank), key=lambda model: rank[model.id])
    picks = [
        Pick(m, f"number {n} by use of {len(models)} that fit") for n, m in enumerate(known, 1)
    ]
    return picks + _unknown_use([model for model in models if model.id not in rank])


def _unknown_use(models: Sequence[Model]) -> list[Pick]:
    """The most intelligent, else the newest; each author's first before anybody's second."""
    ordered = sorted(models, key=lambda model: (-model.intelligence, -model.created, model.id))
    authors: dict[str, list[Model]] = {}
    for model in ordered:
        authors.setdefault(model.author, []).append(model)
    turns = [model for turn in zip_longest(*authors.values()) for model in turn if model]
    return [
        Pick(
            model,
            f"{'most intelligent' if model.intelligence else 'newest'} of its author; how much it "
            "is used for this is not known",
        )
        for model in turns
    ]
