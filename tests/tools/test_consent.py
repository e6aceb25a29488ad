"""A question to the user, in both protocol eras."""

import mcp.types as mt
import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.elicitation import ElicitResult
from fastmcp.server.context import Context
from fastmcp.tools import tool

from openrouter_mcp.tools.context import confirm
from tests.support.eras import both_eras


@tool
async def risky(context: Context) -> str | mt.InputRequiredResult:
    answer = await confirm(context, "risk", "Do it?")
    return answer if isinstance(answer, mt.InputRequiredResult) else repr(answer)


async def asked(mode, handler) -> str:
    server = FastMCP("x", tools=[risky])
    async with Client(server, mode=mode, elicitation_handler=handler) as client:
        return (await client.call_tool("risky")).data


@both_eras
@pytest.mark.parametrize(
    ("action", "ok", "said"),
    [
        ("accept", True, "True"),
        ("accept", False, "False"),
        ("decline", None, "False"),
        ("cancel", None, "False"),
    ],
)
async def test_only_a_yes_is_a_yes(mode, action, ok, said) -> None:
    questions = []

    async def handler(message, response_type, params, context):
        questions.append(message)
        names = params.requested_schema["properties"]
        return ElicitResult(action=action, content=None if ok is None else dict.fromkeys(names, ok))

    assert await asked(mode, handler) == said
    assert questions == ["Do it?"]


@both_eras
async def test_a_client_that_cannot_ask_is_no_answer(mode) -> None:
    assert await asked(mode, None) == "None"
