"""Argument types shared by the tools: tolerant in what they take, flat in the schema they show."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, FailFast, Field

from openrouter_mcp.text import parse_json

MOST_TOKENS = 1_000_000_000
MOST_ITEMS = 10_000
"""Items of a list: checking many times as many would hold up every other call."""


def _list(value: object) -> object:
    """A list as such, as a JSON string, or as one bare item."""
    if isinstance(value, str):
        text = value.strip()
        value = _parsed(text) if text.startswith("[") else [value] if text else []
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        raise ValueError(f"takes at most {MOST_ITEMS:,} items")
    return [value] if isinstance(value, dict) else value


def _object(value: object) -> object:
    """An object as such or as a JSON string."""
    if not isinstance(value, str):
        return value
    return _parsed(value) if value.strip() else {}


def _parsed(text: str) -> object:
    try:
        return parse_json(text)
    except ValueError:
        raise ValueError("looks like JSON but does not parse") from None


def _text(value: object) -> object:
    """Text; a number given for it is meant as written."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _countable(tokens: int) -> int:
    """Fewer tokens than a billion; a maximum in the schema would cost words."""
    if tokens >= MOST_TOKENS:
        raise ValueError("no model has so many tokens")
    return tokens


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[list[Text], FailFast(), BeforeValidator(_list)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_object)]
Messages = Annotated[list[JsonObject], FailFast(), BeforeValidator(_list)]
Tokens = Annotated[int, Field(ge=0), AfterValidator(_countable)]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
