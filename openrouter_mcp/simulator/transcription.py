"""`POST /audio/transcriptions`: what a recording of this length might say."""

from __future__ import annotations

import base64
import binascii
import io
import wave
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator import providers
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_messages import Strict
from openrouter_mcp.simulator.generations import Json, record
from openrouter_mcp.simulator.inference import checked, model_of
from openrouter_mcp.simulator.replies import Refused, failure
from openrouter_mcp.simulator.speech import Provider

PRICE_PER_SECOND = Decimal("0.0001")
"""USD, whichever the model."""
UNKNOWN_SECONDS = 9.2


class InputAudio(Strict):
    """Raw base64 and its format."""

    data: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/=]+$")]
    format: Literal["wav", "mp3", "flac", "m4a", "ogg", "webm", "aac", "pcm"]


class TranscriptionRequest(Strict):
    """The documented fields, for a recording that is sent along."""

    model: str
    input_audio: InputAudio
    language: str | None = None
    temperature: float | None = None
    response_format: Literal["json", "verbose_json"] = "json"
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    diarize: bool | None = None
    keyterms: list[str] | None = None
    provider: Annotated[Provider | None, Field()] = None
    session_id: str | None = None
    trace: Json | None = None
    user: str | None = None


async def transcribe(call: Call) -> Response:
    """Answer with a sentence for each half of the recording."""
    request = checked(call, TranscriptionRequest)
    model = model_of(call, request.model, "transcription")
    if request.diarize and request.response_format != "verbose_json":
        raise refused("diarize requires response_format verbose_json")
    if request.diarize and model["id"] not in providers.DIARIZING:
        raise refused(f"{model['id']} does not support diarization")
    try:
        data = base64.b64decode(request.input_audio.data, validate=True)
    except binascii.Error as error:
        raise refused("input_audio.data is not base64") from error
    seconds = length(data)
    cost = Decimal(str(round(seconds, 3))) * PRICE_PER_SECOND
    known = record(call, model, "stt", cost)
    halves = [f"First of {seconds:.1f} seconds.", "Then the rest."]
    usage = {"seconds": seconds, "total_tokens": 20, "input_tokens": 10, "output_tokens": 10}
    reply: Json = {"text": " ".join(halves), "usage": usage | {"cost": float(cost)}}
    if request.response_format == "verbose_json":
        reply |= {"task": "transcribe", "language": request.language or "en", "duration": seconds}
        wanted = request.timestamp_granularities or ["segment"]
        if "segment" in wanted:
            reply["segments"] = segments(halves, seconds, diarize=bool(request.diarize))
        if "word" in wanted:
            reply["words"] = words(reply["text"].split(), seconds)
    return JSONResponse(reply, headers={"X-Generation-Id": known["id"]})


def refused(message: str) -> Refused:
    """The failure of a request that cannot be fulfilled."""
    return Refused(failure(400, message, error_type="invalid_request"))


def length(data: bytes) -> float:
    """Seconds that a WAV file plays; something for other formats."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            return file.getnframes() / file.getframerate()
    except (wave.Error, EOFError):
        return UNKNOWN_SECONDS


def segments(texts: list[str], seconds: float, *, diarize: bool) -> list[Json]:
    """A segment for each text, all of one length."""
    step = seconds / len(texts)
    return [
        {"id": index, "start": index * step, "end": (index + 1) * step, "text": f" {text}"}
        | ({"speaker": index} if diarize else {})
        for index, text in enumerate(texts)
    ]


def words(said: list[str], seconds: float) -> list[Json]:
    """Each word with its time."""
    step = seconds / len(said)
    return [
        {"word": word, "start": index * step, "end": (index + 1) * step}
        for index, word in enumerate(said)
    ]
