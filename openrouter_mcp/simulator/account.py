"""The account: its key, its credits, and what it paid for, with what users report about that."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.catalogue import DATA, serving
from openrouter_mcp.simulator.faults import Refused, failure, invalid, refused
from openrouter_mcp.simulator.state import Call, Simulator

Json = dict[str, Any]

FREE_REQUESTS_PER_DAY = 1000
CATEGORIES = (
    *("latency", "incoherence", "incorrect_response", "formatting"),
    *("billing", "api_error", "other"),
)
LONGEST_COMMENT = 1000


async def key(call: Call) -> Response:
    """`GET /key`: what the key is, what it may spend, what it has spent."""
    simulator = call.simulator
    spent = float(simulator.spent)
    limit = simulator.key_limit
    management = call.kind == "management"
    used = simulator.free_requests
    data = DATA["usual"]["key"] | {
        "label": f"{call.key[:12]}...{call.key[-3:]}",
        "limit": None if limit is None else float(limit),
        "limit_remaining": None if limit is None else float(limit - simulator.spent),
        "limit_reset": None if limit is None else "monthly",
        "is_management_key": management,
        "is_provisioning_key": management,
        "free_model_daily_requests": {
            "limit": FREE_REQUESTS_PER_DAY,
            "used": used,
            "remaining": max(0, FREE_REQUESTS_PER_DAY - used),
        },
    }
    for period in ("", "_daily", "_weekly", "_monthly"):
        data |= {f"usage{period}": spent, f"byok_usage{period}": 0}
    return JSONResponse({"data": data})


async def credits_(call: Call) -> Response:
    """`GET /credits`: what was bought and what was used, in USD."""
    spent = call.simulator.spent
    total = call.simulator.balance + spent
    return JSONResponse({"data": {"total_credits": float(total), "total_usage": float(spent)}})


def record(call: Call, model: Json, api_type: str, cost: Decimal, **counted: int) -> Json:
    """Charge for a finished request and remember it; `counted` are fields of its statistics."""
    simulator = call.simulator
    if simulator.balance < cost:
        raise refused("insufficient_credits")
    simulator.charge(simulator.charged(cost))
    id_ = simulator.generation_id("" if api_type == "image" else api_type)
    provider = serving(model)[0].name
    return remember(simulator, id_, model, provider, api_type, cost, **counted)


def remember(
    simulator: Simulator,
    id_: str,
    model: Json,
    provider: str,
    api_type: str,
    cost: Decimal,
    **counted: Any,
) -> Json:
    """Write a generation's statistics, which are told after `generation_misses` looks."""
    charged = simulator.charged(cost)
    known = {
        **DATA["usual"]["generation"],
        "id": id_,
        "request_id": f"req-{id_}",
        "api_type": api_type,
        "model": model["canonical_slug"],
        "provider_name": provider,
        "created_at": datetime.fromtimestamp(simulator.clock(), UTC).isoformat(),
        "total_cost": float(charged),
        "usage": float(charged),
        "is_byok": simulator.byok,
        "upstream_inference_cost": float(cost) if simulator.byok else None,
        **counted,
    }
    simulator.generations[id_] = {"misses": simulator.generation_misses, "known": known}
    return known


def billed(known: Json) -> Json:
    """The costs of a generation as `usage` tells them."""
    upstream = known["upstream_inference_cost"]
    details = {
        "upstream_inference_cost": upstream,
        "upstream_inference_prompt_cost": 0,
        "upstream_inference_completions_cost": upstream or known["total_cost"],
    }
    return {"cost": known["total_cost"], "is_byok": known["is_byok"], "cost_details": details}


async def generation(call: Call) -> Response:
    """`GET /generation?id=`: not found until the statistics are written."""
    id_ = call.query.get("id", "")
    found = call.simulator.generations.get(id_)
    if found is None or found["misses"] > 0:
        if found:
            found["misses"] -= 1
        raise Refused(failure(404, f"Generation {id_} not found"))
    return JSONResponse({"data": found["known"]})


async def feedback(call: Call) -> Response:
    """`POST /generation/feedback`."""
    body = call.fields("generation_id category", "comment")
    if body["category"] not in CATEGORIES:
        message = f"Invalid option: expected one of {'|'.join(CATEGORIES)}"
        raise Refused(invalid("invalid_value", ["category"], message))
    if len(body.get("comment", "")) > LONGEST_COMMENT:
        message = f"Too big: expected string to have <={LONGEST_COMMENT} characters"
        raise Refused(invalid("too_big", ["comment"], message))
    if not body["generation_id"].startswith("gen-"):
        raise Refused(failure(404, "Generation not found"))
    return JSONResponse({"data": {"success": True}})
