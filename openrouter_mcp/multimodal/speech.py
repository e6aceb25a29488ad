"""Speech from `/audio/speech`, and speech, music and sound from models that give it in a chat."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from fastmcp.tools import ToolResult

from openrouter_mcp.api import responses
from openrouter_mcp.api.client import MEDIA_READ_TIMEOUT
from openrouter_mcp.api.responses import perhaps_billed
from openrouter_mcp.app import App
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.completions.request import CHAT
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sound
from openrouter_mcp.files.kinds import HEAD, MP3, WAV, MediaType, is_text, media_type
from openrouter_mcp.files.save import Destination, destination, first_words
from openrouter_mcp.files.sound import PLAYABLE, Sound
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models import prices
from openrouter_mcp.models.choose import Requirements
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import parse_usd
from openrouter_mcp.multimodal import chat_media, replies
from openrouter_mcp.multimodal.plan import MediaPlan, limit_of
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.estimate import Bound
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.text import parse_json

if TYPE_CHECKING:
    import httpx2

PAUSES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"[.!?\u2026][\"'\u00bb\u201d)\]]*\s+|[\u3002\uff01\uff1f]"),
    re.compile(r"[,;:]\s+|[\u3001\uff0c\uff1b\uff1a]|\s[-\u2013\u2014]\s"),
    re.compile(r"\s+"),
)
"""Where a text may be divided, the best first: paragraphs, sentences, clauses, words."""
LEAST_FILLED = 0.3
"""The share of a piece that a good pause must leave, so that pieces do not become crumbs."""
FORMATS = {"mp3": MP3, "wav": WAV}
SAMPLES = "audio/pcm"
LONGEST_PIECE = 4000
"""Characters in one request; the common limit is 4,096."""
SHOWN_VOICES = 30
READ_ALOUD = "Read the user's text aloud, word for word. Say nothing else."
CHAT_VOICE = "alloy"
LARGEST_SOUND = 200_000_000
"""Bytes of one reply: more than an hour of samples."""
REPORT_EVERY = 250_000
PATH = "/audio/speech"
AT_ONCE = 3
TOKENS_PER_CHARACTER = 5
"""Tokens of sound for a character of text, on the high side: 0.1 s of 50 tokens a second."""
HIGHEST_PRICE = Decimal("0.035")
"""USD for a thousand characters, above which a model is not chosen unasked."""
PROVIDER = frozenset({"options", "zdr", "data_collection"})
"""The routing preferences that `/audio/speech` knows."""


def pieces(text: str, longest: int) -> list[str]:
    """The text divided into pieces of at most `longest` characters; nothing but space is lost."""
    rest = text.strip()
    found = []
    while len(rest) > longest:
        end = _end(rest, longest)
        found.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [*found, rest] if rest else found


def _end(text: str, longest: int) -> int:
    for pause in PAUSES:
        ends = [match.end() for match in pause.finditer(text, 0, longest)]
        if ends and ends[-1] >= LEAST_FILLED * longest:
            return ends[-1]
    return longest


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """What a caller wants to hear; what is empty does not matter."""

    text: str
    model: str = ""
    voice: str = ""
    format: str = ""
    instructions: str = ""
    save_to: str = ""
    max_cost: float = 0
    options: Mapping[str, Any]

    def completed(self, options: dict[str, Any]) -> SpeechRequest:
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


def speech_bodies(
    shared: Mapping[str, Any], request: SpeechRequest, voice: str, wanted: MediaType
) -> list[dict[str, Any]]:
    """One request for each piece; what is joined or wrapped afterwards comes as samples."""
    parts = pieces(request.text, LONGEST_PIECE)
    body = {**shared, "response_format": "mp3" if wanted is MP3 and len(parts) == 1 else "pcm"}
    if voice:
        body["voice"] = voice
    if request.instructions.strip():
        body["instructions"] = request.instructions.strip()
    return [{**body, "input": part} for part in parts]


def chat_body(
    shared: Mapping[str, Any],
    model: Model | None,
    request: SpeechRequest,
    voice: str,
    wanted: MediaType,
) -> dict[str, Any]:
    """A chat whose answer is sound. OpenAI's models stream samples only."""
    converses = model is not None and "audio" in model.input_modalities
    told = request.instructions.strip()
    if converses:
        told = f"{READ_ALOUD} Read it like this: {told}" if told else READ_ALOUD
    samples = wanted is WAV or str(shared["model"]).startswith("openai/")
    audio = {"format": "pcm16" if samples else wanted.format}
    messages = [{"role": "system", "content": told}] if told else []
    return {
        **shared,
        "messages": [*messages, {"role": "user", "content": request.text}],
        "modalities": ["text", "audio"],
        "audio": {**audio, "voice": voice} if voice else audio,
    }


async def fetch(purchase: Purchase, model: Resolution, bound: Bound) -> Sound:
    """Pay for one piece of sound. Raises `OpenRouterError`, also for an error in place of sound."""
    async with purchase.request(model, bound) as paid:
        paid.name_provider = True
        async with purchase.client.open(
            "post", PATH, paid.body, read_timeout=MEDIA_READ_TIMEOUT, report=purchase.report
        ) as response:
            await paid.on_headers(response.headers)
            kind = response.headers.get("content-type", "")
            data = await responses.translating_errors(lambda: _read(response, purchase, model.id))
            if paid.body.get("response_format") == "pcm" and not _is_pcm(kind):
                # Samples have no signature, and come under whatever name.
                kind = SAMPLES if media_type(data) is None and not is_text(data[:HEAD]) else kind
            if not _is_sound(data, kind):
                with suppress(ValueError):
                    paid.read(parse_json(data))
                if media_type(data) is None and data.lstrip()[:1] == b"{":
                    responses.parsed(data, response.headers)
                raise unreadable()
    return Sound(data, kind)


def _is_pcm(kind: str) -> bool:
    return kind.lower().startswith(("audio/pcm", "audio/l16"))


def _is_sound(data: bytes, kind: str) -> bool:
    """Whether it can be played, told from its bytes; of samples and rarer formats from `kind`."""
    if media_type(data) in PLAYABLE:
        return True
    if not kind.lower().startswith(("audio/", "application/octet-stream")):
        return False
    head = data.lstrip()[:1]
    if head == b"<":
        return b">" not in data[:1000]
    if head in (b"{", b"["):
        with suppress(ValueError):
            parse_json(data)
            return False
    return bool(head)


async def _read(response: httpx2.Response, purchase: Purchase, model: str) -> bytes:
    data, reported = bytearray(), 0
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > LARGEST_SOUND:
            raise OpenRouterError(
                Code.UPSTREAM_ERROR,
                f"The sound has more than {LARGEST_SOUND:,} bytes. Give a shorter text.",
            )
        if len(data) >= reported + REPORT_EVERY:
            reported = len(data)
            await purchase.report(f"{model}: {reported:,} bytes of sound")
    return bytes(data)


def unreadable() -> OpenRouterError:
    """The failure of a reply that is no sound."""
    return perhaps_billed(
        OpenRouterError(
            Code.UPSTREAM_ERROR,
            "The reply holds no sound that can be played. Call again, or choose another model.",
        )
    )


@dataclass(kw_only=True)
class SpeechPlan(MediaPlan):
    """The requests for the pieces of a text, ready to be sent."""

    bounds: Sequence[Bound]
    """One for each piece."""
    characters: int
    voice: str
    destination: Destination

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Pay for the sound and save it. Raises `OpenRouterError` where there is none.

        When a later piece fails, what comes before it is saved all the same.
        """
        await asyncio.to_thread(self.destination.prepare)
        slots = asyncio.Semaphore(AT_ONCE)
        send = fetch if self.path == PATH else _chatted

        async def piece(bound: Bound) -> Sound:
            async with slots:
                return await send(purchase, self.model, bound)

        outcomes = await asyncio.gather(*map(piece, self.bounds), return_exceptions=True)
        sounds: list[Sound] = []
        failure: BaseException | None = None
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                failure = outcome
                break
            sounds.append(outcome)
        if failure and not (sounds and isinstance(failure, OpenRouterError)):
            raise failure
        files, seconds = await asyncio.to_thread(
            sound.save_all, partial(handle.save, self.destination), sounds
        )
        receipt = await purchase.receipt(f"{self.characters:,} characters")
        told = "".join(each.transcript for each in sounds).strip()
        notes = [*self.notes, f"The model said: {told[:500]}" if told else ""]
        voice = f", voice {self.voice}" if self.voice else ""
        length = f"{seconds:.1f} s of sound" if seconds else "Sound"
        part = f" (the first {len(sounds)} of {len(self.bounds)} pieces)" if failure else ""
        return replies.files(
            f"{length}{part} by {self.model.id}{voice}:",
            files,
            receipt,
            notes=notes,
            error=failure if isinstance(failure, OpenRouterError) else None,
        )


async def plan_speech(app: App, request: SpeechRequest) -> SpeechPlan:
    """The requests for what is asked; nothing is sent.

    Raises `INVALID_INPUT` with the right voices for a wrong one, `UNSAFE_PATH`,
    `MODEL_NOT_FOUND`, `MODEL_UNAVAILABLE`.
    """
    if not request.text.strip():
        raise OpenRouterError(Code.INVALID_INPUT, "text is empty. Say what is to be heard.")
    extra = request_options.checked(request.options)
    request = request.completed(extra)
    stem = first_words(request.text)
    suffixes = [kind.suffix for kind in FORMATS.values()]
    place = await asyncio.to_thread(destination, app.settings, request.save_to, stem, *suffixes)
    wanted = media_format(request.format, place.suffix)
    if request.format.strip() and not place.suffix:
        place = replace(place, suffix=wanted.suffix)
    named = request.model or str(extra.pop("model", ""))
    found = await app.chooser.choose(named, _requirements(app, request.voice, named))
    row = found.model
    speaks = row is None or "speech" in row.output_modalities
    voice, notes = voice_of(row, request.voice, speaks=speaks)
    if speaks:
        bodies = speech_bodies(_shared(app, extra, found, speaks=True), request, voice, wanted)
        if wanted is MP3 and len(bodies) > 1:
            notes.append("The text is long: its pieces are joined as WAV.")
        costs = [piece_cost(row, body) for body in bodies]
        pairs = zip(bodies, costs, strict=True)
        bounds = [estimate.media_bound(PATH, body, cost) for body, cost in pairs]
    else:
        length, fallbacks, is_limited = await chat_media.taken_from(app, extra)
        shared = _shared(app, extra, found, speaks=False) | length
        bodies = [chat_body(shared, row, request, voice, wanted)]
        chat = chat_media.request_of(bodies[0], found, fallbacks, is_limited=is_limited)
        costs, bounds = [chat_media.most_of(chat)], [estimate.chat_bound(chat)]
    known = [cost for cost in costs if cost is not None]
    return SpeechPlan(
        tool="generate_audio",
        model=found,
        path=PATH if speaks else CHAT,
        request={**bodies[0], "requests": len(bodies)},
        most=sum(known, Decimal(0)) if len(known) == len(costs) else None,
        limit=limit_of(app, request.max_cost),
        subject=request.text,
        notes=tuple(notes),
        bounds=bounds,
        characters=len(request.text.strip()),
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


def _requirements(app: App, voice: str, named: str) -> Requirements:
    by_name = bool(named or app.settings.default_speech_model)

    def has_voice(model: Model) -> bool:
        voices = {each.casefold() for each in model.supported_voices}
        return by_name or not voice.strip() or voice.strip().casefold() in voices

    async def price(model: Model) -> Decimal | None:
        return speech_cost(model, 1000)

    return Requirements(
        output=("speech", "audio") if by_name else ("speech",),
        default="default_speech_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="1,000 characters",
        fits=has_voice,
        ability=f"the voice {voice}" if voice.strip() else "",
    )


async def _chatted(purchase: Purchase, model: Resolution, bound: Bound) -> Sound:
    async with purchase.request(model, bound) as paid:
        media = (await chat_media.receive(purchase, paid)).media
    data = await asyncio.to_thread(lambda: media.sound)
    if not data:
        raise unreadable()
    kind = "audio/pcm" if paid.body["audio"]["format"] == "pcm16" else "audio/*"
    return Sound(data, kind, media.transcript)


def piece_cost(model: Model | None, body: Mapping[str, Any]) -> Decimal | None:
    """USD that one request to `/audio/speech` can cost at most; None where no price is listed.

    What is spoken slowly is longer. Bytes count as characters: of some scripts, each is a token.
    """
    size = len(f"{body['input']}{body.get('instructions', '')}".encode("utf-8", "replace"))
    speed = parse_usd(body.get("speed", 1))
    most = speech_cost(model, size)
    if most is None or not speed:
        return None
    return most / min(speed, Decimal(1))


def speech_cost(model: Model | None, characters: int) -> Decimal | None:
    """USD that the sound of a text can cost at most; None where the catalogue lists no price."""
    if model and model.is_free:
        return Decimal(0)
    listed = prices.listed(model, "prompt", "completion", "audio_output")
    if listed is None:
        return None
    prompt, *made = listed
    return characters * (prompt + TOKENS_PER_CHARACTER * max(made)) or None
