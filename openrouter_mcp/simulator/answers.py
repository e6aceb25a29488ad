"""What a model answers: by default an echo, else a script. And what an answer counts and costs."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

ECHO = "{echo}"
ECHOED = 200
MEDIA_TOKENS = 256
"""What every part of a prompt that is not text counts."""
CACHEABLE = 1024
"""Fewer repeated tokens than this are not cached by providers."""
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


@dataclass(frozen=True)
class Script:
    """An answer in place of the default echo.

    `text` may hold `{echo}` for the default answer; None is a null content. `tool_calls` are
    `{"name": ..., "arguments": {...}}`. `finish_reason` "" means whatever fits, None is null.
    `latency` is the time before the first token, `chunk_delay` the time before each later chunk,
    both in seconds. `model` is the name that the reply gives itself, as dated names do.
    """

    text: str | None = ECHO
    reasoning: str | None = None
    tool_calls: list[Json] = field(default_factory=list)
    finish_reason: str | None = ""
    refusal: str | None = None
    latency: float | None = None
    chunk_delay: float = 0.0
    model: str = ""


@dataclass
class Answer:
    """A complete answer, before it is cut into chunks."""

    text: str | None
    author: str
    reasoning: str = ""
    """What the model thought; `hidden` when the caller did not want to see it."""
    hidden: bool = False
    tool_calls: list[Json] = field(default_factory=list)
    finish_reason: str | None = "stop"
    refusal: str | None = None
    annotations: list[Json] = field(default_factory=list)

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


def compose(model: Json, request: Json, script: Script, limit: int) -> Answer:
    """The answer of `model` under `script`, cut to `limit` tokens."""
    answer = Answer(default_text(request), author=model["id"].split("/")[0])
    if script.text is None:
        answer.text = None
    elif script.text != ECHO:
        answer.text = script.text.replace(ECHO, echo(request["messages"]))
    answer.refusal = script.refusal
    answer.reasoning = thought(model, request, script)
    excluded = request.get("reasoning", {}).get("exclude")
    answer.hidden = bool(excluded) or request.get("include_reasoning") is False
    answer.tool_calls = called(request, script)
    if answer.tool_calls:
        answer.finish_reason = "tool_calls"
        answer.text = None if script.text in (None, ECHO) else answer.text
    cut(answer, request, limit)
    if script.finish_reason != "":
        answer.finish_reason = script.finish_reason
    return answer


def last_user_text(messages: list[Json]) -> str:
    """The text of the last user message."""
    asked = [message["content"] for message in messages if message["role"] == "user"]
    content = asked[-1] if asked else ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part["type"] == "text")


def echo(messages: list[Json]) -> str:
    """The default answer: it shows that the last question (or tool result) was understood."""
    text = f"Simulated answer to: {last_user_text(messages)[:ECHOED]}"
    if messages[-1]["role"] == "tool":
        text += f" (the tool said: {str(messages[-1]['content'])[:ECHOED]})"
    return text


def default_text(request: Json) -> str:
    """The echo, or the smallest JSON that the asked format allows."""
    messages = request["messages"]
    wanted = request.get("response_format", {})
    if wanted.get("type") == "json_schema":
        return json.dumps(instance(wanted["json_schema"].get("schema") or {}))
    if wanted.get("type") == "json_object":
        return json.dumps({"answer": echo(messages)})
    if request.get("model") == "openrouter/bodybuilder":
        question = [{"role": "user", "content": last_user_text(messages)}]
        return json.dumps({"requests": [{"model": "openrouter/auto", "messages": question}]})
    return echo(messages)


def effort_of(request: Json) -> str | None:
    """The effort asked for, in either place."""
    return request.get("reasoning", {}).get("effort") or request.get("reasoning_effort")


def thought(model: Json, request: Json, script: Script) -> str:
    """The reasoning text, "" when the model does not think."""
    if script.reasoning is not None:
        return script.reasoning
    abilities = model.get("reasoning")
    if abilities is None:
        return ""
    effort, asked = effort_of(request), request.get("reasoning", {})
    if effort is None and (asked.get("enabled") or asked.get("max_tokens")):
        effort = "medium"
    if effort is None and not abilities["default_enabled"]:
        return ""
    effort = effort or abilities["default_effort"]
    if effort == "none":
        return ""
    about = last_user_text(request["messages"])[:80]
    return f"Thinking with {effort} effort about: {about}"


def called(request: Json, script: Script) -> list[Json]:
    """The tool calls: scripted ones, else of the function that is forced or that the user names."""
    calls = script.tool_calls
    tools = request.get("tools", [])
    functions = [tool["function"] for tool in tools if tool["type"] == "function"]
    choice, messages = request.get("tool_choice"), request["messages"]
    if not calls and script.text == ECHO and choice != "none":
        text = last_user_text(messages) if messages[-1]["role"] != "tool" else ""
        named = [function for function in functions if function["name"] in text]
        if choice == "required":
            named = named or functions
        elif isinstance(choice, dict) and "function" in choice:
            named = [f for f in functions if f["name"] == choice["function"]["name"]]
        one = request.get("parallel_tool_calls") is False
        calls = [
            {"name": function["name"], "arguments": instance(function.get("parameters") or {})}
            for function in named[: 1 if one else None]
        ]
    return [
        {
            "id": f"call_{number + 1}",
            "type": "function",
            "index": number,
            "function": {"name": call["name"], "arguments": _json(call.get("arguments", {}))},
        }
        for number, call in enumerate(calls)
    ]


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def cut(answer: Answer, request: Json, limit: int) -> None:
    """Shorten the answer to its token limit and to the first stop sequence."""
    stops = request.get("stop", [])
    for stop in [stops] if isinstance(stops, str) else stops:
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
    cited: Json = {"url": "https://news.example/today", "title": "Today"}
    cited |= {"content": f"A page about {query[:60]}", "start_index": 0, "end_index": 9}
    return {"type": "url_citation", "url_citation": cited}


def instance(schema: Json, root: Json | None = None) -> Any:
    """The smallest value that a JSON schema accepts: required properties, first choices."""
    root = schema if root is None else root
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return instance(target, root)
    if "allOf" in schema:
        merged: Json = {}
        for part in schema["allOf"]:
            merged |= instance(part, root)
        return merged
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return instance(schema[key][0], root)
    return _of_type(schema, root)


def _of_type(schema: Json, root: Json) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties, required = schema.get("properties", {}), schema.get("required", [])
            return {name: instance(properties.get(name, {}), root) for name in required}
        case "array":
            return [instance(schema.get("items", {}), root)] * schema.get("minItems", 0)
        case "integer" | "number":
            if "exclusiveMinimum" in schema:
                return schema["exclusiveMinimum"] + 1
            return schema.get("minimum", min(0, schema.get("maximum", 0)))
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "x" * schema.get("minLength", 0) or "text"[: schema.get("maxLength", 4)]


# Tokens and money.


def tokens(text: str) -> int:
    """A quarter of the characters, rounded up."""
    return -(-len(text) // 4)


def prompt_text(messages: list[Json]) -> str:
    """All the text of the messages, in order."""
    texts = []
    for sent in messages:
        content = sent.get("content") or ""
        if isinstance(content, str):
            texts.append(content)
        else:
            texts += [part["text"] for part in content if part["type"] == "text"]
    return "".join(texts)


def prompt_tokens(messages: list[Json]) -> int:
    """The tokens of all messages, media included."""
    contents = [sent["content"] for sent in messages if isinstance(sent.get("content"), list)]
    media = sum(part["type"] != "text" for content in contents for part in content)
    return tokens(prompt_text(messages)) + media * MEDIA_TOKENS


def cached_tokens(earlier: list[str], prompt: str) -> int:
    """The tokens of the longest beginning that an earlier prompt shares, 0 if too short."""
    longest = 0
    for old in earlier:
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, prompt, strict=False))
        longest = max(longest, sum(1 for _ in same) // 4)
    return longest if longest >= CACHEABLE else 0


@dataclass
class Counted:
    """What one generation used."""

    prompt: int
    completion: int
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    searches: int = 0


def effective(pricing: Json, prompt: int, now: float) -> dict[str, str]:
    """The prices in force: base prices with every override whose conditions all hold."""
    result = {key: value for key, value in pricing.items() if isinstance(value, str)}
    moment = datetime.fromtimestamp(now, UTC)
    for entry in pricing.get("overrides", []):
        if prompt > entry.get("min_prompt_tokens", -1) and _in_window(entry, moment):
            result |= {key: value for key, value in entry.items() if isinstance(value, str)}
    return result


def _in_window(entry: Json, moment: datetime) -> bool:
    days = entry.get("utc_days")
    if days and f"{moment:%A}".lower() not in days:
        return False
    if "utc_start" not in entry:
        return True
    clock, start, end = moment.hour * 100 + moment.minute, entry["utc_start"], entry["utc_end"]
    return start <= clock < end if start <= end else clock >= start or clock < end


def cost(pricing: Json, counted: Counted, now: float) -> tuple[Decimal, Decimal]:
    """What the prompt and what the completion cost, in USD; per-request fees go to the prompt."""
    rates = effective(pricing, counted.prompt, now)

    def rate(key: str, default: str = "0") -> Decimal:
        return Decimal(rates.get(key, default))

    fresh = counted.prompt - counted.cached - counted.cache_written
    prompt = (
        fresh * rate("prompt")
        + counted.cached * rate("input_cache_read", rates["prompt"])
        + counted.cache_written * rate("input_cache_write", rates["prompt"])
        + rate("request")
        + counted.searches * rate("web_search")
    )
    return prompt, counted.completion * rate("completion")


def usage(counted: Counted, prompt_cost: Decimal, completion_cost: Decimal) -> Json:
    """The `usage` object."""
    report: Json = {
        "prompt_tokens": counted.prompt,
        "completion_tokens": counted.completion,
        "total_tokens": counted.prompt + counted.completion,
        "cost": float(prompt_cost + completion_cost),
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": float(prompt_cost),
            "upstream_inference_completions_cost": float(completion_cost),
        },
        "prompt_tokens_details": {
            "cached_tokens": counted.cached,
            "cache_write_tokens": counted.cache_written,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": counted.reasoning,
            "audio_tokens": 0,
            "image_tokens": 0,
        },
    }
    if counted.searches:
        report["server_tool_use_details"] = {
            "web_search_requests": counted.searches,
            "tool_calls_requested": counted.searches,
            "tool_calls_executed": counted.searches,
        }
    return report
