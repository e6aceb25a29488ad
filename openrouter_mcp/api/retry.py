"""The one retry policy: which failures are worth, and which requests are safe, another attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.progress import Report
from openrouter_mcp.text import duration
from openrouter_mcp.timing import Timing

if TYPE_CHECKING:
    from tenacity import RetryCallState

ATTEMPTS = 3
REPEATABLE = frozenset({408, 429, 500, 502, 503, 504, 524, 529})
"""Statuses after which a look-up is asked again."""
UNPAID = frozenset({429, 502, 503, 529})
"""Statuses that prove that a paid request has produced nothing."""

T = TypeVar("T")


async def retrying(
    request: Callable[[], Awaitable[T]],
    statuses: frozenset[int],
    report: Report,
    timing: Timing,
) -> T:
    """Run `request`, again after failures that are safe to repeat and short to wait for.

    `request` raises `OpenRouterError`; `statuses` are the HTTP statuses after which it may be
    repeated. Each further attempt is reported.
    """
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

    async def report_attempt(state: RetryCallState) -> None:
        wait = state.next_action.sleep if state.next_action else 0
        error = state.outcome.exception() if state.outcome else None
        reason = error.http_status or error.code if isinstance(error, OpenRouterError) else ""
        await report(
            f"OpenRouter answered {reason}; trying again in {duration(wait)} "
            f"(attempt {state.attempt_number + 1} of {ATTEMPTS})"
        )

    policy = AsyncRetrying(
        sleep=timing.sleep,
        reraise=True,
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_before,
        retry=retry_if_exception(lambda error: _repeat(error, statuses, timing)),
        before_sleep=report_attempt,
    )
    async for attempt in policy:
        with attempt:
            return await request()
    raise AssertionError("tenacity either returned or raised")


def _repeat(error: BaseException, statuses: frozenset[int], timing: Timing) -> bool:
    """Whether a failure is worth and safe another attempt of the same request."""
    if not isinstance(error, OpenRouterError):
        return False
    if (error.retry_after or 0) > timing.longest_retry_wait:
        return False
    if error.http_status is None:
        return error.code is Code.NETWORK and (statuses is REPEATABLE or never_sent(error))
    return error.http_status in statuses and error.retryable


def never_sent(error: OpenRouterError) -> bool:
    """Whether a request failed before OpenRouter could see it."""
    import httpx2

    cause = error.__cause__.__cause__ if error.__cause__ else None
    return isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def wait_before(state: RetryCallState) -> float:
    """Seconds to wait before the next attempt: as OpenRouter asks, else longer each time."""
    from tenacity import wait_exponential_jitter

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, OpenRouterError) and error.retry_after is not None:
        return error.retry_after
    # The jitter is no longer than the first step, so that no wait is shorter than the one before.
    return wait_exponential_jitter(multiplier=0.5, max=8, jitter=0.5)(state)
