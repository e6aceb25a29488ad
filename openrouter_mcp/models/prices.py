"""What a request can cost at most, from the catalogue's prices. Pure; money is USD in `Decimal`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from openrouter_mcp.api.responses import mapping
from openrouter_mcp.files import parts
from openrouter_mcp.models.model import Model, PriceOverride
from openrouter_mcp.money import MILLION, parse_usd

BYTES_PER_TOKEN = 3
"""Fewer than any common tokenizer needs for prose and most code, so that counts are not too low."""
TOKENS_PER_MESSAGE = 6
OUTPUT_OF_ROUTERS = 4096
"""Output tokens to plan with when a model says no limit and its price is what has to be bounded."""
DEFAULT_SEARCH_PRICE = Decimal("0.007")
"""One web search by the engine for models without one of their own (OpenRouter's documentation)."""
DEAREST_SEARCH = Decimal("0.02")
"""USD for one search by a model that lists no price; the dearest of the catalogue is below it."""
DEAREST_IMAGE = Decimal("0.01")
"""USD for one image that is sent to a model which lists no price."""
COMPLETION_RATIO = 5
DEAREST_INPUT = Decimal(15)
"""USD per million tokens: a model that a router chooses need not be dearer, whatever is allowed,
and one call should not hold all the money that is left."""
LONGEST_CALL = timedelta(minutes=15)
PER_TOKEN = Decimal("0.001")
"""USD: a price of `image` below this is for a token of it, one above it for the whole image."""
MADE = ("image_output", "image_token", "audio_output")
"""The kinds of prices for a token of an image or of sound that a model makes."""
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
    image: Decimal = Decimal(0)
    """For each image that is sent, beside its tokens."""
    media: Decimal = Decimal(0)
    """For a token of an image or of sound that is made."""


@dataclass(frozen=True)
class Demand:
    """What a request can use up at most: tokens in and out (0 = no limit known), web searches."""

    input_tokens: int
    output_tokens: int = 0
    """Of one turn of the model, reasoning included."""
    searches: int = 0
    steps: int = 0
    """Turns after which OpenRouter runs tools and lets the model go on."""
    result_tokens: int = 0
    """Tokens of what those tools, and plugins, find."""
    copies: int = 1
    """Answers that are made of the same prompt."""
    images: int = 0
    """Images that are sent."""
    media_tokens: int = 0
    """Tokens of images or sound that are made, which an output limit may not bound."""
    fees: Decimal = Decimal(0)
    """USD for what is not billed by tokens: pages that are fetched or parsed, dearer searches."""

    @property
    def turns(self) -> int:
        """How often the model is asked."""
        return self.steps + 1

    @property
    def billed_input_tokens(self) -> int:
        """Input tokens over all turns: each reads the prompt, all results and all it has said."""
        said = self.output_tokens * self.turns * self.steps // 2
        return self.input_tokens * self.turns + self.result_tokens * max(1, self.steps) + said

    @property
    def billed_output_tokens(self) -> int:
        """Output tokens over all turns."""
        return self.output_tokens * self.turns


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
        text, media = _sizes({k: v for k, v in message.items() if k != "role"})
        size += text
        overhead += TOKENS_PER_MESSAGE + media
    return -(-size // BYTES_PER_TOKEN) + overhead


def _sizes(value: object) -> tuple[int, int]:
    """Bytes of all text in a message or a part of it, and tokens of the media."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace")), 0
    if isinstance(value, Mapping):
        if tokens := parts.tokens(value):
            return 0, tokens
        inside = [each for name, each in value.items() if name != "type"]
    else:
        inside = list(value) if isinstance(value, list | tuple) else []
    found = [_sizes(each) for each in inside]
    return sum(text for text, _ in found), sum(media for _, media in found)


def rates(
    model: Model | None, input_tokens: int, now: datetime, kinds: Collection[str] = ()
) -> Rates | None:
    """The dearest rates that hold for a prompt of this length from now on.

    None for a model without a price, or with one that cannot be read. Overrides for long prompts
    and times of day count where they can apply during the call; input counts at the price of
    writing it into the provider's cache where that is the higher one. `kinds` are further kinds of
    prices that the request is billed by: `image` and `audio` for what is sent, those of `MADE` for
    what is made, `input_cache_write_1h`.
    """
    if model is None or not model.pricing.keys() >= {"prompt", "completion"}:
        return None
    if model.unreadable_prices.intersection(BILLED.union(kinds)):
        return None
    if not any(model.pricing.values()) and not model.is_free:
        return None
    moments = (now, now + LONGEST_CALL)
    tables = [_prices_in_force(model, input_tokens, moment) for moment in moments]

    none = Decimal(0)

    def highest(*kinds: str) -> Decimal:
        return max(
            (table.get(kind, Decimal(0)) for table in tables for kind in kinds), default=none
        )

    image = highest("image") if "image" in kinds else none
    read = [kind for kind in kinds if kind in {"audio", "input_cache_write_1h"}]
    made = [kind for kind in kinds if kind in MADE]
    media = highest(*made, "completion") if made else none
    if made and not (media or model.is_free):
        return None
    return Rates(
        prompt=max(
            highest("prompt", "input_cache_write", *read), image if image < PER_TOKEN else none
        ),
        completion=highest("completion", "internal_reasoning"),
        request=highest("request"),
        web_search=highest("web_search") or DEFAULT_SEARCH_PRICE,
        image=image if image >= PER_TOKEN else none,
        media=media,
    )


def listed(model: Model | None, *kinds: str) -> tuple[Decimal, ...] | None:
    """USD of each of these kinds, 0 where the model lists none; None where one cannot be read."""
    if model is None or model.unreadable_prices.intersection(kinds):
        return None
    return tuple(model.pricing.get(kind, Decimal(0)) for kind in kinds)


def video_lines(row: Mapping[str, Any]) -> dict[str, Decimal]:
    """The price lines of a row of `GET /videos/models` that can be read, by their names."""
    lines = mapping(row, "pricing_skus")
    told = ((name, parse_usd(value)) for name, value in lines.items())
    return {name: price for name, price in told if price is not None}


def ceiling(max_price: Mapping[str, Any]) -> Rates | None:
    """The rates that `provider.max_price` (USD per million tokens) allows, if it bounds both."""
    if not {"prompt", "completion"} <= max_price.keys():
        return None
    return Rates(
        prompt=Decimal(str(max_price["prompt"])) / MILLION,
        completion=Decimal(str(max_price["completion"])) / MILLION,
        request=Decimal(str(max_price.get("request", 0))),
        web_search=DEAREST_SEARCH,
        image=DEAREST_IMAGE,
    )


def cost(demand: Demand, rate: Rates) -> Decimal:
    """The price of using up the whole of `demand`."""
    return token_cost(demand, rate) + other_cost(demand, rate)


def token_cost(demand: Demand, rate: Rates) -> Decimal:
    """The part of it that `provider.max_price` bounds."""
    tokens = (
        demand.billed_input_tokens * rate.prompt + demand.billed_output_tokens * rate.completion
    )
    return demand.copies * tokens


def other_cost(demand: Demand, rate: Rates) -> Decimal:
    """The part of it that is not billed by tokens of text."""
    other = (
        demand.turns * (rate.request + demand.images * rate.image)
        + demand.searches * rate.web_search
        + demand.media_tokens * rate.media
        + demand.fees
    )
    return demand.copies * other


def affordable_output(demand: Demand, rate: Rates, limit: Decimal) -> int | None:
    """Output tokens of a turn that `limit` USD still pay for; None if output is free."""
    none, one = replace(demand, output_tokens=0), replace(demand, output_tokens=2)
    left = limit - cost(none, rate)
    if rate.completion == 0:
        return None if left >= 0 else 0
    # Two tokens, since what is said in one turn is read in the next ones in halves on average.
    each = (cost(one, rate) - cost(none, rate)) / 2
    return max(0, int((left / each).to_integral_value(ROUND_FLOOR)))


def bounding_prices(demand: Demand, limit: Decimal) -> dict[str, Decimal] | None:
    """`provider.max_price` (USD per million tokens) at which `demand` costs no more than `limit`.

    Output is commonly several times dearer than input, so the money is divided that way. Never
    more than `DEAREST_INPUT`; None when nothing is left for tokens.
    """
    free = Rates(Decimal(0), Decimal(0), web_search=DEAREST_SEARCH, image=DEAREST_IMAGE)
    weight = demand.billed_input_tokens + COMPLETION_RATIO * demand.billed_output_tokens
    left = limit - other_cost(demand, free)
    if left <= 0 or not weight:
        return None
    prompt = min(left / (weight * demand.copies) * MILLION, DEAREST_INPUT)
    return {"prompt": prompt, "completion": COMPLETION_RATIO * prompt}


def dearest(candidates: Sequence[Rates | None]) -> Rates | None:
    """The highest rates of all candidates, kind by kind; None if one of them is open."""
    known = [rate for rate in candidates if rate is not None]
    if len(known) < len(candidates) or not known:
        return None
    return Rates(
        **{name: max(getattr(rate, name) for rate in known) for name in Rates.__annotations__}
    )


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
