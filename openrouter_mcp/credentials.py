"""Our own keys: what can be one, and that they leave in nothing but the header made for them."""

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
AROUND = " \t\r\n'\"`,;\u2018\u2019\u201c\u201d\u200b\ufeff"
"""What is copied along with a key."""
BEFORE = ("export ", "openrouter_api_key=", "authorization:", "bearer ")
"""What stands before a key in the files and headers that it is copied from."""
MARKS = ("sk-or-v1-", "sk-or-", "sk-")
"""How keys begin."""
UNFILLED = ("${", "$(", "{{", "%", "<", "[", "...", "\u2026", "://")
"""What is in no key, but in the places where one is to be put."""
MEANT = (
    *("yourkey", "yourapi", "youropenrouter", "yourtoken", "keyhere", "keygoeshere"),
    *("changeme", "replaceme"),
)
MEANT_ALONE = {"key", "apikey", "mykey", "openrouterapikey", "todo", "none", "null", "undefined"}
"""The letters of words that ask for a key."""
VENDORS = {
    "sk-ant-": "Anthropic",
    "sk-proj-": "OpenAI",
    "sk-svcacct-": "OpenAI",
    "gsk_": "Groq",
    "AIza": "Google",
    "xai-": "xAI",
    "pplx-": "Perplexity",
    "hf_": "Hugging Face",
    "r8_": "Replicate",
    "ghp_": "GitHub",
    "github_pat_": "GitHub",
}
"""Whose keys begin like that."""


def cleaned(key: str) -> str:
    """A key without what was copied along with it."""
    before = ""
    while key != before:
        before, key = key, key.strip(AROUND)
        for word in BEFORE:
            if key.lower().startswith(word):
                key = key[len(word) :]
    return key


def is_placeholder(key: str) -> bool:
    """Whether this only stands where a key is to be put."""
    body = next((key.removeprefix(mark) for mark in MARKS if key.startswith(mark)), key)
    letters = "".join(filter(str.isalpha, key.lower()))
    return (
        not body.strip("xX*_.-")
        or len(set(body)) == 1
        or any(mark in key for mark in UNFILLED)
        or key.startswith("$")
        or any(word in letters for word in MEANT)
        or letters in MEANT_ALONE
    )


def flaw(key: str) -> str:
    """Why this can be no key of OpenRouter's, to follow where it was found; else empty."""
    if is_placeholder(key):
        return "holds a placeholder instead of a key"
    for mark, vendor in VENDORS.items():
        if key.startswith(mark):
            return f"holds a key of {vendor}, which OpenRouter does not know"
    return "holds a key with blanks or line breaks inside" if len(key.split()) > 1 else ""


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
