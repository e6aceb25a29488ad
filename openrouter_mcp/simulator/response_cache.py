"""OpenRouter's own cache of whole replies, which callers switch on by header."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.generation import Generation
from openrouter_mcp.simulator.scripts import Script
from openrouter_mcp.simulator.usage import Counted, usage

DEFAULT_TTL = 300
LONGEST_TTL = 86_400


@dataclass
class Stored:
    """A reply kept for identical requests; times in Unix seconds."""

    reply: Generation
    stored_at: float
    ttl: int

    def again(self, new_id: str) -> Generation:
        """The same answer under a new id, free and without metadata."""
        return dataclasses.replace(
            self.reply,
            id=new_id,
            usage=usage(Counted(0, 0), Decimal(0), Decimal(0)),
            metadata=None,
            script=Script(),
            cost=Decimal(0),
        )


def wanted(call: Call) -> bool:
    """Whether the request switches the cache on."""
    return call.headers.get("x-openrouter-cache", "").lower() == "true"


def ttl(call: Call) -> int:
    """The time to live asked for, in seconds: the leading digits, clamped."""
    digits = re.match(r"\d+", call.headers.get("x-openrouter-cache-ttl", ""))
    return min(max(int(digits[0]), 1), LONGEST_TTL) if digits else DEFAULT_TTL


def key(call: Call) -> tuple[str, ...]:
    """What must be the same for a hit: key, endpoint, and the body byte for byte."""
    return call.key, call.path, hashlib.sha256(call.recorded.raw).hexdigest()


def look_up(call: Call) -> Stored | None:
    """The stored reply to this request, unless it is too old or to be replaced."""
    if not wanted(call) or call.headers.get("x-openrouter-cache-clear", "").lower() == "true":
        return None
    stored = call.simulator.response_cache.get(key(call))
    if stored and call.simulator.clock() < stored.stored_at + stored.ttl:
        return stored
    return None


def store(call: Call, generation: Generation) -> None:
    """Keep a fresh, complete reply."""
    if wanted(call) and generation.fresh:
        kept = dataclasses.replace(generation, fresh=False)
        call.simulator.response_cache[key(call)] = Stored(kept, call.simulator.clock(), ttl(call))


def headers(call: Call, stored: Stored | None) -> dict[str, str]:
    """The four cache headers of a hit, two of a miss, none without the cache."""
    if not wanted(call):
        return {}
    name = "X-OpenRouter-Cache-"
    if stored is None:
        return {f"{name}Status": "MISS", f"{name}TTL": str(ttl(call))}
    age = int(call.simulator.clock() - stored.stored_at)
    return {
        f"{name}Status": "HIT",
        f"{name}Age": str(age),
        f"{name}TTL": str(stored.ttl - age),
        f"{name}Source-Id": stored.reply.id,
    }
