"""Provider names, loose model names, and what the API adds to a search."""

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.search import find_provider, resolve, tags
from openrouter_mcp.state.document_cache import Document

PROVIDERS = [
    {"name": "Google", "slug": "google-vertex"},
    {"name": "Google AI Studio", "slug": "google-ai-studio"},
    {"name": "Z.AI", "slug": "z-ai"},
]


def row(id_: str, output: str) -> dict:
    modalities = {"input_modalities": ["text"], "output_modalities": [output]}
    return {"id": id_, "canonical_slug": f"{id_}-dated", "architecture": modalities}


SNAPSHOT = Snapshot.of(
    Document(
        [
            row("acme/owl-2", "text"),
            row("acme/owl-image-3", "image"),
            row("birch/easel-1", "image"),
        ],
        0,
        False,
    )
)


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        ("google", "google-vertex"),
        ("Google Vertex", "google-vertex"),
        ("google-vertex/us-east5", "google-vertex"),
        ("Google AI Studio", "google-ai-studio"),
        ("z.ai", "z-ai"),
    ],
)
def test_a_provider_is_known_by_any_of_its_names(asked: str, slug: str):
    assert find_provider(PROVIDERS, asked)["slug"] == slug


def test_an_unknown_provider_gets_the_nearest():
    with pytest.raises(OpenRouterError) as caught:
        find_provider(PROVIDERS, "google-vertx")
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.suggestions[0] == "google-vertex"


@pytest.mark.parametrize(
    ("name", "id_"),
    [("owl", "acme/owl-2"), ("easel", "birch/easel-1"), ("acme/owl-2:nitro", "acme/owl-2:nitro")],
)
def test_a_loose_name_means_a_text_model_where_there_is_one(name: str, id_: str):
    assert resolve(SNAPSHOT, name).id == id_


@pytest.mark.parametrize("name", ["~acme/owl-latest", "penguin"])
def test_what_is_not_there_is_not_found(name: str):
    with pytest.raises(OpenRouterError) as caught:
        resolve(SNAPSHOT, name)
    assert caught.value.code is Code.MODEL_NOT_FOUND


def test_endpoints_without_retention_are_found_under_each_name_of_a_model():
    owl = SNAPSHOT.by_id["acme/owl-2"]
    zdr = {"acme/owl-2": ["a"], "acme/owl-2-dated": ["b"], "acme/owl-other": ["c"], "x/y": ["d"]}
    assert tags(zdr, owl, [{"model_id": "acme/owl-other"}]) == {"a", "b", "c"}
