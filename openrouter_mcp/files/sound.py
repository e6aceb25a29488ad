"""Sound that models make: samples and files of them, joined and saved."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass

from openrouter_mcp.files.kinds import AAC, AIFF, FLAC, MP3, OGG, WAV, media_type
from openrouter_mcp.files.save import Save
from openrouter_mcp.results import UNKNOWN_TYPE, SavedFile

PLAYABLE = {MP3, WAV, FLAC, OGG, AAC, AIFF}
SAMPLE_BYTES = 2
"""Bytes of a sample."""


@dataclass(frozen=True)
class Pcm:
    """Samples, `rate` of them per second in each of `channels`."""

    samples: bytes
    rate: int = 24_000
    channels: int = 1

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.samples) / (SAMPLE_BYTES * self.channels * self.rate)

    def wav(self) -> bytes:
        """The same as a WAV file."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(self.channels)
            file.setsampwidth(SAMPLE_BYTES)
            file.setframerate(self.rate)
            whole = (
                len(self.samples) // (SAMPLE_BYTES * self.channels) * SAMPLE_BYTES * self.channels
            )
            file.writeframes(self.samples[:whole])
        return buffer.getvalue()


def of_content_type(samples: bytes, content_type: str) -> Pcm:
    """Samples with what their content type says: `audio/pcm;rate=24000;channels=1`."""
    said = dict(re.findall(r"(rate|channels)=(\d+)", content_type.lower()))
    return Pcm(samples, int(said.get("rate", 0)) or 24_000, int(said.get("channels", 0)) or 1)


def of_wav(data: bytes) -> Pcm:
    """The samples of a WAV file. Raises ValueError for what is none, or not of 16 bits."""
    try:
        with wave.open(io.BytesIO(with_sizes(data))) as file:
            if file.getsampwidth() != SAMPLE_BYTES or not file.getframerate():
                raise ValueError("not of 16 bits, or of no rate")
            return Pcm(file.readframes(file.getnframes()), file.getframerate(), file.getnchannels())
    # Python's reader raises the last one for a part that is said to be longer than the file.
    except (wave.Error, EOFError, RuntimeError) as error:
        raise ValueError(str(error)) from None


def with_sizes(data: bytes) -> bytes:
    """A WAV file whose sizes are those of what is there.

    Who writes while speaking does not know them yet, and leaves zeros or the highest number.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return data
    whole = bytearray(data)
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        left = len(data) - at - 8
        if data[at : at + 4] == b"data" and (not size or size > left):
            whole[at + 4 : at + 8] = left.to_bytes(4, "little")
            break
        at += 8 + size + size % 2
    whole[4:8] = (len(data) - 8).to_bytes(4, "little")
    return bytes(whole)


def joined(parts: list[Pcm]) -> Pcm:
    """One after the other. Raises ValueError where they are not alike."""
    kinds = {(part.rate, part.channels) for part in parts}
    if len(kinds) != 1:
        raise ValueError("not of one rate")
    rate, channels = kinds.pop()
    return Pcm(b"".join(part.samples for part in parts), rate, channels)


@dataclass(frozen=True)
class Sound:
    """Sound as it came, and the words that were spoken where they were told."""

    data: bytes
    content_type: str
    transcript: str = ""


def save_all(save: Save, sounds: Sequence[Sound]) -> tuple[list[SavedFile], float]:
    """The sound as one file, and how long it plays (0 = not known). Blocks.

    Pieces that cannot be joined after all become files of their own.
    """
    if len(sounds) == 1 and (known := media_type(sounds[0].data)) in PLAYABLE - {WAV}:
        return [save(sounds[0].data, known.suffix, known.mime)], 0.0
    try:
        whole = joined([_samples(sound) for sound in sounds])
    except ValueError:
        return [_as_it_is(save, sound.data) for sound in sounds], 0.0
    return [save(whole.wav(), WAV.suffix, WAV.mime)], whole.seconds


def _as_it_is(save: Save, data: bytes) -> SavedFile:
    known = media_type(data)
    data = with_sizes(data) if known is WAV else data
    return save(data, *((known.suffix, known.mime) if known else (".bin", UNKNOWN_TYPE)))


def _samples(sound: Sound) -> Pcm:
    """The samples of sound that came as such or as WAV. Raises ValueError for other kinds."""
    if media_type(sound.data) is WAV:
        return of_wav(sound.data)
    if not sound.content_type.lower().startswith(("audio/pcm", "audio/l16")):
        raise ValueError("no samples")
    return of_content_type(sound.data, sound.content_type)
