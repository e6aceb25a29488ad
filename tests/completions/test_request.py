"""What a caller asks, as the body and headers of a chat."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.completions.options import LOCKED, models
from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Attachments
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.settings import Settings
from tests.support import oracle

MODEL = Resolution("acme/plain", None, "")
UNTOUCHED = {"X-OpenRouter-Metadata": "enabled"}


def thinker(model_id: str = "acme/thinker", **reasoning: Any) -> Resolution:
    model = Model.parse({"id": model_id, "reasoning": reasoning})
    return Resolution(model_id, model, "")


def asked(
    prompt: str = "Hi",
    *,
    model: Resolution = MODEL,
    fallbacks: tuple[str, ...] = (),
    settings: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> ChatRequest:
    """A composed request, which OpenRouter's own SDK must know."""
    request = compose(
        CallerRequest(prompt, **arguments),
        model,
        [Resolution(name, None, "") for name in fallbacks],
        Settings(**(settings or {})),
    )
    if not request.notes:
        assert oracle.check_request("/chat/completions", request.body) == []
    return request


def refused(**arguments: Any) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as refusal:
        asked(**arguments)
    assert refusal.value.code is Code.INVALID_INPUT
    return refusal.value


def test_a_plain_prompt_is_one_user_message_streamed():
    request = asked("Hi")
    assert request.body == {
        "model": "acme/plain",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }
    assert request.headers == UNTOUCHED
    assert request.notes == ()
    assert request.preview() == "Hi"


def test_the_keys_stand_in_a_fixed_order():
    request = asked(
        "Hi",
        system="Be brief.",
        effort="low",
        max_tokens=9,
        fallbacks=("acme/other",),
        options={"temperature": 0.5, "provider": {"sort": "price"}, "seed": 1},
    )
    assert [*request.body] == [
        "model",
        "messages",
        "models",
        "max_completion_tokens",
        "reasoning",
        "provider",
        "seed",
        "temperature",
        "stream",
    ]
    assert [message["role"] for message in request.body["messages"]] == ["system", "user"]


OPTIONS = {
    "temperature": 0.5,
    "seed": 1,
    "top_p": 0.9,
    "stop": ["END"],
    "user": "u",
    "session_id": "s",
    "models": ["acme/other"],
    "reasoning": {"summary": "auto"},
    "max_tokens": 5,
}
PROVIDER = {"sort": "price", "zdr": True, "only": ["azure"], "max_price": {"prompt": 1}}


@given(st.permutations([*OPTIONS]), st.permutations([*PROVIDER]))
def test_the_order_of_options_does_not_change_the_bytes(names: list[str], preferences: list[str]):
    def body(names: list[str], preferences: list[str]) -> str:
        provider = {name: PROVIDER[name] for name in preferences}
        options = {**{name: OPTIONS[name] for name in names}, "provider": provider}
        return json.dumps(asked("Hi", options=options).body)

    assert body(names, preferences) == body([*OPTIONS], [*PROVIDER])


def test_the_order_inside_an_option_is_the_callers():
    properties = {"zebra": {"type": "string"}, "ant": {"type": "string"}}
    schema = {"type": "object", "properties": properties}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    sent = asked("Hi", options={"response_format": form}).body["response_format"]
    assert [*sent["json_schema"]["schema"]["properties"]] == ["zebra", "ant"]


def test_arguments_win_over_options():
    request = asked(
        "Hi",
        max_tokens=10,
        effort="high",
        fallbacks=("acme/second",),
        options={
            "model": "acme/ignored",
            "models": ["acme/ignored"],
            "max_tokens": 1,
            "max_completion_tokens": 2,
            "reasoning": {"effort": "low", "max_tokens": 2000, "exclude": True},
            "reasoning_effort": "low",
        },
    )
    assert request.body == {
        "model": "acme/plain",
        "messages": [{"role": "user", "content": "Hi"}],
        "models": ["acme/second"],
        "max_completion_tokens": 10,
        "reasoning": {"effort": "high", "exclude": True},
        "stream": True,
    }


def test_options_are_sent_as_they_are():
    tools = [{"type": "openrouter:datetime", "parameters": {"timezone": "UTC"}}]
    options = {"temperature": 0.2, "tools": tools, "service_tier": "flex", "models": ["a/b"]}
    body = asked("Hi", options=options).body
    assert options.items() <= body.items()


def test_the_callers_options_and_messages_stay_untouched():
    options = {"cache": True, "provider": {"order": ["Azure"]}, "max_tokens": 3}
    messages = [{"role": "user", "content": "Hi"}]
    before = json.dumps([options, messages])
    request = asked("", messages=messages, system="Be brief.", options=options)
    request.body["messages"][1]["content"] = "changed"
    assert json.dumps([options, messages]) == before


@pytest.mark.parametrize(
    ("arguments", "default", "limit"),
    [
        ({"max_tokens": 7, "options": {"max_tokens": 8}}, 9, 7),
        ({"options": {"max_completion_tokens": 6, "max_tokens": 8}}, 9, 6),
        ({"options": {"max_tokens": 8}}, 9, 8),
        ({}, 9, 9),
    ],
)
def test_the_output_limit_comes_from_the_nearest_that_names_one(
    arguments: dict, default: int, limit: int
):
    body = asked("Hi", settings={"max_tokens": default}, **arguments).body
    assert body["max_completion_tokens"] == limit
    assert "max_tokens" not in body


def test_without_a_limit_none_is_sent():
    assert "max_completion_tokens" not in asked("Hi").body


DEFAULTS = {
    "provider_order": ("Azure",),
    "provider_only": ("azure", "openai"),
    "provider_ignore": ("deepinfra/turbo",),
    "provider_allow_fallbacks": False,
    "provider_require_parameters": True,
    "provider_data_collection": "deny",
    "provider_zdr": True,
    "provider_quantizations": ("fp8",),
    "provider_sort": "price",
    "provider_max_price": {"prompt": "0.10", "completion": "2"},
}


def test_the_provider_variables_become_routing_preferences():
    assert asked("Hi", settings=DEFAULTS).body["provider"] == {
        "order": ["azure"],
        "only": ["azure", "openai"],
        "ignore": ["deepinfra/turbo"],
        "allow_fallbacks": False,
        "require_parameters": True,
        "data_collection": "deny",
        "zdr": True,
        "quantizations": ["fp8"],
        "sort": "price",
        "max_price": {"prompt": "0.10", "completion": "2"},
    }


def test_a_calls_own_preferences_win_one_by_one():
    own = {"sort": "latency", "allow_fallbacks": True, "zdr": False, "max_price": {"prompt": 3}}
    provider = asked("Hi", settings=DEFAULTS, options={"provider": own}).body["provider"]
    assert provider["sort"] == "latency"
    assert provider["allow_fallbacks"] is True
    assert provider["zdr"] is False
    assert provider["max_price"] == {"prompt": "3"}
    assert provider["data_collection"] == "deny"


@pytest.mark.parametrize("names", [["Google Vertex", " Azure "], "Google Vertex"], ids=repr)
@pytest.mark.parametrize("preference", ["order", "only", "ignore"])
def test_provider_names_become_slugs(preference: str, names: object):
    provider = asked("Hi", options={"provider": {preference: names}}).body["provider"]
    expected = ["google-vertex", "azure"] if isinstance(names, list) else ["google-vertex"]
    assert provider == {preference: expected}


@pytest.mark.parametrize(
    ("price", "sent"),
    [
        (3, "3"),
        (0.5, "0.5"),
        ("1.20", "1.20"),
        (0.00001, "0.00001"),
        (Decimal("1E-7"), "0.0000001"),
    ],
    ids=repr,
)
def test_price_ceilings_are_sent_as_plain_decimal_strings(price: object, sent: str):
    options = {"provider": {"max_price": {"prompt": price}}}
    assert asked("Hi", options=options).body["provider"] == {"max_price": {"prompt": sent}}


@pytest.mark.parametrize(
    ("cache", "headers"),
    [
        (True, {"X-OpenRouter-Cache": "true"}),
        (False, {"X-OpenRouter-Cache": "false"}),
        (1, {"X-OpenRouter-Cache": "true", "X-OpenRouter-Cache-TTL": "1"}),
        (86_400, {"X-OpenRouter-Cache": "true", "X-OpenRouter-Cache-TTL": "86400"}),
        ("refresh", {"X-OpenRouter-Cache": "true", "X-OpenRouter-Cache-Clear": "true"}),
        (None, {}),
    ],
    ids=repr,
)
def test_cache_is_sent_as_headers(cache: object, headers: dict[str, str]):
    request = asked("Hi", options={"cache": cache})
    assert request.headers == UNTOUCHED | headers
    assert "cache" not in request.body


@pytest.mark.parametrize("cache", [0, -1, 86_401, 1.5, "true", "", "clear", [], {}], ids=repr)
def test_a_cache_value_that_means_nothing_is_refused(cache: object):
    assert "options.cache" in refused(options={"cache": cache}).message


def test_the_cache_may_be_on_for_everything_and_off_for_one():
    everything = {"cache_responses": True}
    assert asked("Hi", settings=everything).headers["X-OpenRouter-Cache"] == "true"
    off = asked("Hi", settings=everything, options={"cache": False})
    assert off.headers["X-OpenRouter-Cache"] == "false"


def test_anthropic_betas_are_sent_as_a_header():
    request = asked("Hi", options={"anthropic_beta": "thinking,schemas"})
    assert request.headers["x-anthropic-beta"] == "thinking,schemas"
    assert "anthropic_beta" not in request.body


@pytest.mark.parametrize("name", LOCKED)
def test_some_things_cannot_be_set_through_options(name: str):
    assert refused(options={name: "x"}).message.startswith(f"options.{name} cannot be set: ")


@pytest.mark.parametrize("name", ["stream", "api_key", "max_cost"])
def test_the_key_the_stream_and_the_budget_are_locked(name: str):
    assert name in LOCKED


@pytest.mark.parametrize("name", ["reasoning", "provider"])
def test_an_option_that_must_be_an_object_is_refused_otherwise(name: str):
    assert f"options.{name} takes an object" in refused(options={name: "fast"}).message


def test_reasoning_options_pass_without_an_effort():
    body = asked("Hi", options={"reasoning": {"max_tokens": 2000, "exclude": True}}).body
    assert body["reasoning"] == {"max_tokens": 2000, "exclude": True}
    shortcut = asked("Hi", options={"reasoning_effort": "low"}).body
    assert shortcut["reasoning_effort"] == "low"
    assert "reasoning" not in shortcut


@pytest.mark.parametrize("effort", ["low", "none"])
def test_an_effort_that_the_model_knows_is_sent(effort: str):
    model = thinker(supported_efforts=["high", "low"], mandatory=False)
    assert asked("Hi", model=model, effort=effort).body["reasoning"] == {"effort": effort}


@pytest.mark.parametrize("effort", ["max", "none"])
def test_an_effort_that_the_model_does_not_know_is_refused_with_those_it_knows(effort: str):
    model = thinker(supported_efforts=["high", "low"], mandatory=True)
    refusal = refused(model=model, effort=effort)
    assert refusal.suggestions == ["high", "low"]
    assert "high, low" in refusal.message


@pytest.mark.parametrize(
    ("parameters", "effort", "noted"),
    [
        (["temperature"], "high", True),
        (["temperature"], "none", False),
        (["temperature"], "", False),
        (["temperature", "reasoning"], "high", False),
        ([], "high", False),
    ],
)
def test_an_effort_for_a_model_that_does_not_reason_is_noted(parameters, effort, noted):
    row = Model.parse({"id": "acme/plain", "supported_parameters": parameters})
    notes = asked("Hi", model=Resolution("acme/plain", row, ""), effort=effort).notes
    assert notes == (("acme/plain does not reason: effort changes nothing.",) if noted else ())


def test_an_alias_remaps_every_effort_itself():
    model = thinker("~acme/thinker-latest", supported_efforts=["high"], mandatory=True)
    assert asked("Hi", model=model, effort="none").body["reasoning"] == {"effort": "none"}


@pytest.mark.parametrize("model", [MODEL, thinker(), thinker(mandatory=False)], ids=["?", "-", "+"])
def test_any_effort_passes_where_nothing_is_known(model: Resolution):
    assert asked("Hi", model=model, effort="max").body["reasoning"] == {"effort": "max"}


@pytest.mark.parametrize(
    ("setting", "option", "shown"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_reasoning_is_shown_where_asked(setting: bool, option: bool | None, shown: bool):
    options = {} if option is None else {"include_reasoning": option}
    request = asked("Hi", settings={"include_reasoning": setting}, options=options)
    assert request.show_reasoning is shown
    assert "include_reasoning" not in request.body


CONVERSATION = [
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "Two."},
    {"role": "user", "content": [{"type": "text", "text": "Three?"}]},
]


def test_a_conversation_is_sent_as_it_is_behind_the_system_prompt():
    request = asked("", messages=CONVERSATION, system="Be brief.")
    system = {"role": "system", "content": "Be brief."}
    assert request.body["messages"] == [system, *CONVERSATION]


@pytest.mark.parametrize(
    "arguments",
    [{"prompt": ""}, {"prompt": " \n"}, {"prompt": "Hi", "messages": CONVERSATION}],
    ids=["none", "blank", "both"],
)
def test_prompt_and_messages_exclude_each_other(arguments: dict):
    assert "either prompt or messages" in refused(**arguments).message


@pytest.mark.parametrize("role", ["bot", "", None, ["user"], {}], ids=repr)
def test_a_message_without_a_role_is_named(role: object):
    messages = [CONVERSATION[0], {"role": role, "content": "x"}]
    assert "messages[1].role" in refused(prompt="", messages=messages).message


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_every_role_of_openrouter_is_taken(role: str):
    message = {"role": role, "content": "x", "tool_call_id": "call_1"}
    message = message if role == "tool" else {"role": role, "content": "x"}
    assert asked("", messages=[message]).body["messages"] == [message]


@pytest.mark.parametrize(
    ("option", "hint"),
    [("temprature", "temperature"), ("max_token", "max_tokens"), ("providers", "provider")],
)
def test_a_mistyped_option_is_sent_and_doubted(option: str, hint: str):
    request = asked("Hi", options={option: 1})
    assert request.body[option] == 1
    [note] = request.notes
    assert f"options.{option}" in note
    assert f"did you mean {hint}?" in note


def test_an_option_like_no_other_is_doubted_without_a_guess():
    [note] = asked("Hi", options={"xyzzy": 1}).notes
    assert "options.xyzzy" in note
    assert "mean" not in note


@pytest.mark.parametrize(
    "body",
    [
        {"temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0, "top_a": 0, "seed": 1},
        {"frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1},
        {"plugins": [{"id": "web"}], "tool_choice": "auto", "parallel_tool_calls": True},
        {"preset": "brief", "service_tier": "flex", "session_id": "s", "verbosity": "low"},
        {"stop_server_tools_when": [{"type": "step_count_is", "step_count": 5}]},
        {"cache_control": {"type": "ephemeral"}, "prompt_cache_key": "k", "metadata": {"a": "b"}},
        {"modalities": ["image", "text"], "image_config": {"aspect_ratio": "1:1"}},
    ],
)
def test_documented_parameters_are_not_doubted(body: dict):
    request = asked("Hi", options=body)
    assert request.notes == ()
    assert body.items() <= request.body.items()


def test_the_preview_of_a_conversation_is_its_last_text():
    assert asked("", messages=CONVERSATION[:1]).preview() == "One?"
    assert asked("", messages=CONVERSATION).preview() == "Three?"


def caller(model_id: str, *supported: str) -> Resolution:
    row = {"id": model_id, "supported_parameters": [*supported]}
    return Resolution(model_id, Model.parse(row), "")


def search_tools(body: Mapping[str, Any]) -> list[str]:
    return [tool["type"] for tool in body["tools"]]


@pytest.mark.parametrize(
    "model",
    [caller("acme/able", "tools"), caller("openrouter/auto"), MODEL],
    ids=["calls tools", "router", "unknown"],
)
def test_a_model_searches_the_web_with_a_tool_beside_the_callers_own(model: Resolution):
    own = {"type": "openrouter:datetime", "parameters": {"timezone": "UTC"}}
    body = asked("Hi", model=model, web=True, options={"tools": [own]}).body
    assert search_tools(body) == ["openrouter:datetime", "openrouter:web_search"]
    assert body["tools"][0] == own
    assert "plugins" not in body


def test_a_search_tool_of_the_callers_own_is_enough():
    own = {"type": "openrouter:web_search", "parameters": {"max_results": 1}}
    assert asked("Hi", web=True, options={"tools": [own]}).body["tools"] == [own]


def test_for_a_model_without_tools_openrouter_searches_first():
    parser = {"id": "file-parser"}
    model = caller("acme/unable", "temperature")
    body = asked("Hi", model=model, web=True, options={"plugins": [parser]}).body
    assert body["plugins"] == [parser, {"id": "web"}]
    assert "tools" not in body


def test_a_schema_is_sent_strictly_to_providers_that_heed_it():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    request = asked("Hi", schema=schema, options={"response_format": {"type": "json_object"}})
    assert request.schema == schema
    assert request.body["provider"] == {"require_parameters": True}
    sent = request.body["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["properties"] == schema["properties"]
    own = {"provider": {"require_parameters": False}}
    assert asked("Hi", schema=schema, options=own).body["provider"] == own["provider"]


def test_attachments_stand_before_the_question_behind_the_system_prompt():
    part = {"type": "text", "text": "A file."}
    body = asked("Why?", system="Be brief.", attached=Attachments([part], [], [])).body
    assert body["messages"][1]["content"] == [part, {"type": "text", "text": "Why?"}]
    parts = asked("", messages=CONVERSATION, attached=Attachments([part], [], [])).body["messages"]
    assert parts[:2] == CONVERSATION[:2]
    assert parts[2]["content"] == [part, *CONVERSATION[2]["content"]]


def test_notes_of_the_arguments_come_before_doubts():
    request = asked(
        "Hi", attached=Attachments([], ["One file was skipped."], []), options={"temprature": 1}
    )
    assert request.notes[0] == "One file was skipped."
    assert len(request.notes) == 2


@pytest.mark.parametrize("tools", ["search", ["search"], {"type": "function"}], ids=repr)
def test_tools_that_are_no_list_of_objects_are_refused(tools: object):
    assert "options.tools takes a list of objects" in refused(options={"tools": tools}).message


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_tokens": "many"}, "options.max_tokens"),
        ({"max_completion_tokens": -1}, "options.max_completion_tokens"),
        ({"provider": {"max_price": 3}}, "options.provider.max_price"),
        ({"provider": {"max_price": {"prompt": "cheap"}}}, "options.provider.max_price"),
        ({"provider": {"max_price": {"prompt": -1}}}, "options.provider.max_price"),
        ({"tools": [{"type": "openrouter:web_search", "parameters": [1]}]}, "options.tools"),
        ({"anthropic_beta": "a\r\nX-Evil: 1"}, "options.anthropic_beta"),
        ({"anthropic_beta": "b\u00eata"}, "options.anthropic_beta"),
    ],
    ids=repr,
)
def test_options_that_no_request_can_be_made_of_are_refused_by_name(options, named: str):
    assert refused(options=options).message.startswith(f"{named} takes ")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": 5}, "content"),
        ({"role": "user", "content": ["Hi"]}, "content"),
        ({"role": "assistant", "tool_calls": ["call"]}, "tool_calls"),
        ({"role": "assistant", "tool_calls": "call"}, "tool_calls"),
    ],
    ids=repr,
)
def test_messages_of_a_wrong_shape_are_refused_by_position(message: dict[str, Any], field: str):
    assert refused(prompt="", messages=[message]).message.startswith(f"messages[0].{field} takes ")


def test_an_output_limit_given_as_text_is_sent_as_a_number():
    body = asked("Hi", options={"max_tokens": "100"}).body
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body


def test_a_price_ceiling_of_null_counts_as_absent():
    options = {"provider": {"max_price": {"prompt": 1, "request": None}}}
    assert asked("Hi", options=options).body["provider"] == {"max_price": {"prompt": "1"}}


@pytest.mark.parametrize("named", ["acme/other", ["acme/other"]], ids=repr)
def test_fallbacks_in_options_are_a_list_or_one_name(named: object):
    assert models({"models": named}) == ["acme/other"]


def test_fallbacks_in_options_that_are_no_names_are_refused():
    with pytest.raises(OpenRouterError, match=r"options\.models takes a list of model names"):
        models({"models": [1]})
