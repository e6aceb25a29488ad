"""Which tools a run may use, and what is told of the others."""

import asyncio
import base64
import json
import re
import sys
from dataclasses import replace

import mcp.types as mt
import pytest

from openrouter_mcp import credentials
from openrouter_mcp.agent.toolbox import (
    ResultPages,
    open_toolbox,
    outcome_of_call,
    outcome_of_resource,
)
from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.mcp_client.servers import McpServer
from openrouter_mcp.progress import silent
from tests.support.processes import PEER


@pytest.fixture
async def box():
    """The toolbox of these servers."""
    servers: list[McpServer] = []

    async def make(globs=(), allow=(), **kinds):
        for name, kind in (kinds or {"peer": ""}).items():
            config = ServerConfig(name, command=sys.executable, args=(PEER, kind))
            servers.append(McpServer(config))
        return await open_toolbox(servers, globs, allow, silent)

    yield make
    await asyncio.gather(*(server.aclose() for server in servers))


async def test_only_what_declares_itself_read_only_is_offered(box) -> None:
    made = await box()
    assert "peer__read" in made.offered
    assert list(made.withheld) == ["peer__write"]


async def test_what_is_withheld_is_told_with_the_setting_that_allows_it(box) -> None:
    (note,) = (await box()).notes()
    assert "OPENROUTER_AGENT_ALLOW=peer__write " in note


@pytest.mark.parametrize("glob", ["peer__write", "peer__*", "*__write"])
async def test_the_user_allows_with_globs(box, glob) -> None:
    made = await box(allow=[glob])
    assert "peer__write" in made.offered
    assert not made.withheld
    assert not made.is_read_only("peer__write")


async def test_the_caller_narrows_and_never_widens(box) -> None:
    made = await box(globs=["peer__read", "peer__write"])
    assert list(made.offered) == ["peer__read"]
    assert list(made.withheld) == ["peer__write"]


async def test_the_setting_that_allows_more_keeps_what_it_allows(box) -> None:
    (note,) = (await box(allow=["other__*"])).notes()
    assert "OPENROUTER_AGENT_ALLOW=other__*,peer__write " in note


@pytest.mark.parametrize(
    ("glob", "there"),
    [("read", "Nearest: peer__read."), ("peer__reed", "Nearest: peer__read"), ("zz*", "There are")],
)
async def test_a_glob_that_means_no_tool_is_told_beside_those_that_do(box, glob, there) -> None:
    (note,) = (await box(globs=["peer__sleep", glob])).notes()
    assert repr(glob) in note
    assert there in note


async def test_a_tool_that_runs_only_as_a_task_is_run_so(box) -> None:
    outcome = await (await box()).call("peer__research", "{}", 10, ())
    assert (outcome.text, outcome.failed) == ("found for t1", False)


async def test_a_name_that_could_mean_two_tools_means_none(box) -> None:
    made = await box(first="", second="")
    assert made.resolve("FIRST__read") == "first__read"
    assert made.resolve("read") == "read"
    assert made.resolve("nonsense") == "nonsense"


async def test_a_withheld_tool_is_withheld_under_every_spelling(box, tmp_path) -> None:
    outcome = await (await box()).call("Write", f'{{"path": "{tmp_path}/a"}}', 10, ())
    assert "withheld" in outcome.text
    assert not (tmp_path / "a").exists()


async def test_resources_are_offered_where_a_server_has_some(box) -> None:
    made = await box()
    names = [definition["function"]["name"] for definition in made.definitions]
    assert names[-1] == "read_result"


async def test_more_tools_than_providers_take_are_told(box) -> None:
    made = await box(allow=["*"])
    tool = made.offered["peer__read"]
    many = replace(made, offered={str(n): tool for n in range(129)})
    assert "129 tools" in many.notes()[0]
    assert made.notes() == []


async def test_the_users_yes_widens(box, tmp_path) -> None:
    made = (await box()).with_allowed({"peer__write"})
    outcome = await made.call("peer__write", f'{{"path": "{tmp_path.as_posix()}/a"}}', 10, ())
    assert outcome.text == "written"
    assert not made.withheld


async def test_a_dead_server_is_told_and_the_others_go_on(box) -> None:
    made = await box(good="", bad="crash", noisy="garbage")
    assert {tool.server for tool in made.offered.values()} == {"good", "noisy"}
    notes = " ".join(made.notes())
    assert "bad did not start: its process ended with exit code 1: no token is set." in notes
    assert "noisy printed 1,000 lines on stdout" in notes


async def test_a_tool_that_was_allowed_once_may_die_without_harm(box) -> None:
    made = await box()
    died = await made.call("peer__die", "{}", 10, ())
    assert died.failed
    assert "out of cheese" in died.text
    assert not (await made.call("peer__process_id", "{}", 10, ())).failed


# Every kind of content that an MCP tool returns, as a model gets it.


PIXEL = base64.b64encode(b"pixel" * 40).decode()
SEEING = {"text", "image"}


def of(*content, modalities=SEEING, **fields):
    return outcome_of_call(mt.CallToolResult(content=list(content), **fields), modalities)


def text(said: str) -> mt.TextContent:
    return mt.TextContent(type="text", text=said)


def test_texts_are_joined() -> None:
    assert of(text("a"), text("b")).text == "a\nb"


def test_an_image_reaches_a_model_that_sees() -> None:
    image = mt.ImageContent(type="image", data=PIXEL, mime_type="image/png")
    seen = of(image)
    url = f"data:image/png;base64,{PIXEL}"
    assert seen.parts == ({"type": "image_url", "image_url": {"url": url}},)
    blind = of(image, modalities={"text"})
    assert blind.parts == ()
    assert "cannot take" in blind.text
    assert PIXEL not in blind.text


def test_an_image_without_its_type_is_told_from_its_bytes() -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
    seen = of(mt.ImageContent(type="image", data=png, mime_type=""))
    assert seen.parts[0]["image_url"]["url"].startswith("data:image/png;base64,")
    unknown = of(mt.ImageContent(type="image", data=PIXEL, mime_type=""))
    assert "application/octet-stream" in unknown.text


def test_sound_reaches_a_model_that_hears() -> None:
    sound = mt.AudioContent(type="audio", data=PIXEL, mime_type="audio/mpeg")
    heard = of(sound, modalities={"audio"})
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
    seen = outcome_of_resource(mt.ReadResourceResult(contents=[page, image]), SEEING)
    assert seen.text.startswith("[resource file:///a.txt]\ninside\n[image/png")
    assert len(seen.parts) == 1
    assert outcome_of_resource(mt.ReadResourceResult(contents=[]), SEEING).text == "(no content)"


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
    seen = of(mt.EmbeddedResource(type="resource", resource=blob), modalities={"image", "audio"})
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


# Long tool results, page by page.


def result_id(shown: str) -> str:
    """The id of a result that is shown in part."""
    match = re.search(r'result="([\w-]+)"', shown)
    assert match
    return match[1]


def test_a_short_result_is_shown_whole() -> None:
    assert ResultPages().shown("short", 100) == "short"


def test_a_long_result_is_read_to_its_end_by_following_what_it_says() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    pages = ResultPages()
    shown, read = pages.shown(text, 1000), ""
    while match := re.search(r'\n\[Cut: .*result="([\w-]+)", offset=(\d+)\.\]$', shown):
        read += shown[: match.start()]
        arguments = json.dumps({"result": match[1], "offset": int(match[2])})
        outcome = pages.read(arguments, 1000)
        assert not outcome.failed
        shown = outcome.text
        assert len(shown) <= 1000
    assert read + shown == text


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"result": "result-9", "offset": 0}',
        '{"result": "{id}", "offset": 99999}',
        "[" * 100_000,
    ],
)
def test_wrong_questions_are_answered(arguments) -> None:
    pages = ResultPages()
    shown = pages.shown("x" * 200, 100)
    assert pages.read(arguments.replace("{id}", result_id(shown)), 1000).failed


def test_the_text_of_another_run_cannot_be_read() -> None:
    earlier, pages = result_id(ResultPages().shown("x" * 200, 100)), ResultPages()
    assert result_id(pages.shown("y" * 200, 100)) != earlier
    outcome = pages.read(json.dumps({"result": earlier, "offset": 0}), 1000)
    assert outcome.failed
    assert "call its tool again" in outcome.text


async def test_our_own_keys_go_to_no_server_and_come_from_none(box, tmp_path) -> None:
    key = "sk-or-v1-0123456789"
    (tmp_path / "config.json").write_text(f"the key is {key}")
    made = replace(await box(allow=["peer__write"]), own_keys=(key,))
    read = json.dumps({"path": str(tmp_path / "config.json")})
    outcome = await made.call("peer__read", read, 10, set())
    assert outcome.text == f"the key is {credentials.HIDDEN}"
    write = json.dumps({"path": str(tmp_path / key)})
    outcome = await made.call("peer__write", write, 10, set())
    assert outcome.failed
    assert "a key of this server" in outcome.text
    assert not (tmp_path / key).exists()
    escaped = write.replace("sk-or", r"\u0073k-o\u0072")
    assert key not in escaped
    assert key in json.loads(escaped)["path"]
    assert (await made.call("peer__write", escaped, 10, set())).failed
    assert not (tmp_path / key).exists()


async def test_a_result_that_holds_a_secret_is_kept_back(box, tmp_path) -> None:
    token = "ghp_" + "0a1B2c3D4e5F" * 3
    (tmp_path / "deploy.sh").write_text(f"export TOKEN={token}")
    made = await box()
    read = json.dumps({"path": str(tmp_path / "deploy.sh")})
    outcome = await made.call("peer__read", read, 10, set())
    assert outcome.failed
    assert "holds a token of GitHub" in outcome.text
    assert token not in outcome.text
    allowed = replace(made, shows_secrets=True)
    assert token in (await allowed.call("peer__read", read, 10, set())).text
