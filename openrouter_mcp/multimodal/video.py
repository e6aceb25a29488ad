"""Videos from words, frames and references. Source: `POST /videos`, `GET /videos/models`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from openrouter_mcp.api import fields
from openrouter_mcp.api.streamed_body import Encoded
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.errors import Code, OpenRouterError, clean
from openrouter_mcp.files import parts
from openrouter_mcp.files.destinations import Destination, destination
from openrouter_mcp.files.kinds import Name
from openrouter_mcp.files.parts import Part
from openrouter_mcp.models import choose, modalities
from openrouter_mcp.models.choose import Wanted
from openrouter_mcp.models.datasets import Market
from openrouter_mcp.models.model import Model
from openrouter_mcp.multimodal import video_request
from openrouter_mcp.multimodal.video_request import Ask
from openrouter_mcp.spending.purchase import Plan

if TYPE_CHECKING:
    from openrouter_mcp.app import App

TOOL = "generate_video"
PATH = "/videos"
SUFFIXES = (".mp4", ".webm", ".mov")
HIGHEST_PRICE = Decimal("0.5")
"""USD for a second of video, above which a model is not chosen unasked."""
STEM_WORDS = 6
REFERENCES: tuple[Name, ...] = ("image", "audio", "video")
INPUTS = "input_references"
NAME_ANOTHER = "Name a finished one with extend (get_job lists them)."
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
    detail = parts.take_detail(extra)
    _check_retention(app, extra)
    place = await asyncio.to_thread(_place, app, ask)
    rows = {str(row.get("id")): row for row in await Market(app.client, app.cache).video_models()}
    attached = await app.files.references(ask.references, REFERENCES, image_detail=detail)
    earlier, made_by = await _earlier(app, ask.extend.strip())
    named = ask.model or str(extra.pop("model", "")) or made_by
    found = await choose.choose(app, named, _wanted(ask, attached.parts, rows))
    body: dict[str, Any] = {**extra, "model": found.id, **ask.parameters()}
    if ask.prompt.strip():
        body["prompt"] = ask.prompt
    body |= {"previous_job_id": earlier} if earlier else {}
    shown = {**body, **ask.frames()}
    if ask.frames():
        body["frame_images"] = await _frames(app, ask, detail)
    if attached.parts:
        body[INPUTS] = [_reference(part) for part in attached.parts]
        shown["references"] = [parts.name(part) for part in attached.parts]
    most, notes = _priced(rows.get(found.id, {"id": found.id}), body, ask)
    return VideoPlan(
        tool=TOOL,
        model=found,
        path=PATH,
        request={name: value for name, value in shown.items() if name != "model"},
        most=most,
        subject=ask.prompt,
        notes=(*attached.notes, *notes),
        body=body,
        destination=place,
    )


def _priced(
    row: Mapping[str, Any], body: dict[str, Any], ask: Ask
) -> tuple[Decimal | None, list[str]]:
    """What the checked body can cost at most; the price lines where they cannot be read."""
    video_request.fit(row, body, list(ask.frames()))
    most = video_request.estimate(row, body)
    unread = [f"OpenRouter's price lines: {row.get('pricing_skus')}."]
    return most, unread if most is None else []


def _place(app: App, ask: Ask) -> Destination:
    stem = " ".join(ask.prompt.split()[:STEM_WORDS]) or "video"
    return destination(app.settings, ask.save_to, stem, *SUFFIXES)


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


def _wanted(ask: Ask, references: Sequence[Part], rows: Mapping[str, Mapping[str, Any]]) -> Wanted:
    inputs = modalities.of_parts(references) | ({"image"} if ask.frames() else set())
    asked = {**ask.parameters(), **({INPUTS: True} if inputs else {})}

    def takes(model: Model) -> bool:
        return inputs <= model.input_modalities

    def suits(model: Model) -> bool:
        row = rows.get(model.id, {})
        try:
            video_request.fit(row, dict(asked), list(ask.frames()))
        except OpenRouterError:
            return False
        return not video_request.is_upscaler(row)

    async def price(model: Model) -> Decimal | None:
        return video_request.estimate(rows.get(model.id, {}), {**asked, "duration": 1})

    return Wanted(
        output=("video",),
        default="default_video_gen_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="a second",
        fits=takes,
        ability=f"{' and '.join(sorted(inputs))} as input" if inputs else "",
        suits=suits,
    )


async def _frames(app: App, ask: Ask, detail: str) -> list[Part]:
    frames = []
    for name, source in ask.frames().items():
        attached = await app.files.references([source], ("image",), 1, detail)
        frames.append({**_reference(attached.parts[0]), "frame_type": name})
    return frames


def _reference(part: Part) -> Part:
    """The content part as `/videos` takes it, which knows addresses and data URLs only."""
    if part["type"] == "input_audio":
        sound: Encoded = part["input_audio"]["data"]
        mime = MIME.get(part["input_audio"]["format"], f"audio/{part['input_audio']['format']}")
        url = Encoded(sound.name, f"data:{mime};base64,", sound.size, sound.open)
        return {"type": "audio_url", "audio_url": {"url": url}}
    return {"type": part["type"], part["type"]: {"url": part[part["type"]]["url"]}}


async def _earlier(app: App, job: str) -> tuple[str, str]:
    """OpenRouter's id of a finished video, and the model that made it; empty if not known.

    `job` is that id or our job's. Raises `NOT_FOUND`, and `INVALID_INPUT` for one without a video.
    """
    upstream_id, made_by = job, ""
    if not job:
        return "", ""
    try:
        row = await app.jobs.find(job)
    except OpenRouterError:
        if job.startswith("job_"):
            raise
    else:
        if row.tool != TOOL or not row.upstream_id:
            raise _not_made(job)
        upstream_id, made_by = row.upstream_id, row.title
    try:
        status = await app.client.get(f"{PATH}/{quote(upstream_id, safe='')}")
    except OpenRouterError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        raise OpenRouterError(
            Code.NOT_FOUND, f"OpenRouter has no video {clean(job, 60)!r}. {NAME_ANOTHER}"
        ) from None
    if fields.text(status, "status") != "completed":
        raise _not_made(job)
    return upstream_id, made_by


def _not_made(job: str) -> OpenRouterError:
    return OpenRouterError(
        Code.INVALID_INPUT, f"{job} is no video that OpenRouter has finished. {NAME_ANOTHER}"
    )
