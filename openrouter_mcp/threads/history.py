"""What of a conversation goes with its next question: files anew, the oldest turns left out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files.attach import Attachments

FILE = "openrouter_mcp/file"
"""Type of a content part that stands for a file: it is read again when the thread goes on."""

Message = Mapping[str, Any]


def by_reference(message: Message, attachments: Attachments) -> Message:
    """The message as a thread keeps it: a path in the place of each file's content."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    known = list(zip(attachments.parts, attachments.paths, strict=True))
    parts: list[Any] = []
    for part in content:
        path = next((path for own, path in known if own == part), None)
        reference = {"type": FILE, "path": str(path)} if path else part
        if path and reference in parts:
            # Another piece of a large image, below its own name.
            parts.pop()
        else:
            parts.append(reference)
    return {**message, "content": parts}


async def restored(
    messages: Sequence[Message], read: Callable[[Sequence[str]], Awaitable[Attachments]]
) -> tuple[list[Message], list[str]]:
    """The messages ready to send, their files read again, and a note on each that is gone."""
    notes: dict[str, str] = {}

    async def content(path: str) -> Sequence[Mapping[str, Any]]:
        try:
            return (await read([path])).parts
        except OpenRouterError as error:
            notes[path] = f"A file of an earlier turn is left out. {error.message}"
            return [{"type": "text", "text": f"[The file {path} is not there any more.]"}]

    ready: list[Message] = []
    for message in messages:
        parts = message.get("content")
        if isinstance(parts, list) and any(map(_is_reference, parts)):
            read_again = []
            for part in parts:
                read_again += await content(part["path"]) if _is_reference(part) else [part]
            message = {**message, "content": read_again}
        ready.append(message)
    return ready, list(notes.values())


def in_words(messages: Sequence[Message]) -> list[Message]:
    """The messages with tool calls and their results as text of the assistant.

    So they can be shown, and sent where no tools are: providers refuse calls of tools that the
    request does not define.
    """
    names: dict[str, str] = {}
    ready: list[Message] = []
    for message in messages:
        role, said = message.get("role"), text_of(message.get("content"))
        if calls := message.get("tool_calls"):
            lines = [said] if said else []
            for call in calls:
                function = call.get("function") or {}
                names[call.get("id")] = name = function.get("name") or "a tool"
                lines.append(f"[called {name}({function.get('arguments') or ''})]")
            ready.append({"role": role, "content": "\n".join(lines)})
        elif role == "tool":
            name = names.get(message.get("tool_call_id", ""), "a tool")
            gave = f"[{name} gave]\n{said}"
            if ready and ready[-1].get("role") == "assistant":
                gave = f"{text_of(ready.pop().get('content'))}\n{gave}"
            ready.append({"role": "assistant", "content": gave})
        else:
            ready.append(message)
    return ready


def trimmed(
    messages: Sequence[Message], limit_tokens: int, count: Callable[[Message], int]
) -> tuple[list[Message], int]:
    """What fits into `limit_tokens`, and how many messages were dropped for that.

    The oldest turns go first. System messages and the last turn always stay; a tool call and its
    results stay or go together.
    """
    total = sum(count(message) for message in messages)
    starts = _turn_starts(messages)
    dropped: set[int] = set()
    for end in starts:
        if total <= limit_tokens:
            break
        turn = {
            position
            for position in range(end)
            if position not in dropped
            and messages[position].get("role") not in {"system", "developer"}
        }
        total -= sum(count(messages[position]) for position in turn)
        dropped |= turn
    kept = [message for position, message in enumerate(messages) if position not in dropped]
    return kept, len(dropped)


def unanswered(messages: Sequence[Message]) -> list[str]:
    """The ids of tool calls whose results are not among the messages."""
    called: dict[str, None] = {}
    for message in messages:
        called.update(dict.fromkeys(call.get("id") for call in message.get("tool_calls") or []))
        called.pop(message.get("tool_call_id", ""), None)
    return list(called)


def text_of(content: object) -> str:
    """The words of a message's content, with the names of what is no text."""
    return "\n".join(map(_text, content)) if isinstance(content, list) else str(content or "")


def _text(part: Mapping[str, Any]) -> str:
    if _is_reference(part):
        return f"[file {part.get('path')}]"
    return str(part.get("text") or f"[{part.get('type')}]")


def _is_reference(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") == FILE


def _turn_starts(messages: Sequence[Message]) -> list[int]:
    """Positions of the questions, except between a tool call and its results."""
    callers: dict[str, int] = {}
    inside: set[int] = set()
    for position, message in enumerate(messages):
        for call in message.get("tool_calls") or []:
            callers[call.get("id")] = position
        caller = callers.get(message.get("tool_call_id", ""))
        if caller is not None:
            inside.update(range(caller + 1, position + 1))
    return [
        position
        for position, message in enumerate(messages)
        if message.get("role") == "user" and position not in inside
    ]
