"""Live knowledge of models: what there is, what it costs, how it runs. Nothing here is billed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from fastmcp.tools import tool
from pydantic import Field
from typing_extensions import TypedDict

from openrouter_mcp import cards, lookup
from openrouter_mcp.app import App
from openrouter_mcp.arguments import Text, Texts, Usd
from openrouter_mcp.filters import ModelFilter
from openrouter_mcp.market import Market
from openrouter_mcp.tools.context import LOOK_UP, CurrentApp

Sort = Literal[
    *("", "newest", "price", "context", "name", "intelligence", "coding", "agentic"),
    *("popularity", "throughput", "latency", "tool_success"),
]


class FoundModels(TypedDict):
    """A page of models; prices in USD per million tokens."""

    models: list[dict[str, Any]]
    total: int
    filtered_by: NotRequired[dict[str, Any]]
    order_missing: NotRequired[str]
    next: NotRequired[str]
    as_of: str


class ModelCard(TypedDict):
    """One model; `resolved` says how a loose name was understood, `missing` what is not known."""

    model: dict[str, Any]
    resolved: NotRequired[str]
    missing: NotRequired[dict[str, str]]
    as_of: str
