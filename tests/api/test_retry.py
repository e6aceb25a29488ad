"""How long a further attempt waits: OpenRouter's word first, else longer and longer."""

import pytest
from tenacity import AsyncRetrying, Future, RetryCallState

# Taken before the tests of the whole server do away with waiting.
from openrouter_mcp.api.retry import _wait
from openrouter_mcp.errors import Code, OpenRouterError


def failed(attempt: int, retry_after: float | None) -> RetryCallState:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = attempt
    error = OpenRouterError(Code.RATE_LIMITED, "Later.", retry_after=retry_after)
    state.outcome = Future.construct(attempt, error, has_exception=True)
    return state


@pytest.mark.parametrize("seconds", [0, 0.5, 7])
@pytest.mark.parametrize("attempt", [1, 2])
def test_the_wait_is_what_openrouter_asks_for(attempt: int, seconds: float) -> None:
    assert _wait(failed(attempt, seconds)) == seconds


def test_without_its_word_each_wait_is_longer_and_bounded() -> None:
    first, second = _wait(failed(1, None)), _wait(failed(2, None))
    assert 0 < first < 8
    assert 1 <= second <= 8
