"""What a request can cost at most, and how to keep it within a limit, before it is sent. Pure.

Every body that is paid is priced here: a `Bound` fits it into what may be spent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from openrouter_mcp.completions.request import SEARCH_TOOL, ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models import prices as pricing
from openrouter_mcp.models.catalogue import Resolution
from openrouter_mcp.models.prices import Demand, Estimate, Rates
from openrouter_mcp.money import MILLION, dollars
from openrouter_mcp.settings import variable

PER_CALL = variable("max_cost_per_call")
FAR_ABOVE = 10
"""A limit so many times the estimate needs no ceiling, which would make equal requests differ."""
LEAST_OUTPUT = 16
"""Output tokens below which some providers refuse a request."""


@dataclass(frozen=True)
class PricedBody:
    """A body that is ready to be sent, and the USD that it can cost at most (None = unbounded)."""

    body: Mapping[str, Any]
    most: Decimal | None


Bound = Callable[[Decimal | None], PricedBody]
"""Fits a body into what may be spent on it, in USD; None means that nothing limits it."""


def chat_bound(request: ChatRequest) -> Bound:
    """The body of a chat, with an output limit and a `max_price` that the money allows."""

    def bound(allowance: Decimal | None) -> PricedBody:
        now = datetime.now(UTC)
        fitted = bounded(request, allowance, now)
        return PricedBody(fitted.body, of_chat(fitted, now).most)

    return bound


def as_it_is(body: Mapping[str, Any], most: Decimal | None) -> Bound:
    """A body whose price nothing in it can lower."""
    return lambda _allowance: PricedBody(body, most)


def priced_per_unit(body: Mapping[str, Any], most: Decimal | None, units: int = 1) -> Bound:
    """A body that gets a ceiling where the catalogue lists no price: the money for each unit.

    Only for endpoints that know `provider.max_price`. `units` are what is billed.
    """

    def bound(allowance: Decimal | None) -> PricedBody:
        if most is not None or allowance is None:
            return PricedBody(body, most)
        return PricedBody(_with_max_price(body, {"request": allowance / units}), allowance)

    return bound


def of_chat(request: ChatRequest, now: datetime) -> Estimate:
    """The range of what `request` can cost: from its input alone to everything it allows."""
    return _estimate(request, _demand(request), now)


def at_worst(request: ChatRequest, now: datetime) -> Estimate:
    """`of_chat`, where the models' own output limits hold if the request sets none."""
    demand = _demand(request)
    output = demand.output_tokens or _longest(request)
    return _estimate(request, replace(demand, output_tokens=output), now)


def _estimate(request: ChatRequest, demand: Demand, now: datetime) -> Estimate:
    rates = _rates(request, demand, now)
    least = pricing.cost(Demand(demand.input_tokens), rates) if rates else Decimal(0)
    bounded = rates and (demand.output_tokens or rates.completion == 0)
    most = pricing.cost(demand, rates) if rates and bounded else None
    return Estimate(demand, rates, least, most)


def within(
    request: ChatRequest, limit: Decimal, now: datetime, cap: Decimal = Decimal(0)
) -> ChatRequest:
    """The request, bounded so that it cannot cost more than `limit` USD.

    `cap` is what OPENROUTER_MAX_COST_PER_CALL allows at most (0 = no cap), for the next step.

    An output limit is derived where none is given, with room for endpoints that are dearer than
    the catalogue says; `provider.max_price` keeps out those that are too dear. Raises
    `BUDGET_EXCEEDED` when it does not fit.
    """
    demand = _demand(request)
    rates = _rates(request, demand, now)
    if rates is None:
        return _capped_price(request, demand, limit, cap)
    body = dict(request.body)
    if demand.output_tokens:
        if pricing.cost(demand, rates) > limit:
            raise _too_dear(request, demand, rates, limit, cap)
    else:
        output = _affordable(demand, rates, limit)
        if output is not None and output < LEAST_OUTPUT:
            least = replace(demand, output_tokens=LEAST_OUTPUT)
            raise _too_dear(request, least, rates, limit, cap)
        if output is not None:
            body[request.limit_name] = _shortest(output, request)
    bounded = replace(request, body=_stopping_at(body, limit))
    return _priced_at_most(bounded, rates, limit)


def _affordable(demand: Demand, rates: Rates, limit: Decimal) -> int | None:
    """Output tokens that `limit` pays for, at twice the listed price where that leaves enough."""
    dear = replace(rates, prompt=2 * rates.prompt, completion=2 * rates.completion)
    output = pricing.affordable_output(demand, dear, limit)
    if output is not None and output < LEAST_OUTPUT:
        return pricing.affordable_output(demand, rates, limit)
    return output


def _priced_at_most(request: ChatRequest, rates: Rates, limit: Decimal) -> ChatRequest:
    """Keep out endpoints at whose price the request could cost more than `limit`.

    The catalogue lists one price; other endpoints, tiers and variants can be dearer.
    """
    most = pricing.cost(_demand(request), rates)
    if not most or limit >= FAR_ABOVE * most:
        return request
    slack = MILLION * limit / most
    ceiling = {"prompt": rates.prompt * slack, "completion": rates.completion * slack}
    return replace(request, body=_with_max_price(request.body, ceiling))


def _with_max_price(body: Mapping[str, Any], prices: Mapping[str, Decimal]) -> dict[str, Any]:
    """The body with `provider.max_price` at these prices at most; a lower one of its own stays."""
    provider = body.get("provider") or {}
    own = provider.get("max_price") or {}
    lower = {
        kind: _plain(price)
        for kind, price in prices.items()
        if kind not in own or price < Decimal(own[kind])
    }
    return {**body, "provider": {**provider, "max_price": {**own, **lower}}}


def bounded(request: ChatRequest, limit: Decimal | None, now: datetime) -> ChatRequest:
    """The request `within` the limit where it fits, else the least that it could be asked for.

    Reserving the money for that then fails with the reason why there is not enough.
    """
    if limit is None:
        return request
    try:
        return within(request, limit, now)
    except OpenRouterError:
        body = {**request.body, request.limit_name: request.output_limit or LEAST_OUTPUT}
        if _rates(request, _demand(request), now) is None:
            ratio, prompt = pricing.COMPLETION_RATIO, pricing.DEAREST_INPUT
            body = _with_max_price(body, {"prompt": prompt, "completion": ratio * prompt})
        return replace(request, body=body)


def _demand(request: ChatRequest) -> Demand:
    """Tokens and searches that the request can use up at most; 0 output means no limit is set."""
    body = request.body
    extra = {name: body[name] for name in ("tools", "response_format") if name in body}
    size = len(json.dumps(extra, ensure_ascii=False).encode()) if extra else 0
    return Demand(
        input_tokens=pricing.count_tokens(request.messages) + size // pricing.BYTES_PER_TOKEN,
        output_tokens=request.output_limit,
        searches=_searches(request),
    )


def _searches(request: ChatRequest) -> int:
    """Web searches that the request allows, by the server tool, the plugin or the variant."""
    allowed = 0
    for tool in request.body.get("tools") or []:
        if tool.get("type") == SEARCH_TOOL:
            uses = (tool.get("parameters") or {}).get("max_uses")
            counted = isinstance(uses, int) and uses >= 0
            allowed += uses if counted else pricing.UNLIMITED_SEARCHES
    plugins = request.body.get("plugins") or []
    plugged = any(plugin.get("id") == "web" for plugin in plugins)
    return allowed + int(plugged or ":online" in request.model.id)


def _rates(request: ChatRequest, demand: Demand, now: datetime) -> Rates | None:
    """The rates of the dearest candidate; one without a price is bounded by `max_price` alone."""
    candidates = [request.model, *request.fallbacks]
    cap = pricing.ceiling((request.body.get("provider") or {}).get("max_price") or {})
    known = [
        pricing.rates(candidate.model, demand.input_tokens, now) or cap for candidate in candidates
    ]
    return pricing.dearest(known, demand)


def _capped_price(
    request: ChatRequest, demand: Demand, limit: Decimal, cap: Decimal
) -> ChatRequest:
    """For routers and unpriced models: the highest price at which the request stays in `limit`."""
    output = demand.output_tokens or pricing.OUTPUT_OF_ROUTERS
    demand = replace(demand, output_tokens=output)
    prices = pricing.bounding_prices(demand, limit)
    if prices is None:
        raise OpenRouterError(
            Code.BUDGET_EXCEEDED,
            f"{dollars(limit)} leaves nothing for an answer"
            f"{' after web search' if demand.searches else ''}. Raise "
            f"{PER_CALL if cap and limit >= cap else 'max_cost'}, or ask for less.",
        )
    body = _with_max_price({**request.body, request.limit_name: output}, prices)
    return replace(request, body=_stopping_at(body, limit))


def _stopping_at(body: dict[str, Any], limit: Decimal) -> dict[str, Any]:
    """Where OpenRouter runs tools itself, it is told to stop at the limit too."""
    runs_tools = any(
        str(tool.get("type")).startswith("openrouter:") for tool in body.get("tools") or []
    )
    if runs_tools and "stop_server_tools_when" not in body:
        stop = {"type": "max_cost", "max_cost_in_dollars": float(limit)}
        return {**body, "stop_server_tools_when": [stop]}
    return body


def _shortest(output: int, request: ChatRequest) -> int:
    """`output`, or the lowest limit that one of the models has of its own."""
    own = [_own_limit(candidate) for candidate in (request.model, *request.fallbacks)]
    return min([output, *(limit for limit in own if limit)])


def _longest(request: ChatRequest) -> int:
    """Output tokens that the request's models can give; 0 where that is not known of all."""
    candidates = (request.model, *request.fallbacks)
    own = [
        _own_limit(each) or (each.model.context_length if each.model else 0) for each in candidates
    ]
    return max(own) if all(own) else 0


def _own_limit(candidate: Resolution) -> int:
    return candidate.model.max_completion_tokens if candidate.model else 0


def _too_dear(
    request: ChatRequest, demand: Demand, rates: Rates, limit: Decimal, cap: Decimal
) -> OpenRouterError:
    most = pricing.cost(demand, rates)
    allow = f"Set max_cost to {_ceil(most)} to allow it"
    if cap and most > cap:
        allow = f"Raise {PER_CALL} and restart this server to allow it"
    fits = pricing.affordable_output(demand, rates, limit)
    shorter = f"lower max_tokens to {fits:,}, " if fits and fits >= LEAST_OUTPUT else ""
    per_million = {
        "in": MILLION * rates.prompt,
        "out": MILLION * rates.completion,
    }
    return OpenRouterError(
        Code.BUDGET_EXCEEDED,
        f"This call to {request.model.id} can cost {dollars(most)}, more than {dollars(limit)}: "
        f"{demand.billed_input_tokens:,} tokens in at {dollars(per_million['in'])} and "
        f"{demand.output_tokens:,} out at {dollars(per_million['out'])} a million. {allow}, "
        f"{shorter}or choose a cheaper model.",
    )


def _plain(price: Decimal) -> str:
    return f"{price.quantize(Decimal('0.000001'), ROUND_DOWN):f}"


def _ceil(amount: Decimal) -> str:
    """An amount that is surely enough, with few digits."""
    digits = max(2, 2 - amount.adjusted())
    step = Decimal(1).scaleb(-digits)
    return f"{(amount // step + 1) * step:f}"
