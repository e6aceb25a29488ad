"""What a person means by a model name: an id and its suffixes, "opus", "gemni flash"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.families import Member, best, matching
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.words import answers, tokens

STOP_WORDS = frozenset(
    {"a", "an", "and", "best", "by", "current", "for", "from", "in", "latest", "llm", "model"}
    | {"models", "most", "my", "new", "newest", "of", "on", "one", "please", "run", "the", "to"}
    | {"top", "use", "using", "version", "with"}
)
# Rows of their own that are chosen only when asked for by name.
ASKED_VARIANTS = frozenset({"free", "batch"})
DYNAMIC_VARIANTS = frozenset({"nitro", "floor", "online", "exacto"})
VARIANTS = re.compile(r"(?::(?:free|extended|thinking|batch|nitro|floor|online|exacto))+$", re.I)
PASSING = re.compile(r"(?:~[\w.-]+|openrouter)/[\w.-]+")
LONGEST_NAME = 200
SHORTEST_TYPO = 4


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name meant: the id to send, and its catalogue row if there is one.

    `how` is empty for an exact id, else a short reason for the receipt.
    """

    id: str
    model: Model | None
    how: str


class Names:
    """The names of one catalogue, indexed for looking up."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._ids = {model.id: model for model in models}
        members = [Member.of(model) for model in self._ids.values()]
        self._members = [member for member in members if not member.model.is_alias]
        self._aliases = [member for member in members if member.model.is_alias]
        self._words = {word for member in members for word in member.every if word.isalpha()}
        self._spellings = _spellings(self._members)

    def resolve(self, name: str, output: str = "text") -> Resolution:
        """Return the model that `name` means, of those that make `output` ("" for any kind).

        Exact ids of any kind, routers, aliases and presets pass as they are, and the suffixes
        `:nitro :floor :online :exacto @preset/...` are kept. Raises `OpenRouterError` with
        MODEL_NOT_FOUND and the nearest ids.
        """
        name = name.strip()
        rest, at, preset = name.partition("@preset/")
        base, static, dynamic = _split_variants(rest)
        model = self._known(base, static)
        if model:
            found = model.id
        elif PASSING.fullmatch(base) or (at and not rest):
            found = base + static
        else:
            model = self._guess(name, f"{base} {static}", output)
            found = model.id
        found += dynamic + at + preset
        return Resolution(found, model, "" if found == name else f'understood from "{name}"')

    def _known(self, base: str, static: str) -> Model | None:
        exact = self._ids.get(base + static) or self._spelled(base + static)
        paid = self._spelled(base)
        if exact or not static or not paid:
            return exact
        if paid.id + static in self._ids:
            return self._ids[paid.id + static]
        raise _no_variant(paid, static)

    def _spelled(self, text: str) -> Model | None:
        return self._spellings.get(text.lower()) or self._spellings.get(" ".join(tokens(text)))

    def _guess(self, name: str, text: str, output: str) -> Model:
        asked = self._asked(text)
        meant = self._meant(asked, output)
        if len(meant) == 1:
            return meant[0].model
        plain = [word for word in asked if word not in ASKED_VARIANTS]
        if not meant and len(paid := self._meant(plain, output)) == 1:
            raise _no_variant(paid[0].model, " or ".join(set(asked) - set(plain)))
        if not meant and len(other := self._meant(asked, "")) == 1:
            raise _wrong_kind(other[0].model, output)
        raise (
            _ambiguous(name, meant) if meant else _not_found(name, asked, self._pool(asked, output))
        )

    def _pool(self, asked: Sequence[str], output: str) -> list[Member]:
        variants = ASKED_VARIANTS.intersection(asked)
        return [
            member
            for member in self._members
            if (not output or output in member.model.output_modalities)
            and ASKED_VARIANTS.intersection(member.slug) == variants
        ]

    def _meant(self, asked: Sequence[str], output: str) -> list[Member]:
        return best(matching(self._pool(asked, output), asked), self._aliases, asked)

    def _asked(self, text: str) -> list[str]:
        """Return the words of a loose name, no stop words, spelled as the catalogue does."""
        joined: list[str] = []
        for word in tokens(text[:LONGEST_NAME]):
            if joined and joined[-1] + word in self._words:
                joined[-1] += word
            else:
                joined.append(word)
        asked = [word for word in joined if word not in STOP_WORDS]
        return [spelled for word in asked for spelled in self._corrected(word)]

    def _corrected(self, word: str) -> Sequence[str]:
        if word in self._words or not word.isalpha():
            return [word]
        for cut in range(3, len(word) - 2):
            if {word[:cut], word[cut:]} <= self._words:
                return word[:cut], word[cut:]
        if len(word) < SHORTEST_TYPO:
            return [word]
        return get_close_matches(word, sorted(self._words), n=1, cutoff=0.8) or [word]


def _spellings(members: Sequence[Member]) -> dict[str, Model]:
    """Index what means one row: an id, a canonical slug, a slug or the words of these.

    The words of a slug without a number, "mistral large", mean a family, not the row.
    """
    spellings: dict[str, Model] = {}
    plain_first = sorted(members, key=lambda member: bool(member.model.variant))
    for member in plain_first:
        spellings.setdefault(member.model.id.lower(), member.model)
    for member in plain_first:
        spellings.setdefault(member.model.canonical_slug.lower(), member.model)
    alike: dict[str, set[Model]] = {}
    for member in members:
        slug = member.model.id.partition("/")[2].lower()
        alike.setdefault(slug, set()).add(member.model)
        if any(character.isdigit() for character in slug):
            for words in (member.slug, tokens(member.model.id)):
                alike.setdefault(" ".join(words), set()).add(member.model)
    for text, models in alike.items():
        if len(models) == 1:
            spellings.setdefault(text, *models)
    spellings.pop("", None)
    return spellings


def _split_variants(text: str) -> tuple[str, str, str]:
    """Split "base:free:online" into "base", ":free" (a row of its own) and ":online"."""
    match = VARIANTS.search(text)
    if not match:
        return text, "", ""
    suffixes = match[0].lower().split(":")[1:]
    static = "".join(f":{suffix}" for suffix in suffixes if suffix not in DYNAMIC_VARIANTS)
    dynamic = "".join(f":{suffix}" for suffix in suffixes if suffix in DYNAMIC_VARIANTS)
    return text[: match.start()], static, dynamic


def _not_found(name: str, asked: Sequence[str], pool: Iterable[Member]) -> OpenRouterError:
    typed = " ".join(asked) or name[:LONGEST_NAME]

    def likeness(member: Member) -> tuple[float, int]:
        shared = sum(any(answers(word, token) for token in member.every) for word in asked)
        ratio = SequenceMatcher(None, " ".join(member.slug), typed).ratio()
        return shared + ratio, member.model.created

    nearest = [member.model.id for member in nlargest(3, pool, key=likeness)]
    advice = f"Nearest: {', '.join(nearest)}. Use one of these ids" if nearest else "Name another"
    return _error(f'No model matches "{name[:LONGEST_NAME]}". {advice}', nearest)


def _ambiguous(name: str, meant: Sequence[Member]) -> OpenRouterError:
    ids = [member.model.id for member in meant[:3]]
    return _error(f'"{name}" may be {" or ".join(ids)}. Use one of these ids', ids)


def _no_variant(paid: Model, variant: str) -> OpenRouterError:
    return _error(f"{paid.id} has no {variant} variant. Use {paid.id}", [paid.id])


def _wrong_kind(model: Model, output: str) -> OpenRouterError:
    makes = " and ".join(sorted(model.output_modalities)) or "something else"
    return _error(f"{model.id} makes {makes}, not {output}. Name another model", [model.id])


def _error(message: str, suggestions: Sequence[str]) -> OpenRouterError:
    message = f"{message}, or find_models to search."
    return OpenRouterError(Code.MODEL_NOT_FOUND, message, suggestions=suggestions)
