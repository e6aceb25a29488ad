"""Pydantic AI: `MCPToolset`, as its agents call it."""

import asyncio

from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from pydantic_ai.exceptions import ModelRetry
from pydantic_ai.mcp import MCPToolset
from steps import ARGS, COMMAND, ENV, report, walk


async def agree(_message, _type, _params, _context):
    return ElicitResult(action="accept", content={})


async def main():
    transport = StdioTransport(command=COMMAND, args=ARGS, env=ENV)
    async with MCPToolset(transport, elicitation_handler=agree) as toolset:
        report("connect", text="connected")
        report("list", tools=[tool.name for tool in await toolset.list_tools()])

        async def call(name, arguments):
            try:
                result = await toolset.direct_call_tool(name, arguments)
            except ModelRetry as retry:
                return {"text": str(retry), "blocks": ["text"], "failed": True}
            parts = result if isinstance(result, list) else [result]
            text = "\n".join(part for part in parts if isinstance(part, str))
            kinds = ["text" if isinstance(part, str) else "image" for part in parts]
            return {"text": text, "blocks": kinds, "failed": False}

        await walk(call)


asyncio.run(main())
