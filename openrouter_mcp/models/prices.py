"""What a request can cost at most, from the catalogue's prices. Pure; money is USD in `Decimal`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from openrouter_mcp.files import parts
from openrouter_mcp.models.model import Model, PriceOverride
from openrouter_mcp.money import MILLION

BYTES_PER_TOKEN = 3
"""Fewer than any common tokenizer needs for prose and most code, so that counts are not too low."""
TOKENS_PER_MESSAGE = 6
OUTPUT_OF_ROUTERS = 4096
"""Output tokens to plan with when a model says no limit and its price is what has to be bounded."""
DEFAULT_SEARCH_PRICE = Decimal("0.007")
"""One web search by the engine for models without one of their own (OpenRouter's documentation)."""
TOKENS_PER_SEARCH = 5000
UNLIMITED_SEARCHES = 10
"""Searches where the request sets no `max_uses`: OpenRouter stops at 50 results, 5 a search."""
COMPLETION_RATIO = 5
DEAREST_INPUT = Decimal(15)
"""USD per million tokens: a model that a router chooses need not be dearer, whatever is allowed,
and one call should not hold all the money that is left."""
LONGEST_CALL = timedelta(minutes=15)
BILLED = frozenset(
    {"prompt", "input_cache_write", "completion", "internal_reasoning", "request", "web_search"}
)
"""The kinds of prices that a request for text is billed by."""


@dataclass(frozen=True)
class Rates:
    """The dearest that one model can be: USD per token, and USD for each request and search."""

    prompt: Decimal
    completion: Decimal
    request: Decimal = Decimal(0)
    web_search: Decimal = DEFAULT_SEARCH_PRICE


@dataclass(frozen=True)
class Demand:
    """What a request can use up at most: tokens in and out (0 = no limit known), web searches."""

    input_tokens: int
    output_tokens: int = 0
    searches: int = 0

    @property
    def billed_input_tokens(self) -> int:
        """Input tokens over all turns: each search's results are read with the whole prompt."""
        turns = self.searches + 1
        results = TOKENS_PER_SEARCH * self.searches * turns // 2
        return self.input_tokens * turns + results


@dataclass(frozen=True)
class Estimate:
    """The cost of one request: `most` is None while nothing bounds it."""

    demand: Demand
    rates: Rates | None
    least: Decimal
    most: Decimal | None


def count_tokens(messages: Iterable[Mapping[str, Any]]) -> int:
    """Tokens of `messages`, on the high side: of text one for every three bytes of UTF-8."""
    size = overhead = 0
    for message in messages:
        overhead += TOKENS_PER_MESSAGE
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"text": content}]:
            size += len(str(part.get("text") or "").encode("utf-8", "replace"))
            overhead += parts.tokens(part)
        for call in message.get("tool_calls") or []:
            size += len(str(call).encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN) + overhead


def rates(model: Model | None, input_tokens: int, now: datetime) -> Rates | None:
    """The dearest rates that hold for a prompt of this length from now on.

    None for a model without a price, or with one that cannot be read. Overrides for long prompts
    and times of day count where they can apply during the call; input counts at the price of
    writing it into the provider's cache where that is the higher one.
    """
    if model is None or not model.pricing.keys() >= {"prompt", "completion"}:
        return None
    if model.unreadable_prices.intersection(BILLED):
        return None
    if not any(model.pricing.values()) and not model.is_free:
        return None
    moments = (now, now + LONGEST_CALL)
    tables = [_prices_in_force(model, input_tokens, moment) for moment in moments]

    def highest(*kinds: str) -> Decimal:
        return max(table.get(kind, Decimal(0)) for table in tables for kind in kinds)

    return Rates(
        prompt=highest("prompt", "input_cache_write"),
        completion=highest("completion", "internal_reasoning"),
        request=highest("request"),
        web_search=highest("web_search") or DEFAULT_SEARCH_PRICE,
    )


def ceiling(max_price: Mapping[str, Any]) -> Rates | None:
    """The rates that `provider.max_price` (USD per million tokens) allows, if it bounds both."""
    if not {"prompt", "completion"} <= max_price.keys():
        return None
    return Rates(
        prompt=Decimal(str(max_price["prompt"])) / MILLION,
        completion=Decimal(str(max_price["completion"])) / MILLION,
        request=Decimal(str(max_price.get("request", 0))),
    )


def cost(demand: Demand, rate: Rates) -> Decimal:
    """The price of using up the whole of `demand`."""
    return (
        demand.billed_input_tokens * rate.prompt
        + demand.output_tokens * rate.completion
        + rate.request
        + demand.searches * rate.web_search
    )


def affordable_output(demand: Demand, rate: Rates, limit: Decimal) -> int | None:
    """Output tokens that `limit` USD still pay for after the input; None if output is free."""
    left = limit - cost(Demand(demand.input_tokens, 0, demand.searches), rate)
    if rate.completion == 0:
        return None if left >= 0 else 0
    return max(0, int((left / rate.completion).to_integral_value(ROUND_FLOOR)))


def bounding_prices(demand: Demand, limit: Decimal) -> dict[str, Decimal] | None:
    """`provider.max_price` (USD per million tokens) at which `demand` costs no more than `limit`.

    Output is commonly several times dearer than input, so the money is divided that way. Never
    more than `DEAREST_INPUT`; None when nothing is left for tokens.
    """
    weight = demand.billed_input_tokens + COMPLETION_RATIO * demand.output_tokens
    left = limit - demand.searches * DEFAULT_SEARCH_PRICE
    if left <= 0 or not weight:
        return None
    prompt = min(left / weight * MILLION, DEAREST_INPUT)
    return {"prompt": prompt, "completion": COMPLETION_RATIO * prompt}


def dearest(candidates: Sequence[Rates | None], demand: Demand) -> Rates | None:
    """The rates of the candidate that would cost most; None if one of them is open."""
    known = [rate for rate in candidates if rate is not None]
    if len(known) < len(candidates) or not known:
        return None
    return max(known, key=lambda rate: cost(demand, rate))


def _prices_in_force(model: Model, input_tokens: int, moment: datetime) -> dict[str, Decimal]:
    """The prices at `moment` for a prompt of this length: later overrides win, kind by kind.

    Of an override that may hold or not, only what makes the request dearer counts.
    """
    table = dict(model.pricing)
    for override in model.price_overrides:
        if _may_hold(override, input_tokens, moment.astimezone(UTC)):
            for kind, price in override.prices.items():
                dearer = not override.not_understood or price > table.get(kind, 0)
                table[kind] = price if dearer else table[kind]
    return table


def _may_hold(override: PriceOverride, input_tokens: int, moment: datetime) -> bool:
    """Whether no condition that we understand excludes the override; `moment` is in UTC."""
    if input_tokens <= override.min_prompt_tokens:
        return False
    if override.utc_days and moment.strftime("%A").lower() not in override.utc_days:
        return False
    if override.utc_window is None:
        return True
    start, end = override.utc_window
    clock = moment.hour * 100 + moment.minute
    return start <= clock < end if start <= end else clock >= start or clock < end
