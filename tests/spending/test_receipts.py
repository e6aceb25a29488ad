"""Receipts: what a call cost, who answered and why."""

import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import dollars, parse_usd
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending.receipts import Receipt, of_chat, together

USAGE = {
    "prompt_tokens": 2114,
    "completion_tokens": 890,
    "cost": 0.0123,
    "is_byok": False,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "cost_details": {"upstream_inference_cost": None},
}


def known(model_id: str, canonical_slug: str = "", how: str = "", **row: Any) -> Resolution:
    model = Model.parse({"id": model_id, "canonical_slug": canonical_slug, **row})
    return Resolution(model_id, model, how)


PLAIN = known("acme/gem", "acme/gem-dated")


def asking(model: Resolution = PLAIN, *fallbacks: Resolution) -> ChatRequest:
    return compose(CallerRequest("Hi"), model, fallbacks, Settings())


def receipt(
    asked: Resolution = PLAIN, *, usage: Mapping[str, Any] = MappingProxyType({}), **answer: Any
) -> Receipt:
    """The receipt of an ordinary answer with these differences."""
    fields = {
        "text": "Hello",
        "model": "acme/gem",
        "provider": "Azure",
        "generation_id": "gen-1",
        "finish_reason": "stop",
        "seconds": 8.44,
        "usage": {**USAGE, **usage},
    }
    return of_chat(asking(asked), Answer(**(fields | answer)))


def test_a_plain_receipt_is_one_line():
    line = receipt().line()
    assert line == "-- acme/gem via Azure | 2,114 in + 890 out | $0.0123 | 8.4 s | gen-1"


def test_the_meta_has_everything_under_its_name():
    meta = receipt(service_tier="default").meta()
    assert meta == {
        "model": "acme/gem",
        "requested_model": "acme/gem",
        "provider": "Azure",
        "input_tokens": 2114,
        "cached_tokens": 0,
        "output_tokens": 890,
        "reasoning_tokens": 0,
        "cost": "0.0123",
        "web_searches": 0,
        "seconds": 8.44,
        "finish_reason": "stop",
        "service_tier": "default",
        "from_cache": False,
        "generation_id": "gen-1",
        "requests": 1,
        "cost_pending": False,
    }
    assert json.loads(json.dumps(meta)) == meta


def test_cached_and_reasoning_tokens_are_told():
    shown = receipt(
        usage={
            "prompt_tokens_details": {"cached_tokens": 1512},
            "completion_tokens_details": {"reasoning_tokens": 612},
        }
    )
    assert "2,114 in (1,512 cached) + 890 out (612 reasoning)" in shown.line()
    assert (shown.cached_tokens, shown.reasoning_tokens) == (1512, 612)


FAILED = [
    {"provider": "Azure", "model": "acme/gem", "status": 429},
    {"provider": "OpenAI", "model": "acme/gem", "status": 200},
]


def test_providers_that_failed_first_are_told():
    shown = receipt(provider="OpenAI", metadata={"attempts": FAILED})
    assert shown.why == "after Azure 429"
    assert shown.line().startswith("-- acme/gem via OpenAI (after Azure 429) | ")


@pytest.mark.parametrize("answered", ["acme/other", "acme/other:free", "acme/other-dated"])
def test_a_fallback_is_told_with_what_failed(answered: str):
    request = asking(PLAIN, known("acme/other", "acme/other-dated"))
    shown = of_chat(request, Answer(model=answered, metadata={"attempts": FAILED[:1]}))
    assert shown.why == "fallback from acme/gem: Azure 429"
    assert (shown.model, shown.requested_model) == (answered, "acme/gem")


@pytest.mark.parametrize(
    ("pipeline", "why"),
    [
        (
            [{"type": "plugin", "data": None}, {"data": {"task_type": "code:debugging"}}],
            "chosen by openrouter/auto for code:debugging",
        ),
        ([], "chosen by openrouter/auto"),
    ],
    ids=["task", "no task"],
)
def test_a_routers_choice_is_told_with_the_task_it_saw(pipeline: list, why: str):
    shown = receipt(known("openrouter/auto"), metadata={"pipeline": pipeline})
    assert shown.why == why


def test_an_alias_is_told():
    alias = known("~acme/gem-latest", "~acme/gem-latest", alias_target={"slug": "acme/gem"})
    assert receipt(alias).why == "served for ~acme/gem-latest"


def test_a_loose_name_is_told_once():
    loose = known("acme/gem", "acme/gem-dated", '"gem" resolved to acme/gem')
    assert receipt(loose).why == '"gem" resolved to acme/gem'


@pytest.mark.parametrize(
    "asked", ["acme/gem", "acme/gem:nitro", "acme/gem@preset/brief", "acme/gem:free@preset/brief"]
)
@pytest.mark.parametrize("answered", ["acme/gem", "acme/gem-dated", "acme/gem:free", ""])
def test_the_same_model_under_another_spelling_needs_no_reason(asked: str, answered: str):
    request = asking(Resolution(asked, PLAIN.model, ""))
    shown = of_chat(request, Answer(model=answered, usage=USAGE))
    assert shown.why == ""
    assert shown.model == (answered or asked)


def test_another_model_for_no_known_reason_is_still_told():
    request = asking(PLAIN)
    assert of_chat(request, Answer(model="acme/stranger")).why == "served for acme/gem"


def test_a_cached_answer_is_free_and_has_an_age():
    headers = {"x-openrouter-cache-status": "HIT", "x-openrouter-cache-age": "150"}
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0}
    shown = receipt(headers=headers, usage=nothing, metadata={})
    assert shown.line() == "-- acme/gem via Azure | $0 (from cache, 2 min old) | 8.4 s | gen-1"
    assert shown.meta()["from_cache"] is True
    assert shown.meta()["cache_age"] == 150
    assert shown.meta()["cost"] == "0"


def test_a_cached_answer_of_unknown_age_is_told_too():
    assert "$0 (from cache) |" in receipt(headers={"x-openrouter-cache-status": "hit"}).line()
    assert "cache" not in receipt(headers={"x-openrouter-cache-status": "MISS"}).line()


def test_your_own_key_pays_the_provider():
    own = {"is_byok": True, "cost": 0.001, "cost_details": {"upstream_inference_cost": 0.02}}
    shown = receipt(usage=own)
    assert "| $0.001 + $0.02 on your own key |" in shown.line()
    assert (shown.cost, shown.upstream_cost) == (Decimal("0.021"), Decimal("0.02"))
    assert (shown.meta()["fee"], shown.meta()["cost"]) == ("0.001", "0.021")


def test_the_upstream_cost_of_openrouters_key_is_not_added():
    shown = receipt(usage={"cost_details": {"upstream_inference_cost": 0.02}})
    assert "own key" not in shown.line()
    assert "upstream_cost" not in shown.meta()


@pytest.mark.parametrize("usage", [{"cost": None}, {"cost": "many"}])
def test_a_missing_cost_is_not_taken_for_nothing(usage: dict):
    shown = receipt(usage=usage)
    assert "| cost pending |" in shown.line()
    assert "cost" not in shown.meta()


def test_a_broken_answer_whose_generation_is_known_has_its_cost_pending():
    shown = of_chat(asking(), Answer(text="The begin", generation_id="gen-1", seconds=1.0))
    assert shown.line() == "-- acme/gem | cost pending | 1.0 s | gen-1"
    assert shown.meta()["cost_pending"] is True


def test_an_answer_without_usage_still_has_a_receipt():
    shown = of_chat(asking(), Answer(seconds=1.0))
    assert shown.line() == "-- acme/gem | cost not reported | 1.0 s"


def test_a_cost_of_nothing_is_nothing():
    assert "| $0 |" in receipt(usage={"cost": 0}).line()


@pytest.mark.parametrize(
    "names",
    [
        ["server_tool_use_details"],
        ["server_tool_use"],
        ["server_tool_use", "server_tool_use_details"],
    ],
    ids=" and ".join,
)
@pytest.mark.parametrize(("count", "said"), [(1, "1 web search"), (3, "3 web searches")])
def test_web_searches_are_counted_once_under_either_name(names: list[str], count: int, said: str):
    shown = receipt(usage={name: {"web_search_requests": count} for name in names})
    assert f"$0.0123 ({said}) |" in shown.line()
    assert shown.web_searches == count


@pytest.mark.parametrize(("tier", "shown"), [("flex", True), ("default", False), ("", False)])
def test_an_unusual_service_tier_is_told(tier: str, shown: bool):
    assert ("tier" in receipt(service_tier=tier).line()) is shown


def test_the_provider_may_stand_in_the_metadata_only():
    available = [{"provider": "Azure"}, {"provider": "Acme", "selected": True}]
    shown = receipt(provider="", metadata={"endpoints": {"total": 2, "available": available}})
    assert shown.provider == "Acme"


def test_tiny_costs_are_plain_decimals_in_the_meta():
    assert receipt(usage={"cost": 4.25e-8}).meta()["cost"] == "0.0000000425"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0"),
        ("0.0123", "$0.0123"),
        ("0.41", "$0.41"),
        ("0.5", "$0.50"),
        ("0.4999", "$0.50"),
        ("0.9999", "$1.00"),
        ("1", "$1.00"),
        ("5", "$5.00"),
        ("100", "$100.00"),
        ("1234.5", "$1,234.50"),
        ("0.00105", "$0.00105"),
        ("0.0000425", "$0.0000425"),
        ("0.000000001", "$0.000000001"),
        ("1E-9", "$0.000000001"),
        ("1E+3", "$1,000.00"),
    ],
)
def test_dollars_for_people(amount: str, shown: str):
    assert dollars(Decimal(amount)) == shown


@given(st.decimals(min_value="1e-9", max_value="1e6", allow_nan=False, allow_infinity=False))
def test_dollars_are_never_off_by_more_than_a_hundredth(amount: Decimal):
    shown = Decimal(dollars(amount).removeprefix("$").replace(",", ""))
    assert shown > 0
    assert abs(shown - amount) <= amount / 100


@pytest.mark.parametrize(
    ("told", "amount"),
    [
        (0.1, "0.1"),
        ("0.10", "0.10"),
        (4.25e-05, "0.0000425"),
        (0, "0"),
        (7, "7"),
        ("0e400000", "0"),
    ],
)
def test_money_is_exact(told: object, amount: str):
    assert parse_usd(told) == Decimal(amount)


@pytest.mark.parametrize(
    "told",
    [None, "", "free", "NaN", float("inf"), -1, "-0.5", "1e-400000", "1e40", {}, [], True],
    ids=repr,
)
def test_what_is_no_price_is_none(told: object):
    assert parse_usd(told) is None


@pytest.mark.parametrize(
    ("told", "counted"),
    [(10**400, 2**53), (1e300, 2**53), (-7, 0)],
    ids=["huge", "huge float", "negative"],
)
def test_a_count_beyond_reason_still_fits_the_ledger(told: float, counted: int):
    assert receipt(usage={"prompt_tokens": told}).input_tokens == counted


def test_the_requests_behind_one_reply_are_added_up():
    own = {"is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}}
    first = receipt(
        PLAIN, model="acme/other", usage={"server_tool_use": {"web_search_requests": 2}}
    )
    second = receipt(usage=own, seconds=1.0, generation_id="gen-2", finish_reason="length")
    both = together([first, second])
    assert (both.input_tokens, both.output_tokens) == (2 * 2114, 2 * 890)
    assert both.cost == Decimal("0.5246")
    assert both.upstream_cost == Decimal("0.5")
    assert both.seconds == pytest.approx(9.44)
    assert both.web_searches == 2
    assert (both.generation_id, both.finish_reason) == ("gen-2", "length")
    assert both.why == "served for acme/gem"
    assert both.line().endswith("| 2 requests | gen-2")


def test_a_sum_with_an_unknown_part_is_unknown():
    assert together([receipt(), receipt(usage={"cost": None})]).cost is None
    assert together([receipt(usage={"cost": 0}), receipt()]).cost == Decimal("0.0123")


def test_a_reply_is_from_the_cache_only_as_a_whole():
    hit = receipt(headers={"x-openrouter-cache-status": "HIT"})
    assert together([hit, hit]).from_cache
    assert not together([hit, receipt()]).from_cache


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(
    usage=st.dictionaries(st.sampled_from([*USAGE, "server_tool_use"]), JSON),
    metadata=st.dictionaries(st.sampled_from(["attempts", "pipeline", "endpoints"]), JSON)
    | st.fixed_dictionaries({"endpoints": st.fixed_dictionaries({"available": JSON})}),
)
def test_an_answer_that_was_paid_for_is_never_lost_to_an_odd_receipt(usage: dict, metadata: dict):
    shown = of_chat(asking(), Answer(usage=usage, metadata=metadata))
    assert shown.line().startswith("-- acme/gem")
    assert json.dumps(shown.meta())
