"""What all replies have in common."""

from openrouter_mcp import results
from openrouter_mcp.errors import Code, OpenRouterError

BROKEN = OpenRouterError(Code.NETWORK, "OpenRouter went away. Call again.", retryable=True)


def test_a_failure_is_a_sentence_and_a_code():
    result = results.failed(BROKEN)
    assert result.is_error
    assert [block.text for block in result.content] == ["OpenRouter went away. Call again."]
    assert result.meta == {"openrouter/error": {"code": "NETWORK", "retryable": True}}


def test_a_dry_run_shows_long_texts_by_their_length():
    shown = results.abbreviated({"messages": [{"content": "x" * 300}], "n": 2, "seed": None})
    assert shown == {
        "messages": [{"content": f"{'x' * 200}... (300 characters)"}],
        "n": 2,
        "seed": None,
    }
