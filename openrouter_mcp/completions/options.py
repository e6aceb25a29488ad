"""`options`: every OpenRouter parameter, checked and merged with the server-wide defaults. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.text import clean, nearest

Effort = Literal["", "none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How long a model reasons, from the least to the most; empty means the model's own default."""
MOST_DIGITS = 9
"""Digits of an output limit: no model writes a billion tokens."""
MOST_DOUBTS = 10
"""Notes on names that look mistyped."""
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
            raise _wrong(name, "a list of objects")
    for name, kind in (("tools", "type"), ("plugins", "id")):
        if any(not isinstance(each.get(kind) or "", str) for each in options.get(name) or []):
            raise _wrong(name, f"objects whose {kind} is a name")
    for tool in options.get("tools") or []:
        if not isinstance(tool.get("parameters") or {}, Mapping):
            raise _wrong("tools", "tools whose parameters are an object")
    return dict(options)


def models(options: Mapping[str, Any]) -> list[str]:
    """The fallbacks in `options.models`, a list or one bare name. Raises `INVALID_INPUT`."""
    named = options.get("models") or []
    if isinstance(named, str):
        return [named]
    if not (isinstance(named, list) and all(isinstance(name, str) for name in named)):
        raise _wrong("models", "a list of model names")
    return named


def output_limit(options: dict[str, Any]) -> int:
    """Take the output limit (tokens) out of `options`, under either name; 0 when none is set.

    Raises `INVALID_INPUT`.
    """
    limit = 0
    for name in ("max_tokens", "max_completion_tokens"):
        given = str(options.pop(name, None) or 0)
        if not (given.isdecimal() and len(given) <= MOST_DIGITS):
            raise _wrong(name, "a whole number of tokens")
        limit = int(given) or limit
    return limit


def headers(options: dict[str, Any], settings: Settings) -> dict[str, str]:
    """What OpenRouter takes as headers: `cache` (true, seconds, "refresh", false)."""
    sent = {"X-OpenRouter-Metadata": "enabled"}
    if beta := str(options.pop("anthropic_beta", None) or ""):
        if not (beta.isascii() and beta.isprintable()):
            raise _wrong("anthropic_beta", "names in printable ASCII, with commas between them")
        sent["x-anthropic-beta"] = beta
    cache = options.pop("cache", settings.cache_responses or None)
    if cache is None:
        return sent
    sent["X-OpenRouter-Cache"] = "false" if cache is False else "true"
    if cache == "refresh":
        sent["X-OpenRouter-Cache-Clear"] = "true"
    elif isinstance(cache, int) and not isinstance(cache, bool) and 1 <= cache <= 86_400:
        sent["X-OpenRouter-Cache-TTL"] = str(cache)
    elif not isinstance(cache, bool):
        raise _wrong("cache", 'true, false, "refresh" or seconds (1 to 86400)')
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
    if prices := mapping(merged, "max_price", "provider.max_price"):
        priced = {kind: price for kind, price in prices.items() if price is not None}
        merged["max_price"] = {kind: _plain(price) for kind, price in priced.items()}
    return dict(sorted(merged.items()))


def mapping(options: dict[str, Any], name: str, path: str = "") -> Mapping[str, Any]:
    """Take the object called `name`, found at `path`, out of `options`. Raises `INVALID_INPUT`."""
    value = options.pop(name, None) or {}
    if not isinstance(value, Mapping):
        raise _wrong(path or name, "an object")
    return value


def doubts(options: Mapping[str, Any]) -> list[str]:
    """Options whose name looks mistyped: OpenRouter ignores what it does not know."""
    found = []
    unknown = sorted(options.keys() - DOCUMENTED)
    for name in unknown[:MOST_DOUBTS]:
        near = nearest(name, DOCUMENTED, most=1, likeness=0.75)
        meant = f"; did you mean {near[0]}?" if near else "."
        found.append(
            f"options.{clean(name, 60)} was sent, but OpenRouter documents no such parameter{meant}"
        )
    return found


def _plain(price: object) -> str:
    """A price without exponent, as 0.00001 and not 1e-05. Raises `INVALID_INPUT`."""
    try:
        amount = Decimal(str(price))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise _wrong("provider.max_price", "prices in USD per million tokens")
    return f"{amount:f}"


def _wrong(name: str, takes: str) -> OpenRouterError:
    return OpenRouterError(
        Code.INVALID_INPUT, f"options.{name} takes {takes}. Correct that and call again."
    )


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
