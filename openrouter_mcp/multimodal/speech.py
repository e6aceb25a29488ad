"""Speech from `/audio/speech`, and speech, music and sound from models that give it in a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from fastmcp.tools import ToolResult

from openrouter_mcp.completions import options as request_options
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.destinations import Destination, Save, destination
from openrouter_mcp.files.signatures import AAC, AIFF, FLAC, MP3, OGG, WAV, media_type
from openrouter_mcp.jobs.handle import Handle
from openrouter_mcp.models import choose
from openrouter_mcp.models.choose import Wanted
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.multimodal import chat_media, pcm, replies, speech_request
from openrouter_mcp.multimodal.pcm import Pcm
from openrouter_mcp.multimodal.replies import Made
from openrouter_mcp.multimodal.speech_reply import Sound, fetch, unreadable
from openrouter_mcp.multimodal.speech_request import Ask
from openrouter_mcp.spending.purchase import Plan, Purchase

if TYPE_CHECKING:
    from openrouter_mcp.app import App

PATH = "/audio/speech"
PLAYABLE = {MP3, WAV, FLAC, OGG, AAC, AIFF}
AT_ONCE = 3
TOKENS_PER_CHARACTER = 5
"""Tokens of sound for a character of text, on the high side: 0.1 s of 50 tokens a second."""
HIGHEST_PRICE = Decimal("0.035")
"""USD for a thousand characters, above which a model is not chosen unasked."""
STEM_WORDS = 6
PROVIDER = frozenset({"options", "zdr", "data_collection"})
"""The routing preferences that `/audio/speech` knows."""


@dataclass(frozen=True, kw_only=True)
class SpeechPlan(Plan):
    """The requests for the pieces of a text, ready to be sent."""

    bodies: Sequence[Mapping[str, Any]]
    characters: int
    voice: str
    destination: Destination


async def plan(app: App, ask: Ask) -> SpeechPlan:
    """The requests for what is asked; nothing is sent.

    Raises `INVALID_INPUT` with the right voices for a wrong one, `UNSAFE_PATH`,
    `MODEL_NOT_FOUND`, `MODEL_UNAVAILABLE`.
    """
    if not ask.text.strip():
        raise OpenRouterError(Code.INVALID_INPUT, "text is empty. Say what is to be heard.")
    extra = request_options.checked(ask.options)
    ask = ask.completed(extra)
    stem = " ".join(ask.text.split()[:STEM_WORDS])
    suffixes = [kind.suffix for kind in speech_request.FORMATS.values()]
    place = await asyncio.to_thread(destination, app.settings, ask.save_to, stem, *suffixes)
    wanted = speech_request.media_format(ask.format, place.suffix)
    if ask.format.strip():
        place = replace(place, suffix=wanted.suffix)
    named = ask.model or str(extra.pop("model", ""))
    found = await choose.choose(app, named, _wanted(app, ask.voice, named))
    row = found.model
    speaks = row is None or "speech" in row.output_modalities
    voice, notes = speech_request.voice_of(row, ask.voice, speaks=speaks)
    shared = _shared(app, extra, found, speaks=speaks)
    bodies = [speech_request.chat_body(shared, row, ask, voice, wanted)]
    if speaks:
        bodies = speech_request.bodies(shared, ask, voice, wanted)
        if wanted is MP3 and len(bodies) > 1:
            notes.append("The text is long: its pieces are joined as WAV.")
    return SpeechPlan(
        tool="generate_audio",
        model=found,
        path=PATH if speaks else chat_media.PATH,
        request={**bodies[0], "requests": len(bodies)},
        most=estimate(row, len(ask.text)),
        subject=ask.text,
        notes=tuple(notes),
        bodies=bodies,
        characters=len(ask.text.strip()),
        voice=voice,
        destination=place,
    )


def _shared(app: App, extra: dict[str, Any], model: Resolution, *, speaks: bool) -> dict[str, Any]:
    """What every request has in common; `/audio/speech` knows few routing preferences."""
    provider = request_options.provider(extra, app.settings)
    if speaks:
        provider = {name: value for name, value in provider.items() if name in PROVIDER}
    body = {**extra, "model": model.id}
    return {**body, "provider": provider} if provider else body


def _wanted(app: App, voice: str, named: str) -> Wanted:
    by_name = bool(named or app.settings.default_speech_model)

    def has_voice(model: Model) -> bool:
        voices = {each.casefold() for each in model.supported_voices}
        return by_name or not voice.strip() or voice.strip().casefold() in voices

    async def price(model: Model) -> Decimal | None:
        return estimate(model, 1000)

    return Wanted(
        output=("speech", "audio") if by_name else ("speech",),
        default="default_speech_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="1,000 characters",
        fits=has_voice,
        ability=f"the voice {voice}" if voice.strip() else "",
    )


async def perform(plan: SpeechPlan, purchase: Purchase, handle: Handle) -> ToolResult:
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
    files, seconds = await asyncio.to_thread(_made, partial(handle.save, plan.destination), sounds)
    receipt = await purchase.receipt(f"{plan.characters:,} characters")
    told = "".join(sound.transcript for sound in sounds).strip()
    notes = [*plan.notes, f"The model said: {told[:500]}" if told else ""]
    voice = f", voice {plan.voice}" if plan.voice else ""
    length = f"{seconds:.1f} s of sound" if seconds else "Sound"
    part = f" (the first {len(sounds)} of {len(plan.bodies)} pieces)" if failure else ""
    return replies.files(
        f"{length}{part} by {plan.model.id}{voice}:",
        files,
        receipt,
        notes=notes,
        error=failure if isinstance(failure, OpenRouterError) else None,
    )


async def _chatted(purchase: Purchase, body: Mapping[str, Any], most: Decimal | None) -> Sound:
    body, most = await purchase.bounded(body, most)
    async with purchase.request(most) as bill:
        media = await chat_media.receive(purchase, bill, body)
    if not media.audio:
        raise unreadable()
    kind = "audio/pcm" if body["audio"]["format"] == "pcm16" else "audio/*"
    return Sound(bytes(media.audio), kind, media.transcript)


def _made(save: Save, sounds: Sequence[Sound]) -> tuple[list[Made], float]:
    """The sound as one file, and how long it plays (0 = not known). Blocks.

    Pieces that cannot be joined after all become files of their own.
    """
    if len(sounds) == 1 and (known := media_type(sounds[0].data)) in PLAYABLE - {WAV}:
        return [Made(save(sounds[0].data, known.suffix), known.mime)], 0.0
    try:
        whole = pcm.joined([_samples(sound) for sound in sounds])
    except ValueError:
        return [_as_it_is(save, sound.data) for sound in sounds], 0.0
    return [Made(save(whole.wav(), WAV.suffix), WAV.mime)], whole.seconds


def _as_it_is(save: Save, data: bytes) -> Made:
    known = media_type(data)
    saved = save(data, known.suffix if known else ".bin")
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
