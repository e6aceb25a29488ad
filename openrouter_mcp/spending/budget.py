"""Caps on spending, kept before the money is spent: reserve, settle, or refuse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from openrouter_mcp.api.delivery import is_refusal
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.money import dollars
from openrouter_mcp.settings import Settings, variable
from openrouter_mcp.spending import ledger
from openrouter_mcp.spending.cost import Cost
from openrouter_mcp.spending.ledger import Entry, Prices, State, Sum, Usage
from openrouter_mcp.state.store import Store, StoreBusyError
from openrouter_mcp.text import DAY, duration

if TYPE_CHECKING:
    import sqlite3


class Reservation:
    """The money of one request, held from before it is sent until its cost is known.

    A further request (a continuation, a retry that was billed) takes a reservation of its own. As
    a context manager it ends by itself: released when nothing was sent or billed, else left for
    `Budget.settle_leftovers`.
    """

    def __init__(
        self, entry: Entry, store: Store, clock: Callable[[], float], *, capped: bool
    ) -> None:
        self.entry = entry
        self._store = store
        self._clock = clock
        self._capped = capped

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.entry.state is not State.RESERVED:
            return
        if not self.entry.sent or (not self.entry.generation_id and _refused(error)):
            await self.release()
        else:
            await self.settle(None)

    @property
    def counted(self) -> Decimal:
        """USD that count against a limit: the cost once it is known, else all that is reserved."""
        if self.entry.state is State.RELEASED:
            return Decimal(0)
        return self.entry.reserved if self.entry.cost is None else self.entry.cost

    @property
    def open(self) -> bool:
        """Whether it may still turn out to cost less than what is reserved."""
        return self.entry.state in {State.RESERVED, State.PENDING}

    async def refresh(self) -> None:
        """Take the cost that was looked up meanwhile, by whichever process."""
        if self.entry.state is State.PENDING:
            with suppress(StoreBusyError):
                kept = await self._store.read(partial(ledger.get, entry_id=self.entry.id))
                self.entry = kept or self.entry

    async def sent(self) -> None:
        """The request is about to leave: from now on it can cost money."""
        entry = replace(self.entry, sent=True)
        if self._capped:
            with _needing_the_store():
                await self._store.run(partial(ledger.write, entry=entry))
        else:
            self._store.later(partial(ledger.write, entry=entry))
        self.entry = entry

    async def generation(self, generation_id: str) -> None:
        """The generation has this id, by which another process could learn its cost."""
        self._write(replace(self.entry, generation_id=generation_id))

    async def settle(
        self,
        cost: Decimal | None,
        *,
        upstream_cost: Decimal | None = None,
        prices: Prices | None = None,
        model: str = "",
        provider: str = "",
        input_tokens: int = 0,
        output_tokens: int = 0,
        duration: float = 0.0,
        generation_id: str = "",
    ) -> None:
        """The request is over and cost this many USD, even if that is more than was reserved.

        None: not known. With a generation id it is looked up later; without one nobody can, and
        the reservation counts as spent.
        """
        entry = self.entry
        generation_id = generation_id or entry.generation_id
        pending = cost is None and generation_id
        self._write(
            replace(
                entry,
                state=State.PENDING if pending else State.SETTLED,
                cost=cost,
                upstream_cost=upstream_cost,
                prompt_price=prices.prompt if prices else None,
                completion_price=prices.completion if prices else None,
                settled_at=None if pending else max(entry.at, self._clock()),
                model=model or entry.model,
                provider=provider,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                duration=duration,
                generation_id=generation_id,
            )
        )

    async def release(self) -> None:
        """Nothing was sent, or nothing is billed for it."""
        self._write(released(self.entry))

    def _write(self, entry: Entry) -> None:
        # Nobody waits: whatever asks the store next comes after this, and should the process be
        # killed before, the row on disk still holds the money.
        self.entry = entry
        self._store.later(partial(ledger.write, entry=entry))


def released(entry: Entry) -> Entry:
    """The entry of a request that costs nothing."""
    return replace(entry, state=State.RELEASED)


def _refused(error: BaseException | None) -> bool:
    """Whether OpenRouter answered with an error that costs nothing."""
    status = error.http_status if isinstance(error, OpenRouterError) else None
    return status is not None and is_refusal(status)


PER_CALL = variable("max_cost_per_call")
PER_SESSION = variable("max_cost_per_session")
PER_DAY = variable("max_cost_per_day")

LOWER_MAX_TOKENS = "lower max_tokens"
ASK_FOR_LESS = "ask for less"
"""What makes a chat cheaper, and any other call."""

GIVE_UP = 24 * 3600.0
"""Seconds after which a generation that OpenRouter still does not know will never be known."""
LOOK_UPS = 8
"""Costs that are looked up at once."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.9, 60.0
"""Seconds after which a cost that is not told yet is asked for again."""
UNKNOWN = Cost(None)
LookUp = Callable[[str], Awaitable[Cost | None]]


@dataclass(frozen=True)
class Remaining:
    """What is spent of what may be: USD, reservations of calls under way included.

    A cap of 0 means that there is none.
    """

    day_spent: Decimal
    day_cap: Decimal
    session_spent: Decimal
    session_cap: Decimal

    def line(self) -> str:
        """The end of a receipt: `today $0.41 of $5.00`."""
        day = f" of {dollars(self.day_cap)}" if self.day_cap else ""
        line = f"today {dollars(self.day_spent)}{day}"
        if self.session_cap:
            line += f", session {dollars(self.session_spent)} of {dollars(self.session_cap)}"
        return line


@dataclass(frozen=True)
class Cap:
    """A cap that several calls share, and what they have used of it."""

    name: str
    amount: Decimal
    used: Sum

    @property
    def remaining(self) -> Decimal:
        """USD that may still be reserved; 0 after an overshoot."""
        return max(Decimal(0), self.amount - self.used.settled - self.used.reserved)


class Budget:
    """The caps of `settings` (0 = none) over the ledger in `store`. Money is USD.

    Every cap holds for settled costs and reservations together. The cap per day holds for each UTC
    day, in all processes; a request that spans midnight counts for both days. Without any cap no
    call waits for the ledger.
    """

    def __init__(
        self, settings: Settings, store: Store, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._asked: dict[int, float] = {}
        """When the costs that OpenRouter has not told were last asked for, by entry."""
        self._shared = settings.max_cost_per_session > 0 or settings.max_cost_per_day > 0

    def limit(self, max_cost: Decimal | None) -> Decimal | None:
        """The least of the caller's `max_cost` and the cap per call; None or 0 limits nothing."""
        limits = (max_cost, self._settings.max_cost_per_call)
        return min((limit for limit in limits if limit), default=None)

    async def allowance(self, max_cost: Decimal | None) -> Decimal | None:
        """What one call may cost now; None if nothing limits it.

        Raises `BUDGET_EXCEEDED` when there is a cap per day and no file to keep it in.
        """
        limit = self.limit(max_cost)
        with _needing_the_store():
            caps = await self._store.read(self._caps) if self._shared else []
        left = [cap.remaining for cap in caps]
        return min(left if limit is None else [limit, *left], default=None)

    def check(
        self,
        model: str,
        most: Decimal | None,
        max_cost: Decimal | None,
        *,
        less: str = LOWER_MAX_TOKENS,
    ) -> None:
        """Raise `BUDGET_EXCEEDED` for what can cost more than `max_cost` or the cap per call."""
        limit = self.limit(max_cost)
        if most is None and (self._shared or limit is not None):
            raise _unbounded(model)
        if most is not None and limit is not None and most > limit:
            own = limit == self._settings.max_cost_per_call
            raise _above(model, most, limit, PER_CALL if own else "max_cost", less)

    async def reserve(
        self,
        tool: str,
        model: str,
        most: Decimal | None,
        max_cost: Decimal | None = None,
        *,
        less: str = LOWER_MAX_TOKENS,
    ) -> Reservation:
        """Hold `most`, the highest cost that the request can have; None if nothing bounds it.

        Raises `BUDGET_EXCEEDED` when that is more than a cap or `max_cost` still allows; `less`
        says what makes such a request cheaper.
        """
        self.check(model, most, max_cost, less=less)
        owner, now = self._store.owner, self._clock()
        entry = Entry(owner, now, tool, model, most or Decimal(0))
        if not self._shared:
            self._store.later(partial(ledger.write, entry=entry))
        else:
            try:
                with _needing_the_store():
                    await self._store.run(partial(self._admit, entry=entry, less=less))
            except asyncio.CancelledError:
                self._store.later(partial(ledger.conclude, entry=released(entry)))
                raise
        return Reservation(entry, self._store, self._clock, capped=self._shared)

    async def line(self) -> str:
        """What is spent of the caps, for receipts; empty where there are none."""
        with suppress(StoreBusyError):
            return (await self.remaining()).line() if self._shared else ""
        return ""

    async def remaining(self) -> Remaining:
        """What is spent of the caps by now."""

        def sums(connection: sqlite3.Connection) -> tuple[Sum, Sum]:
            day = ledger.of_day(connection, self._clock())
            return day, ledger.of_session(connection, self._store.owner)

        day, session = await self._store.read(sums)
        return Remaining(
            day.settled + day.reserved,
            self._settings.max_cost_per_day,
            session.settled + session.reserved,
            self._settings.max_cost_per_session,
        )

    async def settle_leftovers(self, look_up: LookUp) -> int:
        """Conclude what ended without its cost being known; the number of requests concluded.

        These are the requests of dead processes and those that wait for their cost. One that was
        never sent is released; for the others `look_up` tells the cost of a generation id (from
        `GET /generation`), or None while OpenRouter does not know it. Until then the reservation
        counts for each day. Where there is no id, no answer for `GIVE_UP` seconds, or an answer
        without all of the cost, it stays unknown and the reservation counts as spent.
        """
        entries = await self._store.read(ledger.unsettled)
        holders = {entry.owner for entry in entries if entry.state is State.RESERVED}
        alive = {owner for owner in holders if await self._store.alive(owner)}
        over = [e for e in entries if e.state is State.PENDING or e.owner not in alive]
        self._asked = {e.id: self._asked[e.id] for e in over if e.id in self._asked}
        slots, reachable = asyncio.Semaphore(LOOK_UPS), True

        async def conclude(entry: Entry) -> bool:
            nonlocal reachable
            async with slots:
                if entry.generation_id and not (reachable and self._is_due(entry)):
                    return False
                try:
                    end = await self._end(entry, look_up)
                except OpenRouterError:
                    # What cannot be asked for one of them cannot be asked for the others.
                    reachable = False
                    self._asked.pop(entry.id, None)
                    return False
            return bool(end) and await self._store.run(partial(ledger.conclude, entry=end))

        over.sort(key=lambda entry: self._asked.get(entry.id, 0))
        return sum(await asyncio.gather(*map(conclude, over)))

    def _is_due(self, entry: Entry) -> bool:
        """Whether to ask for the cost again: the older it is, the rarer it is asked for."""
        now = self._clock()
        since = now - self._asked.get(entry.id, float("-inf"))
        return not 0 <= since < min(LONGEST_PAUSE, max(SHORTEST_PAUSE, (now - entry.at) / 10))

    async def settle(self, generation_id: str, cost: Cost) -> None:
        """The request of a process that died has cost this, unless that is known."""
        with suppress(StoreBusyError):
            if entry := await self.find(generation_id):
                end = self._settled(entry, cost)
                self._store.later(partial(ledger.conclude, entry=end))

    async def usage(self, by: Literal["model", "tool", "day"], days: int) -> list[Usage]:
        """What was spent on the last `days` UTC days, today included."""
        since = self._first_of(days)
        return await self._store.read(partial(ledger.usage, by=by, since=since))

    async def last_prices(self, days: int) -> dict[str, Prices]:
        """What the models of the last `days` UTC days were listed at when they were last used."""
        since = self._first_of(days)
        return await self._store.read(partial(ledger.last_prices, since=since))

    def _first_of(self, days: int) -> float:
        """When the first of the last `days` UTC days began."""
        now = self._clock()
        return now - now % DAY - (days - 1) * DAY

    async def find(self, generation_id: str) -> Entry | None:
        """What the ledger knows of a generation."""
        return await self._store.read(partial(ledger.find, generation_id=generation_id))

    def _caps(self, connection: sqlite3.Connection) -> list[Cap]:
        settings, caps = self._settings, []
        if settings.max_cost_per_day and not self._store.durable:
            raise OpenRouterError(
                Code.BUDGET_EXCEEDED,
                f"{PER_DAY} is set, and what was spent today cannot be known. "
                f"{self._store.warning}",
            )
        if settings.max_cost_per_session:
            used = ledger.of_session(connection, self._store.owner)
            caps.append(Cap(PER_SESSION, settings.max_cost_per_session, used))
        if settings.max_cost_per_day:
            used = ledger.of_day(connection, self._clock())
            caps.append(Cap(PER_DAY, settings.max_cost_per_day, used))
        return caps

    def _admit(self, connection: sqlite3.Connection, entry: Entry, less: str) -> None:
        """Write the reservation if every cap has room for it. Raises `BUDGET_EXCEEDED`."""
        tightest = min(self._caps(connection), key=lambda cap: cap.remaining)
        if entry.reserved > tightest.remaining:
            raise _beyond(entry, tightest, self._clock(), less)
        ledger.write(connection, entry)

    async def _end(self, entry: Entry, look_up: LookUp) -> Entry | None:
        """How the request of this entry ended; None while that may still become known."""
        if not entry.sent:
            return released(entry)
        cost = None
        if entry.generation_id:
            self._asked[entry.id] = self._clock()
            cost = await look_up(entry.generation_id)
            if cost is None and self._clock() - entry.at < GIVE_UP:
                return None
        return self._settled(entry, cost or UNKNOWN)

    def _settled(self, entry: Entry, cost: Cost) -> Entry:
        return replace(
            entry,
            state=State.SETTLED,
            cost=cost.total,
            upstream_cost=cost.upstream,
            settled_at=max(entry.at, self._clock()),
        )


@contextmanager
def _needing_the_store() -> Generator[None]:
    """Where a cap cannot be kept, since another process has the file, nothing is paid for now."""
    try:
        yield
    except StoreBusyError as error:
        raise OpenRouterError(
            Code.BUDGET_EXCEEDED,
            f"A spending cap is set, and it cannot be checked now. {error.message}",
            retryable=True,
        ) from error


def _unbounded(model: str) -> OpenRouterError:
    return OpenRouterError(
        Code.BUDGET_EXCEEDED,
        f"The cost of this call to {model} has no upper bound, and spending is limited. Choose a "
        "model whose price is known (get_model).",
    )


def _above(model: str, most: Decimal, limit: Decimal, name: str, less: str) -> OpenRouterError:
    allow = (
        f"Set max_cost to {most.normalize():f} to allow it"
        if name == "max_cost"
        else f"Raise {name} and restart this server to allow it"
    )
    return OpenRouterError(
        Code.BUDGET_EXCEEDED,
        f"This call to {model} can cost {dollars(most)}, more than {name} ({dollars(limit)}). "
        f"{allow}, {less}, or choose a cheaper model.",
    )


def _beyond(entry: Entry, cap: Cap, now: float, less: str) -> OpenRouterError:
    fits = dollars(_floor(cap.remaining))
    period, wait = "in this session", ""
    if cap.name == PER_DAY:
        period = "today"
        wait = f"wait until 00:00 UTC (in {duration(DAY - now % DAY)}), "
    smaller = "Choose a free model (find_models, free=true)"
    if cap.remaining:
        smaller = f"{less.capitalize()} so that it costs at most {fits}, choose a cheaper model"
    return OpenRouterError(
        Code.BUDGET_EXCEEDED,
        f"This call to {entry.model} can cost {dollars(entry.reserved)}, and {fits} is left of "
        f"{cap.name} ({dollars(cap.amount)}): {dollars(cap.used.settled)} is spent {period} and "
        f"{dollars(cap.used.reserved)} reserved by calls under way. {smaller}, {wait}"
        f"or raise {cap.name} and restart this server.",
        # What other calls have reserved comes back when they cost less.
        retryable=entry.reserved <= cap.amount - cap.used.settled,
    )


def _floor(amount: Decimal) -> Decimal:
    """An amount that is surely there, with few digits."""
    digits = 2 - min(0, amount.adjusted())
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)
