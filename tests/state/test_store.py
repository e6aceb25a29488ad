"""The state file: transactions, other processes, and everything that can be wrong with a file."""

import asyncio
import logging
import os
import shutil
import sqlite3
import stat
import threading

import pytest

from openrouter_mcp.state.migrations import MIGRATIONS
from openrouter_mcp.state.store import Store, StoreBusyError
from openrouter_mcp.timing import Timing
from tests.support.processes import PROCESSES, until

OPEN = "INSERT INTO threads(id, turns) VALUES (?, 0)"


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "state"


@pytest.fixture
async def store(directory):
    store = Store(directory)
    yield store
    await store.aclose()


def begin(thread_id):
    return lambda connection: connection.execute(OPEN, (thread_id,))


def threads(connection):
    return [row[0] for row in connection.execute("SELECT id FROM threads ORDER BY id")]


async def together(directory, count=2):
    """What each of several stores that start at once finds after all have written."""
    stores = [Store(directory) for _ in range(count)]
    await asyncio.gather(*(each.run(begin(str(i))) for i, each in enumerate(stores)))
    found = [await each.read(threads) for each in stores]
    warnings = [each.warning for each in stores]
    for each in stores:
        await each.aclose()
    return found, warnings


async def finish(process):
    await asyncio.to_thread(process.join, 60)


async def test_what_is_written_is_there_for_the_next_process(store, directory):
    await store.run(begin("a"))
    await store.aclose()
    following = Store(directory)
    assert await following.read(threads) == ["a"]
    assert following.durable
    assert following.warning == ""
    await following.aclose()


async def test_making_and_closing_a_store_touches_nothing(directory):
    await Store(directory).aclose()
    assert not directory.exists()


async def test_only_the_user_can_read_the_files(store, directory):
    await store.run(begin("a"))
    modes = {
        path.relative_to(directory).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in [directory, *directory.rglob("*")]
    }
    assert modes == {
        ".": 0o700,
        "processes": 0o700,
        f"processes/{store.owner}.lock": 0o600,
        f"processes/{store.owner}.open": 0o600,
        "state.db": 0o600,
        "state.db-shm": 0o600,
        "state.db-wal": 0o600,
        "state.lock": 0o600,
    }


async def test_work_that_raises_leaves_no_trace(store):
    def fail(connection):
        begin("a")(connection)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.run(fail)
    with pytest.raises(sqlite3.IntegrityError):
        await store.run(lambda connection: [begin("b")(connection), begin("b")(connection)])
    assert await store.read(threads) == []
    assert store.durable


async def test_work_is_done_though_its_caller_is_cancelled(store):
    turn = threading.Event()
    store.later(lambda connection: turn.wait(60))
    caller = asyncio.create_task(store.run(begin("a")))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    turn.set()
    assert await store.read(threads) == ["a"]


async def test_what_nobody_waits_for_comes_before_what_is_asked_next(store):
    for number in range(5):
        store.later(begin(str(number)))
    assert await store.read(threads) == ["0", "1", "2", "3", "4"]


async def test_what_nobody_waits_for_is_finished_when_the_store_closes(store, directory):
    for number in range(5):
        store.later(begin(str(number)))
    await store.aclose()
    following = Store(directory)
    assert await following.read(threads) == ["0", "1", "2", "3", "4"]
    await following.aclose()


async def test_what_nobody_waits_for_is_written_together_and_soon(store, directory):
    statements: list[str] = []
    await store.read(lambda connection: connection.set_trace_callback(statements.append))
    statements.clear()
    for name in ("a", "b", "c"):
        store.later(begin(name))
    other = sqlite3.connect(directory / "state.db")
    await until(lambda: threads(other) == ["a", "b", "c"])
    other.close()
    assert statements.count("BEGIN IMMEDIATE") == statements.count("COMMIT") == 1


async def test_the_failure_of_what_nobody_waits_for_is_logged(store, caplog):
    store.later(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)"))
    assert await store.read(threads) == []
    assert "no such table: nowhere" in caplog.text


async def test_deleting_a_thread_deletes_its_messages(store):
    def work(connection):
        begin("a")(connection)
        connection.execute("INSERT INTO messages VALUES ('a', 0, '{}')")
        connection.execute("DELETE FROM threads")
        return connection.execute("SELECT count(*) FROM messages").fetchone()

    assert await store.run(work) == (0,)


async def test_stores_that_start_together_make_the_tables_once(directory):
    found, warnings = await together(directory, 4)
    assert found == [["0", "1", "2", "3"]] * 4
    assert warnings == [""] * 4


def hold(directory, held, released):
    """A process that keeps the write lock until it is told to release it."""
    connection = sqlite3.connect(directory / "state.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    held.set()
    released.wait(60)
    connection.execute("COMMIT")
    connection.close()


async def test_the_event_loop_runs_on_while_another_process_holds_the_lock(store, directory):
    await store.run(begin("a"))
    held, released = PROCESSES.Event(), PROCESSES.Event()
    process = PROCESSES.Process(target=hold, args=(directory, held, released))
    process.start()
    assert await asyncio.to_thread(held.wait, 60)
    writing = asyncio.create_task(store.run(begin("b")))
    await asyncio.sleep(0)
    # Nothing but this loop ends the lock.
    released.set()
    await writing
    assert await store.read(threads) == ["a", "b"]
    assert store.warning == ""
    await finish(process)


async def test_a_lock_that_is_not_released_in_time_is_a_matter_of_time(directory):
    store = Store(directory, Timing(store_lock=0.0))
    await store.run(begin("a"))
    holder = sqlite3.connect(directory / "state.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store.later(begin("b"))
    with pytest.raises(StoreBusyError, match="locked by another process") as busy:
        await store.run(begin("c"))
    assert busy.value.retryable
    assert await store.read(threads) == ["a"]
    holder.close()
    await store.run(begin("d"))
    assert await store.read(threads) == ["a", "b", "d"]
    assert store.durable
    assert store.warning == ""
    await store.aclose()


async def test_all_that_waits_for_a_lock_waits_no_longer_than_one_alone(directory, monkeypatch):
    store = Store(directory, Timing(store_lock=0.0))
    await store.run(begin("a"))
    holder = sqlite3.connect(directory / "state.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    asked = [store.run(begin(str(number))) for number in range(4)]
    assert [type(each) for each in await asyncio.gather(*asked, return_exceptions=True)] == [
        StoreBusyError
    ] * 4
    holder.close()
    await store.aclose()


async def test_closing_does_not_wait_for_a_lock(directory):
    store = Store(directory, Timing(store_lock=3600.0))
    await store.run(begin("a"))
    holder = sqlite3.connect(directory / "state.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store.later(begin("b"))
    async with asyncio.timeout(30):
        await store.aclose()
    holder.close()


def write_and_die(directory):
    async def main():
        store = Store(directory)
        await store.run(begin("committed"))
        await store.run(lambda connection: [begin("not")(connection), os.kill(os.getpid(), 9)])

    asyncio.run(main())


async def test_a_killed_process_loses_nothing_that_it_had_committed(store, directory):
    process = PROCESSES.Process(target=write_and_die, args=(directory,))
    process.start()
    await finish(process)
    assert process.exitcode == -9
    assert await store.read(threads) == ["committed"]


async def test_a_newer_file_is_left_as_it_is(store, directory, caplog):
    directory.mkdir(mode=0o700)
    newer = sqlite3.connect(directory / "state.db")
    newer.execute("CREATE TABLE future(x)")
    newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    newer.close()
    before = (directory / "state.db").read_bytes()
    await store.run(begin("a"))
    assert await store.read(threads) == ["a"]
    assert not store.durable
    assert "newer openrouter-mcp" in store.warning
    assert "Update openrouter-mcp" in store.warning
    assert (directory / "state.db").read_bytes() == before
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_an_older_file_is_brought_up_to_date(store, directory, monkeypatch):
    await store.run(begin("a"))
    await store.aclose()
    later = (*MIGRATIONS, "CREATE TABLE future(x); INSERT INTO future SELECT id FROM threads;")
    monkeypatch.setattr("openrouter_mcp.state.migrations.MIGRATIONS", later)
    stores = [Store(directory) for _ in range(3)]
    count = [
        each.read(lambda connection: connection.execute("SELECT x FROM future").fetchall())
        for each in stores
    ]
    assert await asyncio.gather(*count) == [[("a",)]] * 3
    for each in stores:
        await each.aclose()


async def test_a_migration_that_fails_changes_nothing(store, directory, monkeypatch):
    await store.run(begin("a"))
    await store.aclose()
    monkeypatch.setattr(
        "openrouter_mcp.state.migrations.MIGRATIONS",
        (*MIGRATIONS, "DROP TABLE threads; SELECT nothing;"),
    )
    broken = Store(directory)
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        await broken.read(threads)
    await broken.aclose()
    monkeypatch.undo()
    assert (await together(directory, 1))[0] == [["0", "a"]]


@pytest.mark.parametrize("damage", ["not a database", "malformed"])
async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(directory, damage, caplog):
    spoil(directory, damage)
    store = Store(directory, clock=lambda: 0.0)
    await store.run(begin("a"))
    assert await store.read(threads) == ["a"]
    assert store.durable
    assert "was damaged" in store.warning
    assert (directory / "state.db.corrupt-19700101T000000Z").exists()
    assert [record.getMessage() for record in caplog.records] == [store.warning]
    await store.aclose()
    following = Store(directory)
    assert await following.read(threads) == ["a"]
    assert following.warning == ""
    await following.aclose()


def spoil(directory, damage):
    """Leave a file with nothing in it that SQLite could read, or one with a broken page."""
    path = directory / "state.db"
    directory.mkdir(mode=0o700, exist_ok=True)
    if damage == "not a database":
        path.write_bytes(b"This is not a database. " * 400)
        return
    connection = sqlite3.connect(path)
    connection.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
    connection.executemany(OPEN, [(f"{number:0200}",) for number in range(200)])
    connection.commit()
    connection.close()
    content = bytearray(path.read_bytes())
    content[-8192:-4096] = b"\xff" * 4096
    path.write_bytes(content)


def race(directory, name, barrier, found):
    """A process that opens the file together with others and writes into it."""

    async def main():
        store = Store(directory)
        barrier.wait(60)
        await store.run(begin(name))
        barrier.wait(60)
        found.put((await store.read(threads), store.warning))
        await store.aclose()

    asyncio.run(main())


def test_two_processes_that_meet_a_damaged_file_agree_on_one_new_file(directory):
    spoil(directory, "not a database")
    barrier, found = PROCESSES.Barrier(2), PROCESSES.Queue()
    processes = [
        PROCESSES.Process(target=race, args=(directory, name, barrier, found))
        for name in ("a", "b")
    ]
    for process in processes:
        process.start()
    results = [found.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert [threads for threads, _ in results] == [["a", "b"]] * 2
    assert sorted(bool(warning) for _, warning in results) == [False, True]
    assert len(list(directory.glob("state.db.corrupt-*"))) == 1


async def test_damage_that_shows_while_at_work_is_mended_too(store, directory):
    await store.run(begin("a"))

    def broken(connection):
        if connection.execute("SELECT count(*) FROM threads").fetchone() == (1,):
            spoil(directory, "not a database")
            raise malformed()
        begin("b")(connection)

    await store.run(broken)
    assert await store.read(threads) == ["b"]
    assert store.durable
    assert "was damaged" in store.warning


def malformed():
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


async def test_a_damaged_file_that_others_have_open_stays(store, directory):
    await store.run(begin("a"))
    second = Store(directory)
    await second.read(threads)

    def broken(connection):
        if connection.execute("PRAGMA database_list").fetchone()[2]:
            spoil(directory, "not a database")
            raise malformed()
        begin("b")(connection)

    await store.run(broken)
    assert not store.durable
    assert await store.read(threads) == ["b"]
    assert "Quit every MCP client" in store.warning
    assert list(directory.glob("*corrupt*")) == []
    await second.aclose()


async def test_damage_that_no_new_file_cures_leads_to_memory(store):
    def broken(connection):
        if connection.execute("PRAGMA database_list").fetchone()[2]:
            raise malformed()
        begin("a")(connection)

    await store.run(broken)
    assert await store.read(threads) == ["a"]
    assert not store.durable


@pytest.mark.parametrize("obstacle", ["a file", "read-only", "not ours"])
async def test_a_place_that_cannot_be_written_leads_to_memory(
    store, directory, obstacle, monkeypatch, caplog
):
    if obstacle == "a file":
        directory.write_text("in the way")
    elif obstacle == "not ours":
        directory.mkdir(mode=0o700)
        (directory / "state.db").mkdir()
    else:
        # Not by its mode: root, as whom tests may run, writes anyway.
        opened = os.open

        def refuse(path, flags, *args, **kwargs):
            if flags & os.O_CREAT and str(path).startswith(str(directory)):
                raise PermissionError(13, "Permission denied", str(path))
            return opened(path, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", refuse)
    for name in ("a", "b"):
        await store.run(begin(name))
    assert await store.read(threads) == ["a", "b"]
    assert not store.durable
    assert "restart this server" in store.warning
    assert [record.getMessage() for record in caplog.records] == [store.warning]


async def test_a_full_disk_leads_to_memory_with_all_there_was(store, directory):
    await store.run(begin("a"))
    pages = await store.read(
        lambda connection: connection.execute("PRAGMA page_count").fetchone()[0]
    )
    await store.read(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"))
    await store.run(lambda connection: connection.execute(OPEN, ("b" * 100_000,)))
    assert await store.read(threads) == ["a", "b" * 100_000]
    assert not store.durable
    assert "database or disk is full" in store.warning
    following = Store(directory)
    assert await following.read(threads) == ["a"]
    await following.aclose()


async def look(store):
    """What a store that nobody uses does every few seconds."""
    await asyncio.get_running_loop().run_in_executor(store._executor, store._look)


DEEDS = ["deleted", "moved", "emptied", "all deleted", "journal deleted", "journal and index"]


def take_away(directory, deed):
    path = directory / "state.db"
    if deed == "deleted":
        path.unlink()
    elif deed in {"moved", "emptied"}:
        path.rename(directory / "elsewhere.db")
        if deed == "emptied":
            path.touch()
    elif deed == "all deleted":
        shutil.rmtree(directory)
    else:
        (directory / "state.db-wal").unlink()
        if deed == "journal and index":
            (directory / "state.db-shm").unlink()


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_file_that_is_taken_away_is_written_again_with_all_there_was(directory, deed):
    stores = [Store(directory) for _ in range(3)]
    for number, store in enumerate(stores):
        await store.run(begin(str(number)))
    take_away(directory, deed)
    for number, store in enumerate(stores):
        await store.run(begin(f"after {number}"))
    everything = ["0", "1", "2", "after 0", "after 1", "after 2"]
    assert [await store.read(threads) for store in stores] == [everything] * 3
    assert [store.durable for store in stores] == [True] * 3
    for store in stores:
        await store.aclose()
    following = Store(directory)
    assert await following.read(threads) == everything
    assert following.warning == ""
    await following.aclose()


@pytest.mark.parametrize("deed", [deed for deed in DEEDS if deed != "all deleted"])
async def test_who_comes_after_it_waits_for_those_who_know_what_was_in_it(directory, deed):
    first, second = Store(directory), Store(directory)
    await first.run(begin("a"))
    take_away(directory, deed)
    assert await second.read(threads) == []
    assert not second.durable
    assert "they write it again" in second.warning
    await first.run(begin("b"))
    await look(second)
    assert await second.read(threads) == ["a", "b"]
    assert (second.durable, second.warning) == (True, "")
    await first.aclose()
    await second.aclose()


async def test_a_file_that_can_be_used_again_gets_what_was_kept_in_memory(directory):
    directory.write_text("in the way")
    store = Store(directory)
    await store.run(begin("a"))
    assert not store.durable
    directory.unlink()
    await look(store)
    await store.run(begin("b"))
    assert store.durable
    await store.aclose()
    following = Store(directory)
    assert await following.read(threads) == ["a", "b"]
    await following.aclose()


async def test_another_process_sees_whether_this_one_lives(store, directory):
    await store.read(threads)
    watcher = Store(directory)
    assert await watcher.alive(store.owner)
    await store.aclose()
    assert not await watcher.alive(store.owner)
    await watcher.aclose()


async def test_a_store_that_nobody_uses_comes_to_rest(store, monkeypatch):
    looks, seconds = [], []
    monkeypatch.setattr(store, "_look", lambda: looks.append(True))
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def at_once(delay, *call):
        if delay < 5:
            return call_later(delay, *call)
        seconds.append(delay)
        return call_later(0, *call)

    monkeypatch.setattr(loop, "call_later", at_once)
    for number in (1, 2):
        await store.read(threads)
        await until(lambda number=number: len(looks) == number * 6)
        assert seconds == [5, 10, 20, 40, 80, 160] * number
