"""Which model takes what is sent, and which one does media work: named, default, or popular."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.catalogue import NOT_NAMED, Catalogue, Snapshot
from openrouter_mcp.models.datasets import Market
from openrouter_mcp.models.endpoints import is_healthy
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import dollars
from openrouter_mcp.settings import Settings, variable

MODALITIES = {
    "image_url": "image",
    "input_audio": "audio",
    "video_url": "video",
    "file": "file",
}
"""OpenRouter's input modalities, by the type of the content part."""
SUGGESTED = 5


def of_parts(parts: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The modalities of content parts; texts go everywhere and count for none."""
    kinds = (part.get("type") for part in parts)
    return frozenset(MODALITIES[kind] for kind in kinds if kind in MODALITIES)


def of_messages(messages: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The modalities of all that is said in a conversation."""
    contents = (message.get("content") for message in messages)
    return of_parts(part for content in contents if isinstance(content, list) for part in content)


def takes(model: Model | None, needed: AbstractSet[str]) -> bool:
    """Whether a model takes all of these.

    Every model reads PDFs: OpenRouter parses them for those that do not themselves. A router finds
    a model that can, and one that the catalogue does not know may be able to.
    """
    return model is None or model.is_router or model.input_modalities >= needed - {"file"}


def refusal(snapshot: Snapshot, model: Model, needed: AbstractSet[str]) -> OpenRouterError:
    """Why this model, which does not take all of these, is not asked; with some that do."""
    able = [
        other.id
        for other in snapshot.models
        if takes(other, needed)
        and "text" in other.output_modalities
        and not (other.is_alias or other.is_router or other.variant)
    ]
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{model.id} takes {', '.join(sorted(model.input_modalities))}, and what it is to be sent "
        f"here needs {' and '.join(sorted(needed - {'file'}))}. These can: "
        f"{', '.join(able[:SUGGESTED]) or 'none'}. Name one of them, or ask with analyze_media, "
        "which chooses one itself.",
        suggestions=able[:SUGGESTED],
    )


Price = Callable[[Model], Awaitable[Decimal | None]]
"""USD for one `unit` of a model's work; None where nobody lists it."""


def any_model(_model: Model) -> bool:
    """The requirement of work that every model of its kind can do."""
    return True


def any_endpoint(_endpoint: Mapping[str, Any]) -> bool:
    """The requirement of work that every endpoint of a model can do."""
    return True


@dataclass(frozen=True)
class Requirements:
    """What a model must be able to do, and for what price it may be chosen without being named."""

    output: tuple[str, ...]
    """OpenRouter's output modalities, any of which will do."""
    default: str
    """The field of the settings that names a model; empty if none does."""
    price: Price
    below: Decimal
    """USD per unit."""
    unit: str
    """What the price is for, as `an image`."""
    fits: Callable[[Model], bool] = any_model
    endpoint: Callable[[Mapping[str, Any]], bool] = any_endpoint
    ability: str = ""
    """What `fits` or `endpoint` ask for, in words: `images as input`."""
    suits: Callable[[Model], bool] = any_model
    """What else a model must do that is chosen, or suggested, without being named."""


class Chooser:
    """Chooses a model for work that is no chat, from what OpenRouter offers now."""

    def __init__(self, settings: Settings, catalogue: Catalogue, market: Market) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._market = market

    async def choose(self, name: str, required: Requirements) -> Resolution:
        """The model that `name` means; without a name the default, else a popular one.

        How it was chosen is in `how`, for the receipt. Raises `MODEL_NOT_FOUND`, and
        `INVALID_INPUT` with models that can when the named one cannot do what is wanted.
        """
        snapshot = await self._catalogue.models()
        default = str(getattr(self._settings, required.default)) if required.default else ""
        if name.strip():
            return await self._named(snapshot, name.strip(), required)
        if default:
            found = await self._named(snapshot, default, required)
            return replace(found, how=f"{NOT_NAMED}: {variable(required.default)}")
        return await self._popular(snapshot, required)

    async def _named(self, snapshot: Snapshot, name: str, required: Requirements) -> Resolution:
        found = snapshot.resolve(name, _output_of(snapshot, name, required))
        if found.model is None:
            return found
        if _can(found.model, required) and any(
            map(required.endpoint, await self._endpoints(found.model))
        ):
            return found
        makes = " and ".join(sorted(found.model.output_modalities)) or "something else"
        wants = " or ".join(required.output) + (
            f" with {required.ability}" if required.ability else ""
        )
        able = []
        for model in snapshot.models:
            if len(able) < SUGGESTED and _offered(model, required):
                able += [model.id] * any(map(required.endpoint, await self._endpoints(model)))
        there_are = "No model of the catalogue can. Ask for something else."
        if able:
            there_are = (
                f"These can: {', '.join(able)}. Name one of them, or none to have one chosen."
            )
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{found.id} makes {makes}, and what is wanted here is {wants}. {there_are}",
            suggestions=able,
        )

    async def _popular(self, snapshot: Snapshot, required: Requirements) -> Resolution:
        """The most used healthy model below the price; one without a price if there is none."""
        kind = " or ".join(required.output)
        offered = [model for model in snapshot.models if _offered(model, required)]
        if not offered:
            raise OpenRouterError(
                Code.MODEL_UNAVAILABLE,
                f"No {kind} model takes all that is asked for. Ask for less, or name a model to "
                f"learn what that one takes (find_models, output={required.output[0]}).",
            )
        ranked = await self._by_use(offered)
        unpriced = []
        for model in ranked:
            price = await required.price(model)
            if price is None:
                unpriced.append(model)
            elif price <= required.below and await self._healthy(model, required):
                how = f"{NOT_NAMED}: most used below {dollars(required.below)} for {required.unit}"
                return Resolution(model.id, model, how)
        for model in unpriced:
            if await self._healthy(model, required):
                return Resolution(
                    model.id, model, f"{NOT_NAMED}: most used, its price is not listed"
                )
        raise OpenRouterError(
            Code.MODEL_UNAVAILABLE,
            f"No healthy {kind} model that can do this costs less than {dollars(required.below)} "
            f"for {required.unit}. Name a model (find_models, output={required.output[0]}).",
            suggestions=[model.id for model in ranked[:SUGGESTED]],
        )

    async def _by_use(self, models: Sequence[Model]) -> list[Model]:
        """The most used first; the newest first while OpenRouter does not tell its order."""
        try:
            order = await self._market.listed(sort="most-popular")
        except OpenRouterError:
            order = []
        rank = {id_: place for place, id_ in enumerate(order)}
        return sorted(models, key=lambda model: (rank.get(model.id, len(rank)), -model.created))

    async def _healthy(self, model: Model, required: Requirements) -> bool:
        """Whether an endpoint that can do the work is up."""
        rows = await self._endpoints(model)
        return any(is_healthy(row) and required.endpoint(row) for row in rows)

    async def _endpoints(self, model: Model) -> Sequence[Mapping[str, Any]]:
        """The endpoints of a model; one empty row where they cannot be looked up."""
        try:
            return await self._catalogue.endpoints(model.id) or [{}]
        except OpenRouterError:
            return [{}]


def _output_of(snapshot: Snapshot, name: str, required: Requirements) -> str:
    """The first of the outputs under which a loose name means anything."""
    for output in required.output:
        try:
            snapshot.resolve(name, output)
        except OpenRouterError:
            continue
        return output
    return required.output[0]


def _can(model: Model, required: Requirements) -> bool:
    return not model.output_modalities.isdisjoint(required.output) and required.fits(model)


def _offered(model: Model, required: Requirements) -> bool:
    """Whether a model may be chosen without being named.

    Free variants are left out, since their providers may keep what they are sent.
    """
    plain = not (model.is_alias or model.is_router or model.variant)
    return plain and _can(model, required) and required.suits(model)
