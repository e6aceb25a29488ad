"""One model of the live catalogue: its row in GET /models (OPENROUTER's words), typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from openrouter_mcp.money import MILLION

DAY = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model; what OpenRouter does not say is empty, 0 or None. Never change `raw`.

    `pricing` is USD per unit (per token for `prompt` and `completion`), `created` unix seconds,
    `price_overrides` OpenRouter's conditional prices as they came.
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
    price_overrides: tuple[dict[str, Any], ...]
    reasoning: dict[str, Any] | None
    supported_voices: tuple[str, ...]
    alias_target: str
    benchmarks: dict[str, Any]
    is_moderated: bool
    raw: dict[str, Any]

    @classmethod
    def parse(cls, row: object) -> Self | None:
        """Read one row of `data`; None when it has no usable id."""
        if not isinstance(row, dict) or not _text(row.get("id")):
            return None
        architecture = _mapping(row.get("architecture"))
        top_provider = _mapping(row.get("top_provider"))
        pricing = _mapping(row.get("pricing"))
        overrides = pricing.get("overrides")
        return cls(
            id=_text(row["id"]),
            canonical_slug=_text(row.get("canonical_slug")),
            name=_text(row.get("name")) or _text(row["id"]),
            created=_count(row.get("created")),
            description=_text(row.get("description")),
            context_length=_count(row.get("context_length")),
            max_completion_tokens=_count(top_provider.get("max_completion_tokens")),
            knowledge_cutoff=_text(row.get("knowledge_cutoff")),
            expiration_date=_text(row.get("expiration_date")),
            input_modalities=frozenset(_texts(architecture.get("input_modalities"))),
            output_modalities=frozenset(_texts(architecture.get("output_modalities"))),
            supported_parameters=frozenset(_texts(row.get("supported_parameters"))),
            pricing=_prices(pricing),
            price_overrides=tuple(item for item in _items(overrides) if isinstance(item, dict)),
            reasoning=_mapping(row.get("reasoning")) or None,
            supported_voices=_texts(row.get("supported_voices")),
            alias_target=_text(_mapping(row.get("alias_target")).get("slug")),
            benchmarks=_mapping(row.get("benchmarks")),
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
        return self.id.startswith("openrouter/") or self.pricing.get("prompt", 0) < 0

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing. Media models list zero token prices but charge per unit."""
        if self.variant:
            return self.variant == ":free"
        priced = self.pricing and not any(self.pricing.values())
        return bool(priced) and self.output_modalities == {"text"}

    @property
    def blended_price(self) -> Decimal | None:
        """(3 x prompt + completion) / 4 in USD per million tokens; None where not so priced."""
        prompt, completion = self.pricing.get("prompt"), self.pricing.get("completion")
        if prompt is None or completion is None or prompt < 0:
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
        index = _mapping(self.benchmarks.get("artificial_analysis")).get(f"{name}_index")
        return float(index) if isinstance(index, int | float) else 0.0

    def elo(self, arena: str, category: str) -> float:
        """Design Arena's Elo rating in one category of one arena; 0 where it has none."""
        for entry in map(_mapping, _items(self.benchmarks.get("design_arena"))):
            if (entry.get("arena"), entry.get("category")) == (arena, category):
                elo = entry.get("elo")
                return float(elo) if isinstance(elo, int | float) else 0.0
        return 0.0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < 10**15 else 0


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in _items(value) if isinstance(item, str))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _prices(pricing: dict[str, Any]) -> dict[str, Decimal]:
    prices = {}
    for key, value in pricing.items():
        if isinstance(value, str | int | float):
            try:
                price = Decimal(str(value))
            except InvalidOperation:
                continue
            if price.is_finite():
                prices[key] = price
    return prices
