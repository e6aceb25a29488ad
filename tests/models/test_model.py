from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.models.model import Model, PriceOverride

ROW = {
    "id": "acme/owl:free",
    "canonical_slug": "acme/owl-dated",
    "name": "Acme: Owl (free)",
    "created": 1_700_000_000,
    "description": "Wise.",
    "context_length": 200_000,
    "knowledge_cutoff": "2031-01-31",
    "expiration_date": None,
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "pricing": {
        "prompt": "0.000003",
        "completion": "0.000015",
        "discount": 0,
        "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.000006"}],
    },
    "top_provider": {"max_completion_tokens": 64_000, "is_moderated": True},
    "supported_parameters": ["tools"],
    "reasoning": {"mandatory": False},
    "supported_voices": ["alto"],
    "alias_target": {"slug": "acme/owl-2"},
    "benchmarks": {"artificial_analysis": {"intelligence_index": 61.5}},
}


def model(**fields):
    parsed = Model.parse({"id": "acme/owl"} | fields)
    assert parsed
    return parsed


def test_a_row_is_read_with_its_types():
    owl = Model.parse(ROW)
    assert owl
    assert (owl.author, owl.variant, owl.created) == ("acme", ":free", 1_700_000_000)
    assert (owl.context_length, owl.max_completion_tokens) == (200_000, 64_000)
    assert owl.input_modalities == {"text", "image"}
    assert owl.supported_parameters == {"tools"}
    assert owl.pricing == {
        "prompt": Decimal("0.000003"),
        "completion": Decimal("0.000015"),
        "discount": 0,
    }
    dearer = {"prompt": Decimal("0.000006")}
    assert owl.price_overrides == (PriceOverride(200_000, None, (), {}, dearer),)
    assert owl.is_moderated
    assert owl.reasoning == {"mandatory": False}
    assert owl.supported_voices == ("alto",)
    assert owl.alias_target == "acme/owl-2"
    assert owl.intelligence == 61.5
    assert owl.expiration_date == ""
    assert owl.raw is ROW


def test_a_row_may_lack_everything_but_its_id():
    owl = model()
    assert owl.name == "acme/owl"
    assert (owl.created, owl.context_length, owl.pricing, owl.reasoning) == (0, 0, {}, None)
    assert owl.blended_price is None
    assert not owl.is_free


@pytest.mark.parametrize("row", [None, [], "acme/owl", {}, {"id": None}, {"id": ""}, {"id": 7}])
def test_a_row_without_an_id_is_no_model(row):
    assert Model.parse(row) is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, JUNK)))
def test_junk_in_any_field_does_no_harm(fields):
    owl = model(**fields | {"id": "acme/owl"})
    assert owl.blended_price is None or owl.blended_price >= 0
    assert not owl.is_router


def test_the_blended_price_is_dollars_per_million_tokens():
    owl = model(pricing={"prompt": "0.000003", "completion": "0.000015"})
    assert owl.blended_price == 6


def test_zero_token_prices_are_free_only_where_tokens_are_what_is_paid():
    zero = {"prompt": "0", "completion": "0"}
    text, image = {"output_modalities": ["text"]}, {"output_modalities": ["image"]}
    assert model(pricing=zero, architecture=text).is_free
    assert model(pricing=zero, architecture=text).blended_price == 0
    assert not model(pricing=zero, architecture=image).is_free
    assert model(pricing=zero, architecture=image).blended_price is None


def test_a_router_has_no_price_of_its_own():
    router = model(pricing={"prompt": "-1", "completion": "-1"})
    assert router.is_router
    assert router.blended_price is None
    assert model(id="openrouter/auto").is_router


def test_an_alias_is_known_by_its_tilde():
    alias = model(id="~acme/owl-latest")
    assert alias.is_alias
    assert alias.author == "acme"


def test_scores_of_both_measures_are_read_and_zero_when_absent():
    arena = [
        {"arena": "models", "category": "website", "elo": 1300},
        {"arena": "agents", "category": "website", "elo": 1200},
        {"arena": "models", "category": "3d", "elo": None},
    ]
    owl = model(benchmarks={"artificial_analysis": {"coding_index": 60}, "design_arena": arena})
    assert (owl.index("coding"), owl.index("agentic")) == (60, 0)
    assert owl.elo("agents", "website") == 1200
    assert owl.elo("models", "3d") == owl.elo("models", "svg") == 0


def test_the_days_that_are_left_are_told_where_a_date_is_known():
    midnight = 1_893_456_000.0
    assert model(expiration_date="2030-01-31").days_left(midnight) == 30
    assert model(expiration_date="2030-01-01T12:00:00Z").days_left(midnight) == 0.5
    assert model().days_left(midnight) is None
    assert model(expiration_date="soon").days_left(midnight) is None
