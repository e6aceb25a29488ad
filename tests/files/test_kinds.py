"""What a file is, by its first bytes and never by its name."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from openrouter_mcp.files import kinds
from openrouter_mcp.files.kinds import media_type


@pytest.mark.parametrize(
    ("kind", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif")]
)
def test_what_pillow_writes_is_known(kind: str, suffix: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9)).save(buffer, kind)
    found = media_type(buffer.getvalue())
    assert found
    assert (found.suffix, found.mime) == (suffix, Image.MIME[kind])


def test_what_wave_writes_is_known() -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
    assert media_type(buffer.getvalue()) is kinds.WAV


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"ID3\x04\x00", ".mp3"),
        (b"\xff\xfb\x90\x00", ".mp3"),
        (b"\xff\xf3\x84\xc4", ".mp3"),
        (b"\xff\xf1\x50\x80", ".aac"),
        (b"fLaC\x00", ".flac"),
        (b"OggS\x00", ".ogg"),
        (b"FORM\x00\x00\x00\x00AIFF", ".aiff"),
        (b"\x00\x00\x00\x20ftypM4A ", ".m4a"),
        (b"\x00\x00\x00\x20ftypisom", ".mp4"),
        (b"\x1aE\xdf\xa3", ".webm"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", ".svg"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg>', ".svg"),
    ],
)
def test_the_first_bytes_tell(head: bytes, suffix: str) -> None:
    found = media_type(head)
    assert found
    assert found.suffix == suffix


@pytest.mark.parametrize(
    "head", [b"", b"hello", b"<html><svg>", b'{"error": {}}', b"RIFF", b"\xff\xff", b"PK\x03\x04"]
)
def test_what_is_no_media_is_not_taken_for_it(head: bytes) -> None:
    assert media_type(head) is None


@given(st.binary(max_size=2000))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert media_type(data) is None or media_type(data) == media_type(data[: kinds.SIGNATURE_HEAD])


def box(name: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I", len(data) + 8) + name + data


def track(kind: bytes, coded: bytes = b"avc1", *, quicktime: bool = False) -> bytes:
    handler = box(b"hdlr", bytes(4), b"mhlr" if quicktime else bytes(4), kind, bytes(13))
    described = box(b"stbl", box(b"stsd", bytes(4), b"\0\0\0\1", box(coded, bytes(16))))
    located = box(b"hdlr", bytes(4), b"dhlralis", bytes(13)) if quicktime else b""
    media = box(b"mdia", handler, box(b"minf", located, described))
    return box(b"trak", box(b"tkhd", bytes(84)), media)


def mp4(brand: bytes, *tracks: bytes, first: bool = False) -> bytes:
    """A file of the MP4 family whose tracks are told at its end, or first."""
    moov, mdat = box(b"moov", box(b"mvhd", bytes(100)), *tracks), box(b"mdat", bytes(30_000))
    parts = [moov, mdat] if first else [mdat, moov]
    return box(b"ftyp", brand, bytes(4), b"isomiso2") + b"".join(parts)


def told(data: bytes) -> str:
    kind = kinds.kind_of(data[: kinds.HEAD], io.BytesIO(data))
    return kind.type.mime if kind else ""


@pytest.mark.parametrize("brand", [b"mp42", b"isom", b"dash", b"iso5", b"M4A ", b"qt  ", b"MSNV"])
@pytest.mark.parametrize("first", [True, False])
def test_what_has_sound_alone_is_sound(brand: bytes, first: bool) -> None:
    assert told(mp4(brand, track(b"soun", b"mp4a"), first=first)) == "audio/mp4"
    cover = track(b"vide", b"jpeg")  # the pictures of an audio book's chapters
    chapters = [track(b"text"), track(b"soun", b"mp4a"), cover]
    assert told(mp4(brand, *chapters, first=first)) == "audio/mp4"


@pytest.mark.parametrize("brand", [b"mp42", b"isom", b"dash", b"M4V ", b"avc1", b"qt  "])
def test_what_has_pictures_is_film(brand: bytes) -> None:
    film = mp4(brand, track(b"vide"), track(b"soun", b"mp4a"))
    assert told(film).startswith("video/")
    assert told(mp4(brand, track(b"vide"), first=True)).startswith("video/")


@pytest.mark.parametrize("first", [True, False])
def test_what_cameras_film_in_quicktime_is_film(first: bool) -> None:
    sound = track(b"soun", b"mp4a", quicktime=True)
    tracks = [track(b"vide", quicktime=True), sound, track(b"meta", b"mebx", quicktime=True)]
    assert told(mp4(b"qt  ", *tracks, first=first)) == "video/mov"
    assert told(mp4(b"qt  ", sound, first=first)) == "audio/mp4"


def test_old_films_begin_without_a_brand() -> None:
    for start in (b"wide", b"mdat", b"free", b"skip", b"pnot"):
        data = box(start, bytes(20)) + box(b"moov", track(b"vide"))
        assert told(data) == "video/mov"


@given(st.binary(max_size=300), st.integers(0, 200))
def test_damaged_boxes_are_borne(noise: bytes, at: int) -> None:
    whole = mp4(b"isom", track(b"soun"), track(b"vide"), first=True)
    assert told(whole[:at] + noise + whole[at + len(noise) :]) is not None
    assert told(b"\x1aE\xdf\xa3" + noise) is not None
    assert told(b"ID3\4\0\0" + noise) is not None


def element(number: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return number + (0x10000000 | len(data)).to_bytes(4) + data


def webm(*kinds_of_tracks: int, live: bool = False) -> bytes:
    head = element(b"\x1aE\xdf\xa3", element(b"\x42\x82", b"webm"))
    entries = [
        element(b"\xae", element(b"\xd7", b"\1"), element(b"\x83", bytes([k])))
        for k in kinds_of_tracks
    ]
    content = element(b"\xec", bytes(300)) + element(b"\x16T\xaek", *entries)
    content += element(b"\x1f\x43\xb6\x75", bytes(900))
    # Browsers record without knowing how long it will be.
    segment = b"\x18S\x80g" + (
        b"\x01\xff\xff\xff\xff\xff\xff\xff" if live else (0x10000000 | len(content)).to_bytes(4)
    )
    return head + segment + content


@pytest.mark.parametrize("live", [True, False])
def test_webm_is_told_by_its_tracks(live: bool) -> None:
    assert told(webm(2, live=live)) == "audio/webm"
    assert told(webm(1, live=live)) == "video/webm"
    assert told(webm(2, 1, live=live)) == "video/webm"


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"ID3\4\0\0\0\0\2\1" + bytes(257) + b"\xff\xfb\x90\0" + bytes(9), "audio/mpeg"),
        (b"ID3\4\0\0\0\0\2\1" + bytes(257) + b"fLaC\0\0\0\x22", "audio/flac"),
        (b"ID3\3\0\0\0\0\0\x40" + bytes(64) + b"\xff\xf1\x50\x80" + bytes(9), "audio/aac"),
        (b"ID3\4\0\0\0\0\0\4" + bytes(4) + b"ID3\3\0\0\0\0\0\0" + b"fLaC\0", "audio/flac"),
        (bytes(500) + b"\xff\xfb\x90\x64" + bytes(300), "audio/mpeg"),
        (b"RIFX\0\0\0\0WAVEfmt \0", "audio/wav"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiafMA1B", "image/avif"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1heicmiaf\0\0\0\0", "image/heic"),
        (b"II+\0\x08\0\0\0", "image/tiff"),
        (b"OggS\0\2" + bytes(22) + b"\x80theora\3\2", ""),
        (b"OggS\0\2" + bytes(22) + b"\1vorbis" + bytes(9), "audio/ogg"),
    ],
)
def test_real_files_begin_in_more_ways_than_one(data: bytes, mime: str) -> None:
    assert told(data) == mime


BODY = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\nstartxref\n9\n%%EOF\n"


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\xef\xbb\xbf",
        b"\n",
        b"\r\n \n",
        b"From: me\nContent-Type: application/pdf\n\n",
        b"x" * 900,
    ],
)
def test_a_pdf_may_begin_late(before: bytes) -> None:
    assert told(before + BODY) == "application/pdf"
    # One without any byte that is no text.
    assert told(before + BODY.replace(b"%\xe2\xe3\xcf\xd3\n", b"")) == "application/pdf"


def test_a_text_about_pdf_is_a_text() -> None:
    assert told(b"A PDF begins with %PDF-1.4 and ends with %%EOF, behind startxref.\n") == ""
    assert told(b"x" * 2000 + BODY[:9] + b"text") == ""
