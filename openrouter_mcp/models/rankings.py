"""Which models, apps and tasks lead: the right data set for a question, with its attribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from openrouter_mcp.api.responses import count, mapping, mappings, measure, text
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.datasets import CATEGORIES, Market, share_of, total_tokens
from openrouter_mcp.models.filter import one_of
from openrouter_mcp.models.output_types import Ranking
from openrouter_mcp.models.recommend.evidence import as_of, cite
from openrouter_mcp.money import parse_usd, usd_number
from openrouter_mcp.state.document_cache import Document

BENCHMARK_SOURCES = ("artificial-analysis", "design-arena", "openrouter")
INDEXES = ("intelligence", "coding", "agentic")
"""What Artificial Analysis measures, 0 to 100."""
ARENAS = ("models", "builders", "agents")
USED_MODALITIES = ("text", "image", "image_output", "audio", "tool_calling")
"""By which OpenRouter ranks models beside use cases."""
APP_GROUPS = ("coding", "creative", "productivity", "entertainment")
TURNS = ("1-turn", "2-9-turns", "10-49-turns", "50-plus-turns")
"""Lengths of sessions, the shortest first."""
USUAL_DAYS = 7
MOST_APPS = "100"
MODELS_PER_TASK = 3
BILLION = 1_000_000_000
OTHER = "other"
"""The row of all models that the data set does not name."""
NAMES = "A row's id can be called; a name alone cannot."

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RankingRequest:
    """Which ranking, in the words of `get_rankings`; dates are YYYY-MM-DD, empty is the usual."""

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


async def ranking(
    snapshot: Snapshot, market: Market, request: RankingRequest, now: float
) -> Ranking:
    """The table that was asked for: what it is about, its rows, whose data it is and of when.

    Raises `OpenRouterError`, INVALID_INPUT for an unknown category.
    """
    match request.kind:
        case "benchmarks":
            table = await _benchmarks(snapshot, market, request)
        case "models":
            table = await _models(snapshot, market, request, now)
        case "apps":
            table = await _apps(market, request)
        case "tasks":
            document = await market.tasks()
            rows = tasks(document.data["classifications"], snapshot, request.category)
            table = _Table(document, f"What OpenRouter is used for, last 7 days. {NAMES}", rows)
        case _:
            document = await market.session_costs()
            rows = sessions(document.data["data"], snapshot, request.category)
            table = _Table(document, f"Median USD of a session, last 30 days. {NAMES}", rows)
    answer: Ranking = {
        "about": table.about,
        "rows": table.rows[: request.limit],
        "total": len(table.rows),
        "as_of": as_of(table.document),
        "attribution": cite(table.document),
    }
    if table.document.stale:
        fetched = datetime.fromtimestamp(table.document.fetched_at, UTC)
        answer["fetched_at"] = fetched.isoformat(timespec="minutes")
    return answer


async def _benchmarks(snapshot: Snapshot, market: Market, request: RankingRequest) -> _Table:
    usual = BENCHMARK_SOURCES[0] if request.category in ("", *INDEXES) else BENCHMARK_SOURCES[1]
    source = one_of("source of benchmarks", request.source or usual, BENCHMARK_SOURCES)
    if source == "design-arena":
        named, slash, category = request.category.rpartition("/")
        board = one_of("arena", named, ARENAS) if slash else ARENAS[0]
        document = await market.benchmarks(source, board)
        rows = arena(document.data["data"], snapshot, category)
        about = f"Design Arena, arena {board}, {category or 'website'}: Elo rating."
    elif source == "openrouter":
        document = await market.benchmarks(source)
        rows = own_benchmark(document.data["data"], snapshot, request.category)
        about = "OpenRouter's own benchmark: share of tasks solved."
    else:
        document = await market.benchmarks(source)
        rows = analysis(document.data["data"], snapshot, request.category)
        about = "Artificial Analysis, 0 to 100; price in USD per million tokens, 3 in to 1 out."
    return _Table(document, f"{about} {NAMES}", rows)


async def _models(
    snapshot: Snapshot, market: Market, request: RankingRequest, now: float
) -> _Table:
    query = _dates(request)
    category = request.category
    if category:
        category = one_of("category", category, [*CATEGORIES, *USED_MODALITIES])
    if category in CATEGORIES:
        # Sampled, and told by the week only.
        query |= {"category": category, "period": "week"}
    else:
        query |= {"modality": category} if category else {}
        query.setdefault("start_date", _week_before(request.end_date, now))
    document = await market.daily_rankings(**query)
    meta = mapping(document.data, "meta")
    about = (
        f"Tokens by model, {category or 'all use'}, {meta.get('start_date')} to "
        f"{meta.get('end_date')}; trend is the change of its share within that time. {NAMES}"
    )
    return _Table(document, about, models(document.data["data"], snapshot))


async def _apps(market: Market, request: RankingRequest) -> _Table:
    query = _dates(request) | {"limit": MOST_APPS}
    if request.category:
        group = "category" if request.category in APP_GROUPS else "subcategory"
        query[group] = request.category
    document = await market.app_rankings(**query)
    meta = mapping(document.data, "meta")
    about = f"Apps by tokens, {request.category or 'all'}, {meta.get('start_date')} to " + str(
        meta.get("end_date")
    )
    return _Table(document, about, apps(document.data["data"]))


def _dates(request: RankingRequest) -> dict[str, str]:
    dates = {"start_date": request.start_date, "end_date": request.end_date}
    return {name: value for name, value in dates.items() if value}


def _week_before(end_date: str, now: float) -> str:
    """The first day of the week that ends on a date, or today. Raises INVALID_INPUT."""
    try:
        end = datetime.fromisoformat(end_date) if end_date else datetime.fromtimestamp(now, UTC)
    except ValueError:
        raise OpenRouterError(
            Code.INVALID_INPUT, "end_date is no date. Write it as YYYY-MM-DD."
        ) from None
    return f"{end - timedelta(days=USUAL_DAYS):%Y-%m-%d}"


def analysis(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """Artificial Analysis's indexes (0 to 100), ordered by one of them."""
    index = one_of("index", category or INDEXES[0], INDEXES)
    measured = _by(f"{index}_index", rows)
    return [
        {
            "rank": rank,
            **_model(snapshot, row),
            **{name: measure(row, f"{name}_index") for name in INDEXES},
            **_price(snapshot, row),
        }
        for rank, row in enumerate(measured, 1)
    ]


def arena(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """One category of Design Arena, by Elo rating."""
    rows = _by("elo", rows)
    known = sorted({str(row.get("category")) for row in rows})
    chosen = one_of("category of this arena", category or "website", known)
    rated = [row for row in rows if row.get("category") == chosen]
    return [
        {
            "rank": rank,
            **_model(snapshot, row),
            "elo": row["elo"],
            "win_rate": measure(row, "win_rate"),
            **_price(snapshot, row),
        }
        for rank, row in enumerate(rated, 1)
    ]


def own_benchmark(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """One of OpenRouter's own benchmarks: the share solved (0 to 1), USD for each task."""
    rows = [row for row in rows if _solved(row) is not None]
    known = sorted({str(row.get("benchmark_type")) for row in rows})
    chosen = one_of("benchmark", category or "gpqa_diamond", known)
    solved = [row for row in rows if row.get("benchmark_type") == chosen]
    solved.sort(key=lambda row: (-_solved(row), str(row.get("model_permaslug"))))
    return [
        {
            "rank": rank,
            **_model(snapshot, row),
            "solved": _solved(row),
            "usd_per_task": _usd(row, "avg_cost_per_task"),
            **({"search_engine": engine} if (engine := text(row, "search_engine")) else {}),
        }
        for rank, row in enumerate(solved, 1)
    ]


def models(rows: Sequence[Row], snapshot: Snapshot) -> list[dict[str, Any]]:
    """Tokens by model over the whole range; the trend is that of its share, half against half."""
    buckets = sorted({str(row.get("date")) for row in rows})
    recent = set(buckets[-(len(buckets) // 2) :]) if len(buckets) > 1 else set()
    earlier = set(buckets[: len(buckets) // 2])
    tokens: dict[str, list[int]] = {}
    totals = [0, 0, 0]
    for row in rows:
        amount, date = total_tokens(row), str(row.get("date"))
        counted = (amount, amount * (date in earlier), amount * (date in recent))
        sums = tokens.setdefault(str(row.get("model_permaslug")), [0, 0, 0])
        for place, part in enumerate(counted):
            sums[place] += part
            totals[place] += part
    tokens.pop(OTHER, None)
    ordered = sorted(tokens.items(), key=lambda item: (-item[1][0], item[0]))
    return [
        {
            "rank": rank,
            **_named(snapshot, slug, slug),
            "tokens_billion": round(sums[0] / BILLION, 1),
            "share": f"{sums[0] / (totals[0] or 1):.1%}",
            **_trend(sums, totals),
        }
        for rank, (slug, sums) in enumerate(ordered, 1)
    ]


def apps(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Apps by tokens."""
    return [
        {
            "rank": count(row, "rank") or None,
            "app": row.get("app_name"),
            "tokens_billion": round(total_tokens(row) / BILLION, 1),
            "requests": count(row, "total_requests") or None,
        }
        for row in rows
    ]


def tasks(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """Kinds of tasks by their share of requests, each with the models used most for it."""
    rows = _of_category(rows, category, "task", ("macro_category", "tag"))
    rows.sort(key=lambda row: (-share_of(row, "usage_share"), str(row.get("tag"))))
    return [
        {
            "task": row.get("display_name"),
            "tag": row.get("tag"),
            "share": f"{share_of(row, 'usage_share'):.1%}",
            "token_share": f"{share_of(row, 'token_share'):.1%}",
            "models": [
                {
                    **_named(snapshot, str(model.get("id")), str(model.get("id"))),
                    "share": f"{share_of(model, 'tag_usage_share'):.0%}",
                }
                for model in mappings(row, "models")[:MODELS_PER_TASK]
            ],
        }
        for row in rows
    ]


def sessions(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """Median USD of a session by app, length and model; the cheapest first within a length."""
    rows = _of_category(rows, category, "app or length of sessions", ("app_slug", "turn_range"))
    length = {turns: place for place, turns in enumerate(TURNS)}
    rows.sort(
        key=lambda row: (
            length.get(str(row.get("turn_range")), len(TURNS)),
            parse_usd(row.get("median_session_cost_usd")) or 0,
            str(row.get("app_slug")),
        )
    )
    return [
        {
            "app": row.get("app_slug"),
            "turns": row.get("turn_range"),
            **_model(snapshot, row),
            "median_usd": _usd(row, "median_session_cost_usd"),
        }
        for row in rows
    ]


def _by(name: str, rows: Iterable[Row]) -> list[Row]:
    """The rows in which this is measured, the highest first."""
    measured = [row for row in rows if measure(row, name) is not None]
    return sorted(measured, key=lambda row: (-row[name], str(row.get("model_permaslug"))))


def _usd(row: Row, name: str) -> float | None:
    price = parse_usd(row.get(name))
    return None if price is None else usd_number(price)


def _of_category(
    rows: Iterable[Row], category: str, what: str, fields: tuple[str, str]
) -> list[Row]:
    """The rows with this value in one of two fields; all without one. Raises INVALID_INPUT."""
    rows = list(rows)
    if not category:
        return rows
    value = one_of(what, category, {str(row.get(field)) for row in rows for field in fields})
    return [row for row in rows if value in (row.get(fields[0]), row.get(fields[1]))]


def _model(snapshot: Snapshot, row: Row) -> dict[str, Any]:
    slug = str(row.get("model_permaslug"))
    return _named(snapshot, slug, str(row.get("display_name") or slug))


def _named(snapshot: Snapshot, slug: str, name: str) -> dict[str, Any]:
    model = snapshot.routable(slug)
    return {"id": model.id} if model else {"name": name}


def _price(snapshot: Snapshot, row: Row) -> dict[str, Any]:
    """What the model costs now: blended USD per million tokens, 3 parts input to 1 output."""
    model = snapshot.routable(str(row.get("model_permaslug")))
    price = model.blended_price if model else None
    return {} if price is None else {"price": float(round(price, 4))}


def _solved(row: Row) -> Any:
    """The share of tasks solved, as the row tells it; None where it tells none."""
    name = "accuracy" if "accuracy" in row else "primary_score"
    return measure(row, name)


def _trend(sums: Sequence[int], totals: Sequence[int]) -> dict[str, str]:
    if not totals[1] or not totals[2]:
        return {}
    if not sums[1]:
        return {"trend": "new"}
    change = (sums[2] / totals[2]) / (sums[1] / totals[1]) - 1
    return {"trend": f"{round(change, 2) or 0:+.0%}"}
