"""What changed in a scratch copy: each file with its lines, and the patch as a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from openrouter_mcp.files import sandbox, save
from openrouter_mcp.results import SavedFile
from openrouter_mcp.workspace.git import Repository

COMPARE = ("diff-index", "--cached", "--find-renames", "--no-ext-diff", "--no-textconv")
SUFFIX = ".patch"
KIND = "text/x-diff"


@dataclass(frozen=True)
class Change:
    """One file that is not as it was."""

    status: str
    """Git's letter: A added, M modified, D deleted, R renamed, T of another type."""
    path: str
    """Below the top of the repository; where it was, for one that was deleted."""
    old_path: str = ""
    """Where it was before, if it was renamed."""
    added: int | None = None
    removed: int | None = None
    """Lines; None for what has none."""

    def line(self) -> str:
        """The change as one line of a reply."""
        path = sandbox.display(self.path)
        name = f"{sandbox.display(self.old_path)} -> {path}" if self.old_path else path
        lines = "binary" if self.added is None else f"+{self.added} -{self.removed}"
        return f"{self.status} {name} {lines}"


@dataclass(frozen=True)
class Comparison:
    """What is compared: the index with the commit `base`, in the folder `below_top` alone."""

    repository: Repository
    base: str
    tree: Path
    below_top: Path
    """What commands that run unconfined have changed above it is in no patch."""

    def arguments(self, *options: str) -> list[str]:
        """The command of Git that compares."""
        return [*COMPARE, *options, self.base, "--", self.below_top.as_posix()]


def changes(compared: Comparison) -> list[Change]:
    """The files that differ. Blocks. Raises `GitError`."""
    run = partial(compared.repository.run, tree=compared.tree)
    raw = run(*compared.arguments("--raw", "-z"))
    counts = run(*compared.arguments("--numstat", "-z"))
    pairs = zip(_entries(raw), _counts(counts), strict=True)
    return [
        Change(status[0], paths[-1], paths[0] if len(paths) > 1 else "", *lines)
        for (status, paths), lines in pairs
    ]


def _entries(raw: bytes) -> Iterator[tuple[str, Sequence[str]]]:
    """Status and paths of each entry of `--raw -z`."""
    fields = iter(os.fsdecode(raw).split("\0")[:-1])
    for field in fields:
        status = field.rpartition(" ")[2]
        yield status, [next(fields) for _ in range(2 if status[0] in "RC" else 1)]


def _counts(counts: bytes) -> Iterator[tuple[int | None, int | None]]:
    """The lines of each entry of `--numstat -z`; of a binary file None."""
    fields = iter(os.fsdecode(counts).split("\0")[:-1])
    for field in fields:
        added, removed, path = field.split("\t", 2)
        if not path:
            next(fields), next(fields)
        yield (None, None) if added == "-" else (int(added), int(removed))


def write(compared: Comparison, directory: Path, stem: str) -> SavedFile:
    """Save what `git apply` needs to make the same changes, under a free name in `directory`.

    It holds binary files, modes and names of any kind. Blocks. Raises `GitError` and `OSError`.
    """
    with save.draft(sandbox.real_path(sandbox.absolute(str(directory)))) as file:
        options = ("--patch", "--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")
        arguments = compared.arguments(*options)
        compared.repository.write(file.content, *arguments, tree=compared.tree)
        size = os.fstat(file.content.fileno()).st_size
        return SavedFile(file.publish(stem, SUFFIX), size, KIND)


def head(path: Path, most: int) -> tuple[str, bool]:
    """The first whole lines of a patch, `most` characters of them, and whether that is all of it.

    Blocks.
    """
    with path.open("rb") as file:
        text = file.read(4 * most + 1).decode("utf-8", "replace")
    if len(text) <= most:
        return text, True
    cut = text[:most].rpartition("\n")[0]
    return cut, False
