"""The models and who serves them: rows of `catalogue.json`, completed to OpenRouter's shapes."""

from __future__ import annotations

import copy
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

Row = dict[str, Any]

FILES = resources.files("openrouter_mcp.simulator")
DATA: Row = json.loads(FILES.joinpath("catalogue.json").read_text("utf-8"))
MILLION = Decimal(1_000_000)
USUAL = ["temperature", "top_p", "max_tokens", "stop", "seed"]
USUAL += ["tools", "tool_choice", "response_format", "structured_outputs"]
REASONING = ["reasoning", "include_reasoning", "reasoning_effort"]
TIERS = {"flex": Decimal("0.5"), "priority": Decimal(2)}
"""Service tiers with endpoints of their own, and what they multiply the price by."""


def build(now: float) -> list[Row]:
    """All rows of `GET /models`, most popular first; `now` (Unix seconds) dates the expiry."""
    return json.loads(_rows(f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"))


@cache
def _rows(today: str) -> str:
    """The rows as JSON, of which every simulator gets its own to change."""
    rows: dict[str, Row] = {}
    for stated in DATA["models"]:
        row = dict(stated)
        like = rows.get(row.pop("like", ""))
        rows[row["id"]] = resembling(row, like) if like else complete(row, today)
    return json.dumps([*rows.values()])


def complete(stated: Row, today: str) -> Row:
    """A row of the file with all that goes without saying; `released` dates its canonical slug."""
    row = dict(stated)
    usual = DATA["usual"]["model"]
    day, days = row.pop("released"), row.pop("expires_in_days", None)
    router = row["id"].startswith("openrouter/")
    slug = row["id"] if router else f"{row['id']}-{day.replace('-', '')}"
    architecture = usual["architecture"] | row.pop("architecture", {})
    inputs, _, outputs = architecture["modality"].partition("->")
    top = {"context_length": row["context_length"]} if "context_length" in row else {}
    expiry = datetime.fromisoformat(today) + timedelta(days=days) if days else None
    derived = {
        "canonical_slug": slug,
        "created": int(datetime.fromisoformat(f"{day}T00:00Z").timestamp()),
        "description": f"{row['name']}, as the simulator plays it.",
        "expiration_date": f"{expiry:%Y-%m-%d}" if expiry else None,
        "architecture": architecture
        | {"input_modalities": inputs.split("+"), "output_modalities": outputs.split("+")},
        "top_provider": usual["top_provider"] | top | row.pop("top_provider", {}),
        "supported_parameters": sorted(USUAL + (REASONING if "reasoning" in row else [])),
        "links": {"details": f"/api/v1/models/{slug}/endpoints"},
    }
    return usual | derived | row


def resembling(row: Row, other: Row) -> Row:
    """The row of a variant or of an alias (`~author/family-latest`): the other's, but for this."""
    row = copy.deepcopy(other) | row
    if row["id"].startswith("~"):
        row["canonical_slug"] = row["id"]
        row["description"] = f"This model always redirects to the latest model: {other['name']}."
        row["architecture"]["tokenizer"] = "Router"
        row["alias_target"] = {"slug": other["id"], "name": other["name"]}
        row["links"] = {"details": f"/api/v1/models/{row['id']}/endpoints"}
    return row


def price(row: Row, key: str) -> Decimal:
    """USD per million tokens; a router's "-1" counts as unknown and sorts last."""
    return Decimal(row["pricing"][key]) * MILLION


def routes_elsewhere(model: Row) -> bool:
    """Whether the row is an alias or a router, which have no endpoints of their own."""
    return "alias_target" in model or model["id"].startswith("openrouter/")


@dataclass(frozen=True)
class Provider:
    """One row of `GET /providers` and the character of its endpoints.

    `price` multiplies the model's price, `latency` is the median in milliseconds, `throughput`
    the median in tokens per second.
    """

    name: str
    slug: str
    country: str
    price: str = "1"
    latency: int = 800
    throughput: float = 80.0
    quantization: str | None = None
    zdr: bool = True
    trains: bool = False


PROVIDERS = {row["slug"]: Provider(**row) for row in DATA["providers"]}


def serving(model: Row) -> list[Provider]:
    """The two or three providers of a model, the same ones every time."""
    slugs = DATA["served_by"].get(model["id"].split("/")[0])
    if slugs is None:
        anybody = DATA["open_weights_served_by"]
        start = zlib.crc32(model["id"].encode()) % len(anybody)
        slugs = (anybody + anybody)[start : start + 3]
    return [PROVIDERS[slug] for slug in slugs]


def endpoints(model: Row, *, measured: bool = True) -> list[Row]:
    """The endpoints of a model, first-party first, tiers last.

    Without `measured` (no key was sent) latency and throughput are null.
    """
    providers = serving(model)
    rows = [endpoint(model, provider, "", measured=measured) for provider in providers]
    if model["id"].startswith(("openai/", "google/")) and ":" not in model["id"]:
        rows += [endpoint(model, providers[0], tier, measured=measured) for tier in TIERS]
    return rows


def endpoint(model: Row, provider: Provider, tier: str, *, measured: bool) -> Row:
    """One row of `GET /models/{author}/{slug}/endpoints`."""
    top = model["top_provider"]
    tools = "tools" in model["supported_parameters"]
    return DATA["usual"]["endpoint"] | {
        "name": f"{provider.name} | {model['canonical_slug']}",
        "model_id": model["id"],
        "model_name": model["name"],
        "provider_name": provider.name,
        "tag": f"{provider.slug}/{tier}" if tier else provider.slug,
        "context_length": top["context_length"] or 0,
        "max_completion_tokens": top["max_completion_tokens"],
        "quantization": provider.quantization,
        "pricing": scaled(model["pricing"], Decimal(provider.price) * TIERS.get(tier, 1)),
        "supported_parameters": model["supported_parameters"],
        "supports_implicit_caching": "input_cache_read" in model["pricing"],
        "supports_diarization": model["id"] in DATA["diarizing"],
        "supports_tool_choice": dict.fromkeys(("auto", "none", "required", "function"), tools),
        "service_tier": tier or None,
        "latency_last_30m": percentiles(provider.latency, 1.5) if measured else None,
        "throughput_last_30m": percentiles(provider.throughput, 0.7) if measured else None,
    }


def scaled(pricing: Row, factor: Decimal) -> Row:
    """The same pricing with every price string multiplied, overrides included."""
    result: Row = {}
    for key, value in pricing.items():
        if key == "overrides":
            result[key] = [scaled(entry, factor) for entry in value]
        elif isinstance(value, str) and not value.startswith("-"):
            result[key] = f"{(Decimal(value) * factor).normalize():f}"
        else:
            result[key] = value
    return result


def percentiles(median: float, step: float) -> dict[str, float]:
    """Percentiles that grow worse by `step` from one to the next."""
    return {
        name: round(median * step**power, 1)
        for power, name in enumerate(("p50", "p75", "p90", "p99"))
    }
