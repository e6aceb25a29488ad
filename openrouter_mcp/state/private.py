"""Directories that are the user's alone: nobody else can read or replace them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MOST_LINKS = 40
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
"""How a file is opened that must not be there yet, not even as a link."""


def make(directory: Path) -> None:
    """Make a directory, and those above it, for the user alone; one that is there must be so.

    Blocks. Raises what `check` raises.
    """
    check(directory)
    for path in reversed((directory, *directory.parents)):
        if not path.exists():
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
    check(directory)


def check(directory: Path) -> None:
    """Refuse a directory that others could read or replace. Blocks.

    Raises `PermissionError` with the repair. What does not exist is not refused.
    """
    if os.name == "nt":
        # Its directories of users are theirs alone, and have no permission bits.
        return
    user = os.getuid()
    # In a container the system's user has another number.
    system = {0, Path("/").stat().st_uid}
    status = None
    for path, status in _way(Path(os.path.abspath(directory))):  # noqa: PTH100 - keeps the links
        if status is None:
            return
        if status.st_uid not in {user, *system}:
            raise _refused(f"{path} belongs to another user; choose another directory")
        if stat.S_ISDIR(status.st_mode) and _others_may_write(status):
            raise _refused(f"others may change {path}; repair it with chmod go-w '{path}'")
    if status and (status.st_uid != user or status.st_mode & 0o077):
        raise _refused(f"{directory} is not yours alone; repair it with chmod 700 '{directory}'")


def _refused(reason: str) -> PermissionError:
    return PermissionError(errno.EACCES, reason)


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result | None]]:
    """Everything that is passed on the way to a path, links as well; None for what is missing."""
    pending, links = list(reversed(path.parts)), 0
    here = Path(path.anchor)
    while pending:
        name = pending.pop()
        if name == "..":
            here = here.parent
            continue
        here /= name
        try:
            status = here.lstat()
        except FileNotFoundError:
            yield here, None
            return
        yield here, status
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            pending += reversed(here.readlink().parts)
            here = here.parent


def _others_may_write(status: os.stat_result) -> bool:
    """Whether another user may replace what is in a directory."""
    if status.st_mode & stat.S_ISVTX:
        return False
    own_group = status.st_mode & stat.S_IWGRP and _is_private_group(status.st_gid)
    return bool(status.st_mode & (stat.S_IWOTH if own_group else stat.S_IWOTH | stat.S_IWGRP))


def _is_private_group(group: int) -> bool:
    """Whether it is the group that many systems give each user, with nobody else in it."""
    import grp
    import pwd

    try:
        user, found = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return found.gr_name == user.pw_name and set(found.gr_mem) <= {user.pw_name}
