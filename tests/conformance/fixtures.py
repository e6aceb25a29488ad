"""The tools, prompts and resources that the MCP conformance suite expects to find.

Their names and texts are the suite's. They go through the same server and boundary as ours.
"""

import io
import json
import wave
from base64 import b64encode
from typing import Any

import mcp.types as mt
from fastmcp import FastMCP
from fastmcp.prompts import Message, prompt
from fastmcp.resources import resource
from fastmcp.server.context import Context
from fastmcp.tools import tool
from mcp.shared.exceptions import MCPError
from PIL import Image

from openrouter_mcp.errors import Code, OpenRouterError

Round = str | mt.InputRequiredResult
"""What a tool returns that asks: its answer, or what it still has to know."""


def _png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (1, 1), "red").save(data, "PNG")
    return data.getvalue()


def _wav() -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, 8000, 1, "NONE", ""))
        file.writeframes(b"\0\0")
    return data.getvalue()


PNG = _png()
IMAGE = mt.ImageContent(type="image", data=b64encode(PNG).decode(), mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> mt.EmbeddedResource:
    content = mt.TextResourceContents(uri=uri, text=text, mime_type=mime_type)
    return mt.EmbeddedResource(type="resource", resource=content)


# Replies.


@tool
async def test_simple_text() -> str:
    """Text."""
    return "This is a simple text response for testing."


@tool
async def test_image_content() -> mt.ImageContent:
    """An image."""
    return IMAGE


@tool
async def test_audio_content() -> mt.AudioContent:
    """Sound."""
    return mt.AudioContent(type="audio", data=b64encode(_wav()).decode(), mime_type="audio/wav")


@tool
async def test_embedded_resource() -> mt.EmbeddedResource:
    """An embedded resource."""
    return _embedded("test://embedded-resource", "This is an embedded resource content.")


@tool
async def test_multiple_content_types() -> list[mt.ContentBlock]:
    """Text, an image and a resource."""
    return [
        mt.TextContent(type="text", text="Multiple content types test:"),
        IMAGE,
        _embedded(
            "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
        ),
    ]


@tool
async def test_error_handling() -> str:
    """A failure, as all tools of the server raise it."""
    raise OpenRouterError(
        Code.INVALID_INPUT, "This tool intentionally returns an error for testing"
    )


@tool
async def test_tool_with_progress(context: Context) -> str:
    """Progress."""
    for done in (0, 50, 100):
        await context.report_progress(done, 100)
    return "Progress was reported."


@tool
async def test_tool_with_logging(context: Context) -> str:
    """Log messages."""
    for message in ("execution started", "processing data", "execution completed"):
        await context.info(f"Tool {message}")
    return "Messages were logged."


@tool
async def test_logging_tool(context: Context) -> str:
    """A log message, for those alone who asked for it."""
    await context.info("Logged")
    return "A message was logged."


# Questions to the client in the middle of a call, before 2026-07-28.


def _form(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


TEXT = {"type": "string"}
DEFAULTS = {
    "name": TEXT | {"default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": TEXT | {"enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}


def _titled(name: str, *titles: str) -> list[dict[str, str]]:
    return [
        {"const": f"value{number}", "title": f"{title} {name}"}
        for number, title in enumerate(titles, 1)
    ]


PLAIN = TEXT | {"enum": ["option1", "option2", "option3"]}
ORDER = ("First", "Second", "Third")
CHOICES = {
    "untitledSingle": PLAIN,
    "titledSingle": TEXT | {"oneOf": _titled("Option", *ORDER)},
    "legacyEnum": TEXT
    | {
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": PLAIN},
    "titledMulti": {"type": "array", "items": {"anyOf": _titled("Choice", *ORDER)}},
}


@tool
async def test_sampling(prompt: str, context: Context) -> str:
    """A question to the client's model."""
    message = mt.SamplingMessage(role="user", content=mt.TextContent(type="text", text=prompt))
    result = await context.session.create_message(
        [message], max_tokens=100, related_request_id=context.request_id
    )
    return f"LLM response: {result.content.text}"


@tool
async def test_elicitation(message: str, context: Context) -> str:
    """A question to the user."""
    return await _asked(context, message, _form(username=TEXT, email=TEXT))


@tool
async def test_elicitation_sep1034_defaults(context: Context) -> str:
    """A question with defaults."""
    return await _asked(context, "Defaults?", _form(**DEFAULTS) | {"required": []})


@tool
async def test_elicitation_sep1330_enums(context: Context) -> str:
    """A question with choices."""
    return await _asked(context, "Choices?", _form(**CHOICES) | {"required": []})


async def _asked(context: Context, message: str, form: dict[str, Any]) -> str:
    answer = await context.session.elicit_form(message, form, context.request_id)
    return f"action={answer.action}, content={json.dumps(answer.content)}"


# Questions as results, since 2026-07-28.


def _elicit(message: str, **properties: Any) -> mt.ElicitRequest:
    params = mt.ElicitRequestFormParams(message=message, requested_schema=_form(**properties))
    return mt.ElicitRequest(method="elicitation/create", params=params)


def _sample(prompt: str, most: int = 100) -> mt.CreateMessageRequest:
    content = mt.TextContent(type="text", text=prompt)
    params = mt.CreateMessageRequestParams(
        messages=[mt.SamplingMessage(role="user", content=content)], max_tokens=most
    )
    return mt.CreateMessageRequest(method="sampling/createMessage", params=params)


NAME = {"user_name": _elicit("What is your name?", name=TEXT)}
CONFIRM = {"confirm": _elicit("Please confirm", ok={"type": "boolean"})}
ROOTS = {"client_roots": mt.ListRootsRequest(method="roots/list")}
CAPITAL = {"capital_question": _sample("What is the capital of France?")}
GREETING = {"greeting": _sample("Generate a greeting", 50)}
STEPS = [
    {"step1": _elicit("Step 1: What is your name?", name=TEXT)},
    {"step2": _elicit("Step 2: What is your favorite color?", color=TEXT)},
]


def _answers(
    context: Context, questions: dict[str, Any], state: str | None = None
) -> dict[str, Any] | mt.InputRequiredResult:
    """What the client answered, or the questions while one has no answer of its kind."""
    given = context.input_responses or {}
    if all(_fits(question, given.get(key)) for key, question in questions.items()):
        return given
    return mt.InputRequiredResult(
        result_type="input_required", input_requests=questions, request_state=state
    )


def _fits(question: Any, answer: Any) -> bool:
    if not isinstance(question, mt.ElicitRequest):
        return answer is not None
    wanted = question.params.requested_schema["required"]
    return isinstance(answer, mt.ElicitResult) and set(wanted) <= (answer.content or {}).keys()


@tool
async def test_input_required_result_elicitation(context: Context) -> Round:
    """A question to the user."""
    given = _answers(context, NAME)
    return given if not isinstance(given, dict) else f"Hello, {given['user_name'].content['name']}!"


@tool
async def test_input_required_result_sampling(context: Context) -> Round:
    """A question to the client's model."""
    given = _answers(context, CAPITAL)
    return given if not isinstance(given, dict) else given["capital_question"].content.text


@tool
async def test_input_required_result_list_roots(context: Context) -> Round:
    """The client's roots."""
    given = _answers(context, ROOTS)
    return given if not isinstance(given, dict) else str(given["client_roots"].roots)


@tool
async def test_input_required_result_multiple_inputs(context: Context) -> Round:
    """All kinds of questions at once."""
    given = _answers(context, NAME | GREETING | ROOTS, "asked")
    return given if not isinstance(given, dict) else f"{sorted(given)}"


@tool
async def test_input_required_result_request_state(context: Context) -> Round:
    """A question with a state that comes back."""
    given = _answers(context, CONFIRM, "asked")
    return given if not isinstance(given, dict) else f"state-ok: {context.request_state}"


@tool
async def test_input_required_result_tampered_state(context: Context) -> Round:
    """A question whose state must come back as it was."""
    given = _answers(context, CONFIRM, "sealed")
    return given if not isinstance(given, dict) else f"state: {context.request_state}"


@tool
async def test_input_required_result_multi_round(context: Context) -> Round:
    """Two questions, one after the other."""
    done = int(context.request_state or 0)
    if done and not isinstance(_answers(context, STEPS[done - 1]), dict):
        done -= 1
    if done < len(STEPS):
        return _answers(context, STEPS[done], str(done + 1))
    return "Both were answered."


@tool
async def test_input_required_result_capabilities(context: Context) -> Round:
    """Only questions that the client can answer."""
    can = context.session.client_capabilities
    questions = (NAME if can and can.elicitation else {}) | (
        CAPITAL if can and can.sampling else {}
    )
    given = _answers(context, questions)
    return given if not isinstance(given, dict) else f"{sorted(given)}"


@tool
async def test_streaming_elicitation(context: Context) -> Round:
    """Progress, then a question."""
    await context.report_progress(1, 2)
    given = _answers(context, NAME)
    return given if not isinstance(given, dict) else "Answered."


@tool
async def test_missing_capability(context: Context) -> str:
    """What a client without a model cannot have."""
    can = context.session.client_capabilities or mt.ClientCapabilities()
    if not can.sampling:
        needed = mt.ClientCapabilities(sampling=mt.SamplingCapability())
        data = mt.MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            mt.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "This tool needs sampling.",
            data.model_dump(by_alias=True, exclude_none=True),
        )
    return "Sampling is there."


# Resources and prompts.


@resource("test://static-text", mime_type="text/plain", description="A text.")
def static_text() -> str:
    return "This is the content of the static text resource."


@resource("test://static-binary", mime_type="image/png", description="A picture.")
def static_binary() -> bytes:
    return PNG


@resource("test://watched-resource", mime_type="text/plain", description="A text to watch.")
def watched() -> str:
    return "Watched resource content."


@resource("test://template/{key}/data", mime_type="application/json", description="By its id.")
def template(key: str) -> str:
    return json.dumps({"id": key, "templateTest": True, "data": f"Data for ID: {key}"})


@prompt(description="Text.")
def test_simple_prompt() -> str:
    return "This is a simple prompt for testing."


@prompt(description="Two arguments.")
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@prompt(description="A resource.")
def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803 - the suite's name
    content = _embedded(resourceUri, "Embedded resource content for testing.")
    return [Message(content), Message("Please process the embedded resource above.")]


@prompt(description="An image.")
def test_prompt_with_image() -> list[Message]:
    return [Message(IMAGE), Message("Please analyze the image above.")]


CONTEXT = {"user_context": _elicit("What context should the prompt use?", context=TEXT)}


@prompt(description="A question to the user.")
def test_input_required_result_prompt(context: Context) -> Round:
    given = _answers(context, CONTEXT)
    return given if not isinstance(given, dict) else given["user_context"].content["context"]


async def _subscribe(_context: Any, _params: Any) -> mt.EmptyResult:
    return mt.EmptyResult()


def add_to(server: FastMCP) -> None:
    """Add the resources and prompts, and what FastMCP has no decorator for."""
    for found in _marked("resource"):
        server.add_resource(found)
    for found in _marked("prompt"):
        server.add_prompt(found)
    for method, params in (
        ("resources/subscribe", mt.SubscribeRequestParams),
        ("resources/unsubscribe", mt.UnsubscribeRequestParams),
    ):
        server._mcp_server.add_request_handler(method, params, _subscribe)


def _marked(kind: str) -> list[Any]:
    """What is decorated above as a tool, resource or prompt."""
    marked = [value for value in globals().values() if hasattr(value, "__fastmcp__")]
    return [value for value in marked if value.__fastmcp__.type == kind]


TOOLS = _marked("tool")
