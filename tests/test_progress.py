"""Progress: never a flood, never a long silence, always rising."""

import asyncio
from itertools import pairwise

import pytest
from fastmcp import Client
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.progress import Progress
from openrouter_mcp.timing import Timing
from tests.support.clock import Clock
from tests.support.processes import until
from tests.support.results import call

INTERVAL = Timing().progress_interval
CLIENTS_PATIENCE = 10.0
yield_to_others = asyncio.sleep


class Sleepless(Clock):
    """A clock for `asyncio.sleep` too."""

    def __init__(self) -> None:
        super().__init__(1000.0)
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        sleeping = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now + seconds, sleeping))
        await sleeping

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.25
            for due, sleeping in self.sleepers:
                if due <= self.now and not sleeping.done():
                    sleeping.set_result(None)
            await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await yield_to_others(0)


class Listener:
    """Who hears the notifications, and when."""

    def __init__(self, clock: Sleepless) -> None:
        self.clock = clock
        self.heard: list[tuple[float, float, str]] = []
        self.notified = asyncio.Event()

    async def send(self, value: float, message: str) -> None:
        self.heard.append((self.clock.now, value, message))
        self.notified.set()

    async def hears(self, count: int) -> None:
        while len(self.heard) < count:
            self.notified.clear()
            await self.notified.wait()

    @property
    def messages(self) -> list[str]:
        return [message for _, _, message in self.heard]

    @property
    def values(self) -> list[float]:
        return [value for _, value, _ in self.heard]


@pytest.fixture
def clock() -> Sleepless:
    return Sleepless()


@pytest.fixture
def listener(clock: Sleepless) -> Listener:
    return Listener(clock)


async def test_no_call_leaves_a_task_behind(client: Client):
    await call(client, "chat", prompt="Hello")
    before = asyncio.all_tasks()
    for _ in range(3):
        await call(client, "chat", prompt="Hello")
        await call(client, "get_job", job_id="job_unknown")

    async def nothing_is_left() -> bool:
        return asyncio.all_tasks() <= before

    await until(nothing_is_left)


async def test_what_is_done_at_once_needs_no_message(clock: Sleepless, listener: Listener):
    report = Progress(listener.send, clock)
    await report("waiting")
    assert listener.messages == []
    clock.now += INTERVAL
    await report("thinking")
    assert listener.messages == ["thinking"]


async def test_messages_that_come_too_fast_are_left_out(clock: Sleepless, listener: Listener):
    report = Progress(listener.send, clock)
    for number in range(14):
        await report(f"message {number}")
        clock.now += INTERVAL / 4
    assert listener.messages == ["message 4", "message 8", "message 12"]


async def test_values_are_seconds_since_the_start(clock: Sleepless, listener: Listener):
    report = Progress(listener.send, clock)
    clock.now += 2.5
    await report("a")
    clock.now += 40
    await report("b")
    assert listener.values == pytest.approx([2.5, 42.5])


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=30))
def test_values_rise_strictly(pauses: list[float]):
    clock = Sleepless()
    listener = Listener(clock)

    async def run() -> None:
        report = Progress(listener.send, clock)
        await report("start")
        for pause in pauses:
            clock.now += pause
            await report("more")

    asyncio.run(run())
    assert all(earlier < later for earlier, later in pairwise(listener.values))
    times = [time for time, _, _ in listener.heard]
    assert all(later - earlier >= INTERVAL for earlier, later in pairwise(times))


async def test_values_rise_even_while_the_clock_stands_still(clock: Sleepless, listener: Listener):
    report = Progress(listener.send, clock, timing=Timing(progress_interval=0))
    for _ in range(3):
        await report("again")
    assert all(earlier < later for earlier, later in pairwise(listener.values))
    assert len(listener.values) == 3


@pytest.mark.parametrize("spoken_at", [0, 1, 3.5, 7.75, 8, 12.25])
async def test_a_silence_is_never_longer_than_clients_bear(
    clock: Sleepless, listener: Listener, monkeypatch: pytest.MonkeyPatch, spoken_at: float
):
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    report = Progress(listener.send, clock)
    async with report.pulse():
        await report("waiting")
        await clock.settle()
        await clock.advance(spoken_at)
        await report("thinking")
        await clock.advance(60)
    times = [time for time, _, _ in listener.heard] + [clock.now]
    assert all(later - earlier < CLIENTS_PATIENCE for earlier, later in pairwise(times))
    assert all(earlier < later for earlier, later in pairwise(listener.values))


async def test_the_pulse_repeats_the_last_message_with_the_time(
    clock: Sleepless, listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    report = Progress(listener.send, clock)
    async with report.pulse():
        await report("waiting")
        await report("thinking")
        await clock.settle()
        await clock.advance(17)
    assert listener.messages == ["thinking (8 s)", "thinking (16 s)"]


async def test_there_is_no_pulse_before_the_first_message(
    clock: Sleepless, listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    async with Progress(listener.send, clock).pulse():
        await clock.settle()
        await clock.advance(30)
    assert listener.messages == []


async def test_the_pulse_beats_in_real_time_and_stops_at_the_end(listener: Listener):
    before = asyncio.all_tasks()
    report = Progress(listener.send, timing=Timing(progress_pulse=0.005))
    async with report.pulse():
        await report("waiting")
        async with asyncio.timeout(5):
            await listener.hears(3)
    assert asyncio.all_tasks() == before
    assert set(listener.messages) == {"waiting (0 s)"}


async def test_a_failure_inside_passes_and_ends_the_pulse(clock: Sleepless, listener: Listener):
    before = asyncio.all_tasks()
    with pytest.raises(ValueError, match="inside"):
        async with Progress(listener.send, clock).pulse():
            raise ValueError("inside")
    assert asyncio.all_tasks() == before


async def test_a_listener_that_fails_ends_the_pulse_but_not_the_work():
    heard: list[str] = []
    gone = asyncio.Event()

    async def send(_value: float, message: str) -> None:
        heard.append(message)
        if len(heard) > 1:
            gone.set()
            raise ConnectionError("the client has gone")

    report = Progress(send, timing=Timing(progress_pulse=0.001))
    async with report.pulse():
        await report("waiting")
        async with asyncio.timeout(5):
            await gone.wait()
    assert heard == ["waiting (0 s)", "waiting (0 s)"]
