"""A scratch copy and its patch, on folders with all that file systems and Git know."""

import asyncio
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.state.store import Store
from openrouter_mcp.workspace import folder
from openrouter_mcp.workspace.scratch import Scratches
from tests.support.trees import applied, fill, git, repository, state

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links, pipes and modes as POSIX has them"
)

NAMES = ["a.txt", "b b.txt", 'q"uote', "é中.md", "tab\tname", "new\nline", "-x", "$(x)", "z*?[y]"]
CONTENTS = st.one_of(
    st.sampled_from(
        [
            b"",
            b"one\ntwo\nthree\n" * 9,
            b"one\r\ntwo\r\nthree\r\n" * 9,
            b"mixed\r\nends\nof\rlines",
            "Grüße\n".encode("utf-16"),
            "no end".encode("latin-1"),
            b"\xff\xfe\x00binary\x00" * 40,
        ]
    ),
    st.binary(max_size=60),
    st.text("ab \r\n\t", max_size=30).map(str.encode),
)
FOLDERS = ["", "src/", "src/deep er/", "ö/"]
PATHS = st.builds("".join, st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES)))
ENTRIES = st.one_of(
    CONTENTS,
    st.tuples(st.just("program"), CONTENTS),
    st.tuples(st.just("link"), st.sampled_from(["a.txt", "../../..", "/etc/passwd", "no where"])),
)
TREES = st.dictionaries(PATHS, ENTRIES, max_size=8)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PATHS, ENTRIES),
        st.tuples(st.just("delete"), PATHS, st.none()),
        st.tuples(st.just("move"), PATHS, PATHS),
        st.tuples(st.just("replace"), st.sampled_from(FOLDERS), CONTENTS),
    ),
    max_size=6,
)


def _settings(place: Path, **further) -> Settings:
    return Settings(state_dir=place / "state", input_dirs=str(place), **further)


def opened(scratches: Scratches, path: Path, kept: Path | None = None):
    """A scratch copy of the folder at this path."""
    return scratches.open(folder.find(scratches._settings, str(path)), kept)


def edit(root: Path, edits) -> None:
    """Do to the copy what a model may do with its tools."""
    for kind, path, what in edits:
        place = root / path
        above = {*place.parents, *(root / (what if kind == "move" else path)).parents}
        if any(os.path.lexists(each) and not each.is_dir() for each in above):
            continue
        if kind == "write" and not place.is_dir():
            place.unlink(missing_ok=True)
            fill(root, {path: what})
        elif kind == "delete" and os.path.lexists(place):
            place.unlink()
            _without_empty(root, place)
        elif kind == "move" and os.path.lexists(place) and not os.path.lexists(root / what):
            (root / what).parent.mkdir(parents=True, exist_ok=True)
            place.rename(root / what)
            _without_empty(root, place)
        elif kind == "replace" and path and place.is_dir():
            shutil.rmtree(place)
            _without_empty(root, place)
            if place.parent.is_dir():
                place.write_bytes(what)


def _without_empty(root: Path, place: Path) -> None:
    """Remove the folders that are empty, as Git does."""
    for parent in place.parents:
        if parent == root or any(parent.iterdir()):
            return
        parent.rmdir()


async def round_trip(place: Path, files, edits, *, tracked: bool) -> None:
    """The patch of these edits makes of the folder what the copy is, and the folder stays."""
    user = place / "user"
    if tracked:
        repository(user, files)
    else:
        user.mkdir()
        fill(user, files)
    before = state(user, with_git=True)
    store = Store(place / "state")
    scratches = Scratches(_settings(place), store)
    try:
        async with opened(scratches, user) as scratch:
            edit(scratch.root, edits)
            changes = await scratch.work(scratch.changes)
            patch = await scratch.work(lambda: scratch.save_patch(place / "out", "p"))
            made = state(scratch.tree)
            scratch_place = scratch.tree.parent
        assert state(user, with_git=True) == before
        assert applied(user, patch.path, place / "applied") == made
        assert {change.path for change in changes if change.status != "D"} <= made.keys()
        assert bool(changes) == bool(patch.size)
        assert not scratch_place.exists()
    finally:
        await store.aclose()


@given(files=TREES, edits=EDITS, tracked=st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=15)
def test_a_patch_makes_of_the_folder_what_the_copy_is(files, edits, tracked) -> None:
    files = {path: what for path, what in files.items() if not _is_below(path, files)}
    with tempfile.TemporaryDirectory() as place:
        real = Path(place).resolve()
        asyncio.run(round_trip(real, files, edits, tracked=tracked))


def _is_below(path: str, files) -> bool:
    return any(path.startswith(f"{other}/") for other in files)


HOSTILE = """
[core]
    fsmonitor = touch {mark}
    hooksPath = {hooks}
    sshCommand = touch {mark}
    pager = touch {mark}
    editor = touch {mark}
[diff]
    external = touch {mark}
[diff "x"]
    textconv = touch {mark}; cat
    command = touch {mark}
[filter "x"]
    clean = touch {mark}; cat
    smudge = touch {mark}; cat
    process = touch {mark}
    required = true
[merge "x"]
    driver = touch {mark}
"""


async def test_nothing_that_a_repository_names_is_run(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {"a.txt": "one\n", "b.bin": b"\0\1"})
    mark, hooks = tmp_path / "mark", tmp_path / "hooks"
    program = ("program", f"#!/bin/sh\ntouch {mark}\n")
    names = ("pre-commit", "post-index-change", "post-checkout", "reference-transaction")
    fill(hooks, dict.fromkeys(names, program))
    with (user / ".git/config").open("a") as configuration:
        configuration.write(HOSTILE.format(mark=mark, hooks=hooks))
    fill(user, {".gitattributes": "* filter=x diff=x merge=x\n", "new.txt": "new\n"})
    before = state(user, with_git=True)
    async with opened(scratches, user) as scratch:
        (scratch.root / "a.txt").write_text("two\n")
        (changed,) = await scratch.work(scratch.changes)
        await scratch.work(lambda: scratch.save_patch(tmp_path / "out", "p"))
        assert await scratch.work(scratch.remember)
    assert changed.line() == "M a.txt +1 -1"
    assert not mark.exists()
    assert state(user, with_git=True) == before


async def test_the_copy_has_what_git_would_add_and_what_is_tracked(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {"a.txt": "a", "gone.txt": "b", "kept.log": "tracked"})
    (user / "gone.txt").unlink()
    new = {"a.txt": "changed", "new.txt": "new", "new.log": "ignored", "mine.txt": "excluded"}
    fill(user, {**new, ".gitignore": "*.log\nbuild/\n", "build/x": "ignored"})
    (user / ".git/info/exclude").write_text("mine.txt\n")
    async with opened(scratches, user) as scratch:
        assert state(scratch.root) == {
            ".gitignore": ("file", b"*.log\nbuild/\n"),
            "a.txt": ("file", b"changed"),
            "kept.log": ("file", b"tracked"),
            "new.txt": ("file", b"new"),
        }


@pytest.mark.parametrize("tracked", [True, False])
async def test_secrets_links_and_repositories_are_left_out(tmp_path, scratches, tracked) -> None:
    user = tmp_path / "user"
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END"
    files = {".env": "A=1", "deploy.pem": "key", "notes.txt": key, "a.txt": "a"}
    repository(user, files) if tracked else fill(user, files)
    repository(user / "inner", {"secret.txt": "inner"})
    fill(user, {"out": ("link", "/etc"), "up": ("link", "../..")})
    os.mkfifo(user / "pipe")
    async with opened(scratches, user) as scratch:
        found = state(scratch.root)
        said = scratch.copied.left_out.sentence()
    assert found == {"a.txt": ("file", b"a"), "out": ("link", "/etc"), "up": ("link", "../..")}
    assert "2 protected files (.env, deploy.pem)" in said
    assert "1 file that holds a secret (notes.txt)" in said
    assert "1 repository (inner)" in said


async def test_submodules_stay_out_and_the_patch_applies_beside_them(tmp_path, scratches) -> None:
    other = repository(tmp_path / "other", {"x.txt": "x"})
    user = repository(tmp_path / "user", {"a.txt": "a\n"})
    git(user, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "sub")
    git(user, "commit", "-q", "-m", "sub")
    async with opened(scratches, user) as scratch:
        assert "repository (sub)" in scratch.copied.left_out.sentence()
        fill(scratch.root, {"b.txt": "b\n"})
        (change,) = await scratch.work(scratch.changes)
        saved = await scratch.work(lambda: scratch.save_patch(tmp_path / "out", "p"))
    assert change.line() == "A b.txt +1 -0"
    after = applied(user, saved.path, tmp_path / "applied")
    assert after["b.txt"] == ("file", b"b\n")
    assert after["sub/x.txt"] == ("file", b"x")
    inside = opened(scratches, user / "sub")
    async with inside as scratch:
        assert state(scratch.root) == {"x.txt": ("file", b"x")}


async def test_a_folder_below_the_top_is_patched_from_where_it_is(tmp_path, scratches) -> None:
    files = {"a.txt": "a\n", "in ner/b.txt": "b\n", ".gitignore": "*.log\n", "in ner/c.log": "c"}
    user = repository(tmp_path / "user", files)
    async with opened(scratches, user / "in ner") as scratch:
        fill(scratch.root, {"b.txt": "changed\n", "new.txt": "new\n", "x.log": "ignored"})
        await scratch.work(scratch.changes)
        saved = await scratch.work(lambda: scratch.save_patch(tmp_path / "out", "p"))
    git(user / "in ner", "apply", str(saved.path))
    assert state(user) == {
        **{name: ("file", content.encode()) for name, content in files.items()},
        "in ner/b.txt": ("file", b"changed\n"),
        "in ner/new.txt": ("file", b"new\n"),
    }


async def test_what_git_makes_of_lines_and_encodings_is_heeded(tmp_path, scratches) -> None:
    attributes = "*.txt text=auto\n*.crlf text eol=crlf\n*.wide working-tree-encoding=UTF-16\n"
    attributes += "*.id ident\n*.min -diff\n"
    lines = "one\r\ntwo\r\n"
    files = {
        ".gitattributes": attributes,
        "a.txt": lines,
        "a.crlf": lines,
        "a.wide": "one\ntwo\n".encode("utf-16"),
        "a.id": "$Id$\none\n",
        "a.min": "one\n",
    }
    user = repository(tmp_path / "user", files)
    git(user, "checkout", "-f", "HEAD", "--", ".")
    before = state(user)
    async with opened(scratches, user) as scratch:
        for name in files.keys() - {".gitattributes"}:
            place = scratch.root / name
            text = place.read_bytes().decode("utf-16" if name == "a.wide" else "utf-8")
            text = text.replace("one", "three")
            place.write_bytes(text.encode("utf-16" if name == "a.wide" else "utf-8"))
        await scratch.work(scratch.changes)
        saved = await scratch.work(lambda: scratch.save_patch(tmp_path / "out", "p"))
        made = state(scratch.root)
    after = applied(user, saved.path, tmp_path / "applied")
    # The id of the file is not ours to know.
    ids = [each.pop("a.id")[1].partition(b"\n")[2] for each in (after, made)]
    assert after == made != before
    assert ids == [b"three\n", b"three\n"]


async def test_what_the_model_wrote_counts_although_it_is_ignored(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {".gitignore": "dist/\n", "a.txt": "a"})
    async with opened(scratches, user) as scratch:
        fill(scratch.root, {"dist/written.js": "1\n", "dist/built.js": "2\n"})
        await scratch.work(lambda: scratch.add("dist/written.js"))
        changes = await scratch.work(scratch.changes)
    assert [change.path for change in changes] == ["dist/written.js"]


async def test_repositories_that_commands_make_are_no_trouble(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {"a.txt": "a"})
    async with opened(scratches, user) as scratch:
        repository(scratch.root / "made", {"b.txt": "b\n"})
        (scratch.root / "empty").mkdir()
        git(scratch.root / "empty", "init", "-q")
        (change,) = await scratch.work(scratch.changes)
    assert change.path == "made/b.txt"


async def test_what_the_user_changes_meanwhile_is_told(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {"a.txt": "a", "b.txt": "b"})
    async with opened(scratches, user) as scratch:
        fill(scratch.root, {"a.txt": "mine", "b.txt": "mine", "c.txt": "mine"})
        fill(user, {"a.txt": "theirs", "c.txt": "theirs"})
        changes = await scratch.work(scratch.changes)
        assert scratch.changed_meanwhile(changes) == ["a.txt", "c.txt"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"MOST_FILES": 1}, "TOO_LARGE"),
        ({"MOST_BYTES": 1}, "TOO_LARGE"),
    ],
)
async def test_a_copy_is_bounded(tmp_path, scratches, monkeypatch, arguments, code) -> None:
    for name, value in arguments.items():
        monkeypatch.setattr(f"openrouter_mcp.workspace.folder.{name}", value)
    user = repository(tmp_path / "user", {"a.txt": "aa", "b.txt": "bb"})
    with pytest.raises(OpenRouterError) as raised:
        async with opened(scratches, user):
            pass
    assert raised.value.code == code
    assert not any((tmp_path / "state" / "workspaces").iterdir())


async def test_without_git_it_is_refused(tmp_path, scratches, monkeypatch) -> None:
    user = repository(tmp_path / "user", {"a.txt": "a"})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenRouterError, match="needs Git"):
        async with opened(scratches, user):
            pass


@pytest.mark.parametrize("name", ["user/.git", "user/a.txt", "user/none", "state", "/proc"])
async def test_what_is_no_folder_to_work_on_is_refused(tmp_path, scratches, name) -> None:
    repository(tmp_path / "user", {"a.txt": "a"})
    (tmp_path / "state").mkdir(exist_ok=True)
    with pytest.raises(OpenRouterError) as raised:
        opened(scratches, tmp_path / name)
    assert raised.value.code in {"UNSAFE_PATH", "NOT_FOUND"}


async def test_the_next_run_goes_on_from_what_was_made(tmp_path, scratches) -> None:
    files = {"a.txt": "one\ntwo\nthree\nfour\nfive\n", "b.txt": "b\n", "c.txt": "c\n", "d": "d\n"}
    user = repository(tmp_path / "user", files)
    kept = tmp_path / "kept"
    async with opened(scratches, user) as scratch:
        fill(scratch.root, {"a.txt": files["a.txt"].replace("one", "1"), "b.txt": "model\n"})
        fill(scratch.root, {"new.txt": "new\n"})
        (scratch.root / "d").unlink()
        await scratch.work(scratch.changes)
        await scratch.work(scratch.remember)
        scratch.repository.directory.rename(kept)
    fill(user, {"a.txt": files["a.txt"].replace("five", "5"), "b.txt": "user\n"})
    fill(user, {"new.txt": "new\n"})
    async with opened(scratches, user, kept) as scratch:
        assert scratch.conflicts == ["b.txt"]
        found = state(scratch.root)
        assert found["a.txt"] == ("file", b"1\ntwo\nthree\nfour\n5\n")
        assert found["b.txt"][1].startswith(b"<<<<<<<")
        assert "d" not in found
        changes = await scratch.work(scratch.changes)
        saved = await scratch.work(lambda: scratch.save_patch(tmp_path / "out", "p"))
        made = state(scratch.root)
    assert [change.line() for change in changes] == ["M a.txt +1 -1", "M b.txt +4 -0", "D d +0 -1"]
    assert applied(user, saved.path, tmp_path / "applied") == made


@pytest.mark.parametrize(
    "arguments",
    [
        ("update-index", "--split-index"),
        ("update-index", "--force-untracked-cache"),
        ("update-index", "--index-version", "4"),
        ("sparse-checkout", "set", "--cone", "--sparse-index", "src"),
        ("worktree", "add", "-q", "../other"),
    ],
    ids=lambda arguments: arguments[0] + arguments[-1].lstrip("-."),
)
async def test_an_index_of_any_kind_is_read(tmp_path, scratches, arguments) -> None:
    files = {
        "a.txt": "a",
        "src/b.txt": "b",
        "src/c.log": "c",
        "lib/d.txt": "d",
        ".gitignore": "*.log",
    }
    user = repository(tmp_path / "user", files)
    git(user, *arguments)
    place = tmp_path / "other" if arguments[0] == "worktree" else user
    fill(place, {"new.txt": "new", "new.log": "ignored"})
    there = state(place)
    before = state(user, with_git=True)
    async with opened(scratches, place) as scratch:
        found = state(scratch.root)
    assert state(user, with_git=True) == before
    assert found == {name: there[name] for name in there.keys() - {"new.log", ".git"}}


async def test_a_repository_of_another_hash_is_read(tmp_path, scratches) -> None:
    user = tmp_path / "user"
    user.mkdir()
    git(user, "init", "-q", "--object-format=sha256")
    fill(user, {"a.txt": "a"})
    git(user, "add", "-A")
    async with opened(scratches, user) as scratch:
        assert state(scratch.root) == {"a.txt": ("file", b"a")}


async def test_files_behind_a_filter_are_told(tmp_path, scratches) -> None:
    files = {".gitattributes": "*.bin filter=lfs -text\n", "a.bin": "a", "a.txt": "a"}
    user = repository(tmp_path / "user", files)
    async with opened(scratches, user) as scratch:
        fill(scratch.root, {"a.bin": "b", "a.txt": "b"})
        changes = await scratch.work(scratch.changes)
        assert await scratch.work(lambda: scratch.filtered(changes)) == ["a.bin"]


async def test_what_is_kept_is_bounded(tmp_path, scratches, monkeypatch) -> None:
    monkeypatch.setattr("openrouter_mcp.workspace.scratch.MOST_KEPT", 2)
    user = repository(tmp_path / "user", {"a.txt": "a"})
    places = [tmp_path / "threads" / f"{name}.git" for name in "abc"]
    for number, place in enumerate(places):
        async with opened(scratches, user) as scratch:
            await scratch.work(scratch.changes)
            assert await scratch.work(lambda to=place: scratch.keep(to))
        os.utime(place, (number, number))
    assert [place.exists() for place in places] == [False, True, True]
    monkeypatch.setattr("openrouter_mcp.workspace.scratch.LARGEST_KEPT", 10)
    async with opened(scratches, user, places[2]) as scratch:
        await scratch.work(scratch.changes)
        assert not await scratch.work(lambda: scratch.keep(places[2]))
    assert not places[2].exists()


@pytest.mark.parametrize("odd", [".git/x", ".git"])
async def test_what_git_takes_for_no_repository_is_none(tmp_path, scratches, odd) -> None:
    fill(tmp_path / "user", {odd: "gitdir: ../nowhere\n", "in/a.txt": "a\n"})
    async with opened(scratches, tmp_path / "user" / "in") as scratch:
        fill(scratch.root, {"a.txt": "b\n"})
        await scratch.work(scratch.changes)
        saved = await scratch.work(lambda: scratch.save_patch(tmp_path / "out", "p"))
    if odd != ".git":
        git(tmp_path / "user" / "in", "apply", str(saved.path))
        assert (tmp_path / "user" / "in" / "a.txt").read_text() == "b\n"


async def test_secrets_in_wide_letters_are_left_out(tmp_path, scratches) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
    user = repository(tmp_path / "user", {"wide.txt": key.encode("utf-16"), "a": "a\n"})
    async with opened(scratches, user) as scratch:
        assert [path.name for path in scratch.root.iterdir()] == ["a"]


async def test_what_commands_change_outside_of_the_folder_is_in_no_patch(
    tmp_path, scratches
) -> None:
    user = repository(tmp_path / "user", {"sub/a": "a\n", ".gitignore": "x\n"})
    async with opened(scratches, user / "sub") as scratch:
        fill(scratch.tree, {"above": "x", ".gitignore": "y\n", "sub/a": "b\n"})
        changes = await scratch.work(scratch.changes)
        assert [change.path for change in changes] == ["sub/a"]
        assert not await scratch.work(lambda: scratch.changed_meanwhile(changes))
        patch = await scratch.work(lambda: scratch.save_patch(tmp_path / "out", "p"))
    assert patch.path.read_text().count("diff --git") == 1


@pytest.mark.parametrize("instead", ["nothing", "link", "file"])
async def test_a_copy_that_commands_take_away_is_empty(tmp_path, scratches, instead) -> None:
    user = repository(tmp_path / "user", {"a": "a\n"})
    fill(tmp_path, {"secret/b": "b\n"})
    async with opened(scratches, user) as scratch:
        shutil.rmtree(scratch.root)
        if instead == "link":
            scratch.root.symlink_to(tmp_path / "secret")
        elif instead == "file":
            scratch.root.write_text("x")
        changes = await scratch.work(scratch.changes)
    assert [change.line() for change in changes] == ["D a +0 -1"]


async def test_rules_that_are_pipes_hang_nobody(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {"a": "a\n"})
    async with opened(scratches, user) as scratch:
        for name in (".gitignore", ".gitattributes", ".gitmodules", "p"):
            os.mkfifo(scratch.root / name)
        fill(scratch.root, {"b": "b\n"})
        changes = await scratch.work(scratch.changes)
    assert [change.path for change in changes] == ["b"]


async def test_a_command_of_git_that_is_ended_stops_no_later_one(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {"a": "a\n"})
    async with opened(scratches, user) as scratch:
        os.mkfifo(scratch.root / ".gitignore")
        fill(scratch.root, {"b": "b\n"})
        with pytest.raises(OpenRouterError, match="took more than"):
            scratch.repository.run("add", "--all", tree=scratch.tree, seconds=0.5)
        assert [change.path for change in await scratch.work(scratch.changes)] == ["b"]


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "TOO_LARGE"), (errno.EIO, "")])
async def test_no_file_is_copied_in_part(tmp_path, scratches, monkeypatch, number, code) -> None:
    user = tmp_path / "user"
    fill(user, {"a": "whole\n"})

    def fail(_source, to, _most) -> int:
        to.write(b"par")
        raise OSError(number, "no")

    monkeypatch.setattr(folder, "_copy_bytes", fail)
    if code:
        with pytest.raises(OpenRouterError) as raised:
            async with opened(scratches, user):
                pass
        assert raised.value.code == code
        return
    async with opened(scratches, user) as scratch:
        assert not [*scratch.root.iterdir()]
        assert "unreadable file" in scratch.copied.left_out.sentence()


async def test_what_programs_keep_at_home_is_in_no_patch(tmp_path, scratches) -> None:
    user = repository(tmp_path / "user", {".m2/settings.xml": "a\n"})
    async with opened(scratches, user) as scratch:
        kept = (".cargo/registry/x", ".cargo/.package-cache", ".gradle/x", ".m2/repository/x")
        fill(scratch.root, dict.fromkeys((*kept, "go/pkg/x"), "x"))
        fill(scratch.root, {".m2/settings.xml": "b\n", ".cargo/config.toml": "x", "go/main.go": ""})
        changes = await scratch.work(scratch.changes)
    paths = {change.path for change in changes}
    assert paths == {".m2/settings.xml", ".cargo/config.toml", "go/main.go"}
