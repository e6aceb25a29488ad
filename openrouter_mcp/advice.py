"""Which model to take, from everything that is known now: catalogue, benchmarks, use, endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from openrouter_mcp import cards, pricing, recommend
from openrouter_mcp.cache import Document
from openrouter_mcp.catalogue import Catalogue, Snapshot
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.market import Market
from openrouter_mcp.model import Model
from openrouter_mcp.pricing import Demand
from openrouter_mcp.recommend import Pick, Scale, Usage
from openrouter_mcp.tasks import LISTINGS, Needs, Task, needed, understand

T = TypeVar("T")
ATTRIBUTION = "Source: OpenRouter (openrouter.ai/rankings), as of {as_of}."


@dataclass(frozen=True, slots=True)
class Question:
    """What a person wants; `max_price` is USD per million tokens, `prompt` what would be sent."""

    task: str
    needs: Sequence[str] = ()
    max_price: float = 0
    min_context: int = 0
    prompt: str = ""


@dataclass(slots=True)
class Sources:
    """Where the data came from: citations of what answered, reasons of what did not."""

    cited: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    async def read(self, what: str, asked: Awaitable[T]) -> T | None:
        """The document, or None and a note that it is missing."""
        try:
            return await asked
        except OpenRouterError as error:
            self.missing[what] = error.message
            return None

    async def data_set(self, what: str, asked: Awaitable[Document]) -> Document | None:
        """A data set, cited."""
        document = await self.read(what, asked)
        if document:
            self.cited.append(cite(document))
        return document


def as_of(document: Document) -> str:
    """The day that a data set tells about, else the day it was fetched."""
    meta = document.data.get("meta") or document.data
    told = str(meta.get("as_of") or "")
    return told[:10] or f"{datetime.fromtimestamp(document.fetched_at, UTC):%Y-%m-%d}"


def cite(document: Document) -> str:
    """The attribution that a data set asks for."""
    meta = document.data.get("meta") or {}
    return str(meta.get("citation") or ATTRIBUTION.format(as_of=as_of(document)))


async def advise(
    catalogue: Catalogue, market: Market, question: Question, now: float
) -> dict[str, Any]:
    """At most five models for a task, best advice first, with what they were judged by.

    Raises `OpenRouterError`: INVALID_INPUT for an unknown need, NOT_FOUND when nothing fits.
    """
    snapshot = await catalogue.models()
    task = understand(question.task)
    known = {name for model in snapshot.models for name in model.supported_parameters}
    needs = needed(question.needs, known)
    demand = _demand(question, task)
    models = recommend.eligible(
        snapshot.models,
        task,
        needs,
        max_price=question.max_price,
        min_context=max(question.min_context, demand.input_tokens if question.prompt else 0),
        now=now,
    )
    for listing in needs.listings:
        listed = await market.listed(**LISTINGS[listing])
        models = [model for model in models if model.id in listed]
    if not models:
        raise OpenRouterError(
            Code.NOT_FOUND,
            f"No model fits {task.name} with these needs and limits. Drop a need, or raise "
            "max_price or lower min_context.",
        )
    sources = Sources()
    scale, usage, popular, swift = await asyncio.gather(
        _scale(snapshot, market, task, sources),
        _usage(snapshot, market, task, sources),
        _popular(snapshot, market, task, sources),
        sources.read("latency", market.listed(sort="latency-low-to-high")) if task.fast else _none(),
    )
    moment = datetime.fromtimestamp(now, UTC)
    prices = {model.id: recommend.price_of(model, demand, moment) for model in models}
    finalists = recommend.shortlist(models, task, scale, prices, popular, usage, swift or [])
    rows = await _rows(catalogue, market, finalists, needs, sources)
    shown = [
        _row(pick, endpoint, scale, usage, prices)
        for pick, endpoint in rows[: recommend.ADVISED]
    ]
    measured = scale is not None and len(set(scale.scores) & set(prices)) >= recommend.LEAST_SCORED
    return {
        "task": task.name,
        "ranked_by": _ranked_by(task, scale if measured else None),
        "cost_for": f"{demand.input_tokens:,} tokens in, {demand.output_tokens:,} out",
        "models": shown,
        "considered": len(models),
        "sources": sorted(sources.cited),
        "missing": sources.missing,
    }
