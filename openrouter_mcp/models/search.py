"""What the catalogue and the market say together: a page of models, one model, the providers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, TypeVar

from openrouter_mcp.api.responses import text, texts
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models import cards
from openrouter_mcp.models.catalogue import Catalogue, Snapshot
from openrouter_mcp.models.datasets import CATEGORIES, Market
from openrouter_mcp.models.filter import ABILITIES, VISION, ModelFilter, kind, one_of
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution, tokens
from openrouter_mcp.text import LONGEST_NAME, clean, nearest

ORDERS = {
    "popularity": "most-popular",
    "throughput": "throughput-high-to-low",
    "latency": "latency-low-to-high",
}
"""Orders that only the API knows, by our name."""

TOOL_SUCCESS = "tool_success"
TOOL_SUCCESS_RATES = ("0.95", "0.9", "0.8")
"""OpenRouter filters by this rate and does not tell it: who passes more of these comes first."""

FILTERS = (
    *("query", "input", "output", "supports", "author", "provider", "category"),
    *("max_price", "min_context", "free", "zdr"),
)

POLICIES = ("privacy_policy_url", "terms_of_service_url", "status_page_url")
LINKED = 5
MOST_PLACES = 50
MOST_PROVIDERS = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """The models that fit a filter, best first.

    `filtered_by` is the filter as it was understood; `order_missing` says why the models are not
    in the order that was asked for, if they are not.
    """

    models: list[Model]
    filtered_by: dict[str, Any]
    order_missing: str


async def find(snapshot: Snapshot, market: Market, wanted: ModelFilter) -> Found:
    """The models that fit, with what only the API knows asked of it.

    Raises `OpenRouterError`, with INVALID_INPUT for a word that no model could fit.
    """
    wanted = _in_openrouters_words(snapshot, wanted)
    listings: list[list[str]] = []
    if wanted.category:
        listings.append(await market.listed(category=wanted.category))
    if wanted.provider:
        row = find_provider(await market.providers(), wanted.provider)
        wanted = replace(wanted, provider=str(row.get("name")))
        listings.append(await market.listed(providers=wanted.provider))
    if wanted.zdr:
        listings.append(await market.listed(zdr="true"))
    among = frozenset(listings[0]).intersection(*listings[1:]) if listings else None
    ranking, order_missing = [], ""
    try:
        ranking = await _ranking(market, wanted.sort)
    except OpenRouterError as error:
        order_missing = error.message
    if wanted.category and not wanted.sort and not wanted.query:
        ranking = listings[0]
    found = snapshot.find(replace(wanted, among=among, ranking=ranking))
    empty = ModelFilter()
    filtered_by = {
        name: clean(value, LONGEST_NAME) if isinstance(value, str) else value
        for name in FILTERS
        if (value := getattr(wanted, name)) != getattr(empty, name)
    }
    return Found(found, filtered_by, order_missing)


async def _ranking(market: Market, sort: str) -> list[str]:
    """Ids in an order that only the API knows; none for an order of our own."""
    if sort in ORDERS:
        return await market.listed(sort=ORDERS[sort])
    if sort == TOOL_SUCCESS:
        tiers = [await market.listed(min_tool_success_rate=rate) for rate in TOOL_SUCCESS_RATES]
        return list(dict.fromkeys(id_ for tier in tiers for id_ in tier))
    return []


def _in_openrouters_words(snapshot: Snapshot, wanted: ModelFilter) -> ModelFilter:
    """The filter with each word as the catalogue has it. Raises INVALID_INPUT."""
    models = snapshot.models

    def each(what: str, words: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
        # Most calls filter by little: what they do not name is not gathered.
        choices = {*known} if words else set()
        return tuple(one_of(what, word, choices) for word in words)

    inputs = (name for model in models for name in model.input_modalities)
    outputs = (name for model in models for name in model.output_modalities)
    abilities = (name for model in models for name in model.supported_parameters)
    authors = (model.author for model in models)
    return replace(
        wanted,
        input=each("kind of input", [kind(word) for word in wanted.input], inputs),
        output=each("kind of output", [kind(word) for word in wanted.output], outputs),
        supports=each("parameter", wanted.supports, chain(abilities, ABILITIES, [VISION])),
        author=one_of("author", wanted.author, authors) if wanted.author else "",
        category=one_of("category", wanted.category, CATEGORIES) if wanted.category else "",
    )


def as_of(snapshot: Snapshot) -> str:
    """When the catalogue was fetched, in ISO 8601."""
    return datetime.fromtimestamp(snapshot.fetched_at, UTC).isoformat(timespec="minutes")


def find_provider(rows: Iterable[Mapping[str, Any]], asked: str) -> Mapping[str, Any]:
    """The provider that a slug, an endpoint's tag or a name means. Raises INVALID_INPUT."""
    by_word: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        for word in (row.get("slug"), row.get("name")):
            by_word.setdefault(_spelling(word), row)
    # The slug of a tag stands before its slash: deepinfra/fp8.
    for word in (asked, asked.partition("/")[0]):
        if row := by_word.get(_spelling(word)):
            return row
    slugs = {str(row.get("slug")): None for row in by_word.values()}
    one_of("provider", asked, slugs)
    raise AssertionError("every slug is among the words")


def _spelling(word: object) -> str:
    return "".join(tokens(str(word)))


def resolve(snapshot: Snapshot, name: str) -> Resolution:
    """What a loose name means, a text model first. Raises MODEL_NOT_FOUND with the nearest ids."""
    try:
        found = snapshot.resolve(name)
    except OpenRouterError:
        found = snapshot.resolve(name, output="")
    if found.model is None and "@preset/" not in found.id:
        near = nearest(found.id, snapshot.by_id, likeness=0.4)
        hint = f"Nearest: {', '.join(near)}." if near else "Use find_models to search."
        message = f'No model is called "{name[:200]}". {hint}'
        raise OpenRouterError(Code.MODEL_NOT_FOUND, message, suggestions=near)
    return found


async def model_card(
    catalogue: Catalogue, market: Market, snapshot: Snapshot, found: Resolution, now: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """Everything on one model, and what could not be had of it: source to reason."""
    model = found.model
    if model is None:
        return {"id": found.id}, {}
    target = snapshot.by_id.get(model.alias_target, model)
    missing: dict[str, str] = {}
    kinds = frozenset[str]() if model.is_router else target.output_modalities
    offers, zdr, providers, drawing, films = await asyncio.gather(
        _or_missing("endpoints", catalogue.endpoints(target.id), [], missing),
        _or_missing("zero data retention", market.zdr_tags(), None, missing),
        _or_missing("providers", market.providers(), [], missing),
        _or_missing("image prices", _images(market, target.id, kinds), [], missing),
        _or_missing("video prices", _videos(market, kinds), [], missing),
    )
    if offers and not any(offer.get("latency_last_30m") for offer in offers):
        missing["latency, throughput"] = "OpenRouter tells them only with a key."
    retaining_none = None if zdr is None else tags(zdr, target, offers)
    by_slug = {str(row.get("slug")): row for row in providers}
    policies = {str(offer.get("tag")): _policy(offer, retaining_none, by_slug) for offer in offers}
    card = cards.card(model, offers, now, policies)
    if drawing:
        card["image_endpoints"] = [cards.image_endpoint(row) for row in drawing]
    for row in films:
        if row.get("id") == target.id:
            card["video"] = cards.video(row)
    return card, missing


async def _or_missing(what: str, request: Awaitable[T], otherwise: T, missing: dict[str, str]) -> T:
    try:
        return await request
    except OpenRouterError as error:
        missing[what] = error.message
        return otherwise


async def _images(market: Market, id_: str, kinds: Collection[str]) -> list[dict[str, Any]]:
    return await market.image_endpoints(id_) if "image" in kinds else []


async def _videos(market: Market, kinds: Collection[str]) -> list[dict[str, Any]]:
    return await market.video_models() if "video" in kinds else []


def tags(
    zdr: Mapping[str, Sequence[str]], model: Model, offers: Iterable[Mapping[str, Any]]
) -> set[str]:
    """Tags of a model's endpoints that retain no data, under whichever of its names."""
    names = {model.id, model.canonical_slug, *(str(offer.get("model_id")) for offer in offers)}
    return {tag for name in names for tag in zdr.get(name, [])}


def _policy(
    offer: Mapping[str, Any], zdr: set[str] | None, providers: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What becomes of data at an endpoint: retention, and where its provider sits."""
    tag = str(offer.get("tag"))
    policy: dict[str, Any] = {} if zdr is None else {"zdr": tag in zdr}
    provider = providers.get(tag.partition("/")[0], {})
    return policy | _seat(provider)


def _seat(provider: Mapping[str, Any]) -> dict[str, Any]:
    """Where a provider is, and where its machines are."""
    places = [clean(each, LONGEST_NAME) for each in texts(provider, "datacenters")[:MOST_PLACES]]
    seat = {"headquarters": _short(provider, "headquarters"), "datacenters": places}
    return {name: value for name, value in seat.items() if value}


def _short(row: Mapping[str, Any], name: str) -> str:
    return clean(text(row, name), LONGEST_NAME)


async def provider_table(
    market: Market, query: str
) -> tuple[list[dict[str, Any]], int, dict[str, str]]:
    """The first providers whose name, slug or country fits, how many do, and what is missing.

    With links where few fit.
    """
    missing: dict[str, str] = {}
    rows, zdr = await asyncio.gather(
        market.providers(), _or_missing("zero data retention", market.zdr_tags(), None, missing)
    )
    endpoints: dict[str, int] = {}
    for tag in (tag for tags_ in (zdr or {}).values() for tag in tags_):
        slug = tag.partition("/")[0]
        endpoints[slug] = endpoints.get(slug, 0) + 1
    found = _matching(rows, query.strip())
    shown = found[:MOST_PROVIDERS]
    table = [
        {
            "slug": _short(row, "slug"),
            "name": _short(row, "name"),
            **_seat(row),
            "zdr_endpoints": None if zdr is None else endpoints.get(text(row, "slug"), 0),
            **({name: _short(row, name) for name in POLICIES} if len(found) <= LINKED else {}),
        }
        for row in shown
    ]
    table = [{k: v for k, v in row.items() if v not in (None, "")} for row in table]
    return table, len(found), missing


def _matching(rows: Sequence[Mapping[str, Any]], query: str) -> list[Mapping[str, Any]]:
    """The rows of a country where one is named, else those with the query in their names."""
    country = query.upper()
    if here := [
        row for row in rows if country in (row.get("headquarters"), *texts(row, "datacenters"))
    ]:
        return here
    return [
        row for row in rows if query.casefold() in f"{row.get('slug')} {row.get('name')}".casefold()
    ]
