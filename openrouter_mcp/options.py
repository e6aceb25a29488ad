"""`options`: every OpenRouter parameter, checked and merged with the server-wide defaults. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings

LOCKED = {
    "stream": "answers are always streamed from OpenRouter",
    "stream_options": "usage is always reported",
    "api_key": "the key comes from OPENROUTER_API_KEY",
    "max_cost": "it is an argument of its own",
    "messages": "it is an argument of its own",
    "prompt": "it is an argument of its own",
}
DOCUMENTED = frozenset(
    {
        "anthropic_beta",
        "audio",
        "cache",
        "cache_control",
        "debug",
        "deferred_tools",
        "frequency_penalty",
        "image_config",
        "include_reasoning",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "max_tool_calls",
        "metadata",
        "min_p",
        "modalities",
        "model",
        "models",
        "parallel_tool_calls",
        "plugins",
        "prediction",
        "presence_penalty",
        "preset",
        "prompt_cache_key",
        "prompt_cache_options",
        "provider",
        "reasoning",
        "reasoning_effort",
        "repetition_penalty",
        "response_format",
        "seed",
        "service_tier",
        "session_id",
        "stop",
        "stop_server_tools_when",
        "structured_outputs",
        "temperature",
        "tool_choice",
        "tools",
        "top_a",
        "top_k",
        "top_logprobs",
        "top_p",
        "trace",
        "transforms",
        "user",
        "verbosity",
        "web_search_options",
    }
)


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `options` to take from. Raises `INVALID_INPUT` for what it cannot set."""
    for name in LOCKED.keys() & options.keys():
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"options.{name} cannot be set: {LOCKED[name]}. Leave it out and call again.",
        )
    for name in ("tools", "plugins"):
        listed = options.get(name) or []
        if not (isinstance(listed, list) and all(isinstance(item, Mapping) for item in listed)):
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"options.{name} takes a list of objects. Correct that and call again.",
            )
    return dict(options)


def headers(options: dict[str, Any], settings: Settings) -> dict[str, str]:
    """What OpenRouter takes as headers: `cache` (true, seconds, "refresh", false)."""
    sent = {"X-OpenRouter-Metadata": "enabled"}
    if beta := options.pop("anthropic_beta", ""):
        sent["x-anthropic-beta"] = str(beta)
    cache = options.pop("cache", settings.cache_responses or None)
    if cache is None:
        return sent
    sent["X-OpenRouter-Cache"] = "false" if cache is False else "true"
    if cache == "refresh":
        sent["X-OpenRouter-Cache-Clear"] = "true"
    elif isinstance(cache, int) and not isinstance(cache, bool) and 1 <= cache <= 86_400:
        sent["X-OpenRouter-Cache-TTL"] = str(cache)
    elif not isinstance(cache, bool):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            'options.cache takes true, false, "refresh" or seconds (1 to 86400). Correct that and '
            "call again.",
        )
    return sent


def provider(options: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Routing preferences: the call's own value wins over OPENROUTER_PROVIDER_*.

    Provider names become slugs and prices strings, which is what OpenRouter compares.
    """
    merged = {**_provider_defaults(settings), **mapping(options, "provider")}
    for name in ("order", "only", "ignore"):
        if isinstance(names := merged.get(name), str | list | tuple):
            listed = [names] if isinstance(names, str) else names
            merged[name] = [str(slug).strip().lower().replace(" ", "-") for slug in listed]
    if isinstance(prices := merged.get("max_price"), Mapping):
        merged["max_price"] = {kind: _plain(price) for kind, price in prices.items()}
    return dict(sorted(merged.items()))


def mapping(options: dict[str, Any], name: str) -> Mapping[str, Any]:
    """Take the object called `name` out of `options`. Raises `INVALID_INPUT`."""
    value = options.pop(name, None) or {}
    if not isinstance(value, Mapping):
        raise OpenRouterError(
            Code.INVALID_INPUT, f"options.{name} takes an object. Correct that and call again."
        )
    return value


def doubts(options: Mapping[str, Any]) -> list[str]:
    """Options whose name looks mistyped: OpenRouter ignores what it does not know."""
    found = []
    for name in options.keys() - DOCUMENTED:
        near = difflib.get_close_matches(name, DOCUMENTED, n=1, cutoff=0.75)
        meant = f"; did you mean {near[0]}?" if near else "."
        found.append(f"options.{name} was sent, but OpenRouter documents no such parameter{meant}")
    return sorted(found)


def _plain(price: object) -> str:
    """A price without exponent, as 0.00001 and not 1e-05."""
    try:
        return f"{Decimal(str(price)):f}"
    except InvalidOperation:
        return str(price)


def _provider_defaults(settings: Settings) -> dict[str, Any]:
    """The `provider` object that OPENROUTER_PROVIDER_* ask for; what is unset is absent."""
    values = {
        "order": list(settings.provider_order),
        "only": list(settings.provider_only),
        "ignore": list(settings.provider_ignore),
        "allow_fallbacks": settings.provider_allow_fallbacks,
        "require_parameters": settings.provider_require_parameters,
        "data_collection": settings.provider_data_collection,
        "zdr": settings.provider_zdr,
        "quantizations": list(settings.provider_quantizations),
        "sort": settings.provider_sort,
        "max_price": dict(settings.provider_max_price),
    }
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}
