"""Live knowledge of models: what there is, what it costs, how it runs. Nothing here is billed."""

import time
from typing import Annotated, Literal

from pydantic import Field

from openrouter_mcp.app import App
from openrouter_mcp.models.output_types import Advice, FoundModels, ModelCard, Providers, Ranking
from openrouter_mcp.tools.arguments import Text, Texts, Usd
from openrouter_mcp.tools.context import LOOK_UP, CurrentApp, tool

# fmt: off
Sort = Literal[
    "", "newest", "price", "context", "name", "intelligence", "coding", "agentic",
    "popularity", "throughput", "latency", "tool_success",
]
# fmt: on


@tool(
    title="Find models",
    tags={"models"},
    annotations=LOOK_UP,
    hint="cheapest model, free models, price list, catalogue, LLMs, gpt, claude, gemini, deepseek",
)
async def find_models(
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
    sort: Sort = "",
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    offset: Annotated[int, Field(ge=0)] = 0,
    query: Annotated[Text, Field(description="Words of id, name or description.")] = "",
    app: App = CurrentApp,
) -> FoundModels:
    """Search OpenRouter's live models. Prices are USD per million tokens."""
    from openrouter_mcp.models import cards, search
    from openrouter_mcp.models.filter import ModelFilter

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
    found = await search.find(snapshot, app.market, wanted)
    shown, now = found.models[offset : offset + limit], time.time()
    page: FoundModels = {
        "models": [cards.row(model, now) for model in shown],
        "total": len(found.models),
        "as_of": search.as_of(snapshot),
    }
    if found.filtered_by:
        page["filtered_by"] = found.filtered_by
    if found.order_missing:
        page["order_missing"] = found.order_missing
    if offset + limit < len(found.models):
        page["next"] = f"{len(found.models) - offset - limit} more: offset={offset + limit}"
    return page


@tool(
    title="Get model",
    tags={"models"},
    annotations=LOOK_UP,
    hint="price of a model, context length, parameters, uptime, latency",
)
async def get_model(
    model: Annotated[Text, Field(description="Id or loose name.")], app: App = CurrentApp
) -> ModelCard:
    """One model in full: prices, limits, parameters, its endpoints with price, speed, data policy.

    An endpoint's tag pins it: options {"provider": {"only": [tag]}}.
    """
    from openrouter_mcp.models import search

    snapshot = await app.catalogue.models()
    found = search.resolve(snapshot, model)
    card, missing = await search.model_card(app.catalogue, app.market, snapshot, found, time.time())
    answer: ModelCard = {"model": card, "as_of": search.as_of(snapshot)}
    if found.how:
        answer["resolved"] = found.how
    if missing:
        answer["missing"] = missing
    return answer


@tool(
    title="Recommend models",
    tags={"models"},
    annotations=LOOK_UP,
    hint="best model, cheapest model, which model, choose, pick an LLM",
    always_load=True,
)
async def recommend_model(
    *,
    needs: Annotated[
        Texts,
        Field(
            description="tools, json, reasoning, vision, audio, video, pdf, zdr, eu, free, open."
        ),
    ] = [],
    max_price: Annotated[Usd, Field(description="As in find_models.")] = 0,
    min_context: Annotated[int, Field(ge=0)] = 0,
    task: Annotated[Text, Field(description="In words: coding, long documents, images...")],
    prompt: Annotated[Text, Field(description="To price it; it is not sent.")] = "",
    app: App = CurrentApp,
) -> Advice:
    """At most five models for a task, from live benchmarks, price, use and endpoint health."""
    from openrouter_mcp.models.recommend import advice

    request = advice.RecommendationRequest(task, needs, max_price, min_context, prompt)
    return await advice.advise(app.catalogue, app.market, request, time.time())


@tool(
    title="Get rankings",
    tags={"models"},
    annotations=LOOK_UP,
    hint="leaderboard, benchmark, top models, most popular",
)
async def get_rankings(
    kind: Literal["benchmarks", "models", "apps", "tasks", "sessions"],
    category: Annotated[
        Text,
        Field(
            description="benchmarks: coding, website, agents/fullstack...; models: programming..., "
            "image, tool_calling; apps: coding...; tasks: code...; sessions: app or turns."
        ),
    ] = "",
    source: Annotated[
        Text, Field(description="benchmarks: artificial-analysis, design-arena, openrouter.")
    ] = "",
    limit: Annotated[int, Field(ge=1, le=100)] = 10,
    start_date: Annotated[Text, Field(description="YYYY-MM-DD; models, apps.")] = "",
    end_date: Text = "",
    app: App = CurrentApp,
) -> Ranking:
    """Benchmarks, models and apps by tokens, models by task, cost of agent sessions. Cite it."""
    from openrouter_mcp.models import rankings

    snapshot = await app.catalogue.models()
    request = rankings.RankingRequest(kind, category, source, limit, start_date, end_date)
    return await rankings.ranking(snapshot, app.market, request, time.time())


@tool(
    title="List providers",
    tags={"models"},
    annotations=LOOK_UP,
    hint="privacy, data retention, GDPR, country, hosting",
)
async def list_providers(
    query: Annotated[Text, Field(description="Part of a name, or a country (US).")] = "",
    app: App = CurrentApp,
) -> Providers:
    """Who runs the models: slugs for routing, seat, datacenters, data policy."""
    from openrouter_mcp.models import search

    rows, total, missing = await search.provider_table(app.market, query)
    answer: Providers = {"providers": rows, "total": total}
    if len(rows) < total:
        answer["next"] = f"{total - len(rows)} more: name a part of one with query"
    if missing:
        answer["missing"] = missing
    return answer
