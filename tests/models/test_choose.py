"""Which model is taken: the one named, the default, or a popular one that can and is not dear."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from openrouter_mcp import settings
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models import choose
from openrouter_mcp.models.choose import Requirements
from openrouter_mcp.models.model import Model
from tests.support.timing import FAST


async def prompt_price(model: Model) -> Decimal | None:
    return model.pricing.get("prompt") or None


EMBEDDER = Requirements(
    output=("embeddings",),
    default="default_embedding_model",
    price=prompt_price,
    below=Decimal("0.00000002"),
    unit="a token",
)
SMALL, QWEN = "openai/text-embedding-3-small", "qwen/qwen3-embedding-0.6b"


@pytest.fixture
async def app(configure) -> AsyncIterator[App]:
    app = App(settings.load(), FAST)
    yield app
    await app.aclose()


def row(simulator, id_: str) -> dict:
    found = simulator.model(id_)
    assert found
    return found


async def test_a_loose_name_means_a_model_of_the_wanted_kind(app) -> None:
    found = await app.chooser.choose("qwen3 embedding", EMBEDDER)
    assert found.id == QWEN
    assert "understood from" in found.how


async def test_a_model_of_another_kind_is_refused_with_those_that_can(app) -> None:
    with pytest.raises(OpenRouterError) as refused:
        await app.chooser.choose("openai/gpt-5-mini", EMBEDDER)
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.suggestions == [SMALL, QWEN]


async def test_the_default_of_the_settings_comes_before_the_catalogue(app, configure) -> None:
    configure(OPENROUTER_DEFAULT_EMBEDDING_MODEL=QWEN)
    other = App(settings.load(), FAST)
    found = await other.chooser.choose("", EMBEDDER)
    await other.aclose()
    assert (found.id, found.how) == (QWEN, "no model was named: OPENROUTER_DEFAULT_EMBEDDING_MODEL")


async def test_the_most_used_is_taken_and_the_price_told(app) -> None:
    found = await app.chooser.choose("", EMBEDDER)
    assert (found.id, found.how) == (
        SMALL,
        "no model was named: most used below $0.00000002 for a token",
    )


async def test_what_costs_more_is_passed_over(app, simulator) -> None:
    row(simulator, SMALL)["pricing"]["prompt"] = "0.001"
    assert (await app.chooser.choose("", EMBEDDER)).id == QWEN


async def test_a_price_that_is_not_listed_comes_after_those_that_are(app, simulator) -> None:
    row(simulator, SMALL)["pricing"]["prompt"] = "0"
    assert (await app.chooser.choose("", EMBEDDER)).id == QWEN


async def test_without_any_price_the_most_used_is_taken_and_that_is_told(app, simulator) -> None:
    for id_ in (SMALL, QWEN):
        row(simulator, id_)["pricing"]["prompt"] = "0"
    found = await app.chooser.choose("", EMBEDDER)
    assert (found.id, found.how) == (
        SMALL,
        "no model was named: most used, its price is not listed",
    )


@pytest.mark.parametrize("ill", [{"uptime_last_30m": 40.0}, {"uptime_last_30m": 0}, {"status": -2}])
async def test_a_model_that_is_down_is_passed_over(app, monkeypatch, ill) -> None:
    async def endpoints(model_id: str) -> list[dict]:
        return [{"status": 0, "uptime_last_30m": 99.0} | (ill if model_id == SMALL else {})]

    monkeypatch.setattr(app.catalogue, "endpoints", endpoints)
    assert (await app.chooser.choose("", EMBEDDER)).id == QWEN


async def test_when_all_are_too_dear_some_are_named(app, simulator) -> None:
    for id_ in (SMALL, QWEN):
        row(simulator, id_)["pricing"]["prompt"] = "1"
    with pytest.raises(OpenRouterError) as refused:
        await app.chooser.choose("", EMBEDDER)
    assert refused.value.code is Code.MODEL_UNAVAILABLE
    assert refused.value.suggestions == [SMALL, QWEN]


def taking(id_: str, *inputs: str) -> Model:
    found = Model.parse({"id": id_, "architecture": {"input_modalities": ["text", *inputs]}})
    assert found
    return found


@pytest.mark.parametrize(
    ("row", "needed", "takes"),
    [
        (taking("acme/seer", "image"), {"image"}, True),
        (taking("acme/seer", "image"), {"image", "video"}, False),
        (taking("acme/reader"), {"file"}, True),
        (taking("acme/reader"), {"file", "audio"}, False),
        (taking("openrouter/any"), {"video"}, True),
        (None, {"video"}, True),
    ],
)
def test_a_model_takes_its_inputs_and_pdfs_and_a_router_everything(row, needed, takes) -> None:
    assert choose.takes(row, needed) is takes


def test_all_that_is_said_counts_and_texts_do_not() -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text"}, {"type": "image_url"}, {"type": "file"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": [{"type": "input_audio"}, {"type": "unheard-of"}]},
    ]
    assert choose.of_messages(said) == {"image", "file", "audio"}
