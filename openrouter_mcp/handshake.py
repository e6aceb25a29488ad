"""Answers a client from the first millisecond on, while FastMCP is still being imported.

Clients open with the same few requests, and what they get is known beforehand: it stands in
`manifest.json`, which `make manifest` records from the real server. Every other line waits for
that server, in order. The server also gets the client's opening, so that it knows its client; its
second answers are dropped. Nothing but the standard library is imported here, and `protocol`, which
needs no more.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from openrouter_mcp.protocol import versions

MANIFEST = Path(__file__).with_name("manifest.json")
MODERN = "2026-07-28"
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
"""The keys in `_meta` without which a request is not of 2026-07-28."""
LARGEST_ID = 2**53
UNSUPPORTED_VERSION = -32022
INTERNAL_ERROR = -32603
LIST_CHANGED = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'
NAMED = {"name", "version", "title", "description", "websiteUrl"}
OPENING = {"protocolVersion", "capabilities", "clientInfo", "_meta"}
INDISPENSABLE = "get_job"
"""A call of any tool may become a job, so this one is offered whatever OPENROUTER_TOOLS says."""

Reply = Mapping[str, Any]
"""A JSON-RPC reply without its id: a `result` or an `error`."""


def is_offered(name: str, tags: Collection[str], wanted: set[str]) -> bool:
    """Whether OPENROUTER_TOOLS, which names modules and tools, asks for this tool."""
    return not wanted or name == INDISPENSABLE or not wanted.isdisjoint([name, *tags])


def wanted_of(names: Iterable[str], known: Set[str]) -> set[str]:
    """What OPENROUTER_TOOLS asks for; nothing, which counts as all, if there is no such thing."""
    wanted = {name.strip().lower() for name in names} - {""}
    return wanted if wanted <= known else set()


def begin(tools: str = "") -> Handshake:
    """Take stdin and stdout for the protocol; `tools` is the value of OPENROUTER_TOOLS.

    Whatever else of this process or its children reads stdin finds its end, and what they print
    goes to stderr.
    """
    source = os.fdopen(_taken(0, os.open(os.devnull, os.O_RDONLY)), "rb", closefd=False)
    return Handshake(source, Output(_taken(1, os.dup(2))), tools)


def _taken(descriptor: int, other: int) -> int:
    """A private copy of a standard descriptor, which then leads to `other`."""
    private = os.dup(descriptor)
    os.dup2(other, descriptor)
    os.close(other)
    return private


class Output:
    """Whole lines to the client, whichever thread writes them; for one that has gone, nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Write all of it before anyone else writes."""
        # What the client began goes on without it, and is kept for the next one.
        with self._lock, suppress(OSError):
            view = memoryview(line)
            while view:
                view = view[os.write(self._descriptor, view) :]


class Handshake:
    """The client's lines: a thread answers those of the opening, the real server gets the rest."""

    def __init__(self, source: BinaryIO, output: Output, tools: str = "") -> None:
        """`tools` is the value of OPENROUTER_TOOLS."""
        self._source = source
        self._output = output
        self._tools = tools
        self._version = ""
        """The version of the protocol in which an `initialize` was answered here."""
        self._era = ""
        """In which era the real server serves: the first request that it gets decides."""
        self._replies: Mapping[str, Mapping[str, Reply]] = {}
        self._answered: dict[str | int, bytes] = {}
        self._came: dict[str, float] = {}
        """When each request came that waits for the real server, by its id."""
        self._waiting: SimpleQueue[bytes] | None = SimpleQueue()
        self._server_reads = threading.Event()
        threading.Thread(target=self._run, args=[self._waiting], daemon=True).start()

    def readline(self) -> bytes:
        """The next line for the real server, empty at the end; the first call ends the thread."""
        self._server_reads.set()
        if self._waiting:
            if line := self._waiting.get():
                return line
            self._waiting = None
        while line := self._next():
            # Were the real server asked this, it would refuse an `initialize` that comes after it.
            if b'"server/discover"' not in line or not self._answer(line):
                break
        return line

    def write(self, line: bytes) -> None:
        """Pass on a line of the real server, unless the client has that answer already."""
        if self._answered:
            first = self._answered.pop(json.loads(line).get("id"), None)
            if self._version and first and first != line and b'"result":{"tools":[' in first:
                self._output.write(LIST_CHANGED)
            if first:
                return
        self._output.write(line)

    def age(self, request_id: str) -> float:
        """Seconds since a request came that had to wait for the real server; 0 for any other."""
        came = self._came.pop(request_id, None)
        return 0.0 if came is None else time.monotonic() - came

    def refuse(self, reason: str) -> None:
        """Answer every request with this error until the client leaves."""
        while line := self.readline():
            if request := _request(line):
                error = {"code": INTERNAL_ERROR, "message": reason}
                self.write(_line(request["id"], {"error": error}))

    def _run(self, waiting: SimpleQueue[bytes]) -> None:
        self._replies = json.loads(MANIFEST.read_bytes())
        while not self._server_reads.is_set():
            line = self._next()
            if not line and not self._server_reads.is_set():
                # The client has left, and nothing has begun that would have to be ended.
                os._exit(0)
            if not self._answer(line):
                if request := _request(line):
                    self._came[str(request["id"])] = time.monotonic()
                waiting.put(line)
        waiting.put(b"")

    def _next(self) -> bytes:
        """The client's next line; empty at the end, which a terminal that is closed may tell so."""
        try:
            return self._source.readline()
        except OSError:
            return b""

    def _answer(self, line: bytes) -> bool:
        """Answer a line if it is of the opening; whether the real server need not see it."""
        request = _request(line)
        if request is None:
            if b'"id"' in line:
                # It may be a request all the same, and change what the others are answered.
                self._era, self._version = self._era or "unknown", ""
            return False
        method, reply = request["method"], self._reply(request)
        compared = self._version and method == "tools/list"
        if reply and (method == "server/discover" or (self._era and not compared)):
            self._output.write(_line(request["id"], reply))
            return True
        self._era = self._era or ("modern" if _is_modern(request) else "legacy")
        if reply:
            # The real server learns who its client is, and what it lists now is compared.
            self._answered[request["id"]] = _line(request["id"], reply)
            self._output.write(self._answered[request["id"]])
        return False

    def _reply(self, request: Mapping[str, Any]) -> Reply | None:
        """What the real server would reply; None where only it can tell."""
        method, params = request["method"], request["params"]
        if method == "initialize":
            # Who shakes hands again does so with the real server, and maybe in another version.
            self._version = ""
            return None if self._era else self._initialize(params)
        if params.keys() - {"_meta"}:
            return None
        reply, version = None, MODERN
        if method == "server/discover" or (_is_modern(request) and self._era in {"", "modern"}):
            reply = self._modern(method, params.get("_meta"))
        elif self._version and not _is_modern(request):
            reply, version = self._replies["legacy"].get(method), self._version
        if reply and method == "tools/list":
            reply = self._offered(reply)
        return _legal(reply, version) if reply else None

    def _modern(self, method: str, meta: object) -> Reply | None:
        if not isinstance(meta, dict) or not {VERSION, CAPABILITIES} <= meta.keys():
            return None
        version = meta[VERSION]
        if version == MODERN:
            return self._replies["modern"].get(method)
        if method != "server/discover" or not isinstance(version, str):
            return None
        data = {"supported": [MODERN], "requested": version}
        message = "Unsupported protocol version"
        return {"error": {"code": UNSUPPORTED_VERSION, "message": message, "data": data}}

    def _initialize(self, params: Mapping[str, Any]) -> Reply | None:
        version, client = params.get("protocolVersion"), params.get("clientInfo")
        named = isinstance(client, dict) and {"name", "version"} <= client.keys() <= NAMED
        if not named or not all(isinstance(value, str) for value in [version, *client.values()]):
            return None
        if not _are_plain(params.get("capabilities")) or params.keys() - OPENING:
            return None
        result = dict(self._replies["legacy"]["initialize"]["result"])
        self._version = version if version in LEGACY else LEGACY[-1]
        result["protocolVersion"] = self._version
        return _legal({"result": result}, self._version)

    def _offered(self, reply: Reply) -> Reply | None:
        """The list of those tools for which OPENROUTER_TOOLS asks."""
        if "[" in self._tools:
            return None
        tags = {tool["name"]: tool["_meta"]["fastmcp"]["tags"] for tool in reply["result"]["tools"]}
        wanted = wanted_of(self._tools.split(","), {*tags}.union(*tags.values()))
        tools = [
            tool
            for tool in reply["result"]["tools"]
            if is_offered(tool["name"], tags[tool["name"]], wanted)
        ]
        return {"result": {**reply["result"], "tools": tools}}


def _request(line: bytes) -> dict[str, Any] | None:
    """The request in a line, with its `params`; None if it is none, or an odd one."""
    try:
        message = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    half_character = b"\\ud" in line.lower()
    if (
        half_character
        or not isinstance(message, dict)
        or message.keys() - {"jsonrpc", "id", "method", "params"}
    ):
        return None
    message.setdefault("params", {})
    request_id = message.get("id")
    plain = type(request_id) is str or (type(request_id) is int and abs(request_id) <= LARGEST_ID)
    fits = message.get("jsonrpc") == "2.0" and isinstance(message.get("method"), str)
    return message if plain and fits and isinstance(message["params"], dict) else None


def _is_modern(request: Mapping[str, Any]) -> bool:
    """Whether a request is of 2026-07-28, as the SDK tells it."""
    meta = request["params"].get("_meta")
    return request["method"] != "initialize" and isinstance(meta, dict) and VERSION in meta


def _are_plain(capabilities: object) -> bool:
    """Whether a client's capabilities are such as every version of the protocol has them."""
    return isinstance(capabilities, dict) and all(
        isinstance(parts, dict)
        and all(isinstance(part, bool if name == "roots" else dict) for part in parts.values())
        for name, parts in capabilities.items()
    )


def _legal(reply: Reply, version: str) -> Reply:
    """The reply as clients of that version know it."""
    return (
        {**reply, "result": versions.legal(reply["result"], version)}
        if "result" in reply
        else reply
    )


def _line(request_id: str | int, reply: Reply) -> bytes:
    message = {"jsonrpc": "2.0", "id": request_id, **reply}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
