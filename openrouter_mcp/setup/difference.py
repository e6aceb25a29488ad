"""What would change in a configuration, shown without the secrets that it holds."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from openrouter_mcp.text import plain_lines

MASK = "****"
SECRET_FIELDS = {"env", "environment", "headers", "http_headers"}
TOKEN = re.compile(r"[A-Za-z0-9_.+=~-]{20,}")
SHORTEST = 12
"""Characters of a secret that is masked within other texts too."""
LONGEST = 200
"""Characters of a line that are shown, beside those that change."""
CONTEXT = 2
"""Lines that are shown before and after a change."""


def shown(before: str, after: str, documents: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """The lines of a unified diff, in which the secrets of the documents are masked."""
    secrets = {value for document in documents for value in _secrets(document, within=False)}
    texts = [_masked(text, {*secrets, key}) for text in (before, after)]
    if texts[0] == texts[1] and before != after:
        texts[1] = texts[1].replace(MASK, f"{MASK} (another one)")
    old, new = (plain_lines(text.expandtabs(4)).splitlines() for text in texts)
    return _shortened([*difflib.unified_diff(old, new, lineterm="", n=CONTEXT)][2:])


def _secrets(value: Any, *, within: bool) -> Iterator[str]:
    """The texts that are variables or headers, and what looks like a token."""
    if isinstance(value, str):
        digits = any(character.isdigit() for character in value)
        if not value.startswith("${") and (within or (digits and TOKEN.fullmatch(value))):
            yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, within=within or name in SECRET_FIELDS)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, within=within)


def _masked(text: str, secrets: set[str]) -> str:
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        for ascii_only in (False, True):
            text = text.replace(json.dumps(secret, ensure_ascii=ascii_only), f'"{MASK}"')
        text = text.replace(f"'{secret}'", f"'{MASK}'")
        text = text.replace(secret, MASK) if len(secret) >= SHORTEST else text
    return text


def _shortened(lines: list[str]) -> list[str]:
    """The lines, of those that are long only where they begin to differ from their neighbour."""
    short = list(lines)
    for index, line in enumerate(lines):
        if len(line) > LONGEST:
            near = lines[index - 1 if line[0] == "+" and index else min(index + 1, len(lines) - 1)]
            pairs = enumerate(zip(line[1:], near[1:], strict=False), 1)
            start = next((each for each, (one, other) in pairs if one != other), LONGEST)
            begin = max(1, min(start, len(line) - LONGEST // 2) - LONGEST // 4)
            part = line[begin : begin + LONGEST]
            ends = "..." if begin > 1 else "", "..." if begin + LONGEST < len(line) else ""
            short[index] = f"{line[0]}{ends[0]}{part}{ends[1]}"
    return short
