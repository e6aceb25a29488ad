"""A name that is typed opens the only file that it can mean, and no other."""

import unicodedata
from pathlib import Path

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Attachments, Files
from openrouter_mcp.settings import Settings


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site [v2] {a,b}"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


async def attach(*names: str) -> Attachments:
    return await Files(Settings()).parts(list(names))


async def texts(*names: str) -> list[str]:
    return [part["text"].partition("\n")[2] for part in (await attach(*names)).parts]


async def refused(*names: str) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        await attach(*names)
    return caught.value


SHOT = "Screenshot 2026-11-26 at 9.41.00 AM.txt"


@pytest.mark.parametrize("space", ["\u202f", "\xa0", "\u3000", "\u2009"])
async def test_a_typed_space_opens_what_has_another(work: Path, space: str) -> None:
    (work / SHOT.replace(" AM", f"{space}AM")).write_text("shot")
    assert await texts(SHOT) == ["shot"]
    (work / f"my{space}folder").mkdir()
    (work / f"my{space}folder" / "a.txt").write_text("inner")
    assert await texts("my folder/a.txt") == ["inner"]
    assert await texts("my folder/*.txt") == ["inner"]


@pytest.mark.parametrize("name", ["notes ", " notes", "notes\u202f", "\u200bnotes"])
async def test_a_space_at_an_end_of_a_name_need_not_be_typed(work: Path, name: str) -> None:
    (work / name).write_text("text")
    assert await texts(name) == await texts("notes") == await texts(str(work / name)) == ["text"]


@pytest.mark.parametrize(("there", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
async def test_accents_in_one_piece_or_two_are_the_same(work: Path, there, typed) -> None:
    (work / unicodedata.normalize(there, "Überblick é.txt")).write_text("text")
    assert await texts(unicodedata.normalize(typed, "Überblick é.txt")) == ["text"]


async def test_wildcards_find_what_is_typed_otherwise(work: Path) -> None:
    for name in ("Screenshot 9.41\u202fAM.txt", "Screenshot 9.42 AM.txt", "e\u0301 9 AM.txt"):
        (work / name).write_text(name)
    assert len(await texts("Screenshot* AM.txt")) == 2
    assert len(await texts("\xe9*.txt")) == len(await texts("[\xe9x]*.txt")) == 1


async def test_what_could_mean_two_is_not_guessed(work: Path) -> None:
    (work / "a\xa0b.txt").write_text("one")
    (work / "a\u202fb.txt").write_text("two")
    error = await refused("a b.txt")
    assert error.code is Code.NOT_FOUND
    (work / "a b.txt").write_text("itself")
    assert await texts("a b.txt") == ["itself"]


async def test_suggestions_can_be_copied(work: Path) -> None:
    (work / "Report\u202f2026.txt").write_text("text")
    error = await refused("Report 2025.txt")
    assert error.suggestions == ("Report 2026.txt",) or error.suggestions == ["Report 2026.txt"]
    assert await texts(error.suggestions[0]) == ["text"]


async def test_brackets_and_braces_of_folders_that_are_there_are_literal(work: Path) -> None:
    for name in ("[draft]", "x{1,2}"):
        (work / name).mkdir()
        (work / name / "a.txt").write_text(name)
    assert await texts("[draft]/*.txt", "x{1,2}/*.txt") == ["[draft]", "x{1,2}"]
    assert await texts(f"{work}/*/a.txt") == ["[draft]", "x{1,2}"]


@pytest.mark.parametrize("name", ["a[1].txt", "a[12].txt", "a[x].txt", "*[1].txt"])
async def test_brackets_of_a_missing_file_send_no_other(work: Path, name: str) -> None:
    for other in ("a1.txt", "a2.txt", "ax.txt", "b1.txt"):
        (work / other).write_text("not meant")
    assert (await refused(name)).code is Code.NOT_FOUND
    (work / "a[1].txt").write_text("meant")
    if "1]" in name and "12" not in name:
        assert await texts(name) == ["meant"]


async def test_letters_in_brackets_are_a_choice(work: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (work / name).write_text(name)
    assert await texts("[ab].txt") == ["a.txt", "b.txt"]
    assert await texts("[!ab].txt") == ["c.txt"]


async def test_capitals_that_alone_differ_are_told(work: Path) -> None:
    (work / "photo.JPG").write_text("x")
    error = await refused("*.jpg")
    assert error.code is Code.NOT_FOUND
    assert "Capitals count: photo.JPG is there." in error.message
