"""Long tool results: their beginning for the model, the rest for when it asks."""

from __future__ import annotations

import hashlib

from pydantic_core import from_json

from openrouter_mcp.agent.tool_results import Outcome

READ_RESULT = "read_result"
DEFINITION = {
    "type": "function",
    "function": {
        "name": READ_RESULT,
        "description": "Read on in a tool result that was cut.",
        "parameters": {
            "type": "object",
            "properties": {
                "result": {"type": "string", "description": "Its id, as in the cut result."},
                "offset": {"type": "integer", "description": "Character to begin at."},
            },
            "required": ["result", "offset"],
        },
    },
}
LONGEST_KEPT = 4_000_000
"""Characters of one result; what comes after them is lost."""
DIGEST = 8


class ResultPages:
    """The results of one run that were too long to be shown whole."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def shown(self, text: str, room: int) -> str:
        """The text, or its first `room` characters and how to read on."""
        if len(text) <= room:
            return text
        # Not a number: a conversation goes on in another run, whose results are others.
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:DIGEST]
        result = f"result-{digest}"
        self._kept[result] = text[:LONGEST_KEPT]
        return self._page(result, 0, room, len(text))

    def read(self, arguments: str, room: int) -> Outcome:
        """What the model asked for with `READ_RESULT`."""
        try:
            given = from_json(arguments)
            result, offset = str(given["result"]), int(given.get("offset", 0))
        except (ValueError, TypeError, KeyError, AttributeError):
            return Outcome("Give result (an id) and offset (a number).", failed=True)
        text = self._kept.get(result)
        if text is None:
            known = ", ".join(self._kept) or "none"
            said = f"There is no cut result {result[:80]!r} in this run. There are: {known}."
            return Outcome(f"{said} For an earlier one, call its tool again.", failed=True)
        if not 0 <= offset < len(text):
            return Outcome(f"{result} has {len(text):,} characters.", failed=True)
        return Outcome(self._page(result, offset, room - 200, len(text)))

    def _page(self, result: str, offset: int, room: int, size: int) -> str:
        text = self._kept[result]
        page = text[offset : offset + room]
        end = offset + len(page)
        if end >= len(text):
            lost = " The rest was too long to keep." if size > len(text) else ""
            return page + lost
        return (
            f"{page}\n[Cut: characters {offset:,} to {end:,} of {size:,}. To read on, call "
            f'{READ_RESULT} with result="{result}", offset={end}.]'
        )
