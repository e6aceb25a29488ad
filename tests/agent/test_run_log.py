"""The file in which a run is written down."""

import json
import os
import stat
import sys

import pytest

from openrouter_mcp.agent.run_log import RunLog


def lines(transcript) -> list[dict]:
    return [json.loads(line) for line in transcript.path.read_text("utf-8").splitlines()]


async def test_each_event_is_a_line_with_its_time(tmp_path) -> None:
    transcript = RunLog(tmp_path / "runs", days=30)
    await transcript.write("message", message={"role": "user", "content": "Grüße\n"})
    await transcript.write("end", reason="answered")
    first, last = lines(transcript)
    assert first["message"]["content"] == "Grüße\n"
    assert (last["event"], last["reason"]) == ("end", "answered")
    assert first["time"] <= last["time"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
async def test_only_the_user_can_read_it(tmp_path) -> None:
    transcript = RunLog(tmp_path / "runs", days=30)
    await transcript.write("end")
    assert stat.S_IMODE(transcript.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(transcript.path.parent.stat().st_mode) == 0o700


async def test_media_are_left_out(tmp_path) -> None:
    transcript = RunLog(tmp_path, days=30)
    url = "data:image/png;base64," + "A" * 5000
    sound = {"data": "B" * 5000, "format": "mp3"}
    await transcript.write("message", parts=[{"image_url": {"url": url}}, {"input_audio": sound}])
    assert transcript.path.stat().st_size < 400
    assert lines(transcript)[0]["parts"][1]["input_audio"]["format"] == "mp3"


async def test_old_transcripts_are_deleted(tmp_path) -> None:
    old, other = tmp_path / "run-old.jsonl", tmp_path / "notes.txt"
    for path in (old, other):
        path.write_text("")
        os.utime(path, (0, 0))
    await RunLog(tmp_path, days=30).write("end")
    assert not old.exists()
    assert other.exists()


async def test_a_disk_that_refuses_does_not_end_the_run(tmp_path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    transcript = RunLog(tmp_path / "runs", days=30)
    await transcript.write("message")
    await transcript.write("end")
    assert "cannot be written" in transcript.problem
