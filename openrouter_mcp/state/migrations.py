"""The tables of `state.db` and how an older file gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

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
    "ALTER TABLE jobs ADD COLUMN details TEXT;",
    "ALTER TABLE ledger ADD COLUMN upstream_cost INTEGER;",
    """
    ALTER TABLE ledger ADD COLUMN prompt_price INTEGER;
    ALTER TABLE ledger ADD COLUMN completion_price INTEGER;
    """,
    "ALTER TABLE jobs ADD COLUMN receipt TEXT;",
    "ALTER TABLE threads ADD COLUMN untrusted INTEGER;",
)
"""SQL that leads from each version to the next. Money is nano-dollars, times are unix seconds."""


class NewerVersionError(Exception):
    """The database belongs to a newer openrouter-mcp."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date in one transaction. Raises `NewerVersionError`."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise NewerVersionError
    if missing := "".join(MIGRATIONS[version:]):
        connection.executescript(
            f"BEGIN EXCLUSIVE; {missing} PRAGMA user_version = {len(MIGRATIONS)}; COMMIT;"
        )
