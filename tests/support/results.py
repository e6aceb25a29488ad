"""Calls of tools, and what the tests read of their results."""

from typing import Any

ERROR = "openrouter/error"
JOB = "openrouter/job"
RECEIPT = "openrouter/receipt"


async def call(client: Any, name: str, **arguments: Any) -> Any:
    """The result of a tool call, whether it succeeded or not."""
    return await client.call_tool(name, arguments, raise_on_error=False)


def text(result: Any) -> str:
    """The text of a result, its blocks on lines of their own."""
    return "\n".join(block.text for block in result.content if block.type == "text")
