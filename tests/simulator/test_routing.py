import pytest

from openrouter_mcp.simulator.state import Simulator
from tests.simulator.conftest import Api
from tests.support import oracle

METADATA = {"X-OpenRouter-Metadata": "enabled"}


@pytest.mark.parametrize(
    ("asked", "answered", "strategy"),
    [
        ("openai/gpt-5.4", "openai/gpt-5.4", "direct"),
        ("openai/gpt-5.4:nitro", "openai/gpt-5.4", "direct"),
        ("openai/gpt-oss-20b:free", "openai/gpt-oss-20b:free", "direct"),
        ("~anthropic/claude-opus-latest", "anthropic/claude-opus-5", "latest"),
        ("openrouter/auto", "anthropic/claude-sonnet-5", "auto"),
        ("openrouter/auto-beta", "anthropic/claude-sonnet-5", "auto"),
        ("openrouter/free", "openai/gpt-oss-20b:free", "free"),
        ("openrouter/pareto-code", "anthropic/claude-sonnet-5", "pareto"),
        ("openrouter/fusion", "anthropic/claude-opus-5", "fusion"),
        ("openai/gpt-5.4@preset/brief", "openai/gpt-5.4", "direct"),
    ],
)
def test_names_lead_to_models(api: Api, asked: str, answered: str, strategy: str):
    body = api.chat(model=asked, headers=METADATA).json()
    assert oracle.check_response("/chat/completions", body) == []
    assert body["model"] == answered
    assert body["openrouter_metadata"]["strategy"] == strategy


def test_no_model_means_the_auto_router(api: Api):
    assert api.chat(model=None).json()["model"] == "anthropic/claude-sonnet-5"


def test_the_auto_router_names_the_task_and_obeys_its_plugin(api: Api):
    plugin = {"id": "auto-router", "allowed_models": ["google/*"], "excluded_models": ["*flash"]}
    body = api.chat("Fix this bug", model="openrouter/auto", plugins=[plugin], headers=METADATA)
    reply = body.json()
    assert reply["model"] == "google/gemini-3.1-pro-preview"
    stage = reply["openrouter_metadata"]["pipeline"][0]
    assert stage["data"] == {"task_type": "code:general_impl"}
    nothing = api.chat(
        model="openrouter/auto", plugins=[{"id": "auto-router", "allowed_models": ["nobody/*"]}]
    )
    assert nothing.status_code == 404


def test_settings_under_the_wrong_plugin_are_ignored(api: Api):
    plugin = {"id": "auto-router", "allowed_models": ["google/*"]}
    body = api.chat(model="openrouter/auto-beta", plugins=[plugin]).json()
    assert body["model"] == "anthropic/claude-sonnet-5"


def test_a_preset_gives_what_the_request_leaves_out(api: Api, simulator: Simulator):
    simulator.presets["mine"] = {"model": "openai/gpt-5-nano", "max_tokens": 100}
    assert api.chat(model="@preset/mine").json()["model"] == "openai/gpt-5-nano"
    assert api.chat(preset="mine", model="z-ai/glm-5.2").json()["model"] == "z-ai/glm-5.2"
    assert api.chat(model="@preset/none").status_code == 404


@pytest.mark.parametrize(
    ("preferences", "provider"),
    [
        ({"only": ["amazon-bedrock"]}, "Amazon Bedrock"),
        ({"ignore": ["anthropic"]}, "Amazon Bedrock"),
        ({"order": ["google-vertex"]}, "Google"),
        ({"sort": "latency"}, "Google"),
        ({"sort": {"by": "throughput"}}, "Google"),
    ],
)
def test_provider_preferences_decide_who_answers(api: Api, preferences: dict, provider: str):
    assert api.chat(provider=preferences).json()["provider"] == provider


@pytest.mark.parametrize(
    ("preferences", "excluded_by"),
    [
        ({"only": ["azure"]}, "allowed_providers"),
        ({"max_price": {"prompt": "1"}}, "max_price"),
        ({"quantizations": ["int4"]}, "quantization"),
    ],
)
def test_a_constraint_that_leaves_nobody_is_named(api: Api, preferences: dict, excluded_by: str):
    reply = api.chat(provider=preferences)
    availability = reply.json()["error"]["availability"]
    assert reply.status_code == 404
    assert availability["code"] == "constraint_filtered"
    assert availability["excluded_by"] == [excluded_by]


def test_zero_data_retention_can_leave_nobody(api: Api):
    reply = api.chat(model="deepseek/deepseek-v3.2", provider={"zdr": True, "only": ["deepseek"]})
    assert reply.status_code == 404
    assert reply.json()["error"]["availability"]["code"] == "privacy_restricted"


def test_an_unknown_model_gets_its_neighbours(api: Api):
    reply = api.chat(model="anthropic/claude-sonet-5")
    error = reply.json()["error"]
    assert reply.status_code == error["http_status"] == 400
    assert error["availability"]["code"] == "model_not_found"
    assert "anthropic/claude-sonnet-5" in error["availability"]["fallback_models"]


def test_a_model_that_does_not_chat_is_refused(api: Api):
    error = api.chat(model="openai/text-embedding-3-small").json()["error"]
    assert error["availability"]["code"] == "wrong_endpoint"
    assert error["availability"]["constraint"]["detail"] == "/embeddings"


def test_a_prompt_beyond_the_context_is_refused(api: Api):
    reply = api.chat("x" * 40_000, model="tessera/mosaic-7b")
    assert reply.status_code == 400
    assert reply.json()["error"]["metadata"]["error_type"] == "context_length_exceeded"


def test_a_fallback_answers_when_the_first_model_fails(api: Api, simulator: Simulator):
    simulator.fail("rate_limited", model="openai/gpt-5.4")
    body = api.chat(
        model="openai/gpt-5.4", models=["anthropic/claude-haiku-5"], headers=METADATA
    ).json()
    assert oracle.check_response("/chat/completions", body) == []
    assert body["model"] == "anthropic/claude-haiku-5"
    assert body["openrouter_metadata"]["attempt"] == 2
    assert body["openrouter_metadata"]["strategy"] == "fallback"
    assert [attempt["status"] for attempt in body["openrouter_metadata"]["attempts"]] == [429, 200]


def test_the_last_failure_surfaces_when_every_model_fails(api: Api, simulator: Simulator):
    simulator.fail("rate_limited", model="openai/gpt-5.4")
    simulator.fail("overloaded", model="anthropic/claude-haiku-5")
    reply = api.chat(model="openai/gpt-5.4", models=["anthropic/claude-haiku-5"])
    assert reply.status_code == 503


def test_another_provider_answers_when_one_fails(api: Api, simulator: Simulator):
    simulator.fail("provider_error", provider="anthropic", times=2)
    body = api.chat(headers=METADATA).json()
    assert body["provider"] == "Amazon Bedrock"
    assert body["openrouter_metadata"]["attempt"] == 2
    assert api.chat(provider={"allow_fallbacks": False}).status_code == 502


@pytest.mark.parametrize(
    ("tier", "served", "factor"),
    [
        ("flex", "flex", 0.5),
        ("priority", "priority", 2),
        ("fast", "priority", 2),
        ("auto", "default", 1),
    ],
)
def test_a_service_tier_is_billed_as_served(api: Api, tier: str, served: str, factor: float):
    usual = api.chat(model="openai/gpt-5.4").json()["usage"]["cost"]
    body = api.chat(model="openai/gpt-5.4", service_tier=tier).json()
    assert body["service_tier"] == served
    assert body["usage"]["cost"] == pytest.approx(usual * factor)
