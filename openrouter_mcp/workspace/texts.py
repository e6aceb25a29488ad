"""Text files as a model edits them: encoding, line ends and odd bytes are kept. Pure."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from openrouter_mcp.text import storable

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""The mark at the beginning of a file, and the encoding that it stands for; the longer first."""
CRLF = "\r\n"


@dataclass(frozen=True)
class TextFile:
    """The text of a file, and what its bytes need beside it."""

    text: str
    mark: bytes = b""
    encoding: str = "utf-8"

    @property
    def data(self) -> bytes:
        """The file's bytes. What was no UTF-8 in it is as it was."""
        errors = "surrogateescape" if self.encoding == "utf-8" else "strict"
        return self.mark + self.text.encode(self.encoding, errors)

    @property
    def has_crlf(self) -> bool:
        """Whether every line ends as on Windows."""
        return CRLF in self.text and self.text.count("\n") == self.text.count(CRLF)

    def lines(self) -> list[str]:
        """The lines without their ends. A lone carriage return ends none."""
        lines = self.text.split("\n")
        if not lines[-1]:
            lines.pop()
        return [line.removesuffix("\r") for line in lines]

    def with_text(self, text: str) -> TextFile:
        """Another text in the same encoding, its lines ended as those of this one."""
        return TextFile(self._as_here(text), self.mark, self.encoding)

    def edited(self, old: str, new: str, *, everywhere: bool) -> tuple[TextFile, int]:
        """The file with `new` in the place of `old`, and how often that was replaced.

        Raises `ValueError` with what to do where `old` is not in it, or is in it several times.
        """
        if not old:
            raise ValueError("old is empty. Give the text that is to be replaced.")
        old, new = self._as_here(old), self._as_here(new)
        if old not in self.text and CRLF in self.text:
            # Its lines end in both ways; where several end as on Windows, they are shown without.
            old, new = _with_crlf(old), _with_crlf(new)
        first = self.text.find(old)
        if first < 0:
            raise ValueError("old is not in the file as it stands. Read the file again.")
        count = self.text.count(old)
        # Two places may have letters in common.
        if not everywhere and self.text.find(old, first + 1) >= 0:
            raise ValueError(
                f"old is in the file {max(count, 2)} times. Give more lines around it, or "
                "everywhere=true."
            )
        return TextFile(self.text.replace(old, new), self.mark, self.encoding), count

    def _as_here(self, text: str) -> str:
        """What a model wrote, with the line ends of this file where these are all alike."""
        text = storable(text)
        return _with_crlf(text) if self.has_crlf else text


def _with_crlf(text: str) -> str:
    return text.replace(CRLF, "\n").replace("\n", CRLF)


def decode(data: bytes) -> TextFile | None:
    """The text of a file; None where it is binary."""
    mark, encoding = next((pair for pair in MARKS if data.startswith(pair[0])), (b"", "utf-8"))
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    try:
        text = data[len(mark) :].decode(encoding, errors)
    except UnicodeDecodeError:
        return None
    # Half characters of UTF-16 cannot be written again, and a NUL is in no text.
    if "\0" in text or (encoding != "utf-8" and storable(text) != text):
        return None
    return TextFile(text, mark, encoding)
