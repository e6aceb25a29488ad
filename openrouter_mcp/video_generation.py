"""Videos from words, frames and references. Source: `POST /videos`, `GET /videos/models`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from openrouter_mcp import media_parts, selection, video_request
from openrouter_mcp import options as request_options
from openrouter_mcp.destinations import Destination, destination
from openrouter_mcp.encoded import Encoded
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.market import Market
from openrouter_mcp.media_kinds import Name
from openrouter_mcp.media_parts import Part
from openrouter_mcp.model import Model
from openrouter_mcp.names import Resolution
from openrouter_mcp.purchase import Plan
from openrouter_mcp.selection import Wanted, any_model
from openrouter_mcp.video_request import FRAMES, Ask

if TYPE_CHECKING:
    from openrouter_mcp.app import App

TOOL = "generate_video"
PATH = "/videos"
SUFFIXES = (".mp4", ".webm", ".mov")
HIGHEST_PRICE = Decimal("0.5")
"""USD for a second of video, above which a model is not chosen unasked."""
STEM_WORDS = 6
REFERENCES: tuple[Name, ...] = ("image", "audio", "video")
MIME = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4"}


@dataclass(frozen=True, kw_only=True)
class VideoPlan(Plan):
    """A video, ready to be ordered."""

    body: Mapping[str, Any]
    destination: Destination


async def plan(app: App, ask: Ask) -> VideoPlan:
    """The request for what is asked; nothing is sent, but frames and references are read.

    Raises `INVALID_INPUT` with the right values for a wrong one, `MODEL_NOT_FOUND`,
    `MODEL_UNAVAILABLE`, `UNSAFE_PATH` and what `Files.references` raises.
    """
    ask.check()
    extra = request_options.checked(ask.options)
    detail = media_parts.take_detail(extra)
    _check_retention(app, extra)
    stem = " ".join(ask.prompt.split()[:STEM_WORDS]) or "video"
    place = await asyncio.to_thread(destination, app.settings, ask.save_to, stem, *SUFFIXES)
    rows = {str(row.get("id")): row for row in await Market(app.client, app.cache).video_models()}
    found = await _model(app, ask, str(extra.pop("model", "")), rows)
    body: dict[str, Any] = {**extra, "model": found.id, **ask.parameters()}
    if ask.prompt.strip():
        body["prompt"] = ask.prompt
    frames = {name: getattr(ask, name) for name in FRAMES if getattr(ask, name).strip()}
    shown = {**body, **frames}
    if frames:
        body["frame_images"] = [await _frame(app, name, frames[name], detail) for name in frames]
    attached = await app.files.references(ask.references, REFERENCES, image_detail=detail)
    if attached.parts:
        body["input_references"] = [_reference(part) for part in attached.parts]
        shown["references"] = [media_parts.name(part) for part in attached.parts]
    if ask.extend.strip():
        body["previous_job_id"] = shown["extend"] = await _earlier(app, ask.extend.strip())
    row = rows.get(found.id, {"id": found.id})
    video_request.fit(row, body, list(frames))
    most = video_request.estimate(row, body)
    if most is None:
        attached.notes.append(f"OpenRouter's price lines: {row.get('pricing_skus')}.")
    return VideoPlan(
        tool=TOOL,
        model=found,
        path=PATH,
        request={name: value for name, value in shown.items() if name != "model"},
        most=most,
        subject=ask.prompt,
        notes=tuple(attached.notes),
        body=body,
        destination=place,
    )


def _check_retention(app: App, options: Mapping[str, Any]) -> None:
    """Videos lie at OpenRouter until they are fetched: not where nothing may be retained."""
    provider = options.get("provider") or {}
    if not isinstance(provider, Mapping) or set(provider) - {"options"}:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            'options.provider takes only options for videos, as {"options": {"google-vertex": '
            "{...}}}. Correct that and call again.",
        )
    if app.settings.provider_zdr:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "OpenRouter makes no videos with zero data retention, which OPENROUTER_PROVIDER_ZDR "
            "asks for. Unset it to make videos.",
        )


async def _model(
    app: App, ask: Ask, named: str, rows: Mapping[str, Mapping[str, Any]]
) -> Resolution:
    def takes_images(model: Model) -> bool:
        return "image" in model.input_modalities

    async def price(model: Model) -> Decimal | None:
        row = rows.get(model.id, {})
        # What only enlarges videos is never chosen unasked.
        enlarges = video_request.is_upscaler(row)
        return Decimal("Infinity") if enlarges else video_request.estimate(row, {"duration": 1})

    has_images = bool(ask.first_frame or ask.last_frame or ask.references)
    wanted = Wanted(
        output=("video",),
        default="default_video_gen_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="a second",
        fits=takes_images if has_images else any_model,
        ability="images as input" if has_images else "",
    )
    return await selection.choose(app, ask.model or named, wanted)


async def _frame(app: App, name: str, source: str, detail: str) -> Part:
    attached = await app.files.references([source], ("image",), 1, detail)
    return {**_reference(attached.parts[0]), "frame_type": name}


def _reference(part: Part) -> Part:
    """The content part as `/videos` takes it, which knows addresses and data URLs only."""
    if part["type"] == "input_audio":
        sound: Encoded = part["input_audio"]["data"]
        mime = MIME.get(part["input_audio"]["format"], f"audio/{part['input_audio']['format']}")
        url = Encoded(sound.name, f"data:{mime};base64,", sound.size, sound.open)
        return {"type": "audio_url", "audio_url": {"url": url}}
    return {"type": part["type"], part["type"]: {"url": part[part["type"]]["url"]}}


async def _earlier(app: App, job: str) -> str:
    """OpenRouter's id of an earlier video, given by that or by our job's."""
    if not job.startswith("job_"):
        return job
    row = await app.jobs.find(job)
    if row.tool != TOOL or not row.upstream_id:
        raise OpenRouterError(
            Code.INVALID_INPUT, f"{job} is no video that OpenRouter made. Name another job."
        )
    return row.upstream_id
