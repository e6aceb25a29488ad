"""The user's consent to a call that can cost more than OPENROUTER_CONFIRM_ABOVE.

It is the user's alone: no argument of the calling model stands in for it, and no refusal says how
to do without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mcp.types import InputRequiredResult

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.money import dollars
from openrouter_mcp.progress import Decision, Progress
from openrouter_mcp.text import clean

SHOWN_REQUEST = 200
"""Characters of the caller's words in a question."""
SHOWN_MODEL = 100
NOT_PAID = "Nothing was sent, and nothing was paid."
WHY_NOT = {
    Decision.DECLINED: "The user was asked, and said no. Do not call it again unless the user asks "
    "for it.",
    Decision.CANCELLED: "The user was asked, and closed the question without an answer. Ask the "
    "user what they want before you go on.",
    Decision.CANNOT_ASK: "The user has to agree to that first, and this client has no way to ask. "
    "Tell the user what it would cost; only they can change that, in their settings.",
    Decision.FAILED: "The user has to agree to that first, and the question failed in this client. "
    "Tell the user that they could not be asked.",
}


@dataclass(frozen=True)
class Expense:
    """What the user is asked about."""

    tool: str
    model: str
    most: Decimal | None
    """USD that it can cost at most; None where nothing bounds it."""
    wrote: str = ""
    """What the caller wrote, which the user sees behind the facts."""

    @property
    def facts(self) -> str:
        """Tool, model, and the most that it can cost."""
        price = "an amount that nothing bounds" if self.most is None else dollars(self.most)
        upto = "" if self.most is None else "up to "
        return f"{self.tool} with {clean(self.model, SHOWN_MODEL)} can cost {upto}{price}"


async def ask(progress: Progress, expense: Expense, beside: str = "") -> InputRequiredResult | None:
    """Ask the user whether to spend this; None = go on.

    `beside` is what else the user agrees to, as a sentence. A result is to be returned from the
    tool, which is called again with the answer. Raises `BUDGET_EXCEEDED` unless the user says yes.
    """
    wrote = quoted(expense.wrote)
    request = f"The request: {wrote}" if wrote else ""
    facts = f"{expense.facts}."
    decision = await progress.confirm(
        " ".join(part for part in (facts, beside, "Go on?", request) if part)
    )
    if decision is Decision.YES:
        return None
    if isinstance(decision, InputRequiredResult):
        return decision
    raise OpenRouterError(Code.BUDGET_EXCEEDED, f"{expense.facts}. {WHY_NOT[decision]} {NOT_PAID}")


def quoted(text: str) -> str:
    """Words of the caller as part of a question: short, on one line, and closed by our quotes."""
    words = clean(text, SHOWN_REQUEST).replace('"', "'")
    return f'"{words}"' if words else ""
