"""The catalogue's endpoints: models, their endpoints, providers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator import providers
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.replies import Refused, failure, invalid
from openrouter_mcp.simulator.rows import MILLION

Row = dict[str, Any]
PAGE = 500


async def list_models(call: Call) -> Response:
    """`GET /models`: filtered, sorted, paged; only text models unless asked otherwise."""
    query = call.query
    rows = matching(call.simulator.catalogue, query)
    rows = ordered(rows, query.get("sort", "most-popular"))
    total = len(rows)
    following = None
    if "offset" in query or "limit" in query:
        offset, limit = number(query, "offset", 0), number(query, "limit", PAGE)
        rows = rows[offset : offset + limit]
        if offset + limit < total:
            following = f"/api/v1/models?offset={offset + limit}&limit={limit}"
    return JSONResponse({"data": rows, "links": {"next": following}, "total_count": total})


async def count_models(call: Call) -> Response:
    """`GET /models/count`: how many models the same filters leave."""
    return JSONResponse({"data": {"count": len(matching(call.simulator.catalogue, call.query))}})


async def get_model(call: Call) -> Response:
    """`GET /model/{author}/{slug}`: one row; an alias redirects to its target."""
    model = find(call)
    if "alias_target" in model:
        location = f"/api/v1/model/{model['alias_target']['slug']}"
        return Response(status_code=307, headers={"Location": location})
    return JSONResponse({"data": model})


async def list_endpoints(call: Call) -> Response:
    """`GET /models/{author}/{slug}/endpoints`: who serves it; measured only with a key."""
    model = find(call)
    served = [] if routes_elsewhere(model) else providers.endpoints(model, measured=bool(call.kind))
    shown = ("id", "name", "created", "description", "architecture")
    return JSONResponse({"data": {key: model[key] for key in shown} | {"endpoints": served}})


async def list_providers(_: Call) -> Response:
    """`GET /providers`."""
    return JSONResponse({"data": providers.listed()})


async def list_zdr_endpoints(call: Call) -> Response:
    """`GET /endpoints/zdr`: every endpoint that retains no data."""
    zdr = {provider.name for provider in providers.PROVIDERS.values() if provider.zdr}
    rows = [
        endpoint
        for model in call.simulator.catalogue
        if not routes_elsewhere(model)
        for endpoint in providers.endpoints(model, measured=bool(call.kind))
        if endpoint["provider_name"] in zdr
    ]
    return JSONResponse({"data": rows})


def routes_elsewhere(model: Row) -> bool:
    """Whether the row is an alias or a router, which have no endpoints of their own."""
    return "alias_target" in model or model["id"].startswith("openrouter/")


def find(call: Call) -> Row:
    """The row that the path names. Raises `Refused` with 404."""
    author, slug = call.path_parameters["author"], call.path_parameters["slug"]
    base, _, variant = slug.partition(":")
    model = call.simulator.model(f"{author}/{slug}")
    if model is None and variant in ("nitro", "floor", "exacto", "online"):
        model = call.simulator.model(f"{author}/{base}")
    if model is None:
        raise Refused(failure(404, "Model not found", error_type="not_found"))
    return model


def number(query: dict[str, str], name: str, default: int) -> int:
    """A whole number from the query. Raises `Refused` with the validation envelope."""
    text = query.get(name, str(default))
    if not text.isdigit():
        message = f"Expected number, received {text}"
        raise Refused(invalid([{"code": "invalid_type", "path": [name], "message": message}]))
    return int(text)


def price(model: Row, key: str) -> Decimal:
    """USD per million tokens; a router's "-1" counts as unknown and sorts last."""
    return Decimal(model["pricing"][key]) * MILLION


def index(model: Row, name: str) -> float:
    """A score of Artificial Analysis, -1 when there is none (the real list has nulls)."""
    scores = (model.get("benchmarks") or {}).get("artificial_analysis") or {}
    score = scores.get(f"{name}_index")
    return -1 if score is None else score


def matching(rows: list[Row], query: dict[str, str]) -> list[Row]:
    """The rows that pass every filter in the query; unknown parameters are ignored."""
    tests: list[Callable[[Row], bool]] = [
        FILTERS[name](value) for name, value in query.items() if name in FILTERS and value
    ]
    if not query.get("output_modalities"):
        tests.append(FILTERS["output_modalities"]("text"))
    return [row for row in rows if all(test(row) for test in tests)]


def _holds(inside: Callable[[Row], list[str]]) -> Callable[[str], Callable[[Row], bool]]:
    def make(value: str) -> Callable[[Row], bool]:
        wanted = {part.strip() for part in value.split(",")}
        return lambda row: wanted <= {*inside(row)}

    return make


def _makes_any(value: str) -> Callable[[Row], bool]:
    wanted = {part.strip() for part in value.split(",")}
    return lambda row: (
        wanted == {"all"}
        or any(output in wanted for output in row["architecture"]["output_modalities"])
    )


def _is_one_of(value_of: Callable[[Row], str]) -> Callable[[str], Callable[[Row], bool]]:
    return lambda value: lambda row: value_of(row) in value.split(",")


def _price_filter(key: str, sign: int) -> Callable[[str], Callable[[Row], bool]]:
    def make(value: str) -> Callable[[Row], bool]:
        bound = Decimal(value)
        return lambda row: (price(row, key) - bound) * sign >= 0 and price(row, key) >= 0

    return make


def _text_in(value: str) -> Callable[[Row], bool]:
    return lambda row: value.lower() in f"{row['id']} {row['name']}".lower()


def _served_by(value: str) -> Callable[[Row], bool]:
    names = set(value.split(","))
    return lambda row: any(provider.name in names for provider in providers.serving(row))


def _retains_nothing(_: str) -> Callable[[Row], bool]:
    return lambda row: (
        not routes_elsewhere(row) and any(provider.zdr for provider in providers.serving(row))
    )


def _runs_in(value: str) -> Callable[[Row], bool]:
    countries = {"eu": {"FR", "DE", "IE"}, "us": {"US"}}[value]
    return lambda row: any(provider.country in countries for provider in providers.serving(row))


def _used_for(value: str) -> Callable[[Row], bool]:
    """Every third row is used for a category; which ones, its name decides."""
    return lambda row: (len(row["name"]) + len(value)) % 3 == 0


def _calls_tools(value: str) -> Callable[[Row], bool]:
    """Who scores higher as an agent also calls tools more reliably."""
    return lambda row: 0.5 + index(row, "agentic") / 130 >= float(value)


FILTERS: dict[str, Callable[[str], Callable[[Row], bool]]] = {
    "q": _text_in,
    "output_modalities": _makes_any,
    "input_modalities": _holds(lambda row: row["architecture"]["input_modalities"]),
    "supported_parameters": _holds(lambda row: row["supported_parameters"]),
    "model_authors": _is_one_of(lambda row: row["id"].lstrip("~").split("/")[0]),
    "arch": _is_one_of(lambda row: row["architecture"]["tokenizer"]),
    "providers": _served_by,
    "category": _used_for,
    "zdr": _retains_nothing,
    "region": _runs_in,
    "min_tool_success_rate": _calls_tools,
    "context": lambda value: lambda row: (row["context_length"] or 0) >= int(value),
    "min_price": _price_filter("prompt", 1),
    "max_price": _price_filter("prompt", -1),
    "min_output_price": _price_filter("completion", 1),
    "max_output_price": _price_filter("completion", -1),
}
"""The query parameters of `GET /models` that filter; the others are accepted and ignored."""


def ordered(rows: list[Row], sort: str) -> list[Row]:
    """The rows in the order asked for; the catalogue's own order is by popularity."""
    keys: dict[str, Callable[[Row], Any]] = {
        "newest": lambda row: -row["created"],
        "pricing-low-to-high": lambda row: (average(row) < 0, average(row)),
        "pricing-high-to-low": lambda row: -average(row),
        "context-high-to-low": lambda row: -(row["context_length"] or 0),
        "throughput-high-to-low": lambda row: -providers.serving(row)[0].throughput,
        "latency-low-to-high": lambda row: providers.serving(row)[0].latency,
        "intelligence-high-to-low": lambda row: -index(row, "intelligence"),
        "coding-high-to-low": lambda row: -index(row, "coding"),
        "agentic-high-to-low": lambda row: -index(row, "agentic"),
        "design-arena-elo-high-to-low": lambda row: -elo(row),
    }
    return sorted(rows, key=keys[sort]) if sort in keys else rows


def average(model: Row) -> Decimal:
    """The mean of prompt and completion price."""
    return (price(model, "prompt") + price(model, "completion")) / 2


def elo(model: Row) -> float:
    """The best rating in the design arena, 0 when there is none."""
    arena = model.get("benchmarks", {}).get("design_arena", [])
    return max((entry["elo"] for entry in arena), default=0)
