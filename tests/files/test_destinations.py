"""`save_to`: inside the output directory, known to be writable before paying."""

import io
import os
import shutil
from pathlib import Path

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.save import Destination, destination
from openrouter_mcp.settings import Settings

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
    assert place(settings, "cats/tom.jpg") == (root / "cats", "tom", ".jpg")
    assert place(settings, "cats/../tom") == (root, "tom", "")
    assert place(settings, str(root / "tom.png")) == (root, "tom", ".png")
    assert place(settings, (root / "tom.png").as_uri()) == (root, "tom", ".png")


def test_any_ending_counts_where_none_are_known(settings, root) -> None:
    for save_to, stem, suffix in [
        ("answer.md", "answer", ".md"),
        ("run.PY", "run", ".py"),
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
