"""Chats that are answered with images or sound."""

from __future__ import annotations

import asyncio
import base64
import math
import struct
import zlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from openrouter_mcp.simulator.answers import last_user_text
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_request import ChatRequest
from openrouter_mcp.simulator.generations import Json, record
from openrouter_mcp.simulator.images import TOKENS, rectangle
from openrouter_mcp.simulator.inference import model_of
from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.usage import tokens
from openrouter_mcp.simulator.wire_faults import KEEP_ALIVE, event

RATE = 24_000
"""Samples of sound per second, 16 bits, one channel."""
PIECES = 4
# MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono: 417 bytes of silence, 26 ms.
FRAME = b"\xff\xfb\x90\xc4" + bytes(413)
FRAME_SECONDS = 1152 / 44_100
SECONDS_PER_CHARACTER = 0.06
PRICE = Decimal("0.00003")
"""USD for a token of an image or of sound where the row names none."""


def wanted(request: ChatRequest) -> bool:
    """Whether a chat asks for more than text."""
    return not {"image", "audio"}.isdisjoint(request.modalities or [])


async def complete(call: Call, request: ChatRequest, messages: list[Json]) -> Response:
    """Answer with what the first wanted kind is. Sound is streamed or refused."""
    kind = "audio" if "audio" in (request.modalities or []) else "image"
    model = model_of(call, request.model or "", kind)
    if kind == "audio":
        refuse(request, model)
    prompt = last_user_text(messages)
    parts = (
        sound(prompt, (request.audio or {})["format"])
        if kind == "audio"
        else [picture(prompt, request)]
    )
    rate = model["pricing"].get("audio_output" if kind == "audio" else "image_output")
    count = tokens(prompt) * 10 if kind == "audio" else TOKENS
    known = record(call, model, "completions", count * (Decimal(rate) if rate else PRICE))
    usage = {
        "prompt_tokens": tokens(prompt),
        "completion_tokens": count,
        "total_tokens": tokens(prompt) + count,
        "cost": known["total_cost"],
        "is_byok": False,
    }
    head = {"id": known["id"], "created": int(call.simulator.clock()), "model": model["id"]}
    head |= {"provider": known["provider_name"]}
    headers = {"X-Generation-Id": known["id"]}
    if request.stream:
        body = stream(head, parts, usage)
        return StreamingResponse(body, headers=headers, media_type="text/event-stream")
    message = {"role": "assistant", "content": "", **parts[0]}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    reply = {"object": "chat.completion", "system_fingerprint": None, "choices": [choice]}
    return JSONResponse(head | reply | {"usage": usage}, headers=headers)


def refuse(request: ChatRequest, model: Json) -> None:
    """Sound needs a stream, a format, and where the model has voices one of them."""
    audio = request.audio or {}
    problem = ""
    if not request.stream:
        problem = "Audio output requires stream: true"
    elif audio.get("format") not in {"wav", "mp3", "flac", "opus", "pcm16"}:
        problem = "audio.format is required"
    elif model["id"].startswith("openai/") and audio["format"] != "pcm16":
        problem = "audio.format must be pcm16 when stream is true"
    if problem:
        raise Refused(failure(400, problem, error_type="invalid_request"))


def picture(prompt: str, request: ChatRequest) -> Json:
    """An image as the part of a message."""
    kind = (request.image_config or {}).get("aspect_ratio", "1:1")
    across, _, down = kind.partition(":")
    colour = zlib.crc32(f"{prompt}{request.seed}".encode()) & 0xFFFFFF
    data = rectangle(512, 512 * int(down) // int(across), colour, "png")
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return {"images": [{"image_url": {"url": url}}]}


def sound(prompt: str, kind: str) -> list[Json]:
    """A tone (silence as MP3) as the parts of a message, each of whole samples."""
    make = silence if kind == "mp3" else tone
    data = make(len(prompt) * SECONDS_PER_CHARACTER)
    size = max(2, len(data) // PIECES // 2 * 2)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    parts = [
        {"audio": {"id": "audio_1", "data": base64.b64encode(piece).decode()}} for piece in pieces
    ]
    return [*parts, {"audio": {"id": "audio_1", "transcript": prompt}}]


def tone(seconds: float) -> bytes:
    """Samples of a quiet 440 Hz tone."""
    wave = [int(3000 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(RATE)]
    count = max(1, round(seconds * RATE))
    second = struct.pack(f"<{RATE}h", *wave)
    return (second * (count // RATE + 1))[: 2 * count]


def silence(seconds: float) -> bytes:
    """Nothing to hear, as MP3."""
    return FRAME * (int(seconds / FRAME_SECONDS) + 1)


async def stream(head: Json, parts: list[Json], usage: Json) -> AsyncIterator[bytes]:
    """The parts as events, then usage and `[DONE]`."""
    yield KEEP_ALIVE
    head = head | {"object": "chat.completion.chunk"}

    def chunk(delta: Json, reason: str | None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": reason}
        return event(head | {"choices": [choice]})

    for part in parts:
        yield chunk({"role": "assistant", "content": "", **part}, None)
        await asyncio.sleep(0)
    yield chunk({"content": ""}, "stop")
    yield event(head | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"
