"""Ask three models the same and let a fourth judge: `python examples/compare.py QUESTION`.

Needs OPENROUTER_API_KEY. The server is started over stdio, as every MCP client does it.
"""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main(question: str) -> None:
    """Print the table, the answers and the verdict, and progress meanwhile."""

    async def show(progress: float, total: float | None, message: str | None) -> None:
        sys.stderr.write(f"{progress:6.1f} s  {message}\n")

    transport = StdioTransport(sys.executable, ["-m", "openrouter_mcp"], env=dict(os.environ))
    async with Client(transport) as client:
        result = await client.call_tool(
            "compare_models",
            {
                "prompt": question,
                "models": ["sonnet", "gpt mini", "gemini flash"],
                "judge": "opus",
                "max_cost": 0.20,
            },
            progress_handler=show,
        )
    for block in result.content:
        sys.stdout.write(f"{getattr(block, 'text', '')}\n")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Why is the sky blue?"))
