from openrouter_mcp.simulator.state import Simulator
from tests.simulator.conftest import Api, chunks

CACHE = {"X-OpenRouter-Cache": "true", "X-OpenRouter-Metadata": "enabled"}


def cache_headers(reply) -> dict[str, str]:
    prefix = "x-openrouter-cache-"
    return {
        name.removeprefix(prefix): value
        for name, value in reply.headers.items()
        if name.startswith(prefix)
    }


def test_the_second_of_two_identical_requests_is_free(api: Api, simulator: Simulator):
    simulator.clock = lambda: 1000.0
    miss = api.chat(headers=CACHE)
    simulator.clock = lambda: 1010.0
    hit = api.chat(headers=CACHE)
    assert cache_headers(miss) == {"status": "MISS", "ttl": "300"}
    assert cache_headers(hit) == {
        "status": "HIT",
        "age": "10",
        "ttl": "290",
        "source-id": miss.json()["id"],
    }
    assert hit.json()["choices"] == miss.json()["choices"]
    assert hit.json()["id"] != miss.json()["id"]
    assert hit.json()["usage"]["total_tokens"] == hit.json()["usage"]["cost"] == 0
    assert "openrouter_metadata" in miss.json()
    assert "openrouter_metadata" not in hit.json()


def test_a_stream_is_cached_too(api: Api):
    api.chat(stream=True, headers=CACHE)
    hit = api.chat(stream=True, headers=CACHE)
    assert cache_headers(hit)["status"] == "HIT"
    assert chunks(hit.text)[-1]["usage"]["cost"] == 0


def test_an_entry_dies_after_its_time_to_live(api: Api, simulator: Simulator):
    simulator.clock = lambda: 1000.0
    headers = CACHE | {"X-OpenRouter-Cache-TTL": "60abc"}
    assert cache_headers(api.chat(headers=headers))["ttl"] == "60"
    simulator.clock = lambda: 1060.0
    assert cache_headers(api.chat(headers=headers))["status"] == "MISS"


def test_clearing_replaces_the_entry(api: Api, simulator: Simulator):
    simulator.answer("old")
    api.chat(headers=CACHE)
    simulator.answer("new")
    cleared = api.chat(headers=CACHE | {"X-OpenRouter-Cache-Clear": "true"})
    assert cache_headers(cleared)["status"] == "MISS"
    assert api.chat(headers=CACHE).json()["choices"][0]["message"]["content"] == "new"


def test_other_bytes_and_no_header_are_no_hit(api: Api):
    api.chat(headers=CACHE)
    assert cache_headers(api.chat(headers=CACHE, seed=1))["status"] == "MISS"
    assert cache_headers(api.chat()) == {}
