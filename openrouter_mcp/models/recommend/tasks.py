"""What a task in words and hard needs ask of a model. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from openrouter_mcp.models.filter import ABILITIES, one_of

LONG_CONTEXT = 200_000
FEW_TOKENS = (3_000, 1_000)
MANY_TOKENS = (100_000, 2_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A kind of task: by what words it is known, what it requires, who measures it.

    `index` is one of Artificial Analysis, `arena` an arena and category of Design Arena, `category`
    a use case of OpenRouter's rankings, `usage` a word in the tags of its task classification.
    """

    name: str
    words: str
    output: str = "text"
    input: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    index: str = ""
    arena: tuple[str, str] | None = None
    category: str = ""
    usage: str = ""


_LOOKING = (
    r"^(?=.*(?:describ|analy|understand|question|caption|read|look|summar|watch|extract|detect|"
    r"classif|recogni|listen|hear))"
)
_CODING = (
    r"\bcod(?:e|es|ing|er|ebase)\b|program|debug|refactor|software|\bbugs?\b|unit tests?|\bsql\b|"
    r"python|javascript|typescript|\brust\b|\bjava\b|compil|pull request|repositor|firmware"
)
PROFILES = (
    Profile(
        name="embeddings",
        words=r"\bembed(?:ding|s?\b)|vector (?:search|store|database|index)|semantic search",
        output="embeddings",
    ),
    Profile(name="reranking", words=r"re-?rank", output="rerank"),
    Profile(
        name="transcription",
        words=r"transcri|speech.to.text|\bstt\b|\basr\b|subtitl|dictat",
        output="transcription",
    ),
    Profile(
        name="video understanding",
        words=rf"{_LOOKING}.*(?:\bvideos?\b|\bfilms?\b|\bclips?\b)",
        input=("video",),
        index="intelligence",
    ),
    Profile(
        name="video",
        words=r"\bvideos?\b|\bfilms?\b|\bclips?\b|(?<!css )animation",
        output="video",
        arena=("models", "video"),
    ),
    Profile(
        name="speech",
        words=r"text.to.speech|\btts\b|\bspeech\b|\bvoices?\b|voice-?over|narrat|aloud",
        output="speech",
        arena=("models", "text-to-speech"),
    ),
    Profile(name="music and sound", words=r"music|\bsongs?\b|jingle|\bsounds?\b", output="audio"),
    Profile(
        name="listening",
        words=rf"{_LOOKING}.*(?:audio|recordings?|podcasts?)",
        input=("audio",),
        index="intelligence",
    ),
    Profile(
        name="vision",
        words=rf"{_LOOKING}.*(?:images?\b|pictures?|photos?|charts?|diagrams?|scans?)|vision|\bocr\b|"
        r"screenshot",
        input=("image",),
        index="intelligence",
    ),
    Profile(
        name="images",
        words=r"\bimages?\b|pictures?|photos?\b|illustrat|\blogos?\b|drawings?|posters?|paint",
        output="image",
        arena=("models", "image"),
    ),
    Profile(
        name="translation",
        words=r"translat|locali[sz]",
        index="intelligence",
        category="translation",
        usage="translation",
    ),
    Profile(name="roleplay", words=r"role-?play|companion", category="roleplay", usage="roleplay"),
    Profile(
        name="web design",
        words=r"\bui\b|front-?end|websites?|web ?pages?|landing page|\bcss\b",
        arena=("models", "website"),
        category="programming",
        usage="code",
    ),
    Profile(
        name="agents",
        words=r"agent|\btools?\b|autonom|workflow|\bmcp\b|multi-?step|\bbrows(?:e|es|ing)\b",
        supports=("tools",),
        index="agentic",
        usage="agent",
    ),
    Profile(name="coding", words=_CODING, index="coding", category="programming", usage="code"),
    Profile(
        name="marketing",
        words=r"marketing|\bseo\b|advert|slogan",
        index="intelligence",
        category="marketing",
        usage="marketing",
    ),
    Profile(name="law", words=r"legal|\blaw|contracts?\b", index="intelligence", category="legal"),
    Profile(
        name="finance", words=r"financ|accounting|invest", index="intelligence", category="finance"
    ),
    Profile(name="health", words=r"health|medic|clinic", index="intelligence", category="health"),
    Profile(
        name="reasoning",
        words=r"reason|\bmath|proofs?\b|\blogic|\bhard\b|complex|think|research|scien|physics|\bplan",
        supports=("reasoning",),
        index="intelligence",
        category="science",
    ),
    Profile(name="general", words="", index="intelligence"),
)
FRUGAL = re.compile(
    r"cheap|bulk|millions?\b|thousands|high.volume|budget|low.cost|classif|label|tagging|batch"
)
FAST = re.compile(r"\bfast|low.latency|real.?time|\bquick(?:ly)?\b|autocomplet|instant|speedy")
LONG = re.compile(r"\blong\b|documents?\b|\bbooks?\b|whole (?:repo|codebase)|large context|\dk\b")


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was understood: its profile, and what matters beside quality."""

    profile: Profile
    frugal: bool
    fast: bool
    long: bool

    @property
    def name(self) -> str:
        """The task in a few words."""
        traits = {"cheap": self.frugal, "fast": self.fast, "long input": self.long}
        return ", ".join([self.profile.name, *(name for name, has in traits.items() if has)])

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens in and out to reckon with when no prompt is given."""
        return MANY_TOKENS if self.long else FEW_TOKENS


LONGEST_TASK = 1000
"""Characters in which a task is said."""


def understand(task: str) -> Task:
    """What a task in words is about; what is not recognised is general."""
    text = " ".join(task[:LONGEST_TASK].lower().split())
    profile = next(profile for profile in PROFILES if re.search(profile.words, text))
    traits = (FRUGAL, FAST, LONG) if profile.output == "text" else (FRUGAL, FAST)
    frugal, fast, *long = (bool(trait.search(text)) for trait in traits)
    return Task(profile, frugal, fast, any(long))


INPUTS = {
    "vision": "image",
    "image": "image",
    "images": "image",
    "audio": "audio",
    "video": "video",
    "pdf": "file",
    "file": "file",
    "files": "file",
}
LISTINGS = {
    "zdr": {"zdr": "true"},
    "eu": {"region": "eu"},
    "us": {"region": "us"},
}
"""Needs that only the API can check, as queries of GET /models."""
FLAGS = ("free", "open", "routers", "expiring")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model must have. `listings` are queries of GET /models that must name it."""

    input: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()
    flags: Collection[str] = field(default_factory=frozenset)


def needed(words: Iterable[str], parameters: Iterable[str]) -> Needs:
    """Read needs in words; `parameters` are those that the catalogue knows.

    Raises `OpenRouterError` with INVALID_INPUT for an unknown one.
    """
    abilities = {*ABILITIES, *parameters}
    known = [*INPUTS, *LISTINGS, *FLAGS, *sorted(abilities)]
    asked = [one_of("need", re.sub(r"^region[:= ]\s*", "", word), known) for word in words]
    return Needs(
        input=tuple(INPUTS[word] for word in asked if word in INPUTS),
        supports=tuple(word for word in asked if word in abilities),
        listings=tuple(word for word in asked if word in LISTINGS),
        flags=frozenset(asked).intersection(FLAGS),
    )
