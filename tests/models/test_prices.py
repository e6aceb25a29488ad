"""Rates and costs from catalogue prices, with literals."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.models import prices as pricing
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.prices import Demand, Rates

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # a Saturday


def model(**pricing_fields) -> Model:
    row = {
        "id": "acme/one",
        "architecture": {"output_modalities": ["text"]},
        "pricing": {"prompt": "0.000003", "completion": "0.000015", **pricing_fields},
    }
    parsed = Model.parse(row)
    assert parsed
    return parsed


def rates(found: Model, tokens: int = 1000, now: datetime = NOON) -> Rates:
    result = pricing.rates(found, tokens, now)
    assert result
    return result


def test_the_listed_prices_hold() -> None:
    assert rates(model()) == Rates(Decimal("0.000003"), Decimal("0.000015"))


def test_input_counts_at_the_price_of_writing_it_into_the_cache() -> None:
    found = model(input_cache_read="0.0000003", input_cache_write="0.00000375")
    assert rates(found).prompt == Decimal("0.00000375")


def test_long_prompts_cost_more_from_the_first_token_beyond_the_threshold() -> None:
    found = model(overrides=[{"min_prompt_tokens": 200, "prompt": "0.000006"}])
    assert rates(found, 200).prompt == Decimal("0.000003")
    assert rates(found, 201).prompt == Decimal("0.000006")
    assert rates(found, 201).completion == Decimal("0.000015")


@pytest.mark.parametrize(
    ("clock", "dear"), [((0, 30), False), ((0, 50), True), ((1, 0), True), ((4, 0), False)]
)
def test_a_time_of_day_counts_when_the_call_may_reach_into_it(clock, dear) -> None:
    found = model(overrides=[{"utc_start": 100, "utc_end": 400, "prompt": "0.000009"}])
    at = datetime(2026, 11, 21, *clock, tzinfo=UTC)
    assert (rates(found, now=at).prompt == Decimal("0.000009")) is dear


def test_a_window_may_wrap_midnight_and_name_its_days() -> None:
    window = {"utc_start": 2200, "utc_end": 600, "utc_days": ["saturday"], "prompt": "0.000009"}
    found = model(overrides=[window])
    late = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
    assert rates(found, now=late).prompt == Decimal("0.000009")
    assert rates(found, now=late.replace(day=20)).prompt == Decimal("0.000003")


@pytest.mark.parametrize(
    "odd",
    [
        {"regions": ["eu"]},
        {"per": {"tokens": 1}},
        {"min_prompt_tokens": "many"},
        {"utc_start": "dusk", "utc_end": "dawn"},
        {"utc_start": -100, "utc_end": 10**30},
        {"min_prompt_tokens": True},
        {"utc_start": 100},
        {"utc_days": 6},
        {"completion": "dear"},
    ],
)
def test_an_override_that_is_not_understood_counts_where_it_is_dearer(odd) -> None:
    dearer = model(overrides=[{**odd, "prompt": "0.000009"}])
    assert rates(dearer) == Rates(Decimal("0.000009"), Decimal("0.000015"))
    cheaper = model(overrides=[{**odd, "prompt": "0.000001"}])
    assert rates(cheaper) == Rates(Decimal("0.000003"), Decimal("0.000015"))


@pytest.mark.parametrize("odd", ["NaN", "-0.1", "1e400", "dear", None, [], {}])
@pytest.mark.parametrize("kind", ["prompt", "completion"])
def test_a_price_of_no_sense_is_no_price_and_not_free(kind, odd) -> None:
    found = model(**{"prompt": "0", "completion": "0", "request": "0", kind: odd})
    assert pricing.rates(found, 10, NOON) is None
    assert not found.is_free
    assert found.blended_price is None


def test_a_model_whose_price_varies_has_no_rates() -> None:
    assert pricing.rates(model(prompt="-1", completion="-1"), 10, NOON) is None
    assert pricing.rates(None, 10, NOON) is None


def test_each_search_reads_the_whole_prompt_again() -> None:
    rate = Rates(Decimal("0.000001"), Decimal(0), web_search=Decimal("0.01"))
    once = pricing.cost(Demand(1000, searches=1, steps=1, result_tokens=5000), rate)
    tokens = 2 * 1000 + 5000
    assert once == Decimal("0.01") + tokens * Decimal("0.000001")


@given(
    st.integers(0, 10**6),
    st.decimals("0.0000001", "0.001", places=9),
    st.decimals("0.0001", "10", places=6),
)
def test_affordable_output_fits_and_one_token_more_does_not(tokens, price, limit) -> None:
    rate = Rates(price / 4, price)
    demand = Demand(tokens)
    output = pricing.affordable_output(demand, rate, limit)
    assert output is not None
    if output:
        assert pricing.cost(Demand(tokens, output), rate) <= limit
    assert pricing.cost(Demand(tokens, output + 1), rate) > limit


@given(st.integers(1, 10**6), st.integers(1, 10**5), st.decimals("0.01", "10", places=4))
def test_bounding_prices_keep_an_unpriced_model_within_the_limit(tokens, output, limit) -> None:
    demand = Demand(tokens, output)
    prices = pricing.bounding_prices(demand, limit)
    ceiling = pricing.ceiling(prices or {})
    assert ceiling
    assert pricing.cost(demand, ceiling) <= limit * Decimal("1.0000001")


def test_tokens_are_counted_on_the_high_side() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20
    counted = pricing.count_tokens([{"role": "user", "content": text}])
    assert len(text) / 4 < counted < len(text) / 2
    parts = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    assert pricing.count_tokens(parts) == counted
