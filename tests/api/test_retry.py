"""How long a further attempt waits: as OpenRouter asks, else longer and longer."""

import pytest

from openrouter_mcp.api import retry
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.progress import silent
from openrouter_mcp.timing import Timing


async def waits(retry_after: float | None) -> list[float]:
    """The waits between all attempts of a look-up that is refused each time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def refused() -> None:
        raise OpenRouterError(
            Code.RATE_LIMITED, "Later.", retryable=True, retry_after=retry_after, http_status=429
        )

    with pytest.raises(OpenRouterError, match="Later"):
        await retry.retrying(refused, retry.REPEATABLE, silent, Timing(sleep=sleep))
    assert len(slept) == retry.ATTEMPTS - 1
    return slept


@pytest.mark.parametrize("seconds", [0, 0.5, 7])
async def test_every_wait_is_what_openrouter_asks_for(seconds: float) -> None:
    assert await waits(seconds) == [seconds, seconds]


@pytest.mark.parametrize("chance", [0, 0.5, 1])
async def test_where_it_asks_for_nothing_each_wait_is_longer(monkeypatch, chance: float) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: least + chance * (most - least))
    first, second = await waits(None)
    assert 0.5 <= first < second <= 1.5


async def test_the_luckiest_second_wait_is_no_shorter_than_the_first(monkeypatch) -> None:
    """With the longest jitter first and none afterwards."""
    chances = iter([1, 0, 0])
    monkeypatch.setattr("random.uniform", lambda least, most: least + next(chances) * most)
    first, second = await waits(None)
    assert first <= second
