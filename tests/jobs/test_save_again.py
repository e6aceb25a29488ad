"""A paid result is never lost: kept when it cannot be saved, and saved again by `get_job`."""

import asyncio
import errno
import json
import os
import re
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from openrouter_mcp.files import save
from openrouter_mcp.files.save import Destination
from openrouter_mcp.files.sound import Pcm
from openrouter_mcp.multimodal import embed, transcribe
from openrouter_mcp.multimodal.video_job import Order
from openrouter_mcp.settings import Settings
from openrouter_mcp.simulator.state import Script
from tests.support.processes import until
from tests.support.results import ERROR, JOB, RECEIPT, call, text
from tests.support.timing import waiting_for
from tests.support.upstream import paid

NEXT = re.compile(r'get_job\(job_id="(\w+)", save_to="([^"]+)"\)')
IMAGE = {"prompt": "A red fox", "model": "bytedance-seed/seedream-4.5"}
SPEECH = {"text": "Hello there", "model": "lumen/voice-1", "voice": "aria"}
VIDEO = {"prompt": "A red fox"}


class Disk:
    """A disk in whose `full` directories writing fails after `room` bytes, as the system fails."""

    def __init__(self) -> None:
        self.full: list[Path] = []
        self.room = 0

    def content(self, directory: Path, file: Any) -> Any:
        return Full(file, self.room) if any(map(directory.is_relative_to, self.full)) else file


class Full:
    def __init__(self, file: Any, room: int) -> None:
        self._file = file
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()

    class Draft(save.Draft):
        def __init__(self, directory: Path, descriptor: int | None) -> None:
            super().__init__(directory, descriptor)
            self.content = disk.content(directory, self.content)

    monkeypatch.setattr(save, "Draft", Draft)
    return disk


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everything is: output, state and the temporary directory."""
    root = Path(os.path.realpath(tmp_path))
    (root / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(root / "temporary"))
    return root


@pytest.fixture
def output(root: Path) -> Path:
    return root / "output"


@pytest.fixture
def configured(configure, root, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transcribe, "at_hand", lambda: "")

    def set_all(**variables: str) -> None:
        fast = {"OPENROUTER_VIDEO_POLL_INTERVAL_MS": "10"}
        veo = {"OPENROUTER_DEFAULT_VIDEO_GEN_MODEL": "google/veo-3.1"}
        configure(**{**fast, **veo, **variables})

    set_all()
    return set_all


@pytest.fixture
async def client(configured, connect) -> AsyncIterator[Client]:
    async with connect() as client:
        yield client


def links(result) -> list:
    return [block for block in result.content if block.type == "resource_link"]


def next_call(result) -> dict[str, str]:
    """The call that a reply names, as it stands there."""
    found = NEXT.search(text(result))
    assert found, text(result)
    return {"job_id": found[1], "save_to": found[2]}


def talk(root: Path) -> str:
    path = root / "temporary" / "talk.wav"
    path.write_bytes(Pcm(b"\x01\x02" * 16_000, 8000).wav())
    return str(path)


@pytest.mark.parametrize(
    ("tool", "arguments", "names"),
    [
        ("generate_image", IMAGE, ["A-red-fox.jpg"]),
        ("generate_audio", SPEECH, ["Hello-there.mp3"]),
        ("transcribe_audio", {"save_to": "talk.srt"}, ["talk.srt"]),
        ("embed_texts", {"texts": ["a", "b"]}, ["vectors.jsonl"]),
        ("generate_video", VIDEO, ["A-red-fox.mp4"]),
    ],
)
async def test_what_cannot_be_saved_is_kept_and_saved_by_the_call_that_the_reply_names(
    client, simulator, disk, root, output, tool, arguments, names
) -> None:
    if tool == "transcribe_audio":
        arguments = {**arguments, "file": talk(root)}
    disk.full = [output]
    result = await call(client, tool, **arguments)
    assert not result.is_error
    assert f"Could not be saved in {output} (No space left on device); kept here" in text(result)
    following = next_call(result)
    kept = root / "state" / "kept" / following["job_id"]
    assert sorted(path.name for path in kept.iterdir()) == names
    assert [link.uri for link in links(result)] == [(kept / name).as_uri() for name in names]
    assert list(output.iterdir()) == []
    disk.full = []
    again = await call(client, "get_job", **following)
    assert sorted(path.name for path in output.iterdir()) == names
    for name in names:
        assert (output / name).read_bytes() == (kept / name).read_bytes()
        assert f"{output / name} ({(kept / name).stat().st_size:,} bytes)" in text(again)
    assert [link.uri for link in links(again)] == [(output / name).as_uri() for name in names]
    assert text(again).splitlines()[-1] == text(result).splitlines()[-1]
    assert again.meta[RECEIPT] == result.meta[RECEIPT]
    assert len(paid(simulator)) == 1


async def test_a_note_that_is_true_of_several_files_is_told_once(client, disk, output) -> None:
    disk.full = [output]
    result = await call(client, "generate_image", **IMAGE, n=3)
    assert text(result).count("Could not be saved") == 1
    disk.full = []
    (output / "fox.jpg").write_text("mine")
    again = await call(client, "get_job", **{**next_call(result), "save_to": "fox"})
    assert [link.name for link in links(again)] == ["fox-2.jpg", "fox-3.jpg", "fox-4.jpg"]
    assert (output / "fox.jpg").read_text() == "mine"


async def test_vectors_that_served_a_query_are_kept_too(client, disk, output) -> None:
    disk.full = [output]
    result = await call(client, "embed_texts", texts=["a"], query="a", save_to="v.jsonl")
    (note,) = result.structured_content["notes"]
    found = NEXT.search(note)
    disk.full = []
    await call(client, "get_job", job_id=found[1], save_to="deep/w")
    assert len(embed.parse_jsonl((output / "deep" / "w.jsonl").read_bytes()).rows) == 1


async def test_without_a_state_directory_it_is_kept_in_the_temporary_one(
    client, disk, root, output
) -> None:
    disk.full = [output, root / "state"]
    result = await call(client, "generate_image", **IMAGE)
    following = next_call(result)
    (link,) = links(result)
    place = root / "temporary" / f"openrouter-{following['job_id']}"
    assert link.uri == (place / "A-red-fox.jpg").as_uri()
    disk.full = []
    await call(client, "get_job", **following)
    assert (output / "A-red-fox.jpg").read_bytes() == (place / "A-red-fox.jpg").read_bytes()


async def test_without_any_disk_it_is_kept_in_memory(client, disk, root, output, connect) -> None:
    disk.full = [root]
    result = await call(client, "generate_image", **IMAGE, n=2)
    following = next_call(result)
    assert "nor anywhere else; kept in memory until this server ends" in text(result)
    first, second = links(result)
    assert first.uri == second.uri == f"openrouter://jobs/{following['job_id']}"
    (told,) = await client.read_resource(first.uri)
    assert "A-red-fox-2.jpg, in memory" in told.text
    still_full = await call(client, "get_job", **following)
    assert still_full.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "Nothing is lost" in text(still_full)
    disk.full = []
    again = await call(client, "get_job", **following)
    assert [link.name for link in links(again)] == ["A-red-fox.jpg", "A-red-fox-2.jpg"]
    assert (output / "A-red-fox.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    assert (output / "A-red-fox.jpg").stat().st_size == first.size
    async with connect() as another:
        gone = await call(another, "get_job", **following)
    assert gone.meta[ERROR]["code"] == "NOT_FOUND"
    assert "Call generate_image again" in text(gone)


async def test_another_server_saves_what_is_kept(client, disk, output, connect) -> None:
    disk.full = [output]
    following = next_call(await call(client, "generate_image", **IMAGE))
    disk.full = []
    async with connect() as another:
        assert not (await call(another, "get_job", **following)).is_error
    assert (output / "A-red-fox.jpg").exists()


async def test_what_was_saved_is_no_job(client) -> None:
    await call(client, "generate_image", **IMAGE)
    assert "No jobs" in text(await call(client, "get_job"))


async def slow_image(client: Client, released: asyncio.Event, **arguments) -> str:
    """The id of an image that took so long that it became a job, and is done."""
    job = (await call(client, "generate_image", **IMAGE, **arguments)).meta[JOB]["job_id"]
    released.set()
    result = await call(client, "get_job", job_id=job)
    while not links(result):
        assert not result.is_error
        result = await call(client, "get_job", job_id=job)
    return job


@pytest.fixture
def released() -> asyncio.Event:
    """Until it is set, no image is done."""
    return asyncio.Event()


@pytest.fixture
async def slow(configured, connect, released) -> AsyncIterator[Client]:
    """A client of a server whose images take longer than it waits."""
    configured(OPENROUTER_WAIT_SECONDS="0.05")
    async with connect(waiting_for(released)) as client:
        yield client


async def test_what_was_saved_is_saved_again_elsewhere(slow, released, simulator, output) -> None:
    job = await slow_image(slow, released, n=2)
    result = await call(slow, "get_job", job_id=job, save_to="deep/")
    names = ["A-red-fox-2.jpg", "A-red-fox.jpg"]
    assert sorted(path.name for path in (output / "deep").iterdir()) == names
    assert f"Saved 2 files of {job} (generate_image, bytedance-seed/seedream-4.5)" in text(result)
    named = await call(slow, "get_job", job_id=job, save_to="deep/cat.png")
    assert [link.name for link in links(named)] == ["cat.jpg", "cat-2.jpg"]
    assert "Named .jpg, because that is what it is." in text(named)
    assert named.meta[JOB]["job_id"] == job


async def test_what_is_there_already_is_not_copied(slow, released, simulator, output) -> None:
    job = await slow_image(slow, released)
    result = await call(slow, "get_job", job_id=job, save_to="./")
    assert [link.uri for link in links(result)] == [(output / "A-red-fox.jpg").as_uri()]
    assert [path.name for path in output.iterdir()] == ["A-red-fox.jpg"]


async def test_files_that_are_gone_are_told_and_the_others_saved(
    slow, released, simulator, output
) -> None:
    job = await slow_image(slow, released, n=2)
    (output / "A-red-fox.jpg").unlink()
    result = await call(slow, "get_job", job_id=job, save_to="deep/")
    assert [link.name for link in links(result)] == ["A-red-fox-2.jpg"]
    assert f"{output / 'A-red-fox.jpg'} of {job} is not there any more" in text(result)
    (output / "A-red-fox-2.jpg").unlink()
    none = await call(slow, "get_job", job_id=job, save_to="deep/")
    assert none.meta[ERROR]["code"] == "NOT_FOUND"
    assert "Call generate_image again" in text(none)


async def test_a_link_in_the_place_of_a_file_is_not_followed(
    slow, released, simulator, output
) -> None:
    job = await slow_image(slow, released)
    secret = output.parent / "secret"
    secret.write_text("secret")
    (output / "A-red-fox.jpg").unlink()
    (output / "A-red-fox.jpg").symlink_to(secret)
    result = await call(slow, "get_job", job_id=job, save_to="deep/")
    assert result.meta[ERROR]["code"] == "NOT_FOUND"
    assert not (output / "deep").exists()


@pytest.mark.parametrize("save_to", ["../fox.jpg", "/etc/fox.jpg"])
async def test_a_place_outside_is_refused(slow, released, simulator, save_to) -> None:
    job = await slow_image(slow, released)
    result = await call(slow, "get_job", job_id=job, save_to=save_to)
    assert result.meta[ERROR]["code"] == "UNSAFE_PATH"


@pytest.mark.parametrize("arguments", [{}, {"job_id": "job_x", "cancel": True}])
async def test_save_to_needs_a_job_to_save(client, arguments) -> None:
    result = await call(client, "get_job", save_to="fox.jpg", **arguments)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "save_to needs the job_id" in text(result)


async def poison(root: Path, job: str, before: str, after: str) -> None:
    """Change what the store says of a job, once it says so, as no process of ours would."""

    def changed() -> bool:
        connection = sqlite3.connect(root / "state" / "state.db")
        with closing(connection), connection:
            update = "UPDATE jobs SET result = replace(result, ?1, ?2) WHERE id = ?3"
            done = connection.execute(f"{update} AND instr(result, ?1)", (before, after, job))
            return done.rowcount == 1

    await until(changed)


async def test_a_poisoned_row_reads_no_secret(
    slow, released, root, output, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("HOME", str(root / "home"))
    (root / "home" / ".ssh").mkdir(parents=True)
    secret = root / "home" / ".ssh" / "id_rsa"
    secret.write_text("the canary sings")
    job = await slow_image(slow, released)
    await poison(root, job, (output / "A-red-fox.jpg").as_uri(), secret.as_uri())
    for save_to in ("deep/", "fox.txt"):
        result = await call(slow, "get_job", job_id=job, save_to=save_to)
        assert result.meta[ERROR]["code"] == "UNSAFE_PATH"
    assert [path.name for path in output.rglob("*")] == ["A-red-fox.jpg"]


@pytest.mark.parametrize("name", ["run.sh", "x/../../../run.sh", ".bashrc", "a.jpg/../../b.py"])
async def test_a_poisoned_row_writes_no_script(slow, released, root, output, name) -> None:
    job = await slow_image(slow, released)
    await poison(root, job, '"A-red-fox.jpg"', json.dumps(name))
    await call(slow, "get_job", job_id=job, save_to="deep/er/")
    written = [path for path in root.rglob("*") if path.is_file() and "state" not in path.parts]
    assert {path.suffix for path in written} <= {".jpg", ".bin", ""}
    assert all(path.is_relative_to(output) and path.name[0] != "." for path in written)


def test_a_poisoned_row_sends_no_video_elsewhere(root, output) -> None:
    settings = Settings(output_dir=output)
    for directory in (root / "startup", output / ".git" / "hooks", Path("/etc")):
        order = Order("a/b", "a fox", str(directory), "A-red-fox", ".mp4")
        assert order.destination(settings) == Destination(output, "A-red-fox", ".mp4")
    order = Order("a/b", "a fox", str(output / "films"), "A-red-fox", ".mp4")
    assert order.destination(settings).directory == output / "films"


async def slow_chat(client: Client, simulator, answer: str) -> str:
    simulator.answer(Script(text=answer, latency=0.2, chunk_delay=0.02))
    return (await call(client, "chat", prompt="Tell me", model="opus")).meta[JOB]["job_id"]


async def done(client: Client, **arguments):
    """The reply of `get_job` once it names no further call, which each reply before repeats."""
    result = await call(client, "get_job", **arguments)
    while "Next: get_job(" in text(result):
        assert next_call(result) == arguments
        result = await call(client, "get_job", **arguments)
    return result


@pytest.mark.parametrize(
    ("save_to", "name"),
    [("answer", "answer.md"), ("a b (1).TXT", "a b (1).TXT"), ("v1.2", "v1.2.md")],
)
async def test_a_text_is_saved_once_it_is_whole(slow, simulator, output, save_to, name) -> None:
    job = await slow_chat(slow, simulator, "one two three four five six")
    result = await done(slow, job_id=job, save_to=save_to)
    assert (output / name).read_text() == "one two three four five six"
    assert str(output / name) in text(result)
    assert text(result).splitlines()[-1].startswith("-- anthropic/claude-opus")


async def test_a_text_without_a_name_is_called_after_its_job(slow, simulator, output) -> None:
    job = await slow_chat(slow, simulator, "one two")
    await done(slow, job_id=job, save_to="texts/")
    assert (output / "texts" / f"{job}.md").read_text() == "one two"


async def test_a_text_too_long_to_be_shown_is_saved_whole(
    configured, connect, simulator, output
) -> None:
    configured(OPENROUTER_WAIT_SECONDS="0.05", OPENROUTER_MAX_REPLY_CHARS="1000")
    whole = "twelve chars " * 300
    async with connect() as client:
        simulator.answer(Script(text=whole.strip(), latency=0.2))
        started = await call(client, "chat", prompt="Tell me", model="opus")
        await done(client, job_id=started.meta[JOB]["job_id"], save_to="whole.md")
    assert (output / "whole.md").read_text() == whole.strip()


async def test_the_text_until_a_job_was_cancelled_is_saved(slow, simulator, output) -> None:
    job = await slow_chat(slow, simulator, "word " * 500)
    while "characters so far" not in text(await call(slow, "get_job", job_id=job)):
        pass
    await call(slow, "get_job", job_id=job, cancel=True)
    result = await call(slow, "get_job", job_id=job, save_to="half.md")
    assert (output / "half.md").read_text().startswith("word word")
    assert "was cancelled after" in text(result)
    assert result.meta[JOB]["state"] == "cancelled"


async def test_a_disk_that_fills_up_while_a_video_comes_loses_nothing(
    client, simulator, disk, root, output
) -> None:
    disk.full, disk.room = [root], 100_000
    result = await call(client, "generate_video", **VIDEO)
    assert result.meta[ERROR] == {"code": "INTERNAL", "retryable": False}
    assert result.meta[RECEIPT]["cost"] == "3.2"
    assert f"could not be saved in {output} (No space left on device) nor any" in text(result)
    assert "nothing is paid again" in text(result)
    assert [*root.glob("**/*.part"), *root.glob("**/*.mp4")] == []
    disk.full = [output / "full"]
    job = next_call(result)["job_id"]
    saved = await call(client, "get_job", job_id=job, save_to="other/place")
    assert not saved.is_error
    file = output / "other" / "place.mp4"
    assert file.stat().st_size == simulator.film.size
    assert [link.uri for link in links(saved)] == [file.as_uri()]
    assert saved.meta[RECEIPT]["cost"] == "3.2"
    assert [*output.glob("**/*.*")] == [file]
    assert len(paid(simulator)) == 1
    assert str(file) in text(await call(client, "get_job", job_id=job))


async def test_a_video_that_is_gone_is_fetched_from_openrouter_again(
    client, simulator, disk, root, output
) -> None:
    disk.full = [output]
    following = next_call(await call(client, "generate_video", **VIDEO))
    disk.full = []
    (root / "state" / "kept" / following["job_id"] / "A-red-fox.mp4").unlink()
    result = await call(client, "get_job", **{**following, "save_to": "films/"})
    assert [link.uri for link in links(result)] == [(output / "films" / "A-red-fox.mp4").as_uri()]
    assert (output / "films" / "A-red-fox.mp4").stat().st_size == simulator.film.size
    assert len(paid(simulator)) == 1


async def test_a_video_that_openrouter_has_no_more_is_gone(
    client, simulator, disk, root, output
) -> None:
    disk.full = [output]
    following = next_call(await call(client, "generate_video", **VIDEO))
    disk.full = []
    (root / "state" / "kept" / following["job_id"] / "A-red-fox.mp4").unlink()
    simulator.videos.clear()
    result = await call(client, "get_job", **following)
    assert result.meta[ERROR]["code"] == "NOT_FOUND"
    assert "Call generate_video again" in text(result)


async def test_a_video_fetched_again_in_two_calls_is_saved_once(
    configured, connect, simulator, disk, root, output
) -> None:
    configured(OPENROUTER_WAIT_SECONDS="0.005", OPENROUTER_VIDEO_POLL_INTERVAL_MS="400")
    async with connect() as client:
        job = (await call(client, "generate_video", **VIDEO)).meta[JOB]["job_id"]
        while not links(await call(client, "get_job", job_id=job)):
            pass
        (output / "A-red-fox.mp4").unlink()
        result = await done(client, job_id=job, save_to="films/fox")
    assert [link.name for link in links(result)] == ["fox.mp4"]
    assert [path.name for path in (output / "films").iterdir()] == ["fox.mp4"]
    assert len(paid(simulator)) == 1


async def test_what_is_kept_is_removed_when_its_job_has_expired(
    client, simulator, disk, root, output, connect
) -> None:
    disk.full = [output]
    old = next_call(await call(client, "generate_image", **IMAGE))["job_id"]
    kept = root / "state" / "kept"
    os.utime(kept / old, (0, 0))
    new = next_call(await call(client, "generate_image", **IMAGE))["job_id"]
    async with connect() as another:
        await call(another, "get_job", job_id=new)
        await until(lambda: [path.name for path in kept.iterdir()] == [new])
