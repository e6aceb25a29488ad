"""The pipe to the client: one JSON-RPC message a line, and an answer for every line.

The MCP SDK drops a line that it cannot read, and the client waits for ever. Here such a line is
mended where its meaning is clear, else answered with a JSON-RPC error.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from openrouter_mcp import credentials
from openrouter_mcp.text import parse_json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
ID = re.compile(r'"id"\s{0,9}:\s{0,9}(-?\d{1,18}|"[^"\\]{0,200}")\s{0,9}[,}]')
SEARCHED = 10_000
"""Characters at each end of a broken line in which its id is looked for."""


class Pipe(Protocol):
    """Where lines come from and go to, as `handshake.Handshake` has them."""

    def readline(self) -> bytes:
        """The next line from the client; empty at the end."""

    def write(self, line: bytes) -> None:
        """One line to the client, whole, whichever thread writes it."""


def serve_on(pipe: Pipe, own_keys: Sequence[str] = ()) -> None:
    """Give the MCP SDK, which speaks over `sys.stdin` and `sys.stdout`, this pipe.

    `own_keys` are in nothing that goes to the client.
    """
    sys.stdin = io.TextIOWrapper(io.BufferedReader(_Input(pipe)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Output(pipe, own_keys)), encoding="utf-8")


class _Output(io.RawIOBase):
    """Lines to the client, written when they are complete."""

    def __init__(self, pipe: Pipe, own_keys: Sequence[str] = ()) -> None:
        self._pipe = pipe
        self._own_keys = own_keys
        self._begun = bytearray()

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, data: Any, /) -> int:
        """Write the lines that are complete and keep the beginning of the next."""
        size = len(memoryview(data))
        self._begun += data
        while end := self._begun.find(b"\n") + 1:
            line = bytes(self._begun[:end])
            self._pipe.write(credentials.hidden_in_line(line, self._own_keys))
            del self._begun[:end]
        return size


class _Input(io.RawIOBase):
    """Lines from the client that the SDK can read; the others are answered here."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer with what comes next; 0 at the end."""
        while not self._rest:
            line = self._pipe.readline()
            if not line:
                return 0
            self._rest = memoryview(self._readable(line))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _readable(self, line: bytes) -> bytes:
        """The line as the SDK reads it; empty once it is answered."""
        if not line.strip() or _is_message(line):
            return line
        text = line.decode("utf-8-sig", "replace").strip()
        try:
            message = parse_json(text)
        except ValueError:
            self._refuse(_id_of(text), PARSE_ERROR, "This line is not JSON.")
            return b""
        mended = json.dumps(message).encode() + b"\n"
        if _is_message(mended):
            return mended
        if not isinstance(message, dict) or "method" in message:
            request_id = message.get("id") if isinstance(message, dict) else None
            told = "This line is no JSON-RPC message of MCP."
            self._refuse(request_id, INVALID_REQUEST, told)
            return b""
        # Whoever asked the client would wait for it in vain.
        error = {"code": INVALID_REQUEST, "message": "The client's answer cannot be read."}
        failed = {"jsonrpc": "2.0", "id": message.get("id"), "error": error}
        line = json.dumps(failed).encode() + b"\n"
        return line if _is_message(line) else b""

    def _refuse(self, request_id: object, code: int, message: str) -> None:
        known = request_id if isinstance(request_id, str | int) else None
        error = {"code": code, "message": f"{message} Send it again as one line of JSON."}
        answer = {"jsonrpc": "2.0", "id": known, "error": error}
        self._pipe.write(json.dumps(answer).encode() + b"\n")


def _is_message(line: bytes) -> bool:
    """Whether the SDK reads this line as what it is."""
    from mcp.types import JSONRPCNotification, jsonrpc_message_adapter
    from pydantic import ValidationError
    from pydantic_core import from_json

    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return False
    # A request whose id is no id would pass for a notification, which nobody answers.
    notified = isinstance(message, JSONRPCNotification) and b'"id"' in line
    return not (notified and "id" in from_json(line))


def _id_of(text: str) -> object:
    """The id of a request that is no JSON, where one can be read at either end of it."""
    ends = (text,) if len(text) <= 2 * SEARCHED else (text[:SEARCHED], text[-SEARCHED:])
    found = [match for end in ends for match in ID.findall(end)]
    return json.loads(found[0]) if found else None
