"""Which paths may be read, however they are spelled, and the opening of what was checked."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import unquote

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import secrets
from openrouter_mcp.settings import Settings, variable

WINDOWS_DRIVES = Path("/mnt")  # where WSL mounts them
KERNEL = ("/proc", "/sys", "/dev")
SYSTEM = (
    *KERNEL,
    *("/bin", "/boot", "/etc", "/lib", "/lib64", "/sbin"),
    *("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/sbin", "/usr/share"),
    *("/system", "/library", "/applications", "/private/etc", "/private/var/root"),
    *("c:/windows", "c:/program files", "c:/program files (x86)", "c:/programdata"),
)
TOO_WIDE = {"", "/home", "/users", "/mnt", "/run", "/usr", "/var", "/volumes", "c:", "c:/users"}
# Where homes are, of whatever user and on whichever side of WSL.
HOME = re.compile(r"(?:/home|(?:[a-z]:|/mnt/[a-z])?/users)/[^/]+")
HIDDEN_AT_HOME = {"library", "appdata", "application data", "local settings"}
SHORT_NAME = re.compile(r"[^.~]{1,6}~\d{1,6}(?:\.[^.]{0,3})?")
URI = re.compile(r"(?:file|data):(?://)?|[a-z][a-z\d+.-]*://", re.IGNORECASE)
DRIVE = re.compile(r"([A-Za-z]):[\\/]")
ANY_DRIVE = re.compile(r"^(?:/mnt/[a-z](?=/|$)|[a-z]:)")
MOST_LINKED = 5000
"""Names of a folder among which another name of a file is looked for."""
LONGEST = 300  # characters of a path that are shown
LONGEST_PATH = 32_767  # characters of a path or a glob; no system allows more

# For reading; O_NONBLOCK: a FIFO must not wait for its writer.
READ = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY", "O_NOINHERIT")
# O_PATH: a directory may be passed through by who may not list it.
PASS = ("O_PATH", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC")
LIST = ("O_DIRECTORY", "O_CLOEXEC")


def working_directory() -> Path:
    """The working directory; home if it has been deleted."""
    try:
        return Path.cwd()
    except OSError:
        return home()


def absolute(name: str) -> Path:
    """The absolute path that a caller's spelling means, `..` removed; it need not exist.

    Takes relative paths, `~`, `file://` addresses and, under WSL, Windows paths. Raises
    `INVALID_INPUT` for other addresses and for what no file can be called.
    """
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'`":
        name = name[1:-1].strip()
    if uri := URI.match(name):
        name = _of_uri(name, uri)
    if not name or "\0" in name or len(name) > LONGEST_PATH or not _encodable(name):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{display(repr(name[:LONGEST_PATH]))} is no path. Give the path of a file, folder or "
            "glob.",
        )
    if os.name != "nt" and (drive := DRIVE.match(name)):
        mounted = WINDOWS_DRIVES / drive[1].lower()
        if is_folder(mounted):
            name = str(mounted / name[3:].replace("\\", "/").lstrip("/"))
    if name[:2] in {"~", "~/", f"~{os.sep}"}:
        name = f"{home()}/{name[2:]}"
    # POSIX keeps two slashes at the start, which mean the same as one.
    return Path(os.path.normpath(re.sub("^/+", "/", str(working_directory() / name))))


def _of_uri(name: str, uri: re.Match[str]) -> str:
    if not name.lower().startswith("file:"):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{display(name)} is no address that can be read. Give a path, an http(s) address or a "
            "data URL.",
        )
    rest = unquote(name[uri.end() :], errors="surrogateescape")
    if DRIVE.match(rest.lstrip("/")):
        return rest.lstrip("/")
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost"):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{display(name)} names another computer. Give a local path: file:///home/me/a.txt.",
        )
    return slash + path


def _encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def home() -> Path:
    """The user's home directory."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises without a home


def display(path: str | Path) -> str:
    """A path as text that can be printed and sent on one line."""
    text = os.fsencode(path).decode("utf-8", "replace") if _encodable(str(path)) else repr(path)
    # A space of any kind can be typed as a plain one.
    text = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"


@functools.lru_cache(4096)
def fold(name: str) -> str:
    """One form for all names that some file system takes for the same."""
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    without_stream = folded.partition(":")[0]
    return without_stream.rstrip(". ") or without_stream


def is_hidden(name: str) -> bool:
    """Whether some file system takes this name for a hidden one, also by a shortened spelling."""
    folded = fold(name)
    return folded.startswith(".") or SHORT_NAME.fullmatch(folded) is not None


def _folded(path: Path) -> str:
    return "/".join([path.drive.casefold(), *(fold(part) for part in path.parts[1:])])


def _inside(folded: str, directory: str) -> bool:
    return f"{folded}/".startswith(f"{directory}/")


def real_path(path: Path) -> Path:
    """The path without links, as far as it exists: to be judged, and then opened as it stands."""
    # Looking up a Windows share would log in to whatever computer it names.
    if path.drive.startswith("\\\\"):
        return path
    try:
        return Path(os.path.realpath(path))
    except OSError:
        # It changes while it is looked at. Nothing follows the links that are left in it.
        return path


def _temporary() -> list[Path]:
    try:
        return [real_path(Path(tempfile.gettempdir()))]
    except OSError:
        return []


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def is_folder(path: Path) -> bool:
    """Whether there is a directory, or a link to one; false where that cannot be told."""
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    """Whether there is a regular file, or a link to one; false where that cannot be told."""
    return stat.S_ISREG(_mode(path))


def _entries(place: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        yield from entries


class Guard:
    """Says which paths may be read. Made for each call, since the working directory may change."""

    def __init__(self, settings: Settings) -> None:
        self._unsafe = settings.allow_unsafe_paths
        own = [settings.state_dir, *filter(None, [settings.mcp_config])]
        self._own = [real_path(absolute(str(path))) for path in own]
        self._homes = [home(), real_path(home())]
        listed = [absolute(str(directory)) for directory in settings.input_dirs]
        self._listed = [*listed, *(real_path(directory) for directory in listed)]
        # What this server saved may be edited or searched.
        unlisted = [real_path(absolute(str(settings.output_dir)))]
        if not listed:
            unlisted += [self._homes[-1], real_path(working_directory())]
        # Nobody chose to work where homes are; containers have them where all temporary files are.
        unlisted = [root for root in unlisted if not self._is_above_home(root)]
        unlisted += [] if listed else _temporary()
        self._roots = [*self._listed, *(root for root in unlisted if not _is_system(root))]
        # Windows has its temporary directory in a hidden place.
        self._chosen = self._listed or _temporary()

    def resolve(self, path: Path) -> Path:
        """The real path of an absolute one. Raises `UNSAFE_PATH`, whether it exists or not."""
        real = real_path(path)
        if refusal := self.refusal(real) or self._protection(path):
            raise OpenRouterError(Code.UNSAFE_PATH, f"{display(path)} {refusal}")
        return real

    def refusal(self, real: Path) -> str:
        """Why a real path may not be read, and which variable would allow it; empty if it may."""
        folded = _folded(real)
        if any(_inside(folded, directory) for directory in KERNEL):
            return "is no file but a view of the system, which is never read."
        if self._unsafe:
            return ""
        if not any(real.is_relative_to(root) for root in self._roots):
            roots = ", ".join(display(root) for root in dict.fromkeys(self._roots))
            return (
                f"is outside the directories that may be read ({roots}). "
                f"Add its directory to {variable('input_dirs')} to allow it."
            )
        # Where the file system knows short names, a real path has none left.
        if any(SHORT_NAME.fullmatch(fold(part)) for part in real.parts):
            return (
                "has a shortened name. Spell it in full, or set "
                f"{variable('allow_unsafe_paths')}=1 if this is its name."
            )
        return self._protection(real)

    def _protection(self, path: Path) -> str:
        """Why a path, spelled or real, may not be read although its directory may."""
        if self._unsafe:
            return ""
        secret = secrets.is_secret_path([*map(fold, path.parts)]) and not is_folder(path)
        own = any(_inside(_folded(path), _folded(place)) for place in self._own)
        if secret or own:
            return f"may hold secrets. Set {variable('allow_unsafe_paths')}=1 to read it anyway."
        if self._in_hidden_place(path):
            return (
                "is in a hidden place of a home directory. Add that directory to "
                f"{variable('input_dirs')} to allow it."
            )
        return ""

    def shares_a_secret(self, opened: os.stat_result) -> bool:
        """Whether an open file is a secret too, under another name (a hard link). Blocks."""
        if self._unsafe or opened.st_nlink < 2:
            return False
        return any(os.path.samestat(opened, status) for status in self._secrets_with(opened.st_ino))

    def _secrets_with(self, number: int) -> Iterator[os.stat_result]:
        """The secrets at home, in the working directory and beside it, with this number."""
        for path in self._own:
            with contextlib.suppress(OSError):
                yield path.stat()
        places = [*self._homes, working_directory(), *self._roots]
        hidden = [
            entry for place in self._homes for entry in _entries(place) if entry.name[0] == "."
        ]
        for place in dict.fromkeys([*places, *(Path(entry.path) for entry in hidden)]):
            for entry in itertools.islice(_entries(place), MOST_LINKED):
                if entry.inode() == number and self._protection(Path(entry.path)):
                    with contextlib.suppress(OSError):
                        yield entry.stat(follow_symlinks=False)

    def _in_hidden_place(self, path: Path) -> bool:
        """Whether a path is in a hidden directory right at home that the user did not list."""
        folded = _folded(path)
        homes = {*map(_folded, self._homes), *(match[0] for match in [HOME.match(folded)] if match)}
        for home in homes:
            if not folded.startswith(f"{home}/"):
                continue
            place, _, rest = folded.removeprefix(f"{home}/").partition("/")
            if not place.startswith(".") and place not in HIDDEN_AT_HOME:
                continue
            # A file right at home, as ~/.bashrc, is no place; what is missing might be one.
            if not rest and is_file(path):
                continue
            place = f"{home}/{place}"
            chosen = [root for root in self._chosen if _inside(_folded(root), place)]
            if not any(path.is_relative_to(root) for root in chosen):
                return True
        return False

    def _is_above_home(self, path: Path) -> bool:
        return any(path in home.parents for home in self._homes)


def _is_system(path: Path) -> bool:
    """Whether nobody chose to work there: desktop apps start servers in such places."""
    name = ANY_DRIVE.sub("c:", _folded(path))
    return name in TOO_WIDE or any(_inside(name, place) for place in SYSTEM)


def open_file(real: Path) -> BinaryIO:
    """Open the regular file at a real path. Blocks: call it in a thread.

    No link is followed, not even one that took a directory's place after the path was checked.
    Raises `OSError`, also for directories, devices and pipes.
    """
    descriptor = _open_without_links(real)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file")


@dataclass(frozen=True)
class Entry:
    """What a directory holds under one name."""

    name: str
    kind: Literal["folder", "file", "link", "special file"]


def contents(real: Path) -> Iterator[Entry]:
    """What is in the directory at a real path, in no stable order. Blocks.

    No link is followed, not even one that took a directory's place meanwhile. Raises `OSError`.
    """
    passed = open_directory(real)
    if passed is None:
        entries = list(_listed(real))
        open_directory(real)
        yield from entries
        return
    try:
        descriptor = os.open(".", flags(LIST), dir_fd=passed)
    finally:
        os.close(passed)
    try:
        yield from _listed(descriptor)
    finally:
        os.close(descriptor)


def _listed(directory: Path | int) -> Iterator[Entry]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield Entry(entry.name, "link")
            elif entry.is_dir(follow_symlinks=False):
                yield Entry(entry.name, "folder")
            else:
                regular = entry.is_file(follow_symlinks=False)
                yield Entry(entry.name, "file" if regular else "special file")


def open_directory(real: Path, *, make: bool = False) -> int | None:
    """The directory at a real path, opened step by step, so that no link on the way is followed.

    With `make`, directories that are missing are made. None where the system cannot open step by
    step: there the directory exists, and the path was no link a moment ago. Raises `OSError`.
    """
    if os.open not in os.supports_dir_fd:
        if make:
            real.mkdir(parents=True, exist_ok=True)
        if real_path(real) != real:
            raise OSError(errno.ELOOP, "its path changed meanwhile")
        return None
    descriptor = os.open(real.anchor, flags(PASS))
    for name in real.parts[1:]:
        try:
            inner = _open_inside(name, descriptor, make=make)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def flags(names: tuple[str, ...]) -> int:
    """The flags of `os.open` with these names, without those that the system does not have."""
    return os.O_RDONLY | sum(getattr(os, name, 0) for name in names)


def _open_inside(name: str, parent: int, *, make: bool) -> int:
    try:
        return os.open(name, flags(PASS), dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        return os.open(name, flags(PASS), dir_fd=parent)


def _open_without_links(real: Path) -> int:
    directory = open_directory(real.parent)
    if directory is None:
        return _open_and_compare(real)
    try:
        return os.open(real.name, flags(READ), dir_fd=directory)
    finally:
        os.close(directory)


def _open_and_compare(real: Path) -> int:
    """Windows cannot open step by step: the opened file must be the one at that very path."""
    descriptor = os.open(real, flags(READ))
    if real_path(real) == real and os.path.samestat(os.fstat(descriptor), real.lstat()):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.ELOOP, "its path changed meanwhile")
