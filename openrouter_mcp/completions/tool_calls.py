"""Tool calls: put together from a stream's fragments, and made fit to be sent back. Pure.

Providers agree on little. An index may be missing, null, the same for all calls or another one for
each fragment; an id may come once, with every fragment, or never; arguments may come in pieces,
whole, or again. So a fragment belongs to the call whose id it repeats, else to the one at its
index, else to the last one, unless it begins a call of its own. A name may come in pieces as long
as no arguments have come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from openrouter_mcp.api import responses

Message = dict[str, Any]

LONGEST_NAME = 64


@dataclass
class ToolCall:
    """One call, as far as it has come."""

    index: object = None
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    """The arguments, piece by piece."""
    size: int = 0
    """Characters of all pieces together."""
    extra: Message = field(default_factory=dict)
    """What else the provider put into the call, such as a signature; it goes back unmodified."""

    @property
    def arguments(self) -> str:
        """The arguments as one JSON text.

        A provider may send an empty object first, or everything again at the end: where all pieces
        together are no object, the last ones that are one count.
        """
        whole = "".join(self.pieces)
        if len(self.pieces) < 2 or _is_object(whole):
            return whole
        starts = [at for at, piece in enumerate(self.pieces) if piece.lstrip().startswith("{")]
        endings = ("".join(self.pieces[at:]) for at in starts[-1:] + starts[1:2])
        return next(filter(_is_object, endings), whole)

    @property
    def complete(self) -> bool:
        """Whether the arguments have come to their end."""
        ended = bool(self.pieces) and self.pieces[-1].rstrip().endswith("}")
        return ended and _is_object("".join(self.pieces))

    def add(self, fragment: ToolCall) -> None:
        """Take in a fragment; what only repeats the call changes nothing."""
        self.id = self.id or fragment.id
        if not (self.name and self.size):
            # A name may come in pieces, and may come again.
            again = fragment.name.startswith(self.name)
            self.name = fragment.name if again else self.name + fragment.name
        self.extra |= fragment.extra
        repeats = fragment.size == self.size and fragment.pieces == ["".join(self.pieces)]
        if not (repeats and self.complete):
            self.pieces += fragment.pieces
            self.size += fragment.size

    def as_sent(self) -> Message:
        """The call as OpenRouter writes it."""
        function = {"name": self.name, "arguments": self.arguments}
        return {**self.extra, "id": self.id, "type": "function", "function": function}


class ToolCalls:
    """The calls of one answer, while its stream is read."""

    def __init__(self, calls: Sequence[Mapping[str, Any]] = ()) -> None:
        self._calls = [_read(call) for call in calls]
        self._sent: list[Message] | None = None

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def last_name(self) -> str:
        """The name of the call that came last."""
        return self._calls[-1].name if self._calls else ""

    def add(self, said: Mapping[str, Any]) -> None:
        """Take in one fragment, an item of `delta.tool_calls`."""
        self._sent = None
        fragment = _read(said)
        if call := self._continued(fragment):
            call.add(fragment)
        else:
            self._calls.append(fragment)

    def replace(self, said: Sequence[Mapping[str, Any]]) -> None:
        """Take the calls of a whole `message`: each is complete, and all are there."""
        if len(said) >= len(self._calls):
            self._calls, self._sent = [_read(call) for call in said], None

    def as_sent(self) -> list[Message]:
        """The calls as OpenRouter writes them; what has no name cannot be called."""
        if self._sent is None:
            self._sent = [call.as_sent() for call in self._calls if call.name]
        return self._sent

    def _continued(self, fragment: ToolCall) -> ToolCall | None:
        """The call that the fragment is a part of; None if it begins one."""
        same_id = self._last(lambda call: bool(call.id) and call.id == fragment.id)
        if same_id:
            # Some ids are no more than the name of the function.
            another = fragment.index != same_id.index and fragment.name and same_id.complete
            repeated = fragment.pieces == ["".join(same_id.pieces)]
            return None if another and not repeated else same_id
        there = fragment.index is not None
        same_index = self._last(lambda call: there and call.index == fragment.index)
        call = same_index or (self._calls[-1] if self._calls else None)
        return call if call and not _begins(fragment, call, known=same_index is not None) else None

    def _last(self, fits: Any) -> ToolCall | None:
        return next(filter(fits, reversed(self._calls)), None)


def _begins(fragment: ToolCall, call: ToolCall, *, known: bool) -> bool:
    """Whether a fragment begins another call than `call`, whose index it shares if `known`."""
    elsewhere = not known and fragment.index is not None and call.index is not None
    if not fragment.name:
        return bool(fragment.id and call.id) and call.complete
    if not call.name:
        # The call's id or arguments came first.
        return elsewhere
    another = bool(fragment.id and call.id)
    if fragment.name != call.name:
        # Before its arguments, what stands in the call's own place is the rest of its name.
        own = known or (call.id and not fragment.id)
        return another or bool(call.size) or not own
    if another or call.complete:
        return True
    if call.id:
        # The name comes with every piece of the arguments, the id only once.
        return False
    head = "".join(fragment.pieces)
    return not head or (elsewhere and head.lstrip().startswith("{"))


def sendable(message: Message, earlier: Sequence[Message] = ()) -> Message:
    """The assistant message as it came, but for calls in it that providers refuse to hear back.

    They want ids that are there and unlike all `earlier` ones, names of plain characters, and
    arguments that are a JSON object.
    """
    calls = message.get("tool_calls") or []
    taken = {call["id"] for said in earlier for call in said.get("tool_calls") or []}
    # Gemini's signatures name the call that they are of, and go back unmodified.
    taken -= {detail.get("id") for detail in message.get("reasoning_details") or []}
    mended = []
    for number, call in enumerate(calls, 1):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        id_ = call["id"]
        while not id_ or id_ in taken:
            id_ = f"{id_ or 'call'}_{number}"
        taken.add(id_)
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME] or "unnamed"
        function = {"name": safe, "arguments": _as_object(arguments)}
        mended.append({**call, "id": id_, "function": {**call["function"], **function}})
    return message if mended == calls else {**message, "tool_calls": mended}


def _as_object(arguments: str) -> str:
    """The arguments of a call, or an object that holds what they are instead."""
    if not arguments.strip():
        return "{}"
    try:
        value = from_json(arguments)
        while isinstance(value, str):
            arguments, value = value, from_json(value)
    except ValueError:
        value = None
    return arguments if isinstance(value, dict) else json.dumps({"arguments": arguments})


def _read(said: Mapping[str, Any]) -> ToolCall:
    """A fragment as it came; arguments may be an object instead of its text."""
    function = responses.mapping(said, "function")
    arguments = function.get("arguments")
    if isinstance(arguments, dict | list):
        arguments = json.dumps(arguments, ensure_ascii=False)
    pieces = [arguments] if isinstance(arguments, str) and arguments else []
    return ToolCall(
        index=said.get("index"),
        id=responses.text(said, "id"),
        name=responses.text(function, "name"),
        pieces=pieces,
        size=sum(map(len, pieces)),
        extra={k: v for k, v in said.items() if k not in {"index", "id", "type", "function"}},
    )


def _is_object(text: str) -> bool:
    try:
        return isinstance(from_json(text), dict)
    except ValueError:
        return False
