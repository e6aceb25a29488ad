"""Computers of all systems, made up in a folder."""

from pathlib import Path

import pytest

from openrouter_mcp.setup.machine import Machine


@pytest.fixture(params=["linux", "macos", "windows"])
def machine(request, tmp_path: Path) -> Machine:
    """A computer with a home and a PATH, both empty."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    return Machine(request.param, home, {"PATH": str(programs)})
