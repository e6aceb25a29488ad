"""Which models and which of their endpoints may answer, in the order in which they are tried."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatch
from typing import Any

from starlette.responses import Response

from openrouter_mcp.simulator.answers import last_user_text
from openrouter_mcp.simulator.catalogue import (
    PROVIDERS,
    Provider,
    Row,
    endpoints,
    price,
    routes_elsewhere,
)
from openrouter_mcp.simulator.faults import Refused, availability, failure
from openrouter_mcp.simulator.state import Call, Simulator

VARIANT_SORT = {"nitro": "throughput", "floor": "price", "exacto": "exacto", "online": ""}
STRATEGIES = {"auto-beta": "auto", "pareto-code": "pareto", "fusion-flash": "fusion"}
PICKS = {"fusion": "anthropic/claude-opus-5", "fusion-flash": "google/gemini-3.5-flash"}
CODE_WORDS = ("code", "bug", "function", "python", "traceback", "compile")
PATHS = {
    "embeddings": "/embeddings",
    "rerank": "/rerank",
    "speech": "/audio/speech",
    "transcription": "/audio/transcriptions",
    "image": "/images",
    "video": "/videos",
}
PARAMETERS = (
    "temperature top_p top_k min_p top_a seed stop tools tool_choice frequency_penalty"
    " presence_penalty repetition_penalty logit_bias logprobs top_logprobs response_format"
    " reasoning"
)
"""The request fields that an endpoint may or may not support."""
SORTS: dict[str, Callable[[Row], Any]] = {
    "price": lambda row: price(row, "prompt"),
    "throughput": lambda row: -row["throughput_last_30m"]["p50"],
    "latency": lambda row: row["latency_last_30m"]["p50"],
}


@dataclass
class Choice:
    """One model that may answer: how it was found and what its name asked for."""

    model: Row
    strategy: str
    sort: str = ""
    web: bool = False
    pipeline: list[Row] = field(default_factory=list)
    endpoints: list[Row] = field(default_factory=list)


def choices(simulator: Simulator, request: Row, tokens: int) -> list[Choice]:
    """The models to try for a prompt of so many tokens, each with its allowed endpoints.

    Raises `Refused` with the last model's refusal when none can be tried.
    """
    names = [name for name in (request.get("model"), *request.get("models", [])) if name]
    refusal: Refused | None = None
    possible = []
    for name in names or ["openrouter/auto"]:
        try:
            choice = resolve(simulator, name, request)
            choice.endpoints = allowed(choice.model, choice.sort, request, tokens)
            possible.append(choice)
        except Refused as error:
            refusal = error
    if not possible and refusal:
        raise refusal
    return possible


def resolve(simulator: Simulator, name: str, request: Row) -> Choice:
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
        return route(simulator, base.removeprefix("openrouter/"), request, sort)
    if "text" not in row["architecture"]["output_modalities"] or ":batch" in row["id"]:
        raise Refused(wrong_endpoint(row))
    return Choice(row, "direct", sort, web)


def model_of(call: Call, id_: str, output: str) -> Row:
    """The row of a model that makes `output`. Raises `Refused`."""
    row = call.simulator.model(id_)
    if row is None:
        raise Refused(unknown(call.simulator, id_))
    if output not in row["architecture"]["output_modalities"]:
        raise Refused(wrong_endpoint(row))
    return row


def unknown(simulator: Simulator, name: str) -> Response:
    """The refusal of a model that is not in the catalogue."""
    known = [row["id"] for row in simulator.catalogue]
    nearest = difflib.get_close_matches(name, known, 3)
    return availability("model_not_found", name, fallbacks=nearest)


def wrong_endpoint(row: Row) -> Response:
    """The refusal of a model that is used elsewhere."""
    outputs = row["architecture"]["output_modalities"]
    path = "/batches" if ":batch" in row["id"] else PATHS.get(outputs[0], "/chat/completions")
    constraint = {"field": "endpoint", "detail": path}
    return availability("wrong_endpoint", row["id"], constraint=constraint)


def route(simulator: Simulator, router: str, request: Row, sort: str) -> Choice:
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
    plugins = [plugin for plugin in request.get("plugins", []) if plugin["id"] == plugin_id]
    pool = [row for row in pool if permitted(row["id"], plugins[0] if plugins else {})]
    if not pool:
        message = "No models match your request and model restrictions"
        raise Refused(failure(404, message, error_type="not_found"))
    prompt = last_user_text(request["messages"]).lower()
    code = router == "pareto-code" or any(word in prompt for word in CODE_WORDS)
    task = "code:general_impl" if code else "chat:general"
    stage = {
        "type": "plugin",
        "name": plugin_id or f"{router}-router",
        "data": {"task_type": task},
        "summary": f"classified as {task}",
        "cost_usd": None,
    }
    return Choice(pool[0], strategy, sort, pipeline=[stage])


def capable(row: Row, request: Row) -> bool:
    """Whether a router may pick this row for this request."""
    if routes_elsewhere(row):
        return False
    needed = {"tools"} if request.get("tools") else set()
    inputs = {
        part["type"].removesuffix("_url").removeprefix("input_")
        for message in request["messages"]
        if isinstance(message.get("content"), list)
        for part in message["content"]
    }
    return (
        row["architecture"]["output_modalities"] == ["text"]
        and needed <= {*row["supported_parameters"]}
        and inputs <= {*row["architecture"]["input_modalities"]}
    )


def permitted(model_id: str, plugin: Row) -> bool:
    """Whether the auto router's patterns let this model through; excluded beats allowed."""
    if plugin.get("enabled") is False:
        return True
    excluded = plugin.get("excluded_models") or []
    included = plugin.get("allowed_models") or ["*"]
    return any(fnmatch(model_id, pattern) for pattern in included) and not any(
        fnmatch(model_id, pattern) for pattern in excluded
    )


def allowed(model: Row, sort: str, request: Row, tokens: int) -> list[Row]:
    """The endpoints of the chosen model that meet every constraint, best first.

    Raises `Refused` (404) when none is left and (400) when the prompt does not fit.
    """
    context = model["top_provider"]["context_length"] or model["context_length"]
    if tokens > context:
        message = f"This endpoint's maximum context length is {context} tokens. However, you "
        message += f"requested about {tokens} tokens. Please reduce the length of the messages."
        raise Refused(failure(400, message, error_type="context_length_exceeded"))
    preferences = request.get("provider", {})
    rows = [row for row in endpoints(model) if in_tier(row, request)]
    flex = [row for row in rows if row["service_tier"] == "flex"]
    if request.get("service_tier") == "flex" and flex:
        rows = flex
    for reason, keep in constraints(request):
        left = [row for row in rows if keep(row)]
        if not left:
            raise Refused(nothing_left(model, rows, reason, preferences))
        rows = left
    rows = in_order(rows, sort, preferences)
    return rows[:1] if preferences.get("allow_fallbacks") is False else rows


def in_tier(row: Row, request: Row) -> bool:
    """Tier endpoints serve only who asks for the tier or names the endpoint."""
    asked, preferences = request.get("service_tier", ""), request.get("provider", {})
    tier = {"fast": "priority", "ultrafast": "priority"}.get(asked, asked)
    named = [*(preferences.get("only") or []), *(preferences.get("order") or [])]
    return row["service_tier"] in (None, tier) or row["tag"] in named


def constraints(request: Row) -> list[tuple[str, Callable[[Row], bool]]]:
    """Every hard filter: the name that `excluded_by` gives it, and the test of an endpoint."""
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or 0
    wanted = request.get("provider", {})
    only, ignored = wanted.get("only"), wanted.get("ignore") or []
    ceilings = wanted.get("max_price") or {}
    filters: list[tuple[str, Callable[[Row], bool]]] = [
        ("allowed_providers", lambda row: not only or names(row, only)),
        ("allowed_providers", lambda row: not names(row, ignored)),
        ("max_price", lambda row: affordable(row, ceilings)),
        ("context_length", lambda row: limit <= (row["max_completion_tokens"] or limit)),
    ]
    if wanted.get("zdr"):
        filters.append(("data_policy:zdr", lambda row: serves(row).zdr))
    if wanted.get("data_collection") == "deny":
        filters.append(("data_policy:training", lambda row: not serves(row).trains))
    if levels := wanted.get("quantizations"):
        filters.append(("quantization", lambda row: (row["quantization"] or "unknown") in levels))
    if wanted.get("require_parameters"):
        sent = request.keys() & {*PARAMETERS.split()}
        filters.append(("require_parameters", lambda row: sent <= {*row["supported_parameters"]}))
    return filters


def serves(endpoint: Row) -> Provider:
    """The provider of an endpoint."""
    return PROVIDERS[endpoint["tag"].split("/")[0]]


def names(endpoint: Row, slugs: list[str]) -> bool:
    """Whether one of the slugs means this endpoint; a base slug does not mean its tiers."""
    tag = endpoint["tag"]
    return tag in slugs or (endpoint["service_tier"] is None and tag.split("/")[0] in slugs)


def affordable(endpoint: Row, ceilings: Row) -> bool:
    """Whether the endpoint's prices stay within `max_price` (USD per million tokens)."""
    stated = [key for key in ("prompt", "completion") if ceilings.get(key) is not None]
    return all(price(endpoint, key) <= Decimal(str(ceilings[key])) for key in stated)


def in_order(rows: list[Row], sort: str, preferences: Row) -> list[Row]:
    """Named providers first, then by the sort asked for, else as listed."""
    wish = preferences.get("sort") or ""
    by = sort or (wish if isinstance(wish, str) else wish["by"])
    if by in SORTS:
        rows = sorted(rows, key=SORTS[by])
    rows = sorted(rows, key=lambda row: row["service_tier"] is None)
    order = preferences.get("order") or []
    ranks = {tag: rank for rank, tag in enumerate(order)}

    def rank(row: Row) -> int:
        return min(ranks.get(row["tag"], len(order)), ranks.get(serves(row).slug, len(order)))

    return sorted(rows, key=rank)


def nothing_left(model: Row, rows: list[Row], reason: str, preferences: Row) -> Response:
    """The refusal when a constraint leaves no endpoint."""
    tags = [row["tag"] for row in rows]
    about: Row = {"affected_providers": tags, "excluded_by": [reason]}
    if reason.startswith("data_policy"):
        return availability("privacy_restricted", model["id"], **about)
    message = (
        "No allowed providers are available for the selected model. Providers serving"
        f" {model['id']}: {', '.join(tags)}"
    )
    if reason == "allowed_providers" and preferences.get("only"):
        message += ", but your request's provider.only preference permits only: "
        message += ", ".join(preferences["only"]) + "."
    about["constraint"] = {"field": f"provider.{reason}", "detail": message}
    return availability("constraint_filtered", model["id"], message=message, **about)
