import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.filter import ModelFilter, Searchable, find, kind, one_of
from openrouter_mcp.models.model import Model


def searchable(id_, name, **fields):
    row = {"architecture": {"input_modalities": ["text"], "output_modalities": ["text"]}}
    model = Model.parse(row | {"id": id_, "name": name} | fields)
    assert model
    return Searchable.of(model)


def price(prompt, completion):
    return {"prompt": prompt, "completion": completion}


ROWS = [
    searchable(
        "acme/owl-4.5",
        "Acme: Owl 4.5",
        created=100,
        context_length=200_000,
        supported_parameters=["tools", "structured_outputs"],
        architecture={"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        pricing=price("0.000003", "0.000015"),
    ),
    searchable(
        "acme/owl-4.5:batch",
        "Acme: Owl 4.5 (batch)",
        created=100,
        pricing=price("0.0000015", "0.0000075"),
    ),
    searchable("~acme/owl-latest", "Owl Latest", alias_target={"slug": "acme/owl-4.5"}),
    searchable(
        "birch/oak",
        "Birch: Oak",
        created=300,
        context_length=32_000,
        description="As wise as an owl.",
        supported_parameters=["response_format", "reasoning"],
        pricing=price("0.000001", "0.000001"),
    ),
    searchable(
        "birch/oak:free",
        "Birch: Oak (free)",
        created=300,
        context_length=8_000,
        pricing=price("0", "0"),
    ),
    searchable(
        "birch/painter",
        "Birch: Owl Painter",
        created=200,
        architecture={"input_modalities": ["text"], "output_modalities": ["image"]},
        pricing=price("0", "0"),
    ),
]


def ids(**fields):
    return [model.id for model in find(ROWS, ModelFilter(**fields))]


def test_without_a_filter_text_models_come_newest_first_then_other_kinds():
    assert ids() == ["birch/oak:free", "birch/oak", "acme/owl-4.5", "birch/painter"]


def test_a_hit_in_the_id_comes_before_the_name_before_the_description():
    assert ids(query="OWL") == ["acme/owl-4.5", "birch/painter", "birch/oak"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("owl-4-5", ["acme/owl-4.5"]),
        ("acme wise", []),
        ("birch wis", ["birch/oak"]),
        ("owl batch", ["acme/owl-4.5:batch"]),
        ("owl latest", ["~acme/owl-latest"]),
    ],
)
def test_every_word_of_a_query_must_be_found(query, found):
    assert ids(query=query) == found


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"input": ["image"]}, ["acme/owl-4.5"]),
        ({"input": ["text", "image"]}, ["acme/owl-4.5"]),
        ({"output": ["image", "audio"]}, ["birch/painter"]),
        ({"supports": ["tools"]}, ["acme/owl-4.5"]),
        ({"supports": ["json"]}, ["birch/oak", "acme/owl-4.5"]),
        ({"supports": ["schema", "thinking"]}, ["birch/oak"]),
        ({"supports": ["vision"]}, ["acme/owl-4.5"]),
        ({"supports": ["telepathy"]}, []),
        ({"author": "Acme"}, ["acme/owl-4.5"]),
        ({"max_price": 1}, ["birch/oak:free", "birch/oak"]),
        ({"max_price": 6}, ["birch/oak:free", "birch/oak", "acme/owl-4.5"]),
        ({"max_price": 5.99}, ["birch/oak:free", "birch/oak"]),
        ({"min_context": 32_000}, ["birch/oak", "acme/owl-4.5"]),
        ({"free": True}, ["birch/oak:free"]),
        ({"sort": "newest"}, ["birch/oak:free", "birch/oak", "birch/painter", "acme/owl-4.5"]),
        ({"sort": "price"}, ["birch/oak:free", "birch/oak", "acme/owl-4.5", "birch/painter"]),
        ({"sort": "context"}, ["acme/owl-4.5", "birch/oak", "birch/oak:free", "birch/painter"]),
        ({"sort": "name"}, ["acme/owl-4.5", "birch/oak", "birch/oak:free", "birch/painter"]),
    ],
)
def test_each_field_of_the_filter_selects_or_orders(fields, found):
    assert ids(**fields) == found


def test_an_index_orders_what_was_measured_first():
    rows = [
        searchable("acme/new", "New", created=3),
        *(
            searchable(id_, id_, benchmarks={"artificial_analysis": {"coding_index": score}})
            for id_, score in (("acme/low", 20), ("acme/high", 70.5))
        ),
    ]
    found = find(rows, ModelFilter(sort="coding"))
    assert [model.id for model in found] == ["acme/high", "acme/low", "acme/new"]


def test_nothing_is_found_outside_of_the_ids_given():
    assert ids(among={"birch/oak", "acme/unknown"}) == ["birch/oak"]
    assert ids(among=frozenset()) == []


def test_a_ranking_orders_and_what_it_does_not_name_comes_last():
    assert ids(ranking=["acme/owl-4.5", "acme/gone", "birch/oak"]) == [
        "acme/owl-4.5",
        "birch/oak",
        "birch/oak:free",
        "birch/painter",
    ]


def test_a_word_is_known_in_any_case():
    assert one_of("kind", " Image ", ["text", "image"]) == "image"
    assert kind("pdf") == "file"
    assert kind("audio") == "audio"


def test_an_unknown_word_is_refused_with_the_nearest_or_with_all():
    with pytest.raises(OpenRouterError, match="Did you mean image") as caught:
        one_of("kind", "imgae", ["text", "image"])
    assert (caught.value.code, caught.value.suggestions) == (Code.INVALID_INPUT, ["image"])
    with pytest.raises(OpenRouterError, match="There are: image, text"):
        one_of("kind", "zzz", ["text", "image"])
