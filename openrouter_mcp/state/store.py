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

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.state import private
from openrouter_mcp.state.copies import Rows, copied, merge
from openrouter_mcp.state.migrations import NewerVersionError, migrate
from openrouter_mcp.state.presence import Presence
from openrouter_mcp.timing import Timing

if TYPE_CHECKING:
    import sqlite3

BUSY_TIMEOUT = 0.25
"""Seconds that one attempt waits for other processes."""
LOOK = 5.0
"""Seconds after which a store that nobody uses looks whether its file is still the one.

Each look is twice as late as the one before, so that the process comes to rest.
"""
LAST_LOOK = 32 * LOOK
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
Identities = tuple[tuple[int, int] | None, ...]
"""Which files have some names: their devices and inodes, None for those that are not there."""


class DamagedInUseError(Exception):
    """The file is damaged, and other processes have it open."""


class JournalLostError(Exception):
    """What other processes have written is in a journal, or a file, that has lost its name."""


class ReplacedError(Exception):
    """The file, or what belongs to it, was moved, deleted or replaced since it was opened."""


class StoreBusyError(OpenRouterError):
    """Another process has the file for longer than anybody here can wait."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            Code.INTERNAL,
            f"{path} is locked by another process. Call again in a moment; if that does not help, "
            "end whatever has the file open beside the MCP servers.",
            retryable=True,
        )


class Store:
    """`state.db` in `directory`, or memory while that cannot be used. Making it opens nothing.

    What happens to the file is told in `warning`, and the work goes on with a copy in memory until
    it can be used again. A file that was deleted or replaced gets all that this process knew. What
    `run` and `read` raise is what their work raised, or `StoreBusyError`.
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
        self._opened: Identities | None = None
        self._queued: deque[tuple[int, Work[object]]] = deque()
        """What was asked for later, each with its number."""
        self._asked = 0
        self._flushing = False
        self._next_look: asyncio.TimerHandle | None = None
        self._lost_since = 0.0
        self._closing = False
        """Whether nothing is waited for any more."""
        self._closed = False
        """Whether nothing can be asked for any more."""

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
        self._asked += 1
        self._queued.append((self._asked, work))
        self._flush_in(asyncio.get_running_loop(), WRITE_BEHIND)

    async def alive(self, owner: str) -> bool:
        """Whether the process with this token still runs; True where that cannot be told."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._presence.alive, owner)

    async def aclose(self) -> None:
        """Finish what was asked for and close the file; takes a second at most."""
        if self._closing:
            return
        self._closing = True
        self._flush(asyncio.get_running_loop())
        self._closed = True
        closed = asyncio.get_running_loop().run_in_executor(self._executor, self._leave)
        self._executor.shutdown(wait=False)
        await asyncio.wait([closed], timeout=CLOSING_TIME)

    def _submit(self, mode: Mode, work: Work[T]) -> Future[T]:
        deadline = time.monotonic() + self._lock_timeout
        self._look_in(LOOK)
        last = self._asked
        return self._executor.submit(lambda: self._do(mode, work, last, deadline))

    def _flush_in(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        if not self._flushing:
            self._flushing = True
            loop.call_later(seconds, self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to do what was asked for later; do it later still while the file is locked."""

        def done(written: Future[None]) -> None:
            if written.exception() and not self._closing:
                loop.call_soon_threadsafe(self._flush_in, loop, LOOK)

        self._flushing = False
        if self._queued and not self._closed:
            writing = self._executor.submit(self._write_queued, self._asked, time.monotonic())
            writing.add_done_callback(done)

    def _look_in(self, seconds: float) -> None:
        """Look at the file after so many seconds, and some more times unless it is used."""

        def look() -> None:
            self._next_look = None
            if not self._closing:
                self._executor.submit(self._look)
                if seconds < LAST_LOOK:
                    self._look_in(2 * seconds)

        loop = asyncio.get_running_loop()
        if self._next_look:
            if self._next_look.when() <= loop.time() + seconds:
                return
            self._next_look.cancel()
        self._next_look = loop.call_later(seconds, look)

    # Everything below runs in the store's own thread.

    def _do(self, mode: Mode, work: Work[T], last: int, deadline: float) -> T:
        try:
            self._write_queued(last, deadline if mode == "IMMEDIATE" else time.monotonic())
        except StoreBusyError:
            if mode == "IMMEDIATE":
                raise
        return self._transact(mode, work, deadline)

    def _write_queued(self, last: int, deadline: float) -> None:
        """Do what was asked for later, up to the `last` number.

        Raises `StoreBusyError`; it is done another time then.
        """
        asked: list[tuple[int, Work[object]]] = []
        while self._queued and self._queued[0][0] <= last:
            asked.append(self._queued.popleft())
        if not asked:
            return
        try:
            self._transact(
                "IMMEDIATE", lambda connection: [work(connection) for _, work in asked], deadline
            )
        except StoreBusyError:
            self._queued.extendleft(reversed(asked))
            raise
        except Exception as error:  # noqa: BLE001 - nobody waits for it
            logger.error("The ledger could not be written: %s", error)  # noqa: TRY400

    def _transact(self, mode: Mode, work: Work[T], deadline: float) -> T:
        import sqlite3

        suspect = False
        while True:
            try:
                with self._connected(suspect=suspect) as connection:
                    connection.execute(f"BEGIN {mode}")
                    # Whoever begins after the file was deleted writes for nobody else.
                    if self._is_replaced():
                        raise ReplacedError  # noqa: TRY301 - it undoes the transaction
                    return work(connection)
            except ReplacedError:
                self._reopen()
            except sqlite3.Error as error:
                kind = _fault(error)
                if not self._durable or not kind:
                    raise
                if self._is_replaced():
                    self._reopen()
                elif kind == "busy":
                    if time.monotonic() >= deadline or self._closing:
                        raise StoreBusyError(self._path) from error
                elif kind == "damaged" and not suspect:
                    self._disconnect()
                    suspect = True
                else:
                    self._go_on_in_memory(self._unusable(error))

    def _look(self) -> None:
        """Open the file again where it was replaced, or could not be used before."""
        import sqlite3

        with suppress(sqlite3.Error, OSError):
            if self._connection and (self._is_replaced() or not self._durable):
                self._reopen()

    def _is_replaced(self) -> bool:
        return self._durable and self._opened is not None and self._identities() != self._opened

    def _identities(self) -> Identities:
        """Which files have the names of the database, its journal and the mark of this process."""
        journal, index = Path(f"{self._path}-wal"), Path(f"{self._path}-shm")
        return tuple(map(_identity, (self._path, journal, index, self._presence.mark)))

    def _connected(self, *, suspect: bool) -> sqlite3.Connection:
        """The connection, opened at first need; `suspect` when the file has shown damage."""
        return self._connection or self._opened_or_memory(suspect=suspect)

    def _reopen(self) -> None:
        """Go on with the file that has the name now, and with all that this process knew."""
        if self._durable:
            logger.warning("%s was moved, deleted or replaced while in use", self._path)
        rows = self._copied()
        self._disconnect()
        self._opened_or_memory(suspect=False, rows=rows)

    def _copied(self) -> Rows | None:
        """What this process knows; None where that cannot be read."""
        import sqlite3

        if self._connection is None:
            return None
        with suppress(sqlite3.Error):
            # After this, nobody who began before the file was deleted is still writing.
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            return copied(self._connection)
        except sqlite3.Error:
            return None

    def _opened_or_memory(self, *, suspect: bool, rows: Rows | None = None) -> sqlite3.Connection:
        import sqlite3

        try:
            self._connection = self._open(suspect=suspect, rows=rows)
        except NewerVersionError:
            return self._go_on_in_memory(
                f"{self._path} was written by a newer openrouter-mcp. It is left as it is, and "
                "this server keeps its state in memory. Update openrouter-mcp.",
                rows,
            )
        except DamagedInUseError:
            return self._go_on_in_memory(
                f"{self._path} is damaged, and other servers have it open. This server keeps its "
                "state in memory until that is repaired. Quit every MCP client: the first server "
                "that starts afterwards sets the file aside and begins a new one.",
                rows,
            )
        except JournalLostError:
            return self._go_on_in_memory(
                f"{self._path} or its journal was deleted, and other servers have it open: they "
                "write it again. Call again in some seconds.",
                rows,
            )
        except sqlite3.Error as error:
            if rows is None:
                raise
            return self._go_on_in_memory(self._unusable(error), rows)
        except (OSError, NotImplementedError) as error:
            return self._go_on_in_memory(self._unusable(error), rows)
        if not self._durable:
            self._durable, self._warning = True, ""
            logger.warning("%s can be used again", self._path)
        return self._connection

    def _open(self, *, suspect: bool, rows: Rows | None) -> sqlite3.Connection:
        """Open the file under the lock that every process takes for this, and add `rows` to it."""
        import sqlite3

        from filelock import FileLock

        private.make(self._directory)
        lock = FileLock(self._directory / "state.lock", mode=0o600, fallback_to_soft=False)
        with lock.acquire(timeout=self._lock_timeout, cancel_check=lambda: self._closing):
            alone = self._presence.alone()
            self._presence.appear()
            if rows and self._opened:
                self._restore(rows)
            else:
                self._wait_for_the_others()
            try:
                return self._ready(suspect=suspect, rows=rows)
            except sqlite3.DatabaseError as error:
                if _fault(error) != "damaged":
                    raise
                # Closing a file that has lost its name deletes the journal of the one that has it.
                if not alone:
                    raise DamagedInUseError from error
                self._set_aside()
                return self._ready(suspect=suspect, rows=rows)

    def _restore(self, rows: Rows) -> None:
        """Write the file again, unless another process has done so.

        It becomes another one even where only its journal was deleted: so every process notices.
        """
        if _identity(self._path) not in (None, self._opened and self._opened[0]):
            return
        draft = Path(f"{self._path}-new")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, private.NEW, 0o600))
        connection = _connect(draft)
        try:
            migrate(connection)
            merge(connection, rows)
        finally:
            connection.close()
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        draft.replace(self._path)

    def _wait_for_the_others(self) -> None:
        """Give processes that have a deleted file open the time to write it again.

        Raises `JournalLostError`: what has its name now does not hold what was spent today.
        """
        if self._presence.held() <= {str(self._identities()[:-1])}:
            return
        now = time.monotonic()
        self._lost_since = self._lost_since or now
        if now - self._lost_since < 2 * LOOK:
            raise JournalLostError

    def _ready(self, *, suspect: bool, rows: Rows | None) -> sqlite3.Connection:
        """A connection to a file that is whole and up to date, with these rows in it."""
        if not self._path.exists():
            # SQLite gives the files beside it the same mode.
            os.close(os.open(self._path, private.NEW, 0o600))
        connection = _connect(self._path)
        try:
            migrate(connection)
            if suspect or self._path.stat().st_size <= CHECKED_BYTES:
                _check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # A killed process loses nothing that was committed; a power failure may.
            connection.execute("PRAGMA synchronous = NORMAL")
            if rows:
                merge(connection, rows)
            # The journal is there from the first look into the file on.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            self._opened = self._identities()
            self._presence.hold(str(self._opened[:-1]))
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
            "the jobs, threads and spending so far. Delete the old one unless you can repair it."
        )

    def _go_on_in_memory(self, warning: str, rows: Rows | None = None) -> sqlite3.Connection:
        """Leave the file for now, with a copy of it where it can be read."""
        if warning != self._warning:
            self._warn(warning)
        rows = rows or self._copied()
        self._disconnect()
        self._durable, self._opened = False, None
        with suppress(OSError):
            self._presence.hold("")
        self._connection = _connect(":memory:")
        migrate(self._connection)
        if rows:
            merge(self._connection, rows)
        return self._connection

    def _unusable(self, reason: object) -> str:
        return (
            f"{self._path} cannot be used ({reason}): this server keeps its state in memory until "
            f"it can. See that {self._directory} is writable and its disk not full, or set "
            "OPENROUTER_STATE_DIR and restart this server."
        )

    def _warn(self, warning: str) -> None:
        self._warning = warning
        logger.warning(warning)

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _leave(self) -> None:
        self._look()
        self._disconnect()
        self._presence.leave()


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
