"""Bytes as text, whatever their encoding, or as something that is none. Pure."""

from __future__ import annotations

import codecs
import re

SAMPLE = 65_536  # bytes that show an encoding
# The longer first: the mark of UTF-32 begins like that of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MARKS = tuple(mark for mark, _ in BYTE_ORDER_MARKS)


def may_be_text(head: bytes) -> bool:
    """Whether the beginning of a file allows the whole to be text."""
    return head.startswith(MARKS) or b"\0" not in head


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file shows that it is text; its last character may be cut."""
    if head.startswith(MARKS):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def decode(data: bytes) -> tuple[str, str] | None:
    r"""Text with \n for every kind of line end, and its encoding if that is a guess.

    None if it is no text.
    """
    guess = ""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8" or b"\0" in data:
            return None
        guess = _guess_encoding(data)
        text = data.decode(guess, "replace") if guess else "\0"
    if "\0" in text or (guess and "\ufffd" in text):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n"), guess


def _guess_encoding(data: bytes) -> str:
    """The likely encoding of the lines around the first letters that are not ASCII; or empty."""
    from charset_normalizer import from_bytes

    first = re.search(rb"[\x80-\xff]", data)
    start = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    sample = data[start : start + SAMPLE]
    if start + SAMPLE < len(data):
        sample = sample.rpartition(b"\n")[0] or sample
    best = from_bytes(sample).best()
    return best.encoding if best else ""
