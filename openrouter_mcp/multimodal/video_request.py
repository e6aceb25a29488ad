"""What a caller wants of a video, checked against what the model takes, and its price. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.spending.receipts import money

FRAMES = ("first_frame", "last_frame")
LISTS = {
    "duration": "supported_durations",
    "resolution": "supported_resolutions",
    "aspect_ratio": "supported_aspect_ratios",
    "size": "supported_sizes",
}
"""Parameters with values of which a model lists those that it takes."""
SWITCHES = {"generate_audio": "generate_audio", "seed": "seed"}
UPSCALERS = ("creativity", "upscale_factor")
RESOLUTION = re.compile(r"\d{3,4}p|[1248]k")
SILENT = re.compile(r"(?:no|without|non)[-_ ]?audio|silent|audio[-_ ](?:off|false)")
FROM_IMAGE = re.compile(r"image[-_ ]to[-_ ]video|reference|i2v")
FROM_TEXT = re.compile(r"text[-_ ]to[-_ ]video|t2v")
FLAT = re.compile(r"generate|(?:per[-_ ])?(?:video|generation|request)(?:$|[-_ ](?!token))")


@dataclass(frozen=True, kw_only=True)
class Ask:
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
    """Check a body against a row of `GET /videos/models`, where null means that it is not said.

    Raises `INVALID_INPUT` with the right values.
    """
    for name, field in LISTS.items():
        values = row.get(field)
        if name in body and isinstance(values, list) and body[name] not in values:
            raise _wrong(row, name, body[name], values)
    known = row.get("supported_frame_images")
    for frame in frames:
        if isinstance(known, list) and frame not in known:
            raise _wrong(row, "frame", frame, known)
    if "seed" in body and row.get("seed") is False:
        raise _not_taken(row, "seed")
    for name in UPSCALERS:
        if name in body and name in row and row[name] is None:
            raise _not_taken(row, f"options.{name}")
    # A model without sound makes silent videos anyway.
    if row.get("generate_audio") is False:
        body.pop("generate_audio", None)


def is_upscaler(row: Mapping[str, Any]) -> bool:
    """Whether a row of `GET /videos/models` enlarges videos instead of making them."""
    return any(row.get(name) is not None for name in UPSCALERS)


def _wrong(
    row: Mapping[str, Any], name: str, value: object, values: Sequence[object]
) -> OpenRouterError:
    right = [str(each) for each in values]
    there_are = f"It takes {', '.join(right)}." if right else "It takes none."
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{row.get('id')} takes no {name} {value}. {there_are} Correct that and call again.",
        suggestions=right,
    )


def _not_taken(row: Mapping[str, Any], name: str) -> OpenRouterError:
    return OpenRouterError(
        Code.INVALID_INPUT, f"{row.get('id')} takes no {name}. Leave it out and call again."
    )


def estimate(row: Mapping[str, Any], body: Mapping[str, Any]) -> Decimal | None:
    """USD that this video can cost at most; None where its price lines cannot be read.

    What is not asked for counts at the dearest that the model may choose.
    """
    lines = row.get("pricing_skus")
    if not isinstance(lines, Mapping):
        return None
    resolution = str(body.get("resolution") or "").lower()
    fitting = {str(name).lower(): money(price) for name, price in lines.items()}
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
        seconds = body.get("duration") or max(row.get("supported_durations") or [0])
        return price * seconds if seconds else None
    return price if FLAT.search(name) else None
