"""What a model sees of a picture is what a viewer shows of it; what is left out is said."""

import base64
import contextlib
import io
import re
import struct
import warnings
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.types import TextContent
from PIL import ExifTags, Image, ImageCms, ImageDraw, PngImagePlugin

from openrouter_mcp.files import containers, images
from openrouter_mcp.files.images import Fit, Fitted
from openrouter_mcp.files.kinds import PNG, kind_of
from openrouter_mcp.settings import Settings

SIDE = 64
NOTHING_SAID: tuple[str, ...] = ()
SETTINGS = Settings()


def written(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def fitted(data: bytes, fit: Fit = Fit.SEEN) -> Fitted:
    kind = kind_of(data[:8192])
    assert kind
    assert kind.name == "image"
    return images.fitted(io.BytesIO(data), kind.type, SETTINGS, fit)


def seen(data: bytes, fit: Fit = Fit.SEEN) -> Image.Image:
    """The one picture that arrives, as an independent reader shows it."""
    made = fitted(data, fit).pictures
    assert len(made) <= 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(made[0][0] if made else data))
        image.load()
    return image


def greys(image: Image.Image) -> list[int]:
    assert image.mode in {"L", "RGB", "RGBA"}
    return list(image.convert("L").resize((SIDE, 1), Image.Resampling.NEAREST).tobytes())


def ramp(mode: str, first: float, last: float) -> Image.Image:
    """From dark on the left to light on the right."""
    code = {"I;16": "H", "I": "i", "F": "f"}[mode]
    values = [first + (last - first) * x / (SIDE - 1) for x in range(SIDE)]
    row = array(code, values if mode == "F" else [round(value) for value in values]).tobytes()
    return Image.frombytes(mode, (SIDE, 8), row * 8)


@pytest.mark.parametrize(
    ("mode", "kind", "first", "last"),
    [
        ("I;16", "PNG", 0, 65_535),
        ("I;16", "TIFF", 0, 65_535),
        ("I;16", "TIFF", 0, 4095),
        ("I;16", "PNG", 0, 1023),
        ("I", "TIFF", 0, 65_535),
        ("I", "TIFF", 0, 2_000_000_000),
        ("I", "TIFF", -500, 500),
        ("F", "TIFF", 0, 1),
        ("F", "TIFF", 0, 255),
        ("F", "TIFF", 0, 65_535),
        ("F", "TIFF", -3.5, 12.25),
        ("F", "TIFF", 0, 1e-6),
    ],
)
@pytest.mark.parametrize("fit", [Fit.SEEN, Fit.DRAWN_FROM])
def test_pictures_of_many_bits_keep_their_visible_range(mode, kind, first, last, fit) -> None:
    shown = greys(seen(written(ramp(mode, first, last), kind), fit))
    for x, value in enumerate(shown):
        assert abs(value - 255 * x / (SIDE - 1)) <= 6


def test_half_bright_is_grey_whatever_the_depth() -> None:
    for mode, half, kind in (("I;16", 32_768, "PNG"), ("I", 32_768, "TIFF"), ("F", 0.5, "TIFF")):
        assert all(abs(v - 128) <= 2 for v in greys(seen(written(ramp(mode, half, half), kind))))


def test_where_black_and_white_are_guessed_is_said() -> None:
    assert fitted(written(ramp("I;16", 0, 65_535), "TIFF")).remarks == NOTHING_SAID
    assert fitted(written(ramp("F", 0, 1), "TIFF")).remarks == NOTHING_SAID
    (remark,) = fitted(written(ramp("F", -3.5, 12.25), "TIFF")).remarks
    assert remark == "values from -3.5 to 12.25 shown as black to white"
    assert "from 0 to 4,095" in fitted(written(ramp("I;16", 0, 4000), "TIFF")).remarks[0]


@given(st.lists(st.floats(width=32), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_numbers_make_a_picture(values: list[float]) -> None:
    image = Image.frombytes("F", (2, 2), array("f", values).tobytes())
    assert seen(written(image, "TIFF")).size == (2, 2)


def test_what_is_no_number_takes_nothing_from_the_rest() -> None:
    row = [0.0, float("nan"), float("inf"), float("-inf"), *(x / 59 for x in range(60))]
    image = Image.frombytes("F", (SIDE, 1), array("f", row).tobytes())
    shown = greys(seen(written(image, "TIFF")))
    assert all(abs(shown[4 + x] - 255 * x / 59) < 25 for x in range(60))


def photo(kind: str, size: tuple[int, int] = (60, 30)) -> bytes:
    """Red above, blue below, as its camera held it on the side; taken at a place."""
    image = Image.new("RGB", size, "red")
    ImageDraw.Draw(image).rectangle((0, size[1] // 2, *size), fill="blue")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Secret Camera"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    return written(image, kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("size", [(60, 30), (2000, 1000)])
@pytest.mark.parametrize("fit", [Fit.SEEN, Fit.DRAWN_FROM])
def test_photos_of_every_size_are_upright_and_tell_no_place(kind, size, fit) -> None:
    data = photo(kind, size)
    made = fitted(data, fit)
    image = seen(data, fit)
    assert image.height == 2 * image.width
    red, _, blue = image.convert("RGB").getpixel((image.width - 3, image.height // 2))
    assert red > 200 > 60 > blue
    assert not image.getexif()
    assert b"Secret" not in made.pictures[0][0]
    assert "sent without its metadata" in made.remarks


def texts(kind: str) -> bytes:
    image = Image.new("RGB", (9, 9), "red")
    match kind:
        case "PNG":
            info = PngImagePlugin.PngInfo()
            info.add_text("Author", "Secret")
            return written(image, kind, pnginfo=info)
        case "XMP":
            return written(image, "WEBP", xmp=b"<x:xmpmeta>Secret</x:xmpmeta>")
        case "IPTC":
            data = written(image, "JPEG")
            block = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0b\x1c\x02\x50\0\x06Secret\0"
            return data[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + data[2:]
    return written(image, "GIF" if kind == "GIF" else "JPEG", comment=b"Secret")


@pytest.mark.parametrize("kind", ["PNG", "XMP", "IPTC", "GIF", "JPEG"])
def test_no_other_metadata_leaves_the_computer(kind: str) -> None:
    data = texts(kind)
    assert b"Secret" in data
    made = fitted(data)
    assert b"Secret" not in made.pictures[0][0]
    assert made.remarks == ("sent without its metadata",)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA"])
def test_what_is_nothing_but_a_picture_goes_as_it_is(kind: str, mode: str) -> None:
    if kind == "JPEG" and mode in {"P", "RGBA"}:
        mode = "RGB"
    assert fitted(written(Image.new(mode, (40, 30)), kind)) == Fitted()


def test_a_tall_screenshot_is_cut_into_readable_pieces() -> None:
    tall = Image.new("L", (1280, 12_000), "white")
    draw = ImageDraw.Draw(tall)
    for y in range(0, 12_000, 100):
        draw.rectangle((10, y, 10 + y // 10, y + 9), fill="black")
    made = fitted(written(tall, "PNG"))
    pieces = [Image.open(io.BytesIO(data)) for data, _ in made.pictures]
    assert 8 <= len(pieces) <= images.MOST_PIECES
    assert {piece.width for piece in pieces} == {1280}
    assert all(piece.height <= 1568 for piece in pieces)
    assert sum(piece.height for piece in pieces) > 12_000  # they overlap
    # The lengths of all bars are in one piece or another, whole.
    bars = set()
    for piece in pieces:
        grey = piece.convert("L")
        for y in range(grey.height):
            if grey.getpixel((10, y)) == 0:
                row = grey.crop((0, y, 1280, y + 1)).tobytes()
                bars.add(row.count(0))
    assert bars == {y // 10 + 1 for y in range(0, 12_000, 100)}
    assert any(f"cut into {len(pieces)} pieces" in remark for remark in made.remarks)


@given(st.integers(1, 4000), st.integers(1, 60_000))
@settings(max_examples=40, deadline=None)
def test_whatever_the_sides_pieces_stay_within_the_bound(shorter: int, longer: int) -> None:
    shorter, longer = sorted((shorter, longer))
    width, height = images._scaled((shorter, longer), 1568)
    scale = height / longer
    assert width <= 1568
    if longer >= 3 * shorter and longer > 2 * 1568:
        assert height <= 1568 * images.MOST_PIECES
        assert scale > 0.99 or width == 1568 or height > 1568 * 9
    else:
        assert height <= 1568 or width == 1568 or scale == 1


def test_what_is_scaled_beyond_reading_is_said() -> None:
    assert fitted(written(Image.new("L", (3000, 2000)), "PNG")).remarks == NOTHING_SAID
    (remark,) = fitted(written(Image.new("L", (4000, 3000)), "PNG")).remarks
    assert remark.startswith("scaled from 4000 x 3000 to 1568 x 1176 pixels")
    assert 'options.image_detail="original"' in remark


def test_further_pages_and_frames_are_said() -> None:
    page, more = Image.new("RGB", (9, 9), "red"), [Image.new("RGB", (9, 9), "blue")] * 2
    scan = fitted(written(page, "TIFF", save_all=True, append_images=more))
    assert scan.remarks == ("only the first of its 3 pages is sent",)
    wide, wider = page.resize((2000, 20)), [each.resize((2000, 20)) for each in more[:1]]
    film = fitted(written(wide, "GIF", save_all=True, append_images=wider))
    assert film.remarks == ("only the first of its 2 pictures is sent",)
    # A small one goes whole.
    assert fitted(written(page, "GIF", save_all=True, append_images=more[:1])) == Fitted()


def test_ink_and_other_colours_arrive_as_a_viewer_shows_them() -> None:
    ink = seen(written(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = ink.getpixel((4, 4))
    assert (ink.mode, red > 200, green < 60, blue < 60) == ("RGB", True, True, True)
    assert not ink.info.get("icc_profile")
    lab = seen(written(Image.new("LAB", (9, 9), (137, 208, 195)), "TIFF"))
    assert lab.mode == "RGB"
    assert lab.getpixel((4, 4))[0] > 200
    # A grey profile means nothing to the colours that are sent.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    assert seen(written(Image.new("L", (9, 9), 90), "TIFF", icc_profile=profile)).mode == "RGB"


def chunk(name: bytes, data: bytes, checksum: int | None = None) -> bytes:
    crc = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def with_chunks(*chunks: bytes) -> bytes:
    data = written(Image.new("RGB", (30, 20), "red"), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def noisy(kind: str) -> bytes:
    noise = Image.frombytes("RGB", (120, 90), bytes(range(256)) * 126 + bytes(144))
    return written(noise, kind)


ODD: dict[str, Callable[[], bytes]] = {
    "text of 3 MB": lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000)))),
    "checksum of a text": lambda: with_chunks(chunk(b"tEXt", b"a\0b", checksum=1)),
    "animation without frames": lambda: with_chunks(chunk(b"acTL", struct.pack(">II", 0, 0))),
    "animation out of order": lambda: with_chunks(
        chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fdAT", struct.pack(">I", 9) + b"no")
    ),
    "EXIF that is none": lambda: with_chunks(chunk(b"eXIf", b"MM\0*\0\0\xff\xff")),
    "EXIF of a JPEG": lambda: written(
        Image.new("RGB", (30, 20), "red"), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x01"
    ),
    "half a JPEG": lambda: noisy("JPEG")[: len(noisy("JPEG")) // 2],
    "a GIF without its end": lambda: noisy("GIF")[:-300],
    "a BMP without its end": lambda: noisy("BMP")[:-300],
    "a BMP with reserved bytes": lambda: noisy("BMP")[:6] + b"abcd" + noisy("BMP")[10:],
}


@pytest.mark.parametrize("what", ODD)
def test_what_viewers_open_is_not_damaged(what: str) -> None:
    data = ODD[what]()
    assert seen(data).width in {30, 120}
    if what.startswith(("half", "a GIF")):
        assert "the file is cut off, and its rest left blank" in fitted(data).remarks


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG2000", {}),
        ("JPEG2000", {"no_jp2": True}),
        ("ICO", {}),
        ("ICNS", {}),
        ("TIFF", {"big_tiff": True}),
        ("DIB", {}),
    ],
)
def test_other_kinds_that_people_have_are_converted(kind: str, options) -> None:
    image = Image.new("RGB", (64, 64), "red")
    data = written(image, kind, **options)
    if kind == "DIB":
        data = b"BM" + struct.pack("<IHHI", len(data) + 14, 0, 0, 54) + data
    red, green, blue = seen(data).convert("RGB").getpixel((30, 30))
    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_what_a_library_cannot_read_says_so() -> None:
    data = b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + struct.pack("<IiiHH", 40, 9, 9, 1, 2)
    with pytest.raises(images.OpenRouterError) as caught:
        fitted(data + bytes(100))
    assert caught.value.code == "UNSUPPORTED_FORMAT"
    assert "of a kind that cannot be read here" in caught.value.message
    assert "Export it as PNG or JPEG." in caught.value.message


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_bytes_make_the_library_fail_in_a_way_of_its_own(data) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "ICO"]))
    whole = bytearray(written(Image.new("RGB", (16, 16), "red"), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(8, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    found = kind_of(bytes(whole))
    if found is None or found.name != "image":
        return
    with contextlib.suppress(images.OpenRouterError):
        images.fitted(io.BytesIO(bytes(whole)), found.type, SETTINGS, Fit.SEEN)


async def test_the_pieces_of_a_picture_reach_the_model_by_name_and_the_reply_tells_of_them(
    client, simulator, tmp_path: Path
) -> None:
    Image.new("L", (800, 9000), "white").save(tmp_path / "page.png")
    files = [str(tmp_path / "page.png")]
    arguments = {"prompt": "What is it?", "files": files, "thread_id": "new"}
    result = await client.call_tool("chat", arguments)
    content = simulator.requests[-1].body["messages"][0]["content"]
    pieces = [part for part in content if part["type"] == "image_url"]
    labels = [part["text"] for part in content if "piece" in part.get("text", "")]
    assert len(pieces) == len(labels) == 6
    assert labels[0].endswith("page.png (piece 1 of 6)")
    for part in pieces:
        data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        with Image.open(io.BytesIO(data)) as piece:
            assert (piece.format, piece.width) == (PNG.format.upper(), 800)
    said = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    assert "page.png: cut into 6 pieces of at most 1,568 pixels a side." in said
    thread = re.findall(r"thread_[a-z0-9]{8,}", said)[0]
    await client.call_tool("chat", {"prompt": "And?", "thread_id": thread})
    again = simulator.requests[-1].body["messages"][0]["content"]
    assert sum(part["type"] == "image_url" for part in again) == 6


def test_pages_are_not_counted_for_ever() -> None:
    page = Image.new("1", (1, 1))
    scan = written(page, "TIFF", save_all=True, append_images=[page] * (images.MOST_PAGES + 9))
    (remark,) = fitted(scan).remarks
    assert remark == "only the first of its more than 1,000 pages is sent"


def test_a_damaged_further_page_takes_nothing_from_the_first() -> None:
    page = Image.new("RGB", (9, 9), "red")
    scan = bytearray(written(page, "TIFF"))
    directory = int.from_bytes(scan[4:8], "little")
    following = directory + 2 + 12 * int.from_bytes(scan[directory : directory + 2], "little")
    scan[following : following + 4] = len(scan).to_bytes(4, "little")
    data = bytes(scan) + b"\x03\0rubbish"
    assert seen(data).convert("RGB").getpixel((4, 4))[0] > 250
    assert fitted(data).remarks == NOTHING_SAID


def test_a_png_that_is_cut_off_is_shown_as_far_as_it_goes() -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(whole, "PNG")
    cut = whole.getvalue()[: len(whole.getvalue()) * 2 // 3]
    made = images.fitted(io.BytesIO(cut), PNG, Settings(), Fit.SEEN)
    assert made.remarks == ("the file is cut off, and its rest left blank",)
    with Image.open(io.BytesIO(made.pictures[0][0])) as shown, Image.open(whole) as right:
        above = (0, 0, 64, 30)
        assert shown.crop(above).convert("L").tobytes() == right.crop(above).tobytes()


HIDDEN = b"SECRET place and owner"


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_webp_chunk(data: bytes, name: bytes) -> bytes:
    body = data[8:] + name + struct.pack("<I", len(HIDDEN)) + HIDDEN
    return b"RIFF" + struct.pack("<I", len(body)) + body


PLAIN = Image.new("RGB", (40, 20), "red")
AS_PNG, AS_JPEG, AS_GIF = (written(PLAIN, kind) for kind in ("PNG", "JPEG", "GIF"))
AS_WEBP = written(PLAIN, "WEBP", lossless=True)


@pytest.mark.parametrize(
    "data",
    [
        *(data + HIDDEN for data in (AS_PNG, AS_JPEG, AS_GIF, AS_WEBP)),
        AS_PNG[:33] + png_chunk(b"caBX", HIDDEN) + AS_PNG[33:],
        AS_PNG[:-12] + png_chunk(b"prVt", HIDDEN) + AS_PNG[-12:],
        *(AS_JPEG[:2] + jpeg_segment(0xE0 + n, HIDDEN) + AS_JPEG[2:] for n in range(1, 16)),
        AS_JPEG[:2] + jpeg_segment(0xE2, b"FPXR\0" + HIDDEN) + AS_JPEG[2:],
        AS_JPEG[:20] + jpeg_segment(0xE0, b"JFXX\0" + HIDDEN) + AS_JPEG[20:],
        AS_GIF[:-1] + b"!\xfe\x16" + HIDDEN + b"\0;",
        AS_GIF[:-1] + b"!\xff\x0bXMP DataXMP\x16" + HIDDEN + b"\0;",
        with_webp_chunk(AS_WEBP, b"note"),
    ],
)
def test_nothing_but_the_picture_is_sent_wherever_a_file_keeps_more(data: bytes) -> None:
    assert HIDDEN in data
    made = fitted(data)
    ((sent, _),) = made.pictures
    assert HIDDEN not in sent
    assert seen(data).convert("RGB").resize((1, 1)).getpixel((0, 0))[0] > 250
    assert made.remarks == ("sent without its metadata",)
    assert fitted(data, Fit.ORIGINAL).pictures == ()


ANIMATED = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]


@pytest.mark.parametrize(
    "data",
    [
        *(AS_PNG, AS_JPEG, AS_GIF, AS_WEBP, AS_PNG + bytes(9), AS_JPEG + b"\n"),
        *(
            written(ANIMATED[0], kind, save_all=True, append_images=ANIMATED[1:], loop=0)
            for kind in ("PNG", "GIF", "WEBP")
        ),
        written(PLAIN, "JPEG", progressive=True, icc_profile=b"icc" * 30_000),
        written(PLAIN.convert("L"), "JPEG", restart_marker_blocks=1),
        *(written(PLAIN.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA")),
    ],
)
def test_what_is_a_picture_alone_goes_as_it_is(data: bytes) -> None:
    assert fitted(data) == Fitted()


@given(
    st.sampled_from([AS_PNG, AS_JPEG, AS_GIF, AS_WEBP]), st.binary(max_size=9), st.integers(0, 999)
)
def test_any_damage_has_an_answer(data: bytes, noise: bytes, at: int) -> None:
    containers.is_bare(data[:at] + noise + data[at + len(noise) :])
    assert containers.is_bare(data[: max(40, at)])
