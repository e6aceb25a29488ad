"""Caps: what is reserved, settled, refused and concluded, by one process and by many."""

import asyncio
import os
import signal
from decimal import Decimal

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending.budget import ASK_FOR_LESS, Budget
from openrouter_mcp.spending.cost import Cost
from openrouter_mcp.spending.ledger import State
from openrouter_mcp.state.store import Store
from tests.support.clock import Clock
from tests.support.processes import PROCESSES

HOUR = 3600.0
DAY = 24 * HOUR
NOON = 20_000 * DAY + 12 * HOUR
MODEL = "acme/writer"


@pytest.fixture
def clock():
    return Clock(NOON)


@pytest.fixture
async def server(tmp_path, clock):
    """Make the budget of a server of its own, with these caps, on the one state file."""
    stores = []

    def make(directory=tmp_path / "state", **caps):
        store = Store(directory)
        stores.append(store)
        caps = {f"max_cost_per_{period}": Decimal(cap) for period, cap in caps.items()}
        return Budget(Settings(**caps), store, clock=clock)

    yield make
    for store in stores:
        await store.aclose()


async def spend(budget, cost, most=None):
    """One call from reservation to settlement."""
    reservation = await budget.reserve("chat", MODEL, Decimal(most or cost))
    async with reservation:
        await reservation.sent()
        await reservation.settle(Decimal(cost))


async def refusal(budget, most, max_cost=None, **kind):
    most = None if most is None else Decimal(most)
    with pytest.raises(OpenRouterError) as caught:
        await budget.reserve("chat", MODEL, most, max_cost and Decimal(max_cost), **kind)
    assert caught.value.code is Code.BUDGET_EXCEEDED
    return caught.value.message


async def unknown(_generation_id):
    return None


def costs(**known):
    async def look_up(generation_id):
        return Cost(Decimal(known[generation_id])) if generation_id in known else None

    return look_up


async def test_without_a_cap_nothing_is_refused_and_all_is_kept(server):
    budget = server()
    assert await budget.allowance(None) is None
    await spend(budget, "1000")
    reservation = await budget.reserve("chat", MODEL, None)
    await reservation.settle(Decimal("0.5"))
    left = await budget.remaining()
    assert left.day_spent == left.session_spent == Decimal("1000.5")
    assert left.line() == "today $1,000.50"


async def test_the_receipt_tells_what_is_spent_of_each_cap(server):
    budget = server(day="5", session="1")
    await spend(budget, "0.25")
    other = server()
    await spend(other, "0.16")
    assert (await other.remaining()).line() == "today $0.41"
    assert (await budget.remaining()).line() == "today $0.41 of $5.00, session $0.25 of $1.00"


async def test_the_least_limit_holds(server):
    assert await server().allowance(Decimal("0.1")) == Decimal("0.1")
    assert await server().allowance(Decimal(0)) is None
    assert await server(call="0.2").allowance(None) == Decimal("0.2")
    assert await server(call="0.2").allowance(Decimal("0.1")) == Decimal("0.1")
    assert await server(call="0.2").allowance(Decimal("0.3")) == Decimal("0.2")
    assert await server(call="0.2", session="0.15").allowance(None) == Decimal("0.15")
    assert await server(session="0.15", day="0.12").allowance(None) == Decimal("0.12")


async def test_a_call_above_its_own_limit_is_refused(server):
    assert await refusal(server(), "0.5", max_cost="0.1") == (
        "This call to acme/writer can cost $0.50, more than max_cost ($0.10). Set max_cost to 0.5 "
        "to allow it, lower max_tokens, or choose a cheaper model."
    )
    assert await refusal(server(call="0.2"), "0.5", max_cost="1") == (
        "This call to acme/writer can cost $0.50, more than OPENROUTER_MAX_COST_PER_CALL ($0.20). "
        "Raise OPENROUTER_MAX_COST_PER_CALL and restart this server to allow it, lower "
        "max_tokens, or choose a cheaper model."
    )
    await server(call="0.5").reserve("chat", MODEL, Decimal("0.5"))


@pytest.mark.parametrize("cap", ["call", "session", "day"])
async def test_a_call_that_nothing_bounds_is_refused_under_any_cap(server, cap):
    assert "whose price is known" in await refusal(server(**{cap: "1"}), None)
    assert "whose price is known" in await refusal(server(), None, max_cost="1")


async def test_a_cap_may_be_used_up_to_the_last_nano_dollar(server):
    budget = server(day="1")
    await spend(budget, "0.999999999")
    assert await budget.allowance(None) == Decimal("0.000000001")
    await refusal(budget, "0.000000002")
    await spend(budget, "0.000000001")
    assert await budget.allowance(None) == 0
    await spend(budget, "0")


async def test_fractions_of_a_nano_dollar_count_as_a_whole_one(server):
    budget = server(day="1")
    await spend(budget, "0.0000000001")
    assert (await budget.remaining()).day_spent == Decimal("0.000000001")


async def test_a_refusal_tells_cap_spent_reserved_estimate_and_what_fits(server):
    budget = server(day="5")
    await spend(budget, "4.25")
    await budget.reserve("chat", MODEL, Decimal("0.5"))
    assert await refusal(budget, "0.3") == (
        "This call to acme/writer can cost $0.30, and $0.25 is left of OPENROUTER_MAX_COST_PER_DAY "
        "($5.00): $4.25 is spent today and $0.50 reserved by calls under way. Lower max_tokens so "
        "that it costs at most $0.25, choose a cheaper model, wait until 00:00 UTC (in 12 h), or "
        "raise OPENROUTER_MAX_COST_PER_DAY and restart this server."
    )
    await budget.reserve("chat", MODEL, Decimal("0.25"))
    assert "Choose a free model" in await refusal(budget, "0.000000001")


async def test_a_refusal_tells_what_makes_this_kind_of_call_cheaper(server):
    budget = server(call="0.5", day="0.2")
    for most in ("0.3", "0.7"):
        assert "ower max_tokens" in await refusal(budget, most)
        told = await refusal(budget, most, less=ASK_FOR_LESS)
        assert "sk for less" in told
        assert "max_tokens" not in told


async def test_what_is_said_to_fit_does_fit(server):
    budget = server(session="0.0123996")
    assert "costs at most $0.0123," in await refusal(budget, "0.02")


async def test_a_refused_call_holds_nothing(server):
    budget = server(day="1")
    await refusal(budget, "2")
    assert await budget.allowance(None) == 1


async def test_a_cap_per_session_is_for_one_server(server):
    first, second = server(session="1"), server(session="1")
    await spend(first, "0.9")
    assert "in this session" in await refusal(first, "0.2")
    await spend(second, "0.9")


async def test_a_cap_per_day_is_for_all_servers(server):
    first, second = server(day="1"), server(day="1")
    await spend(first, "0.9")
    assert "OPENROUTER_MAX_COST_PER_DAY" in await refusal(second, "0.2")


async def test_a_new_day_has_the_whole_cap(server, clock):
    budget = server(day="1", session="5")
    await spend(budget, "1")
    clock.now += 12 * HOUR - 1
    assert await budget.allowance(None) == 0
    clock.now += 1
    assert await budget.allowance(None) == 1


async def test_a_call_that_spans_midnight_counts_for_both_days(server, clock):
    budget = server(day="1")
    clock.now += 12 * HOUR - 60
    reservation = await budget.reserve("chat", MODEL, Decimal("0.6"))
    await reservation.sent()
    clock.now += 120
    assert await budget.allowance(None) == Decimal("0.4")
    await reservation.settle(Decimal("0.5"))
    assert await budget.allowance(None) == Decimal("0.5")
    assert [row.name for row in await budget.usage("day", 2)] == ["2024-10-05"]
    clock.now -= 240
    assert await budget.allowance(None) == Decimal("0.5")


async def test_a_clock_that_is_set_back_frees_no_money(server, clock):
    budget = server(day="1")
    await spend(budget, "0.7")
    clock.now -= 3 * DAY
    assert await budget.allowance(None) == Decimal("0.3")
    reservation = await budget.reserve("chat", MODEL, Decimal("0.3"))
    clock.now += 3 * DAY
    assert await budget.allowance(None) == 0
    clock.now -= 3 * DAY
    await reservation.settle(Decimal("0.3"))
    assert await budget.allowance(None) == 0


async def test_what_is_settled_under_a_clock_set_back_counts_for_the_day_of_its_reservation(
    server, clock
):
    budget = server(day="1")
    reservation = await budget.reserve("chat", MODEL, Decimal("0.7"))
    clock.now -= DAY
    await reservation.settle(Decimal("0.7"))
    assert await budget.allowance(None) == Decimal("0.3")
    clock.now += DAY
    assert await budget.allowance(None) == Decimal("0.3")


async def test_an_overshoot_is_recorded_shown_and_blocks_the_next_call(server):
    budget = server(day="1")
    await spend(budget, "1.5", most="0.5")
    assert (await budget.remaining()).line() == "today $1.50 of $1.00"
    assert await budget.allowance(None) == 0
    assert "$1.50 is spent today" in await refusal(budget, "0.01")


async def test_what_was_not_used_is_free_again(server):
    budget = server(day="1")
    await spend(budget, "0.1", most="1")
    assert await budget.allowance(None) == Decimal("0.9")


async def test_a_reservation_cancelled_while_it_is_made_is_let_go(server):
    budget = server(day="1")
    await budget.remaining()
    caller = asyncio.create_task(budget.reserve("chat", MODEL, Decimal(1)))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await budget.allowance(None) == 1


async def test_the_ledger_answers_by_model_tool_and_day(server, clock):
    budget = server()
    for tool, model, cost in (("chat", "acme/a", "1"), ("rerank", "acme/b", "3")):
        reservation = await budget.reserve(tool, model, Decimal(5))
        await reservation.settle(
            Decimal(cost),
            model=f"{model}-served",
            provider="Acme",
            input_tokens=10,
            output_tokens=5,
            duration=1.5,
            generation_id=f"gen-{tool}",
        )
    clock.now += DAY
    await (await budget.reserve("chat", "acme/a-served", Decimal(7))).sent()
    await (await budget.reserve("chat", "acme/c", Decimal(9))).release()

    def told(rows):
        return [(row.name, row.calls, row.cost, row.unknown, row.input_tokens) for row in rows]

    assert told(await budget.usage("model", 2)) == [
        ("acme/a-served", 2, 1, 7, 10),
        ("acme/b-served", 1, 3, 0, 10),
    ]
    assert told(await budget.usage("tool", 2)) == [("chat", 2, 1, 7, 10), ("rerank", 1, 3, 0, 10)]
    assert told(await budget.usage("day", 2)) == [
        ("2024-10-05", 1, 0, 7, 0),
        ("2024-10-04", 2, 4, 0, 20),
    ]
    assert told(await budget.usage("day", 1)) == [("2024-10-05", 1, 0, 7, 0)]


async def test_a_generation_is_found_with_all_that_is_known_of_it(server, clock):
    budget = server()
    reservation = await budget.reserve("chat", MODEL, Decimal(5))
    await reservation.sent()
    await reservation.generation("gen-1")
    entry = await budget.find("gen-1")
    assert entry == reservation.entry
    assert (entry.sent, entry.state, entry.cost) == (True, State.RESERVED, None)
    clock.now += 2
    await reservation.settle(Decimal("0.25"), provider="Acme", duration=2.0)
    entry = await budget.find("gen-1")
    assert entry == reservation.entry
    assert (entry.state, entry.cost, entry.settled_at) == (State.SETTLED, Decimal("0.25"), NOON + 2)
    assert await budget.find("gen-2") is None


async def test_absurd_amounts_do_no_harm(server):
    budget = server()
    for _ in range(3):
        await spend(budget, "1e30")
    await spend(budget, "-5")
    assert (await budget.remaining()).day_spent == 3_000_000


# Files that cannot be used


async def test_a_cap_per_day_without_a_file_refuses_and_tells_the_repair(server, tmp_path):
    (tmp_path / "file").touch()
    budget = server(directory=tmp_path / "file", day="1")
    for told in (await refusal(budget, "0.1"), await refusal(budget, "0")):
        assert "OPENROUTER_MAX_COST_PER_DAY is set" in told
        assert "restart this server" in told
    with pytest.raises(OpenRouterError, match="cannot be known"):
        await budget.allowance(None)
    assert (await budget.remaining()).day_spent == 0


async def test_a_cap_per_session_holds_without_a_file(server, tmp_path):
    (tmp_path / "file").touch()
    budget = server(directory=tmp_path / "file", session="1")
    await spend(budget, "0.9")
    await refusal(budget, "0.2")


async def test_what_was_spent_outlives_the_file(server, tmp_path):
    budget = server(day="1", session="1")
    reservation = await budget.reserve("chat", MODEL, Decimal("0.5"))
    await reservation.sent()
    (tmp_path / "state" / "state.db").unlink()
    await reservation.settle(Decimal("0.3"))
    assert (await budget.remaining()).session_spent == Decimal("0.3")
    assert (await budget.remaining()).day_spent == Decimal("0.3")
    assert "$0.70 is left" in await refusal(budget, "0.8")


# Processes that die


def die(directory, step):
    """A process that is killed after one step of a call that holds $1."""

    async def main():
        store = Store(directory)
        budget = Budget(Settings(max_cost_per_day=Decimal(5)), store, clock=lambda: NOON)
        reservation = await budget.reserve("chat", MODEL, Decimal(1))
        if step != "reserved":
            await reservation.sent()
        if step in {"known", "answered"}:
            await reservation.generation("gen-1")
        if step == "answered":
            await reservation.settle(Decimal("0.3"))
        await budget.remaining()
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())


async def killed(directory, step):
    process = PROCESSES.Process(target=die, args=(directory, step))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("step", "before", "concluded", "after"),
    [
        ("reserved", "1", 1, "0"),
        ("sent", "1", 1, "1"),
        ("known", "1", 1, "0.25"),
        ("answered", "0.3", 0, "0.3"),
    ],
)
async def test_the_next_process_concludes_what_a_killed_one_left(
    server, tmp_path, step, before, concluded, after
):
    await killed(tmp_path / "state", step)
    budget = server(day="5")
    assert (await budget.remaining()).day_spent == Decimal(before)
    assert await budget.settle_leftovers(costs(**{"gen-1": "0.25"})) == concluded
    assert (await budget.remaining()).day_spent == Decimal(after)
    assert await budget.settle_leftovers(costs(**{"gen-1": "9"})) == 0


async def test_calls_under_way_in_a_living_process_are_left_alone(server):
    first, second = server(day="5"), server(day="5")
    reservation = await first.reserve("chat", MODEL, Decimal(1))
    await reservation.sent()
    await reservation.generation("gen-1")
    for budget in (first, second):
        assert await budget.settle_leftovers(costs(**{"gen-1": "0.25"})) == 0
        assert await budget.allowance(None) == 4


async def test_a_cost_that_is_told_late_is_settled_by_whoever_asks(server, clock):
    first, second = server(day="5"), server(day="5")
    reservation = await first.reserve("generate_image", MODEL, Decimal(1))
    async with reservation:
        await reservation.sent()
        await reservation.settle(None, generation_id="gen-1")
    assert (await first.find("gen-1")).state is State.PENDING
    assert await second.settle_leftovers(unknown) == 0
    clock.now += DAY - 1
    assert await second.settle_leftovers(unknown) == 0
    assert await second.allowance(None) == 4
    clock.now += 60
    assert await second.settle_leftovers(costs(**{"gen-1": "0.25"})) == 1
    assert await first.allowance(None) == Decimal("4.75")


async def test_a_cost_that_two_processes_ask_for_is_settled_once(server):
    first, second = server(day="5"), server(day="5")
    async with await first.reserve("chat", MODEL, Decimal(1)) as reservation:
        await reservation.sent()
        await reservation.generation("gen-1")
    await first.remaining()

    async def slow(_generation_id):
        assert await first.settle_leftovers(costs(**{"gen-1": "0.25"})) == 1
        return Cost(Decimal("0.75"))

    assert await second.settle_leftovers(slow) == 0
    assert (await second.find("gen-1")).cost == Decimal("0.25")


async def test_a_killed_process_counts_until_the_clock_that_was_set_back_has_passed(
    server, tmp_path, clock
):
    await killed(tmp_path / "state", "sent")
    clock.now -= DAY
    budget = server(day="5")
    assert await budget.settle_leftovers(unknown) == 1
    clock.now += DAY
    assert await budget.allowance(None) == 4


async def test_a_cost_that_nobody_ever_tells_counts_as_reserved(server, clock):
    budget = server(day="5")
    async with await budget.reserve("chat", MODEL, Decimal(1)) as reservation:
        await reservation.sent()
        await reservation.generation("gen-1")
    clock.now += DAY
    assert await budget.settle_leftovers(unknown) == 1
    assert await budget.allowance(None) == 4
    entry = await budget.find("gen-1")
    assert (entry.state, entry.cost) == (State.SETTLED, None)
    clock.now += DAY
    assert await budget.allowance(None) == 5


async def test_while_openrouter_cannot_be_asked_nothing_is_concluded(server, clock):
    async def fail(_generation_id):
        raise OpenRouterError(Code.NETWORK, "The network is gone. Call again later.")

    budget = server(day="5")
    async with await budget.reserve("chat", MODEL, Decimal(1)) as reservation:
        await reservation.sent()
        await reservation.generation("gen-1")
    clock.now += 3 * DAY
    assert await budget.settle_leftovers(fail) == 0
    assert await budget.settle_leftovers(costs(**{"gen-1": "0.25"})) == 1


# Processes that race


def race(directory, caps, most, calls, barrier, results):
    """A process that makes calls as fast as it can and tells what came of them."""

    async def main():
        store = Store(directory)
        budget = Budget(Settings(**caps), store, clock=lambda: NOON)
        await budget.remaining()
        barrier.wait(60)
        spent, refused = Decimal(0), 0
        for _ in range(calls):
            try:
                reservation = await budget.reserve("chat", MODEL, most)
                await reservation.sent()
                spent += most
                await reservation.settle(most)
            except OpenRouterError as error:
                refused += error.code is Code.BUDGET_EXCEEDED
        barrier.wait(60)
        results.put((spent, refused, store.warning))
        await store.aclose()

    asyncio.run(main())


def raced(directory, processes, cap, most, calls):
    """The sum spent, the calls refused and the warnings of processes that race under a day cap."""
    barrier, results = PROCESSES.Barrier(processes), PROCESSES.Queue()
    caps = {"max_cost_per_day": Decimal(cap)}
    arguments = (directory, caps, Decimal(most), calls, barrier, results)
    running = [PROCESSES.Process(target=race, args=arguments) for _ in range(processes)]
    for process in running:
        process.start()
    spent, refused, warnings = zip(*[results.get(timeout=60) for _ in running], strict=True)
    for process in running:
        process.join(60)
    return sum(spent), sum(refused), set(warnings)


@pytest.mark.parametrize("processes", [2, 10])
def test_processes_that_race_for_the_last_dollar_reserve_it_once(tmp_path, processes):
    assert raced(tmp_path, processes, "1", "1", 3) == (1, 3 * processes - 1, {""})


async def test_eight_processes_spend_exactly_what_a_cap_allows(server, tmp_path):
    assert raced(tmp_path / "state", 8, "0.100", "0.001", 50) == (Decimal("0.1"), 300, {""})
    rows = await server().usage("tool", 2)
    assert [(row.calls, row.cost) for row in rows] == [(100, Decimal("0.1"))]
