"""Odd prices and numbers anywhere in the catalogue break no tool, and none of them is shown."""

import json
import re
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openrouter_mcp.results import ERROR_META
from openrouter_mcp.simulator.state import INFERENCE_KEY, Simulator
from tests.support.results import text
from tests.tools.test_odd_replies import recording

MODEL = "openai/gpt-5-mini"
PATHS = {
    "/models": "/models?output_modalities=all",
    "/models/*/endpoints": f"/models/{MODEL}/endpoints",
    "/images/models": "",
    "/images/models/*/endpoints": "/images/models/google/gemini-3.1-flash-image-preview/endpoints",
    "/videos/models": "",
    "/providers": "",
    "/benchmarks": "/benchmarks?source=artificial-analysis",
    "/datasets/rankings-daily": "",
    "/datasets/session-cost": "",
    "/classifications/task": "",
}
"""Whose replies are made odd, and where each is had."""
ODD: tuple[Any, ...] = (
    *(None, "", "much", "16:30", "NaN", "Infinity", "-Infinity", "1e400", "1e-400000"),
    *(-0.5, "-0.5", -(10**30), 10**30, "0.1 USD", True),
    *([], ["other"], [None, "other"], [[-0.5]], {}, {"a": "NaN"}, {"p50": "NaN", "p90": -0.5}),
)
WORDS = re.compile(
    r"\b(?:nan|inf|infinity|much|16:30|1e\+?400)\b|Cost: \$0(?![.\d]| to)", re.IGNORECASE
)
NEGATIVE = re.compile(r"-\$|\$-|(?<![\w.)-])-\d|\d{31}")
NAMES = {"id", "slug", "name", "tag", "model_id", "model_name", "provider_name", "provider_slug"}
NAMES |= {"quantization", "knowledge_cutoff", "headquarters", "default_effort", "turn_range"}
NAMES |= {"provider_tag", "canonical_slug", "model_permaslug", "date", "kind", "billable", "unit"}
DRY = {"dry_run": True}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("find_models", {"limit": 100, "sort": "price"}),
    ("get_model", {"model": MODEL}),
    ("get_model", {"model": "google/veo-3.1"}),
    ("recommend_model", {"task": "code"}),
    ("recommend_model", {"task": "video"}),
    ("get_rankings", {"kind": "benchmarks"}),
    ("get_rankings", {"kind": "sessions"}),
    ("get_rankings", {"kind": "tasks"}),
    ("find_models", {"free": True}),
    ("list_providers", {}),
    ("chat", {"prompt": "Hello", "model": MODEL, **DRY}),
    ("compare_models", {"prompt": "Hello", "models": [MODEL, "anthropic/claude-sonnet-5"], **DRY}),
    ("generate_image", {"prompt": "A fox", **DRY}),
    ("generate_video", {"prompt": "A fox", **DRY}),
    ("generate_video", {"prompt": "A fox", "model": "google/veo-3.1", **DRY}),
    ("generate_audio", {"text": "Hello.", **DRY}),
    ("transcribe_audio", {"file": "speech.wav", **DRY}),
    ("embed_texts", {"texts": ["a"], "save_to": "vectors.jsonl", **DRY}),
    ("rerank_documents", {"query": "a", "documents": ["a", "b"], **DRY}),
]
Field = tuple[str, ...]
Reply = tuple[str, list[Field]]


def fields(value: Any, at: Field = ()) -> Iterator[Field]:
    """Where in a reply something stands that is no name or prose; "*" is every row of a list."""
    if isinstance(value, dict):
        for name, inside in value.items():
            if name not in NAMES:
                yield from fields(inside, (*at, name))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        for row in value:
            yield from fields(row, (*at, "*"))
    prose = isinstance(value, str) and not re.fullmatch(r"-?[\d.]+", value)
    if at[2:] and at[-1] != "*" and not prose:
        yield at


def make_odd(value: Any, at: Field, odd: Iterator[Any]) -> None:
    """Replace a field of every row by the next odd value."""
    if isinstance(value, list) and at[0] == "*":
        for row in value:
            make_odd(row, at[1:], odd)
    elif isinstance(value, dict) and at[0] in value:
        if len(at) == 1:
            value[at[0]] = next(odd)
        else:
            make_odd(value[at[0]], at[1:], odd)


def faults(value: Any, at: str = "") -> Iterator[str]:
    """What stands in a reply and is no price, no number and nothing to read."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from faults(inside, f"{at}.{name}")
    elif isinstance(value, list):
        for inside in value:
            yield from faults(inside, at)
    elif isinstance(value, str) and (said := WORDS.search(value) or NEGATIVE.search(value)):
        yield f"{at}: {value[max(0, said.start() - 100) : said.end() + 20]}"
    elif isinstance(value, int | float) and not 0 <= value < 10**15:
        yield f"{at}: {value}"


@pytest.fixture
def replies(simulator: Simulator, environment, tmp_path, monkeypatch) -> dict[str, Reply]:
    """What OpenRouter answers when nothing is odd, and the fields that can become it."""
    headers = {"Authorization": f"Bearer {INFERENCE_KEY}"}
    base = environment["OPENROUTER_BASE_URL"]
    (tmp_path / "speech.wav").write_bytes(recording())
    monkeypatch.chdir(tmp_path)
    bodies = {
        path: httpx2.get(base + (concrete or path), headers=headers).text
        for path, concrete in PATHS.items()
    }
    return {path: (body, sorted(set(fields(json.loads(body))))) for path, body in bodies.items()}


async def attempts(connect, calls) -> list[str]:
    """What is wrong with the results of the calls, each of which costs nothing."""
    found = []
    async with connect() as client:
        for tool, arguments in calls:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            error = (result.meta or {}).get(ERROR_META, {})
            if error.get("code") == "INTERNAL":
                found.append(f"{tool} {arguments}: {text(result)[:300]}")
            found += [f"{tool}: {fault}" for fault in faults(text(result))]
            found += [f"{tool}: {fault}" for fault in faults(result.structured_content)]
    return found


def spoil(random: Random, simulator: Simulator, replies: dict[str, Reply]) -> None:
    """Let OpenRouter tell odd values in some fields of everything that it tells."""
    simulator.faults.clear()
    for path, (reply, known) in replies.items():
        body = json.loads(reply)
        for at in random.sample(known, min(len(known), 6)):
            start = random.randrange(len(ODD))
            make_odd(body, at, (ODD[n % len(ODD)] for n in count(start)))
        simulator.answer_raw(json.dumps(body), path=path, media_type="application/json", times=None)


@settings(
    max_examples=settings.default.max_examples // 3,  # each starts a server
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],
)
@given(seed=st.integers(0, 2**32))
async def test_odd_values_break_no_tool_and_are_not_shown(
    configure, connect, simulator: Simulator, replies, tmp_path, seed: int
) -> None:
    random = Random(seed)  # noqa: S311
    spoil(random, simulator, replies)
    configure(OPENROUTER_STATE_DIR=str(tmp_path / f"{seed}"))
    assert await attempts(connect, random.sample(CALLS, 2)) == []
