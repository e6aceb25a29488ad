"""A SQLite file: connections to it, whether it is whole, and what an error says about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite3

BUSY_TIMEOUT = 0.25
"""Seconds that one attempt waits for other processes."""


def connect(database: Path | str) -> sqlite3.Connection:
    """A connection whose transactions are begun by hand."""
    import sqlite3

    connection = sqlite3.connect(database, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def check(connection: sqlite3.Connection) -> None:
    """Read the whole file. Raises `sqlite3.DatabaseError` when it is damaged."""
    import sqlite3

    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def identity(path: Path) -> tuple[int, int] | None:
    """Which file has this name now."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def fault(error: sqlite3.Error) -> Literal["busy", "damaged", "unusable", ""]:
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
