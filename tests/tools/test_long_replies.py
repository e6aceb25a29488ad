"""A long reply is saved, and what matters of it stands where every client shows it."""

import json
import re
import sys
from pathlib import Path

import pytest

from openrouter_mcp import results
from openrouter_mcp.results import WHOLE_META
from openrouter_mcp.simulator.state import Script, Simulator
from tests.support import calls
from tests.support.processes import PEER
from tests.support.results import RECEIPT, call, text

MOST = 3000
LONG = "Words about foxes. " * 1000
FIRST = results.SHOWN_EVERYWHERE
MODEL = "openai/gpt-5-mini"


@pytest.fixture
async def short(configure, connect, tmp_path):
    config = tmp_path / "mcp.json"
    peer = {"command": sys.executable, "args": [PEER]}
    config.write_text(json.dumps({"mcpServers": {"files": peer}}))
    configure(OPENROUTER_MAX_REPLY_CHARS=str(MOST), OPENROUTER_MCP_CONFIG=str(config))
    async with connect() as client:
        yield client


def assert_shown(result, whole: str) -> str:
    """What the client sees; the path of the whole stands at the beginning and near the end."""
    shown = text(result)
    path = result.meta[WHOLE_META]
    assert whole in Path(path).read_text("utf-8")
    assert path in shown[:FIRST]
    assert path in shown[-1000:]
    assert len(shown) < MOST + 2 * FIRST
    if receipt := (result.meta or {}).get(RECEIPT):
        line = shown.splitlines()[-1]
        assert line.startswith(f"-- {receipt['model']}")
        assert shown.startswith(line)
        assert path in shown[: -len(line)][-500:]
    return shown


TEXTS = ["chat", "complete_text", "compare_models", "analyze_media", "run_agent"]


@pytest.mark.parametrize("tool", TEXTS)
async def test_a_long_answer_tells_first_what_it_cost_and_where_it_is(
    short, simulator: Simulator, tmp_path, tool
) -> None:
    simulator.answer(LONG, times=None)
    result = await call(short, tool, **calls.arguments(tmp_path)[tool])
    assert not result.is_error, text(result)
    assert_shown(result, LONG.strip()[: 2 * MOST])


async def test_a_long_transcript_does_so_too(short, simulator: Simulator, tmp_path) -> None:
    reply = {"text": LONG, "usage": {"cost": 0.001, "seconds": 3}}
    simulator.answer_raw(
        json.dumps(reply), path="/audio/transcriptions", media_type="application/json"
    )
    result = await call(
        short, "transcribe_audio", file=calls.arguments(tmp_path)["transcribe_audio"]["file"]
    )
    assert not result.is_error, text(result)
    assert_shown(result, LONG.strip()[:MOST])


async def test_a_long_conversation_shows_its_end(short, simulator: Simulator) -> None:
    simulator.answer(LONG + "The end.")
    first = await call(short, "chat", prompt="Hi", model=MODEL, thread_id="new")
    (thread,) = {word for word in text(first).split('"') if word.startswith("thread_")}
    shown = assert_shown(await call(short, "list_threads", thread_id=thread), LONG)
    assert "The end." in shown


async def test_the_long_text_of_a_cancelled_job_is_saved(
    configure, connect, simulator: Simulator
) -> None:
    configure(OPENROUTER_MAX_REPLY_CHARS=str(MOST), OPENROUTER_WAIT_SECONDS="0.05")
    simulator.answer(Script(text=LONG, latency=0.1, chunk_delay=0.0005))
    async with connect() as client:
        started = await call(client, "chat", prompt="Tell me", model=MODEL)
        job = started.meta["openrouter/job"]["job_id"]
        so_far = 0
        while so_far <= MOST:
            waiting = text(await call(client, "get_job", job_id=job, wait=0.02))
            found = re.search(r"([\d,]+) characters so far", waiting)
            so_far = int(found[1].replace(",", "")) if found else 0
        result = await call(client, "get_job", job_id=job, cancel=True)
    shown = assert_shown(result, LONG[:MOST])
    assert job in shown[:500]
    assert "was cancelled after" in shown


async def test_long_content_of_a_generation_is_saved(short, simulator: Simulator) -> None:
    made = await call(short, "chat", prompt="Hi", model=MODEL)
    generation = made.meta[RECEIPT]["generation_id"]
    content = {"data": {"input": {"prompt": LONG}, "output": {"completion": "y"}}}
    simulator.answer_raw(
        json.dumps(content), path="/generation/content", media_type="application/json"
    )
    found = await call(short, "get_generation", generation_id=generation, content=True)
    note = found.structured_content["note"]
    assert json.loads(Path(note.rpartition(" in ")[2]).read_text("utf-8")) == content["data"]
    assert note in text(found)[:500]
    assert len(text(found)) < MOST


async def test_long_json_stays_whole_and_is_saved(short, simulator: Simulator) -> None:
    value = {"words": LONG}
    simulator.answer(json.dumps(value))
    schema = {"type": "object", "properties": {"words": {"type": "string"}}}
    result = await call(short, "chat", prompt="Hi", model=MODEL, schema=schema)
    answer, ending = (block.text for block in result.content)
    assert json.loads(answer) == value
    assert Path(result.meta[WHOLE_META]).read_text("utf-8").startswith(answer)
    assert f"All of this reply is in {result.meta[WHOLE_META]} too." in ending


async def test_what_was_cut_off_or_broke_off_is_told_first(client, simulator: Simulator) -> None:
    simulator.answer(Script(text=LONG[:5000], finish_reason="length"), times=None)
    result = await call(client, "chat", prompt="Hi", model=MODEL, max_tokens=2000)
    assert "cut off" in text(result)[:500]


async def test_a_short_reply_has_no_head(client, simulator: Simulator) -> None:
    simulator.answer(LONG[:1000])
    result = await call(client, "chat", prompt="Hi", model=MODEL)
    assert text(result).startswith(LONG[:100])
    assert text(result).count("-- openai/") == 1


async def test_data_begins_with_its_receipt(client) -> None:
    result = await call(client, "rerank_documents", query="a", documents=["a", "b"])
    assert text(result).startswith('{"receipt":{"line":"-- ')


@pytest.mark.parametrize(("previews", "number"), [("on", 2), ("off", 0), ("OFF", 0)])
async def test_previews_are_small_and_can_be_left_out(configure, connect, previews, number) -> None:
    configure(OPENROUTER_PREVIEWS=previews)
    async with connect() as client:
        result = await call(client, "generate_image", prompt="a fox", n=2)
    images = [block for block in result.content if block.type == "image"]
    assert len(images) == number
    assert sum(len(image.data) for image in images) < 100_000
    assert sum(block.type == "resource_link" for block in result.content) == 2
