"""An MCP server for the tests, run as a process; its argument says how it misbehaves."""

import asyncio
import os
import sys
import time
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.server.context import Context
from fastmcp.tools import ToolResult
from mcp.types import ToolAnnotations

READS = ToolAnnotations(read_only_hint=True)
peer = FastMCP("peer")


@peer.tool(annotations=READS)
async def environment() -> ToolResult:
    return ToolResult(content="\n".join(f"{name}={value}" for name, value in os.environ.items()))


@peer.tool(annotations=READS)
async def process_id() -> ToolResult:
    return ToolResult(content=str(os.getpid()))


@peer.tool(annotations=READS)
async def die() -> None:
    sys.stderr.write("out of cheese\n")
    sys.stderr.flush()
    os._exit(3)


@peer.tool(annotations=READS)
async def flood() -> ToolResult:
    return ToolResult(content="x" * 50_000_000)


@peer.tool(annotations=READS)
async def sleep() -> None:
    await asyncio.sleep(60)


@peer.tool(annotations=READS)
async def ask(context: Context) -> ToolResult:
    reply = await context.elicit("Your name?", str)
    return ToolResult(content=repr(reply))


@peer.tool
async def write(path: str, text: str) -> ToolResult:
    await asyncio.to_thread(Path(path).write_text, text)
    return ToolResult(content="written")


def main(kind: str) -> None:
    if kind == "hang":
        time.sleep(600)
    if kind == "crash":
        sys.exit("no token is set")
    if kind == "garbage":
        sys.stdout.write("Welcome!\n{not json}\n" * 500)
    if kind == "endless line":
        while True:
            sys.stdout.write("x" * 1_000_000)
    peer.run(show_banner=False, log_level="ERROR")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
