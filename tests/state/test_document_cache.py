import asyncio
import json
import logging
import os
import stat

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.state import document_cache as cache_module
from openrouter_mcp.state.document_cache import RETRY_AFTER_FAILURE, DocumentCache
from openrouter_mcp.timing import Timing
from tests.support.clock import Clock
from tests.support.processes import PROCESSES

HOUR = 3600.0
OUTAGE = OpenRouterError(Code.NETWORK, "The network is gone. Call again later.")


class Source:
    """Counts its fetches; waits at its gate; fails when told to."""

    def __init__(self):
        self.fetches = 0
        self.error = None
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.fetches += 1
        number = self.fetches
        self.asked.set()
        await self.gate.wait()
        if self.error:
            raise self.error
        return {"number": number}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source():
    return Source()


@pytest.fixture
async def cache(tmp_path, clock):
    cache = DocumentCache(tmp_path / "cache", clock=clock)
    yield cache
    await cache.aclose()


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


async def settle(cache):
    """Wait for the background refreshes, whatever their outcome."""
    await asyncio.gather(*cache._fetches.values(), return_exceptions=True)
    await asyncio.sleep(0)


async def test_a_fresh_document_costs_one_request(cache, source, clock):
    first = await cache.get("models", source, HOUR)
    clock.now += HOUR - 1
    second = await cache.get("models", source, HOUR)
    assert first.data == second.data == {"number": 1}
    assert first.fetched_at == second.fetched_at == 1_800_000_000.0
    assert not second.stale
    assert source.fetches == 1


async def test_an_unchanged_file_is_not_parsed_again(cache, source):
    first = await cache.get("models", source, HOUR)
    assert (await cache.get("models", source, HOUR)).data is first.data


async def test_the_next_process_finds_the_document_on_disk(cache, source, clock, tmp_path):
    await cache.get("models", source, HOUR)
    other = DocumentCache(tmp_path / "cache", clock=clock)
    assert (await other.get("models", source, HOUR)).data == {"number": 1}
    assert source.fetches == 1


async def test_a_document_replaced_by_another_process_is_read_again(cache, source, clock, tmp_path):
    await cache.get("models", source, HOUR)
    clock.now += HOUR
    other = DocumentCache(tmp_path / "cache", clock=clock)
    await other.get("models", source, HOUR, stale_while_revalidate=0)
    document = await cache.get("models", source, HOUR)
    assert document.data == {"number": 2}
    assert not document.stale
    assert source.fetches == 2


async def test_fifty_callers_share_one_fetch(cache, source):
    documents = await asyncio.gather(*(cache.get("models", source, HOUR) for _ in range(50)))
    assert [document.data for document in documents] == [{"number": 1}] * 50
    assert source.fetches == 1


async def test_fifty_callers_of_a_stale_document_share_one_refresh(cache, source, clock):
    await cache.get("models", source, HOUR)
    clock.now += HOUR
    await asyncio.gather(*(cache.get("models", source, HOUR) for _ in range(50)))
    await settle(cache)
    assert source.fetches == 2


async def test_a_stale_document_is_served_while_it_is_renewed(cache, source, clock):
    await cache.get("models", source, HOUR)
    clock.now += HOUR
    source.gate.clear()
    stale = await cache.get("models", source, HOUR)
    assert stale.data == {"number": 1}
    assert stale.stale
    source.gate.set()
    await settle(cache)
    renewed = await cache.get("models", source, HOUR)
    assert renewed.data == {"number": 2}
    assert not renewed.stale


async def test_a_caller_who_wants_no_stale_data_waits_for_the_new(cache, source, clock):
    await cache.get("models", source, HOUR)
    clock.now += HOUR
    document = await cache.get("models", source, HOUR, stale_while_revalidate=0)
    assert document.data == {"number": 2}
    assert not document.stale


async def test_even_that_caller_gets_old_data_when_the_network_is_gone(cache, source, clock):
    await cache.get("models", source, HOUR)
    clock.now += 1000 * HOUR
    source.error = OUTAGE
    document = await cache.get("models", source, HOUR, stale_while_revalidate=0)
    assert document.data == {"number": 1}
    assert document.stale


async def test_an_outage_is_asked_about_once_a_minute(cache, source, clock, caplog):
    await cache.get("models", source, HOUR)
    clock.now += HOUR
    source.error = OUTAGE
    for _ in range(5):
        assert (await cache.get("models", source, HOUR)).stale
        await settle(cache)
    assert source.fetches == 2
    assert "The network is gone" in caplog.text
    assert "Traceback" not in caplog.text
    clock.now += RETRY_AFTER_FAILURE
    source.error = None
    await cache.get("models", source, HOUR)
    await settle(cache)
    assert (await cache.get("models", source, HOUR)).data == {"number": 3}


async def test_without_data_every_waiter_gets_the_error(cache, source):
    source.error = OUTAGE
    waiters = [cache.get("models", source, HOUR) for _ in range(3)]
    assert await asyncio.gather(*waiters, return_exceptions=True) == [OUTAGE] * 3
    assert source.fetches == 1
    source.error = None
    assert (await cache.get("models", source, HOUR)).data == {"number": 2}


async def test_a_defect_in_a_background_refresh_is_logged_with_its_traceback(
    cache, source, clock, caplog
):
    await cache.get("models", source, HOUR)
    clock.now += HOUR
    source.error = ZeroDivisionError("a defect")
    assert (await cache.get("models", source, HOUR)).stale
    await settle(cache)
    assert "ZeroDivisionError: a defect" in caplog.text


async def test_cancelling_one_waiter_leaves_the_fetch_to_the_others(cache, source):
    source.gate.clear()
    first = asyncio.create_task(cache.get("models", source, HOUR))
    second = asyncio.create_task(cache.get("models", source, HOUR))
    await source.asked.wait()
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    source.gate.set()
    assert (await second).data == {"number": 1}
    assert source.fetches == 1


async def test_closing_cancels_what_is_being_fetched(cache, source):
    source.gate.clear()
    waiter = asyncio.create_task(cache.get("models", source, HOUR))
    await source.asked.wait()
    await cache.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert not cache._fetches


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"fetched_at": 1', "[]", "null", '{"data": 1}', '{"fetched_at": "x", "data": 1}'],
)
async def test_a_damaged_file_counts_as_absent(cache, source, clock, tmp_path, content):
    directory = tmp_path / "cache"
    directory.mkdir(mode=0o700)
    (directory / "models.json").write_text(content)
    assert (await cache.get("models", source, HOUR)).data == {"number": 1}
    assert json.loads((directory / "models.json").read_text())["data"] == {"number": 1}


async def test_a_document_from_the_future_is_fetched_again(cache, source, clock):
    await cache.get("models", source, HOUR)
    clock.now -= 10 * HOUR
    document = await cache.get("models", source, HOUR)
    assert document.data == {"number": 2}
    assert not document.stale


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
async def test_only_the_user_can_read_the_files(cache, source, tmp_path):
    await cache.get("endpoints ../author/slug:free", source, HOUR)
    directory = tmp_path / "cache"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert [name for name in names_in(directory) if name.endswith(".json")] == [
        "endpoints%20..%2Fauthor%2Fslug%3Afree.json"
    ]
    assert names_in(tmp_path) == ["cache"]


async def test_an_unwritable_directory_means_memory_only_and_one_warning(
    source, clock, tmp_path, caplog
):
    (tmp_path / "file").touch()
    cache = DocumentCache(tmp_path / "file" / "cache", clock=clock)
    with caplog.at_level(logging.WARNING, "openrouter_mcp"):
        for _ in range(3):
            assert (await cache.get("models", source, HOUR)).data == {"number": 1}
        clock.now += HOUR
        assert (await cache.get("models", source, HOUR)).stale
        await settle(cache)
        assert (await cache.get("models", source, HOUR)).data == {"number": 2}
    assert len(caplog.records) == 1
    assert source.fetches == 2


async def test_a_full_disk_means_memory_only(cache, source, monkeypatch, tmp_path, caplog):
    def full(path, document):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module, "_write", full)
    for _ in range(2):
        assert (await cache.get("models", source, HOUR)).data == {"number": 1}
    assert source.fetches == 1
    assert "No space left on device" in caplog.text


async def test_a_process_that_waits_too_long_serves_what_it_has(source, clock, tmp_path):
    impatient = DocumentCache(tmp_path / "cache", Timing(document_lock=0.01), clock=clock)
    await impatient.get("models", source, HOUR)
    clock.now += HOUR
    stuck = DocumentCache(tmp_path / "cache", clock=clock)
    slow = Source()
    slow.gate.clear()
    waiter = asyncio.create_task(stuck.get("models", slow, HOUR, stale_while_revalidate=0))
    await slow.asked.wait()
    document = await impatient.get("models", source, HOUR, stale_while_revalidate=0)
    assert document.data == {"number": 1}
    assert document.stale
    assert source.fetches == 1
    slow.gate.set()
    await waiter


async def test_a_process_that_waits_too_long_with_nothing_asks_for_itself(source, clock, tmp_path):
    impatient = DocumentCache(tmp_path / "cache", Timing(document_lock=0.01), clock=clock)
    stuck = DocumentCache(tmp_path / "cache", clock=clock)
    slow = Source()
    slow.gate.clear()
    waiter = asyncio.create_task(stuck.get("models", slow, HOUR))
    await slow.asked.wait()
    assert (await impatient.get("models", source, HOUR)).data == {"number": 1}
    assert not (tmp_path / "cache" / "models.json").exists()
    slow.gate.set()
    await waiter
    assert (tmp_path / "cache" / "models.json").exists()


def race(directory, started, results):
    """A process of its own that wants the document as soon as all are there."""

    async def fetch():
        with (directory / "fetches").open("a") as log:
            log.write(f"{os.getpid()}\n")
        await asyncio.sleep(0.05)
        return {"pid": os.getpid()}

    async def get():
        cache = DocumentCache(directory / "cache")
        return (await cache.get("models", fetch, HOUR)).data["pid"]

    started.wait(timeout=60)
    results.put(asyncio.run(get()))


def test_two_processes_make_one_fetch(tmp_path):
    started, results = PROCESSES.Barrier(2), PROCESSES.Queue()
    processes = [
        PROCESSES.Process(target=race, args=(tmp_path, started, results)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    fetches = (tmp_path / "fetches").read_text().split()
    assert len(fetches) == 1
    assert answers == [int(fetches[0])] * 2


def die_while_writing(directory):
    class HalfWritten:
        """A file whose process dies after the first half of the text."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, text):
            self.file.write(text[: len(text) // 2])
            self.file.flush()
            os._exit(9)

    fdopen = os.fdopen
    os.fdopen = lambda *args, **kwargs: HalfWritten(fdopen(*args, **kwargs))

    async def fetch():
        return {"number": "new"}

    async def get():
        await DocumentCache(directory).get("models", fetch, 0, stale_while_revalidate=0)

    asyncio.run(get())


async def test_a_process_killed_in_the_middle_of_writing_leaves_the_old_document(
    cache, source, tmp_path, clock
):
    await cache.get("models", source, HOUR)
    process = PROCESSES.Process(target=die_while_writing, args=(tmp_path / "cache",))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == 9
    assert "models.tmp" in names_in(tmp_path / "cache")
    survivor = DocumentCache(tmp_path / "cache", clock=clock)
    assert (await survivor.get("models", source, HOUR)).data == {"number": 1}
    # The lock died with its holder, and what it left behind is in nobody's way.
    clock.now += HOUR
    renewed = await survivor.get("models", source, HOUR, stale_while_revalidate=0)
    assert renewed.data == {"number": 2}
    assert "models.tmp" not in names_in(tmp_path / "cache")
