"""Live knowledge of models: what there is, what it costs, how it runs. Nothing here is billed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from fastmcp.tools import tool
from pydantic import Field
from typing_extensions import TypedDict

from openrouter_mcp import cards
from openrouter_mcp.app import App
from openrouter_mcp.arguments import Text, Texts, Usd
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.filters import ModelFilter
from openrouter_mcp.tools.context import LOOK_UP, CurrentApp


class FoundModels(TypedDict):
    """A page of models; prices in USD per million tokens."""

    models: list[dict[str, Any]]
    total: int
    next: NotRequired[str]
    as_of: str


class ModelCard(TypedDict):
    """One model; `resolved` says how a loose name was understood."""

    model: dict[str, Any]
    resolved: NotRequired[str]
    endpoints_missing: NotRequired[str]
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
    max_price: Annotated[
        Usd, Field(description="USD per million tokens, 3 parts input to 1 output; 0 = any.")
    ] = 0,
    min_context: Annotated[int, Field(ge=0)] = 0,
    free: bool = False,
    sort: Literal["", "newest", "price", "context", "name"] = "",
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    offset: Annotated[int, Field(ge=0)] = 0,
    app: App = CurrentApp,
) -> FoundModels:
    """Search OpenRouter's live models. Prices are USD per million tokens."""
    snapshot = await app.catalogue.models()
    found = snapshot.find(
        ModelFilter(
            query=query,
            input=tuple(input),
            output=tuple(output),
            supports=tuple(supports),
            author=author,
            max_price=max_price,
            min_context=min_context,
            free=free,
            sort=sort,
        )
    )
    now = time.time()
    page: FoundModels = {
        "models": [cards.row(model, now) for model in found[offset : offset + limit]],
        "total": len(found),
        "as_of": _as_of(snapshot.fetched_at),
    }
    if offset + limit < len(found):
        page["next"] = f"{len(found) - offset - limit} more: offset={offset + limit}"
    return page


@tool(title="Get model", tags={"models"}, annotations=LOOK_UP)
async def get_model(
    model: Annotated[Text, Field(description="Id or loose name.")], app: App = CurrentApp
) -> ModelCard:
    """One model in full: prices, limits, parameters, its endpoints with price, speed, uptime."""
    snapshot = await app.catalogue.models()
    resolution = snapshot.resolve(model)
    found = resolution.model or snapshot.by_id.get(resolution.id)
    answer: ModelCard = {"model": {"id": resolution.id}, "as_of": _as_of(snapshot.fetched_at)}
    if resolution.how:
        answer["resolved"] = resolution.how
    target = found.alias_target if found else ""
    endpoints = []
    try:
        endpoints = await app.catalogue.endpoints(target or resolution.id)
    except OpenRouterError as error:
        answer["endpoints_missing"] = error.message
    if found:
        answer["model"] = cards.card(found, endpoints, time.time())
    return answer


def _as_of(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="minutes")
