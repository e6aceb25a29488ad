"""Tokens and money: what a chat counts and what it costs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

MEDIA_TOKENS = 256
"""What every part of a prompt that is not text counts."""
CACHEABLE = 1024
"""Fewer repeated tokens than this are not cached by providers."""


def tokens(text: str) -> int:
    """A quarter of the characters, rounded up."""
    return -(-len(text) // 4)


def prompt_text(messages: list[dict[str, Any]]) -> str:
    """All the text of the messages, in order."""
    texts = []
    for message in messages:
        content = message.get("content") or ""
        if isinstance(content, str):
            texts.append(content)
        else:
            texts += [part["text"] for part in content if part["type"] == "text"]
    return "".join(texts)


def prompt_tokens(messages: list[dict[str, Any]]) -> int:
    """The tokens of all messages, media included."""
    parts = [
        part
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
    ]
    media = sum(part["type"] != "text" for part in parts)
    return tokens(prompt_text(messages)) + media * MEDIA_TOKENS


def cached_tokens(earlier: list[str], prompt: str) -> int:
    """The tokens of the longest beginning that an earlier prompt shares, 0 if too short."""
    longest = 0
    for old in earlier:
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, prompt, strict=False))
        longest = max(longest, sum(1 for _ in same) // 4)
    return longest if longest >= CACHEABLE else 0


@dataclass
class Counted:
    """What one generation used."""

    prompt: int
    completion: int
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    searches: int = 0
    tool_calls: int = 0


def effective(pricing: dict[str, Any], prompt: int, now: float) -> dict[str, str]:
    """The prices in force: base prices with every override whose conditions all hold."""
    result = {key: value for key, value in pricing.items() if isinstance(value, str)}
    moment = datetime.fromtimestamp(now, UTC)
    for entry in pricing.get("overrides", []):
        if prompt > entry.get("min_prompt_tokens", -1) and _in_window(entry, moment):
            result |= {key: value for key, value in entry.items() if isinstance(value, str)}
    return result


def _in_window(entry: dict[str, Any], moment: datetime) -> bool:
    days = entry.get("utc_days")
    if days and f"{moment:%A}".lower() not in days:
        return False
    if "utc_start" not in entry:
        return True
    clock, start, end = moment.hour * 100 + moment.minute, entry["utc_start"], entry["utc_end"]
    return start <= clock < end if start <= end else clock >= start or clock < end


def cost(pricing: dict[str, Any], counted: Counted, now: float) -> tuple[Decimal, Decimal]:
    """What the prompt and what the completion cost, in USD; per-request fees go to the prompt."""
    rates = effective(pricing, counted.prompt, now)

    def rate(key: str, default: str = "0") -> Decimal:
        return Decimal(rates.get(key, default))

    fresh = counted.prompt - counted.cached - counted.cache_written
    prompt = (
        fresh * rate("prompt")
        + counted.cached * rate("input_cache_read", rates["prompt"])
        + counted.cache_written * rate("input_cache_write", rates["prompt"])
        + rate("request")
        + counted.searches * rate("web_search")
    )
    return prompt, counted.completion * rate("completion")


def usage(counted: Counted, prompt_cost: Decimal, completion_cost: Decimal) -> dict[str, Any]:
    """The `usage` object."""
    report: dict[str, Any] = {
        "prompt_tokens": counted.prompt,
        "completion_tokens": counted.completion,
        "total_tokens": counted.prompt + counted.completion,
        "cost": float(prompt_cost + completion_cost),
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": float(prompt_cost),
            "upstream_inference_completions_cost": float(completion_cost),
        },
        "prompt_tokens_details": {
            "cached_tokens": counted.cached,
            "cache_write_tokens": counted.cache_written,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": counted.reasoning,
            "audio_tokens": 0,
            "image_tokens": 0,
        },
    }
    if counted.searches:
        report["server_tool_use_details"] = {
            "web_search_requests": counted.searches,
            "tool_calls_requested": counted.searches,
            "tool_calls_executed": counted.searches,
        }
    return report
