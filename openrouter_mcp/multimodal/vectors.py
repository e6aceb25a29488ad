"""Vectors in files and beside each other: `.npy` and `.jsonl`, cosine similarity. Pure.

Vectors are rows of 32-bit floats, all of one length.
"""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import json
import math
import operator
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from openrouter_mcp.multimodal.documents import Document

NPY = ".npy"
JSONL = ".jsonl"
MAGIC = b"\x93NUMPY\x01\x00"
ALIGNMENT = 64
FLOAT = 4
"""Bytes of one number."""

Vector: TypeAlias = "array[float]"


class NotVectorsError(ValueError):
    """A file that holds no vectors of ours; the message says why, for people."""


@dataclass(frozen=True)
class Vectors:
    """What one model made of documents: a row for each."""

    model: str
    rows: Sequence[Vector]
    documents: Sequence[Document]

    @property
    def dimensions(self) -> int:
        """Numbers in each row."""
        return len(self.rows[0])


def vector(embedding: object) -> Vector:
    """One row from a reply: a list of numbers, or the base64 of little-endian floats.

    Raises ValueError.
    """
    if isinstance(embedding, str):
        row = array("f")
        try:
            row.frombytes(base64.b64decode(embedding, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ValueError("not base64 of floats") from error
        return _little_endian(row)
    if isinstance(embedding, list) and all(isinstance(n, int | float) for n in embedding):
        return array("f", embedding)
    raise ValueError("neither base64 nor a list of numbers")


def npy(rows: Sequence[Vector]) -> bytes:
    """The rows as NumPy's format 1.0: a two-dimensional array of `<f4`."""
    shape = (len(rows), len(rows[0]))
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape})
    padding = -(len(MAGIC) + 2 + len(header) + 1) % ALIGNMENT
    header += " " * padding + "\n"
    head = MAGIC + len(header).to_bytes(2, "little") + header.encode("latin-1")
    return head + b"".join(_little_endian(row).tobytes() for row in rows)


def of_npy(data: bytes) -> list[Vector]:
    """The rows of such a file. Raises `NotVectorsError`."""
    if not data.startswith(MAGIC):
        raise NotVectorsError("it is no .npy file of format 1.0")
    start = len(MAGIC) + 2
    end = start + int.from_bytes(data[len(MAGIC) : start], "little")
    try:
        header = ast.literal_eval(data[start:end].decode("latin-1"))
        count, length = header["shape"]
        fits = header["descr"] == "<f4" and not header["fortran_order"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise NotVectorsError("its header is not readable") from None
    if not fits or len(data) - end != count * length * FLOAT or count < 1 or length < 1:
        raise NotVectorsError("it does not hold whole rows of 32-bit floats")
    rows = []
    for index in range(count):
        row = array("f")
        row.frombytes(data[end + index * length * FLOAT : end + (index + 1) * length * FLOAT])
        rows.append(_little_endian(row))
    return rows


def companion(vectors: Vectors, data: bytes) -> bytes:
    """What stands beside a `.npy` file: the model's name and what each row is of."""
    about = {
        "model": vectors.model,
        "count": len(vectors.rows),
        "dimensions": vectors.dimensions,
        "sha256": hashlib.sha256(data).hexdigest(),
        "documents": [_about(document) for document in vectors.documents],
    }
    return json.dumps(about, ensure_ascii=False, indent=1).encode()


def of_companion(data: bytes, beside: bytes) -> Vectors:
    """The vectors of a `.npy` file with what stands beside it. Raises `NotVectorsError`."""
    rows = of_npy(data)
    try:
        about = json.loads(beside)
        documents = [_document(entry) for entry in about["documents"]]
        model, digest = str(about["model"]), about["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotVectorsError("what stands beside it does not name its model") from None
    if digest != hashlib.sha256(data).hexdigest() or len(documents) != len(rows):
        raise NotVectorsError("what stands beside it is about other vectors")
    return Vectors(model, rows, documents)


def jsonl(vectors: Vectors) -> bytes:
    """One line of JSON for each document: model, text or file, and its vector."""
    lines = [
        json.dumps(
            {
                "model": vectors.model,
                **({"file": document.file} if document.file else {}),
                "embedding": list(row),
                "text": document.text,
            },
            ensure_ascii=False,
        )
        for document, row in zip(vectors.documents, vectors.rows, strict=True)
    ]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def of_jsonl(data: bytes) -> Vectors:
    """The vectors of such a file. Raises `NotVectorsError`."""
    rows, documents, models = [], [], set()
    for number, line in enumerate(data.splitlines(), 1):
        try:
            entry = json.loads(line)
            rows.append(vector(entry["embedding"]))
            documents.append(_document(entry))
            models.add(str(entry["model"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise NotVectorsError(f"line {number} has no model, text and embedding") from None
    if len({len(row) for row in rows}) != 1 or len(models) != 1:
        raise NotVectorsError("its lines are not of one model and one length")
    return Vectors(models.pop(), rows, documents)


def nearest(query: Vector, rows: Iterable[Vector]) -> list[tuple[int, float]]:
    """Index and cosine similarity (-1 to 1) of each row, the most similar first."""
    scores = [(index, similarity(query, row)) for index, row in enumerate(rows)]
    return sorted(scores, key=lambda pair: -pair[1])


def similarity(one: Vector, other: Vector) -> float:
    """Cosine of the angle between two rows of one length; 0 where one of them is all zeros."""
    lengths = math.sqrt(_product(one, one)) * math.sqrt(_product(other, other))
    return _product(one, other) / lengths if lengths else 0.0


def _product(one: Vector, other: Vector) -> float:
    return sum(map(operator.mul, one, other))


def _about(document: Document) -> dict[str, Any]:
    file = {"file": document.file} if document.file else {}
    return {**file, "text": document.first_words}


def _document(entry: dict[str, Any]) -> Document:
    return Document(str(entry["text"]), str(entry.get("file") or ""))


def _little_endian(row: Vector) -> Vector:
    if sys.byteorder == "little":
        return row
    swapped = array("f", row)
    swapped.byteswap()
    return swapped
