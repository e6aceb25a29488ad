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


async def usage(
    app: App, days: int, by: Literal["model", "tool", "day"], limit: int = 50
) -> dict[str, Any]:
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
    found: dict[str, Any] = {"here": _page(rows, limit), "days": days, "by": by}
    if len(rows) > limit:
        found["next"] = f"{len(rows) - limit} more, summed in the last row: limit={len(rows)}"
    if worth_knowing := await watch(app, days):
        found["watch"] = worth_knowing
    if app.settings.management_key:
        found["account"] = await _activity(app, days, by, limit)
    return found


def _page(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The first rows, and the numbers of all others summed in one more."""
    shown, others = rows[:limit], rows[limit:]
    if not others:
        return shown
    sums: dict[str, Any] = {"name": f"{len(others)} others"}
    for row in others:
        for name, value in row.items():
            if name != "name":
                sums[name] = round(sums.get(name, 0) + value, 9)
    return [*shown, sums]


async def _activity(app: App, days: int, by: str, limit: int) -> dict[str, Any]:
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
    rows = [
        {
            "name": total["name"],
            "requests": total["requests"],
            **_money(total["usd"], total["usd_on_own_keys"]),
        }
        for total in ordered
    ]
    return {"rows": _page(rows, limit)}


def _money(usd: Decimal, on_own_keys: Decimal) -> dict[str, float]:
    """What was spent, and the part of it that providers billed to the user's own keys."""
    own = {"usd_on_own_keys": usd_number(on_own_keys)} if on_own_keys else {}
    return {"usd": usd_number(usd), **own}
