"""What is generated from the code: pages, bundles, links and pictures. Not part of the package."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY: str = PROJECT["urls"]["Repository"]


def write(path: Path, text: str) -> None:
    """Write a generated file, with the same bytes on every system."""
    path.write_text(text, "utf-8", newline="\n")
