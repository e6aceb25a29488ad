"""What a request can cost at most, and how to keep it within a limit, before it is sent. Pure.

Every body that is paid is priced here: a `Bound` fits it into what may be spent. What the fields
of a body cost beside its tokens stands in `price_table`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import parts
from openrouter_mcp.models import prices as pricing
from openrouter_mcp.models.catalogue import Resolution
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.prices import Demand, Estimate, Rates
from openrouter_mcp.money import MILLION, dollars
from openrouter_mcp.settings import variable
from openrouter_mcp.spending import price_table

PER_CALL = variable("max_cost_per_call")
LEAST_OUTPUT = 16
"""Output tokens below which some providers refuse a request."""
MARGIN = Decimal("1.2")
"""How much dearer than the catalogue's price an endpoint may be that serves a request."""
WIDE_MARGIN = Decimal("2.5")
"""The same where the request chooses endpoints by something else than their price."""
IMAGE_TOKENS = 6500
"""The most that a common model counts for one image that it makes."""
SOUND_TOKENS, SOUND_TOKENS_PER_BYTE = 200, 5
"""Tokens of sound for a text, on the high side: 0.1 s of 50 tokens a second for a character."""
TOOL_TOKENS = 500
"""Tokens of the instructions that a provider adds where there are tools."""
LEAST_PAGE = 80
"""Bytes below which a page of a PDF cannot be described."""
MOST_PAGES = 1000
"""Pages that mistral-ocr reads of one file."""
SEARCHING = "web_search_options"
"""The ability of models that search by themselves."""
FINEST = Decimal("1e-9")
"""USD per million tokens: the step of the ceilings that are sent."""
RESEARCH = 50
"""Searches of a model whose name says that it does research."""


@dataclass(frozen=True)
class PricedBody:
    """A body that is ready to be sent, and the USD that it can cost at most (None = unbounded)."""

    body: Mapping[str, Any]
    most: Decimal | None


Bound = Callable[[Decimal | None], PricedBody]
"""Fits a body into what may be spent on it, in USD; None means that nothing limits it.

Raises `BUDGET_EXCEEDED` for what nothing bounds in the body.
"""


def chat_bound(request: ChatRequest) -> Bound:
    """The body of a chat, with an output limit and a `max_price` that the money allows."""

    def bound(allowance: Decimal | None) -> PricedBody:
        now = datetime.now(UTC)
        fitted = bounded(request, allowance, now)
        return PricedBody(fitted.body, of_chat(fitted, now).most)

    return bound


def media_bound(
    path: str,
    body: Mapping[str, Any],
    most: Decimal | None,
    ceilings: Mapping[str, Decimal] | None = None,
    *,
    is_listed: bool = True,
) -> Bound:
    """The body of a request to `path` that costs `most` USD at most.

    `ceilings` are the prices of which `most` was made (USD per million tokens, or per request),
    for endpoints that know `provider.max_price`. Where they are not the catalogue's (`is_listed`),
    nothing dearer is let in.
    """

    def bound(allowance: Decimal | None) -> PricedBody:
        if allowance is None:
            return PricedBody(body, most)
        price_table.check(path, body)
        if not most or not ceilings:
            return PricedBody(body, most)
        slack = Decimal(1)
        if is_listed:
            slack = min(_margin(body), max(Decimal(1), _floor(allowance / most)))
        raised = {kind: _upward(price * slack) for kind, price in ceilings.items()}
        return PricedBody(_with_max_price(body, raised), most * slack)

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
    bounded = bounded and price_table.bounds(request.path, request.body)
    most = pricing.cost(demand, rates) if rates and bounded else None
    return Estimate(demand, rates, least, most)


def within(
    request: ChatRequest, limit: Decimal, now: datetime, cap: Decimal = Decimal(0)
) -> ChatRequest:
    """The request, bounded so that it cannot cost more than `limit` USD.

    `cap` is what OPENROUTER_MAX_COST_PER_CALL allows at most (0 = no cap), for the next step.

    What OpenRouter runs by itself gets a highest number. An output limit is derived where the
    caller gave none, with room for endpoints that are dearer than the catalogue says;
    `provider.max_price` keeps out those that are dearer still. Raises `BUDGET_EXCEEDED` when it
    does not fit, or for what cannot be bounded.
    """
    return _fitted(_with_bounds(request, limit), limit, now, cap)


def _with_bounds(request: ChatRequest, limit: Decimal) -> ChatRequest:
    """The request with a bound for all that runs beside its tokens. Raises `BUDGET_EXCEEDED`."""
    price_table.check(request.path, request.body)
    body = price_table.bounded(request.body, limit, _names(request))
    if _parses(request) and not price_table.parser(body) and not _reads_files(request):
        others = [each for each in body.get("plugins") or [] if each.get("id") != "file-parser"]
        free = {"id": "file-parser", "pdf": {"engine": price_table.FREE_PARSER}}
        body["plugins"] = [*others, free]
    return replace(request, body=body)


def _fitted(
    request: ChatRequest, limit: Decimal, now: datetime, cap: Decimal = Decimal(0)
) -> ChatRequest:
    demand = _demand(request)
    rates = _listed(request, demand, now)
    if rates is None:
        return _capped_price(request, demand, limit, cap)
    body = dict(request.body)
    known = demand.output_tokens
    if not known or (not request.is_limited and pricing.cost(demand, rates) > limit):
        output = _affordable(request, demand, rates, limit)
        if output is not None and output < LEAST_OUTPUT:
            least = replace(demand, output_tokens=LEAST_OUTPUT)
            raise _too_dear(request, least, rates, limit, cap)
        if output is not None:
            body[request.limit_name] = min(
                request.output_limit or output, _shortest(output, request)
            )
    request = replace(request, body=body)
    demand = _demand(request)
    other, tokens = pricing.other_cost(demand, rates), pricing.token_cost(demand, rates)
    if other + tokens > limit:
        raise _too_dear(request, demand, rates, limit, cap)
    if not tokens:
        return request
    slack = min(_margin(body), max(Decimal(1), _floor((limit - other) / tokens)))
    return replace(request, body=_with_max_price(body, _ceilings(request, slack)))


def _affordable(request: ChatRequest, demand: Demand, rates: Rates, limit: Decimal) -> int | None:
    """Output tokens that `limit` pays for, at twice the listed price where that leaves enough.

    For images and sound, as many as they commonly have.
    """
    if demand.media_tokens:
        return media_tokens(request)
    dear = replace(rates, prompt=2 * rates.prompt, completion=2 * rates.completion)
    output = pricing.affordable_output(demand, dear, limit)
    if output is not None and output < LEAST_OUTPUT:
        return pricing.affordable_output(demand, rates, limit)
    return output


def _margin(body: Mapping[str, Any]) -> Decimal:
    """How much dearer an endpoint may be, where the limit leaves room for it."""
    provider = body.get("provider") or {}
    sorts = any(suffix in str(body.get("model")) for suffix in (":nitro", ":exacto"))
    chosen = any(provider.get(name) for name in ("only", "order", "sort", "max_price"))
    return WIDE_MARGIN if chosen or sorts or body.get("service_tier") else MARGIN


def _ceilings(request: ChatRequest, slack: Decimal) -> dict[str, Decimal]:
    """`max_price` (USD per million tokens) that is the catalogue's of the dearest model, raised."""
    rows = [candidate.model for candidate in _candidates(request)]
    return {
        kind: _upward(slack * MILLION * max(row.pricing[kind] for row in rows if row))
        for kind in ("prompt", "completion")
    }


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

    Reserving the money for that then fails with the reason why there is not enough. Raises
    `BUDGET_EXCEEDED` for what cannot be bounded.
    """
    if limit is None:
        return request
    request = _with_bounds(request, limit)
    try:
        return _fitted(request, limit, now)
    except OpenRouterError:
        output = request.output_limit if request.is_limited else LEAST_OUTPUT
        body = {**request.body, request.limit_name: output or LEAST_OUTPUT}
        if _listed(request, _demand(request), now) is None:
            ratio, prompt = pricing.COMPLETION_RATIO, pricing.DEAREST_INPUT
            body = _with_max_price(body, {"prompt": prompt, "completion": ratio * prompt})
        return replace(request, body=body)


def _demand(request: ChatRequest) -> Demand:
    """What the request can use up at most; 0 output means that no limit is set."""
    body = request.body
    work = price_table.server_work(body, _names(request))
    # What was parsed is read like any other text.
    named = ("tools", "plugins", "response_format", "prediction", "suffix", "image_config")
    extra = {name: body[name] for name in named if body.get(name)}
    extra |= {"options": own} if (own := (body.get("provider") or {}).get("options")) else {}
    size = len(json.dumps(extra, ensure_ascii=False, default=str).encode()) if extra else 0
    read = pricing.count_tokens(request.messages) + size // pricing.BYTES_PER_TOKEN
    read += TOOL_TOKENS if body.get("tools") else 0
    if any(map(parts.has_no_known_length, price_table.parts_of(request.messages))):
        # It may fill the context, and nothing is longer than that.
        rows = [candidate.model for candidate in _candidates(request)]
        read = max([read, *(row.context_length for row in rows if row)])
    written = _written(request, read)
    media = _makes_media(request)
    return Demand(
        input_tokens=read,
        output_tokens=written,
        searches=work.searches + _own_searches(request),
        steps=work.steps,
        result_tokens=work.result_tokens,
        copies=price_table.copies(body),
        images=sum(
            part.get("type") == "image_url" for part in price_table.parts_of(request.messages)
        ),
        media_tokens=max(written, media_tokens(request)) if media else 0,
        fees=work.fees + price_table.PAGE_PRICE * _scanned_pages(request),
    )


def _written(request: ChatRequest, read: int) -> int:
    """Tokens that may come out; 0 when nothing limits them."""
    body, limit = request.body, request.output_limit
    if not limit:
        return 0
    reasoning = body.get("reasoning")
    thinking = price_table.whole(reasoning.get("max_tokens")) if isinstance(reasoning, dict) else 0
    if thinking and thinking >= limit:
        limit += thinking
    if prediction := body.get("prediction"):
        # Of a prediction, what turns out wrong is billed as output.
        limit += len(json.dumps(prediction, default=str)) // pricing.BYTES_PER_TOKEN
    return limit + (read if body.get("echo") else 0)


def _candidates(request: ChatRequest) -> tuple[Resolution, ...]:
    return (request.model, *request.fallbacks)


def _names(request: ChatRequest) -> list[str]:
    return [candidate.id for candidate in _candidates(request)]


def _makes_media(request: ChatRequest) -> list[str]:
    """The kinds of prices for images or sound that the answer may hold."""
    asked = request.body.get("modalities")
    made = {"image", "audio"} & set(asked if isinstance(asked, list) else [])
    if not isinstance(asked, list):
        for candidate in _candidates(request):
            row = candidate.model
            if row and not row.is_router:
                made |= {"image", "audio"} & row.output_modalities
    kinds = {"image": ["image_output", "image_token"], "audio": ["audio_output"]}
    return [kind for what in sorted(made) for kind in kinds[what]]


def media_tokens(request: ChatRequest) -> int:
    """Tokens of the image or the sound that a chat commonly makes, on the high side."""
    if any(kind.startswith("image") for kind in _makes_media(request)):
        return IMAGE_TOKENS
    return SOUND_TOKENS + SOUND_TOKENS_PER_BYTE * len(request.preview().encode())


def _own_searches(request: ChatRequest) -> int:
    """Searches of models that search by themselves, with or without options for that."""
    # Of a large context the fee is up to three times the listed one.
    most = 3 if request.body.get(SEARCHING) is not None else 0
    for candidate in _candidates(request):
        row = candidate.model
        if row and SEARCHING in row.supported_parameters and row.pricing.get("web_search"):
            most = max(most, RESEARCH if "deep-research" in row.id else 1)
    return most


def _parses(request: ChatRequest) -> bool:
    """Whether there is a file to be parsed."""
    return any(part.get("type") == "file" for part in price_table.parts_of(request.messages))


def _reads_files(request: ChatRequest) -> bool:
    """Whether every model reads files itself."""
    rows = [candidate.model for candidate in _candidates(request)]
    return all(row and not row.is_router and "file" in row.input_modalities for row in rows)


def _scanned_pages(request: ChatRequest) -> int:
    """Pages that mistral-ocr may be paid for."""
    engine = price_table.parser(request.body)
    if engine != price_table.OCR and (engine or _reads_files(request)):
        return 0
    pages = 0
    for part in price_table.parts_of(request.messages):
        content = part.get("file")
        if part.get("type") == "file" and isinstance(content, Mapping):
            size = parts.size_of(content)
            pages += min(MOST_PAGES, 1 + size // LEAST_PAGE) if size else MOST_PAGES
    return pages


def _price_kinds(request: ChatRequest) -> list[str]:
    """The kinds of prices that count beside those of text."""
    sent = {str(part.get("type")) for part in price_table.parts_of(request.messages)}
    kinds = [*_makes_media(request)]
    kinds += ["image"] if "image_url" in sent else []
    kinds += ["audio"] if sent & {"input_audio", "video_url", "input_video"} else []
    return kinds + (["input_cache_write_1h"] if _keeps_for_an_hour(request) else [])


def _keeps_for_an_hour(request: ChatRequest) -> bool:
    """Whether the prompt may be written into a cache for an hour, which is dearer."""
    marks = [
        request.body,
        *request.messages,
        *price_table.parts_of(request.messages),
        *(request.body.get("tools") or []),
    ]
    controls = [mark.get("cache_control") for mark in marks]
    controls.append(request.body.get("prompt_cache_options"))
    return any(
        isinstance(each, Mapping) and each.get("ttl") not in (None, "5m") for each in controls
    )


def _listed(request: ChatRequest, demand: Demand, now: datetime) -> Rates | None:
    """The highest rates that the catalogue lists for the models; None if one may have any price."""
    if price_table.routes(request.body):
        return None
    kinds = _price_kinds(request)
    return pricing.dearest(
        [
            pricing.rates(candidate.model, demand.input_tokens, now, kinds)
            for candidate in _candidates(request)
        ]
    )


def _rates(request: ChatRequest, demand: Demand, now: datetime) -> Rates | None:
    """The highest rates that hold at the endpoints which `provider.max_price` lets in."""
    max_price = (request.body.get("provider") or {}).get("max_price") or {}
    cap = pricing.ceiling(max_price)
    kinds = _price_kinds(request)
    routed = price_table.routes(request.body)
    known: list[Rates | None] = []
    for candidate in _candidates(request):
        row = candidate.model
        rates = pricing.rates(row, demand.input_tokens, now, kinds)
        if row is None or rates is None or routed:
            # Nothing in `max_price` bounds what images and sound cost.
            known.append(_fee_alone(row, max_price) if _makes_media(request) else cap)
        else:
            factors = {
                kind: _factor(max_price.get(kind), row.pricing[kind])
                for kind in ("prompt", "completion")
            }
            raised = {kind: getattr(rates, kind) * factor for kind, factor in factors.items()}
            known.append(replace(rates, **raised))
    return pricing.dearest(known)


def _fee_alone(row: Model | None, max_price: Mapping[str, Any]) -> Rates | None:
    """The rates of a model whose tokens cost nothing, where `max_price` bounds a request."""
    if row is None or any(row.pricing.values()) or "request" not in max_price:
        return None
    return Rates(Decimal(0), Decimal(0), request=Decimal(max_price["request"]))


def _factor(ceiling: object, listed: Decimal) -> Decimal:
    """How many times the listed price (USD per token) an endpoint may take under a ceiling."""
    if ceiling is None or not listed:
        return Decimal(1)
    return min(Decimal(str(ceiling)) / (MILLION * listed), WIDE_MARGIN)


def _capped_price(
    request: ChatRequest, demand: Demand, limit: Decimal, cap: Decimal
) -> ChatRequest:
    """For routers and unpriced models: the highest price at which the request stays in `limit`."""
    if _makes_media(request):
        return _capped_fee(request, limit)
    output = demand.output_tokens or pricing.OUTPUT_OF_ROUTERS
    body = {**request.body, request.limit_name: request.output_limit or output}
    prices = pricing.bounding_prices(_demand(replace(request, body=body)), limit)
    if prices is None:
        raise OpenRouterError(
            Code.BUDGET_EXCEEDED,
            f"{dollars(limit)} leaves nothing for an answer"
            f"{' after web search' if demand.searches else ''}. Raise "
            f"{PER_CALL if cap and limit >= cap else 'max_cost'}, or ask for less.",
        )
    return replace(request, body=_with_max_price(body, prices))


def _capped_fee(request: ChatRequest, limit: Decimal) -> ChatRequest:
    """For images and sound of models whose tokens cost nothing: the highest price of a request.

    Raises `BUDGET_EXCEEDED` for a model of which even that is not known.
    """
    rows = [candidate.model for candidate in _candidates(request)]
    if not all(row and not row.is_router and not any(row.pricing.values()) for row in rows):
        raise price_table.unbounded(
            f"the images or the sound of {request.model.id}, which lists no price for them,",
            "Choose a model whose price is known (get_model).",
        )
    other = pricing.other_cost(_demand(request), Rates(Decimal(0), Decimal(0)))
    fee = (limit - other) / price_table.copies(request.body)
    if fee <= 0:
        raise price_table.unbounded(f"what {request.model.id} makes")
    return replace(request, body=_with_max_price(request.body, {"request": fee}))


def _shortest(output: int, request: ChatRequest) -> int:
    """`output`, or the lowest limit that one of the models has of its own."""
    own = [_own_limit(candidate) for candidate in _candidates(request)]
    return min([output, *(limit for limit in own if limit)])


def _longest(request: ChatRequest) -> int:
    """Output tokens that the request's models can give; 0 where that is not known of all."""
    own = [
        _own_limit(each) or (each.model.context_length if each.model else 0)
        for each in _candidates(request)
    ]
    return max(own) if all(own) else 0


def _own_limit(candidate: Resolution) -> int:
    return candidate.model.max_completion_tokens if candidate.model else 0


def lines(estimate: Estimate, *, is_limited: bool) -> list[str]:
    """What an estimate is made of, one line for each kind of cost that there is.

    `is_limited` says whether the request limits its output, or the model alone does.
    """
    demand, rates = estimate.demand, estimate.rates
    price = f", at {_per_million(rates.prompt)}" if rates else ""
    told = [
        f"Input: {demand.billed_input_tokens:,} tokens at most, counted as one for every 3 bytes "
        f"of text{price}"
    ]
    if demand.output_tokens:
        price = f", at {_per_million(rates.completion)}" if rates else ""
        own = "" if is_limited else ", all that the model can give: max_tokens limits it"
        told.append(f"Output: {demand.billed_output_tokens:,} tokens at most{own}{price}")
    if demand.media_tokens:
        told.append(f"Images or sound: {demand.media_tokens:,} tokens at most")
    if demand.searches:
        each = f" at {dollars(rates.web_search)}" if rates else ""
        told.append(f"Web searches: {demand.searches} at most{each}")
    if demand.steps:
        told.append(f"Turns: {demand.turns} at most, as OpenRouter runs tools")
    if demand.fees:
        told.append(f"Parsing, fetching, larger searches: {dollars(demand.fees)} at most")
    if demand.copies > 1:
        told.append(f"Answers: {demand.copies}, each billed")
    return told


def _per_million(price: Decimal) -> str:
    return f"{dollars(MILLION * price)} a million"


def _too_dear(
    request: ChatRequest, demand: Demand, rates: Rates, limit: Decimal, cap: Decimal
) -> OpenRouterError:
    most = pricing.cost(demand, rates)
    allow = f"Set max_cost to {_ceil(most)} to allow it"
    if cap and most > cap:
        allow = f"Raise {PER_CALL} and restart this server to allow it"
    fits = pricing.affordable_output(demand, rates, limit)
    shorter = f"lower max_tokens to {fits:,}, " if fits and fits >= LEAST_OUTPUT else ""
    more = ""
    if other := pricing.other_cost(demand, rates):
        searches = f"{demand.searches} web searches and others" if demand.searches else "others"
        more = f", {dollars(other)} for {searches}"
        shorter += "lower max_uses, " if demand.searches > 1 else ""
    return OpenRouterError(
        Code.BUDGET_EXCEEDED,
        f"This call to {request.model.id} can cost {dollars(most)}, more than {dollars(limit)}: "
        f"{demand.billed_input_tokens:,} tokens in at {dollars(MILLION * rates.prompt)} and "
        f"{demand.billed_output_tokens:,} out at {dollars(MILLION * rates.completion)} a million"
        f"{more}. {allow}, {shorter}or choose a cheaper model.",
    )


def _floor(factor: Decimal) -> Decimal:
    return min(factor, WIDE_MARGIN).quantize(Decimal("0.0001"), ROUND_DOWN)


def _upward(price: Decimal) -> Decimal:
    """A ceiling under which an endpoint fits that takes exactly this price."""
    return price.quantize(FINEST, ROUND_UP)


def _plain(price: Decimal) -> str:
    """A price without exponent, in six digits where it has no more."""
    six = price.quantize(Decimal("1e-6"), ROUND_DOWN)
    return f"{six if price == six else price.quantize(FINEST, ROUND_DOWN):f}"


def _ceil(amount: Decimal) -> str:
    """An amount that is surely enough, with few digits."""
    digits = max(2, 2 - amount.adjusted())
    step = Decimal(1).scaleb(-digits)
    return f"{(amount // step + 1) * step:f}"
