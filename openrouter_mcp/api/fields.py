"""Fields of JSON from elsewhere: each may be missing, null or of another kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def text(value: object, name: str) -> str:
    """The field as text; empty if it is none."""
    field = _field(value, name)
    return field if isinstance(field, str) else ""


def mapping(value: object, name: str) -> Json:
    """The field as an object; empty if it is none."""
    field = _field(value, name)
    return field if isinstance(field, dict) else {}


def mappings(value: object, name: str) -> list[Json]:
    """The objects in the list that the field is; empty if it is none."""
    field = _field(value, name)
    return [item for item in field if isinstance(item, dict)] if isinstance(field, list) else []


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None
