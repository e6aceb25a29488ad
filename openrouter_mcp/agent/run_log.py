"""The log of one run: what was said and done, line by line, in a file that only the user reads."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openrouter_mcp.state import private
from openrouter_mcp.text import DAY, storable

logger = logging.getLogger("openrouter_mcp")

DATA_URL = re.compile(r"(data:[\w/+.-]+;base64,)[A-Za-z0-9+/=]{100,}")
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
SOUND = re.compile(r'("data": ")[A-Za-z0-9+/=]{100,}')


class RunLog:
    """A new JSONL file in `directory`. A run goes on where the file cannot be written.

    Logs that are older than `days` are deleted.
    """

    def __init__(self, directory: Path, *, days: float) -> None:
        now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.path = directory / f"run-{now}-{secrets.token_hex(4)}.jsonl"
        self.problem = ""
        """Why the file is not complete; empty while it is."""
        self._days = days

    async def write(self, event: str, **fields: Any) -> None:
        """Add one line: the time, the event, its fields; media are left out."""
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        if not self.problem:
            try:
                await asyncio.to_thread(self._append, entry | fields)
            except OSError as error:
                self.problem = f"The transcript cannot be written ({error.strerror})."
                logger.warning("Cannot write %s: %s", self.path, error)

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False, default=str)
        line = SOUND.sub(r"\1...", DATA_URL.sub(r"\1...", line))
        if not self.path.exists():
            private.make(self.path.parent)
            self._delete_old()
        descriptor = os.open(self.path, APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(f"{storable(line)}\n".encode())

    def _delete_old(self) -> None:
        """Delete the logs of runs that are older than conversations become."""
        oldest = time.time() - self._days * DAY
        for path in self.path.parent.glob("run-*.jsonl"):
            # Another run may delete it at the same time.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
