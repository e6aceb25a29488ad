import httpx2
import pytest

from openrouter_mcp.simulator.server import SimulatorServer
from tests.bench.upstream import sample_catalogue
from tests.simulator.conftest import Api
from tests.support import oracle


def ids(reply: httpx2.Response) -> list[str]:
    return [row["id"] for row in reply.json()["data"]]


def test_the_list_has_the_official_shape(api: Api):
    reply = api.get("/models", output_modalities="all").json()
    assert oracle.check_response("/models", reply) == []
    assert reply["total_count"] == len(reply["data"]) >= 40


def test_every_kind_of_output_is_there_but_only_text_unasked(api: Api):
    rows = api.get("/models", output_modalities="all").json()["data"]
    outputs = {output for row in rows for output in row["architecture"]["output_modalities"]}
    assert outputs == {
        *("text", "image", "audio", "video", "embeddings", "rerank", "speech", "transcription")
    }
    listed = api.get("/models").json()["data"]
    assert all("text" in row["architecture"]["output_modalities"] for row in listed)
    assert len(listed) < len(rows)


def test_the_count_agrees_with_the_list(api: Api):
    count = api.get("/models/count", output_modalities="rerank,speech").json()
    assert oracle.check_response("/models/count", count) == []
    listed = api.get("/models", output_modalities="rerank,speech").json()["total_count"]
    assert count["data"]["count"] == listed == 3


def test_the_models_of_a_provider_can_be_asked_for(api: Api):
    found = ids(api.get("/models", providers="Anthropic"))
    assert "anthropic/claude-opus-5" in found
    assert "z-ai/glm-5.2" not in found


def test_sorting_puts_unpriced_and_unscored_rows_last(api: Api):
    assert ids(api.get("/models", sort="pricing-low-to-high"))[-1].startswith("openrouter/")
    assert ids(api.get("/models", sort="intelligence-high-to-low"))[0] == "anthropic/claude-opus-5"
    newest = api.get("/models", sort="newest").json()["data"]
    assert newest[0]["created"] == max(row["created"] for row in newest)


def test_an_unknown_model_is_not_found(api: Api):
    reply = api.get("/models/acme-labs/none/endpoints")
    assert reply.status_code == 404
    assert oracle.check_error(404, reply.json()) == []


def test_models_of_every_author_have_endpoints_of_the_official_shape(api: Api):
    models = ids(api.get("/models", output_modalities="all"))
    for model in {model.split("/")[0]: model for model in models}.values():
        path = f"/models/{model}/endpoints"
        reply = api.get(path).json()
        assert oracle.check_response(path, reply) == []
        indirect = model.startswith(("~", "openrouter/"))
        assert (len(reply["data"]["endpoints"]) >= 2) != indirect


def test_speed_is_shown_only_to_a_key(api: Api, server: SimulatorServer):
    path = "/models/openai/gpt-5.4:nitro/endpoints"
    with_key = api.get(path).json()["data"]["endpoints"]
    without = httpx2.get(server.url + path).json()["data"]["endpoints"]
    assert all(row["latency_last_30m"]["p50"] > 0 for row in with_key)
    assert all(row["throughput_last_30m"] is None for row in without)


@pytest.mark.parametrize("path", ["/providers", "/endpoints/zdr"])
def test_lists_of_providers_have_the_official_shape(api: Api, path: str):
    reply = api.get(path).json()
    assert oracle.check_response(path, reply) == []
    assert reply["data"]


def test_one_model_expires_soon(api: Api):
    rows = api.get("/models").json()["data"]
    assert [row["id"] for row in rows if row["expiration_date"]] == ["acme-labs/anvil-1"]


def test_a_sample_catalogue_has_the_size_asked_for_and_valid_rows():
    rows = sample_catalogue(600)
    assert len({row["id"] for row in rows}) == 600
    listed = {"data": rows, "links": {"next": None}, "total_count": 600}
    assert oracle.check_response("/models", listed) == []
