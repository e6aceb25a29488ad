"""Writing files: whole or not at all, never over another, never through a link."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from openrouter_mcp.files import save


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


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """The limit on a file's size stands for a disk that is full: the system refuses to write."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from openrouter_mcp.files import save\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: save.save(b'x' * 100_001, Path(sys.argv[1]), 'cat', '.png')\n"
        "except OSError as error: raise SystemExit(3) from error"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 3
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_away_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from openrouter_mcp.files import save\n"
        "with save.draft(Path(sys.argv[1])) as file: os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path.resolve()], check=False)
    assert killed.returncode == -signal.SIGKILL
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
        ("a red/fox: jumps?", "a-red-fox-jumps"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("Überraschung 猫", "Überraschung-猫"),
        ("...", "file"),
        ("猫" * 200, "猫" * 33),
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
