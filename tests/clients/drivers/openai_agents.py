"""OpenAI Agents: `MCPServerStdio`, with the five seconds that it waits by default."""

import asyncio

from agents.mcp import MCPServerStdio
from steps import ARGS, COMMAND, ENV, report, seen, walk


async def main():
    parameters = {"command": COMMAND, "args": ARGS, "env": ENV}
    async with MCPServerStdio(params=parameters) as server:
        report("connect", text="connected")
        report("list", tools=[tool.name for tool in await server.list_tools()])

        async def call(name, arguments):
            return seen(await server.call_tool(name, arguments))

        await walk(call)


asyncio.run(main())
