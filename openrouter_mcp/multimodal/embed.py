"""Texts as vectors, in a file or to find the nearest to a query. Source: `POST /embeddings`."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import operator
import sys
import threading
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from fastmcp.tools import ToolResult

from openrouter_mcp.api import responses
from openrouter_mcp.app import App
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch, sandbox, save, walk
from openrouter_mcp.files.attach import check_names, open_named, readable
from openrouter_mcp.files.sandbox import Guard
from openrouter_mcp.files.save import Destination, destination
from openrouter_mcp.files.walk import Place, Walk
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models import prices
from openrouter_mcp.models.catalogue import NOT_NAMED, unreadable
from openrouter_mcp.models.choose import Requirements
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import MILLION
from openrouter_mcp.multimodal import replies
from openrouter_mcp.multimodal.documents import Document, Documents, count_tokens
from openrouter_mcp.multimodal.plan import MediaPlan, limit_of
from openrouter_mcp.results import UNKNOWN_TYPE, SavedFile
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.text import parse_literally, storable

JSONL = ".jsonl"
NPY = ".npy"
NPY_MAGIC = b"\x93NUMPY\x01\x00"
NPY_ALIGNMENT = 64
HEAD = 4096
"""Bytes that tell whether a file holds vectors: `embedding` comes before the text."""
Vector: TypeAlias = "array[float]"
LARGEST = 500_000_000
"""Bytes of a file of vectors: some 25,000 rows of 1,536 dimensions."""
PATH = "/embeddings"
STEM = "vectors"
ALREADY = "These files hold vectors already. Give query to search them."
BATCH = 96
"""Texts in one request; no provider is known to take fewer."""
BATCH_TOKENS = 100_000
HIGHEST_PRICE = Decimal("0.2")
"""USD for a million tokens, above which a model is not chosen unasked.

Under a limit, a model that lists no price may not be dearer either.
"""


@dataclass(frozen=True)
class Vectors:
    """What one embedding model made of documents: one row for each."""

    model: str
    rows: Sequence[Vector]
    documents: Sequence[Document]

    @property
    def dimensions(self) -> int:
        """Numbers in each row."""
        return len(self.rows[0])


@dataclass(kw_only=True)
class EmbedPlan(MediaPlan):
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

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Pay for the vectors, then save or search them. Raises `OpenRouterError`.

        When a later batch fails, what was paid before is saved or searched all the same.
        """
        if self.destination:
            await asyncio.to_thread(self.destination.prepare)
        rows: list[Vector] = []
        error: OpenRouterError | None = None
        for batch in batches(self.texts):
            await purchase.report(f"{self.model.id}: {len(rows):,} of {len(self.texts):,} texts")
            try:
                rows += await _embed(self, batch, purchase)
            except OpenRouterError as failure:
                if len(rows) < (2 if self.query else 1):
                    raise
                error = failure
                break
        receipt = await purchase.receipt(f"{len(rows):,} text{'s' if len(rows) != 1 else ''}")
        queries = rows[:1] if self.query else []
        made = Vectors(
            self.model.id, rows[len(queries) :], self.documents[: len(rows) - len(queries)]
        )
        saved = await asyncio.to_thread(_save, self, made, handle)
        own = [*self.notes]
        if void := sum(not is_numeric(row) for row in rows):
            own.append(
                f"{void:,} of the vectors hold something that is no number, and are not ranked."
            )
        if queries:
            results, count = await asyncio.to_thread(_nearest, self, queries[0], made)
            results, more = await save.shown_rows(purchase.settings, results, receipt.generation_id)
            notes = [*own, *more, *(file.note for file in saved if file.note)]
            if error:
                told = error.once_paid.message
                notes.append(f"Only {len(made.rows)} of {len(self.documents)} texts: {told}")
            found = {"results": results, "documents": count}
            if saved:
                found["saved"] = [str(file.path) for file in saved]
            if notes:
                found["notes"] = notes
            return replies.data(found, receipt, saved=saved, error=error)
        return replies.files(
            f"{len(made.rows):,} of {len(self.documents):,} texts as vectors of "
            f"{made.dimensions:,} dimensions, by {self.model.id}:",
            saved,
            receipt,
            notes=own,
            error=error,
        )


async def plan_embedding(
    app: App,
    documents: Documents,
    saved: Vectors | None,
    *,
    query: str,
    top_k: int,
    model: str,
    save_to: str,
    max_cost: float,
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
        place = await asyncio.to_thread(destination, app.settings, save_to, STEM, JSONL, NPY)
    body = _body(app, extra, chosen)
    asked = [query] if query else []
    texts = [*asked, *(document.text for document in documents.items)]
    return EmbedPlan(
        tool="embed_texts",
        model=chosen,
        path=PATH,
        request={**body, "input": f"{len(texts):,} texts in {len([*batches(texts)])} requests"},
        most=embedding_cost(chosen.model, texts),
        limit=limit_of(app, max_cost),
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
    wanted = Requirements(
        output=("embeddings",),
        default="default_embedding_model",
        price=_price_per_million,
        below=HIGHEST_PRICE,
        unit="a million tokens",
    )
    if saved is None:
        return await app.chooser.choose(name, wanted)
    found = await app.chooser.choose(name or saved.model, wanted)
    if found.id != saved.model:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"The vectors were made by {saved.model}, and those of {found.id} cannot be compared "
            f"with them. Leave model out, or embed the documents again with {found.id}.",
            suggestions=[saved.model],
        )
    return replace(found, how="" if name else f"{NOT_NAMED}: that of the saved vectors")


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


def embedding_cost(model: Model | None, texts: Sequence[str]) -> Decimal | None:
    """USD that the vectors can cost at most; None where the catalogue lists no price."""
    if model and model.is_free:
        return Decimal(0)
    (price,) = prices.listed(model, "prompt") or (Decimal(0),)
    return sum(map(count_tokens, texts)) * price if price else None


async def _price_per_million(model: Model) -> Decimal | None:
    (price,) = prices.listed(model, "prompt") or (Decimal(0),)
    return price * MILLION or None


async def _embed(plan: EmbedPlan, texts: Sequence[str], purchase: Purchase) -> list[Vector]:
    """The vectors of one batch."""
    body = {**plan.body, "input": [*texts]}
    tokens, listed = sum(map(count_tokens, texts)), embedding_cost(plan.model.model, texts)
    most = tokens * HIGHEST_PRICE / MILLION if listed is None else listed
    ceilings = {"prompt": most * MILLION / tokens}
    bound = estimate.media_bound(PATH, body, most, ceilings, is_listed=listed is not None)
    async with purchase.request(plan.model, bound) as paid:
        reply = await purchase.client.post(
            PATH, paid.body, on_headers=paid.on_headers, report=purchase.report
        )
        paid.read(reply)
    # Its model's name may be a dated one; what is compared is the id that can be called.
    return await asyncio.to_thread(_rows, reply, len(texts))


def _rows(body: object, count: int) -> list[Vector]:
    """The vectors in the order of their texts: by index where it is usable, else by position.

    What cannot be read among them are vectors of what is no number.
    """
    entries = responses.mappings(body, "data")
    read = [_read(entry.get("embedding")) for entry in entries]
    lengths = Counter(map(len, filter(None, read)))
    if not lengths:
        raise unreadable("the vectors")
    ((dimensions, _),) = lengths.most_common(1)
    void = array("f", [math.nan]) * dimensions
    rows = [row if len(row) == dimensions else void for row in read]
    indices = [responses.numeral(entry, "index") for entry in entries]
    placed = {i: row for i, row in zip(indices, rows, strict=True) if i in range(count)}
    if len(placed) in {count, len(entries)}:
        return [placed.get(index, void) for index in range(count)]
    if len(rows) != count:
        raise unreadable("the vectors")
    return rows


def _read(embedding: object) -> Vector:
    """The vector; an empty one if it cannot be read."""
    try:
        return vector(embedding)
    except ValueError:
        return array("f")


def _save(plan: EmbedPlan, made: Vectors, handle: Handle) -> list[SavedFile]:
    """The vectors as a file. Blocks."""
    place = plan.destination
    if place is None or not made.rows:
        return []
    if place.suffix == NPY:
        return [handle.save(place, npy(made.rows), NPY, UNKNOWN_TYPE)]
    return [handle.save(place, jsonl(made), JSONL, "application/jsonl")]


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
    found = nearest(asked, [*made.rows, *(earlier.rows if earlier else ())])
    return [_row(documents, *pair) for pair in found[: plan.top_k or None]], len(documents)


def _row(documents: Sequence[Document], index: int, score: float) -> dict[str, Any]:
    document = documents[index]
    row = {"index": index, "score": round(score, 6), "text": document.first_words}
    return {**row, "file": document.file} if document.file else row


async def load(settings: Settings, names: Sequence[str]) -> tuple[Vectors | None, list[str]]:
    """The vectors in those files that hold some, all of one model, and the names of the others.

    Raises `INVALID_INPUT` for vectors of different models, and `UNSAFE_PATH`, `NOT_FOUND`,
    `UNSUPPORTED_FORMAT`, `TOO_LARGE`.
    """
    check_names(settings, len(names))
    found: list[tuple[str, Vectors]] = []
    rest: list[str] = []
    for loaded, others in await asyncio.to_thread(
        lambda: [_saved(name, Guard(settings)) for name in names]
    ):
        found += loaded
        rest += others
    if not found:
        return None, rest
    kinds = {(each.model, each.dimensions) for _, each in found}
    if len(kinds) > 1:
        listed = ", ".join(f"{name}: {each.model}, {each.dimensions}" for name, each in found)
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"Vectors of different models or dimensions cannot be compared ({listed}). Name files "
            "of one model, or embed the documents again.",
        )
    rows = [row for _, each in found for row in each.rows]
    documents = [document for _, each in found for document in each.documents]
    return Vectors(found[0][1].model, rows, documents), rest


def _saved(name: str, guard: Guard) -> tuple[list[tuple[str, Vectors]], list[str]]:
    """The vectors in the files that a name means, and the names of the others. Blocks."""
    if fetch.is_address(name) or not name.strip().strip("\"'`").lower().endswith((NPY, JSONL)):
        return [], [name]
    loaded, others = [], []
    for spelling in walk.spellings(name, guard):
        for path, real in _files(walk.locate(spelling, guard), guard):
            if vectors := _load(path, real, guard):
                loaded.append((str(path), vectors))
            else:
                others.append(str(path))
    return (loaded, others) if loaded else ([], [name])


def _files(place: Place, guard: Guard) -> list[tuple[Path, Path]]:
    """A file, or what a glob finds: paths as they were spelled, and real ones. Blocks."""
    if place.folder == place.path:
        return [] if sandbox.is_folder(place.real) else [(place.path, place.real)]
    walked = Walk(place.folder, place.real, guard, threading.Event())
    return sorted(walked.files(place.pattern))


def _load(path: Path, real: Path, guard: Guard) -> Vectors | None:
    """The vectors in one file; None if it is a file of another kind. Blocks."""
    if path.suffix.lower() == NPY:
        raise _unsearchable(path, "a .npy file names neither its model nor its texts")
    with readable(sandbox.display(path)), open_named(path, real, guard) as file:
        head = file.read(HEAD)
        if not (b'"model"' in head and b'"embedding"' in head):
            return None
        data = head + file.read(LARGEST + 1 - len(head))
    if len(data) > LARGEST:
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"{sandbox.display(path)} has more than {LARGEST:,} bytes. Search a part of it.",
        )
    try:
        return parse_jsonl(data)
    except ValueError as error:
        raise _unsearchable(path, str(error)) from None


def _unsearchable(path: Path, reason: str) -> OpenRouterError:
    return OpenRouterError(
        Code.UNSUPPORTED_FORMAT,
        f"{sandbox.display(path)} cannot be searched: {reason}. Name a {JSONL} file that "
        "embed_texts saved, or embed the documents again.",
    )


def vector(embedding: object) -> Vector:
    """One row from a reply: a list of numbers, or the base64 of little-endian floats.

    Raises ValueError.
    """
    row = array("f")
    try:
        if isinstance(embedding, str):
            row.frombytes(base64.b64decode(embedding, validate=True))
            return _little_endian(row)
        if isinstance(embedding, list):
            # JSON knows no number for what is none.
            row.extend(math.nan if number is None else number for number in embedding)
            return row
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"no floats: {error}") from error
    raise ValueError("neither base64 nor a list of numbers")


def npy(rows: Sequence[Vector]) -> bytes:
    """The rows as a file that NumPy loads (format 1.0): a two-dimensional array of `<f4`."""
    shape = (len(rows), len(rows[0]))
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape})
    padding = -(len(NPY_MAGIC) + 2 + len(header) + 1) % NPY_ALIGNMENT
    header += " " * padding + "\n"
    head = NPY_MAGIC + len(header).to_bytes(2, "little") + header.encode("latin-1")
    return head + b"".join(_little_endian(row).tobytes() for row in rows)


def jsonl(vectors: Vectors) -> bytes:
    """One line of JSON for each document: model, text or file, and its vector."""
    lines = [
        json.dumps(
            {
                "model": vectors.model,
                **({"file": document.file} if document.file else {}),
                # Nine digits tell every 32-bit float from its neighbours.
                "embedding": [float(f"{number:.9g}") for number in row],
                "text": document.text,
            },
            ensure_ascii=False,
        )
        for document, row in zip(vectors.documents, vectors.rows, strict=True)
    ]
    return storable("".join(f"{line}\n" for line in lines)).encode()


def parse_jsonl(data: bytes) -> Vectors:
    """The vectors of such a file. Raises ValueError, which says what is wrong with it."""
    rows, documents, models = [], [], set()
    for number, line in enumerate(data.splitlines(), 1):
        try:
            entry = parse_literally(line)
            rows.append(vector(entry["embedding"]))
            documents.append(Document(str(entry["text"]), str(entry.get("file") or "")))
            models.add(str(entry["model"]))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} has no model, text and embedding") from None
    if len({len(row) for row in rows}) != 1 or len(models) != 1 or not rows[0]:
        raise ValueError("its lines are not of one model and one length")
    return Vectors(models.pop(), rows, documents)


def nearest(query: Vector, rows: Iterable[Vector]) -> list[tuple[int, float]]:
    """Index and cosine similarity (-1 to 1) of each row, the most similar first.

    Rows that hold what is no number are in no order, and left out: all, if the query is such a row.
    """
    if not is_numeric(query):
        return []
    scores = [(i, similarity(query, row)) for i, row in enumerate(rows) if is_numeric(row)]
    return sorted(scores, key=lambda pair: -pair[1])


def is_numeric(row: Vector) -> bool:
    """Whether all of a row are finite numbers."""
    return all(map(math.isfinite, row))


def similarity(one: Vector, other: Vector) -> float:
    """Cosine of the angle between two rows of one length; 0 where it has no meaning."""
    lengths = math.sqrt(_product(one, one)) * math.sqrt(_product(other, other))
    cosine = _product(one, other) / lengths if lengths else 0.0
    return cosine if math.isfinite(cosine) else 0.0


def _product(one: Vector, other: Vector) -> float:
    return sum(map(operator.mul, one, other))


def _little_endian(row: Vector) -> Vector:
    if sys.byteorder == "little":
        return row
    swapped = array("f", row)
    swapped.byteswap()
    return swapped
