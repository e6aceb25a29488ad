"""What is left of a tool call that a client took apart wrongly, at the end of one of its arguments.

Models write calls as markup. Where a client loses track of it, one argument swallows those that
follow it, `max_cost` among them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

TAGS = {
    "arg_key",
    "arg_value",
    "arguments",
    "end_function_call",
    "function",
    "function_call",
    "function_calls",
    "invoke",
    "longcat_arg_key",
    "longcat_arg_value",
    "longcat_tool_call",
    "parameter",
    "parameters",
    "start_function_call",
    "tool_call",
    "tool_calls",
    "tool_code",
    "tool_input",
    "tool_use",
    "use_mcp_tool",
}
"""Elements, without their namespace (`minimax:`, `seed:`, `xai:`, or a mark of DSML)."""
TOKENS = {"call", "eom_id", "python_tag"}
"""Special tokens, as `<|call|>`, beside all that speak of a tool."""
BRACKETS = ("[TOOL_CALLS]", "[/TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
VALUE_BEGINS = re.compile(r"<[^<>]{0,40}(?:parameter(?:\s+name)?\s*=|arg_key>|arg_value>)")
TAG = re.compile(r"<[^<>]{1,200}>")
PIPES = ("|", "\uff5c")
UNSEEN = " \t\r\n\v\f\u00a0\u200b\ufeff"
LONGEST_TAG = 200
MOST_TOKENS = 8
LONGEST_VALUE = 200
"""Characters of a swallowed argument that stands on a line of its own."""


def ends_of(value: Any) -> Iterator[str]:
    """The texts in which the value of an argument ends, also within JSON.

    Of a conversation that is its last message: earlier ones may hold calls that went well.
    """
    if isinstance(value, str):
        yield value
        if value.lstrip().startswith(("[", "{")):
            try:
                yield from ends_of(json.loads(value))
            except (ValueError, RecursionError):
                return
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from ends_of(item)
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))
        if value and not isinstance(value[-1], str):
            yield from ends_of(value[-1])


def wreckage(text: str, arguments: Collection[str]) -> str:
    """The markup in which a text ends; empty if it ends otherwise.

    A text that speaks of such markup and goes on is none, nor is markup that is whole. `arguments`
    are those that the tool has.
    """
    text = text.rstrip(UNSEEN)
    for bracket in BRACKETS:
        if text.endswith(bracket):
            return bracket
    return _last_tag(text, arguments) or _swallowed(text, arguments)


def _last_tag(text: str, arguments: Collection[str], tokens: int = MOST_TOKENS) -> str:
    """The tag or special token, whole or broken off, that is the end of a text.

    So many further `tokens` that say nothing may stand behind what does.
    """
    start = text.rfind("<")
    tag = text[start:] if start >= 0 else ""
    if not tag or len(tag) > LONGEST_TAG or ">" in tag[:-1]:
        return ""
    name, before = _name(tag), text[:start].rstrip(UNSEEN)
    if _is_token(tag):
        known = "tool" in name or "dsml" in tag.lower() or name in TOKENS
        behind = tokens > 0 and _last_tag(before, arguments, tokens - 1)
        return tag if known or behind else ""
    if not tag.endswith(">") and before.endswith(">") and _last_tag(before, arguments):
        return tag
    if tag.startswith("</"):
        known = name in TAGS or name in arguments
        return tag if known and not _is_whole(text, arguments) else ""
    # A bare `<function>` is a type in many languages.
    begins_call = "=" in tag or (tag.endswith(">") and "_" in name)
    return tag if begins_call and name in TAGS else ""


def _is_token(tag: str) -> bool:
    return tag[1:].startswith(PIPES) or tag.endswith(tuple(f"{pipe}>" for pipe in PIPES))


def _is_whole(text: str, arguments: Collection[str]) -> bool:
    """Whether a text opens all that it closes, and holds no argument of the tool as markup."""
    opened: Counter[str] = Counter()
    for tag in TAG.findall(text if text.endswith(">") else f"{text}>"):
        name = _name(tag)
        if name not in TAGS and name not in arguments:
            continue
        opened[name] += -1 if tag.startswith("</") else not tag.endswith("/>")
        if opened[name] < 0 or _argument(tag) in arguments:
            return False
    return True


def _name(tag: str) -> str:
    """The name of an element or special token, without its namespace."""
    name = (tag.strip("</>").replace("=", " ").split() or [""])[0]
    for pipe in PIPES:
        name = name.replace(pipe, ":")
    return name.strip(":/").rpartition(":")[2].lower()


def _argument(tag: str) -> str:
    """The argument that a tag says it begins; empty where it names none."""
    return (tag.partition("=")[2].split() or [""])[0].strip("\"'/>")


def _swallowed(text: str, arguments: Collection[str]) -> str:
    """The tag of an argument whose value goes on to the end of a text that is another argument."""
    found = [*VALUE_BEGINS.finditer(text)]
    if not found:
        return ""
    start = found[-1].start()
    tag, end, value = text[start:].partition(">")
    is_closed = any(f"{name}>" in value for name in ("parameter", "arg_value"))
    if not end or is_closed or len(tag) > LONGEST_TAG or _name(tag) not in TAGS:
        return ""
    argument = _argument(tag)
    if argument and argument not in arguments:
        return ""
    follows_a_tag = _last_tag(text[:start].rstrip(UNSEEN), arguments)
    value = value.rstrip(UNSEEN)
    is_line = (
        text[:start].endswith("\n") and len(value) <= LONGEST_VALUE and "\n" not in value.strip()
    )
    return f"{tag}>" if follows_a_tag or is_line or _is_value(value) else ""


def _is_value(text: str) -> bool:
    """Whether a text is one word behind a tag, or JSON: no sentence that speaks of the tag."""
    if len(text.split()) == 1 and not text[0].isspace() and text[-1].isalnum():
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
