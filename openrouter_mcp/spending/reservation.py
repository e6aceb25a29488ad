"""The money of one request, from its reservation to what it really cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Self

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.spending import ledger
from openrouter_mcp.spending.ledger import Entry, State
from openrouter_mcp.state.store import Store

NOT_BILLED = {502, 503, 529}
"""Server errors before the first byte, by which no provider has done any work."""
MAYBE_BILLED = {408, 499}
"""The client errors that come after the work may have begun."""


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

    async def sent(self) -> None:
        """The request is about to leave: from now on it can cost money."""
        entry = replace(self.entry, sent=True)
        if self._capped:
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
    if status is None or status in MAYBE_BILLED:
        return False
    return 400 <= status < 500 or status in NOT_BILLED
