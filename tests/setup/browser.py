"""`login` with a real browser, then a chat with no variable set.

By hand, where Chromium is installed: `python -m tests.setup.browser`.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from openrouter_mcp.simulator.server import serve
from openrouter_mcp.simulator.state import Simulator
from tests.support.results import text

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


async def main() -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        sys.exit("There is no Chromium on the PATH.")
    with tempfile.TemporaryDirectory() as folder, serve(Simulator()) as server:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": folder,
            "PYTHONPATH": str(ROOT),
            "PYTHON_KEYRING_BACKEND": "tests.support.keyring.JsonFile",
            "TEST_KEYRING": f"{folder}/keyring.json",
            "OPENROUTER_BASE_URL": server.url,
            "BROWSER": f"{browser} {FLAGS} --user-data-dir={folder}/profile --dump-dom %s",
        }
        command = [sys.executable, "-m", "openrouter_mcp"]
        login = partial(subprocess.run, env=environment, check=True, timeout=120)
        await asyncio.to_thread(login, [*command, "login"])
        transport = StdioTransport(command[0], command[1:], env=environment, keep_alive=False)
        async with Client(transport) as client:
            assert "gen-" in text(await client.call_tool("chat", {"prompt": "Hello"}))
            account = await client.call_tool("get_account", {})
            assert account.structured_content["key"]["from"] == "keyring"


if __name__ == "__main__":
    asyncio.run(main())
