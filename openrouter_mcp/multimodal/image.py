"""Images from words and other images: on `/images`, or in a chat for models that only do that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp.api import responses
from openrouter_mcp.api.client import MEDIA_READ_TIMEOUT
from openrouter_mcp.app import App
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.completions.request import CHAT
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import images, parts, received
from openrouter_mcp.files.parts import Part
from openrouter_mcp.files.save import Destination, destination, first_words
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models.choose import Requirements, any_model
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.multimodal import chat_media, image_parameters, replies
from openrouter_mcp.multimodal.plan import MediaPlan, limit_of
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.estimate import Bound
from openrouter_mcp.spending.paid_request import Purchase

PATH = "/images"
HIGHEST_PRICE = Decimal("0.15")
"""USD for one image, above which a model is not chosen unasked."""
SUFFIXES = {".png": "png", ".jpg": "jpeg", ".webp": "webp", ".svg": "svg"}
MOST_REFERENCES = 16
MOST_IMAGES = 10
NAMES = (
    *("aspect_ratio", "resolution", "quality", "output_format", "output_compression"),
    *("background", "seed"),
)
"""The parameters that endpoints say whether they take."""
ROUTING = frozenset({"only", "order", "ignore", "sort", "allow_fallbacks", "options"})
"""The routing preferences that `/images` knows."""


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """What a caller wants; empty and 0 mean that it does not matter."""

    prompt: str
    model: str = ""
    references: Sequence[str] = ()
    aspect_ratio: str = ""
    resolution: str = ""
    quality: str = ""
    n: int = 1
    format: str = ""
    background: str = ""
    seed: int = 0
    save_to: str = ""
    max_cost: float = 0
    options: Mapping[str, Any]

    def parameters(self) -> dict[str, Any]:
        """The parameters that were asked for, under OpenRouter's names. Raises `INVALID_INPUT`."""
        kind = self.format.strip().lower().removeprefix(".")
        kind = {"jpg": "jpeg"}.get(kind, kind)
        background = self.background.strip().lower()
        if background == "transparent" and kind not in {"", "png", "webp"}:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"A transparent background needs the format png or webp, not {kind}.",
            )
        asked = {
            "aspect_ratio": self.aspect_ratio.strip(),
            "resolution": self.resolution.strip().upper(),
            "quality": self.quality.strip().lower(),
            "output_format": kind,
            "background": background,
            "seed": self.seed,
        }
        return {name: value for name, value in asked.items() if value}


def count(n: int, options: dict[str, Any]) -> int:
    """How many images are wanted; taken out of the options too. Raises `INVALID_INPUT`."""
    wanted = options.pop("n", n)
    if n > 1:
        return n
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= MOST_IMAGES:
        raise OpenRouterError(
            Code.INVALID_INPUT, f"options.n takes 1 to {MOST_IMAGES}. Give n beside the prompt."
        )
    return wanted


def check(request: ImageRequest) -> None:
    """Refuse what no model can do. Raises `INVALID_INPUT`."""
    if not request.prompt.strip():
        raise OpenRouterError(Code.INVALID_INPUT, "prompt is empty. Say what to draw.")
    if "size" in request.options and (request.resolution or request.aspect_ratio):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "options.size says the same as resolution and aspect_ratio. Give one or the other.",
        )


def routing(preferences: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a chat's routing preferences that `/images` knows too."""
    return {name: value for name, value in preferences.items() if name in ROUTING}


def kept_to_able(
    model_id: str,
    endpoints: Sequence[Mapping[str, Any]],
    asked: dict[str, Any],
    suffix: str,
    body: dict[str, Any],
) -> Sequence[Mapping[str, Any]]:
    """The endpoints that can do what is asked; changes `body` to name them and the format.

    `suffix` is what the caller's file name ends with. Raises `INVALID_INPUT`.
    """
    asked = dict(asked)
    implied = SUFFIXES.get(suffix, "")
    if asked.get("background") == "transparent" and implied not in {"png", "webp"}:
        implied = "png"
    if implied and "output_format" not in asked:
        try:
            image_parameters.fitting(model_id, endpoints, {**asked, "output_format": implied})
        except OpenRouterError:
            pass
        else:
            asked["output_format"] = body["output_format"] = implied
    able = image_parameters.fitting(model_id, endpoints, asked)
    preferences = body.get("provider") or {}
    if len(able) < len(endpoints) and "only" not in preferences:
        tags = [str(endpoint.get("provider_tag") or endpoint["provider_slug"]) for endpoint in able]
        body["provider"] = {**preferences, "only": tags}
    return able


def image_bodies(
    body: Mapping[str, Any], request: ImageRequest, references: Sequence[Part], most: int
) -> list[dict[str, Any]]:
    """As few requests as the model needs for all the images."""
    shared = {**body, "prompt": request.prompt}
    if references:
        shared["input_references"] = [_plain(part) for part in references]
    counts = [most] * (request.n // most) + ([request.n % most] if request.n % most else [])
    made = []
    for place, count in enumerate(counts):
        number = {"n": count} if count > 1 else {}
        # The same seed would draw the same image again.
        seed = {"seed": body["seed"] + place} if "seed" in body else {}
        made.append({**shared, **number, **seed})
    return made


def chat_bodies(
    body: Mapping[str, Any], model: Model | None, request: ImageRequest, references: Sequence[Part]
) -> list[dict[str, Any]]:
    """One chat for each image."""
    names = {"aspect_ratio": "aspect_ratio", "resolution": "image_size"}
    config = {names[name]: body[name] for name in names if name in body}
    rest = {name: value for name, value in body.items() if name not in names}
    writes = model is None or "text" in model.output_modalities
    content = [{"type": "text", "text": request.prompt}, *references]
    chat = {
        **rest,
        "messages": [{"role": "user", "content": content}],
        "modalities": ["image", "text"] if writes else ["image"],
        **({"image_config": config} if config else {}),
    }
    if "seed" not in body:
        return [chat] * request.n
    return [{**chat, "seed": body["seed"] + place} for place in range(request.n)]


def _plain(part: Part) -> Part:
    """The content part as `/images` takes it, which knows no detail."""
    return {"type": "image_url", "image_url": {"url": part["image_url"]["url"]}}


@dataclass(kw_only=True)
class ImagePlan(MediaPlan):
    """The requests for all images, ready to be sent."""

    bounds: Sequence[Bound]
    """One for each request."""
    images: int
    destination: Destination
    settings: Settings

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Pay for the images, save and show them. Raises `OpenRouterError` where there is none.

        When some of several requests fail, the images of the others are saved all the same.
        """
        await asyncio.to_thread(self.destination.prepare)
        await purchase.report(f"{self.model.id}: drawing {_count(self.images)}")
        send = _drawn if self.path == PATH else _drawn_in_chat
        tasks = [send(purchase, self.model, bound) for bound in self.bounds]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        written = [text for outcome in outcomes if isinstance(outcome, list) for text in outcome]
        if unforeseen := [error for error in errors if not isinstance(error, OpenRouterError)]:
            raise unforeseen[0]
        came = await received.receive(self.settings, written)
        if not came.images and not came.notes:
            raise errors[0] if errors else _nothing()
        save = partial(handle.save, self.destination)
        files = [await asyncio.to_thread(images.save_image, save, data) for data in came.images]
        receipt = await purchase.receipt(_count(len(files)))
        error = next((each for each in errors if isinstance(each, OpenRouterError)), None)
        notes = [*self.notes, *came.notes]
        if came.damaged:
            notes.append(f"{_count(came.damaged)} came damaged and could not be saved.")
        error = error or (None if came.images else _nothing())
        head = _count(len(files)) + (f" of {self.images}" if len(files) < self.images else "")
        return replies.files(
            f"{head} by {self.model.id}:",
            files,
            receipt,
            notes=notes,
            error=error,
        )


async def plan_image(app: App, request: ImageRequest) -> ImagePlan:
    """The requests for what is asked; nothing is sent, but references are read.

    Raises `INVALID_INPUT` with the right values for a wrong one, and what `Files.references`,
    `destination` and `Chooser.choose` raise.
    """
    check(request)
    extra = request_options.checked(request.options)
    asked = {name: extra.pop(name) for name in NAMES if name in extra}
    asked |= request.parameters()
    stem = first_words(request.prompt)
    place = await asyncio.to_thread(destination, app.settings, request.save_to, stem, *SUFFIXES)
    detail = parts.take_detail(extra)
    sent = await app.files.references(request.references, ("image",), MOST_REFERENCES, detail)
    names = [*map(parts.name, sent.parts)]
    request = replace(request, references=names, n=count(request.n, extra))
    named = request.model or str(extra.pop("model", ""))
    found = await app.chooser.choose(
        named, await _requirements(app, request, {} if named else asked)
    )
    endpoints = await _endpoints(app, found.id)
    body: dict[str, Any] = {**extra, **asked, "model": found.id}
    provider = request_options.provider(extra, app.settings)
    if provider := routing(provider) if endpoints else provider:
        body["provider"] = provider
    if endpoints:
        able = kept_to_able(found.id, endpoints, asked, place.suffix, body)
        bodies = image_bodies(body, request, sent.parts, image_parameters.most_images(able))
        costs = [_cost(able, request, each) for each in bodies]
        pairs = zip(bodies, costs, strict=True)
        bounds = [estimate.media_bound(PATH, each, cost) for each, cost in pairs]
    else:
        # Only a check: it raises for what a chat cannot do.
        kept_to_able(found.id, [image_parameters.ON_CHAT], asked, "", {})
        length, fallbacks, is_limited = await chat_media.taken_from(app, body)
        body |= length
        chats = [
            chat_media.request_of(each, found, fallbacks, is_limited=is_limited)
            for each in chat_bodies(body, found.model, request, sent.parts)
        ]
        costs = [chat_media.most_of(chat) for chat in chats]
        bounds = [estimate.chat_bound(chat) for chat in chats]
    known = [cost for cost in costs if cost is not None]
    return ImagePlan(
        tool="generate_image",
        model=found,
        path=PATH if endpoints else CHAT,
        request={"prompt": request.prompt, "n": request.n, **_sources(request), **body},
        most=sum(known, Decimal(0)) if len(known) == len(costs) else None,
        limit=limit_of(app, request.max_cost),
        subject=request.prompt,
        notes=tuple(sent.notes),
        bounds=bounds,
        images=request.n,
        destination=place,
        settings=app.settings,
    )


def _sources(request: ImageRequest) -> dict[str, Any]:
    return {"references": request.references} if request.references else {}


def _cost(
    endpoints: Sequence[Mapping[str, Any]], request: ImageRequest, body: Mapping[str, Any]
) -> Decimal | None:
    """USD that one request with this body can cost at most."""
    return image_parameters.image_cost(
        endpoints,
        prompt=request.prompt,
        images=body.get("n", 1),
        references=len(body.get("input_references") or []),
        resolution=str(body.get("resolution") or body.get("size") or "").upper(),
        quality=str(body.get("quality") or ""),
    )


async def _requirements(app: App, request: ImageRequest, asked: Mapping[str, Any]) -> Requirements:
    """`asked` are the parameters that a model which is chosen must take."""
    rows = await app.market.image_models() if asked else []
    known = {str(row.get("id")): row for row in rows}

    async def price(model: Model) -> Decimal | None:
        endpoints = await _endpoints(app, model.id)
        if not endpoints:
            return image_parameters.chat_image_cost(model, request.prompt)
        return _cost(endpoints, request, request.parameters())

    def takes_images(model: Model) -> bool:
        return "image" in model.input_modalities

    def suits(model: Model) -> bool:
        row = known.get(model.id, image_parameters.ON_CHAT)
        return not known or bool(image_parameters.able([row], asked))

    return Requirements(
        output=("image",),
        default="default_image_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="an image",
        fits=takes_images if request.references else any_model,
        ability="images as input" if request.references else "",
        suits=suits,
    )


async def _endpoints(app: App, model_id: str) -> list[dict[str, Any]]:
    """The endpoints of a model on `/images`; none where it draws in a chat only."""
    try:
        return await app.market.image_endpoints(model_id)
    except OpenRouterError as error:
        if error.code is Code.NOT_FOUND:
            return []
        raise


async def _drawn(purchase: Purchase, model: Resolution, bound: Bound) -> list[str]:
    """The images of one request to `/images`, in base64 or as addresses."""
    async with purchase.request(model, bound) as paid:
        paid.name_provider = True
        reply = await purchase.client.post(
            PATH,
            paid.body,
            read_timeout=MEDIA_READ_TIMEOUT,
            on_headers=paid.on_headers,
            report=purchase.report,
        )
        paid.read(reply)
    rows = responses.mappings(reply, "data")
    written = [responses.text(row, "b64_json") or responses.text(row, "url") for row in rows]
    return [*filter(None, written)]


async def _drawn_in_chat(purchase: Purchase, model: Resolution, bound: Bound) -> list[str]:
    """The images of one chat."""
    async with purchase.request(model, bound) as paid:
        answer = await chat_media.receive(purchase, paid)
    return list(answer.media.images)


def _nothing() -> OpenRouterError:
    """The failure of a paid reply without an image."""
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        "No image that can be saved came from OpenRouter. Choose another model.",
    )


def _count(number: int) -> str:
    return f"{number} image{'s' if number != 1 else ''}"
