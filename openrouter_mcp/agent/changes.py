"""The workspace of one run: the copy with its tools, and what the model has changed in it."""

from __future__ import annotations

import asyncio
import itertools
import os
import shlex
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastmcp.client.transports import FastMCPTransport

from openrouter_mcp.app import App
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files.sandbox import display
from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.mcp_client.servers import McpServer
from openrouter_mcp.progress import Report
from openrouter_mcp.results import SavedFile
from openrouter_mcp.settings import Settings
from openrouter_mcp.timing import Timing
from openrouter_mcp.workspace import patch, tools
from openrouter_mcp.workspace.commands import Check, Commands
from openrouter_mcp.workspace.folder import UserFolder
from openrouter_mcp.workspace.patch import Change
from openrouter_mcp.workspace.scratch import Scratch
from openrouter_mcp.workspace.tools import FileTools

MANUAL = (
    "You work in a copy of the folder {folder}. The {name}__* tools read and change its files, by "
    "paths below it. What you change becomes a patch that the user may apply: do the task, "
    "and nothing beside it. At the end say in a few sentences what you changed, and why."
)
COMMANDS = "run_command runs what the user allows: {commands}. Check your work with it."
CONFLICTS = (
    "The user has changed the folder since your last turn. These files hold both sides between "
    "conflict marks (<<<<<<<); resolve them first: {files}."
)
MOST_HEAD = 12_000
"""Characters of a patch that a reply shows."""
SHOWN_NAMES = 20


@dataclass(frozen=True)
class Changes:
    """What a run has changed, and the patch that makes the same changes in the user's folder."""

    folder: Path
    files: Sequence[Change] = ()
    patch: SavedFile | None = None
    """None where nothing was changed, or the patch could not be saved."""
    head: str = ""
    """The first lines of the patch."""
    is_whole: bool = True
    """Whether that is all of it."""
    checks: Sequence[Check] = ()
    notes: Sequence[str] = ()
    lost: str = ""
    """Why it is not known what was changed; empty where it is."""

    @property
    def apply(self) -> str:
        """The line with which the user applies the patch; empty where there is none."""
        if self.patch is None:
            return ""
        folder, path = map(_quoted, (self.folder, self.patch.path))
        return f"cd {folder} && git apply {path}"

    def meta(self) -> dict[str, Any]:
        """The changes for a program."""
        return {
            "folder": str(self.folder),
            "patch": str(self.patch.path) if self.patch else None,
            "apply": self.apply or None,
            "files": [vars(change) for change in self.files],
            "checks": [vars(check) for check in self.checks],
        }


class Workspace:
    """A scratch copy as one run uses it; without one, as a dry run shows it."""

    def __init__(
        self,
        settings: Settings,
        timing: Timing,
        folder: UserFolder,
        scratch: Scratch | None = None,
        taken: Collection[str] = (),
    ) -> None:
        """`taken` are the names of other servers of the run."""
        self._settings = settings
        self._folder = folder
        self._scratch = scratch
        self._commands = Commands(scratch, settings.agent_commands)
        numbered = (f"{tools.NAME}{number}" for number in itertools.count(2))
        self.name = next(n for n in itertools.chain([tools.NAME], numbered) if n not in taken)
        offered = [*FileTools(scratch).tools(), *self._commands.tools()]
        transport = FastMCPTransport(tools.server(offered))
        self.server = McpServer(ServerConfig(self.name), timing, transport)

    @property
    def glob(self) -> str:
        """What means all of its tools."""
        return f"{self.name}__*"

    @property
    def manual(self) -> str:
        """What the system message says of it."""
        parts = [MANUAL.format(folder=display(self._folder.path), name=self.name)]
        if self._settings.agent_commands:
            parts.append(COMMANDS.format(commands=", ".join(self._settings.agent_commands)))
        if self._scratch and self._scratch.conflicts:
            parts.append(CONFLICTS.format(files=_listed(self._scratch.conflicts)))
        return "\n".join(parts)

    async def changes(self, scratch: Scratch, stem: str) -> Changes:
        """What has changed by now, with the patch saved."""
        try:
            return await self._changes(scratch, stem)
        except OpenRouterError as error:
            checks, notes = self._commands.checks, self._commands.notes()
            return Changes(self._folder.path, checks=checks, notes=notes, lost=error.message)

    async def _changes(self, scratch: Scratch, stem: str) -> Changes:
        files = await scratch.work(scratch.changes)
        notes = [*self._commands.notes()]
        saved, head, is_whole = None, "", True
        if files:
            try:
                directory = self._settings.output_dir
                saved = await scratch.work(partial(scratch.save_patch, directory, stem))
                head, is_whole = await asyncio.to_thread(patch.head, saved.path, MOST_HEAD)
            except OSError as error:
                notes.append(f"The patch could not be saved in {directory} ({error.strerror}).")
        meanwhile = await scratch.work(partial(scratch.changed_meanwhile, files))
        if meanwhile:
            notes.append(
                f"Changed in your folder too since it was copied: {_listed(meanwhile)}. There the "
                "patch may not apply; go on with thread_id to have it made again."
            )
        if filtered := await scratch.work(partial(scratch.filtered, files)):
            notes.append(
                f"Git stores {_listed(filtered)} through a filter, as LFS is one: there the patch "
                "may not apply."
            )
        if scratch.conflicts:
            notes.append(
                "The changes of the earlier turns did not fit what you changed since in "
                f"{_listed(scratch.conflicts)}: look there for conflict marks (<<<<<<<)."
            )
        if left_out := scratch.copied.left_out.sentence():
            notes.append(f"Of the workspace: {left_out}")
        return Changes(
            self._folder.path, files, saved, head, is_whole, self._commands.checks, notes
        )


@asynccontextmanager
async def opened(
    app: App, folder: UserFolder, kept: Path | None, taken: Collection[str], report: Report
) -> AsyncGenerator[tuple[Workspace, Scratch]]:
    """The workspace of one run, whose copy is gone when the block is left.

    `kept` is what an earlier run of the thread has kept, if it has. Raises `OpenRouterError`.
    """
    await report(f"copying {display(folder.path)}")
    async with app.scratches.open(folder, kept) as scratch:
        workspace = Workspace(app.settings, app.timing, folder, scratch, taken)
        try:
            yield workspace, scratch
        finally:
            await workspace.server.aclose()


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN_NAMES} more" if len(paths) > SHOWN_NAMES else ""
    return ", ".join(map(display, paths[:SHOWN_NAMES])) + more


def _quoted(path: Path) -> str:
    return f'"{path}"' if os.name == "nt" else shlex.quote(str(path))
