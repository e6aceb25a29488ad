"""Paid requests that are no chats: what they cost, and `GET /generation`, which tells it later."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator import providers
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.state import Simulator

Json = dict[str, Any]


def record(call: Call, model: Json, api_type: str, cost: Decimal, **counted: int) -> Json:
    """Charge for a finished request and remember it; `counted` are fields of its statistics."""
    simulator = call.simulator
    if simulator.balance < cost:
        message = "Insufficient credits. Add more using https://openrouter.ai/credits"
        raise Refused(failure(402, message))
    simulator.charge(cost)
    id_ = simulator.generation_id("" if api_type == "image" else api_type)
    provider = providers.serving(model)[0].name
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
    """Write the statistics of a generation, which `get` tells after `generation_misses` looks."""
    moment = datetime.fromtimestamp(simulator.clock(), UTC)
    known = {
        "id": id_,
        "request_id": f"req-{id_}",
        "upstream_id": None,
        "api_type": api_type,
        "model": model["canonical_slug"],
        "provider_name": provider,
        "router": None,
        "service_tier": None,
        "preset_id": None,
        "session_id": None,
        "workspace_id": None,
        "data_region": "global",
        "created_at": moment.isoformat(),
        "streamed": False,
        "cancelled": False,
        "finish_reason": "stop",
        "native_finish_reason": "stop",
        "latency": 1250,
        "generation_time": 1200,
        "moderation_latency": None,
        "tokens_prompt": 0,
        "tokens_completion": 0,
        "native_tokens_prompt": 0,
        "native_tokens_completion": 0,
        "native_tokens_reasoning": None,
        "native_tokens_cached": None,
        "native_tokens_completion_images": None,
        "num_media_prompt": None,
        "num_media_completion": None,
        "num_input_audio_prompt": None,
        "num_search_results": None,
        "num_fetches": None,
        "web_search_engine": None,
        "total_cost": float(cost),
        "usage": float(cost),
        "upstream_inference_cost": None,
        "cache_discount": None,
        "is_byok": False,
        "response_cache_source_id": None,
        "provider_responses": None,
        "app_id": None,
        "external_user": None,
        "http_referer": None,
        "origin": "",
        "user_agent": None,
    } | counted
    simulator.generations[id_] = {"misses": simulator.generation_misses, "known": known}
    return known


async def get(call: Call) -> Response:
    """`GET /generation?id=`: not found until the statistics are written."""
    found = call.simulator.generations.get(call.query.get("id", ""))
    if found is None or found["misses"] > 0:
        if found:
            found["misses"] -= 1
        raise Refused(failure(404, f"Generation {call.query.get('id', '')} not found"))
    return JSONResponse({"data": found["known"]})
