"""Long recordings are divided where nobody speaks; with the real ffmpeg where there is one."""

import asyncio
import base64
import math
import shutil
import struct
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.api.request_body import Encoded
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.sound import Pcm
from openrouter_mcp.multimodal import transcribe
from openrouter_mcp.multimodal.transcribe import Part, Recording
from tests.support.processes import until

REAL = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
# Speaks as ffmpeg does of a recording of 25 s; parts become as many bytes as they have seconds.
STAND_IN = """#!/bin/sh
for last; do :; done
case "$*" in
  *silencedetect*) echo "[silencedetect @ 0x1] silence_start: 9.0" >&2
    echo "[silencedetect @ 0x1] silence_end: 10.0 | silence_duration: 1" >&2 ;;
  *libmp3lame*) echo "ID3 $*" > "$last" ;;
  *) echo "  Duration: 00:00:25.00, start: 0.000000, bitrate: 64 kb/s" >&2
    echo "  Stream #0:0: Audio: pcm_s16le" >&2 ;;
esac
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch) -> Path:
    """An ffmpeg that only says what it would do."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setattr(transcribe, "at_hand", lambda: str(program))
    return program


def recording(path: Path, seconds: float) -> Recording:
    size = path.stat().st_size
    return Recording(
        str(path), Encoded(str(path), "", size, lambda: path.open("rb")), "wav", seconds
    )


def test_a_short_recording_stays_whole() -> None:
    assert transcribe.parts(599, [Part(100, 101)], 600) == [Part(0, 599)]


def test_a_cut_is_made_in_the_middle_of_the_last_silence() -> None:
    quiet = [Part(100, 101), Part(400, 402), Part(590, 592), Part(598, 610)]
    assert transcribe.parts(900, quiet, 600) == [Part(0, 591), Part(591, 900)]


def test_where_nobody_is_silent_the_cut_is_made_at_the_limit() -> None:
    assert transcribe.parts(1300, [Part(10, 12)], 600) == [
        Part(0, 600),
        Part(600, 1200),
        Part(1200, 1300),
    ]


@given(
    st.floats(0.1, 50_000),
    st.lists(st.tuples(st.floats(0, 50_000), st.floats(0, 5)), max_size=40),
)
def test_parts_join_without_gaps_and_none_is_too_long(length, quiet) -> None:
    silences = [Part(start, start + more) for start, more in quiet]
    found = transcribe.parts(length, silences, 600)
    assert found[0].start == 0
    assert found[-1].end == length
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(0 < part.end - part.start <= 600 + 1e-6 for part in found)


async def test_ffmpeg_is_asked_for_length_silences_and_parts(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(transcribe, "LONGEST_PART", 12.0)
    (tmp_path / "a.wav").write_bytes(b"sound")
    assert await transcribe.duration(tmp_path / "a.wav") == 25
    async with transcribe.divided(recording(tmp_path / "a.wav", 25)) as parts:
        stretches = [(part.start, part.end) for part, _ in parts]
        said = [b"".join([piece async for piece in each.data.pieces()]) for _, each in parts]
        assert {each.format for _, each in parts} == {"mp3"}
    assert stretches == [(0, 9.5), (9.5, 21.5), (21.5, 25)]
    arguments = base64.b64decode(said[1]).decode()
    assert "-ss 9.500 -t 12.000 -i" in arguments
    assert "-protocol_whitelist file,pipe" in arguments
    directory = Path(arguments.split(" -i ")[1].split()[0]).parent
    assert not directory.exists()


@pytest.mark.parametrize("header", ["Duration: N/A", "Estimating duration\n Duration: 00:00:23.00"])
async def test_a_length_that_is_not_told_or_guessed_is_measured(stand_in, tmp_path, header) -> None:
    stand_in.write_text(
        f"""#!/bin/sh
        echo "Stream #0:0: Audio: opus\n{header}" >&2
        case "$*" in *-stats*) echo "time=00:00:10.00 x\ntime=00:01:25.50 x" >&2 ;; esac
        """
    )
    assert await transcribe.duration(tmp_path / "a.webm") == 85.5


async def test_a_film_without_sound_is_an_instruction(stand_in, tmp_path) -> None:
    stand_in.write_text("#!/bin/sh\necho 'Stream #0:0: Video: h264\nDuration: 00:00:03.00' >&2\n")
    with pytest.raises(OpenRouterError, match="no sound") as refused:
        await transcribe.duration(tmp_path / "a.mp4")
    assert refused.value.code is Code.UNSUPPORTED_FORMAT


async def test_what_ffmpeg_cannot_read_is_an_instruction(stand_in, tmp_path) -> None:
    stand_in.write_text("#!/bin/sh\necho 'Invalid data found' >&2\nexit 1\n")
    with pytest.raises(OpenRouterError, match="Invalid data found") as refused:
        await transcribe.duration(tmp_path / "a.wav")
    assert refused.value.code is Code.UNSUPPORTED_FORMAT


async def test_a_cancelled_call_leaves_no_process(stand_in, tmp_path) -> None:
    stand_in.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    running = asyncio.create_task(transcribe.duration(tmp_path / "a.wav"))
    pid = tmp_path / "pid"
    await until(lambda: pid.exists() and pid.read_text().strip())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@REAL
async def test_a_real_recording_is_divided_where_it_is_silent(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(transcribe, "LONGEST_PART", 4.0)
    tone = [int(9000 * math.sin(n / 5)) for n in range(16_000 * 3)]
    loud, quiet = struct.pack(f"<{len(tone)}h", *tone), bytes(2 * 16_000)
    (tmp_path / "a.wav").write_bytes(Pcm(loud + quiet + loud, 16_000).wav())
    seconds = await transcribe.duration(tmp_path / "a.wav")
    assert seconds == pytest.approx(7, abs=0.1)
    async with transcribe.divided(recording(tmp_path / "a.wav", seconds)) as parts:
        (first, one), (second, other) = parts
        for each in (one, other):
            with each.data.open() as file:
                head = file.read(3)
            assert head[:2] == b"\xff\xf3" or head == b"ID3"
    assert 3 < first.end < 4
    assert first.end == second.start


@REAL
@pytest.mark.parametrize("kind", ["webm", "adts"])
async def test_a_real_recording_that_does_not_tell_its_length_is_measured(tmp_path, kind) -> None:
    tone = struct.pack("<48000h", *(int(9000 * math.sin(n / 5)) for n in range(48_000)))
    (tmp_path / "a.wav").write_bytes(Pcm(tone, 16_000).wav())
    # Into a pipe, so that nothing is written into its beginning afterwards.
    command = [transcribe.at_hand(), "-i", str(tmp_path / "a.wav"), "-f", kind, "-"]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    (tmp_path / "a").write_bytes(run.stdout)
    assert await transcribe.duration(tmp_path / "a") == pytest.approx(3, abs=0.2)
