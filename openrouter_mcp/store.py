"""The user's state in one SQLite file, safe for many processes and for those that are killed."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    import sqlite3

    from filelock import FileLock

logger = logging.getLogger("openrouter_mcp")

# Seconds: to wait for other processes in all and at a time, and for our own work at the end.
PATIENCE = 10.0
BUSY_TIMEOUT = 0.25
CLOSING_TIME = 1.0

CHECKED_BYTES = 4_000_000
"""Up to this size a file is checked as a whole when it is opened: that takes some milliseconds."""

MIGRATIONS = (
    """
    CREATE TABLE ledger(
        id INTEGER PRIMARY KEY, at REAL NOT NULL, owner TEXT NOT NULL, tool TEXT NOT NULL,
        model TEXT NOT NULL, provider TEXT NOT NULL, state TEXT NOT NULL, sent INTEGER NOT NULL,
        reserved INTEGER NOT NULL, cost INTEGER, input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL, generation_id TEXT NOT NULL, duration REAL NOT NULL,
        settled_at REAL
    );
    CREATE INDEX ledger_by_state ON ledger(state, settled_at, cost, reserved);
    CREATE INDEX ledger_by_owner ON ledger(owner, state, cost, reserved);
    CREATE INDEX ledger_by_generation ON ledger(generation_id);
    CREATE TABLE jobs(
        id TEXT PRIMARY KEY, tool TEXT, state TEXT, created REAL, updated REAL, expires REAL,
        owner TEXT, lease REAL, title TEXT, text TEXT, result TEXT, error TEXT, upstream_id TEXT,
        cost INTEGER
    );
    CREATE TABLE threads(
        id TEXT PRIMARY KEY, title TEXT, model TEXT, created REAL, updated REAL, cost INTEGER,
        turns INTEGER
    );
    CREATE TABLE messages(
        thread_id TEXT REFERENCES threads(id) ON DELETE CASCADE, position INTEGER, message TEXT,
        PRIMARY KEY(thread_id, position)
    );
    """,
)
"""SQL that leads from each version to the next. Money is nano-dollars, times are unix seconds."""

T = TypeVar("T")
Work = Callable[["sqlite3.Connection"], T]
Mode = Literal["IMMEDIATE", "DEFERRED"]
Identity = tuple[int, int] | None


class NewerVersionError(Exception):
    """The file belongs to a newer openrouter-mcp."""


class Store:
    """`state.db` in `directory`, or memory where that cannot be used. Making it opens nothing.

    The file never fails a caller: what happens to it is told in `warning`, and the work goes on
    with a copy in memory. What `run` and `read` raise is what their work raised.
    """

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.owner = secrets.token_hex(8)
        """The token of this process."""
        self.warning = ""
        """What happened to the file and how to repair it; empty while all is well."""
        self.durable = True
        """Whether what is written outlives this process."""
        self._directory = directory
        self._path = directory / "state.db"
        self._clock = clock
        # SQLite connections belong to one thread; this one starts with the first work.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity = None
        self._presence: FileLock | None = None
        self._closing = False

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
        """Like `run` for work that nobody waits for: in its turn, before whatever is asked next."""
        self._submit("IMMEDIATE", work).add_done_callback(_tell)

    async def alive(self, owner: str) -> bool:
        """Whether the process with this token still runs; True where that cannot be told."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._is_alive, owner)

    async def aclose(self) -> None:
        """Finish what was asked for and close the file; takes a second at most."""
        self._closing = True
        closed = asyncio.get_running_loop().run_in_executor(self._executor, self._leave)
        self._executor.shutdown(wait=False)
        await asyncio.wait([closed], timeout=CLOSING_TIME)

    def _submit(self, mode: Mode, work: Work[T]) -> Future[T]:
        return self._executor.submit(self._transact, mode, work)

    # Everything below runs in the store's own thread.

    def _transact(self, mode: Mode, work: Work[T]) -> T:
        import sqlite3

        deadline = time.monotonic() + PATIENCE
        mended = False
        while True:
            try:
                with self._connected() as connection:
                    connection.execute(f"BEGIN {mode}")
                    return work(connection)
            except sqlite3.Error as error:
                fault = _fault(error)
                if not self.durable or not fault:
                    raise
                waiting = time.monotonic() < deadline and not self._closing
                if fault == "busy" and waiting:
                    continue
                if fault == "damaged" and not mended:
                    mended = True
                    self._set_aside()
                else:
                    self._go_on_in_memory(self._unusable(error))

    def _connected(self) -> sqlite3.Connection:
        """The connection; a new one where the file was set aside or deleted by someone else."""
        moved = self.durable and self._identity != _identity(self._path)
        if self._connection is None or moved:
            self._disconnect()
            try:
                self._connection = self._open()
            except NewerVersionError:
                self._go_on_in_memory(
                    f"{self._path} was written by a newer openrouter-mcp. It is left as it is, and "
                    "this server keeps its state in memory until it ends. Update openrouter-mcp."
                )
            except (OSError, NotImplementedError) as error:
                self._go_on_in_memory(self._unusable(error))
        assert self._connection
        return self._connection

    def _open(self) -> sqlite3.Connection:
        """Open the file under the lock that every process takes for this."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock():
            self._appear()
            if not self._path.exists():
                # SQLite gives the files beside it the same mode.
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))
            self._identity = _identity(self._path)
            connection = _connect(self._path)
            try:
                _check(connection, self._path)
                connection.execute("PRAGMA journal_mode = WAL")
                # A killed process loses nothing that was committed; a power failure may.
                connection.execute("PRAGMA synchronous = NORMAL")
                _migrate(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def _lock(self) -> FileLock:
        """The lock for opening the file and for setting it aside, to be entered."""
        from filelock import FileLock

        timeout = CLOSING_TIME if self._closing else PATIENCE
        return FileLock(
            self._directory / "state.lock", timeout=timeout, mode=0o600, fallback_to_soft=False
        )

    def _set_aside(self) -> None:
        """Rename the damaged file, unless another process already did."""
        self._disconnect()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock()))
        aside = self._path.with_name(f"{self._path.name}.corrupt-{stamp}-{self.owner}")
        try:
            with self._lock():
                if self._identity != _identity(self._path):
                    return
                for suffix in ("-wal", "-shm", ""):
                    with suppress(FileNotFoundError):
                        Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
        except OSError as error:
            self._go_on_in_memory(self._unusable(error))
        else:
            self._warn(
                f"{self._path} was damaged and is now {aside.name}; a new file was begun, without "
                "the jobs, threads and spending so far. Delete the old file if nobody can mend it."
            )

    def _go_on_in_memory(self, warning: str) -> None:
        """Leave the file for good, with a copy of it where it can be read."""
        import sqlite3

        self._warn(warning)
        self.durable = False
        memory = _connect(":memory:")
        if self._connection:
            with suppress(sqlite3.Error):
                self._connection.backup(memory)
        _migrate(memory)
        self._disconnect()
        self._connection = memory

    def _unusable(self, error: Exception) -> str:
        return (
            f"{self._path} cannot be used ({error}): this server keeps its state in memory until "
            f"it ends. See that {self._directory} is writable and its disk not full, or set "
            "OPENROUTER_STATE_DIR, and restart this server."
        )

    def _warn(self, warning: str) -> None:
        self.warning = warning
        logger.warning(warning)

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _leave(self) -> None:
        self._disconnect()
        if self._presence:
            self._presence.release()
            self._presence_file(self.owner).unlink(missing_ok=True)

    def _presence_file(self, owner: str) -> Path:
        """The file that a process locks while it lives: the system unlocks it, however it ends."""
        return self._directory / "processes" / f"{owner}.lock"

    def _appear(self) -> None:
        """Show that this process lives, and clear away the dead."""
        from filelock import FileLock

        mine = self._presence_file(self.owner)
        if self._presence and mine.exists():
            return
        mine.parent.mkdir(mode=0o700, exist_ok=True)
        for other in mine.parent.glob("*.lock"):
            self._is_alive(other.stem)
        self._presence = FileLock(mine, timeout=PATIENCE, mode=0o600, fallback_to_soft=False)
        self._presence.acquire()

    def _is_alive(self, owner: str) -> bool:
        from filelock import FileLock

        path = self._presence_file(owner)
        if owner == self.owner:
            return True
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0, mode=0o600, fallback_to_soft=False):
                pass
            path.unlink(missing_ok=True)
        except OSError:
            return True
        return False


def _connect(database: Path | str) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(database, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    import sqlite3

    if _version(connection) > len(MIGRATIONS):
        raise NewerVersionError
    if path.stat().st_size > CHECKED_BYTES:
        return
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date in one transaction."""
    missing = "".join(MIGRATIONS[_version(connection) :])
    if missing:
        connection.executescript(
            f"BEGIN EXCLUSIVE; {missing} PRAGMA user_version = {len(MIGRATIONS)}; COMMIT;"
        )


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _identity(path: Path) -> Identity:
    """Which file it is that has this name now."""
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


def _tell(done: Future[object]) -> None:
    """Log what nobody waits for."""
    if error := done.exception():
        logger.error("The ledger was not written: %s", error, exc_info=error)
