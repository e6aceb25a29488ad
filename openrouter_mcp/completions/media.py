"""Images and sound in the answer of a chat, wherever a provider puts them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openrouter_mcp.api import responses
from openrouter_mcp.files.kinds import media_type

PLACES = (
    "image_url",
    "url",
    "b64_json",
    "data",
    "result",
    "image",
    "source",
    "input_audio",
    "audio",
)
"""Where the parts of an answer have an address or base64, some of them one within another."""


URL = r"data:image/[\w.+-]{1,40};base64,[\w+/=%-]+"
DATA_URL = re.compile(rf"!\[[^\]\n]{{0,200}}\]\((?P<linked>{URL})[^)\n]{{0,200}}\)|(?P<bare>{URL})")
"""An image in a text, as Markdown shows it or alone."""
PADDED = re.compile(r"(?:data:[^,]{0,200},)?[^=]+=*")
"""A text of base64 to the end of its padding."""
LONG = 1000
"""Characters of a data URL that is no text to read, even if it is damaged."""
IN_TEXT = "[image]"


@dataclass
class Media:
    """What came, still as it was written: addresses of images, and sound in pieces of base64."""

    images: dict[str, None] = field(default_factory=dict)
    """Each once, in order: as a data URL, as an address on the web, or as base64."""
    transcript: str = ""
    """The words that the sound speaks, where they were told."""
    sound_format: str = ""
    sound_size: int = 0
    """About how many bytes of sound have come."""
    _sound: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.images or self._sound)

    def add(self, said: Mapping[str, Any], *, whole: bool = False) -> None:
        """Take in a `delta`, which adds to what came before, or the `whole` message."""
        images = said.get("images")
        for image in images if isinstance(images, list) else [images]:
            self._add_image({"url": image} if isinstance(image, str) else image)
        if sound := responses.mapping(said, "audio"):
            self._add_sound(sound, whole=whole)
        for part in (responses.mapping(said, "content"), *responses.mappings(said, "content")):
            kind = responses.text(part, "type")
            if "image" in kind:
                self._add_image(part)
            elif "audio" in kind:
                self._add_sound(part, whole=whole)

    @property
    def sound(self) -> bytes:
        """The sound; empty if there is none or it came damaged."""
        # It may be cut anywhere, within the padding too, and each piece may have its own padding.
        texts = PADDED.findall("".join("".join(self._sound).split()))
        decoded = [responses.base64_bytes(text) for text in texts]
        return b"".join(decoded) if all(decoded) else b""

    @property
    def has_sound(self) -> bool:
        """Whether any sound came, be it damaged."""
        return bool(self._sound)

    def named(self) -> str:
        """What stands for it in a conversation that goes on; empty if there is none."""
        number = len(self.images)
        told = [f"{number} image{'s' if number > 1 else ''}"] if number else []
        told += ["sound"] if self._sound else []
        return f"[{' and '.join(told)}]" if told else ""

    def take_out(self, text: str) -> str:
        """The text with a mark for each image that stands in it as a data URL; that is kept."""

        def keep(found: re.Match[str]) -> str:
            url = found["linked"] or found["bare"]
            kind = media_type(responses.base64_bytes(url))
            if len(url) < LONG and not (kind and kind.mime.startswith("image/")):
                return found[0]
            self.images[url] = None
            return IN_TEXT

        return DATA_URL.sub(keep, text) if "data:image/" in text else text

    def _add_image(self, image: object) -> None:
        address = next(_texts(image), "") if isinstance(image, Mapping) else ""
        if address:
            self.images[address] = None

    def _add_sound(self, said: Mapping[str, Any], *, whole: bool) -> None:
        for part in (said, *_nested(said)):
            self.sound_format = responses.text(part, "format") or self.sound_format
            transcript, data = responses.text(part, "transcript"), responses.text(part, "data")
            self.transcript = (
                transcript or self.transcript if whole else self.transcript + transcript
            )
            if data:
                if whole:
                    self._sound.clear()
                self._sound.append(data)
                self.sound_size += len(data) * 3 // 4


def _nested(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [responses.mapping(part, name) for name in PLACES]


def _texts(part: Mapping[str, Any]) -> Iterator[str]:
    """What stands in the places of a part, and of what is in them."""
    for each in (part, *_nested(part)):
        yield from filter(None, (responses.text(each, name) for name in PLACES))
