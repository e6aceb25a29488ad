"""Which processes live: each locks a file of its own, and the system unlocks it however it ends."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock


LOCK = ".lock"
OPEN = ".open"


class Presence:
    """The processes that share `directory`, this one included. Blocking: not for the event loop."""

    def __init__(self, directory: Path) -> None:
        self.owner = secrets.token_hex(8)
        """The token of this process; never used again, unlike a process id."""
        self._directory = directory
        self._lock: FileLock | None = None

    @property
    def mark(self) -> Path:
        """The file that shows that this process lives."""
        return self._file(self.owner)

    def appear(self) -> None:
        """Show that this process lives. Callers exclude each other. Raises `OSError`."""
        if self._lock and not self.mark.exists():
            # Its directory was deleted: to the others this process is dead.
            self._lock.release()
            self._lock = None
        if self._lock is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._lock_of(self.owner)
            lock.acquire()
            self._lock = lock

    def leave(self) -> None:
        """Show that this process is done."""
        if self._lock:
            self._lock.release()
            self._lock = None
            self._clear(self.owner)

    def hold(self, files: str) -> None:
        """Show which files this process has open; empty for none. Raises `OSError`."""
        mark = self._file(self.owner, OPEN)
        if files:
            mark.touch(mode=0o600)
            mark.write_text(files)
        else:
            mark.unlink(missing_ok=True)

    def held(self) -> set[str]:
        """The files that other processes which live have open. Raises `OSError`."""
        found: set[str] = set()
        for mark in self._directory.glob(f"*{OPEN}"):
            if mark.stem != self.owner and self.alive(mark.stem):
                with suppress(FileNotFoundError):
                    found.add(mark.read_text())
        return found

    def alone(self) -> bool:
        """Whether no other process lives. What the dead left behind is cleared away."""
        owners = [path.stem for path in self._directory.glob(f"*{LOCK}")]
        return sum(self.alive(owner) for owner in owners if owner != self.owner) == 0

    def alive(self, owner: str) -> bool:
        """Whether the process with this token lives; True where that cannot be told."""
        if owner == self.owner:
            return True
        try:
            if not self._file(owner).exists():
                return False
            with self._lock_of(owner):
                pass
            self._clear(owner)
        except OSError:
            return True
        return False

    def _clear(self, owner: str) -> None:
        for suffix in (LOCK, OPEN):
            self._file(owner, suffix).unlink(missing_ok=True)

    def _file(self, owner: str, suffix: str = LOCK) -> Path:
        return self._directory / f"{owner}{suffix}"

    def _lock_of(self, owner: str) -> FileLock:
        from filelock import FileLock

        return FileLock(self._file(owner), timeout=0, mode=0o600, fallback_to_soft=False)
