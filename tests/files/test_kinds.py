"""What a file is, by its first bytes and never by its name."""

import io
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
