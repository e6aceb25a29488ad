"""The server over HTTP on loopback, as the conformance suite can speak to it."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from openrouter_mcp import server, settings
from openrouter_mcp.simulator.server import HOST, listening
from tests.conformance import fixtures


@asynccontextmanager
async def serving(environment: Mapping[str, str]) -> AsyncIterator[str]:
    """The address of the server with these variables, and with what the suite expects to find."""
    os.environ.update(environment)
    server.TOOLS += fixtures.TOOLS
    served = server.build(settings.load())
    fixtures.add_to(served)
    # It accepts connections from now on; who connects is answered once the server runs.
    listener = listening(0)
    running = asyncio.create_task(
        served.run_http_async(
            sockets=[listener],
            show_banner=False,
            log_level="critical",
            host_origin_protection=True,
            allowed_hosts=[HOST],
        )
    )
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}/mcp"
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
