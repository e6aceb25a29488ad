"""Conversations that any model continues, kept as OpenRouter wants them back."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.money import NANO
from openrouter_mcp.settings import Settings
from openrouter_mcp.state import private
from openrouter_mcp.state.store import Store, StoreBusyError
from openrouter_mcp.text import DAY, clean, duration, parse_literally, random_id, storable
from openrouter_mcp.threads.history import Message

if TYPE_CHECKING:
    import sqlite3

    from filelock import AsyncFileLock

NEW = "new"
ALL = "all"
LISTED = 50
SUGGESTED = 5
TITLE_LENGTH = 60
SELECT = "SELECT id, title, model, created, updated, cost, turns, untrusted FROM threads"

OFF = (
    "No conversations are kept: OPENROUTER_THREADS is off. Leave thread_id out and give the whole "
    "conversation in messages, or set OPENROUTER_THREADS=on and restart this server."
)

Keep = Callable[["Thread", Sequence[Message], str, Decimal], Awaitable[None]]


@dataclass(frozen=True)
class ThreadRow:
    """What is told of a conversation. Times are unix seconds, the cost is USD."""

    id: str
    title: str
    model: str
    """The one that answered last."""
    created: float
    updated: float
    cost: Decimal
    turns: int
    untrusted: bool = False
    """Whether it has ever held words of websites, files or other programs."""


class Thread:
    """A conversation that this call has to itself."""

    def __init__(
        self, thread_id: str, messages: Sequence[Message], keep: Keep, *, untrusted: bool = False
    ) -> None:
        self.id = thread_id
        self.untrusted = untrusted
        """Whether it has ever held words of websites, files or other programs."""
        self.messages = list(messages)
        """As OpenRouter wants them back, but files as references (`history.restored`)."""
        self._keep = keep

    async def append(
        self,
        messages: Sequence[Message],
        *,
        model: str,
        cost: Decimal | None,
        untrusted: bool = False,
    ) -> None:
        """Keep one turn: what was asked and what was answered. Files belong in as references.

        The first words of the first turn are the title. A thread that was forgotten meanwhile stays
        forgotten.
        """
        self.untrusted = self.untrusted or untrusted
        await self._keep(self, messages, model, cost or Decimal(0))
        self.messages += messages


class Threads:
    """The conversations of all processes of the user."""

    def __init__(
        self, settings: Settings, store: Store, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def open(self, thread_id: str) -> AsyncGenerator[Thread]:
        """The thread, for this call alone; `"new"` begins one, which exists from its first turn on.

        Another call on the same thread waits until the block is left, for as long as a request may
        take. Raises `NOT_FOUND`, `RATE_LIMITED` when that wait was too long, and `INVALID_INPUT`
        where threads are switched off.
        """
        self._require()
        if thread_id == NEW:
            new_id = random_id("thread_")
            yield Thread(new_id, [], self._append)
            return
        await self._row(thread_id)
        async with AsyncExitStack() as stack:
            await self._wait_for_turn(thread_id, stack)
            row, messages = await self.show(thread_id)
            yield Thread(thread_id, messages, self._append, untrusted=row.untrusted)

    async def list(self) -> Sequence[ThreadRow]:
        """The conversations, the one that went on last first. Raises `INVALID_INPUT` when off."""
        self._require()
        await self._delete("updated < ?", self._oldest)

        def work(connection: sqlite3.Connection) -> Sequence[ThreadRow]:
            query = f"{SELECT} ORDER BY updated DESC, rowid DESC LIMIT ?"
            return [_thread_row(row) for row in connection.execute(query, (LISTED,))]

        return await self._store.read(work)

    async def show(self, thread_id: str) -> tuple[ThreadRow, Sequence[Message]]:
        """One conversation in full. Raises `NOT_FOUND`, and `INVALID_INPUT` when off."""
        self._require()
        row = await self._row(thread_id)

        def work(connection: sqlite3.Connection) -> Sequence[Message]:
            query = "SELECT message FROM messages WHERE thread_id = ? ORDER BY position"
            return [
                parse_literally(message) for (message,) in connection.execute(query, (thread_id,))
            ]

        try:
            messages = await self._store.read(work)
            if not all(isinstance(message, dict) for message in messages):
                raise ValueError("a message is no object")  # noqa: TRY301 - told below
        except (ValueError, TypeError):
            raise OpenRouterError(
                Code.NOT_FOUND,
                f"The record of the conversation {thread_id} is damaged. Start another one.",
            ) from None
        return row, messages

    async def forget(self, thread_id: str) -> int:
        """Delete one conversation, or `"all"`; returns how many there were."""
        if thread_id == ALL:
            return await self._delete("1 = ?", 1)
        return await self._delete("id = ?", thread_id)

    @property
    def _oldest(self) -> float:
        return self._clock() - self._settings.thread_ttl_days * DAY

    def _require(self) -> None:
        if not self._settings.threads:
            raise OpenRouterError(Code.INVALID_INPUT, OFF)

    async def _row(self, thread_id: str) -> ThreadRow:
        def work(connection: sqlite3.Connection) -> Any:
            query = f"{SELECT} WHERE id = ? AND updated >= ?"
            return connection.execute(query, (thread_id, self._oldest)).fetchone()

        if row := await self._store.read(work):
            return _thread_row(row)
        recent = [row.id for row in await self.list()][:SUGGESTED]
        known = f"The last ones are {', '.join(recent)}; list_threads shows all. " if recent else ""
        raise OpenRouterError(
            Code.NOT_FOUND,
            f"No conversation {clean(thread_id, 40)!r} is kept; it may have expired. {known}"
            f'Begin one with thread_id="{NEW}".',
            suggestions=recent,
        )

    async def _wait_for_turn(self, thread_id: str, stack: AsyncExitStack) -> None:
        """Keep every other call, of this process or another, out of the thread."""
        patience = self._settings.request_timeout_seconds
        turn = self._turns.setdefault(thread_id, asyncio.Lock())
        try:
            async with asyncio.timeout(patience):
                await stack.enter_async_context(turn)
                if lock := await self._lock(thread_id):
                    stack.push_async_callback(lock.release)
        except TimeoutError:
            raise OpenRouterError(
                Code.RATE_LIMITED,
                f"Another call has been at work on {thread_id} for {duration(patience)}. Call "
                'again when it has ended, or begin another conversation with thread_id="new".',
                retryable=True,
            ) from None

    async def _lock(self, thread_id: str) -> AsyncFileLock | None:
        """The lock that other processes respect, held; None where files cannot be written."""
        from filelock import AsyncFileLock  # loads sqlite3: not on the way to the handshake

        path = self._lock_file(thread_id)
        patience = self._settings.request_timeout_seconds
        lock = AsyncFileLock(path, timeout=patience, mode=0o600)
        try:
            await asyncio.to_thread(private.make, path.parent)
            await lock.acquire()
        except TimeoutError:
            raise
        except (OSError, NotImplementedError):
            # The store is in memory then, and no other process knows the thread.
            return None
        return lock

    def _lock_file(self, thread_id: str) -> Path:
        return self._settings.state_dir / "threads" / f"{thread_id}.lock"

    def workspace(self, thread_id: str) -> Path:
        """Where what a thread's workspace needs to go on is kept: a Git directory."""
        return self._settings.state_dir / "threads" / f"{thread_id}.git"

    async def _append(
        self,
        thread: Thread,
        messages: Sequence[Message],
        model: str,
        cost: Decimal,
    ) -> None:
        now, nano = self._clock(), int(cost * NANO)
        title = storable(clean(_first_words(messages), TITLE_LENGTH))
        lines = [json.dumps(message) for message in messages]
        begins = not thread.messages

        def work(connection: sqlite3.Connection) -> None:
            if begins:
                connection.execute(
                    "INSERT INTO threads (id, title, created, cost, turns) VALUES (?, ?, ?, 0, 0)",
                    (thread.id, title, now),
                )
            changed = connection.execute(
                "UPDATE threads SET model = ?, updated = ?, cost = cost + ?, turns = turns + 1, "
                "untrusted = ? WHERE id = ?",
                (model, now, nano, thread.untrusted, thread.id),
            )
            if not changed.rowcount:
                return
            query = "SELECT COALESCE(MAX(position) + 1, 0) FROM messages WHERE thread_id = ?"
            (position,) = connection.execute(query, (thread.id,)).fetchone()
            connection.executemany(
                "INSERT INTO messages (thread_id, position, message) VALUES (?, ?, ?)",
                [(thread.id, number, line) for number, line in enumerate(lines, position)],
            )

        try:
            await self._store.run(work)
        except StoreBusyError:
            # What was paid for is not lost to a locked file.
            self._store.later(work)
        with suppress(StoreBusyError):
            await self._delete("updated < ?", self._oldest)

    async def _delete(self, condition: str, value: str | float) -> int:
        """Delete threads with all that belongs to them."""

        def work(connection: sqlite3.Connection) -> Sequence[str]:
            query = f"SELECT id FROM threads WHERE {condition}"  # noqa: S608 - one of ours
            found = [thread_id for (thread_id,) in connection.execute(query, (value,))]
            connection.executemany("DELETE FROM threads WHERE id = ?", [(id_,) for id_ in found])
            return found

        deleted = await self._store.run(work)
        for thread_id in deleted:
            await asyncio.to_thread(shutil.rmtree, self.workspace(thread_id), ignore_errors=True)
            with suppress(OSError):
                await asyncio.to_thread(self._lock_file(thread_id).unlink, missing_ok=True)
        return len(deleted)


def _first_words(messages: Sequence[Message]) -> str:
    """The text of the first question."""
    content = next((m.get("content") for m in messages if m.get("role") == "user"), None)
    if isinstance(content, list):
        texts = [part["text"] for part in content if part.get("type") == "text"]
        return texts[-1] if texts else ""
    return content or ""


def _thread_row(values: tuple[Any, ...]) -> ThreadRow:
    thread_id, title, model, created, updated, cost, turns, untrusted = values
    cost, untrusted = Decimal(cost) / NANO, bool(untrusted)
    return ThreadRow(thread_id, title, model, created, updated, cost, turns, untrusted)
