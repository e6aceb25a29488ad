"""What git ignores is ignored here, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrouter_mcp.files import gitignore
from openrouter_mcp.files.sandbox import Guard
from openrouter_mcp.files.walk import ALL_INSIDE, Walk
from openrouter_mcp.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no names like those of the rules")

ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ.get("PATH", "")}
NAMES = st.sampled_from(
    [
        *("a", "b", "ab", "aa", "aab", "a.txt", "b.txt", "x.log", "A", "B.TXT", "foo", "bar", "1"),
        *("a b", "a ", " a", "#a", "!a", "\\", "a\\b", "-", "a-b", "[", "]", "*", "?", "^", ":"),
        *("é", "\x0b", "\r", "a\r", "\t", "a.", "{a,b}"),
    ]
)
COMMON = st.sampled_from(
    [
        *("*", "!*/", "!*.txt", "/*", "!/a", "a/", "!a/", "!a", "**/a", "a/**", "a/**/b", "a**/b"),
        *("*/b", "foo/*", "!foo/bar", "", "/", "//", "!", "foo**", "**foo", "/**/b", "**/", "!**/"),
        *("# a", "\\#a", "\\!a", "a\\ ", "a ", "[ab]*", "*.log", "!x.log", "a/b", "/a/b/"),
    ]
)
PIECES = st.sampled_from(
    [
        *("a", "b", "A", "é", ".", ".txt", "*.txt", "foo", "bar", "-", "#", "!", " ", "\\ ", "\t"),
        *("*", "**", "***", "/", "**/", "/**", "a*", "*b*", "?", "\\", "\\a", "\\*", "\\/", "\r"),
        *(
            "[ab]",
            "[!a]",
            "[^b]",
            "[a-b]",
            "[]a]",
            "[]-a]",
            "[\\]]",
            "[/]",
            "[!/]",
            "[b-a]",
            "[^^]",
        ),
        *("[[:alpha:]]", "[[:digit:][:space:]]", "[[:foo:]]", "[[:x]", "[[-\\]]", "[a-\\b]"),
        *("[", "]", "[a-", "[:", ":]", "\0", "\ufeff"),
    ]
)
RULES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "", "!", "/", "!/"]),
    st.one_of(COMMON, st.lists(PIECES, max_size=6).map("".join)),
    st.sampled_from(["", "", "", "/", " ", "  "]),
)
FILES_OF_RULES = st.builds(
    "{1}{0}{2}".format,
    st.tuples(st.lists(RULES, min_size=1, max_size=5), st.sampled_from(["\n", "\n", "\r\n"])).map(
        lambda rules: rules[1].join(rules[0])
    ),
    st.sampled_from(["", "", "\ufeff"]),
    st.sampled_from(["", "\n"]),
)
PATHS = st.lists(NAMES, min_size=1, max_size=4)


def make_repository(folder: Path) -> Path:
    """An empty one, without asking git, which would take longer than all the rest."""
    for name in ("info", "objects", "refs"):
        (folder / ".git" / name).mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return folder


def write(path: Path, content: str = "a") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


def make(root: Path, parts: list[str]) -> None:
    """A file, unless what is there already has no place for it."""
    for depth in range(1, len(parts)):
        if root.joinpath(*parts[:depth]).is_file():
            return
    if not (path := root.joinpath(*parts)).exists():
        write(path)


def found(folder: Path, root: Path) -> set[Path]:
    guard = Guard(Settings(input_dirs=str(root)))
    walk = Walk(folder, folder, guard, threading.Event())
    return {path for path, _ in walk.files(ALL_INSIDE)}


def kept_by_git(folder: Path, root: Path, home: Path) -> set[Path]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".gitignore"]
    files = [path for path in paths if ".git" not in path.parts]
    alike = str(bool(gitignore.FLAGS & re.IGNORECASE)).lower()
    command = ["git", "-c", f"core.ignorecase={alike}", "check-ignore"]
    reply = subprocess.run(
        [*command, "--no-index", "-z", "-v", "-n", "--stdin"],
        cwd=root,
        input=b"".join(os.fsencode(path) + b"\0" for path in files),
        stdout=subprocess.PIPE,
        env={**ENVIRONMENT, "HOME": str(home)},
        check=False,
    )
    fields = reply.stdout.split(b"\0")[:-1]
    rules = [fields[at : at + 4] for at in range(0, len(fields), 4)]
    assert len(rules) == len(files)
    return {
        Path(os.fsdecode(path))
        for source, _, rule, path in rules
        if not source or rule.startswith(b"!")
    }


@pytest.mark.skipif(not shutil.which("git"), reason="needs git to compare with")
@settings(max_examples=settings.default.max_examples // 3)
@given(
    paths=st.lists(PATHS, min_size=2, max_size=9),
    rules=FILES_OF_RULES,
    further=st.lists(st.tuples(PATHS, FILES_OF_RULES), max_size=2),
    exclude=st.one_of(st.just(""), FILES_OF_RULES),
    excludes_file=st.one_of(st.just(""), st.just(""), FILES_OF_RULES),
)
def test_git_agrees_on_every_file(paths, rules, further, exclude, excludes_file) -> None:
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        home = Path(made).resolve()
        patch.setenv("HOME", made)
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        root = make_repository(home / "repository")
        for parts in paths:
            make(root, parts)
        write(root / ".gitignore", rules)
        for parts, more in further:
            if root.joinpath(*parts[:-1]).is_dir():
                write(root.joinpath(*parts[:-1], ".gitignore"), more)
        write(root / ".git" / "info" / "exclude", exclude)
        write(home / ".config" / "git" / "ignore", excludes_file)
        assert found(root, root) == kept_by_git(root, root, home)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    root = make_repository(tmp_path / "repository")
    for name in ("a.txt", "b.log", "sub/a.txt", "sub/deep/b.log"):
        write(root / name)
    return root


def names(root: Path, folder: str = "") -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in found(root / folder, root.parent))


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("\ufeff*.log\n", ["a.txt", "sub/a.txt"]),
        ("*\n!*/\n!*.txt\n", ["a.txt", "sub/a.txt"]),
        ("*.log\r\n", ["a.txt", "sub/a.txt"]),
        ("sub/*\n!sub/deep\n", ["a.txt", "b.log", "sub/deep/b.log"]),
        ("sub/\n!sub/a.txt\n", ["a.txt", "b.log"]),
        ("/*.txt\n**/deep/**\n", ["b.log", "sub/a.txt"]),
        ("*b*.*l*o*g*\n*a*a*a*a*z\n", ["a.txt", "sub/a.txt"]),
    ],
)
def test_rules_mean_what_they_mean_to_git(repository: Path, rules: str, kept: list[str]) -> None:
    write(repository / ".gitignore", rules)
    assert names(repository) == kept


def test_rules_that_are_kept_elsewhere_hold_too(repository: Path) -> None:
    write(repository.parent / "home" / ".config" / "git" / "ignore", "b.log\n")
    assert names(repository) == ["a.txt", "sub/a.txt"]
    write(
        repository.parent / "home" / ".gitconfig",
        '[user]\n\tname = a\n[Core]\n\texcludesFile = "~/mine"\n[alias]\n\texcludesfile = x\n',
    )
    write(repository.parent / "home" / "mine", "*.txt\n")
    assert names(repository) == ["b.log", "sub/deep/b.log"]
    write(repository / ".git" / "info" / "exclude", "!/a.txt\n")
    assert names(repository) == ["a.txt", "b.log", "sub/deep/b.log"]
    assert names(repository, "sub") == ["sub/deep/b.log"]


def test_a_linked_working_tree_has_the_rules_of_its_repository(repository: Path) -> None:
    tree = repository.parent / "tree"
    write(repository / ".git" / "info" / "exclude", "*.log\n")
    write(repository / ".git" / "worktrees" / "tree" / "commondir", "../..\n")
    write(tree / ".git", f"gitdir: {repository}/.git/worktrees/tree\n")
    for name in ("a.txt", "b.log"):
        write(tree / name)
    assert names(tree) == ["a.txt"]


def test_a_folder_within_an_ignored_one_is_read_when_it_is_named(repository: Path) -> None:
    write(repository / ".gitignore", "/sub/\n*.log\n")
    assert names(repository, "sub/deep") == ["sub/deep/b.log"]
