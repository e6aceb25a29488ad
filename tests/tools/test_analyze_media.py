"""analyze_media, and media in chat, as a client sees them."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastmcp import Client
from PIL import Image

from tests.support.results import ERROR, text

UNTRUSTED = "openrouter/untrusted"
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"


@pytest.fixture
def start(configure, monkeypatch: pytest.MonkeyPatch, connect):
    """Start a server with some variables and these tools."""

    def make(**variables: str) -> Client:
        configure(**variables)
        return connect()

    return make


@pytest.fixture
async def client(start) -> AsyncIterator[Client]:
    async with start() as client:
        yield client


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "a.mp4").write_bytes(MP4 + os.urandom(3_000_000))
    return tmp_path / "a.mp4"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + os.urandom(50_000))
    return tmp_path / "a.wav"


async def analyze(client: Client, *files: object, **arguments):
    arguments = {"files": [str(file) for file in files], **arguments}
    return await client.call_tool("analyze_media", arguments, raise_on_error=False)


def asked(simulator) -> list:
    return [request for request in simulator.requests if request.method == "POST"]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_all_kinds_arrive_byte_exact_after_the_question(
    client, simulator, picture, film, sound, tmp_path
) -> None:
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(b"%PDF-1.7\n" + os.urandom(20_000))
    result = await analyze(client, picture, film, sound, pdf, question="What is it?")
    assert not result.is_error, text(result)
    parts = asked(simulator)[0].body["messages"][0]["content"]
    assert parts[0] == {"type": "text", "text": "What is it?"}
    media = [part for part in parts if part["type"] != "text"]
    urls = [
        media[0]["image_url"]["url"],
        media[1]["video_url"]["url"],
        media[2]["input_audio"]["data"],
        media[3]["file"]["file_data"],
    ]
    arrived = [digest(base64.b64decode(url.rpartition(",")[2])) for url in urls]
    assert arrived == [digest(file.read_bytes()) for file in (picture, film, sound, pdf)]
    assert asked(simulator)[0].headers["content-length"] == str(len(asked(simulator)[0].raw))


async def test_a_model_is_chosen_that_takes_them_all_and_the_receipt_says_so(
    client, simulator, picture, film
) -> None:
    result = await analyze(client, picture, film)
    model = asked(simulator)[0].body["model"]
    row = simulator.model(model)
    assert {"image", "video"} <= {*row["architecture"]["input_modalities"]}
    assert "most used below" in text(result)
    assert result.meta[UNTRUSTED] is True


async def test_the_default_model_is_asked_if_it_takes_them(start, simulator, picture, film):
    haiku = "anthropic/claude-haiku-5"
    async with start(OPENROUTER_DEFAULT_VISION_MODEL=haiku) as client:
        result = await analyze(client, picture)
        assert asked(simulator)[0].body["model"] == haiku
        assert "no model was named: OPENROUTER_DEFAULT_VISION_MODEL" in text(result)
    async with start(OPENROUTER_DEFAULT_VIDEO_MODEL=haiku) as client:
        await analyze(client, film)
        assert asked(simulator)[1].body["model"] != haiku


async def test_a_model_that_cannot_is_refused_with_ones_that_can(client, simulator, film) -> None:
    result = await analyze(client, film, model="anthropic/claude-haiku-5")
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    able = result.meta[ERROR]["suggestions"]
    assert able
    assert all("video" in simulator.model(id_)["architecture"]["input_modalities"] for id_ in able)
    assert asked(simulator) == []


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("film", {"model": "anthropic/claude-haiku-5"}),
        ("picture", {"model": "openai/gpt-oss-20b"}),
        ("sound", {"model": "x-ai/grok-4.1-fast:nitro"}),
        ("film", {"model": "google/gemini-3.5-flash", "fallbacks": ["openai/gpt-5-mini"]}),
        ("film", {"options": {"model": "openai/gpt-5-mini"}}),
    ],
)
async def test_no_chat_sends_a_file_to_a_model_that_cannot_take_it(
    client, simulator, request, name, models
) -> None:
    file = str(request.getfixturevalue(name))
    arguments = {"prompt": "What is it?", "files": [file], **models}
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    kind = {"film": "video", "picture": "image", "sound": "audio"}[name]
    able = result.meta[ERROR]["suggestions"]
    assert able
    assert all(kind in simulator.model(id_)["architecture"]["input_modalities"] for id_ in able)
    assert "analyze_media" in text(result)
    assert asked(simulator) == []


@pytest.mark.parametrize("model", ["openai/gpt-oss-20b", "openrouter/auto"])
async def test_texts_and_pdfs_go_everywhere_and_everything_to_a_router(
    client, simulator, tmp_path, film, model
) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n")
    files = [str(tmp_path / "a.txt"), str(tmp_path / "a.pdf")]
    files += [str(film)] if model.startswith("openrouter/") else []
    arguments = {"prompt": "What is it?", "files": files, "model": model, "dry_run": True}
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    assert text(result).startswith("Dry run")


async def test_a_thread_with_a_picture_goes_on_only_with_models_that_see(
    client, simulator, picture
) -> None:
    first = {"prompt": "What?", "files": [str(picture)], "model": "anthropic/claude-haiku-5"}
    told = text(await client.call_tool("chat", {**first, "thread_id": "new"}))
    following = {"prompt": "And?", "thread_id": told.partition('thread_id="')[2].partition('"')[0]}
    blind = {**following, "model": "openai/gpt-oss-20b"}
    refused = await client.call_tool("chat", blind, raise_on_error=False)
    assert refused.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "openai/gpt-oss-20b takes text, and what it is to be sent here needs image" in text(
        refused
    )
    assert len(asked(simulator)) == 1


async def test_youtube_goes_to_the_provider_that_reads_it(client, simulator) -> None:
    result = await analyze(client, "https://youtu.be/abc", dry_run=True)
    assert '"only": ["google-ai-studio"]' in text(result)
    assert '"url": "https://youtu.be/abc"' in text(result)
    assert "google/" in text(result)


async def test_a_dry_run_shows_no_bytes_and_sends_nothing(client, simulator, film) -> None:
    result = await analyze(client, film, dry_run=True)
    assert "3,000,024 bytes" in text(result)
    assert len(text(result)) < 5000
    assert asked(simulator) == []


async def test_media_count_against_max_cost(client, simulator, film) -> None:
    result = await analyze(client, film, max_cost=0.00001)
    assert result.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert asked(simulator) == []


async def test_an_empty_question_asks_what_it_is(client, simulator, picture) -> None:
    assert not (await analyze(client, picture, question=" ")).is_error
    (request,) = asked(simulator)
    assert request.body["messages"][0]["content"][0]["text"] == "What is this?"


async def test_nothing_is_paid_where_every_file_is_empty(client, simulator, tmp_path, picture):
    (tmp_path / "empty.png").touch()
    (tmp_path / "blank.txt").write_text(" \n")
    empty = [tmp_path / "empty.png", tmp_path / "blank.txt"]
    refused = await analyze(client, *empty)
    assert refused.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "nothing in them" in text(refused)
    assert asked(simulator) == []
    assert not (await analyze(client, *empty, picture)).is_error


async def test_without_files_nothing_is_asked(client, simulator) -> None:
    assert (await analyze(client)).meta[ERROR]["code"] == "INVALID_INPUT"
    assert asked(simulator) == []


async def test_a_thread_reads_a_picture_again_and_keeps_what_pdfs_were_parsed_to(
    client, simulator, picture
) -> None:
    arguments = {"prompt": "What?", "files": [str(picture)], "model": "anthropic/claude-haiku-5"}
    first = await client.call_tool("chat", {**arguments, "thread_id": "new"})
    assert first.meta[UNTRUSTED] is True
    thread = text(first).partition('thread_id="')[2].partition('"')[0]
    await client.call_tool(
        "chat", {"prompt": "And?", "model": "anthropic/claude-haiku-5", "thread_id": thread}
    )
    earlier = asked(simulator)[1].body["messages"][0]["content"]
    again = next(part["image_url"]["url"] for part in earlier if part["type"] == "image_url")
    assert base64.b64decode(again.partition(",")[2]) == picture.read_bytes()
