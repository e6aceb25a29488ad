"""Documents of OpenRouter kept on disk: fresh or stale, atomically replaced, fetched once."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import math
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.state import private
from openrouter_mcp.text import parse_json
from openrouter_mcp.timing import Timing

if TYPE_CHECKING:
    from filelock import AsyncFileLock

logger = logging.getLogger("openrouter_mcp")

# Seconds: how long to leave a failing server alone.
RETRY_AFTER_FAILURE = 60.0
MOST_BYTES = 200_000_000
"""Of one document."""

Signature = tuple[int, int, int] | None
Fetch = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Document:
    """What OpenRouter answered, and when (unix seconds). Shared: never change `data`."""

    data: Any
    fetched_at: float
    stale: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    data: Any
    fetched_at: float
    signature: Signature


class DocumentCache:
    """JSON documents in one directory, shared by every process of the user."""

    def __init__(
        self,
        directory: Path,
        timing: Timing = Timing(),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._lock_timeout = timing.document_lock
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._access: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._fetches: dict[str, asyncio.Task[_Entry]] = {}
        self._failed_at: dict[str, float] = {}
        self._failures: dict[str, OpenRouterError] = {}
        self._warned = False

    async def get(
        self,
        name: str,
        fetch: Fetch,
        max_age: float,
        *,
        stale_while_revalidate: float = math.inf,
    ) -> Document:
        """Return the document `name`; `fetch` makes a new one. All times are seconds.

        Younger than `max_age` it is fresh and costs no request. Up to `stale_while_revalidate`
        beyond that it is served at once, marked stale, while one request renews it in the
        background. Older, or absent, the caller waits for that request; when it fails, old data
        is served whatever its age. Raises what `fetch` raised when there is no data at all.
        """
        entry = self._entries.get(name)
        if entry is None or not self._younger(entry, max_age):
            entry = await self._load(name)
        if entry is None:
            self._raise_recent_failure(name)
            entry = await asyncio.shield(self._refresh(name, fetch, max_age))
        elif not self._younger(entry, max_age) and not self._backing_off(name):
            refresh = self._refresh(name, fetch, max_age)
            if not self._younger(entry, max_age + stale_while_revalidate):
                await asyncio.wait([refresh])
                entry = self._entries[name]
        stale = not self._younger(entry, max_age)
        return Document(entry.data, entry.fetched_at, stale)

    async def known(self, name: str) -> Document | None:
        """Return what is on disk, whatever its age, without a request."""
        entry = await self._load(name)
        return Document(entry.data, entry.fetched_at, stale=True) if entry else None

    async def aclose(self) -> None:
        """Cancel what is still being fetched."""
        fetches = list(self._fetches.values())
        for task in fetches:
            task.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)

    def _younger(self, entry: _Entry, age: float) -> bool:
        # A date in the future (the clock was set back) counts as old, or it would never expire.
        return 0 <= self._clock() - entry.fetched_at < age

    def _raise_recent_failure(self, name: str) -> None:
        """Fail as the last fetch did while OpenRouter has asked for patience."""
        error = self._failures.get(name)
        pause = min(error.retry_after or 0, RETRY_AFTER_FAILURE) if error else 0
        if error and self._clock() - self._failed_at.get(name, -math.inf) < pause:
            raise error

    def _backing_off(self, name: str) -> bool:
        return self._clock() - self._failed_at.get(name, -math.inf) < RETRY_AFTER_FAILURE

    def _path(self, name: str, suffix: str = ".json") -> Path:
        return self._directory / f"{quote(name, safe='')}{suffix}"

    def _refresh(self, name: str, fetch: Fetch, max_age: float) -> asyncio.Task[_Entry]:
        """Return the one task of this process that fetches `name`."""
        if name not in self._fetches:
            # An empty context: the fetch belongs to all who wait, not to the call that was first.
            task = asyncio.create_task(
                self._fetch(name, fetch, max_age), context=contextvars.Context()
            )
            self._fetches[name] = task
            task.add_done_callback(lambda done: self._finish(name, done))
        return self._fetches[name]

    def _finish(self, name: str, task: asyncio.Task[_Entry]) -> None:
        del self._fetches[name]
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._failed_at.pop(name, None)
            self._failures.pop(name, None)
            return
        self._failed_at[name] = self._clock()
        expected = isinstance(error, OpenRouterError)
        if isinstance(error, OpenRouterError):
            self._failures[name] = error
        logger.warning(
            "Could not fetch OpenRouter's %s: %s", name, error, exc_info=None if expected else error
        )

    async def _fetch(self, name: str, fetch: Fetch, max_age: float) -> _Entry:
        """Fetch `name` under the lock, unless another process did while this one waited."""
        try:
            lock = await self._lock(name)
        except TimeoutError:
            lock = None
            if entry := await self._load(name):
                return entry
        try:
            entry = await self._load(name)
            if entry and self._younger(entry, max_age):
                return entry
            return await self._store(name, await fetch(), write=lock is not None)
        finally:
            if lock:
                await lock.release()

    async def _lock(self, name: str) -> AsyncFileLock | None:
        """Return the lock, held; None where files cannot be written, and so not locked."""
        from filelock import AsyncFileLock  # loads sqlite3: not on the way to the handshake

        lock = AsyncFileLock(self._path(name, ".lock"), timeout=self._lock_timeout, mode=0o600)
        try:
            await asyncio.to_thread(private.make, self._directory)
            await lock.acquire()
        except TimeoutError:
            raise
        except (OSError, NotImplementedError) as error:
            self._warn(error)
            return None
        return lock

    async def _load(self, name: str) -> _Entry | None:
        """Return what is known of `name`: from memory while its file is unchanged."""
        async with self._access[name]:
            entry = await asyncio.to_thread(_read, self._path(name), self._entries.get(name))
            if entry:
                self._entries[name] = entry
            return entry

    async def _store(self, name: str, data: Any, *, write: bool) -> _Entry:
        """Keep new data; only who holds the lock may write it to disk."""
        path, fetched_at = self._path(name), self._clock()
        async with self._access[name]:
            if write:
                try:
                    await asyncio.to_thread(_write, path, {"fetched_at": fetched_at, "data": data})
                except OSError as error:
                    self._warn(error)
            signature = await asyncio.to_thread(_signature, path)
            self._entries[name] = _Entry(data, fetched_at, signature)
            return self._entries[name]

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("Cannot write %s (%s): keeping it in memory", self._directory, error)


def _signature(path: Path) -> Signature:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path, known: _Entry | None) -> _Entry | None:
    """Read the document; what is known stays if there is none. A damaged one is set aside."""
    signature = _signature(path)
    if signature is None or (known and known.signature == signature):
        return known
    try:
        private.check(path.parent)
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError("too large")  # noqa: TRY301 - told below
        document = parse_json(content)
        return _Entry(document["data"], float(document["fetched_at"]), signature)
    except OSError:
        return known
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("%s is damaged (%s) and set aside", path, type(error).__name__)
        with suppress(OSError):
            path.replace(path.with_suffix(".damaged"))
        return known


def _write(path: Path, document: dict[str, Any]) -> None:
    """Replace the file in one step. The caller holds the lock: the temporary name is its own."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, private.NEW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(document))
    temporary.replace(path)
