"""The files of a scratch copy by the paths that a model gives: never outside, through no link.

A path is judged, with the links on its way resolved, and then opened as it was judged, step by
step, so that a link which takes the place of a folder meanwhile leads nowhere. Blocks: all of it
runs in threads. Raises `RefusedError` with what the model can do instead.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastmcp.exceptions import ToolError

from openrouter_mcp.files import sandbox
from openrouter_mcp.files.save import CREATE
from openrouter_mcp.text import storable
from openrouter_mcp.workspace.folder import is_reserved

LONGEST_PATH = 4096
LARGEST_TEXT = 5_000_000
"""Bytes of a file that is read or written as text."""
OUTSIDE = "{path} is outside of the workspace. Give a path below it, as list_directory shows it."


class RefusedError(ToolError):
    """What a model asked for in vain: for the model alone, so that it stands in no log."""

    def __init__(self, message: str) -> None:
        super().__init__(message, log_level=logging.DEBUG)


class Tree:
    """The copy at `root`, a real path, which the model knows as the folder `known_as` too."""

    def __init__(
        self, root: Path, known_as: Path, is_copied: Callable[[str], bool] = lambda _path: True
    ) -> None:
        self._root = root
        self._known_as = known_as
        self._is_copied = is_copied

    def path(self, spelled: str) -> str:
        """The path below the copy that a model means; empty for the copy itself."""
        shown = sandbox.display(spelled[:LONGEST_PATH])
        if "\0" in spelled or len(spelled) > LONGEST_PATH or spelled != storable(spelled):
            raise RefusedError(f"{shown} is no path.")
        path = Path(os.path.normpath(spelled)) if spelled else Path()
        if path.is_absolute():
            base = next((b for b in (self._root, self._known_as) if path.is_relative_to(b)), None)
            if base is None:
                raise RefusedError(OUTSIDE.format(path=shown))
            path = path.relative_to(base)
        if ".." in path.parts or path.drive:
            raise RefusedError(OUTSIDE.format(path=shown))
        if any(map(is_reserved, path.parts)):
            raise RefusedError(f"{shown} has a name that belongs to Git. Leave it alone.")
        return "" if path == Path() else path.as_posix()

    def real(self, spelled: str) -> Path:
        """The real path that is meant, the links on its way followed as far as they stay inside."""
        return self._inside(spelled, sandbox.real_path(self._root / self.path(spelled)))

    def entry(self, spelled: str) -> Path:
        """The same, but of a link its own path."""
        path = self._root / self.path(spelled)
        if path == self._root:
            raise RefusedError("That is the workspace itself. Name something in it.")
        return self._inside(spelled, sandbox.real_path(path.parent) / path.name)

    def _inside(self, spelled: str, real: Path) -> Path:
        if not real.is_relative_to(self._root):
            raise RefusedError(OUTSIDE.format(path=sandbox.display(spelled)))
        if any(map(is_reserved, real.relative_to(self._root).parts)):
            raise RefusedError(f"{sandbox.display(spelled)} leads to what belongs to Git.")
        return real

    def read(self, spelled: str) -> bytes:
        """The content of a file."""
        with _told(spelled), sandbox.open_file(self.real(spelled)) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_TEXT:
                raise RefusedError(f"{sandbox.display(spelled)} is too large to be read as text.")
            return file.read(LARGEST_TEXT)

    def entries(self, spelled: str) -> Iterator[sandbox.Entry]:
        """What is in a folder."""
        with _told(spelled):
            yield from sandbox.contents(self.real(spelled))

    def write(self, spelled: str, data: bytes, *, executable: bool = False) -> None:
        """Write a whole file, with the folders that it needs. One that is there keeps its mode."""
        if len(data) > LARGEST_TEXT:
            raise RefusedError(f"That is more than {LARGEST_TEXT:,} bytes. Write a smaller file.")
        with _told(spelled):
            real = self.real(spelled)
            self._check_free(spelled, real)
            with _opened(real.parent, make=True) as directory:
                was = _mode(real, directory)
                if not was or stat.S_ISREG(was):
                    mode = 0o700 if executable or was & stat.S_IXUSR else 0o600
                    _replace(real, directory, data, mode)
                    return
        raise RefusedError(f"{sandbox.display(spelled)} is no regular file.")

    def move(self, spelled: str, to: str) -> None:
        """Give an entry another path, where nothing may be yet."""
        source, target = self.entry(spelled), self.entry(to)
        with _told(spelled), _opened(source.parent) as here:
            if not _mode(source, here):
                raise FileNotFoundError
            self._check_free(to, target)
            if os.path.lexists(target):
                raise RefusedError(f"{sandbox.display(to)} is there already. Delete it first.")
            with _opened(target.parent, make=True) as there:
                names = (_name(source, here), _name(target, there))
                os.rename(*names, src_dir_fd=here, dst_dir_fd=there)
        self._remove_empty(source.parent)

    def delete(self, spelled: str) -> None:
        """Delete a file, a link, or a folder with all that is in it."""
        path = self.entry(spelled)
        with _told(spelled), _opened(path.parent) as directory:
            if stat.S_ISDIR(_mode(path, directory)):
                shutil.rmtree(_name(path, directory), dir_fd=directory)
            else:
                os.unlink(_name(path, directory), dir_fd=directory)
        self._remove_empty(path.parent)

    def _check_free(self, spelled: str, real: Path) -> None:
        """Refuse what the user has there and what is left out of the copy.

        Making it anew could never be applied.
        """
        path = real.relative_to(self._root).as_posix()
        users = self._known_as / path
        if not os.path.lexists(real) and not self._is_copied(path) and os.path.lexists(users):
            raise RefusedError(
                f"{sandbox.display(spelled)} is in the user's folder and kept out of the copy, as "
                "it is ignored or may hold secrets. Do without it."
            )

    def _remove_empty(self, folder: Path) -> None:
        """Remove folders in which nothing is left, as Git does."""
        with suppress(OSError):
            while folder != self._root:
                with _opened(folder.parent) as directory:
                    os.rmdir(_name(folder, directory), dir_fd=directory)
                folder = folder.parent


@contextmanager
def _opened(directory: Path, *, make: bool = False) -> Generator[int | None]:
    descriptor = sandbox.open_directory(directory, make=make)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _name(path: Path, directory: int | None) -> str:
    """How an entry is called in its open directory; the whole path where there is none."""
    return str(path) if directory is None else path.name


def _mode(path: Path, directory: int | None) -> int:
    """The mode of an entry; 0 where there is none."""
    try:
        return os.stat(_name(path, directory), dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def _replace(path: Path, directory: int | None, data: bytes, mode: int) -> None:
    """Put a new file in the place of whatever is there: a link is replaced, not followed."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    descriptor = os.open(_name(part, directory), sandbox.flags(CREATE), 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    names = (_name(part, directory), _name(path, directory))
    try:
        os.chmod(names[0], mode, dir_fd=directory)
        os.replace(*names, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(names[0], dir_fd=directory)
        raise


@contextmanager
def _told(spelled: str) -> Generator[None]:
    """Say what the system says, in words that a model can act on."""
    try:
        yield
    except FileNotFoundError:
        raise RefusedError(f"There is no {sandbox.display(spelled)}. See find_files.") from None
    except RecursionError:
        raise RefusedError(f"{sandbox.display(spelled)} is nested too deep.") from None
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        raise RefusedError(f"{sandbox.display(spelled)}: {reason}.") from None
