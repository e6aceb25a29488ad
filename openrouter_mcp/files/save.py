"""Files that the server writes: named after what they are, never over another, never half."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import time
import unicodedata
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

LONGEST_STEM = 100
"""Bytes of a file name without its suffix; file systems allow 255 with it."""
DRAFT = re.compile(r"\.openrouter-[0-9a-f]{16}\.part")
LOCKED_BY_NOW = 5.0
"""Seconds after which a draft that nobody has locked is nobody's."""
# O_PATH: a directory may be passed through by who may not list it.
PASS = ("O_PATH", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC")
CREATE = ("O_CREAT", "O_EXCL", "O_RDWR", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")


def save(data: bytes, directory: Path, stem: str, suffix: str) -> Path:
    """Write `data` to a new file in `directory` and return its absolute path. Blocks.

    The file appears whole or not at all. Raises `OSError`.
    """
    with draft(Path(os.path.realpath(directory.expanduser()))) as file:
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
        return os.open(name, _flags(CREATE), 0o600, dir_fd=self._descriptor)

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
    descriptor = _enter(directory)
    try:
        _clear(directory, descriptor)
        file = Draft(directory, descriptor)
        try:
            yield file
        finally:
            file.discard()
    finally:
        if descriptor is not None:
            os.close(descriptor)


def names(stem: str, suffix: str) -> Iterator[str]:
    """What a file is called, and what else where that is taken."""
    stem = safe(stem)
    yield f"{stem}{suffix}"
    for number in itertools.count(2):
        yield f"{stem}-{number}{suffix}"


def safe(stem: str) -> str:
    """A file name, without its suffix, that every system takes."""
    readable = unicodedata.normalize("NFC", stem)
    name = re.sub(r"[^\w.-]+", "-", readable).strip(".-")
    return name.encode()[:LONGEST_STEM].decode("utf-8", "ignore").strip(".-") or "file"


def _enter(directory: Path) -> int | None:
    """The directory, opened step by step; None where the system cannot do that."""
    if os.open not in os.supports_dir_fd:
        directory.mkdir(parents=True, exist_ok=True)
        if Path(os.path.realpath(directory)) != directory:
            raise OSError("its path changed meanwhile")
        return None
    descriptor = os.open(directory.anchor, _flags(PASS))
    for name in directory.parts[1:]:
        try:
            inner = _enter_or_make(name, descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _enter_or_make(name: str, parent: int) -> int:
    try:
        return os.open(name, _flags(PASS), dir_fd=parent)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
        return os.open(name, _flags(PASS), dir_fd=parent)


def _clear(directory: Path, descriptor: int | None) -> None:
    """Remove the drafts of processes that died."""
    with suppress(OSError):
        for path in directory.iterdir():
            if DRAFT.fullmatch(path.name):
                with suppress(OSError):
                    _remove(path.name if descriptor is not None else str(path), descriptor)


def _remove(draft: str, directory: int | None) -> None:
    """Remove a draft, unless a process has it open."""
    flags = _flags(("O_RDWR", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOINHERIT"))
    descriptor = os.open(draft, flags, dir_fd=directory)
    try:
        age = time.time() - os.fstat(descriptor).st_mtime
        abandoned = age > LOCKED_BY_NOW and _lock(descriptor)
    finally:
        os.close(descriptor)
    if abandoned:
        os.unlink(draft, dir_fd=directory)


def _lock(descriptor: int) -> bool:
    """Have a draft for as long as it is open; False if another process has it, or may have."""
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


def _flags(names: tuple[str, ...]) -> int:
    return sum(getattr(os, name, 0) for name in names)
