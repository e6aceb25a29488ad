"""One run of an agent: its limits, what it did, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from openrouter_mcp.agent import turns
from openrouter_mcp.agent.tool_results import Outcome
from openrouter_mcp.chat.exchange import Exchange
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.spending import receipts
from openrouter_mcp.spending.receipts import Receipt


class Ending(StrEnum):
    """Why a run ended."""

    ANSWERED = "answered"
    STEPS = "steps"
    COST = "cost"
    TIME = "time"
    LOOP = "loop"
    FAILED = "failed"


@dataclass(frozen=True)
class Limits:
    """What one run may take. `dollars` is USD; None limits nothing."""

    steps: int
    dollars: Decimal | None
    seconds: float
    result_chars: int
    continuations: int
    dollars_per_call: Decimal = Decimal(0)
    """What OPENROUTER_MAX_COST_PER_CALL allows: no `max_cost` can be more. 0 = no cap."""


@dataclass(frozen=True)
class Step:
    """One tool call that was made."""

    turn: int
    name: str
    arguments: str
    outcome: Outcome
    seconds: float

    def line(self) -> str:
        """The call in the trace: tool, arguments shortened, outcome, ms."""
        called = f"{self.name}({turns.shortened(self.arguments)})"
        return f"{self.turn}. {called}: {self.outcome.summary()}, {self.seconds * 1000:.0f} ms"


@dataclass
class Run:
    """All that one run did. `added` are the messages that it added to the conversation."""

    request: ChatRequest
    added: list[dict[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    """The turns that the model has ended."""
    receipts: list[Receipt] = field(default_factory=list)
    """One for every request that may be billed, also for those that were cut off."""
    text: str = ""
    """The answer, or what was said last."""
    ending: Ending = Ending.ANSWERED
    error: OpenRouterError | None = None

    @property
    def receipt(self) -> Receipt | None:
        """What all requests cost together; None when not one may be billed."""
        return receipts.together(self.receipts) if self.receipts else None

    @property
    def unsettled(self) -> list[Receipt]:
        """The requests whose cost OpenRouter has not told."""
        return [each for each in self.receipts if each.cost is None and not each.from_cache]

    @property
    def spent(self) -> Decimal:
        """USD so far, as far as OpenRouter has told."""
        return sum((receipt.cost or Decimal(0) for receipt in self.receipts), Decimal(0))
