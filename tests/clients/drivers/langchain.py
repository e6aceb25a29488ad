"""LangChain: `MultiServerMCPClient.get_tools`, which starts a server for every call."""

import asyncio

from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from mcp.types import ElicitResult
from steps import ARGS, COMMAND, ENV, report, walk


async def agree(_context, _params, _request):
    return ElicitResult(action="accept", content={})


async def main():
    connection = {"transport": "stdio", "command": COMMAND, "args": ARGS, "env": ENV}
    callbacks = Callbacks(on_elicitation=agree)
    client = MultiServerMCPClient({"openrouter": connection}, callbacks=callbacks)
    tools = {tool.name: tool for tool in await client.get_tools()}
    report("connect", text="connected")
    report("list", tools=[*tools])

    async def call(name, arguments):
        asked = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
        message = await tools[name].ainvoke(asked)
        blocks = message.content
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        text = "\n".join(block.get("text", "") for block in blocks)
        kinds = [block["type"] for block in blocks]
        return {"text": text, "blocks": kinds, "failed": message.status == "error"}

    await walk(call)


asyncio.run(main())
