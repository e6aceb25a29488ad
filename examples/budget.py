"""Spend with a cap: ten questions, five cents a day, and the ledger afterwards.

Needs OPENROUTER_API_KEY. The cap holds for every server of yours that runs on this machine.
"""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

CAPS = {"OPENROUTER_MAX_COST_PER_DAY": "0.05", "OPENROUTER_MAX_COST_PER_CALL": "0.02"}


async def main() -> None:
    """Ask until the day's money is spent; the refusal says what would still fit."""
    environment = {**os.environ, **CAPS}
    transport = StdioTransport(sys.executable, ["-m", "openrouter_mcp"], env=environment)
    async with Client(transport) as client:
        for number in range(1, 11):
            question = {"prompt": f"Tell me fact number {number} about budgets.", "model": "haiku"}
            result = await client.call_tool("chat", question, raise_on_error=False)
            text = "\n".join(getattr(block, "text", "") for block in result.content)
            sys.stdout.write(f"{number}. {text.splitlines()[-1]}\n")
            if result.is_error:
                break
        usage = await client.call_tool("get_usage", {"by": "model", "days": 1})
        sys.stdout.write(f"{usage.structured_content}\n")


if __name__ == "__main__":
    asyncio.run(main())
