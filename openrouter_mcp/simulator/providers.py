"""Who serves the models: the providers, and the endpoints derived from them for each model."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


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


PROVIDERS = {
    provider.slug: provider
    for provider in (
        Provider("OpenAI", "openai", "US", latency=700, throughput=90, zdr=False),
        Provider("Azure", "azure", "US", latency=950, throughput=75),
        Provider("Anthropic", "anthropic", "US", latency=1100, throughput=65),
        Provider("Amazon Bedrock", "amazon-bedrock", "US", latency=1300, throughput=55),
        Provider("Google", "google-vertex", "US", latency=900, throughput=110),
        Provider("Google AI Studio", "google-ai-studio", "US", latency=850, zdr=False),
        Provider("DeepSeek", "deepseek", "CN", latency=1500, throughput=40, zdr=False, trains=True),
        Provider("DeepInfra", "deepinfra", "US", "0.9", 600, 45, "fp8"),
        Provider("Together", "together", "US", "1.2", 450, 95, "fp8"),
        Provider("Fireworks", "fireworks", "US", "1.3", 400, 130, "bf16"),
        Provider("Groq", "groq", "US", "1.5", 200, 450, "bf16"),
        Provider("Novita", "novita", "US", "0.95", 900, 50, "fp8", zdr=False, trains=True),
        Provider("xAI", "xai", "US", latency=650, throughput=100, zdr=False),
        Provider("Mistral", "mistral", "FR", latency=500, throughput=85),
        Provider("Moonshot AI", "moonshotai", "CN", zdr=False, trains=True),
        Provider("Z.AI", "z-ai", "SG", zdr=False, trains=True),
        Provider("Cohere", "cohere", "CA", latency=300),
        Provider("Perplexity", "perplexity", "US", latency=1800),
        Provider("Alibaba", "alibaba", "SG", zdr=False),
    )
}
OWN = {
    "openai": ("openai", "azure"),
    "anthropic": ("anthropic", "amazon-bedrock", "google-vertex"),
    "google": ("google-vertex", "google-ai-studio"),
    "deepseek": ("deepseek", "deepinfra", "novita"),
    "x-ai": ("xai", "azure"),
    "mistralai": ("mistral", "together"),
    "moonshotai": ("moonshotai", "fireworks"),
    "z-ai": ("z-ai", "deepinfra"),
    "qwen": ("alibaba", "deepinfra"),
    "cohere": ("cohere", "azure"),
    "perplexity": ("perplexity", "azure"),
}
OPEN = ("deepinfra", "together", "fireworks", "groq", "novita")
DIARIZING = {"lumen/scribe-1"}
TIERS = {"flex": Decimal("0.5"), "priority": Decimal(2)}
"""Service tiers with endpoints of their own, and what they multiply the price by."""


def listed() -> list[dict[str, Any]]:
    """The rows of `GET /providers`."""
    return [
        {
            "name": provider.name,
            "slug": provider.slug,
            "privacy_policy_url": f"https://{provider.slug}.example/privacy",
            "terms_of_service_url": f"https://{provider.slug}.example/terms",
            "status_page_url": f"https://status.{provider.slug}.example",
            "headquarters": provider.country,
            "datacenters": [provider.country],
        }
        for provider in PROVIDERS.values()
    ]


def serving(model: dict[str, Any]) -> list[Provider]:
    """The two or three providers of a model, the same ones every time."""
    author = model["id"].split("/")[0]
    if author in OWN:
        return [PROVIDERS[slug] for slug in OWN[author]]
    start = zlib.crc32(model["id"].encode()) % len(OPEN)
    return [PROVIDERS[OPEN[(start + step) % len(OPEN)]] for step in range(3)]


def endpoints(model: dict[str, Any], *, measured: bool = True) -> list[dict[str, Any]]:
    """The endpoints of a model, first-party first, tiers last.

    Without `measured` (no key was sent) latency and throughput are null.
    """
    rows = [endpoint(model, provider, "", measured=measured) for provider in serving(model)]
    if model["id"].startswith(("openai/", "google/")) and ":" not in model["id"]:
        first = serving(model)[0]
        rows += [endpoint(model, first, tier, measured=measured) for tier in TIERS]
    return rows


def endpoint(
    model: dict[str, Any], provider: Provider, tier: str, *, measured: bool
) -> dict[str, Any]:
    """One row of `GET /models/{author}/{slug}/endpoints`."""
    top = model["top_provider"]
    tools = "tools" in model["supported_parameters"]
    return {
        "name": f"{provider.name} | {model['canonical_slug']}",
        "model_id": model["id"],
        "model_name": model["name"],
        "provider_name": provider.name,
        "tag": f"{provider.slug}/{tier}" if tier else provider.slug,
        "context_length": top["context_length"] or 0,
        "max_completion_tokens": top["max_completion_tokens"],
        "max_prompt_tokens": None,
        "quantization": provider.quantization,
        "status": 0,
        "pricing": scaled(model["pricing"], Decimal(provider.price) * TIERS.get(tier, Decimal(1))),
        "supported_parameters": model["supported_parameters"],
        "supports_implicit_caching": "input_cache_read" in model["pricing"],
        "supports_voice_cloning": False,
        "supports_diarization": model["id"] in DIARIZING,
        "supports_tool_choice": dict.fromkeys(("auto", "none", "required", "function"), tools),
        "native_tools": {},
        "service_tier": tier or None,
        "latency_last_30m": percentiles(provider.latency, 1.5) if measured else None,
        "throughput_last_30m": percentiles(provider.throughput, 0.7) if measured else None,
        "uptime_last_5m": 100,
        "uptime_last_30m": 99.5,
        "uptime_last_1d": 99.8,
    }


def scaled(pricing: dict[str, Any], factor: Decimal) -> dict[str, Any]:
    """The same pricing with every price string multiplied, overrides included."""
    result: dict[str, Any] = {}
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
