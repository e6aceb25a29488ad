"""What a person means by a model name: an id and its suffixes, "opus", "gemni flash"."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from functools import partial
from heapq import nlargest
from operator import attrgetter
from typing import Any, Self

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.model import Model
from openrouter_mcp.text import nearest

ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
# 4-5, 4 5 and 4_5 are the version 4.5; 02-23 is a date.
DASHED_VERSION = re.compile(r"(?<![\d.])([1-9]\d?)[-_ ](0|[1-9]\d?)(?![\d.a-z])")
# k2.6, a95b | 5.4, 4o, 70b, 8x22b | gpt
TOKEN = re.compile(
    r"(?<![a-z])[a-uw-z]\d+(?:\.\d+)*[a-z]?(?![a-z\d])|\d+(?:\.\d+)*(?:[a-z]+\d*)*|[a-z]+"
)
VERSION = re.compile(r"([a-z]?)(\d+(?:\.\d+)*)")
DATE = re.compile(r"0\d+|\d{4,}")
SIZE = re.compile(r"[a-z]?\d+(?:\.\d+)?[bmt]|\d+x\d+b")
# In a slug these do not tell one sibling from another.
NEUTRAL_WORDS = frozenset({"instruct", "it", "latest"})
# An unasked size makes a model less of a default than an unasked word does.
SIZE_WEIGHT = 1.5
STANDING = attrgetter("standing")
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
    """What the name of a model meant: the id to send, and the catalogue's row if it has one.

    `how` is empty for an exact id, else a short reason for the receipt.
    """

    id: str
    model: Model | None
    how: str


class Names:
    """Understands the names that people give to the models of one catalogue.

    Built once per catalogue; `resolve` then needs no request and a few milliseconds at most.
    """

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
        return nearest(word, sorted(self._words), most=1, likeness=0.8) or [word]


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


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A model under its names: the slug, with the display name, and with the author too."""

    model: Model
    slug: tuple[str, ...]
    own: frozenset[str]
    every: frozenset[str]
    version: float

    @classmethod
    def of(cls, model: Model) -> Self:
        """Split a model's names into words."""
        author, _, slug = model.id.removeprefix("~").partition("/")
        title = model.name.rpartition(": ")[2]
        own = {*tokens(slug), *tokens(title)}
        every = {*own, *tokens(author), *tokens(model.name), "".join(tokens(author))}
        stated = _version((*tokens(slug), *tokens(title)))
        return cls(model, tokens(slug), frozenset(own), frozenset(every), stated)

    def unasked(self, asked: Sequence[str]) -> list[str]:
        """Return the words and sizes of the slug that nobody asked for.

        Neither dates nor the version count, but a second version does: it is another model's.
        """
        rest = [
            token
            for token in self.slug
            if token not in NEUTRAL_WORDS and not any(answers(word, token) for word in asked)
        ]
        numbers = [token for token in rest if token.replace(".", "").isdigit()]
        words = [token.rstrip(".0123456789") for token in rest if token not in numbers]
        return words + [number for number in numbers if version(number) >= 0][1:]

    def excess(self, asked: Sequence[str]) -> float:
        """Return how far this is from the plain member of what was asked for."""
        return sum(SIZE_WEIGHT if SIZE.fullmatch(word) else 1 for word in self.unasked(asked))

    @property
    def standing(self) -> tuple[float, int, Decimal, str]:
        """The flagship among equally plain siblings is the most intelligent, newest, dearest."""
        model = self.model
        return model.intelligence, model.created, model.blended_price or Decimal(0), model.id


def matching(pool: Iterable[Member], asked: Sequence[str]) -> list[Member]:
    """Return those with every word: in the slug if any, else in a name, else with the author.

    A family is named by the first word of its slugs, where one of the words is that.
    """
    found = [member for member in pool if asked and _has(member.every, asked)]
    for closer in (
        lambda member: _has(member.own, asked),
        lambda member: _has(member.slug, asked),
        lambda member: _is_named(member, asked),
    ):
        found = list(filter(closer, found)) or found
    return found


def best(found: Sequence[Member], aliases: Sequence[Member], asked: Sequence[str]) -> list[Member]:
    """Return the member that was meant or, where that is anyone's guess, one of each author."""
    leaders = _leaders(found, asked)
    plainest = min((member.excess(asked) for member in leaders), default=0)
    near = [member for member in leaders if member.excess(asked) <= plainest + 1]
    plain = [member for member in near if member.excess(asked) == plainest]
    named = all(_is_named(member, asked) for member in found)
    authors = {m.model.author: m for m in sorted(plain if named else near, key=STANDING)}
    if len(authors) != 1:
        return sorted(authors.values(), key=STANDING, reverse=True)
    if current := _current(found, aliases, asked):
        return [max(current, key=STANDING)]
    winner = max(plain, key=STANDING)
    newer = [
        member
        for member in near
        if member.version > winner.version and member.model.created > winner.model.created
    ]
    return [max(newer, key=STANDING, default=winner)]


def _leaders(found: Iterable[Member], asked: Sequence[str]) -> list[Member]:
    """Return the newest of each line; siblings that differ by words, as pro and mini, are two."""
    lines: dict[frozenset[str], Member] = {}
    for member in sorted(found, key=partial(_recency, asked=asked)):
        words = {word for word in member.unasked(asked) if not SIZE.fullmatch(word)}
        lines[frozenset({member.model.author, *words})] = member
    return list(lines.values())


def _recency(member: Member, asked: Sequence[str]) -> tuple[Any, ...]:
    return member.version, -member.excess(asked), member.model.created, member.standing


def _current(
    found: Iterable[Member], aliases: Iterable[Member], asked: Sequence[str]
) -> list[Member]:
    """Return those that OpenRouter's nearest `~author/family-latest` rows point to."""
    targets = {member.model.id: member for member in found}
    words = [word for word in asked if version(word) < 0]
    pointing = [
        (alias.excess(asked), targets[alias.model.alias_target])
        for alias in aliases
        if alias.model.alias_target in targets
        and _has(alias.every, words)
        and all(version(token) < 0 or token in asked for token in alias.slug)
    ]
    nearest = min((excess for excess, _ in pointing), default=0)
    return [member for excess, member in pointing if excess == nearest]


def _is_named(member: Member, asked: Sequence[str]) -> bool:
    return any(word in member.slug[:1] for word in asked)


def _has(names: Iterable[str], asked: Iterable[str]) -> bool:
    return all(any(answers(word, token) for token in names) for word in asked)


def _version(names: Sequence[str]) -> float:
    """Return the first version stated, -1 without one; what is "latest" is above all."""
    if "latest" in names:
        return math.inf
    return next((stated for stated in map(version, names) if stated >= 0), -1.0)


def tokens(text: str) -> tuple[str, ...]:
    """Split into lower-case words ("gpt"), versions ("5.4", "k2") and sizes ("70b")."""
    decomposed = unicodedata.normalize("NFKD", text[:4000]).lower()
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    plain = ISO_DATE.sub(r"\1\2\3", plain.replace("'s ", " "))
    found = TOKEN.findall(DASHED_VERSION.sub(r"\1.\2", plain))
    return tuple(word for word in found if word != "v")


def version(token: str) -> float:
    """Return the version that a token states, as a decimal number; -1 when it states none."""
    match = VERSION.fullmatch(token)
    if not match or DATE.fullmatch(token):
        return -1.0
    return float(".".join(match[2].split(".")[:2]))


def answers(asked: str, token: str) -> bool:
    """Whether a model's token is what was asked for: "3" and "k2" also mean 3.2 and k2.6."""
    if asked == token:
        return True
    want, have = VERSION.fullmatch(asked), VERSION.fullmatch(token)
    if not want or not have or DATE.fullmatch(asked) or DATE.fullmatch(token):
        return False
    if want[1] and want[1] != have[1]:
        return False
    wanted, had = want[2].split("."), have[2].split(".")
    while wanted[-1] == "0" and len(wanted) > 1:
        wanted.pop()
    return had[: len(wanted)] == wanted
