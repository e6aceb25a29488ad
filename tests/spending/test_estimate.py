"""What a request can cost, and how it is kept within a limit, with invented models."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending import estimate

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SEARCH = "openrouter:web_search"


def asking(**options: Any) -> ChatRequest:
    """A request to a model whose price is not known."""
    return compose(
        CallerRequest("Hi", options=options), Resolution("acme/open", None, ""), [], Settings()
    )


def ceilings(request: ChatRequest, limit: str) -> dict[str, Decimal]:
    bounded = estimate.within(request, Decimal(limit), NOW)
    prices = bounded.body["provider"]["max_price"]
    return {kind: Decimal(price) for kind, price in prices.items()}


def test_a_limit_never_raises_the_price_ceilings_that_the_caller_gave() -> None:
    own = {"max_price": {"prompt": 0.1, "image": 2}}
    given, free = ceilings(asking(provider=own), "5"), ceilings(asking(), "5")
    assert free["prompt"] > Decimal("0.1")
    assert given == {"prompt": Decimal("0.1"), "completion": free["completion"], "image": 2}


def test_a_limit_lowers_ceilings_that_are_too_high_for_it() -> None:
    own = {"max_price": {"prompt": 1_000_000}}
    assert ceilings(asking(provider=own), "0.01") == ceilings(asking(), "0.01")


@pytest.mark.parametrize(
    "parameters", [{}, {"max_uses": None}, {"max_uses": "three"}, {"max_uses": -1}], ids=repr
)
def test_a_search_tool_without_a_count_may_search_up_to_openrouters_own_limit(parameters) -> None:
    request = asking(tools=[{"type": SEARCH, "parameters": parameters}])
    assert estimate.of_chat(request, NOW).demand.searches == 10
    counted = asking(tools=[{"type": SEARCH, "parameters": {"max_uses": 2}}])
    assert estimate.of_chat(counted, NOW).demand.searches == 2


@pytest.mark.parametrize(
    ("cap", "step"),
    [("0", "Raise max_cost,"), ("1", "Raise max_cost,"), ("0.001", "Raise OPENROUTER_MAX_COST_")],
)
def test_what_leaves_nothing_for_an_answer_names_the_limit_that_does(cap: str, step: str) -> None:
    with pytest.raises(OpenRouterError) as refused:
        estimate.within(asking(tools=[{"type": SEARCH}]), Decimal("0.001"), NOW, Decimal(cap))
    assert step in refused.value.message
