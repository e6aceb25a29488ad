"""What goes with the next question: files read anew, tool calls with their results, the newest."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Attachments, Files
from openrouter_mcp.settings import Settings
from openrouter_mcp.threads.history import FILE, by_reference, in_words, restored, trimmed


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str, *calls: str) -> dict:
    message: dict = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [{"id": call, "type": "function"} for call in calls]
    return message


def result(call: str) -> dict:
    return {"role": "tool", "tool_call_id": call, "content": f"result of {call}"}


def one_each(_message) -> int:
    return 1


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text("first")
    return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(Settings(input_dirs=[tmp_path]))


async def test_a_file_is_kept_as_its_path_and_read_again(note: Path, files: Files):
    attached = await files.parts([str(note)])
    question = {"type": "text", "text": "What does it say?"}
    message = {"role": "user", "content": [*attached.parts, question]}
    kept = by_reference(message, attached)
    assert kept["content"] == [{"type": FILE, "path": str(note)}, question]
    note.write_text("second")
    [ready], notes = await restored([kept], files.parts)
    assert ready["content"][0]["text"].endswith("second")
    assert ready["content"][1] == question
    assert notes == []
    assert kept["content"][0]["type"] == FILE


async def test_a_file_that_is_gone_is_told_once_and_to_the_model(note: Path, files: Files):
    kept = {"role": "user", "content": [{"type": FILE, "path": str(note)}]}
    note.unlink()
    ready, notes = await restored([kept, kept], files.parts)
    for message in ready:
        assert message["content"] == [
            {"type": "text", "text": f"[The file {note} is not there any more.]"}
        ]
    assert len(notes) == 1
    assert str(note) in notes[0]


async def test_a_file_that_may_no_longer_be_read_is_not_read(note: Path):
    kept = {"role": "user", "content": [{"type": FILE, "path": str(note)}]}

    async def refuse(_names) -> Attachments:
        raise OpenRouterError(Code.UNSAFE_PATH, "No. Set OPENROUTER_INPUT_DIRS.")

    [ready], [told] = await restored([kept], refuse)
    assert "first" not in str(ready)
    assert "OPENROUTER_INPUT_DIRS" in told


@pytest.mark.parametrize("message", [user("plain"), assistant("", "1"), result("1")])
async def test_messages_without_files_stay_as_they_are(message: dict, files: Files):
    assert by_reference(message, Attachments([], [], [])) is message
    assert await restored([message], files.parts) == ([message], [])


def test_what_fits_stays_whole():
    messages = [user("1"), assistant("2")]
    assert trimmed(messages, 2, one_each) == (messages, 0)


def test_the_oldest_turns_go_first_and_the_system_prompt_stays():
    system = {"role": "system", "content": "s"}
    messages = [system, user("1"), assistant("2"), user("3"), assistant("4"), user("5")]
    assert trimmed(messages, 4, one_each) == ([system, user("3"), assistant("4"), user("5")], 2)
    assert trimmed(messages, 3, one_each) == ([system, user("5")], 4)


def test_each_dropped_turn_counts_once():
    messages = [user("55555"), user("1"), user("1"), user("1")]
    assert trimmed(messages, 1, lambda message: len(message["content"])) == ([user("1")], 3)


def test_the_last_turn_stays_whatever_its_size():
    messages = [user("1"), assistant("2"), user("3"), assistant("4", "a"), result("a")]
    assert trimmed(messages, 0, one_each) == (messages[2:], 2)


def test_an_unanswered_tool_call_does_not_hold_back_later_turns():
    messages = [user("1"), assistant("2", "a"), user("3"), assistant("4"), user("5")]
    assert trimmed(messages, 1, one_each) == ([user("5")], 4)


def test_a_question_between_a_call_and_its_result_does_not_part_them():
    messages = [user("1"), assistant("2", "a"), user("3"), result("a"), user("5")]
    assert trimmed(messages, 3, one_each) == ([user("5")], 4)


def test_call_ids_may_repeat_in_later_turns():
    turn = [user("q"), assistant("c", "call_0"), result("call_0"), assistant("a")]
    assert trimmed(turn * 3, 4, one_each) == (turn, 8)


CALLS = st.sampled_from("abc")
MESSAGES = st.lists(
    st.one_of(
        st.builds(user, st.text(max_size=5)),
        st.builds(assistant, st.text(max_size=5)),
        st.builds(lambda calls: assistant("", *calls), st.lists(CALLS, max_size=2)),
        st.builds(result, CALLS),
        st.just({"role": "system", "content": "s"}),
    ),
    max_size=14,
)


def pairs(messages: list[dict]) -> list[tuple[dict, dict]]:
    """Each tool result with the latest call before it that has its id."""
    found = []
    for position, message in enumerate(messages):
        for earlier in reversed(messages[:position]):
            ids = [call["id"] for call in earlier.get("tool_calls", [])]
            if message.get("tool_call_id") in ids:
                found.append((earlier, message))
                break
    return found


@given(MESSAGES, st.integers(0, 60), st.data())
def test_trimming_keeps_its_promises_on_every_conversation(messages, limit, data):
    sizes = {id(m): data.draw(st.integers(0, 9)) for m in messages}
    numbered = [{**message, "number": number} for number, message in enumerate(messages)]
    weights = {
        message["number"]: sizes[id(original)]
        for message, original in zip(numbered, messages, strict=True)
    }

    def count(message) -> int:
        return weights[message["number"]]

    kept, dropped = trimmed(numbered, limit, count)
    numbers = [message["number"] for message in kept]
    assert numbers == sorted(numbers)
    assert len(kept) + dropped == len(messages)
    gone = [message for message in numbered if message["number"] not in numbers]
    assert all(message["role"] != "system" for message in gone)
    spoken = [m["number"] for m in kept if m["role"] != "system"]
    assert not gone or not spoken or gone[-1]["number"] < min(spoken)
    for call, answer in pairs(numbered):
        assert (call in kept) == (answer in kept)
    if gone:
        assert kept[-1] is numbered[-1]
        assert sum(map(count, gone)) + sum(map(count, kept)) > limit


def test_tool_calls_and_their_results_become_words_of_the_assistant():
    function = {"name": "files__read", "arguments": '{"path": "a"}'}
    calls = [{"id": "1", "function": function}]
    calling = {"role": "assistant", "content": None, "tool_calls": calls}
    given = {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "42"}]}
    told = in_words([user("What?"), calling, given, assistant("It is 42.")])
    said = '[called files__read({"path": "a"})]\n[files__read gave]\n42'
    assert told == [user("What?"), assistant(said), assistant("It is 42.")]


def test_without_tool_calls_nothing_becomes_other_words():
    messages = [user("What?"), {"role": "assistant", "content": [{"type": "image_url"}]}]
    assert in_words(messages) == messages
