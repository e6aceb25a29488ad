"""Jobs: answered in time or kept, followed, cancelled, lost, taken over; never two owners."""

import asyncio
import logging
import os
import signal
import threading
import time
from dataclasses import replace
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from fastmcp.tools import ToolResult
from mcp.types import ImageContent, ResourceLink, TextContent

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs import table as job_table
from openrouter_mcp.jobs.jobs import Handle, Jobs
from openrouter_mcp.jobs.replies import META, TAIL
from openrouter_mcp.jobs.table import State
from openrouter_mcp.progress import Progress
from openrouter_mcp.results import tool_result
from openrouter_mcp.settings import Settings
from openrouter_mcp.state.store import Store
from openrouter_mcp.timing import Timing
from tests.support.clock import Clock
from tests.support.processes import PROCESSES, until
from tests.support.results import text

SOON = 0.02
HOUR = 3600.0
OFTEN = Timing(job_save=0.01, job_look=0.01)
EVERY_MESSAGE = Timing(progress_interval=0)
ANSWER = ToolResult(content="Paris.")


class Upstream:
    """Work that says what it is told to, and notices when it is cancelled."""

    def __init__(self, outcome: ToolResult | BaseException = ANSWER) -> None:
        self.outcome = outcome
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.closing = asyncio.Event()
        """Until it is set, cancelled work does not end."""
        self.closing.set()
        self.closed = False
        self.handle: Handle

    async def __call__(self, handle: Handle) -> ToolResult:
        self.handle = handle
        await handle.report("acme/x: waiting for the first word")
        self.started.set()
        try:
            await self.gate.wait()
        finally:
            await self.closing.wait()
            self.closed = True
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


class Listener:
    """A client that listens to progress."""

    def __init__(self, timing: Timing = Timing()) -> None:
        self.heard: list[tuple[float, str]] = []
        self.timing = timing

    def __call__(self) -> Progress:
        async def send(value: float, message: str) -> None:
            self.heard.append((value, message))

        return Progress(send, timing=self.timing)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def listen() -> Listener:
    return Listener()


@pytest.fixture
async def open_jobs(tmp_path: Path, clock: Clock):
    """Jobs as each server process has them: an own store on the same file."""
    opened: list[tuple[Jobs, Store]] = []

    def make(timing: Timing = OFTEN, **variables) -> Jobs:
        store = Store(tmp_path / "state")
        settings = Settings(**{"wait_seconds": SOON, **variables})
        jobs = Jobs(settings, store, timing, clock=clock)
        opened.append((jobs, store))
        return jobs

    yield make
    for jobs, store in opened:
        await jobs.aclose()
        if not store._closing:
            await store.aclose()


@pytest.fixture
def jobs(open_jobs) -> Jobs:
    return open_jobs()


def job_id(result: ToolResult) -> str:
    return result.meta[META]["job_id"]


async def state(jobs: Jobs, identity: str) -> State:
    return next(row.state for row in await jobs.list() if row.id == identity)


async def started(jobs: Jobs, work: Upstream, listen: Listener) -> str:
    """Start a job with this work and return its id."""
    return job_id(await jobs.run("chat", "acme/x", work, listen()))


# In time


async def test_an_answer_in_time_is_given_as_it_is_and_not_stored(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs(wait_seconds=45)
    upstream.gate.set()
    assert await jobs.run("chat", "acme/x", upstream, listen()) is ANSWER
    assert await jobs.list() == []
    assert jobs._running == {}


async def test_zero_seconds_mean_to_wait_always(open_jobs, upstream: Upstream, listen: Listener):
    jobs = open_jobs(wait_seconds=0)
    call = asyncio.create_task(jobs.run("chat", "acme/x", upstream, listen()))
    await upstream.started.wait()
    await asyncio.sleep(SOON)
    assert not call.done()
    upstream.gate.set()
    assert await call is ANSWER
    assert await jobs.list() == []


@pytest.mark.parametrize("error", [OpenRouterError(Code.NO_CREDITS, "No."), KeyError("a defect")])
async def test_a_failure_in_time_is_raised_and_not_stored(
    open_jobs, listen: Listener, error: Exception
):
    jobs = open_jobs(wait_seconds=45)
    work = Upstream(error)
    work.gate.set()
    with pytest.raises(type(error)) as caught:
        await jobs.run("chat", "acme/x", work, listen())
    assert caught.value is error
    assert await jobs.list() == []


async def test_progress_of_the_work_reaches_who_waits_strictly_increasing(open_jobs):
    listen = Listener(EVERY_MESSAGE)

    async def work(handle: Handle) -> ToolResult:
        for number in range(3):
            await handle.report(f"number {number}")
            await asyncio.sleep(0)
        return ANSWER

    await open_jobs(wait_seconds=45).run("chat", "acme/x", work, listen())
    messages = [message for _, message in listen.heard]
    assert messages == ["acme/x: waiting", "number 0", "number 1", "number 2"]
    assert all(earlier < later for (earlier, _), (later, _) in pairwise(listen.heard))


async def test_silent_work_has_a_pulse(open_jobs):
    listen = Listener(Timing(progress_pulse=0.005))
    gate = asyncio.Event()

    async def work(_handle: Handle) -> ToolResult:
        await gate.wait()
        return ANSWER

    call = asyncio.create_task(open_jobs(wait_seconds=45).run("chat", "acme/x", work, listen()))

    async def heard() -> bool:
        return len(listen.heard) >= 3

    await until(heard)
    gate.set()
    await call
    assert all(message.startswith("acme/x: waiting") for _, message in listen.heard)


async def test_a_client_that_cannot_be_told_stops_the_work_and_loses_nothing(
    open_jobs, upstream: Upstream
):
    jobs = open_jobs(wait_seconds=5)

    async def send(_value: float, _message: str) -> None:
        if upstream.started.is_set():
            upstream.handle.text = "Par"
            raise ConnectionError("the client has gone")

    with pytest.raises(ConnectionError):
        await jobs.run("chat", "acme/x", upstream, Progress(send, timing=EVERY_MESSAGE))

    async def kept() -> bool:
        return [(row.state, row.text) for row in await jobs.list()] == [(State.CANCELLED, "Par")]

    await until(kept)
    assert upstream.closed


# As a job


async def test_a_call_that_came_before_the_server_was_awake_is_handed_over_sooner(
    open_jobs, upstream: Upstream
) -> None:
    async def send(_value: float, _message: str) -> None:
        pass

    jobs = open_jobs(wait_seconds=3600)
    identity = job_id(await jobs.run("chat", "acme/x", upstream, Progress(send, age=3600)))
    looked = await jobs.get(identity, 3600, Progress(send, age=3600))
    assert job_id(looked) == identity


async def test_a_slow_call_becomes_a_job_that_tells_the_next_call(
    jobs: Jobs, upstream: Upstream, listen: Listener, clock: Clock
):
    call = asyncio.create_task(jobs.run("chat", "acme/x", upstream, listen()))
    await upstream.started.wait()
    upstream.handle.text = "word " * 300
    clock.now += 47
    result = await call
    identity = job_id(result)
    first, tail, following = text(result).split("\n\n")
    assert first == "Still working: acme/x, 1,500 characters so far (47 s)."
    assert tail == "[...] " + ("word " * 300)[-TAIL:]
    assert following == f'Next: get_job(job_id="{identity}")'
    assert result.meta[META] == {
        "job_id": identity,
        "state": "running",
        "tool": "chat",
        "seconds": 47.0,
    }
    assert not result.is_error
    assert len(identity) == len("job_") + 10


async def test_before_the_first_word_a_job_tells_its_last_message(
    jobs: Jobs, upstream: Upstream, listen: Listener
):
    result = await jobs.run("chat", "acme/x", upstream, listen())
    assert text(result).startswith("Still working: acme/x: waiting for the first word (0 s).\n\n")


async def test_get_waits_for_the_end_and_gives_the_result_exactly(jobs: Jobs, listen: Listener):
    result = ToolResult(
        content=[
            TextContent(type="text", text="Two.\nBlocks \u2603."),
            ImageContent(type="image", data="aGk=", mime_type="image/png"),
            ResourceLink(type="resource_link", name="a", uri="file:///a.png", size=2),
        ],
        structured_content={"n": 1, "nested": [None, 1.5]},
        meta={"openrouter/receipt": {"cost": "0.01"}},
        is_error=True,
    )
    work = Upstream(result)
    identity = await started(jobs, work, listen)
    getting = asyncio.create_task(jobs.get(identity, 10, listen()))
    await asyncio.sleep(0)
    work.gate.set()
    first = await getting

    async def stored() -> bool:
        return not jobs._running

    await until(stored)
    for given in (first, await jobs.get(identity, 0, listen())):
        assert given.content == result.content
        assert given.structured_content == result.structured_content
        assert given.meta == result.meta
        assert given.is_error


async def test_get_waits_no_longer_than_the_setting_allows(
    jobs: Jobs, upstream: Upstream, listen: Listener
):
    identity = await started(jobs, upstream, listen)
    async with asyncio.timeout(5):
        result = await jobs.get(identity, 1000, listen())
    assert result.meta[META]["state"] == "running"


async def test_two_waiters_each_get_their_own_progress(open_jobs, upstream: Upstream):
    jobs = open_jobs()
    identity = await started(jobs, upstream, Listener())
    jobs._patience = None
    listeners = [Listener(EVERY_MESSAGE), Listener(EVERY_MESSAGE)]
    waiting = [asyncio.create_task(jobs.get(identity, 10, listen())) for listen in listeners]

    async def both_heard(message: str) -> None:
        async def heard() -> bool:
            return all(message in [m for _, m in listen.heard] for listen in listeners)

        await until(heard)

    for message in ("one", "two"):
        await upstream.handle.report(message)
        await both_heard(message)
    upstream.gate.set()
    results = await asyncio.gather(*waiting)
    assert [text(result) for result in results] == ["Paris.", "Paris."]
    for listen in listeners:
        assert all(earlier < later for (earlier, _), (later, _) in pairwise(listen.heard))


async def test_the_text_of_a_job_is_written_while_it_grows(
    jobs: Jobs, open_jobs, upstream: Upstream, listen: Listener
):
    identity = await started(jobs, upstream, listen)
    other = open_jobs()
    for so_far in ("Par", "Paris, of"):
        upstream.handle.text = so_far

        async def seen(so_far: str = so_far) -> bool:
            return so_far in text(await other.get(identity, 0, listen()))

        await until(seen)


async def test_another_server_follows_a_job_to_its_end(
    jobs: Jobs, open_jobs, upstream: Upstream, listen: Listener
):
    identity = await started(jobs, upstream, listen)
    other = Listener()
    getting = asyncio.create_task(open_jobs(wait_seconds=0).get(identity, 10, other()))

    async def told() -> bool:
        return bool(other.heard)

    await until(told)
    upstream.gate.set()
    assert text(await getting) == "Paris."


async def test_the_failure_of_a_job_is_given_with_everything_in_it(
    jobs: Jobs, open_jobs, listen: Listener
):
    error = OpenRouterError(
        Code.RATE_LIMITED,
        "Too many. Call again in 9 s.",
        retryable=True,
        retry_after=9.0,
        http_status=429,
        availability={"code": "capacity_exhausted"},
        suggestions=["acme/y"],
    )
    work = Upstream(error)
    identity = await started(jobs, work, listen)
    work.gate.set()
    for server in (jobs, open_jobs(wait_seconds=0)):
        result = await server.get(identity, 10, listen())
        assert result.is_error
        assert text(result) == error.message
        assert result.meta["openrouter/error"] == error.meta()
        assert result.meta[META]["state"] == "failed"


async def test_a_defect_in_a_job_is_logged_once_and_given_as_internal(
    jobs: Jobs, listen: Listener, caplog: pytest.LogCaptureFixture
):
    work = Upstream(KeyError("secret detail"))
    identity = await started(jobs, work, listen)
    work.gate.set()
    for _ in range(2):
        result = await jobs.get(identity, 10, listen())
        assert result.meta["openrouter/error"]["code"] == "INTERNAL"
        assert "secret detail" not in text(result)

    async def stored() -> bool:
        return not jobs._running

    await until(stored)
    assert [r.exc_info[0] for r in caplog.records if r.levelno == logging.ERROR] == [KeyError]


async def test_an_unknown_job_is_answered_with_those_there_are(
    jobs: Jobs, upstream: Upstream, listen: Listener
):
    identity = await started(jobs, upstream, listen)
    for attempt in (jobs.get("job_none", 0, listen()), jobs.cancel("job_none")):
        with pytest.raises(OpenRouterError) as caught:
            await attempt
        assert caught.value.code is Code.NOT_FOUND
        assert caught.value.suggestions == [identity]
        assert f"{identity} (running, acme/x)" in caught.value.message


async def test_only_the_newest_jobs_are_listed_newest_first(
    jobs: Jobs, open_jobs, listen: Listener, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job_table, "LISTED", 2)
    identities = []
    for _ in range(3):
        identities.insert(0, await started(jobs, Upstream(), listen))
        clock.now += 1
    assert [row.id for row in await open_jobs().list()] == identities[:2]


async def test_a_job_expires_some_time_after_its_end(
    open_jobs, upstream: Upstream, listen: Listener, clock: Clock
):
    jobs = open_jobs(job_ttl_hours=1)
    identity = await started(jobs, upstream, listen)
    upstream.gate.set()
    await jobs.get(identity, 10, listen())
    await jobs.aclose()
    clock.now += HOUR
    assert text(await jobs.get(identity, 0, listen())) == "Paris."
    clock.now += 1
    with pytest.raises(OpenRouterError, match="is known"):
        await jobs.get(identity, 0, listen())
    await started(jobs, Upstream(), listen)
    count = await jobs._store.read(lambda c: c.execute("SELECT COUNT(*) FROM jobs").fetchone())
    assert count == (1,)


async def test_a_result_that_cannot_be_written_stays_in_memory(
    jobs: Jobs, upstream: Upstream, listen: Listener, monkeypatch: pytest.MonkeyPatch
):
    identity = await started(jobs, upstream, listen)

    async def no_space(_job) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs._table, "save", no_space)
    upstream.gate.set()
    for _ in range(2):
        assert text(await jobs.get(identity, 10, listen())) == "Paris."
    assert await state(jobs, identity) is State.DONE


async def test_half_a_surrogate_pair_does_not_stop_a_job_from_being_written(
    jobs: Jobs, open_jobs, upstream: Upstream, listen: Listener
):
    call = asyncio.create_task(jobs.run("chat", "acme/x", upstream, listen()))
    await upstream.started.wait()
    upstream.handle.text = "Snow\ud83d"
    identity = job_id(await call)
    assert "Snow" in text(await open_jobs().get(identity, 0, listen()))


async def test_half_a_surrogate_pair_does_not_stop_a_result_from_being_written(
    jobs: Jobs, open_jobs, upstream: Upstream, listen: Listener
):
    identity = job_id(await jobs.run("chat", "acme/x", upstream, listen()))
    upstream.outcome = tool_result("Snow\ud83d", {"text": "Snow\ud83d"}, meta={"text": "\ud83d"})
    upstream.gate.set()
    assert text(await jobs.get(identity, 10, listen())) == "Snow?"

    async def written() -> bool:
        return not jobs._running

    await until(written)
    result = await open_jobs().get(identity, 0, listen())
    assert (text(result), result.structured_content) == ("Snow?", {"text": "Snow?"})
    assert result.meta == {"text": "?"}


# Cancelled


async def test_a_client_that_cancels_its_call_closes_upstream_and_keeps_the_text(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs(wait_seconds=45)
    call = asyncio.create_task(jobs.run("chat", "acme/x", upstream, listen()))
    await upstream.started.wait()
    upstream.handle.text = "Par"
    upstream.handle.billing_note = "This provider bills on."
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    async def kept() -> bool:
        return bool(upstream.closed and not jobs._running)

    await until(kept)
    [row] = await jobs.list()
    result = await jobs.get(row.id, 0, listen())
    assert result.is_error
    assert result.meta["openrouter/error"]["code"] == "CANCELLED"
    assert result.meta[META]["state"] == "cancelled"
    assert text(result) == (
        "chat (acme/x) was cancelled after 0 s. This provider bills on. What was produced may "
        "have been billed (get_usage). Call chat again only if the answer is still wanted: you "
        "pay for it again.\n\nThe text until then (3 characters):\n\nPar"
    )


async def test_a_cancelled_call_ends_at_once_even_if_the_store_is_slow(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs(wait_seconds=45)
    locked, free = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(_connection) -> None:
        loop.call_soon_threadsafe(locked.set)
        free.wait(10)

    holding = asyncio.create_task(jobs._store.run(hold))
    await locked.wait()
    call = asyncio.create_task(jobs.run("chat", "acme/x", upstream, listen()))
    await upstream.started.wait()
    call.cancel()
    async with asyncio.timeout(1):
        await asyncio.wait({call})
    assert not holding.done()
    free.set()
    await jobs.aclose()
    assert [row.state for row in await jobs.list()] == [State.CANCELLED]


async def test_work_that_ended_while_its_call_was_cancelled_is_not_lost(
    open_jobs, listen: Listener
):
    jobs = open_jobs(wait_seconds=45)

    begun = asyncio.Event()

    async def stubborn(handle: Handle) -> ToolResult:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return ANSWER

    call = asyncio.create_task(jobs.run("chat", "acme/x", stubborn, listen()))
    await begun.wait()
    call.cancel()
    await asyncio.wait({call})
    await jobs.aclose()
    [row] = await jobs.list()
    assert text(await jobs.get(row.id, 0, listen())) == "Paris."


async def test_cancelling_the_wait_for_a_job_leaves_the_job_alone(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs()
    identity = await started(jobs, upstream, listen)
    jobs._patience = None
    listening = Listener(EVERY_MESSAGE)
    getting = asyncio.create_task(jobs.get(identity, 1000, listening()))
    await until(lambda: listening.heard)
    getting.cancel()
    await asyncio.wait({getting})
    assert not upstream.closed
    upstream.gate.set()
    assert text(await jobs.get(identity, 10, listen())) == "Paris."


async def test_cancel_stops_a_job_of_this_process(jobs: Jobs, upstream: Upstream, listen: Listener):
    identity = await started(jobs, upstream, listen)
    upstream.handle.text = "Par"
    result = await jobs.cancel(identity)
    assert upstream.closed
    assert not result.is_error
    assert "was cancelled" in text(result)
    assert text(result).endswith("Par")
    assert result.meta[META]["state"] == "cancelled"
    assert await state(jobs, identity) is State.CANCELLED


async def test_cancel_of_a_job_that_has_ended_gives_its_result(
    jobs: Jobs, upstream: Upstream, listen: Listener
):
    identity = await started(jobs, upstream, listen)
    upstream.gate.set()
    await jobs.get(identity, 10, listen())
    assert text(await jobs.cancel(identity)) == "Paris."


async def test_cancel_reaches_a_job_of_another_living_process(
    jobs: Jobs, open_jobs, upstream: Upstream, listen: Listener
):
    identity = await started(jobs, upstream, listen)
    upstream.closing.clear()
    other = open_jobs(wait_seconds=0)
    result = await other.cancel(identity)
    assert result.meta[META]["state"] == "cancelling"
    assert text(result).startswith("Stopping: acme/x")
    upstream.closing.set()
    result = await other.get(identity, 10, listen())
    assert result.meta[META]["state"] == "cancelled"
    assert upstream.closed


async def test_closing_cancels_everything_and_keeps_every_text(open_jobs, listen: Listener):
    jobs = open_jobs()
    works = [Upstream(), Upstream()]
    await started(jobs, works[0], listen)
    jobs._patience = 45
    call = asyncio.create_task(jobs.run("chat", "acme/y", works[1], listen()))
    await works[1].started.wait()
    for number, work in enumerate(works):
        work.handle.text = f"text {number}"
    await jobs.aclose()
    with pytest.raises(asyncio.CancelledError):
        await call
    rows = {(row.state, row.text) for row in await open_jobs().list()}
    assert rows == {(State.CANCELLED, "text 0"), (State.CANCELLED, "text 1")}


async def test_jobs_alone_end_by_themselves_and_keep_what_they_gave(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs()
    identity = await started(jobs, upstream, listen)
    asyncio.get_running_loop().call_soon(upstream.gate.set)
    await jobs.finish(HOUR)
    await jobs.aclose()
    assert text(await open_jobs().get(identity, 0, listen())) == text(ANSWER)


async def test_jobs_alone_are_stopped_after_a_while(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs()
    identity = await started(jobs, upstream, listen)
    upstream.handle.text = "Par"
    await jobs.finish(SOON)
    assert not upstream.closed
    await jobs.aclose()
    row = await open_jobs().find(identity)
    assert (row.state, row.text) == (State.CANCELLED, "Par")
    assert "ended after 0 s, when its server was stopped" in row.error.message


async def test_a_server_whose_client_has_gone_waits_for_no_call_that_was_not_handed_over(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs(wait_seconds=45)
    call = asyncio.create_task(jobs.run("chat", "acme/x", upstream, listen()))
    await upstream.started.wait()
    async with asyncio.timeout(1):
        await jobs.finish(HOUR)
    call.cancel()


async def test_a_call_within_its_wait_is_listed_read_and_cancelled(
    open_jobs, upstream: Upstream, listen: Listener
):
    jobs = open_jobs(wait_seconds=45)
    call = asyncio.create_task(jobs.run("chat", "acme/x", upstream, listen()))
    await upstream.started.wait()
    [row] = await jobs.list()
    assert (row.state, row.title) == (State.RUNNING, "acme/x")
    assert "waiting for the first word" in text(await jobs.get(row.id, 0, listen()))
    stopped = await jobs.cancel(row.id)
    assert stopped.meta[META]["state"] == "cancelled"
    assert (await call).meta["openrouter/error"]["code"] == "CANCELLED"


async def test_closing_does_not_wait_for_work_that_will_not_end(open_jobs, listen: Listener):
    jobs = open_jobs(replace(OFTEN, job_close=0.05))
    gate = asyncio.Event()

    async def stubborn(handle: Handle) -> ToolResult:
        handle.text = "Par"
        try:
            await asyncio.Event().wait()
        finally:
            await gate.wait()
        return ANSWER

    identity = job_id(await jobs.run("chat", "acme/x", stubborn, listen()))
    async with asyncio.timeout(1):
        await jobs.aclose()
    row = await jobs._table.find(identity)
    assert (row.state, row.text) == (State.CANCELLING, "Par")
    gate.set()


# Processes that die


async def work_on(directory: Path, upstream_id: str, identities) -> None:
    async def work(handle: Handle) -> ToolResult:
        handle.text = "Paris, of course"
        if upstream_id:
            await handle.upstream(upstream_id)
        await asyncio.Event().wait()
        return ANSWER

    jobs = Jobs(Settings(wait_seconds=0.01), Store(directory), OFTEN)
    result = await jobs.run("generate_video", "acme/x", work, Listener()())
    identities.put(job_id(result))
    await asyncio.Event().wait()


def serve(*arguments) -> None:
    """A process with a running job, until it is killed."""
    asyncio.run(work_on(*arguments))


@pytest.fixture
async def server(tmp_path: Path, clock: Clock):
    """Start a process with a running job; returns it and the job's id."""
    clock.now = time.time()
    processes = []

    async def start(upstream_id: str = "") -> tuple[BaseProcess, str]:
        identities = PROCESSES.Queue()
        arguments = (tmp_path / "state", upstream_id, identities)
        processes.append(PROCESSES.Process(target=serve, args=arguments))
        processes[-1].start()
        return processes[-1], await asyncio.to_thread(identities.get, timeout=30)

    yield start
    for process in processes:
        await kill(process)


async def kill(process: BaseProcess) -> None:
    process.kill()
    await asyncio.to_thread(process.join)


async def test_a_job_whose_server_was_killed_is_lost_but_not_its_text(
    open_jobs, server, listen: Listener
):
    process, identity = await server()
    jobs = open_jobs(wait_seconds=0)
    assert await state(jobs, identity) is State.RUNNING
    await kill(process)
    result = await jobs.get(identity, 10, listen())
    assert result.is_error
    assert result.meta["openrouter/error"]["code"] == "JOB_FAILED"
    assert result.meta[META]["state"] == "lost"
    assert "Call generate_video again only if" in text(result)
    assert text(result).endswith("\n\nParis, of course")
    assert await state(jobs, identity) is State.LOST
    assert (await jobs.cancel(identity)).meta[META]["state"] == "lost"


async def test_a_job_that_was_to_be_cancelled_when_its_server_died_is_cancelled(
    open_jobs, server, listen: Listener, clock: Clock
):
    process, identity = await server("video-1")
    os.kill(process.pid, signal.SIGSTOP)
    jobs = open_jobs(wait_seconds=0)
    jobs.register_resumer("generate_video", lambda handle, _id: Upstream()(handle))
    row = await jobs._table.find(identity)
    assert (await jobs.cancel(identity)).meta[META]["state"] == "cancelling"
    await kill(process)
    clock.now += job_table.LEASE + 1
    assert await jobs._table.lease(row) is None
    assert (await jobs.get(identity, 10, listen())).meta[META]["state"] == "cancelled"
    clock.now = time.time() + job_table.LEASE + 1
    jobs.register_resumer("generate_video", lambda handle, _id: finished()(handle))
    assert await jobs.resume(await jobs.find(identity), None)
    assert text(await jobs.get(identity, 10, listen())) == "Paris."


async def test_a_wait_for_another_servers_job_ends_when_that_server_is_killed(
    open_jobs, server, listen: Listener
):
    process, identity = await server()
    getting = asyncio.create_task(open_jobs(wait_seconds=0).get(identity, 1000, listen()))

    async def told() -> bool:
        return bool(listen.heard)

    await until(told)
    await kill(process)
    async with asyncio.timeout(10):
        assert (await getting).meta[META]["state"] == "lost"


async def test_a_job_that_openrouter_has_goes_on_in_another_process(
    open_jobs, server, listen: Listener, clock: Clock
):
    process, identity = await server("video-1")
    jobs = open_jobs(wait_seconds=0)
    asked = []

    async def download(handle: Handle, upstream_id: str) -> ToolResult:
        asked.append((upstream_id, handle.text))
        return ANSWER

    jobs.register_resumer("generate_video", download)
    assert (await jobs.get(identity, 0, listen())).meta[META]["state"] == "running"
    assert asked == []
    await kill(process)
    # The other process went by the real clock.
    row = await jobs._table.find(identity)
    clock.now = row.updated + job_table.LEASE + 1
    assert text(await jobs.get(identity, 10, listen())) == "Paris."
    assert asked == [("video-1", "Paris, of course")]


async def test_a_dead_servers_job_is_taken_over_by_one_process_only(
    open_jobs, server, clock: Clock
):
    process, identity = await server("video-1")
    tables = [open_jobs()._table for _ in range(4)]
    row = await tables[0].find(identity)
    clock.now = row.updated
    assert await tables[0].lease(row) is None
    await kill(process)
    clock.now = row.updated
    assert [await table.lease(row) for table in tables] == [None] * 4
    clock.now = row.updated + job_table.LEASE + 1
    taken = await asyncio.gather(*(table.lease(row) for table in tables))
    [owned] = [row for row in taken if row]
    assert owned.owner in {table._store.owner for table in tables}
    assert (await tables[0].find(identity)).owner == owned.owner


async def test_a_lease_from_before_the_clock_was_set_back_does_not_last(
    open_jobs, server, clock: Clock
):
    process, identity = await server("video-1")
    table = open_jobs()._table
    row = await table.find(identity)
    await kill(process)
    clock.now = row.updated - HOUR
    assert await table.lease(row)


async def test_a_process_that_lost_its_lease_stops_and_writes_nothing(
    jobs: Jobs, open_jobs, upstream: Upstream, listen: Listener
):
    identity = await started(jobs, upstream, listen)
    other = open_jobs()
    thief = other._store.owner
    await other._store.run(lambda c: c.execute("UPDATE jobs SET owner = ?", (thief,)))

    async def stopped() -> bool:
        return upstream.closed

    await until(stopped)
    row = await other._table.find(identity)
    assert (row.owner, row.state) == (thief, State.RUNNING)


async def test_a_cancelled_wait_does_not_abandon_what_openrouter_has(open_jobs, listen: Listener):
    jobs = open_jobs(wait_seconds=45)
    work = Upstream()

    async def submitted(handle: Handle) -> ToolResult:
        await handle.upstream("video-1")
        return await work(handle)

    call = asyncio.create_task(jobs.run("generate_video", "acme/x", submitted, listen()))
    await work.started.wait()
    [row] = await open_jobs().list()
    assert row.upstream_id == "video-1"
    call.cancel()
    await asyncio.wait({call})
    await asyncio.sleep(0.01)
    assert not work.closed
    work.gate.set()
    assert text(await jobs.get(row.id, 10, listen())) == "Paris."


async def test_closing_leaves_what_openrouter_has_to_the_next_process(
    jobs: Jobs, open_jobs, listen: Listener, clock: Clock
):
    work = Upstream()

    async def submitted(handle: Handle) -> ToolResult:
        await handle.upstream("video-1")
        return await work(handle)

    identity = job_id(await jobs.run("generate_video", "acme/x", submitted, listen()))
    await work.started.wait()
    await jobs.aclose()
    await jobs._store.aclose()
    assert work.closed
    following = open_jobs(wait_seconds=0)
    following.register_resumer(
        "generate_video", lambda _handle, _id: Upstream.__call__(finished(), _handle)
    )
    clock.now += job_table.LEASE + 1
    assert text(await following.get(identity, 10, listen())) == "Paris."


def finished() -> Upstream:
    work = Upstream()
    work.gate.set()
    return work


async def test_a_job_that_ends_while_it_is_looked_at_is_not_called_lost(
    jobs: Jobs, open_jobs, upstream: Upstream, listen: Listener, monkeypatch: pytest.MonkeyPatch
):
    identity = await started(jobs, upstream, listen)
    other = open_jobs()

    async def ended_just_now(_owner: str) -> bool:
        if jobs._running:
            upstream.gate.set()
            await jobs._running[identity].follower
        return False

    monkeypatch.setattr(other._store, "alive", ended_just_now)
    assert await state(other, identity) is State.DONE
