"""Our own keys, which leave in nothing but the header that is made for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

SHORTEST = 12
"""Characters of a key; what is shorter is a word that texts may hold by chance."""
HIDDEN = "[a key of this server]"
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def held_in(value: Any, keys: Sequence[str]) -> bool:
    """Whether a JSON value holds one of the keys in any of its texts.

    In these they may also be spelled as in a URL, or with the escapes of JSON.
    """
    keys = [key for key in keys if len(key) >= SHORTEST]
    pending = [value] if keys else []
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if any(key in spelled for spelled in _spelled(item) for key in keys):
                return True
        elif isinstance(item, Mapping):
            pending += [*item, *item.values()]
        elif isinstance(item, list | tuple):
            pending += item
    return False


def _spelled(text: str) -> Iterator[str]:
    """The text, and what it says to who reads it as part of a URL or of JSON."""
    yield text
    if "%" in text:
        yield unquote(text)
    if "\\" in text:
        # JSON inside of JSON has more than one backslash before each escape.
        yield ESCAPED.sub(lambda match: chr(int(match[1], 16)), text).replace("\\", "")


def hidden(value: Any, keys: Sequence[str]) -> Any:
    """The JSON value without the keys."""
    if isinstance(value, str):
        for key in keys:
            if len(key) >= SHORTEST:
                value = value.replace(key, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {hidden(name, keys): hidden(item, keys) for name, item in value.items()}
    return [hidden(item, keys) for item in value] if isinstance(value, list | tuple) else value


def hidden_in_line(line: bytes, keys: Sequence[str]) -> bytes:
    """A line of JSON without the keys, however JSON spells them."""
    for key in keys:
        if len(key) >= SHORTEST:
            for as_ascii in (False, True):
                spelled = json.dumps(key, ensure_ascii=as_ascii)[1:-1]
                line = line.replace(spelled.encode("utf-8", "replace"), HIDDEN.encode())
    return line
