"""A question about files, put to a model that takes all their kinds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from openrouter_mcp import addresses, selection
from openrouter_mcp.catalogue import Snapshot
from openrouter_mcp.conversation import Call
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import Attachments
from openrouter_mcp.model import MILLION, Model
from openrouter_mcp.names import Resolution
from openrouter_mcp.request import Ask
from openrouter_mcp.selection import Wanted
from openrouter_mcp.settings import variable

if TYPE_CHECKING:
    from openrouter_mcp.app import App

MODALITIES = {
    "image_url": "image",
    "input_audio": "audio",
    "video_url": "video",
    "file": "file",
}
HIGHEST_PRICE = Decimal(2)
"""USD for a million tokens of input, above which a model is not chosen unasked."""
YOUTUBE_PROVIDER = "google-ai-studio"
"""The only provider that reads YouTube."""
SUGGESTED = 5


async def call_for(app: App, attached: Attachments, ask: Ask, model: str, max_cost: float) -> Call:
    """The chat that answers the question, with a model that takes all the files.

    Raises `INVALID_INPUT` with models that can when the named one cannot, `MODEL_NOT_FOUND`,
    `MODEL_UNAVAILABLE`.
    """
    if not attached.parts:
        raise OpenRouterError(Code.INVALID_INPUT, "files is empty. Name the files to look at.")
    needed = {MODALITIES[part["type"]] for part in attached.parts if part["type"] in MODALITIES}
    youtube = any(_is_youtube(path) for path in attached.paths)
    ask = replace(ask, attachments=attached.parts, notes=attached.notes)
    if youtube and "provider" not in ask.options:
        routing = {"provider": {"only": [YOUTUBE_PROVIDER]}}
        ask = replace(ask, options={**ask.options, **routing})
    snapshot = await app.catalogue.models()
    named = model or str(ask.options.get("model") or "")
    if named:
        found = snapshot.resolve(named)
        # Every model reads PDFs: OpenRouter parses them for those that do not themselves.
        _check(snapshot, found, needed - {"file"})
    else:
        found = await _chosen(app, snapshot, needed, youtube=youtube)
    return Call("analyze_media", ask, found.id, max_cost=max_cost, attached=attached, how=found.how)


async def _chosen(
    app: App, snapshot: Snapshot, needed: Collection[str], *, youtube: bool
) -> Resolution:
    """The default model if it takes all kinds, else a popular, well-priced one."""
    field = "default_video_model" if "video" in needed else "default_vision_model"
    if default := str(getattr(app.settings, field)):
        found = snapshot.resolve(default)
        if _takes(found.model, set(needed) - {"file"}):
            return replace(found, how=f"named by {variable(field)}")

    def fits(row: Model) -> bool:
        return (
            row.output_modalities == {"text"}
            and _takes(row, needed)
            and (not youtube or row.author == "google")
        )

    wanted = Wanted(
        output=("text",),
        default="",
        price=_price,
        below=HIGHEST_PRICE,
        unit="a million tokens",
        fits=fits,
    )
    return await selection.choose(app, "", wanted)


async def _price(model: Model) -> Decimal | None:
    prices = [model.pricing.get(kind) for kind in ("prompt", "image", "audio")]
    known = [price for price in prices if price is not None]
    return max(known) * MILLION if known else None


def _check(snapshot: Snapshot, found: Resolution, needed: Collection[str]) -> None:
    if _takes(found.model, needed):
        return
    able = [
        model.id
        for model in snapshot.models
        if _takes(model, needed)
        and "text" in model.output_modalities
        and not (model.is_alias or model.is_router or model.variant)
    ]
    takes = ", ".join(sorted(found.model.input_modalities)) if found.model else "nothing known"
    raise OpenRouterError(
        Code.INVALID_INPUT,
        f"{found.id} takes {takes}, and these files need {' and '.join(sorted(needed))}. "
        f"These can: {', '.join(able[:SUGGESTED]) or 'none'}. Name one of them, or none to have "
        "one chosen.",
        suggestions=able[:SUGGESTED],
    )


def _takes(model: Model | None, needed: Collection[str]) -> bool:
    """Whether a model takes all of these; one that the catalogue does not know may."""
    return model is None or model.input_modalities.issuperset(needed)


def _is_youtube(path: object) -> bool:
    if not isinstance(path, str) or not addresses.is_address(path) or addresses.is_data(path):
        return False
    return addresses.is_youtube(addresses.parsed(path, private=True))
