"""`get_usage` tells what changed about the models that were really used, and asks for nothing."""

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openrouter_mcp.account.watch import _cheaper
from openrouter_mcp.models.model import Model
from openrouter_mcp.spending.ledger import Usage
from tests.support.results import call

MODEL = "openai/gpt-5-mini"


@pytest.fixture
def days_later(environment, connect, simulator):
    """Use a model, let OpenRouter change the catalogue, and look at what was spent."""

    async def days_later(
        model: str = MODEL, change: Callable[[], Any] = dict, **changes: Any
    ) -> dict[str, Any]:
        async with connect() as client:
            assert not (await call(client, "chat", prompt="Hello", model=model)).is_error
        change()
        simulator.model(model).update(changes)
        shutil.rmtree(Path(environment["OPENROUTER_STATE_DIR"]) / "cache")
        simulator.requests.clear()
        async with connect() as client:
            return (await call(client, "get_usage")).structured_content

    return days_later


def of(found: dict[str, Any], model: str = MODEL) -> dict[str, Any]:
    return next((row for row in found.get("watch", []) if row["model"].startswith(model)), {})


async def test_a_price_that_changed_is_told_with_old_and_new(days_later, simulator) -> None:
    pricing = simulator.model(MODEL)["pricing"]
    old = float(pricing["prompt"]) * 1e6
    dearer = {**pricing, "prompt": str(float(pricing["prompt"]) * 1.5)}
    (name, change), *more = of(await days_later(pricing=dearer))["price_changed"].items()
    assert (name, more) == ("input", [])
    assert change == {
        "was": pytest.approx(old),
        "now": pytest.approx(old * 1.5),
        "percent": pytest.approx(50),
    }


async def test_a_retirement_is_told(days_later) -> None:
    found = of(await days_later(expiration_date="2027-01-31"))
    assert found["retires"] == "2027-01-31"


async def test_what_has_nothing_to_tell_is_absent(days_later, simulator) -> None:
    for row in simulator.catalogue:
        row.pop("benchmarks", None)
    found = await days_later()
    assert found["here"][0]["calls"] == 1
    assert "watch" not in found


async def test_the_catalogue_is_all_that_is_asked_for(days_later, simulator) -> None:
    await days_later()
    assert [request.path for request in simulator.requests] == ["/models"]


async def test_without_use_nothing_is_watched_and_nothing_asked_for(client, simulator) -> None:
    assert "watch" not in (await call(client, "get_usage")).structured_content
    assert simulator.requests == []


async def test_without_a_catalogue_the_ledger_is_told_all_the_same(days_later, simulator) -> None:
    def fail() -> None:
        simulator.fail("server_error", path="/models", times=None)

    found = await days_later(MODEL, fail)
    assert found["here"][0]["calls"] == 1
    assert "watch" not in found


async def test_prices_of_a_model_that_a_router_chose_are_remembered(days_later, simulator) -> None:
    def double() -> None:
        for row in simulator.catalogue:
            prices = row["pricing"]
            row["pricing"] = prices | {"completion": str(float(prices["completion"]) * 2)}

    found = await days_later("openrouter/auto", double)
    (row,) = found["here"]
    assert not row["name"].startswith("openrouter/")
    assert of(found, row["name"])["price_changed"]["output"]["percent"] == pytest.approx(100)


NOTHING = Decimal(0)
USED = Usage("acme/big", 1, NOTHING, NOTHING, NOTHING, 1000, 1000)


def model(name: str, price: float, score: float, **more: Any) -> Model:
    row = {
        "id": name,
        "pricing": {"prompt": f"{price / 1e6:.9f}", "completion": f"{price / 1e6:.9f}"},
        "benchmarks": {"artificial_analysis": {"intelligence_index": score}},
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        **more,
    }
    parsed = Model.parse(row)
    assert parsed
    return parsed


BIG = model("acme/big", 10, 50)


@pytest.mark.parametrize(
    ("rival", "told"),
    [
        (model("acme/small", 5, 50), True),
        (model("acme/small", 5, 60), True),
        (model("acme/small", 5, 49.9), False),
        (model("acme/small", 9.5, 60), False),
        (model("acme/small", 0, 60), False),
        (model("acme/small:free", 5, 60), False),
        (model("~acme/latest", 5, 60), False),
        (model("acme/small", 5, 60, expiration_date="2027-01-01"), False),
        (model("acme/small", 5, 60, architecture={"input_modalities": []}), False),
        (model("acme/small", 5, 60, pricing={"prompt": "0.000001"}), False),
    ],
    ids=[
        "as good",
        "better",
        "worse",
        "hardly cheaper",
        "for nothing",
        "a free variant",
        "an alias",
        "retires",
        "without its output",
        "half priced",
    ],
)
def test_cheaper_is_what_does_the_same_no_worse_for_less(rival: Model, told: bool) -> None:
    found = _cheaper(BIG, USED, [BIG, rival])
    assert bool(found) is told
    if found:
        assert found["model"] == rival.id
        assert found["percent"] == -50


def test_the_cheapest_of_several_is_told() -> None:
    rivals = [model("acme/b", 5, 60), model("acme/a", 4, 50), BIG]
    found = _cheaper(BIG, USED, rivals)
    assert found == {
        "model": "acme/a",
        "percent": -60,
        "intelligence": {"this": 50, "cheaper": 50},
    }
