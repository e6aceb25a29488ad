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


def test_an_unknown_enum_value_is_found():
    found = oracle.check_request("/chat/completions", REQUEST | {"reasoning": {"effort": "huge"}})
    assert "enum .reasoning.effort=huge" in found


def test_a_wrong_type_is_found():
    found = oracle.check_request("/chat/completions", REQUEST | {"seed": "seven"})
    assert found
    assert all(finding.startswith("invalid seed") for finding in found)


def test_a_missing_field_is_found():
    assert oracle.check_response("/credits", {"data": {"total_credits": 1}}) != []
