"""Which models and providers may answer a chat, in the order in which they are tried."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatch
from typing import Any

from openrouter_mcp.simulator import providers
from openrouter_mcp.simulator.chat_request import ChatRequest, ProviderPreferences
from openrouter_mcp.simulator.models import price
from openrouter_mcp.simulator.replies import Refused, failure, unavailable
from openrouter_mcp.simulator.rows import MILLION
from openrouter_mcp.simulator.state import Simulator
from openrouter_mcp.simulator.upstream_faults import availability

Row = dict[str, Any]
VARIANT_SORT = {"nitro": "throughput", "floor": "price", "exacto": "exacto", "online": ""}
STRATEGIES = {"auto-beta": "auto", "pareto-code": "pareto", "fusion-flash": "fusion"}
PICKS = {"fusion": "anthropic/claude-opus-5", "fusion-flash": "google/gemini-3.5-flash"}
CODE_WORDS = ("code", "bug", "function", "python", "traceback", "compile")


@dataclass
class Choice:
    """One model that may answer: how it was found and what its name asked for."""

    model: Row
    strategy: str
    sort: str = ""
    web: bool = False
    pipeline: list[dict[str, Any]] = field(default_factory=list)
    endpoints: list[Row] = field(default_factory=list)


def choices(
    simulator: Simulator, request: ChatRequest, prompt: str, tokens: int
) -> list[Choice]:
    """The models to try, each with its allowed endpoints.

    Raises `Refused` with the last model's refusal when none can be tried.
    """
    names = [name for name in (request.model, *(request.models or [])) if name]
    refusal: Refused | None = None
    possible = []
    for name in names or ["openrouter/auto"]:
        try:
            choice = resolve(simulator, name, request, prompt)
            choice.endpoints = allowed(choice, request, tokens)
            possible.append(choice)
        except Refused as error:
            refusal = error
    if not possible and refusal:
        raise refusal
    return possible


def resolve(simulator: Simulator, name: str, request: ChatRequest, prompt: str) -> Choice:
    """The catalogue row behind a model name: suffixes, aliases and routers followed."""
    base, _, variant = name.partition(":")
    variants = set(variant.split(":")) & VARIANT_SORT.keys()
    static = [part for part in variant.split(":") if part and part not in VARIANT_SORT]
    row = simulator.model(":".join([base, *static]))
    if row is None:
        raise Refused(unknown(simulator, name))
    sort = next((VARIANT_SORT[part] for part in variants if VARIANT_SORT[part]), "")
    web = "online" in variants
    if "alias_target" in row:
        row = simulator.model(row["alias_target"]["slug"]) or row
        return Choice(row, "latest", sort, web)
    if base.startswith("openrouter/"):
        return route(simulator, base.removeprefix("openrouter/"), request, prompt, sort)
    if "text" not in row["architecture"]["output_modalities"] or ":batch" in row["id"]:
        raise Refused(wrong_endpoint(row))
    return Choice(row, "direct", sort, web)


def unknown(simulator: Simulator, name: str) -> Any:  # noqa: ANN401
    """The refusal of a model that is not in the catalogue."""
    known = [row["id"] for row in simulator.catalogue]
    return availability(
        "model_not_found", name, fallbacks=difflib.get_close_matches(name, known, 3)
    )


def wrong_endpoint(row: Row) -> Any:  # noqa: ANN401
    """The refusal of a model that does not chat."""
    paths = {
        "embeddings": "/embeddings",
        "rerank": "/rerank",
        "speech": "/audio/speech",
        "transcription": "/audio/transcriptions",
        "image": "/images",
        "video": "/videos",
    }
    outputs = row["architecture"]["output_modalities"]
    path = "/batches" if ":batch" in row["id"] else paths.get(outputs[0], "/chat/completions")
    return availability(
        "wrong_endpoint", row["id"], constraint={"field": "endpoint", "detail": path}
    )


def route(
    simulator: Simulator, router: str, request: ChatRequest, prompt: str, sort: str
) -> Choice:
    """The model that a router picks, always the same for the same prompt."""
    strategy = STRATEGIES.get(router, router)
    if router in PICKS:
        model = simulator.model(PICKS[router])
        return Choice(model or simulator.catalogue[0], strategy, sort)
    pool = [row for row in simulator.catalogue if capable(row, request)]
    if router in ("free", "bodybuilder"):
        pool = [row for row in pool if row["id"].endswith(":free")]
    else:
        pool = [row for row in pool if ":" not in row["id"]]
    plugin_id = {"auto": "auto-router", "auto-beta": "auto-beta-router"}.get(router, "")
    settings = next(
        (plugin.model_dump() for plugin in request.plugins or [] if plugin.id == plugin_id), {}
    )
    pool = [row for row in pool if permitted(row["id"], settings)]
    if not pool:
        message = "No models match your request and model restrictions"
        raise Refused(failure(404, message, error_type="not_found"))
    code = router == "pareto-code" or any(word in prompt.lower() for word in CODE_WORDS)
    task = "code:general_impl" if code else "chat:general"
    stage = {
        "type": "plugin",
        "name": plugin_id or f"{router}-router",
        "data": {"task_type": task},
        "summary": f"classified as {task}",
        "cost_usd": None,
    }
    return Choice(pool[0], strategy, sort, pipeline=[stage])


def capable(row: Row, request: ChatRequest) -> bool:
    """Whether a router may pick this row for this request."""
    if "alias_target" in row or row["id"].startswith("openrouter/"):
        return False
    wanted = {"tools"} if request.tools else set()
    inputs = {
        part.type.removesuffix("_url").removeprefix("input_")
        for message in request.messages
        if isinstance(message.content, list)
        for part in message.content
    }
    return (
        row["architecture"]["output_modalities"] == ["text"]
        and wanted <= {*row["supported_parameters"]}
        and inputs <= {*row["architecture"]["input_modalities"]}
    )


def permitted(model_id: str, settings: dict[str, Any]) -> bool:
    """Whether the auto router's patterns let this model through; excluded beats allowed."""
    if settings.get("enabled") is False:
        return True
    excluded = settings.get("excluded_models") or []
    included = settings.get("allowed_models") or ["*"]
    return any(fnmatch(model_id, pattern) for pattern in included) and not any(
        fnmatch(model_id, pattern) for pattern in excluded
    )


def allowed(choice: Choice, request: ChatRequest, tokens: int) -> list[Row]:
    """The endpoints of the chosen model that meet every constraint, best first.

    Raises `Refused` (404) when none is left and (400) when the prompt does not fit.
    """
    model = choice.model
    context = model["top_provider"]["context_length"] or model["context_length"]
    if tokens > context:
        message = f"This endpoint's maximum context length is {context} tokens. However, you "
        message += f"requested about {tokens} tokens. Please reduce the length of the messages."
        raise Refused(failure(400, message, error_type="context_length_exceeded"))
    preferences = request.provider or ProviderPreferences()
    rows = [row for row in providers.endpoints(model) if in_tier(row, request, preferences)]
    flex = [row for row in rows if row["service_tier"] == "flex"]
    if request.service_tier == "flex" and flex:
        rows = flex
    for reason, keep in constraints(request, preferences):
        left = [row for row in rows if keep(row)]
        if not left:
            raise Refused(nothing_left(model, rows, reason, preferences))
        rows = left
    rows = in_order(rows, choice.sort, preferences)
    return rows[:1] if preferences.allow_fallbacks is False else rows


def in_tier(row: Row, request: ChatRequest, preferences: ProviderPreferences) -> bool:
    """Tier endpoints serve only who asks for the tier or names the endpoint."""
    tier = {"fast": "priority", "ultrafast": "priority"}.get(
        request.service_tier or "", request.service_tier
    )
    named = row["tag"] in (preferences.only or []) + (preferences.order or [])
    return row["service_tier"] is None or row["service_tier"] == tier or named


def constraints(request: ChatRequest, preferences: ProviderPreferences) -> list[Any]:
    """Every hard filter: the name that `excluded_by` gives it, and the test of an endpoint."""
    limit = request.max_completion_tokens or request.max_tokens or 0
    filters: list[Any] = [
        ("allowed_providers", lambda row: not preferences.only or names(row, preferences.only)),
        ("allowed_providers", lambda row: not names(row, preferences.ignore or [])),
        ("max_price", lambda row: affordable(row, preferences)),
        ("context_length", lambda row: limit <= (row["max_completion_tokens"] or limit)),
    ]
    if preferences.zdr:
        filters.append(("data_policy:zdr", lambda row: serves(row).zdr))
    if preferences.data_collection == "deny":
        filters.append(("data_policy:training", lambda row: not serves(row).trains))
    if preferences.quantizations:
        wanted = preferences.quantizations
        filters.append(("quantization", lambda row: (row["quantization"] or "unknown") in wanted))
    if preferences.require_parameters:
        sent = set(request.model_dump(exclude_none=True)) & set(SAMPLED)
        filters.append(("require_parameters", lambda row: sent <= {*row["supported_parameters"]}))
    return filters


SAMPLED = (
    "temperature top_p top_k min_p top_a frequency_penalty presence_penalty repetition_penalty"
    " seed stop logit_bias logprobs top_logprobs response_format tools tool_choice reasoning"
).split()


def serves(endpoint: Row) -> providers.Provider:
    """The provider of an endpoint."""
    return providers.PROVIDERS[endpoint["tag"].split("/")[0]]


def names(endpoint: Row, slugs: list[str]) -> bool:
    """Whether one of the slugs means this endpoint; a base slug does not mean its tiers."""
    tag = endpoint["tag"]
    return tag in slugs or (endpoint["service_tier"] is None and tag.split("/")[0] in slugs)


def affordable(endpoint: Row, preferences: ProviderPreferences) -> bool:
    """Whether the endpoint's prices stay within `max_price` (USD per million tokens)."""
    ceilings = preferences.max_price
    if ceilings is None:
        return True
    for key in ("prompt", "completion"):
        ceiling = getattr(ceilings, key)
        if ceiling is not None and price(endpoint, key) > Decimal(str(ceiling)):
            return False
    return True


def in_order(rows: list[Row], sort: str, preferences: ProviderPreferences) -> list[Row]:
    """Named providers first, then by the sort asked for, else as listed."""
    wish = preferences.sort
    by = sort or (wish if isinstance(wish, str) else wish.by if wish else "")
    keys: dict[str, Any] = {
        "price": lambda row: Decimal(row["pricing"]["prompt"]) * MILLION,
        "throughput": lambda row: -row["throughput_last_30m"]["p50"],
        "latency": lambda row: row["latency_last_30m"]["p50"],
    }
    if by in keys:
        rows = sorted(rows, key=keys[by])
    rows = sorted(rows, key=lambda row: row["service_tier"] is None)
    order = preferences.order or []
    ranks = {tag: rank for rank, tag in enumerate(order)}

    def rank(row: Row) -> int:
        return min(ranks.get(row["tag"], len(order)), ranks.get(serves(row).slug, len(order)))

    return sorted(rows, key=rank)


def nothing_left(
    model: Row, rows: list[Row], reason: str, preferences: ProviderPreferences
) -> Any:  # noqa: ANN401
    """The refusal when a constraint leaves no endpoint."""
    serving = ", ".join(row["tag"] for row in rows)
    if reason.startswith("data_policy"):
        return availability(
            "privacy_restricted",
            model["id"],
            affected_providers=[row["tag"] for row in rows],
            excluded_by=[reason],
        )
    message = (
        "No allowed providers are available for the selected model. Providers serving"
        f" {model['id']}: {serving}"
    )
    if reason == "allowed_providers" and preferences.only:
        message += f", but your request's provider.only preference permits only: {', '.join(preferences.only)}."
    return unavailable(
        404,
        "constraint_filtered",
        message,
        "not_found",
        models=[model["id"]],
        affected_providers=[row["tag"] for row in rows],
        excluded_by=[reason],
        constraint={"field": f"provider.{reason}", "detail": message},
    )
