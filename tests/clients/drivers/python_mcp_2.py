"""The Python SDK, version 2: `mcp.Client`."""

import asyncio

import mcp.types as types
from mcp import Client, StdioServerParameters
from steps import ARGS, COMMAND, ENV, report, seen, walk


async def agree(_context, _params):
    return types.ElicitResult(action="accept", content={})


async def main():
    parameters = StdioServerParameters(command=COMMAND, args=ARGS, env=ENV)
    async with Client(parameters, elicitation_callback=agree) as client:
        report("connect", text=str(client.session.protocol_version))
        report("list", tools=[tool.name for tool in (await client.list_tools()).tools])

        async def call(name, arguments):
            return seen(await client.call_tool(name, arguments))

        await walk(call)


asyncio.run(main())
