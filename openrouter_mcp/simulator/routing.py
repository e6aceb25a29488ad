"""Which models and providers may answer a chat, in the order in which they are tried."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from starlette.responses import Response

from openrouter_mcp.simulator.chat_request import ChatRequest
from openrouter_mcp.simulator.endpoint_choice import allowed
from openrouter_mcp.simulator.replies import Refused, failure
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


def choices(simulator: Simulator, request: ChatRequest, prompt: str, tokens: int) -> list[Choice]:
    """The models to try, each with its allowed endpoints.

    Raises `Refused` with the last model's refusal when none can be tried.
    """
    names = [name for name in (request.model, *(request.models or [])) if name]
    refusal: Refused | None = None
    possible = []
    for name in names or ["openrouter/auto"]:
        try:
            choice = resolve(simulator, name, request, prompt)
            choice.endpoints = allowed(choice.model, choice.sort, request, tokens)
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


def unknown(simulator: Simulator, name: str) -> Response:
    """The refusal of a model that is not in the catalogue."""
    known = [row["id"] for row in simulator.catalogue]
    return availability(
        "model_not_found", name, fallbacks=difflib.get_close_matches(name, known, 3)
    )


def wrong_endpoint(row: Row) -> Response:
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
