"""Folders for tests of the workspace: what is in them, and repositories made of them."""

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

Content = bytes | str
"""Of a file its bytes, of a link where it leads."""

GIT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@localhost",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@localhost",
}


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run Git as the user does, in the user's own folder."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, env=GIT, capture_output=True, timeout=30)
    assert not check or done.returncode == 0, done.stderr
    return done


def state(folder: Path, *, with_git: bool = False) -> dict[str, tuple[str, Content]]:
    """What is in a folder: kind, and bytes or target, of each path; folders that are empty too."""
    found: dict[str, tuple[str, Content]] = {}
    for place, folders, files in os.walk(folder):
        if not with_git and ".git" in folders:
            folders.remove(".git")
        for name in [*folders, *files]:
            path = Path(place, name)
            status = path.lstat()
            key = str(path.relative_to(folder))
            if stat.S_ISLNK(status.st_mode):
                found[key] = ("link", str(path.readlink()))
            elif stat.S_ISREG(status.st_mode):
                kind = "program" if status.st_mode & stat.S_IXUSR else "file"
                found[key] = (kind, path.read_bytes())
            elif stat.S_ISDIR(status.st_mode) and not any(path.iterdir()):
                found[key] = ("folder", b"")
    return found


def fill(folder: Path, files: Mapping[str, Content | tuple[str, Content]]) -> None:
    """Write these files, links (`("link", target)`) and programs (`("program", bytes)`)."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind, content = content if isinstance(content, tuple) else ("file", content)
        if kind == "link":
            path.symlink_to(content)
            continue
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if kind == "program":
            path.chmod(0o755)


def repository(folder: Path, files: Mapping[str, Content | tuple[str, Content]]) -> Path:
    """A repository in which these files are committed."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    fill(folder, files)
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "--allow-empty", "-m", "all")
    return folder


def applied(folder: Path, patch: Path, to: Path) -> dict[str, tuple[str, Content]]:
    """What a copy of the folder is once the user has applied the patch to it."""
    shutil.copytree(folder, to, symlinks=True)
    if patch.stat().st_size:
        git(to, "apply", str(patch))
    return state(to)
