"""Images and sound of chats, saved as files like those of the tools that are made for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.files import images, received, sound
from openrouter_mcp.files.save import Destination, Save
from openrouter_mcp.files.sound import Sound
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.results import SavedFile
from openrouter_mcp.settings import Settings

DAMAGED = "Damaged, so not saved: {number:,} of the images and sounds."


async def save_media(
    settings: Settings, handle: Handle, request: ChatRequest, answers: Sequence[Answer]
) -> tuple[list[SavedFile], list[str]]:
    """The images and sound of answers as files, and what there is to say about the rest."""
    if not any(answer.media for answer in answers):
        return [], []
    name = next((answer.generation_id for answer in answers if answer.generation_id), "answer")
    directory = settings.output_dir.expanduser()
    written = [image for answer in answers for image in answer.media.images]
    images = await received.receive(settings, written)
    save = partial(handle.save, Destination(directory.resolve(), name))
    files, damaged = await asyncio.to_thread(_saved, save, request, images.images, answers)
    if damaged := damaged + images.damaged:
        return files, [*images.notes, DAMAGED.format(number=damaged)]
    return files, images.notes


def _saved(
    save: Save,
    request: ChatRequest,
    drawn: Sequence[bytes],
    answers: Sequence[Answer],
) -> tuple[list[SavedFile], int]:
    """The files, and how many sounds are damaged."""
    damaged = 0
    files = [images.save_image(save, data) for data in drawn]
    for media in (answer.media for answer in answers):
        if data := media.sound:
            asked = request.body.get("audio")
            kind = media.sound_format or (asked.get("format") if isinstance(asked, dict) else "")
            kind = "audio/pcm" if str(kind).startswith("pcm") else "audio/*"
            files += sound.save_all(save, [Sound(data, kind)])[0]
        elif media.has_sound:
            damaged += 1
    return files, damaged
