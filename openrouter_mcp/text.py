"""Text: foreign text and JSON made fit to show and to keep, durations, near misses, ids."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

MESSAGE_LIMIT = 300
LOOKED_AT = 20_000
"""Characters of a foreign text of which one line is made."""
LONGEST_NAME = 200
"""Characters of a name that others are compared with; nobody means a longer one."""
DAY = 86_400
"""Seconds."""
DEEPEST_JSON = 128
"""Levels of a JSON value; what others can read of ours, with our own levels around it, has 200."""
LONGEST_NUMBER = 300
"""Digits of a whole number; a longer one is no number that anyone counts with."""
STRING_OR_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*(?:"|\\?\Z))|,(\s*[}\]])', re.DOTALL)
"""A string that never ends reaches to the end, so that the time stays linear."""
HALF_CHARACTER = re.compile(r"\\u[dD]")
"""How JSON spells one of the two halves that make up some characters, such as emoji."""
BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""Characters that count as printable, of which nothing is seen."""
CONTROLS = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-Z^-~]?|"
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f\U000e0000-\U000e007f]"
)
"""Escape sequences of terminals, other controls, bidirectional overrides, and hidden letters."""
MOST_CONTAINERS = 400_000
MOST_ITEMS = 3_000_000
"""Objects and lists in one JSON value, and commas: each takes far more memory than its letters."""
TOO_MANY = "it has too many values"
TOO_DEEP = f"it has more than {DEEPEST_JSON} levels"
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
ID_LENGTH = 10


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 12 min, 5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def clean(text: object, limit: int = MESSAGE_LIMIT) -> str:
    """Foreign text made fit to show: one line, no markup, no key, at most `limit` characters.

    Characters that control a terminal or the direction of reading, or that nobody sees, are left
    out: with them a text can look like another one.
    """
    line = _cleaned(str(text)[:LOOKED_AT])
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


@lru_cache(maxsize=128)
def _cleaned(text: str) -> str:
    """The text as `clean` shows it. A reply names the same models and providers many times."""
    line = "".join(filter(is_seen, " ".join(text.split())))
    line = " ".join(re.sub(r"<[/!A-Za-z][^>]*(>|$)", " ", line).split())
    line = re.sub(r"(sk-or-|(?<![A-Za-z])sk-)[A-Za-z0-9_-]{6,}", "sk-...", line)
    return re.sub(r"(?i)bearer\s+\S+", "Bearer ...", line)


def without_middle(text: str, limit: int) -> str:
    """Text of our own around words of others: its beginning and its end where it is too long."""
    half = (limit - 7) // 2
    return text if len(text) <= limit else f"{text[:half]} [...] {text[-half:]}"


def nearest(name: str, known: Iterable[str], *, most: int = 3, likeness: float = 0.5) -> list[str]:
    """The known names that are spelled most like `name`, best first; `likeness` is 0 to 1."""
    return get_close_matches(name[:LONGEST_NAME], list(known), n=most, cutoff=likeness)


def is_typo(word: str, known: str) -> bool:
    """Whether a slip of one letter makes `word` of `known`: two swapped, one missing or too many.

    In a word of six letters or more, one may also be another: short ones would be other names.
    """
    if len(word) > len(known):
        word, known = known, word
    differs = next(
        (at for at, pair in enumerate(zip(word, known, strict=False)) if len({*pair}) > 1),
        len(word),
    )
    rest, known_rest = word[differs:], known[differs:]
    if len(word) < len(known):
        return rest == known_rest[1:]
    swapped = rest[:2] == known_rest[1::-1] and rest[2:] == known_rest[2:]
    return swapped or (len(word) >= 6 and rest[1:] == known_rest[1:])


def did_you_mean(near: Sequence[str], otherwise: str) -> str:
    """A question that offers the near names, or what to say when there are none."""
    return f"Did you mean {' or '.join(near)}?" if near else otherwise


def validation_reason(message: str) -> str:
    """What pydantic says is wrong with a value, made fit to stand within a sentence."""
    reason = message.removeprefix("Value error, ").rstrip(".")
    return reason[:1].lower() + reason[1:]


def random_id(prefix: str) -> str:
    """A new id that nobody can guess, such as `job_k3x...`."""
    letters = (ID_ALPHABET[byte % len(ID_ALPHABET)] for byte in secrets.token_bytes(ID_LENGTH))
    return prefix + "".join(letters)


def storable(text: str) -> str:
    """The text without halves of characters, which neither UTF-8 nor SQLite can hold."""
    return text.encode("utf-8", "replace").decode()


def showable(text: str) -> str:
    """Text of others, whole, without what a terminal obeys or what turns the order of reading.

    What languages and emoji need stays: joiners, letters from right to left, line ends.
    """
    return CONTROLS.sub("", storable(text).replace("\r\n", "\n").replace("\r", "\n"))


def plain_lines(text: str) -> str:
    """Text for a log: of what nobody sees, only ends of lines stay."""
    lines = showable(text).split("\n")
    return "\n".join("".join(filter(is_seen, line)) for line in lines)


def is_seen(character: str) -> bool:
    """Whether a character is one that a reader sees, or a plain space."""
    return character.isprintable() and character not in BLANK


def showable_json(value: Any) -> Any:
    """A JSON value in which every text is storable and can be shown."""
    if isinstance(value, str):
        return showable(value)
    if isinstance(value, Mapping):
        return {showable_json(key): showable_json(item) for key, item in value.items()}
    return [showable_json(item) for item in value] if isinstance(value, list | tuple) else value


def parse_json(text: str | bytes) -> Any:
    """The value of JSON that others wrote. Raises `ValueError` for what cannot be read.

    Numbers that JSON does not know (NaN, infinities, and what is as good as infinite) are None;
    halves of characters are replaced, and a byte order mark and other encodings of Unicode heeded.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "replace")
    if _has_too_many_values(text):
        raise ValueError(TOO_MANY)
    value = parse_literally(
        text.strip(),
        parse_constant=_no_number,
        parse_float=_finite,
        parse_int=lambda digits: int(digits) if len(digits) <= LONGEST_NUMBER else None,
    )
    if not HALF_CHARACTER.search(text):
        return value
    units = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
    return json.loads(units.decode("utf-16-le", "replace"))


def _has_too_many_values(text: str) -> bool:
    """Whether JSON would take hundreds of megabytes in memory beside its texts."""
    if not _exceeds(text):
        return False
    # What stands in texts does not count.
    return _exceeds("".join(re.sub(r"\\.", "", text).split('"')[::2]))


def _exceeds(text: str) -> bool:
    if len(text) < MOST_CONTAINERS:
        return False
    containers = text.count("{") + text.count("[")
    return containers > MOST_CONTAINERS or text.count(",") > MOST_ITEMS


def parse_literally(text: str | bytes, **options: Any) -> Any:
    """The value of JSON as Python has it, for what we wrote ourselves. Raises `ValueError`."""
    try:
        value = json.loads(text, **options)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if is_too_deep(value):
        raise ValueError(TOO_DEEP)
    return value


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value has more levels than can be handed on."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST_JSON):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def without_trailing_commas(text: str) -> str:
    """JSON without the commas after the last of something, which people and models write."""
    return STRING_OR_TRAILING_COMMA.sub(r"\1\2", text)


def _no_number(_constant: str) -> None:
    """What Python takes for a number and JSON does not."""


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
