"""Long texts in pieces that end where a speaker would pause. Pure."""

from __future__ import annotations

import re

PAUSES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"[.!?\u2026][\"'\u00bb\u201d)\]]*\s+|[\u3002\uff01\uff1f]"),
    re.compile(r"[,;:]\s+|[\u3001\uff0c\uff1b\uff1a]|\s[-\u2013\u2014]\s"),
    re.compile(r"\s+"),
)
"""Where a text may be divided, the best first: paragraphs, sentences, clauses, words."""
LEAST_FILLED = 0.3
"""The share of a piece that a good pause must leave, so that pieces do not become crumbs."""


def pieces(text: str, longest: int) -> list[str]:
    """The text divided into pieces of at most `longest` characters; nothing but space is lost."""
    rest = text.strip()
    found = []
    while len(rest) > longest:
        end = _end(rest, longest)
        found.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [*found, rest] if rest else found


def _end(text: str, longest: int) -> int:
    for pause in PAUSES:
        ends = [match.end() for match in pause.finditer(text, 0, longest)]
        if ends and ends[-1] >= LEAST_FILLED * longest:
            return ends[-1]
    return longest
