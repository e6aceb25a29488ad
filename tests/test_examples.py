"""The examples, as a person would run them; `agent_chat.py` has a test of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def printed(name: str, environment: dict[str, str]) -> str:
    """What an example prints."""
    example = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env={**environment, "PATH": "", "HOME": environment["OPENROUTER_OUTPUT_DIR"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return example.stdout


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("budget.py", "'calls': "),
        ("compare.py", "-- 3 models"),
        ("media.py", "-- openai/whisper-1"),
    ],
)
def test_an_example_runs_to_its_end(name, last, environment) -> None:
    assert last in printed(name, environment)


def test_the_media_example_leaves_its_files(environment) -> None:
    printed("media.py", environment)
    saved = Path(environment["OPENROUTER_OUTPUT_DIR"]).iterdir()
    assert sorted(path.suffix for path in saved) == [".jpg", ".mp3", ".srt"]
