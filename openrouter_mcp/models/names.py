"""What a person means by a model name: an id and its suffixes, "opus", "gemni flash"."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import SequenceMatcher
from functools import partial
from heapq import nlargest
from operator import attrgetter
from typing import Any, Self
from urllib.parse import unquote

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.model import Model
from openrouter_mcp.text import clean, is_typo

ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
# 4-5, 4 5 and 4_5 are the version 4.5; 02-23 is a date.
DASHED_VERSION = re.compile(r"(?<![\d.])([1-9]\d?)[-_ ](0|[1-9]\d?)(?![\d.a-z])")
# k2.6, a95b | 5.4, 4o, 70b, 8x22b | gpt
TOKEN = re.compile(
    r"(?<![a-z])[a-uw-z]\d+(?:\.\d+)*[a-z]?(?![a-z\d])|\d+(?:\.\d+)*(?:[a-z]+\d*)*|[a-z]+"
)
VERSION = re.compile(r"([a-z]?)(\d+(?:\.\d+)*)")
DATE = re.compile(r"0\d+|\d{4,}")
RELEASE = re.compile(r"20[23]\d[01]\d[0-3]\d")
# Vendors and OpenRouter date a release a little differently.
RELEASE_SLACK = timedelta(days=31)
SIZE = re.compile(r"[a-z]?\d+(?:\.\d+)?[bmt]|\d+x\d+b")
# In a slug these do not tell one sibling from another.
NEUTRAL_WORDS = frozenset({"instruct", "it", "latest"})
# These do not make another product of the same version.
STAGES = frozenset({"preview", "exp", "beta", "alpha", "chat"})
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
STATIC_VARIANTS = frozenset({"free", "extended", "thinking", "batch"})
DYNAMIC_VARIANTS = frozenset({"nitro", "floor", "online", "exacto"})
ID = re.compile(r"~?[\w.-]+/[\w.-]+")
PRESET = re.compile(r"[\w.-]+(?::[\w.-]+)?", re.ASCII)
PASSING = re.compile(r"(?:~[\w.-]+|openrouter)/[\w.-]+")
SITE = re.compile(r"(?:https?://)?(?:www\.)?openrouter\.ai/", re.I)
# us.vendor.model-20310203-v1:0, as Amazon Bedrock spells it
BEDROCK = re.compile(r"(?:[a-z]{2,6}\.)?([a-z\d-]+)\.([a-z][\w.-]*)-v\d:\d")
# What other programs put before a name to say where it is sent; no author is called so.
PROGRAMS = frozenset(
    {"azure", "azure_ai", "vertex_ai", "vertex", "bedrock", "converse", "amazon-bedrock"}
    | {"litellm", "litellm_proxy", "models", "gemini", "github", "github_copilot", "together_ai"}
    | {"fireworks_ai", "groq", "deepinfra", "replicate", "huggingface"}
)
# 5mini, 4omini (which is 4o mini)
JOINED = re.compile(r"(\d+(?:\.\d+)*)([a-z]{3,})")
OWN = ("openrouter/", "openrouter:")
MOST_PLACES = 3
LONGEST_NAME = 200
SHOWN_NAME = 100
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
        self._known_words = {word for member in members for word in member.every}
        self._words = {word for word in self._known_words if word.isalpha()}
        self._authors = {member.model.author for member in members}
        self._spellings = _spellings(self._members, self._aliases)
        self._displayed = _unique(
            (" ".join(member.model.name.split()), member.model) for member in members
        )
        found = {part for model in self._ids.values() for part in model.variant.split(":")[1:]}
        self._variants = STATIC_VARIANTS | DYNAMIC_VARIANTS | found

    def resolve(self, name: str, output: str = "text") -> Resolution:
        """Return the model that `name` means, of those that make `output` ("" for any kind).

        Exact ids of any kind, routers, aliases and presets pass as they are, and the suffixes
        `:nitro :floor :online :exacto @preset/...` are kept. An id, and a version, that is not
        there is never replaced. Raises `OpenRouterError` with MODEL_NOT_FOUND and the nearest ids.
        """
        name = name.strip()
        own = plain(name)
        sent = _without_program(own)
        rest, at, preset = plain(sent).partition("@preset/")
        if at and not PRESET.fullmatch(preset):
            raise _error(
                f"{clean(preset, SHOWN_NAME)!r} is no name of a preset: those are letters, digits, "
                "- and _. Correct it and call again.",
                [rest or "openrouter/auto"],
            )
        if shown := self._displayed.get(" ".join(rest.split())):
            base, static, dynamic, model = shown.id, "", "", shown
        else:
            base, static, dynamic = self._split_variants(rest, name)
            model = self._known(base, static)
        if model:
            found = model.id
        elif PASSING.fullmatch(base) or (at and not rest):
            found = base + static
        elif ID.fullmatch(base) or sent != own:
            raise self._no_such_id(name, base, output)
        else:
            model = self._guess(name, f"{base} {static}", output)
            found = model.id
        found += dynamic + at + preset
        how = "" if found == name else f'understood from "{clean(name, SHOWN_NAME)}"'
        return Resolution(found, model, how)

    def _split_variants(self, text: str, name: str) -> tuple[str, str, str]:
        """Split "base:free:online" into "base", ":free" (a row of its own) and ":online"."""
        base, *suffixes = text.split(":")
        if not suffixes or any(not part or not part.isalnum() for part in suffixes):
            return text, "", ""
        if base in self._authors:
            return " ".join((base, *suffixes)), "", ""
        suffixes = [suffix.lower() for suffix in suffixes]
        for suffix in suffixes:
            if suffix not in self._variants:
                raise self._no_such_suffix(name, base, suffix)
        static = "".join(f":{suffix}" for suffix in suffixes if suffix not in DYNAMIC_VARIANTS)
        dynamic = "".join(f":{suffix}" for suffix in suffixes if suffix in DYNAMIC_VARIANTS)
        return base, static, dynamic

    def _known(self, base: str, static: str) -> Model | None:
        exact = self._ids.get(base + static) or self._spelled(base + static)
        paid = self._spelled(base)
        if exact or not static or not paid:
            return exact
        if paid.id + static in self._ids:
            return self._ids[paid.id + static]
        raise _no_variant(paid, static)

    def _spelled(self, text: str) -> Model | None:
        words = self._apart(tokens(text))
        found = self._spellings.get(text.lower()) or self._spellings.get(" ".join(words))
        if found or not words or not RELEASE.fullmatch(words[-1]):
            return found
        undated = self._spellings.get(" ".join(words[:-1]))
        return undated if undated and self._was_released(undated, words[-1]) else None

    def _was_released(self, model: Model, day: str) -> bool:
        """Whether a vendor's date means this row; not where rows differ by their dates."""
        slug = tokens(_slug(model.id))
        dated = (member.slug for member in self._members if len(member.slug) > len(slug))
        if any(DATE.fullmatch(word) for word in slug) or any(
            other[: len(slug)] == slug and all(map(DATE.fullmatch, other[len(slug) :]))
            for other in dated
        ):
            return False
        known = [f"{datetime.fromtimestamp(model.created, UTC):%Y%m%d}"]
        known += tokens(_slug(model.canonical_slug))[-1:]
        asked = _day(day)
        released = map(_day, known)
        return any(told and asked and abs(told - asked) <= RELEASE_SLACK for told in released)

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
        found = matching(self._pool(asked, output), asked)
        if not any(map(_tells_version, asked)):
            return best(found, self._aliases, asked)
        if whole := [member for member in found if member.is_named_by(asked)]:
            undated = [member for member in whole if member.dates <= {*asked}]
            return best(undated or whole, self._aliases, asked)
        # A version alone does not make "gpt 5" of gpt-5-codex, unless that is the family's newest.
        words = [word for word in asked if not _tells_version(word)]
        aliases = [member for member in self._aliases if member.is_named_by(words)]
        if len(current := _current(found, aliases, asked)) == 1:
            return current
        lines = _leaders(found, asked)
        return sorted(lines, key=STANDING, reverse=True) if len(lines) > 1 else []

    def _no_such_id(self, name: str, base: str, output: str) -> OpenRouterError:
        asked = tokens(base[:LONGEST_NAME])
        return _not_found(name, asked, self._pool(asked, output))

    def _no_such_suffix(self, name: str, base: str, suffix: str) -> OpenRouterError:
        asked = tokens(base[:LONGEST_NAME])
        found = self._spelled(base)
        ids = [found.id] if found else _nearest(asked, base, self._pool(asked, ""))
        known = ", ".join(f":{variant}" for variant in sorted(self._variants))
        return _error(
            f'"{clean(name, SHOWN_NAME)}" ends in :{clean(suffix, 40)}, which OpenRouter does not '
            f"know. The suffixes are {known}. Use {' or '.join(ids)}",
            ids,
        )

    def _asked(self, text: str) -> list[str]:
        """Return the words of a loose name, no stop words, spelled as the catalogue does."""
        joined: list[str] = []
        for word in self._apart(tokens(text[:LONGEST_NAME])):
            if joined and joined[-1] + word in self._words:
                joined[-1] += word
            else:
                joined.append(word)
        asked = [word for word in joined if word not in STOP_WORDS]
        return [spelled for word in asked for spelled in self._corrected(word)]

    def _apart(self, words: Iterable[str]) -> tuple[str, ...]:
        """The words, with a version and a word that stand together ("5mini") taken apart."""
        found: list[str] = []
        for word in words:
            pair = JOINED.fullmatch(word)
            if pair and word not in self._known_words and pair[2] in self._words:
                found += pair.groups()
            elif pair and word not in self._known_words and pair[2][1:] in self._words:
                found += [pair[1] + pair[2][0], pair[2][1:]]
            else:
                found.append(word)
        return tuple(found)

    def _corrected(self, word: str) -> Sequence[str]:
        if word in self._words or not word.isalpha():
            return [word]
        for cut in range(3, len(word) - 2):
            if {word[:cut], word[cut:]} <= self._words:
                return word[:cut], word[cut:]
        if len(word) < SHORTEST_TYPO:
            return [word]
        long_enough = (known for known in self._words if len(known) >= SHORTEST_TYPO)
        meant = [known for known in long_enough if is_typo(word, known)]
        return meant if len(meant) == 1 else [word]


def plain(name: str) -> str:
    """The name as OpenRouter spells it, where other programs or its own pages add to it.

    `openrouter/author/slug` and `openrouter:author/slug`, `https://openrouter.ai/author/slug`, and
    the addresses of the API are ids; so is what follows the vendor in a name of Amazon Bedrock's.
    """
    if address := SITE.match(name):
        path = unquote(re.split(r"[?#]", name[address.end() :], maxsplit=1)[0]).strip("/")
        path = path.removeprefix("api/v1/").removeprefix("models/")
        name = "/".join(path.split("/")[:2])
    for _ in range(MOST_PLACES):
        rest = name[len(OWN[0]) :]
        if name[: len(OWN[0])].lower() not in OWN or "/" not in rest or rest.startswith("@preset/"):
            break
        name = rest
    bedrock = BEDROCK.fullmatch(name)
    return f"{bedrock[1]} {bedrock[2]}" if bedrock else name


def _without_program(name: str) -> str:
    """The name without the places that other programs put before it, as `azure/` or `models/`."""
    for _ in range(MOST_PLACES):
        place, _, rest = name.partition("/")
        if not rest or place.lower() not in PROGRAMS:
            break
        name = rest
    return name


def _spellings(members: Sequence[Member], aliases: Sequence[Member]) -> dict[str, Model]:
    """Index what means one row: an id, a canonical slug, a slug, the words of these or a name.

    The words of a slug without a number, "mistral large", mean a family, not the row.
    """
    spellings: dict[str, Model] = {}
    plain_first = sorted(members, key=lambda member: bool(member.model.variant))
    for member in plain_first:
        spellings.setdefault(member.model.id.lower(), member.model)
    for member in plain_first:
        spellings.setdefault(member.model.canonical_slug.lower(), member.model)
    for member in aliases:
        spellings.setdefault(member.model.id.lower(), member.model)
        spellings.setdefault(member.model.id.removeprefix("~").lower(), member.model)
    shorter = [(_slug(member.model.id).lower(), member.model) for member in members]
    for member in members:
        id_, slug = member.model.id, _slug(member.model.id)
        names = {member.slug, tokens(id_)} if _has_digit(slug) else set()
        shorter += ((" ".join(words), member.model) for words in names)
    titles = [
        (" ".join(words), member.model)
        for member in members
        for words in {member.title, tokens(member.model.name)}
        if _has_digit(" ".join(words))
    ]
    undated = [
        (words, member.model)
        for member in plain_first
        if not member.model.variant
        for words in _undated(member.model.canonical_slug)
    ]
    for unique in (_unique(shorter), _unique(titles), _unique(undated)):
        for text, model in unique.items():
            spellings.setdefault(text, model)
    spellings.pop("", None)
    return spellings


def _unique(named: Iterable[tuple[str, Model]]) -> dict[str, Model]:
    """The names that only one model has."""
    models: dict[str, set[Model]] = {}
    for name, model in named:
        models.setdefault(name, set()).add(model)
    return {name: found.pop() for name, found in models.items() if len(found) == 1}


def _undated(canonical_slug: str) -> set[str]:
    """The words of a permanent slug without its date, with the author and without."""
    names = (tokens(canonical_slug), tokens(_slug(canonical_slug)))
    return {" ".join(words[:-1]) for words in names if words and RELEASE.fullmatch(words[-1])}


def _slug(id_: str) -> str:
    return id_.partition("/")[2]


def _day(word: str) -> date | None:
    try:
        return datetime.strptime(word, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _tells_version(word: str) -> bool:
    return _has_digit(word) and not SIZE.fullmatch(word)


def _not_found(name: str, asked: Sequence[str], pool: Iterable[Member]) -> OpenRouterError:
    ids = _nearest(asked, name, pool)
    advice = f"Nearest: {', '.join(ids)}. Use one of these ids" if ids else "Name another"
    return _error(f'No model matches "{clean(name, SHOWN_NAME)}". {advice}', ids)


def _nearest(asked: Sequence[str], name: str, pool: Iterable[Member]) -> list[str]:
    typed = " ".join(asked) or name[:LONGEST_NAME]

    def likeness(member: Member) -> tuple[float, int]:
        shared = sum(any(answers(word, token) for token in member.every) for word in asked)
        ratio = SequenceMatcher(None, " ".join(member.slug), typed).ratio()
        return shared + ratio, member.model.created

    return [member.model.id for member in nlargest(3, pool, key=likeness)]


def _ambiguous(name: str, meant: Sequence[Member]) -> OpenRouterError:
    ids = [member.model.id for member in meant[:3]]
    return _error(
        f'"{clean(name, SHOWN_NAME)}" may be {" or ".join(ids)}. Use one of these ids', ids
    )


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
    title: tuple[str, ...]
    own: frozenset[str]
    every: frozenset[str]
    version: float

    @classmethod
    def of(cls, model: Model) -> Self:
        """Split a model's names into words."""
        author, _, slug = model.id.removeprefix("~").partition("/")
        title = tokens(model.name.rpartition(": ")[2])
        own = {*tokens(slug), *title}
        every = {*own, *tokens(author), *tokens(model.name), "".join(tokens(author))}
        stated = _version((*tokens(slug), *title))
        return cls(model, tokens(slug), title, frozenset(own), frozenset(every), stated)

    def is_named_by(self, asked: Sequence[str]) -> bool:
        """Whether this is what was asked for, not a relative whose name says more.

        Its brand, size, date and stage (preview) need not be said.
        """
        brand = {*tokens(self.model.author), *tokens(self.model.name.rpartition(": ")[0])}
        unsaid = NEUTRAL_WORDS | STAGES | brand | {*self.slug[:1]}
        return any(
            _has({*name, *brand}, asked)
            and all(
                word in unsaid or SIZE.fullmatch(word) or DATE.fullmatch(word)
                for word in name
                if not any(answers(said, word) for said in asked)
            )
            for name in (self.slug, self.title)
        )

    @property
    def dates(self) -> set[str]:
        """The words of the slug that are dates or numbers of a release."""
        return {word for word in self.slug if DATE.fullmatch(word)}

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
    plain = text[:4000].lower()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", text[:4000]).lower()
        plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
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
    """Whether a model's token is what was asked for: "3" also means k3 and 3.0, but not 3.2."""
    if asked == token:
        return True
    want, have = VERSION.fullmatch(asked), VERSION.fullmatch(token)
    if not want or not have or DATE.fullmatch(asked) or DATE.fullmatch(token):
        return False
    return want[1] in ("", have[1]) and _numbers(want[2]) == _numbers(have[2])


def _numbers(version: str) -> list[str]:
    """The parts of a version without the zeros at its end: 5.0 is 5."""
    parts = version.split(".")
    while parts[-1] == "0" and len(parts) > 1:
        parts.pop()
    return parts
