"""Whether everything works: the key, the balance, the budgets and the state of this server."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from openrouter_mcp import __version__
from openrouter_mcp.api import responses
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.money import parse_usd, usd_number
from openrouter_mcp.spending.paid_request import settle_leftovers
from openrouter_mcp.text import duration

SETTLING_TIME = 0.3
"""Seconds for costs that OpenRouter had not told yet; the next call goes on with the rest."""
KEY_FIELDS = (
    "label",
    "limit",
    "limit_remaining",
    "limit_reset",
    "usage",
    "usage_daily",
    "usage_monthly",
    "is_free_tier",
    "is_management_key",
    "expires_at",
    "free_model_daily_requests",
)
NEED_MANAGEMENT = (
    "The balance of the account needs a management key: create one at "
    "https://openrouter.ai/settings/management-keys and set OPENROUTER_MANAGEMENT_KEY."
)


async def overview(app: App) -> dict[str, Any]:
    """Whether everything works and what is left; where something does not, why. USD, ms."""
    await settle_quickly(app)
    (key, latency), balance = await asyncio.gather(_key(app), _credits(app))
    left = await app.budget.remaining()
    budgets = {name: usd_number(value) for name, value in asdict(left).items()}
    return {
        **({"problems": [*app.notices]} if app.notices else {}),
        "version": __version__,
        "openrouter": {"address": app.settings.base_url, **latency},
        "key": key,
        "credits": balance,
        "budgets": {**budgets, "per_call_cap": usd_number(app.settings.max_cost_per_call)},
        "state": {
            "directory": str(app.settings.state_dir),
            "durable": app.store.durable,
            **({"warning": app.store.warning} if app.store.warning else {}),
        },
    }


async def _key(app: App) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the key is good for, and how long OpenRouter took to say so."""
    begun = time.monotonic()
    found = await app.client.key.find()
    path = "/key" if found else "/models/count"
    try:
        reply = await look_up(app, path)
    except OpenRouterError as error:
        reached = error.code not in {Code.NETWORK, Code.UPSTREAM_TIMEOUT}
        latency = {"reachable": reached, **({} if reached else {"why": error.message})}
        if found:
            told = {"from": app.client.key.source, "code": error.code, "why": error.message}
            return {"works": False, **told}, latency
        return {"works": False, "why": app.client.key.lack}, latency
    latency = {"reachable": True, "latency_ms": round((time.monotonic() - begun) * 1000)}
    if not found:
        why = f"Look-ups work, paid tools do not. {app.client.key.lack}"
        return {"works": False, "why": why}, latency
    data = responses.mapping(reply, "data")
    known = {name: data[name] for name in KEY_FIELDS if data.get(name) is not None}
    known["from"] = app.client.key.source
    if data.get("is_management_key"):
        why = "A management key cannot run models. Set it as OPENROUTER_MANAGEMENT_KEY instead."
        return {"works": False, "why": why, **known}, latency
    return {"works": True, **known}, latency


async def _credits(app: App) -> dict[str, Any]:
    lack = app.settings.flaws.get("management_key", NEED_MANAGEMENT)
    if not (app.settings.management_key or await app.client.key.find()):
        return {"why": lack}
    try:
        reply = await look_up(app, "/credits", management=True)
    except OpenRouterError as error:
        known = error.http_status in {401, 403}
        return {"why": lack if known else error.message}
    data = responses.mapping(reply, "data")
    bought, used = parse_usd(data.get("total_credits")), parse_usd(data.get("total_usage"))
    if bought is None or used is None:
        return {"why": "OpenRouter did not tell the balance."}
    return {
        "balance": usd_number(bought - used),
        "bought": usd_number(bought),
        "used": usd_number(used),
    }


async def settle_quickly(app: App) -> None:
    """Conclude what earlier processes left open, as far as that is quick."""
    with suppress(TimeoutError, OpenRouterError):
        async with asyncio.timeout(SETTLING_TIME):
            await settle_leftovers(app.client, app.budget)


async def look_up(app: App, path: str, *, management: bool = False) -> Any:
    """Look something up for as long as a call that has more to tell can wait for it."""
    try:
        async with asyncio.timeout(app.timing.look_up):
            return await app.client.get(path, management=management)
    except TimeoutError:
        raise OpenRouterError(
            Code.UPSTREAM_TIMEOUT,
            f"OpenRouter did not answer within {duration(app.timing.look_up)}. Call again later.",
            retryable=True,
        ) from None
