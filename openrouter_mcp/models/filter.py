"""Which models of the catalogue fit: words, abilities, price, order."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import tokens
from openrouter_mcp.text import did_you_mean, nearest

# People's words for OpenRouter's supported_parameters: any one of the set will do.
ABILITIES = {
    "json": {"structured_outputs", "response_format"},
    "schema": {"structured_outputs", "response_format"},
    "thinking": {"reasoning"},
}
VISION = "vision"
# People's words for OpenRouter's kinds of input and output.
KINDS = {
    "pdf": "file",
    "document": "file",
    "embedding": "embeddings",
    "tts": "speech",
    "stt": "transcription",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """What to look for; an empty field asks for nothing.

    `query`: words that must all be in the id, name or description. `input`: kinds that the model
    must take, all of them. `output`: kinds that it may make, any of them. `supports`: all of these
    parameters, or "json", "schema", "thinking", "vision". `max_price`: USD per million tokens,
    compared with (3 x prompt + completion) / 4; what is not priced so (routers, media) is left
    out. `min_context`: tokens. `sort`: "" is by relevance to the query, newest without one;
    "price" is cheapest, "context" longest, an index of Artificial Analysis highest first.
    What only the API knows (`provider`, `category`, `zdr`, other sorts) comes from it as ids:
    `among`, outside of which nothing is found, and `ranking`, best first, which orders before
    `sort`; what it does not name comes last.
    """

    query: str = ""
    input: Sequence[str] = ()
    output: Sequence[str] = ()
    supports: Sequence[str] = ()
    author: str = ""
    provider: str = ""
    category: str = ""
    max_price: float = 0
    min_context: int = 0
    free: bool = False
    zdr: bool = False
    sort: str = ""
    among: Collection[str] | None = None
    ranking: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Searchable:
    """A model with the words of its id, name and description, each word after a space."""

    model: Model
    texts: tuple[str, ...]

    @classmethod
    def of(cls, model: Model) -> Self:
        """Prepare a model for searching."""
        texts = (model.id, model.name, model.description)
        return cls(model, tuple("".join(f" {word}" for word in tokens(text)) for text in texts))

    def distance(self, words: Iterable[str]) -> int | None:
        """0 when the id has every word, more when only name or description do, else None.

        A word also stands for those that begin with it.
        """
        total = 0
        for word in words:
            places = (place for place, text in enumerate(self.texts) if f" {word}" in text)
            nearest = next(places, None)
            if nearest is None:
                return None
            total += nearest
        return total


def find(rows: Iterable[Searchable], wanted: ModelFilter) -> list[Model]:
    """Return the models that fit, best first.

    Alias rows are left out unless the query says "latest", `:batch` rows unless it says "batch".
    """
    words = tokens(wanted.query)
    found = [
        (distance, row.model)
        for row in rows
        if (not row.model.is_alias or "latest" in words)
        and (row.model.variant != ":batch" or "batch" in words)
        and _fits(row.model, wanted)
        and (distance := row.distance(words)) is not None
    ]
    # Each sort keeps the order of the one before it among equals.
    found.sort(key=lambda item: (item[1].created, item[1].id), reverse=True)
    if order := ORDERS.get(wanted.sort):
        found.sort(key=lambda item: order(item[1]))
    else:
        found.sort(key=lambda item: (item[0], "text" not in item[1].output_modalities))
    if wanted.ranking:
        rank = {id_: position for position, id_ in enumerate(wanted.ranking)}
        found.sort(key=lambda item: rank.get(item[1].id, len(rank)))
    return [model for _, model in found]


def supports(model: Model, ability: str) -> bool:
    """Whether a model has a parameter of OpenRouter's, or what people call an ability."""
    if ability == VISION:
        return "image" in model.input_modalities
    return not model.supported_parameters.isdisjoint(ABILITIES.get(ability, {ability}))


def one_of(what: str, word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` is but for its case.

    Raises `OpenRouterError` with INVALID_INPUT and the nearest words.
    """
    choices = {choice.casefold(): choice for choice in known}
    if word.strip().casefold() in choices:
        return choices[word.strip().casefold()]
    near = [choices[key] for key in nearest(word.casefold(), choices)]
    shown = sorted(choices.values())
    hint = did_you_mean(near, f"There are: {', '.join(shown[:30])}.")
    if not choices:
        hint = "There is none at present."
    message = f'"{word[:60]}" is no {what}. {hint}'
    raise OpenRouterError(Code.INVALID_INPUT, message, suggestions=near)


def kind(word: str) -> str:
    """OpenRouter's word for a kind of input or output."""
    return KINDS.get(word, word)


def _fits(model: Model, wanted: ModelFilter) -> bool:
    return (
        (wanted.among is None or model.id in wanted.among)
        and model.input_modalities.issuperset(wanted.input)
        and (not wanted.output or not model.output_modalities.isdisjoint(wanted.output))
        and all(supports(model, ability) for ability in wanted.supports)
        and (not wanted.author or wanted.author.lower() == model.author)
        and (not wanted.max_price or _price(model) <= wanted.max_price)
        and model.context_length >= wanted.min_context
        and (not wanted.free or model.is_free)
    )


def _price(model: Model) -> Decimal:
    price = model.blended_price
    return Decimal("Infinity") if price is None else price


ORDERS: dict[str, Callable[[Model], Any]] = {
    "newest": lambda model: -model.created,
    "price": _price,
    "context": lambda model: -model.context_length,
    "name": lambda model: model.name.casefold(),
    "intelligence": lambda model: -model.index("intelligence"),
    "coding": lambda model: -model.index("coding"),
    "agentic": lambda model: -model.index("agentic"),
}
