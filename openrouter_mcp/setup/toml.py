"""TOML: reading it, and changing one table of two names (`[servers.name]`) and nothing else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|'
    r"'''.*?(?:'''|\Z)|"
    r'"(?:[^"\\\n]|\\[^\n])*"?|'
    r"'[^'\n]*'?|#[^\n]*",
    re.DOTALL,
)
"""What never ends reaches to the end of its line or text, so that the time stays linear."""
NO_LINE_END = re.compile(r"[^\n]")
ODD = "it is written in a way that this command does not change"


def parse(text: str) -> dict[str, Any]:
    """What a document says. Raises `ValueError` with the line that is wrong."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("a value is too deep") from None


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The document with a value at a path of two names or more. Raises `ValueError`."""
    before = parse(text)
    wanted = _with(before, path, value)
    if wanted == before:
        return text
    if path[1] not in before.get(path[0], {}):
        appended = text + _separator(text) + _table(path, value, text)
        if _says(appended, wanted):
            return appended
    return _edited(text, path, value, wanted)


def drop(text: str, path: Sequence[str]) -> str:
    """The document without a table of two names. Raises `ValueError`."""
    wanted = parse(text)
    servers = wanted.get(path[0])
    if not isinstance(servers, dict) or path[1] not in servers:
        return text
    del servers[path[1]]
    shorter = text
    for start, end, _ in reversed([*_spans(text, path)]):
        shorter = _cut(shorter, start, end)
    if not servers and not _says(shorter, wanted):
        del wanted[path[0]]
    return shorter if _says(shorter, wanted) else _edited(text, path, None, wanted)


def comments(text: str) -> list[str]:
    """The comments of a document."""
    tokens = (match[0] for match in STRING_OR_COMMENT.finditer(text))
    return [token.rstrip() for token in tokens if token[0] == "#"]


def _with(document: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    changed = deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder.setdefault(key, {})
        if not isinstance(holder, dict):
            raise ValueError(f"{key} is no table")  # noqa: TRY004 - of a document, not of a caller
    holder[path[-1]] = value
    return changed


def _says(text: str, document: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == document
    except tomllib.TOMLDecodeError:
        return False


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _separator(text: str) -> str:
    """What makes an empty line before a table at the end."""
    if not text:
        return ""
    return _line_end(text) if text.endswith("\n") else _line_end(text) * 2


def _table(path: Sequence[str], value: Any, text: str) -> str:
    """A new table, which ends with its line only where the document does too."""
    import tomlkit

    for key in reversed(path):
        value = {key: value}
    table = tomlkit.dumps(value).strip("\n")
    if not text or text.endswith("\n"):
        table += "\n"
    return table.replace("\n", _line_end(text))


def _edited(text: str, path: Sequence[str], value: Any, wanted: dict[str, Any]) -> str:
    """The document as tomlkit changes it, where that says what it should."""
    start, end = 0, len(text)
    if value is not None:
        # The innermost table alone, as tomlkit writes behind the comments of the next one.
        inner = [span for span in _spans(text, path[:2]) if [*path[: len(span[2])]] == span[2]]
        start, end, _ = max(inner, key=lambda span: len(span[2]), default=(start, end, []))
    part = text[start:end]
    changed = _changed(part, path, value)
    if "\r\n" in text and part.count("\r\n") == part.count("\n"):
        changed = changed.replace("\r\n", "\n").replace("\n", "\r\n")
    result = text[:start] + changed + text[end:]
    if not _says(result, wanted):
        raise ValueError(ODD)
    return result


def _changed(text: str, path: Sequence[str], value: Any) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        holder: Any = document
        for key in path[:-1]:
            if key not in holder:
                holder[key] = tomlkit.inline_table()
            holder = holder[key]
        if value is None:
            del holder[path[-1]]
        else:
            holder[path[-1]] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError) as error:
        raise ValueError(ODD) from error


def _spans(text: str, path: Sequence[str]) -> Iterator[tuple[int, int, list[str]]]:
    """Where the table and those below it stand, without the comments that follow; their names."""
    uncommented = STRING_OR_COMMENT.sub(_without_comment, text)
    headers = [*_headers(text)]
    for index, (start, names) in enumerate(headers):
        if names[: len(path)] == [*path]:
            stop = headers[index + 1][0] if index + 1 < len(headers) else len(text)
            content = start + len(uncommented[start:stop].rstrip())
            line_end = text.find("\n", content)
            yield start, len(text) if line_end < 0 else line_end + 1, names


def _without_comment(match: re.Match[str]) -> str:
    return NO_LINE_END.sub(" ", match[0]) if match[0][0] == "#" else match[0]


def _headers(text: str) -> Iterator[tuple[int, list[str]]]:
    """Where the line of each `[table]` begins, and the names that it has."""
    # Brackets in strings and comments are none.
    plain = STRING_OR_COMMENT.sub(lambda match: NO_LINE_END.sub(" ", match[0]), text)
    start = depth = 0
    for line in plain.splitlines(keepends=True):
        if depth == 0 and line.lstrip().startswith("["):
            named: Any = tomllib.loads(text[start : start + len(line)])
            names = []
            while named:
                named = named[-1] if isinstance(named, list) else named
                ((name, named),) = named.items() or [("", None)]
                names.append(name)
            yield start, names
        else:
            depth += sum(map(line.count, "[{")) - sum(map(line.count, "]}"))
        start += len(line)


def _cut(text: str, start: int, end: int) -> str:
    """The text without a part of it and without the empty line that was before that."""
    before, after = text[:start], text[end:]
    line_end = _line_end(text)
    if before.endswith("\n" + line_end) or before == line_end:
        before = before.removesuffix(line_end)
        if not after and not text.endswith("\n"):
            before = before.removesuffix(line_end)
    return before + after
