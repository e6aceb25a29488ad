"""The server as a process: what reaches stdout, how it ends, what cancelling does."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp.types import Tool

from openrouter_mcp import credentials
from openrouter_mcp.simulator.state import Script
from tests.support import stdio
from tests.support.processes import runs, until
from tests.support.results import text
from tests.support.upstream import chats

# Nothing that a test waits for lasts until its end.
SLOW = Script(text="one two three four five six seven eight nine ten", chunk_delay=30)
HOSTILE = "a\x1b[2Jb\u202ec\u200bd\U000e0041e"


async def test_nothing_that_leaves_the_process_holds_a_key_and_stdout_is_json_rpc(
    environment, simulator
) -> None:
    simulator.fail("unknown_user", path="/chat/completions")
    key = environment["OPENROUTER_API_KEY"]
    async with stdio.server({**environment, "OPENROUTER_LOG_LEVEL": "DEBUG"}) as server:
        await server.initialize()
        await server.request("tools/list")
        hello = {"prompt": "Hello"}
        for arguments in (hello, {**hello, "model": "no such"}, {}, hello):
            await server.reply(server.call("chat", **arguments))
        simulator.answer(f"Your key is {key}.")
        asked = server.call("chat", prompt=HOSTILE, model="opus", thread_id="new")
        told = json.dumps(await server.reply(asked))
        (thread_id,) = re.findall(r"thread_\w+|thr_\w+", told.partition("thread_id=")[2])[:1]
        kept = {"uri": f"openrouter://threads/{thread_id}"}
        shown = await server.request("resources/read", kept)
        assert credentials.HIDDEN in shown["result"]["contents"][0]["text"]
        prompted = {"name": "pick_model", "arguments": {"task": key}}
        shown = await server.request("prompts/get", prompted)
        assert credentials.HIDDEN in shown["result"]["messages"][0]["content"]["text"]
        assert "error" in await server.request("resources/read", {"uri": f"openrouter://x/{key}"})
        _, log = await server.close()
    assert len(server.lines) >= 10
    for line in server.lines:
        assert json.loads(line)["jsonrpc"] == "2.0"
        assert key.encode() not in line
    *_, logged = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert (logged["tool"], logged["prompt"]) == ("chat", "abcde")
    assert key not in log


async def test_the_log_is_fit_for_a_terminal(environment) -> None:
    async with stdio.server({**environment, "OPENROUTER_TOOLS": f"chat,{HOSTILE}"}) as server:
        await server.initialize()
        await server.reply(server.call("get_account"))
        _, log = await server.close()
    assert "no module or tool is named abcde" in log


async def test_every_start_lists_the_same_tools_whatever_lies_about(
    environment, connect, tmp_path, monkeypatch
) -> None:
    async with connect(mode="legacy") as client:
        tools = await client.list_tools()
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"FASTMCP_LOG_LEVEL=\xff\nOPENROUTER_TOOLS=get_model\n")
    async with stdio.server({**environment, "PYTHONHASHSEED": "1"}) as server:
        await server.initialize()
        listed = (await server.request("tools/list"))["result"]["tools"]
    # As text: the order of arguments counts too.
    found = [Tool.model_validate(tool).model_dump_json() for tool in listed]
    assert found == [tool.model_dump_json() for tool in tools]


async def test_a_client_lists_the_tools_and_chats_over_stdio(environment, simulator) -> None:
    transport = StdioTransport(
        sys.executable, ["-m", "openrouter_mcp"], env=environment, keep_alive=False
    )
    async with Client(transport) as client:
        assert "chat" in [tool.name for tool in await client.list_tools()]
        result = await client.call_tool("chat", {"prompt": "Hello", "model": "openrouter/auto"})
    assert result.content[-1].text.splitlines()[-1].startswith("-- ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_process_without_a_traceback(environment, simulator, number):
    simulator.answer(SLOW)
    async with stdio.server(environment) as server:
        await server.initialize()
        server.call("chat", prompt="Count", model="openrouter/auto")
        await until(lambda: chats(simulator))
        server.process.send_signal(number)
        async with asyncio.timeout(stdio.PATIENCE):
            log = (await server.process.stderr.read()).decode()
            await server.process.wait()
    assert "Traceback" not in log
    await until(lambda: chats(simulator)[0].disconnected)


async def test_a_signal_ends_the_servers_of_an_agent_and_all_that_they_started(
    environment, simulator, tmp_path
) -> None:
    peer = {"command": sys.executable, "args": [str(Path(__file__).parent / "support/mcp_peer.py")]}
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"peer": peer}}))
    simulator.answer(Script(tool_calls=[{"name": "peer__parent", "arguments": {}}]))
    async with stdio.server({**environment, "OPENROUTER_MCP_CONFIG": str(config)}) as server:
        await server.initialize()
        await server.reply(server.call("run_agent", task="Go", model="anthropic/claude-sonnet-5"))
        child = int(chats(simulator)[1].body["messages"][-1]["content"])
        os.kill(child, 0)
        server.process.terminate()
        await server.process.wait()
    await until(lambda: not runs(child))


async def test_cancelling_closes_one_upstream_connection_and_the_end_of_stdin_all(
    environment, simulator
) -> None:
    simulator.answer(SLOW)
    async with stdio.server(environment) as server:
        await server.initialize()
        call = server.call("chat", prompt="Count", model="openrouter/auto")
        await until(lambda: chats(simulator))
        server.send(
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}}
        )
        await until(lambda: chats(simulator)[0].disconnected)
        reply = await server.reply(server.call("chat", prompt="Hi", model="openrouter/auto"))
        assert not reply["result"].get("isError")
        simulator.answer(SLOW)
        server.call("chat", prompt="Count", model="openrouter/auto")
        await until(lambda: len(chats(simulator)) == 3)
        code, log = await server.close()
    assert (code, "Traceback" in log) == (0, False), log
    await until(lambda: chats(simulator)[2].disconnected)
    assert call not in [json.loads(line).get("id") for line in server.lines]


async def test_nothing_heavy_is_loaded_on_the_way_to_the_tool_list_and_one_http_library_ever(
    environment, simulator
) -> None:
    """openai uses `httpx` as soon as it is there, even while a thread still imports it."""
    code = """
import asyncio, sys
from fastmcp import Client
from openrouter_mcp import settings
from openrouter_mcp.server import build
async def main():
    loaded = settings.load()
    async with Client(build(loaded)) as client:
        await client.list_tools()
        print(*(set(sys.modules) & {"openai", "PIL", "tenacity", "sqlite3"}))
        await client.call_tool("chat", {"prompt": "Hi", "files": [f"{loaded.docs_url}/llms.txt"]})
        await client.call_tool("search_docs", {"query": "streaming"})
    print(*(set(sys.modules) & {"httpx", "httpx2"}))
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        stdout=asyncio.subprocess.PIPE,
        env={**environment, "OPENROUTER_ALLOW_PRIVATE_URLS": "1"},
    )
    out, _ = await process.communicate()
    assert (process.returncode, out.decode().splitlines()) == (0, ["", "httpx2"])


async def test_a_killed_server_leaves_the_truth_and_the_money_to_the_next_one(
    environment, simulator
) -> None:
    simulator.answer(Script(text="one two three four five six " * 20, chunk_delay=0.3))
    environment = {
        **environment,
        "OPENROUTER_WAIT_SECONDS": "0.5",
        "OPENROUTER_MAX_COST_PER_DAY": "0.02",
    }
    ask = {"prompt": "Count", "model": "anthropic/claude-opus-5"}
    async with stdio.server(environment) as first:
        await first.initialize()
        started = (await first.reply(first.call("chat", **ask)))["result"]
        job_id = started["_meta"]["openrouter/job"]["job_id"]
        # A job's text is kept every two seconds.
        for _ in range(6):
            await first.reply(first.call("get_job", job_id=job_id))
        first.process.kill()
        await first.process.wait()
    async with stdio.server(environment) as second:
        await second.initialize()
        lost = (await second.reply(second.call("get_job", job_id=job_id)))["result"]
        row = {"usd_not_settled": ...}
        async with asyncio.timeout(stdio.PATIENCE):
            # It waits a moment for costs that come late, and then leaves them to the next call.
            while "usd_not_settled" in row:
                used = (await second.reply(second.call("get_usage", by="tool")))["result"]
                (row,) = used["structuredContent"]["here"]
        answer = (await second.reply(second.call("chat", **ask)))["result"]
    assert lost["isError"]
    assert lost["_meta"]["openrouter/error"]["code"] == "JOB_FAILED"
    assert "one two" in lost["content"][0]["text"]
    assert (row["name"], row["calls"]) == ("chat", 1)
    assert row["usd"] > 0
    # The first call had reserved all that the day allows.
    assert not answer.get("isError"), answer


WORDS = "one two three four five six"
HANDED_OVER = {"OPENROUTER_WAIT_SECONDS": "0.1"}


async def handed_over(server: stdio.Process, said: str = "") -> str:
    """The id of a slow chat, once it is a job and has said so much."""
    reply = await server.reply(server.call("chat", prompt="Count", model="opus"))
    job_id = reply["result"]["_meta"]["openrouter/job"]["job_id"]

    async def has_said() -> bool:
        told = (await server.reply(server.call("get_job", job_id=job_id, wait=0)))["result"]
        return said in told["content"][0]["text"]

    await until(has_said)
    return job_id


async def test_a_job_goes_on_when_its_client_has_gone_and_the_next_server_reads_it(
    environment, simulator, connect
) -> None:
    simulator.answer(Script(text=WORDS, chunk_delay=0.2))
    async with stdio.server({**environment, **HANDED_OVER}) as server:
        await server.initialize()
        job_id = await handed_over(server)
        # What it still writes is read by nobody.
        server.process._transport.get_pipe_transport(1).close()
        server.call("get_job", job_id=job_id, wait=0)
        code, log = await server.close()
    assert (code, "Traceback" in log) == (0, False), log
    assert job_id in log
    assert not chats(simulator)[0].disconnected
    async with connect() as client:
        result = await client.call_tool("get_job", {"job_id": job_id})
    answer, receipt = text(result).split("\n\n")
    assert answer == WORDS
    assert receipt.startswith("-- ")
    assert result.meta["openrouter/receipt"]["cost"]


@pytest.mark.parametrize("input_ends", [True, False])
async def test_a_server_that_is_told_to_end_keeps_the_text_of_its_jobs(
    environment, simulator, connect, input_ends
) -> None:
    simulator.answer(Script(text=f"{WORDS} " * 50, chunk_delay=0.2))
    async with stdio.server({**environment, **HANDED_OVER}) as server:
        await server.initialize()
        job_id = await handed_over(server, "two")
        if input_ends:
            server.process.stdin.close()
            line = await server.process.stderr.readline()
            assert job_id in line.decode()
        server.process.terminate()
        log = (await server.process.stderr.read()).decode()
        code = await server.process.wait()
    assert (code, "Traceback" in log) == (-signal.SIGTERM, False), log
    async with connect() as client:
        result = await client.call_tool("get_job", {"job_id": job_id}, raise_on_error=False)
    assert result.meta["openrouter/job"]["state"] == "cancelled"
    assert "one two" in text(result)
    assert "when its server was stopped. The provider may bill the whole answer." in text(result)
    assert "The receipt below shows what was paid so far." in text(result)
    assert result.meta["openrouter/receipt"]["generation_id"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("how", ["end of input", "hang up"])
async def test_a_person_at_a_terminal_is_told_what_this_is(environment, how: str) -> None:
    terminal, side = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "openrouter_mcp"),
        stdin=side,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    os.close(side)
    told = (await process.stderr.readline()).decode()
    if how == "end of input":
        os.write(terminal, b"\x04")
        out, log = await process.communicate()
        os.close(terminal)
    else:
        os.close(terminal)
        out, log = await process.communicate()
    assert "is an MCP server" in told
    assert "openrouter-mcp install" in told
    assert (process.returncode, out, log) == (0, b"", b"")


def test_help_says_what_a_newcomer_needs() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "openrouter_mcp", "--help"],
        capture_output=True,
        check=True,
        text=True,
        timeout=stdio.PATIENCE,
    )
    for needed in ("MCP server", "OPENROUTER_API_KEY", "https://openrouter.ai/keys", "login"):
        assert needed in shown.stdout
    for command in ("serve", "demo", "install", "doctor", "forget"):
        assert re.search(rf"^    {command} +\w", shown.stdout, re.MULTILINE)
    assert max(map(len, shown.stdout.splitlines())) <= 88
