"""The user's state in one SQLite file, safe for many processes and for those that are killed."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from openrouter_mcp.state import private
from openrouter_mcp.state.migrations import NewerVersionError, migrate
from openrouter_mcp.state.presence import Presence
from openrouter_mcp.timing import Timing

if TYPE_CHECKING:
    import sqlite3

BUSY_TIMEOUT = 0.25
"""Seconds that one attempt waits for other processes."""
CLOSING_TIME = 1.0
"""Seconds that the store has, when the server ends, to finish what it was asked for."""
WRITE_BEHIND = 0.05
"""Seconds for which the work of `later` is gathered, to be done in one transaction.

A process that is killed loses the work of this time.
"""
CHECKED_BYTES = 4_000_000
"""Up to this size a file is checked as a whole when it is opened: that takes some milliseconds."""


logger = logging.getLogger("openrouter_mcp")

T = TypeVar("T")
Work = Callable[["sqlite3.Connection"], T]
Mode = Literal["IMMEDIATE", "DEFERRED"]


class DamagedInUseError(Exception):
    """The file is damaged, and other processes have it open."""


class Store:
    """`state.db` in `directory`, or memory where that cannot be used. Making it opens nothing.

    The file never fails a caller: what happens to it is told in `warning`, and the work goes on
    with a copy in memory. What `run` and `read` raise is what their work raised.
    """

    def __init__(
        self,
        directory: Path,
        timing: Timing = Timing(),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lock_timeout = timing.store_lock
        self._warning = ""
        self._durable = True
        self._directory = directory
        self._path = directory / "state.db"
        self._clock = clock
        self._presence = Presence(directory / "processes")
        # A connection belongs to one thread; this one starts with the first work.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._queued: deque[Work[object]] = deque()
        self._closing = False

    @property
    def owner(self) -> str:
        """The token of this process, for rows that belong to it while it lives."""
        return self._presence.owner

    @property
    def warning(self) -> str:
        """What happened to the file and how to repair it; empty while all is well."""
        return self._warning

    @property
    def durable(self) -> bool:
        """Whether what is written outlives this process, as far as it is known by now."""
        return self._durable

    async def run(self, work: Work[T]) -> T:
        """Do `work` in one transaction that excludes every other writer; a raise undoes it all.

        It is done even if the caller is cancelled meanwhile, and repeated when another process was
        in the way, so it should do nothing but use the connection.
        """
        return await asyncio.shield(asyncio.wrap_future(self._submit("IMMEDIATE", work)))

    async def read(self, work: Work[T]) -> T:
        """Do `work`, which only reads, on one consistent state; it waits for no writer."""
        return await asyncio.shield(asyncio.wrap_future(self._submit("DEFERRED", work)))

    def later(self, work: Work[object]) -> None:
        """`run` for work that nobody waits for and that does not fail of itself.

        It is done before whatever is asked next, within `WRITE_BEHIND` seconds, in one transaction
        with all that was asked for meanwhile.
        """
        self._queued.append(work)
        if len(self._queued) == 1:
            asyncio.get_running_loop().call_later(WRITE_BEHIND, self._flush)

    async def alive(self, owner: str) -> bool:
        """Whether the process with this token still runs; True where that cannot be told."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._presence.alive, owner)

    async def aclose(self) -> None:
        """Finish what was asked for and close the file; takes a second at most."""
        if self._closing:
            return
        self._closing = True
        self._flush()
        closed = asyncio.get_running_loop().run_in_executor(self._executor, self._leave)
        self._executor.shutdown(wait=False)
        await asyncio.wait([closed], timeout=CLOSING_TIME)

    def _submit(self, mode: Mode, work: Work[T]) -> Future[T]:
        self._flush()
        return self._executor.submit(lambda: self._transact(mode, work))

    def _flush(self) -> None:
        """Begin to do what was asked for later."""
        if self._queued:
            self._executor.submit(self._write_queued).add_done_callback(_log_failure)

    # Everything below runs in the store's own thread.

    def _write_queued(self) -> None:
        works: list[Work[object]] = []
        while self._queued:
            works.append(self._queued.popleft())
        if works:
            self._transact("IMMEDIATE", lambda connection: [work(connection) for work in works])

    def _transact(self, mode: Mode, work: Work[T]) -> T:
        import sqlite3

        deadline = time.monotonic() + self._lock_timeout
        suspect = False
        while True:
            try:
                with self._connected(suspect=suspect) as connection:
                    connection.execute(f"BEGIN {mode}")
                    return work(connection)
            except sqlite3.Error as error:
                kind = _fault(error)
                if not self._durable or not kind:
                    raise
                if kind == "busy" and time.monotonic() < deadline and not self._closing:
                    continue
                if kind == "damaged":
                    self._disconnect()
                if kind == "damaged" and not suspect:
                    suspect = True
                else:
                    self._go_on_in_memory(self._unusable(error))

    def _connected(self, *, suspect: bool) -> sqlite3.Connection:
        """The connection, opened at first need; `suspect` when the file has shown damage."""
        if self._connection and self._durable and _identity(self._path) != self._opened:
            self._go_on_in_memory(self._unusable("moved or deleted while in use"))
        if self._connection:
            return self._connection
        try:
            self._connection = self._open(suspect=suspect)
        except NewerVersionError:
            return self._go_on_in_memory(
                f"{self._path} was written by a newer openrouter-mcp. It is left as it is, and "
                "this server keeps its state in memory until it ends. Update openrouter-mcp."
            )
        except DamagedInUseError:
            return self._go_on_in_memory(
                f"{self._path} is damaged, and other servers have it open. This server keeps its "
                "state in memory until it ends. Quit every MCP client: the first server that "
                "starts afterwards sets the file aside and begins a new one."
            )
        except (OSError, NotImplementedError) as error:
            return self._go_on_in_memory(self._unusable(error))
        return self._connection

    def _open(self, *, suspect: bool) -> sqlite3.Connection:
        """Open the file under the lock that every process takes for this."""
        import sqlite3

        from filelock import FileLock

        private.make(self._directory)
        lock = FileLock(self._directory / "state.lock", mode=0o600, fallback_to_soft=False)
        with lock.acquire(timeout=self._lock_timeout, cancel_check=lambda: self._closing):
            alone = self._presence.alone()
            self._presence.appear()
            try:
                return self._ready(suspect=suspect)
            except sqlite3.DatabaseError as error:
                if _fault(error) != "damaged":
                    raise
                # Closing a file that has lost its name deletes the journal of the one that has it.
                if not alone:
                    raise DamagedInUseError from error
                self._set_aside()
                return self._ready(suspect=suspect)

    def _ready(self, *, suspect: bool) -> sqlite3.Connection:
        """A connection to a file that is whole and up to date."""
        if not self._path.exists():
            # SQLite gives the files beside it the same mode.
            os.close(os.open(self._path, private.NEW, 0o600))
        self._opened = _identity(self._path)
        connection = _connect(self._path)
        try:
            migrate(connection)
            if suspect or self._path.stat().st_size <= CHECKED_BYTES:
                _check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # A killed process loses nothing that was committed; a power failure may.
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        aside = self._path.with_name(f"{self._path.name}.corrupt-{stamp}")
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").replace(f"{aside}{suffix}")
        self._warn(
            f"{self._path} was damaged. It is now {aside.name}, and a new file was begun, without "
            "the jobs, threads and spending so far. Delete the old one unless you can mend it."
        )

    def _go_on_in_memory(self, warning: str) -> sqlite3.Connection:
        """Leave the file for good, with a copy of it where it can be read."""
        import sqlite3

        self._warn(warning)
        self._durable = False
        memory = _connect(":memory:")
        if self._connection:
            with suppress(sqlite3.Error):
                self._connection.backup(memory)
        migrate(memory)
        self._disconnect()
        self._connection = memory
        return memory

    def _unusable(self, reason: object) -> str:
        return (
            f"{self._path} cannot be used ({reason}): this server keeps its state in memory until "
            f"it ends. See that {self._directory} is writable and its disk not full, or set "
            "OPENROUTER_STATE_DIR, and restart this server."
        )

    def _warn(self, warning: str) -> None:
        self._warning = warning
        logger.warning(warning)

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _leave(self) -> None:
        self._disconnect()
        self._presence.leave()


def _log_failure(done: Future[None]) -> None:
    """Log the failure of work that nobody waits for."""
    if error := done.exception():
        logger.error("The ledger could not be written: %s", error)


def _connect(database: Path | str) -> sqlite3.Connection:
    """A connection whose transactions are begun by hand."""
    import sqlite3

    connection = sqlite3.connect(database, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _check(connection: sqlite3.Connection) -> None:
    """Read the whole file. Raises `sqlite3.DatabaseError` when it is damaged."""
    import sqlite3

    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has this name now."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _fault(error: sqlite3.Error) -> Literal["busy", "damaged", "unusable", ""]:
    """What is the matter with the file; empty if it is the work that is wrong."""
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "busy"
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return "damaged"
    outside = {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
    return "unusable" if code in outside else ""
