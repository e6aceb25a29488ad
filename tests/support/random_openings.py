"""`python -m tests.support.random_openings [COUNT [SEED]]`: no client can tell that we were asleep.

Each opening is made from its number and the seed: requests of every version in odd orders, odd ids
and parameters, lines that are no messages, all cut anywhere and sent while the server wakes up. The
replies must be those of the real server alone, byte for byte. Every hundredth opening is also sent
to a process, whose pipe may be closed at once: what it answers then must be a part of them.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from openrouter_mcp import stdio
from openrouter_mcp.handshake import (
    CAPABILITIES,
    LARGEST_ID,
    LEGACY,
    LISTS,
    MODERN,
    VERSION,
    Handshake,
)
from openrouter_mcp.server import build
from openrouter_mcp.settings import Settings
from tests.support.opening import ENVELOPE, INITIALIZED, Client, initialize, request

ALONE_IN = 100
"""One of so many openings is also sent to a process of its own."""
VERSIONS = [*LEGACY, MODERN, "1999-01-01", "2030-01-01", ""]
OTHERS = [
    ("tools/call", {"name": "nonsense"}),
    ("prompts/get", {"name": "nonsense"}),
    ("resources/read", {"uri": "openrouter://threads/none"}),
    ("logging/setLevel", {"level": "info"}),
    ("nonsense", {}),
]
CLIENTS: list[dict[str, Any]] = [
    {},
    {"capabilities": {"roots": {"listChanged": True}, "sampling": {}, "elicitation": {}}},
    {"capabilities": {"roots": 5}},
    {"capabilities": None},
    {"clientInfo": {"name": "x"}},
    {"clientInfo": {"name": "x", "version": "1", "title": "X", "icons": []}},
    {"protocolVersion": 5},
    {"_meta": ENVELOPE},
    {"odd": 1},
]
ODD_PARAMS: list[dict[str, Any]] = [
    {"cursor": "x"},
    {"cursor": None},
    {"odd": 1},
    {"_meta": {"progressToken": 1}},
    {"_meta": {"progressToken": "p", "x": None}},
]
SILENT = [
    INITIALIZED,
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"none"}}\n',
    b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}\n',
    b"\n",
    b"  \r\n",
    b'{"jsonrpc":"2.0","id":1,"result":{}}\n',
]
BROKEN = [b"no JSON\n", b"[]\n", b'{"jsonrpc":"2.0","id":"b","method":"ping"\n', b"7\n"]


class Opening:
    """What one client sends: its lines, how many answers they want, and how they are cut."""

    def __init__(self, seed: str) -> None:
        self._random = chance = random.Random(seed)  # noqa: S311 - it has to be reproducible
        self.lines: list[bytes] = []
        self.answers = 0
        self._ids = 0
        era = chance.choice(["legacy", "legacy", "modern", "both", "looking first"])
        if era == "looking first":
            self._ask("server/discover", self._envelope())
        if era != "modern":
            self._ask("initialize", None)
            if chance.random() < 0.9:
                self._send(INITIALIZED)
        for _ in range(chance.randrange(9)):
            self._add(era)
        # Only the real server can answer this, so that no session ends before it is awake.
        self._ask("nobody/knows/this", {}, era)
        if chance.random() < 0.15:
            chance.shuffle(self.lines)

    def pieces(self) -> list[bytes]:
        """All of it, cut anywhere, in one piece or line by line."""
        whole, chance = b"".join(self.lines), self._random
        if (way := chance.randrange(3)) < 2:
            return [whole] if way else list(self.lines)
        cuts = sorted(chance.choices(range(len(whole) + 1), k=chance.randrange(1, 12)))
        return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    def wakes_after(self, pieces: int) -> int:
        """After how many pieces the real server begins to read."""
        return self._random.randint(0, pieces)

    def hangs_up(self) -> bool:
        """Whether the client closes the pipe without waiting for answers."""
        return self._random.random() < 0.5

    def _add(self, era: str) -> None:
        chance = self._random
        kind = chance.randrange(10)
        if kind == 0:
            self._send(chance.choice(SILENT))
        elif kind == 1:
            self._send(chance.choice(BROKEN), answers=1)
        elif kind == 2:
            self._ask("initialize", None)
        elif kind == 3:
            method, params = chance.choice(OTHERS)
            self._ask(method, dict(params), era)
        else:
            odd = dict(chance.choice(ODD_PARAMS)) if chance.random() < 0.15 else {}
            method = chance.choice([*LISTS, "tools/list", "ping", "server/discover"])
            self._ask(method, odd, era)

    def _ask(self, method: str, params: dict[str, Any] | None, era: str = "") -> None:
        chance = self._random
        self._ids += 1
        odd = [f"{self._ids} é", -self._ids, 2**53 + self._ids, f'"{self._ids}', f"{self._ids}\n"]
        number = chance.choice(odd) if chance.random() < 0.1 else self._ids
        if params is None:
            client = chance.choice(CLIENTS) if chance.random() < 0.3 else {}
            line = initialize(number, **({"protocolVersion": chance.choice(VERSIONS)} | client))
        else:
            if era == "modern" or (era in {"both", "looking first"} and chance.random() < 0.5):
                params = {**self._envelope(), **params}
            line = request(number, method, **params)
        self._send(line, answers=1)

    def _envelope(self) -> dict[str, Any]:
        chance = self._random
        if chance.random() < 0.9:
            return {"_meta": ENVELOPE}
        odd = [{VERSION: MODERN}, {VERSION: 5, CAPABILITIES: {}}, {CAPABILITIES: {}}]
        known = {VERSION: chance.choice(VERSIONS), CAPABILITIES: {}}
        return {"_meta": chance.choice([*odd, known])}

    def _send(self, line: bytes, answers: int = 0) -> None:
        self.lines.append(line)
        self.answers += answers


def by_id(lines: Sequence[bytes]) -> dict[str, list[bytes]]:
    """The replies to each id, in their order."""
    found: dict[str, list[bytes]] = {}
    for line in lines:
        found.setdefault(json.dumps(json.loads(line).get("id")), []).append(line)
    return found


async def answered(server: Any, pipe: stdio.Pipe, client: Client, answers: int) -> list[bytes]:
    """What comes back from a server over this pipe."""
    streams = sys.stdin, sys.stdout
    stdio.serve_on(pipe)
    serving = asyncio.create_task(server.run_stdio_async(show_banner=False))
    try:
        return list(await asyncio.to_thread(client.wait_for, answers))
    finally:
        client.send(b"")
        await serving
        sys.stdin, sys.stdout = streams


async def alone(server: Any, opening: Opening) -> list[bytes]:
    """What the real server replies, to whom looks ahead as if it were somebody else.

    Alone it would refuse the `initialize` of a client that has sent `server/discover` before.
    """
    looks = [line for line in opening.lines if is_look(line)]
    others = [line for line in opening.lines if not is_look(line)]
    replies = []
    for lines, answers in ((looks, len(looks)), (others, opening.answers - len(looks))):
        client = Client(*lines)
        replies += await answered(server, client, client, answers) if lines else []
    return replies


def is_look(line: bytes) -> bool:
    """Whether a line is a `server/discover` as clients send it."""
    if b'"server/discover"' not in line:
        return False
    message = json.loads(line)
    params, number = message["params"], message["id"]
    meta = params.get("_meta") or {}
    plain = isinstance(number, str) or abs(number) <= LARGEST_ID
    known = CAPABILITIES in meta and isinstance(meta.get(VERSION), str)
    return plain and known and params.keys() == {"_meta"}


async def behind_the_handshake(server: Any, opening: Opening) -> list[bytes]:
    """What comes back when the server wakes up in the middle of the opening."""
    client, pieces = Client(), opening.pieces()
    reading, writing = os.pipe()
    early = opening.wakes_after(len(pieces))
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        handshake = Handshake(source, client, "")
        for piece in pieces[:early]:
            sink.write(piece)
        late = threading.Thread(target=lambda: [sink.write(piece) for piece in pieces[early:]])
        late.start()
        streams = sys.stdin, sys.stdout
        stdio.serve_on(handshake)
        serving = asyncio.create_task(server.run_stdio_async(show_banner=False))
        try:
            return list(await asyncio.to_thread(client.wait_for, opening.answers))
        finally:
            await asyncio.to_thread(late.join)
            sink.close()
            await serving
            sys.stdin, sys.stdout = streams


def by_a_process(opening: Opening) -> tuple[list[bytes], bool]:
    """What a process replies, and whether its pipe was closed without waiting for all of it."""
    hangs_up = opening.hangs_up()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPENROUTER_")}
    with subprocess.Popen(
        [sys.executable, "-m", "openrouter_mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=inherited,
    ) as process:
        assert process.stdin
        assert process.stdout
        for piece in opening.pieces():
            process.stdin.write(piece)
            process.stdin.flush()
        lines: list[bytes] = []
        while not hangs_up and len(lines) < opening.answers:
            lines.append(process.stdout.readline())
        process.stdin.close()
        lines += process.stdout.readlines()
        if code := process.wait():
            raise AssertionError(f"it exited with {code}")
    return lines, hangs_up


def differing(expected: dict[str, list[bytes]], found: dict[str, list[bytes]]) -> list[str]:
    """What is told of each id whose replies differ."""
    return [
        f"id {key}\n  alone {expected.get(key)}\n  found {found.get(key)}"
        for key in expected.keys() | found.keys()
        if expected.get(key) != found.get(key)
    ]


async def main(count: int, seed: str) -> int:
    """Compare so many openings; the number of those that differ."""
    server, wrong, processes, started = build(Settings()), 0, 0, time.monotonic()
    for number in range(count):
        opening = Opening(f"{seed} {number}")
        expected = by_id(await alone(server, opening))
        problems = differing(expected, by_id(await behind_the_handshake(server, opening)))
        if number % ALONE_IN == 0:
            processes += 1
            lines, hangs_up = await asyncio.to_thread(by_a_process, opening)
            found = by_id(lines)
            of_these = {key: expected.get(key, []) for key in found} if hangs_up else expected
            problems += [f"process: {each}" for each in differing(of_these, found)]
        if problems:
            wrong += 1
            sent = "".join(line.decode() for line in opening.lines)
            sys.stderr.write(f"opening {number}:\n{sent}" + "\n".join(problems) + "\n\n")
        if number % 500 == 499:
            took = time.monotonic() - started
            sys.stderr.write(f"{number + 1} openings, {wrong} differ, {took:.0f} s\n")
    took = time.monotonic() - started
    sys.stderr.write(
        f"{count} openings and {processes} processes, {wrong} differ, {took:.0f} s, seed {seed}\n"
    )
    return wrong


if __name__ == "__main__":
    given = [*sys.argv[1:], *("10000", "1")[len(sys.argv) - 1 :]]
    sys.exit(bool(asyncio.run(main(int(given[0]), given[1]))))
