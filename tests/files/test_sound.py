"""Samples in WAV files that others can read."""

import base64
import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openrouter_mcp.completions.media import Media
from openrouter_mcp.files import sound
from openrouter_mcp.files.sound import Pcm, Sound
from openrouter_mcp.results import SavedFile


def test_the_content_type_says_how_samples_are_to_be_played() -> None:
    assert sound.of_content_type(b"", "audio/pcm;rate=16000;channels=2") == Pcm(b"", 16_000, 2)
    assert sound.of_content_type(b"", "audio/L16; rate=44100") == Pcm(b"", 44_100, 1)
    assert sound.of_content_type(b"", "audio/pcm") == Pcm(b"", 24_000, 1)
    assert sound.of_content_type(b"", "audio/pcm;rate=0") == Pcm(b"", 24_000, 1)


def test_a_wav_file_holds_the_same_samples() -> None:
    made = Pcm(b"\x01\x02\x03\x04" * 100, 16_000, 2)
    with wave.open(io.BytesIO(made.wav())) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 2, 100)
    assert sound.of_wav(made.wav()) == made
    assert made.seconds == pytest.approx(100 / 16_000)


def test_half_a_sample_at_the_end_is_left_out() -> None:
    assert sound.of_wav(Pcm(b"\x01\x02\x03").wav()).samples == b"\x01\x02"


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"RIFF", b"RIFF\0\0\0\0WAVEjunk", b"no sound"),
        Pcm(b"ab").wav()[:36] + b"LIST\xff\xff\xff\xffINFOdata\x02\0\0\0ab",
    ],
)
def test_what_is_no_wav_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the library's
        sound.of_wav(data)


def test_a_wav_file_of_no_rate_is_none() -> None:
    data = Pcm(b"ab").wav()
    with pytest.raises(ValueError, match="no rate"):
        sound.of_wav(data[:24] + bytes(4) + data[28:])


def test_sounds_are_joined_if_they_are_alike() -> None:
    assert sound.joined([Pcm(b"ab"), Pcm(b"cd")]) == Pcm(b"abcd")
    with pytest.raises(ValueError, match="not of one rate"):
        sound.joined([Pcm(b"ab"), Pcm(b"cd", 16_000)])


def streamed(size: int, *, after: bytes = b"", width: int = 2) -> bytes:
    """A WAV file of someone who wrote while speaking; `after` follows the head's first chunk."""
    samples = bytes(range(240)) * 10
    head = struct.pack("<HHIIHH", 1, 1, 16_000, 16_000 * width, width, 8 * width)
    chunks = b"fmt " + struct.pack("<I", 16) + head + after
    told = struct.pack("<I", size)
    return b"RIFF" + told + b"WAVE" + chunks + b"data" + told + samples


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 9_999_999])
@pytest.mark.parametrize("after", [b"", b"LIST\x04\0\0\0INFO"])
def test_placeholder_sizes_become_real_ones(size: int, after: bytes) -> None:
    data = streamed(size, after=after)
    assert len(sound.of_wav(data).samples) == 2400
    real = sound.with_sizes(data)
    assert int.from_bytes(real[4:8], "little") == len(real) - 8
    with wave.open(io.BytesIO(real)) as file:
        assert file.getnframes() == 1200


@pytest.mark.parametrize("width", [2, 3])
def test_a_streamed_file_is_saved_with_its_real_sizes(width: int) -> None:
    saved: list[bytes] = []

    def save(data: bytes, suffix: str, mime: str) -> SavedFile:
        saved.append(data)
        return SavedFile(Path("a"), len(data), mime)

    sound.save_all(save, [Sound(streamed(0xFFFFFFFF, width=width), "audio/wav")])
    with wave.open(io.BytesIO(saved[0])) as file:
        assert len(file.readframes(file.getnframes())) == 2400
        assert file.getnframes() == 2400 // width


def test_a_whole_file_is_left_as_it_is() -> None:
    data = Pcm(bytes(range(100))).wav()
    assert sound.with_sizes(data) == data
    assert sound.with_sizes(b"no sound") == b"no sound"


@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(1, 40), max_size=12))
@example(b"\0", [3])
def test_sound_arrives_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    text = base64.b64encode(data).decode()
    media = Media()
    for cut in cuts:
        media.add({"audio": {"data": text[:cut]}})
        text = text[cut:]
    media.add({"audio": {"data": text}})
    assert media.sound == data


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=8))
def test_each_piece_may_have_its_own_padding(pieces: list[bytes]) -> None:
    media = Media()
    for piece in pieces:
        media.add({"audio": {"data": base64.b64encode(piece).decode() + "\n"}})
    assert media.sound == b"".join(pieces)
