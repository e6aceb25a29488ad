"""A scratch copy of a folder: made below the state directory, worked in, compared, gone.

The copy and its private Git directory are one folder, named after the process that it belongs to.
Whoever makes the next one deletes those of processes that have died. What a conversation needs to
go on is the Git directory alone: it is kept with the thread, and the next run gets a new copy of
the folder as it is then, with the changes so far merged into it.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import stat
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox
from openrouter_mcp.results import SavedFile
from openrouter_mcp.settings import Settings, environment
from openrouter_mcp.state import private
from openrouter_mcp.state.store import Store
from openrouter_mcp.workspace import patch
from openrouter_mcp.workspace.folder import (
    MOST_BYTES,
    MOST_FILES,
    SEARCHED,
    Copied,
    Copying,
    UserFolder,
    stamp,
)
from openrouter_mcp.workspace.git import GitError, Repository, closed
from openrouter_mcp.workspace.patch import Change, Comparison

SCRATCHES = "workspaces"
WORK = "refs/heads/work"
"""The commit with what the model made; its parent is the folder as it was copied."""
LARGEST_KEPT = 200_000_000
"""Bytes of what is kept of a workspace for its thread."""
MOST_KEPT = 10
"""Workspaces that are kept for their threads, the latest ones."""
SEARCHED_BYTES = 4_000_000
"""Bytes of what a search writes that are read."""
SEARCH_LIMIT = 20.0
"""Seconds that one search may take; what a pattern asks for can take for ever."""
FOLDER = "folder"
"""The file in a kept Git directory that names the folder."""
KINDS = (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR)
"""What a patch can hold, and folders."""
Matches = tuple[list[tuple[str, int, str]], bool]
"""Path, number and text of each line, and whether these are all."""
T = TypeVar("T")


@dataclass
class Scratch:
    """One copy, while it is worked in. What blocks runs in a thread of its own."""

    folder: UserFolder
    tree: Path
    """The copy, from the top of the repository on."""
    repository: Repository
    copied: Copied = field(default_factory=Copied)
    base: str = ""
    """The commit of the folder as it was copied."""
    conflicts: Sequence[str] = ()
    """Files in which earlier changes and those that the user made since do not fit together."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1))

    @property
    def root(self) -> Path:
        """The copy of the folder."""
        return self.tree / self.folder.below_top

    @property
    def temporary(self) -> Path:
        """A folder for what programs write beside the copy."""
        return self.tree.parent / "temporary"

    @property
    def _comparison(self) -> Comparison:
        return Comparison(self.repository, self.base, self.tree, self.folder.below_top)

    async def work(self, do: Callable[[], T]) -> T:
        """Do what blocks after all that was asked for before.

        Raises `CANCELLED` once the scratch is closed.
        """

        def unless_closed() -> T:
            if self._stop.is_set():
                raise closed()
            return do()

        if self._stop.is_set():
            raise closed()
        return await asyncio.get_running_loop().run_in_executor(self._thread, unless_closed)

    def make(self, settings: Settings) -> None:
        """Copy the folder and remember its state. Blocks.

        Where the Git directory holds what an earlier run made, its changes are merged in.
        """
        self.tree.mkdir(mode=0o700)
        self.temporary.mkdir(mode=0o700)
        self.repository.unlock()
        copying = Copying(settings, self.folder, self.repository, self._stop)
        self.repository.make(copying.rules())
        self.copied = copying.into(self.tree)
        (self.repository.directory / "index").unlink(missing_ok=True)
        earlier = self._commit_of(WORK)
        self.base = self._commit(self._snapshot(force=True), [])
        if earlier:
            self._merge(earlier)

    def changes(self) -> list[Change]:
        """What has changed in the copy by now. Blocks."""
        self._snapshot()
        return patch.changes(self._comparison)

    def add(self, *paths: str) -> None:
        """Let files that the model wrote count, whatever `.gitignore` says. Blocks."""
        full = [str(self.folder.below_top / path) for path in paths]
        there = [path for path in full if os.path.lexists(self.tree / path)]
        if there:
            listed = b"\0".join([*map(os.fsencode, there), b""])
            self._add("--force", "--pathspec-from-file=-", "--pathspec-file-nul", given=listed)

    def counted_below(self, path: str) -> list[str]:
        """The files at a path, or below it, that count whatever `.gitignore` says. Blocks."""
        found = self.repository.run("ls-files", "-z", "--", path, tree=self.tree, folder=self.root)
        return [os.fsdecode(each) for each in found.split(b"\0") if each]

    def found(self, pattern: str) -> tuple[list[str], bool]:
        """The files that a glob of Git matches, and whether they are all. Blocks."""
        self._snapshot()
        written, whole = self._read("ls-files", "-z", "--", self._glob(pattern))
        paths = os.fsdecode(written).split("\0")[:-1]
        return [self._below_root(path) for path in paths], whole

    def searched(self, options: Sequence[str], pattern: str, where: Sequence[str]) -> Matches:
        """The lines that match, as Git's index has them, so that no link is followed. Blocks."""
        self._snapshot()
        written, whole = self._read(
            *("grep", "--cached", "--line-number", "--null", "-I", "--no-color", "--full-name"),
            *(*options, "-e", pattern, "--", *map(self._glob, where)),
        )
        lines = [line.split(b"\0", 2) for line in written.split(b"\n")]
        matches = [
            (self._below_root(os.fsdecode(path)), int(number), text.decode("utf-8", "replace"))
            for path, number, text in (line for line in lines if len(line) == 3)
        ]
        searched = {path for path, _number, _text in matches if self._is_shown(path)}
        return [match for match in matches if match[0] in searched], whole

    def _is_shown(self, path: str) -> bool:
        """Whether a file below the folder is of the size in which secrets are looked for."""
        with suppress(OSError):
            return (self.root / path).lstat().st_size <= SEARCHED
        return False

    def _read(self, *arguments: str) -> tuple[bytes, bool]:
        """What a search writes, and whether that is all. That it finds nothing is no failure."""
        return self.repository.head(
            *arguments, tree=self.tree, most=SEARCHED_BYTES, seconds=SEARCH_LIMIT, fine=(0, 1)
        )

    def _glob(self, pattern: str) -> str:
        """A glob below the folder as a path pattern of Git's below the top of the repository."""
        above = re.sub(r"[\\*?\[]", r"\\\g<0>", self.folder.below_top.as_posix())
        return f":(glob){Path(above, pattern).as_posix()}"

    def filtered(self, changes: Sequence[Change]) -> list[str]:
        """The changed files that the user's Git stores through a filter, as LFS is one. Blocks."""
        paths = [os.fsencode(change.old_path or change.path) for change in changes]
        arguments = ("check-attr", "-z", "--stdin", "filter")
        told = self.repository.run(*arguments, tree=self.tree, given=b"\0".join([*paths, b""]))
        fields = os.fsdecode(told).split("\0")[:-1]
        triples = zip(fields[::3], fields[2::3], strict=True)
        return [path for path, value in triples if value not in ("unspecified", "unset")]

    def _below_root(self, path: str) -> str:
        """A path below the top of the repository as one below the folder."""
        return Path(path).relative_to(self.folder.below_top).as_posix()

    def save_patch(self, directory: Path, stem: str) -> SavedFile:
        """Write the patch of what `changes` found last. Blocks."""
        return patch.write(self._comparison, directory, stem)

    def changed_meanwhile(self, changes: Sequence[Change]) -> list[str]:
        """The changed files that the user has changed too, since they were copied. Blocks."""
        found = []
        for change in changes:
            top = self.folder.top / (change.old_path or change.path)
            path = top.relative_to(self.folder.path).as_posix()
            try:
                now = stamp(top.lstat())
            except OSError:
                now = None
            if now != self.copied.stamps.get(path):
                found.append(change.old_path or change.path)
        return found

    def keep(self, kept: Path) -> bool:
        """Keep what the next run needs, and less of older ones; False if it is too much. Blocks."""
        size = self.remember()
        if size <= LARGEST_KEPT:
            if self.repository.directory != kept:
                private.make(kept.parent)
                self.repository.directory.rename(kept)
            os.utime(kept)
        elif self.repository.directory == kept:
            shutil.rmtree(kept, ignore_errors=True)
        places = [place for place in kept.parent.glob(f"*{kept.suffix}") if place.is_dir()]
        for place in sorted(places, key=lambda place: -place.stat().st_mtime)[MOST_KEPT:]:
            shutil.rmtree(place, ignore_errors=True)
        return size <= LARGEST_KEPT

    def remember(self) -> int:
        """Write down what the model made, for the next run; the bytes that it takes. Blocks."""
        work = self._commit(self._tree_of_index(), [self.base])
        self.repository.run("update-ref", WORK, work, tree=self.tree)
        (self.repository.directory / FOLDER).write_bytes(os.fsencode(self.folder.path))
        return sum(status.st_size for _entry, status in _below(self.repository.directory))

    def close(self) -> None:
        """Stop what is under way, and wait until it has stopped. Blocks."""
        self._stop.set()
        self.repository.close()
        self._thread.shutdown(cancel_futures=True)

    def _snapshot(self, *, force: bool = False) -> str:
        """Take the copy as it is into the index; the id of its tree."""
        self._tidy()
        self._add("--all", "--ignore-errors", *(["--force"] if force else []))
        return self._tree_of_index()

    def _add(self, *arguments: str, given: bytes = b"") -> None:
        """Take files into the index; also those that are not in the encoding of their attributes.

        What Git can have no name for is left out.
        """
        options = {"tree": self.tree, "given": given, "fine": (0, 1)}
        add = partial(self.repository.run, "add", *arguments, **options)
        try:
            add()
        except GitError:
            self.repository.take_encodings_as_they_are()
            add()

    def _tree_of_index(self) -> str:
        return self.repository.run("write-tree", tree=self.tree).decode().strip()

    def _tidy(self) -> None:
        """Delete what commands made that no patch can hold: repositories, pipes and the like.

        Git waits for ever for what is in a pipe of the name `.gitignore`. Raises `TOO_LARGE` where
        the copy has grown beyond all bounds.
        """
        for place in (self.tree, self.root):
            if place.is_symlink() or not place.is_dir():
                _remove(place)
                place.mkdir(mode=0o700, parents=True)
        files = size = 0
        for entry, status in _below(self.tree):
            if entry.name == ".git" or stat.S_IFMT(status.st_mode) not in KINDS:
                _remove(Path(entry.path))
                continue
            files += 1
            size += status.st_size
        if files > 2 * MOST_FILES or size > 2 * MOST_BYTES:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"The copy of the workspace has grown to {files:,} files with {size:,} bytes. "
                "Give a task that makes fewer.",
            )

    def _commit_of(self, name: str) -> str:
        found = self.repository.run(
            "rev-parse", "--verify", "--quiet", name, tree=self.tree, fine=(0, 1)
        )
        return found.decode().strip()

    def _commit(self, tree: str, parents: Sequence[str]) -> str:
        arguments = [option for parent in parents for option in ("-p", parent)]
        made = self.repository.run(
            "commit-tree", tree, *arguments, tree=self.tree, given=b"workspace\n"
        )
        return made.decode().strip()

    def _merge(self, work: str) -> None:
        """Bring the changes that an earlier run made into the copy.

        A change of a file that is left out of the copy by now is a conflict too.
        """
        git = partial(self.repository.run, tree=self.tree)
        git("update-ref", "--no-deref", "HEAD", self.base)
        git("cherry-pick", "--no-commit", work, fine=(0, 1))
        unmerged = git("ls-files", "--unmerged", "-z").split(b"\0")
        paths = [os.fsdecode(entry.partition(b"\t")[2]) for entry in unmerged if entry]
        self.conflicts = sorted(set(paths))


def folder_of(kept: Path) -> str:
    """The folder of which an earlier run kept this; empty where it kept nothing. Blocks."""
    try:
        return os.fsdecode((kept / FOLDER).read_bytes())
    except OSError:
        return ""


def _below(directory: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """All that is in a directory, at any depth, with its state."""
    pending = [str(directory)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry, entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)


class Scratches:
    """The scratch copies of all processes of the user."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        state = sandbox.real_path(sandbox.absolute(str(settings.state_dir)))
        self._directory = state / SCRATCHES

    @asynccontextmanager
    async def open(self, folder: UserFolder, kept: Path | None = None) -> AsyncGenerator[Scratch]:
        """A copy of the folder, deleted when the block is left.

        `kept` is the Git directory of an earlier run of the same thread. Raises what `Copying` and
        `Repository` raise.
        """
        await self._sweep()
        place = self._directory / f"{self._store.owner}-{secrets.token_hex(4)}"
        repository = Repository(kept or place / "git", environment())
        scratch = Scratch(folder, place / "tree", repository)
        try:
            await asyncio.to_thread(private.make, place)
            await scratch.work(partial(scratch.make, self._settings))
            yield scratch
        finally:
            await asyncio.shield(asyncio.to_thread(_delete, scratch, place))

    async def _sweep(self) -> None:
        """Delete the copies of processes that have died."""
        # Only once the store is open does this process count as living.
        await self._store.read(lambda _connection: None)
        for place in await asyncio.to_thread(_contents, self._directory):
            owner = place.name.partition("-")[0]
            if not await self._store.alive(owner):
                await asyncio.to_thread(_remove, place)


def _contents(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _delete(scratch: Scratch, place: Path) -> None:
    scratch.close()
    _remove(place)


def _remove(place: Path) -> None:
    """Delete a directory of any depth, also what a program has made unwritable in it.

    Folders in folders are moved to the top first: a path may be longer than a system takes.
    """
    if place.is_symlink() or not place.is_dir():
        place.unlink(missing_ok=True)
        return
    aside = secrets.token_hex(8)
    pending, moved = [place], 0
    while pending:
        folder = pending.pop()
        with suppress(OSError):
            folder.chmod(stat.S_IRWXU)
        for entry in _contents(folder):
            with suppress(OSError):
                if entry.is_symlink():
                    entry.unlink()
                    continue
                # Windows deletes no file that is read-only.
                entry.chmod(stat.S_IRWXU)
                if not entry.is_dir():
                    entry.unlink()
                    continue
                if folder != place:
                    moved += 1
                    entry = entry.rename(place / f"{aside}-{moved}")
                pending.append(entry)
        if folder != place:
            with suppress(OSError):
                folder.rmdir()
    with suppress(OSError):
        place.rmdir()
