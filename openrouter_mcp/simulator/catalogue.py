"""The models of the simulator, and catalogues of any size for measuring."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from openrouter_mcp.simulator.media_models import MEDIA
from openrouter_mcp.simulator.rows import alias, prices, router, row
from openrouter_mcp.simulator.text_models import ANTHROPIC, GOOGLE, OPEN_WEIGHTS, OPENAI

EXPIRES_IN = timedelta(days=9)


def build(now: float) -> list[dict[str, Any]]:
    """All rows of `GET /models`, most popular first; `now` (Unix seconds) dates the expiry."""
    expires = datetime.fromtimestamp(now, UTC) + EXPIRES_IN
    return json.loads(_rows(f"{expires:%Y-%m-%d}"))


@cache
def _rows(expires: str) -> str:
    """The rows as JSON, of which every simulator gets its own to change."""
    expiring = row("acme-labs/anvil-1", "Acme Labs: Anvil 1", "2025-11-04", prices("0.4", "1.6"))
    expiring["expiration_date"] = expires
    chat = [*ANTHROPIC, *OPENAI, *GOOGLE, *OPEN_WEIGHTS, expiring]
    return json.dumps([*chat, *aliases(chat), *routers(), *MEDIA])


def sample_catalogue(count: int) -> list[dict[str, Any]]:
    """`count` rows for a benchmark: the real ones repeated under invented names."""
    originals = build(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    rows = originals[:count]
    for number in range(count - len(rows)):
        copied = copy.deepcopy(originals[number % len(originals)])
        author, _, slug = copied["id"].lstrip("~").partition("/")
        copied["id"] = copied["canonical_slug"] = f"sample-{author}/{slug}-{number}"
        copied["name"] = f"{copied['name']} {number}"
        copied["links"] = {"details": f"/api/v1/models/{copied['id']}/endpoints"}
        copied.pop("alias_target", None)
        rows.append(copied)
    return rows


def aliases(chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The standing names that follow the newest model of a family."""
    targets = {
        "~anthropic/claude-opus-latest": "anthropic/claude-opus-5",
        "~anthropic/claude-sonnet-latest": "anthropic/claude-sonnet-5",
        "~anthropic/claude-haiku-latest": "anthropic/claude-haiku-5",
        "~openai/gpt-latest": "openai/gpt-5.4",
        "~openai/gpt-mini-latest": "openai/gpt-5-mini",
        "~google/gemini-pro-latest": "google/gemini-3.1-pro-preview",
        "~google/gemini-flash-latest": "google/gemini-3.5-flash",
    }
    by_id = {model["id"]: model for model in chat}
    return [
        alias(name, name.partition("/")[2].replace("-", " ").title(), by_id[target])
        for name, target in targets.items()
    ]


def routers() -> list[dict[str, Any]]:
    """The models that pick a model."""
    free_router = router("openrouter/free", "Free Models Router", "2026-02-01", "Picks a free one.")
    free_router["pricing"] = {"prompt": "0", "completion": "0"}
    body = router("openrouter/bodybuilder", "Body Builder", "2025-12-02", "Writes request bodies.")
    body["pricing"] = {"prompt": "0", "completion": "0"}
    return [
        router("openrouter/auto", "Auto Router", "2023-11-08", "Picks a model for the task."),
        router("openrouter/auto-beta", "Auto Router (Beta)", "2026-07-17", "The early track."),
        router("openrouter/pareto-code", "Pareto Code Router", "2026-04-20", "Cheapest for code."),
        router("openrouter/fusion", "Fusion", "2026-05-12", "A panel of models and an analyst."),
        router("openrouter/fusion-flash", "Fusion Flash", "2026-06-18", "A smaller panel."),
        free_router,
        body,
    ]
