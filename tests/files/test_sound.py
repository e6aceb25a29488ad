"""Samples in WAV files that others can read."""

import io
import wave

import pytest

from openrouter_mcp.files import sound
from openrouter_mcp.files.sound import Pcm


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


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEjunk", b"no sound"])
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
