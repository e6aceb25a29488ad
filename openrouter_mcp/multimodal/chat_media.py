"""Images and sound that a model gives in a chat. Source: `POST /chat/completions`, streamed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openrouter_mcp.api import fields
from openrouter_mcp.api.responses import cut_stream
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.errors import Code, OpenRouterError, clean
from openrouter_mcp.spending.purchase import Bill, Purchase

PATH = "/chat/completions"


@dataclass
class ChatMedia:
    """What came: images as addresses, sound as bytes, and the answer around them."""

    answer: Answer = field(default_factory=Answer)
    images: list[str] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    transcript: str = ""

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take in one chunk. Raises `UPSTREAM_ERROR` for sound that is not base64."""
        self.answer.add(chunk)
        for choice in fields.mappings(chunk, "choices"):
            said = fields.mapping(choice, "delta") or fields.mapping(choice, "message")
            for image in fields.mappings(said, "images"):
                self.images.append(fields.text(fields.mapping(image, "image_url"), "url"))
            audio = fields.mapping(said, "audio")
            self.transcript += fields.text(audio, "transcript")
            try:
                # Each fragment is whole base64, padding included.
                self.audio += base64.b64decode(fields.text(audio, "data"), validate=True)
            except ValueError:
                raise OpenRouterError(
                    Code.UPSTREAM_ERROR, "The sound came damaged. Call again.", retryable=True
                ) from None


async def receive(purchase: Purchase, bill: Bill, body: Mapping[str, Any]) -> ChatMedia:
    """Send a chat inside a paid request and collect the media of its answer.

    Raises `OpenRouterError`, also for an answer that broke off or that has no media.
    """
    media = ChatMedia()
    async with purchase.app.client.stream(
        PATH, {**body, "stream": True}, heard=bill.identify, report=purchase.report
    ) as stream:
        async for chunk in stream:
            media.add(chunk)
            bill.read_chunk(media.answer)
            if media.audio:
                await purchase.report(f"{body['model']}: {len(media.audio):,} bytes of sound")
        whole = stream.done
    answer = media.answer
    if answer.error:
        raise answer.error
    if not (whole or answer.finish_reason):
        raise cut_stream()
    if not (media.images or media.audio):
        said = clean(answer.refusal or answer.text or media.transcript)
        raise OpenRouterError(
            Code.REFUSED,
            f"The model answered in words only: {said or 'nothing at all'}. Rephrase the request "
            "or choose another model.",
        )
    return media
