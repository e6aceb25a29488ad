"""Families of models: which member a person means by a few words, "opus" or "llama 70b"."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, Self

from openrouter_mcp.models.model import Model
from openrouter_mcp.models.words import SIZE, answers, tokens, version

# In a slug these do not tell one sibling from another.
NEUTRAL_WORDS = frozenset({"instruct", "it", "latest"})
# An unasked size makes a model less of a default than an unasked word does.
SIZE_WEIGHT = 1.5


STANDING = attrgetter("standing")


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
