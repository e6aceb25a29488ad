"""`POST /embeddings`: vectors that are near each other for texts that share words."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_messages import Strict
from openrouter_mcp.simulator.chat_request import ProviderPreferences
from openrouter_mcp.simulator.generations import Json, record
from openrouter_mcp.simulator.inference import checked, model_of
from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.rerank import words
from openrouter_mcp.simulator.usage import tokens

DIMENSIONS = 64


class EmbeddingsRequest(Strict):
    """The documented fields, for texts."""

    model: str
    input: str | Annotated[list[str], Field(min_length=1, max_length=2048)]
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    input_type: str | None = None
    provider: ProviderPreferences | None = None
    session_id: str | None = None
    trace: Json | None = None
    user: str | None = None


async def embed(call: Call) -> Response:
    """Answer a request for vectors."""
    request = checked(call, EmbeddingsRequest)
    model = model_of(call, request.model, "embeddings")
    texts = [request.input] if isinstance(request.input, str) else request.input
    if any(tokens(text) > model["context_length"] for text in texts):
        message = f"This model's maximum context length is {model['context_length']} tokens"
        raise Refused(failure(400, message, error_type="context_length_exceeded"))
    count = sum(map(tokens, texts))
    cost = count * Decimal(model["pricing"]["prompt"])
    known = record(call, model, "embeddings", cost, native_tokens_prompt=count)
    rows = [vector(text, request.dimensions or DIMENSIONS) for text in texts]
    reply = {
        "object": "list",
        "id": known["id"].replace("gen-embeddings", "embd"),
        "model": request.model,
        "data": [
            {"object": "embedding", "index": index, "embedding": encoded(row, request)}
            for index, row in enumerate(rows)
        ],
        "usage": {"prompt_tokens": count, "total_tokens": count, "cost": float(cost)},
    }
    return JSONResponse(reply, headers={"X-Generation-Id": known["id"]})


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length 1: each word adds to two places that its checksum names."""
    row = [0.0] * dimensions
    for word in words(text) or {""}:
        checksum = zlib.crc32(word.encode())
        row[checksum % dimensions] += 1
        row[checksum // dimensions % dimensions] -= 0.5
    length = math.sqrt(sum(number * number for number in row)) or 1
    return [number / length for number in row]


def encoded(row: list[float], request: EmbeddingsRequest) -> list[float] | str:
    """The vector as the request wants it: numbers, or the base64 of little-endian floats."""
    if request.encoding_format == "float":
        return row
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()
