"""The account's endpoints: the key and the credits."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.call import Call

FREE_REQUESTS_PER_DAY = 1000


async def key(call: Call) -> Response:
    """`GET /key`: what the key is, what it may spend, what it has spent."""
    simulator = call.simulator
    spent = float(simulator.spent)
    limit = simulator.key_limit
    management = call.kind == "management"
    used = simulator.free_requests
    data = {
        "label": f"{call.key[:12]}...{call.key[-3:]}",
        "limit": None if limit is None else float(limit),
        "limit_remaining": None if limit is None else float(limit - simulator.spent),
        "limit_reset": None if limit is None else "monthly",
        "include_byok_in_limit": False,
        "is_free_tier": False,
        "is_management_key": management,
        "is_provisioning_key": management,
        "creator_user_id": "user_simulator",
        "expires_at": None,
        "workspace_id": None,
        "organization_id": None,
        "allowed_data_regions": ["global"],
        "free_model_daily_requests": {
            "limit": FREE_REQUESTS_PER_DAY,
            "used": used,
            "remaining": max(0, FREE_REQUESTS_PER_DAY - used),
        },
        "budgets": [],
        "effective_budget": None,
        "rate_limit": {
            "requests": -1,
            "interval": "1h",
            "note": "This field is deprecated and safe to ignore.",
        },
    }
    for period in ("", "_daily", "_weekly", "_monthly"):
        data |= {f"usage{period}": spent, f"byok_usage{period}": 0}
    return JSONResponse({"data": data})


async def credits_(call: Call) -> Response:
    """`GET /credits`: what was bought and what was used, in USD."""
    simulator = call.simulator
    total = simulator.balance + simulator.spent
    return JSONResponse(
        {"data": {"total_credits": float(total), "total_usage": float(simulator.spent)}}
    )
