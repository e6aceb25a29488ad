"""Other MCP servers as processes: kept warm, restarted, and bounded whatever they do."""

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import uvicorn
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers

from openrouter_mcp.mcp_client import process as mcp_process
from openrouter_mcp.mcp_client import servers
from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.mcp_client.servers import McpServer, ServerError
from openrouter_mcp.timing import Timing
from tests.support.processes import PEER, runs, until

QUICK = Timing(server_exit=0.1)
LEAK = "sk-or-v1-" + "0" * 64


@pytest.fixture
async def start():
    """Servers that are stopped at the end."""
    started: list[McpServer] = []

    def make(kind: str = "", timing: Timing = QUICK, **fields) -> McpServer:
        fields = {"command": sys.executable, "args": (PEER, kind), **fields}
        started.append(McpServer(ServerConfig("peer", **fields), timing))
        return started[-1]

    yield make
    await asyncio.gather(*(server.aclose() for server in started))


async def said(server: McpServer, tool: str, seconds: float = 20) -> str:
    result = await server.call(tool, {}, seconds)
    return result.content[0].text


async def test_a_server_is_started_once_and_kept_warm(start) -> None:
    server = start()
    first, second = await asyncio.gather(said(server, "process_id"), said(server, "process_id"))
    assert {tool.name for tool in await server.tools()} >= {"write", "ask"}
    assert first == second == await said(server, "process_id")


async def test_nothing_is_left_running_after_closing(start) -> None:
    server = start()
    process = int(await said(server, "process_id"))
    assert runs(process)
    await server.aclose()
    assert not runs(process)


async def test_this_server_itself_is_recognised_however_it_was_started(start, environment) -> None:
    code = "from openrouter_mcp.cli import main; main()"
    server = start(args=("-c", code), env=environment)
    with pytest.raises(ServerError, match="it is this server itself"):
        await server.tools()


async def test_what_a_server_started_ends_with_it(start) -> None:
    server = start()
    child = int(await said(server, "parent"))
    assert runs(child)
    await server.aclose()
    await until(lambda: not runs(child))


async def test_what_a_server_started_ends_when_it_dies(start) -> None:
    server = start()
    child, process = int(await said(server, "parent")), int(await said(server, "process_id"))
    os.kill(process, 9)
    await until(lambda: not runs(child))
    assert await server.tools()


async def test_a_server_gets_its_configured_environment_and_never_the_key(
    start, monkeypatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", LEAK)
    environment = await said(start(env={"GREETING": "hello"}), "environment")
    assert "GREETING=hello" in environment
    assert "OPENROUTER_INSIDE_AGENT=1" in environment
    assert LEAK not in environment


async def test_a_server_that_dies_is_told_and_started_again(start) -> None:
    server = start()
    before = await said(server, "process_id")
    with pytest.raises(ServerError, match="exit code 3: out of cheese"):
        await said(server, "die")
    assert await said(server, "process_id") != before


async def test_a_server_that_died_between_two_runs_is_started_again(start) -> None:
    server = start()
    process = int(await said(server, "process_id"))
    os.kill(process, 9)
    await until(lambda: not runs(process))
    assert await server.tools()


async def test_a_server_that_crashes_at_start_says_why(start) -> None:
    with pytest.raises(ServerError, match="exit code 1: no token is set"):
        await start("crash").tools()


async def test_the_line_that_tells_most_is_told(start) -> None:
    with pytest.raises(ServerError, match="npm error code E404; npm error 404 Not Found"):
        await start("npm").tools()


async def test_a_server_that_hangs_at_start_is_given_up(start) -> None:
    with pytest.raises(ServerError, match="said nothing within"):
        await start("hang", Timing(server_start=0.3)).tools()


async def test_garbage_on_stdout_is_skipped_and_counted(start) -> None:
    server = start("garbage")
    assert await server.tools()
    assert server.stray_lines == 1000


USABLE = ["untyped", "null", "absent", "nulls", "property", "union", "words", "hints"]


@pytest.mark.parametrize("kind", ["odd", "null cursor"])
async def test_an_odd_tool_removes_itself_and_not_its_server(start, kind) -> None:
    tools = await start(kind).tools()
    assert [tool.name for tool in tools] == USABLE
    assert all(tool.input_schema["type"] == "object" for tool in tools)
    assert not any(tool.annotations.read_only_hint for tool in tools)


async def test_a_list_that_is_one_tool_is_that_tool(start) -> None:
    assert [tool.name for tool in await start("single").tools()] == ["only"]


@pytest.mark.parametrize(("kind", "pages"), [("loop", [1, 0]), ("endless", [1, 2, 3])])
async def test_pages_without_an_end_give_what_they_have(start, kind, pages) -> None:
    assert [tool.name for tool in await start(kind).tools()] == [f"page{n}" for n in pages]


ODD_RESULTS = [
    ({}, [], False),
    ("found", ["found"], False),
    (["found", 7], ["found", "7"], False),
    ({"content": None}, [], False),
    ({"content": "found"}, ["found"], False),
    ({"content": {"type": "text", "text": "found"}}, ["found"], False),
    ({"content": [None, "found", 7, {"text": "more"}]}, ["found", "7", "more"], False),
    ({"content": [{"type": "text"}, {"type": "text", "text": None}]}, ["", ""], False),
    ({"content": [{"type": "text", "text": {"a": 1}}]}, ['{"text": {"a": 1}}'], False),
    ({"content": [{"type": "chart", "data": [1]}]}, ['{"type": "chart", "data": [1]}'], False),
    ({"content": [{"type": "image"}]}, ['{"type": "image"}'], False),
    ({"content": [{"type": "resource", "resource": {"text": "in"}}]}, ["in"], False),
    ({"content": [{"type": "resource", "resource": "in"}]}, ["in"], False),
    ({"content": [{"type": "resource"}]}, ['{"type": "resource"}'], False),
    ({"structuredContent": [1, 2]}, ["[1, 2]"], False),
    ({"toolResult": "found"}, ['{"toolResult": "found"}'], False),
    ({"content": "bad", "isError": "true"}, ["bad"], True),
    ({"content": "good", "isError": "false"}, ["good"], False),
    ({"content": "good", "isError": None}, ["good"], False),
]


def texts_of(result) -> list[str]:
    return [getattr(block, "resource", block).text for block in result.content]


@pytest.mark.parametrize(("odd", "texts", "failed"), ODD_RESULTS, ids=repr)
async def test_a_result_not_quite_of_the_protocol_gives_what_it_has(
    start, odd, texts, failed
) -> None:
    result = await start("odd").call("absent", {"result": json.dumps(odd)}, 20)
    assert (texts_of(result), bool(result.is_error)) == (texts, failed)


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ({"result": None}, {"result": {"content": None}}),
        ({}, {"result": {"content": None}}),
        ({"result": "found", "error": None}, {"result": {"content": "found"}}),
        ({"error": "No"}, {"error": {"code": -32603, "message": "No"}}),
        ({"error": {"message": "No"}}, {"error": {"code": -32603, "message": "No"}}),
        ({"error": {"code": "E"}}, {"error": {"code": -32603, "message": '{"code": "E"}'}}),
    ],
    ids=str,
)
def test_an_answer_that_is_not_quite_one_is_no_silence(answer: dict, read: dict) -> None:
    made = mcp_process._message(json.dumps({"id": 1, **answer}).encode()).model_dump(
        exclude_unset=True
    )
    assert made == {"jsonrpc": "2.0", "id": 1, **read}


async def test_structured_content_stands_alone(start) -> None:
    odd = json.dumps({"structuredContent": {"a": 1}})
    result = await start("odd").call("absent", {"result": odd}, 20)
    assert (result.content, result.structured_content) == ([], {"a": 1})


async def test_an_address_is_told_without_its_secrets(start) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, *_said: object) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://me:pass@127.0.0.1:{web.server_port}/sse?token=secret"
        with pytest.raises(ServerError, match=r"401.*/sse'") as refused:
            await start(command="", args=(), url=url, sse=True).tools()
        web.shutdown()
    assert "secret" not in str(refused.value)
    assert "pass@" not in str(refused.value)


async def test_half_a_character_does_not_cost_the_result(start) -> None:
    server = start()
    assert await said(server, "half", 2) == "cut ?"
    assert server.stray_lines == 0


async def test_a_line_that_nests_without_end_is_skipped(start) -> None:
    server = start()
    assert await said(server, "nested") == ""
    assert server.stray_lines == 1


@pytest.mark.parametrize("kind", ["", "endless line"])
async def test_a_flood_ends_the_server_and_not_us(start, monkeypatch, kind) -> None:
    monkeypatch.setattr(mcp_process, "LONGEST_MESSAGE", 1024 * 1024)
    server = start(kind)
    with pytest.raises(ServerError, match="more than 1 MiB"):
        await said(server, "flood")


async def test_a_crowd_of_values_ends_the_server_and_not_us(start, monkeypatch) -> None:
    monkeypatch.setattr(mcp_process, "MOST_TOKENS", 3_000)
    server = start()
    assert len(await said(server, "flood")) == 2_000_000
    assert await said(server, "commas") == "[,{" * 5_000
    with pytest.raises(ServerError, match="more than 3,000 values"):
        await said(server, "crowd")


async def test_a_crowd_of_questions_ends_the_server_and_not_us(start, monkeypatch) -> None:
    monkeypatch.setattr(mcp_process, "MOST_QUESTIONS", 20)
    server = start()
    for _ in range(3):
        assert "not supported" in await said(server, "ask")
    with pytest.raises(ServerError, match="more than 20 requests"):
        await said(server, "nag")


async def test_no_more_tools_are_taken_than_anyone_uses(start, monkeypatch) -> None:
    monkeypatch.setattr(servers, "MOST_TOOLS", 2)
    assert len(await start("endless").tools()) == 2


async def test_a_call_that_takes_too_long_leaves_the_server_alive(start) -> None:
    server = start()
    before = await said(server, "process_id")
    with pytest.raises(ServerError, match="did not answer within"):
        await said(server, "sleep", seconds=0.2)
    assert await said(server, "process_id") == before


@pytest.mark.parametrize("tool", ["ask", "sample"])
async def test_a_server_that_asks_questions_is_told_that_nobody_answers(start, tool) -> None:
    assert "not supported" in await said(start(), tool)


async def test_one_that_cannot_be_used_is_never_started(start) -> None:
    with pytest.raises(ServerError, match="cannot be used: it is disabled"):
        await start(command="/no/such", problem="it is disabled").tools()


@pytest.mark.parametrize(
    "fields", [{"command": "/no/such/program"}, {"command": "", "url": "http://127.0.0.1:9/mcp"}]
)
async def test_what_does_not_exist_is_told(start, fields) -> None:
    with pytest.raises(ServerError, match="did not start"):
        await start(**fields).tools()


async def test_a_cancelled_start_leaves_nothing_behind(start, monkeypatch) -> None:
    spawned = []
    spawn = mcp_process.anyio.open_process

    async def spying(*arguments, **options):
        spawned.append(await spawn(*arguments, **options))
        return spawned[-1]

    monkeypatch.setattr(mcp_process.anyio, "open_process", spying)
    server = start("hang")
    task = asyncio.create_task(server.tools())
    await until(lambda: spawned)
    task.cancel()
    await server.aclose()
    await until(lambda: not runs(spawned[0].pid))


@pytest.fixture(params=["http", "sse"])
def address(request) -> Iterator[Callable[..., ServerConfig]]:
    """Starts a server at one address, anew each time it is called."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []
    port = 0

    def stop() -> None:
        for server, thread in running:
            server.should_exit = True
            thread.join()
        running.clear()

    def start(**headers: str) -> ServerConfig:
        nonlocal port
        stop()
        listener = socket.create_server(("127.0.0.1", port))
        port = listener.getsockname()[1]
        peer = FastMCP("net")
        peer.tool(lambda: get_http_headers(include={"authorization"}), name="headers")
        peer.tool(lambda: "here", name="where")
        app = peer.http_app(transport=request.param)
        config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=0)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread))
        sse = request.param == "sse"
        path = "sse" if sse else "mcp"
        return ServerConfig("net", url=f"http://127.0.0.1:{port}/{path}", sse=sse, headers=headers)

    yield start
    stop()


# A FastMCP server over SSE leaves streams open when it is stopped in this process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_remote_server_is_used_and_found_again_after_its_restart(address) -> None:
    server = McpServer(await asyncio.to_thread(address))
    assert await said(server, "where") == "here"
    await asyncio.to_thread(address)
    assert {tool.name for tool in await server.tools()} == {"headers", "where"}
    assert await said(server, "where") == "here"
    await server.aclose()


async def test_a_remote_server_gets_the_configured_headers(address) -> None:
    headers = {"Authorization": "Bearer t0ken", "X-Who": "me"}
    server = McpServer(await asyncio.to_thread(lambda: address(**headers)))
    got = json.loads(await said(server, "headers"))
    assert (got["authorization"], got["x-who"]) == ("Bearer t0ken", "me")
    await server.aclose()
