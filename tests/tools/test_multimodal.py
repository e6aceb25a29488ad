"""The multimodal tools as a client sees them, in both protocol eras."""

import asyncio
import base64
import io
import json
import os
import wave
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from fastmcp import Client
from PIL import Image

from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.api.responses import PERHAPS_BILLED
from openrouter_mcp.errors import NEXT_STEP, Code
from openrouter_mcp.files.sound import Pcm
from openrouter_mcp.models.datasets import Market
from openrouter_mcp.multimodal import embed, speech, transcribe
from openrouter_mcp.multimodal.transcribe import Part
from openrouter_mcp.simulator import media as simulated_media
from openrouter_mcp.simulator import models as simulated_models
from tests.support.results import ERROR, RECEIPT, call, text
from tests.support.timing import waiting_for
from tests.support.upstream import paid

ESTIMATE = "openrouter/estimate"
FOXES = ["a lazy dog", "the quick red fox", "a red door"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


@pytest.fixture
async def client(configure, output, connect, monkeypatch) -> AsyncIterator[Client]:
    """A client of a server with these tools; nothing is waited for long."""
    configure(OPENROUTER_OUTPUT_DIR=str(output))
    async with connect() as client:
        yield client


async def test_documents_come_back_in_order_with_scores_and_a_receipt(client, simulator) -> None:
    result = await call(client, "rerank_documents", query="red fox", documents=FOXES)
    data = result.structured_content
    assert [row["index"] for row in data["results"]] == [1, 2, 0]
    assert data["results"][0] == {"index": 1, "score": 1.0, "text": FOXES[1]}
    assert data["receipt"]["model"] == "cohere/rerank-v3.5"
    assert data["receipt"]["cost"] == "0.002"
    assert "most used below $0.01 for a search" in data["receipt"]["line"]
    assert json.loads(text(result)) == data


async def test_only_the_best_documents_are_asked_for(client, simulator) -> None:
    result = await call(client, "rerank_documents", query="fox", documents=FOXES, top_n=1)
    assert len(result.structured_content["results"]) == 1
    assert paid(simulator)[0].body["top_n"] == 1


@pytest.mark.parametrize("tool", ["rerank_documents", "embed_texts"])
async def test_a_long_order_is_shown_by_its_best_and_saved_whole(client, output, tool) -> None:
    documents = [f"{number} {'y' * 300}" for number in range(600)]
    arguments = {"documents": documents} if tool == "rerank_documents" else {"texts": documents}
    arguments |= {} if tool == "rerank_documents" else {"top_k": 0}
    result = await call(client, tool, query="y", **arguments)
    data = result.structured_content
    assert 50 < len(data["results"]) < 150
    assert len(text(result)) < 45_000
    (file,) = output.glob("*.jsonl")
    assert data["notes"] == [f"These are {len(data['results'])} of 600; all are in {file}"]
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert (len(rows), rows[: len(data["results"])]) == (600, data["results"])


async def test_files_are_documents_under_their_paths(client, simulator, tmp_path) -> None:
    (tmp_path / "a.txt").write_text("dogs bark")
    (tmp_path / "b.txt").write_text("foxes scream\nat night")
    result = await call(client, "rerank_documents", query="foxes", files=[str(tmp_path)])
    best = result.structured_content["results"][0]
    assert best["file"] == str(tmp_path / "b.txt")
    assert best["text"] == "foxes scream at night"
    assert paid(simulator)[0].body["documents"] == ["dogs bark", "foxes scream\nat night"]


async def test_a_file_name_that_is_no_text_does_not_end_the_server(client, simulator, tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("foxes")
    result = await call(client, "rerank_documents", query="foxes", files=[str(tmp_path)])
    assert result.structured_content["results"][0]["file"] == str(tmp_path / "caf?.txt")
    assert json.loads(text(result)) == result.structured_content


async def test_many_file_names_that_are_no_text_are_saved_like_others(
    configure, simulator, tmp_path, output, connect
):
    configure(OPENROUTER_MAX_REPLY_CHARS="1000")
    for number in range(20):
        (tmp_path / os.fsdecode(b"caf\xe9%d.txt" % number)).write_text("foxes")
    async with connect() as client:
        await call(client, "rerank_documents", query="foxes", files=[str(tmp_path / "*.txt")])
    (file,) = output.glob("*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert str(tmp_path / "caf?7.txt") in {row["file"] for row in rows}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"query": "x"}, "Give documents, files, or both"),
        ({"query": " ", "documents": ["a"]}, "query is empty"),
        ({"query": "x", "documents": ["a", " "]}, "documents[1] is empty"),
    ],
)
async def test_nothing_to_order_is_refused_before_paying(client, simulator, arguments, said):
    result = await call(client, "rerank_documents", **arguments)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert said in text(result)
    assert paid(simulator) == []


async def test_a_model_of_another_kind_is_refused_with_ones_that_can(client, simulator) -> None:
    result = await call(
        client, "rerank_documents", query="x", documents=["a"], model="openai/gpt-5-mini"
    )
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert result.meta[ERROR]["suggestions"] == ["cohere/rerank-v3.5"]
    assert paid(simulator) == []


async def test_a_dry_run_of_an_order_shows_its_price_and_sends_nothing(client, simulator) -> None:
    result = await call(client, "rerank_documents", query="x", documents=FOXES, dry_run=True)
    assert "Cost: $0.002 at most" in text(result)
    assert result.meta[ESTIMATE]["usd_most"] == "0.002"
    assert result.structured_content["pending"]["text"] == text(result)
    assert paid(simulator) == []


async def test_an_order_dearer_than_max_cost_is_refused(client, simulator) -> None:
    known = {"query": "x", "documents": FOXES}
    result = await call(client, "rerank_documents", **known, max_cost=0.001)
    assert result.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert "Set max_cost to 0.002" in text(result)
    assert paid(simulator) == []
    assert not (await call(client, "rerank_documents", **known, max_cost=0.002)).is_error


async def test_a_failure_of_the_provider_is_an_instruction(client, simulator) -> None:
    simulator.fail("no_endpoints", path="/rerank")
    result = await call(client, "rerank_documents", query="x", documents=FOXES)
    assert result.meta[ERROR]["code"] == "MODEL_UNAVAILABLE"


async def test_a_reply_that_is_no_order_is_an_error(client, simulator) -> None:
    simulator.fail("error_in_ok", path="/rerank")
    result = await call(client, "rerank_documents", query="x", documents=FOXES)
    assert result.is_error


async def test_a_model_without_a_listed_price_is_bounded_by_the_provider(client, simulator) -> None:
    row = simulator.model("cohere/rerank-v3.5")
    row["pricing"].pop("request")
    result = await call(client, "rerank_documents", query="x", documents=FOXES, max_cost=0.01)
    assert not result.is_error
    assert paid(simulator)[0].body["provider"] == {"max_price": {"request": "0.010000"}}


async def test_a_ceiling_of_ones_own_is_kept_where_it_is_lower(client, simulator) -> None:
    simulator.model("cohere/rerank-v3.5")["pricing"].pop("request")
    own = {"provider": {"max_price": {"request": 0.005, "prompt": 1}}}
    arguments = {"query": "x", "documents": FOXES, "max_cost": 0.01, "options": own}
    assert not (await call(client, "rerank_documents", **arguments)).is_error
    prices = paid(simulator)[0].body["provider"]["max_price"]
    assert prices == {"request": "0.005", "prompt": "1"}


async def test_vectors_go_to_a_file_with_their_model(client, simulator, output) -> None:
    result = await call(client, "embed_texts", texts=FOXES)
    saved = embed.parse_jsonl((output / "vectors.jsonl").read_bytes())
    assert saved.model == "openai/text-embedding-3-small"
    assert [document.text for document in saved.documents] == FOXES
    assert saved.dimensions == 64
    head, *_ = result.content
    assert head.text.startswith("3 of 3 texts as vectors of 64 dimensions, by openai/text-emb")
    assert str(output / "vectors.jsonl") in head.text
    [link] = [block for block in result.content if block.type == "resource_link"]
    assert (link.name, link.mime_type) == ("vectors.jsonl", "application/jsonl")
    assert result.content[-1].text.startswith(
        "-- openai/text-embedding-3-small (no model was named: most used below"
    )
    assert " | 3 texts | " in text(result)
    assert result.structured_content is None


async def test_vectors_are_an_array_when_the_name_says_so(client, simulator, output) -> None:
    result = await call(client, "embed_texts", texts=FOXES, save_to="foxes.npy")
    assert (output / "foxes.npy").read_bytes().startswith(b"\x93NUMPY\x01\x00")
    assert [path.name for path in output.iterdir()] == ["foxes.npy"]
    assert not result.is_error


@pytest.mark.parametrize("query", ["", "red fox"])
async def test_an_array_is_refused_as_what_names_no_model(client, simulator, output, query) -> None:
    await call(client, "embed_texts", texts=FOXES, save_to="foxes.npy")
    before = len(paid(simulator))
    file = str(output / "foxes.npy")
    result = await call(client, "embed_texts", files=[file], query=query)
    assert result.meta[ERROR]["code"] == "UNSUPPORTED_FORMAT"
    assert "Name a .jsonl file that embed_texts saved" in text(result)
    assert len(paid(simulator)) == before


async def test_a_query_finds_the_nearest_documents(client, simulator, output) -> None:
    result = await call(client, "embed_texts", texts=FOXES, query="quick red fox", top_k=2)
    data = result.structured_content
    assert [row["index"] for row in data["results"]] == [1, 2]
    assert 1 >= data["results"][0]["score"] > data["results"][1]["score"]
    assert data["receipt"]["cost"] != "0"
    assert json.loads(text(result)) == data
    assert not output.exists()
    assert paid(simulator)[0].body["input"][0] == "quick red fox"


async def test_saved_vectors_are_searched_without_paying_for_them_again(
    client, simulator, output
) -> None:
    qwen = "qwen/qwen3-embedding-0.6b"
    await call(client, "embed_texts", texts=FOXES, model=qwen, save_to="foxes.jsonl")
    known = {"files": [str(output / "foxes.jsonl")], "query": "red fox"}
    result = await call(client, "embed_texts", **known)
    assert result.structured_content["results"][0]["text"] == FOXES[1]
    assert result.structured_content["receipt"]["model"] == qwen
    assert paid(simulator)[-1].body["input"] == ["red fox"]


@pytest.mark.parametrize("typed", ["my vectors é.jsonl", "{my vectors,é}*.jsonl", "m?*.jsonl"])
async def test_saved_vectors_are_found_by_any_spelling_of_their_name(
    client, simulator, output, typed
) -> None:
    await call(client, "embed_texts", texts=FOXES)
    (output / "vectors.jsonl").rename(output / "my\xa0vectors e\u0301.jsonl")
    (output / "é.jsonl").write_text('{"event": "fox seen"}\n')
    result = await call(client, "embed_texts", files=[str(output / typed)], query="red fox")
    assert result.structured_content["documents"] == 3 + ("é}" in typed)
    assert FOXES[0] not in paid(simulator)[-1].body["input"]


async def test_saved_vectors_and_new_texts_are_searched_together(client, simulator, output):
    await call(client, "embed_texts", texts=FOXES)
    known = {"files": [str(output / "vectors.jsonl")], "texts": ["snow"], "query": "red fox"}
    result = await call(client, "embed_texts", **known)
    assert result.structured_content["results"][0]["index"] == 2
    assert result.structured_content["documents"] == 4


async def test_vectors_of_another_model_are_refused(client, simulator, output) -> None:
    await call(client, "embed_texts", texts=FOXES, model="qwen/qwen3-embedding-0.6b")
    await call(client, "embed_texts", texts=FOXES, save_to="b")
    before = len(paid(simulator))
    one, other = str(output / "vectors.jsonl"), str(output / "b.jsonl")
    small = "openai/text-embedding-3-small"
    named = await call(client, "embed_texts", files=[one], query="x", model=small)
    assert "The vectors were made by qwen/qwen3-embedding-0.6b" in text(named)
    mixed = await call(client, "embed_texts", files=[one, other], query="x")
    assert "Vectors of different models" in text(mixed)
    assert {named.meta[ERROR]["code"], mixed.meta[ERROR]["code"]} == {"INVALID_INPUT"}
    assert len(paid(simulator)) == before


async def test_vectors_without_a_query_or_damaged_are_refused(client, simulator, output) -> None:
    await call(client, "embed_texts", texts=FOXES)
    file = output / "vectors.jsonl"
    result = await call(client, "embed_texts", files=[str(file)])
    assert "Give query to search them" in text(result)
    file.write_bytes(file.read_bytes()[:-9])
    result = await call(client, "embed_texts", files=[str(file)], query="x")
    assert result.meta[ERROR]["code"] == "UNSUPPORTED_FORMAT"
    assert "line 3 has no model, text and embedding" in text(result)
    file.unlink()
    result = await call(client, "embed_texts", files=[str(file)], query="x")
    assert result.meta[ERROR]["code"] == "NOT_FOUND"


async def test_a_file_of_other_lines_is_a_document(client, simulator, tmp_path) -> None:
    (tmp_path / "log.jsonl").write_text('{"event": "fox seen"}\n')
    await call(client, "embed_texts", files=[str(tmp_path / "log.jsonl")], query="fox")
    assert paid(simulator)[0].body["input"] == ["fox", '{"event": "fox seen"}\n']


async def test_many_texts_take_several_requests_and_one_receipt(client, simulator, output):
    result = await call(client, "embed_texts", texts=[f"text {n}" for n in range(200)])
    assert [len(request.body["input"]) for request in paid(simulator)] == [96, 96, 8]
    assert result.meta[RECEIPT]["requests"] == 3
    assert len(embed.parse_jsonl((output / "vectors.jsonl").read_bytes()).rows) == 200


async def test_what_was_paid_before_a_failure_is_saved(client, simulator, output) -> None:
    texts = [f"text {n}" for n in range(100)] + ["too long " * 20_000]
    result = await call(client, "embed_texts", texts=texts)
    assert result.is_error
    assert result.meta[ERROR]["code"] == "CONTEXT_TOO_LONG"
    assert "96 of 101 texts" in text(result)
    assert len(embed.parse_jsonl((output / "vectors.jsonl").read_bytes()).rows) == 96
    searched = await call(client, "embed_texts", texts=texts, query="text")
    assert searched.is_error
    assert "Only 95 of 101 texts" in text(searched)


async def test_vectors_are_refused_a_place_outside_before_paying(client, simulator) -> None:
    result = await call(client, "embed_texts", texts=FOXES, save_to="../vectors.npy")
    assert result.meta[ERROR]["code"] == "UNSAFE_PATH"
    assert paid(simulator) == []


async def test_vectors_that_cannot_be_saved_are_refused_before_paying(client, simulator, output):
    output.write_text("a file, not a directory")
    result = await call(client, "embed_texts", texts=FOXES)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "Nothing can be written" in text(result)
    assert paid(simulator) == []


async def test_the_price_of_vectors_is_told_and_kept(client, simulator) -> None:
    shown = await call(client, "embed_texts", texts=["x" * 3000], dry_run=True)
    assert shown.meta[ESTIMATE]["usd_most"] == "0.00002000"
    refused = await call(client, "embed_texts", texts=["x" * 3000], max_cost=0.00001)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert paid(simulator) == []


SEEDREAM = "bytedance-seed/seedream-4.5"
PROMPT = "A red fox jumps"


def png(width: int = 40, height: int = 20, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


def previews(result) -> list:
    return [block for block in result.content if block.type == "image"]


async def test_an_image_is_a_file_with_a_preview_and_a_receipt(client, simulator, output) -> None:
    simulator.generation_misses = 1
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM)
    path = output / "A-red-fox-jumps.jpg"
    with Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (1024, 1024))
    assert f"{path} ({path.stat().st_size:,} bytes)" in text(result)
    (link,) = [block for block in result.content if block.type == "resource_link"]
    assert (str(link.uri), link.mime_type, link.size) == (
        path.as_uri(),
        "image/jpeg",
        path.stat().st_size,
    )
    (shown,) = previews(result)
    with Image.open(io.BytesIO(base64.b64decode(shown.data))) as image:
        assert max(image.size) == 768
    line = result.content[-1].text.splitlines()[-1]
    assert line.startswith("-- bytedance-seed/seedream-4.5")
    assert " via " in line
    assert " | 1 image | " in line
    assert " | $0.04 | " in line
    assert result.structured_content is None
    assert "base64" not in text(result)


async def test_without_a_model_a_popular_one_is_chosen_and_told(client, simulator) -> None:
    result = await call(client, "generate_image", prompt=PROMPT)
    assert "(no model was named: most used below $0.15 for an image)" in text(result)


async def test_without_a_model_one_is_chosen_that_takes_what_is_asked_for(
    client, simulator, monkeypatch
) -> None:
    svg = {"type": "enum", "values": ["svg"]}
    taken = {**simulated_models.IMAGE_PARAMETERS}

    async def image_models(_market) -> list[dict]:
        return [
            {"id": "google/gemini-3.1-flash-image-preview", "supported_parameters": taken},
            {"id": SEEDREAM, "supported_parameters": {**taken, "output_format": svg}},
        ]

    monkeypatch.setattr(Market, "image_models", image_models)
    monkeypatch.setitem(simulated_models.IMAGE_PARAMETERS, "output_format", svg)
    shown = await call(client, "generate_image", prompt=PROMPT, format="svg", dry_run=True)
    assert f"Model: {SEEDREAM} " in text(shown)
    never = await call(client, "generate_image", prompt=PROMPT, quality="low", dry_run=True)
    assert "No image model takes all that is asked for" in text(never)


async def test_who_names_no_image_model_is_told_ones_that_are_made_for_it(client) -> None:
    refused = await call(client, "generate_image", prompt=PROMPT, model="openai/gpt-5-mini")
    assert refused.meta[ERROR]["suggestions"][0] == "google/gemini-3.1-flash-image-preview"
    assert not any(id_.startswith("openrouter/") for id_ in refused.meta[ERROR]["suggestions"])


async def test_all_parameters_are_sent_under_openrouters_names(
    client, simulator, output, monkeypatch
) -> None:
    takes = {
        "quality": {"type": "enum", "values": ["low", "high"]},
        "output_format": {"type": "enum", "values": ["png", "jpeg", "webp"]},
        "background": {"type": "enum", "values": ["transparent", "opaque"]},
    }
    for name, descriptor in takes.items():
        monkeypatch.setitem(simulated_models.IMAGE_PARAMETERS, name, descriptor)
    result = await call(
        client,
        "generate_image",
        prompt=PROMPT,
        model=SEEDREAM,
        aspect_ratio="16:9",
        resolution="2k",
        quality="High",
        format="webp",
        background="transparent",
        seed=7,
        n=2,
        save_to="foxes/",
    )
    body = paid(simulator)[0].body
    assert body == {
        "model": SEEDREAM,
        "prompt": PROMPT,
        "aspect_ratio": "16:9",
        "resolution": "2K",
        "quality": "high",
        "output_format": "webp",
        "background": "transparent",
        "seed": 7,
        "n": 2,
    }
    names = sorted(path.name for path in (output / "foxes").iterdir())
    assert names == ["A-red-fox-jumps-2.webp", "A-red-fox-jumps.webp"]
    assert {shown.mime_type for shown in previews(result)} == {"image/webp"}
    assert "2 images by" in text(result)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"resolution": "512"}, "It takes 1K, 2K, 4K."),
        ({"aspect_ratio": "7:5"}, "It takes 1:1, 16:9, 9:16."),
        ({"format": "gif"}, "takes no format. It takes aspect_ratio"),
        ({"quality": "low"}, "takes no quality. It takes aspect_ratio: 1:1, 16:9, 9:16; n: 1 to 4"),
        ({"background": "transparent", "format": "jpeg"}, "needs the format png or webp"),
        ({"options": {"output_compression": 50}}, "takes no output_compression"),
        ({"options": {"seed": 1, "quality": "low"}}, "takes no quality"),
        ({"options": {"size": "10x10"}, "resolution": "1K"}, "Give one or the other"),
        ({"prompt": " "}, "prompt is empty"),
        ({"references": [f"https://example.org/{n}.png" for n in range(17)]}, "at most 16"),
        ({"references": ["https://example.org/a.png"], "model": "lumen/plain-1"}, "can:"),
    ],
)
async def test_a_wrong_value_is_refused_with_the_right_ones_before_paying(
    client, simulator, arguments, said
) -> None:
    plain = simulator.model("lumen/easel-1")
    plain |= {"id": "lumen/plain-1"}
    plain["architecture"]["input_modalities"] = ["text"]
    known = {"prompt": PROMPT, "model": SEEDREAM} | arguments
    result = await call(client, "generate_image", **known)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert said in text(result)
    assert paid(simulator) == []


async def test_more_images_than_one_request_makes_take_several(client, simulator, output) -> None:
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM, n=5, seed=3)
    assert sorted(request.body.get("n", 1) for request in paid(simulator)) == [1, 4]
    assert {request.body["seed"] for request in paid(simulator)} == {3, 4}
    assert len(list(output.iterdir())) == 5
    assert result.meta[RECEIPT]["cost"] == "0.20"


async def test_images_that_the_options_ask_for_are_counted_before_paying(client, simulator) -> None:
    known = {"prompt": PROMPT, "model": SEEDREAM}
    dear = await call(client, "generate_image", **known, options={"n": 3}, max_cost=0.06)
    assert dear.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    many = await call(client, "generate_image", **known, options={"n": 11})
    assert "options.n takes 1 to 10" in text(many)
    assert paid(simulator) == []
    made = await call(client, "generate_image", **known, options={"n": 6}, dry_run=True)
    assert "Cost: $0.30 at most" in text(made)


async def test_images_of_the_requests_that_succeeded_are_kept(client, simulator, output) -> None:
    simulator.fail("http_error", path="/images", status=400)
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM, n=5)
    assert result.is_error
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert len(list(output.iterdir())) in {1, 4}
    assert " of 5 by bytedance-seed/seedream-4.5" in text(result)


async def test_references_are_sent_along_byte_by_byte_or_as_addresses(client, simulator, tmp_path):
    (tmp_path / "fox.png").write_bytes(png())
    references = [str(tmp_path / "fox.png"), "https://example.org/fox.png"]
    result = await call(
        client, "generate_image", prompt=PROMPT, model=SEEDREAM, references=references
    )
    assert not result.is_error
    sent = [part["image_url"]["url"] for part in paid(simulator)[0].body["input_references"]]
    assert base64.b64decode(sent[0].removeprefix("data:image/png;base64,")) == png()
    assert sent[1] == "https://example.org/fox.png"


@pytest.mark.parametrize("model", [SEEDREAM, "lumen/easel-1"])
async def test_references_are_found_by_globs_and_sent_without_metadata_unless_as_they_are(
    client, simulator, tmp_path, model
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (4000, 10), "red").save(tmp_path / name, exif=exif)
    (tmp_path / "notes.txt").write_text("no image")
    for options in ({}, {"image_detail": "original"}):
        result = await call(
            client,
            "generate_image",
            prompt=PROMPT,
            model=model,
            references=[str(tmp_path / "*.{jpg,txt}")],
            options=options,
        )
        assert not result.is_error
        assert "Skipped 1 unsuitable file (notes.txt)." in text(result)
    assert all("image_detail" not in request.body for request in paid(simulator))
    plain, original = (_references(request.body) for request in paid(simulator))
    assert original == [(tmp_path / name).read_bytes() for name in ("a.jpg", "b.jpg")]
    for data in plain:
        with Image.open(io.BytesIO(data)) as image:
            assert (image.size, dict(image.getexif())) == ((4000, 10), {})


def _references(body) -> list[bytes]:
    """The images that a request brings along."""
    parts = body.get("input_references") or body["messages"][0]["content"][1:]
    return [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in parts]


async def test_what_says_nothing_until_it_is_done_may_be_silent_for_long(client, monkeypatch):
    borne = {}
    open_ = OpenRouter.open

    def noting(self, method, path, *arguments, read_timeout=0.0, **more):
        borne[path] = read_timeout
        return open_(self, method, path, *arguments, read_timeout=read_timeout, **more)

    monkeypatch.setattr(OpenRouter, "open", noting)
    await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM)
    await call(client, "generate_audio", text="Hello")
    assert borne["/images"] >= 180
    assert borne["/audio/speech"] >= 180


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (".env", "UNSAFE_PATH"),
        ("/etc/passwd", "UNSAFE_PATH"),
        ("missing.png", "NOT_FOUND"),
        ("lying.png", "UNSUPPORTED_FORMAT"),
        ("empty.png", "UNSUPPORTED_FORMAT"),
        ("folder.png", "NOT_FOUND"),
        ("data:image/png;base64,%%%", "INVALID_INPUT"),
        ("file:///etc/passwd", "UNSAFE_PATH"),
        ("ftp://example.org/a.png", "INVALID_INPUT"),
        ("http://[::ffff:10.0.0.1]/a.png", "UNSAFE_URL"),
    ],
)
async def test_what_is_no_image_is_not_sent(client, simulator, tmp_path, monkeypatch, name, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(png())
    (tmp_path / "lying.png").write_text("no image at all")
    (tmp_path / "empty.png").write_text("")
    (tmp_path / "folder.png").mkdir()
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM, references=[name])
    assert result.meta[ERROR]["code"] == code
    assert paid(simulator) == []


async def test_a_name_whose_ending_the_model_cannot_make_is_corrected(client, simulator, output):
    result = await call(
        client, "generate_image", prompt=PROMPT, model=SEEDREAM, save_to="cover.png"
    )
    assert (output / "cover.jpg").exists()
    assert "Named .jpg, because that is what it is." in text(result)


async def test_the_ending_of_the_name_asks_for_the_format(client, simulator, output, monkeypatch):
    formats = {"type": "enum", "values": ["png", "jpeg"]}
    monkeypatch.setitem(simulated_models.IMAGE_PARAMETERS, "output_format", formats)
    await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM, save_to="cover.png")
    assert paid(simulator)[0].body["output_format"] == "png"
    with Image.open(output / "cover.png") as image:
        assert image.format == "PNG"


async def test_a_drawing_in_svg_is_a_text_file(client, simulator, output, monkeypatch) -> None:
    formats = {"type": "enum", "values": ["svg"]}
    monkeypatch.setitem(simulated_models.IMAGE_PARAMETERS, "output_format", formats)
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM, format="svg")
    assert (output / "A-red-fox-jumps.svg").read_text().startswith("<svg ")
    assert previews(result) == []


@pytest.mark.parametrize("save_to", ["../x.png", "/etc/x.png", "link/x.png"])
async def test_an_image_is_refused_a_place_outside_before_paying(
    client, simulator, output, tmp_path, save_to
) -> None:
    output.mkdir()
    (output / "link").symlink_to(tmp_path)
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM, save_to=save_to)
    assert result.meta[ERROR]["code"] == "UNSAFE_PATH"
    assert paid(simulator) == []


async def test_a_model_that_only_draws_in_a_chat_is_asked_there(client, simulator, output) -> None:
    simulator.fail("not_found", path="/images/models/*", times=None)
    known = {"prompt": PROMPT, "model": "google/gemini-3.1-flash-image-preview"}
    result = await call(client, "generate_image", **known, n=2, aspect_ratio="16:9", seed=1)
    assert not result.is_error
    bodies = [request.body for request in paid(simulator)]
    assert {request.path for request in paid(simulator)} == {"/chat/completions"}
    assert [body["image_config"] for body in bodies] == [{"aspect_ratio": "16:9"}] * 2
    assert bodies[0]["modalities"] == ["image", "text"]
    for path in output.iterdir():
        with Image.open(path) as image:
            assert (image.format, image.size) == ("PNG", (512, 288))
    assert len(list(output.iterdir())) == 2
    assert "via Google" in text(result)
    refused = await call(client, "generate_image", **known, background="opaque")
    assert "takes no background" in text(refused)


async def test_a_chat_that_only_talks_is_an_error(client, simulator) -> None:
    simulator.fail("not_found", path="/images/models/*", times=None)
    simulator.fail("mid_stream_error", path="/chat/completions", after=0)
    known = {"prompt": PROMPT, "model": "google/gemini-3.1-flash-image-preview"}
    result = await call(client, "generate_image", **known)
    assert result.is_error


async def test_the_price_of_images_is_told_and_kept(client, simulator) -> None:
    known = {"prompt": PROMPT, "model": SEEDREAM, "n": 2}
    shown = await call(client, "generate_image", **known, resolution="1K", dry_run=True)
    assert shown.meta[ESTIMATE]["usd_most"] == "0.08"
    dearest = await call(client, "generate_image", **known, dry_run=True)
    assert dearest.meta[ESTIMATE]["usd_most"] == "0.10"
    refused = await call(client, "generate_image", **known, max_cost=0.09)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert paid(simulator) == []


async def test_an_image_that_cannot_be_saved_is_refused_before_paying(client, simulator, output):
    output.write_text("a file")
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM)
    assert "Nothing can be written" in text(result)
    assert paid(simulator) == []


async def test_a_reply_without_images_is_an_error_and_nothing_is_saved(client, simulator, output):
    simulator.fail("error_in_ok", path="/images")
    result = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM)
    assert result.is_error
    assert list(output.iterdir()) == []


VOICE = "lumen/voice-1"


async def test_speech_is_an_mp3_file_whose_cost_is_asked_for(client, simulator, output) -> None:
    simulator.generation_misses = 1
    known = {"text": "Hello there, fox.", "model": VOICE, "voice": "Basil"}
    result = await call(client, "generate_audio", **known, instructions="cheerful")
    path = output / "Hello-there-fox.mp3"
    assert path.read_bytes()[:2] == b"\xff\xfb"
    assert paid(simulator)[0].body == {
        "model": VOICE,
        "input": "Hello there, fox.",
        "voice": "basil",
        "response_format": "mp3",
        "instructions": "cheerful",
    }
    assert str(path) in text(result)
    line = result.content[-1].text.splitlines()[-1]
    assert " | 17 characters | $0.000255 | " in line
    assert "gen-tts-" in line
    assert result.meta[RECEIPT]["provider"]


async def test_a_model_that_converses_is_told_to_read_aloud_and_how(client, simulator) -> None:
    known = {"text": "What is the time?", "model": "openai/gpt-audio"}
    await call(client, "generate_audio", **known)
    await call(client, "generate_audio", **known, instructions="cheerful")
    plain, cheerful = [request.body["messages"][0]["content"] for request in paid(simulator)]
    assert plain == "Read the user's text aloud, word for word. Say nothing else."
    assert cheerful == f"{plain} Read it like this: cheerful"


async def test_a_dry_run_shows_the_beginning_of_long_texts(client, simulator) -> None:
    for model in (VOICE, "openai/gpt-audio"):
        known = {"text": "foxes" * 400, "model": model, "dry_run": True}
        shown = text(await call(client, "generate_audio", **known))
        assert "foxesfoxes" in shown
        assert "... (2,000 characters)" in shown
        assert len(shown) < 800
    assert paid(simulator) == []


async def test_a_cost_that_openrouter_does_not_know_yet_is_pending(client, simulator) -> None:
    simulator.generation_misses = 9
    result = await call(client, "generate_audio", text="Hello", model=VOICE, voice="aria")
    assert "cost pending" in text(result)
    assert result.meta[RECEIPT]["cost_pending"] is True


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"format": "wav"}, "Hello.wav"), ({"save_to": "greeting.wav"}, "greeting.wav")],
)
async def test_samples_are_wrapped_into_a_wav_file(client, simulator, output, arguments, name):
    known = {"text": "Hello", "model": VOICE, "voice": "aria"}
    result = await call(client, "generate_audio", **known, **arguments)
    assert paid(simulator)[0].body["response_format"] == "pcm"
    with wave.open(str(output / name)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() == 5 * 1440
    assert "0.3 s of sound" in text(result)


async def test_a_voice_that_does_not_exist_is_answered_with_the_right_ones(client, simulator):
    result = await call(client, "generate_audio", text="Hello", model=VOICE, voice="nobody")
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "It has aria, basil, clementine." in text(result)
    assert result.meta[ERROR]["suggestions"] == ["aria", "basil", "clementine"]
    assert paid(simulator) == []


async def test_voice_and_format_of_the_options_are_heeded(client, simulator, output) -> None:
    known = {"text": "Hello.", "model": "lumen/voice-1"}
    result = await call(client, "generate_audio", **known, options={"voice": "Basil"})
    assert "voice basil" in text(result)
    assert paid(simulator)[0].body["voice"] == "basil"
    options = {"response_format": "opus"}
    refused = await call(client, "generate_audio", **known, options=options)
    assert "format 'opus' is not offered" in text(refused)
    assert len(paid(simulator)) == 1


async def test_without_a_voice_one_is_taken_and_told(client, simulator) -> None:
    result = await call(client, "generate_audio", text="Hello", model=VOICE)
    assert paid(simulator)[0].body["voice"] == "aria"
    assert "No voice was named; aria is one of 3." in text(result)


async def test_without_a_model_one_is_chosen_that_has_the_voice(client, simulator) -> None:
    result = await call(client, "generate_audio", text="Hello", voice="clementine")
    assert paid(simulator)[0].body["model"] == VOICE
    assert "(no model was named: most used below $0.035 for 1,000 characters)" in text(result)


async def test_a_long_text_is_joined_from_pieces_that_end_with_sentences(
    client, simulator, output
) -> None:
    sentence = "The quick red fox jumps over the lazy dog near the river bank again today. "
    result = await call(
        client, "generate_audio", text=sentence * 120, model=VOICE, voice="aria", format="mp3"
    )
    pieces = [request.body["input"] for request in paid(simulator)]
    assert len(pieces) == 3
    assert all(piece.endswith("today.") and len(piece) <= 4000 for piece in pieces)
    (path,) = output.iterdir()
    assert path.suffix == ".wav"
    with wave.open(str(path)) as file:
        assert file.getnframes() == sum(map(len, pieces)) * 1440
    assert "Named .wav, because that is what it is." in text(result)
    assert result.meta[RECEIPT]["requests"] == 3


async def test_what_was_spoken_before_a_failure_is_kept(
    client, simulator, output, monkeypatch
) -> None:
    monkeypatch.setattr(speech, "AT_ONCE", 1)
    simulator.balance = Decimal("0.06")
    result = await call(client, "generate_audio", text="word " * 2300, model=VOICE, voice="aria")
    assert result.is_error
    assert result.meta[ERROR]["code"] == "NO_CREDITS"
    assert "(the first 1 of 3 pieces)" in text(result)
    (path,) = output.iterdir()
    with wave.open(str(path)) as file:
        assert file.getnframes() == len(paid(simulator)[0].body["input"]) * 1440


async def test_an_error_in_place_of_sound_is_not_saved(client, simulator, output) -> None:
    simulator.fail("error_in_ok", path="/audio/speech")
    result = await call(client, "generate_audio", text="Hello", model=VOICE, voice="aria")
    assert result.is_error
    simulator.fail("html_200", path="/audio/speech")
    result = await call(client, "generate_audio", text="Hello", model=VOICE, voice="aria")
    assert result.is_error
    assert list(output.iterdir()) == []


async def test_a_model_that_speaks_in_a_chat_is_streamed_and_wrapped(client, simulator, output):
    known = {"text": "Hello there", "model": "openai/gpt-audio", "voice": "nova"}
    result = await call(client, "generate_audio", **known)
    body = paid(simulator)[0].body
    assert paid(simulator)[0].path == "/chat/completions"
    assert body["audio"] == {"format": "pcm16", "voice": "nova"}
    assert body["modalities"] == ["text", "audio"]
    assert body["stream"] is True
    assert body["messages"][0]["role"] == "system"
    with wave.open(str(output / "Hello-there.wav")) as file:
        assert file.getnframes() == 11 * 1440
    assert "The model said: Hello there" in text(result)


async def test_music_without_a_price_is_bounded_by_what_may_be_spent(client, simulator) -> None:
    tune = {"text": "a calm tune", "model": "lumen/lyric-1", "max_cost": 0.2}
    result = await call(client, "generate_audio", **tune)
    assert not result.is_error, text(result)
    assert paid(simulator)[0].body["provider"] == {"max_price": {"request": "0.200000"}}


async def test_music_comes_without_a_voice_and_is_what_its_name_says(client, simulator, output):
    result = await call(client, "generate_audio", text="a calm tune", model="lumen/lyric-1")
    body = paid(simulator)[0].body
    assert body["audio"] == {"format": "mp3"}
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert not result.is_error
    (path,) = output.iterdir()
    assert (path.suffix, path.read_bytes()[:2]) == (".mp3", b"\xff\xfb")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"text": " "}, "INVALID_INPUT"),
        ({"format": "flac"}, "INVALID_INPUT"),
        ({"save_to": "../x.mp3"}, "UNSAFE_PATH"),
        ({"model": "openai/gpt-5-mini"}, "INVALID_INPUT"),
        ({"max_cost": 0.000001}, "BUDGET_EXCEEDED"),
    ],
)
async def test_wrong_speech_is_refused_before_paying(client, simulator, arguments, code) -> None:
    known = {"text": "Hello", "model": VOICE, "voice": "aria"} | arguments
    result = await call(client, "generate_audio", **known)
    assert result.meta[ERROR]["code"] == code
    assert paid(simulator) == []


async def test_the_price_of_speech_is_told(client, simulator) -> None:
    known = {"text": "x" * 1000, "model": VOICE, "voice": "aria"}
    result = await call(client, "generate_audio", **known, dry_run=True)
    assert result.meta[ESTIMATE]["usd_most"] == "0.015000"


SCRIBE = "lumen/scribe-1"


def recording(seconds: float = 2.0) -> bytes:
    return Pcm(b"\x01\x02" * int(8000 * seconds), 8000).wav()


@pytest.fixture
def talk(tmp_path, monkeypatch) -> Path:
    """A recording of two seconds, on a computer without ffmpeg."""
    monkeypatch.setattr(transcribe, "at_hand", lambda: "")
    path = tmp_path / "talk.wav"
    path.write_bytes(recording())
    return path


async def test_a_recording_arrives_byte_by_byte_and_comes_back_as_text(client, simulator, talk):
    result = await call(client, "transcribe_audio", file=str(talk), model=SCRIBE, language="EN")
    body = paid(simulator)[0].body
    assert base64.b64decode(body["input_audio"]["data"]) == recording()
    assert body["input_audio"]["format"] == "wav"
    assert {**body, "input_audio": {}} == {"model": SCRIBE, "language": "en", "input_audio": {}}
    assert result.content[0].text == "First of 2.0 seconds. Then the rest."
    assert result.meta["openrouter/untrusted"] is True
    line = result.content[-1].text.splitlines()[-1]
    assert line.startswith("-- lumen/scribe-1")
    assert " | 2.0 s of sound | " in line
    assert " | $0.0002 | " in line


@pytest.mark.parametrize(
    ("language", "sent"), [("pt-BR", "pt-br"), (" yue ", "yue"), ("zh_Hant_TW", "zh-hant-tw")]
)
async def test_a_language_is_an_iso_code_with_or_without_a_region(
    client, simulator, talk, language, sent
) -> None:
    known = {"file": str(talk), "model": SCRIBE}
    await call(client, "transcribe_audio", **known, language=language)
    assert paid(simulator)[0].body["language"] == sent
    for wrong in ("german", "e", "en-", "deutsch (de)"):
        refused = await call(client, "transcribe_audio", **known, language=wrong)
        assert refused.meta[ERROR]["code"] == "INVALID_INPUT"
        assert "language takes an ISO-639 code such as en, de or pt-BR" in text(refused)
    assert len(paid(simulator)) == 1


async def test_times_and_speakers_are_asked_for_and_told(client, simulator, talk) -> None:
    known = {"file": str(talk), "model": SCRIBE}
    result = await call(client, "transcribe_audio", **known, timestamps="segment", speakers=True)
    body = paid(simulator)[0].body
    assert body["response_format"] == "verbose_json"
    assert body["timestamp_granularities"] == ["segment"]
    assert body["diarize"] is True
    assert result.content[0].text.splitlines() == [
        "[00:00] Speaker 0: First of 2.0 seconds.",
        "[00:01] Speaker 1: Then the rest.",
    ]
    plain = await call(client, "transcribe_audio", **known, speakers=True)
    assert plain.content[0].text.splitlines()[1] == "Speaker 1: Then the rest."
    words = await call(client, "transcribe_audio", **known, timestamps="word")
    assert words.content[0].text.splitlines()[1] == "[00:00.29] of"
    both = await call(client, "transcribe_audio", **known, timestamps="word", speakers=True)
    assert both.content[0].text.splitlines()[-1] == "[00:01.71] Speaker 1: rest."


async def test_speakers_are_told_apart_by_a_model_that_can(client, simulator, talk) -> None:
    chosen = await call(client, "transcribe_audio", file=str(talk), speakers=True)
    assert not chosen.is_error
    assert paid(simulator)[0].body["model"] == SCRIBE
    refused = await call(
        client, "transcribe_audio", file=str(talk), speakers=True, model="openai/whisper-1"
    )
    assert refused.meta[ERROR]["code"] == "INVALID_INPUT"
    assert refused.meta[ERROR]["suggestions"] == [SCRIBE]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("talk.srt", "1\n00:00:00,000 --> 00:00:01,000\nFirst of 2.0 seconds.\n\n2\n"),
        ("talk.vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nFirst of 2.0 seconds.\n"),
        ("talk.txt", "First of 2.0 seconds. Then the rest."),
        ("talk.json", '{\n "text": "First of 2.0 seconds. Then the rest.",'),
    ],
)
async def test_the_ending_of_the_name_is_the_format(
    client, simulator, talk, output, name, begins
) -> None:
    result = await call(client, "transcribe_audio", file=str(talk), model=SCRIBE, save_to=name)
    assert (output / name).read_text().startswith(begins)
    assert str(output / name) in text(result)


async def test_a_long_transcript_is_shown_by_its_head(
    configure, client, simulator, talk, monkeypatch
) -> None:
    monkeypatch.setattr(simulated_media, "segments", lambda *_args, **_kwargs: [segment] * 2000)
    segment = {"id": 0, "start": 0.0, "end": 1.0, "text": "on and on and on and on"}
    result = await call(
        client, "transcribe_audio", file=str(talk), model=SCRIBE, timestamps="segment"
    )
    assert len(text(result)) < 45_000
    assert "all are in" in text(result)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing.wav", "NOT_FOUND"),
        ("notes.txt", "UNSUPPORTED_FORMAT"),
        ("film.mp4", "UNSUPPORTED_FORMAT"),
        ("old.aiff", "UNSUPPORTED_FORMAT"),
        ("long.wav", "TOO_LARGE"),
        ("../../etc/passwd", "UNSAFE_PATH"),
        ("http://127.0.0.1/a.wav", "UNSAFE_URL"),
    ],
)
async def test_what_cannot_be_written_down_is_refused_before_paying(
    client, simulator, talk, tmp_path, monkeypatch, name, code
) -> None:
    monkeypatch.setattr(transcribe, "LARGEST_WHOLE", 50_000)
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    (tmp_path / "old.aiff").write_bytes(b"FORM\0\0\0\x20AIFF" + bytes(100))
    (tmp_path / "long.wav").write_bytes(recording(4))
    file = name if name.startswith("http") else str(tmp_path / name)
    if name.startswith(".."):
        file = "/etc/passwd"
    result = await call(client, "transcribe_audio", file=file, model=SCRIBE)
    assert result.meta[ERROR]["code"] == code
    if code == "TOO_LARGE":
        assert "Install ffmpeg" in text(result)
    assert paid(simulator) == []


async def test_a_long_recording_is_written_down_in_parts(
    client, simulator, talk, monkeypatch
) -> None:
    monkeypatch.setattr(transcribe, "LONGEST_PART", 1.5)
    monkeypatch.setattr(transcribe, "at_hand", lambda: "/usr/bin/ffmpeg")

    async def duration(_file: Path) -> float:
        return 2.0

    async def silences(_file: Path) -> list[Part]:
        return [Part(0.9, 1.1)]

    async def extract(_file: Path, part: Part, target: Path) -> None:
        target.write_bytes(recording(part.end - part.start))

    for stand_in in (duration, silences, extract):
        monkeypatch.setattr(transcribe, stand_in.__name__, stand_in)
    known = {"file": str(talk), "model": SCRIBE, "timestamps": "segment"}
    result = await call(client, "transcribe_audio", **known)
    assert result.content[0].text.splitlines() == [
        "[00:00] First of 1.0 seconds.",
        "[00:00] Then the rest.",
        "[00:01] First of 1.0 seconds.",
        "[00:01] Then the rest.",
    ]
    assert result.meta[RECEIPT]["requests"] == 2
    assert "in 2 parts, cut at pauses" in text(result)
    simulator.balance = Decimal("0.00015")
    partly = await call(client, "transcribe_audio", **known)
    assert partly.is_error
    assert partly.content[0].text.startswith("[00:00] First of 1.0 seconds.")
    assert "Only 1 of 2 parts" in text(partly)


async def test_the_price_of_a_transcript_is_told_and_kept(client, simulator, talk) -> None:
    simulator.model(SCRIBE)["pricing"]["prompt"] = "0.006"
    known = {"file": str(talk), "model": SCRIBE}
    shown = await call(client, "transcribe_audio", **known, dry_run=True)
    assert float(shown.meta[ESTIMATE]["usd_most"]) == pytest.approx(0.006 / 60 * 2, rel=0.01)
    refused = await call(client, "transcribe_audio", **known, max_cost=0.00001)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert paid(simulator) == []


async def test_what_takes_long_goes_on_as_a_job_and_is_delivered_whole(
    configure, connect, simulator, output
) -> None:
    released = asyncio.Event()
    configure(OPENROUTER_OUTPUT_DIR=str(output), OPENROUTER_WAIT_SECONDS="0.1")
    async with connect(waiting_for(released)) as client:
        image = await call(client, "generate_image", prompt=PROMPT, model=SEEDREAM)
        order = await call(client, "rerank_documents", query="fox", documents=FOXES)
        job = image.meta["openrouter/job"]["job_id"]
        released.set()
        while not previews(image):
            assert not image.is_error
            image = await call(client, "get_job", job_id=job, wait=1)
        while "openrouter/job" in order.meta and not order.structured_content:
            order = await call(client, "get_job", job_id=order.meta["openrouter/job"]["job_id"])
    assert order.structured_content["results"]
    assert str(output / "A-red-fox-jumps.jpg") in text(image)
    assert image.content[-1].text.splitlines()[-1].startswith("-- bytedance-seed/seedream-4.5")
    assert len(paid(simulator)) == 2


@pytest.mark.parametrize(
    ("tool", "arguments", "fault", "code"),
    [
        ("generate_image", {"prompt": "A fox"}, "insufficient_credits", Code.NO_CREDITS),
        (
            "generate_audio",
            {"text": "Hello", "model": "openai/gpt-audio"},
            "insufficient_credits",
            Code.NO_CREDITS,
        ),
        ("embed_texts", {"texts": FOXES}, "context_too_long", Code.CONTEXT_TOO_LONG),
    ],
)
async def test_the_next_step_is_none_that_only_a_chat_has(
    client, simulator, tool, arguments, fault, code
):
    simulator.fail(fault, path="/[iec]*")
    told = text(await call(client, tool, **arguments))
    assert told.endswith(NEXT_STEP[code])
    assert "max_tokens" not in told
    assert "openrouter/free" not in told


@pytest.mark.parametrize(
    ("tool", "path", "arguments"),
    [
        ("rerank_documents", "/rerank", {"query": "fox", "documents": FOXES}),
        ("embed_texts", "/embeddings", {"texts": FOXES}),
        ("generate_image", "/images", {"prompt": "A fox"}),
        ("transcribe_audio", "/audio/transcriptions", {}),
        ("generate_audio", "/audio/speech", {"text": "Hello"}),
    ],
)
async def test_the_cost_of_a_reply_that_broke_on_its_way_is_found_out(
    configure, simulator, monkeypatch, talk, tool, path, arguments, connect
):
    arguments = arguments or {"file": str(talk)}
    simulator.fail("cut_stream", path=path, after=1)
    async with connect() as client:
        broken = await call(client, tool, **arguments)
        assert broken.meta[ERROR] == {"code": "NETWORK", "retryable": False}
        assert PERHAPS_BILLED in text(broken)
        assert float(broken.meta[RECEIPT]["cost"]) > 0
        usage = await call(client, "get_usage", by="tool")
    (row,) = usage.structured_content["here"]
    assert row["usd"] > 0
    assert "usd_not_settled" not in row


async def test_empty_files_that_were_found_are_skipped_and_named_ones_refused(
    client, simulator, tmp_path
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("a fox")
    (folder / "b.txt").write_text(" \n")
    for tool, known in (
        ("embed_texts", {"query": "fox"}),
        ("rerank_documents", {"query": "fox"}),
    ):
        result = await call(client, tool, files=[str(folder)], **known)
        assert not result.is_error, text(result)
        assert len(result.structured_content["results"]) == 1
        assert "Skipped 1 empty file (b.txt)." in text(result)
        result = await call(client, tool, files=[str(folder / "b.txt")], **known)
        assert result.is_error
        assert "is empty" in text(result)


async def test_globs_of_vectors_and_of_lines_are_read(client, output, tmp_path) -> None:
    await call(client, "embed_texts", texts=["a red fox"], save_to="one.jsonl")
    await call(client, "embed_texts", texts=["snow"], save_to="two.jsonl")
    result = await call(client, "embed_texts", files=[str(output / "*.jsonl")], query="fox")
    assert not result.is_error, text(result)
    assert len(result.structured_content["results"]) == 2
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_text('{"event": "fox seen"}\n')
    for name in (str(logs / "*.jsonl"), "data:application/jsonl,%7B%22event%22%3A1%7D"):
        result = await call(client, "embed_texts", files=[name], query="fox")
        assert not result.is_error, text(result)
        assert len(result.structured_content["results"]) == 1
