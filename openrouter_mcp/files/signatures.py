"""What a file is, told from its first bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD = 1024
"""First bytes that are looked at."""


@dataclass(frozen=True)
class MediaType:
    """A kind of media: its suffix with the dot, and its MIME type."""

    suffix: str
    mime: str

    @property
    def format(self) -> str:
        """OpenRouter's word for it, as `mp3`."""
        return self.suffix.removeprefix(".")


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
WEBM = MediaType(".webm", "video/webm")
MP4 = MediaType(".mp4", "video/mp4")
MOV = MediaType(".mov", "video/mov")
MPEG = MediaType(".mpeg", "video/mpeg")
BMP = MediaType(".bmp", "image/bmp")
TIFF = MediaType(".tiff", "image/tiff")
HEIC = MediaType(".heic", "image/heic")
AVIF = MediaType(".avif", "image/avif")
PDF = MediaType(".pdf", "application/pdf")

SIGNATURES = (
    (rb"\x89PNG\r\n\x1a\n", PNG),
    (rb"\xff\xd8\xff", JPEG),
    (rb"RIFF....WEBP", WEBP),
    (rb"GIF8[79]a", GIF),
    (rb"RIFF....WAVE|RF64....WAVE", WAV),
    (rb"fLaC", FLAC),
    (rb"OggS", OGG),
    (rb"FORM....AIF[FC]", AIFF),
    (rb"....ftyp(?:M4A|M4B|F4A)", M4A),
    (rb"....ftyp(?:hei[cxs]|hevc|mif1|msf1)", HEIC),
    (rb"....ftypavi[fs]", AVIF),
    (rb"....ftypqt  |....(?:moov|wide)", MOV),
    (rb"....ftyp", MP4),
    (rb"\x00\x00\x01[\xb3\xba]", MPEG),
    (rb"II\*\0|MM\0\*", TIFF),
    (rb"BM....\0\0\0\0", BMP),
    (rb"%PDF-", PDF),
    (rb"\x1aE\xdf\xa3", WEBM),
    # The sync word of ADTS has the layer bits 00, that of MPEG audio has not.
    (rb"ADIF|\xff[\xf0\xf1\xf8\xf9]", AAC),
    (rb"ID3|\xff[\xe2\xe3\xf2-\xf5\xfa-\xfd][\x00-\xef]", MP3),
    (rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.*?)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE svg.*?)?<svg[\s>]", SVG),
)
_COMPILED = [(re.compile(pattern, re.DOTALL), found) for pattern, found in SIGNATURES]


def media_type(data: bytes) -> MediaType | None:
    """The kind of media that begins with these bytes; None if it is none that is known here."""
    head = data[:HEAD]
    return next((found for pattern, found in _COMPILED if pattern.match(head)), None)
