"""`openrouter-mcp demo`: a real MCP client uses the real server, so that a person can watch.

With a key it talks to OpenRouter (with a free model), without one to the simulator.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.client import CallToolResult
from fastmcp.client.transports import StdioTransport
from mcp import MCPError
from mcp.types import ResourceLink, TextContent
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import INFERENCE_KEY, Script, Simulator

TIME_LIMIT = 60.0
FREE_MODEL = "openrouter/free"
NOTES = "The release is planned for Friday. Only the changelog is missing."
ANSWER = (
    "A cache remembers the answer to a question, so that asking again costs nothing. "
    "The hard part is knowing when the answer has changed."
)

CODE, GREETING = "code", "greeting.py"
"""The folder of which a model changes a copy, and what is in it."""
FILES = "files"
"""The name of the MCP server that the delegated task works with: one from the npm registry, else
one of the demo's own."""
READ = "read_text_file"
"""Both have this tool, and it takes a `path`."""
PACKAGE = "@modelcontextprotocol/server-filesystem@2026.8.31"
INSTALL_LIMIT = 40.0
"""Seconds that npx may take to fetch the package and to start it."""
OWN_SERVER = """
from pathlib import Path
from fastmcp import FastMCP

folder = Path(__file__).parent
server = FastMCP("files")

@server.tool(annotations={"readOnlyHint": True})
def read_text_file(path: str) -> str:
    '''Read a file of the project.'''
    return (folder / Path(path).name).read_text("utf-8")

server.run(show_banner=False)
"""

console = Console(highlight=False)


def run(*, live: bool, npx: str | None = None) -> int:
    """Run the demo, with the user's own key if `live`; 0 when everything worked.

    `npx` is the path of the program that fetches a server from the npm registry, empty where there
    is none; by default nothing is fetched.
    """
    with tempfile.TemporaryDirectory() as state_dir:
        log = Path(state_dir) / "server.log"
        # Its real name: the file server compares paths.
        folder = Path(state_dir).resolve() / "project"
        project = _project(folder)
        if live:
            environment = {**os.environ, **project}
            return asyncio.run(_show(environment, FREE_MODEL, folder, log, npx))
        with _simulated(state_dir, folder) as environment:
            return asyncio.run(_show({**environment, **project}, "sonnet", folder, log, npx))


def _project(folder: Path) -> dict[str, str]:
    """A file to read, and the variable that tells `run_agent` which servers there are."""
    folder.mkdir()
    (folder / "notes.txt").write_text(NOTES, "utf-8")
    (folder / CODE).mkdir()
    (folder / CODE / GREETING).write_text('print("Hello, world")\n', "utf-8")
    return {"OPENROUTER_MCP_CONFIG": str(folder / "mcp.json")}


@contextmanager
def _simulated(state_dir: str, folder: Path) -> Generator[dict[str, str]]:
    """An environment in which the server talks to a simulator on this machine."""
    console.rule("[bold yellow]SIMULATED")
    console.print(
        "[yellow]OPENROUTER_API_KEY is not set: a simulator on this machine answers instead of "
        "OpenRouter.\nModels, prices and answers below are invented; the server and the client are "
        "real."
    )
    simulator = Simulator()
    simulator.answer(Script(text=ANSWER, chunk_delay=0.15))
    path = str(folder / "notes.txt")
    reading = {"name": f"{FILES}__{READ}", "arguments": {"path": path}}
    simulator.answer(Script(tool_calls=[reading]), prompt="notes.txt")
    simulator.answer("It comes on Friday, if the changelog is written.", prompt="notes.txt")
    edit = {"path": GREETING, "old": "Hello", "new": "Good day"}
    editing = {"name": "workspace__edit_file", "arguments": edit}
    simulator.answer(Script(tool_calls=[editing]), prompt=GREETING)
    simulator.answer("It greets politely now.", prompt=GREETING)
    with serve(simulator) as server:
        yield {
            **os.environ,
            "OPENROUTER_API_KEY": INFERENCE_KEY,
            "OPENROUTER_BASE_URL": server.url,
            "OPENROUTER_DOCS_URL": f"{server.origin}/docs",
            "OPENROUTER_SKILLS_URL": f"{server.origin}/skills",
            "OPENROUTER_STATE_DIR": str(Path(state_dir) / "state"),
            "OPENROUTER_OUTPUT_DIR": str(folder / "output"),
        }


async def _show(
    environment: dict[str, str], model: str, folder: Path, log: Path, npx: str | None
) -> int:
    transport = StdioTransport(
        sys.executable, ["-m", "openrouter_mcp"], env=environment, keep_alive=False, log_file=log
    )
    await _choose_file_server(folder, npx)
    try:
        async with asyncio.timeout(TIME_LIMIT), Client(transport) as client:
            await _list_tools(client)
            await _find_models(client)
            await _recommend(client)
            await _chat(client, model)
            await _dry_run(client)
            await _media(client, paid=model != FREE_MODEL)
            await _delegate(client, model, folder)
            await _change(client, model, folder)
            await _error(client)
            await _account(client)
    except TimeoutError:
        console.print(f"[red]Not finished after {TIME_LIMIT:.0f} s. The server's log:")
        console.print(escape(await asyncio.to_thread(log.read_text, "utf-8")))
        return 1
    console.rule("[bold green]done")
    return 0


async def _choose_file_server(folder: Path, npx: str | None = None) -> None:
    """Write the configuration of the server that the delegated task works with."""
    server, what = await file_server(folder, npx)
    console.print(f"[dim]run_agent below works with {escape(what)}.")
    config = json.dumps({"mcpServers": {FILES: server}})
    await asyncio.to_thread((folder / "mcp.json").write_text, config, "utf-8")


async def file_server(folder: Path, npx: str | None = None) -> tuple[dict[str, Any], str]:
    """The server to delegate to, as clients configure it, and a description with the reason.

    It is the demo's own, unless `npx` is given and can fetch and start one from the registry.
    """
    problem = "npx is not there" if npx == "" else "--npx takes one from the npm registry"
    if npx:
        console.print(f"[dim]npx fetches {PACKAGE} (at most {INSTALL_LIMIT:.0f} s)")
        # Offline, npm would try again and again.
        arguments = ["--fetch-retries=0", "--prefer-offline", "-y", PACKAGE, str(folder)]
        problem = await _problem(npx, arguments, folder / "npx.log")
        if not problem:
            what = f"the MCP server {PACKAGE}, from the npm registry"
            return {"command": npx, "args": arguments}, what
    script = folder / "file_server.py"
    await asyncio.to_thread(script.write_text, OWN_SERVER, "utf-8")
    what = f"a small file server of this demo ({problem})"
    return {"command": sys.executable, "args": [str(script)]}, what


async def _problem(npx: str, arguments: list[str], log: Path) -> str:
    """Start the server once and list its tools; why that failed, "" if it did not."""
    transport = StdioTransport(npx, arguments, keep_alive=False, log_file=log)
    try:
        # Leaving the client ends the process and all that it started.
        async with asyncio.timeout(INSTALL_LIMIT), Client(transport) as client:
            tools = await client.list_tools()
    except TimeoutError:
        return f"npx took more than {INSTALL_LIMIT:.0f} s"
    except (RuntimeError, MCPError) as error:
        said = await asyncio.to_thread(log.read_text, "utf-8", "replace")
        lines = said.splitlines() or [str(error)]
        told = next((line for line in lines if "error" in line), lines[-1])
        return f"{PACKAGE} did not start: {told}"
    reads = {tool.name for tool in tools if tool.annotations and tool.annotations.read_only_hint}
    return "" if READ in reads else f"{PACKAGE} has no {READ} that declares itself read-only"


async def _list_tools(client: Client) -> None:
    _step("tools/list", "what a client sees")
    for tool in await client.list_tools():
        summary = (tool.description or "").splitlines()[0]
        console.print(f"  [bold cyan]{tool.name:<14}[/] {escape(summary)}")


async def _find_models(client: Client) -> None:
    _step('find_models(query="claude", sort="price", limit=4)', "live ids and prices")
    result = await client.call_tool("find_models", {"query": "claude", "sort": "price", "limit": 4})
    page = result.structured_content or {}
    table = Table("id", "context", "$/M in", "$/M out", "supports", box=None, header_style="dim")
    for row in page["models"]:
        figures = [f"{row['context']:,}", str(row.get("price_in")), str(row.get("price_out"))]
        table.add_row(f"[cyan]{row['id']}", *figures, ", ".join(row.get("supports", [])))
    console.print(table)
    console.print(f"  [dim]{page['total']} found; {page.get('next', 'that is all')}")


async def _recommend(client: Client) -> None:
    _step('recommend_model(task="review Python code", needs=["tools"])', "advice on live data")
    arguments = {"task": "review Python code", "needs": ["tools"]}
    result = await client.call_tool("recommend_model", arguments, raise_on_error=False)
    for row in (result.structured_content or {}).get("models", [])[:3]:
        console.print(f"  [cyan]{row['model']:<28}[/] {escape(row['why'])}")


async def _dry_run(client: Client) -> None:
    arguments = {"prompt": "Write a novel.", "model": "opus", "max_tokens": 4000, "dry_run": True}
    _step('chat(prompt="Write a novel.", model="opus", dry_run=True)', "the price beforehand")
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    for line in _text(result).splitlines()[:4]:
        console.print(f"  {escape(line)}")


async def _media(client: Client, *, paid: bool) -> None:
    """Draw a picture and have it described; with a real key only show what drawing would cost."""
    how = "files in, files out" if paid else "the price beforehand: no free model draws"
    _step('generate_image(prompt="A lighthouse at dusk", aspect_ratio="16:9")', how)
    arguments = {"prompt": "A lighthouse at dusk", "aspect_ratio": "16:9", "dry_run": not paid}
    result = await client.call_tool("generate_image", arguments, raise_on_error=False)
    _show_lines(result)
    for link in [block for block in result.content if isinstance(block, ResourceLink)]:
        _step(f'analyze_media(files=["{link.name}"])', "which model looks is chosen by price")
        _show_lines(await client.call_tool("analyze_media", {"files": [link.uri]}))


async def _delegate(client: Client, model: str, folder: Path) -> None:
    task = f"What does {folder / 'notes.txt'} say about the release?"
    _step(f'run_agent(task="{task}", servers=["files"])', "with another MCP server's tools")
    arguments = {"task": task, "model": model, "servers": [FILES], "max_cost": 0.05}
    _show_lines(await client.call_tool("run_agent", arguments, raise_on_error=False))


async def _change(client: Client, model: str, folder: Path) -> None:
    task = f"Let {GREETING} say Good day."
    _step(f'run_agent(task="{task}", workspace="{CODE}")', "a patch, and nothing is applied")
    arguments = {"task": task, "model": model, "workspace": str(folder / CODE), "max_cost": 0.05}
    _show_lines(await client.call_tool("run_agent", arguments, raise_on_error=False))


async def _account(client: Client) -> None:
    _step("get_usage()", "the ledger has every call")
    result = await client.call_tool("get_usage", {})
    for row in (result.structured_content or {}).get("here", []):
        console.print(f"  [cyan]{row['name']:<28}[/] {row['calls']} call, ${row['usd']:.6f}")


async def _chat(client: Client, model: str) -> None:
    question = "What is a cache, in two sentences?"
    _step(
        f'chat(prompt="{question}", model="{model}")', "progress while it streams, then a receipt"
    )

    async def show(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
        console.print(f"  [dim italic]{escape(message or '')}")

    result = await client.call_tool(
        "chat",
        {"prompt": question, "model": model},
        progress_handler=show,
        raise_on_error=False,
    )
    answer, _, receipt = _text(result).rpartition("\n")
    console.print(f"\n  {escape(answer.strip())}")
    console.print(f"  [green]{escape(receipt)}")


async def _error(client: Client) -> None:
    _step('chat(prompt="Hello", model="clod sonnit 99")', "an error says what to do, with a code")
    arguments = {"prompt": "Hello", "model": "clod sonnit 99"}
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    console.print(f"  [red]{escape(_text(result))}")
    error = (result.meta or {}).get("openrouter/error")
    console.print(f"  [dim]_meta openrouter/error: {escape(json.dumps(error))}")


def _show_lines(result: CallToolResult) -> None:
    for line in filter(None, _text(result).splitlines()):
        console.print(f"  {escape(line)}")


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _step(call: str, what: str) -> None:
    console.print(f"\n[bold]{escape(call)}[/]  [dim]{what}")
