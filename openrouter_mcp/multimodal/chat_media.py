"""Images and sound that a model gives in a chat. Source: `POST /chat/completions`, streamed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openrouter_mcp.api import responses
from openrouter_mcp.api.responses import cut_stream
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import CHAT
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.spending.paid_request import PaidRequest, Purchase
from openrouter_mcp.text import clean


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
        for choice in responses.mappings(chunk, "choices"):
            said = responses.mapping(choice, "delta") or responses.mapping(choice, "message")
            for image in responses.mappings(said, "images"):
                self.images.append(responses.text(responses.mapping(image, "image_url"), "url"))
            audio = responses.mapping(said, "audio")
            self.transcript += responses.text(audio, "transcript")
            try:
                # Each fragment is whole base64, padding included.
                self.audio += base64.b64decode(responses.text(audio, "data"), validate=True)
            except ValueError:
                raise OpenRouterError(
                    Code.UPSTREAM_ERROR, "The sound came damaged. Call again.", retryable=True
                ) from None


async def receive(purchase: Purchase, paid: PaidRequest) -> ChatMedia:
    """Send a chat inside a paid request and collect the media of its answer.

    Raises `OpenRouterError`, also for an answer that broke off or that has no media.
    """
    media = ChatMedia()
    async with purchase.client.stream(
        CHAT, {**paid.body, "stream": True}, on_headers=paid.on_headers, report=purchase.report
    ) as stream:
        async for chunk in stream:
            media.add(chunk)
            paid.read_answer(media.answer)
            if media.audio:
                await purchase.report(f"{paid.model.id}: {len(media.audio):,} bytes of sound")
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
