"""What was spent: by the local ledger, and by OpenRouter where a management key allows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from openrouter_mcp.account.overview import look_up, settle_quickly
from openrouter_mcp.account.watch import watch
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
            **_money(row.cost, row.upstream_cost),
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            **({"usd_not_settled": usd_number(row.unknown)} if row.unknown else {}),
        }
        for row in await app.budget.usage(by, days)
    ]
    found: dict[str, Any] = {"here": rows, "days": days, "by": by}
    if worth_knowing := await watch(app, days):
        found["watch"] = worth_knowing
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
            nothing = {"usd": Decimal(0), "usd_on_own_keys": Decimal(0)}
            total = sums.setdefault(name, {"name": name, "requests": 0, **nothing})
            requests = row.get("requests")
            total["requests"] += requests if isinstance(requests, int) else 0
            own = parse_usd(row.get("byok_usage_inference")) or Decimal(0)
            total["usd"] += (parse_usd(row.get("usage")) or Decimal(0)) + own
            total["usd_on_own_keys"] += own
    ordered = sorted(sums.values(), key=lambda total: (-total["usd"], total["name"]))
    return {
        "rows": [
            {
                "name": total["name"],
                "requests": total["requests"],
                **_money(total["usd"], total["usd_on_own_keys"]),
            }
            for total in ordered
        ]
    }


def _money(usd: Decimal, on_own_keys: Decimal) -> dict[str, float]:
    """What was spent, and the part of it that providers billed to the user's own keys."""
    own = {"usd_on_own_keys": usd_number(on_own_keys)} if on_own_keys else {}
    return {"usd": usd_number(usd), **own}
