"""A question about files, put to a model that takes all their kinds."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from decimal import Decimal

from openrouter_mcp.app import App
from openrouter_mcp.chat.conversation import ChatCall
from openrouter_mcp.completions.request import CallerRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch
from openrouter_mcp.files.parts import Part
from openrouter_mcp.models import choose, prices
from openrouter_mcp.models.catalogue import NOT_NAMED, Snapshot
from openrouter_mcp.models.choose import Requirements
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import MILLION
from openrouter_mcp.settings import variable

HIGHEST_PRICE = Decimal(2)
"""USD for a million tokens of input, above which a model is not chosen unasked."""
YOUTUBE_PROVIDER = "google-ai-studio"
"""The only provider that reads YouTube."""


async def plan_analysis(app: App, asked: CallerRequest) -> ChatCall:
    """The chat that answers a question about files, with the named model or one that takes them.

    Raises `INVALID_INPUT` where there is nothing to look at, `MODEL_NOT_FOUND`,
    `MODEL_UNAVAILABLE`.
    """
    attached = asked.attached
    if not attached.parts:
        raise OpenRouterError(Code.INVALID_INPUT, "files is empty. Name the files to look at.")
    if all(map(_is_empty, attached.parts)):
        raise OpenRouterError(
            Code.INVALID_INPUT, "These files are empty: there is nothing in them to look at."
        )
    needed = choose.of_parts(attached.parts)
    youtube = any(_is_youtube(path) for path in attached.paths)
    if youtube and "provider" not in asked.options:
        routing = {"provider": {"only": [YOUTUBE_PROVIDER]}}
        asked = replace(asked, options={**asked.options, **routing})
    snapshot = await app.catalogue.models()
    if asked.named_model:
        found = snapshot.resolve(asked.named_model)
    else:
        found = await _chosen(app, snapshot, needed, youtube=youtube)
    return ChatCall(app, replace(asked, model=found.id, how=found.how))


async def _chosen(
    app: App, snapshot: Snapshot, needed: AbstractSet[str], *, youtube: bool
) -> Resolution:
    """The default model if it takes all kinds, else a popular, well-priced one."""
    field = "default_video_model" if "video" in needed else "default_vision_model"
    if default := str(getattr(app.settings, field)):
        found = snapshot.resolve(default)
        if choose.takes(found.model, needed):
            return replace(found, how=f"{NOT_NAMED}: {variable(field)}")

    def fits(row: Model) -> bool:
        return (
            row.output_modalities == {"text"}
            and row.input_modalities >= needed
            and (not youtube or row.author == "google")
        )

    required = Requirements(
        output=("text",),
        default="",
        price=_price,
        below=HIGHEST_PRICE,
        unit="a million tokens",
        fits=fits,
    )
    return await app.chooser.choose("", required)


async def _price(model: Model) -> Decimal | None:
    listed = prices.listed(model, "prompt", "image", "audio")
    return max(listed) * MILLION if listed and "prompt" in model.pricing else None


def _is_empty(part: Part) -> bool:
    """Whether a part is a text with nothing below its name."""
    return part["type"] == "text" and not part["text"].partition("\n")[2].strip()


def _is_youtube(path: object) -> bool:
    if not isinstance(path, str) or not fetch.is_address(path) or fetch.is_data(path):
        return False
    return fetch.is_youtube(fetch.parsed(path, private=True))
