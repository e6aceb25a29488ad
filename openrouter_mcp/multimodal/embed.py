"""Texts as vectors, in a file or to find the nearest to a query. Source: `POST /embeddings`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fastmcp.tools import ToolResult
from mcp.types import TextContent

from openrouter_mcp.chat import replies
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.destinations import Destination, destination
from openrouter_mcp.jobs.handle import Handle
from openrouter_mcp.models import choose
from openrouter_mcp.models.catalogue import unreadable
from openrouter_mcp.models.choose import Wanted
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.models.prices import MILLION
from openrouter_mcp.multimodal import replies as media_replies
from openrouter_mcp.multimodal import vectors
from openrouter_mcp.multimodal.documents import Document, Documents, count_tokens
from openrouter_mcp.multimodal.replies import Made
from openrouter_mcp.multimodal.vectors import JSONL, NPY, Vector, Vectors
from openrouter_mcp.spending import receipts
from openrouter_mcp.spending.purchase import Plan, Purchase
from openrouter_mcp.spending.receipts import Receipt

if TYPE_CHECKING:
    from openrouter_mcp.app import App

PATH = "/embeddings"
STEM = "vectors"
ALREADY = "These files hold vectors already. Give query to search them."
BATCH = 96
"""Texts in one request; no provider is known to take fewer."""
BATCH_TOKENS = 100_000
HIGHEST_PRICE = Decimal("0.2")
"""USD for a million tokens, above which a model is not chosen unasked."""


@dataclass(frozen=True, kw_only=True)
class EmbedPlan(Plan):
    """The requests for all texts, ready to be sent."""

    texts: Sequence[str]
    """What is sent: the query, where there is one, before the documents."""
    documents: Sequence[Document]
    saved: Vectors | None
    """Vectors of an earlier call, among which the query is searched too."""
    query: str
    top_k: int
    body: Mapping[str, Any]
    destination: Destination | None
    """Where the new vectors are saved; None if they only serve the query."""


async def plan(
    app: App,
    documents: Documents,
    saved: Vectors | None,
    *,
    query: str,
    top_k: int,
    model: str,
    save_to: str,
    options: Mapping[str, Any],
) -> EmbedPlan:
    """The requests for these arguments. Raises what `selection` and `destination` raise."""
    query = query.strip()
    if saved and not query:
        raise OpenRouterError(Code.INVALID_INPUT, ALREADY)
    extra = request_options.checked(options)
    named = model or str(extra.pop("model", ""))
    chosen = await _model(app, named, saved)
    place = None
    if documents.items and (save_to or not query):
        place = await asyncio.to_thread(destination, app.settings, save_to, STEM, NPY, JSONL)
    body = _body(app, extra, chosen)
    asked = [query] if query else []
    texts = [*asked, *(document.text for document in documents.items)]
    return EmbedPlan(
        tool="embed_texts",
        model=chosen,
        path=PATH,
        request={**body, "input": f"{len(texts):,} texts in {len([*batches(texts)])} requests"},
        most=estimate(chosen.model, texts),
        subject=query or documents.items[0].text,
        notes=tuple(documents.notes),
        texts=texts,
        documents=documents.items,
        saved=saved,
        query=query,
        top_k=top_k,
        body=body,
        destination=place,
    )


def _body(app: App, extra: dict[str, Any], model: Resolution) -> dict[str, Any]:
    """What every request has in common."""
    provider = request_options.provider(extra, app.settings)
    body = {**extra, "model": model.id, "encoding_format": "base64"}
    return {**body, "provider": provider} if provider else body


async def _model(app: App, name: str, saved: Vectors | None) -> Resolution:
    """The model that is wanted; only the one that made the saved vectors can search them."""
    wanted = Wanted(
        output=("embeddings",),
        default="default_embedding_model",
        price=_price_per_million,
        below=HIGHEST_PRICE,
        unit="a million tokens",
    )
    if saved is None:
        return await choose.choose(app, name, wanted)
    found = await choose.choose(app, name or saved.model, wanted)
    if found.id != saved.model:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"The vectors were made by {saved.model}, and those of {found.id} cannot be compared "
            f"with them. Leave model out, or embed the documents anew with {found.id}.",
            suggestions=[saved.model],
        )
    return replace(found, how="" if name else "the model of the saved vectors")


async def perform(plan: EmbedPlan, purchase: Purchase, handle: Handle) -> ToolResult:
    """Pay for the vectors, then save or search them. Raises `OpenRouterError`.

    When a later batch fails, what was paid before is saved or searched all the same.
    """
    if plan.destination:
        await asyncio.to_thread(plan.destination.prepare)
    rows: list[Vector] = []
    error: OpenRouterError | None = None
    for batch in batches(plan.texts):
        await purchase.report(f"{plan.model.id}: {len(rows):,} of {len(plan.texts):,} texts")
        try:
            rows += await _embed(plan, batch, purchase)
        except OpenRouterError as failure:
            if len(rows) < (2 if plan.query else 1):
                raise
            error = failure
            break
    receipt = await purchase.receipt(f"{len(rows):,} text{'s' if len(rows) != 1 else ''}")
    queries = rows[:1] if plan.query else []
    made = Vectors(plan.model.id, rows[len(queries) :], plan.documents[: len(rows) - len(queries)])
    saved = await asyncio.to_thread(_save, plan, made, handle)
    if queries:
        results, count = await asyncio.to_thread(_nearest, plan, queries[0], made)
        results, more = await purchase.app.shortened_rows(results, receipt.generation_id)
        notes = [*plan.notes, *more, *(file.saved.note for file in saved if file.saved.note)]
        if error:
            notes.append(f"Only {len(made.rows)} of {len(plan.documents)} texts: {error.message}")
        data = {"results": results, "documents": count}
        return _found(data, notes, saved, receipt, error)
    return media_replies.files(
        f"{len(made.rows):,} of {len(plan.documents):,} texts as vectors of {made.dimensions:,} "
        f"dimensions, by {plan.model.id}:",
        saved,
        receipt,
        notes=plan.notes,
        error=error,
    )


async def _embed(plan: EmbedPlan, texts: Sequence[str], purchase: Purchase) -> list[Vector]:
    """The vectors of one batch."""
    async with purchase.request(estimate(plan.model.model, texts)) as bill:
        reply = await purchase.app.client.post(
            PATH, {**plan.body, "input": [*texts]}, heard=bill.identify, report=purchase.report
        )
        if isinstance(reply.body, dict):
            bill.read(reply.body)
    # Its model's name may be a dated one; what is compared is the id that can be called.
    return await asyncio.to_thread(_rows, reply.body, len(texts))


def _rows(body: object, count: int) -> list[Vector]:
    data = body.get("data") if isinstance(body, dict) else None
    rows: dict[int, Vector] = {}
    for place, entry in enumerate(data if isinstance(data, list) else []):
        if isinstance(entry, dict):
            try:
                rows[entry.get("index", place)] = vectors.vector(entry.get("embedding"))
            except (ValueError, TypeError):
                raise unreadable("the vectors") from None
    lengths = {len(row) for row in rows.values()}
    if rows.keys() != set(range(count)) or len(lengths) != 1 or 0 in lengths:
        raise unreadable("the vectors")
    return [rows[index] for index in range(count)]


def _save(plan: EmbedPlan, made: Vectors, handle: Handle) -> list[Made]:
    """The vectors as a file, and the model's name beside them. Blocks."""
    place = plan.destination
    if place is None or not made.rows:
        return []
    if place.suffix == JSONL:
        return [Made(handle.save(place, vectors.jsonl(made), JSONL), "application/jsonl")]
    data = vectors.npy(made.rows)
    file = handle.save(place, data, NPY)
    directory = place.directory if file.in_memory_of else file.path.parent
    beside = Destination(directory, file.path.name)
    about = handle.save(beside, vectors.companion(made, data), ".json")
    return [Made(file, "application/octet-stream"), Made(about, "application/json")]


def _nearest(plan: EmbedPlan, asked: Vector, made: Vectors) -> tuple[list[dict[str, Any]], int]:
    """The documents nearest to the query, and among how many they were found. Blocks."""
    earlier = plan.saved
    if earlier and earlier.dimensions != len(asked):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"The saved vectors have {earlier.dimensions:,} dimensions and the query has "
            f'{len(asked):,}. Call again with options {{"dimensions": {earlier.dimensions}}}.',
        )
    documents = [*made.documents, *(earlier.documents if earlier else ())]
    found = vectors.nearest(asked, [*made.rows, *(earlier.rows if earlier else ())])
    return [_row(documents, *pair) for pair in found[: plan.top_k or None]], len(documents)


def _found(
    data: dict[str, Any],
    notes: Sequence[str],
    saved: Sequence[Made],
    receipt: Receipt,
    error: OpenRouterError | None,
) -> ToolResult:
    """What was found, as data with the receipt inside."""
    if saved:
        data["saved"] = [str(file.saved.path) for file in saved]
    if notes:
        data["notes"] = notes
    data["receipt"] = {**receipt.meta(), "line": receipt.line()}
    meta: dict[str, Any] = {receipts.META: receipt.meta()}
    if error:
        meta[replies.ERROR_META] = error.meta()
    told = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return ToolResult(
        content=[TextContent(type="text", text=told), *map(media_replies.link, saved)],
        structured_content=data,
        meta=meta,
        is_error=error is not None,
    )


def _row(documents: Sequence[Document], index: int, score: float) -> dict[str, Any]:
    document = documents[index]
    row = {"index": index, "score": round(score, 6), "text": document.first_words}
    return {**row, "file": document.file} if document.file else row


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in pieces that one request may hold."""
    begun, tokens = 0, 0
    for index, text in enumerate(texts):
        size = count_tokens(text)
        if index > begun and (index - begun == BATCH or tokens + size > BATCH_TOKENS):
            yield texts[begun:index]
            begun, tokens = index, 0
        tokens += size
    if texts:
        yield texts[begun:]


def estimate(model: Model | None, texts: Sequence[str]) -> Decimal | None:
    """USD that the vectors can cost at most; None where the catalogue lists no price."""
    if model and model.is_free:
        return Decimal(0)
    price = model.pricing.get("prompt", Decimal(0)) if model else Decimal(0)
    return sum(map(count_tokens, texts)) * price if price > 0 else None


async def _price_per_million(model: Model) -> Decimal | None:
    return model.pricing.get("prompt", Decimal(0)) * MILLION or None
