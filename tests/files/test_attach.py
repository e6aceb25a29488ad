"""Files, folders and globs as content parts: what is taken, what is skipped, what is refused."""

import asyncio
import errno
import gc
import io
import os
import tempfile
import threading
import time
from pathlib import Path

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox, walk
from openrouter_mcp.files.attach import Attachments, Files, FileSelection
from openrouter_mcp.files.encodings import Decoded, decode
from openrouter_mcp.settings import Settings

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; home and the temporary directory are beside it."""
    for name in ("home", "work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "work")
    for name in [name for name in os.environ if name.startswith("OPENROUTER_")]:
        monkeypatch.delenv(name)
    return tmp_path / "work"


def write(path: Path, content: str | bytes = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def make(folder: Path, *names: str) -> None:
    for name in names:
        write(folder / name)


MODULE = "openrouter_mcp.files.attach"


async def attach(*names: str, **fields) -> Attachments:
    return await Files(Settings(state_dir=Path("~/state"), **fields)).parts(list(names))


async def headers(*names: str, **fields) -> list[str]:
    attachments = await attach(*names, **fields)
    lines = [part["text"].splitlines()[0] for part in attachments.parts]
    return [line.removeprefix("File: ") for line in lines]


async def refused(*names: str, **fields) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        await attach(*names, **fields)
    return caught.value


# Parts


async def test_a_file_becomes_a_text_part_that_begins_with_its_name(work: Path):
    write(work / "src" / "a.py", "print(1)\n")
    attachments = await attach("src/a.py")
    assert attachments.parts == [{"type": "text", "text": "File: src/a.py\nprint(1)\n"}]
    assert attachments.paths == [work / "src" / "a.py"]
    assert attachments.notes == []


async def test_no_names_are_no_parts():
    assert await attach() == Attachments([], [], [])


async def test_an_empty_file_is_a_part(work: Path):
    write(work / "empty.txt", "")
    assert (await attach("empty.txt")).parts == [{"type": "text", "text": "File: empty.txt\n"}]


async def test_a_path_is_shown_without_the_name_of_the_user(tmp_path: Path, work: Path):
    write(tmp_path / "home" / "notes.txt")
    temporary = write(tmp_path / "temporary" / "a.txt")
    assert await headers("~/notes.txt", str(temporary)) == ["~/notes.txt", str(temporary)]


async def test_a_name_cannot_forge_a_second_header(work: Path):
    write(work / "a\nFile: b.txt")
    assert await headers("a\nFile: b.txt") == ["a\ufffdFile: b.txt"]


async def test_a_name_that_is_not_unicode_is_read(work: Path):
    write(work / os.fsdecode(b"caf\xe9.txt"))
    [part] = (await attach("*.txt")).parts
    assert part["text"].encode() == "File: caf\ufffd.txt\ntext".encode()


async def test_files_come_in_the_order_given_and_folders_sorted(work: Path):
    make(work, "z.txt", "b/2.txt", "b/10.txt", "b/a/x.txt", "a.txt")
    order = ["z.txt", "b/10.txt", "b/2.txt", "b/a/x.txt", "a.txt"]
    assert await headers("z.txt", "b", "*.txt") == order
    make(work, "c/d/1.txt", "c/d-e/1.txt")
    assert await headers("c") == ["c/d/1.txt", "c/d-e/1.txt"]


async def test_a_file_that_is_named_several_ways_comes_once(work: Path):
    make(work, "src/a.py", "src/b.py")
    (work / "link.py").symlink_to(work / "src" / "a.py")
    names = [
        "link.py",
        "src/a.py",
        "./src/../src/a.py",
        "src",
        "src/*.py",
        f"file://{work}/src/a.py",
    ]
    assert await headers(*names) == ["link.py", "src/b.py"]


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_needs_no_guess(encoding: str):
    assert decode("Grüße, 世界 🎉".encode(encoding)) == Decoded("Grüße, 世界 🎉")


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("width", ["16", "32"])
def test_byte_order_marks_are_obeyed(width: str, order: str):
    encoding = f"utf-{width}-{order}"
    assert decode("\ufeffGrüße".encode(encoding)) == Decoded("Grüße")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Die Größe der Straße überrascht natürlich die Fußgänger.", "cp1252"),
        ("Съешь же ещё этих мягких французских булок, да выпей чаю.", "cp1251"),
        ("これは日本語の文章です。文字コードを推測します。", "shift_jis"),
        ("这是一个用来测试编码检测的中文句子。这个句子应该足够长了。", "gb18030"),
    ],
)
async def test_an_older_encoding_is_guessed_and_told(text: str, encoding: str, work: Path):
    write(work / "old.txt", text.encode(encoding))
    attachments = await attach("old.txt")
    assert attachments.parts[0]["text"] == f"File: old.txt\n{text}"
    [note] = attachments.notes
    assert note.startswith("Read old.txt as ")


def test_the_encoding_is_guessed_where_the_letters_are():
    plain = "plain text\n" * 20_000
    text = f"{plain}Die Größe der Straße überrascht natürlich die Fußgänger.\n{plain}"
    decoded = decode(text.encode("cp1252"))
    assert decoded is not None
    assert decoded.text == text


@pytest.mark.parametrize(
    "data",
    [
        *(b"\0", b"text\0text", b"\xff\xfea", b"\xff\xfe\0\xd8", b"\xfa\x01\x80"),
        b"\x01\x02 Die Gr\xf6\xdfe der Stra\xdfe \xfcberrascht nat\xfcrlich.",
        *("text\1".encode("utf-16-le"), "\ufefftext\0".encode("utf-16-le"), bytes(range(1, 256))),
    ],
    ids=repr,
)
def test_what_is_no_text_is_not_decoded(data: bytes):
    assert decode(data) is None


def test_line_ends_become_newlines():
    assert decode(b"a\r\nb\rc\n\r\n") == Decoded("a\nb\nc\n\n")


# Binary files


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04\x14\0", "a ZIP archive or an Office document"),
        (b"\x1f\x8b\x08\0\0", "a gzip archive"),
        (b"\x1aE\xdf\xa3\0matroska", "Matroska video"),
        (b"\0\0\0\x18ftyp3gp5\0", "3GP video"),
        (b"\x7fELF\x02\0", "binary data"),
        (b"\x01\x02\x80\xff\x03", "binary data"),
    ],
    ids=repr,
)
async def test_a_named_binary_file_is_refused_with_its_kind(data: bytes, kind: str, work: Path):
    write(work / "data.txt", data)
    error = await refused("data.txt")
    assert error.code == Code.UNSUPPORTED_FORMAT
    assert f"looks like {kind}," in error.message


async def test_a_binary_file_is_told_before_its_size_matters(work: Path):
    write(work / "film.png", b"\x7fELF" + bytes(1000))
    assert (await refused("film.png", max_file_bytes=100)).code == Code.UNSUPPORTED_FORMAT


async def test_binary_files_in_folders_are_skipped_and_told(work: Path):
    make(work, "a.txt")
    for name in ("4.png", "3.png", "2.png", "sub/1.png"):
        write(work / name, PNG + bytes(1000))
    attachments = await attach(".", max_file_bytes=100, max_files=1)
    assert attachments.paths == [work / "a.txt"]
    assert attachments.notes == ["Skipped 4 binary files (1.png, 2.png, 3.png, ...)."]


async def test_a_folder_of_binary_files_holds_nothing(work: Path):
    write(work / "images" / "a.png", PNG)
    error = await refused("images")
    assert error.code == Code.NOT_FOUND
    assert "Skipped 1 binary file (a.png)." in error.message


# Globs and folders


async def test_globs_match_as_in_a_shell(work: Path):
    make(work, "a.py", "b.py", "c.txt", "src/d.py", "src/deep/e.py", "src/deep/f.txt")
    assert await headers("*.py") == ["a.py", "b.py"]
    assert await headers("?.txt") == ["c.txt"]
    assert await headers("[ab].py") == ["a.py", "b.py"]
    assert await headers("[!a].py") == ["b.py"]
    assert await headers("*/*.py") == ["src/d.py"]
    assert await headers("src/*/e.py") == ["src/deep/e.py"]
    assert await headers("**/*.py") == ["a.py", "b.py", "src/d.py", "src/deep/e.py"]
    assert await headers("src/**/*.py") == ["src/d.py", "src/deep/e.py"]
    assert await headers("**/deep/*") == ["src/deep/e.py", "src/deep/f.txt"]
    assert await headers("**/**/[ae].py") == ["a.py", "src/deep/e.py"]
    assert await headers("src/**") == await headers("src") == await headers("src/")
    assert await headers(f"{work}/s*/d.py") == ["src/d.py"]
    assert await headers("src/../*.txt") == ["c.txt"]


async def test_a_star_takes_no_folders_and_many_stars_end(work: Path):
    make(work, *("a/" * depth + "x.txt" for depth in range(1, 30)))
    assert (await refused("*")).code == Code.NOT_FOUND
    assert len(await headers("**/a/**/a/**/a/**/a/**/a/**/x.txt")) == 25


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("*.{png,txt,md}", ["a.txt", "{x}.txt", "b.md"]),
        ("{a,b}.{txt,md}", None),
        ("{a.txt,b.md}", ["a.txt", "b.md"]),
        ("{sub/*,a*}.{txt,py}", ["sub/c.py", "a.txt"]),
        ("**/{c,{a,b}}.*", ["sub/c.py", "a.txt", "b.md"]),
        ("{x}.txt", ["{x}.txt"]),
        ("file://{here}/*.{md,txt}", ["b.md", "a.txt", "{x}.txt"]),
    ],
)
async def test_braces_stand_for_alternatives(work: Path, name: str, found: list[str] | None):
    make(work, "a.txt", "b.md", "sub/c.py", "{x}.txt")
    name = name.replace("{here}", str(work))
    if found is None:
        error = await refused(name)
        assert (error.code, "a.md" in error.message) == (Code.NOT_FOUND, True)
    else:
        assert await headers(name) == found


async def test_braces_in_the_name_of_a_file_are_meant(work: Path):
    make(work, "a{b,c}.txt", "ab.txt", "ac.txt")
    assert await headers("a{b,c}.txt") == ["a{b,c}.txt"]


async def test_braces_do_not_get_around_a_refusal_and_end(work: Path):
    make(work.parent / "home", ".ssh/a.txt")
    for name in ("~/{.ssh,x}/*.txt", "/{etc,usr}/passwd", "{/etc/passwd,a}", "x.{env,txt}"):
        assert (await refused(name)).code is Code.UNSAFE_PATH, name
    assert "more than 100 names" in (await refused("{a,b}" * 40)).message


async def test_no_glob_among_alternatives_matches(work: Path):
    make(work, "a.txt")
    error = await refused("*.{png,jpg}")
    assert error.code is Code.NOT_FOUND
    assert "*.png" in error.message


async def test_a_name_that_exists_is_no_glob(work: Path):
    make(work, "a[1].txt", "a1.txt", "what?.txt", "[draft]/b.txt")
    assert await headers("a[1].txt") == ["a[1].txt"]
    assert await headers("what?.txt") == ["what?.txt"]
    assert await headers("[draft]/b.txt") == ["[draft]/b.txt"]
    assert await headers("[draft]") == ["[draft]/b.txt"]


async def test_hidden_names_need_their_dot(work: Path):
    make(work, "a.txt", ".hidden.txt", ".github/ci.txt", "sub/.more/b.txt")
    attachments = await attach("**/*.txt")
    assert attachments.paths == [work / "a.txt"]
    assert attachments.notes == [
        "Skipped 1 hidden file (.hidden.txt) and 2 hidden folders (.github, .more)."
    ]
    assert await headers(".*.txt") == [".hidden.txt"]
    assert await headers(".github") == [".github/ci.txt"]
    assert await headers(".git*/*.txt") == [".github/ci.txt"]
    assert await headers("**/.more/*") == ["sub/.more/b.txt"]


async def test_generated_folders_and_virtual_environments_are_skipped(work: Path):
    make(work, "a.py", "node_modules/m/a.py", "src/__pycache__/b.py", ".git/c.py")
    make(work, "env/pyvenv.cfg", "env/lib/d.py", "conda/conda-meta/history", "conda/e.py")
    attachments = await attach("**/*.py")
    assert attachments.paths == [work / "a.py"]
    assert attachments.notes == ["Skipped 5 ignored folders (.git, __pycache__, conda, ...)."]
    assert await headers("node_modules/m") == ["node_modules/m/a.py"]
    assert await headers("**/node_modules/*/a.py") == ["node_modules/m/a.py"]


async def test_what_is_skipped_is_never_entered(work: Path, monkeypatch: pytest.MonkeyPatch):
    make(work, "a.py", "node_modules/m/a.py", ".cache/b.py", "build/c.py", "venv/pyvenv.cfg")
    make(work, "venv/lib/e.py")
    write(work / ".gitignore", "build/")
    scanned = []
    contents = sandbox.contents
    monkeypatch.setattr(walk, "contents", lambda path: scanned.append(path) or contents(path))
    await attach("**/*.py")
    assert scanned == [work, work / "venv"]


async def test_what_does_not_match_is_not_told(work: Path):
    make(work, "a.py", ".hidden.txt", "node_modules/m.py")
    write(work / "b.png", PNG)
    assert (await attach("*.py")).notes == []


async def test_secrets_in_folders_are_skipped_and_told(work: Path):
    make(work, "a.txt", "credentials/b.txt", "server.pem", "prod.env")
    attachments = await attach(".")
    assert attachments.paths == [work / "a.txt", work / "credentials" / "b.txt"]
    assert attachments.notes == ["Skipped 2 protected files (prod.env, server.pem)."]


async def test_hidden_places_of_home_stay_closed_to_globs(tmp_path: Path):
    home = tmp_path / "home"
    make(home, "a.txt", ".ssh/a.txt", "Library/a.txt", "AppData/a.txt", "x/Library/a.txt")
    assert await headers("~") == ["~/a.txt", "~/x/Library/a.txt"]
    assert await headers("~/**/a.txt") == ["~/a.txt", "~/x/Library/a.txt"]
    assert (await refused("~/**/.ssh/*")).message.count(".ssh") == 1
    assert (await refused("~/L*/*.txt")).code == Code.NOT_FOUND


async def test_linked_folders_are_not_followed_nor_links_that_lead_out(tmp_path: Path, work: Path):
    make(work, "src/a.txt", "other/b.txt")
    (work / "src" / "around").symlink_to(work / "src")
    (work / "src" / "out").symlink_to(work / "other")
    (work / "src" / "out.txt").symlink_to(work / "other" / "b.txt")
    (work / "src" / "same.txt").symlink_to(work / "src" / "a.txt")
    (work / "src" / "gone.txt").symlink_to(work / "src" / "nothing")
    attachments = await attach("src")
    assert attachments.paths == [work / "src" / "a.txt"]
    assert attachments.notes == ["Skipped 4 links (around, gone.txt, out, ...)."]


@pytest.mark.parametrize(
    "target",
    ["link", "a.txt/x", "n" * 300, "/".join(["n" * 200] * 19), "nowhere", "link/x", "\udcff", ".."],
)
async def test_one_odd_link_does_not_break_its_folder(work: Path, target: str):
    make(work, "a.txt")
    (work / "link").symlink_to(target)
    attachments = await attach(".")
    assert attachments.paths == [work / "a.txt"]
    assert attachments.notes == ["Skipped 1 link (link)."]
    for name in ("link", "link/x", "link/*.md"):
        assert (await refused(name)).code in {Code.NOT_FOUND, Code.UNSAFE_PATH}


async def test_a_link_to_nothing_is_told(work: Path):
    (work / "link").symlink_to("nothing")
    assert "is a link that leads to no file" in (await refused("link")).message


async def test_a_folder_reached_by_a_link_keeps_its_spelling(work: Path):
    make(work, "real/a.txt")
    (work / "link").symlink_to(work / "real")
    attachments = await attach("link/*")
    assert attachments.parts[0]["text"] == "File: link/a.txt\ntext"
    assert attachments.paths == [work / "real" / "a.txt"]


async def test_pipes_in_folders_are_skipped(work: Path):
    make(work, "a.txt")
    os.mkfifo(work / "pipe")
    attachments = await attach(".")
    assert attachments.paths == [work / "a.txt"]
    assert attachments.notes == ["Skipped 1 special file (pipe)."]


# .gitignore


async def test_gitignore_is_honoured_with_negations(work: Path):
    write(work / ".gitignore", "*.log\n!keep.log\n/build/\n# comment\n\ndocs/*\n!docs/index.txt\n")
    make(work, "a.txt", "x.log", "keep.log", "build/b.txt", "src/build/c.txt", "docs/d.txt")
    make(work, "docs/index.txt")
    attachments = await attach(".")
    found = [path.relative_to(work).as_posix() for path in attachments.paths]
    assert found == ["a.txt", "docs/index.txt", "keep.log", "src/build/c.txt"]
    assert attachments.notes == [
        "Skipped 1 hidden file (.gitignore), 2 ignored files (d.txt, x.log) and "
        "1 ignored folder (build)."
    ]


async def test_the_nearer_gitignore_wins(work: Path):
    write(work / ".gitignore", "*.log\n*.tmp\n")
    write(work / "sub" / ".gitignore", "!*.log\nlocal.txt\n")
    make(work, "local.txt", "a.log", "sub/local.txt", "sub/a.log", "sub/a.tmp", "sub/deep/b.log")
    assert await headers(".") == ["local.txt", "sub/a.log", "sub/deep/b.log"]


async def test_the_gitignore_of_the_repository_holds_in_its_folders(work: Path):
    (work / ".git").mkdir()
    write(work / ".gitignore", "*.log\n/src/secret/\n")
    write(work / "src" / ".gitignore", "*.tmp\n")
    make(work, "src/a/a.txt", "src/a/b.log", "src/a/c.tmp", "src/secret/d.txt")
    assert await headers("src/a") == ["src/a/a.txt"]
    assert await headers("src") == ["src/a/a.txt"]


async def test_a_gitignore_half_way_up_wins_over_that_of_the_repository(work: Path):
    (work / ".git").mkdir()
    write(work / ".gitignore", "*.log\n")
    write(work / "src" / ".gitignore", "!*.log\n")
    make(work, "src/deep/a.log")
    assert await headers("src/deep") == ["src/deep/a.log"]


async def test_rules_outside_the_repository_do_not_hold(work: Path):
    write(work / ".gitignore", "*.txt\n")
    make(work, "repository/a.txt", "repository/.git/config")
    assert await headers("repository") == ["repository/a.txt"]


async def test_an_ignored_file_or_folder_is_read_when_it_is_named(work: Path):
    (work / ".git").mkdir()
    write(work / ".gitignore", "build/\n*.log\n")
    write(work / "build" / ".gitignore", "b.txt\n")
    make(work, "build/a.txt", "build/b.txt", "build/sub/c.txt", "x.log")
    assert await headers("build") == ["build/a.txt", "build/sub/c.txt"]
    assert await headers("build/sub/*") == ["build/sub/c.txt"]
    assert await headers("x.log") == ["x.log"]


async def test_a_damaged_gitignore_harms_nothing(work: Path):
    write(work / ".gitignore", b"!\n\\\n\xff\xfe\n*.log\n")
    write(work / "sub" / "a.txt")
    os.mkfifo(work / "sub" / ".gitignore")
    make(work, "x.log")
    assert await headers(".") == ["sub/a.txt"]


# Limits


async def test_too_many_files_are_refused_with_the_way_out(work: Path):
    make(work, *(f"{number}.txt" for number in range(4)))
    assert len(await headers(".", max_files=4)) == 4
    error = await refused(".", max_files=3)
    assert error.code == Code.TOO_LARGE
    assert "first 4 files" in error.message
    assert "OPENROUTER_MAX_FILES allows 3" in error.message
    assert "src/**/*.py" in error.message


async def test_too_many_bytes_are_refused_before_a_file_is_read(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    write(work / "small.txt", "x" * 40)
    write(work / "large.txt", "x" * 61)
    monkeypatch.setattr(f"{MODULE}.decode", lambda data: pytest.fail("it was read"))
    error = await refused("small.txt", "large.txt", max_files_bytes=100)
    assert error.code == Code.TOO_LARGE
    for part in ("101 bytes", "large.txt, has 61", "OPENROUTER_MAX_FILES_BYTES allows 100"):
        assert part in error.message


async def test_exactly_the_limit_is_allowed_and_files_count_once(work: Path):
    write(work / "a.txt", "x" * 100)
    limits = {"max_files": 1, "max_files_bytes": 100, "max_file_bytes": 100}
    assert len(await headers("a.txt", "*.txt", ".", **limits)) == 1


async def test_one_file_that_is_too_large_is_refused(work: Path):
    write(work / "a.txt", "x" * 101)
    for name in ("a.txt", "."):
        error = await refused(name, max_file_bytes=100)
        assert error.code == Code.TOO_LARGE
        assert "a.txt has 101 bytes" in error.message
        assert "OPENROUTER_MAX_FILE_BYTES allows 100" in error.message


@pytest.mark.parametrize("name", [".", "*.txt"])
async def test_a_file_too_large_that_was_only_found_is_skipped_by_name(name: str, work: Path):
    write(work / "a.txt", "x" * 101)
    make(work, "b.txt")
    assert await headers(name, max_file_bytes=100) == ["b.txt"]
    assert (await attach(name, max_file_bytes=100)).notes == ["Skipped 1 oversized file (a.txt)."]
    assert (await refused(name, "a.txt", max_file_bytes=100)).code == Code.TOO_LARGE


async def test_a_file_that_grows_meanwhile_is_refused(work: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(work / "a.txt", "x" * 100)
    monkeypatch.setattr(f"{MODULE}.other_kind", lambda head: write(path, "x" * 101) and "")
    error = await refused("a.txt", max_file_bytes=100)
    assert error.code == Code.TOO_LARGE
    assert "101 bytes" in error.message


# Not found


async def test_a_missing_file_is_refused_with_names_that_look_alike(work: Path):
    make(work, "src/settings.py", "src/.settings.py", "src/other.txt")
    error = await refused("src/setings.py")
    assert error.code == Code.NOT_FOUND
    assert error.suggestions == ["src/settings.py"]
    assert "src/setings.py" in error.message
    assert f"looked in {work}/src" in error.message
    assert "src/settings.py" in error.message


async def test_no_secret_is_suggested(work: Path):
    make(work, "credentials.json")
    assert (await refused("credential.txt")).suggestions == []
    assert "credentials.json" not in (await refused("credential*.jso")).message


async def test_a_missing_folder_is_refused_with_the_part_that_is_missing(work: Path):
    make(work, "source/deep/a.txt")
    for name in ("sourse/deep/a.txt", "sourse/deep/*.txt", "sourse/**"):
        error = await refused(name)
        assert error.code == Code.NOT_FOUND
        assert error.suggestions == ["source"]
        assert f"looked in {work})" in error.message


async def test_a_glob_without_a_match_is_refused_with_names_that_look_alike(work: Path):
    make(work, "src/settings.py")
    error = await refused("src/setings.*")
    assert error.code == Code.NOT_FOUND
    assert "src/setings.*" in error.message
    assert error.suggestions == ["src/settings.py"]


async def test_a_path_through_a_file_is_not_found(work: Path):
    make(work, "a.txt")
    for name in ("a.txt/b", "a.txt/*", "a.txt/b/c"):
        assert (await refused(name)).code == Code.NOT_FOUND


async def test_a_file_of_someone_else_is_refused(work: Path, monkeypatch: pytest.MonkeyPatch):
    make(work, "a.txt", "b.txt")
    open_file = sandbox.open_file

    def forbidding(real: Path):
        if real.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return open_file(real)

    monkeypatch.setattr(f"{MODULE}.open_file", forbidding)
    assert "Permission denied" in (await refused("a.txt")).message
    assert (await attach(".")).notes == ["Skipped 1 unreadable file (a.txt)."]


async def test_an_unreadable_folder_is_a_note(work: Path, monkeypatch: pytest.MonkeyPatch):
    make(work, "a.txt", "closed/b.txt")
    contents = sandbox.contents

    def forbidding(real: Path):
        if real.name == "closed":
            raise PermissionError(13, "Permission denied")
        return contents(real)

    monkeypatch.setattr(walk, "contents", forbidding)
    attachments = await attach(".")
    assert attachments.paths == [work / "a.txt"]
    assert attachments.notes == ["Skipped 1 unreadable folder (closed)."]
    assert "unreadable folder (closed)" in (await refused("closed")).message


async def test_what_cannot_be_read_to_its_end_is_a_note(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    write(work / "a.txt")
    write(work / "b.png", PNG)
    open_file = sandbox.open_file

    class Failing(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(
        f"{MODULE}.open_file",
        lambda real: open_file(real) if real.name == "a.txt" else Failing(str(real)),
    )
    assert "b.png cannot be read: Input/output error" in (await refused("b.png")).message
    attachments = await attach("*.*")
    assert attachments.paths == [work / "a.txt"]
    assert attachments.notes == ["Skipped 1 unreadable file (b.png)."]


async def test_a_picture_that_changes_before_it_is_read_is_a_note(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    write(work / "a.txt")
    path = write(work / "b.png", PNG)
    read = FileSelection.read

    def changing(self: FileSelection):
        path.write_bytes(PNG * 2)
        return read(self)

    monkeypatch.setattr(FileSelection, "read", changing)
    assert (await attach("*.[tp]*")).notes == ["Skipped 1 unreadable file (b.png)."]


# The event loop


async def test_a_large_folder_does_not_hold_up_the_event_loop(work: Path):
    for number in range(20):
        make(work / f"{number}", *(f"{file}.py" for file in range(100)))
    gaps = []
    running = True
    # Collecting the garbage of all tests holds the loop up by itself; the server freezes its own.
    gc.freeze()

    async def heartbeat():
        while running:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before)

    task = asyncio.create_task(heartbeat())
    attachments = await attach(".", max_files=2000)
    running = False
    await task
    assert len(attachments.parts) == 2000
    assert len(gaps) > 10
    assert max(gaps) < sum(gaps) / 4


async def test_a_cancelled_call_stops_its_thread(work: Path, monkeypatch: pytest.MonkeyPatch):
    make(work, "a/a.txt", "b/b.txt")
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    codes = []
    check = walk.check

    def waiting_check(stop: threading.Event):
        started.set()
        go_on.wait(10)
        try:
            check(stop)
        except OpenRouterError as error:
            codes.append(error.code)
            ended.set()
            raise

    monkeypatch.setattr(walk, "check", waiting_check)
    task = asyncio.create_task(attach("."))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)
    assert codes == [Code.CANCELLED]


async def test_an_empty_folder_is_said_to_be_empty_and_not_mistyped(work) -> None:
    (work / "drawings.png").mkdir()
    error = await refused("drawings.png")
    assert error.code is Code.NOT_FOUND
    assert "drawings.png holds no file for this" in error.message
    assert not error.suggestions


# Slow inputs


async def test_more_names_than_files_are_allowed_are_refused_unseen(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(walk, "alternatives", lambda name: pytest.fail(f"looked at {name}"))
    error = await refused(*(f"{number}.txt" for number in range(200_000)))
    assert error.code == Code.TOO_LARGE
    assert "OPENROUTER_MAX_FILES" in error.message


async def test_the_alternatives_of_braces_count_as_names(work: Path, monkeypatch):
    monkeypatch.setattr("openrouter_mcp.files.attach.MOST_NAMES", 100)
    make(work, "a.txt")
    alternatives = [",".join(f"{n}-{m}" for m in range(8)) for n in range(20)]
    braces = [f"{{a,{each}}}*.txt" for each in alternatives]
    assert (await refused(*braces, max_files=100)).code == Code.TOO_LARGE
    assert (await attach(*braces[:10], max_files=100)).paths == [work / "a.txt"]


async def test_a_name_that_is_given_often_counts_once(work: Path):
    make(work, "a.txt")
    assert (await attach(*["a.txt"] * 2000)).paths == [work / "a.txt"]


async def test_more_ignore_rules_than_can_be_matched_ignore_everything(work: Path):
    make(work, "a.txt", "sub/b.txt", "sub/c.txt", "long/d.txt")
    write(work / "sub" / ".gitignore", "\n".join("x" * 9 for _ in range(11_000)))
    write(work / "long" / ".gitignore", f"# {'a' * 100_000}")
    attachments = await attach(".")
    assert attachments.paths == [work / "a.txt"]
    assert "3 ignored files (b.txt, c.txt, d.txt)" in attachments.notes[0]
    for number in range(4):
        make(work, f"many/{number}/d.txt")
        write(work / f"many/{number}/.gitignore", "\n".join(f"{rule:015}" for rule in range(3000)))
    assert len((await attach("many")).paths) == 2
