"""Raw sound (16-bit samples, little-endian) into WAV files and out of them."""

from __future__ import annotations

import io
import re
import wave
from dataclasses import dataclass

WIDTH = 2
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
        return len(self.samples) / (WIDTH * self.channels * self.rate)

    def wav(self) -> bytes:
        """The same as a WAV file."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(self.channels)
            file.setsampwidth(WIDTH)
            file.setframerate(self.rate)
            whole = len(self.samples) // (WIDTH * self.channels) * WIDTH * self.channels
            file.writeframes(self.samples[:whole])
        return buffer.getvalue()


def of_content_type(samples: bytes, content_type: str) -> Pcm:
    """Samples with what their content type says: `audio/pcm;rate=24000;channels=1`."""
    said = dict(re.findall(r"(rate|channels)=(\d+)", content_type.lower()))
    return Pcm(samples, int(said.get("rate", 0)) or 24_000, int(said.get("channels", 0)) or 1)


def of_wav(data: bytes) -> Pcm:
    """The samples of a WAV file. Raises ValueError for what is none, or not of 16 bits."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != WIDTH:
                raise ValueError("not of 16 bits")
            return Pcm(file.readframes(file.getnframes()), file.getframerate(), file.getnchannels())
    except (wave.Error, EOFError) as error:
        raise ValueError(str(error)) from None


def joined(parts: list[Pcm]) -> Pcm:
    """One after the other. Raises ValueError where they are not alike."""
    kinds = {(part.rate, part.channels) for part in parts}
    if len(kinds) != 1:
        raise ValueError("not of one rate")
    rate, channels = kinds.pop()
    return Pcm(b"".join(part.samples for part in parts), rate, channels)
