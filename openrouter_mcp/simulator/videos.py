"""`POST /videos`, which takes an order; `GET /videos/{id}` and its content, once it is done."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_messages import Strict
from openrouter_mcp.simulator.generations import Json, record
from openrouter_mcp.simulator.inference import checked, model_of
from openrouter_mcp.simulator.media_discovery import VIDEO_PRICES
from openrouter_mcp.simulator.replies import Refused, failure

LONGEST = 8
# A red frame that plays for a second: ffmpeg -f lavfi -i color=red:s=16x16:r=1:d=1 -c:v mpeg4
PLAYABLE = (
    "eNp9Us1Kw0AQnqRWi1qsGKSHUCL0qKCix0qPPQh60YN4SbMbG5ptQnYbUBCKeNCD7+AjCKJP0INevfkGvkWd3aQkrbXD"
    "TmZ25tv5DQCYrrgOPR4wAB2kRN5n4cEeAJTciFKUJiO2ANBeobKE4n2zWD1ldx+1NYDCCguCGDE+izsEJqjwo1gDeTLS"
    "JlHT9ybMJR3PhYjsLuqXoqtyFv5Gk7nn55mZt5IyQJ0SwWXv1Ocie5HGVW+1L0Y8GxWLkenem4rPhuqy0yF+NPbEHqF5"
    "5Dneg5bdIz6VGO2WeT0XFSNmKmi+zDpJfCaJqJtrY7Uf+Vaiaw0u2j7q31xwksN84lLjf0Yhm65AC2VrjFg+tmPHYiG9"
    "Opi9iOpohN8TyglXAx8MBkcYeAHlrrWuTGU5heciWmoY8UVW9/a4kaTXLBg+PUAZ7nXDWUSIpssyQpuHaYGSjbaIkumn"
    "wWRiLtRmIMOp3ZnYsDNpz+Kg7yb1GZnNCXL4beRGnwi50UNGlZS0ld8ebjyyw9DPT6Lk4S/yC8C1aXk="
)
# What follows is in a box that players pass over.
HEADER = zlib.decompress(base64.b64decode(PLAYABLE)) + b"\0\0\0\0free"
PIECE = 2**16


class Url(Strict):
    """Where a medium is."""

    url: Annotated[str, Field(pattern=r"^(https?://|data:(image|audio|video)/[a-z0-9]+;base64,)")]


class FrameImage(Strict):
    """The first or the last frame."""

    type: Literal["image_url"]
    image_url: Url
    frame_type: Literal["first_frame", "last_frame"]


class ImageReference(Strict):
    """An image to go by."""

    type: Literal["image_url"]
    image_url: Url


class AudioReference(Strict):
    """Sound to go by."""

    type: Literal["audio_url"]
    audio_url: Url


class VideoReference(Strict):
    """A video to go by."""

    type: Literal["video_url"]
    video_url: Url


Reference = Annotated[ImageReference | AudioReference | VideoReference, Field(discriminator="type")]


class ProviderOptions(Strict):
    """What goes to a provider as it is."""

    options: dict[str, Json] | None = None


class VideoRequest(Strict):
    """The documented fields."""

    model: str
    prompt: str | None = None
    duration: int | None = None
    resolution: Literal["360p", "480p", "720p", "768p", "1080p", "1K", "2K", "4K"] | None = None
    aspect_ratio: (
        Literal["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21"] | None
    ) = None
    size: str | None = None
    frame_images: list[FrameImage] | None = None
    input_references: list[Reference] | None = None
    previous_job_id: str | None = None
    generate_audio: bool | None = None
    seed: int | None = None
    callback_url: str | None = None
    creativity: int | None = None
    upscale_factor: float | None = None
    provider: ProviderOptions | None = None
    session_id: str | None = None
    user: str | None = None
    trace: Json | None = None


async def order(call: Call) -> Response:
    """Take an order: its price is charged once it is done."""
    request = checked(call, VideoRequest)
    model = model_of(call, request.model, "video")
    simulator = call.simulator
    if request.previous_job_id and request.previous_job_id not in simulator.videos:
        raise Refused(failure(404, f"Video {request.previous_job_id} not found"))
    if simulator.balance <= 0:
        message = "Insufficient credits. Add more using https://openrouter.ai/credits"
        raise Refused(failure(402, message))
    id_ = simulator.generation_id("vid")
    row = "per-video-second-1080p" if request.resolution == "1080p" else "per-video-second"
    cost = Decimal(VIDEO_PRICES[model["id"]][row]) * (request.duration or LONGEST)
    simulator.videos[id_] = {"model": model, "cost": cost, "looks": 0, "reply": None}
    return JSONResponse(_status(id_, "pending"), 202)


async def status(call: Call) -> Response:
    """How far a video is; each look brings it one step on."""
    id_, video = _found(call)
    film = call.simulator.film
    video["looks"] += 1
    if video["looks"] <= film.looks:
        return JSONResponse(_status(id_, "pending" if video["looks"] == 1 else "in_progress"))
    if video["reply"] is None:
        video["reply"] = _status(id_, film.status) | _end(call, id_, video)
    return JSONResponse(video["reply"])


async def content(call: Call) -> Response:
    """The bytes of a finished video, or those that `Range` asks for."""
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
    return StreamingResponse(
        _pieces(id_, start, film.size),
        206 if start else 200,
        headers=headers,
        media_type="video/mp4",
    )


def digest(id_: str, size: int) -> str:
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
            piece = (HEADER + piece[len(HEADER) :])[: len(piece)]
        yield piece[max(0, start - offset) :]


def _found(call: Call) -> tuple[str, Json]:
    id_ = call.path_parameters["id"]
    if id_ not in call.simulator.videos:
        raise Refused(failure(404, "Video not found"))
    return id_, call.simulator.videos[id_]


def _status(id_: str, status_: str) -> Json:
    return {"id": id_, "polling_url": f"/api/v1/videos/{id_}", "status": status_}


def _end(call: Call, id_: str, video: Json) -> Json:
    film = call.simulator.film
    if film.status != "completed":
        return {"error": film.error} | ({"usage": {"cost": 0}} if film.usage else {})
    known = record(call, video["model"], "video", video["cost"])
    call.simulator.generations[id_] = call.simulator.generations.pop(known["id"])
    known["id"] = id_
    urls = [f"https://openrouter.ai/api/v1/videos/{id_}/content?index=0"]
    usage = {"cost": float(video["cost"]), "is_byok": False}
    return {"generation_id": id_, "unsigned_urls": urls, "usage": usage}
