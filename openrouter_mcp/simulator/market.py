"""The data sets: benchmarks, rankings, session costs, task shares; and the limit on them all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import wraps

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.catalogue import DATA, Row, routes_elsewhere
from openrouter_mcp.simulator.faults import Refused, failure, invalid
from openrouter_mcp.simulator.models import index
from openrouter_mcp.simulator.state import Call, Handler

LIMITS = {60: 30, 86_400: 500}
"""Requests that all data endpoints together allow within so many seconds."""
CATEGORIES: list[str] = DATA["categories"]
RETIRED = "acme-labs/anvil-0"
"""Still in the data sets, no longer in the catalogue."""
DAYS = 30
BUSIEST = 1_000_000_000
APPS: list[list[str]] = DATA["apps"]
"""Name, slug, category and subcategory of each app."""
TASKS: list[tuple[str, str, str, float]] = DATA["tasks"]
"""Tag, name, kind and share of each task."""
PLACES = {"first_place": 5, "second_place": 3, "third_place": 2, "fourth_place": 1}
TURNS = ("1-turn", "2-9-turns", "10-49-turns", "50-plus-turns")


def limited(handler: Handler) -> Handler:
    """A data endpoint: refused with 429 once the key has asked too often."""

    @wraps(handler)
    async def handle(call: Call) -> Response:
        simulator = call.simulator
        now = simulator.clock()
        paths = ("/benchmarks", "/datasets/", "/classifications/")
        asked = [
            request.received_at
            for request in simulator.requests
            if request.path.startswith(paths)
            and request.headers.get("authorization") == call.headers.get("authorization")
        ]
        for seconds, limit in LIMITS.items():
            recent = [moment for moment in asked if moment > now - seconds]
            if len(recent) > limit:
                reset = min(recent) + seconds
                headers = {
                    "X-RateLimit-Limit": str(limit),
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": str(int(reset * 1000)),
                    "Retry-After": str(max(1, round(reset - now))),
                }
                raise Refused(failure(429, "Rate limit exceeded", headers=headers))
        return await handler(call)

    return handle


@limited
async def daily_rankings(call: Call) -> Response:
    """`GET /datasets/rankings-daily`: tokens by model, the more popular the more, growing."""
    query = call.query
    sampled = "category" in query or "language_type" in query
    period = query.get("period", "week" if sampled else "day")
    if sampled and period == "day":
        raise Refused(failure(400, "period=day is not available for sampled datasets"))
    if query.get("category", CATEGORIES[0]) not in CATEGORIES:
        raise Refused(not_one_of("category", CATEGORIES))
    start, end = _range(call)
    slugs = [row["canonical_slug"] for row in call.simulator.catalogue[:20] if is_model(row)]
    shift = CATEGORIES.index(query["category"]) + 1 if "category" in query else 0
    slugs = [*slugs[shift:], *slugs[:shift], RETIRED, "other"]
    totals: dict[tuple[str, str], int] = {}
    for day in _days(start, end):
        age = (end - day).days
        for rank, slug in enumerate(slugs, 1):
            tokens = BUSIEST * (200 - age * (rank % 3 - 1)) // rank
            bucket = _bucket(day, period)
            totals[bucket, slug] = totals.get((bucket, slug), 0) + tokens
    rows = [
        {"date": bucket, "model_permaslug": slug, "total_tokens": str(tokens)}
        for (bucket, slug), tokens in totals.items()
    ]
    return JSONResponse({"data": rows, "meta": _meta(call, start, end)})


@limited
async def app_rankings(call: Call) -> Response:
    """`GET /datasets/app-rankings`: apps by tokens, of one category or of all."""
    query = call.query
    start, end = _range(call)
    found = [
        (rank, app)
        for rank, app in enumerate(APPS, 1)
        if query.get("category", app[2]) == app[2] and query.get("subcategory", app[3]) == app[3]
    ]
    offset, limit = call.number("offset", 0), call.number("limit", 50)
    rows = [
        {
            "rank": place,
            "app_id": 1000 + rank,
            "app_name": app[0],
            "total_tokens": str(BUSIEST * 90 // rank),
            "total_requests": 100_000 // rank,
        }
        for place, (rank, app) in enumerate(found, 1)
    ]
    return JSONResponse({"data": rows[offset : offset + limit], "meta": _meta(call, start, end)})


@limited
async def session_costs(call: Call) -> Response:
    """`GET /datasets/session-cost`: the median by app, model and length of the session."""
    query = call.query
    cells = [
        {
            "app_slug": slug,
            "app_name": name,
            "model_permaslug": model["canonical_slug"],
            "turn_range": turns,
            "median_session_cost_usd": round(0.02 * (place + 1) * 4**length / (rank + 1), 4),
        }
        for place, (name, slug, category, _) in enumerate(APPS)
        if category == "coding"
        for rank, model in enumerate(call.simulator.catalogue[:4])
        for length, turns in enumerate(TURNS)
    ]
    rows = [
        cell
        for cell in cells
        if query.get("app_slug", cell["app_slug"]) == cell["app_slug"]
        and query.get("model", cell["model_permaslug"]) == cell["model_permaslug"]
        and query.get("turn_range", cell["turn_range"]) == cell["turn_range"]
    ]
    offset, limit = call.number("offset", 0), call.number("limit", 100)
    meta = {
        "as_of": stamp(call),
        "version": "v1",
        "window_days": DAYS,
        "window_end_date": f"{_yesterday(call)}",
    }
    return JSONResponse({"data": rows[offset : offset + limit], "meta": meta})


@limited
async def tasks(call: Call) -> Response:
    """`GET /classifications/task`: what people use OpenRouter for, and with which models."""
    models = [row["id"] for row in call.simulator.catalogue[:8] if is_model(row)]
    macros: dict[str, float] = {}
    for _, _, macro, share in TASKS:
        macros[macro] = round(macros.get(macro, 0) + share, 4)
    classifications = [
        {
            "tag": tag,
            "display_name": name,
            "macro_category": macro,
            "usage_share": share,
            "token_share": share,
            "category_usage_share": round(share / macros[macro], 4),
            "category_token_share": round(share / macros[macro], 4),
            "models": [
                {
                    "id": models[(place + first) % len(models)],
                    "tag_usage_share": round(0.4 / (place + 1), 4),
                    "tag_token_share": round(0.3 / (place + 1), 4),
                }
                for place in range(4)
            ],
        }
        for first, (tag, name, macro, share) in enumerate(TASKS)
    ]
    data = {
        "as_of": f"{_yesterday(call)}",
        "window_days": 7,
        "classifications": classifications,
        "macro_categories": [
            {"key": key, "label": key.title(), "usage_share": share, "token_share": share}
            for key, share in macros.items()
        ],
    }
    return JSONResponse({"data": data})


@limited
async def benchmarks(call: Call) -> Response:
    """`GET /benchmarks`: one source's rows or all, filtered."""
    query = call.query
    source = query.get("source", "")
    known = {"artificial-analysis": _analysis, "design-arena": _arena, "openrouter": _own}
    if source and source not in known:
        raise Refused(not_one_of("source", [*known]))
    rows = [
        row
        for name, rows_of in known.items()
        if source in ("", name)
        for row in rows_of(call)
        if query.get("category", row.get("category")) == row.get("category")
        and query.get("benchmark_type", row.get("benchmark_type")) == row.get("benchmark_type")
    ]
    if "max_results" in query:
        rows = rows[: call.number("max_results", 1)]
    meta = {
        "as_of": stamp(call),
        "version": "v1",
        "source": source or None,
        "source_url": "https://artificialanalysis.ai" if source == "artificial-analysis" else None,
        "task_type": query.get("task_type"),
        "model_count": len({row["model_permaslug"] for row in rows}),
        "citation": "Source: Artificial Analysis" if source == "artificial-analysis" else None,
    }
    return JSONResponse({"data": rows, "meta": meta})


def _analysis(call: Call) -> Iterator[Row]:
    for row in call.simulator.catalogue:
        if is_model(row) and index(row, "intelligence") >= 0:
            scores = row["benchmarks"]["artificial_analysis"]
            price = {key: row["pricing"][key] for key in ("prompt", "completion")}
            yield _measured(row, "artificial-analysis") | scores | {"pricing": price}
    retired = {"canonical_slug": RETIRED, "name": "Acme Labs: Anvil 0"}
    scores = {"intelligence_index": 30, "coding_index": 31, "agentic_index": 22}
    yield _measured(retired, "artificial-analysis") | scores | {"pricing": None}


def _arena(call: Call) -> Iterator[Row]:
    for row in call.simulator.catalogue:
        if not is_model(row):
            continue
        for entry in row.get("benchmarks", {}).get("design_arena", []):
            if entry["arena"] == call.query.get("arena", "models"):
                yield _measured(row, "design-arena") | {
                    "arena": entry["arena"],
                    "category": entry["category"],
                    "elo": entry["elo"],
                    "win_rate": entry["win_rate"],
                    "avg_generation_time_ms": 3200,
                    "tournament_stats": PLACES | {"total": 11},
                    "pricing": None,
                }


def _own(call: Call) -> Iterator[Row]:
    for row in call.simulator.catalogue[:6]:
        yield _measured(row, "openrouter") | {
            "benchmark_type": "gpqa_diamond",
            "accuracy": index(row, "intelligence") / 100,
            "accuracy_stddev": 0.03,
            "avg_cost_per_task": 0.002,
            "total_tasks": 300,
            "last_run_timestamp": stamp(call),
        }


def _measured(row: Row, source: str) -> Row:
    return {
        "source": source,
        "model_permaslug": row["canonical_slug"],
        "display_name": row["name"].rpartition(": ")[2],
    }


def is_model(row: Row) -> bool:
    """Whether the row is a model by itself: no alias, no router, no variant."""
    return not routes_elsewhere(row) and ":" not in row["id"]


def stamp(call: Call) -> str:
    """When a data set was made: this night."""
    return f"{datetime.fromtimestamp(call.simulator.clock(), UTC):%Y-%m-%dT02:00:00Z}"


def _yesterday(call: Call) -> date:
    """The most recent completed day."""
    return datetime.fromtimestamp(call.simulator.clock(), UTC).date() - timedelta(days=1)


def _range(call: Call) -> tuple[date, date]:
    """The days asked for, the last thirty unless said. Raises `Refused`."""
    try:
        end = date.fromisoformat(call.query.get("end_date", f"{_yesterday(call)}"))
        start = end - timedelta(days=DAYS)
        start = date.fromisoformat(call.query.get("start_date", f"{start}"))
    except ValueError:
        raise Refused(failure(400, "Dates are written YYYY-MM-DD")) from None
    if start > end:
        raise Refused(failure(400, "start_date is after end_date"))
    return start, end


def _days(start: date, end: date) -> Iterator[date]:
    for offset in range((end - start).days + 1):
        yield start + timedelta(days=offset)


def _bucket(day: date, period: str) -> str:
    starts = {"week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}
    return f"{starts.get(period, day)}"


def _meta(call: Call, start: date, end: date) -> Row:
    dates = {"start_date": f"{start}", "end_date": f"{end}"}
    return {"as_of": stamp(call), "version": "v1"} | dates


def not_one_of(name: str, known: list[str]) -> Response:
    """The refusal of an unknown choice."""
    message = f"Invalid option: expected one of {'|'.join(known)}"
    return invalid("invalid_value", [name], message)
