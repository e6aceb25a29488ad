"""`POST /completions`: a prompt continued, in the shape of OpenAI's legacy endpoint."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from openrouter_mcp.simulator import chat
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_request import check
from openrouter_mcp.simulator.generation import stream, whole
from openrouter_mcp.simulator.replies import Refused, invalid

Json = dict[str, Any]


async def complete(call: Call) -> Response:
    """Continue the prompt as a chat with one message would answer it."""
    body = call.body if isinstance(call.body, dict) else {}
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or "messages" in body:
        raise Refused(invalid([{"path": ["prompt"], "message": "Required"}]))
    asked = {name: value for name, value in body.items() if name != "prompt"}
    messages = [{"role": "user", "content": prompt}]
    request = check({**asked, "messages": messages})
    generation = chat.generate(call, request, messages)
    headers = {"X-Generation-Id": generation.id}
    if not request.stream:
        call.simulator.charge(generation.cost)
        return JSONResponse(_as_text(whole(generation)), headers=headers)
    latency = generation.script.latency
    latency = call.simulator.latency if latency is None else latency
    events = stream(generation, latency, partial(chat.finished, call, generation, stoppable=True))
    return StreamingResponse(_as_texts(events), headers=headers, media_type="text/event-stream")


async def _as_texts(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in events:
        if piece.startswith(b"data: {"):
            chunk = _as_text(json.loads(piece.removeprefix(b"data: ")))
            yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
        else:
            yield piece


def _as_text(reply: Json) -> Json:
    """A chat's reply or chunk with plain text in the place of its messages."""
    choices = [
        {
            "index": choice["index"],
            "text": (choice.get("message") or choice.get("delta") or {}).get("content") or "",
            "logprobs": None,
            "finish_reason": choice["finish_reason"],
            "native_finish_reason": choice.get("native_finish_reason"),
        }
        for choice in reply["choices"]
    ]
    return {**reply, "object": "text_completion", "choices": choices}
