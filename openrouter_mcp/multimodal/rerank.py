"""Documents ordered by how well they answer a query. Source: `POST /rerank`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp.api import responses
from openrouter_mcp.app import App
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models import prices
from openrouter_mcp.models.catalogue import unreadable
from openrouter_mcp.models.choose import Requirements
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.multimodal import replies
from openrouter_mcp.multimodal.documents import Documents, count_tokens
from openrouter_mcp.multimodal.plan import MediaPlan, limit_of
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.paid_request import Purchase

PATH = "/rerank"
CHUNK_TOKENS = 500
CHUNKS_PER_UNIT = 100
"""A search unit is one query over a hundred documents, longer ones counting once per chunk."""
HIGHEST_PRICE = Decimal("0.01")
"""USD for one search unit, above which a model is not chosen unasked.

Under a limit, a model that lists no price may not be dearer either.
"""


def rerank_cost(model: Model | None, units: int, tokens: int) -> Decimal | None:
    """USD that the order can cost at most; None where the catalogue lists no price."""
    if model and model.is_free:
        return Decimal(0)
    request, prompt = prices.listed(model, "request", "prompt") or (Decimal(0), Decimal(0))
    return units * request + tokens * prompt or None


async def _price_per_unit(model: Model) -> Decimal | None:
    return rerank_cost(model, 1, CHUNK_TOKENS * CHUNKS_PER_UNIT)


REQUIREMENTS = Requirements(
    output=("rerank",),
    default="default_rerank_model",
    price=_price_per_unit,
    below=HIGHEST_PRICE,
    unit="a search",
)


@dataclass(kw_only=True)
class RerankPlan(MediaPlan):
    """A rerank request, ready to be sent."""

    documents: Documents
    body: Mapping[str, Any]
    units: int
    """Search units that it counts as at most."""

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:  # noqa: ARG002
        """Pay for the order and show it. Raises `OpenRouterError`."""
        listed = self.most is not None
        most = self.most if self.most is not None else self.units * HIGHEST_PRICE
        ceilings = {"request": most / self.units}
        bound = estimate.media_bound(PATH, self.body, most, ceilings, is_listed=listed)
        async with purchase.request(self.model, bound) as paid:
            reply = await purchase.client.post(
                PATH, paid.body, on_headers=paid.on_headers, report=purchase.report
            )
            paid.read(reply)
        documents = len(self.documents.items)
        asked = responses.number(self.body, "top_n") or documents
        order = _order(responses.mappings(reply, "results"), documents, max(1, int(asked)))
        receipt = await purchase.receipt()
        rows, more = await save.shown_rows(
            purchase.settings, _rows(self, order), receipt.generation_id
        )
        found = {"results": rows, "documents": documents}
        return replies.data(found, receipt, notes=[*self.notes, *more])


async def plan_rerank(
    app: App,
    query: str,
    documents: Documents,
    *,
    top_n: int,
    model: str,
    max_cost: float,
    options: Mapping[str, Any],
) -> RerankPlan:
    """The request for these arguments; nothing is sent.

    Raises `INVALID_INPUT`, `MODEL_NOT_FOUND`, `MODEL_UNAVAILABLE`.
    """
    if not query.strip():
        raise OpenRouterError(
            Code.INVALID_INPUT, "query is empty. Say what the documents are to be ordered by."
        )
    extra = request_options.checked(options)
    named = model or str(extra.pop("model", ""))
    chosen = await app.chooser.choose(named, REQUIREMENTS)
    body = _body(app, extra, chosen, query, documents, top_n)
    sizes = [count_tokens(query) + document.tokens for document in documents.items]
    units = search_units(sizes)
    return RerankPlan(
        tool="rerank_documents",
        model=chosen,
        path=PATH,
        request={**body, "documents": f"{len(documents.items):,} texts"},
        most=rerank_cost(chosen.model, units, sum(sizes)),
        limit=limit_of(app, max_cost),
        subject=query,
        notes=tuple(documents.notes),
        documents=documents,
        body=body,
        units=units,
    )


def _body(
    app: App,
    extra: dict[str, Any],
    model: Resolution,
    query: str,
    documents: Documents,
    top_n: int,
) -> dict[str, Any]:
    body: dict[str, Any] = {
        **extra,
        "model": model.id,
        "query": query,
        "documents": [document.text for document in documents.items],
    }
    if top_n:
        body["top_n"] = min(top_n, len(documents.items))
    if provider := request_options.provider(extra, app.settings):
        body["provider"] = provider
    return body


def _rows(plan: RerankPlan, order: Sequence[tuple[int, float]]) -> list[dict[str, Any]]:
    """The documents in their order with scores and first words."""
    rows = []
    for index, score in order:
        document = plan.documents.items[index]
        row: dict[str, Any] = {"index": index, "score": score, "text": document.first_words}
        if document.file:
            row["file"] = document.file
        rows.append(row)
    return rows


def search_units(sizes: Sequence[int]) -> int:
    """Search units for documents of these sizes (tokens, with the query), on the high side."""
    chunks = sum(-(-size // CHUNK_TOKENS) for size in sizes)
    return max(1, -(-chunks // CHUNKS_PER_UNIT))


def _order(results: Sequence[Mapping[str, Any]], count: int, most: int) -> list[tuple[int, float]]:
    """Index and score of each document of the reply once, best first, at most so many."""
    scores: dict[int, float] = {}
    for row in results:
        index, score = responses.numeral(row, "index"), responses.numeral(row, "relevance_score")
        if index is None or score is None or index not in range(count):
            continue
        scores[int(index)] = max(score, scores.get(int(index), score))
    if not scores:
        raise unreadable("the order of the documents")
    return sorted(scores.items(), key=lambda pair: -pair[1])[:most]
