"""The examples, as a person would run them; `agent_chat.py` has a test of its own."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def printed(name: str, environment: dict[str, str]) -> str:
    """What an example prints."""
    example = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env={**environment, "PATH": "", "HOME": environment["OPENROUTER_OUTPUT_DIR"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert example.returncode == 0, example.stderr
    return example.stdout


def test_the_budget_example_asks_ten_times_and_shows_the_ledger(environment) -> None:
    said = printed("budget.py", environment)
    assert "\n10. -- anthropic/claude-haiku-5" in said
    assert "'calls': 10" in said


def test_the_comparison_example_shows_three_answers_and_a_verdict(environment) -> None:
    assert "-- 3 models" in printed("compare.py", environment)


def test_the_media_example_draws_describes_speaks_and_writes_down(environment) -> None:
    assert "-- openai/whisper-1" in printed("media.py", environment)
    saved = Path(environment["OPENROUTER_OUTPUT_DIR"]).iterdir()
    assert sorted(path.suffix for path in saved) == [".jpg", ".mp3", ".srt"]
