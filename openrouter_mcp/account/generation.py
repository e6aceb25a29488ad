"""What really ran for one generation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openrouter_mcp.api import responses
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.money import usd_number
from openrouter_mcp.results import abbreviated

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


NOT_LOGGED = "OpenRouter keeps prompts and answers only where input and output logging is on."


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
            "usd": None if entry.cost is None else usd_number(entry.cost),
            **({"usd_on_own_key": usd_number(entry.upstream_cost)} if entry.upstream_cost else {}),
            "seconds": round(entry.duration, 2),
        }
    if content:
        shown, note = await _content(app, generation_id)
        found = {**({"note": note} if note else {}), **found, "content": shown}
    return {"generation_id": generation_id, **found}


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


async def _content(app: App, generation_id: str) -> tuple[Any, str]:
    """The prompt and the answer; of long ones their beginnings, and where they are saved."""
    try:
        reply = await app.client.get("/generation/content", params={"id": generation_id})
    except OpenRouterError as error:
        if error.code not in {Code.NOT_FOUND, Code.PERMISSION}:
            raise
        return NOT_LOGGED, ""
    content = responses.mapping(reply, "data")
    text = json.dumps(content, ensure_ascii=False)
    if len(text) <= app.settings.max_reply_chars:
        return content, ""
    path, problem = await save.save_whole(app.settings, text, generation_id, ".json")
    if not path:
        return content, problem
    return abbreviated(content), f"Of content a part is shown; all is in {path}"
