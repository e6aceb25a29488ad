"""Which endpoints of a model may answer a chat, best first."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from starlette.responses import Response

from openrouter_mcp.simulator import providers
from openrouter_mcp.simulator.chat_request import ChatRequest, ProviderPreferences
from openrouter_mcp.simulator.models import price
from openrouter_mcp.simulator.replies import Refused, failure, unavailable
from openrouter_mcp.simulator.rows import MILLION
from openrouter_mcp.simulator.upstream_faults import availability

Row = dict[str, Any]
PARAMETERS = frozenset(
    {
        *(
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "top_a",
            "seed",
            "stop",
            "tools",
            "tool_choice",
        ),
        *("frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "logprobs"),
        *("top_logprobs", "response_format", "reasoning"),
    }
)
"""The request fields that an endpoint may or may not support."""


def allowed(model: Row, sort: str, request: ChatRequest, tokens: int) -> list[Row]:
    """The endpoints of the chosen model that meet every constraint, best first.

    Raises `Refused` (404) when none is left and (400) when the prompt does not fit.
    """
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
    rows = in_order(rows, sort, preferences)
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
        sent = request.model_dump(exclude_none=True).keys() & PARAMETERS
        filters.append(("require_parameters", lambda row: sent <= {*row["supported_parameters"]}))
    return filters


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
) -> Response:
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
        message += ", but your request's provider.only preference permits only: "
        message += ", ".join(preferences.only) + "."
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
