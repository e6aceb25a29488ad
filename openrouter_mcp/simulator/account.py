"""The account: its keys, its credits, and what it paid for, with what users report about that."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from openrouter_mcp.simulator.catalogue import DATA, serving
from openrouter_mcp.simulator.faults import Refused, bad_request, failure, invalid, refused
from openrouter_mcp.simulator.state import AuthorizationCode, Call, Simulator

Json = dict[str, Any]

FREE_REQUESTS_PER_DAY = 1000
CATEGORIES = (
    *("latency", "incoherence", "incorrect_response", "formatting"),
    *("billing", "api_error", "other"),
)
LONGEST_COMMENT = 1000
LIFETIME = 600.0
"""Seconds in which a code can be exchanged."""
LOCAL = {"localhost", "127.0.0.1", "[::1]"}
PAGE = "<title>Authorize</title><p>Your code: <code id=code>{}</code></p>"


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


async def log_in(call: Call) -> Response:
    """`GET /auth`: a user who agrees at once. Without a callback, the page shows the code."""
    query = call.recorded.query
    challenge, callback = query.get("code_challenge", ""), query.get("callback_url", "")
    method = query.get("code_challenge_method", "plain")
    if method not in {"S256", "plain"}:
        raise bad_request("Invalid code_challenge_method")
    if not callback and not challenge:
        raise bad_request("A code_challenge is required without callback_url")
    if callback:
        target = urlsplit(callback)
        if target.scheme != "https" and target.netloc.partition(":")[0] not in LOCAL:
            raise bad_request("callback_url takes https, or http on localhost")
    simulator = call.simulator
    code = f"auth_code_{secrets.token_hex(8)}"
    simulator.codes[code] = AuthorizationCode(challenge, method, simulator.clock())
    if not callback:
        return HTMLResponse(PAGE.format(code))
    joint = "&" if urlsplit(callback).query else "?"
    return RedirectResponse(f"{callback}{joint}{urlencode({'code': code})}", 302)


async def exchange_code(call: Call) -> Response:
    """`POST /auth/keys`: a key for a code, once, for whoever began the login."""
    body = call.body if isinstance(call.body, dict) else {}
    code, verifier = body.get("code"), body.get("code_verifier") or ""
    if not isinstance(code, str) or not isinstance(verifier, str):
        raise bad_request("Invalid request parameters")
    known = call.simulator.codes.get(code)
    if known and (body.get("code_challenge_method") or known.method) != known.method:
        raise Refused(failure(400, "Invalid code_challenge_method"))
    if known is None or not _belongs_to(known, verifier):
        raise Refused(failure(403, "Invalid code or code_verifier"))
    del call.simulator.codes[code]
    if call.simulator.clock() > known.made_at + LIFETIME:
        raise Refused(failure(403, "Authorization code expired"))
    key = f"sk-or-v1-{secrets.token_hex(32)}"
    call.simulator.keys[key] = "inference"
    return JSONResponse({"key": key, "user_id": "user_simulated"})


def _belongs_to(known: AuthorizationCode, verifier: str) -> bool:
    if not known.challenge:
        return True
    if known.method == "plain":
        return verifier == known.challenge
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == known.challenge


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
