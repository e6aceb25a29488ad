"""The computer that is set up: its system, its home and its variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openrouter_mcp import programs

SYSTEMS: dict[str, Literal["macos", "windows"]] = {"darwin": "macos", "win32": "windows"}


@dataclass(frozen=True)
class Machine:
    """A computer, which tests make up."""

    system: Literal["linux", "macos", "windows"]
    home: Path
    environment: Mapping[str, str]

    @classmethod
    def this(cls, environment: Mapping[str, str]) -> Machine:
        """The computer that this runs on."""
        return cls(SYSTEMS.get(sys.platform, "linux"), Path.home(), environment)

    @property
    def roots(self) -> dict[str, Path]:
        """The folders that programs keep their configuration in, by the names of the table."""
        config = self._folder("XDG_CONFIG_HOME", ".config")
        applications = {
            "linux": config,
            "macos": self.home / "Library" / "Application Support",
            "windows": self._folder("APPDATA", "AppData/Roaming"),
        }[self.system]
        zed = {
            "linux": config / "zed",
            "macos": self.home / ".config" / "zed",
            "windows": applications / "Zed",
        }[self.system]
        return {
            "home": self.home,
            "config": config,
            "applications": applications,
            "packages": self._folder("LOCALAPPDATA", "AppData/Local") / "Packages",
            "zed": zed,
            "claude": self._folder("CLAUDE_CONFIG_DIR", ""),
            "codex": self._folder("CODEX_HOME", ".codex"),
        }

    def _folder(self, variable: str, otherwise: str) -> Path:
        """The absolute path in a variable, else a folder below home."""
        path = Path(self.environment.get(variable, ""))
        return path if path.is_absolute() else self.home / otherwise

    def paths(self, pattern: str) -> list[Path]:
        """What a path of the table means here; a `*` may stand for several folders, or for none."""
        root, _, rest = pattern.partition("/")
        folder = self.roots[root]
        return sorted(folder.glob(rest)) if "*" in rest else [folder / rest]

    def find(self, program: str) -> str:
        """The absolute path of a program on the PATH; empty where there is none."""
        return programs.find(program, self.environment) if program else ""
