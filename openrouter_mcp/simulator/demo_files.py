"""The MCP server that the demo delegates to: one from the npm registry, else one of its own."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.mcp_client.servers import McpServer, ServerError
from openrouter_mcp.text import clean

NAME = "files"
TOOL = "read_text_file"
"""Both servers have it, and it takes a `path`."""
PACKAGE = "@modelcontextprotocol/server-filesystem"
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


@dataclass(frozen=True)
class FileServer:
    """A server that reads files; `what` says which one, and why."""

    command: str
    args: tuple[str, ...]
    what: str


async def chosen(folder: Path, tell: Callable[[str], None]) -> FileServer:
    """The server from the registry where npx can fetch and start it, else the demo's own."""
    npx = shutil.which("npx")
    if npx is None:
        return _own(folder, "npx is not there")
    tell(f"npx fetches {PACKAGE} (at most {INSTALL_LIMIT:.0f} s)")
    # Offline, npm would try again and again.
    arguments = ("--fetch-retries=0", "--prefer-offline", "-y", PACKAGE, str(folder))
    server = McpServer(ServerConfig(NAME, command=npx, args=arguments))
    try:
        async with asyncio.timeout(INSTALL_LIMIT):
            offered = await server.tools()
    except TimeoutError:
        return _own(folder, f"npx took more than {INSTALL_LIMIT:.0f} s")
    except ServerError as error:
        return _own(folder, f"from the registry, {clean(error, 200).rstrip('.')}")
    finally:
        await server.aclose()
    reads = {tool.name for tool in offered if tool.annotations and tool.annotations.read_only_hint}
    if TOOL not in reads:
        return _own(folder, f"{PACKAGE} has no {TOOL} that declares itself read-only")
    return FileServer(npx, arguments, f"the MCP server {PACKAGE}, from the npm registry")


def _own(folder: Path, reason: str) -> FileServer:
    script = folder / "file_server.py"
    script.write_text(OWN_SERVER, "utf-8")
    what = f"a small file server of this demo ({reason})"
    return FileServer(sys.executable, (str(script),), what)
