"""Resources, prompts and completion, in both protocol eras."""

import json

import pytest
from fastmcp import Client
from fastmcp.exceptions import McpError
from mcp.types import INVALID_PARAMS, PromptReference, ResourceTemplateReference

from tests.support.eras import both_eras

pytestmark = both_eras


async def test_the_templates_and_prompts_are_listed(client: Client) -> None:
    templates = {template.uri_template for template in await client.list_resource_templates()}
    assert templates == {
        "openrouter://models/{id*}",
        "openrouter://jobs/{id}",
        "openrouter://threads/{id}",
    }
    prompts = {prompt.name for prompt in await client.list_prompts()}
    assert prompts == {"second_opinion", "compare", "pick_model"}


async def test_a_model_is_a_resource(client: Client) -> None:
    (content,) = await client.read_resource("openrouter://models/anthropic/claude-sonnet-5")
    assert json.loads(content.text)["id"] == "anthropic/claude-sonnet-5"


async def test_a_conversation_is_a_resource(client: Client) -> None:
    await client.call_tool("chat", {"prompt": "Hello", "thread_id": "new"})
    listed = await client.call_tool("list_threads", {})
    thread_id = listed.content[0].text.split(" | ")[0]
    (content,) = await client.read_resource(f"openrouter://threads/{thread_id}")
    assert [message["role"] for message in json.loads(content.text)] == ["user", "assistant"]


@pytest.mark.parametrize(
    "address", ["jobs/job_nowhere", "threads/thread_nowhere", "models/nobody/nothing", "x/y"]
)
async def test_what_is_not_there_is_said_so(client: Client, address: str) -> None:
    with pytest.raises(McpError) as refused:
        await client.read_resource(f"openrouter://{address}")
    assert refused.value.error.code == INVALID_PARAMS


async def test_prompts_say_which_tools_to_use(client: Client) -> None:
    prompt = await client.get_prompt("pick_model", {"task": "summaries"})
    assert "recommend_model" in prompt.messages[0].content.text
    assert "summaries" in prompt.messages[0].content.text


async def test_a_prompt_without_what_it_needs_says_so(client: Client) -> None:
    with pytest.raises(McpError, match="compare needs: question") as refused:
        await client.get_prompt("compare", {"models": "opus"})
    assert refused.value.error.code == INVALID_PARAMS


async def test_the_arguments_of_prompts_are_plain(client: Client) -> None:
    for prompt in await client.list_prompts():
        assert all("JSON" not in (argument.description or "") for argument in prompt.arguments)


@pytest.mark.parametrize(
    ("reference", "argument"),
    [
        (PromptReference(type="ref/prompt", name="second_opinion"), "model"),
        (ResourceTemplateReference(type="ref/resource", uri="openrouter://models/{id*}"), "id"),
    ],
)
async def test_model_ids_are_completed(client: Client, reference, argument) -> None:
    completion = await client.complete(reference, {"name": argument, "value": "anthropic/cl"})
    assert completion.values[0].startswith("anthropic/cl")
    assert all("anthropic/cl" in value for value in completion.values)
