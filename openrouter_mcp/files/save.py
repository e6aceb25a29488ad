"""Files that the server writes: named after what they are, never over another, never half."""

from __future__ import annotations

import asyncio
import fnmatch
import functools
import io
import itertools
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NamedTuple

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox, walk
from openrouter_mcp.files.kinds import MEDIA_TYPES
from openrouter_mcp.files.sandbox import Guard
from openrouter_mcp.results import UNKNOWN_TYPE, WHOLE_META, SavedFile
from openrouter_mcp.settings import Settings, variable
from openrouter_mcp.text import is_seen, storable

LONGEST_STEM = 200
"""Bytes of a file name without its suffix; file systems allow 255 with it and a number."""
DRAFT = re.compile(r"\.openrouter-[0-9a-f]{16}\.part")
LOCKED_BY_NOW = 5.0
"""Seconds after which a draft that no process has locked is abandoned."""
ROOM = 32 * 2**20
"""Bytes that must be free before something is bought that has to be saved."""
SPELLED_ABSOLUTE = re.compile(r"~|file:|[A-Za-z]:[\\/]", re.IGNORECASE)
ADDRESS = re.compile(r"(?!file:)(?:[a-z][a-z\d+.-]+://|data:)", re.IGNORECASE)
FOLDER = re.compile(r"(?:^|/|\\)\.?$" if os.sep == "\\" else r"(?:^|/)\.?$")
"""How the name of a folder ends that need not be there."""
ENDING = re.compile(r"\.[a-z][a-z\d]{0,9}")
SUFFIX = re.compile(r"(?:\.[A-Za-z\d]{1,10}){0,2}")
TEXTS = (
    *(".md", ".markdown", ".txt", ".text", ".rst", ".adoc", ".org", ".tex", ".log"),
    *(".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".srt", ".vtt"),
)
"""Endings of what people and programs only read, and nobody runs or is configured by."""
DATA = frozenset({*TEXTS, *(kind.suffix for kind in MEDIA_TYPES), ".npy", ".bin"})
CONFIGURATION = (
    *("agents.md", "agents.*.md", "claude.md", "claude.*.md", "gemini.md", "skill.md"),
    *("copilot-instructions.md", "*.instructions.md", "*.prompt.md", "*.chatmode.md"),
    *("package.json", "package-lock.json", "npm-shrinkwrap.json", "tsconfig*.json", "deno.json"),
    *("composer.json", "bower.json", "*config.json", "*config.*.json", "*lintrc.json", "nx.json"),
    *("*settings.json", "*settings.*.json", "*manifest.json", "*mcp.json", "tasks.json"),
    *("launch.json", "extensions.json", "keybindings.json", "hooks.json", "plugin.json"),
    *("project.json", "global.json", "app.json", "turbo.json", "lerna.json", "rush.json"),
    *("vercel.json", "now.json", "firebase.json", "biome.json", "renovate.json", "opencode.json"),
    *("babelrc.json", "prettierrc.json", "swcrc.json", "nycrc.json", "cmakelists.txt"),
    *("requirements*.txt", "dev-requirements.txt", "test-requirements.txt", "constraints.txt"),
)
"""Names that programs read as their configuration although they end like data."""
STEM_WORDS = 6
"""Words of a text that name what is made of it."""
REFUSED = re.compile(r"[<>:\"/\\|?*\0-\x1f\x7f-\x9f\u2028\u2029]")
"""What some system takes in no file name."""
DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d¹²³])\s*(?:\.|$)", re.IGNORECASE
)
SAME = {".jpeg": ".jpg", ".tif": ".tiff", ".mpg": ".mpeg"}
"""Endings that mean the same as those that are given here."""
TAKE_OVER = ("O_RDWR", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOINHERIT")
CREATE = ("O_CREAT", "O_EXCL", "O_RDWR", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")

Save = Callable[[bytes, str, str], SavedFile]
"""Writes bytes to a file with this suffix and MIME type. Blocks."""


def save(data: bytes, directory: Path, stem: str, suffix: str) -> Path:
    """Write `data` to a new file in `directory` and return its absolute path. Blocks.

    The file appears whole or not at all. Raises `OSError`.
    """
    with draft(sandbox.real_path(directory.expanduser())) as file:
        file.content.write(data)
        return file.publish(stem, suffix)


class Draft:
    """A file that is being written and has no name yet."""

    def __init__(self, directory: Path, descriptor: int | None) -> None:
        self._directory = directory
        self._descriptor = descriptor
        self._name = self._at(f".openrouter-{secrets.token_hex(8)}.part")
        self.content: BinaryIO = os.fdopen(self._create(self._name), "w+b")
        _lock(self.content.fileno())

    def publish(self, stem: str, suffix: str) -> Path:
        """Give the finished file its name, or the first free one after it: its absolute path."""
        self.content.flush()
        os.fsync(self.content.fileno())
        candidates = names(stem, suffix)
        while True:
            name = next(candidates)
            with suppress(FileExistsError):
                self._link(self._at(name))
                return self._directory / name

    def discard(self) -> None:
        """Close the file and remove what has no name."""
        # Closing writes what is still in the buffer: on a full disk that fails once more.
        with suppress(OSError):
            self.content.close()
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._descriptor)

    def _at(self, name: str) -> str:
        return str(self._directory / name) if self._descriptor is None else name

    def _create(self, name: str) -> int:
        return os.open(name, sandbox.flags(CREATE), 0o600, dir_fd=self._descriptor)

    def _link(self, name: str) -> None:
        """Let the file appear under a name that is free. Raises `FileExistsError`."""
        here = self._descriptor
        try:
            # Unlike a rename, a link never replaces what is there.
            os.link(self._name, name, src_dir_fd=here, dst_dir_fd=here)
        except FileExistsError:
            raise
        except OSError:
            # Some file systems know no links: there the name is taken first.
            os.close(self._create(name))
            os.replace(self._name, name, src_dir_fd=here, dst_dir_fd=here)


@contextmanager
def draft(directory: Path) -> Generator[Draft]:
    """A new file in the directory at a real path, which is made if it is missing. Blocks.

    No link is followed, not even one that took a directory's place after the path was checked.
    Unless it is published, nothing is left of it; what a killed process left is cleared away.
    Raises `OSError`.
    """
    descriptor = sandbox.open_directory(directory, make=True)
    try:
        _clear_abandoned(directory, descriptor)
        file = Draft(directory, descriptor)
        try:
            yield file
        finally:
            file.discard()
    finally:
        if descriptor is not None:
            os.close(descriptor)


def names(stem: str, suffix: str) -> Iterator[str]:
    """What a file is called, and what else where that is taken.

    A suffix that holds more than letters and digits is none of ours, and is left out.
    """
    stem = safe_stem(stem)
    suffix = suffix if SUFFIX.fullmatch(suffix) else ""
    yield f"{stem}{suffix}"
    for number in itertools.count(2):
        yield f"{stem}-{number}{suffix}"


def first_words(text: str) -> str:
    """A name for what is made of a text."""
    words = " ".join(unicodedata.normalize("NFC", text).split()[:STEM_WORDS])
    # Many scripts write vowels as marks, which are no letters to regular expressions.
    plain = (c if c in "._-" or unicodedata.category(c)[0] in "LMN" else " " for c in words)
    return "-".join("".join(plain).split()).strip(".-")


def safe_stem(stem: str) -> str:
    """A file name, without its suffix, that every system takes: else as it was given."""
    parts = map(str.strip, REFUSED.split(unicodedata.normalize("NFC", stem)))
    plain = " ".join(filter(None, parts))
    shown = "".join(" " if c.isspace() else c for c in plain if c.isspace() or is_seen(c))
    name = shown.lstrip(" .-").rstrip(" .")
    cut = name.encode()[:LONGEST_STEM].decode("utf-8", "ignore")
    # Many scripts write vowels as marks, which belong to the letter before them.
    while cut != name and unicodedata.category(name[len(cut)])[0] == "M":
        cut = cut[:-1]
    name = cut.rstrip(" .") or "file"
    return f"file-{name}" if DEVICE.match(name) else name


def _clear_abandoned(directory: Path, descriptor: int | None) -> None:
    """Remove the drafts of processes that died."""
    with suppress(OSError):
        for path in directory.iterdir():
            if DRAFT.fullmatch(path.name):
                with suppress(OSError):
                    _remove(path.name if descriptor is not None else str(path), descriptor)


def _remove(draft: str, directory: int | None) -> None:
    """Remove a draft, unless a process has it open."""
    descriptor = os.open(draft, sandbox.flags(TAKE_OVER), dir_fd=directory)
    try:
        age = time.time() - os.fstat(descriptor).st_mtime
        abandoned = age > LOCKED_BY_NOW and _lock(descriptor)
    finally:
        os.close(descriptor)
    if abandoned:
        os.unlink(draft, dir_fd=directory)


def _lock(descriptor: int) -> bool:
    """Lock a draft for as long as it is open; False if another process has it, or may have."""
    try:
        import fcntl
    except ImportError:
        # Windows removes no file that is open.
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Shown(NamedTuple):
    """What a reply shows of a text."""

    text: str
    notes: list[str]
    """Where the whole is, or why it is nowhere, when this is not all of it."""
    path: str = ""
    """The file that has the whole; empty where there is none."""

    @property
    def meta(self) -> dict[str, str]:
        """The path for programs."""
        return {WHOLE_META: self.path} if self.path else {}


async def shown_text(settings: Settings, text: str, name: str, *, from_end: bool = False) -> Shown:
    """As much of a text as a reply may hold: its beginning, or its end. The whole is saved."""
    most = settings.max_reply_chars
    if len(text) <= most:
        return Shown(text, [])
    path, problem = await save_whole(settings, text, name, ".md")
    if not path:
        return Shown(text, [problem])
    note = f"These are {most:,} of {len(text):,} characters; all are in {path}"
    return Shown(text[-most:] if from_end else text[:most], [note], path)


async def shown_rows(
    settings: Settings, rows: Sequence[dict[str, Any]], name: str
) -> tuple[Sequence[dict[str, Any]], list[str]]:
    """The first rows of data, as many as a reply may hold, and where all are."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    ends = itertools.accumulate(len(line) + 1 for line in lines)
    fitting = sum(end <= settings.max_reply_chars for end in ends)
    if fitting == len(rows):
        return rows, []
    path, problem = await save_whole(settings, "\n".join(lines), name, ".jsonl")
    if not path:
        return rows, [problem]
    return rows[:fitting], [f"These are {fitting:,} of {len(rows):,}; all are in {path}"]


async def save_whole(settings: Settings, text: str, name: str, suffix: str) -> tuple[str, str]:
    """Where a long reply is saved; else nothing, and why not."""
    directory = settings.output_dir
    try:
        data = storable(text).encode()
        path = await asyncio.to_thread(save, data, directory, name or "reply", suffix)
    except OSError as error:
        reason = f"could not be saved in {directory} ({error.strerror})"
        return "", f"The reply has {len(text):,} characters and {reason}."
    return str(path), ""


@dataclass(frozen=True)
class Destination:
    """A directory that may be written to, and the name that a file will have there."""

    directory: Path
    """Its real path; it may not exist yet."""
    stem: str
    suffix: str = ""
    """What the caller's name ends with, as `.png`; empty if it does not say."""
    spelled: str = field(default="", compare=False)
    """The same as the caller wrote it, as `.PNG`."""

    def prepare(self) -> None:
        """Make sure that a file can be written here. Blocks.

        Raises `INVALID_INPUT`.
        """
        try:
            with draft(self.directory):
                free = shutil.disk_usage(self.directory).free
        except OSError as error:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"Nothing can be written to {self.failed(error)}. Name another place with save_to, "
                f"or set {variable('output_dir')}.",
            ) from None
        if free < ROOM:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"Only {free:,} bytes are free at {sandbox.display(self.directory)}. Make room, or "
                "name another place with save_to.",
            )

    def save(self, data: bytes, suffix: str, mime_type: str = UNKNOWN_TYPE) -> SavedFile:
        """Write a result under a free name. Blocks. Raises `OSError`."""
        return self.copy(io.BytesIO(data), suffix, mime_type)

    def copy(self, source: BinaryIO, suffix: str, mime_type: str = UNKNOWN_TYPE) -> SavedFile:
        """Write what can be read there under a free name. Blocks. Raises `OSError`."""
        with draft(self.directory) as file:
            shutil.copyfileobj(source, file.content)
            size = file.content.tell()
            path = file.publish(self.stem, self.ending(suffix))
        return SavedFile(path, size, mime_type, self.renaming(suffix))

    def ending(self, suffix: str) -> str:
        """What the name of a file ends with that is one of `suffix`: as the caller spells that."""
        return self.spelled if self.spelled and _suffix(self.spelled) == suffix else suffix

    def failed(self, error: OSError) -> str:
        """Where nothing could be written, and why."""
        return f"{sandbox.display(self.directory)} ({error.strerror or error})"

    def renaming(self, suffix: str) -> str:
        """What to tell of a file that ends with `suffix` here; empty if the caller expects that."""
        asked = self.suffix or _suffix(PurePath(self.stem).suffix)
        if asked == _suffix(suffix) or not ENDING.fullmatch(asked):
            return ""
        return f"Named {suffix}, because that is what it is."

    def named(self, stem: str) -> Destination:
        """The same place, with `stem` for what is saved there where the caller gave no name."""
        return self if self.stem else replace(self, stem=stem)


def destination(settings: Settings, save_to: str, stem: str, *suffixes: str) -> Destination:
    """The place that `save_to` means: a file or folder in the output directory. Blocks.

    Where it names no file, `stem` does. An ending counts as suffix if it is one of `suffixes`,
    or looks like one where none are given. Raises `INVALID_INPUT` for what is no path, and
    `UNSAFE_PATH` for what is outside, hidden, or named as a script or a configuration.
    """
    root = sandbox.absolute(str(settings.output_dir))
    if ADDRESS.match(save_to.strip()):
        raise OpenRouterError(
            Code.INVALID_INPUT, "save_to takes the path of a file or folder, not an address."
        )
    spelled = save_to.strip()
    named = spelled if SPELLED_ABSOLUTE.match(spelled) else str(root / spelled)
    path = sandbox.absolute(named)
    # Folders that are there may be typed otherwise than they are written.
    meant = walk.meant(path, Guard(settings))
    is_folder = FOLDER.search(spelled) is not None or sandbox.is_folder(meant)
    directory = _directory(settings, root, meant if is_folder else meant.parent)
    if is_folder:
        return Destination(directory, stem)
    suffix = _suffix(path.suffix)
    ends = suffix in suffixes or (not suffixes and ENDING.fullmatch(suffix) is not None)
    place = Destination(directory, safe_stem(path.name))
    if ends:
        place = Destination(directory, safe_stem(path.stem), suffix, path.suffix)
    endings = (place.suffix,) if ends else suffixes or (".md", ".json")
    if not settings.allow_unsafe_paths and not all(_is_data(place.stem, end) for end in endings):
        raise OpenRouterError(
            Code.UNSAFE_PATH,
            f"{sandbox.display(path.name)} is the name of a script or a configuration, which a "
            "model must not write. Name it .md, .txt, .csv or .json and unlike a configuration, "
            f"or set {variable('allow_unsafe_paths')}=1.",
        )
    return place


def _suffix(spelled: str) -> str:
    """An ending in the one spelling that it has here."""
    return SAME.get(spelled.lower(), spelled.lower())


def data_suffix(suffix: str) -> str:
    """The suffix if it is one of data; `.bin` for what some program might run."""
    return suffix if all(f".{part}" in DATA for part in suffix.lower().split(".")[1:]) else ".bin"


@functools.cache
def _configuration() -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in CONFIGURATION))


def _is_data(stem: str, suffix: str) -> bool:
    """Whether no program would run a file of this name, or take it for its configuration."""
    return suffix in DATA and not _configuration().match(sandbox.fold(f"{stem}{suffix}"))


def _directory(settings: Settings, root: Path, folder: Path) -> Path:
    """The real path of a folder in the output directory.

    Raises `INVALID_INPUT`, and `UNSAFE_PATH` for what is outside or hidden.
    """
    directory, real_root = sandbox.real_path(folder), sandbox.real_path(root)
    spelled = folder.relative_to(root) if folder.is_relative_to(root) else folder
    if not all(is_seen(c) or unicodedata.category(c) == "Zs" for c in str(spelled)):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"The name of the folder {sandbox.display(spelled)} holds characters that cannot be "
            "seen. Give it another name.",
        )
    if settings.allow_unsafe_paths:
        return directory
    if not directory.is_relative_to(real_root):
        raise OpenRouterError(
            Code.UNSAFE_PATH,
            f"{sandbox.display(folder)} is outside the output directory "
            f"({sandbox.display(root)}). Give a path inside it, or set {variable('output_dir')} "
            "to another one.",
        )
    if any(map(sandbox.is_hidden, (*spelled.parts, *directory.relative_to(real_root).parts))):
        raise OpenRouterError(
            Code.UNSAFE_PATH,
            f"{sandbox.display(folder)} is a hidden folder, in which programs keep their "
            f"configuration. Name another one, or set {variable('allow_unsafe_paths')}=1.",
        )
    return directory
