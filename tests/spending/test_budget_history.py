"""No history of calls, crashes and clocks spends more than a cap allows."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from hypothesis import settings as configured
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending.budget import Budget, Reservation
from openrouter_mcp.spending.cost import Cost
from openrouter_mcp.state.store import Store

DAY = 86_400
CAP_PER_DAY, CAP_PER_SESSION = Decimal(10), Decimal(7)
CAPS = Settings(max_cost_per_day=CAP_PER_DAY, max_cost_per_session=CAP_PER_SESSION)
ZERO = Decimal(0)
CENTS = st.integers(0, 600).map(lambda cents: Decimal(cents) / 100)


@dataclass
class Call:
    """What really happened to a request, whatever the ledger thinks of it."""

    reservation: Reservation
    owner: str
    most: Decimal
    days: set[int]
    """The UTC days on which it was reserved and on which it ended."""
    sent: bool = False
    identified: bool = False
    over: bool = False
    cost: Decimal = ZERO


@dataclass
class Process:
    store: Store
    budget: Budget
    calls: list[Call] = field(default_factory=list)


class Histories(RuleBasedStateMachine):
    """Several servers on one file. `known` is what OpenRouter would tell of each generation."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.now = 20_000.5 * DAY
        self.processes: list[Process] = []
        self.calls: list[Call] = []
        self.known: dict[str, Decimal] = {}
        self.deleted = False
        self.start()

    def teardown(self):
        for process in self.processes:
            self.runner.run(process.store.aclose())
        self.runner.close()
        self.directory.cleanup()

    def pick(self, data, items):
        return items[data.draw(st.integers(0, len(items) - 1))]

    def write(self, process, step):
        """Take a step of a call and wait for the ledger, so that each history runs one way."""
        self.runner.run(step)
        self.runner.run(process.budget.remaining())

    def under_way(self, *, sent):
        return [
            (process, call)
            for process in self.processes
            for call in process.calls
            if call.sent == sent and not call.over
        ]

    def end(self, call, cost):
        """What OpenRouter bills, on the day on which it does."""
        call.over = True
        call.cost = cost
        call.days.add(int(self.now // DAY))

    @precondition(lambda self: len(self.processes) < 3)
    @rule()
    def start(self):
        store = Store(Path(self.directory.name))
        process = Process(store, Budget(CAPS, store, clock=lambda: self.now))
        self.runner.run(process.budget.remaining())
        self.processes.append(process)

    @precondition(lambda self: self.processes and not self.deleted)
    @rule(suffixes=st.sampled_from([[""], ["-wal"], ["-wal", "-shm"], ["", "-wal", "-shm"]]))
    def delete_the_file(self, suffixes):
        self.deleted = True
        for suffix in suffixes:
            Path(self.directory.name, f"state.db{suffix}").unlink()
        for process in self.processes:
            self.runner.run(process.budget.remaining())

    @rule(seconds=st.sampled_from([-DAY, DAY]) | st.integers(-2 * DAY, 2 * DAY))
    def change_the_clock(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), most=CENTS)
    def reserve(self, data, most):
        process = self.pick(data, self.processes)
        allowed = self.runner.run(process.budget.allowance(None))
        try:
            made = self.runner.run(process.budget.reserve("chat", "acme/writer", most))
        except OpenRouterError:
            assert most > allowed
            return
        assert most <= allowed
        call = Call(made, process.store.owner, most, {int(self.now // DAY)})
        process.calls.append(call)
        self.calls.append(call)

    @precondition(lambda self: self.under_way(sent=False))
    @rule(data=st.data())
    def send(self, data):
        process, call = self.pick(data, self.under_way(sent=False))
        self.write(process, call.reservation.sent())
        call.sent = True

    @precondition(lambda self: self.under_way(sent=False))
    @rule(data=st.data())
    def release(self, data):
        process, call = self.pick(data, self.under_way(sent=False))
        self.write(process, call.reservation.release())
        call.over = True

    @precondition(lambda self: self.under_way(sent=True))
    @rule(data=st.data())
    def identify(self, data):
        process, call = self.pick(data, self.under_way(sent=True))
        self.write(process, call.reservation.generation(f"gen-{call.reservation.entry.id}"))
        call.identified = True

    @precondition(lambda self: self.under_way(sent=True))
    @rule(data=st.data(), cost=CENTS)
    def settle(self, data, cost):
        process, call = self.pick(data, self.under_way(sent=True))
        self.write(process, call.reservation.settle(cost))
        self.end(call, cost)

    @precondition(lambda self: self.under_way(sent=True))
    @rule(data=st.data(), share=st.integers(0, 100))
    def end_without_a_cost(self, data, share):
        process, call = self.pick(data, self.under_way(sent=True))
        self.write(process, call.reservation.settle(None))
        self.lose(call, share)

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), share=st.integers(0, 100))
    def crash(self, data, share):
        process = self.pick(data, self.processes)
        self.processes.remove(process)
        # To everyone else a process that closes without settling is one that was killed.
        self.runner.run(process.store.aclose())
        for call in process.calls:
            if not call.over:
                self.lose(call, share)

    def lose(self, call, share):
        self.end(call, call.most * share / 100 if call.sent else ZERO)
        if call.identified:
            self.known[f"gen-{call.reservation.entry.id}"] = call.cost

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), answering=st.booleans())
    def settle_leftovers(self, data, answering):
        async def look_up(generation_id):
            cost = self.known.get(generation_id)
            return Cost(cost) if answering and cost is not None else None

        process = self.pick(data, self.processes)
        self.runner.run(process.budget.settle_leftovers(look_up))

    @invariant()
    def no_day_costs_more_than_its_cap(self):
        for day in {day for call in self.calls for day in call.days}:
            assert bounded(call for call in self.calls if day in call.days) <= CAP_PER_DAY

    @invariant()
    def no_session_costs_more_than_its_cap(self):
        for owner in {call.owner for call in self.calls}:
            mine = (call for call in self.calls if call.owner == owner)
            assert bounded(mine) <= CAP_PER_SESSION

    @invariant()
    def what_may_still_be_billed_today_fits_too(self):
        today = int(self.now // DAY)
        held = sum((call.most for call in self.calls if not call.over), ZERO)
        ended = (call for call in self.calls if call.over and today in call.days)
        assert held + bounded(ended) <= CAP_PER_DAY


def bounded(calls):
    """What these cost, as far as they kept to their reservations: an overshoot is no one's plan."""
    return sum((min(call.cost, call.most) for call in calls), ZERO)


# Each example is a history of forty steps, on files.
Histories.TestCase.settings = configured(
    max_examples=configured.default.max_examples // 2, stateful_step_count=40
)
test_the_caps_hold_in_every_history = Histories.TestCase
