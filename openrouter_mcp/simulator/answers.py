"""What a model answers, and the two shapes in which the answer travels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openrouter_mcp.simulator.chat_request import ChatRequest, FunctionTool
from openrouter_mcp.simulator.schemas import instance
from openrouter_mcp.simulator.scripts import ECHO, Script
from openrouter_mcp.simulator.usage import tokens

Json = dict[str, Any]
ECHOED = 200
NATIVE = {
    "anthropic": {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"},
    "google": {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"},
    "openai": {"stop": "completed", "length": "max_output_tokens"},
}
FORMATS = {
    "anthropic": "anthropic-claude-v1",
    "google": "google-gemini-v1",
    "openai": "openai-responses-v1",
    "x-ai": "xai-responses-v1",
}
CITATION = {"url": "https://news.example/today", "title": "Today", "content": "A page found"}


@dataclass
class Answer:
    """A complete answer, before it is cut into chunks."""

    text: str | None
    reasoning: str = ""
    """What the model thought; `hidden` when the caller did not want to see it."""
    hidden: bool = False
    tool_calls: list[Json] = field(default_factory=list)
    finish_reason: str | None = "stop"
    refusal: str | None = None
    annotations: list[Json] = field(default_factory=list)
    author: str = ""

    @property
    def native_finish_reason(self) -> str | None:
        """The provider's own word for the finish reason."""
        names = NATIVE.get(self.author, {})
        return names.get(self.finish_reason or "", self.finish_reason)

    @property
    def completion_tokens(self) -> int:
        """Every token that is billed as output, reasoning included."""
        calls = sum(tokens(call["function"]["arguments"]) for call in self.tool_calls)
        written = tokens(self.text or "") + tokens(self.refusal or "")
        return tokens(self.reasoning) + written + calls


def last_user_text(messages: list[Json]) -> str:
    """The text of the last user message."""
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return " ".join(part["text"] for part in content if part["type"] == "text")
    return ""


def echo(messages: list[Json]) -> str:
    """The default answer: it shows that the last question (or tool result) was understood."""
    text = f"Simulated answer to: {last_user_text(messages)[:ECHOED]}"
    if messages[-1]["role"] == "tool":
        text += f" (the tool said: {str(messages[-1]['content'])[:ECHOED]})"
    return text


def compose(
    model: Json, request: ChatRequest, messages: list[Json], script: Script, limit: int
) -> Answer:
    """The answer of `model` under `script`, cut to `limit` tokens."""
    answer = Answer(default_text(request, messages), author=model["id"].split("/")[0])
    if script.text is None:
        answer.text = None
    elif script.text != ECHO:
        answer.text = script.text.replace(ECHO, echo(messages))
    answer.refusal = script.refusal
    answer.reasoning = thought(model, request, messages, script)
    wanted = request.reasoning.exclude if request.reasoning else None
    answer.hidden = bool(wanted) or request.include_reasoning is False
    answer.tool_calls = called(request, messages, script)
    if answer.tool_calls:
        answer.finish_reason = "tool_calls"
        answer.text = None if script.text in (None, ECHO) else answer.text
    cut(answer, request, limit)
    if script.finish_reason != "":
        answer.finish_reason = script.finish_reason
    return answer


def default_text(request: ChatRequest, messages: list[Json]) -> str:
    """The echo, or the smallest JSON that the asked format allows."""
    wanted = request.response_format
    if wanted and wanted.type == "json_schema" and wanted.json_schema:
        return json.dumps(instance(wanted.json_schema.schema_ or {}))
    if wanted and wanted.type == "json_object":
        return json.dumps({"answer": echo(messages)})
    if request.model == "openrouter/bodybuilder":
        question = [{"role": "user", "content": last_user_text(messages)}]
        return json.dumps({"requests": [{"model": "openrouter/auto", "messages": question}]})
    return echo(messages)


def thought(model: Json, request: ChatRequest, messages: list[Json], script: Script) -> str:
    """The reasoning text, "" when the model does not think."""
    if script.reasoning is not None:
        return script.reasoning
    abilities = model.get("reasoning")
    if abilities is None:
        return ""
    asked = request.reasoning
    effort = (asked and asked.effort) or request.reasoning_effort
    if effort is None and asked and (asked.enabled or asked.max_tokens):
        effort = "medium"
    if effort is None and not abilities["default_enabled"]:
        return ""
    effort = effort or abilities["default_effort"]
    if effort == "none":
        return ""
    return f"Thinking with {effort} effort about: {last_user_text(messages)[:80]}"


def called(request: ChatRequest, messages: list[Json], script: Script) -> list[Json]:
    """The tool calls: scripted ones, else of the function that is forced or that the user names."""
    wishes = script.tool_calls
    functions = [tool.function for tool in request.tools or [] if isinstance(tool, FunctionTool)]
    choice = request.tool_choice
    if not wishes and script.text == ECHO and choice != "none":
        text = last_user_text(messages) if messages[-1]["role"] != "tool" else ""
        named = [function for function in functions if function.name in text]
        if choice == "required":
            named = named or functions
        elif isinstance(choice, dict) and "function" in choice:
            named = [f for f in functions if f.name == choice["function"]["name"]]
        wishes = [
            {"name": function.name, "arguments": instance(function.parameters or {})}
            for function in named[: 1 if request.parallel_tool_calls is False else None]
        ]
    return [
        {
            "id": f"call_{index + 1}",
            "type": "function",
            "index": index,
            "function": {"name": wish["name"], "arguments": _json(wish.get("arguments", {}))},
        }
        for index, wish in enumerate(wishes)
    ]


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def cut(answer: Answer, request: ChatRequest, limit: int) -> None:
    """Shorten the answer to its token limit and to the first stop sequence."""
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    for stop in stops:
        if stop and answer.text:
            answer.text = answer.text.partition(stop)[0]
    thinking = tokens(answer.reasoning)
    if thinking >= limit:
        answer.reasoning = answer.reasoning[: limit * 4]
        answer.text, answer.tool_calls, answer.finish_reason = "", [], "length"
    elif answer.text and tokens(answer.text) > limit - thinking:
        answer.text = answer.text[: (limit - thinking) * 4]
        answer.finish_reason = "length"


def message(answer: Answer) -> Json:
    """The answer as `choices[0].message`."""
    result: Json = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
    if answer.reasoning and not answer.hidden:
        result["reasoning"] = answer.reasoning
        detail = reasoning_detail(answer, answer.reasoning) | {"signature": "c2lnbmF0dXJl"}
        result["reasoning_details"] = [detail]
    if answer.tool_calls:
        result["tool_calls"] = answer.tool_calls
    if answer.annotations:
        result["annotations"] = answer.annotations
    return result


def reasoning_detail(answer: Answer, text: str) -> Json:
    """One entry of `reasoning_details`."""
    kind = FORMATS.get(answer.author, "unknown")
    return {"type": "reasoning.text", "text": text, "format": kind, "index": 0}


def deltas(answer: Answer) -> Iterator[Json]:
    """The answer as the `delta` objects of a stream, the role first."""
    yield {"role": "assistant", "content": ""}
    if answer.reasoning and not answer.hidden:
        for words in pieces(answer.reasoning):
            details = [reasoning_detail(answer, words)]
            yield {"content": "", "reasoning": words, "reasoning_details": details}
        signature = reasoning_detail(answer, "") | {"signature": "c2lnbmF0dXJl"}
        yield {"content": "", "reasoning_details": [signature]}
    for words in pieces(answer.text or ""):
        yield {"content": words}
    if answer.refusal:
        yield {"refusal": answer.refusal}
    for call in answer.tool_calls:
        function = call["function"]
        yield {"tool_calls": [call | {"function": {"name": function["name"], "arguments": ""}}]}
        arguments = function["arguments"]
        middle = len(arguments) // 2
        for part in (arguments[:middle], arguments[middle:]):
            yield {"tool_calls": [{"index": call["index"], "function": {"arguments": part}}]}
    if answer.annotations:
        yield {"annotations": answer.annotations}


def pieces(text: str) -> list[str]:
    """The text in pieces of three words, nothing lost."""
    return re.findall(r"\s*\S+(?:\s+\S+){0,2}\s*|\s+", text)


def citation(query: str) -> Json:
    """The annotation that a web search leaves."""
    cited = CITATION | {"content": f"A page about {query[:60]}", "start_index": 0, "end_index": 9}
    return {"type": "url_citation", "url_citation": cited}
