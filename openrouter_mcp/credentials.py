"""Our own keys, which leave in nothing but the header that is made for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

SHORTEST = 12
"""Characters of a key; what is shorter is a word that texts may hold by chance."""
HIDDEN = "[a key of this server]"


def held_in(value: Any, keys: Sequence[str]) -> bool:
    """Whether a JSON value holds one of the keys in any of its texts, also spelled as in a URL."""
    keys = [key for key in keys if len(key) >= SHORTEST]
    pending = [value] if keys else []
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if any(key in item for key in keys):
                return True
            if "%" in item and any(key in unquote(item) for key in keys):
                return True
        elif isinstance(item, Mapping):
            pending += [*item, *item.values()]
        elif isinstance(item, list | tuple):
            pending += item
    return False


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
