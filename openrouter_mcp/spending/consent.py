"""The user's consent to a dear call: asked through the client, or given before by `max_cost`."""

from __future__ import annotations

from decimal import Decimal

from mcp.types import InputRequiredResult

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.money import dollars
from openrouter_mcp.progress import Progress
from openrouter_mcp.settings import Settings, variable

CONFIRM_ABOVE = variable("confirm_above")


async def question(
    settings: Settings, progress: Progress, what: str, most: Decimal | None, limit: Decimal | None
) -> InputRequiredResult | None:
    """Ask before `what` may cost more than OPENROUTER_CONFIRM_ABOVE; None = go on.

    `most` is the estimate in USD, None where nothing bounds it; a `limit` at or above it is the
    consent. A result is to be returned from the tool, which is called again with the answer.
    Raises `BUDGET_EXCEEDED` when the user says no or cannot be asked.
    """
    threshold = settings.confirm_above
    if not threshold or (most is not None and most <= threshold):
        return None
    if limit is not None and most is not None and limit >= most:
        return None
    price = "an amount that nothing bounds" if most is None else f"up to {dollars(most)}"
    answer = await progress.confirm(f"spend-{what}-{most}", f"{what} can cost {price}. Go on?")
    if answer is True:
        return None
    if isinstance(answer, InputRequiredResult):
        return answer
    reason = "the user declined" if answer is False else "this client cannot ask its user"
    enough = "a limit in USD" if most is None else f"{most:f} or more"
    raise OpenRouterError(
        Code.BUDGET_EXCEEDED,
        f"{what} can cost {price}, more than {CONFIRM_ABOVE} ({dollars(threshold)}), and {reason}. "
        f"Set max_cost to {enough} if the user agrees, or ask for less.",
    )
