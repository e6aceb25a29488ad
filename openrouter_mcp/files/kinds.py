"""What a file is to a model, told from its first bytes: text, image, audio, video, PDF. Pure."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from typing import BinaryIO, Literal

from openrouter_mcp.files import containers
from openrouter_mcp.files.encodings import unicode_of
from openrouter_mcp.settings import Settings

HEAD = 8192
"""First bytes that show what a file is."""
SIGNATURE_HEAD = 1024
"""Those of them that can hold a signature."""
KindName = Literal["image", "audio", "video", "pdf"]
SizeLimit = Literal["max_bytes", "max_download_bytes", "max_data_url_bytes"]


@dataclass(frozen=True)
class MediaType:
    """A kind of media: its suffix with the dot, and its MIME type."""

    suffix: str
    mime: str

    @property
    def format(self) -> str:
        """OpenRouter's word for it, as `mp3`."""
        return self.suffix.removeprefix(".")


@dataclass(frozen=True)
class Kind:
    """A kind of media that models take."""

    name: KindName
    type: MediaType


PNG = MediaType(".png", "image/png")
JPEG = MediaType(".jpg", "image/jpeg")
WEBP = MediaType(".webp", "image/webp")
GIF = MediaType(".gif", "image/gif")
SVG = MediaType(".svg", "image/svg+xml")
WAV = MediaType(".wav", "audio/wav")
MP3 = MediaType(".mp3", "audio/mpeg")
FLAC = MediaType(".flac", "audio/flac")
OGG = MediaType(".ogg", "audio/ogg")
M4A = MediaType(".m4a", "audio/mp4")
AAC = MediaType(".aac", "audio/aac")
AIFF = MediaType(".aiff", "audio/aiff")
WEBM_SOUND = MediaType(".webm", "audio/webm")
WEBM = MediaType(".webm", "video/webm")
MP4 = MediaType(".mp4", "video/mp4")
MOV = MediaType(".mov", "video/mov")
MPEG = MediaType(".mpeg", "video/mpeg")
BMP = MediaType(".bmp", "image/bmp")
TIFF = MediaType(".tiff", "image/tiff")
HEIC = MediaType(".heic", "image/heic")
AVIF = MediaType(".avif", "image/avif")
JP2 = MediaType(".jp2", "image/jp2")
ICO = MediaType(".ico", "image/x-icon")
ICNS = MediaType(".icns", "image/icns")
PSD = MediaType(".psd", "image/vnd.adobe.photoshop")
PDF = MediaType(".pdf", "application/pdf")
MEDIA_TYPES = (
    *(PNG, JPEG, WEBP, GIF, SVG, BMP, TIFF, HEIC, AVIF),
    *(WAV, MP3, FLAC, OGG, M4A, AAC, AIFF, WEBM, MP4, MOV, MPEG, PDF),
)

SIGNATURES = (
    (rb"\x89PNG\r\n\x1a\n", PNG),
    (rb"\xff\xd8\xff", JPEG),
    (rb"RIFF....WEBP", WEBP),
    (rb"GIF8[79]a", GIF),
    (rb"(?:RIFF|RIFX|RF64|BW64)....WAVE", WAV),
    (rb"fLaC", FLAC),
    (rb"OggS", OGG),
    (rb"FORM....AIF[FC]", AIFF),
    (rb"....ftyp(?:M4[ABP] |F4[AB] )", M4A),
    (rb"....ftyp(?:he[iv][cmsx]|heif|mif[12]|msf1)", HEIC),
    (rb"....ftypavi[fs]", AVIF),
    (rb"....ftypqt  |....(?:moov|wide|mdat|free|skip|pnot)", MOV),
    (rb"....ftyp", MP4),
    (rb"\x00\x00\x01[\xb3\xba]", MPEG),
    (rb"II[*+]\0|MM\0[*+]", TIFF),
    # The size of the header, of all versions, tells it from text that begins with BM.
    (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", BMP),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", JP2),
    (rb"\0\0\x01\0[^\0]\0", ICO),
    (rb"icns\0", ICNS),
    (rb"8BPS\0\x01", PSD),
    (rb"%PDF-", PDF),
    (rb"\x1aE\xdf\xa3", WEBM),
    # The sync word of ADTS has the layer bits 00, that of MPEG audio has not.
    (rb"ADIF|\xff[\xf0\xf1\xf8\xf9]", AAC),
    (rb"ID3|\xff[\xe2\xe3\xf2-\xf5\xfa-\xfd][\x00-\xef]", MP3),
)
BEFORE_SVG = ((b"<?", b"?>"), (b"<!--", b"-->"))
"""How what may stand before a drawing begins and ends."""
BLANKS = (b" ", b"\t", b"\r", b"\n")
_COMPILED = [(re.compile(pattern, re.DOTALL), found) for pattern, found in SIGNATURES]
NEITHER = (
    (rb"PK\x03\x04", "a ZIP archive or an Office document"),
    (rb"\xd0\xcf\x11\xe0", "an Office document of before 2007"),
    (rb"\x1f\x8b", "a gzip archive"),
    (rb"\x1aE\xdf\xa3(?!.{,60}webm)", "Matroska video"),
    (rb"....ftyp3g", "3GP video"),
    (rb"OggS.{24,4000}?(?:\x80theora|\x01video)", "Ogg video"),
)
OTHER_FILMS = (
    (rb"\x1aE\xdf\xa3", MediaType(".mkv", "video/x-matroska")),
    (rb"RIFF....AVI ", MediaType(".avi", "video/x-msvideo")),
    (rb"OggS", MediaType(".ogv", "video/ogg")),
    (rb"FLV\x01", MediaType(".flv", "video/x-flv")),
    (rb"\x47.{187}\x47", MediaType(".ts", "video/mp2t")),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", MediaType(".wmv", "video/x-ms-wmv")),
)
"""Containers of films that models are not given, but may make."""
TAIL = 2_048
"""Last bytes that show that a text which has the mark of a PDF is one."""
PDF_MARK = re.compile(rb"%PDF-[12]\.\d")


def media_type(data: bytes) -> MediaType | None:
    """The kind of media that begins with these bytes; None if it is none that is known here."""
    head = data[:SIGNATURE_HEAD]
    found = next((found for pattern, found in _COMPILED if pattern.match(head)), None)
    # Still pictures of both codecs come under one major brand.
    if found is HEIC and b"avif" in containers.brands(head):
        return AVIF
    return SVG if found is None and _is_svg(head) else found


def _is_svg(head: bytes) -> bool:
    """Whether the first element is a drawing; comments and declarations may stand before it."""
    rest = head.removeprefix(codecs.BOM_UTF8).lstrip()
    while end := next((end for start, end in BEFORE_SVG if rest.startswith(start)), b""):
        rest = rest.partition(end)[2].lstrip()
    if rest.startswith(b"<!DOCTYPE svg"):
        rest = b"".join(rest.partition(b"<svg")[1:])
    return rest.startswith(b"<svg") and rest[4:5] in {b">", *BLANKS}


def kind_of(head: bytes, file: BinaryIO | None = None) -> Kind | None:
    """The kind of media that begins with these bytes; None for text and for everything else.

    `file` is the whole, where it is at hand: what tells sound from film may be at its end.
    """
    found = media_type(head)
    if found is PDF or _is_late_pdf(head, file):
        return Kind("pdf", PDF)
    # What is text whatever its first letters say: a note that begins with ID3, a drawing in SVG.
    if found is SVG or is_text(head) or _neither(head):
        return None
    found = _inside(found, head, file or io.BytesIO(head))
    for name in ("image", "audio", "video"):
        if found and found.mime.startswith(name):
            return Kind(name, found)
    return None


def film(head: bytes) -> MediaType | None:
    """The kind of film that begins with these bytes; None if it is none that is known here."""
    found = media_type(head)
    if found and found.mime.startswith("video/") and not _neither(head):
        return found
    others = (film for pattern, film in OTHER_FILMS if re.match(pattern, head, re.DOTALL))
    return next(others, found if found and found.mime.startswith("video/") else None)


def _inside(found: MediaType | None, head: bytes, file: BinaryIO) -> MediaType | None:
    """What a file holds that looks like `found` from outside."""
    if found in {MP4, MOV}:
        return M4A if containers.tracks(file) == {containers.SOUND} else found
    if found is WEBM:
        return WEBM_SOUND if containers.ebml_tracks(file) == {containers.SOUND} else found
    if found is MP3 and head.startswith(b"ID3"):
        tagged = media_type(containers.after_id3(file))
        return tagged if tagged in {FLAC, AAC, OGG, WAV, AIFF} else MP3
    if found is None and head.startswith(b"\0"):
        # Some encoders and cutters leave silence before the first frame.
        return MP3 if media_type(head.lstrip(b"\0")) is MP3 else None
    return found


def _is_late_pdf(head: bytes, file: BinaryIO | None) -> bool:
    """Whether a PDF begins behind other bytes, as readers of PDF allow, and is no text on PDFs."""
    if not PDF_MARK.search(head, 0, SIGNATURE_HEAD):
        return False
    if not is_text(head):
        return True
    if file is None:
        return False
    file.seek(max(0, file.seek(0, io.SEEK_END) - TAIL))
    tail = file.read(TAIL)
    return b"startxref" in tail and tail.rstrip().endswith(b"%%EOF")


def other_kind(data: bytes, *, sure: bool = False) -> str:
    """What it is that no model takes ("a gzip archive").

    Empty for what may be text, unless `sure` it is not.
    """
    if may_be_text(data) and not sure:
        return ""
    return _neither(data) or "binary data"


def _neither(data: bytes) -> str:
    looks = (words for pattern, words in NEITHER if re.match(pattern, data, re.DOTALL))
    return next(looks, "")


def byte_limit(kind: Kind | None, size_limit: SizeLimit) -> str:
    """The field of the settings that says how many bytes such a file may have."""
    if kind is None:
        return "max_file_bytes"
    if kind.name == "pdf":
        return "pdf_max_bytes" if size_limit == "max_bytes" else f"video_{size_limit}"
    return f"{kind.name}_{size_limit}"


def fetch_seconds(settings: Settings, kind: Kind | None) -> float:
    """How long fetching such a file may take."""
    name = {None: "image", "pdf": "video"}.get(kind and kind.name, kind and kind.name)
    return getattr(settings, f"{name}_fetch_timeout_ms") / 1000


def may_be_text(head: bytes) -> bool:
    """Whether the beginning of a file allows the whole to be text."""
    return bool(b"\0" not in head or unicode_of(head))


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file shows that it is text; its last character may be cut."""
    if unicode_of(head):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head
