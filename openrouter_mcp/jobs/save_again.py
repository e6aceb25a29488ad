"""The files of a job, or its text, saved once more: another place, the same bill."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from fastmcp.tools import ToolResult
from mcp.types import ResourceLink, TextContent

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox
from openrouter_mcp.files.save import Destination, data_suffix, destination, safe_stem
from openrouter_mcp.jobs import replies, unsaved
from openrouter_mcp.jobs.jobs import Jobs
from openrouter_mcp.jobs.table import JobRow, State
from openrouter_mcp.progress import Progress
from openrouter_mcp.results import SavedFile, receipt_line
from openrouter_mcp.settings import Settings
from openrouter_mcp.text import storable

HEAD = 200
"""Characters that tell whether a reply shows the beginning of a text."""
MIME = {".md": "text/markdown", ".json": "application/json"}


async def save(
    settings: Settings, jobs: Jobs, job_id: str, save_to: str, wait: float, progress: Progress
) -> ToolResult:
    """Wait for a job as `Jobs.get` does, then save what it gave, by the rules of `destination`.

    A video that is gone here, or was cancelled, is fetched from OpenRouter. Raises `NOT_FOUND`,
    also for files that are gone, `UNSAFE_PATH`, also for files that nobody may read, and
    `INVALID_INPUT` where nothing can be written.
    """
    place = await asyncio.to_thread(destination, settings, save_to, "")
    row = await jobs.find(job_id)
    if row.state is State.CANCELLED:
        await jobs.resume(row, place)
    told = await jobs.get(job_id, wait, progress, place)
    row = await jobs.find(job_id)
    links = _links(row)
    if row.state.ended and links:
        kept = _Kept(settings, row.id, jobs.in_memory.get(row.id, {}))
        files, gone = await asyncio.to_thread(_copied, links, place, kept)
        if not gone or not await jobs.resume(row, place):
            return replies.saved(row, files, _missing(row, files, gone))
        told = await jobs.get(job_id, wait, progress)
        row = await jobs.find(job_id)
    if not row.state.ended:
        return replies.pending(row, save_to)
    if links or not (text := _text(row)):
        return told
    saved = await asyncio.to_thread(_written, place, row, text)
    return replies.saved(row, [saved], [row.error.message] if row.error else [])


def _links(row: JobRow) -> list[ResourceLink]:
    content = row.result.content if row.result else []
    return [block for block in content if isinstance(block, ResourceLink)]


class _Kept:
    """The files of one job, where the store says that they are."""

    def __init__(self, settings: Settings, job_id: str, in_memory: Mapping[str, bytes]) -> None:
        self._guard = sandbox.Guard(settings)
        self._own = unsaved.directories(settings.state_dir, job_id)
        self._output = sandbox.real_path(sandbox.absolute(str(settings.output_dir)))
        self._in_memory = in_memory

    def open(self, link: ResourceLink) -> BinaryIO:
        """The bytes of a file, which must be one that callers may read, or kept for this job.

        Raises `UNSAFE_PATH`, and `OSError` if they are gone.
        """
        if not link.uri.startswith("file:"):
            if link.name not in self._in_memory:
                raise FileNotFoundError
            return io.BytesIO(self._in_memory[link.name])
        path = sandbox.absolute(link.uri)
        if sandbox.real_path(path) != path:
            # The server saved a file there, and no link.
            raise FileNotFoundError
        saved = path.is_relative_to(self._output) and data_suffix(path.suffix) == path.suffix != ""
        if not saved and not any(map(path.is_relative_to, self._own)):
            self._guard.resolve(path)
        return sandbox.open_file(path)


def _copied(
    links: Sequence[ResourceLink], place: Destination, kept: _Kept
) -> tuple[list[SavedFile], list[str]]:
    """The files that were saved in `place`, and where those were that are gone. Blocks."""
    files: list[SavedFile] = []
    gone: list[str] = []
    former = ""
    for link in links:
        name = Path(link.name)
        target, suffix = place.named(name.stem), name.suffix
        if former and link.name.startswith(f"{former}."):
            # What is told about a file lies beside it, under its name and more.
            path = files[-1].path
            target, suffix = Destination(path.parent, path.name), link.name[len(former) :]
        try:
            source = kept.open(link)
        except OSError:
            gone.append(_where(link))
            continue
        with source:
            files.append(_copy(source, link, target, data_suffix(suffix)))
        former = link.name
    return files, gone


def _where(link: ResourceLink) -> str:
    is_file = link.uri.startswith("file:")
    return sandbox.display(sandbox.absolute(link.uri)) if is_file else link.name


def _copy(source: BinaryIO, link: ResourceLink, target: Destination, suffix: str) -> SavedFile:
    there = target.directory / f"{safe_stem(target.stem)}{suffix}"
    mime_type = link.mime_type or ""
    if link.uri == there.as_uri():
        return SavedFile(there, source.seek(0, io.SEEK_END), mime_type)
    try:
        return target.copy(source, suffix, mime_type)
    except OSError as error:
        raise _unwritable(target, error) from None


def _unwritable(target: Destination, error: OSError) -> OpenRouterError:
    """Why nothing could be saved; what is kept is not touched by that."""
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{safe_stem(target.stem)} could not be saved in {target.failed(error)}. Nothing "
        "is lost: make room, or name another place with save_to, and call again.",
    )


def _missing(row: JobRow, files: Sequence[SavedFile], gone: Sequence[str]) -> list[str]:
    """What to say of files that are gone. Raises `NOT_FOUND` if all are."""
    if not gone:
        return []
    are = "are" if len(gone) > 1 else "is"
    message = (
        f"{', '.join(gone)} of {row.id} {are} not there any more, and OpenRouter keeps no copy. "
        f"Call {row.tool} again only if it is still wanted: you pay for it again."
    )
    if not files:
        raise OpenRouterError(Code.NOT_FOUND, message)
    return [message]


def _text(row: JobRow) -> str:
    """The whole text of a job, without its receipt."""
    if row.result is None or row.result.is_error:
        return row.text
    texts = [block.text for block in row.result.content if isinstance(block, TextContent)]
    shown = "\n\n".join(texts).removesuffix(receipt_line(row.result)).strip()
    cut = len(row.text) > len(shown) and row.text[:HEAD].strip() in shown
    return row.text if cut else shown


def _written(place: Destination, row: JobRow, text: str) -> SavedFile:
    """The text as a file with the ending that the caller gave. Blocks."""
    structured = row.result is not None and row.result.structured_content is not None
    suffix = place.suffix or (".json" if structured else ".md")
    target = place.named(row.id)
    try:
        data = storable(text).encode()
        return target.save(data, suffix, MIME.get(suffix, "text/plain"))
    except OSError as error:
        raise _unwritable(target, error) from None
