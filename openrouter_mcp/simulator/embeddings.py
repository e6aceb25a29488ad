"""`POST /embeddings` and `POST /rerank`: texts are near each other that share words."""

from __future__ import annotations

import base64
import math
import re
import struct
import zlib
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.account import billed, record
from openrouter_mcp.simulator.answers import tokens
from openrouter_mcp.simulator.faults import Refused, failure
from openrouter_mcp.simulator.routing import model_of
from openrouter_mcp.simulator.state import Call

Json = dict[str, Any]

COMMON = " provider session_id trace user"
DIMENSIONS = 64
DOCUMENTS_PER_UNIT = 100


async def embed(call: Call) -> Response:
    """`POST /embeddings`: a vector for each text."""
    request = call.fields("model input", "dimensions encoding_format input_type" + COMMON)
    model = model_of(call, request["model"], "embeddings")
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    if any(tokens(text) > model["context_length"] for text in texts):
        message = f"This model's maximum context length is {model['context_length']} tokens"
        raise Refused(failure(400, message, error_type="context_length_exceeded"))
    count = sum(map(tokens, texts))
    cost = count * Decimal(model["pricing"]["prompt"])
    known = record(call, model, "embeddings", cost, native_tokens_prompt=count)
    rows = [vector(text, request.get("dimensions", DIMENSIONS)) for text in texts]
    numbers = request.get("encoding_format") != "base64"
    reply = {
        "object": "list",
        "id": known["id"].replace("gen-embeddings", "embd"),
        "model": request["model"],
        "data": [
            {"object": "embedding", "index": index, "embedding": row if numbers else packed(row)}
            for index, row in enumerate(rows)
        ],
        "usage": {"prompt_tokens": count, "total_tokens": count, **billed(known)},
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


def packed(row: list[float]) -> str:
    """The vector as base64 of little-endian floats of 32 bits."""
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()


async def rerank(call: Call) -> Response:
    """`POST /rerank`: documents ordered by the share of the query's words that they hold."""
    request = call.fields("model query documents", "top_n" + COMMON)
    model = model_of(call, request["model"], "rerank")
    documents = request["documents"]
    texts = [each if isinstance(each, str) else each.get("text") or "" for each in documents]
    scores = [(relevance(request["query"], text), index) for index, text in enumerate(texts)]
    best = sorted(scores, key=lambda pair: (-pair[0], pair[1]))[: request.get("top_n")]
    units = -(-len(texts) // DOCUMENTS_PER_UNIT)
    cost = units * Decimal(model["pricing"].get("request", "0"))
    known = record(call, model, "rerank", cost)
    reply = {
        "id": known["id"],
        "model": request["model"],
        "provider": known["provider_name"],
        "results": [
            {"index": index, "relevance_score": score, "document": {"text": texts[index]}}
            for score, index in best
        ],
        "usage": {
            "search_units": units,
            "total_tokens": sum(map(tokens, texts)) + tokens(request["query"]),
            "cost": known["total_cost"],
        },
    }
    return JSONResponse(reply, headers={"X-Generation-Id": known["id"]})


def relevance(query: str, text: str) -> float:
    """The share of the query's words that are in the text, 0 to 1."""
    asked, there = words(query), words(text)
    return round(len(asked & there) / len(asked), 4) if asked else 0.0


def words(text: str) -> set[str]:
    """The different words of a text."""
    return set(re.findall(r"\w+", text.lower()))
