"""All rows of the state file, taken along to the file that has its name now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

Rows = Mapping[str, Sequence[tuple[Any, ...]]]
"""The rows of each table, its columns' names as the first of them."""

FURTHER = {
    # A request is reserved, sent, known by an id, over, and settled at last.
    "ledger": "CASE {0}.state WHEN 'reserved' THEN {0}.sent + ({0}.generation_id != '') "
    "WHEN 'pending' THEN 3 ELSE 4 END",
    "jobs": "{0}.updated",
}
"""What tells of two rows with the same id which one is the later."""


def copied(connection: sqlite3.Connection) -> Rows:
    """Every row of every table. Raises `sqlite3.Error`."""
    # Tables come before those that refer to them: they were made in that order.
    tables = "type = 'table' AND name NOT LIKE 'sqlite_%'"
    query = f"SELECT name FROM sqlite_master WHERE {tables} ORDER BY rowid"  # noqa: S608
    rows: dict[str, Sequence[tuple[Any, ...]]] = {}
    for (name,) in connection.execute(query).fetchall():
        found = connection.execute(f"SELECT * FROM {name}")  # noqa: S608 - one of our tables
        names = tuple(column[0] for column in found.description)
        rows[name] = [names, *found.fetchall()]
    return rows


def merge(connection: sqlite3.Connection, rows: Rows) -> None:
    """Add the rows that are not there; of those that are, the later one stays."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for table, (names, *values) in rows.items():
            places = ", ".join("?" * len(names))
            statement = f"INSERT INTO {table}({', '.join(names)}) VALUES ({places}) "  # noqa: S608
            if later := FURTHER.get(table):
                changes = ", ".join(f"{name} = excluded.{name}" for name in names)
                newer = f"{later.format('excluded')} > {later.format(table)}"
                statement += f"ON CONFLICT(id) DO UPDATE SET {changes} WHERE {newer}"
            else:
                statement += "ON CONFLICT DO NOTHING"
            connection.executemany(statement, values)
