"""`openrouter-mcp demo`, as a person without a key would run it."""

import os
import subprocess
import sys


def test_the_demo_shows_every_kind_of_tool_and_ends_well() -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPENROUTER_")}
    demo = subprocess.run(
        [sys.executable, "-m", "openrouter_mcp", "demo"],
        # Without a PATH there is no npx, which would ask a registry.
        env={**inherited, "PATH": "", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "SIMULATED" in demo.stdout
    assert "A-lighthouse-at-dusk.jpg" in demo.stdout
    assert "1. files__read_text_file(" in demo.stdout
    assert "It comes on Friday" in demo.stdout
    assert '"code": "MODEL_NOT_FOUND"' in demo.stdout
    assert demo.stdout.count("\n  -- ") == 4
