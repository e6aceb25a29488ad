"""What each field, server tool and plugin of a paid body costs beside its tokens. Pure.

Under a limit a body may hold what is in this table and nothing else: what costs nothing passes,
what costs is counted, and what nothing bounds is refused by its name. Without a limit every body
passes, so that what OpenRouter invents works the day it appears. Source: the request schemas of
`openapi.yaml`, and the prices of OpenRouter's documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openrouter_mcp.completions.request import CHAT, COMPLETIONS
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.prices import BYTES_PER_TOKEN
from openrouter_mcp.money import MILLION

Json = dict[str, Any]

WEB_SEARCH = "openrouter:web_search"
WEB_FETCH = "openrouter:web_fetch"
SEARCH_SPELLINGS = frozenset(
    {
        *("web_search", "web_search_preview", "web_search_preview_2025_03_11"),
        *("web_search_2025_08_26", "web_search_20250305"),
    }
)
"""Other names of the web search, which OpenRouter takes for its own tool."""
FREE_TOOLS = {"openrouter:datetime": 100, "openrouter:experimental__search_models": 2_000}
"""Server tools without a fee, and the tokens of what they say, which is read as input."""
SEARCH_PARAMETERS = frozenset(
    {
        *("engine", "mode", "max_results", "max_uses", "max_total_results", "max_characters"),
        *("search_context_size", "user_location", "allowed_domains", "excluded_domains"),
        *("include_domains", "exclude_domains", "search_prompt"),
    }
)
FETCH_PARAMETERS = frozenset(
    {"engine", "max_uses", "max_content_tokens", "allowed_domains", "blocked_domains"}
)
SEARCH_ENGINES = frozenset({"exa", "parallel", "perplexity"})
"""Those that keep to `max_uses`; firecrawl is billed by the user's own account there."""
FETCH_ENGINES = frozenset({"auto", "native", "openrouter", "exa", "parallel"})
MODES = {
    **dict.fromkeys(("instant", "fast", "auto", "turbo", "basic", "advanced"), Decimal("0.007")),
    **dict.fromkeys(("deep-lite", "deep"), Decimal("0.012")),
    "deep-reasoning": Decimal("0.015"),
}
"""USD for one search with ten results at most, by its mode."""
PLAIN_SEARCH = MODES["auto"]
FREE_RESULTS = 10
RESULT_PRICE = Decimal("0.001")
"""USD for each result beyond those ten, and for one page that is fetched."""
USUAL_RESULTS, MOST_RESULTS = 5, 25
RESULT_TOKENS = {"low": 2_000, "medium": 5_000, "high": 10_000}
"""Tokens that the results of one search have, by `search_context_size`."""
MOST_CHARACTERS = 100_000
TOKENS_PER_RESULT = 1_000
PAGE_TOKENS = 10_000
"""Tokens of a fetched page under a limit, where the request sets none."""
UNLIMITED_USES = 10
"""Searches to plan with where nothing bounds them: OpenRouter stops at 50 results, 5 a search."""
MOST_USES = 3
"""Searches or fetches under a limit, where the request sets none."""
MOST_STEPS = 5
"""Turns in which OpenRouter runs tools, under a limit, where the request bounds them by nothing."""
LONGEST_LOOP = 30
"""Tool calls at which OpenRouter stops by itself."""
FREE_PLUGINS: Mapping[str, frozenset[str]] = {
    "context-compression": frozenset({"engine"}),
    "moderation": frozenset(),
    "response-healing": frozenset(),
}
"""Plugins without a fee, and what each of them takes."""
AUTO_ROUTER = frozenset(
    {"allowed_models", "excluded_models", "cost_quality_tradeoff", "cost_tier", "pin_model"}
)
ROUTER_PLUGINS: Mapping[str, frozenset[str]] = {
    "auto-router": AUTO_ROUTER,
    "auto-beta-router": AUTO_ROUTER,
    "pareto-router": frozenset({"max_price", "min_coding_score", "price_source"}),
}
"""What they choose is bounded by `provider.max_price`."""
OCR = "mistral-ocr"
FREE_PARSER = "cloudflare-ai"
PARSERS = frozenset({OCR, FREE_PARSER, "native", "pdf-text"})
PAGE_PRICE = Decimal("0.002")
"""USD for one page of a PDF that mistral-ocr reads."""

PARTS = frozenset({"text", "image_url", "input_audio", "video_url", "input_video", "file"})
"""The parts of a message whose tokens are counted."""
IMAGE_SETTINGS = frozenset(
    {
        *("aspect_ratio", "image_size", "size", "quality", "background", "output_format"),
        *("output_compression", "moderation", "seed", "style"),
    }
)
"""What `image_config` may hold under a limit: whatever changes an image, and not their number."""

OBJECTS = (
    *("audio", "cache_control", "image_config", "prompt_cache_options", "reasoning"),
    "web_search_options",
)
"""Fields that are read as objects; in another form nobody knows what they cost."""
MODALITIES = frozenset({"text", "image", "audio"})
REASONING = frozenset({"context", "effort", "enabled", "exclude", "max_tokens", "mode", "summary"})

ROUTING = frozenset(
    {
        *("order", "only", "ignore", "allow_fallbacks", "require_parameters", "data_collection"),
        *("zdr", "enforce_distillable_text", "quantizations", "sort", "max_price"),
        *("preferred_max_latency", "preferred_min_throughput"),
    }
)
HARMLESS_PASSTHROUGH = frozenset(
    {
        *("instructions", "style", "styledegree", "prompt", "language", "negativePrompt"),
        *("negative_prompt", "personGeneration", "parameters", "safety_settings"),
    }
)
"""What `provider.options` may hold under a limit."""
LABELS = frozenset({"provider", "session_id", "trace", "user", "metadata"})
CHAT_FIELDS = frozenset(
    {
        # They cost nothing beside the tokens that are counted.
        *("cache_control", "debug", "frequency_penalty", "include_reasoning", "logit_bias"),
        *("logprobs", "messages", "min_p", "parallel_tool_calls", "presence_penalty", "prompt"),
        *("prompt_cache_key", "prompt_cache_options", "reasoning_effort", "repetition_penalty"),
        *("response_format", "seed", "stop", "stream", "stream_options", "structured_outputs"),
        *("temperature", "tool_choice", "top_a", "top_k", "top_logprobs", "top_p", "transforms"),
        *("usage", "verbosity"),
        # They cost, and are counted.
        *("audio", "image_config", "max_completion_tokens", "max_tokens", "max_tool_calls"),
        *("modalities", "model", "models", "n", "plugins", "prediction", "reasoning", "route"),
        *("service_tier", "stop_server_tools_when", "tools", "web_search_options"),
        *LABELS,
    }
)
FIELDS: Mapping[str, frozenset[str]] = {
    CHAT: CHAT_FIELDS,
    COMPLETIONS: CHAT_FIELDS | {"best_of", "echo", "suffix"},
    "/embeddings": LABELS | {"model", "input", "dimensions", "encoding_format", "input_type"},
    "/rerank": LABELS | {"model", "query", "documents", "top_n"},
    "/images": LABELS
    | {
        *("model", "prompt", "n", "resolution", "aspect_ratio", "size", "quality", "seed"),
        *("output_format", "output_compression", "background", "input_references", "stream"),
    },
    "/audio/speech": LABELS
    | {"model", "input", "voice", "response_format", "speed", "instructions"},
    "/audio/transcriptions": LABELS
    | {
        *("model", "input_audio", "language", "temperature", "response_format"),
        *("timestamp_granularities", "diarize", "keyterms"),
    },
    "/videos": LABELS
    | {
        *("model", "prompt", "duration", "resolution", "aspect_ratio", "size", "frame_images"),
        *("input_references", "seed", "generate_audio", "callback_url", "previous_job_id"),
    },
}
"""The fields that a body of each endpoint may have under a limit."""
COUNTED = "It takes a whole number from 1 to a million."
INSTEAD = {
    "fallbacks": "Give fallbacks beside model.",
    "preset": "Give what the preset holds as options of their own.",
    "input_references": "Leave it out.",
}
TOOLS_INSTEAD = {
    "openrouter:image_generation": "Use generate_image.",
    "openrouter:fusion": "Use compare_models.",
    "openrouter:subagent": "Use chat for the part.",
    "openrouter:advisor": "Use chat for the advice.",
}


def unbounded(name: str, instead: str = "") -> OpenRouterError:
    """The refusal of what nothing bounds while a limit is set."""
    return OpenRouterError(
        Code.BUDGET_EXCEEDED,
        f"The cost of {name} has no upper bound, and spending is limited. "
        f"{instead or 'Leave it out.'}",
    )


def check(path: str, body: Mapping[str, Any]) -> None:
    """Refuse what nothing bounds in the body of a request to `path`. Raises `BUDGET_EXCEEDED`."""
    for name, value in body.items():
        if value is not None and name not in FIELDS[path]:
            raise unbounded(f"options.{name}", INSTEAD.get(name, ""))
    provider = body.get("provider") or {}
    for name, value in provider.items():
        if name == "options":
            _check_passthrough(value)
        elif name not in ROUTING:
            raise unbounded(f"options.provider.{name}")
    for name in ("n", "best_of"):
        if body.get(name) is not None and whole(body[name]) is None:
            raise unbounded(f"options.{name}", COUNTED)
    if path in {CHAT, COMPLETIONS}:
        _check_chat(body)


def bounds(path: str, body: Mapping[str, Any]) -> bool:
    """Whether the table knows what everything in the body of a request to `path` can cost."""
    try:
        check(path, body)
    except OpenRouterError:
        return False
    return True


def _check_passthrough(options: object) -> None:
    """Parameters of the providers' own: the harmless ones pass, however deep they lie."""
    for parameters in _object("options.provider.options", options).values():
        _check_harmless(parameters)


def _check_harmless(parameters: object) -> None:
    name = "options.provider.options"
    for parameter, value in _object(name, parameters).items():
        if parameter not in HARMLESS_PASSTHROUGH:
            raise unbounded(f"{name} ({parameter})")
        if isinstance(value, Mapping):
            _check_harmless(value)
        elif isinstance(value, list) and parameter != "safety_settings":
            raise unbounded(f"a list in {name} ({parameter})")


def _object(name: str, value: object) -> Mapping[str, Any]:
    """The value, empty for none. Raises `BUDGET_EXCEEDED` for anything else than an object."""
    if value and not isinstance(value, Mapping):
        raise unbounded(name, "It takes an object.")
    return value if isinstance(value, Mapping) else {}


def _check_chat(body: Mapping[str, Any]) -> None:
    for name in OBJECTS:
        _object(f"options.{name}", body.get(name))
    reasoning = body.get("reasoning") or {}
    _check_names("options.reasoning", reasoning, REASONING)
    if reasoning.get("mode") not in (None, "standard"):
        raise unbounded("options.reasoning.mode", "It takes standard.")
    if reasoning.get("max_tokens") and whole(reasoning["max_tokens"]) is None:
        raise unbounded("options.reasoning.max_tokens", COUNTED)
    asked = body.get("modalities") or []
    if not (isinstance(asked, list) and all(str(each) in MODALITIES for each in asked)):
        raise unbounded("options.modalities", _one_of("The list", MODALITIES))
    if body.get("route") not in (None, "fallback", "sort"):
        raise unbounded("options.route", "Give fallbacks beside model.")
    for model in (body.get("model"), *(body.get("models") or ())):
        if "@preset/" in str(model):
            raise unbounded(f"the preset of {model}", INSTEAD["preset"])
        if str(model).startswith("openrouter/fusion"):
            raise unbounded(f"the panel of {model}", "Use compare_models, or name a model.")
    conditions = body.get("stop_server_tools_when") or []
    if not (isinstance(conditions, list) and all(isinstance(c, Mapping) for c in conditions)):
        raise unbounded("options.stop_server_tools_when", "It takes a list of conditions.")
    _check_names("options.image_config", body.get("image_config") or {}, IMAGE_SETTINGS)
    for part in parts_of(body.get("messages") or []):
        _check_part(part)
    for tool in body.get("tools") or []:
        _check_tool(tool)
    for plugin in enabled(body):
        _check_plugin(plugin)


def _check_part(part: Mapping[str, Any]) -> None:
    kind = part.get("type")
    if kind not in PARTS:
        raise unbounded(f"a part of type {kind} in messages", _one_of("type", PARTS))
    watched = part.get("video_url")
    if isinstance(watched, Mapping) and watched.get("processing") not in (None, "static"):
        raise unbounded("video_url.processing in messages", "It takes static.")


def _check_tool(tool: Mapping[str, Any]) -> None:
    kind = str(tool.get("type"))
    if kind == "function" or kind in FREE_TOOLS:
        return
    name = f"options.tools ({kind})"
    if is_search(tool):
        _check_search(name, parameters(tool))
    elif kind == WEB_FETCH:
        known = parameters(tool)
        _check_names(name, known, FETCH_PARAMETERS)
        if str(known.get("engine") or "auto") not in FETCH_ENGINES:
            raise unbounded(f"the engine of {name}", _one_of("It", FETCH_ENGINES))
    else:
        raise unbounded(name, TOOLS_INSTEAD.get(kind, ""))


def _check_plugin(plugin: Mapping[str, Any]) -> None:
    kind = str(plugin.get("id"))
    name = f"options.plugins ({kind})"
    known = {key: value for key, value in plugin.items() if key not in {"id", "enabled"}}
    if kind == "web":
        _check_search(name, known)
    elif kind == "web-fetch":
        _check_names(name, known, FETCH_PARAMETERS - {"engine"})
    elif kind == "file-parser":
        _check_names(name, known, frozenset({"pdf"}))
        _check_names(name, _object(f"pdf in {name}", plugin.get("pdf")), frozenset({"engine"}))
        engine = parser_of(plugin)
        if engine and engine not in PARSERS:
            raise unbounded(f"the engine of {name}", _one_of("It", PARSERS))
    elif (takes := {**FREE_PLUGINS, **ROUTER_PLUGINS}.get(kind)) is not None:
        _check_names(name, known, takes)
    else:
        instead = TOOLS_INSTEAD.get(f"openrouter:{kind}", "")
        raise unbounded(name, instead or 'Leave it out, or give it "enabled": false.')


def _check_search(name: str, known: Mapping[str, Any]) -> None:
    _check_names(name, known, SEARCH_PARAMETERS)
    if str(known.get("engine") or "auto") not in SEARCH_ENGINES | {"auto", "native"}:
        raise unbounded(f"the engine of {name}", _one_of("It", SEARCH_ENGINES))
    if str(known.get("mode") or "auto") not in MODES:
        raise unbounded(f"the mode of {name}", _one_of("It", MODES))


def _check_names(name: str, known: Mapping[str, Any], allowed: frozenset[str]) -> None:
    for key, value in known.items():
        if value is not None and key not in allowed:
            raise unbounded(f"{key} in {name}")


def _one_of(what: str, names: Iterable[str]) -> str:
    return f"{what} takes {', '.join(sorted(names))}."


# Reading a body.


def whole(value: object) -> int | None:
    """A whole number from 1 to a million; None for anything else, which bounds nothing."""
    counts = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MILLION
    return value if counts else None


def parts_of(messages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The parts of all messages, and the images that a model has made in them."""
    for message in messages:
        for name in ("content", "images"):
            inside = message.get(name)
            yield from inside if isinstance(inside, list) else []


def copies(body: Mapping[str, Any]) -> int:
    """How many answers are made and billed: `n`, and `best_of` of `/completions`."""
    return max(whole(body.get(name)) or 1 for name in ("n", "best_of"))


def enabled(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The plugins that are not switched off."""
    listed = body.get("plugins") or []
    return [plugin for plugin in listed if plugin.get("enabled") is not False]


def routes(body: Mapping[str, Any]) -> bool:
    """Whether a plugin may choose the model."""
    return any(plugin.get("id") in ROUTER_PLUGINS for plugin in enabled(body))


def is_search(tool: Mapping[str, Any]) -> bool:
    """Whether a tool is the web search, under any of its names."""
    return tool.get("type") == WEB_SEARCH or tool.get("type") in SEARCH_SPELLINGS


def parameters(tool: Mapping[str, Any]) -> Json:
    """The parameters of a server tool, which older spellings have beside its type."""
    beside = {key: value for key, value in tool.items() if key not in {"type", "name"}}
    own = beside.pop("parameters", None)
    return {**beside, **(own if isinstance(own, Mapping) else {})}


def parser_of(plugin: Mapping[str, Any]) -> str:
    """What a file parser reads PDFs with; empty where the model decides."""
    pdf = plugin.get("pdf")
    return str(pdf.get("engine") or "") if isinstance(pdf, Mapping) else ""


def parser(body: Mapping[str, Any]) -> str:
    """What PDFs are read with, of several parsers the dearest; empty where the model decides."""
    engines = [parser_of(each) for each in enabled(body) if each.get("id") == "file-parser"]
    if OCR in engines:
        return OCR
    return engines[0] if engines and all(engines) else ""


def runs_tools(body: Mapping[str, Any]) -> bool:
    """Whether OpenRouter runs tools itself, turn after turn."""
    tools = body.get("tools") or []
    fetches = any(plugin.get("id") == "web-fetch" for plugin in enabled(body))
    return fetches or any(tool.get("type") != "function" for tool in tools)


@dataclass(frozen=True)
class ServerWork:
    """What OpenRouter does itself for one request, at most."""

    searches: int = 0
    steps: int = 0
    """Turns of the model that are followed by another one, after tools were run."""
    result_tokens: int = 0
    """Tokens of all that its tools and plugins find."""
    fees: Decimal = Decimal(0)
    """USD beside the price of a plain search."""


def server_work(body: Mapping[str, Any], names: Sequence[str]) -> ServerWork:
    """The work that a body allows; `names` are its models, of which one may search by suffix."""
    searches, tokens, fees = 0, 0, Decimal(0)
    for tool in body.get("tools") or []:
        known = parameters(tool)
        if is_search(tool):
            uses = whole(known.get("max_uses")) or UNLIMITED_USES
            searches += uses
            tokens += uses * search_tokens(known)
            fees += uses * (search_price(known) - PLAIN_SEARCH)
        elif tool.get("type") == WEB_FETCH:
            uses = whole(known.get("max_uses")) or UNLIMITED_USES
            tokens += uses * (whole(known.get("max_content_tokens")) or PAGE_TOKENS)
            fees += uses * RESULT_PRICE
        else:
            tokens += steps(body) * FREE_TOOLS.get(str(tool.get("type")), 0)
    web = [plugin for plugin in enabled(body) if plugin.get("id") == "web"]
    if not web and any(":online" in name for name in names):
        web = [{}]
    for plugin in web:
        uses = whole(plugin.get("max_uses")) or 1
        searches += uses
        tokens += uses * search_tokens(plugin)
        fees += uses * (search_price(plugin) - PLAIN_SEARCH)
    for plugin in enabled(body):
        if plugin.get("id") == "web-fetch":
            uses = whole(plugin.get("max_uses")) or UNLIMITED_USES
            tokens += uses * (whole(plugin.get("max_content_tokens")) or PAGE_TOKENS)
            fees += uses * RESULT_PRICE
    return ServerWork(searches, steps(body), tokens, fees)


def search_price(known: Mapping[str, Any]) -> Decimal:
    """USD for one search with these parameters, native ones apart."""
    results = min(whole(known.get("max_results")) or USUAL_RESULTS, MOST_RESULTS)
    if "max_results" in known and whole(known["max_results"]) is None:
        results = MOST_RESULTS
    base = MODES.get(str(known.get("mode") or "auto"), max(MODES.values()))
    return base + RESULT_PRICE * max(0, results - FREE_RESULTS)


def search_tokens(known: Mapping[str, Any]) -> int:
    """Tokens of what one search finds."""
    size = str(known.get("search_context_size") or "medium")
    tokens = RESULT_TOKENS.get(size, max(RESULT_TOKENS.values()))
    results = whole(known.get("max_results")) or USUAL_RESULTS
    said = len(str(known.get("search_prompt") or "").encode()) // BYTES_PER_TOKEN
    if "max_characters" in known:
        tokens = max(tokens, results * (whole(known["max_characters"]) or MOST_CHARACTERS) // 3)
    return max(tokens, results * TOKENS_PER_RESULT) + said


def steps(body: Mapping[str, Any]) -> int:
    """Turns that run tools, before the one that ends the answer."""
    if not runs_tools(body):
        return 0
    conditions = body.get("stop_server_tools_when")
    stated = map(_step_count, conditions if isinstance(conditions, list) else [])
    asked = [number for number in stated if number]
    # Conditions override `max_tool_calls`, and OpenRouter stops at its own limit.
    if not asked and (calls := whole(body.get("max_tool_calls"))):
        asked = [min(calls, LONGEST_LOOP)]
    return min(asked, default=_uses(body))


def _step_count(condition: object) -> int | None:
    """The steps after which a condition stops; None for one of another kind."""
    match condition:
        case {"type": "step_count_is", "step_count": count}:
            return whole(count)
    return None


def _uses(body: Mapping[str, Any]) -> int:
    """The calls that all tools allow together, or as many steps as there are without a count."""
    counted = [
        whole(parameters(tool).get("max_uses"))
        for tool in body.get("tools") or []
        if tool.get("type") != "function"
    ]
    known = [uses for uses in counted if uses]
    return min(sum(known), LONGEST_LOOP) if known and len(known) == len(counted) else MOST_STEPS


# Bounding a body.


def bounded(body: Mapping[str, Any], limit: Decimal, models: Sequence[str]) -> Json:
    """The body of a chat with a bound for whatever lacks one; `limit` is USD.

    Searches and fetches get a highest number, and OpenRouter's own loop a step and a price at
    which it stops, beside the conditions of the caller. Searches by a provider of its own are
    bounded by Anthropic alone: other models search with Exa, unless they name an engine. Raises
    `BUDGET_EXCEEDED` for what cannot be bounded.
    """
    made = dict(body)
    keeps_count = all(name.removeprefix("~").startswith("anthropic/") for name in models)
    if tools := body.get("tools"):
        made["tools"] = [_bounded_tool(tool, keeps_count=keeps_count) for tool in tools]
    plugins = list(body.get("plugins") or [])
    if any(":online" in name for name in models) and all(
        plugin.get("id") != "web" for plugin in enabled(body)
    ):
        plugins = [*(each for each in plugins if each.get("id") != "web"), {"id": "web"}]
    if plugins:
        made["plugins"] = [_bounded_plugin(each, keeps_count=keeps_count) for each in plugins]
    if runs_tools(made):
        made["stop_server_tools_when"] = _stopping(made, limit)
    return made


def _stopping(body: Mapping[str, Any], limit: Decimal) -> list[Mapping[str, Any]]:
    """The caller's conditions to stop, and ours where they are stricter: one that is met is all."""
    conditions = list(body.get("stop_server_tools_when") or [])
    if not any(map(_step_count, conditions)):
        conditions.append({"type": "step_count_is", "step_count": steps(body)})
    price = float(limit)
    amounts = [each.get("max_cost_in_dollars") for each in conditions]
    if not any(isinstance(amount, float) and 0 < amount <= price for amount in amounts):
        conditions.append({"type": "max_cost", "max_cost_in_dollars": price})
    return conditions


def _bounded_tool(tool: Mapping[str, Any], *, keeps_count: bool) -> Json:
    if is_search(tool):
        known = _bounded_search(parameters(tool), "options.tools", keeps_count=keeps_count)
        known["max_uses"] = whole(known.get("max_uses")) or MOST_USES
        return {"type": WEB_SEARCH, "parameters": known}
    if tool.get("type") == WEB_FETCH:
        return {"type": WEB_FETCH, "parameters": _bounded_fetch(parameters(tool))}
    return dict(tool)


def _bounded_plugin(plugin: Mapping[str, Any], *, keeps_count: bool) -> Json:
    if plugin.get("id") == "web":
        made = _bounded_search(plugin, "options.plugins", keeps_count=keeps_count)
        return made | {"max_uses": whole(plugin.get("max_uses")) or MOST_USES}
    return _bounded_fetch(plugin) if plugin.get("id") == "web-fetch" else dict(plugin)


def _bounded_search(known: Mapping[str, Any], where: str, *, keeps_count: bool) -> Json:
    engine = known.get("engine") or "auto"
    if engine == "native" and not keeps_count:
        accepted = _one_of("The engine", SEARCH_ENGINES)
        raise unbounded(f"the native search in {where}", accepted)
    made = {key: value for key, value in known.items() if value is not None}
    if "max_results" in made:
        made["max_results"] = min(whole(made["max_results"]) or MOST_RESULTS, MOST_RESULTS)
    return made | ({"engine": "exa"} if engine == "auto" and not keeps_count else {})


def _bounded_fetch(known: Mapping[str, Any]) -> Json:
    return {
        **known,
        "max_uses": whole(known.get("max_uses")) or MOST_USES,
        "max_content_tokens": whole(known.get("max_content_tokens")) or PAGE_TOKENS,
    }
