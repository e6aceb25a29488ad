"""Images and sound in the answer of a chat: saved as files, wherever a provider puts them."""

import base64
import io
import wave
from pathlib import Path

import pytest
from mcp.types import ImageContent, ResourceLink, TextContent
from PIL import Image

from openrouter_mcp.simulator.state import Simulator
from tests.support.upstream import chats
from tests.support.wire import DONE, MODEL, ask, chunk, cost, message, usage


def picture(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


RED = encoded(picture())
RED_URL = f"data:image/png;base64,{RED}"
IMAGE = {"type": "image_url", "image_url": {"url": RED_URL}}
SAMPLES = bytes(range(200)) * 30


def spoken(pieces: list[str]) -> list:
    return [chunk(audio={"data": piece}) for piece in pieces]


def texts(result) -> str:
    return "\n\n".join(block.text for block in result.content if isinstance(block, TextContent))


def saved(result) -> list[Path]:
    links = [block for block in result.content if isinstance(block, ResourceLink)]
    return [Path(str(link.uri).removeprefix("file://")) for link in links]


def ended(*pieces, finish: str = "stop") -> list:
    return [*pieces, chunk(finish=finish), usage(), DONE]


@pytest.mark.parametrize(
    "pieces",
    [
        ended(chunk(images=[IMAGE])),
        ended(chunk(images=[IMAGE]), chunk(images=[IMAGE])),
        ended(chunk(images=[{"image_url": RED_URL}])),
        ended(chunk(images=[{"url": RED_URL}])),
        ended(chunk(images=[{"b64_json": RED}])),
        ended(chunk(content=[IMAGE])),
        ended(chunk(content=[{"type": "output_image", "image_url": RED_URL}])),
        ended(chunk(content=[{"type": "image", "source": {"type": "base64", "data": RED}}])),
        ended(chunk(content=IMAGE)),
        ended(chunk(images=[RED_URL])),
        ended(chunk(images=[RED])),
        ended(chunk(images=IMAGE)),
        [message(content=None, images=[RED_URL])],
        [message(content=None, images=[IMAGE])],
        [message(content=[{"type": "text", "text": ""}, IMAGE])],
        ended(chunk(images=[IMAGE]), message(content=None, images=[IMAGE])),
    ],
    ids=range(16),
)
async def test_an_image_is_a_file_with_a_preview(client, simulator: Simulator, pieces: list):
    simulator.answer_raw(*pieces)
    result = await ask(client)
    assert not result.is_error
    (path,) = saved(result)
    assert path.read_bytes() == picture()
    assert f"{path} ({len(picture()):,} bytes)" in texts(result)
    assert [type(block) for block in result.content] == [
        *(TextContent, ImageContent, ResourceLink, TextContent)
    ]
    assert result.content[-1].text.startswith("-- ")
    assert str(cost(result)) == "0.0012"


async def test_words_stand_before_the_images(client, simulator: Simulator, tmp_path):
    blue = f"data:image/png;base64,{encoded(picture('blue'))}"
    simulator.answer_raw(
        *ended(chunk(content="Two of them:"), chunk(images=[IMAGE, {"image_url": {"url": blue}}]))
    )
    result = await ask(client)
    assert [path.read_bytes() for path in saved(result)] == [picture(), picture("blue")]
    assert texts(result).startswith("Two of them:\n\n/")


def cut_up(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize(
    "pieces",
    [
        spoken([encoded(SAMPLES[at : at + 1000]) for at in range(0, len(SAMPLES), 1000)]),
        spoken(cut_up(encoded(SAMPLES), 333)),
        spoken([encoded(SAMPLES)]),
        [chunk(content=[{"type": "output_audio", "data": encoded(SAMPLES)}])],
        [*spoken([encoded(SAMPLES)]), message(content=None, audio={"data": encoded(SAMPLES)})],
    ],
    ids=range(5),
)
async def test_samples_are_a_sound_that_can_be_played(client, simulator: Simulator, pieces: list):
    said = chunk(audio={"transcript": "Good morning."})
    simulator.answer_raw(*ended(said, *pieces))
    options = {"modalities": ["text", "audio"], "audio": {"format": "pcm16", "voice": "alloy"}}
    result = await ask(client, options=options)
    (path,) = saved(result)
    assert path.suffix == ".wav"
    with wave.open(str(path)) as file:
        assert file.readframes(file.getnframes()) == SAMPLES
    assert texts(result).startswith("Good morning.\n\n/")


@pytest.mark.parametrize(
    ("piece", "note"),
    [
        ({"images": [{"image_url": {"url": "data:image/png;base64,!!"}}]}, "not saved: 1 of"),
        ({"images": [{"image_url": {"url": ""}}]}, ""),
        ({"audio": {"data": "no base64!"}}, "not saved: 1 of"),
        (
            {"images": [{"image_url": {"url": "https://img.example/a.png"}}]},
            "An image of the answer is at https://img.example/a.png; it was not fetched.",
        ),
    ],
    ids=range(4),
)
async def test_what_cannot_be_saved_loses_neither_words_nor_receipt(
    client, simulator: Simulator, piece: dict, note: str
):
    simulator.answer_raw(*ended(chunk(content="Here you are."), chunk(**piece)))
    result = await ask(client)
    assert not result.is_error
    assert texts(result).startswith("Here you are.")
    assert note in texts(result)
    assert saved(result) == []
    assert str(cost(result)) == "0.0012"


async def test_an_image_goes_on_a_thread_as_words(client, simulator: Simulator):
    simulator.answer_raw(*ended(chunk(images=[IMAGE])))
    first = await ask(client, thread_id="new")
    thread_id = texts(first).partition('thread_id="')[2].partition('"')[0]
    await ask(client, thread_id=thread_id)
    assert chats(simulator)[1].body["messages"][1]["content"] == "[1 image]"


async def test_a_comparison_saves_them_for_each_model(client, simulator: Simulator):
    simulator.answer_raw(*ended(chunk(images=[IMAGE])), times=2)
    models = [MODEL, "anthropic/claude-sonnet-5"]
    result = await client.call_tool("compare_models", {"prompt": "Draw", "models": models})
    assert [path.read_bytes() for path in saved(result)] == [picture()] * 2
    assert "[no answer yet]" not in texts(result)
    assert all(str(path) in texts(result) for path in saved(result))
    assert result.content[-1].text.startswith("-- 2 models")


async def test_very_many_of_them_are_a_page(client, simulator: Simulator):
    icons = [f"data:text/plain;base64,{encoded(str(n).encode())}" for n in range(300)]
    there = [f"https://img.example/{n}.png" for n in range(3000)]
    images = [{"image_url": {"url": url}} for url in (*icons, *there)]
    simulator.answer_raw(*ended(chunk(images=images)))
    result = await ask(client)
    assert len(saved(result)) == 100
    assert f"and 200 more in {saved(result)[0].parent}" in texts(result)
    assert len(list(saved(result)[0].parent.iterdir())) == 300
    assert "So are 2,980 more" in texts(result)


async def test_an_image_before_an_error_is_saved_by_its_own_tool_too(client, simulator):
    simulator.fail("not_found", path="/images/models/*", times=None)
    failed = {"error": {"message": "Overloaded", "code": 529}}
    simulator.answer_raw(chunk(images=[IMAGE]), failed, usage(), DONE)
    asked = {"prompt": "Red", "model": "google/gemini-3.1-flash-image-preview"}
    result = await client.call_tool("generate_image", asked, raise_on_error=False)
    assert [path.read_bytes() for path in saved(result)] == [picture()]
    assert str(cost(result)) == "0.0012"


async def test_an_image_in_the_text_is_saved_by_its_own_tool_too(client, simulator):
    simulator.fail("not_found", path="/images/models/*", times=None)
    simulator.answer_raw(*ended(chunk(content=f"![Red]({RED_URL})")))
    asked = {"prompt": "Red", "model": "google/gemini-3.1-flash-image-preview"}
    result = await client.call_tool("generate_image", asked, raise_on_error=False)
    assert not result.is_error
    assert [path.read_bytes() for path in saved(result)] == [picture()]


async def test_previews_of_one_reply_are_few_bytes_together(client, simulator: Simulator):
    noise = [Image.effect_noise((800, 800), 100 + n).convert("RGB") for n in range(8)]
    images = []
    for each in noise:
        buffer = io.BytesIO()
        each.save(buffer, "JPEG", quality=95)
        url = f"data:image/jpeg;base64,{encoded(buffer.getvalue())}"
        images.append({"image_url": {"url": url}})
    simulator.answer_raw(*ended(chunk(images=images)))
    result = await ask(client)
    previews = [block.data for block in result.content if isinstance(block, ImageContent)]
    assert 0 < sum(map(len, previews)) <= 800_000
    assert len(saved(result)) == 8


@pytest.mark.parametrize("shown", [f"![A fox]({RED_URL})", RED_URL, f'![]({RED_URL} "Red")'])
async def test_an_image_in_the_text_is_a_file_too(client, simulator: Simulator, shown: str):
    text = f"Here: {shown} That is all."
    simulator.answer_raw(*ended(*(chunk(content=piece) for piece in cut_up(text, 50))))
    result = await ask(client, thread_id="new")
    assert [path.read_bytes() for path in saved(result)] == [picture()]
    assert texts(result).startswith("Here: [image] That is all.\n\n/")
    assert RED not in texts(result)


async def test_an_address_that_holds_no_image_stays_in_the_text(client, simulator: Simulator):
    text = "Write it as data:image/png;base64,AAAA in a style sheet."
    simulator.answer_raw(*ended(chunk(content=text)))
    assert texts(await ask(client)).startswith(text)
