"""What could not be saved: where it goes, what is told, and until when."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from openrouter_mcp.files.save import Destination
from openrouter_mcp.jobs import unsaved
from openrouter_mcp.jobs.jobs import Handle

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With a file where a directory should be, in which nothing can be written."""
    root = Path(os.path.realpath(tmp_path))
    (root / "blocked").write_text("")
    return root


async def nothing() -> None:
    pass


def test_the_state_directory_comes_first_then_the_temporary_one(root, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    state = root / "state" / "kept" / "job_a"
    assert unsaved.directories(root / "state", "job_a") == [state, root / "openrouter-job_a"]


def test_without_a_temporary_directory_there_is_one_place_less(root, monkeypatch) -> None:
    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert unsaved.directories(root, "job_a") == [root / "kept" / "job_a"]


def test_the_note_names_a_call_that_can_be_made_as_it_stands() -> None:
    told = unsaved.note("job_a", Destination(Path("/out"), "a fox", ".png"), FULL)
    assert told.startswith("Could not be saved in /out (No space left on device); kept here")
    assert told.endswith('get_job(job_id="job_a", save_to="a fox").')


def test_what_was_kept_before_is_removed_with_all_that_is_in_it(root) -> None:
    for name in ("old", "new"):
        (root / "kept" / name).mkdir(parents=True)
        (root / "kept" / name / "fox.png").write_text("")
    os.utime(root / "kept" / "old", (1000, 1000))
    os.utime(root / "kept" / "new", (3000, 3000))
    unsaved.clear(root, 2000)
    assert [path.name for path in (root / "kept").iterdir()] == ["new"]
    unsaved.clear(root / "nowhere", 2000)


def test_what_can_be_saved_is_not_kept(root) -> None:
    handle = Handle("acme/x", nothing, "job_a", lambda: [root / "kept"])
    saved = handle.save(Destination(root / "out", "fox"), b"data", ".png")
    assert (saved.path, saved.note, saved.in_memory_of) == (root / "out" / "fox.png", "", "")
    assert not handle.unsaved


def test_it_is_kept_in_the_first_place_that_takes_it(root) -> None:
    handle = Handle("acme/x", nothing, "job_a", lambda: [root / "blocked", root / "kept"])
    saved = handle.save(Destination(root / "blocked", "fox"), b"data", ".png")
    assert saved.path == root / "kept" / "fox.png"
    assert saved.path.read_bytes() == b"data"
    assert "kept here for now" in saved.note
    assert handle.unsaved
    assert handle.in_memory == {}


def test_what_no_place_takes_stays_in_memory_under_names_of_its_own(root) -> None:
    handle = Handle("acme/x", nothing, "job_a", lambda: [root / "blocked"])
    place = Destination(root / "blocked", "fox")
    saved = [handle.save(place, data, ".png") for data in (b"one", b"two")]
    assert handle.in_memory == {"fox.png": b"one", "fox-2.png": b"two"}
    assert [each.in_memory_of for each in saved] == ["openrouter://jobs/job_a"] * 2
    assert handle.unsaved
