"""A file that an earlier version wrote: everything in it goes on to count."""

import sqlite3
from decimal import Decimal

from openrouter_mcp.settings import Settings
from openrouter_mcp.spending.budget import Budget
from openrouter_mcp.spending.cost import Cost
from openrouter_mcp.state.migrations import MIGRATIONS
from openrouter_mcp.state.store import Store

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2
BEFORE_OWN_KEYS = 2
"""The version of the file whose ledger knows no upstream cost."""
EARLIER_ROW = """
    INSERT INTO ledger(owner, at, tool, model, reserved, provider, state, sent, cost, input_tokens,
        output_tokens, generation_id, duration, settled_at, id)
    VALUES (:owner, :at, 'chat', 'acme/a', 500000000, 'Acme', :state, 1, :cost, 10, 20, :id, 1.5,
        :settled_at, :number)
"""


def write_earlier(directory) -> None:
    """A file as it was, with a settled row and one whose cost was not known yet."""
    directory.mkdir(mode=0o700)
    connection = sqlite3.connect(directory / "state.db")
    connection.executescript("".join(MIGRATIONS[:BEFORE_OWN_KEYS]))
    connection.execute(f"PRAGMA user_version = {BEFORE_OWN_KEYS}")
    row = {"owner": "gone", "at": NOON, "number": 1, "id": "gen-1"}
    settled = {**row, "state": "settled", "cost": 250_000_000, "settled_at": NOON}
    pending = {**row, "state": "pending", "cost": None, "settled_at": None}
    connection.execute(EARLIER_ROW, settled)
    connection.execute(EARLIER_ROW, {**pending, "number": 2, "id": "gen-2"})
    connection.commit()
    connection.close()


async def test_an_earlier_ledger_counts_and_goes_on(tmp_path) -> None:
    write_earlier(tmp_path / "state")
    store = Store(tmp_path / "state")
    budget = Budget(Settings(max_cost_per_day=Decimal(1)), store, clock=lambda: NOON)
    assert (await budget.remaining()).day_spent == Decimal("0.75")

    async def look_up(_generation_id: str) -> Cost:
        return Cost(Decimal("0.021"), Decimal("0.02"))

    assert await budget.settle_leftovers(look_up) == 1
    (row,) = await budget.usage("model", 1)
    assert (row.calls, row.cost, row.upstream_cost) == (2, Decimal("0.271"), Decimal("0.02"))
    entry = await budget.find("gen-1")
    assert entry is not None
    assert (entry.cost, entry.upstream_cost) == (Decimal("0.25"), None)
    assert (store.durable, store.warning) == (True, "")
    await store.aclose()
