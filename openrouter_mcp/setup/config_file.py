"""Writing the configuration of another program: whole or not at all, and with a copy beside it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OWNER_ONLY = 0o700


def load(path: Path) -> str:
    """The text of a file without its byte order mark; empty where there is none. Blocks.

    Raises `ValueError` with what is wrong.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("it is no regular file")  # reading a pipe or a device may never end
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def save(path: Path, text: str, *, secret: bool) -> None:
    """Replace the text of a file in one step, through links, and keep its permissions. Blocks.

    Nobody but its owner can read a file with a `secret`, or a new one. Raises `OSError`.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    mark, mode = b"", 0o600
    if target.exists():
        mode = stat.S_IMODE(target.stat().st_mode)
        if not mode & 0o222:
            raise PermissionError(f"{target} is read-only")
        mode &= OWNER_ONLY if secret else mode
        with target.open("rb") as file:
            mark = BYTE_ORDER_MARK if file.read(3) == BYTE_ORDER_MARK else b""
    descriptor, name = tempfile.mkstemp(".tmp", f".{target.name}.", target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(mark + text.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def back_up(path: Path) -> Path | None:
    """A copy of a file beside it, or the earlier one that is alike. Blocks. Raises `OSError`."""
    if not path.exists():
        return None
    content = path.read_bytes()
    for copy in _names(path):
        if not copy.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            with open(copy, "xb", opener=_for_owner) as file:
                file.write(content)
            copy.chmod(mode)
            return copy
        if copy.is_file() and copy.read_bytes() == content:
            return copy
    return None


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def backups(path: Path) -> list[Path]:
    """The copies of a file that were made, newest first. Blocks."""
    found = []
    for copy in _names(path):
        if not copy.exists():
            break
        found.append(copy)
    return found[::-1]


def _names(path: Path) -> Iterator[Path]:
    """`mcp.json.bak`, `mcp.json.2.bak` and so on: names that `files.secrets` knows as copies."""
    for number in count(1):
        infix = "" if number == 1 else f".{number}"
        yield path.with_name(f"{path.name}{infix}.bak")
