"""Whatever comes back from OpenRouter: a code, a text, and the receipt of what it has cost.

FUZZ=20000 in the environment tries so many replies, FUZZ_FROM=1000 others.
"""

import base64
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import httpx2
import pytest

from openrouter_mcp.money import parse_usd
from openrouter_mcp.results import ERROR_META, RECEIPT_META
from openrouter_mcp.simulator.media import VIDEO, silence
from openrouter_mcp.simulator.state import INFERENCE_KEY, MANAGEMENT_KEY, Simulator
from tests.support import mutations, wire
from tests.support.processes import PEER
from tests.support.results import text
from tests.tools.test_odd_replies import PNG, USAGE, recording

LARGEST = 8 * 1024 * 1024
"""Bytes of one line that is sent to the client."""
COST = 0.0042
MODEL = wire.MODEL
ORDER = "gen-vid-1"
SOURCE = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "files__process_id"}}
CALL["function"] |= {"arguments": "{}"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SOUND = base64.b64encode(bytes(2000)).decode()
DRAWN = f"data:image/png;base64,{PNG}"
USED = {**wire.USAGE, "cost": COST}


def events(*deltas: dict[str, Any], finish: str = "stop") -> list[Any]:
    """A streamed chat."""
    return [*(wire.chunk(**d) for d in deltas), wire.chunk(finish=finish), wire.usage(cost=COST)]


def whole(**fields: Any) -> dict[str, Any]:
    """A chat in one piece."""
    return {**wire.message(**fields), "usage": USED}


class Target(NamedTuple):
    """A paid call, and a good reply to be damaged: JSON, events, or bytes."""

    tool: str
    arguments: dict[str, Any]
    path: str
    reply: Any


ANSWER = events(
    {"role": "assistant", "content": "Good "},
    {"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]},
    {"content": "morning.", "annotations": [SOURCE]},
)
HELLO = {"prompt": "Hello", "model": MODEL}
JUDGED = {"prompt": "Hello", "models": ["openai/gpt-5-mini", "anthropic/claude-sonnet-5"]}
CHAT, VIDEOS = "/chat/completions", {"prompt": "A fox", "model": "google/veo-3.1"}
FILM = {"id": ORDER, "status": "completed", "unsigned_urls": ["https://a/0"], "usage": USAGE}
TARGETS = {
    "chat": Target("chat", HELLO, CHAT, ANSWER),
    "chat in one piece": Target(
        "chat", HELLO, CHAT, whole(content="Hi.", reasoning="Hm", annotations=[SOURCE])
    ),
    "chat in a thread": Target("chat", {**HELLO, "thread_id": "new"}, CHAT, ANSWER),
    "chat with tools": Target(
        "chat",
        {**HELLO, "options": {"tools": [{"type": "function", "function": {"name": "a"}}]}},
        CHAT,
        events({"tool_calls": [{"index": 0, **CALL}]}, finish="tool_calls"),
    ),
    "chat with schema": Target(
        "chat",
        {**HELLO, "schema": SCHEMA},
        CHAT,
        events({"content": '{"city":'}, {"content": '"P"}'}),
    ),
    "compare": Target("compare_models", {**JUDGED, "judge": MODEL}, CHAT, ANSWER),
    "agent": Target(
        "run_agent",
        {"task": "Go", "model": MODEL},
        CHAT,
        events({"content": "Yes."}, {"tool_calls": [{"index": 0, **CALL}]}, finish="tool_calls"),
    ),
    "completion": Target(
        "complete_text",
        HELLO,
        "/completions",
        {
            "id": wire.ID,
            "model": MODEL,
            "choices": [{"index": 0, "text": " there.", "finish_reason": "stop"}],
            "usage": USED,
        },
    ),
    "image": Target(
        "generate_image",
        {"prompt": "A fox"},
        "/images",
        {"data": [{"b64_json": PNG}], "usage": USAGE},
    ),
    "image in a chat": Target(
        "generate_image",
        {"prompt": "A fox", "model": "google/gemini-3.1-flash-image-preview"},
        CHAT,
        events({"images": [{"type": "image_url", "image_url": {"url": DRAWN}}]}, {"content": "."}),
    ),
    "speech": Target("generate_audio", {"text": "Hello."}, "/audio/speech", silence(1)),
    "speech in a chat": Target(
        "generate_audio",
        {"text": "Hello.", "model": "openai/gpt-audio"},
        CHAT,
        events({"audio": {"data": SOUND}}, {"audio": {"transcript": "Hello."}}),
    ),
    "transcript": Target(
        "transcribe_audio",
        {"file": "speech.wav"},
        "/audio/transcriptions",
        {"text": "Good morning.", "usage": {**USAGE, "seconds": 1.0}},
    ),
    "vectors": Target(
        "embed_texts",
        {"texts": ["a"], "save_to": "vectors.jsonl"},
        "/embeddings",
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}], "model": "m", "usage": USAGE},
    ),
    "ranking": Target(
        "rerank_documents",
        {"query": "a", "documents": ["a", "b"]},
        "/rerank",
        {"results": [{"index": 1, "relevance_score": 0.9}], "usage": USAGE},
    ),
    "order of a video": Target(
        "generate_video", VIDEOS, "/videos", {"id": ORDER, "status": "pending", "polling_url": "/a"}
    ),
    "status of a video": Target("generate_video", VIDEOS, f"/videos/{ORDER}", FILM),
    "file of a video": Target("generate_video", VIDEOS, f"/videos/{ORDER}/content*", VIDEO[:3000]),
}
DRAWER = "bytedance-seed/seedream-4.5"
LOOK_UPS: dict[str, tuple[str, dict[str, Any], str]] = {
    "/models": ("find_models", {}, "/models"),
    "/models ": ("recommend_model", {"task": "code"}, "/models"),
    "/models/*/endpoints": ("get_model", {"model": MODEL}, f"/models/{MODEL}/endpoints"),
    "/benchmarks": ("recommend_model", {"task": "code"}, "/benchmarks"),
    "/benchmarks ": ("get_rankings", {"kind": "benchmarks"}, "/benchmarks"),
    "/datasets/rankings-daily": ("get_rankings", {"kind": "models"}, "/datasets/rankings-daily"),
    "/datasets/app-rankings": ("get_rankings", {"kind": "apps"}, "/datasets/app-rankings"),
    "/classifications/task": ("get_rankings", {"kind": "tasks"}, "/classifications/task"),
    "/key": ("get_account", {}, "/key"),
    "/credits": ("get_account", {}, "/credits"),
    "/providers": ("list_providers", {}, "/providers"),
    "/endpoints/zdr": ("find_models", {"zdr": True}, "/endpoints/zdr"),
    "/videos/models": ("generate_video", {**VIDEOS, "dry_run": True}, "/videos/models"),
    "/images/models": ("generate_image", {"prompt": "A fox", "dry_run": True}, "/images/models"),
    "/images/models/*/endpoints": (
        "generate_image",
        {"prompt": "A fox", "aspect_ratio": "1:1", "model": DRAWER, "dry_run": True},
        f"/images/models/{DRAWER}/endpoints",
    ),
    "/datasets/session-cost": ("get_rankings", {"kind": "sessions"}, "/datasets/session-cost"),
    "/activity": ("get_usage", {}, "/activity"),
}
COUNT = int(os.environ.get("FUZZ", "200"))
BEGIN = int(os.environ.get("FUZZ_FROM", "0"))


def seeds(name: str, share: int) -> Iterator[tuple[str, Random]]:
    """The generators of so many of all replies, one for each, always the same."""
    for number in range(BEGIN, BEGIN + max(1, COUNT // share)):
        yield f"{name} {number}", Random(f"{name} {number}")  # noqa: S311


def sent(random: Random, reply: Any) -> tuple[list[bytes], str]:
    """The reply as it comes."""
    if isinstance(reply, list):
        return mutations.stream(random, reply)
    if not isinstance(reply, bytes):
        return mutations.one_piece(random, reply)
    if random.random() < 0.3:
        return mutations.one_piece(random, {"text": "x", "usage": USAGE, "audio": {"data": SOUND}})
    content = mutations.damaged(random, reply)
    return [content], random.choice(["audio/mpeg", "video/mp4", *mutations.TYPES])


def costs(content: bytes) -> set[Decimal]:
    """USD that the parts of a reply report plainly; none for one that is damaged as a whole."""
    try:
        said = re.split(r"^data: ?\[DONE\]", content.decode("utf-8-sig"), flags=re.MULTILINE)[
            0
        ].strip()
    except UnicodeDecodeError:
        return set()
    found = set()
    for part in (
        [said] if said.startswith("{") else re.findall(r"^data: ?(.*)$", said, re.MULTILINE)
    ):
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        usage = value.get("usage") if isinstance(value, dict) else None
        cost = usage.get("cost") if isinstance(usage, dict) else None
        if cost is not None and not isinstance(cost, bool | list | dict):
            found.add(parse_usd(cost))
    return found - {None}


def faults(result: Any) -> Iterator[str]:
    """What no result may be, whatever came."""
    error = (result.meta or {}).get(ERROR_META, {})
    said = text(result)
    everything = f"{said}{result.structured_content}{result.meta}"
    if error.get("code") == "INTERNAL":
        yield "INTERNAL"
    if not said.strip():
        yield "no text"
    # A model that was paid may have said one before it broke off.
    if "Traceback (most" in said or (error and not receipt_of(result) and "<html" in said):
        yield "a traceback, or a page"
    if INFERENCE_KEY in everything:
        yield "the key"
    if sum(len(block.model_dump_json()) for block in result.content) > LARGEST:
        yield "too long"


def faults_of_paid(result: Any, content: bytes, requests: int) -> Iterator[str]:
    """The same for what was paid."""
    error = (result.meta or {}).get(ERROR_META, {})
    reported, receipt = costs(content), receipt_of(result)
    # OpenRouter bills nothing for an error, unless it tells what that has cost.
    free = not any(reported) if b"error" in content else reported == {0}
    if error.get("retryable") and not free:
        yield f"retryable: {text(result)[:200]}"
    if reported and not receipt:
        yield f"no receipt: {text(result)[:200]}"
    if reported and receipt:
        told = Decimal(str(receipt.get("cost", -1)))
        if told < min(reported) or (requests == 1 and told not in reported):
            yield f"another cost: {told}, {reported}"


def faults_of_film(result: Any, name: str, content: bytes) -> Iterator[str]:
    """The same for a video; it is looked at again where its status cannot be read."""
    code = (result.meta or {}).get(ERROR_META, {}).get("code")
    receipt, reported = receipt_of(result), {Decimal(str(COST))}
    if name == "status of a video":
        # What is no UTF-8 in it costs none of the rest.
        reported |= costs(content.decode("utf-8", "replace").encode())
    if name == "order of a video" and code and not receipt:
        yield from faults_of_paid(result, content, 1)
    elif (result.meta or {}).get(ERROR_META, {}).get("retryable"):
        yield f"retryable: {text(result)[:200]}"
    elif name == "status of a video" and not (receipt or code == "UPSTREAM_TIMEOUT"):
        yield f"no receipt: {text(result)[:200]}"
    elif name == "file of a video" and not receipt.get("cost"):
        yield f"no cost: {text(result)[:200]}"
    if "cost" in receipt and Decimal(str(receipt["cost"])) not in reported:
        yield f"another cost: {receipt['cost']}, {reported}"


def receipt_of(result: Any) -> dict[str, Any]:
    return (result.meta or {}).get(RECEIPT_META) or (result.structured_content or {}).get(
        "receipt", {}
    )


@pytest.fixture
def prepared(configure, connect, tmp_path) -> Callable[..., Any]:
    """Make a client of a server that has nothing to wait for."""
    config = tmp_path / "mcp.json"
    peer = {"command": sys.executable, "args": [PEER]}
    config.write_text(json.dumps({"mcpServers": {"files": peer}}))
    (tmp_path / "speech.wav").write_bytes(recording())

    def make(**variables: str):
        configure(
            OPENROUTER_MCP_CONFIG=str(config),
            OPENROUTER_ALLOWED_DIRS=str(tmp_path),
            OPENROUTER_VIDEO_POLL_INTERVAL_MS="1",
            OPENROUTER_VIDEO_MAX_WAIT_MS="5",
            OPENROUTER_AGENT_MAX_STEPS="3",
            **variables,
        )
        return connect()

    return make


@pytest.mark.parametrize("name", TARGETS)
async def test_paid_replies(prepared, simulator: Simulator, tmp_path, name: str) -> None:
    target, found, ledger = TARGETS[name], [], Decimal(0)
    arguments = dict(target.arguments)
    if "file" in arguments:
        arguments["file"] = str(tmp_path / "speech.wav")
    async with prepared() as client:
        for seed, random in seeds(name, len(TARGETS)):
            pieces, media_type = sent(random, target.reply)
            simulator.faults.clear()
            simulator.requests.clear()
            simulator.answer_raw(*pieces, media_type=media_type, path=target.path, times=4)
            if target.tool == "generate_video":
                answer_film(simulator)
            elif name == "image in a chat":
                simulator.fail("not_found", path="/images/models/*", times=None)
            result = await client.call_tool(target.tool, arguments, raise_on_error=False)
            posts = [request for request in simulator.requests if request.method == "POST"]
            content = b"".join(pieces)
            found += [f"{seed}: {fault}" for fault in faults(result)]
            if target.tool == "generate_video":
                found += [f"{seed}: {fault}" for fault in faults_of_film(result, name, content)]
            else:
                found += [f"{seed}: {f}" for f in faults_of_paid(result, content, len(posts))]
            ledger += Decimal(str(receipt_of(result).get("cost", 0)))
        used = await client.call_tool("get_usage", {})
    assert found == []
    assert total(used.structured_content) >= ledger - Decimal("0.000001") * COUNT


def answer_film(simulator: Simulator) -> None:
    """Let the parts of a video's life that are not damaged be as they should."""
    order = json.dumps({"id": ORDER, "status": "pending"})
    kind = "application/json"
    simulator.answer_raw(order, media_type=kind, path="/videos", times=None)
    simulator.answer_raw(
        VIDEO, media_type="video/mp4", path=f"/videos/{ORDER}/content*", times=None
    )
    simulator.answer_raw(json.dumps(FILM), media_type=kind, path=f"/videos/{ORDER}", times=None)


def total(usage: dict[str, Any]) -> Decimal:
    return sum((Decimal(str(row["usd"])) for row in usage["here"]), Decimal(0))


@pytest.mark.parametrize("path", LOOK_UPS)
async def test_look_ups(prepared, simulator: Simulator, environment, tmp_path, path: str) -> None:
    tool, arguments, concrete = LOOK_UPS[path]
    headers = {"Authorization": f"Bearer {MANAGEMENT_KEY}"}
    reply = httpx2.get(environment["OPENROUTER_BASE_URL"] + concrete, headers=headers).json()
    found = []
    for number, (seed, random) in enumerate(seeds(path, 10 * len(LOOK_UPS))):
        pieces, media_type = mutations.one_piece(random, reply)
        simulator.faults.clear()
        simulator.answer_raw(*pieces, media_type=media_type, path=path.strip(), times=None)
        state = str(tmp_path / str(number))
        async with prepared(
            OPENROUTER_STATE_DIR=state, OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY
        ) as client:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
        found += [f"{seed}: {fault}" for fault in faults(result)]
    assert found == []
