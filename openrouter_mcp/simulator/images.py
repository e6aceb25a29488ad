"""`POST /images`: real images, as plain as can be."""

from __future__ import annotations

import base64
import io
import zlib
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response

from openrouter_mcp.simulator import media_discovery
from openrouter_mcp.simulator.call import Call
from openrouter_mcp.simulator.chat_messages import Image as ImagePart
from openrouter_mcp.simulator.chat_messages import Strict
from openrouter_mcp.simulator.generations import Json, record
from openrouter_mcp.simulator.inference import checked, model_of
from openrouter_mcp.simulator.replies import Refused, failure

SIDES = {"512": 512, "768": 768, "1K": 1024, "1.5K": 1536, "2K": 2048, "4K": 4096}
MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "svg": "image/svg+xml"}
TOKENS = 4175
CHECKED = ("resolution", "aspect_ratio", "n", "seed", "quality", "output_format", "background")


class Provider(Strict):
    """The routing preferences that images know."""

    only: list[str] | None = None
    order: list[str] | None = None
    ignore: list[str] | None = None
    sort: str | Json | None = None
    allow_fallbacks: bool | None = None
    options: dict[str, Json] | None = None


class ImageRequest(Strict):
    """Every documented field."""

    model: str
    prompt: Annotated[str, Field(min_length=1)]
    n: Annotated[int, Field(ge=1, le=10)] = 1
    resolution: Literal["512", "768", "1K", "1.5K", "2K", "4K"] | None = None
    aspect_ratio: str | None = None
    size: str | None = None
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] | None = None
    output_format: Literal["png", "jpeg", "webp", "svg"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    background: Literal["auto", "transparent", "opaque"] | None = None
    seed: int | None = None
    input_references: Annotated[list[ImagePart], Field(max_length=16)] | None = None
    stream: bool | None = None
    provider: Provider | None = None
    session_id: str | None = None
    trace: Json | None = None
    user: str | None = None


async def draw(call: Call) -> Response:
    """Answer a request for images."""
    request = checked(call, ImageRequest)
    model = model_of(call, request.model, "image")
    refuse(request)
    prices = {line["variant"]: line["cost_usd"] for line in media_discovery.IMAGE_PRICES}
    price = prices.get((request.resolution or "1K").lower(), max(prices.values()))
    known = record(call, model, "image", request.n * Decimal(str(price)))
    kind = request.output_format or "jpeg"
    data = [
        {"b64_json": base64.b64encode(image(request, kind, number)).decode()}
        | {"media_type": MIME[kind]}
        for number in range(request.n)
    ]
    usage = {
        "prompt_tokens": 0,
        "completion_tokens": TOKENS,
        "total_tokens": TOKENS,
        "cost": known["total_cost"],
        "is_byok": False,
    }
    reply = {"created": int(call.simulator.clock()), "data": data, "usage": usage}
    return JSONResponse(reply, headers={"X-Generation-Id": known["id"]})


def refuse(request: ImageRequest) -> None:
    """What the endpoints do not take is an error. Raises `Refused`."""
    supported: dict[str, Any] = media_discovery.IMAGE_PARAMETERS
    for name in CHECKED:
        value = getattr(request, name)
        if value is None or (name == "n" and value == 1):
            continue
        descriptor = supported.get(name)
        wrong = descriptor is None or (
            value not in descriptor.get("values", [value])
            or (
                descriptor["type"] == "range"
                and not descriptor["min"] <= value <= descriptor["max"]
            )
        )
        if wrong:
            message = f"{name} {value} is not supported by this model"
            raise Refused(failure(400, message, error_type="invalid_request"))
    if request.background == "transparent" and request.output_format == "jpeg":
        message = "background transparent requires png or webp"
        raise Refused(failure(400, message, error_type="invalid_request"))
    if request.size and (request.resolution or request.aspect_ratio):
        message = "size contradicts resolution or aspect_ratio"
        raise Refused(failure(400, message, error_type="invalid_request"))


def image(request: ImageRequest, kind: str, number: int) -> bytes:
    """A coloured rectangle; the colour follows from the prompt, the seed and the number."""
    colour = zlib.crc32(f"{request.prompt}{request.seed}{number}".encode()) & 0xFFFFFF
    width = SIDES[request.resolution or "1K"]
    across, _, down = (request.aspect_ratio or "1:1").partition(":")
    height = int(width * float(down) / float(across))
    if kind == "svg":
        shape = f'<rect width="{width}" height="{height}" fill="#{colour:06x}"/>'
        return f'<svg xmlns="http://www.w3.org/2000/svg">{shape}</svg>'.encode()
    return rectangle(width, height, colour, kind, transparent=request.background == "transparent")


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
