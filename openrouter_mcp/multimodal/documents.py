"""Texts that a caller gives outright or as files, to be embedded or put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Files
from openrouter_mcp.files.sandbox import display
from openrouter_mcp.models.prices import BYTES_PER_TOKEN

SHOWN = 3
FIRST_WORDS = 160
"""Characters shown of each document."""


@dataclass(frozen=True)
class Document:
    """One text, and the file that it came from if it came from one."""

    text: str
    file: str = ""

    @property
    def tokens(self) -> int:
        """Tokens of the text, on the high side."""
        return count_tokens(self.text)

    @property
    def first_words(self) -> str:
        """The beginning of the text on one line."""
        line = " ".join(self.text[: FIRST_WORDS * 2].split())
        return line if len(line) <= FIRST_WORDS else f"{line[:FIRST_WORDS].rstrip()}..."


@dataclass(frozen=True)
class Documents:
    """The texts first, then the files, each in the order in which it was named."""

    items: list[Document]
    notes: list[str]
    """Sentences for the reply: what was skipped or guessed."""


async def read(
    files: Files, argument: str, texts: Sequence[str], names: Sequence[str]
) -> Documents:
    """The documents that texts and file names mean; `argument` is what the texts came in as.

    Raises `INVALID_INPUT` where there is none or one is empty, and what `Files.parts` raises.
    """
    attached = await files.parts(names)
    items, empty = [Document(text) for text in texts], []
    for part, path in zip(attached.parts, attached.paths, strict=True):
        if part["type"] != "text":
            raise OpenRouterError(
                Code.UNSUPPORTED_FORMAT, f"{path} is no text. Name text files here."
            )
        # The part's first line names its file for a model.
        document = Document(part["text"].partition("\n")[2], str(path))
        if path in attached.found and not document.text.strip():
            empty.append(Path(path).name)
        else:
            items.append(document)
    if not items:
        raise OpenRouterError(
            Code.INVALID_INPUT, f"There is nothing to work on. Give {argument}, files, or both."
        )
    for index, item in enumerate(items):
        if not item.text.strip():
            which = item.file or f"{argument}[{index}]"
            raise OpenRouterError(
                Code.INVALID_INPUT, f"{which} is empty. Leave it out and call again."
            )
    return Documents(items, [*attached.notes, *_skipped(empty)])


def _skipped(empty: Sequence[str]) -> list[str]:
    if not empty:
        return []
    shown = ", ".join(map(display, empty[:SHOWN])) + (", ..." if len(empty) > SHOWN else "")
    return [f"Skipped {len(empty):,} empty file{'s' if len(empty) > 1 else ''} ({shown})."]


def count_tokens(text: str) -> int:
    """Tokens of a text, on the high side: one for every three bytes of UTF-8."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
