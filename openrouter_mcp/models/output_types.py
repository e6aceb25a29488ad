"""What the look-ups answer: the output schemas that clients see."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class FoundModels(TypedDict):
    """A page of models; prices in USD per million tokens."""

    models: list[dict[str, Any]]
    total: int
    filtered_by: NotRequired[dict[str, Any]]
    order_missing: NotRequired[str]
    next: NotRequired[str]
    as_of: str


class Advice(TypedDict):
    """Models for a task, best advice first; `missing` names the sources that did not answer."""

    task: str
    cost_for: str
    models: list[dict[str, Any]]
    considered: int
    sources: dict[str, str]
    missing: dict[str, str]
    as_of: str


class Ranking(TypedDict):
    """A table, what it is about, and whose data it is."""

    about: str
    rows: list[dict[str, Any]]
    total: int
    as_of: str
    attribution: str
    fetched_at: NotRequired[str]


class Providers(TypedDict):
    """Providers; `zdr_endpoints` counts their endpoints that retain no data."""

    providers: list[dict[str, Any]]
    total: int
    next: NotRequired[str]
    missing: NotRequired[dict[str, str]]


class ModelCard(TypedDict):
    """One model; `resolved` says how a loose name was understood, `missing` what is not known."""

    model: dict[str, Any]
    resolved: NotRequired[str]
    missing: NotRequired[dict[str, str]]
    as_of: str
