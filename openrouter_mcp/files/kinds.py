"""What a file is to a model, told from its first bytes: text, image, audio, video, PDF. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from openrouter_mcp.files import signatures
from openrouter_mcp.files.decoding import is_text, may_be_text
from openrouter_mcp.files.signatures import MediaType, media_type
from openrouter_mcp.settings import Settings

HEAD = 8192
"""First bytes that show what a file is."""
Name = Literal["image", "audio", "video", "pdf"]
Way = Literal["max_bytes", "max_download_bytes", "max_data_url_bytes"]

NEITHER = (
    (rb"PK\x03\x04", "a ZIP archive or an Office document"),
    (rb"\x1f\x8b", "a gzip archive"),
    (rb"\x1aE\xdf\xa3(?!.{,60}webm)", "Matroska video"),
    (rb"....ftyp3g", "3GP video"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of media that models take."""

    name: Name
    type: MediaType


def kind_of(head: bytes) -> Kind | None:
    """The kind of media that begins with these bytes; None for text and for everything else."""
    found = media_type(head)
    if found is signatures.PDF:
        return Kind("pdf", found)
    # What is text whatever its first letters say: a note that begins with ID3, a drawing in SVG.
    if found is None or found is signatures.SVG or is_text(head) or _neither(head):
        return None
    for name in ("image", "audio", "video"):
        if found.mime.startswith(name):
            return Kind(name, found)
    return None


def other_kind(data: bytes, *, sure: bool = False) -> str:
    """What it is that no model takes ("a gzip archive").

    Empty for what may be text, unless `sure` it is not.
    """
    if may_be_text(data) and not sure:
        return ""
    return _neither(data) or "binary data"


def _neither(data: bytes) -> str:
    looks = (words for pattern, words in NEITHER if re.match(pattern, data, re.DOTALL))
    return next(looks, "")


def byte_limit(kind: Kind | None, way: Way) -> str:
    """The field of the settings that says how many bytes such a file may have."""
    if kind is None:
        return "max_file_bytes"
    if kind.name == "pdf":
        return "pdf_max_bytes" if way == "max_bytes" else f"video_{way}"
    return f"{kind.name}_{way}"


def fetch_seconds(settings: Settings, kind: Kind | None) -> float:
    """How long fetching such a file may take."""
    name = {None: "image", "pdf": "video"}.get(kind and kind.name, kind and kind.name)
    return getattr(settings, f"{name}_fetch_timeout_ms") / 1000
