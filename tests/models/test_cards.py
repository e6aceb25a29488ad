"""Models and endpoints as short tables: prices per million, nothing that says nothing."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.models import cards
from openrouter_mcp.models.model import Model

DAY = 86_400
NOW = 1_800_000_000.0


def model(**fields: Any) -> Model:
    row = {
        "id": "acme/gem",
        "canonical_slug": "acme/gem",
        "name": "Acme: Gem",
        "created": int(NOW) - 10 * DAY,
        "description": "A gem.",
        "context_length": 128_000,
        "architecture": {"input_modalities": ["image", "text"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.0000025", "completion": "0.00001"},
        "top_provider": {"max_completion_tokens": 16_384, "is_moderated": False},
        "supported_parameters": ["tools", "temperature", "response_format"],
    }
    parsed = Model.parse(row | fields)
    assert parsed is not None
    return parsed


def test_a_row_says_what_one_compares():
    assert cards.row(model(), NOW) == {
        "id": "acme/gem",
        "name": "Gem",
        "context": 128_000,
        "price_in": 2.5,
        "price_out": 10,
        "kinds": "text+image->text",
        "supports": ["tools", "json"],
        "age": "10 d",
    }


def test_a_name_without_an_author_stays_whole():
    assert cards.row(model(name="Gem"), NOW)["name"] == "Gem"


@pytest.mark.parametrize(
    ("per_token", "per_million"),
    [
        ("0", 0),
        ("0.00003", 30),
        ("0.0000025", 2.5),
        ("0.00000002", 0.02),
        ("0.00000000001", 0.00001),
        ("0.000000123456", 0.123456),
    ],
)
def test_token_prices_are_per_million(per_token: str, per_million: float):
    shown = cards.prices({"prompt": per_token, "completion": Decimal(per_token)})
    assert shown == {"prompt": per_million, "completion": per_million}
    assert json.dumps(shown)


def test_prices_per_unit_stay_per_unit():
    pricing = {"request": "0.005", "image": "0.04", "web_search": "0.01", "discount": "0.5"}
    assert cards.prices(pricing) == {
        "request": 0.005,
        "image": 0.04,
        "web_search": 0.01,
        "discount": 0.5,
    }


def test_an_image_priced_by_the_token_is_shown_by_the_million():
    assert cards.prices({"image": "0.000003"}) == {"image": 3}


def test_cache_and_reasoning_prices_are_per_million_too():
    pricing = {"input_cache_read": "0.0000005", "internal_reasoning": "0.00001"}
    assert cards.prices(pricing) == {"input_cache_read": 0.5, "internal_reasoning": 10}


def test_prices_of_nothing_and_of_no_sense_are_left_out():
    pricing = {"prompt": "0", "request": "0", "image": None, "audio": "free", "overrides": []}
    assert cards.prices(pricing) == {"prompt": 0}


def test_a_price_that_depends_on_the_route_varies():
    router = model(pricing={"prompt": "-1", "completion": "-1"})
    assert cards.prices(router.raw["pricing"]) == {"prompt": "varies", "completion": "varies"}
    row = cards.row(router, NOW)
    assert row["price"] == "varies"
    assert "price_in" not in row


def test_a_free_model_costs_zero():
    row = cards.row(model(pricing={"prompt": "0", "completion": "0"}), NOW)
    assert (row["price_in"], row["price_out"]) == (0, 0)


def test_conditional_prices_keep_their_conditions():
    long_prompt = {"min_prompt_tokens": 200_000, "prompt": "0.000005", "completion": "0.00002"}
    at_night = {"utc_start": 1630, "utc_end": 30, "prompt": "0.000001"}
    on_saturdays = {"utc_days": ["saturday", "sunday"], "prompt": "0.0000005"}
    pricing = {"prompt": "0.0000025", "overrides": [long_prompt, at_night, on_saturdays]}
    assert cards.card(model(pricing=pricing), [], NOW)["price_overrides"] == [
        {"when": "prompt over 200,000 tokens", "prompt": 5, "completion": 20},
        {"when": "16:30 to 00:30 UTC", "prompt": 1},
        {"when": "on saturday, sunday", "prompt": 0.5},
    ]


def test_conditions_and_prices_that_are_not_understood_are_shown_as_they_came():
    odd = {"min_prompt_tokens": "many", "utc_start": 900, "utc_days": 6, "regions": ["eu"]}
    pricing = {"prompt": "0.0000025", "overrides": [odd | {"prompt": "0.000005", "audio": "?"}, 7]}
    assert cards.card(model(pricing=pricing), [], NOW)["price_overrides"] == [
        {
            "when": "min_prompt_tokens many, utc_start 900, utc_days 6, regions ['eu'], audio ?",
            "prompt": 5,
        }
    ]


def media(output: str, **fields: Any) -> Model:
    modalities = {"input_modalities": ["text"], "output_modalities": [output]}
    return model(architecture=modalities, **fields)


def test_zero_token_prices_of_media_are_not_shown_as_free():
    painter = media("image", pricing={"prompt": "0", "completion": "0"})
    row = cards.row(painter, NOW)
    assert row["price"] == "per unit, see get_model"
    assert "price_in" not in row
    card = cards.card(painter, [{"tag": "easel", "pricing": {"prompt": "0"}}], NOW)
    assert "prices" not in card
    assert card["endpoints"] == [{"tag": "easel"}]


def test_transcription_by_the_unit_of_audio_is_shown_as_it_came():
    scribe = media("transcription", pricing={"prompt": "0.006", "completion": "0"})
    assert cards.row(scribe, NOW)["price"] == "0.006 per unit of audio"
    assert cards.card(scribe, [], NOW)["prices"] == {"audio_unit": "0.006"}


def test_transcription_by_tokens_is_shown_by_the_million():
    scribe = media("transcription", pricing={"prompt": "0.0000025", "completion": "0.00001"})
    assert cards.row(scribe, NOW)["price_in"] == 2.5


def test_what_becomes_of_data_stands_at_its_endpoint():
    offers = [{"tag": "acme"}, {"tag": "birch/fp8"}]
    card = cards.card(model(), offers, NOW, {"acme": {"zdr": False, "headquarters": "FR"}})
    acme, birch = card["endpoints"]
    assert acme == {"tag": "acme", "zdr": False, "headquarters": "FR"}
    assert birch == {"tag": "birch/fp8"}


@pytest.mark.parametrize(("date", "shown"), [("2027-06-01", True), ("2098-12-31", False)])
def test_an_expiry_of_another_century_is_none(date: str, shown: bool):
    assert ("expires" in cards.row(model(expiration_date=date), NOW)) is shown


@pytest.mark.parametrize(
    ("days", "age"),
    [
        (0, "0 d"),
        (1, "1 d"),
        (59, "59 d"),
        (60, "2 mo"),
        (365, "12 mo"),
        (700, "23 mo"),
        (729, "24 mo"),
        (730, "2 y"),
        (1100, "3 y"),
        (-5, "0 d"),
    ],
)
def test_ages_are_in_the_largest_unit_that_says_something(days: int, age: str):
    assert cards.row(model(created=int(NOW) - days * DAY), NOW)["age"] == age


def test_an_unknown_age_is_left_out():
    assert "age" not in cards.row(model(created=0), NOW)


BARE = {"architecture": {}, "pricing": {}, "top_provider": None, "supported_parameters": None}


def test_what_is_unknown_is_left_out():
    bare = model(created=None, context_length=None, description=None, name=None, **BARE)
    assert cards.row(bare, NOW) == {"id": "acme/gem", "name": "acme/gem"}
    card = cards.card(bare, [], NOW)
    assert card == {"id": "acme/gem", "name": "acme/gem"}


def test_an_output_limit_that_nobody_states_is_not_zero():
    unlimited = model(top_provider={"max_completion_tokens": None})
    assert "max_output" not in cards.card(unlimited, [], NOW)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(max_size=5) | st.none(),
            "created": st.integers(0, 2_000_000_000) | st.none(),
            "context_length": st.integers(0, 10**7) | st.none(),
            "description": st.text(max_size=5) | st.none(),
            "expiration_date": st.sampled_from([None, "", "2027-01-01"]),
            "pricing": st.dictionaries(
                st.sampled_from(["prompt", "completion", "image"]),
                st.sampled_from(["0", "-1", "0.001", "x", None]),
            ),
            "supported_parameters": st.lists(st.sampled_from(["tools", "reasoning", "seed"])),
        },
    )
)
def test_nothing_empty_stands_in_a_row_or_card(fields: dict[str, Any]):
    for shown in (cards.row(model(**fields), NOW), cards.card(model(**fields), [{}], NOW)):
        assert all(value is not False for value in shown.values())
        assert all(value not in ("", None, [], {}, "->") for value in shown.values())
        assert shown.get("context") != 0
        assert json.dumps(shown)


def test_a_card_says_everything():
    full = model(
        canonical_slug="acme/gem-dated",
        description="x" * 501,
        expiration_date="2027-01-01",
        knowledge_cutoff="2026-01-01",
        alias_target={"slug": "acme/gem-5"},
        reasoning={"mandatory": False, "supported_efforts": ["high"]},
        supported_voices=["amber"],
        benchmarks={"artificial_analysis": {"intelligence_index": 60}},
        top_provider={"max_completion_tokens": 8000, "is_moderated": True},
    )
    assert cards.card(full, [], NOW) == {
        "id": "acme/gem",
        "name": "Acme: Gem",
        "description": "x" * 500 + "...",
        "canonical_slug": "acme/gem-dated",
        "alias_of": "acme/gem-5",
        "kinds": "text+image->text",
        "context": 128_000,
        "max_output": 8000,
        "prices": {"prompt": 2.5, "completion": 10},
        "parameters": ["response_format", "temperature", "tools"],
        "reasoning": {"mandatory": False, "supported_efforts": ["high"]},
        "voices": ["amber"],
        "benchmarks": {"intelligence_index": 60},
        "knowledge_cutoff": "2026-01-01",
        "age": "10 d",
        "expires": "2027-01-01",
        "moderated": True,
    }


ENDPOINT = {
    "tag": "azure/eu",
    "provider_name": "Azure",
    "pricing": {"prompt": "0.000003", "completion": "0.000012", "discount": 0},
    "context_length": 64_000,
    "max_completion_tokens": 4096,
    "quantization": "fp8",
    "latency_last_30m": {"p50": 420.04, "p75": 600, "p90": 900, "p99": 2000},
    "throughput_last_30m": {"p50": 88.88, "p75": 80, "p90": 60, "p99": 20},
    "uptime_last_30m": 99.234,
    "status": 0,
}


def test_an_endpoint_says_what_helps_to_choose_it():
    [endpoint] = cards.card(model(), [ENDPOINT], NOW)["endpoints"]
    assert endpoint == {
        "tag": "azure/eu",
        "provider": "Azure",
        "prices": {"prompt": 3, "completion": 12},
        "context": 64_000,
        "max_output": 4096,
        "quantization": "fp8",
        "latency_ms": {"p50": 420, "p90": 900},
        "tokens_per_second": {"p50": 88.9, "p90": 60},
        "uptime_percent": 99.2,
    }


def test_a_latency_told_in_seconds_is_shown_in_milliseconds():
    seconds = ENDPOINT | {"latency_last_30m": {"p50": 0.25, "p90": 31.5, "p99": None}}
    [endpoint] = cards.card(model(), [seconds], NOW)["endpoints"]
    assert endpoint["latency_ms"] == {"p50": 250, "p90": 31_500}


def test_a_degraded_endpoint_is_marked_and_the_unknown_left_out():
    sparse = {
        "tag": "azure",
        "pricing": None,
        "latency_last_30m": None,
        "throughput_last_30m": {"p50": None},
        "uptime_last_30m": None,
        "max_completion_tokens": None,
        "status": -2,
    }
    [endpoint] = cards.card(model(), [sparse], NOW)["endpoints"]
    assert endpoint == {"tag": "azure", "degraded": True}


def test_an_image_endpoint_tells_each_price_in_its_unit():
    lines = [
        {"billable": "output_image", "unit": "image", "cost_usd": 0.05, "variant": "2k"},
        {"billable": "input_text", "unit": "token", "cost_usd": 0.000005},
        {"billable": "output_image", "unit": "megapixel", "cost_usd": 0.01},
    ]
    shown = cards.image_endpoint(
        {"provider_tag": "acme/fast", "provider_name": "Acme", "pricing": lines}
    )
    assert shown == {
        "tag": "acme/fast",
        "provider": "Acme",
        "prices": [
            "output_image: $0.05 per image (2k)",
            "input_text: $5 per million tokens",
            "output_image: $0.01 per megapixel",
        ],
    }


def test_an_image_endpoint_tells_what_its_parameters_take():
    descriptors = {
        "resolution": {"type": "enum", "values": ["1K", "2K"]},
        "n": {"type": "range", "min": 1, "max": 4},
        "seed": {"type": "boolean"},
    }
    shown = cards.image_endpoint({"provider_slug": "acme", "supported_parameters": descriptors})
    assert shown == {
        "tag": "acme",
        "parameters": {"resolution": ["1K", "2K"], "n": [1, 4], "seed": "boolean"},
    }


def test_a_video_model_tells_prices_and_choices_and_leaves_out_the_unknown():
    row = {
        "id": "acme/reel",
        "pricing_skus": {"duration_seconds": "0.10"},
        "supported_durations": [4, 8],
        "supported_resolutions": None,
        "generate_audio": True,
    }
    assert cards.video(row) == {
        "prices": {"duration_seconds": "0.10"},
        "durations_seconds": [4, 8],
        "audio": True,
    }
