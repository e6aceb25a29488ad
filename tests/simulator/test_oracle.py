from typing import Any

import pytest

from tests.support import oracle

REQUEST = {
    "model": "acme-labs/anvil-2",
    "messages": [{"role": "user", "content": "hi"}],
    "provider": {"sort": "price"},
}


def test_a_documented_request_passes():
    extra = {"include_reasoning": True, "reasoning": {"effort": "low", "exclude": True}}
    assert oracle.check_request("/chat/completions", REQUEST | extra) == []


def test_a_typo_is_found_at_the_top():
    found = oracle.check_request("/chat/completions", REQUEST | {"max_token": 5})
    assert found == ["unknown max_token"]


def test_a_typo_is_found_deep_inside():
    found = oracle.check_request(
        "/chat/completions", REQUEST | {"provider": {"sort": "price", "onyl": ["openai"]}}
    )
    assert found == ["unknown provider.onyl"]


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"messages": []}, "limit messages"),
        ({"messages": "hi"}, "invalid messages"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "invalid messages.0"),
        ({"temperature": 3}, "limit temperature"),
        ({"temperature": "hot"}, "invalid temperature"),
        ({"seed": "seven"}, "invalid seed"),
        ({"seed": "7"}, "unknown seed"),
        ({"max_tokens": 1.5}, "invalid max_tokens"),
        ({"max_tokens": 0}, "limit max_tokens"),
        ({"stream": "yes"}, "unknown stream"),
        ({"stop": ["a"] * 5}, "limit stop"),
        ({"reasoning": {"effort": "huge"}}, "enum .reasoning.effort=huge"),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning_effort"),
        ({"verbosity": "loud"}, "text verbosity"),
        ({"service_tier": "gold"}, "enum .service_tier=gold"),
        ({"plugins": [{"id": "spell-check"}]}, "invalid plugins.0"),
        ({"session_id": "x" * 257}, "limit session_id"),
        ({"metadata": {"number": 7}}, "invalid metadata.number"),
        ({"provider": {"max_price": {"prompt": 4}, "sort": "age"}}, "unknown provider.sort"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "text tools.0.function"),
    ],
)
def test_a_wrong_value_is_found(fields: dict[str, Any], finding: str):
    found = oracle.check_request("/chat/completions", REQUEST | fields)
    assert [each for each in found if each.startswith(finding)], found


def test_a_string_a_price_in_numbers_and_nothing_are_right():
    right = {"stop": "END", "provider": {"max_price": {"prompt": 4}}, "parallel_tool_calls": None}
    assert oracle.check_request("/chat/completions", REQUEST | right) == []


@pytest.mark.parametrize("data", ["data:audio/wav;base64,AA==", "AA A"])
def test_audio_must_be_raw_base64(data: str):
    audio = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    messages = [{"role": "user", "content": [audio]}]
    (found,) = oracle.check_request("/chat/completions", REQUEST | {"messages": messages})
    assert found.startswith("text messages.0.content.0.input_audio.data")


@pytest.mark.parametrize(
    "wrong", [{"resolution": "5K"}, {"duration": "4"}, {"provider": {"sort": "price"}}]
)
def test_a_wrong_order_of_a_video_is_found(wrong: dict[str, Any]):
    order = {"model": "google/veo-3.1", "prompt": "a red fox", "duration": 4}
    assert oracle.check_request("/videos", order) == []
    assert oracle.check_request("/videos", order | wrong) != []


def test_a_text_completion_is_judged_as_a_chat():
    request = {"model": "acme-labs/anvil-2", "prompt": "Once"}
    assert oracle.check_request("/completions", request) == []
    assert oracle.check_request("/completions", request | {"max_token": 5}) == ["unknown max_token"]


def test_a_missing_field_is_found():
    assert oracle.check_response("/credits", {"data": {"total_credits": 1}}) != []
