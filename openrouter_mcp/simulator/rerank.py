"""`POST /rerank`: documents ordered by the words that they share with the query."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import Field
from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_messages import Strict
from openrouter_mcp.simulator.chat_request import ProviderPreferences
from openrouter_mcp.simulator.generations import Json, record
from openrouter_mcp.simulator.inference import checked, model_of
from openrouter_mcp.simulator.usage import tokens

PER_UNIT = 100


class Passage(Strict):
    """A document as an object."""

    text: str | None = None
    image: str | None = None


class RerankRequest(Strict):
    """Every documented field."""

    model: str
    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[list[str | Passage], Field(min_length=1)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    provider: ProviderPreferences | None = None
    session_id: str | None = None
    trace: Json | None = None
    user: str | None = None


async def order(call: Call) -> Response:
    """Answer a request to order documents."""
    request = checked(call, RerankRequest)
    model = model_of(call, request.model, "rerank")
    texts = [each if isinstance(each, str) else each.text or "" for each in request.documents]
    scores = [(relevance(request.query, text), index) for index, text in enumerate(texts)]
    best = sorted(scores, key=lambda pair: (-pair[0], pair[1]))[: request.top_n]
    units = -(-len(texts) // PER_UNIT)
    cost = units * Decimal(model["pricing"].get("request", "0"))
    known = record(call, model, "rerank", cost)
    reply = {
        "id": known["id"],
        "model": request.model,
        "provider": known["provider_name"],
        "results": [
            {"index": index, "relevance_score": score, "document": {"text": texts[index]}}
            for score, index in best
        ],
        "usage": {
            "search_units": units,
            "total_tokens": sum(tokens(text) for text in texts) + tokens(request.query),
            "cost": float(cost),
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
