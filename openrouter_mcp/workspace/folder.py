"""The user's folder: which files of it a model may work on, and the copying of them.

Nothing here writes into it, and no link in it is followed. Git lists the files, with a copy of the
repository's index: what is tracked, changed or not, and what is new and not ignored. A folder that
is no repository is listed in the same way, without an index.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp import credentials
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox, secrets
from openrouter_mcp.files.sandbox import Guard
from openrouter_mcp.files.walk import Skipped, check
from openrouter_mcp.settings import Settings
from openrouter_mcp.workspace import texts
from openrouter_mcp.workspace.git import GitError, Repository

MOST_FILES = 50_000
MOST_BYTES = 500_000_000
"""Of one copy, all files together."""
LARGEST_INDEX = 100_000_000
LARGEST_RULES = 1_000_000
"""Bytes of what is read of the user's `.git`: an index, and `info/exclude`."""
SEARCHED = 5_000_000
"""Bytes of a file in which secrets are looked for; no model is shown a line of a larger one."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What says that a file cannot be written, whatever it is a copy of."""
PIECE = 1_000_000
"""Bytes that are copied at a time."""
RULES = (".gitattributes", ".gitignore")
POINTER = "gitdir: "
LONGEST_POINTER = 10_000
STAMP = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_mode")
"""What changes when a file does."""

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class UserFolder:
    """A folder that may be read, and the repository that it is in."""

    path: Path
    """Its real path."""
    top: Path
    """The top of its repository; the folder itself where there is none."""
    git: Path | None
    """The Git directory, as the file or folder `.git` at the top names it."""

    @property
    def below_top(self) -> Path:
        """The folder as a path below the top of the repository."""
        return self.path.relative_to(self.top)


@dataclass
class Copied:
    """What came of a copying."""

    files: int = 0
    size: int = 0
    """Bytes."""
    stamps: dict[str, Stamp] = field(default_factory=dict)
    """The state of each file when it was read, by its path below the folder."""
    left_out: Skipped = field(default_factory=Skipped)


def find(settings: Settings, name: str) -> UserFolder:
    """The folder that a caller names. Blocks.

    Raises `NOT_FOUND` for what is no folder, and `UNSAFE_PATH` for what may not be read.
    """
    guard = Guard(settings)
    real = guard.resolve(sandbox.absolute(name))
    if not sandbox.is_folder(real):
        raise OpenRouterError(
            Code.NOT_FOUND,
            f"{sandbox.display(real)} is no folder. Give the folder that the task is about as "
            "the workspace.",
        )
    if any(map(is_reserved, real.parts[1:])):
        raise OpenRouterError(
            Code.UNSAFE_PATH,
            f"{sandbox.display(real)} belongs to Git. Give the folder with the files themselves.",
        )
    for top in (real, *real.parents):
        if git := _git_directory(top):
            return UserFolder(real, top, git)
    return UserFolder(real, real, None)


def _git_directory(top: Path) -> Path | None:
    """Where a repository keeps its index: `.git`, or what a file of that name points to.

    None where Git would not take the folder for the top of one.
    """
    place = sandbox.real_path(top / ".git")
    if sandbox.is_folder(place):
        return place if os.path.lexists(place / "HEAD") else None
    try:
        with sandbox.open_file(place) as file:
            text = os.fsdecode(file.read(LONGEST_POINTER)).strip()
    except OSError:
        return None
    if not text.startswith(POINTER):
        return None
    named = sandbox.real_path(top / text.removeprefix(POINTER))
    return named if os.path.lexists(named / "HEAD") else None


class Copying:
    """One copying of a folder into a new directory. Blocks: call it in a thread."""

    def __init__(
        self, settings: Settings, folder: UserFolder, repository: Repository, stop: threading.Event
    ) -> None:
        self._guard = Guard(settings)
        self._own_keys = settings.own_keys
        self._unsafe = settings.allow_unsafe_paths
        self._folder = folder
        self._repository = repository
        self._stop = stop
        self.copied = Copied()

    def into(self, tree: Path) -> Copied:
        """Copy the files into `tree`, which stands for the top of the repository.

        Raises `TOO_LARGE`, `CANCELLED` when `stop` is set, `GitError` and `OSError`.
        """
        self._copy_rules(tree)
        target = tree / self._folder.below_top
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        listed = self._listed()
        if len(listed) > MOST_FILES:
            raise _too_large(f"more than {MOST_FILES:,} files")
        by_parent: dict[str, list[str]] = {}
        for path in listed:
            parent, _, name = path.rpartition("/")
            by_parent.setdefault(parent, []).append(name)
        for parent, names in by_parent.items():
            check(self._stop)
            if not _is_plain(parent):
                continue
            source, place = self._folder.path / parent, target / parent
            try:
                passed = sandbox.open_directory(source)
            except OSError:
                # It is gone, or a link has taken its place.
                continue
            try:
                for name in filter(_is_plain, names):
                    self._copy(f"{parent}/{name}".lstrip("/"), source / name, place / name, passed)
            finally:
                if passed is not None:
                    os.close(passed)
        return self.copied

    def rules(self) -> str:
        """The repository's own rules of what to ignore (`info/exclude`); empty if it has none."""
        git = self._folder.git
        if git is None:
            return ""
        for place in (git, git.parent.parent):
            with suppress(OSError), sandbox.open_file(place / "info" / "exclude") as file:
                return os.fsdecode(file.read(LARGEST_RULES)).replace("\0", "")
        return ""

    def _listed(self) -> Sequence[str]:
        """The paths below the folder: tracked, or neither tracked nor ignored.

        An index of a kind that this Git, or its private directory, does not know counts as none.
        """
        index = self._repository.directory / "user-index"
        try:
            if self._take_index(index):
                with suppress(GitError):
                    return self._list(index)
                index.unlink()
            return self._list(index)
        finally:
            index.unlink(missing_ok=True)

    def _list(self, index: Path) -> Sequence[str]:
        found = self._repository.run(
            "ls-files",
            *("-z", "--cached", "--others", "--exclude-standard"),
            tree=self._folder.top,
            folder=self._folder.path,
            further={"GIT_INDEX_FILE": str(index)},
        )
        # What is unmerged is in the index up to three times; a nested repository ends in a slash.
        paths = (os.fsdecode(path).rstrip("/") for path in found.split(b"\0"))
        return list(dict.fromkeys(filter(None, paths)))

    def _take_index(self, index: Path) -> bool:
        """Copy the index, with the one that it shares with others; False where there is none."""
        if self._folder.git is None:
            return False
        names = ["index"]
        with suppress(OSError):
            entries = sandbox.contents(self._folder.git)
            names += [each.name for each in entries if each.name.startswith("sharedindex.")]
        for name in names:
            to = index if name == "index" else index.parent / name
            try:
                with sandbox.open_file(self._folder.git / name) as source, to.open("wb") as file:
                    _copy_bytes(source, file, LARGEST_INDEX)
            except OSError:
                return False
        return True

    def _copy_rules(self, tree: Path) -> None:
        """Copy the rules of Git in the folders between the top and the folder."""
        for above in self._folder.path.relative_to(self._folder.top).parents:
            for name in RULES:
                to = tree / above / name
                place = self._folder.top / above / name
                with suppress(OSError), sandbox.open_file(place) as source:
                    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    to.write_bytes(source.read(LARGEST_RULES))

    def _copy(self, path: str, source: Path, to: Path, passed: int | None) -> None:
        """Copy one entry, unless it is left out; what is gone meanwhile is no entry."""
        name = source.name if passed is not None else str(source)
        try:
            status = os.stat(name, dir_fd=passed, follow_symlinks=False)
            kind = self._kind(source, status)
            if not kind and stat.S_ISLNK(status.st_mode):
                _make_room(to)
                to.symlink_to(os.readlink(name, dir_fd=passed))
            elif not kind:
                kind = self._copy_file(name, to, passed)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in FULL:
                raise _too_large(f"more than there is room for ({error.strerror})") from None
            with suppress(OSError):
                to.unlink()
            kind = "unreadable file"
        if kind:
            self.copied.left_out.add(kind, source)
            return
        self.copied.files += 1
        self.copied.stamps[path] = stamp(status)

    def _kind(self, source: Path, status: os.stat_result) -> str:
        """What an entry is that is left out; empty for one to copy."""
        if stat.S_ISDIR(status.st_mode):
            return "repository"
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
            return "special file"
        return "protected file" if self._guard.refusal(source) else ""

    def _copy_file(self, name: str, to: Path, passed: int | None) -> str:
        """Copy a regular file; what it is where it is left out for what it holds."""
        descriptor = os.open(name, sandbox.flags(sandbox.READ), dir_fd=passed)
        with os.fdopen(descriptor, "rb") as source:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return "special file"
            if self._guard.shares_a_secret(status):
                return "protected file"
            if status.st_size <= SEARCHED and self._holds_secret(source.read()):
                return "file that holds a secret"
            source.seek(0)
            _make_room(to)
            with to.open("xb") as file:
                self.copied.size += _copy_bytes(source, file, MOST_BYTES - self.copied.size)
            to.chmod(0o700 if status.st_mode & stat.S_IXUSR else 0o600)
        return ""

    def _holds_secret(self, content: bytes) -> bool:
        known = texts.decode(content)
        text = known.text if known else content.decode("utf-8", "replace")
        if credentials.held_in(text, self._own_keys):
            return True
        return not self._unsafe and known is not None and bool(secrets.found_in(text))


def stamp(status: os.stat_result) -> Stamp:
    """What changes when the file does."""
    return tuple(getattr(status, name) for name in STAMP)


def _is_plain(path: str) -> bool:
    """Whether a path leads down only, and not into what belongs to Git."""
    parts = path.split("/") if path else []
    return not any(is_reserved(part) for part in parts)


def is_reserved(name: str) -> bool:
    """Whether a part of a path is one that some system takes for no name, or for `.git`."""
    folded = sandbox.fold(name)
    return name in {"", ".", ".."} or folded == ".git" or folded.startswith("git~")


def _make_room(to: Path) -> None:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _copy_bytes(source: BinaryIO, to: BinaryIO, most: int) -> int:
    """Copy a file of at most so many bytes: how many it had. Raises `TOO_LARGE`."""
    while piece := source.read(PIECE):
        most -= len(piece)
        if most < 0:
            raise _too_large(f"more than {MOST_BYTES // 1_000_000:,} MB")
        to.write(piece)
    return to.tell()


def _too_large(what: str) -> OpenRouterError:
    return OpenRouterError(
        Code.TOO_LARGE,
        f"The workspace holds {what}. Name a folder below it, or let .gitignore leave out what "
        "the task does not need.",
    )
