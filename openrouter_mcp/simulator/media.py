"""Paid requests for media: images, speech, transcripts, videos, and chats that draw or speak."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import math
import re
import struct
import wave
import zlib
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from openrouter_mcp.simulator import billing
from openrouter_mcp.simulator.account import billed, record
from openrouter_mcp.simulator.answers import last_user_text, tokens
from openrouter_mcp.simulator.catalogue import DATA, FILES
from openrouter_mcp.simulator.faults import (
    KEEP_ALIVE,
    Refused,
    bad_request,
    event,
    failure,
    refused,
)
from openrouter_mcp.simulator.models import IMAGE_PARAMETERS, IMAGE_PRICES, VIDEO_PRICES
from openrouter_mcp.simulator.routing import model_of
from openrouter_mcp.simulator.state import Call

Json = dict[str, Any]

COMMON = " provider session_id trace user"
"""Optional fields of every request here."""
SIDES = {"512": 512, "768": 768, "1K": 1024, "1.5K": 1536, "2K": 2048, "4K": 4096}
MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "svg": "image/svg+xml"}
IMAGE_TOKENS = 4175
CHECKED = ("resolution", "aspect_ratio", "n", "seed", "quality", "output_format", "background")
CHAT_TOKEN_PRICE = Decimal("0.00003")
"""USD for a token of an image or of sound in a chat, where the row names none."""
UNBOUNDED = 65_536
"""Tokens that a greedy model makes where nothing limits it."""
RATE = 24_000
"""Samples of sound per second, 16 bits, one channel."""
PIECES = 4
# MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono: 417 bytes of silence, 26 ms.
FRAME = b"\xff\xfb\x90\xc4" + bytes(413)
FRAME_SECONDS = 1152 / 44_100
SECONDS_PER_CHARACTER = 0.06
LONGEST_SPEECH = 4096
PRICE_PER_SECOND = Decimal("0.0001")
"""USD for a second of a transcribed recording, whichever the model."""
UNKNOWN_SECONDS = 9.2
LONGEST_VIDEO = 8
VIDEO = FILES.joinpath("video.mp4").read_bytes()
"""A red frame that plays for a second, then the head of a box that players pass over."""
PIECE = 2**16


# Images.


async def draw(call: Call) -> Response:
    """`POST /images`: real images, as plain as can be."""
    optional = "n resolution aspect_ratio size quality output_format output_compression background"
    request = call.fields("model prompt", optional + " seed input_references stream" + COMMON)
    model = model_of(call, request["model"], "image")
    refuse_drawing(request)
    prices = {line["variant"]: line["cost_usd"] for line in IMAGE_PRICES}
    price = prices.get(request.get("resolution", "1K").lower(), max(prices.values()))
    count = request.get("n", 1)
    known = record(call, model, "image", count * Decimal(str(price)))
    kind = request.get("output_format", "jpeg")
    data = [
        {"b64_json": base64.b64encode(image(request, kind, number)).decode()}
        | {"media_type": MIME[kind]}
        for number in range(count)
    ]
    usage = {
        "prompt_tokens": 0,
        "completion_tokens": IMAGE_TOKENS,
        "total_tokens": IMAGE_TOKENS,
        **billed(known),
    }
    reply = {"created": int(call.simulator.clock()), "data": data, "usage": usage}
    return JSONResponse(reply, headers={"X-Generation-Id": known["id"]})


def refuse_drawing(request: Json) -> None:
    """What the endpoints do not take is an error. Raises `Refused`."""
    for name in CHECKED:
        value = request.get(name)
        if value is None or (name == "n" and value == 1):
            continue
        taken = IMAGE_PARAMETERS.get(name)
        if taken is None or (
            value not in taken.get("values", [value])
            or (taken["type"] == "range" and not taken["min"] <= value <= taken["max"])
        ):
            raise bad_request(f"{name} {value} is not supported by this model")
    if request.get("background") == "transparent" and request.get("output_format") == "jpeg":
        raise bad_request("background transparent requires png or webp")
    if "size" in request and ("resolution" in request or "aspect_ratio" in request):
        raise bad_request("size contradicts resolution or aspect_ratio")


def image(request: Json, kind: str, number: int) -> bytes:
    """A coloured rectangle; the colour follows from the prompt, the seed and the number."""
    colour = colour_of(f"{request['prompt']}{request.get('seed')}{number}")
    width = SIDES[request.get("resolution", "1K")]
    height = int(width * proportion(request.get("aspect_ratio", "1:1")))
    if kind == "svg":
        shape = f'<rect width="{width}" height="{height}" fill="#{colour:06x}"/>'
        return f'<svg xmlns="http://www.w3.org/2000/svg">{shape}</svg>'.encode()
    transparent = request.get("background") == "transparent"
    return rectangle(width, height, colour, kind, transparent=transparent)


def colour_of(text: str) -> int:
    """A colour (0xRRGGBB) that follows from the text."""
    return zlib.crc32(text.encode()) & 0xFFFFFF


def proportion(aspect_ratio: str) -> float:
    """The height by the width."""
    across, _, down = aspect_ratio.partition(":")
    return float(down) / float(across)


def rectangle(
    width: int, height: int, colour: int, kind: str, *, transparent: bool = False
) -> bytes:
    """An image of one colour (0xRRGGBB), half transparent if asked for."""
    from PIL import Image

    channels = (colour >> 16, colour >> 8 & 0xFF, colour & 0xFF)
    filled = channels + ((128,) if transparent else ())
    drawn = Image.new("RGBA" if transparent else "RGB", (width, height), filled)
    buffer = io.BytesIO()
    drawn.save(buffer, kind)
    return buffer.getvalue()


# Sound.


async def speak(call: Call) -> Response:
    """`POST /audio/speech`: tones as long as the reading takes, and no word of what they cost."""
    optional = "voice response_format speed instructions input_references"
    request = call.fields("model input", optional + COMMON)
    model = model_of(call, request["model"], "speech")
    text, voices = request["input"], model["supported_voices"] or []
    if voices and request.get("voice") not in voices:
        raise bad_request(f"Voice {request.get('voice')} is not supported")
    if len(text) > LONGEST_SPEECH:
        message = f"Input must be at most {LONGEST_SPEECH} characters"
        raise Refused(failure(400, message, error_type="string_too_long"))
    known = record(call, model, "tts", len(text) * Decimal(model["pricing"]["prompt"]))
    headers = {"X-Generation-Id": known["id"]}
    seconds = len(text) * SECONDS_PER_CHARACTER
    if request.get("response_format") == "mp3":
        return Response(silence(seconds), headers=headers, media_type="audio/mpeg")
    return Response(tone(seconds), headers=headers, media_type=f"audio/pcm;rate={RATE};channels=1")


def tone(seconds: float) -> bytes:
    """Samples of a quiet 440 Hz tone."""
    wave_ = [int(3000 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(RATE)]
    count = max(1, round(seconds * RATE))
    second = struct.pack(f"<{RATE}h", *wave_)
    return (second * (count // RATE + 1))[: 2 * count]


def silence(seconds: float) -> bytes:
    """Nothing to hear, as MP3."""
    return FRAME * (int(seconds / FRAME_SECONDS) + 1)


async def transcribe(call: Call) -> Response:
    """`POST /audio/transcriptions`: a sentence for each half of the recording."""
    optional = "language temperature response_format timestamp_granularities diarize keyterms"
    request = call.fields("model input_audio", optional + COMMON)
    model = model_of(call, request["model"], "transcription")
    detailed = request.get("response_format") == "verbose_json"
    speakers = request.get("diarize", False)
    if speakers and not detailed:
        raise bad_request("diarize requires response_format verbose_json")
    if speakers and model["id"] not in DATA["diarizing"]:
        raise bad_request(f"{model['id']} does not support diarization")
    try:
        data = base64.b64decode(request["input_audio"]["data"], validate=True)
    except binascii.Error as error:
        raise bad_request("input_audio.data is not base64") from error
    seconds = length(data)
    cost = Decimal(str(round(seconds, 3))) * PRICE_PER_SECOND
    known = record(call, model, "stt", cost)
    halves = [f"First of {seconds:.1f} seconds.", "Then the rest."]
    usage = {"seconds": seconds, "total_tokens": 20, "input_tokens": 10, "output_tokens": 10}
    reply: Json = {"text": " ".join(halves), "usage": usage | {"cost": known["total_cost"]}}
    if detailed:
        language = request.get("language", "en")
        reply |= {"task": "transcribe", "language": language, "duration": seconds}
        wanted = request.get("timestamp_granularities", ["segment"])
        if "segment" in wanted:
            reply["segments"] = segments(halves, seconds, speakers=speakers)
        if "word" in wanted:
            reply["words"] = timed_words(reply["text"].split(), seconds)
    return JSONResponse(reply, headers={"X-Generation-Id": known["id"]})


def length(data: bytes) -> float:
    """Seconds that a WAV file plays; something for other formats."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            return file.getnframes() / file.getframerate()
    except (wave.Error, EOFError):
        return UNKNOWN_SECONDS


def segments(texts: list[str], seconds: float, *, speakers: bool) -> list[Json]:
    """A segment for each text, all of one length."""
    step = seconds / len(texts)
    return [
        {"id": index, "start": index * step, "end": (index + 1) * step, "text": f" {text}"}
        | ({"speaker": index} if speakers else {})
        for index, text in enumerate(texts)
    ]


def timed_words(said: list[str], seconds: float) -> list[Json]:
    """Each word with its time."""
    step = seconds / len(said)
    return [
        {"word": word, "start": index * step, "end": (index + 1) * step}
        for index, word in enumerate(said)
    ]


# Chats that are answered with images or sound.


def chat(call: Call, request: Json) -> Response:
    """Answer with what the first wanted kind is. Sound is streamed or refused."""
    kind = "audio" if "audio" in request["modalities"] else "image"
    greedy, names = call.simulator.greedy, [request.get("model", ""), *request.get("models", [])]
    model = model_of(call, names[-1 if greedy else 0], kind)
    prompt = last_user_text(request["messages"])
    if kind == "audio":
        refuse_speaking(request, model)
        parts = sound(prompt, request["audio"]["format"])
        count = tokens(prompt) * 10
    else:
        parts = [picture(prompt, request)]
        count = IMAGE_TOKENS
    rate = model["pricing"].get(f"{kind}_output")
    if greedy:
        count = max(count, request.get("max_completion_tokens") or UNBOUNDED)
    used = billing.work_of(request, model, greedy=greedy, suffix_searches=False)
    cost = used.copies * count * (Decimal(rate) if rate else CHAT_TOKEN_PRICE) + used.fees
    known = record(call, model, "completions", cost)
    usage = {
        "prompt_tokens": tokens(prompt),
        "completion_tokens": count,
        "total_tokens": tokens(prompt) + count,
        **billed(known),
    }
    head = {"id": known["id"], "created": int(call.simulator.clock()), "model": model["id"]}
    head |= {"provider": known["provider_name"]}
    headers = {"X-Generation-Id": known["id"]}
    if request.get("stream"):
        body = stream(head, parts, usage)
        return StreamingResponse(body, headers=headers, media_type="text/event-stream")
    message = {"role": "assistant", "content": "", **parts[0]}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    reply = {"object": "chat.completion", "system_fingerprint": None, "choices": [choice]}
    return JSONResponse(head | reply | {"usage": usage}, headers=headers)


def refuse_speaking(request: Json, model: Json) -> None:
    """Sound needs a stream and a format. Raises `Refused`."""
    kind = request.get("audio", {}).get("format")
    if not request.get("stream"):
        raise bad_request("Audio output requires stream: true")
    if kind not in {"wav", "mp3", "flac", "opus", "pcm16"}:
        raise bad_request("audio.format is required")
    if model["id"].startswith("openai/") and kind != "pcm16":
        raise bad_request("audio.format must be pcm16 when stream is true")


def picture(prompt: str, request: Json) -> Json:
    """An image as the part of a message."""
    ratio = proportion(request.get("image_config", {}).get("aspect_ratio", "1:1"))
    colour = colour_of(f"{prompt}{request.get('seed')}")
    data = base64.b64encode(rectangle(512, int(512 * ratio), colour, "png"))
    return {"images": [{"image_url": {"url": f"data:image/png;base64,{data.decode()}"}}]}


def sound(prompt: str, kind: str) -> list[Json]:
    """A tone (silence as MP3) as the parts of a message, each of whole samples."""
    make = silence if kind == "mp3" else tone
    data = make(len(prompt) * SECONDS_PER_CHARACTER)
    size = max(2, len(data) // PIECES // 2 * 2)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    parts = [
        {"audio": {"id": "audio_1", "data": base64.b64encode(piece).decode()}} for piece in pieces
    ]
    return [*parts, {"audio": {"id": "audio_1", "transcript": prompt}}]


async def stream(head: Json, parts: list[Json], usage: Json) -> AsyncIterator[bytes]:
    """The parts as events, then usage and `[DONE]`."""
    yield KEEP_ALIVE
    head = head | {"object": "chat.completion.chunk"}

    def chunk(delta: Json, reason: str | None) -> bytes:
        choice: Json = {"index": 0, "delta": delta, "finish_reason": reason}
        return event(head | {"choices": [choice]})

    for part in parts:
        yield chunk({"role": "assistant", "content": "", **part}, None)
        await asyncio.sleep(0)
    yield chunk({"content": ""}, "stop")
    yield event(head | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


# Videos: ordered, looked at until they are done, downloaded.


async def order_video(call: Call) -> Response:
    """`POST /videos`: take an order; its price is charged once it is done."""
    optional = "prompt duration resolution aspect_ratio size frame_images input_references seed"
    optional += " previous_job_id generate_audio callback_url creativity upscale_factor"
    request = call.fields("model", optional + COMMON)
    model = model_of(call, request["model"], "video")
    simulator = call.simulator
    earlier = request.get("previous_job_id")
    if earlier and earlier not in simulator.videos:
        raise Refused(failure(404, f"Video {earlier} not found"))
    if simulator.balance <= 0:
        raise refused("insufficient_credits")
    id_ = simulator.generation_id("vid")
    full = request.get("resolution") == "1080p"
    price = VIDEO_PRICES[model["id"]]["per-video-second-1080p" if full else "per-video-second"]
    cost = Decimal(price) * request.get("duration", LONGEST_VIDEO)
    simulator.videos[id_] = {"model": model, "cost": cost, "looks": 0, "reply": None}
    return JSONResponse(_status(id_, "pending"), 202)


async def video_status(call: Call) -> Response:
    """`GET /videos/{id}`: how far a video is; each look brings it one step on."""
    id_, video = _found(call)
    film = call.simulator.film
    video["looks"] += 1
    if video["looks"] <= film.looks:
        return JSONResponse(_status(id_, "pending" if video["looks"] == 1 else "in_progress"))
    if video["reply"] is None:
        video["reply"] = _status(id_, film.status) | _end(call, id_, video)
    return JSONResponse(video["reply"])


async def video_content(call: Call) -> Response:
    """`GET /videos/{id}/content`: a finished video's bytes, or those that `Range` asks for."""
    id_, video = _found(call)
    film = call.simulator.film
    if video["reply"] is None or video["reply"]["status"] != "completed":
        raise Refused(failure(404, "Video not ready"))
    if film.content is not None:
        return Response(film.content, media_type="video/mp4")
    start, part = 0, re.fullmatch(r"bytes=(\d+)-", call.headers.get("range", ""))
    headers = {"Content-Length": str(film.size)}
    if part and film.ranges:
        start = int(part[1])
        headers = {
            "Content-Length": str(film.size - start),
            "Content-Range": f"bytes {start}-{film.size - 1}/{film.size}",
        }
    pieces = _pieces(id_, start, film.size)
    status = 206 if start else 200
    return StreamingResponse(pieces, status, headers=headers, media_type="video/mp4")


def video_digest(id_: str, size: int) -> str:
    """The SHA-256 of what a video's download must be."""
    whole = hashlib.sha256()
    for piece in _pieces(id_, 0, size):
        whole.update(piece)
    return whole.hexdigest()


def _pieces(id_: str, start: int, size: int) -> Iterator[bytes]:
    """The video from an offset on: one that plays, then noise that differs from video to video."""
    noise = hashlib.sha256(id_.encode()).digest() * (PIECE // 32)
    for offset in range(start - start % PIECE, size, PIECE):
        piece = noise[: size - offset]
        if offset == 0:
            piece = (VIDEO + piece[len(VIDEO) :])[: len(piece)]
        yield piece[max(0, start - offset) :]


def _found(call: Call) -> tuple[str, Json]:
    id_ = call.path_parameters["id"]
    if id_ not in call.simulator.videos:
        raise Refused(failure(404, "Video not found"))
    return id_, call.simulator.videos[id_]


def _status(id_: str, status: str) -> Json:
    return {"id": id_, "polling_url": f"/api/v1/videos/{id_}", "status": status}


def _end(call: Call, id_: str, video: Json) -> Json:
    film = call.simulator.film
    if film.status != "completed":
        return {"error": film.error} | ({"usage": {"cost": 0}} if film.usage else {})
    known = record(call, video["model"], "video", video["cost"])
    call.simulator.generations[id_] = call.simulator.generations.pop(known["id"])
    known["id"] = id_
    urls = [f"https://openrouter.ai/api/v1/videos/{id_}/content?index=0"]
    usage = {"cost": known["total_cost"], "is_byok": known["is_byok"]}
    return {"generation_id": id_, "unsigned_urls": urls, "usage": usage}
