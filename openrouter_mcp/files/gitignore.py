"""What git ignores: `.gitignore` files, `.git/info/exclude` and the user's `core.excludesFile`.

Git is not asked, since it may be missing. Each file of rules becomes two regular expressions,
whose wildcards take the first place that fits and are never tried again. That finds a match of a
glob where there is one, in time proportional to the lengths of the rule and of the path.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp.files.sandbox import Guard, home, is_folder, open_file, real_path
from openrouter_mcp.settings import environment

MOST_BYTES = 100_000
"""Bytes of one file of rules, and of all the rules that one walk reads."""
EVERYTHING = b"*"
"""The rule of a file that is too large: what it means would take too long."""
# What git does on systems that do not tell capitals from small letters.
FLAGS = re.IGNORECASE if sys.platform in {"darwin", "win32"} else re.NOFLAG
FOLDER = b"\0"
"""What a folder's path ends with in here; no name holds it."""
SPECIAL = re.compile(rb"[*?\[\\]")
CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\n\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}
"""Git's classes of characters, which are of ASCII alone."""
STAR = rb"(?>[^/\0]*?"
FOLDERS = rb"(?>(?:[^/\0]*+/)*?"
SOME_FOLDERS = rb"(?>(?:[^/\0]*+/)+?"
ALL = rb"[^\0]*+"
NEVER = rb"(?!)"
"""An expression that nothing matches."""
SETTING = re.compile(rb"\s*excludesfile\s*=\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Ignores:
    """The rules that hold in one directory, those of the files that decide first at the end."""

    rules: tuple[tuple[bytes, Rules], ...] = ()
    """With each the path, up to a slash, that its rules are relative to."""

    @classmethod
    def above(cls, directory: Path, guard: Guard) -> Ignores:
        """The rules of the repository around a directory. Blocks.

        None if they ignore the directory itself: who names it wants what is inside.
        """
        around = [directory, *directory.parents]
        root = next((place for place in around if os.path.lexists(place / ".git")), None)
        if root is None:
            return cls()
        ignores = cls()
        for path in (_of_the_user(root), _of_the_repository(root, guard)):
            ignores = ignores._with(path, root, MOST_BYTES)
        for place in reversed(around[: around.index(root)]):
            ignores = ignores.inside(place.parent, MOST_BYTES - ignores.size)
            if ignores.cover(place, folder=True):
                return cls()
        return ignores

    @property
    def size(self) -> int:
        """Bytes of all rules."""
        return sum(rules.size for _, rules in self.rules)

    def inside(self, directory: Path, most: int) -> Ignores:
        """These rules and those of the directory's own .gitignore. Blocks.

        One with rules of more than `most` bytes ignores everything.
        """
        return self._with(directory / ".gitignore", directory, most)

    def cover(self, path: Path, *, folder: bool) -> bool:
        """Whether git would ignore a path in a folder that it does not ignore."""
        spelled = _spelled(path) + (FOLDER if folder else b"")
        for prefix, rules in reversed(self.rules):
            verdict = rules.verdict(spelled[len(prefix) :])
            if verdict is not None:
                return verdict
        return False

    def _with(self, path: Path | None, base: Path, most: int) -> Ignores:
        """These rules and those of one more file, which are relative to `base`."""
        content = _read(path) if path else b""
        lines = list(_lines(content))
        if len(content) > MOST_BYTES or sum(map(len, lines)) > most:
            lines = [EVERYTHING]
        if not lines:
            return self
        prefix = _spelled(base).rstrip(b"/") + b"/"
        return Ignores((*self.rules, (prefix, Rules(lines))))


class Rules:
    """The rules of one file, of which the last that matches decides."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.size = sum(map(len, lines))
        names, paths = [], []
        self._ignoring = []
        for number, line in enumerate(lines):
            rule = line.removeprefix(b"!")
            self._ignoring.append(rule == line)
            folders = rule.endswith(b"/")
            end = FOLDER if folders else FOLDER + b"?"
            rule = rule.removesuffix(b"/")
            kind = paths if b"/" in rule else names
            if expression := _expression(rule.removeprefix(b"/"), end + rb"\Z"):
                kind.append((number, expression))
        self._names, self._paths = _Alternatives(names), _Alternatives(paths)

    def verdict(self, path: bytes) -> bool | None:
        """Whether a path is ignored; None if no rule says anything on it."""
        place = max(self._names.last(path.rpartition(b"/")[2]), self._paths.last(path))
        return self._ignoring[place] if place >= 0 else None


class _Alternatives:
    """Expressions with their numbers in a file."""

    def __init__(self, rules: list[tuple[int, bytes]]) -> None:
        self._numbers = [number for number, _ in reversed(rules)]
        alternatives = b"|".join(expression + b"()" for _, expression in reversed(rules))
        self._pattern = re.compile(alternatives or NEVER, FLAGS)

    def last(self, subject: bytes) -> int:
        """The greatest number of an expression that matches; -1 if none does."""
        found = self._pattern.match(subject)
        return self._numbers[found.lastindex - 1] if found and found.lastindex else -1


def _lines(content: bytes) -> Iterator[bytes]:
    """The rules in a file, read as git reads them."""
    for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        rule = line.removesuffix(b"\r").partition(b"\0")[0]
        plain = rule.rstrip(b" ")
        # A space at the end counts behind a backslash that is not itself behind one.
        escaped = (len(plain) - len(plain.rstrip(b"\\"))) % 2 and plain != rule
        rule = plain + b" " * escaped
        if rule and not rule.startswith(b"#"):
            yield rule


def _expression(rule: bytes, end: bytes) -> bytes:
    """A regular expression for a rule; empty if nothing can match it.

    A wildcard and what follows it, up to the next one of its kind, is a group that is left for
    good. A star's ends with its segment.
    """
    made, star, folders = [], b"", b""
    for token in _tokens(rule):
        if token in {FOLDERS, SOME_FOLDERS}:
            made += [folders, token]
            folders = b")"
        elif token == STAR:
            made += [star, token]
            star = b")"
        elif token == b"/":
            made += [token, star]
            star = b""
        elif token == NEVER:
            return b""
        else:
            made.append(token)
    return b"".join([*made, end, star, folders])


def _tokens(rule: bytes) -> Iterator[bytes]:
    """The parts of a rule as regular expressions; the groups of wildcards are left open."""
    special = SPECIAL.search(rule)
    at = first = special.start() if special else len(rule)
    yield from (re.escape(rule[i : i + 1]) for i in range(first))
    while at < len(rule):
        character, start, at = rule[at : at + 1], at, at + 1
        if character == b"*":
            at = len(rule) - len(rule[at:].lstrip(b"*"))
            slash = re.match(rb"\\?/", rule[at:])
            # Git compares what stands before the first wildcard by itself, and then begins anew.
            begins = start == first or rule[start - 1 : start] == b"/"
            if at - start == 1 or not begins or not (slash or at == len(rule)):
                yield STAR
            elif slash:
                at += slash.end()
                yield FOLDERS if slash[0] == b"/" else SOME_FOLDERS
            else:
                yield ALL
        elif character == b"?":
            yield rb"[^/\0]"
        elif character == b"[":
            expression, at = _class(rule, at)
            yield expression
        else:
            if character == b"\\":
                character, at = rule[at : at + 1], at + 1
            yield re.escape(character) or NEVER


def _class(rule: bytes, at: int) -> tuple[bytes, int]:
    """The class of characters whose bracket opens before `at`, and where what follows it begins."""
    negated = rule[at : at + 1] in {b"!", b"^"}
    at += negated
    begin, members, last = at, list[bytes](), b""
    while (character := rule[at : at + 1]) != b"]" or at == begin:
        named = rule.find(b"]", at + 2) if rule[at : at + 2] == b"[:" else -1
        if named > at + 2 and rule[named - 1 : named] == b":":
            members.append(CLASSES.get(rule[at + 2 : named - 1], b""))
            last, at = b"", named + 1
            if not members[-1]:
                return NEVER, at
            continue
        to = character == b"-" and last and rule[at + 1 : at + 2] not in {b"", b"]"}
        at += bool(to)
        at += rule[at : at + 1] == b"\\"
        if not (character := rule[at : at + 1]):
            return NEVER, at
        at += 1
        if not to:
            members.append(_byte(character))
        elif last <= character:
            members.append(_byte(last) + b"-" + _byte(character))
        last = b"" if to else character
    if negated:
        return rb"[^/\0%s]" % b"".join(members), at + 1
    return rb"(?!/)[%s]" % b"".join(members) if members else NEVER, at + 1


def _byte(character: bytes) -> bytes:
    return b"\\x" + character.hex().encode()


def _spelled(path: Path) -> bytes:
    """A path as git has it."""
    return os.fsencode(path.as_posix())


def _read(path: Path) -> bytes:
    """A little more of a file than is heeded; nothing where none can be read."""
    try:
        with open_file(path) as file:
            return file.read(MOST_BYTES + 1)
    except OSError:
        return b""


def _of_the_repository(root: Path, guard: Guard) -> Path | None:
    """The file of rules that a repository keeps for itself."""
    git = real_path(root / ".git")
    if not is_folder(git):
        # That of a linked working tree is a file that names a folder, which names the common one.
        for name in ("", "commondir"):
            path = real_path(git / name)
            named = b"" if guard.refusal(path) else _read(path).removeprefix(b"gitdir:").strip()
            git = real_path(path.parent / os.fsdecode(named))
    exclude = real_path(git / "info" / "exclude")
    return None if guard.refusal(exclude) else exclude


def _of_the_user(root: Path) -> Path:
    """The file of rules that hold in all repositories of the user: `core.excludesFile`."""
    configured = Path(environment().get("XDG_CONFIG_HOME") or home() / ".config") / "git"
    excludes = configured / "ignore"
    for config in (configured / "config", home() / ".gitconfig"):
        core = False
        for line in _read(real_path(config)).splitlines():
            if line.lstrip().startswith(b"["):
                core = line.strip().lower() == b"[core]"
            elif core and (found := SETTING.fullmatch(line)):
                name = os.fsdecode(found[1].strip().strip(b'"').replace(rb"\\", b"\\"))
                excludes = root / (f"{home()}/{name[2:]}" if name.startswith("~/") else name)
    return real_path(excludes)
