"""Where one learns which models there are, who serves them, what media models take and cost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.catalogue import (
    DATA,
    PROVIDERS,
    Row,
    endpoints,
    price,
    routes_elsewhere,
    serving,
)
from openrouter_mcp.simulator.faults import Refused, failure
from openrouter_mcp.simulator.state import Call

UPSCALER = "lumen/upscale-1"
"""Enlarges videos and makes none, which only `/videos/models` tells."""
IMAGE_PARAMETERS: Row = DATA["image_parameters"]
IMAGE_PRICES: list[Row] = DATA["image_prices"]
VIDEO_PRICES: Row = DATA["video_prices"]
"""The price lines of each video model, USD."""
Test = Callable[[Row], bool]


async def list_models(call: Call) -> Response:
    """`GET /models`: filtered and sorted; only text models unless asked otherwise."""
    rows = ordered(matching(call), call.query.get("sort", "most-popular"))
    return JSONResponse({"data": rows, "links": {"next": None}, "total_count": len(rows)})


async def count_models(call: Call) -> Response:
    """`GET /models/count`: how many models the same filters leave."""
    return JSONResponse({"data": {"count": len(matching(call))}})


async def list_endpoints(call: Call) -> Response:
    """`GET /models/{author}/{slug}/endpoints`: who serves it; measured only with a key."""
    model = find(call)
    served = [] if routes_elsewhere(model) else endpoints(model, measured=bool(call.kind))
    shown = ("id", "name", "created", "description", "architecture")
    return JSONResponse({"data": {key: model[key] for key in shown} | {"endpoints": served}})


async def list_providers(_: Call) -> Response:
    """`GET /providers`."""
    rows = [
        {
            "name": provider.name,
            "slug": provider.slug,
            "privacy_policy_url": f"https://{provider.slug}.example/privacy",
            "terms_of_service_url": f"https://{provider.slug}.example/terms",
            "status_page_url": f"https://status.{provider.slug}.example",
            "headquarters": provider.country,
            "datacenters": [provider.country],
        }
        for provider in PROVIDERS.values()
    ]
    return JSONResponse({"data": rows})


async def list_zdr_endpoints(call: Call) -> Response:
    """`GET /endpoints/zdr`: every endpoint that retains no data."""
    zdr = {provider.name for provider in PROVIDERS.values() if provider.zdr}
    rows = [
        endpoint
        for model in call.simulator.catalogue
        if not routes_elsewhere(model)
        for endpoint in endpoints(model, measured=bool(call.kind))
        if endpoint["provider_name"] in zdr
    ]
    return JSONResponse({"data": rows})


async def list_image_models(call: Call) -> Response:
    """`GET /images/models`."""
    rows = [
        {
            **{key: row[key] for key in ("id", "name", "description", "created")},
            "architecture": {
                key: row["architecture"][key] for key in ("input_modalities", "output_modalities")
            },
            "supported_parameters": IMAGE_PARAMETERS,
            "supports_streaming": False,
            "endpoints": f"/api/v1/images/models/{row['id']}/endpoints",
        }
        for row in making(call, "image")
    ]
    return JSONResponse({"data": rows})


async def list_image_endpoints(call: Call) -> Response:
    """`GET /images/models/{author}/{slug}/endpoints`: no `data` around it."""
    model = find(call)
    if model not in making(call, "image"):
        raise Refused(failure(404, "Image model not found", error_type="not_found"))
    rows = [
        {
            "provider_name": provider.name,
            "provider_slug": provider.slug,
            "provider_tag": provider.slug,
            "supported_parameters": IMAGE_PARAMETERS,
            "allowed_passthrough_parameters": [],
            "supports_streaming": False,
            "pricing": IMAGE_PRICES,
        }
        for provider in serving(model)
    ]
    return JSONResponse({"id": model["id"], "endpoints": rows})


async def list_video_models(call: Call) -> Response:
    """`GET /videos/models`."""
    shared = ("id", "canonical_slug", "name", "description", "created")
    rows = [
        DATA["usual"]["video_model"]
        | {key: row[key] for key in shared}
        | {
            "upscale_factor": {"min": 1.0, "max": 4.0} if row["id"] == UPSCALER else None,
            "pricing_skus": VIDEO_PRICES[row["id"]],
        }
        for row in making(call, "video")
    ]
    return JSONResponse({"data": rows})


def making(call: Call, output: str) -> list[Row]:
    """The models that make this kind of output."""
    return [
        row
        for row in call.simulator.catalogue
        if output in row["architecture"]["output_modalities"] and not routes_elsewhere(row)
    ]


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


def index(model: Row, name: str) -> float:
    """A score of Artificial Analysis, -1 when there is none (the real list has nulls)."""
    scores = (model.get("benchmarks") or {}).get("artificial_analysis") or {}
    score = scores.get(f"{name}_index")
    return -1 if score is None else score


def matching(call: Call) -> list[Row]:
    """The rows that pass every filter in the query; unknown parameters are ignored."""
    query = {"output_modalities": "text"} | {
        name: value for name, value in call.query.items() if value
    }
    tests = [FILTERS[name](value) for name, value in query.items() if name in FILTERS]
    return [row for row in call.simulator.catalogue if all(test(row) for test in tests)]


def _makes_any(value: str) -> Test:
    wanted = {part.strip() for part in value.split(",")}
    return lambda row: (
        wanted == {"all"} or not wanted.isdisjoint(row["architecture"]["output_modalities"])
    )


def _served_by(value: str) -> Test:
    names = set(value.split(","))
    return lambda row: any(provider.name in names for provider in serving(row))


def _retains_nothing(_: str) -> Test:
    return lambda row: not routes_elsewhere(row) and any(provider.zdr for provider in serving(row))


def _runs_in(value: str) -> Test:
    countries = {"eu": {"FR", "DE", "IE"}, "us": {"US"}}[value]
    return lambda row: any(provider.country in countries for provider in serving(row))


def _used_for(value: str) -> Test:
    """Every third row is used for a category; which ones, its name decides."""
    return lambda row: (len(row["name"]) + len(value)) % 3 == 0


def _calls_tools(value: str) -> Test:
    """Who scores higher as an agent also calls tools more reliably."""
    return lambda row: 0.5 + index(row, "agentic") / 130 >= float(value)


FILTERS: dict[str, Callable[[str], Test]] = {
    "output_modalities": _makes_any,
    "providers": _served_by,
    "category": _used_for,
    "zdr": _retains_nothing,
    "region": _runs_in,
    "min_tool_success_rate": _calls_tools,
}
"""The query parameters of `GET /models` that filter; the others are accepted and ignored."""


def ordered(rows: list[Row], sort: str) -> list[Row]:
    """The rows in the order asked for; the catalogue's own order is by popularity."""
    keys: dict[str, Callable[[Row], tuple | float | Decimal]] = {
        "newest": lambda row: -row["created"],
        "pricing-low-to-high": lambda row: (average(row) < 0, average(row)),
        "pricing-high-to-low": lambda row: -average(row),
        "context-high-to-low": lambda row: -(row["context_length"] or 0),
        "throughput-high-to-low": lambda row: -serving(row)[0].throughput,
        "latency-low-to-high": lambda row: serving(row)[0].latency,
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
