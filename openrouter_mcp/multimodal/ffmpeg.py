"""ffmpeg, where it is installed: how long sound is, and its parts, cut where nobody speaks."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp.errors import Code, OpenRouterError

# Only what is in the file itself: a playlist could name other files and addresses.
COMMON = ("-hide_banner", "-nostdin", "-protocol_whitelist", "file,pipe")
QUIET = "silencedetect=noise=-35dB:duration=0.35"
# Small, and every model takes it; voices need no more than 16 kHz.
SPEECH = ("-vn", "-ac", "1", "-ar", "16000", "-c:a", "libmp3lame", "-b:a", "64k")
SOUND = re.compile(r"Stream #.*: Audio:")
DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
GUESSED = "Estimating duration"
PLAYED = re.compile(r"time=(\d+):(\d\d):(\d\d(?:\.\d+)?)")
SILENCE = re.compile(r"silence_(start|end): (-?\d+(?:\.\d+)?)")
PATIENCE = 600.0
"""Seconds after which it is given up."""


@dataclass(frozen=True)
class Part:
    """A stretch of sound, in seconds from its beginning."""

    start: float
    end: float


def at_hand() -> str:
    """The path of ffmpeg; empty where it is not installed."""
    return shutil.which("ffmpeg") or ""


async def duration(file: Path) -> float:
    """Seconds that a file plays; 0 where that cannot be told.

    Raises `UNSUPPORTED_FORMAT`, also where there is nothing to hear.
    """
    said = await _run("-i", str(file), "-t", "0", "-f", "null", "-")
    if not SOUND.search(said):
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT, "There is no sound in this file. Name one with sound."
        )
    found = DURATION.search(said)
    if found is None or GUESSED in said:
        # A live recording says nothing and AAC next to nothing: a guess would lose the end.
        said = await _run("-stats", "-i", str(file), "-vn", "-f", "null", "-")
        found = next(reversed([*PLAYED.finditer(said)]), None)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0


async def silences(file: Path) -> list[Part]:
    """Where nobody speaks. Raises `UNSUPPORTED_FORMAT`."""
    said = await _run("-i", str(file), "-vn", "-af", QUIET, "-f", "null", "-")
    found: list[Part] = []
    begun = 0.0
    for match in SILENCE.finditer(said):
        if match[1] == "start":
            begun = max(0.0, float(match[2]))
        else:
            found.append(Part(begun, float(match[2])))
    return found


async def extract(file: Path, part: Part, target: Path) -> None:
    """Write a part of the sound to `target` as MP3. Raises `UNSUPPORTED_FORMAT`."""
    cut = ("-ss", f"{part.start:.3f}", "-t", f"{part.end - part.start:.3f}")
    await _run(*cut, "-i", str(file), *SPEECH, str(target))


def parts(length: float, quiet: list[Part], longest: float) -> list[Part]:
    """Parts of at most `longest` seconds, cut in the middle of the last silence before that. Pure.

    Where nobody is silent for so long, the cut is made there.
    """
    found: list[Part] = []
    start = 0.0
    while length - start > longest:
        middles = [(silence.start + silence.end) / 2 for silence in quiet]
        # A cut in the first half would make crumbs.
        possible = [m for m in middles if start + longest / 2 <= m <= start + longest]
        end = max(possible, default=start + longest)
        found.append(Part(start, end))
        start = end
    return [*found, Part(start, length)]


async def _run(*arguments: str) -> str:
    """What ffmpeg said. Raises `UNSUPPORTED_FORMAT` with its last line where it failed."""
    process = await asyncio.create_subprocess_exec(
        at_hand(),
        *COMMON,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode("utf-8", "replace")
    if process.returncode:
        last = (text.strip().splitlines() or ["nothing"])[-1]
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"ffmpeg cannot read this file: {last[:200]}. Convert it to MP3 and call again.",
        )
    return text
