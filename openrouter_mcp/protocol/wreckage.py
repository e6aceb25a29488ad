"""What is left of a tool call that a client took apart wrongly, at the end of one of its arguments.

Models write calls as markup. Where a client loses track of it, one argument swallows those that
follow it, `max_cost` among them.
"""

from __future__ import annotations

from collections.abc import Container

TAGS = {
    "arg_key",
    "arg_value",
    "arguments",
    "end_function_call",
    "function",
    "function_call",
    "function_calls",
    "invoke",
    "parameter",
    "parameters",
    "start_function_call",
    "tool_call",
    "tool_calls",
    "tool_input",
    "tool_use",
    "use_mcp_tool",
}
"""Elements, without their namespace (`minimax:`, `seed:`, `xai:`, or a mark of DSML)."""
TOKENS = {"call", "eom_id", "python_tag"}
"""Special tokens, as `<|call|>`, beside all that speak of a tool."""
BRACKETS = ("[TOOL_CALLS]", "[/TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
VALUES_BEGIN = ("parameter name=", "parameter=", "arg_key>", "arg_value>")
PIPES = ("|", "\uff5c")
LONGEST_TAG = 200
LONGEST_VALUE = 200
"""Characters of a swallowed argument that stands on a line of its own."""


def wreckage(text: str, arguments: Container[str]) -> str:
    """The markup in which a text ends; empty if it ends otherwise.

    A text that speaks of such markup and goes on is none. `arguments` are those that the tool has.
    """
    text = text.rstrip()
    for bracket in BRACKETS:
        if text.endswith(bracket):
            return bracket
    return _last_tag(text) or _swallowed(text, arguments)


def _last_tag(text: str) -> str:
    """The tag or special token, whole or broken off, that is the end of a text."""
    start = text.rfind("<")
    tag = text[start:] if start >= 0 else ""
    if not tag or len(tag) > LONGEST_TAG or ">" in tag[:-1]:
        return ""
    name, is_token = _name(tag), tag[1:].startswith(PIPES)
    whole = tag.endswith(">") or tag.startswith("</") or "=" in tag or is_token
    known = name in TAGS or (is_token and ("tool" in name or name in TOKENS))
    return tag if whole and known else ""


def _name(tag: str) -> str:
    """The name of an element or special token, without its namespace."""
    name = tag.strip("</>").replace("=", " ").split(" ")[0]
    for pipe in PIPES:
        name = name.replace(pipe, ":")
    return name.strip(":/").rpartition(":")[2]


def _swallowed(text: str, arguments: Container[str]) -> str:
    """The tag of an argument whose value goes on to the end of a text that is another argument."""
    start = text.rfind("<", 0, max(text.rfind(mark) for mark in VALUES_BEGIN) + 1)
    tag, end, value = text[max(start, 0) :].partition(">")
    is_closed = any(f"{name}>" in value for name in ("parameter", "arg_value"))
    if start < 0 or not end or is_closed or len(tag) > LONGEST_TAG or _name(tag) not in TAGS:
        return ""
    argument = tag.partition("=")[2].split(" ")[0].strip("\"'")
    if argument and argument not in arguments:
        return ""
    follows_a_tag = _last_tag(text[:start].rstrip())
    value = value.strip()
    is_line = text[:start].endswith("\n") and len(value) <= LONGEST_VALUE and "\n" not in value
    return f"{tag}>" if follows_a_tag or is_line else ""
