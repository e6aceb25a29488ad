"""Vectors of earlier calls, read back from the files that callers name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox
from openrouter_mcp.files.sandbox import Guard
from openrouter_mcp.multimodal import vectors
from openrouter_mcp.multimodal.vectors import JSONL, NPY, NotVectorsError, Vectors
from openrouter_mcp.settings import Settings

LARGEST = 500_000_000
"""Bytes of a file of vectors: some 80,000 rows of 1,536 dimensions as `.npy`."""
HEAD = 4096


async def load(settings: Settings, names: Sequence[str]) -> tuple[Vectors | None, list[str]]:
    """The vectors in those files that hold some, all of one model, and the names of the others.

    Raises `INVALID_INPUT` for vectors of different models, and `UNSAFE_PATH`, `NOT_FOUND`,
    `UNSUPPORTED_FORMAT`, `TOO_LARGE`.
    """
    found: list[tuple[str, Vectors]] = []
    rest: list[str] = []
    for name in names:
        loaded = await asyncio.to_thread(_load, settings, name)
        if loaded:
            found.append((name, loaded))
        else:
            rest.append(name)
    if not found:
        return None, rest
    kinds = {(each.model, each.dimensions) for _, each in found}
    if len(kinds) > 1:
        listed = ", ".join(f"{name}: {each.model}, {each.dimensions}" for name, each in found)
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"Vectors of different models or dimensions cannot be compared ({listed}). Name files "
            "of one model, or embed the documents anew.",
        )
    rows = [row for _, each in found for row in each.rows]
    documents = [document for _, each in found for document in each.documents]
    return Vectors(found[0][1].model, rows, documents), rest


def _load(settings: Settings, name: str) -> Vectors | None:
    """The vectors in one file; None if it is a file of another kind. Blocks."""
    suffix = Path(name.strip().strip("\"'`")).suffix.lower()
    if suffix not in {NPY, JSONL}:
        return None
    path = sandbox.absolute(name)
    guard = Guard(settings)
    try:
        if suffix == JSONL:
            head = _read(guard, path, HEAD)
            if not (b'"model"' in head and b'"embedding"' in head):
                return None
            return vectors.of_jsonl(_whole(guard, path))
        beside = path.with_name(f"{path.name}.json")
        return vectors.of_companion(_whole(guard, path), _whole(guard, beside))
    except NotVectorsError as error:
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"{sandbox.display(path)} cannot be searched: {error}. Name a file that embed_texts "
            "saved, or embed the documents anew.",
        ) from None
    except OSError as error:
        missing = sandbox.display(error.filename or path)
        raise OpenRouterError(
            Code.NOT_FOUND,
            f"{missing} cannot be read ({error.strerror}). A .npy file of embed_texts has a "
            ".npy.json file beside it that names its model.",
        ) from None


def _whole(guard: Guard, path: Path) -> bytes:
    data = _read(guard, path, LARGEST + 1)
    if len(data) > LARGEST:
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"{sandbox.display(path)} has more than {LARGEST:,} bytes. Search a part of it.",
        )
    return data


def _read(guard: Guard, path: Path, most: int) -> bytes:
    with sandbox.open_file(guard.resolve(path)) as file:
        return file.read(most)
