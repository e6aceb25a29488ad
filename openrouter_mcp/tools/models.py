"""Live knowledge of models: what there is, what it costs, how it runs. Nothing here is billed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from fastmcp.tools import tool
from pydantic import Field
from typing_extensions import TypedDict

from openrouter_mcp import cards, lookup
from openrouter_mcp.app import App
from openrouter_mcp.arguments import Text, Texts, Usd
from openrouter_mcp.filters import ModelFilter
from openrouter_mcp.market import Market
from openrouter_mcp.tools.context import LOOK_UP, CurrentApp


class FoundModels(TypedDict):
    """A page of models; prices in USD per million tokens."""

    models: list[dict[str, Any]]
    total: int
    filtered_by: NotRequired[dict[str, Any]]
    order_missing: NotRequired[str]
    next: NotRequired[str]
    as_of: str


class ModelCard(TypedDict):
    """One model; `resolved` says how a loose name was understood, `missing` what is not known."""

    model: dict[str, Any]
    resolved: NotRequired[str]
    missing: NotRequired[dict[str, str]]
    as_of: str


@tool(title="Find models", tags={"models"}, annotations=LOOK_UP)
async def find_models(
    query: Annotated[Text, Field(description="Words of id, name or description.")] = "",
    input: Annotated[Texts, Field(description="text, image, file, audio, video.")] = [],
    output: Annotated[
        Texts,
        Field(description="text, image, audio, video, embeddings, rerank, speech, transcription."),
    ] = [],
    supports: Annotated[Texts, Field(description="tools, json, reasoning, any parameter.")] = [],
    author: Text = "",
    provider: Annotated[Text, Field(description="Slug, tag or name.")] = "",
    category: Annotated[Text, Field(description="programming, translation, legal...")] = "",
    max_price: Annotated[
        Usd, Field(description="USD per million tokens, 3 parts input to 1 output; 0 = any.")
    ] = 0,
    min_context: Annotated[int, Field(ge=0)] = 0,
    free: bool = False,
    zdr: Annotated[bool, Field(description="Zero data retention.")] = False,
    sort: Literal[
        "",
        "newest",
        "price",
        "context",
        "name",
        "intelligence",
        "coding",
        "agentic",
        "popularity",
        "throughput",
        "latency",
        "tool_success",
    ] = "",
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    offset: Annotated[int, Field(ge=0)] = 0,
    app: App = CurrentApp,
) -> FoundModels:
    """Search OpenRouter's live models. Prices are USD per million tokens."""
    snapshot = await app.catalogue.models()
    wanted = ModelFilter(
        query=query,
        input=input,
        output=output,
        supports=supports,
        author=author,
        provider=provider,
        category=category,
        max_price=max_price,
        min_context=min_context,
        free=free,
        zdr=zdr,
        sort=sort,
    )
    found = await lookup.find(snapshot, Market(app.client, app.cache), wanted)
    shown, now = found.models[offset : offset + limit], time.time()
    page: FoundModels = {
        "models": [cards.row(model, now) for model in shown],
        "total": len(found.models),
        "as_of": _as_of(snapshot.fetched_at),
    }
    if found.filtered_by:
        page["filtered_by"] = found.filtered_by
    if found.order_missing:
        page["order_missing"] = found.order_missing
    if offset + limit < len(found.models):
        page["next"] = f"{len(found.models) - offset - limit} more: offset={offset + limit}"
    return page


@tool(title="Get model", tags={"models"}, annotations=LOOK_UP)
async def get_model(
    model: Annotated[Text, Field(description="Id or loose name.")], app: App = CurrentApp
) -> ModelCard:
    """One model in full: prices, limits, parameters, its endpoints with price, speed, data policy.

    An endpoint's tag pins it: options {"provider": {"only": [tag]}}.
    """
    snapshot = await app.catalogue.models()
    found = lookup.resolve(snapshot, model)
    market = Market(app.client, app.cache)
    card, missing = await lookup.model_card(app.catalogue, market, snapshot, found, time.time())
    answer: ModelCard = {"model": card, "as_of": _as_of(snapshot.fetched_at)}
    if found.how:
        answer["resolved"] = found.how
    if missing:
        answer["missing"] = missing
    return answer


def _as_of(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="minutes")
