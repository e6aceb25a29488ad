"""`POST /audio/speech`: tones as long as the text would take to read."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_media import RATE, SECONDS_PER_CHARACTER, silence, tone
from openrouter_mcp.simulator.chat_messages import Strict
from openrouter_mcp.simulator.generations import Json, record
from openrouter_mcp.simulator.inference import checked, model_of
from openrouter_mcp.simulator.replies import Refused, failure

LONGEST = 4096


class Provider(Strict):
    """The routing preferences that speech knows."""

    options: dict[str, Json] | None = None
    zdr: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None


class SpeechRequest(Strict):
    """The documented fields, for one speaker."""

    model: str
    input: Annotated[str, Field(min_length=1)]
    voice: str | None = None
    response_format: Literal["mp3", "pcm"] = "pcm"
    speed: float | None = None
    instructions: str | None = None
    input_references: list[Json] | None = None
    provider: Provider | None = None
    session_id: str | None = None
    trace: Json | None = None
    user: str | None = None


async def speak(call: Call) -> Response:
    """Answer a request for speech: bytes, and no word of what they cost."""
    request = checked(call, SpeechRequest)
    model = model_of(call, request.model, "speech")
    voices = model["supported_voices"] or []
    if voices and request.voice not in voices:
        message = f"Voice {request.voice} is not supported"
        raise Refused(failure(400, message, error_type="invalid_request"))
    if len(request.input) > LONGEST:
        message = f"Input must be at most {LONGEST} characters"
        raise Refused(failure(400, message, error_type="string_too_long"))
    cost = len(request.input) * Decimal(model["pricing"]["prompt"])
    known = record(call, model, "tts", cost)
    headers = {"X-Generation-Id": known["id"]}
    seconds = len(request.input) * SECONDS_PER_CHARACTER
    if request.response_format == "mp3":
        return Response(silence(seconds), headers=headers, media_type="audio/mpeg")
    return Response(tone(seconds), headers=headers, media_type=f"audio/pcm;rate={RATE};channels=1")
