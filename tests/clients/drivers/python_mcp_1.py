"""The Python SDK, version 1: `ClientSession` over `stdio_client`."""

import asyncio
import inspect

import mcp.types as types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from steps import ARGS, COMMAND, ENV, report, seen, walk


async def agree(_context, _params):
    return types.ElicitResult(action="accept", content={})


async def main():
    asks = "elicitation_callback" in inspect.signature(ClientSession).parameters
    options = {"elicitation_callback": agree} if asks else {}
    parameters = StdioServerParameters(command=COMMAND, args=ARGS, env=ENV)
    async with stdio_client(parameters) as pipe, ClientSession(*pipe, **options) as session:
        about = await session.initialize()
        report("connect", text=f"{about.serverInfo.name} {about.protocolVersion}")
        report("list", tools=[tool.name for tool in (await session.list_tools()).tools])

        async def call(name, arguments):
            number = session._request_id
            try:
                return seen(await session.call_tool(name, arguments))
            except asyncio.CancelledError:
                # This SDK tells the server nothing by itself.
                params = types.CancelledNotificationParams(requestId=number)
                told = types.CancelledNotification(method="notifications/cancelled", params=params)
                await session.send_notification(types.ClientNotification(told))
                raise

        await walk(call)


asyncio.run(main())
