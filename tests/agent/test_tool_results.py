"""Every kind of content that an MCP tool returns, as a model gets it."""

import base64
import json

import mcp.types as mt
import pytest

from openrouter_mcp.agent.toolbox import of_resource, outcome

PIXEL = base64.b64encode(b"pixel" * 40).decode()
SEEING = {"text", "image"}


def of(*content, senses=SEEING, **fields):
    return outcome(mt.CallToolResult(content=list(content), **fields), senses)


def text(said: str) -> mt.TextContent:
    return mt.TextContent(type="text", text=said)


def test_texts_are_joined() -> None:
    assert of(text("a"), text("b")).text == "a\nb"


def test_an_image_reaches_a_model_that_sees() -> None:
    image = mt.ImageContent(type="image", data=PIXEL, mime_type="image/png")
    seen = of(image)
    url = f"data:image/png;base64,{PIXEL}"
    assert seen.parts == ({"type": "image_url", "image_url": {"url": url}},)
    blind = of(image, senses={"text"})
    assert blind.parts == ()
    assert "cannot take" in blind.text
    assert PIXEL not in blind.text


def test_sound_reaches_a_model_that_hears() -> None:
    sound = mt.AudioContent(type="audio", data=PIXEL, mime_type="audio/mpeg")
    heard = of(sound, senses={"audio"})
    assert heard.parts[0]["input_audio"] == {"data": PIXEL, "format": "mp3"}
    assert of(sound).parts == ()


def test_resources_come_as_text_as_media_or_by_their_name() -> None:
    embedded = mt.EmbeddedResource(
        type="resource", resource=mt.TextResourceContents(uri="file:///a.txt", text="inside")
    )
    assert of(embedded).text == "[resource file:///a.txt]\ninside"
    link = mt.ResourceLink(
        type="resource_link", name="A", uri="file:///a", mime_type="text/plain", size=2000
    )
    assert of(link).text == "[link to the resource file:///a: A, text/plain, 2,000 bytes]"
    assert of(embedded, link).resources == ("file:///a.txt", "file:///a")


def test_a_resource_that_was_read_is_told_like_a_result() -> None:
    page = mt.TextResourceContents(uri="file:///a.txt", text="inside")
    image = mt.BlobResourceContents(uri="file:///b", blob=PIXEL, mime_type="image/png")
    seen = of_resource(mt.ReadResourceResult(contents=[page, image]), SEEING)
    assert seen.text.startswith("[resource file:///a.txt]\ninside\n[image/png")
    assert len(seen.parts) == 1
    assert of_resource(mt.ReadResourceResult(contents=[]), SEEING).text == "(no content)"


@pytest.mark.parametrize(
    ("kind", "said", "parts"),
    [("text/csv", "pixelpixel", 0), ("image/png", "shown", 1), ("application/zip", "cannot", 0)],
)
def test_binary_resources_are_taken_by_their_kind(kind, said, parts) -> None:
    blob = mt.BlobResourceContents(uri="file:///b", blob=PIXEL, mime_type=kind)
    seen = of(mt.EmbeddedResource(type="resource", resource=blob))
    assert said in seen.text
    assert len(seen.parts) == parts


@pytest.mark.parametrize("kind", ["text/plain", "image/png", "audio/wav", "application/zip"])
def test_broken_base64_is_told(kind) -> None:
    blob = mt.BlobResourceContents(uri="file:///b", blob="abc", mime_type=kind)
    seen = of(mt.EmbeddedResource(type="resource", resource=blob), senses={"image", "audio"})
    assert seen.text == f"[{kind} resource file:///b: its base64 is broken]"
    assert seen.parts == ()


def test_base64_in_lines_goes_on_without_them() -> None:
    lines = "\n".join([PIXEL[:76], PIXEL[76:]])
    seen = of(mt.ImageContent(type="image", data=lines, mime_type="image/png"))
    assert seen.parts[0]["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"


def test_structured_content_is_told_once() -> None:
    data = {"rows": [1, 2]}
    assert of(structured_content=data).text == json.dumps(data)
    for mirrored in (json.dumps(data), json.dumps(data, indent=2), "[1, 2]"):
        assert of(text(mirrored), structured_content=data).text == mirrored
    assert of(text("see below"), structured_content=data).text.endswith(json.dumps(data))


def test_an_error_stays_an_error() -> None:
    failed = of(text("no such file"), is_error=True)
    assert failed.failed
    assert failed.summary() == "error: no such file"


def test_nothing_is_said_to_be_nothing() -> None:
    assert of().text == "(no content)"


def test_media_of_any_size_never_stand_in_the_text() -> None:
    huge = mt.ImageContent(type="image", data="A" * 9_000_000, mime_type="image/png")
    assert of(huge).parts == ()
    assert len(of(huge).text) < 100
