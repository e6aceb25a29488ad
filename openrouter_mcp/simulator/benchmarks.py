"""The results of three benchmarks: Artificial Analysis, Design Arena and OpenRouter's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.market import RETIRED, is_model, limited, not_one_of, stamp
from openrouter_mcp.simulator.models import index, number
from openrouter_mcp.simulator.replies import Refused

Row = dict[str, Any]


@limited
async def list_results(call: Call) -> Response:
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
        rows = rows[: number(query, "max_results", 1)]
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
                    "tournament_stats": {
                        "first_place": 5,
                        "second_place": 3,
                        "third_place": 2,
                        "fourth_place": 1,
                        "total": 11,
                    },
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
