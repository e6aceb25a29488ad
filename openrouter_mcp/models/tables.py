"""OpenRouter's data sets as short tables. Pure.

A row about a model has an `id` where it can be called by it, else only a `name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.filter import one_of

Row = Mapping[str, Any]
INDEXES = ("intelligence", "coding", "agentic")
TURNS = ("1-turn", "2-9-turns", "10-49-turns", "50-plus-turns")
BILLION = 1_000_000_000
TASK_MODELS = 3
OTHER = "other"


def analysis(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """Artificial Analysis's indexes (0 to 100), ordered by one of them."""
    index = one_of("index", category or INDEXES[0], INDEXES)
    measured = [row for row in rows if _is_number(row.get(f"{index}_index"))]
    measured.sort(key=lambda row: (-row[f"{index}_index"], str(row.get("model_permaslug"))))
    return [
        {
            "rank": rank,
            **_model(snapshot, row),
            **{name: row.get(f"{name}_index") for name in INDEXES},
            **_price(snapshot, row),
        }
        for rank, row in enumerate(measured, 1)
    ]


def arena(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """One category of Design Arena, by Elo rating."""
    rows = [row for row in rows if _is_number(row.get("elo"))]
    known = sorted({str(row.get("category")) for row in rows})
    asked = one_of("category of this arena", category or "website", known)
    rated = [row for row in rows if row.get("category") == asked]
    rated.sort(key=lambda row: (-row["elo"], str(row.get("model_permaslug"))))
    return [
        {
            "rank": rank,
            **_model(snapshot, row),
            "elo": row["elo"],
            "win_rate": row.get("win_rate"),
            **_price(snapshot, row),
        }
        for rank, row in enumerate(rated, 1)
    ]


def own_benchmark(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """One of OpenRouter's own benchmarks: the share solved (0 to 1), USD for each task."""
    rows = [row for row in rows if _is_number(_solved(row))]
    known = sorted({str(row.get("benchmark_type")) for row in rows})
    asked = one_of("benchmark", category or "gpqa_diamond", known)
    solved = [row for row in rows if row.get("benchmark_type") == asked]
    solved.sort(key=lambda row: (-_solved(row), str(row.get("model_permaslug"))))
    return [
        {
            "rank": rank,
            **_model(snapshot, row),
            "solved": _solved(row),
            "usd_per_task": row.get("avg_cost_per_task"),
            **({"search_engine": row["search_engine"]} if row.get("search_engine") else {}),
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
        amount, date = int(row.get("total_tokens") or 0), str(row.get("date"))
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
            "rank": row.get("rank"),
            "app": row.get("app_name"),
            "tokens_billion": round(int(row.get("total_tokens") or 0) / BILLION, 1),
            "requests": row.get("total_requests"),
        }
        for row in rows
    ]


def tasks(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """Kinds of tasks by their share of requests, each with the models used most for it."""
    rows = list(rows)
    if category:
        known = {str(row.get(name)) for row in rows for name in ("macro_category", "tag")}
        asked = one_of("task", category, known)
        rows = [row for row in rows if asked in (row.get("macro_category"), row.get("tag"))]
    rows.sort(key=lambda row: (-(row.get("usage_share") or 0), str(row.get("tag"))))
    return [
        {
            "task": row.get("display_name"),
            "tag": row.get("tag"),
            "share": f"{row.get('usage_share') or 0:.1%}",
            "token_share": f"{row.get('token_share') or 0:.1%}",
            "models": [
                {
                    **_named(snapshot, str(model.get("id")), str(model.get("id"))),
                    "share": f"{model.get('tag_usage_share') or 0:.0%}",
                }
                for model in (row.get("models") or [])[:TASK_MODELS]
            ],
        }
        for row in rows
    ]


def sessions(rows: Iterable[Row], snapshot: Snapshot, category: str) -> list[dict[str, Any]]:
    """Median USD of a session by app, length and model; the cheapest first within a length."""
    rows = list(rows)
    if category:
        known = {str(row.get(name)) for row in rows for name in ("app_slug", "turn_range")}
        asked = one_of("app or length of sessions", category, known)
        rows = [row for row in rows if asked in (row.get("app_slug"), row.get("turn_range"))]
    length = {turns: place for place, turns in enumerate(TURNS)}
    rows.sort(
        key=lambda row: (
            length.get(str(row.get("turn_range")), len(TURNS)),
            row.get("median_session_cost_usd") or 0,
            str(row.get("app_slug")),
        )
    )
    return [
        {
            "app": row.get("app_slug"),
            "turns": row.get("turn_range"),
            **_model(snapshot, row),
            "median_usd": row.get("median_session_cost_usd"),
        }
        for row in rows
    ]


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
    return row.get("accuracy", row.get("primary_score"))


def _trend(sums: Sequence[int], totals: Sequence[int]) -> dict[str, str]:
    if not totals[1] or not totals[2]:
        return {}
    if not sums[1]:
        return {"trend": "new"}
    change = (sums[2] / totals[2]) / (sums[1] / totals[1]) - 1
    return {"trend": f"{round(change, 2) or 0:+.0%}"}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
