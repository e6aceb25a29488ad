"""The ladder from the best model down in price."""

from decimal import Decimal

import pytest

from openrouter_mcp.models.model import Model
from openrouter_mcp.models.recommend.picks import FINALISTS, Scale, Usage, shortlist
from openrouter_mcp.models.recommend.tasks import understand

CODING, CHEAP, FAST = understand("coding"), understand("cheap coding"), understand("fast coding")
QUALITY = {"best": 80.0, "rival": 79.0, "good": 70.0, "fair": 60.0, "poor": 30.0}
PRICES = {"best": "10", "rival": "4", "good": "1.9", "fair": "0.5", "poor": "0.1"}


def model(id_: str, created: int = 1) -> Model:
    parsed = Model.parse({"id": id_, "created": created})
    assert parsed
    return parsed


MODELS = [model(id_) for id_ in QUALITY]


def picks(task=CODING, *, models=MODELS, scores=None, popular=(), usages=(), swift=(), elo=False):
    scale = Scale("index", "today", QUALITY if scores is None else scores, is_elo=elo)
    prices = {id_: Decimal(price) for id_, price in PRICES.items()}
    chosen = shortlist(models, task, scale, prices, popular, usages, swift)
    return {pick.model.id: pick.why for pick in chosen}


def test_first_comes_what_is_as_good_as_the_best_for_less():
    found = picks()
    assert list(found)[:2] == ["rival", "best"]
    assert found["rival"] == "99% of the best score at 40% of its price"
    assert found["best"] == "highest score of 5 that fit"


def test_each_further_step_costs_less_than_half_and_what_is_too_poor_is_none():
    assert list(picks()) == ["rival", "best", "good", "fair"]


def test_what_is_not_quite_the_best_is_never_called_all_of_it():
    assert picks(scores=QUALITY | {"rival": 79.99})["rival"].startswith("99% of the best score")


def test_what_is_left_over_is_held_in_reserve_by_score():
    found = picks(scores=QUALITY | {"rival": 75.0, "good": 74.0})
    assert list(found) == ["best", "rival", "good", "fair"]
    assert found["rival"] == "94% of the best score at 40% of its price"


def test_for_little_money_the_cheapest_that_will_do_comes_first():
    found = picks(CHEAP)
    assert list(found) == ["fair", "good", "rival"]
    assert found["fair"].startswith("cheapest of 4 that are good enough: 75% of the best")


def test_for_speed_the_quickest_that_will_do_comes_first():
    assert list(picks(FAST, swift=["poor", "good", "best"])) == ["good", "best"]


def test_where_speed_is_not_known_quality_decides():
    assert next(iter(picks(FAST))) == "rival"


def test_who_is_used_most_is_named_once():
    used = [Usage({"poor": 0.4, "best": 0.1}, "code requests")]
    assert picks(usages=used)["poor"] == "most used: 40% of code requests"
    best = [Usage({"best": 0.4}, "code requests")]
    assert list(picks(usages=best)) == list(picks())


def test_elo_is_told_in_points():
    elo = {"best": 1400.0, "rival": 1390.0, "good": 1300.0, "fair": 1250.0, "poor": 1100.0}
    found = picks(scores=elo, elo=True)
    assert found["rival"] == "10 points below the best at 40% of its price"
    assert found["good"] == "100 points below the best at 19% of its price"
    assert "poor" not in found


def test_a_model_without_a_score_is_not_ranked_among_those_with_one():
    assert "stranger" not in picks(models=[*MODELS, model("stranger")])


def test_a_free_model_does_not_hide_the_others():
    free = dict.fromkeys(PRICES, Decimal(0))
    chosen = shortlist(MODELS, CODING, Scale("i", "d", QUALITY), free, [], [], [])
    assert [pick.model.id for pick in chosen] == ["best", "rival", "good", "fair"]


def test_without_scores_use_decides_then_the_newest():
    models = [model("a/a"), model("b/b"), model("c/old", 1), model("c/new", 2), model("d/d", 0)]
    found = picks(models=models, popular=["b/b", "x/x", "a/a"])
    assert list(found) == ["b/b", "a/a", "c/new", "d/d", "c/old"]
    assert found["b/b"] == "number 1 by use of 5 that fit"
    assert found["c/new"].startswith("newest of its author")


def test_without_scores_the_use_for_this_task_counts_more_than_use_in_general():
    models = [model("a"), model("b"), model("c")]
    found = picks(models=models, popular=["a", "b"], usages=[Usage({"c": 0.2}, "roleplay")])
    assert next(iter(found)) == "c"


def test_without_scores_and_with_little_money_the_price_decides():
    models = [model("good"), model("poor")]
    assert list(picks(CHEAP, models=models, scores={})) == ["poor", "good"]


@pytest.mark.parametrize("task", [CODING, CHEAP, FAST])
def test_there_are_never_too_many_nor_twice_the_same(task):
    many = {f"m/{number:02}": 80.0 - number / 2 for number in range(40)}
    models = [model(id_) for id_ in many]
    prices = {id_: Decimal(100 - place) for place, id_ in enumerate(many)}
    chosen = shortlist(models, task, Scale("i", "d", many), prices, [], [], list(many))
    ids = [pick.model.id for pick in chosen]
    assert len(ids) <= FINALISTS
    assert len(set(ids)) == len(ids) > 1
    again = shortlist(models[::-1], task, Scale("i", "d", many), prices, [], [], list(many))
    assert [pick.model.id for pick in again] == ids
