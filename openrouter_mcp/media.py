"""Files that the server writes: named after what they are, never over another, never half."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

LONGEST_STEM = 60


def save(data: bytes, directory: Path, stem: str, suffix: str) -> Path:
    """Write `data` to a new file in `directory` and return its absolute path. Blocks.

    The file appears whole or not at all. Raises `OSError`.
    """
    directory = directory.expanduser().absolute()
    directory.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        return _named(Path(temporary), directory, _safe(stem), suffix)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _named(temporary: Path, directory: Path, stem: str, suffix: str) -> Path:
    """Give the finished file its name, or the first free one after it."""
    number = 1
    while True:
        path = directory / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            # Unlike a rename, a link never replaces what is there.
            os.link(temporary, path)
        except FileExistsError:
            number += 1
        else:
            return path


def _safe(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")[:LONGEST_STEM] or "file"
