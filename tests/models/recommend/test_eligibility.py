"""Who may be advised: hard needs, dates, healthy endpoints."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from openrouter_mcp.models.model import Model
from openrouter_mcp.models.prices import Demand
from openrouter_mcp.models.recommend.advice import best_endpoint, eligible, price_of
from openrouter_mcp.models.recommend.tasks import Needs, needed, understand

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def model(id_: str, output: str = "text", price: str = "0.000001", **fields) -> Model:
    inputs = fields.pop("inputs", ["text"])
    row = {
        "id": id_,
        "architecture": {"input_modalities": inputs, "output_modalities": [output]},
        "pricing": {"prompt": price, "completion": price},
        "context_length": 100_000,
        "supported_parameters": ["tools"],
    }
    parsed = Model.parse(row | fields)
    assert parsed
    return parsed


MODELS = [
    model("acme/plain"),
    model("acme/seer", inputs=["text", "image"], supported_parameters=["reasoning"]),
    model("acme/vast", context_length=1_000_000, hugging_face_id="acme/vast"),
    model("acme/dear", price="0.0001"),
    model("acme/ending", expiration_date="2026-11-09"),
    model("acme/lasting", expiration_date="2098-12-31"),
    model("acme/gift:free", price="0"),
    model("acme/plain:batch"),
    model("~acme/plain-latest"),
    model("openrouter/auto", price="-1"),
    model("acme/easel", output="image", price="0"),
]


def found(task: str = "chat", *needs: str, max_price: float = 0, min_context: int = 0) -> list[str]:
    fitting = eligible(
        MODELS,
        understand(task),
        needed(needs, ["tools", "reasoning"]),
        max_price=max_price,
        min_context=min_context,
        now=NOW.timestamp(),
    )
    return [one.id.removeprefix("acme/") for one in fitting]


def test_aliases_variants_routers_and_the_expiring_are_left_out():
    assert found() == ["plain", "seer", "vast", "dear", "lasting"]


@pytest.mark.parametrize(
    ("need", "ids"),
    [
        ("tools", ["plain", "vast", "dear", "lasting"]),
        ("vision", ["seer"]),
        ("reasoning", ["seer"]),
        ("open", ["vast"]),
        ("free", ["gift:free"]),
        ("routers", ["openrouter/auto"]),
        ("expiring", ["plain", "seer", "vast", "dear", "ending", "lasting"]),
    ],
)
def test_each_need_is_a_must(need: str, ids: list[str]):
    assert found("chat", need) == ids


def test_price_and_context_are_limits():
    assert found(max_price=1) == ["plain", "seer", "vast", "lasting"]
    assert found(min_context=500_000) == ["vast"]
    assert found("long documents") == ["vast"]


def test_a_task_needs_its_kind_of_output_whose_price_has_other_units():
    assert found("images", max_price=1) == ["easel"]


def test_the_price_is_of_all_tokens_and_unknown_where_tokens_are_not_paid():
    demand = Demand(3000, 1000)
    assert price_of(MODELS[0], demand, NOW) == Decimal("0.004")
    assert price_of(MODELS[-1], demand, NOW) is None
    assert price_of(MODELS[-2], demand, NOW) is None


def offer(tag: str, price: str = "1", **fields) -> dict:
    return {"tag": tag, "pricing": {"prompt": price, "completion": price}} | fields


def best(*offers: dict, needs: Needs | None = None, zdr: set[str] | None = None) -> str | None:
    chosen = best_endpoint(offers, needs or Needs(), zdr)
    return chosen["tag"] if chosen else None


def test_the_cheapest_endpoint_is_best_and_the_quicker_of_two():
    slow = offer("slow", latency_last_30m={"p50": 900})
    quick = offer("quick", latency_last_30m={"p50": 200})
    assert best(slow, quick, offer("dear", "2", latency_last_30m={"p50": 1})) == "quick"


@pytest.mark.parametrize("ill", [{"status": -2}, {"uptime_last_30m": 94.9}])
def test_a_failing_endpoint_is_never_best(ill: dict):
    assert best(offer("ill", "0.1", **ill), offer("well", uptime_last_30m=None)) == "well"
    assert best(offer("ill", **ill)) is None


@pytest.mark.parametrize("odd", ["dear", "-1", None, [], "NaN"])
def test_an_endpoint_without_a_readable_price_comes_last(odd):
    assert best(offer("odd", odd), offer("dear", "9")) == "dear"
    assert best(offer("odd", odd)) == "odd"


def test_a_service_tier_is_best_only_when_alone():
    flex = offer("acme/flex", "0.5", service_tier="flex")
    assert best(flex, offer("acme")) == "acme"
    assert best(flex) == "acme/flex"


def test_with_zero_retention_needed_only_such_endpoints_count():
    needs = needed(["zdr"], [])
    assert best(offer("keeper", "0.1"), offer("clean"), needs=needs, zdr={"clean"}) == "clean"
    assert best(offer("keeper"), needs=needs, zdr=set()) is None
    assert best(offer("keeper"), needs=needs, zdr=None) == "keeper"
