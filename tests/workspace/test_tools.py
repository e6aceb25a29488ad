"""The file tools as a model calls them, well meant and not."""

import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastmcp import Client

from openrouter_mcp.workspace import folder, scratch, tools
from openrouter_mcp.workspace.tools import FileTools
from tests.support.trees import fill, repository, state

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links, pipes and modes as POSIX has them"
)

FILES = {
    "src/a.py": "def one():\n    return 1\n\n\ndef two():\n    return 2\n",
    "src/b.py": "from a import one\n",
    "wide.txt": "one\r\ntwo\r\n".encode("utf-16"),
    "crlf.txt": "one\r\ntwo\r\n",
    "odd.txt": b"caf\xe9\none\n",
    "run.sh": ("program", b"#!/bin/sh\n"),
    "picture.png": b"\x89PNG\r\n\x1a\n\x00",
    "inside": ("link", "src/a.py"),
    "outside": ("link", "/etc/passwd"),
    "above": ("link", ".."),
    ".gitignore": "dist/\n.env\n",
    ".env": "KEY=1",
    "dist/x.js": "x",
}


class Model:
    """A model that works in a copy of a folder."""

    def __init__(self, client: Client, scratch) -> None:
        self._client = client
        self.scratch = scratch
        self.root: Path = scratch.root

    async def __call__(self, name: str, **arguments) -> str:
        result = await self._client.call_tool(name, arguments, raise_on_error=False)
        assert result.structured_content is None
        text = "".join(block.text for block in result.content)
        return f"error: {text}" if result.is_error else text

    async def changes(self) -> list[str]:
        return [change.line() for change in await self.scratch.work(self.scratch.changes)]


@pytest.fixture
def at_work(tmp_path, scratches):
    """A model at work in a copy of a repository with these files; the rest is not committed."""

    @asynccontextmanager
    async def begin(files=FILES):
        user = repository(tmp_path / "user", {})
        fill(user, files)
        before = state(user, with_git=True)
        found = folder.find(scratches._settings, str(user))
        async with (
            scratches.open(found) as scratch,
            Client(tools.server(FileTools(scratch).tools())) as client,
        ):
            yield Model(client, scratch)
        assert state(user, with_git=True) == before

    return begin


async def test_files_are_listed_and_found(at_work) -> None:
    async with at_work() as model:
        listed = (await model("list_directory")).splitlines()
        assert {"src/", "inside@", "outside@", "crlf.txt"} <= {*listed}
        assert not {".env", "dist/", ".git/"} & {*listed}
        assert await model("list_directory", path="src") == "a.py\nb.py"
        assert await model("find_files", glob="*.{py,sh}") == "run.sh\nsrc/a.py\nsrc/b.py"
        assert await model("find_files", glob="src") == "src/a.py\nsrc/b.py"
        assert await model("find_files", glob="src/*.py") == "src/a.py\nsrc/b.py"
        assert await model("find_files", glob="*.rs") == "No file matches."


async def test_lines_are_searched(at_work) -> None:
    async with at_work() as model:
        found = await model("search_files", pattern=r"^def \w+\(\):$", glob="*.py")
        assert found == "src/a.py:1: def one():\nsrc/a.py:5: def two():"
        assert (
            await model("search_files", pattern="one()", literal=True) == "src/a.py:1: def one():"
        )
        assert "error" in await model("search_files", pattern="(")
        assert await model("search_files", pattern="DEF ONE", ignore_case=True)
        assert await model("search_files", pattern="nowhere") == "No line matches."


async def test_what_was_written_is_searched_too(at_work) -> None:
    async with at_work() as model:
        await model("write_file", path="src/c.py", content="needle = 1\n")
        assert await model("search_files", pattern="needle") == "src/c.py:1: needle = 1"


async def test_a_pattern_that_takes_for_ever_is_ended(at_work, monkeypatch) -> None:
    monkeypatch.setattr("openrouter_mcp.workspace.scratch.SEARCH_LIMIT", 0.3)
    async with at_work({"a.txt": "a" * 5000 + "\n" + ("x" * 200 + "\n") * 20_000}) as model:
        said = await model("search_files", pattern="(a+)+(a+)+(a+)+$b|(x+x+)+y")
    assert "narrow it" in said or "error" in said or "No line" in said


async def test_pages_have_numbers_and_say_how_to_go_on(at_work, monkeypatch) -> None:
    async with at_work() as model:
        assert (await model("read_file", path="src/a.py")).splitlines()[1] == "2\t    return 1"
        page = await model("read_file", path="src/a.py", first_line=2, lines=1)
        assert page == "2\t    return 1\n[Lines 2 to 2 of 6. Go on: first_line=3.]"
        assert "has 6 lines" in await model("read_file", path="src/a.py", first_line=9)
        assert await model("read_file", path="wide.txt") == "1\tone\n2\ttwo"
        assert "binary" in await model("read_file", path="picture.png")
        fill(model.root, {"long.txt": "y" * 100_000})
        assert len(await model("read_file", path="long.txt")) < 3000


async def test_an_edit_keeps_encoding_line_ends_and_mode(at_work) -> None:
    async with at_work() as model:
        for name in ("wide.txt", "crlf.txt", "odd.txt"):
            said = await model("edit_file", path=name, old="one", new="1\none more")
            assert said == f"Replaced in {name}: 1."
        assert (model.root / "wide.txt").read_bytes() == "1\r\none more\r\ntwo\r\n".encode("utf-16")
        assert (model.root / "crlf.txt").read_bytes() == b"1\r\none more\r\ntwo\r\n"
        assert (model.root / "odd.txt").read_bytes() == b"caf\xe9\n1\none more\n"
        await model("edit_file", path="run.sh", old="/bin/sh", new="/bin/bash")
        await model("write_file", path="crlf.txt", content="a\nb\n")
        assert (model.root / "crlf.txt").read_bytes() == b"a\r\nb\r\n"
        assert os.access(model.root / "run.sh", os.X_OK)


async def test_an_edit_that_is_not_clear_changes_nothing(at_work) -> None:
    async with at_work() as model:
        said = await model("edit_file", path="src/a.py", old="return", new="yield")
        assert "2 times" in said
        assert "not in the file" in await model("edit_file", path="src/a.py", old="x = 1", new="")
        assert "empty" in await model("edit_file", path="src/a.py", old="", new="x")
        assert await model.changes() == []
        await model("edit_file", path="src/a.py", old="return", new="yield", everywhere=True)
        assert await model.changes() == ["M src/a.py +2 -2"]


async def test_files_are_written_moved_and_deleted(at_work) -> None:
    async with at_work() as model:
        await model("write_file", path="new/deep/x.sh", content="echo\n", executable=True)
        await model("move_file", path="src", to="lib")
        await model("delete_file", path="run.sh")
        await model("write_file", path="dist/made.js", content="1\n")
        assert await model.changes() == [
            "A dist/made.js +1 -0",
            "R src/a.py -> lib/a.py +0 -0",
            "R src/b.py -> lib/b.py +0 -0",
            "A new/deep/x.sh +1 -0",
            "D run.sh +0 -1",
        ]
        assert os.access(model.root / "new/deep/x.sh", os.X_OK)
        assert "is there already" in await model("move_file", path="crlf.txt", to="odd.txt")
        await model("delete_file", path="new")
        assert not (model.root / "new").exists()


async def test_the_users_own_paths_mean_the_copy(at_work, tmp_path) -> None:
    async with at_work() as model:
        await model("write_file", path=str(tmp_path / "user/src/b.py"), content="changed\n")
        assert await model.changes() == ["M src/b.py +1 -1"]


async def test_a_link_is_followed_inside_and_deleted_itself(at_work) -> None:
    async with at_work() as model:
        assert "def one" in await model("read_file", path="inside")
        await model("edit_file", path="inside", old="return 1", new="return 9")
        await model("delete_file", path="outside")
        assert await model.changes() == ["D outside +0 -1", "M src/a.py +1 -1"]


OUTSIDE = [
    *("../user/.env", "/etc/passwd", "outside", "above/user/.env", "src/../../x", "~/x", "//etc/x"),
    *("outside/x", "above", "..", "/", "a\0b", "x" * 5000, "\ud800", ".git/config", "src/.GIT/x"),
    *("git~1/config", ".git /config", ".git::$INDEX_ALLOCATION/config", ".g\u200cit/config"),
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_nothing_outside_is_read_or_written(at_work, path, tmp_path) -> None:
    async with at_work() as model:
        before = state(tmp_path / "user")
        attempts = [
            await model("read_file", path=path),
            await model("write_file", path=path, content="x"),
            await model("edit_file", path=path, old="root", new="x"),
            await model("move_file", path="crlf.txt", to=path),
        ]
        if path not in {"~/x", "outside"}:
            assert [said[:6] for said in attempts] == ["error:"] * 4, attempts
        assert not any("root:" in said or "KEY" in said for said in attempts)
        assert state(tmp_path / "user") == before
        assert "root:" in Path("/etc/passwd").read_text()


async def test_the_workspace_itself_stays(at_work) -> None:
    async with at_work() as model:
        for path in ("", ".", "src/.."):
            assert "workspace itself" in await model("delete_file", path=path)
            assert "workspace itself" in await model("move_file", path=path, to="x")


async def test_links_that_commands_make_lead_nowhere(at_work, tmp_path) -> None:
    secret = tmp_path / "secret"
    fill(secret, {"b.py": "password\n", "deep/c.py": "password\n"})
    async with at_work() as model:
        await model("write_file", path="src/deep/c.py", content="x\n")
        (model.root / "src").rename(model.root / "old")
        (model.root / "src").symlink_to(secret)
        for said in [
            await model("read_file", path="src/b.py"),
            await model("search_files", pattern="password"),
            await model("list_directory", path="src"),
            await model("find_files", glob="src/**"),
            await model("write_file", path="src/b.py", content="x"),
            await model("write_file", path="src/new.py", content="x"),
            await model("delete_file", path="src/b.py"),
            await model("move_file", path="src/b.py", to="mine.py"),
        ]:
            assert "password" not in said
            assert "b.py" not in said or said.startswith("error:")
        os.link(secret / "b.py", model.root / "hard.py")
        await model("write_file", path="hard.py", content="x")
    assert state(secret) == {"b.py": ("file", b"password\n"), "deep/c.py": ("file", b"password\n")}


async def test_what_is_left_out_is_not_made_anew(at_work) -> None:
    async with at_work() as model:
        for path in (".env", "dist/x.js"):
            said = await model("write_file", path=path, content="KEY=2")
            assert "kept out of the copy" in said
            assert "kept out" in await model("move_file", path="crlf.txt", to=path)
        await model("delete_file", path="crlf.txt")
        assert (await model("write_file", path="crlf.txt", content="x")).startswith("Wrote")


async def test_special_files_hang_nobody(at_work) -> None:
    async with at_work() as model:
        os.mkfifo(model.root / "pipe")
        assert (await model("read_file", path="pipe")).startswith("error:")
        assert (await model("write_file", path="pipe", content="x")).startswith("error:")
        assert (await model("write_file", path="src", content="x")).startswith("error:")
        assert await model.changes() == []


async def test_too_much_is_refused(at_work, monkeypatch) -> None:
    monkeypatch.setattr("openrouter_mcp.workspace.tree.LARGEST_TEXT", 10)
    async with at_work() as model:
        assert "smaller file" in await model("write_file", path="x", content="x" * 11)
        assert "too large" in await model("read_file", path="src/a.py")


async def test_rules_that_a_model_writes_decide_nothing(at_work) -> None:
    async with at_work() as model:
        await model("write_file", path=".gitignore", content="*\n")
        rules = "* filter=x merge=x diff=x text eol=crlf working-tree-encoding=UTF-16\n"
        await model("write_file", path=".gitattributes", content=rules)
        await model("write_file", path="new.txt", content="new\n")
        await model("edit_file", path="src/b.py", old="one", new="two")
        assert "new.txt" in "".join(await model.changes())
        assert await model("search_files", pattern="import two") == "src/b.py:1: from a import two"
        assert (await model.changes())[-1] == "M src/b.py +1 -1"


async def test_depth_without_end_is_deleted_like_anything(at_work) -> None:
    async with at_work() as model:
        for name in "ab":
            await model("write_file", path=f"{name}/" * 520 + "x", content="x")
        await model("move_file", path="a", to="b/" * 520 + "c")
        (model.root / "b").chmod(0o500)
        assert len(await model.changes()) == 2
        assert "too deep" in await model("delete_file", path="b")
        place = model.scratch.tree.parent
    assert not place.exists()


@pytest.mark.parametrize("name", ["x" * 300, "src/a.py/x", "a/" * 2047 + "x"])
async def test_a_path_that_no_system_takes_is_told(at_work, name) -> None:
    async with at_work() as model:
        for tool, arguments in [
            ("read_file", {}),
            ("write_file", {"content": "x"}),
            ("list_directory", {}),
            ("find_files", {}),
            ("delete_file", {}),
            ("move_file", {"to": "y"}),
        ]:
            arguments["glob" if tool == "find_files" else "path"] = name
            said = await model(tool, **arguments)
            assert said == "No file matches." or said.startswith("error: ")
            assert "Error calling" not in said


async def test_places_that_overlap_are_several(at_work) -> None:
    async with at_work() as model:
        await model("write_file", path="o", content="aXaXa")
        assert "2 times" in await model("edit_file", path="o", old="aXa", new="b")
        await model("edit_file", path="o", old="aXa", new="b", everywhere=True)
        assert (model.root / "o").read_text() == "bXa"


async def test_lines_with_mixed_ends_are_edited_as_they_are_shown(at_work) -> None:
    async with at_work({"m.txt": "one\r\ntwo\r\nthree\nfour\n"}) as model:
        await model("edit_file", path="m.txt", old="one\ntwo\n", new="1\n2\n")
        await model("edit_file", path="m.txt", old="three\nfour", new="3\n4")
        assert (model.root / "m.txt").read_bytes() == b"1\r\n2\r\n3\n4\n"


async def test_a_search_takes_braces_and_says_what_is_wrong_with_a_pattern(at_work) -> None:
    async with at_work() as model:
        said = await model("search_files", pattern="^one", glob="{*.py,crlf.*,odd.txt}")
        assert said.splitlines() == ["crlf.txt:1: one", "odd.txt:2: one"]
        wrong = await model("search_files", pattern="(one")
        assert "missing" in wrong
        assert wrong.endswith("Give another pattern.")


async def test_no_line_is_shown_of_a_file_that_was_not_searched_for_secrets(
    at_work, monkeypatch
) -> None:
    async with at_work() as model:
        monkeypatch.setattr(scratch, "SEARCHED", 9)
        assert await model("search_files", pattern="one", glob="*.*") == "odd.txt:2: one"
