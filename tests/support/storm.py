"""Servers that share a cap, under calls of which half try to get past it.

By hand: `python -m tests.support.storm 4 400 0.5` prints what OpenRouter billed of which cap.
"""

import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from openrouter_mcp.settings import Settings
from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, Script, Simulator
from openrouter_mcp.spending.budget import Budget
from openrouter_mcp.state.store import Store
from tests.support import stdio

CHEAP, DEAR = "openai/gpt-5-mini", "anthropic/claude-opus-5"
HOSTILE: list[dict[str, Any]] = [
    {"models": [DEAR, CHEAP]},
    {"max_tokens": 100_000},
    {"n": 8},
    {"provider": {"max_price": {"prompt": 999, "completion": 999}}},
    {"provider": {"sort": "throughput"}, "service_tier": "priority"},
    {"tools": [{"type": "openrouter:web_search", "parameters": {"max_uses": 0}}]},
    {"tools": [{"type": "openrouter:web_search", "parameters": {"max_uses": True}}]},
    {"tools": [{"type": "openrouter:subagent"}, {"type": "openrouter:fusion"}]},
    {"tools": [{"type": "openrouter:image_generation"}]},
    {"tools": [{"type": "web_search_preview"}]},
    {"web_search_options": {"search_context_size": "high"}},
    {"plugins": [{"id": "fusion"}]},
    {"plugins": [{"id": "web", "max_results": 50}]},
    {"stop_server_tools_when": []},
    {"reasoning": {"effort": "high"}},
    {"max_cost": 1000},
]
FAULTS = ["cut_before_headers", "rate_limited", "error_in_ok"]


@dataclass
class Result:
    """What became of the calls, and of the money."""

    cap: Decimal
    billed: Decimal = Decimal(0)
    ledger: Decimal = Decimal(0)
    endings: Counter[str] = field(default_factory=Counter)


def call(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """A paid call, half of them with an option that costs more than one would think."""
    options = chance.choice(HOSTILE) if chance.random() < 0.5 else {}
    prompt = "Count. " * chance.randint(1, 200)
    model = chance.choice([CHEAP, DEAR, "openrouter/auto"])
    tool, arguments = chance.choice(
        [
            ("chat", {"prompt": prompt, "model": model}),
            ("chat", {"prompt": prompt, "model": model, "web": True}),
            ("complete_text", {"prompt": prompt, "model": CHEAP}),
            ("compare_models", {"prompt": prompt, "models": [CHEAP, DEAR]}),
            ("rerank_documents", {"query": "a", "documents": ["a", prompt]}),
            ("embed_texts", {"texts": [prompt]}),
            ("generate_image", {"prompt": "A cat", "n": chance.randint(1, 4)}),
            ("generate_audio", {"text": prompt}),
        ]
    )
    return tool, {**arguments, "max_cost": chance.choice([0, 0, 1000]), "options": options}


async def storm(servers: int, calls: int, cap: Decimal, *, kills: int, seed: int = 1) -> Result:
    """Let so many servers make so many calls under a cap per day, and kill some meanwhile."""
    chance, result = random.Random(seed), Result(cap)  # noqa: S311 - nothing secret
    with serve(Simulator()) as upstream, tempfile.TemporaryDirectory() as directory:
        simulator = upstream.simulator
        simulator.answer(Script(text="one two three " * 60, chunk_delay=0.001), times=None)
        for fault in FAULTS * (calls // 40):
            simulator.fail(fault, path=chance.choice(["/chat/completions", "/rerank", "/images"]))
        simulator.generation_misses = 2
        environment = {
            "OPENROUTER_API_KEY": INFERENCE_KEY,
            "OPENROUTER_BASE_URL": upstream.url,
            "OPENROUTER_STATE_DIR": str(Path(directory, "state")),
            "OPENROUTER_OUTPUT_DIR": str(Path(directory, "output")),
            "OPENROUTER_MAX_COST_PER_DAY": str(cap),
        }
        share = [calls // servers] * servers
        killed = [index < kills for index in range(servers)]
        async with asyncio.TaskGroup() as group:
            for count, dies in zip(share, killed, strict=True):
                own = random.Random(chance.random())  # noqa: S311
                group.create_task(_serve(environment, count, own, result, dies=dies))
        store = Store(Path(directory, "state"))
        remaining = await Budget(Settings(max_cost_per_day=cap), store).remaining()
        await store.aclose()
        result.billed, result.ledger = simulator.spent, remaining.day_spent
    return result


async def _serve(
    environment: Mapping[str, str],
    calls: int,
    chance: random.Random,
    result: Result,
    *,
    dies: bool,
) -> None:
    """One client's server and its calls, several at once; one that dies is started again."""
    made = 0
    while made < calls:
        async with stdio.server(dict(environment)) as server:
            await server.initialize()
            while made < calls:
                asked = [call(chance) for _ in range(min(10, calls - made))]
                ids = [server.call(tool, **arguments) for tool, arguments in asked]
                made += len(ids)
                if dies and made >= calls // 2:
                    dies = False
                    for each in ids[:2]:
                        await _ending(server, each, result)
                    server.process.kill()
                    result.endings["killed"] += len(ids) - 2
                    break
                for each in ids:
                    await _ending(server, each, result)
            else:
                await server.close()


async def _ending(server: stdio.Process, identity: int, result: Result) -> None:
    with suppress(EOFError):
        async with asyncio.timeout(120):
            reply = (await server.reply(identity))["result"]
        error = (reply.get("_meta") or {}).get("openrouter/error") or {}
        result.endings[error.get("code") or "answered"] += 1


if __name__ == "__main__":
    stdio.PATIENCE = 120.0
    asked = asyncio.run(storm(int(sys.argv[1]), int(sys.argv[2]), Decimal(sys.argv[3]), kills=2))
    sys.stdout.write(f"{asked}\n")
