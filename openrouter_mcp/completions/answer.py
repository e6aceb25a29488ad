"""One answer, read chunk by chunk from OpenRouter's stream: what was said and how it ended."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from openrouter_mcp.api import responses
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.api.failures import failure
from openrouter_mcp.api.responses import cut_stream
from openrouter_mcp.completions.json_output import THOUGHT_ENDS
from openrouter_mcp.completions.media import Media
from openrouter_mcp.completions.merge import (
    add_once,
    add_reasoning_details,
    citations,
    cited,
    content_text,
    merged_usage,
    reasoning_text,
)
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.completions.tool_calls import ToolCalls
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.progress import Report, silent
from openrouter_mcp.text import clean

Json = dict[str, Any]

THOUGHT = "<think>"
DIGITS = {str(index) for index in range(10)}
"""Indices of choices as some providers write them."""
NOT_STARTED = "waiting for the first word"
FURTHER_STEP = {
    Code.NO_CREDITS: "Lower max_tokens, or use the model openrouter/free.",
    Code.CONTEXT_TOO_LONG: "A lower max_tokens leaves more room for it.",
}
"""What else to do in a chat, beside what helps with any failure of that kind."""


@dataclass
class Answer:
    """What one chat request gave so far. `error` is set when it did not end as it should.

    Providers send the parts of an answer in many ways: a `delta` adds to what came before, a
    `message` says all of it, and each part may stand in several places or come again.
    """

    sent: bool = False
    """Whether its request has been sent; before that it may wait for money."""
    text: str = ""
    """What was said; of several choices each, under its number."""
    reasoning: str = ""
    refusal: str = ""
    calls: ToolCalls = field(default_factory=ToolCalls)
    reasoning_details: list[Json] = field(default_factory=list)
    annotations: list[Json] = field(default_factory=list)
    citations: list[Json] = field(default_factory=list)
    """Sources that stand outside of annotations, each as `url` and `title`."""
    media: Media = field(default_factory=Media)
    """The images and sound that came."""
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
    _texts: dict[int, str] = field(default_factory=dict, repr=False)
    """What each choice has said."""

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take in one chunk; the fields of a chunk are all optional."""
        choices = responses.mappings(chunk, "choices")
        self.generation_id = self.generation_id or responses.identifier(chunk, "id")
        if choices or not self.model:
            # The last chunk, which has no choices, may name what was asked for.
            self.model = responses.text(chunk, "model") or self.model
            self.provider = responses.text(chunk, "provider") or self.provider
        self.service_tier = responses.text(chunk, "service_tier") or self.service_tier
        self.metadata = responses.mapping(chunk, "openrouter_metadata") or self.metadata
        for said in (chunk, *choices):
            self.usage = merged_usage(self.usage, responses.mapping(said, "usage"))
            add_once(self.citations, citations(said))
        for choice in choices:
            self._add_choice(choice)
            if choice.get("error"):
                self.error = failure(200, choice)
        if responses.tells_error(chunk):
            self.error = failure(200, chunk)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        digits = responses.text(choice, "index")
        index = int(responses.number(choice, "index") or (digits if digits in DIGITS else 0))
        delta, message = (responses.mapping(choice, name) for name in ("delta", "message"))
        self._say(index, content_text(delta.get("content")) or responses.text(choice, "text"))
        if delta:
            self._add_delta(delta)
        if message:
            self._say(index, content_text(message.get("content")), whole=True)
            self._add_message(message)
        self.finish_reason = responses.text(choice, "finish_reason") or self.finish_reason
        for said in filter(None, (delta, message)):
            add_once(self.annotations, responses.mappings(said, "annotations"))
            add_once(self.citations, citations(said))

    def _add_delta(self, delta: Mapping[str, Any]) -> None:
        self.reasoning += reasoning_text(delta)
        self.refusal += content_text(delta.get("refusal"))
        for call in responses.mappings(delta, "tool_calls"):
            self.calls.add(call)
        add_reasoning_details(
            self.reasoning_details, responses.mappings(delta, "reasoning_details")
        )
        self.media.add(delta)

    def _add_message(self, message: Mapping[str, Any]) -> None:
        self.reasoning = _whole(self.reasoning, reasoning_text(message))
        self.refusal = _whole(self.refusal, content_text(message.get("refusal")))
        self.calls.replace(responses.mappings(message, "tool_calls"))
        if whole := responses.mappings(message, "reasoning_details"):
            self.reasoning_details = whole
        self.media.add(message, whole=True)

    def _say(self, choice: int, text: str, *, whole: bool = False) -> None:
        """Add to what a choice has said, or put the `whole` of it in its place."""
        if not text:
            return
        before = self._texts.get(choice, "")
        self._texts[choice] = _whole(before, text) if whole else before + text
        if len(self._texts) == 1:
            (self.text,) = self._texts.values()
        else:
            said = (f"[Choice {n + 1}]\n{self._texts[n]}" for n in sorted(self._texts))
            self.text = "\n\n".join(said)

    @property
    def has_come(self) -> bool:
        """Whether any part of it has, thoughts too: a provider may bill it."""
        return bool(self.text or self.reasoning or self.calls or self.media)

    @property
    def says_something(self) -> bool:
        """Whether there is anything to show or to do; thoughts alone are no answer."""
        text = self.text.strip()
        if text.startswith(THOUGHT):
            text = text.rpartition(THOUGHT_ENDS)[2].strip() if THOUGHT_ENDS in text else ""
        return bool(text or self.tool_calls or self.media)

    @property
    def sources(self) -> list[Json]:
        """The pages that the answer cites, each as `url` and `title`."""
        return [source for each in self.annotations if (source := cited(each))] + self.citations

    @property
    def tool_calls(self) -> list[Json]:
        """The calls that the model makes, in OpenRouter's form."""
        return self.calls.as_sent()

    @property
    def from_cache(self) -> bool:
        """Whether OpenRouter's response cache answered, free of charge."""
        return self.headers.get("x-openrouter-cache-status", "").upper() == "HIT"

    def message(self) -> dict[str, Any]:
        """The assistant message as OpenRouter wants it back when the conversation goes on."""
        optional = {
            "tool_calls": self.tool_calls,
            "reasoning_details": self.reasoning_details,
            "annotations": self.annotations,
        }
        present = {name: value for name, value in optional.items() if value}
        said = self.text or self.media.named() or None
        return {"role": "assistant", "content": said, **present}


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
    client: OpenRouter,
    request: ChatRequest,
    listener: Listener | None = None,
    answer: Answer | None = None,
) -> Answer:
    """Send `request` and read its answer to the end, telling `listener` how it goes.

    Who gives an `answer` has in it what has come, whatever happens to this call.

    Failures before the first chunk are raised; later ones are kept in `answer.error` beside what
    had arrived. What breaks after the last word breaks nothing.
    Source: `POST /chat/completions` or `/completions` with `stream: true`.
    """
    listener = listener or Listener()
    answer = answer or Answer()
    whole = False
    begun = time.monotonic()
    try:
        whole = await _read(client, request, answer, listener)
    except OpenRouterError as error:
        if not (answer.has_come or answer.usage):
            raise _of_chat(error) from error.__cause__
        if not answer.finish_reason:
            answer.error = answer.error or error
    finally:
        answer.seconds = time.monotonic() - begun
    if not request.schema:
        # JSON stays as it is.
        answer.text = answer.media.take_out(answer.text)
    _conclude(answer, whole=whole)
    return answer


async def _read(
    client: OpenRouter, request: ChatRequest, answer: Answer, listener: Listener
) -> bool:
    """Put what comes into `answer`; whether it came to its end."""
    who = request.model.id
    answer.sent = True
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
    if generation_id := responses.identifier(headers, "x-generation-id"):
        answer.generation_id = generation_id
        await listener.on_generation(generation_id)


def _conclude(answer: Answer, *, whole: bool) -> None:
    """Find out what is wrong with an answer whose stream has ended."""
    answer.text = answer.text or answer.media.transcript
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
    elif answer.says_something:
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
    if answer.calls:
        return f"{who}: calling {answer.calls.last_name}"
    if answer.reasoning:
        return f"{who}: thinking, {len(answer.reasoning):,} characters so far"
    return f"{who}: {NOT_STARTED}"


def _whole(before: str, text: str) -> str:
    """What was said by all that came, when `text` says the whole of it or the next part."""
    if not text or before.startswith(text):
        return before
    return text if text.startswith(before) else before + text
