"""What is in a container of media: sound alone or film, a picture alone or more. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST_BOXES = 4_000
"""Boxes that are looked at before a file is given up."""
SOUND_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "})
STILL = frozenset({b"jpeg", b"png ", b"mjpa", b"mjpb"})
"""What the pictures of chapters are coded in, which make no film of a recording."""
PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
LARGEST_ID3 = 64 * 2**20
EBML_SEGMENT, EBML_TRACKS, EBML_ENTRY, EBML_TYPE = 0x18538067, 0x1654AE6B, 0xAE, 0x83
EBML_CLUSTER = 0x1F43B675
VIDEO, SOUND = "video", "sound"
PNG_CHUNKS = frozenset(
    (
        b"IHDR PLTE tRNS IDAT IEND gAMA cHRM sRGB iCCP cICP sBIT bKGD hIST pHYs acTL fcTL fdAT"
    ).split()
)
WEBP_CHUNKS = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
JPEG_SEGMENTS = (b"JFIF\0", b"Adobe", b"Ducky", b"ICC_PROFILE\0")
"""How the segments of programs begin that say how the pixels are to be understood."""
JPEG_START, JPEG_END, JPEG_APP, JPEG_COMMENT = 0xD8, 0xD9, 0xE0, 0xFE
JPEG_MARKER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
PADDING = b"\0\r\n "
"""What may stand behind a picture and says nothing."""


@dataclass(frozen=True)
class Box:
    """A part of a container: its name, and where its content begins and ends."""

    name: bytes
    start: int
    end: int


def tracks(file: BinaryIO) -> set[str]:
    """The kinds of tracks, "video" and "sound", in a file of the MP4 and QuickTime family.

    Its brand decides where it is one of sound; none are found in what is damaged.
    """
    size = file.seek(0, io.SEEK_END)
    if SOUND_BRANDS & set(brands(_read(file, 0, 256))[:1]):
        return {SOUND}
    found: set[str] = set()
    handler = b""
    for box in _boxes(file, 0, size):
        if box.name == b"hdlr":
            component, kind = _read(file, box.start + 4, 4), _read(file, box.start + 8, 4)
            # QuickTime also says of each track how its data are found.
            handler = handler if component == b"dhlr" else kind
            if handler == b"soun":
                found.add(SOUND)
        elif box.name == b"stsd" and handler == b"vide":
            found |= {VIDEO} if _read(file, box.start + 12, 4) not in STILL else set()
    return found


def brands(head: bytes) -> list[bytes]:
    """The brands of a file of the MP4 family, the major one first; none of another."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4]), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]


def ebml_tracks(file: BinaryIO) -> set[str]:
    """The kinds of tracks in a WebM file."""
    file.seek(0)
    data = file.read(2**18)
    found: set[str] = set()
    pending = [(0, len(data))]
    for _ in range(MOST_BOXES):
        if not pending:
            break
        at, end = pending.pop()
        element, at = _ebml_id(data, at)
        length, at = _ebml_size(data, at)
        if at >= end or element == EBML_CLUSTER:
            continue
        stop = end if length is None else min(at + length, end)
        pending.append((stop, end))
        if element in {EBML_SEGMENT, EBML_TRACKS, EBML_ENTRY}:
            pending.append((at, stop))
        elif element == EBML_TYPE and stop > at:
            kind = data[stop - 1]
            found |= {VIDEO} if kind == 1 else {SOUND} if kind == 2 else set()
    return found


def after_id3(file: BinaryIO) -> bytes:
    """The first bytes behind the ID3 tags at the beginning of a file, and zeros behind them."""
    at = 0
    while (head := _read(file, at, 10))[:3] == b"ID3" and at < LARGEST_ID3:
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        footer = 10 if len(head) > 5 and head[5] & 0x10 else 0
        at += 10 + size + footer
    rest = _read(file, at, 4096)
    return rest.lstrip(b"\0")


def is_bare(picture: bytes) -> bool:
    """Whether a PNG, JPEG, GIF or WebP file holds what it takes to draw it, and nothing else.

    It may lack its end. Others are taken for bare.
    """
    if picture.startswith(b"\x89PNG"):
        bare, end = _png(picture)
    elif picture.startswith(b"\xff\xd8"):
        bare, end = _jpeg(picture)
    elif picture.startswith(b"GIF8"):
        bare, end = _gif(picture)
    elif picture.startswith(b"RIFF"):
        bare, end = _webp(picture)
    else:
        return True
    return bare and not picture[end:].strip(PADDING)


def _png(data: bytes) -> tuple[bool, int]:
    """Whether all chunks are of the picture, and where the last one ends."""
    at, name = 8, b""
    while at + 8 <= len(data) and name != b"IEND":
        name = data[at + 4 : at + 8]
        if name not in PNG_CHUNKS:
            return False, at
        at += 12 + int.from_bytes(data[at : at + 4])
    return True, at if name == b"IEND" else len(data)


def _webp(data: bytes) -> tuple[bool, int]:
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    at = 12
    while at + 8 <= end:
        if data[at : at + 4] not in WEBP_CHUNKS:
            return False, at
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return True, max(at, end)


def _jpeg(data: bytes) -> tuple[bool, int]:
    at = 0
    while found := JPEG_MARKER.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        if marker == JPEG_END:
            return True, at
        if marker == JPEG_START:
            continue
        content = data[at + 2 : at + 16]
        of_programs = JPEG_APP <= marker <= JPEG_APP + 15
        if marker == JPEG_COMMENT or (of_programs and not content.startswith(JPEG_SEGMENTS)):
            return False, at
        at += int.from_bytes(data[at : at + 2])
    return True, len(data)


def _gif(data: bytes) -> tuple[bool, int]:
    at = 13 + _gif_colours(data[10:11])
    while (block := data[at : at + 1]) in {b"!", b","}:
        if block == b",":
            at += 11 + _gif_colours(data[at + 9 : at + 10])
        else:
            loops = data[at + 1 : at + 2] == b"\xff" and data[at + 3 : at + 14] in GIF_LOOPS
            if not loops and data[at + 1 : at + 2] != b"\xf9":
                return False, at
            at += 2
        while size := data[at] if at < len(data) else 0:
            at += 1 + size
        at += 1
    return True, at + 1


def _gif_colours(flags: bytes) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """All boxes, those within others right behind them."""
    pending = [(start, end)]
    for _ in range(MOST_BOXES):
        if not pending:
            return
        at, end = pending.pop()
        head = _read(file, at, 16)
        if len(head) < 8 or at + 8 > end:
            continue
        length, name, inside = int.from_bytes(head[:4]), head[4:8], at + 8
        if length == 1:
            length, inside = int.from_bytes(head[8:16]), at + 16
        stop = end if length == 0 else at + length
        if stop < inside:
            continue
        pending.append((stop, end))
        yield Box(name, inside, stop)
        if name in PARENTS:
            pending.append((inside, min(stop, end)))


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _ebml_id(data: bytes, at: int) -> tuple[int, int]:
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if not 1 <= length <= 4:
        return 0, len(data)
    return int.from_bytes(data[at : at + length]), at + length


def _ebml_size(data: bytes, at: int) -> tuple[int | None, int]:
    """The length of an element, None if it is not known, and where its content begins."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if not 1 <= length <= 8:
        return 0, len(data)
    value = int.from_bytes(data[at : at + length]) - (1 << 7 * length)
    return (None if value == (1 << 7 * length) - 1 else value), at + length
