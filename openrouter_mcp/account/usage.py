"""What was spent: by the local ledger, and by OpenRouter where a management key allows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from openrouter_mcp.account.overview import look_up, settle_quickly
from openrouter_mcp.api import responses
from openrouter_mcp.app import App
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.money import parse_usd, usd_number


async def usage(app: App, days: int, by: Literal["model", "tool", "day"]) -> dict[str, Any]:
    """What was spent: the ledger's sums, and OpenRouter's own where a management key allows."""
    await settle_quickly(app)
    rows = [
        {
            "name": row.name,
            "calls": row.calls,
            "usd": usd_number(row.cost),
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            **({"usd_not_settled": usd_number(row.unknown)} if row.unknown else {}),
        }
        for row in await app.budget.usage(by, days)
    ]
    found: dict[str, Any] = {"here": rows, "days": days, "by": by}
    if app.settings.management_key:
        found["account"] = await _activity(app, days, by)
    return found


async def _activity(app: App, days: int, by: str) -> dict[str, Any]:
    """The account's last completed UTC days by model or day; OpenRouter knows no tools."""
    try:
        reply = await look_up(app, "/activity", management=True)
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
    return {"rows": [{**total, "usd": usd_number(total["usd"])} for total in ordered]}
