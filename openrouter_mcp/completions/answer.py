"""One answer, read chunk by chunk from OpenRouter's stream: what was said and how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from openrouter_mcp.api import responses
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.api.failures import failure
from openrouter_mcp.api.responses import cut_stream
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.progress import Report, silent
from openrouter_mcp.text import clean

NOT_STARTED = "waiting for the first word"
FURTHER_STEP = {
    Code.NO_CREDITS: "Lower max_tokens, or use the model openrouter/free.",
    Code.CONTEXT_TOO_LONG: "A lower max_tokens leaves more room for it.",
}
"""What else to do in a chat, beside what helps with any failure of that kind."""


@dataclass
class Answer:
    """What one chat request gave so far. `error` is set when it did not end as it should."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    reasoning_details: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    media: bool = False
    """Whether images or sound came, which a chat does not show."""
    finish_reason: str = ""
    generation_id: str = ""
    model: str = ""
    provider: str = ""
    service_tier: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: OpenRouterError | None = None

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take in one chunk; the fields of a chunk are all optional."""
        self.generation_id = responses.text(chunk, "id") or self.generation_id
        self.model = responses.text(chunk, "model") or self.model
        self.provider = responses.text(chunk, "provider") or self.provider
        self.service_tier = responses.text(chunk, "service_tier") or self.service_tier
        self.usage = responses.mapping(chunk, "usage") or self.usage
        self.metadata = responses.mapping(chunk, "openrouter_metadata") or self.metadata
        for choice in responses.mappings(chunk, "choices"):
            self._add_choice(choice)
            if choice.get("error"):
                self.error = failure(200, choice)
        if chunk.get("error"):
            self.error = failure(200, chunk)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        said = responses.mapping(choice, "delta") or responses.mapping(choice, "message")
        self.text += _text(said.get("content")) or responses.text(choice, "text")
        self.reasoning += _text(said.get("reasoning"))
        self.refusal += _text(said.get("refusal"))
        self.finish_reason = responses.text(choice, "finish_reason") or self.finish_reason
        self.annotations += responses.mappings(said, "annotations")
        self.media = self.media or bool(said.get("images") or said.get("audio"))
        for detail in responses.mappings(said, "reasoning_details"):
            _merge(self.reasoning_details, detail, ("index", "type"), ("text", "summary", "data"))
        for call in responses.mappings(said, "tool_calls"):
            self._add_tool_call(call)

    def _add_tool_call(self, fragment: Mapping[str, Any]) -> None:
        """Fragments of a call share an index; name and id come once, arguments in pieces.

        Some providers give every call the same index; another name under another id is another.
        """
        index, id_ = fragment.get("index"), responses.text(fragment, "id")
        said = responses.mapping(fragment, "function")
        name, arguments = responses.text(said, "name"), responses.mapping(said, "arguments")
        alike = (call for call in reversed(self.tool_calls) if call["index"] == index)
        call: dict[str, Any] | None = next(alike, None)
        if call is None or index is None or (name and id_ and call["id"] not in ("", id_)):
            function = {"name": "", "arguments": ""}
            call = {"index": index, "id": "", "type": "function", "function": function}
            self.tool_calls.append(call)
        call["id"] = id_ or call["id"]
        call["function"]["name"] = name or call["function"]["name"]
        written = json.dumps(arguments) if arguments else responses.text(said, "arguments")
        call["function"]["arguments"] += written

    @property
    def from_cache(self) -> bool:
        """Whether OpenRouter's response cache answered, free of charge."""
        return self.headers.get("x-openrouter-cache-status", "").upper() == "HIT"

    def message(self) -> dict[str, Any]:
        """The assistant message as OpenRouter wants it back when the conversation goes on."""
        calls = [{k: v for k, v in call.items() if k != "index"} for call in self.tool_calls]
        optional = {
            "tool_calls": calls,
            "reasoning_details": self.reasoning_details,
            "annotations": self.annotations,
        }
        present = {name: value for name, value in optional.items() if value}
        return {"role": "assistant", "content": self.text or None, **present}


@dataclass(frozen=True)
class Listener:
    """What to call while an answer comes."""

    report: Report = silent
    """Takes a sentence for the person who waits."""
    on_generation: Callable[[str], Awaitable[None]] = silent
    """Takes the generation id, as soon as OpenRouter tells it."""
    on_delta: Callable[[Answer], None] = lambda _answer: None
    """Takes the answer so far, after each chunk of it."""


async def complete(
    client: OpenRouter, request: ChatRequest, listener: Listener | None = None
) -> Answer:
    """Send `request` and read its answer to the end, telling `listener` how it goes.

    Failures before the first chunk are raised; later ones are kept in `answer.error` beside what
    had arrived. What breaks after the last word breaks nothing.
    Source: `POST /chat/completions` or `/completions` with `stream: true`.
    """
    listener = listener or Listener()
    answer = Answer()
    whole = False
    begun = time.monotonic()
    try:
        whole = await _read(client, request, answer, listener)
    except OpenRouterError as error:
        if not (answer.text or answer.reasoning or answer.tool_calls or answer.usage):
            raise _of_chat(error) from error.__cause__
        if not answer.finish_reason:
            answer.error = answer.error or error
    finally:
        answer.seconds = time.monotonic() - begun
    _conclude(answer, whole=whole)
    return answer


async def _read(
    client: OpenRouter, request: ChatRequest, answer: Answer, listener: Listener
) -> bool:
    """Put what comes into `answer`; whether it came to its end."""
    who = request.model.id
    await listener.report(f"{who}: {NOT_STARTED}")
    async with client.stream(
        request.path,
        request.body,
        headers=request.headers,
        on_headers=partial(_identify, answer, listener),
        report=listener.report,
    ) as stream:
        async for chunk in stream:
            answer.add(chunk)
            listener.on_delta(answer)
            await listener.report(_progress(answer, who))
        return stream.done


def _of_chat(error: OpenRouterError) -> OpenRouterError:
    """The failure with what a caller of a chat can do beside the rest."""
    step = FURTHER_STEP.get(error.code)
    return error.advised(step) if step else error


async def _identify(answer: Answer, listener: Listener, headers: Mapping[str, str]) -> None:
    answer.headers = headers
    if generation_id := headers.get("x-generation-id", ""):
        answer.generation_id = generation_id
        await listener.on_generation(generation_id)


def _conclude(answer: Answer, *, whole: bool) -> None:
    """Find out what is wrong with an answer whose stream has ended."""
    if answer.error:
        answer.error = _of_chat(answer.error)
    elif not (whole or answer.finish_reason):
        answer.error = cut_stream()
    elif answer.finish_reason == "error":
        answer.error = OpenRouterError(
            Code.UPSTREAM_ERROR,
            "The provider failed without saying why. Call again, or choose another provider.",
            retryable=True,
        )
    elif answer.refusal and not answer.text:
        answer.error = OpenRouterError(
            Code.REFUSED,
            f"The model refused: {clean(answer.refusal)} Rephrase the request or choose another "
            "model.",
        )
    elif answer.text or answer.tool_calls or answer.media:
        return
    elif answer.finish_reason == "content_filter":
        answer.error = OpenRouterError(
            Code.REFUSED,
            "The provider's content filter let nothing through. Rephrase the request or choose "
            "another model.",
        )
    elif answer.finish_reason != "length":
        answer.error = OpenRouterError(
            Code.UPSTREAM_ERROR,
            "The model ended without saying anything. Call again, lower effort, or choose another "
            "model.",
            retryable=True,
        )


def _progress(answer: Answer, asked: str) -> str:
    who = answer.model or asked
    if answer.provider:
        who += f" via {answer.provider}"
    if answer.text:
        return f"{who}: {len(answer.text):,} characters ... {answer.text[-60:].strip()}"
    if answer.tool_calls:
        return f"{who}: calling {answer.tool_calls[-1]['function']['name']}"
    if answer.reasoning:
        return f"{who}: thinking, {len(answer.reasoning):,} characters so far"
    return f"{who}: {NOT_STARTED}"


def _text(content: object) -> str:
    """Text of a content field, which may be null, a string or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _merge(
    into: list[dict[str, Any]],
    fragment: Mapping[str, Any],
    same: tuple[str, ...],
    joined: tuple[str, ...],
) -> None:
    """Add a streamed fragment to the item it belongs to; `joined` fields arrive in pieces."""
    for item in into:
        if all(item.get(name) == fragment.get(name) for name in same):
            for name, value in fragment.items():
                kept = item.get(name)
                if name in joined and isinstance(kept, str) and isinstance(value, str):
                    item[name] = kept + value
                elif value or name not in item:
                    item[name] = value
            return
    into.append(dict(fragment))
