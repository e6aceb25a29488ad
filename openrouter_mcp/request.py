"""What a caller asked, as the body and headers of `POST /chat/completions`. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from openrouter_mcp.catalogue import Resolution
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings

ROLES = {"system", "developer", "user", "assistant", "tool"}
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


@dataclass(frozen=True)
class Ask:
    """The arguments of one chat, as the caller gave them."""

    prompt: str = ""
    messages: Sequence[Mapping[str, Any]] = ()
    system: str = ""
    effort: str = ""
    max_tokens: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ChatRequest:
    """One request, ready to send. `model` and `fallbacks` are as the catalogue resolved them."""

    body: dict[str, Any]
    headers: dict[str, str]
    model: Resolution
    fallbacks: tuple[Resolution, ...]
    show_reasoning: bool
    notes: tuple[str, ...]
    """Sentences that belong under the answer: what was assumed or may have no effect."""

    def preview(self) -> str:
        """The text of the last message, for the audit line."""
        content = self.body["messages"][-1].get("content")
        if isinstance(content, list):
            texts = [part.get("text") for part in content if isinstance(part, Mapping)]
            return " ".join(text for text in texts if isinstance(text, str))
        return content if isinstance(content, str) else ""


def compose(
    ask: Ask, model: Resolution, fallbacks: Sequence[Resolution], settings: Settings
) -> ChatRequest:
    """Build the request; raises `INVALID_INPUT` for what OpenRouter would refuse or ignore.

    The order of the keys is fixed, since OpenRouter's response cache compares bodies literally.
    """
    options = dict(ask.options)
    for name in LOCKED.keys() & options.keys():
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"options.{name} cannot be set: {LOCKED[name]}. Leave it out and call again.",
        )
    headers = _headers(options, settings)
    show_reasoning = bool(options.pop("include_reasoning", settings.include_reasoning))
    body: dict[str, Any] = {"model": model.id, "messages": _messages(ask)}
    options.pop("model", None)
    if fallbacks:
        body["models"] = [fallback.id for fallback in fallbacks]
        options.pop("models", None)
    body |= _limits(ask, options, settings)
    if reasoning := _reasoning(ask, options, model):
        body["reasoning"] = reasoning
    if provider := _provider(options, settings):
        body["provider"] = provider
    notes = tuple(_doubts(options))
    body |= sorted(options.items())
    body["stream"] = True
    return ChatRequest(body, headers, model, tuple(fallbacks), show_reasoning, notes)


def _messages(ask: Ask) -> list[dict[str, Any]]:
    if bool(ask.prompt.strip()) == bool(ask.messages):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "Give either prompt or messages, and not both. Put the question into prompt, or the "
            "whole conversation into messages.",
        )
    messages = [dict(message) for message in ask.messages]
    for position, message in enumerate(messages):
        if str(message.get("role")) not in ROLES:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"messages[{position}].role is missing or unknown. Use one of "
                f"{', '.join(sorted(ROLES))}.",
            )
    if ask.prompt.strip():
        messages = [{"role": "user", "content": ask.prompt}]
    if ask.system:
        messages.insert(0, {"role": "system", "content": ask.system})
    return messages


def _limits(ask: Ask, options: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The output limit under the name that is not deprecated; the argument wins, then options."""
    given = [options.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
    limit = ask.max_tokens or given[0] or given[1] or settings.max_tokens
    return {"max_completion_tokens": limit} if limit else {}


def _reasoning(ask: Ask, options: dict[str, Any], model: Resolution) -> dict[str, Any]:
    reasoning = dict(_object(options, "reasoning"))
    if not ask.effort:
        return reasoning
    options.pop("reasoning_effort", None)
    reasoning.pop("max_tokens", None)
    row = model.model
    # An alias remaps the effort to what its target supports.
    known = (row.reasoning if row and not row.is_alias else None) or {}
    supported = known.get("supported_efforts") or []
    if (
        supported
        and ask.effort not in supported
        and not (ask.effort == "none" and not known.get("mandatory"))
    ):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{model.id} does not reason with effort {ask.effort}. Use one of "
            f"{', '.join(supported)}, or leave effort out.",
            suggestions=supported,
        )
    return {"effort": ask.effort, **{k: v for k, v in reasoning.items() if k != "effort"}}


def _provider(options: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Routing preferences: the call's own value wins over OPENROUTER_PROVIDER_*.

    Provider names become slugs and prices strings, which is what OpenRouter compares.
    """
    provider = {**provider_defaults(settings), **_object(options, "provider")}
    for name in ("order", "only", "ignore"):
        if isinstance(names := provider.get(name), str | list | tuple):
            listed = [names] if isinstance(names, str) else names
            provider[name] = [str(slug).strip().lower().replace(" ", "-") for slug in listed]
    if isinstance(prices := provider.get("max_price"), Mapping):
        provider["max_price"] = {kind: _plain(price) for kind, price in prices.items()}
    return dict(sorted(provider.items()))


def _plain(price: object) -> str:
    """A price without exponent, as 0.00001 and not 1e-05."""
    try:
        return f"{Decimal(str(price)):f}"
    except InvalidOperation:
        return str(price)


def provider_defaults(settings: Settings) -> dict[str, Any]:
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


def _object(options: dict[str, Any], name: str) -> Mapping[str, Any]:
    value = options.pop(name, None) or {}
    if not isinstance(value, Mapping):
        raise OpenRouterError(
            Code.INVALID_INPUT, f"options.{name} takes an object. Correct that and call again."
        )
    return value


def _headers(options: dict[str, Any], settings: Settings) -> dict[str, str]:
    """What OpenRouter takes as headers: `cache` (true, seconds, "refresh", false)."""
    headers = {"X-OpenRouter-Metadata": "enabled"}
    if beta := options.pop("anthropic_beta", ""):
        headers["x-anthropic-beta"] = str(beta)
    cache = options.pop("cache", settings.cache_responses or None)
    if cache is None:
        return headers
    headers["X-OpenRouter-Cache"] = "false" if cache is False else "true"
    if cache == "refresh":
        headers["X-OpenRouter-Cache-Clear"] = "true"
    elif isinstance(cache, int) and not isinstance(cache, bool) and 1 <= cache <= 86_400:
        headers["X-OpenRouter-Cache-TTL"] = str(cache)
    elif not isinstance(cache, bool):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            'options.cache takes true, false, "refresh" or seconds (1 to 86400). Correct that and '
            "call again.",
        )
    return headers


def _doubts(options: Mapping[str, Any]) -> list[str]:
    """Options whose name looks mistyped: OpenRouter ignores what it does not know."""
    doubts = []
    for name in options.keys() - DOCUMENTED:
        near = difflib.get_close_matches(name, DOCUMENTED, n=1, cutoff=0.75)
        meant = f"; did you mean {near[0]}?" if near else "."
        doubts.append(f"options.{name} was sent, but OpenRouter documents no such parameter{meant}")
    return sorted(doubts)
