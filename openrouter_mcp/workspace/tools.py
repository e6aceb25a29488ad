"""The tools with which a model works in a scratch copy, as an MCP server in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastmcp import FastMCP
from fastmcp.tools.function_tool import FunctionTool
from mcp.types import ToolAnnotations
from pydantic import Field

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files import walk
from openrouter_mcp.files.sandbox import display
from openrouter_mcp.text import showable
from openrouter_mcp.workspace.git import ADVICE, GitError
from openrouter_mcp.workspace.scratch import Scratch
from openrouter_mcp.workspace.texts import TextFile, decode
from openrouter_mcp.workspace.tree import RefusedError, Tree

NAME = "workspace"
PAGE_LINES = 500
PAGE_CHARS = 16_000
LONGEST_LINE = 2000
"""Characters that are shown of one line."""
LONGEST_MATCH = 300
MOST_LISTED = 1000
"""Entries of a folder, or files, that one call shows."""
MOST_MATCHES = 200
NO_PERL = "Perl-compatible"
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)
PathInCopy = Annotated[str, Field(description="Path below the workspace.")]
T = TypeVar("T")


class FileTools:
    """Reading and changing the files of one scratch copy; without one, only the definitions."""

    def __init__(self, scratch: Scratch | None) -> None:
        self._opened = scratch

    @property
    def _scratch(self) -> Scratch:
        if self._opened is None:
            raise RefusedError("There is no copy to work in: this is a dry run.")
        return self._opened

    @property
    def _tree(self) -> Tree:
        scratch = self._scratch
        return Tree(scratch.root, scratch.folder.path, scratch.copied.stamps.__contains__)

    async def _do(self, work: Callable[[], T]) -> T:
        """Do what blocks in a thread; failures become results that a model can read."""
        try:
            return await self._scratch.work(work)
        except OpenRouterError as error:
            raise RefusedError(error.message) from None
        except OSError as error:
            raise RefusedError(f"{error.strerror or 'It cannot be used'}.") from None

    async def list_directory(self, path: PathInCopy = "") -> str:
        """List a folder: folders end in /, links in @."""
        return await self._do(partial(self._list, path))

    async def find_files(
        self, glob: Annotated[str, Field(description="As src/**/*.py; *.py finds at any depth.")]
    ) -> str:
        """Find files by their paths."""
        return await self._do(partial(self._find, glob))

    async def search_files(
        self,
        pattern: Annotated[str, Field(description="A regular expression (Perl's).")],
        glob: Annotated[str, Field(description="Only files that match it.")] = "",
        literal: Annotated[bool, Field(description="The pattern is plain text.")] = False,
        ignore_case: bool = False,
    ) -> str:
        """Find lines in text files: path:line: text."""
        options = ["--fixed-strings"] if literal else ["--perl-regexp"]
        options += ["--ignore-case"] if ignore_case else []
        return await self._do(partial(self._search, options, pattern, glob))

    async def read_file(
        self,
        path: PathInCopy,
        first_line: Annotated[int, Field(ge=1)] = 1,
        lines: Annotated[int, Field(ge=1, description="How many; 500 at most.")] = PAGE_LINES,
    ) -> str:
        """Read a page of a text file, each line with its number and a tab before it."""
        return await self._do(partial(self._page, path, first_line, min(lines, PAGE_LINES)))

    async def edit_file(
        self,
        path: PathInCopy,
        old: Annotated[str, Field(description="Exactly as in the file, without line numbers.")],
        new: str,
        everywhere: Annotated[bool, Field(description="Replace all, not just one.")] = False,
    ) -> str:
        """Replace text in a file. Encoding and line ends stay."""
        return await self._do(partial(self._edit, path, old, new, everywhere=everywhere))

    async def write_file(
        self,
        path: PathInCopy,
        content: str,
        executable: Annotated[bool, Field(description="For a new script.")] = False,
    ) -> str:
        """Write a whole file, new or over the old one; folders are made."""
        return await self._do(partial(self._write, path, content, executable=executable))

    async def move_file(self, path: PathInCopy, to: PathInCopy) -> str:
        """Move or rename a file or folder."""
        return await self._do(partial(self._move, path, to))

    async def delete_file(self, path: PathInCopy) -> str:
        """Delete a file, or a folder with all that is in it."""
        return await self._do(partial(self._delete, path))

    def _list(self, path: str) -> str:
        ends = {"folder": "/", "link": "@"}
        names = sorted(
            f"{entry.name}{ends.get(entry.kind, '')}"
            for entry in self._tree.entries(path)
            if entry.name != ".git"
        )
        return _listed(names, whole=True) or "It is empty."

    def _find(self, glob: str) -> str:
        found, whole = [], True
        for pattern in self._patterns(glob):
            paths, all_ = self._scratch.found(pattern)
            found += paths
            whole = whole and all_
        return _listed(sorted(set(found)), whole=whole) or "No file matches."

    def _search(self, options: list[str], pattern: str, glob: str) -> str:
        if not pattern or "\0" in pattern:
            raise RefusedError("Give a pattern: a regular expression, or plain text with literal.")
        pattern = pattern.encode("utf-8", "replace").decode()
        where = self._patterns(glob)
        try:
            matches, whole = self._scratch.searched(options, pattern, where)
        except GitError as error:
            if NO_PERL not in error.message:
                said = error.message.removesuffix(ADVICE)
                raise RefusedError(f"{said} Give another pattern.") from None
            options = ["--extended-regexp", *options[1:]]
            matches, whole = self._scratch.searched(options, pattern, where)
        shown = [
            f"{display(path)}:{number}: {showable(text.rstrip())[:LONGEST_MATCH]}"
            for path, number, text in matches[:MOST_MATCHES]
        ]
        if len(matches) > len(shown) or not whole:
            shown.append("[There are more, or the search took too long: narrow it.]")
        return "\n".join(shown) or "No line matches."

    def _patterns(self, glob: str) -> list[str]:
        """The patterns of Git that a glob stands for."""
        return [self._anywhere(path) for path in walk.alternatives(self._tree.path(glob))]

    def _anywhere(self, path: str) -> str:
        """What a path means: a name any file of that name, a folder all that is in it."""
        if not path or (self._scratch.root / path).is_dir():
            return f"{path}/**".lstrip("/")
        return path if "/" in path else f"**/{path}"

    def _text(self, path: str) -> TextFile:
        text = decode(self._tree.read(path))
        if text is None:
            raise RefusedError(f"{path} is a binary file, which is not read or edited as text.")
        return text

    def _page(self, path: str, first: int, most: int) -> str:
        lines = self._text(path).lines()
        if first > max(1, len(lines)):
            raise RefusedError(f"{path} has {len(lines):,} lines.")
        shown, size = [], 0
        for number, line in enumerate(lines[first - 1 : first - 1 + most], first):
            cut = "" if len(line) <= LONGEST_LINE else f" [... {len(line):,} characters]"
            shown.append(f"{number}\t{line[:LONGEST_LINE]}{cut}")
            size += len(shown[-1])
            if size > PAGE_CHARS:
                break
        end = first + len(shown) - 1
        text = "\n".join(shown).encode("utf-8", "replace").decode()
        if end >= len(lines):
            return text or "[The file is empty.]"
        return f"{text}\n[Lines {first} to {end} of {len(lines):,}. Go on: first_line={end + 1}.]"

    def _edit(self, path: str, old: str, new: str, *, everywhere: bool) -> str:
        try:
            edited, count = self._text(path).edited(old, new, everywhere=everywhere)
        except ValueError as error:
            raise RefusedError(f"{path} was not changed: {error}") from None
        self._save(path, edited.data)
        return f"Replaced in {path}: {count}."

    def _write(self, path: str, content: str, *, executable: bool) -> str:
        text = TextFile("")
        real = self._tree.real(path)
        if real.is_file():
            # What is binary is written over.
            text = decode(self._tree.read(path)) or text
        data = text.with_text(content).data
        self._save(path, data, executable=executable)
        return f"Wrote {path}: {len(data):,} bytes."

    def _save(self, path: str, data: bytes, *, executable: bool = False) -> None:
        tree, scratch = self._tree, self._scratch
        tree.write(path, data, executable=executable)
        scratch.add(tree.real(path).relative_to(scratch.root).as_posix())

    def _move(self, path: str, to: str) -> str:
        tree, scratch = self._tree, self._scratch
        source, target = (
            tree.entry(each).relative_to(scratch.root).as_posix() for each in (path, to)
        )
        counted = scratch.counted_below(source)
        tree.move(path, to)
        scratch.add(*(f"{target}{each.removeprefix(source)}" for each in counted))
        return f"Moved {path} to {to}."

    def _delete(self, path: str) -> str:
        self._tree.delete(path)
        return f"Deleted {path}."

    def tools(self) -> list[FunctionTool]:
        """The tools of the server."""
        reading = (self.list_directory, self.find_files, self.search_files, self.read_file)
        writing = (self.edit_file, self.write_file, self.move_file, self.delete_file)
        return [
            *(tool(function, READS) for function in reading),
            *(tool(function, WRITES) for function in writing),
        ]


def tool(function: Callable[..., Any], annotations: ToolAnnotations) -> FunctionTool:
    """A tool whose results are text alone."""
    return FunctionTool.from_function(function, annotations=annotations, output_schema=None)


def server(tools: list[FunctionTool]) -> FastMCP:
    """An MCP server with these tools."""
    return FastMCP(NAME, tools=[*tools])


def _listed(names: list[str], *, whole: bool) -> str:
    shown = [display(name) for name in names[:MOST_LISTED]]
    if len(names) > len(shown) or not whole:
        shown.append(f"[... {len(names):,} in all: narrow it.]")
    return "\n".join(shown)
