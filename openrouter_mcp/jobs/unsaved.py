"""Files of a job that could not be saved where they belong: where they are kept meanwhile."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from openrouter_mcp.files.save import Destination, safe_stem

KEPT = "kept"


def directories(state_dir: Path, job_id: str) -> list[Path]:
    """The directories where files of a job are kept, best first; they need not exist. Blocks."""
    found = [state_dir / KEPT / job_id]
    with suppress(OSError):
        found.append(Path(tempfile.gettempdir()) / f"openrouter-{job_id}")
    return [Path(os.path.realpath(place)) for place in found]


def note(job_id: str, place: Destination, error: OSError, *, in_memory: bool = False) -> str:
    """What happened to files that belong in `place`, and what to do."""
    where = "; kept here for now"
    if in_memory:
        where = " nor anywhere else; kept in memory until this server ends"
    return f"Could not be saved in {place.failed(error)}{where}. {next_call(job_id, place)}"


def next_call(job_id: str, place: Destination) -> str:
    """How to save a job's files after all."""
    name = safe_stem(place.stem)
    return (
        "Next: make room or choose another place, then "
        f'get_job(job_id="{job_id}", save_to="{name}").'
    )


def clear(state_dir: Path, before: float) -> None:
    """Remove what was kept before that time (unix seconds): its jobs have expired. Blocks."""
    with suppress(OSError):
        for place in (state_dir / KEPT).iterdir():
            if place.stat().st_mtime < before:
                shutil.rmtree(place, ignore_errors=True)
