"""Writing files: whole or not at all, never over another, never through a link."""

import io
import os
import re
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.files.save import Destination, destination, names
from openrouter_mcp.settings import Settings
from tests.support.processes import PROCESSES


def test_a_file_is_saved_under_its_name(tmp_path: Path) -> None:
    path = save.save(b"data", tmp_path / "new" / "folder", "cat", ".png")
    assert path == tmp_path / "new" / "folder" / "cat.png"
    assert path.read_bytes() == b"data"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    names = [save.save(str(n).encode(), tmp_path, "cat", ".png").name for n in range(3)]
    assert names == ["cat.png", "cat-2.png", "cat-3.png"]
    assert (tmp_path / "cat.png").read_bytes() == b"0"


def test_a_link_to_another_file_is_no_free_name(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "cat.png").symlink_to(other)
    assert save.save(b"new", tmp_path, "cat", ".png").name == "cat-2.png"
    assert other.read_text() == "mine"


def test_what_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    with save.draft(tmp_path) as file:
        file.content.write(b"half")
    assert list(tmp_path.iterdir()) == []


def save_with_little_room(directory: Path) -> None:
    """A limit on a file's size stands for a disk that is full: the system refuses to write."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        save.save(b"x" * 100_001, directory, "cat", ".png")
    except OSError:
        sys.exit(3)


def begin_and_die(directory: Path) -> None:
    with save.draft(directory):
        os.kill(os.getpid(), signal.SIGKILL)


def exit_code(target, directory: Path) -> int | None:
    process = PROCESSES.Process(target=target, args=(directory,))
    process.start()
    process.join(60)
    return process.exitcode


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    assert exit_code(save_with_little_room, tmp_path) == 3
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_away_by_the_next(tmp_path: Path) -> None:
    assert exit_code(begin_and_die, tmp_path.resolve()) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    long_ago = time.time() - save.LOCKED_BY_NOW - 1
    save.save(b"", tmp_path, "young", ".png")
    assert left.exists()
    os.utime(left, (long_ago, long_ago))
    save.save(b"", tmp_path, "old", ".png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.png", "young.png"]


def test_what_is_being_written_is_left_alone_however_old(tmp_path: Path) -> None:
    (tmp_path / ".hidden.part").write_text("not ours")
    os.utime(tmp_path / ".hidden.part", (0, 0))
    with save.draft(tmp_path.resolve()) as file:
        (name,) = tmp_path.glob(".openrouter-*.part")
        os.utime(name, (0, 0))
        save.save(b"", tmp_path, "other", ".png")
        assert file.publish("cat", ".png").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".hidden.part",
        "cat.png",
        "other.png",
    ]


def test_a_directory_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    checked, elsewhere = tmp_path / "checked", tmp_path / "elsewhere"
    elsewhere.mkdir()
    checked.symlink_to(elsewhere)
    with pytest.raises(OSError), save.draft(checked):  # noqa: PT011 - its number differs by system
        pytest.fail("the link was followed")
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        save.save(b"", tmp_path / "file" / "inside", "cat", ".png")


def test_without_links_the_name_is_taken_first(tmp_path: Path, monkeypatch) -> None:
    def link(*_args, **_kwargs) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    (tmp_path / "cat.png").write_text("first")
    path = save.save(b"second", tmp_path, "cat", ".png")
    assert (path.name, path.read_bytes()) == ("cat-2.png", b"second")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cat-2.png", "cat.png"]


def test_without_directory_descriptors_a_swapped_directory_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "supports_dir_fd", set())
    real = Path(os.path.realpath(tmp_path))
    assert save.save(b"data", real / "a", "cat", ".png").read_bytes() == b"data"
    (real / "link").symlink_to(real / "a")
    with pytest.raises(OSError, match="changed meanwhile"), save.draft(real / "link"):
        pytest.fail("the link was followed")


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("a (final)", "a (final)"),
        ("a red/fox: jumps?", "a red fox jumps"),
        ("Don't! [v2] #1, 100% & more; ~é=+@^", "Don't! [v2] #1, 100% & more; ~é=+@^"),
        ("a  b -- c_d", "a  b -- c_d"),
        ('12:30 "x" <y>|*', "12 30 x y"),
        ("../../etc/passwd", "etc passwd"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a. . ", "a"),
        ("Überraschung 猫 😀", "Überraschung 猫 😀"),
        ("Report\xa02026\u3000x", "Report 2026 x"),
        ("a\u202eb\u200bc\ufeffd\x00e\nf\udcff", "abcd e f"),
        ("...", "file"),
        ("con", "file-con"),
        ("COM1.x", "file-COM1.x"),
        ("nul .x", "file-nul .x"),
        ("lpt²", "file-lpt²"),
        ("console", "console"),
        ("猫" * 200, "猫" * 66),
        ("ก" * 66 + "กำ\u0e48" * 9, "ก" * 66),
        ("x" * 199 + "g\u0308\u0323", "x" * 199),
    ],
)
def test_a_stem_becomes_a_name_that_every_system_takes(stem: str, name: str) -> None:
    assert save.safe_stem(stem) == name


def test_the_temporary_directory_itself_may_be_a_link(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    path = save.save(b"", Path(tempfile.gettempdir()), "cat", ".png")
    assert path.parent == tmp_path / "real"


# `save_to`: inside the output directory, known to be writable before paying.


IMAGES = (".png", ".jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(os.path.realpath(tmp_path)) / "output"


@pytest.fixture
def settings(root: Path) -> Settings:
    return Settings(output_dir=root)


def place(settings: Settings, save_to: str) -> tuple[Path, str, str]:
    found = destination(settings, save_to, "a prompt", *IMAGES)
    return found.directory, found.stem, found.suffix


def test_a_name_is_one_in_the_output_directory(settings, root) -> None:
    assert place(settings, "") == (root, "a prompt", "")
    assert place(settings, "cat.PNG") == (root, "cat", ".png")
    assert place(settings, "v1.2") == (root, "v1.2", "")
    assert place(settings, "cats/") == (root / "cats", "a prompt", "")
    assert place(settings, ".") == place(settings, "./") == (root, "a prompt", "")
    assert place(settings, "cats/.") == (root / "cats", "a prompt", "")
    assert place(settings, "cats/tom.jpg") == (root / "cats", "tom", ".jpg")
    assert place(settings, "cats/../tom") == (root, "tom", "")
    assert place(settings, str(root / "tom.png")) == (root, "tom", ".png")
    assert place(settings, (root / "tom.png").as_uri()) == (root, "tom", ".png")


def test_a_name_stays_as_it_is_spelled(settings, root) -> None:
    for save_to in ("a (final).png", "Été 1.JPEG", "x.PNG", "my photos/B.jpg"):
        found = destination(settings, save_to, "", *IMAGES)
        assert found.save(b"", found.suffix).path == root / save_to
    again = destination(settings, "a (final).png", "", *IMAGES)
    assert again.save(b"", ".png").path == root / "a (final)-2.png"
    assert again.save(b"", ".jpg").path == root / "a (final).jpg"


def test_a_folder_that_is_there_is_found_by_any_spelling(settings, root) -> None:
    folder = root / "Bilder\xa0e\u0301"
    folder.mkdir(parents=True)
    for save_to in ("Bilder é/a.png", "Bilder é", "Bilder é/"):
        assert destination(settings, save_to, "b", *IMAGES).directory == folder


def test_any_ending_counts_where_none_are_known(settings, root) -> None:
    for save_to, stem, suffix in [
        ("answer.md", "answer", ".md"),
        ("table.CSV", "table", ".csv"),
        ("v1.2", "v1.2", ""),
        ("answer", "answer", ""),
    ]:
        assert destination(settings, save_to, "") == Destination(root, stem, suffix)


def test_only_a_place_without_a_name_takes_another(root) -> None:
    assert Destination(root, "").named("cat") == Destination(root, "cat")
    assert Destination(root, "dog", ".png").named("cat") == Destination(root, "dog", ".png")


def test_a_copy_is_a_file_of_its_own(root) -> None:
    saved = Destination(root, "cat").copy(io.BytesIO(b"data" * 100_000), ".png")
    assert (saved.path.name, saved.size) == ("cat.png", 400_000)
    assert saved.path.read_bytes() == b"data" * 100_000


def test_a_folder_that_exists_needs_no_slash(settings, root) -> None:
    (root / "cats.png").mkdir(parents=True)
    assert place(settings, "cats.png") == (root / "cats.png", "a prompt", "")


@pytest.mark.parametrize(
    "save_to", ["../x.png", "/etc/x.png", "~/x.png", "a/../../x.png", "file:///etc/x.png", "%2e%2e"]
)
def test_what_is_outside_is_refused(settings, root, save_to) -> None:
    if save_to == "%2e%2e":
        assert place(settings, save_to) == (root, "%2e%2e", "")
        return
    with pytest.raises(OpenRouterError) as refused:
        place(settings, save_to)
    assert refused.value.code is Code.UNSAFE_PATH
    assert "OPENROUTER_OUTPUT_DIR" in refused.value.message


def test_a_link_that_leads_outside_is_refused(settings, root, tmp_path) -> None:
    (tmp_path / "outside").mkdir()
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    for save_to in ("link/x.png", "link", "link/"):
        with pytest.raises(OpenRouterError, match="outside the output directory"):
            place(settings, save_to)


def test_the_escape_hatch_lifts_that(root, tmp_path) -> None:
    settings = Settings(output_dir=root, allow_unsafe_paths=True)
    assert place(settings, str(tmp_path / "x.png"))[0] == Path(os.path.realpath(tmp_path))


@pytest.mark.parametrize("save_to", ["https://example.org/x.png", "data:image/png,x", "a\0b"])
def test_what_is_no_path_is_refused(settings, save_to) -> None:
    with pytest.raises(OpenRouterError) as refused:
        place(settings, save_to)
    assert refused.value.code is Code.INVALID_INPUT


def test_a_place_that_cannot_be_written_is_known_before_paying(root) -> None:
    root.mkdir()
    (root / "file").write_text("")
    with pytest.raises(OpenRouterError, match="Nothing can be written"):
        Destination(root / "file", "x").prepare()
    Destination(root / "new", "x").prepare()
    assert list((root / "new").iterdir()) == []


def test_a_full_disk_is_known_before_paying(root, monkeypatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OpenRouterError, match="Only 1,000 bytes are free"):
        Destination(root, "x").prepare()


def test_a_file_is_what_its_name_says(root) -> None:
    saved = Destination(root, "cat", ".png").save(b"data", ".jpg")
    assert saved.path == root / "cat.jpg"
    assert saved.note == "Named .jpg, because that is what it is."
    assert Destination(root, "dog", ".jpg").save(b"data", ".jpg").note == ""


# What a misled model must not write


HIDDEN = [
    *(".git/hooks/post-checkout.sh", ".git/hooks/", ".vscode/tasks.json", ".cursor/mcp.json"),
    *("a/.github/workflows/ci.md", ".hidden/a.png", "\uff0egit/a.md", ".g\u0131t/../.git/a.md"),
    *("GIT~1/hooks/a.md", ".. /a.md", "a/.b/c.txt"),
]
SCRIPTS = [
    *("conftest.py", "a.sh", "deep/run.PY", "setup.cfg", "pyproject.toml", "ci.yml", "a.bat"),
    *("x.ps1", "a.desktop", "a.plist", "page.html", "a.svgz", "a.js", "init.lua", "a.ini"),
    *("package.json", "tsconfig.build.json", "mcp.json", "tasks.json", "CLAUDE.md", "Agents.md"),
    *("requirements.txt", "requirements-dev.txt", "CMakeLists.txt", "babel.config.json"),
    *("package .json", "AGENTS..md", "-package.json", "package?.json", "CLAUDE\xa0.md"),
    *(
        "copilot-instructions.md",
        "claude_desktop_config.json",
        "package\u200b.json",
        "sitecustomize.py",
    ),
]


@pytest.mark.parametrize("save_to", HIDDEN, ids=ascii)
def test_no_hidden_folder_is_written_to(settings, root, save_to) -> None:
    for endings in ((), IMAGES):
        with pytest.raises(OpenRouterError) as caught:
            destination(settings, save_to, "a prompt", *endings)
        assert caught.value.code == Code.UNSAFE_PATH


@pytest.mark.parametrize("save_to", SCRIPTS, ids=ascii)
def test_no_text_becomes_a_script_or_a_configuration(settings, root, save_to) -> None:
    with pytest.raises(OpenRouterError) as caught:
        destination(settings, save_to, "a text")
    assert caught.value.code == Code.UNSAFE_PATH
    assert "OPENROUTER_ALLOW_UNSAFE_PATHS" in caught.value.message
    allowed = settings.model_copy(update={"allow_unsafe_paths": True})
    assert destination(allowed, save_to, "a text").suffix


def test_a_script_s_name_with_a_picture_in_it_ends_as_a_picture(settings, root) -> None:
    path = destination(settings, "conftest.py", "", *IMAGES).save(b"data", ".png").path
    assert path == root / "conftest.py.png"


@pytest.mark.parametrize("ending", ["requirements", "package", "tsconfig"])
def test_a_name_without_an_ending_is_judged_by_the_one_that_it_will_get(settings, ending) -> None:
    with pytest.raises(OpenRouterError):
        destination(settings, ending, "", ".txt", ".json")
    assert destination(settings, ending, "", *IMAGES).stem == ending


@pytest.mark.parametrize(
    "save_to",
    [
        *(
            "memory-leaks.md",
            "claude-vs-gpt.md",
            "v1.2 of settings.md",
            "recipe.json",
            "log.txt",
            "src.json",
            "product-requirements.txt",
        )
    ],
)
def test_names_that_only_sound_like_a_configuration_are_taken(settings, save_to) -> None:
    destination(settings, save_to, "")


@pytest.mark.parametrize("folder", ["a\nb", "a\x1b[31m", "a\u202eb", "a\u200bb", "\udcff"])
def test_a_folder_whose_name_cannot_be_seen_is_not_made(settings, folder) -> None:
    for save_to in (f"{folder}/x.png", f"{folder}/"):
        with pytest.raises(OpenRouterError) as caught:
            destination(settings, save_to, "x", *IMAGES)
        assert caught.value.code == Code.INVALID_INPUT


def test_a_link_to_a_hidden_folder_leads_nowhere(settings, root) -> None:
    (root / ".git").mkdir(parents=True)
    (root / "public").symlink_to(root / ".git")
    with pytest.raises(OpenRouterError) as caught:
        destination(settings, "public/hooks/", "x")
    assert caught.value.code == Code.UNSAFE_PATH


def test_an_output_directory_in_a_hidden_place_is_the_user_s_choice(tmp_path: Path) -> None:
    root = tmp_path / ".cache" / "pictures"
    place = destination(Settings(output_dir=root), "deep/a.png", "", *IMAGES)
    assert place.directory == Path(os.path.realpath(root)) / "deep"


@pytest.mark.parametrize("suffix", ["/../../x", ".a/../../x", ".sh\n", "..", ".a b"])
def test_a_suffix_leads_nowhere(root, suffix) -> None:
    assert Destination(root / "in", "cat").save(b"data", suffix).path == root / "in" / "cat"
    assert [path.name for path in root.iterdir()] == ["in"]


@given(st.text(max_size=40), st.sampled_from(["", ".md", ".png"]))
def test_generated_names_are_plain(stem, suffix) -> None:
    name = next(names(stem, suffix))
    assert name.isprintable()
    assert not name.startswith((".", "-"))
    assert not name.startswith(" ")
    assert not name.endswith((" ", "."))
    assert not re.search(r"[/\\:*?<>|\"]|[^\S ]", name)
    assert len(name.encode()) <= 220
    assert name.partition(".")[0].lower() not in {"con", "nul", "prn", "aux", "com1"}


def test_what_is_saved_cannot_be_run(root) -> None:
    path = save.save(b"#!/bin/sh", root / "deep" / "er", "run", ".md")
    assert path.stat().st_mode & 0o177 == 0


@pytest.mark.parametrize(
    "name",
    [
        "नमस्ते दुनिया (२)",
        "สวัสดีชาวโลก",
        "வணக்கம்",
        "שָׁלוֹם",
        "مَرْحَبًا",
        "日本語の写真「最終」",
        "Ünïcödé",
        "Việt Nam, bản cuối",
        "ঢাকা",
    ],
)
def test_names_of_any_language_stay_whole(name: str) -> None:
    assert save.safe_stem(unicodedata.normalize("NFD", name)) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("asked", "suffix", "told"),
    [
        ("a.gif", ".png", True),
        ("a.PNG", ".png", False),
        ("a.JPEG", ".jpg", False),
        ("a.jpeg", ".png", True),
        ("a.tif", ".png", True),
        ("a.png", ".jpg", True),
        ("a", ".png", False),
        ("v1.2", ".png", False),
        ("", ".png", False),
    ],
)
def test_another_suffix_than_was_asked_for_is_said(tmp_path, asked, suffix, told) -> None:
    place = save.destination(Settings(output_dir=tmp_path), asked, "stem", ".png", ".jpg")
    assert bool(place.save(b"data", suffix).note) is told
