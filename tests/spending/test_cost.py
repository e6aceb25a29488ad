"""What the user pays: OpenRouter's charge, and the provider's on a key of the user's own."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.spending.cost import Cost, completed, of_statistics, of_usage

FEE, UPSTREAM = Decimal("0.001"), Decimal("0.02")
BOTH = Cost(FEE + UPSTREAM, UPSTREAM)


def usage(*, is_byok: Any = True, cost: Any = 0.001, **details: Any) -> dict[str, Any]:
    return {"cost": cost, "is_byok": is_byok, "cost_details": details}


PROMPT, COMPLETION = "upstream_inference_prompt_cost", "upstream_inference_completions_cost"
INPUT, OUTPUT = "upstream_inference_input_cost", "upstream_inference_output_cost"


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        (usage(upstream_inference_cost=0.02), BOTH),
        (usage(upstream_inference_cost="0.02"), BOTH),
        (usage(upstream_inference_cost=0), Cost(FEE, Decimal(0))),
        (usage(upstream_inference_cost=None, **{PROMPT: 0.005, COMPLETION: 0.015}), BOTH),
        (usage(**{INPUT: 0.005, OUTPUT: 0.015}), BOTH),
        (usage(cost=None, upstream_inference_cost=0.02), Cost(None, UPSTREAM)),
        (usage(upstream_inference_cost=None), Cost(None)),
        (usage(upstream_inference_cost=-1), Cost(None)),
        (usage(upstream_inference_cost="much", **{PROMPT: 0.005}), Cost(None)),
        ({"cost": 0.001, "is_byok": True, "cost_details": None}, Cost(None)),
        # The upstream cost of OpenRouter's own key is part of what it charges.
        (usage(is_byok=False, upstream_inference_cost=0.02), Cost(FEE)),
        (usage(is_byok=None, upstream_inference_cost=0.02), Cost(FEE)),
        ({"cost": 0.001, "cost_details": {"upstream_inference_cost": 0.02}}, Cost(FEE)),
        (usage(is_byok="false", upstream_inference_cost=0.02), Cost(FEE)),
        ({}, Cost(None)),
    ],
    ids=repr,
)
def test_what_usage_tells(told: dict[str, Any], cost: Cost) -> None:
    assert of_usage(told) == cost


@pytest.mark.parametrize(
    ("told", "statistics", "cost"),
    [
        ({}, {"total_cost": 0.001}, Cost(FEE)),
        ({}, {"total_cost": 0.001, "is_byok": True, "upstream_inference_cost": 0.02}, BOTH),
        ({}, {"total_cost": 0.001, "is_byok": True, "upstream_inference_cost": None}, Cost(None)),
        ({}, {"total_cost": 0.001, "is_byok": False, "upstream_inference_cost": 0.02}, Cost(FEE)),
        # A video tells whose key it was, a reranking does not even that.
        ({"cost": 0.001, "is_byok": True}, {"upstream_inference_cost": 0.02}, BOTH),
        ({"cost": 0.001}, {"is_byok": True, "upstream_inference_cost": 0.02}, BOTH),
        (usage(upstream_inference_cost=0.02), {"upstream_inference_cost": 9}, BOTH),
        (usage(cost=None, upstream_inference_cost=0.02), {"total_cost": 0.001}, BOTH),
        (usage(is_byok=False), {"is_byok": True, "upstream_inference_cost": 0.02}, Cost(FEE)),
    ],
    ids=repr,
)
def test_what_usage_leaves_open_is_in_the_statistics(told, statistics, cost) -> None:
    assert of_usage(completed(told, statistics)) == cost
    if not told:
        assert of_statistics(statistics) == cost


ODD = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.lists(st.none())


@given(
    st.dictionaries(
        st.sampled_from(["cost", "is_byok", "cost_details"]),
        ODD
        | st.dictionaries(st.sampled_from(["upstream_inference_cost", PROMPT, COMPLETION]), ODD),
    ),
    st.dictionaries(st.sampled_from(["total_cost", "is_byok", "upstream_inference_cost"]), ODD),
)
def test_whatever_is_told_a_cost_is_no_less_than_its_upstream_part(told, statistics) -> None:
    for cost in (of_usage(told), of_usage(completed(told, statistics)), of_statistics(statistics)):
        assert cost.total is None or cost.total >= (cost.upstream or 0) >= 0
