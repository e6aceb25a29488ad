"""What an order of documents can cost, and what is sent where nobody lists a price."""

from decimal import Decimal

import pytest

from openrouter_mcp.models.model import Model
from openrouter_mcp.multimodal import rerank


def model(id_: str = "invented/reranker", **pricing: str) -> Model:
    row = {
        "id": id_,
        "pricing": {"prompt": "0", "completion": "0"} | pricing,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["rerank"]},
    }
    found = Model.parse(row)
    assert found
    return found


@pytest.mark.parametrize(
    ("sizes", "units"), [([10], 1), ([10] * 100, 1), ([10] * 101, 2), ([501] * 100, 2), ([], 1)]
)
def test_a_search_unit_is_a_hundred_chunks(sizes, units) -> None:
    assert rerank.search_units(sizes) == units


def test_search_units_and_tokens_both_count() -> None:
    assert rerank.rerank_cost(model(request="0.002"), 3, 900) == Decimal("0.006")
    assert rerank.rerank_cost(model(prompt="0.00001"), 3, 900) == Decimal("0.009")


def test_a_price_that_is_not_listed_is_not_zero() -> None:
    assert rerank.rerank_cost(model(), 1, 10) is None
    assert rerank.rerank_cost(None, 1, 10) is None
    assert rerank.rerank_cost(model("invented/reranker:free"), 1, 10) == 0
