"""Paid replies that cannot be read: told once, with their receipt, and not repeated."""

import base64
import io
import json
import sqlite3
import struct
import wave
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from openrouter_mcp.files.fetch import Fetcher, Spool
from openrouter_mcp.results import ERROR_META, RECEIPT_META
from openrouter_mcp.simulator.media import silence
from openrouter_mcp.simulator.state import Simulator
from tests.support.results import text

USAGE = {"cost": 0.0042, "prompt_tokens": 3, "total_tokens": 3}


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(data, "PNG")
    return data.getvalue()


PNG = base64.b64encode(picture()).decode()


def recording() -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    return data.getvalue()


CALLS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "generate_image": (
        "/images",
        {"prompt": "A fox"},
        {"created": 1, "data": [{"b64_json": PNG}], "usage": USAGE},
    ),
    "transcribe_audio": (
        "/audio/transcriptions",
        {"file": "speech.wav"},
        {"text": "Good morning.", "usage": {**USAGE, "seconds": 1.0}},
    ),
    "embed_texts": (
        "/embeddings",
        {"texts": ["a"], "save_to": "vectors.jsonl"},
        {"data": [{"index": 0, "embedding": [0.5, 0.25]}], "usage": USAGE},
    ),
    "rerank_documents": (
        "/rerank",
        {"query": "a", "documents": ["a", "b"]},
        {"results": [{"index": 1, "relevance_score": 0.9}], "usage": USAGE},
    ),
}


@pytest.fixture
def call(client, tmp_path, monkeypatch):
    async def call(tool: str):
        arguments = dict(CALLS[tool][1])
        if "file" in arguments:
            path = tmp_path / "speech.wav"
            path.write_bytes(recording())
            arguments["file"] = str(path)
        return await client.call_tool(tool, arguments, raise_on_error=False)

    return call


@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.parametrize(
    "body",
    ["null", "[]", "7", '"words"', "{}", "not JSON", "", "<html>busy</html>", b"\xff\xfe\x00{"],
    ids=repr,
)
async def test_what_cannot_be_read_is_told_and_not_repeated(call, simulator, tool, body):
    simulator.answer_raw(body, path=CALLS[tool][0], media_type="application/json", times=None)
    result = await call(tool)
    assert result.is_error
    error = result.meta[ERROR_META]
    assert error["code"] == "UPSTREAM_ERROR"
    assert error["retryable"] is False
    assert "http_status" not in error
    assert "<html>" not in result.content[0].text
    assert len([r for r in simulator.requests if r.method == "POST"]) == 1


@pytest.mark.parametrize("tool", CALLS)
async def test_what_lacks_its_parts_still_has_its_receipt(call, simulator: Simulator, tool: str):
    path, _, reply = CALLS[tool]
    simulator.answer_raw(
        json.dumps({"usage": reply["usage"]}), path=path, media_type="application/json"
    )
    result = await call(tool)
    assert result.is_error
    assert result.meta[ERROR_META]["retryable"] is False
    assert result.meta[RECEIPT_META]["cost"] == "0.0042"
    assert result.content[-1].text.splitlines()[-1].startswith("-- ")


@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.parametrize("before", ["\ufeff", "\n\n  ", ""], ids=repr)
@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", ""])
async def test_what_can_be_read_in_spite_of_its_wrapping_is_read(
    call, simulator: Simulator, tool: str, before: str, media_type: str
):
    path, _, reply = CALLS[tool]
    simulator.answer_raw(before + json.dumps(reply), path=path, media_type=media_type)
    result = await call(tool)
    assert not result.is_error
    receipt = result.meta.get(RECEIPT_META) or result.structured_content["receipt"]
    assert receipt["cost"] in ("0.0042", 0.0042)


@pytest.mark.parametrize(
    "row",
    [
        {"b64_json": f"data:image/png;base64,{PNG}"},
        {"url": f"data:image/png;base64,{PNG}"},
        {"b64_json": "\n".join(PNG[at : at + 76] for at in range(0, len(PNG), 76))},
        {"b64_json": PNG.rstrip("=")},
        {"b64_json": PNG.replace("+", "-").replace("/", "_")},
        {"b64_json": f"DATA:image/png;name=a.png;BASE64,{PNG}\r\n"},
        {"b64_json": f"image/png;base64,{PNG}=="},
        {"url": f"data:image/png;base64,{quote(PNG, safe='')}"},
    ],
    ids=["data url", "url", "lines", "no padding", "for addresses", "capitals", "bare", "quoted"],
)
async def test_an_image_is_read_in_every_form_of_base64(call, simulator: Simulator, row: dict):
    reply = {"data": [row, {"b64_json": "damaged!"}, None], "usage": USAGE}
    simulator.answer_raw(json.dumps(reply), path="/images", media_type="application/json")
    result = await call("generate_image")
    assert not result.is_error
    assert [block.type for block in result.content].count("resource_link") == 1
    assert "1 image came damaged and could not be saved." in text(result)
    assert "call again" not in text(result).lower()
    assert result.meta[RECEIPT_META]["cost"] == "0.0042"


async def test_an_image_at_an_address_is_fetched(call, simulator: Simulator, monkeypatch):
    asked: list[str] = []

    async def fetch(self, address: str):
        asked.append(address)
        spool = Spool()
        spool.file.write(picture())
        spool.finish()
        return spool

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    rows = [{"url": "https://img.example/a"}, {"b64_json": PNG}]
    reply = {"data": rows, "usage": USAGE}
    simulator.answer_raw(json.dumps(reply), path="/images", media_type="application/json")
    result = await call("generate_image")
    links = [block for block in result.content if block.type == "resource_link"]
    assert [link.mime_type for link in links] == ["image/png", "image/png"]
    assert asked == ["https://img.example/a"]


@pytest.mark.parametrize("address", ["http://127.0.0.1/a.png", "http://169.254.169.254/x"])
async def test_a_private_address_is_told_and_not_fetched(call, simulator: Simulator, address: str):
    reply = {"data": [{"url": address}, {"b64_json": PNG}], "usage": USAGE}
    simulator.answer_raw(json.dumps(reply), path="/images", media_type="application/json")
    result = await call("generate_image")
    assert not result.is_error
    assert f"An image of the answer is at {address}; it was not fetched." in text(result)
    simulator.answer_raw(
        json.dumps({"data": [{"url": address}], "usage": USAGE}),
        path="/images",
        media_type="application/json",
    )
    result = await call("generate_image")
    assert result.is_error
    assert address in text(result)
    assert result.meta[RECEIPT_META]["cost"] == "0.0042"


SAMPLES = bytes(range(1, 251)) * 96


@pytest.mark.parametrize("media_type", ["audio/wav", "application/octet-stream", "text/plain", ""])
async def test_samples_are_told_by_what_was_asked_for(client, simulator, media_type: str, tmp_path):
    simulator.answer_raw(SAMPLES, path="/audio/speech", media_type=media_type)
    arguments = {"text": "Hi.", "format": "wav"}
    result = await client.call_tool("generate_audio", arguments, raise_on_error=False)
    assert not result.is_error
    (link,) = [block for block in result.content if block.type == "resource_link"]
    with wave.open(str(tmp_path / "output" / link.name)) as file:
        assert file.readframes(file.getnframes()) == SAMPLES


SILENCE = silence(1)


@pytest.mark.parametrize("media_type", ["audio/mpeg", "application/json", "text/html", ""])
@pytest.mark.parametrize("body", ['{"usage": {"cost": 0.0042}}', "<html>busy</html>", "", "[]"])
async def test_a_reply_that_is_no_sound_is_told_and_not_repeated(
    client, simulator: Simulator, body: str, media_type: str
):
    simulator.answer_raw(body, path="/audio/speech", media_type=media_type, times=None)
    result = await client.call_tool("generate_audio", {"text": "Hi."}, raise_on_error=False)
    assert result.meta[ERROR_META] == {"code": "UPSTREAM_ERROR", "retryable": False}
    assert "<html>" not in result.content[0].text
    assert len([r for r in simulator.requests if r.method == "POST"]) == 1
    if "usage" in body:
        assert result.meta[RECEIPT_META]["cost"] == "0.0042"


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "video/mp4", ""])
async def test_sound_is_told_from_its_bytes(client, simulator: Simulator, media_type: str):
    simulator.answer_raw(SILENCE, path="/audio/speech", media_type=media_type)
    result = await client.call_tool("generate_audio", {"text": "Hi."}, raise_on_error=False)
    assert not result.is_error
    assert [block.mime_type for block in result.content if block.type == "resource_link"] == [
        "audio/mpeg"
    ]


async def test_a_stream_that_fails_has_its_receipt(client, simulator: Simulator):
    error = {"error": {"code": 502, "message": "Provider returned error"}}
    simulator.answer_raw(error, {"choices": [], "usage": USAGE}, "data: [DONE]\n\n")
    arguments = {"text": "Hi.", "model": "openai/gpt-audio"}
    result = await client.call_tool("generate_audio", arguments, raise_on_error=False)
    assert result.is_error
    assert result.meta[RECEIPT_META]["cost"] == "0.0042"


async def test_a_completion_without_choices_has_its_receipt(client, simulator: Simulator):
    reply = {"choices": [], "usage": USAGE}
    simulator.answer_raw(json.dumps(reply), path="/completions", media_type="application/json")
    arguments = {"prompt": "Once", "model": "openai/gpt-5-mini"}
    result = await client.call_tool("complete_text", arguments, raise_on_error=False)
    assert result.is_error
    assert result.meta[RECEIPT_META]["cost"] == "0.0042"


@pytest.mark.parametrize("share", ["much", [], 10**400, None], ids=str)
async def test_an_odd_share_costs_no_ranking(client, simulator: Simulator, share):
    task = {"tag": "a", "display_name": "A", "usage_share": share, "token_share": share}
    task["models"] = [{"id": "openai/gpt-5-mini", "tag_usage_share": share}]
    body = json.dumps({"data": {"classifications": [task, {**task, "usage_share": 0.5}]}})
    simulator.answer_raw(body, path="/classifications/task", media_type="application/json")
    result = await client.call_tool("get_rankings", {"kind": "tasks"}, raise_on_error=False)
    assert not result.is_error


VIDEO_ROW = {"id": "google/veo-3.1", "pricing_skus": {"duration_seconds": "0.4"}}
PROVIDER = {"slug": "openai", "name": "OpenAI"}
SESSION = {"app_slug": "a", "turn_range": "1", "model_permaslug": "openai/gpt-5-mini"}
ODD_LOOK_UPS = {
    "datacenters": (
        "list_providers",
        {"query": "de"},
        "/providers",
        lambda odd: [{**PROVIDER, "datacenters": odd, "headquarters": odd}],
    ),
    "slugs": (
        "list_providers",
        {},
        "/providers",
        lambda odd: [PROVIDER, {**PROVIDER, "slug": odd}],
    ),
    "session costs": (
        "get_rankings",
        {"kind": "sessions"},
        "/datasets/session-cost",
        lambda odd: [{**SESSION, "median_session_cost_usd": odd}, SESSION],
    ),
    "tokens": (
        "get_rankings",
        {"kind": "models"},
        "/datasets/rankings-daily",
        lambda odd: [{"date": "2026-11-01", "model_permaslug": "a/b", "total_tokens": odd}],
    ),
    "ids of videos": (
        "recommend_model",
        {"task": "video"},
        "/videos/models",
        lambda odd: [{"id": odd, "upscale_factor": 2}, {"upscale_factor": 2}, VIDEO_ROW],
    ),
    "what an image model takes": (
        "generate_image",
        {"prompt": "A fox", "n": 2, "aspect_ratio": "1:1", "dry_run": True},
        "/images/models/*/endpoints",
        lambda odd: [
            {
                "pricing": [{"billable": "output_image", "unit": "image", "cost_usd": "0.01"}],
                "supported_parameters": {
                    "n": {"type": "range", "min": odd, "max": odd},
                    "aspect_ratio": {"type": "enum", "values": odd},
                },
            }
        ],
    ),
}


ODD = [None, "much", 7, [7.5, "4", None], [[]], {"a": 1}, -(10**400), True, [], "\ud83d"]


@pytest.mark.parametrize("what", ODD_LOOK_UPS)
async def test_odd_rows_break_no_look_up(client, simulator: Simulator, what: str):
    tool, arguments, path, rows = ODD_LOOK_UPS[what]
    field = "endpoints" if path.endswith("/endpoints") else "data"
    body = json.dumps({field: [row for odd in ODD for row in rows(odd)], "meta": "odd"})
    simulator.answer_raw(body, path=path, media_type="application/json", times=None)
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    assert (result.meta or {}).get(ERROR_META, {}).get("code") in (None, "INVALID_INPUT")


@pytest.mark.parametrize(
    "odd", [None, "much", [7.5, "4", None, [], 10**400], {"a": 1}], ids=range(4)
)
async def test_odd_durations_break_no_video(client, simulator: Simulator, odd):
    body = json.dumps({"data": [{**VIDEO_ROW, "supported_durations": odd}]})
    simulator.answer_raw(body, path="/videos/models", media_type="application/json")
    arguments = {"prompt": "A fox", "model": "google/veo-3.1", "dry_run": True}
    shown = await client.call_tool("generate_video", arguments)
    # The longest that can be read is what it may cost.
    assert f"Cost: {'$3.00 at most' if isinstance(odd, list) else 'not listed'}" in text(shown)


@pytest.mark.parametrize("id_", ["gen-" + "x" * 20_000, "gen-\n", 7, None, ["gen-1"]], ids=range(5))
@pytest.mark.parametrize("cost", [{}, {"cost": 0.0042}], ids=["no cost", "a cost"])
async def test_an_id_that_is_none_is_not_kept(client, simulator: Simulator, id_, cost):
    reply = {"id": id_, "data": [{"index": 0, "embedding": [0.5]}], "usage": {"total_tokens": 3}}
    reply["usage"] |= cost
    kind = "application/json"
    simulator.answer_raw(json.dumps(reply), path="/embeddings", media_type=kind)
    chunk = {"id": id_, "choices": [{"index": 0, "delta": {"content": "Hi."}}]}
    simulator.answer_raw(chunk, {"choices": [], "usage": reply["usage"]}, "data: [DONE]\n\n")
    texts = {"texts": ["a"], "save_to": "vectors.jsonl"}
    asked = {"prompt": "Hello", "model": "openai/gpt-5-mini"}
    for tool, arguments in (("embed_texts", texts), ("chat", asked)):
        result = await client.call_tool(tool, arguments, raise_on_error=False)
        assert not result.is_error
        assert "generation_id" not in result.meta[RECEIPT_META]
    used = await client.call_tool("get_usage", {"by": "tool"})
    assert [row["calls"] for row in used.structured_content["here"]] == [1, 1]


async def test_a_long_id_in_the_ledger_breaks_no_tool(client, simulator: Simulator, tmp_path):
    """An earlier version kept ids of any length."""
    await client.call_tool("chat", {"prompt": "Hello", "model": "openai/gpt-5-mini"})
    await client.call_tool("get_usage", {})
    long = "gen-" + "x" * 100_000
    pending = "UPDATE ledger SET generation_id = ?, state = 'pending', cost = NULL, reserved = ?"
    with closing(sqlite3.connect(tmp_path / "state" / "state.db")) as connection, connection:
        connection.execute(pending, [long, 10**9])
    used = await client.call_tool("get_usage", {})
    (row,) = used.structured_content["here"]
    assert row["usd_not_settled"] == 1
    told = await client.call_tool("get_generation", {"generation_id": long})
    assert told.structured_content["ledger"]["tool"] == "chat"


@pytest.mark.parametrize("tool", CALLS)
async def test_an_error_beside_its_cost_has_its_receipt(call, simulator: Simulator, tool: str):
    error = {"code": 502, "message": "Provider returned error"}
    body = json.dumps({"error": error, "usage": USAGE, "model": "m"})
    simulator.answer_raw(body, path=CALLS[tool][0], media_type="application/json")
    result = await call(tool)
    assert result.is_error
    assert result.meta[ERROR_META] == {"code": "UPSTREAM_ERROR", "retryable": False}
    assert result.meta[RECEIPT_META]["cost"] == "0.0042"
    assert "Provider returned error" in result.content[0].text


@pytest.mark.parametrize("code", [429, 402, 502, 408, 400, "odd", None])
@pytest.mark.parametrize("whole", [True, False], ids=["in one piece", "streamed"])
async def test_a_chat_that_failed_at_a_cost_has_its_receipt(
    client, simulator: Simulator, code, whole
):
    error = {"error": {"code": code, "message": "Slow down"}, "usage": USAGE}
    if whole:
        simulator.answer_raw(json.dumps(error), media_type="application/json")
    else:
        simulator.answer_raw(error, "data: [DONE]\n\n")
    arguments = {"prompt": "Hello", "model": "openai/gpt-5-mini"}
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    assert result.meta[ERROR_META]["retryable"] is False
    assert result.meta[RECEIPT_META]["cost"] == "0.0042"
    assert "Slow down" in result.content[0].text
    used = await client.call_tool("get_usage", {})
    assert used.structured_content["here"][0]["usd"] == 0.0042


@pytest.mark.parametrize(("cost", "retryable"), [(0.0042, False), (0, True), (None, False)])
async def test_an_answer_that_says_nothing_is_retryable_only_if_it_cost_nothing(
    client, simulator: Simulator, cost, retryable
):
    chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    simulator.answer_raw(chunk, {"choices": [], "usage": {"cost": cost}}, "data: [DONE]\n\n")
    arguments = {"prompt": "Hello", "model": "openai/gpt-5-mini"}
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    assert "without saying anything" in result.content[0].text
    assert result.meta[ERROR_META]["retryable"] is retryable


INDICES = [[None, None], [0, 0], [1, 1], [5, 6], ["a", "b"], [-1, 0], [0, None], [{}, []]]


@pytest.mark.parametrize("indices", INDICES, ids=repr)
async def test_vectors_without_usable_index_are_taken_by_position(client, simulator, indices):
    rows = [{"index": i, "embedding": e} for i, e in zip(indices, ([1, 0], [0, 1]), strict=True)]
    for row in rows:
        if row["index"] is None:
            del row["index"]
    reply = {"data": [*rows, {"embedding": [1, 0.1]}], "usage": USAGE}
    if all(isinstance(i, int) for i in indices):
        reply["data"][2]["index"] = 0
    simulator.answer_raw(json.dumps(reply), path="/embeddings", media_type="application/json")
    arguments = {"query": "q", "texts": ["a", "b"]}
    result = await client.call_tool("embed_texts", arguments, raise_on_error=False)
    assert not result.is_error, text(result)
    # The first one is the query's: the second text is nearest to it.
    assert [row["index"] for row in result.structured_content["results"]] == [1, 0]


async def test_vectors_with_an_index_are_taken_by_it(client, simulator):
    rows = [{"index": i, "embedding": e} for i, e in ((2, [0, 1]), (0, [1, 0]), (1, [1, 0.1]))]
    reply = json.dumps({"data": rows, "usage": USAGE})
    simulator.answer_raw(reply, path="/embeddings", media_type="application/json")
    result = await client.call_tool("embed_texts", {"query": "q", "texts": ["a", "b"]})
    assert [row["index"] for row in result.structured_content["results"]] == [0, 1]


NO_NUMBERS = [
    "[NaN, 1]",
    "[null, 0]",
    "[1e999, 0]",
    f'"{base64.b64encode(struct.pack("<2f", float("nan"), 1)).decode()}"',
    "null",
    "[]",
    "[1]",
    '["1", "NaN"]',
    '"damaged"',
]


@pytest.mark.parametrize("vector", NO_NUMBERS)
async def test_what_is_no_number_never_ranks(client, simulator, vector: str):
    rows = f'{{"embedding": [1, 0]}}, {{"embedding": {vector}}}, {{"embedding": [-1, 0]}}'
    reply = f'{{"data": [{rows}], "usage": {json.dumps(USAGE)}}}'
    simulator.answer_raw(reply, path="/embeddings", media_type="application/json")
    arguments = {"query": "q", "texts": ["a", "b"]}
    result = await client.call_tool("embed_texts", arguments, raise_on_error=False)
    assert not result.is_error, text(result)
    assert [row["index"] for row in result.structured_content["results"]] == [1]
    assert "something that is no number" in text(result)


async def test_a_query_of_no_numbers_ranks_nothing(client, simulator):
    rows = [{"embedding": [None, 0]}, {"embedding": [1, 0]}, {"embedding": [0, 1]}]
    reply = json.dumps({"data": rows, "usage": USAGE})
    simulator.answer_raw(reply, path="/embeddings", media_type="application/json")
    result = await client.call_tool("embed_texts", {"query": "q", "texts": ["a", "b"]})
    assert result.structured_content["results"] == []
    assert "is no number" in text(result)


async def test_numbers_of_rows_may_be_texts(client, simulator):
    rows = [{"index": i, "embedding": e} for i, e in (("2", [0, 1]), ("0", [1, 0]), ("1", [1, 1]))]
    reply = json.dumps({"data": rows, "usage": USAGE})
    simulator.answer_raw(reply, path="/embeddings", media_type="application/json")
    result = await client.call_tool("embed_texts", {"query": "q", "texts": ["a", "b"]})
    assert [row["index"] for row in result.structured_content["results"]] == [0, 1]
    rows = [("0", "0.2"), ("1", "0.9"), ("1", "NaN"), ("2", "much"), ("x", "1"), ("7", "1")]
    results = [{"index": index, "relevance_score": score} for index, score in rows]
    reply = json.dumps({"results": results, "usage": USAGE})
    simulator.answer_raw(reply, path="/rerank", media_type="application/json")
    asked = {"query": "q", "documents": ["a", "b", "c"]}
    result = await client.call_tool("rerank_documents", asked)
    assert [row["index"] for row in result.structured_content["results"]] == [1, 0]


async def test_a_picture_that_is_cut_off_is_saved_with_a_note(call, simulator: Simulator):
    whole = picture()
    rows = [{"b64_json": base64.b64encode(whole[:30]).decode()}, {"b64_json": PNG}]
    reply = json.dumps({"data": rows, "usage": USAGE})
    simulator.answer_raw(reply, path="/images", media_type="application/json")
    result = await call("generate_image")
    assert [block.type for block in result.content].count("resource_link") == 2
    assert text(result).count("It may be damaged.") == 1


async def test_rows_beyond_top_n_or_twice_are_dropped(client, simulator):
    scores = [(0, 0.2), (1, 0.9), (1, 0.9), (1, 0.1), (2, 0.5), (7, 1), (-1, 1), (True, 1)]
    rows = [{"index": index, "relevance_score": score} for index, score in scores]
    rows += [{"index": 0, "relevance_score": None}, {"index": 2}, {"relevance_score": 1}]
    reply = json.dumps({"results": rows, "usage": USAGE})
    for top_n, expected in ((0, [1, 2, 0]), (2, [1, 2]), (1, [1])):
        simulator.answer_raw(reply, path="/rerank", media_type="application/json")
        arguments = {"query": "q", "documents": ["a", "b", "c"], "top_n": top_n}
        result = await client.call_tool("rerank_documents", arguments)
        found = result.structured_content["results"]
        assert [row["index"] for row in found] == expected
