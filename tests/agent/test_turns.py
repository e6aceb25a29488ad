"""What goes to and fro between a model and its tools."""

import json

import pytest

from openrouter_mcp.agent import loop


def call(name: str, id_: str = "c") -> dict:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": "{}"}}


def test_calls_that_read_run_together_and_others_alone_in_order() -> None:
    calls = [call(name) for name in ("read1", "read2", "write1", "write2", "read3")]
    batches = loop.batches(calls, lambda name: name.startswith("read"))
    assert [[c["function"]["name"] for c in batch] for batch in batches] == [
        ["read1", "read2"],
        ["write1"],
        ["write2"],
        ["read3"],
    ]


def test_a_batch_is_bounded() -> None:
    sizes = [len(batch) for batch in loop.batches([call("r")] * 20, lambda _: True)]
    assert sizes == [8, 8, 4]


def test_a_message_sendable_is_passed_back_as_it_came() -> None:
    message = {"role": "assistant", "tool_calls": [call("a", "1"), call("b", "2")]}
    assert loop.sendable(message) is message
    plain = {"role": "assistant", "content": "x"}
    assert loop.sendable(plain) is plain


def test_repeated_and_missing_ids_become_distinct() -> None:
    message = {"role": "assistant", "tool_calls": [call("a", "1"), call("b", "1"), call("c", "")]}
    ids = [c["id"] for c in loop.sendable(message)["tool_calls"]]
    assert len(set(ids)) == 3
    assert all(ids)


def test_ids_of_earlier_turns_are_not_used_again() -> None:
    earlier = [{"role": "assistant", "tool_calls": [call("a", "1"), call("a", "1_1")]}]
    message = {"role": "assistant", "tool_calls": [call("a", "1"), call("b", "2")]}
    ids = [c["id"] for c in loop.sendable(message, earlier)["tool_calls"]]
    assert ids == ["1_1_1", "2"]


def test_an_id_that_a_signature_names_is_kept() -> None:
    earlier = [{"role": "assistant", "tool_calls": [call("a", "1")]}]
    details = [{"type": "reasoning.encrypted", "id": "1", "data": "x"}]
    message = {"role": "assistant", "tool_calls": [call("a", "1")], "reasoning_details": details}
    assert loop.sendable(message, earlier) is message


def test_arguments_that_were_encoded_twice_go_back_as_an_object() -> None:
    made = call("a")
    made["function"]["arguments"] = '"{\\"a\\": 1}"'
    (mended,) = loop.sendable({"role": "assistant", "tool_calls": [made]})["tool_calls"]
    assert mended["function"]["arguments"] == '{"a": 1}'


NESTED = "[" * 100_000


def test_arguments_without_an_end_go_back_as_an_object() -> None:
    message = {"tool_calls": [{"id": "a", "function": {"name": "x", "arguments": NESTED}}]}
    (call,) = loop.sendable(message)["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"arguments": NESTED}


@pytest.mark.parametrize("arguments", [NESTED, r'{"text": "\ud800"}'], ids=["nested", "half"])
def test_whatever_the_arguments_they_are_shown_as_text_that_can_be_sent(arguments) -> None:
    loop.shortened(arguments).encode()


def test_old_results_are_cut_only_when_the_context_fills() -> None:
    messages = [{"role": "user", "content": "q" * 3000}]
    messages += [{"role": "tool", "tool_call_id": str(n), "content": "r" * 3000} for n in range(3)]
    assert loop.fitted(messages, 100_000) == messages
    assert loop.fitted(messages, 0) == messages
    fitted = loop.fitted(messages, 4500)
    assert fitted[0] == messages[0]
    assert "Cut to save room" in fitted[1]["content"]
    assert fitted[2:] == messages[2:]


def test_arguments_are_shown_short_on_one_line() -> None:
    assert loop.shortened('{"path": "a.txt", "n": 1}') == 'path="a.txt", n=1'
    assert loop.shortened("") == ""
    assert loop.shortened("{broken\n") == "{broken"
    assert len(loop.shortened('{"text": "' + "x" * 900 + '"}')) <= 100


def test_a_conversation_keeps_no_media() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:..."}}
    message = {"role": "user", "content": [{"type": "text", "text": "see"}, image]}
    kept = loop.without_media(message)["content"]
    assert kept == [{"type": "text", "text": "see"}, {"type": "text", "text": "[image_url]"}]
