"""The body of a request for images, from what a caller wants and what the endpoints take. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.parts import Part
from openrouter_mcp.models.model import Model
from openrouter_mcp.multimodal import image_parameters

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
class Ask:
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


def check(ask: Ask) -> None:
    """Refuse what no model can do. Raises `INVALID_INPUT`."""
    if not ask.prompt.strip():
        raise OpenRouterError(Code.INVALID_INPUT, "prompt is empty. Say what to draw.")
    if "size" in ask.options and (ask.resolution or ask.aspect_ratio):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "options.size says the same as resolution and aspect_ratio. Give one or the other.",
        )


def routing(preferences: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a chat's routing preferences that `/images` knows too."""
    return {name: value for name, value in preferences.items() if name in ROUTING}


def fit(
    model_id: str,
    endpoints: Sequence[Mapping[str, Any]],
    asked: dict[str, Any],
    suffix: str,
    body: dict[str, Any],
) -> Sequence[Mapping[str, Any]]:
    """The endpoints that can do what is asked; `body` is kept to them, and its format completed.

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


def bodies(
    body: Mapping[str, Any], ask: Ask, references: Sequence[Part], most: int
) -> list[dict[str, Any]]:
    """As few requests as the model needs for all the images."""
    shared = {**body, "prompt": ask.prompt}
    if references:
        shared["input_references"] = [_plain(part) for part in references]
    counts = [most] * (ask.n // most) + ([ask.n % most] if ask.n % most else [])
    made = []
    for place, count in enumerate(counts):
        number = {"n": count} if count > 1 else {}
        # The same seed would draw the same image again.
        seed = {"seed": body["seed"] + place} if "seed" in body else {}
        made.append({**shared, **number, **seed})
    return made


def chat_bodies(
    body: Mapping[str, Any], model: Model | None, ask: Ask, references: Sequence[Part]
) -> list[dict[str, Any]]:
    """One chat for each image."""
    names = {"aspect_ratio": "aspect_ratio", "resolution": "image_size"}
    config = {names[name]: body[name] for name in names if name in body}
    rest = {name: value for name, value in body.items() if name not in names}
    writes = model is None or "text" in model.output_modalities
    content = [{"type": "text", "text": ask.prompt}, *references]
    chat = {
        **rest,
        "messages": [{"role": "user", "content": content}],
        "modalities": ["image", "text"] if writes else ["image"],
        **({"image_config": config} if config else {}),
    }
    if "seed" not in body:
        return [chat] * ask.n
    return [{**chat, "seed": body["seed"] + place} for place in range(ask.n)]


def _plain(part: Part) -> Part:
    """The content part as `/images` takes it, which knows no detail."""
    return {"type": "image_url", "image_url": {"url": part["image_url"]["url"]}}
