"""What a model is told to answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ECHO = "{echo}"


@dataclass(frozen=True)
class Script:
    """An answer in place of the default echo.

    `text` may hold `{echo}` for the default answer; None is a null content. `tool_calls` are
    `{"name": ..., "arguments": {...}}`. `finish_reason` "" means whatever fits, None is null.
    `latency` is the time before the first token, `chunk_delay` the time before each later chunk,
    both in seconds. `model` is the name that the reply gives itself, as dated names do.
    """

    text: str | None = ECHO
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = ""
    refusal: str | None = None
    latency: float | None = None
    chunk_delay: float = 0.0
    model: str = ""


@dataclass
class Queued:
    """A script waiting for its request: of this model, with this text in the prompt."""

    script: Script
    times: int | None
    model: str
    prompt: str


@dataclass
class Film:
    """How the videos turn out: after how many looks, with which status, of how many bytes.

    `content` is sent in place of a video; `ranges` says whether a part of it can be asked for,
    `usage` whether a failed one tells its cost.
    """

    looks: int = 2
    status: str = "completed"
    error: str = "Content policy violation"
    size: int = 200_000
    content: bytes | None = None
    ranges: bool = True
    usage: bool = True
