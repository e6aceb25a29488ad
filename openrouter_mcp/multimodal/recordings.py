"""Recordings to be written down: what a caller named, as parts that one request can hold."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from openrouter_mcp.api.streamed_body import Encoded
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Files
from openrouter_mcp.multimodal import ffmpeg
from openrouter_mcp.multimodal.ffmpeg import Part

FORMATS = frozenset({"wav", "mp3", "flac", "m4a", "ogg", "webm", "aac"})
"""What `/audio/transcriptions` takes."""
LARGEST = 25_000_000
"""Bytes of a recording that is sent whole."""
LONGEST = 600.0
"""Seconds of one part: providers have a minute to write it down."""
LEAST_RATE = {"wav": 16_000, "flac": 8_000, "mp3": 4_000}
OTHER_RATE = 2_000
"""Bytes of a second of speech at the very least, where nobody can say how long it plays."""


@dataclass(frozen=True)
class Recording:
    """One recording: its bytes, OpenRouter's word for its format, how long it plays at most."""

    name: str
    data: Encoded
    format: str
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether one request can hold it."""
        short = self.seconds <= LONGEST or not ffmpeg.at_hand()
        return self.format in FORMATS and self.data.size <= LARGEST and short


async def find(files: Files, name: str) -> Recording:
    """The recording that a path or an address means.

    Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`, and what `Files.parts` raises.
    """
    attached = await files.parts([name])
    if len(attached.parts) != 1:
        raise OpenRouterError(
            Code.INVALID_INPUT, f"{name} means {len(attached.parts)} files. Name one recording."
        )
    data, kind = _sound(attached.parts[0], name)
    seconds = data.size / LEAST_RATE.get(kind, OTHER_RATE)
    if ffmpeg.at_hand():
        async with _copied(data) as copy:
            seconds = await ffmpeg.duration(copy) or seconds
    found = Recording(data.name, data, kind, seconds)
    if not found.whole and not ffmpeg.at_hand():
        what = (
            f"has {data.size:,} bytes, and {LARGEST:,} can be sent at once"
            if kind in FORMATS
            else f"is {kind.upper() or 'a format'} that cannot be written down as it is"
        )
        raise OpenRouterError(
            Code.TOO_LARGE if kind in FORMATS else Code.UNSUPPORTED_FORMAT,
            f"{data.name} {what}. Install ffmpeg, with which it is converted and divided by "
            "itself, or convert it to MP3 and divide it yourself.",
        )
    return found


def _sound(part: Mapping[str, Any], name: str) -> tuple[Encoded, str]:
    """The bytes of a content part that can be heard, and their format."""
    match part:
        case {"input_audio": {"data": Encoded() as data, "format": str(kind)}}:
            return data, kind
        case {"video_url": {"url": Encoded() as data}}:
            kind = data.prefix.removeprefix("data:video/").partition(";")[0]
            return Encoded(data.name, "", data.size, data.open), kind
    raise OpenRouterError(
        Code.UNSUPPORTED_FORMAT,
        f"{name} is no recording. Name a file of sound (wav, mp3, flac, m4a, ogg, webm, aac).",
    )


@asynccontextmanager
async def divided(recording: Recording) -> AsyncGenerator[list[tuple[Part, Recording]]]:
    """The recording in parts that one request can hold, cut where nobody speaks.

    The parts are there until the block ends. Raises `UNSUPPORTED_FORMAT`.
    """
    if recording.whole:
        yield [(Part(0.0, recording.seconds), recording)]
        return
    async with _copied(recording.data) as copy:
        quiet = await ffmpeg.silences(copy)
        found = []
        for number, part in enumerate(ffmpeg.parts(recording.seconds, quiet, LONGEST)):
            target = copy.with_name(f"part-{number}.mp3")
            await ffmpeg.extract(copy, part, target)
            size = (await asyncio.to_thread(target.stat)).st_size
            data = Encoded(f"{recording.name}, part {number + 1}", "", size, _opener(target))
            found.append((part, Recording(data.name, data, "mp3", part.end - part.start)))
        yield found


@asynccontextmanager
async def _copied(data: Encoded) -> AsyncGenerator[Path]:
    """A copy in a directory of its own: what was checked is what ffmpeg reads."""
    directory = await asyncio.to_thread(lambda: Path(tempfile.mkdtemp(prefix="openrouter-")))
    try:
        copy = directory / "recording"
        await asyncio.to_thread(_copy, data, copy)
        yield copy
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _copy(data: Encoded, target: Path) -> None:
    with data.open() as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)


def _opener(path: Path) -> Any:
    def opened() -> BinaryIO:
        return path.open("rb")

    return opened
