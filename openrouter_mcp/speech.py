"""Speech from `/audio/speech`, and speech, music and sound from models that give it in a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fastmcp.tools import ToolResult

from openrouter_mcp import chat_media, media_replies, pcm, selection, sentences
from openrouter_mcp import options as request_options
from openrouter_mcp.destinations import Destination, destination
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.media_replies import Made
from openrouter_mcp.model import Model
from openrouter_mcp.pcm import Pcm
from openrouter_mcp.purchase import Plan, Purchase
from openrouter_mcp.selection import Wanted
from openrouter_mcp.signatures import AAC, AIFF, FLAC, MP3, OGG, WAV, MediaType, media_type
from openrouter_mcp.speech_reply import Sound, fetch, unreadable

if TYPE_CHECKING:
    from openrouter_mcp.app import App

PATH = "/audio/speech"
FORMATS = {"mp3": MP3, "wav": WAV}
PLAYABLE = {MP3, WAV, FLAC, OGG, AAC, AIFF}
LONGEST_PIECE = 4000
"""Characters in one request; the common limit is 4,096."""
AT_ONCE = 3
TOKENS_PER_CHARACTER = 5
"""Tokens of sound for a character of text, on the high side: 0.1 s of 50 tokens a second."""
HIGHEST_PRICE = Decimal("0.035")
"""USD for a thousand characters, above which a model is not chosen unasked."""
SHOWN_VOICES = 30
STEM_WORDS = 6
READ_ALOUD = "Read the user's text aloud, word for word. Say nothing else."
CHAT_VOICE = "alloy"
PROVIDER = frozenset({"options", "zdr", "data_collection"})
"""The routing preferences that `/audio/speech` knows."""


@dataclass(frozen=True, kw_only=True)
class SpeechPlan(Plan):
    """The requests for the pieces of a text, ready to be sent."""

    bodies: Sequence[Mapping[str, Any]]
    characters: int
    voice: str
    destination: Destination


async def plan(
    app: App,
    text: str,
    *,
    model: str,
    voice: str,
    format: str,  # noqa: A002 - OpenRouter's and the tool's name for it
    instructions: str,
    save_to: str,
    options: Mapping[str, Any],
) -> SpeechPlan:
    """The requests for these arguments; nothing is sent.

    Raises `INVALID_INPUT` with the right voices for a wrong one, `UNSAFE_PATH`,
    `MODEL_NOT_FOUND`, `MODEL_UNAVAILABLE`.
    """
    if not text.strip():
        raise OpenRouterError(Code.INVALID_INPUT, "text is empty. Say what is to be heard.")
    extra = request_options.checked(options)
    stem = " ".join(text.split()[:STEM_WORDS])
    place = await asyncio.to_thread(
        destination, app.settings, save_to, stem, *(kind.suffix for kind in FORMATS.values())
    )
    wanted_format = _format(format, place)
    named = model or str(extra.pop("model", ""))
    found = await selection.choose(app, named, _wanted(voice, named))
    row = found.model
    speaks = row is None or "speech" in row.output_modalities
    voice, notes = _voice(row, voice, speaks=speaks)
    preferences = request_options.provider(extra, app.settings)
    if speaks:
        preferences = {k: v for k, v in preferences.items() if k in PROVIDER}
    shared = {**extra, "model": found.id} | ({"provider": preferences} if preferences else {})
    if speaks:
        bodies = _speech_bodies(shared, text, voice, wanted_format, instructions)
        if wanted_format is MP3 and len(bodies) > 1:
            notes.append("The text is long: its pieces are joined as WAV.")
    else:
        bodies = [_chat_body(shared, row, text, voice, wanted_format, instructions)]
    if format.strip():
        place = replace(place, suffix=wanted_format.suffix)
    characters = len(text.strip())
    return SpeechPlan(
        tool="generate_audio",
        model=found,
        path=PATH if speaks else chat_media.PATH,
        request={**bodies[0], "requests": len(bodies)},
        most=estimate(row, characters),
        subject=text,
        notes=tuple(notes),
        bodies=bodies,
        characters=characters,
        voice=voice,
        destination=place,
    )


def _format(asked: str, place: Destination) -> MediaType:
    kind = asked.strip().lower().removeprefix(".") or place.suffix.removeprefix(".") or "mp3"
    if kind not in FORMATS:
        raise OpenRouterError(
            Code.INVALID_INPUT, f"format {asked[:20]!r} is not offered. It takes mp3 or wav."
        )
    return FORMATS[kind]


def _wanted(voice: str, named: str) -> Wanted:
    def has_voice(model: Model) -> bool:
        voices = {each.casefold() for each in model.supported_voices}
        return bool(named) or not voice.strip() or voice.strip().casefold() in voices

    async def price(model: Model) -> Decimal | None:
        return estimate(model, 1000)

    return Wanted(
        output=("speech", "audio") if named else ("speech",),
        default="default_speech_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="1,000 characters",
        fits=has_voice,
        ability=f"the voice {voice}" if voice.strip() else "",
    )


def _voice(model: Model | None, asked: str, *, speaks: bool) -> tuple[str, list[str]]:
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


def _speech_bodies(
    shared: Mapping[str, Any], text: str, voice: str, wanted: MediaType, instructions: str
) -> list[dict[str, Any]]:
    """One request for each piece; what is joined or wrapped afterwards comes as samples."""
    parts = sentences.pieces(text, LONGEST_PIECE)
    body = {**shared, "response_format": "mp3" if wanted is MP3 and len(parts) == 1 else "pcm"}
    if voice:
        body["voice"] = voice
    if instructions.strip():
        body["instructions"] = instructions.strip()
    return [{**body, "input": part} for part in parts]


def _chat_body(
    shared: Mapping[str, Any],
    model: Model | None,
    text: str,
    voice: str,
    wanted: MediaType,
    instructions: str,
) -> dict[str, Any]:
    """A chat whose answer is sound. OpenAI's models stream samples only."""
    converses = model is not None and "audio" in model.input_modalities
    told = instructions.strip() or (READ_ALOUD if converses else "")
    samples = wanted is WAV or str(shared["model"]).startswith("openai/")
    audio = {"format": "pcm16" if samples else wanted.format}
    messages = [{"role": "system", "content": told}] if told else []
    return {
        **shared,
        "messages": [*messages, {"role": "user", "content": text}],
        "modalities": ["text", "audio"],
        "audio": {**audio, "voice": voice} if voice else audio,
    }


async def perform(plan: SpeechPlan, purchase: Purchase) -> ToolResult:
    """Pay for the sound and save it. Raises `OpenRouterError` where there is none.

    When a later piece fails, what comes before it is saved all the same.
    """
    await asyncio.to_thread(plan.destination.prepare)
    most = None if plan.most is None else plan.most / len(plan.bodies)
    slots = asyncio.Semaphore(AT_ONCE)

    async def piece(body: Mapping[str, Any]) -> Sound:
        async with slots:
            if plan.path == PATH:
                return await fetch(purchase, PATH, body, most)
            return await _chatted(purchase, body, most)

    outcomes = await asyncio.gather(*map(piece, plan.bodies), return_exceptions=True)
    sounds: list[Sound] = []
    failure: BaseException | None = None
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            failure = outcome
            break
        sounds.append(outcome)
    if failure and not (sounds and isinstance(failure, OpenRouterError)):
        raise failure
    files, seconds = await asyncio.to_thread(_made, plan, sounds)
    receipt = await purchase.receipt(f"{plan.characters:,} characters")
    told = "".join(sound.transcript for sound in sounds).strip()
    notes = [*plan.notes, f"The model said: {told[:500]}" if told else ""]
    voice = f", voice {plan.voice}" if plan.voice else ""
    length = f"{seconds:.1f} s of sound" if seconds else "Sound"
    part = f" (the first {len(sounds)} of {len(plan.bodies)} pieces)" if failure else ""
    return media_replies.files(
        f"{length}{part} by {plan.model.id}{voice}:",
        files,
        receipt,
        notes=notes,
        error=failure if isinstance(failure, OpenRouterError) else None,
    )


async def _chatted(purchase: Purchase, body: Mapping[str, Any], most: Decimal | None) -> Sound:
    async with purchase.request(most) as bill:
        media = await chat_media.receive(purchase, bill, body)
    if not media.audio:
        raise unreadable()
    kind = "audio/pcm" if body["audio"]["format"] == "pcm16" else "audio/*"
    return Sound(bytes(media.audio), kind, media.transcript)


def _made(plan: SpeechPlan, sounds: Sequence[Sound]) -> tuple[list[Made], float]:
    """The sound as one file, and how long it plays (0 = not known). Blocks.

    Pieces that cannot be joined after all become files of their own.
    """
    place = plan.destination
    if len(sounds) == 1 and (known := media_type(sounds[0].data)) in PLAYABLE - {WAV}:
        return [Made(place.save(sounds[0].data, known.suffix), known.mime)], 0.0
    try:
        whole = pcm.joined([_samples(sound) for sound in sounds])
    except ValueError:
        return [_as_it_is(place, sound.data) for sound in sounds], 0.0
    return [Made(place.save(whole.wav(), WAV.suffix), WAV.mime)], whole.seconds


def _as_it_is(place: Destination, data: bytes) -> Made:
    known = media_type(data)
    saved = place.save(data, known.suffix if known else ".bin")
    return Made(saved, known.mime if known else "application/octet-stream")


def _samples(sound: Sound) -> Pcm:
    """The samples of sound that came as such or as WAV. Raises ValueError for other kinds."""
    if media_type(sound.data) is WAV:
        return pcm.of_wav(sound.data)
    if not sound.content_type.lower().startswith(("audio/pcm", "audio/l16")):
        raise ValueError("no samples")
    return pcm.of_content_type(sound.data, sound.content_type)


def estimate(model: Model | None, characters: int) -> Decimal | None:
    """USD that the sound of a text can cost at most; None where the catalogue lists no price."""
    if model is None:
        return None
    if model.is_free:
        return Decimal(0)
    rates = model.pricing
    made = max(rates.get("completion", Decimal(0)), rates.get("audio_output", Decimal(0)))
    price = characters * rates.get("prompt", Decimal(0))
    price += characters * TOKENS_PER_CHARACTER * made
    return price if price > 0 else None
