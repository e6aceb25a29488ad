"""One model of the live catalogue: its row in GET /models, in OpenRouter's words, typed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from openrouter_mcp.api.responses import count, mapping, mappings, measure, text, texts
from openrouter_mcp.money import MILLION, parse_usd
from openrouter_mcp.text import DAY

CONDITIONS = ("min_", "max_", "utc_")
"""How the names of conditions begin in OpenRouter's conditional prices."""
CLOCK = frozenset(range(2401))
"""Times of day as HHMM."""


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """Prices that replace those of a model while every condition holds.

    `min_prompt_tokens` is exceeded by the prompt (-1: any length); `utc_window` is a start and an
    end as HHMM in UTC, the end excluded, perhaps across midnight; `utc_days` are names of days in
    lower case. What this version does not know stands in `not_understood` as it came: such an
    override may hold or not.
    """

    min_prompt_tokens: int
    utc_window: tuple[int, int] | None
    utc_days: tuple[str, ...]
    not_understood: Mapping[str, Any]
    prices: Mapping[str, Decimal]

    @classmethod
    def parse(cls, entry: Mapping[str, Any], kinds: Collection[str]) -> Self:
        """Read one entry of `pricing.overrides`; `kinds` are the prices that the model lists."""
        prices = {
            kind: price
            for kind, value in entry.items()
            if (kind in kinds or isinstance(value, str)) and not kind.startswith(CONDITIONS)
            if (price := parse_usd(value)) is not None
        }
        rest = {name: value for name, value in entry.items() if name not in prices}
        tokens, window, days = -1, None, ()
        if type(rest.get("min_prompt_tokens")) is int:
            tokens = rest.pop("min_prompt_tokens")
        match rest:
            case {"utc_start": int(start), "utc_end": int(end)} if {start, end} <= CLOCK:
                window = start, end
                del rest["utc_start"], rest["utc_end"]
        listed = rest.get("utc_days")
        if isinstance(listed, list) and all(isinstance(day, str) for day in listed):
            days = tuple(rest.pop("utc_days"))
        return cls(tokens, window, days, rest, prices)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model that OpenRouter offers; what it does not say is empty, 0 or None.

    `pricing` is USD per unit by kind of price (per token for `prompt` and `completion`); a price
    of no sense, or one that varies with what a router chooses, is not in it but in
    `unreadable_prices`. `created` is unix seconds. `raw` is the row itself: never change it.
    """

    id: str
    canonical_slug: str
    name: str
    created: int
    description: str
    context_length: int
    max_completion_tokens: int
    knowledge_cutoff: str
    expiration_date: str
    input_modalities: frozenset[str]
    output_modalities: frozenset[str]
    supported_parameters: frozenset[str]
    pricing: Mapping[str, Decimal]
    unreadable_prices: frozenset[str]
    price_overrides: tuple[PriceOverride, ...]
    reasoning: dict[str, Any] | None
    supported_voices: tuple[str, ...]
    alias_target: str
    benchmarks: dict[str, Any]
    is_moderated: bool
    raw: dict[str, Any]

    @classmethod
    def parse(cls, row: object) -> Self | None:
        """Read one row of `data`; None when it has no usable id."""
        id_ = text(row, "id")
        if not isinstance(row, dict) or not id_:
            return None
        architecture = mapping(row, "architecture")
        top_provider = mapping(row, "top_provider")
        listed = mapping(row, "pricing")
        prices = {kind: value for kind, value in listed.items() if kind != "overrides"}
        pricing = {
            kind: price for kind, value in prices.items() if (price := parse_usd(value)) is not None
        }
        return cls(
            id=id_,
            canonical_slug=text(row, "canonical_slug"),
            name=text(row, "name") or id_,
            created=count(row, "created"),
            description=text(row, "description"),
            context_length=count(row, "context_length"),
            max_completion_tokens=count(top_provider, "max_completion_tokens"),
            knowledge_cutoff=text(row, "knowledge_cutoff"),
            expiration_date=text(row, "expiration_date"),
            input_modalities=frozenset(texts(architecture, "input_modalities")),
            output_modalities=frozenset(texts(architecture, "output_modalities")),
            supported_parameters=frozenset(texts(row, "supported_parameters")),
            pricing=pricing,
            unreadable_prices=frozenset(
                kind for kind, value in prices.items() if value is not None and kind not in pricing
            ),
            price_overrides=tuple(
                PriceOverride.parse(entry, pricing) for entry in mappings(listed, "overrides")
            ),
            reasoning=mapping(row, "reasoning") or None,
            supported_voices=tuple(texts(row, "supported_voices")),
            alias_target=text(mapping(row, "alias_target"), "slug"),
            benchmarks=mapping(row, "benchmarks"),
            is_moderated=top_provider.get("is_moderated") is True,
            raw=row,
        )

    @property
    def author(self) -> str:
        """The part of the id before the slash, without an alias's tilde."""
        return self.id.partition("/")[0].removeprefix("~")

    @property
    def variant(self) -> str:
        """The suffix of the id, with its colon, as ":free"; else ""."""
        _, colon, variant = self.id.partition(":")
        return colon + variant

    @property
    def is_alias(self) -> bool:
        """Whether the id only points to the newest model of a family."""
        return self.id.startswith("~")

    @property
    def is_router(self) -> bool:
        """Whether OpenRouter chooses the model behind this id."""
        prompt = mapping(self.raw, "pricing").get("prompt")
        return self.id.startswith("openrouter/") or varies(prompt)

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing. Media models list zero token prices but charge per unit."""
        if self.variant:
            return self.variant == ":free"
        told = self.pricing.keys() >= {"prompt", "completion"} and not self.unreadable_prices
        return told and not any(self.pricing.values()) and self.output_modalities == {"text"}

    @property
    def blended_price(self) -> Decimal | None:
        """(3 x prompt + completion) / 4 in USD per million tokens; None where not so priced."""
        prompt, completion = self.pricing.get("prompt"), self.pricing.get("completion")
        if prompt is None or completion is None:
            return None
        blended = (3 * prompt + completion) * MILLION / 4
        return blended if blended or self.is_free else None

    def days_left(self, now: float) -> float | None:
        """Days from `now` (unix seconds) until it expires; None when no date is known."""
        try:
            expiry = datetime.fromisoformat(self.expiration_date)
        except ValueError:
            return None
        expiry = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
        return (expiry.timestamp() - now) / DAY

    @property
    def intelligence(self) -> float:
        """Artificial Analysis's intelligence index; see `index`."""
        return self.index("intelligence")

    def index(self, name: str) -> float:
        """Artificial Analysis's "intelligence", "coding" or "agentic" index, 0 to 100.

        0 where it was not measured.
        """
        return measure(mapping(self.benchmarks, "artificial_analysis"), f"{name}_index") or 0.0

    def elo(self, arena: str, category: str) -> float:
        """Design Arena's Elo rating in one category of one arena; 0 where it has none."""
        for entry in mappings(self.benchmarks, "design_arena"):
            if (entry.get("arena"), entry.get("category")) == (arena, category):
                return measure(entry, "elo") or 0.0
        return 0.0


def varies(price: object) -> bool:
    """Whether a price is OpenRouter's -1: it is that of the model that a router chooses."""
    return parse_usd(price) is None and parse_usd(str(price).removeprefix("-")) is not None
