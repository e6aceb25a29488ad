"""A folder or a link that changes while it is read: only what was judged is opened."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files.attach import Files
from openrouter_mcp.settings import Settings

CANARY = "the canary sings"
CANARY_NAME = "config_ssh"
NAMES = ("project/**/config", "project/sub/*", "project/sub/config", "project/sub/confg")
LOOKS = ("open", "scandir", "listdir", "stat", "lstat", "readlink")
AFFECTED = {".", "sub", "link", "config", "confg", CANARY_NAME}
"""Names at whose looks a swap makes a difference; later ones do the same as the next of these."""


@pytest.fixture
def sub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the working directory; what it may become lies in a hidden place of home."""
    for name in ("home/.ssh", "work/project/sub", "temporary"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/.ssh/config").write_text(CANARY)
    (tmp_path / "home/.ssh" / CANARY_NAME).touch()
    (tmp_path / "work/project/sub/config").write_text("innocent")
    (tmp_path / "work/project/link").symlink_to(tmp_path / "work/project/sub/config")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "work/project/sub"


class Swapper:
    """Swaps a path for a link at the looks at the file system that it is told to."""

    def __init__(
        self, path: Path, target: Path, patch: pytest.MonkeyPatch, *, by_steps: bool
    ) -> None:
        """`by_steps` says whether the system opens a path step by step, as Windows cannot."""
        self._path = path
        self._target = target
        self._aside = path.with_name("aside")
        self.looks = 0
        self.swapped_at: frozenset[int] = frozenset()
        for name in LOOKS:
            patch.setattr(os, name, self._watched(getattr(os, name)))
        if by_steps:
            patch.setattr(os, "supports_dir_fd", {*os.supports_dir_fd, os.open})

    def swap(self) -> None:
        """Put the link in the path's place, or the path back where it was."""
        if self._aside.exists():
            self._path.unlink()
            self._aside.rename(self._path)
        else:
            self._path.rename(self._aside)
            self._path.symlink_to(self._target)

    def restore(self) -> None:
        """Leave all as it was in the beginning."""
        self.swapped_at = frozenset()
        if self._aside.exists():
            self.swap()

    def _watched(self, look: Callable) -> Callable:
        def watched(*arguments: object, **options: object) -> object:
            name = arguments[0]
            self.looks += isinstance(name, int) or Path(str(name)).name in AFFECTED
            if self.looks in self.swapped_at:
                look_again, self.swapped_at = self.swapped_at, frozenset()
                count = self.looks
                self.swap()
                self.looks, self.swapped_at = count, look_again
            return look(*arguments, **options)

        return watched


async def _read(files: Files, name: str) -> str:
    """What is known after reading a name: all that the model gets, or the refusal."""
    try:
        attachments = await files.parts([name])
    except OpenRouterError as error:
        return error.message
    return str(attachments)


@pytest.mark.parametrize("by_steps", [True, False])
@pytest.mark.parametrize("name", NAMES)
async def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(
    sub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, by_steps: bool
) -> None:
    swapper = Swapper(sub, tmp_path / "home/.ssh", monkeypatch, by_steps=by_steps)
    files = Files(Settings(state_dir=Path("~/state")))
    undisturbed = await _read(files, name)
    assert "innocent" in undisturbed or "project/sub" in undisturbed
    looks = swapper.looks
    for at in range(1, looks + 1):
        for back_after in (0, 1):
            swapper.looks, swapper.swapped_at = 0, frozenset({at, at + back_after or at})
            read = await _read(files, name)
            assert CANARY not in read, (at, back_after)
            assert CANARY_NAME not in read or not by_steps, (at, back_after)
            swapper.restore()


@pytest.mark.parametrize("by_steps", [True, False])
async def test_a_link_that_is_set_anew_meanwhile_leads_nowhere(
    sub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_steps: bool
) -> None:
    files = Files(Settings(state_dir=Path("~/state")))
    link = sub.parent / "link"
    swapper = Swapper(link, tmp_path / "home/.ssh/config", monkeypatch, by_steps=by_steps)
    for name in ("project", "project/link"):
        assert "innocent" in await _read(files, name)
        looks = swapper.looks
        for at in range(1, looks + 1):
            swapper.looks, swapper.swapped_at = 0, frozenset({at})
            assert CANARY not in await _read(files, name), at
            swapper.restore()
