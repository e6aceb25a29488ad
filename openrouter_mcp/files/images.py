"""Images as models take them (in a common format, upright, no larger than of use), and previews."""

from __future__ import annotations

import base64
import io
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from mcp.types import ImageContent

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import containers
from openrouter_mcp.files.kinds import (
    AVIF,
    BMP,
    GIF,
    HEIC,
    ICNS,
    ICO,
    JP2,
    JPEG,
    PNG,
    PSD,
    SVG,
    TIFF,
    WEBP,
    MediaType,
    media_type,
)
from openrouter_mcp.files.save import Save
from openrouter_mcp.results import UNKNOWN_TYPE, SavedFile
from openrouter_mcp.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

MOST_MEMORY = 400_000_000
"""Bytes of an image in memory, as it is and as colours, above which it is taken for a bomb."""
BYTES_OF_MODES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes of a pixel in Pillow's memory; it has four in all other modes."""
FORMATS = {
    PNG: "PNG",
    JPEG: "JPEG",
    WEBP: "WEBP",
    GIF: "GIF",
    BMP: "BMP",
    TIFF: "TIFF",
    AVIF: "AVIF",
    HEIC: "HEIF",
    JP2: "JPEG2000",
    ICO: "ICO",
    ICNS: "ICNS",
    PSD: "PSD",
}
TAKEN = {PNG, JPEG, WEBP, GIF}
"""The formats that models take."""
FULL_QUALITY = 95
"""Quality of what is written anew in its full size."""
LARGEST_SIDE = 768
"""Pixels of the longer side of a preview."""
LARGEST_PREVIEW = 200_000
"""Bytes of a preview before they become base64."""
QUALITIES = (65, 50, 30)
"""Qualities of a preview, tried one after the other until it is small enough."""
SMALLER = 0.7
"""By what a preview is scaled that even the lowest quality does not make small enough."""
ACTIVE = re.compile(rb"<script|\son[a-z]+\s*=|javascript:|<foreignObject", re.IGNORECASE)
"""What an SVG has that is more than a drawing."""
METADATA = ("xmp", "XML:com.adobe.xmp", "photoshop", "comment", "mp")
"""Under which names Pillow keeps what is not EXIF."""
TELLING = frozenset({270, 271, 272, 306, 315, 700, 33_432, 33_723, 34_665, 34_853})
"""EXIF tags of who, what, when and where; the others say how the picture is kept."""
PLAIN_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}
"""How pixels are kept that every model's provider reads: at most eight bits a channel, no ink."""
PICTURE_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
"""What a PNG needs to be drawn."""
END_OF_PNG = b"\0\0\0\0IEND\xaeB`\x82"
OTHER_SPACES = {b"CMYK", b"GRAY", b"Lab ", b"XYZ "}
"""What an ICC profile is for that is not for red, green and blue."""
READABLE = 0.5
"""The smallest scale that keeps writing readable."""
ELONGATED = 3
"""How often the longer side has the shorter one in what is cut rather than scaled so far."""
MOST_PAGES = 1_000
MOST_PIECES = 10
OVERLAP = 1 / 24
"""How much of a piece is also on the one before, so that no line of writing is cut."""
WHITES = (255, 1023, 4095, 65_535)
"""The brightest value of pictures with 8, 10, 12 and 16 bits."""
BEYOND = 1e37
"""Values above that are no brightness: `ImageMath` makes them and NaN comparable."""

_decoding = threading.Lock()
"""One image at a time: decoded they are large."""


class Fit(Enum):
    """What an image is sent for, which says how much of it is sent."""

    SEEN = auto()
    """Scaled to `OPENROUTER_IMAGE_MAX_DIMENSION` where it is larger, upright, no metadata."""
    # New images are made of the pixels themselves, so that scaling would blur them.
    DRAWN_FROM = auto()
    """Every pixel, upright, no metadata."""
    ORIGINAL = auto()
    """The file as it is."""


@dataclass(frozen=True)
class Fitted:
    """An image as it is to be sent."""

    pictures: tuple[tuple[bytes, MediaType], ...] = ()
    """None if the file goes just as it is; several if it is cut, from its top or left side on."""
    remarks: tuple[str, ...] = ()
    """What is left out or changed, in words that stand behind the file's name and a colon."""


def fitted(file: BinaryIO, kind: MediaType, settings: Settings, fit: Fit) -> Fitted:
    """The image as it is to be sent. Blocks.

    Raises `UNSUPPORTED_FORMAT` and `TOO_LARGE`, with the end of a sentence that begins with the
    file's name.
    """
    if kind is HEIC:
        _read_heic()
    # What the library only warns of is drawn all the same.
    with _decoding, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _fitted(file, kind, settings, fit)
        except Exception as error:  # noqa: BLE001 - the library may raise anything
            if known := _known(error):
                raise known from None
            try:
                return _tolerated(file, kind, settings, fit)
            except Exception as again:  # noqa: BLE001
                raise _known(again) or _unreadable(kind, error) from None


def _fitted(
    file: BinaryIO, kind: MediaType, settings: Settings, fit: Fit, *, anew: bool = False
) -> Fitted:
    """The image as it is to be sent; `anew` if not as it is. Raises whatever the library does."""
    from PIL import Image

    with Image.open(file, formats=[FORMATS[kind]]) as image:
        if fit is Fit.ORIGINAL and kind in TAKEN and not anew:
            return Fitted()
        seen = fit is Fit.SEEN
        bound = settings.image_max_dimension if seen else max(image.size)
        size = image.size
        larger = max(size) > bound
        if larger:
            # JPEG can be read at a fraction of its size.
            image.draft("RGB", _scaled(size, bound))
        if _memory(image) > MOST_MEMORY:
            raise _too_many_pixels()
        image.load()
        tags = _exif_tags(image)
        described = _is_described(image) or bool(tags & TELLING)
        if kind in TAKEN and not described:
            file.seek(0)
            described = not containers.is_bare(file.read())
        if (
            not (anew or larger or described or tags)
            and kind in TAKEN
            and image.mode in PLAIN_MODES
        ):
            return Fitted()
        remarks = [_further(image, kind)]
        upright, remark = _upright(image, bound)
        remarks += [remark, "sent without its metadata" if described else ""]
        pieces = _pieces(upright, bound)
        if len(pieces) > 1:
            remarks.append(f"cut into {len(pieces)} pieces of at most {bound:,} pixels a side")
        if max(upright.size) < READABLE * max(size):
            told = " x ".join(map(str, upright.size))
            was = " x ".join(map(str, size))
            remarks.append(
                f"scaled from {was} to {told} pixels, which may hide small writing: "
                f'options.image_detail="original" sends all of it'
            )
        quality = settings.image_jpeg_quality if seen else FULL_QUALITY
        if not larger:
            quality = FULL_QUALITY if kind in TAKEN else quality
        made = tuple(_encoded(piece, kind, quality) for piece in pieces)
        return Fitted(made, tuple(filter(None, remarks)))


def _tolerated(file: BinaryIO, kind: MediaType, settings: Settings, fit: Fit) -> Fitted:
    """The image read as viewers read what is not quite right. Raises whatever the library does."""
    from PIL import ImageFile

    file.seek(0)
    cut = kind is not PNG
    if kind is PNG:
        # Errors in what does not belong to the picture: texts, animation, checksums.
        data = _bare_png(file.read())
        file, cut = io.BytesIO(data), not data.endswith(END_OF_PNG)
    ImageFile.LOAD_TRUNCATED_IMAGES = cut  # ty: ignore[invalid-assignment]
    try:
        made = _fitted(file, kind, settings, fit, anew=True)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    told = ("the file is cut off, and its rest left blank",) if cut else ()
    return replace(made, remarks=(*made.remarks, *told))


def _bare_png(data: bytes) -> bytes:
    """A PNG without all that is not its picture."""
    kept, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] in PICTURE_CHUNKS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _known(error: Exception) -> OpenRouterError | None:
    """The failure, if it says what is to be done."""
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return _too_many_pixels()
    return error if isinstance(error, OpenRouterError) else None


def _unreadable(kind: MediaType, error: Exception) -> OpenRouterError:
    from PIL import UnidentifiedImageError

    reason = str(error).partition("<")[0].strip(" '") or type(error).__name__
    other = isinstance(error, UnidentifiedImageError) and kind not in TAKEN
    if other or "support" in reason:
        what = f"is a {kind.format.upper()} image of a kind that cannot be read here ({reason})"
        return OpenRouterError(Code.UNSUPPORTED_FORMAT, f"{what}. Export it as PNG or JPEG.")
    what = f"is a damaged {kind.format.upper()} image ({reason})"
    return OpenRouterError(Code.UNSUPPORTED_FORMAT, f"{what}. Export it again.")


def preview(data: bytes) -> ImageContent | None:
    """An image small enough to look at in a conversation; None for what cannot be shown. Blocks."""
    return _tried(lambda: _preview(data), None)


def _preview(data: bytes) -> ImageContent | None:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
        if _memory(image) > MOST_MEMORY:
            return None
        upright, _ = _upright(image, LARGEST_SIDE)
        upright.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        encoded, mime = _encoded_preview(upright)
        return ImageContent(type="image", data=base64.b64encode(encoded).decode(), mime_type=mime)


def save_image(save: Save, data: bytes) -> SavedFile:
    """One image as a file with a preview, named after what it is. Blocks."""
    found = media_type(data)
    if found is None or not found.mime.startswith("image/"):
        return _noted(save(data, ".bin", UNKNOWN_TYPE), "This is no image of a known kind.")
    saved = save(data, found.suffix, found.mime)
    if found is not SVG:
        shown = preview(data)
        saved = replace(saved, preview=shown)
        return saved if shown or found not in TAKEN else _noted(saved, "It may be damaged.")
    if ACTIVE.search(data):
        return _noted(saved, "It holds scripts: open it with care.")
    return saved


def _noted(saved: SavedFile, note: str) -> SavedFile:
    return replace(saved, note=f"{saved.note} {note}".strip())


def _encoded(image: Image, kind: MediaType, quality: int) -> tuple[bytes, MediaType]:
    """The pixels of an image in RGB or RGBA and what their values mean, and nothing else."""
    result = PNG if image.mode == "RGBA" else JPEG
    if kind in {PNG, WEBP}:
        result = kind
    buffer, profile = io.BytesIO(), image.info.get("icc_profile")
    image.info = {}
    image.save(buffer, FORMATS[result], quality=quality, icc_profile=profile)
    return buffer.getvalue(), result


def _upright(image: Image, bound: int) -> tuple[Image, str]:
    """The image as viewers show it, as RGB or, if transparent, as RGBA, and a remark on that.

    It is scaled so that it has at most `bound` pixels a side, or pieces of it have.
    """
    from PIL import ImageOps

    profile = image.info.get("icc_profile")
    # Some cameras tell how they were held in a way that cannot be read.
    image, remark = _in_view(_tried(lambda: ImageOps.exif_transpose(image), image))
    if image.mode not in {"L", "RGB", "RGBA", "CMYK", "LAB"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
    # A copy: an image that was opened is read again when it is scaled.
    image = image.copy()
    image.thumbnail(_scaled(image.size, bound))
    return _in_rgb(image, profile), remark


def _in_view(image: Image) -> tuple[Image, str]:
    """Brightness of more than eight bits as grey of eight.

    And a remark where black and white are not where the format has them.
    """
    if not image.mode.startswith(("I", "F")):
        return image, ""
    if whole := image.mode != "F":
        image = image.convert("I")
        lowest, highest = _extrema(image)
    else:
        image, lowest, highest = _finite(image)
    black, white = _range(lowest, highest, whole=whole)
    scale = 255 / (white - black)
    # Half a step more, since what follows cuts off fractions.
    shown = image.convert("F").point(lambda value: value * scale + (0.5 - black * scale))
    usual = (black, white) in ({(0, 65_535)} if whole else {(0, 1), (0, 255), (0, 65_535)})
    remark = "" if usual else f"values from {black:,g} to {white:,g} shown as black to white"
    return shown.convert("L"), remark


def _extrema(image: Image) -> tuple[float, float]:
    """The lowest and highest value of an image with one channel."""
    lowest, highest = image.getextrema()
    return lowest, highest  # ty: ignore[invalid-explicit-return]


def _finite(image: Image) -> tuple[Image, float, float]:
    """An image of floating point numbers with black for what is none, its lowest and highest."""
    from PIL import Image, ImageMath

    numbers = ImageMath.lambda_eval(
        lambda a: a["convert"]((a["i"] > -BEYOND) * (a["i"] < BEYOND) * 255, "1"), i=image
    )
    ends = []
    for beyond in (BEYOND, -BEYOND):
        copy = Image.new("F", image.size, beyond)
        copy.paste(image, mask=numbers)
        ends.append(_extrema(copy)[len(ends)])
    lowest, highest = ends if ends[0] <= ends[1] else (0.0, 0.0)
    clean = Image.new("F", image.size, lowest)
    clean.paste(image, mask=numbers)
    return clean, lowest, highest


def _range(lowest: float, highest: float, *, whole: bool) -> tuple[float, float]:
    """The values that are shown as black and as white.

    They are those of a common depth where the values fill it, else the lowest and the highest.
    """
    if lowest >= 0 and whole and highest <= WHITES[-1]:
        return 0, next(white for white in WHITES if highest <= white)
    for white in (1, 255, 65_535):
        if lowest >= 0 and white / 4 < highest <= white:
            return 0, white
    return lowest, highest if highest > lowest else lowest + max(1, abs(lowest))


def _in_rgb(image: Image, profile: bytes | None) -> Image:
    """The image in red, green and blue; `profile` says what its values mean, of whatever kind."""
    from PIL import ImageCms

    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if image.mode == mode or not (profile or image.mode == "LAB"):
        image = image.convert(mode)
        # One of another kind would make the colours wrong.
        if profile and profile[16:20] not in OTHER_SPACES:
            image.info["icc_profile"] = profile
        return image

    def made() -> Image | None:
        given = io.BytesIO(profile) if profile else ImageCms.createProfile("LAB")
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, given, target, outputMode=mode)

    return _tried(made, None) or image.convert(mode)


def _scaled(size: tuple[int, int], bound: int) -> tuple[int, int]:
    """The size of an image with at most `bound` pixels a side, or whose pieces have no more."""
    longer, shorter = max(size), min(size)
    scale = min(1, bound / longer)
    if scale < READABLE and longer >= ELONGATED * shorter:
        whole = bound * (MOST_PIECES - (MOST_PIECES - 1) * OVERLAP)
        scale = min(1, bound / shorter, whole / longer)
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def _pieces(image: Image, bound: int) -> list[Image]:
    """The image, or pieces of it that overlap, from the top or the left on."""
    longer = max(image.size)
    if longer <= bound:
        return [image]
    overlap = round(bound * OVERLAP)
    number = -(-(longer - overlap) // (bound - overlap))
    step = (longer - bound) / (number - 1)
    starts = [round(place * step) for place in range(number)]
    if image.height == longer:
        return [image.crop((0, start, image.width, start + bound)) for start in starts]
    return [image.crop((start, 0, start + bound, image.height)) for start in starts]


def _further(image: Image, kind: MediaType) -> str:
    """That a file holds more than one picture, of which the first is sent."""
    if kind is PSD:
        # Those of a PSD are the layers of one picture.
        return ""
    if kind is TIFF:
        pages = _pages(image)
        number = f"more than {MOST_PAGES:,}" if pages > MOST_PAGES else f"{pages:,}"
        return f"only the first of its {number} pages is sent" if pages > 1 else ""
    pictures = getattr(image, "n_frames", 1)
    return f"only the first of its {pictures:,} pictures is sent" if pictures > 1 else ""


def _pages(image: Image) -> int:
    """The pages of a TIFF, counted a little further than `MOST_PAGES`: all would take minutes."""
    number = 1
    # To the last one, or to one that is damaged.
    while number <= MOST_PAGES and _tried(partial(_seeks, image, number), False):
        number += 1
    image.seek(0)
    return number


def _seeks(image: Image, page: int) -> bool:
    """True once a page is at hand. Raises whatever the library does."""
    image.seek(page)
    return True


def _exif_tags(image: Image) -> frozenset[int]:
    """What the camera, or a program, tells of an image."""
    tags = _tried(lambda: frozenset(image.getexif()), frozenset[int]())
    # What cannot be read is there all the same.
    return tags or (TELLING if "exif" in image.info else tags)


def _is_described(image: Image) -> bool:
    """Whether a file holds more than its pixels, beside EXIF."""
    texts = getattr(image, "text", None)  # those of a PNG
    return bool(texts or any(image.info.get(name) for name in METADATA))


def _tried(work: Callable[[], T], otherwise: T) -> T:
    """What the library makes of an image, of which it may refuse anything in any way."""
    try:
        return work()
    except Exception:  # noqa: BLE001
        return otherwise


def _read_heic() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            "is a HEIC image, which takes a plug-in to read. Install pillow-heif beside this "
            "server, or export the image as JPEG.",
        ) from None
    register_heif_opener()


def _memory(image: Image) -> int:
    """Bytes of an image before it is decoded: with its own channels, and as RGB or RGBA."""
    return image.width * image.height * (BYTES_OF_MODES.get(image.mode, 4) + 4)


def _too_many_pixels() -> OpenRouterError:
    return OpenRouterError(
        Code.TOO_LARGE,
        f"unpacks to more than {MOST_MEMORY // 1_000_000} MB of pixels. Give a smaller image.",
    )


def _encoded_preview(image: Image) -> tuple[bytes, str]:
    """The image within the size, as JPEG or where it is transparent as WebP."""
    kind, mime = ("WEBP", WEBP.mime) if image.mode == "RGBA" else ("JPEG", JPEG.mime)
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, kind, quality=quality, optimize=True)
            if buffer.tell() <= LARGEST_PREVIEW:
                return buffer.getvalue(), mime
        image = image.resize([max(1, int(side * SMALLER)) for side in image.size])
