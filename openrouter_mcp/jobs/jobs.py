"""Calls that take long: an answer in time, or a job that goes on and is kept in the store."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.files.save import Destination
from openrouter_mcp.jobs import replies, unsaved
from openrouter_mcp.jobs.table import JobRow, JobTable, State
from openrouter_mcp.progress import Progress
from openrouter_mcp.results import UNKNOWN_TYPE, SavedFile
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending.receipts import Receipt, told
from openrouter_mcp.state.store import Store, StoreBusyError
from openrouter_mcp.text import random_id
from openrouter_mcp.timing import Timing

logger = logging.getLogger("openrouter_mcp")


class Handle:
    """What the work of a call tells about itself while it runs, and where it saves its files."""

    def __init__(
        self,
        title: str,
        keep: Callable[[], Awaitable[None]],
        job_id: str = "",
        unsaved_directories: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        self.job_id = job_id
        self.text = ""
        """The text so far; the job is stored with it every two seconds."""
        self.billing_note = ""
        """A sentence for whoever cancels the job: whether the provider bills on."""
        self.receipt: Callable[[], Receipt | None] = lambda: None
        """What is paid by now, for whoever never gets the result; the job is stored with it."""
        self.message = f"{title}: waiting"
        self.lasting = False
        """Whether the work goes on when the call that began it is cancelled: OpenRouter's does."""
        self.upstream_id = ""
        self.details = ""
        """What another process needs beside the upstream id to resume the work."""
        self.place: Destination | None = None
        """Where the caller who resumes the work wants its files."""
        self.unsaved = False
        """Whether a file could not be saved in its place; the call then becomes a job."""
        self.in_memory: dict[str, bytes] = {}
        """The files that could not be written anywhere, by name."""
        self.unsaved_directories = unsaved_directories
        """The directories for files that cannot be saved, best first. Blocks."""
        self.changed = asyncio.Event()
        self.keep = keep

    async def report(self, message: str) -> None:
        """Tell whoever is waiting now, in one sentence, what is going on."""
        self.message = message
        self.wake()

    async def upstream(self, upstream_id: str) -> None:
        """Keep the id under which OpenRouter goes on with the work; it is a job from now on."""
        self.upstream_id = upstream_id
        self.lasting = True
        await self.keep()

    def save(
        self, place: Destination, data: bytes, suffix: str, mime_type: str = UNKNOWN_TYPE
    ) -> SavedFile:
        """Save what was paid. What cannot be saved is kept, and its note says so. Blocks."""
        try:
            return place.save(data, suffix, mime_type)
        except OSError as error:
            self.unsaved = True
            for directory in self.unsaved_directories():
                with suppress(OSError):
                    instead = replace(place, directory=directory)
                    saved = instead.save(data, suffix, mime_type)
                    return replace(saved, note=unsaved.note(self.job_id, place, error))
            note = unsaved.note(self.job_id, place, error, in_memory=True)
        name = next(name for name in save.names(place.stem, suffix) if name not in self.in_memory)
        self.in_memory[name] = data
        uri = f"openrouter://jobs/{self.job_id}"
        return SavedFile(Path(name), len(data), mime_type, note, in_memory_of=uri)

    def resume(self, text: str, upstream_id: str, details: str) -> None:
        """Take over what the process that died had told of the work."""
        self.text, self.upstream_id, self.details = text, upstream_id, details
        self.lasting = True

    def wake(self) -> None:
        """Wake all calls that wait for `changed`."""
        self.changed.set()
        self.changed = asyncio.Event()


Work = Callable[[Handle], Coroutine[Any, Any, ToolResult]]
Resumer = Callable[[Handle, str], Coroutine[Any, Any, ToolResult]]
"""Goes on with the work that OpenRouter has under this id."""


@dataclass(eq=False)
class _Running:
    """Work of this process. It is a job once it has a `follower`, which writes it to the store."""

    row: JobRow
    """The job as it was at its start."""
    handle: Handle
    task: asyncio.Task[ToolResult]
    follower: asyncio.Task[None] | None = None
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False
    closing: bool = False
    """Whether it is stopped because its server ends."""


class Jobs:
    """The paid calls of this process, and the jobs of every process of the user."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        timing: Timing = Timing(),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._timing = timing
        self._patience = settings.wait_seconds or None
        self._state_dir = settings.state_dir
        self._ttl = settings.job_ttl_hours * 3600
        self._store = store
        self._clock = clock
        self._table = JobTable(store, clock, self._ttl)
        self._running: dict[str, _Running] = {}
        self.in_memory: dict[str, Mapping[str, bytes]] = {}
        """By job and name the files that could not be written anywhere."""
        self._resumers: dict[str, Resumer] = {}

    async def run(self, tool: str, title: str, work: Work, progress: Progress) -> ToolResult:
        """The result of `work`, or how to get it when it takes longer than the setting allows.

        Raises what the work raised in time. Cancelling this call cancels the work, unless
        OpenRouter goes on with it by itself.
        """
        job = self._start(self._new_row(tool, title), work)
        try:
            async with progress.pulse():
                await self._wait(job, self._left(progress), progress)
            if not job.task.done() or job.handle.unsaved:
                await self._keep(job)
            if not job.task.done() or (job.stopping and not job.closing):
                return self._reply(self._row(job))
        except BaseException:
            if not job.handle.lasting:
                self._stop(job)
            raise
        if job.follower is None:
            del self._running[job.row.id]
        return job.task.result()

    async def get(
        self, job_id: str, wait: float, progress: Progress, place: Destination | None = None
    ) -> ToolResult:
        """The result of a job, or what it has after `wait` seconds, bounded like a call's.

        One that this call goes on with saves its files in `place`. Raises `NOT_FOUND`. Cancelling
        this call leaves the job alone.
        """
        most = self._left(progress)
        deadline = time.monotonic() + (wait if most is None else min(wait, most))
        async with progress.pulse():
            while True:
                row = await self.find(job_id)
                if row.unfinished:
                    await self.resume(row, place)
                left = deadline - time.monotonic()
                if job := self._running.get(row.id):
                    await self._wait(job, left, progress)
                    row = self._row(job)
                    break
                if row.state.ended or left <= 0:
                    break
                await progress(f"{row.title}: {len(row.text):,} characters so far")
                await asyncio.sleep(min(self._timing.job_look, left))
        return self._reply(row)

    async def resume(self, row: JobRow, place: Destination | None) -> bool:
        """Run a job again that no process runs and OpenRouter has; False if it has no such job.

        Its files are saved in `place`, or where they were to be.
        """
        if not self._resumable(row):
            return False
        if leased := await self._table.lease(row):
            resumer = self._resumers[row.tool]
            job = self._start(leased, lambda handle: resumer(handle, row.upstream_id))
            job.handle.resume(row.text, row.upstream_id, row.details)
            job.handle.place = place
            self._follow(job)
        return True

    async def cancel(self, job_id: str) -> ToolResult:
        """Stop a job and its upstream request; one that has ended is given as `get` gives it.

        Raises `NOT_FOUND`.
        """
        if job := self._running.get(job_id):
            await asyncio.wait({self._stop(job)}, timeout=self._timing.job_cancel)
        row = await self.find(job_id)
        if row.state is State.RUNNING:
            await self._table.request_cancel(row.id)
            row = await self.find(job_id)
        if row.state is State.CANCELLED:
            return replies.stopped(row)
        return self._reply(row)

    async def list(self) -> Sequence[JobRow]:
        """The last jobs of every process, and the calls of this one that may become such."""
        own = {id_: self._row(job) for id_, job in self._running.items()}
        rows = {row.id: await self._as_it_stands(row) for row in await self._table.recent()}
        return sorted((rows | own).values(), key=lambda row: row.created, reverse=True)

    def register_resumer(self, tool: str, resumer: Resumer) -> None:
        """Have `resumer` go on with this tool's jobs after their server died."""
        self._resumers[tool] = resumer

    async def finish(self, seconds: float) -> None:
        """Wait until the jobs have ended by themselves, for so many seconds at most."""
        jobs = [job for job in self._running.values() if job.follower and not job.stopping]
        if not seconds or not jobs:
            return
        which = ", ".join(job.row.id for job in jobs)
        logger.info("The client has gone. Its jobs go on, to be read by get_job: %s", which)
        # Not every system lets a process that is told to end write anything more.
        await asyncio.gather(*map(self._save, jobs))
        await asyncio.wait({self._follow(job) for job in jobs}, timeout=seconds)

    async def aclose(self) -> None:
        """Stop all work and keep what it gave; what OpenRouter goes on with is left to it."""
        jobs = list(self._running.values())
        ending: set[asyncio.Task[Any]] = set()
        for job in jobs:
            job.closing = True
            if job.follower:
                # Its text is kept even if the work takes longer to end than there is time.
                ending.add(asyncio.create_task(self._save(job)))
            if job.handle.lasting:
                job.task.cancel()
            else:
                self._stop(job)
            if job.follower:
                ending.add(job.follower)
        if ending:
            await asyncio.wait(ending, timeout=self._timing.job_close)

    def _new_row(self, tool: str, title: str) -> JobRow:
        job_id = random_id("job_")
        now = self._clock()
        return JobRow(job_id, tool, title, State.RUNNING, now, now, self._store.owner)

    def _start(self, row: JobRow, work: Work) -> _Running:
        async def keep() -> None:
            await self._keep(job)

        handle = Handle(
            row.title, keep, row.id, partial(unsaved.directories, self._state_dir, row.id)
        )
        # An empty context: the work outlives the call that began it.
        task = asyncio.create_task(work(handle), context=contextvars.Context())
        task.add_done_callback(lambda _: handle.wake())
        job = self._running[row.id] = _Running(row, handle, task)
        return job

    def _left(self, progress: Progress) -> float | None:
        """Seconds that the client of this call still waits, as far as we know; None = for ever."""
        return self._patience and max(0.0, self._patience - progress.seconds)

    async def _wait(self, job: _Running, seconds: float | None, progress: Progress) -> None:
        """Tell how the work goes until it ends or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not job.task.done():
                    changed = job.handle.changed
                    await progress(job.handle.message)
                    await changed.wait()

    async def _keep(self, job: _Running) -> None:
        """Make the call a job: write it to the store, now and from now on."""
        if job.follower:
            await self._save(job)
        else:
            self._follow(job)
            await job.stored.wait()

    def _stop(self, job: _Running) -> asyncio.Task[None]:
        """Cancel the work; the task that is returned ends once that is written down."""
        if not job.stopping:
            job.stopping = True
            job.task.cancel()
        return self._follow(job)

    def _follow(self, job: _Running) -> asyncio.Task[None]:
        if job.follower is None:
            job.follower = asyncio.create_task(
                self._save_to_the_end(job), context=contextvars.Context()
            )
        return job.follower

    async def _save_to_the_end(self, job: _Running) -> None:
        while not job.task.done():
            await self._save(job)
            await asyncio.wait({job.task}, timeout=self._timing.job_save)
        error = None if job.task.cancelled() else job.task.exception()
        if error and not isinstance(error, OpenRouterError):
            logger.error("%s failed as a job", job.row.tool, exc_info=error)
        if job.handle.in_memory:
            self.in_memory[job.row.id] = job.handle.in_memory
        if await self._save(job):
            del self._running[job.row.id]
        await asyncio.to_thread(unsaved.clear, self._state_dir, self._clock() - self._ttl)

    async def _save(self, job: _Running) -> bool:
        """Write the job as it stands; stop it if its end was asked for. False if that failed."""
        import sqlite3

        try:
            state = await self._table.save(self._row(job))
        except (OSError, ValueError, sqlite3.Error, StoreBusyError):
            logger.exception("Cannot write job %s: keeping it in memory", job.row.id)
            return False
        finally:
            job.stored.set()
        if state is None:
            job.task.cancel()
        elif state is State.CANCELLING and not job.stopping:
            self._stop(job)
        return True

    def _row(self, job: _Running) -> JobRow:
        """The job of this process as it stands now."""
        handle, task = job.handle, job.task
        row = replace(
            job.row,
            state=State.CANCELLING if job.stopping else State.RUNNING,
            updated=self._clock(),
            text=handle.text,
            upstream_id=handle.upstream_id,
            details=handle.details,
            receipt=told(handle.receipt()) or job.row.receipt,
            message=handle.message,
        )
        if not task.done():
            return row
        if task.cancelled():
            if not job.stopping:
                return row
            return replies.cancelled(row, handle.billing_note, closing=job.closing)
        error = task.exception()
        if error is None:
            result = task.result()
            state = State.FAILED if result.is_error else State.DONE
            return replace(row, state=state, result=result)
        return replies.failed(row, error)

    async def find(self, job_id: str) -> JobRow:
        """A job as it stands, by its id or OpenRouter's for it. Raises `NOT_FOUND`."""
        if job := self._running.get(job_id):
            return self._row(job)
        if row := await self._table.find(job_id):
            return await self._as_it_stands(row)
        raise replies.unknown(job_id, await self.list())

    async def _as_it_stands(self, row: JobRow) -> JobRow:
        """The stored job, in the state that follows from whether its server still runs."""
        if row.state.ended or await self._store.alive(row.owner):
            return row
        # Its server may have written the end, or another taken it over, since the row was read.
        owner, row = row.owner, await self._table.find(row.id) or row
        if row.state.ended or row.owner != owner:
            return row
        if row.state is State.CANCELLING:
            return replies.cancelled(row)
        return row if self._resumable(row) else replies.lost(row)

    def _resumable(self, row: JobRow) -> bool:
        """Whether OpenRouter goes on with such a job by itself."""
        return bool(row.upstream_id) and row.tool in self._resumers

    def _reply(self, row: JobRow) -> ToolResult:
        return replies.ended(row) if row.state.ended else replies.pending(row)
