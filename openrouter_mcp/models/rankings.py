"""Which models, apps and tasks lead: the right data set for a question, with its attribution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models import tables
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.datasets import CATEGORIES, Market
from openrouter_mcp.models.filter import one_of
from openrouter_mcp.models.output_types import Ranking
from openrouter_mcp.models.recommend.evidence import as_of, cite
from openrouter_mcp.state.document_cache import Document

SOURCES = ("artificial-analysis", "design-arena", "openrouter")
ARENAS = ("models", "builders", "agents")
MODALITIES = ("text", "image", "image_output", "audio", "tool_calling")
APP_GROUPS = ("coding", "creative", "productivity", "entertainment")
USUAL_DAYS = 7
MOST_APPS = "100"
NAMES = "A row's id can be called; a name alone cannot."


@dataclass(frozen=True, slots=True)
class Question:
    """Which ranking, by the words of `get_rankings`; dates are YYYY-MM-DD, empty is the usual."""

    kind: str
    category: str = ""
    source: str = ""
    limit: int = 10
    start_date: str = ""
    end_date: str = ""


@dataclass(frozen=True, slots=True)
class _Table:
    document: Document
    about: str
    rows: list[dict[str, Any]]


async def ranking(snapshot: Snapshot, market: Market, asked: Question, now: float) -> Ranking:
    """The table that was asked for: what it is about, its rows, whose data it is and of when.

    Raises `OpenRouterError`, INVALID_INPUT for an unknown category.
    """
    if asked.kind == "benchmarks":
        table = await _benchmarks(snapshot, market, asked)
    elif asked.kind == "models":
        table = await _models(snapshot, market, asked, now)
    elif asked.kind == "apps":
        table = await _apps(market, asked)
    elif asked.kind == "tasks":
        document = await market.tasks()
        rows = tables.tasks(document.data["classifications"], snapshot, asked.category)
        table = _Table(document, f"What OpenRouter is used for, last 7 days. {NAMES}", rows)
    else:
        document = await market.session_costs()
        rows = tables.sessions(document.data["data"], snapshot, asked.category)
        table = _Table(document, f"Median USD of a session, last 30 days. {NAMES}", rows)
    answer: Ranking = {
        "about": table.about,
        "rows": table.rows[: asked.limit],
        "total": len(table.rows),
        "as_of": as_of(table.document),
        "attribution": cite(table.document),
    }
    if table.document.stale:
        fetched = datetime.fromtimestamp(table.document.fetched_at, UTC)
        answer["fetched_at"] = fetched.isoformat(timespec="minutes")
    return answer


async def _benchmarks(snapshot: Snapshot, market: Market, asked: Question) -> _Table:
    usual = SOURCES[0] if asked.category in ("", *tables.INDEXES) else SOURCES[1]
    source = one_of("source of benchmarks", asked.source or usual, SOURCES)
    if source == "design-arena":
        arena, slash, category = asked.category.rpartition("/")
        arena = one_of("arena", arena, ARENAS) if slash else ARENAS[0]
        document = await market.benchmarks(source, arena)
        rows = tables.arena(document.data["data"], snapshot, category)
        about = f"Design Arena, arena {arena}, {category or 'website'}: Elo rating."
    elif source == "openrouter":
        document = await market.benchmarks(source)
        rows = tables.own_benchmark(document.data["data"], snapshot, asked.category)
        about = "OpenRouter's own benchmark: share of tasks solved."
    else:
        document = await market.benchmarks(source)
        rows = tables.analysis(document.data["data"], snapshot, asked.category)
        about = "Artificial Analysis, 0 to 100; price in USD per million tokens, 3 in to 1 out."
    return _Table(document, f"{about} {NAMES}", rows)


async def _models(snapshot: Snapshot, market: Market, asked: Question, now: float) -> _Table:
    query = _dates(asked)
    category = asked.category
    if category:
        category = one_of("category", category, [*CATEGORIES, *MODALITIES])
    if category in CATEGORIES:
        # Sampled, and told by the week only.
        query |= {"category": category, "period": "week"}
    else:
        query |= {"modality": category} if category else {}
        query.setdefault("start_date", _week_before(asked.end_date, now))
    document = await market.daily_rankings(**query)
    meta: Mapping[str, Any] = document.data["meta"]
    about = (
        f"Tokens by model, {category or 'all use'}, {meta.get('start_date')} to "
        f"{meta.get('end_date')}; trend is the change of its share within that time. {NAMES}"
    )
    return _Table(document, about, tables.models(document.data["data"], snapshot))


async def _apps(market: Market, asked: Question) -> _Table:
    query = _dates(asked) | {"limit": MOST_APPS}
    if asked.category:
        group = "category" if asked.category in APP_GROUPS else "subcategory"
        query[group] = asked.category
    document = await market.app_rankings(**query)
    meta: Mapping[str, Any] = document.data["meta"]
    about = f"Apps by tokens, {asked.category or 'all'}, {meta.get('start_date')} to " + str(
        meta.get("end_date")
    )
    return _Table(document, about, tables.apps(document.data["data"]))


def _week_before(end_date: str, now: float) -> str:
    """The first day of the week that ends on a date, or today. Raises INVALID_INPUT."""
    try:
        end = datetime.fromisoformat(end_date) if end_date else datetime.fromtimestamp(now, UTC)
    except ValueError:
        raise OpenRouterError(
            Code.INVALID_INPUT, "end_date is no date. Write it as YYYY-MM-DD."
        ) from None
    return f"{end - timedelta(days=USUAL_DAYS):%Y-%m-%d}"


def _dates(asked: Question) -> dict[str, str]:
    dates = {"start_date": asked.start_date, "end_date": asked.end_date}
    return {name: value for name, value in dates.items() if value}
