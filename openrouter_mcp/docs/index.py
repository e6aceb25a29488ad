"""The documentation as one SQLite file with a full-text index: written whole, then only read."""

from __future__ import annotations

import os
import re
import tempfile
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openrouter_mcp.docs.pages import Page, piece_starts, sections
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.state import private
from openrouter_mcp.text import nearest

if TYPE_CHECKING:
    import sqlite3

FORMAT = 1
PASSAGE = 600
"""Most characters of a passage that is shown."""
MATCHES = 60
MAX_TERMS = 24
LONGEST_TERM = 40

SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA user_version = {FORMAT};
CREATE TABLE sources (url TEXT PRIMARY KEY, etag TEXT, last_modified TEXT);
CREATE TABLE pages (
    id INTEGER PRIMARY KEY, source TEXT, path TEXT UNIQUE COLLATE NOCASE,
    title TEXT COLLATE NOCASE, url TEXT, text TEXT, whole INTEGER
);
CREATE INDEX pages_by_title ON pages (title);
CREATE VIRTUAL TABLE passages USING fts5(
    title, heading, text, page UNINDEXED, piece UNINDEXED, tokenize = 'porter unicode61'
);
"""
# A word in the title counts six times one in the text. A short passage is shown as it is.
SEARCH = f"""
SELECT page, piece, heading,
    CASE WHEN length(text) <= {PASSAGE} THEN text ELSE snippet(passages, 2, '', '', ' ... ', 64) END
FROM passages WHERE passages MATCH ? AND rank MATCH 'bm25(6.0, 3.0, 1.0)' ORDER BY rank LIMIT ?
"""  # noqa: S608 - no value in it
STOP_WORDS = frozenset(
    {"a", "about", "an", "and", "any", "are", "as", "at", "be", "by", "can", "do", "does", "for"}
    | {"from", "get", "have", "how", "i", "if", "in", "is", "it", "me", "my", "of", "on", "one"}
    | {"openrouter", "or", "s", "should", "so", "that", "the", "there", "this", "to", "use", "via"}
    | {"want", "we", "what", "when", "where", "which", "who", "why", "will", "with", "you", "your"}
)
NO_FTS5 = (
    "This Python's SQLite cannot search texts (it was built without FTS5), so search_docs does not "
    "work here. Run openrouter-mcp with a Python from python.org or uv, or read "
    "https://openrouter.ai/docs."
)


@dataclass(frozen=True, slots=True)
class Source:
    """One document of the website, its pages, and what to ask with whether it has changed."""

    url: str
    etag: str
    last_modified: str
    pages: Sequence[Page]


@dataclass(frozen=True, slots=True)
class Passage:
    """What answers a query: the part `text` of a page, in its `piece` (1 is the first)."""

    title: str
    heading: str
    url: str
    piece: int
    text: str


def check() -> None:
    """Raise `OpenRouterError` where SQLite has no full-text search."""
    import sqlite3

    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE trial USING fts5(text)")
        except sqlite3.OperationalError:
            raise OpenRouterError(Code.INTERNAL, NO_FTS5) from None


def write(path: Path, sources: Iterable[Source]) -> None:
    """Replace the index in one step. Raises `OSError`."""
    import sqlite3

    private.make(path.parent)
    descriptor, name = tempfile.mkstemp(".tmp", f"{path.stem}-", path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.executescript(SCHEMA)
            for source in sources:
                _add(connection, source)
            connection.commit()
        temporary.replace(path)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_sources(path: Path) -> dict[str, Source]:
    """What the index was written from, by address; nothing where there is no sound index."""
    import sqlite3

    try:
        with _opened(path) as connection:
            return {
                url: Source(url, etag, last_modified, _pages(connection, "source = ?", url))
                for url, etag, last_modified in connection.execute("SELECT * FROM sources")
            }
    except sqlite3.Error:
        return {}


def search(path: Path, query: str, limit: int) -> list[Passage]:
    """The best passage of each of the best pages. Raises `sqlite3.Error` without a sound index.

    Passages that hold every word (title and heading count) come alone; without any, those that
    hold some.
    """
    wanted = terms(query)
    if not wanted:
        return []
    with _opened(path) as connection:
        for operator in (" AND ", " OR "):
            rows = connection.execute(SEARCH, (operator.join(wanted), MATCHES)).fetchall()
            best: dict[str, Passage] = {}
            for page, piece, heading, text in rows:
                if page not in best and len(best) < limit:
                    [found] = _pages(connection, "path = ?", page)
                    best[page] = Passage(found.title, heading, found.url, piece, text[:PASSAGE])
            if best:
                return list(best.values())
    return []


def terms(query: str) -> list[str]:
    """The words of any text as FTS5 strings, those that say nothing left out."""
    words = [word[:LONGEST_TERM].lower() for word in re.findall(r"\w+", query) if word.strip("_")]
    telling = [word for word in words if word not in STOP_WORDS] or words
    return [f'"{word}"' for word in dict.fromkeys(telling)][:MAX_TERMS]


def find(path: Path, *names: str) -> list[Page]:
    """The page at the first of these paths that has one, else every page with such a title."""
    with _opened(path) as connection:
        for condition in ("path = ?", "title = ?"):
            for name in names:
                if found := _pages(connection, condition, name):
                    return found
    return []


def near(path: Path, name: str, limit: int) -> list[str]:
    """Paths that look like `name`."""
    with _opened(path) as connection:
        paths = [row[0] for row in connection.execute("SELECT path FROM pages")]
    return nearest(name.lower(), paths, most=limit)


@contextmanager
def _opened(path: Path) -> Generator[sqlite3.Connection]:
    import sqlite3

    try:
        private.check(path.parent)
    except OSError as error:
        raise sqlite3.DatabaseError(str(error)) from None
    # A file that is only ever replaced as a whole needs no locks.
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        if connection.execute("PRAGMA user_version").fetchone() != (FORMAT,):
            raise sqlite3.DatabaseError("not an index of this format")
        yield connection


def _pages(connection: sqlite3.Connection, condition: str, value: str) -> list[Page]:
    query = f"SELECT path, title, url, text, whole FROM pages WHERE {condition} ORDER BY id"  # noqa: S608
    rows = connection.execute(query, (value,))
    return [Page(*row[:4], whole=bool(row[4])) for row in rows]


def _add(connection: sqlite3.Connection, source: Source) -> None:
    connection.execute(
        "INSERT INTO sources VALUES (?, ?, ?)", (source.url, source.etag, source.last_modified)
    )
    for page in source.pages:
        added = connection.execute(
            "INSERT OR IGNORE INTO pages (source, path, title, url, text, whole) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (source.url, page.path, page.title, page.url, page.text, page.whole),
        )
        if added.rowcount:
            connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?)", _passages(page))


def _passages(page: Page) -> Iterator[tuple[str, str, str, str, int]]:
    starts = piece_starts(page.text)
    found = False
    for section in sections(page.text):
        found = True
        piece = bisect_right(starts, section.start)
        yield page.title, section.heading, section.text, page.path, piece
    if not found:
        yield page.title, "", "", page.path, 1
