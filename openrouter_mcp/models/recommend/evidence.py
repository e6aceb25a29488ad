"""What a recommendation is judged by: benchmarks and use, each with its source and date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from openrouter_mcp.api.responses import mapping, mappings, measure, text
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.datasets import Market, share_of, total_tokens
from openrouter_mcp.models.recommend.picks import Scale, Usage
from openrouter_mcp.models.recommend.tasks import Profile, Task
from openrouter_mcp.state.document_cache import Document

T = TypeVar("T")
ATTRIBUTION = "Source: OpenRouter (openrouter.ai/rankings), as of {as_of}."


@dataclass(slots=True)
class Sources:
    """Where the data of a recommendation came from.

    `cited` holds the attribution of each data set that answered, by a name for people.
    """

    cited: dict[str, str] = field(default_factory=dict)
    _reasons: dict[str, list[str]] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, str]:
        """Why the other sources did not answer: those with one reason by their names together."""
        return {", ".join(sorted(names)): reason for reason, names in self._reasons.items()}

    async def read(self, what: str, request: Awaitable[T]) -> T | None:
        """What `request` returns; if it fails, None, and `missing` says why."""
        try:
            return await request
        except OpenRouterError as error:
            names = self._reasons.setdefault(error.message, [])
            if what not in names:
                names.append(what)
            return None

    async def data_set(self, what: str, request: Awaitable[Document]) -> Document | None:
        """The same for a data set, which is cited as its owner asks."""
        document = await self.read(what, request)
        if document:
            self.cited[what] = cite(document)
        return document


def as_of(document: Document) -> str:
    """The day that a data set tells about, else the day it was fetched."""
    meta = mapping(document.data, "meta") or document.data
    told = str(meta.get("as_of") or "")
    return told[:10] or f"{datetime.fromtimestamp(document.fetched_at, UTC):%Y-%m-%d}"


def cite(document: Document) -> str:
    """The attribution that a data set asks for."""
    citation = text(mapping(document.data, "meta"), "citation")
    return citation or ATTRIBUTION.format(as_of=as_of(document))


async def scale(snapshot: Snapshot, market: Market, task: Task, sources: Sources) -> Scale | None:
    """The one measure of quality for this task, None where there is none.

    Scores are those that the catalogue's rows carry, renewed from the data set if it can be had.
    """
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
        score = measure(row, name)
        if profile.arena and row.get("category") != profile.arena[1]:
            continue
        if model and score is not None:
            scores[model.id] = max(score, scores.get(model.id, 0.0))
    return scores


async def usages(snapshot: Snapshot, market: Market, task: Task, sources: Sources) -> list[Usage]:
    """Who is used for such tasks: by requests of this kind, then by tokens of the use case."""
    found = await asyncio.gather(
        _task_usage(snapshot, market, task.profile, sources),
        _token_usage(snapshot, market, task.profile, sources),
    )
    return [usage for usage in found if usage and usage.shares]


async def _task_usage(
    snapshot: Snapshot, market: Market, profile: Profile, sources: Sources
) -> Usage | None:
    """Shares of the requests whose task has the profile's word in its tag."""
    word = profile.usage
    document = await sources.data_set("task shares", market.tasks()) if word else None
    if document is None:
        return None
    total = 0.0
    shares: dict[str, float] = {}
    for row in document.data["classifications"]:
        if word not in f"{row.get('tag')} {row.get('display_name')}".lower():
            continue
        weight = share_of(row, "usage_share")
        total += weight
        for entry in mappings(row, "models"):
            if model := snapshot.routable(str(entry.get("id"))):
                share = weight * share_of(entry, "tag_usage_share")
                shares[model.id] = shares.get(model.id, 0.0) + share
    what = f"{word} requests, {document.data.get('window_days', 7)} days to {as_of(document)}"
    return Usage({id_: share / total for id_, share in shares.items() if total}, what)


async def _token_usage(
    snapshot: Snapshot, market: Market, profile: Profile, sources: Sources
) -> Usage | None:
    """Shares of the tokens of the use case, where tokens are what the models make."""
    if profile.output != "text":
        return None
    query = {"category": profile.category} if profile.category else {}
    document = await sources.data_set("usage", market.daily_rankings(period="week", **query))
    if document is None:
        return None
    tokens: dict[str, int] = {}
    total = 0
    for row in document.data["data"]:
        amount = total_tokens(row)
        total += amount
        if model := snapshot.routable(str(row.get("model_permaslug"))):
            tokens[model.id] = tokens.get(model.id, 0) + amount
    what = f"{profile.category or 'all'} tokens, month to {as_of(document)}"
    return Usage({id_: amount / total for id_, amount in tokens.items() if total}, what)
