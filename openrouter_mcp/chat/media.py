"""Images and sound of chats, saved as files like those of the tools that are made for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.media import image_bytes, is_address
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.files import images, sound
from openrouter_mcp.files.save import Destination
from openrouter_mcp.files.sound import Sound
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.results import SavedFile
from openrouter_mcp.settings import Settings
from openrouter_mcp.text import clean

DAMAGED = "Of the images and sounds, {number:,} came damaged and could not be saved."
ELSEWHERE = "An image of the answer is at {address}; it was not fetched."
MOST_NAMED = 20
"""Addresses that one reply names."""


async def save_media(
    settings: Settings, handle: Handle, request: ChatRequest, answers: Sequence[Answer]
) -> tuple[list[SavedFile], list[str]]:
    """The images and sound of answers as files, and what there is to say about the rest."""
    if not any(answer.media for answer in answers):
        return [], []
    name = next((answer.generation_id for answer in answers if answer.generation_id), "answer")
    directory = settings.output_dir.expanduser()
    return await asyncio.to_thread(_saved, handle, directory, name, request, answers)


def _saved(
    handle: Handle, directory: Path, name: str, request: ChatRequest, answers: Sequence[Answer]
) -> tuple[list[SavedFile], list[str]]:
    save = partial(handle.save, Destination(directory.resolve(), name))
    files, elsewhere, damaged = [], [], 0
    for media in (answer.media for answer in answers):
        for image in media.images:
            if is_address(image):
                elsewhere.append(image)
            elif data := image_bytes(image):
                files.append(images.save_image(save, data))
            else:
                damaged += 1
        if data := media.sound:
            asked = request.body.get("audio")
            kind = media.sound_format or (asked.get("format") if isinstance(asked, dict) else "")
            kind = "audio/pcm" if str(kind).startswith("pcm") else "audio/*"
            files += sound.save_all(save, [Sound(data, kind)])[0]
        elif media.has_sound:
            damaged += 1
    notes = [ELSEWHERE.format(address=clean(image, 2000)) for image in elsewhere[:MOST_NAMED]]
    if len(elsewhere) > MOST_NAMED:
        notes.append(f"So are {len(elsewhere) - MOST_NAMED:,} more.")
    if damaged:
        notes.append(DAMAGED.format(number=damaged))
    return files, notes
