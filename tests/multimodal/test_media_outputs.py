"""What the media tools save opens in a reader that is not ours: ffprobe, where there is one."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FFPROBE = shutil.which("ffprobe") or ""
pytestmark = pytest.mark.skipif(not FFPROBE, reason="ffprobe is not installed")


@pytest.fixture(autouse=True)
def output(configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a server that waits for nothing saves its files."""
    configure(OPENROUTER_VIDEO_POLL_INTERVAL_MS="10")
    return tmp_path / "output"


async def probed(file: Path) -> dict[str, Any]:
    """What ffprobe says of a file that it can read without complaint."""
    command = [FFPROBE, "-v", "error", "-of", "json", "-show_streams", "-show_format", str(file)]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    assert run.stderr == b""
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    ("arguments", "format_", "codec"),
    [
        ({"text": "Hello there."}, "mp3", "mp3"),
        ({"text": "Hello there.", "format": "wav"}, "wav", "pcm_s16le"),
        ({"text": "A long story. " * 500}, "wav", "pcm_s16le"),
        ({"text": "Hi.", "model": "openai/gpt-audio"}, "wav", "pcm_s16le"),
        ({"text": "A waltz.", "model": "lumen/lyric-1", "format": "mp3"}, "mp3", "mp3"),
    ],
)
async def test_sound_opens(output: Path, arguments, format_, codec, connect) -> None:
    async with connect() as client:
        await client.call_tool("generate_audio", arguments)
    (file,) = output.iterdir()
    found = await probed(file)
    assert found["format"]["format_name"] == format_
    assert [stream["codec_name"] for stream in found["streams"]] == [codec]
    assert float(found["format"]["duration"]) > 0.1


async def test_a_video_opens(output: Path, connect) -> None:
    async with connect() as client:
        arguments = {"prompt": "A fox", "model": "google/veo-3.1"}
        await client.call_tool("generate_video", arguments)
    found = await probed(output / "A-fox.mp4")
    assert [stream["codec_type"] for stream in found["streams"]] == ["video"]
