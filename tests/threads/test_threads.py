"""Conversations: kept verbatim, one turn at a time, by age forgotten, or not at all."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.state.store import Store
from openrouter_mcp.threads.threads import Threads
from tests.support.clock import Clock
from tests.support.processes import PROCESSES

DAY = 86_400.0
QUESTION = {"role": "user", "content": "Capital of France?"}
ANSWER = {
    "role": "assistant",
    "content": "Paris \u2603.",
    "reasoning_details": [{"type": "reasoning.encrypted", "data": "c2ln", "index": 0, "id": None}],
    "annotations": [{"type": "file", "file": {"hash": "1f", "content": []}}],
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
TURN = [QUESTION, ANSWER]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def open_threads(tmp_path: Path, clock: Clock):
    """Threads as each server process has them: an own store on the same file."""
    stores: list[Store] = []

    def make(**variables) -> Threads:
        settings = Settings(state_dir=tmp_path / "state", **variables)
        stores.append(Store(settings.state_dir))
        return Threads(settings, stores[-1], clock=clock)

    yield make
    for store in stores:
        await store.aclose()


@pytest.fixture
def threads(open_threads) -> Threads:
    return open_threads()


async def begin(threads: Threads, cost: str = "0.01") -> str:
    async with threads.open("new") as thread:
        await thread.append(TURN, model="acme/x", cost=Decimal(cost))
    return thread.id


async def messages(threads: Threads, thread_id: str) -> list:
    return (await threads.show(thread_id))[1]


async def test_a_new_thread_begins_empty_and_keeps_its_first_turn_verbatim(
    threads: Threads, open_threads
):
    async with threads.open("new") as thread:
        assert thread.messages == []
        await thread.append(TURN, model="acme/x", cost=Decimal("0.01"))
    assert await messages(open_threads(), thread.id) == TURN


async def test_a_thread_goes_on_in_another_process_with_another_model(
    threads: Threads, open_threads, clock: Clock
):
    thread_id = await begin(threads)
    clock.now += 60
    async with open_threads().open(thread_id) as thread:
        assert thread.messages == TURN
        await thread.append([QUESTION], model="acme/y", cost=None)
        await thread.append([ANSWER], model="acme/y", cost=Decimal("0.000000001"))
        assert thread.messages == TURN * 2
    row, kept = await threads.show(thread_id)
    assert kept == TURN * 2
    assert (row.model, row.turns, row.cost) == ("acme/y", 3, Decimal("0.010000001"))
    assert row.updated - row.created == 60


async def test_a_failed_turn_leaves_the_thread_as_it_was(threads: Threads):
    thread_id = await begin(threads)
    before = await threads.show(thread_id)
    with pytest.raises(OpenRouterError, match="upstream"):
        async with threads.open(thread_id):
            raise OpenRouterError(Code.UPSTREAM_ERROR, "upstream failed.")
    assert await threads.show(thread_id) == before


async def test_a_new_thread_whose_first_turn_fails_does_not_exist(threads: Threads):
    with pytest.raises(KeyError):
        async with threads.open("new"):
            raise KeyError
    assert await threads.list() == []


@pytest.mark.parametrize("unknown", ["thread_none", "../../etc/passwd", "", "all", "1 OR 1=1"])
async def test_an_unknown_thread_is_answered_with_those_there_are(
    threads: Threads, tmp_path: Path, unknown: str
):
    thread_id = await begin(threads)
    with pytest.raises(OpenRouterError) as caught:
        async with threads.open(unknown):
            pass
    assert caught.value.code is Code.NOT_FOUND
    assert caught.value.suggestions == [thread_id]
    with pytest.raises(OpenRouterError):
        await threads.show(unknown)
    assert not (tmp_path / "state" / "threads").exists()


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("Capital of\n France?", "Capital of France?"),
        ([{"type": "text", "text": "File: a.txt\n..."}, {"type": "text", "text": "Why?"}], "Why?"),
        ([{"type": "openrouter_mcp/file", "path": "/a"}], ""),
        (None, ""),
    ],
)
async def test_a_thread_is_titled_by_its_first_words(threads: Threads, content, title: str):
    async with threads.open("new") as thread:
        await thread.append([{"role": "user", "content": content}], model="acme/x", cost=None)
    assert (await threads.show(thread.id))[0].title == title


async def test_threads_are_listed_by_their_last_turn(threads: Threads, clock: Clock):
    first = await begin(threads)
    clock.now += 1
    second = await begin(threads)
    clock.now += 1
    async with threads.open(first) as thread:
        await thread.append(TURN, model="acme/x", cost=None)
    assert [row.id for row in await threads.list()] == [first, second]


async def test_two_calls_on_one_thread_never_interleave(open_threads):
    servers = [open_threads(), open_threads()]
    thread_id = await begin(servers[0])
    inside: list[int] = []

    async def call(number: int) -> None:
        async with servers[number % 2].open(thread_id) as thread:
            inside.append(number)
            assert inside == [number]
            await asyncio.sleep(0.002)
            await thread.append([{"role": "user", "content": str(number)}], model="m", cost=None)
            inside.remove(number)

    await asyncio.gather(*map(call, range(6)))
    kept = await messages(servers[0], thread_id)
    assert {message["content"] for message in kept[2:]} == set("012345")


async def test_a_call_that_waits_too_long_for_its_turn_is_told_why(open_threads):
    threads = open_threads()
    thread_id = await begin(threads)
    impatient = open_threads(request_timeout_seconds=0.3)
    for holder in (threads, impatient):
        async with holder.open(thread_id):
            with pytest.raises(OpenRouterError, match="Another call") as caught:
                async with impatient.open(thread_id):
                    pass
        assert caught.value.retryable
    async with threads.open(thread_id) as thread:
        assert thread.messages == TURN


async def work_in(directory: Path, thread_id: str, held) -> None:
    threads = Threads(Settings(state_dir=directory), Store(directory), clock=Clock())
    async with threads.open(thread_id):
        held.set()
        await asyncio.Event().wait()


def hold(*arguments) -> None:
    """A process that works in a thread until it is killed."""
    asyncio.run(work_in(*arguments))


async def test_a_killed_process_does_not_keep_its_thread(open_threads, tmp_path: Path):
    threads = open_threads(request_timeout_seconds=0.2)
    thread_id = await begin(threads)
    held = PROCESSES.Event()
    process = PROCESSES.Process(target=hold, args=(tmp_path / "state", thread_id, held))
    process.start()
    try:
        assert await asyncio.to_thread(held.wait, 30)
        with pytest.raises(OpenRouterError, match="Another call"):
            async with threads.open(thread_id):
                pass
    finally:
        process.kill()
        await asyncio.to_thread(process.join)
    async with threads.open(thread_id) as thread:
        assert thread.messages == TURN


async def test_a_thread_expires_by_its_last_turn(open_threads, clock: Clock):
    threads = open_threads(thread_ttl_days=2)
    old, kept = await begin(threads), await begin(threads)
    clock.now += DAY
    async with threads.open(kept) as thread:
        await thread.append(TURN, model="acme/x", cost=None)
    clock.now += DAY + 1
    with pytest.raises(OpenRouterError, match="expired"):
        async with threads.open(old):
            pass
    assert [row.id for row in await threads.list()] == [kept]
    clock.now += DAY
    new = await begin(threads)
    held = "SELECT DISTINCT thread_id FROM messages"
    assert await threads._store.read(lambda c: c.execute(held).fetchall()) == [(new,)]


async def test_one_thread_or_all_can_be_forgotten_without_a_trace(threads: Threads, tmp_path: Path):
    ids = [await begin(threads) for _ in range(3)]
    for thread_id in ids:
        async with threads.open(thread_id):
            pass
    locks = tmp_path / "state" / "threads"
    assert len(list(locks.iterdir())) == 3
    assert await threads.forget(ids[0]) == 1
    assert await threads.forget(ids[0]) == 0
    assert {row.id for row in await threads.list()} == set(ids[1:])
    assert await threads.forget("all") == 2
    assert await threads.list() == []
    assert list(locks.iterdir()) == []
    count = "SELECT COUNT(*) FROM messages"
    assert await threads._store.read(lambda c: c.execute(count).fetchone()) == (0,)


async def test_a_thread_that_is_forgotten_during_a_call_stays_forgotten(threads: Threads):
    thread_id = await begin(threads)
    async with threads.open(thread_id) as thread:
        await threads.forget(thread_id)
        await thread.append(TURN, model="acme/x", cost=None)
    assert await threads.list() == []


@pytest.mark.parametrize("thread_id", ["new", "thread_abc"])
async def test_switched_off_nothing_is_kept_and_the_variable_is_named(
    open_threads, tmp_path: Path, thread_id: str
):
    threads = open_threads(threads="off")
    with pytest.raises(OpenRouterError, match="OPENROUTER_THREADS") as caught:
        async with threads.open(thread_id):
            pass
    assert caught.value.code is Code.INVALID_INPUT
    for refused in (threads.list(), threads.show(thread_id)):
        with pytest.raises(OpenRouterError, match="OPENROUTER_THREADS"):
            await refused
    assert not (tmp_path / "state").exists()


async def test_what_was_kept_before_can_be_forgotten_while_switched_off(open_threads):
    await begin(open_threads())
    assert await open_threads(threads="off").forget("all") == 1


async def test_a_thread_lives_in_memory_where_nothing_can_be_written(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("in the way")
    settings = Settings(state_dir=tmp_path / "file" / "state")
    store = Store(settings.state_dir)
    threads = Threads(settings, store, clock=clock)
    thread_id = await begin(threads)
    inside: list[int] = []

    async def call(number: int) -> None:
        async with threads.open(thread_id) as thread:
            inside.append(number)
            await asyncio.sleep(0.002)
            assert inside.pop() == number
            assert thread.messages == TURN
            assert inside == []

    await asyncio.gather(*map(call, range(3)))
    await store.aclose()


async def test_lock_files_are_for_the_user_only(threads: Threads, tmp_path: Path):
    async with threads.open(await begin(threads)):
        [lock] = (tmp_path / "state" / "threads").iterdir()
        assert lock.stat().st_mode & 0o077 == 0
        assert lock.parent.stat().st_mode & 0o077 == 0


async def test_half_a_surrogate_pair_is_kept(threads: Threads):
    broken = [{"role": "user", "content": "Snow\ud83d"}]
    async with threads.open("new") as thread:
        await thread.append(broken, model="acme/x", cost=None)
    assert json.dumps(await messages(threads, thread.id)) == json.dumps(broken)
