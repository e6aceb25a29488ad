"""JSON with comments and trailing commas: reading it, and changing one value and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

STRING_OR_COMMENT = re.compile(
    r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|//[^\r\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL
)
"""What never ends reaches to the end, so that the time stays linear."""
STRING_OR_COMMA = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|,', re.DOTALL)
NO_LINE_END = re.compile(r"[^\r\n]")
LINE_END = re.compile(r"\r\n|\n|\r")
INDENTED = re.compile(r"^([ \t]+)[^ \t\r\n]", re.MULTILINE)
BLANK = " \t\r\n"
DECODER = json.JSONDecoder()

Path = Sequence[str | int]
"""The keys and the positions in lists that lead to a value."""


@dataclass(frozen=True)
class _Item:
    """A member of an object or an item of a list: where it and its value begin, and their end."""

    key: str | int
    start: int
    value: int
    end: int


class _Document:
    """A text, and copies of the same length without comments, and without needless commas."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.comments: list[tuple[int, int]] = []
        self.uncommented = STRING_OR_COMMENT.sub(self._blanked, text)
        self.plain = STRING_OR_COMMA.sub(self._without_trailing_comma, self.uncommented)

    def _blanked(self, match: re.Match[str]) -> str:
        token = match[0]
        if token[0] == '"':
            return token
        if token[1] == "*" and (len(token) < len("/**/") or not token.endswith("*/")):
            raise ValueError(f"line {self.line(match.start())}: a comment that never ends")
        self.comments.append(match.span())
        return NO_LINE_END.sub(" ", token)

    def _without_trailing_comma(self, match: re.Match[str]) -> str:
        if match[0] != ",":
            return match[0]
        before, after = match.start() - 1, _skipped(self.uncommented, match.end())
        while before >= 0 and self.uncommented[before] in BLANK:
            before -= 1
        trailing = self.uncommented[after : after + 1] in {"}", "]"}
        return " " if trailing and self.uncommented[before] not in "[{," else ","

    def line(self, position: int) -> int:
        """The line of a position, counted from 1."""
        return len(LINE_END.findall(self.text, 0, position)) + 1

    @cached_property
    def value(self) -> Any:
        """What the text says."""
        try:
            return json.loads(self.plain)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {self.line(error.pos)}: {error.msg}") from None
        except (ValueError, RecursionError):
            raise ValueError("a number is too long or an object too deep") from None

    def items(self, start: int) -> list[_Item]:
        """What is in the object or list that begins there."""
        found: list[_Item] = []
        is_object = self.plain[start] == "{"
        position = _skipped(self.plain, start + 1)
        while self.plain[position] not in "}]":
            begin, key = position, len(found)
            if is_object:
                key, position = DECODER.raw_decode(self.plain, position)
                position = _skipped(self.plain, _skipped(self.plain, position) + 1)
            _, end = DECODER.raw_decode(self.plain, position)
            found.append(_Item(key, begin, position, end))
            position = _skipped(self.plain, end)
            if self.plain[position] == ",":
                position = _skipped(self.plain, position + 1)
        return found

    def end(self, start: int) -> int:
        """Where the value that begins there ends."""
        return DECODER.raw_decode(self.plain, start)[1]

    def comma(self, start: int) -> int | None:
        """Where the comma is that comes next, if that is what comes next."""
        position = _skipped(self.uncommented, start)
        return position if self.uncommented[position : position + 1] == "," else None

    def last_before(self, position: int) -> int:
        """The end of what comes before a position: a comment, or anything but blanks."""
        end = position
        while end > 0 and self.uncommented[end - 1] in BLANK:
            end -= 1
        return max([end, *(stop for _, stop in self.comments if stop <= position)])

    def in_line_comment(self, position: int) -> bool:
        """Whether what is put in there would be part of a comment that ends with its line."""
        starts = {end: start for start, end in self.comments}
        return position in starts and self.text.startswith("//", starts[position])

    def indentation(self, position: int) -> str:
        """The blanks at the beginning of a line."""
        start = max(self.text.rfind("\n", 0, position), self.text.rfind("\r", 0, position)) + 1
        return self.text[start : _skipped(self.text, start, " \t")]

    @property
    def unit(self) -> str:
        """One step of indentation."""
        found = INDENTED.search(self.plain)
        return found[1] if found else "  "

    @property
    def line_end(self) -> str:
        """How lines end."""
        found = LINE_END.search(self.text)
        return found[0] if found else "\n"

    def spelled(self, value: Any, indentation: str | None) -> str:
        """A value over several lines; in one where there is no indentation."""
        if indentation is None:
            compact = re.search(r'":\S', self.plain) and not re.search(r'": ', self.plain)
            separators = (",", ":") if compact else (", ", ": ")
            return json.dumps(value, ensure_ascii=False, separators=separators)
        text = json.dumps(value, ensure_ascii=False, indent=self.unit)
        return text.replace("\n", self.line_end + indentation)


def parse(text: str) -> dict[str, Any]:
    """What a document says; nothing for an empty one. Raises `ValueError` with the line."""
    return _parsed(_Document(text))


def plain(text: str) -> str:
    """The document as plain JSON, all of it where it was. Raises `ValueError` with the line."""
    return _Document(text).plain


def put(text: str, path: Path, value: Any) -> str:
    """The document with a value at a path; the position after the last of a list adds to it.

    Raises `ValueError` with the line, also where the path leads through what is no object.
    """
    document = _Document(text)
    if not document.plain.strip():
        end = "" if not text or text[-1] in "\r\n" else document.line_end
        return text + end + document.spelled(_nested(path, value), "") + document.line_end
    _parsed(document)
    start = _skipped(document.plain, 0)
    for depth, key in enumerate(path):
        if document.plain.startswith("null", start):
            return _replaced(document, start, _nested(path[depth:], value))
        if document.plain[start] != ("[" if isinstance(key, int) else "{"):
            kind = "list" if isinstance(key, int) else "object"
            raise ValueError(f"line {document.line(start)}: {path[depth - 1]} is no {kind}")
        found = [item for item in document.items(start) if item.key == key]
        if not found:
            return _inserted(document, start, key, _nested(path[depth + 1 :], value))
        start = found[-1].value
    held = json.loads(document.plain[start : document.end(start)])
    return text if _same(held, value) else _replaced(document, start, value)


def drop(text: str, path: Path) -> str:
    """The document without the value at a path, and without the comma that it needed."""
    document = _Document(text)
    _parsed(document)
    start = _skipped(document.plain, 0)
    items: list[_Item] = []
    index = 0
    for key in path:
        items = document.items(start) if document.plain[start : start + 1] in {"{", "["} else []
        indexes = [index for index, item in enumerate(items) if item.key == key]
        if not indexes:
            return text
        holder, index = start, indexes[-1]
        start = items[index].value
    item = items[index]
    begin = document.last_before(item.start)
    comma = document.comma(item.end)
    end = item.end if comma is None else comma + 1
    if not LINE_END.match(text, _skipped(text, end, " \t")) and document.in_line_comment(begin):
        begin = item.start  # What comes next must not become part of that comment.
    result = text[:begin] + text[end:]
    if comma is None and index > 0:
        before = document.comma(items[index - 1].end)
        if before is not None:
            result = text[:before] + text[before + 1 : begin] + text[end:]
    if len(items) == 1 and not text[holder + 1 : begin].strip():
        closing = document.end(holder) - 1
        if not text[end:closing].strip():
            result = text[: holder + 1] + text[closing:]
    return result


def comments(text: str) -> list[str]:
    """The comments of a document. Raises `ValueError` for one that never ends."""
    return [text[start:end] for start, end in _Document(text).comments]


def _parsed(document: _Document) -> dict[str, Any]:
    text = document.plain.strip()
    if text and text[0] != "{":
        raise ValueError("line 1: the document is no object")
    return document.value if text else {}


def _nested(path: Path, value: Any) -> Any:
    for key in reversed(path):
        value = [value] if isinstance(key, int) else {key: value}
    return value


def _same(held: Any, value: Any) -> bool:
    """Whether two values of JSON are alike, which True and 1 are not."""
    return json.dumps(held, sort_keys=True) == json.dumps(value, sort_keys=True)


def _replaced(document: _Document, start: int, value: Any) -> str:
    end = document.end(start)
    one_line = "\n" not in document.plain and "\r" not in document.plain
    spelled = document.spelled(value, None if one_line else document.indentation(start))
    return document.text[:start] + spelled + document.text[end:]


def _inserted(document: _Document, start: int, key: str | int, value: Any) -> str:
    """The text with one more item, behind all others of an object or list and their comments."""
    text = document.text
    items = document.items(start)
    closing = document.end(start) - 1
    lines = LINE_END.search(text[start:closing] if items else text.strip())
    is_root = start == _skipped(document.plain, 0)
    one_line = not lines and (bool(items) or not is_root)
    indentation = None if one_line else document.indentation(start) + document.unit
    if items and indentation is not None:
        own = document.indentation(items[-1].start)
        begins_line = text[: items[-1].start].endswith(("\n" + own, "\r" + own))
        indentation = own if begins_line else indentation
    name = "" if isinstance(key, int) else document.spelled(key, None)
    colon = "" if not name else ":" if one_line and _is_compact(document) else ": "
    entry = name + colon + document.spelled(value, indentation)
    before = " " if one_line and items and not _is_compact(document) else ""
    lead = before if indentation is None else document.line_end + indentation
    if not items:
        position = max(start + 1, document.last_before(closing))
        broken = indentation is not None and not LINE_END.search(text[position:closing])
        after = document.line_end + document.indentation(start) if broken else ""
        return text[:position] + lead + entry + after + text[position:]
    end = items[-1].end
    comma = document.comma(end)
    position = max(end if comma is None else comma + 1, document.last_before(closing))
    if comma is None:
        return text[:end] + "," + text[end:position] + lead + entry + text[position:]
    return text[:position] + lead + entry + "," + text[position:]


def _is_compact(document: _Document) -> bool:
    return '": ' not in document.plain


def _skipped(text: str, position: int, blanks: str = BLANK) -> int:
    """The first position that holds anything but blanks."""
    while position < len(text) and text[position] in blanks:
        position += 1
    return position
