"""The body of a request for speech, from what a caller wants and what the model has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.signatures import MP3, WAV, MediaType
from openrouter_mcp.models.model import Model
from openrouter_mcp.multimodal import sentences

FORMATS = {"mp3": MP3, "wav": WAV}
LONGEST_PIECE = 4000
"""Characters in one request; the common limit is 4,096."""
SHOWN_VOICES = 30
READ_ALOUD = "Read the user's text aloud, word for word. Say nothing else."
CHAT_VOICE = "alloy"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a caller wants to hear; what is empty does not matter."""

    text: str
    model: str = ""
    voice: str = ""
    format: str = ""
    instructions: str = ""
    save_to: str = ""
    options: Mapping[str, Any]

    def completed(self, options: dict[str, Any]) -> Ask:
        """The same with voice and format from the options, out of which they are taken."""
        voice, kind = options.pop("voice", ""), options.pop("response_format", "")
        return replace(self, voice=self.voice or str(voice), format=self.format or str(kind))


def media_format(asked: str, suffix: str) -> MediaType:
    """The format that is asked for, or that a file name ends with. Raises `INVALID_INPUT`."""
    kind = asked.strip().lower().removeprefix(".") or suffix.removeprefix(".") or "mp3"
    if kind not in FORMATS:
        raise OpenRouterError(
            Code.INVALID_INPUT, f"format {kind[:20]!r} is not offered. It takes mp3 or wav."
        )
    return FORMATS[kind]


def voice_of(model: Model | None, asked: str, *, speaks: bool) -> tuple[str, list[str]]:
    """The voice as the model spells it, and what there is to say about it.

    Raises `INVALID_INPUT` with the voices that there are.
    """
    voices = model.supported_voices if model else ()
    known = {voice.casefold(): voice for voice in voices}
    asked = asked.strip()
    if asked and known and asked.casefold() not in known:
        shown = ", ".join(voices[:SHOWN_VOICES])
        more = f" and {len(voices) - SHOWN_VOICES} more" if len(voices) > SHOWN_VOICES else ""
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{model.id if model else 'The model'} has no voice {asked[:60]!r}. It has {shown}"
            f"{more}.",
            suggestions=voices[:SHOWN_VOICES],
        )
    if asked:
        return known.get(asked.casefold(), asked), []
    if voices:
        return voices[0], [f"No voice was named; {voices[0]} is one of {len(voices)}."]
    converses = model is not None and "audio" in model.input_modalities
    return (CHAT_VOICE, []) if converses and not speaks else ("", [])


def bodies(
    shared: Mapping[str, Any], ask: Ask, voice: str, wanted: MediaType
) -> list[dict[str, Any]]:
    """One request for each piece; what is joined or wrapped afterwards comes as samples."""
    parts = sentences.pieces(ask.text, LONGEST_PIECE)
    body = {**shared, "response_format": "mp3" if wanted is MP3 and len(parts) == 1 else "pcm"}
    if voice:
        body["voice"] = voice
    if ask.instructions.strip():
        body["instructions"] = ask.instructions.strip()
    return [{**body, "input": part} for part in parts]


def chat_body(
    shared: Mapping[str, Any], model: Model | None, ask: Ask, voice: str, wanted: MediaType
) -> dict[str, Any]:
    """A chat whose answer is sound. OpenAI's models stream samples only."""
    converses = model is not None and "audio" in model.input_modalities
    told = ask.instructions.strip()
    if converses:
        told = f"{READ_ALOUD} Read it like this: {told}" if told else READ_ALOUD
    samples = wanted is WAV or str(shared["model"]).startswith("openai/")
    audio = {"format": "pcm16" if samples else wanted.format}
    messages = [{"role": "system", "content": told}] if told else []
    return {
        **shared,
        "messages": [*messages, {"role": "user", "content": ask.text}],
        "modalities": ["text", "audio"],
        "audio": {**audio, "voice": voice} if voice else audio,
    }
