"""Which files a folder or a glob means, without what is hidden, generated or ignored by git."""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.gitignore import MOST_BYTES, Ignores
from openrouter_mcp.files.sandbox import (
    Entry,
    Guard,
    absolute,
    contents,
    display,
    home,
    is_file,
    is_folder,
    real_path,
    working_directory,
)
from openrouter_mcp.text import did_you_mean, nearest

ALL_INSIDE = ("**", "*")
GENERATED = {".git", "node_modules", "__pycache__"}
VIRTUAL_ENVIRONMENT = {"pyvenv.cfg", "conda-meta"}
MOST_ALTERNATIVES = 100
LONGEST_SEGMENT = 1000
"""Characters between two slashes of a glob; a longer one means no file."""
SHOWN = 3
COMPARED = 5000  # names of a folder

CLASS = re.compile(r"\[([^\[\]]+)\]")
INVISIBLE = frozenset("\u200b\u200e\u200f\u202a\u202c\ufeff")

Pattern = tuple[str, ...]
"""The segments of a glob that are still to be matched; none when a file matches."""


def alternatives(name: str) -> list[str]:
    """The names that braces stand for, as a shell has it: `a.{png,jpg}` means two.

    Raises `INVALID_INPUT` for more than 100.
    """
    pending, found = [name], list[str]()
    while pending:
        each = pending.pop()
        start, end = _braces(each)
        if end:
            choices = each[start + 1 : end].split(",", MOST_ALTERNATIVES)
            pending += [f"{each[:start]}{choice}{each[end + 1 :]}" for choice in reversed(choices)]
        else:
            found.append(each)
        if len(pending) + len(found) > MOST_ALTERNATIVES:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"The braces of {display(name)} stand for more than {MOST_ALTERNATIVES} names. "
                "Name a folder, or a glob with *.",
            )
    return list(dict.fromkeys(found))


def _braces(name: str) -> tuple[int, int]:
    """Where the first braces around a comma, and no other brace, begin and end; 0 and 0 if none."""
    start, comma = -1, False
    for at, character in enumerate(name):
        if character == "{":
            start, comma = at, False
        elif character == ",":
            comma = True
        elif character == "}":
            if comma and start >= 0:
                return start, at
            start = -1
    return 0, 0


def _has_wildcard(part: str) -> bool:
    return "*" in part or "?" in part or any(map(_is_class, CLASS.findall(part)))


def _is_class(inside: str) -> bool:
    """Whether brackets around this are a choice of letters, and not a number or one letter."""
    return len(inside) > 1 and not inside.isdecimal()


def _literal(part: str) -> str:
    """A segment in which brackets around a number or one letter stand for themselves."""
    return CLASS.sub(lambda m: m[0] if _is_class(m[1]) else f"[[]{m[1]}]", part)


def split(path: Path) -> tuple[Path, Pattern]:
    """The folder before a glob's first wildcard, and the rest of the glob.

    Folders that really are called so have none.
    """
    parts, first = path.parts, 1
    while first < len(parts) and (
        not _has_wildcard(parts[first]) or os.path.lexists(Path(*parts[: first + 1]))
    ):
        first += 1
    rest = tuple(map(_literal, parts[first:]))
    pattern = tuple(part for i, part in enumerate(rest) if rest[i : i + 2] != ("**", "**"))
    if pattern and pattern[-1] == "**":
        pattern = (*pattern, "*")
    return Path(*parts[:first]), pattern


@dataclass(frozen=True)
class Place:
    """What one name means: a file, or files in a folder."""

    path: Path
    """All of it, as it was spelled."""
    folder: Path
    """The part of it before the first wildcard."""
    real: Path
    """The real path of the folder, or of the file."""
    pattern: Pattern
    """Which files in the folder."""


def spellings(name: str, guard: Guard) -> list[str]:
    """The names that braces stand for, as a shell has it; those that are there are literal. Blocks.

    Raises `INVALID_INPUT` for more than 100, `UNSAFE_PATH`.
    """

    def is_there(part: str) -> bool:
        path = absolute(part)
        guard.resolve(path)
        return os.path.lexists(meant(path, guard))

    there, brace = 0, name.find("{")
    slash = name.find("/", brace) if brace >= 0 else -1
    while slash >= 0 and is_there(name[:slash]):
        there = slash + 1
        slash = name.find("/", there)
    names = [name[:there] + each for each in alternatives(name[there:])]
    return [name] if names != [name] and is_there(name) else names


def locate(name: str, guard: Guard) -> Place:
    """What a name means, which need not exist. Blocks.

    Raises `INVALID_INPUT`, `UNSAFE_PATH`.
    """
    path = absolute(name)
    # Before anything is looked up: a refusal must not tell what exists.
    real = guard.resolve(path)
    if (other := meant(path, guard)) != path:
        path, real = other, guard.resolve(other)
    folder, pattern = split(path)
    if not pattern or os.path.lexists(path):
        return Place(path, path, real, ALL_INSIDE)
    return Place(path, folder, guard.resolve(folder), pattern)


def meant(path: Path, guard: Guard) -> Path:
    """The path itself, or the only one there is that it can mean.

    Some systems put spaces and accents into names that nobody can type. Blocks.
    """
    found = Path(path.anchor)
    for place, part in enumerate(path.parts[1:], 1):
        here = found / part
        if not os.path.lexists(here):
            real = real_path(found)
            wild = _has_wildcard(part)
            alike = [] if wild or guard.refusal(real) else _names(real)
            alike = [name for name in alike if _typed(name) == _typed(part)]
            if len(alike) != 1:
                # Nothing is below what is not there.
                return found.joinpath(*path.parts[place:])
            here = found / alike[0]
        found = here
    return found


def _typed(name: str) -> str:
    """A name as people type it: with plain spaces, none at its ends, each letter in one piece."""
    plain = ("" if c in INVISIBLE else " " if c.isspace() else c for c in name)
    return unicodedata.normalize("NFC", "".join(plain).strip())


def check(stop: threading.Event) -> None:
    """Raise `CANCELLED` if the caller has gone."""
    if stop.is_set():
        raise OpenRouterError(Code.CANCELLED, "Reading files was cancelled. Call again.")


class Skipped:
    """What was left out, each thing once, for one sentence."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[Path, None]] = {}

    def add(self, kind: str, path: Path) -> None:
        """Remember the path of one thing of a kind ("binary file")."""
        self._paths.setdefault(kind, {})[path] = None

    def update(self, other: Skipped) -> None:
        """Remember what another one remembers."""
        for kind, paths in other._paths.items():
            self._paths.setdefault(kind, {}).update(paths)

    def sentence(self) -> str:
        """As "Skipped 1 binary file (a.png) and 2 ignored folders (.git, node_modules)."."""
        phrases = [_phrase(kind, list(paths)) for kind, paths in sorted(self._paths.items())]
        if not phrases:
            return ""
        *others, last = phrases
        return f"Skipped {', '.join(others)}{' and ' if others else ''}{last}."


def _phrase(kind: str, paths: list[Path]) -> str:
    names = sorted({display(path.name) for path in paths})
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"{len(paths)} {kind}{'s' if len(paths) > 1 else ''} ({shown})"


class Walk:
    """Finds the files below one folder; never enters what is left out, nor a linked folder."""

    def __init__(self, folder: Path, real: Path, guard: Guard, stop: threading.Event) -> None:
        self._folder = folder
        self._real = real
        self._guard = guard
        self._stop = stop
        self._rules_left = MOST_BYTES
        self.skipped = Skipped()
        self.otherwise_cased: list[str] = []
        """Names of files that would match if capitals did not count."""

    def files(self, pattern: Pattern) -> Iterator[tuple[Path, Path]]:
        """Each matching file as its path in the folder as it was spelled, and its real path.

        In no stable order. Raises `CANCELLED` when `stop` is set meanwhile.
        """
        pending = [(self._real, frozenset([pattern]), Ignores.above(self._real, self._guard))]
        while pending:
            directory, patterns, above = pending.pop()
            entries = self._entries(directory)
            if directory != self._real and VIRTUAL_ENVIRONMENT & {entry.name for entry in entries}:
                self.skipped.add("ignored folder", directory)
                continue
            ignores = above.inside(directory, self._rules_left)
            self._rules_left -= ignores.size - above.size
            patterns |= {rest[1:] for rest in patterns if rest[0] == "**"}
            for entry in entries:
                check(self._stop)
                path = directory / entry.name
                wanted = self._wanted(entry, path, patterns)
                # Judged once and opened under this very path, which is never resolved again.
                real = real_path(path) if entry.kind == "link" else path
                if not wanted or self._left_out(entry, path, real, ignores):
                    continue
                if entry.kind == "folder":
                    pending.append((path, wanted - {()}, ignores))
                else:
                    yield self._folder / path.relative_to(self._real), real

    def _entries(self, directory: Path) -> list[Entry]:
        check(self._stop)
        try:
            return list(contents(directory))
        except OSError:
            self.skipped.add("unreadable folder", directory)
            return []

    def _wanted(self, entry: Entry, path: Path, patterns: frozenset[Pattern]) -> frozenset[Pattern]:
        """What is to be matched inside a folder; just the empty pattern for a file that matches."""
        folder = entry.kind == "folder"
        matching = [rest for rest in patterns if _matches(entry.name, rest[0])]
        if folder:
            matching = [rest for rest in matching if rest[0] == "**" or rest[1:]]
        else:
            matching = [rest for rest in matching if len(rest) == 1]
            ends = [rest[0] for rest in patterns if len(rest) == 1]
            if not matching and any(_matches(entry.name.lower(), end.lower()) for end in ends):
                self.otherwise_cased.append(entry.name)
        spelled = [rest for rest in matching if _spells(entry.name, rest[0])]
        if matching and not spelled:
            kind = "ignored" if entry.name in GENERATED else "hidden"
            self.skipped.add(f"{kind} {'folder' if folder else 'file'}", path)
        return frozenset(rest if rest[0] == "**" else rest[1:] for rest in spelled)

    def _left_out(self, entry: Entry, path: Path, real: Path, ignores: Ignores) -> bool:
        folder = entry.kind == "folder"
        if ignores.cover(path, folder=folder):
            kind = "ignored folder" if folder else "ignored file"
        elif entry.kind == "link" and not (is_file(real) and real.is_relative_to(self._real)):
            kind = "link"
        elif entry.kind == "special file":
            kind = entry.kind
        elif self._guard.refusal(real):
            # Folders are not told: nobody shall learn what hidden places a home has.
            kind = "" if folder else "protected file"
        else:
            return False
        if kind:
            self.skipped.add(kind, path)
        return True


def _matches(name: str, segment: str) -> bool:
    if len(segment) > LONGEST_SEGMENT:
        return False
    if segment == "**" or fnmatch.fnmatch(name, segment):
        return True
    return not name.isascii() and fnmatch.fnmatch(_typed(name), _typed(segment))


def _spells(name: str, segment: str) -> bool:
    """Whether a segment that matches a name may mean it: the unusual must be spelled out."""
    if name in GENERATED:
        return segment == name
    return not name.startswith(".") or segment.startswith(".")


def short(path: Path) -> str:
    """A path as the model sees it: without what it does not need to know of this computer."""
    for base, prefix in ((working_directory(), ""), (home(), "~/")):
        if path != base and path.is_relative_to(base):
            return prefix + display(path.relative_to(base))
    return display(path)


def missing(path: Path, guard: Guard, skipped: str = "") -> OpenRouterError:
    """`NOT_FOUND` with the folder that was looked in and the names there that look alike."""
    folder, pattern = split(path)
    if not pattern and path.is_symlink():
        message = f"{display(path)} is a link that leads to no file. Name another one."
        return OpenRouterError(Code.NOT_FOUND, message)
    if not pattern and is_folder(path):
        message = f"The folder {display(path)} holds no file for this. {skipped} Name another one."
        return OpenRouterError(Code.NOT_FOUND, message.replace("  ", " "))
    folder = folder if pattern else path.parent
    while not is_folder(folder) and folder != folder.parent:
        folder = folder.parent
    missing_parts = path.relative_to(folder).parts
    sought = missing_parts[-1 if missing_parts == pattern else 0]
    near = [short(folder / name) for name in _similar(sought, folder, guard) if name != sought]
    hint = did_you_mean(near, "Check the spelling and the folder.")
    message = (
        f"No file {'matches' if pattern else 'is at'} {display(path)} (looked in "
        f"{display(folder)}). {skipped} {hint}"
    )
    return OpenRouterError(Code.NOT_FOUND, message.replace("  ", " "), suggestions=near)


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in itertools.islice(contents(folder), COMPARED)]
    except OSError:
        return []


def _similar(sought: str, folder: Path, guard: Guard) -> list[str]:
    real = real_path(folder)
    names = _names(real)
    plain = re.sub(r"[*?\[\]]", "", sought)
    similar = nearest(plain, [n for n in names if not n.startswith(".")], likeness=0.6)
    return [name for name in similar if not guard.refusal(real / name)]
