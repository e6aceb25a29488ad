"""Videos from words, frames and references. Source: `POST /videos`, `GET /videos/models`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from fastmcp.tools import ToolResult

from openrouter_mcp.api import responses
from openrouter_mcp.api.request_body import Encoded
from openrouter_mcp.app import App
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import parts
from openrouter_mcp.files.kinds import KindName
from openrouter_mcp.files.parts import Part
from openrouter_mcp.files.save import Destination, destination, first_words
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models import choose
from openrouter_mcp.models.choose import Requirements
from openrouter_mcp.models.datasets import UPSCALER_PARAMETERS, is_said, is_upscaler
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.prices import video_lines
from openrouter_mcp.money import parse_usd
from openrouter_mcp.multimodal import video_job
from openrouter_mcp.multimodal.plan import MediaPlan, limit_of
from openrouter_mcp.multimodal.video_job import PATH, SUFFIXES, TOOL, Order
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.text import clean

FRAMES = ("first_frame", "last_frame")
LISTS = {
    "duration": "supported_durations",
    "resolution": "supported_resolutions",
    "aspect_ratio": "supported_aspect_ratios",
    "size": "supported_sizes",
}
"""Parameters with values of which a model lists those that it takes."""
RESOLUTION = re.compile(r"\d{3,4}p|[1248]k")
SILENT = re.compile(r"(?:no|without|non)[-_ ]?audio|silent|audio[-_ ](?:off|false)")
FROM_IMAGE = re.compile(r"image[-_ ]to[-_ ]video|reference|i2v")
FROM_TEXT = re.compile(r"text[-_ ]to[-_ ]video|t2v")
FLAT = re.compile(r"generate|(?:per[-_ ])?(?:video|generation|request)(?:$|[-_ ](?!token))")
HIGHEST_PRICE = Decimal("0.5")
"""USD for a second of video, above which a model is not chosen unasked."""
REFERENCES: tuple[KindName, ...] = ("image", "audio", "video")
INPUTS = "input_references"
NAME_ANOTHER = "Name a finished one with extend (get_job lists them)."
MIME = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4"}


@dataclass(frozen=True, kw_only=True)
class VideoRequest:
    """What a caller wants; empty and 0 mean that it does not matter."""

    prompt: str
    model: str = ""
    first_frame: str = ""
    last_frame: str = ""
    references: Sequence[str] = ()
    extend: str = ""
    duration: int = 0
    resolution: str = ""
    aspect_ratio: str = ""
    audio: bool = True
    seed: int = 0
    save_to: str = ""
    max_cost: float = 0
    options: Mapping[str, Any]

    def check(self) -> None:
        """Refuse what no model can do. Raises `INVALID_INPUT`."""
        if not (self.prompt.strip() or self.first_frame or self.references or self.extend):
            raise OpenRouterError(
                Code.INVALID_INPUT, "prompt is empty. Say what the video is to show."
            )
        if self.references and (self.first_frame or self.last_frame):
            raise OpenRouterError(
                Code.INVALID_INPUT,
                "OpenRouter ignores references where there is a first or last frame. Give one or "
                "the other.",
            )
        if "size" in self.options and (self.resolution or self.aspect_ratio):
            raise OpenRouterError(
                Code.INVALID_INPUT,
                "options.size says the same as resolution and aspect_ratio. Give one or the other.",
            )

    def frames(self) -> dict[str, str]:
        """The frames that were given, under OpenRouter's names."""
        return {name: getattr(self, name) for name in FRAMES if getattr(self, name).strip()}

    def parameters(self) -> dict[str, Any]:
        """The parameters that were asked for, under OpenRouter's names."""
        resolution = self.resolution.strip()
        asked = {
            "duration": self.duration,
            # 720p, but 4K.
            "resolution": resolution.upper() if resolution[-1:] in "kK" else resolution.lower(),
            "aspect_ratio": self.aspect_ratio.strip(),
            "seed": self.seed,
        }
        silent = {} if self.audio else {"generate_audio": False}
        return {name: value for name, value in asked.items() if value} | silent


def fit(row: Mapping[str, Any], body: dict[str, Any], frames: Sequence[str]) -> None:
    """Check a body against a row of `GET /videos/models`.

    Null and empty in it mean that it does not say.
    Raises `INVALID_INPUT` with the right values.
    """
    for name, field in LISTS.items():
        values = _listed(row, field)
        if name in body and is_said(values) and body[name] not in values:
            raise _wrong(row, name, body[name], values)
    known = _listed(row, "supported_frame_images")
    for frame in frames:
        if is_said(known) and frame not in known:
            raise _wrong(row, "frame", frame, known)
    if "seed" in body and row.get("seed") is False:
        raise _not_taken(row, "seed")
    for name in UPSCALER_PARAMETERS:
        if name in body and name in row and not is_said(row[name]):
            raise _not_taken(row, f"options.{name}")
    # A model without sound makes silent videos anyway.
    if row.get("generate_audio") is False:
        body.pop("generate_audio", None)


def _listed(row: Mapping[str, Any], field: str) -> list[Any]:
    values = row.get(field)
    return values if isinstance(values, list) else []


def _wrong(
    row: Mapping[str, Any], name: str, value: object, values: Sequence[object]
) -> OpenRouterError:
    right = [str(each) for each in values]
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{row.get('id')} takes no {name} {value}. It takes {', '.join(right)}. Correct that and "
        "call again.",
        suggestions=right,
    )


def _not_taken(row: Mapping[str, Any], name: str) -> OpenRouterError:
    return OpenRouterError(
        Code.INVALID_INPUT, f"{row.get('id')} takes no {name}. Leave it out and call again."
    )


def video_cost(row: Mapping[str, Any], body: Mapping[str, Any]) -> Decimal | None:
    """USD that this video can cost at most; None where its price lines cannot be read.

    What is not asked for counts at the dearest that the model may choose.
    """
    lines = row.get("pricing_skus")
    if not isinstance(lines, Mapping):
        return None
    resolution = str(body.get("resolution") or "").lower()
    fitting = {str(name).lower(): parse_usd(price) for name, price in lines.items()}
    fitting = {name: price for name, price in fitting.items() if _applies(name, body, resolution)}
    exact = {n: price for n, price in fitting.items() if resolution and resolution in n}
    prices = [_price(n, price, row, body) for n, price in (exact or fitting).items()]
    known = [price for price in prices if price is not None]
    return max(known) if known and len(known) == len(prices) else None


def _applies(name: str, body: Mapping[str, Any], resolution: str) -> bool:
    """Whether a price line may be the one of this video."""
    asked = RESOLUTION.findall(name)
    silent = body.get("generate_audio") is False
    has_image = bool(body.get("frame_images") or body.get("input_references"))
    return not (
        (asked and resolution and resolution not in asked)
        or (SILENT.search(name) and not silent)
        or ("audio" in name and not SILENT.search(name) and silent)
        or (FROM_TEXT.search(name) and has_image)
        or (FROM_IMAGE.search(name) and not has_image)
    )


def _price(
    name: str, price: Decimal | None, row: Mapping[str, Any], body: Mapping[str, Any]
) -> Decimal | None:
    if price is None or "token" in name or "pixel" in name:
        return None
    price = price / 100 if name.startswith("cents") else price
    if "second" in name:
        seconds = parse_usd(body["duration"]) if body.get("duration") else _longest(row)
        return price * seconds if seconds else None
    return price if FLAT.search(name) else None


def _longest(row: Mapping[str, Any]) -> Decimal | None:
    """Seconds of the longest video that a model makes; None where it does not tell."""
    listed = row.get("supported_durations")
    each = map(parse_usd, listed) if isinstance(listed, list) else ()
    return max((seconds for seconds in each if seconds), default=None)


@dataclass(kw_only=True)
class VideoPlan(MediaPlan):
    """A video, ready to be ordered."""

    app: App
    body: Mapping[str, Any]
    destination: Destination

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Order the video, wait for it and save it. Raises what `video_job.make` raises."""
        place = self.destination
        await asyncio.to_thread(place.prepare)
        order = Order(self.model.id, self.subject, str(place.directory), place.stem, place.suffix)
        bound = estimate.media_bound(PATH, self.body, self.most)
        return await video_job.make(self.app, order, self.model, bound, purchase, handle)


async def plan_video(app: App, request: VideoRequest) -> VideoPlan:
    """The request for what is asked; nothing is sent, but frames and references are read.

    Raises `INVALID_INPUT` with the right values for a wrong one, `MODEL_NOT_FOUND`,
    `MODEL_UNAVAILABLE`, `UNSAFE_PATH` and what `Files.references` raises.
    """
    request.check()
    extra = request_options.checked(request.options)
    detail = parts.take_detail(extra)
    _check_retention(app, extra)
    place = await asyncio.to_thread(_place, app, request)
    rows = {str(row.get("id")): row for row in await app.market.video_models()}
    attached = await app.files.references(request.references, REFERENCES, image_detail=detail)
    earlier, made_by = await _earlier(app, request.extend.strip())
    named = request.model or str(extra.pop("model", "")) or made_by
    found = await app.chooser.choose(named, _requirements(request, attached.parts, rows))
    body: dict[str, Any] = {**extra, "model": found.id, **request.parameters()}
    if request.prompt.strip():
        body["prompt"] = request.prompt
    body |= {"previous_job_id": earlier} if earlier else {}
    shown = {**body, **request.frames()}
    if request.frames():
        body["frame_images"] = await _frames(app, request, detail)
    if attached.parts:
        body[INPUTS] = [_reference(part) for part in attached.parts]
        shown["references"] = [parts.name(part) for part in attached.parts]
    most, notes = _priced(rows.get(found.id, {"id": found.id}), body, request)
    return VideoPlan(
        app=app,
        tool=TOOL,
        model=found,
        path=PATH,
        request={name: value for name, value in shown.items() if name != "model"},
        most=most,
        limit=limit_of(app, request.max_cost),
        subject=request.prompt,
        notes=(*attached.notes, *notes),
        body=body,
        destination=place,
    )


def _priced(
    row: Mapping[str, Any], body: dict[str, Any], request: VideoRequest
) -> tuple[Decimal | None, list[str]]:
    """What the checked body can cost at most; the price lines where they cannot be read."""
    fit(row, body, list(request.frames()))
    most = video_cost(row, body)
    lines = ", ".join(f"{name} ${price:f}" for name, price in video_lines(row).items())
    unread = [f"OpenRouter's price lines: {clean(lines)}."] if lines else []
    return most, unread if most is None else []


def _place(app: App, request: VideoRequest) -> Destination:
    stem = first_words(request.prompt) or "video"
    return destination(app.settings, request.save_to, stem, *SUFFIXES)


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


def _requirements(
    request: VideoRequest, references: Sequence[Part], rows: Mapping[str, Mapping[str, Any]]
) -> Requirements:
    inputs = choose.of_parts(references) | ({"image"} if request.frames() else set())
    asked = {**request.parameters(), **({INPUTS: True} if inputs else {})}

    def takes(model: Model) -> bool:
        return inputs <= model.input_modalities

    def suits(model: Model) -> bool:
        row = rows.get(model.id, {})
        try:
            fit(row, dict(asked), list(request.frames()))
        except OpenRouterError:
            return False
        return not is_upscaler(row)

    async def price(model: Model) -> Decimal | None:
        return video_cost(rows.get(model.id, {}), {**asked, "duration": 1})

    return Requirements(
        output=("video",),
        default="default_video_gen_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="a second",
        fits=takes,
        ability=f"{' and '.join(sorted(inputs))} as input" if inputs else "",
        suits=suits,
    )


async def _frames(app: App, request: VideoRequest, detail: str) -> list[Part]:
    frames = []
    for name, source in request.frames().items():
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
    if responses.text(status, "status") != "completed":
        raise _not_made(job)
    return upstream_id, made_by


def _not_made(job: str) -> OpenRouterError:
    return OpenRouterError(
        Code.INVALID_INPUT, f"{job} is no video that OpenRouter has finished. {NAME_ANOTHER}"
    )
