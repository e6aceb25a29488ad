"""The account as OpenRouter and the local ledger know it: what works, what is left, what ran."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from openrouter_mcp import __version__
from openrouter_mcp.api import responses
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.money import parse_usd
from openrouter_mcp.spending.paid_request import settle_leftovers
from openrouter_mcp.text import duration

SETTLING_TIME = 5.0
"""Seconds for what earlier processes left open."""
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
GENERATION_FIELDS = (
    "model",
    "provider_name",
    "router",
    "api_type",
    "created_at",
    "streamed",
    "cancelled",
    "finish_reason",
    "native_finish_reason",
    "latency",
    "generation_time",
    "native_tokens_prompt",
    "native_tokens_completion",
    "native_tokens_reasoning",
    "native_tokens_cached",
    "num_search_results",
    "total_cost",
    "upstream_inference_cost",
    "cache_discount",
    "is_byok",
    "service_tier",
    "provider_responses",
)
NEED_MANAGEMENT = (
    "The balance of the account needs a management key: create one at "
    "https://openrouter.ai/settings/management-keys and set OPENROUTER_MANAGEMENT_KEY."
)


async def overview(app: App) -> dict[str, Any]:
    """Whether everything works and what is left; where something does not, why. USD, ms."""
    await _settled(app)
    (key, latency), balance = await asyncio.gather(_key(app), _credits(app))
    left = await app.budget.remaining()
    budgets = {name: _usd(value) for name, value in asdict(left).items()}
    return {
        "version": __version__,
        "openrouter": {"address": app.settings.base_url, **latency},
        "key": key,
        "credits": balance,
        "budgets": {**budgets, "per_call_cap": _usd(app.settings.max_cost_per_call)},
        "state": {
            "directory": str(app.settings.state_dir),
            "durable": app.store.durable,
            **({"warning": app.store.warning} if app.store.warning else {}),
        },
    }


async def usage(app: App, days: int, by: Literal["model", "tool", "day"]) -> dict[str, Any]:
    """What was spent: the ledger's sums, and OpenRouter's own where a management key allows."""
    await _settled(app)
    rows = [
        {
            "name": row.name,
            "calls": row.calls,
            "usd": _usd(row.cost),
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            **({"usd_not_settled": _usd(row.unknown)} if row.unknown else {}),
        }
        for row in await app.budget.usage(by, days)
    ]
    found: dict[str, Any] = {"here": rows, "days": days, "by": by}
    if app.settings.management_key:
        found["account"] = await _activity(app, days, by)
    return found


async def generation(app: App, generation_id: str, *, content: bool) -> dict[str, Any]:
    """What really ran for a generation: OpenRouter's statistics and the ledger's row.

    Statistics are written some seconds after the call; they are waited for. Raises `NOT_FOUND`
    when neither knows the id, `INVALID_INPUT` when there is none.
    """
    if not generation_id.strip():
        raise OpenRouterError(
            Code.INVALID_INPUT, "generation_id is empty. Take the gen-... id from a receipt."
        )
    entry = await app.budget.find(generation_id)
    try:
        statistics = await _statistics(app, generation_id)
    except OpenRouterError as error:
        if error.code is not Code.NOT_FOUND or entry is None:
            raise
        found: dict[str, Any] = {
            "missing": "OpenRouter keeps no statistics of this generation (routers that ask "
            "several models have none of their own). This is the local ledger's row."
        }
    else:
        found = {name: statistics[name] for name in GENERATION_FIELDS if statistics.get(name)}
        # A cost of nothing is worth telling, other zeros are not.
        found["total_cost"] = statistics.get("total_cost")
    if entry:
        found["ledger"] = {
            "tool": entry.tool,
            "model": entry.model,
            "provider": entry.provider,
            "at": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds"),
            "usd": None if entry.cost is None else _usd(entry.cost),
            "seconds": round(entry.duration, 2),
        }
    if content:
        found["content"] = await _content(app, generation_id)
    return {"generation_id": generation_id, **found}


async def _settled(app: App) -> None:
    """Conclude what earlier processes left open, as far as that is quick."""
    try:
        async with asyncio.timeout(SETTLING_TIME):
            await settle_leftovers(app.client, app.budget)
    except TimeoutError:
        return


async def _quickly(app: App, path: str, *, management: bool = False) -> Any:
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


async def _key(app: App) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the key is good for, and how long OpenRouter took to say so."""
    begun = time.monotonic()
    path = "/key" if app.settings.api_key else "/models/count"
    try:
        reply = await _quickly(app, path)
    except OpenRouterError as error:
        reached = error.code not in {Code.NETWORK, Code.UPSTREAM_TIMEOUT}
        return {"works": False, "why": error.message}, {"reachable": reached}
    latency = {"reachable": True, "latency_ms": round((time.monotonic() - begun) * 1000)}
    if app.settings.api_key is None:
        why = "OPENROUTER_API_KEY is not set: look-ups work, paid tools do not."
        return {"works": False, "why": why}, latency
    data = responses.mapping(reply, "data")
    known = {name: data[name] for name in KEY_FIELDS if data.get(name) is not None}
    if data.get("is_management_key"):
        why = "A management key cannot run models. Set it as OPENROUTER_MANAGEMENT_KEY instead."
        return {"works": False, "why": why, **known}, latency
    return {"works": True, **known}, latency


async def _credits(app: App) -> dict[str, Any]:
    if not (app.settings.management_key or app.settings.api_key):
        return {"why": NEED_MANAGEMENT}
    try:
        reply = await _quickly(app, "/credits", management=True)
    except OpenRouterError as error:
        known = error.http_status in {401, 403}
        return {"why": NEED_MANAGEMENT if known else error.message}
    data = responses.mapping(reply, "data")
    bought, used = parse_usd(data.get("total_credits")), parse_usd(data.get("total_usage"))
    if bought is None or used is None:
        return {"why": "OpenRouter did not tell the balance."}
    return {"balance": _usd(bought - used), "bought": _usd(bought), "used": _usd(used)}


async def _activity(app: App, days: int, by: str) -> dict[str, Any]:
    """The account's last completed UTC days by model or day; OpenRouter knows no tools."""
    try:
        reply = await _quickly(app, "/activity", management=True)
    except OpenRouterError as error:
        return {"why": error.message}
    rows = responses.mappings(reply, "data")
    dates = sorted({str(row.get("date")) for row in rows}, reverse=True)[:days]
    sums: dict[str, dict[str, Any]] = {}
    for row in rows:
        if str(row.get("date")) in dates:
            name = str(row.get("date" if by == "day" else "model"))
            total = sums.setdefault(name, {"name": name, "requests": 0, "usd": Decimal(0)})
            requests = row.get("requests")
            total["requests"] += requests if isinstance(requests, int) else 0
            total["usd"] += parse_usd(row.get("usage")) or Decimal(0)
    ordered = sorted(sums.values(), key=lambda total: (-total["usd"], total["name"]))
    return {"rows": [{**total, "usd": _usd(total["usd"])} for total in ordered]}


async def _statistics(app: App, generation_id: str) -> Mapping[str, Any]:
    for delay in (*app.timing.statistics, None):
        try:
            reply = await app.client.get("/generation", params={"id": generation_id})
        except OpenRouterError as error:
            if error.code is not Code.NOT_FOUND or delay is None:
                raise
            await app.timing.sleep(delay)
        else:
            return responses.mapping(reply, "data")
    raise AssertionError("the last look either returned or raised")


async def _content(app: App, generation_id: str) -> Any:
    try:
        reply = await app.client.get("/generation/content", params={"id": generation_id})
    except OpenRouterError as error:
        if error.code not in {Code.NOT_FOUND, Code.PERMISSION}:
            raise
        return "OpenRouter keeps prompts and answers only where input and output logging is on."
    return responses.mapping(reply, "data")


def _usd(amount: Decimal) -> float:
    """Money for a JSON reply; sums are made before, in `Decimal`."""
    return float(round(amount, 9))
