"""A finished generation, and the two shapes in which it travels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openrouter_mcp.simulator.answers import Answer, deltas, message
from openrouter_mcp.simulator.scripts import Script
from openrouter_mcp.simulator.wire_faults import KEEP_ALIVE, event

Json = dict[str, Any]


@dataclass
class Generation:
    """One answer with everything that the reply says about it."""

    id: str
    model: str
    provider: str
    service_tier: str | None
    created: int
    answer: Answer
    usage: Json
    metadata: Json | None
    script: Script
    cost: Decimal
    fresh: bool = True
    """False for a reply that comes from the cache."""

    @property
    def head(self) -> Json:
        """What every chunk and the whole reply begin with."""
        return {
            "id": self.id,
            "created": self.created,
            "model": self.model,
            "provider": self.provider,
        }


def whole(generation: Generation) -> Json:
    """The reply as one JSON object."""
    answer = generation.answer
    choice = {
        "index": 0,
        "finish_reason": answer.finish_reason,
        "native_finish_reason": answer.native_finish_reason,
        "logprobs": None,
        "message": message(answer),
    }
    reply = generation.head | {
        "object": "chat.completion",
        "system_fingerprint": None,
        "service_tier": generation.service_tier,
        "choices": [choice],
        "usage": generation.usage,
    }
    return reply | _metadata(generation)


def _metadata(generation: Generation) -> Json:
    return {"openrouter_metadata": generation.metadata} if generation.metadata else {}


async def stream(
    generation: Generation, latency: float, done: Callable[[], None]
) -> AsyncIterator[bytes]:
    """The reply as events: comments, the role, the answer, the finish, usage, `[DONE]`.

    `done` is called when the answer is complete.
    """
    yield KEEP_ALIVE * 2
    await asyncio.sleep(latency)
    answer = generation.answer
    head = generation.head | {"object": "chat.completion.chunk"}
    finish = (answer.finish_reason, answer.native_finish_reason)
    parts = [(part, (None, None)) for part in deltas(answer)] + [({"content": ""}, finish)]
    for number, (delta, (reason, native)) in enumerate(parts):
        if number and generation.script.chunk_delay:
            await asyncio.sleep(generation.script.chunk_delay)
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield event(head | {"choices": [choice | {"native_finish_reason": native}]})
    last = {"choices": [], "service_tier": generation.service_tier, "usage": generation.usage}
    done()
    yield event(head | last | _metadata(generation))
    yield b"data: [DONE]\n\n"
