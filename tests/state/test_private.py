"""State that others could read or replace is refused with the repair, and never followed."""

import os
import stat
from pathlib import Path

import pytest

from openrouter_mcp.agent.run_log import RunLog
from openrouter_mcp.state import private
from openrouter_mcp.state.document_cache import DocumentCache
from openrouter_mcp.state.store import Store

OTHER = 54_321

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")


def refusal(directory: Path) -> str:
    with pytest.raises(PermissionError) as caught:
        private.make(directory)
    return str(caught.value.strerror)


def test_all_that_is_made_is_the_user_s_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        private.make(tmp_path / "a" / "b" / "state")
        private.make(tmp_path / "a" / "b" / "state")
    finally:
        os.umask(umask)
    for name in ("a", "a/b", "a/b/state"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o755, 0o777, 0o1777, 0o701])
def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    directory.chmod(mode)
    said = refusal(directory)
    assert "chmod" in said
    assert str(directory) in said
    directory.chmod(0o700)
    private.make(directory)


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o757, True), (0o755, False)])
def test_a_directory_above_that_others_may_change_is_refused(
    tmp_path: Path, mode: int, refused: bool
) -> None:
    above = tmp_path / "above"
    private.make(above / "state")
    above.chmod(mode)
    if refused:
        assert f"chmod go-w '{above}'" in refusal(above / "state")
        above.chmod(mode | stat.S_ISVTX)
    private.make(above / "state")


def test_a_group_of_one_s_own_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private.make(tmp_path / "above" / "state")
    (tmp_path / "above").chmod(0o775)
    monkeypatch.setattr(private, "_is_private_group", lambda _group: True)
    private.make(tmp_path / "above" / "state")
    monkeypatch.setattr(private, "_is_private_group", lambda _group: False)
    assert "others may change" in refusal(tmp_path / "above" / "state")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives away")
@pytest.mark.parametrize("given", ["above", "above/state", "link"])
def test_what_belongs_to_another_is_refused(tmp_path: Path, given: str) -> None:
    private.make(tmp_path / "above" / "state")
    (tmp_path / "link").symlink_to(tmp_path / "above")
    private.make(tmp_path / "link" / "state")
    os.chown(tmp_path / given, OTHER, -1, follow_symlinks=False)
    refusal(tmp_path / "link" / "state")


def test_a_link_through_a_place_that_others_may_change_is_refused(tmp_path: Path) -> None:
    private.make(tmp_path / "mine" / "state")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "link").symlink_to("../mine")
    assert "others may change" in refusal(tmp_path / "open" / "link" / "state")
    (tmp_path / "safe").symlink_to(tmp_path / "open" / "link")
    assert "others may change" in refusal(tmp_path / "safe" / "state")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r".+"):
        private.make(tmp_path / "loop" / "state")


async def test_the_store_goes_on_in_memory_and_says_the_repair(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    directory.chmod(0o755)
    store = Store(directory)
    await store.run(lambda connection: connection.execute("SELECT 1"))
    assert not store.durable
    assert f"chmod 700 '{directory}'" in store.warning
    assert list(directory.iterdir()) == []
    await store.aclose()


async def test_documents_that_others_may_have_written_are_not_read(tmp_path: Path) -> None:
    async def fetched() -> dict[str, int]:
        return {"price": 2}

    directory = tmp_path / "cache"
    directory.mkdir()
    (directory / "models.json").write_text('{"fetched_at": 4102444800, "data": {"price": 0}}')
    directory.chmod(0o777)
    cache = DocumentCache(directory)
    assert await cache.known("models") is None
    assert (await cache.get("models", fetched, 60)).data == {"price": 2}
    await cache.aclose()


async def test_no_link_is_followed_in_writing(tmp_path: Path) -> None:
    async def fetched() -> dict[str, int]:
        return {"price": 2}

    victim = tmp_path / "victim"
    victim.write_text("mine")
    directory = tmp_path / "cache"
    private.make(directory)
    (directory / "models.tmp").symlink_to(victim)
    cache = DocumentCache(directory)
    await cache.get("models", fetched, 60)
    await cache.aclose()
    assert (directory / "models.json").exists()
    log = RunLog(directory, days=1)
    log.path.symlink_to(victim)
    await log.write("begin")
    assert log.problem
    assert victim.read_text() == "mine"
