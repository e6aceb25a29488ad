"""The endpoints that are no chat: their shapes, their strictness, what they charge."""

import base64
import io
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from openrouter_mcp.simulator.state import Simulator
from tests.simulator.conftest import Api
from tests.support import oracle

RERANK = {"model": "cohere/rerank-v3.5", "query": "red fox", "documents": ["a dog", "a red fox"]}
EMBED = {"model": "openai/text-embedding-3-small", "input": ["red fox " * 20, "a dog"]}
DRAW = {"model": "bytedance-seed/seedream-4.5", "prompt": "a red fox"}
SPEAK = {"model": "lumen/voice-1", "input": "hello there", "voice": "aria"}
HEAR = {"model": "lumen/scribe-1", "input_audio": {"data": "UklGRg==", "format": "wav"}}
REQUESTS: dict[str, dict[str, Any]] = {
    "/audio/transcriptions": HEAR,
    "/rerank": RERANK,
    "/embeddings": EMBED,
    "/images": DRAW,
    "/audio/speech": SPEAK,
}
PATHS = sorted(REQUESTS)


@pytest.mark.parametrize("path", PATHS)
def test_the_request_of_these_tests_is_one_that_openrouter_documents(path: str):
    assert oracle.check_request(path, REQUESTS[path]) == []


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_field_is_refused(api: Api, path: str):
    reply = api.http.post(path, json=REQUESTS[path] | {"modle": "x"})
    assert (reply.status_code, reply.json()["error"]["name"]) == (400, "ZodError")


@pytest.mark.parametrize("path", PATHS)
def test_a_model_of_another_kind_is_told_where_to_go(api: Api, path: str):
    reply = api.http.post(path, json=REQUESTS[path] | {"model": "openai/gpt-5-mini"})
    assert reply.json()["error"]["availability"]["code"] == "wrong_endpoint"
    reply = api.http.post(path, json=REQUESTS[path] | {"model": "nobody/nothing"})
    assert reply.json()["error"]["availability"]["code"] == "model_not_found"


@pytest.mark.parametrize("path", PATHS)
def test_a_generation_is_charged_and_can_be_looked_up(api: Api, simulator: Simulator, path: str):
    simulator.generation_misses = 1
    before = simulator.balance
    reply = api.http.post(path, json=REQUESTS[path])
    assert reply.status_code == 200
    id_ = reply.headers["x-generation-id"]
    assert api.get("/generation", id=id_).status_code == 404
    known = api.get("/generation", id=id_).json()
    assert oracle.check_response("/generation", known) == []
    assert before - simulator.balance == Decimal(str(known["data"]["total_cost"])) > 0


@pytest.mark.parametrize("path", PATHS)
def test_without_money_nothing_is_made(api: Api, simulator: Simulator, path: str):
    simulator.balance = Decimal(0)
    assert api.http.post(path, json=REQUESTS[path]).status_code == 402


def test_rerank_orders_by_shared_words(api: Api):
    reply = api.http.post("/rerank", json=RERANK | {"top_n": 1}).json()
    assert oracle.check_response("/rerank", reply) == []
    assert [row["index"] for row in reply["results"]] == [1]
    assert reply["results"][0]["relevance_score"] == 1


def test_embeddings_are_near_for_texts_that_share_words(api: Api):
    reply = api.http.post("/embeddings", json=EMBED | {"input": ["a red fox", "red fox", "snow"]})
    assert oracle.check_response("/embeddings", reply.json()) == []
    one, other, far = (row["embedding"] for row in reply.json()["data"])
    assert sum(a * b for a, b in zip(one, other, strict=True)) > 0.7
    assert abs(sum(a * b for a, b in zip(one, far, strict=True))) < 0.5


def test_embeddings_come_as_base64_and_in_fewer_dimensions(api: Api):
    body = EMBED | {"encoding_format": "base64", "dimensions": 8}
    reply = api.http.post("/embeddings", json=body).json()
    assert oracle.check_response("/embeddings", reply) == []
    assert [len(base64.b64decode(row["embedding"])) for row in reply["data"]] == [32, 32]


def test_a_text_beyond_the_context_is_refused(api: Api):
    reply = api.http.post("/embeddings", json=EMBED | {"input": "word " * 9000})
    assert reply.json()["error"]["metadata"]["error_type"] == "context_length_exceeded"


def test_images_are_real_and_as_many_as_asked_for(api: Api):
    reply = api.http.post("/images", json=DRAW | {"n": 2, "aspect_ratio": "16:9"}).json()
    assert oracle.check_response("/images", reply) == []
    drawn = [Image.open(io.BytesIO(base64.b64decode(row["b64_json"]))) for row in reply["data"]]
    assert [(image.size, image.format) for image in drawn] == [((1024, 576), "JPEG")] * 2


@pytest.mark.parametrize(
    "fields",
    [{"n": 9}, {"resolution": "512"}, {"quality": "low"}, {"size": "1x1", "resolution": "1K"}],
)
def test_what_an_image_model_does_not_take_is_refused(api: Api, fields):
    assert api.http.post("/images", json=DRAW | fields).status_code == 400


def test_a_chat_draws(api: Api):
    model = "google/gemini-3.1-flash-image-preview"
    reply = api.chat("a fox", model=model, modalities=["image", "text"]).json()
    assert oracle.check_response("/chat/completions", reply) == []
    (part,) = reply["choices"][0]["message"]["images"]
    assert part["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_chat_speaks_in_a_stream_only(api: Api):
    speak: dict[str, Any] = {"model": "openai/gpt-audio", "modalities": ["text", "audio"]}
    speak |= {"audio": {"voice": "alloy", "format": "pcm16"}}
    assert api.chat("hello", **speak).status_code == 400
    events = api.stream("hello", **speak)
    assert [finding for chunk in events for finding in oracle.check_chunk(chunk)] == []
    deltas = [chunk["choices"][0]["delta"].get("audio", {}) for chunk in events if chunk["choices"]]
    sound = b"".join(base64.b64decode(delta.get("data", "")) for delta in deltas)
    assert len(sound) == 2 * 1440 * len("hello")
    assert "".join(delta.get("transcript", "") for delta in deltas) == "hello"


def test_speech_is_samples_unless_mp3_is_asked_for(api: Api):
    reply = api.http.post("/audio/speech", json=SPEAK)
    assert reply.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
    assert len(reply.content) == 1440 * len(SPEAK["input"]) * 2
    reply = api.http.post("/audio/speech", json=SPEAK | {"response_format": "mp3"})
    assert reply.headers["content-type"] == "audio/mpeg"
    assert reply.content[:2] == b"\xff\xfb"


@pytest.mark.parametrize("fields", [{"voice": "nobody"}, {"voice": None}, {"input": "x" * 5000}])
def test_speech_needs_a_known_voice_and_a_short_text(api: Api, fields):
    reply = api.http.post("/audio/speech", json=SPEAK | fields)
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/json")


def test_a_transcript_has_times_words_and_speakers_if_asked_for(api: Api):
    plain = api.http.post("/audio/transcriptions", json=HEAR).json()
    assert oracle.check_response("/audio/transcriptions", plain) == []
    assert "segments" not in plain
    wanted = {"response_format": "verbose_json", "timestamp_granularities": ["segment", "word"]}
    full = api.http.post("/audio/transcriptions", json=HEAR | wanted | {"diarize": True}).json()
    assert oracle.check_response("/audio/transcriptions", full) == []
    assert [segment["speaker"] for segment in full["segments"]] == [0, 1]
    assert len(full["words"]) == len(full["text"].split())


@pytest.mark.parametrize(
    "fields",
    [
        {"diarize": True},
        {"diarize": True, "response_format": "verbose_json", "model": "openai/whisper-1"},
        {"input_audio": {"data": "data:audio/wav;base64,AA==", "format": "wav"}},
        {"input_audio": {"data": "AAA", "format": "wav"}},
    ],
)
def test_what_cannot_be_written_down_is_refused(api: Api, fields):
    assert api.http.post("/audio/transcriptions", json=HEAR | fields).status_code == 400
