"""What a recommendation is judged by: benchmarks and use, each with its source and date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.datasets import Market
from openrouter_mcp.models.recommend.picks import Scale, Usage
from openrouter_mcp.models.recommend.tasks import Profile, Task
from openrouter_mcp.state.document_cache import Document

T = TypeVar("T")
ATTRIBUTION = "Source: OpenRouter (openrouter.ai/rankings), as of {as_of}."


@dataclass(slots=True)
class Sources:
    """Where the data came from: citations of what answered, reasons of what did not."""

    cited: dict[str, str] = field(default_factory=dict)
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
            self.cited[what] = cite(document)
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


async def listed(market: Market, sort: str, sources: Sources, *, wanted: bool) -> list[str]:
    """Ids in an order of OpenRouter's, if `wanted`; none where it cannot be had."""
    return await sources.read(f"order {sort}", market.listed(sort=sort)) or [] if wanted else []


async def scale(snapshot: Snapshot, market: Market, task: Task, sources: Sources) -> Scale | None:
    """The one measure of quality for this task; the catalogue's copy where it is missing."""
    profile = task.profile
    if profile.index:
        document = await sources.data_set("benchmarks", market.benchmarks("artificial-analysis"))
        scores = {m.id: m.index(profile.index) for m in snapshot.models if m.index(profile.index)}
        name, what = f"{profile.index}_index", f"Artificial Analysis {profile.index} index"
    elif profile.arena:
        arena, category = profile.arena
        document = await sources.data_set("benchmarks", market.benchmarks("design-arena", arena))
        scores = {m.id: m.elo(arena, category) for m in snapshot.models if m.elo(arena, category)}
        name, what = "elo", f"Design Arena {category} Elo"
    else:
        return None
    date = f"{datetime.fromtimestamp(snapshot.fetched_at, UTC):%Y-%m-%d}"
    if document:
        date = as_of(document)
        scores |= _measured(snapshot, document, profile, name)
    for model in snapshot.models:
        # What is free is the same model.
        if model.variant == ":free" and (score := scores.get(model.id.removesuffix(":free"))):
            scores[model.id] = score
    return Scale(what, date, scores, is_elo=not profile.index)


def _measured(
    snapshot: Snapshot, document: Document, profile: Profile, name: str
) -> dict[str, float]:
    """The best score of each model that can be called, from the rows of GET /benchmarks."""
    scores: dict[str, float] = {}
    for row in document.data["data"]:
        model = snapshot.routable(str(row.get("model_permaslug")))
        score = row.get(name)
        if profile.arena and row.get("category") != profile.arena[1]:
            continue
        if model and isinstance(score, int | float):
            scores[model.id] = max(float(score), scores.get(model.id, 0.0))
    return scores


async def usages(snapshot: Snapshot, market: Market, task: Task, sources: Sources) -> list[Usage]:
    """Who is used for such tasks: by requests of this kind, then by tokens of the use case."""
    tasks, weeks = await asyncio.gather(
        sources.data_set("task shares", market.tasks()) if task.profile.usage else _nothing(),
        sources.data_set("usage", _weekly(market, task)) if _is_ranked(task) else _nothing(),
    )
    found: list[Usage] = []
    if tasks:
        found.append(_task_usage(snapshot, tasks, task.profile.usage))
    if weeks:
        found.append(_token_usage(snapshot, weeks, task.profile.category))
    return [usage for usage in found if usage.shares]


async def _nothing() -> None:
    return None


def _is_ranked(task: Task) -> bool:
    """Tokens tell how much a model is used only where tokens are what it makes."""
    return task.profile.output == "text"


async def _weekly(market: Market, task: Task) -> Document:
    category = {"category": task.profile.category} if task.profile.category else {}
    return await market.daily_rankings(period="week", **category)


def _task_usage(snapshot: Snapshot, document: Document, word: str) -> Usage:
    """Shares of the requests whose task has `word` in its tag."""
    total = 0.0
    shares: dict[str, float] = {}
    for row in document.data["classifications"]:
        if word not in f"{row.get('tag')} {row.get('display_name')}".lower():
            continue
        weight = float(row.get("usage_share") or 0)
        total += weight
        for entry in row.get("models") or []:
            if model := snapshot.routable(str(entry.get("id"))):
                share = weight * float(entry.get("tag_usage_share") or 0)
                shares[model.id] = shares.get(model.id, 0.0) + share
    what = f"{word} requests, {document.data.get('window_days', 7)} days to {as_of(document)}"
    return Usage({id_: share / total for id_, share in shares.items() if total}, what)


def _token_usage(snapshot: Snapshot, document: Document, category: str) -> Usage:
    """Shares of the tokens over the range of the data set."""
    tokens: dict[str, int] = {}
    total = 0
    for row in document.data["data"]:
        amount = int(row.get("total_tokens") or 0)
        total += amount
        if model := snapshot.routable(str(row.get("model_permaslug"))):
            tokens[model.id] = tokens.get(model.id, 0) + amount
    what = f"{category or 'all'} tokens, month to {as_of(document)}"
    return Usage({id_: amount / total for id_, amount in tokens.items() if total}, what)
