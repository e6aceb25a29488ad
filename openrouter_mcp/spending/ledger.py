"""The ledger's rows: one for each paid request, from its reservation to what it really cost.

Nothing of prompt or answer is in it. Money is nano-dollars in the table, USD in `Decimal` outside.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from openrouter_mcp.money import MILLION, NANO
from openrouter_mcp.text import DAY

if TYPE_CHECKING:
    import sqlite3

LARGEST = 1_000_000 * NANO
"""No request costs a million dollars; SQLite adds up thousands of such numbers."""


class State(StrEnum):
    """Where a request stands."""

    RESERVED = "reserved"
    PENDING = "pending"
    """Over, and OpenRouter has not told the cost yet."""
    SETTLED = "settled"
    """Over; a cost of None will never be known, and the reservation counts instead."""
    RELEASED = "released"
    """Nothing was billed."""


class Prices(NamedTuple):
    """The list prices of a model, USD per million tokens; None where none is told."""

    prompt: Decimal | None
    completion: Decimal | None

    @classmethod
    def of(cls, pricing: Mapping[str, Decimal]) -> Self:
        """From prices per token by kind."""
        told = (pricing.get(kind) for kind in ("prompt", "completion"))
        return cls(*(None if price is None else price * MILLION for price in told))


@dataclass(frozen=True)
class Entry:
    """One request. Times are unix seconds, `duration` seconds; what is not known is empty."""

    owner: str
    at: float
    tool: str
    model: str
    reserved: Decimal
    provider: str = ""
    state: State = State.RESERVED
    sent: bool = False
    cost: Decimal | None = None
    """All that the user pays."""
    upstream_cost: Decimal | None = None
    """The part of it that a provider bills to the user's own key."""
    input_tokens: int = 0
    output_tokens: int = 0
    generation_id: str = ""
    duration: float = 0.0
    settled_at: float | None = None
    prompt_price: Decimal | None = None
    completion_price: Decimal | None = None
    """What the model that answered was listed at when the request ended: USD per million tokens."""
    id: int = field(default_factory=lambda: secrets.randbits(62))


@dataclass(frozen=True)
class Sum:
    """USD that are settled, and USD that are reserved by requests whose cost is not known yet."""

    settled: Decimal
    reserved: Decimal


@dataclass(frozen=True)
class Usage:
    """What was spent on one model, with one tool or on one UTC day (`name`)."""

    name: str
    calls: int
    cost: Decimal
    upstream_cost: Decimal
    """The part of it that providers billed to the user's own keys."""
    unknown: Decimal
    """Reservations of those calls whose cost is not known (yet)."""
    input_tokens: int
    output_tokens: int


COLUMNS = tuple(column.name for column in fields(Entry))
MONEY = ("reserved", "cost", "upstream_cost", "prompt_price", "completion_price")
READ = f"SELECT {', '.join(COLUMNS)} FROM ledger "  # noqa: S608 - no value in it
WRITE = (
    f"INSERT OR REPLACE INTO ledger({', '.join(COLUMNS)}) "  # noqa: S608 - no value in it
    f"VALUES ({', '.join(f':{name}' for name in COLUMNS)})"
)
CONCLUDE = """
    UPDATE ledger SET state = :state, cost = :cost, upstream_cost = :upstream_cost,
        settled_at = :settled_at
    WHERE id = :id AND state IN ('reserved', 'pending')
"""
SUM = """
    SELECT coalesce(sum(CASE state WHEN 'settled' THEN coalesce(cost, reserved) END), 0),
        coalesce(sum(CASE WHEN state IN ('reserved', 'pending') THEN reserved END), 0)
    FROM ledger
"""
USAGE_BY = {"model": "model", "tool": "tool", "day": "date(coalesce(settled_at, at), 'unixepoch')"}


def nano(amount: Decimal) -> int:
    """USD as nano-dollars, rounded up."""
    exact = min(max(amount, Decimal(0)) * NANO, Decimal(LARGEST))
    return int(exact.to_integral_value(ROUND_CEILING))


def usd(amount: int) -> Decimal:
    """Nano-dollars as USD."""
    return Decimal(amount) / NANO


def write(connection: sqlite3.Connection, entry: Entry) -> None:
    """Store the entry as it stands now."""
    connection.execute(WRITE, _row(entry))


def conclude(connection: sqlite3.Connection, entry: Entry) -> bool:
    """Store how a request ended, unless that is known already."""
    return connection.execute(CONCLUDE, _row(entry)).rowcount > 0


def of_day(connection: sqlite3.Connection, now: float) -> Sum:
    """What counts for the UTC day of `now`, over all processes.

    A request counts for each day from its reservation to its settlement. Later days count too: a
    clock that was set back frees no money.
    """
    where = "WHERE state IN ('reserved', 'pending') OR state = 'settled' AND settled_at >= ?"
    return _sum(connection, where, now - now % DAY)


def of_session(connection: sqlite3.Connection, owner: str) -> Sum:
    """What one process has spent."""
    return _sum(connection, "WHERE owner = ?", owner)


def unsettled(connection: sqlite3.Connection) -> list[Entry]:
    """Every request whose cost is not known yet, oldest first."""
    rows = connection.execute(READ + "WHERE state IN ('reserved', 'pending') ORDER BY at")
    return [_entry(row) for row in rows]


def get(connection: sqlite3.Connection, entry_id: int) -> Entry | None:
    """The entry as it is kept."""
    row = connection.execute(READ + "WHERE id = ?", (entry_id,)).fetchone()
    return _entry(row) if row else None


def find(connection: sqlite3.Connection, generation_id: str) -> Entry | None:
    """The request with this generation id."""
    row = connection.execute(READ + "WHERE generation_id = ?", (generation_id,)).fetchone()
    return _entry(row) if row else None


def usage(
    connection: sqlite3.Connection, by: Literal["model", "tool", "day"], since: float
) -> list[Usage]:
    """What was spent since a time, the dearest first; by day, the newest first."""
    grouped = USAGE_BY[by]
    order = "name DESC" if by == "day" else "sum(coalesce(cost, reserved)) DESC, name"
    rows = connection.execute(
        f"""
        SELECT {grouped} AS name, count(*), coalesce(sum(cost), 0), coalesce(sum(upstream_cost), 0),
            sum(CASE WHEN cost IS NULL THEN reserved ELSE 0 END),
            sum(input_tokens), sum(output_tokens)
        FROM ledger WHERE state != 'released' AND coalesce(settled_at, at) >= ?
        GROUP BY name ORDER BY {order}
        """,  # noqa: S608 - both come from this module
        (since,),
    )
    return [
        Usage(name, calls, usd(cost), usd(upstream), usd(unknown), tokens_in, tokens_out)
        for name, calls, cost, upstream, unknown, tokens_in, tokens_out in rows
    ]


def last_prices(connection: sqlite3.Connection, since: float) -> dict[str, Prices]:
    """What each model was listed at when its last request since a time ended."""
    # SQLite takes the other columns from the row that has the maximum.
    rows = connection.execute(
        """
        SELECT model, prompt_price, completion_price, max(at) FROM ledger
        WHERE coalesce(prompt_price, completion_price) IS NOT NULL
            AND coalesce(settled_at, at) >= ?
        GROUP BY model
        """,
        (since,),
    )
    return {
        model: Prices(*(None if price is None else usd(price) for price in prices))
        for model, *prices, _ in rows
    }


def _sum(connection: sqlite3.Connection, where: str, value: float | str) -> Sum:
    settled, reserved = connection.execute(SUM + where, (value,)).fetchone()
    return Sum(usd(settled), usd(reserved))


def _row(entry: Entry) -> dict[str, Any]:
    money = {name: getattr(entry, name) for name in MONEY}
    return {**vars(entry), **{k: None if v is None else nano(v) for k, v in money.items()}}


def _entry(row: tuple[Any, ...]) -> Entry:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    values["state"] = State(values["state"])
    values["sent"] = bool(values["sent"])
    values |= {name: usd(values[name]) for name in MONEY if values[name] is not None}
    return Entry(**values)
