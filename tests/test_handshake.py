"""The opening is answered before the real server is there, and just as that server would."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrouter_mcp.handshake import LEGACY, LIST_CHANGED, LISTS, MODERN, VERSION, Handshake
from tests.support import stdio
from tests.support.opening import (
    ENVELOPE,
    INITIALIZED,
    LEGACY_OPENING,
    MODERN_OPENING,
    Client,
    by_the_real_server,
    initialize,
    request,
    together,
    without_server,
)


def by_id(lines: Sequence[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for line in lines:
        found.setdefault(json.dumps(json.loads(line).get("id")), []).append(line)
    return found


@pytest.mark.parametrize(
    "tools", ["", "chat", "models", "multimodal", "account", "get_model", "Chat, nonsense", "none"]
)
@pytest.mark.parametrize("opening", [LEGACY_OPENING, MODERN_OPENING], ids=["legacy", "modern"])
def test_the_manifest_is_what_the_real_server_says(opening: list[bytes], tools: str) -> None:
    assert by_id(without_server(opening, tools)) == by_id(by_the_real_server(opening, tools))


@pytest.mark.parametrize("version", [*LEGACY, "1999-01-01", MODERN])
def test_a_version_that_is_known_is_echoed(version: str) -> None:
    opening = [initialize(protocolVersion=version), INITIALIZED, *(request(m, m) for m in LISTS)]
    assert by_id(without_server(opening)) == by_id(by_the_real_server(opening))


IDS = st.one_of(
    st.integers(1, 2**53),
    st.integers(-(2**70), -1),
    st.text(max_size=5),
    st.sampled_from(["\ud83d", "é", '"', "\n\x7f"]),
)
META = st.sampled_from([{}, {"progressToken": 1}, {"x": None}, {"traceparent": "00-1-2-3"}])
ODD_PARAMS = st.sampled_from([{"cursor": "x"}, {"cursor": None}, {"odd": 1}, {"_meta": None}])
OTHER_METHODS = [
    "ping",
    "tools/call",
    "prompts/get",
    "resources/read",
    "nonsense",
    "logging/setLevel",
]
OTHERS = st.builds(
    lambda method, params: (method, params),
    st.sampled_from(OTHER_METHODS),
    st.sampled_from(
        [{}, {"name": "nonsense"}, {"uri": "openrouter://threads/none"}, {"level": "info"}]
    ),
)
NOTIFICATIONS = st.sampled_from(
    [
        INITIALIZED,
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}\n',
        b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}\n',
        b"\n",
    ]
)
LISTED = st.tuples(
    st.sampled_from(LISTS), st.one_of(META.map(lambda m: {"_meta": m}), ODD_PARAMS, st.just({}))
)
CLIENTS = st.sampled_from(
    [
        {},
        {
            "capabilities": {
                "roots": {"listChanged": True},
                "sampling": {},
                "elicitation": {"form": {}},
            }
        },
        {"capabilities": {"roots": 5}},
        {"capabilities": {"experimental": {"x": True}}},
        {"clientInfo": {"name": "x"}},
        {"clientInfo": {"name": "x", "version": "1", "icons": [{"src": "data:,"}]}},
        {"capabilities": None},
        {"protocolVersion": 5},
        {"_meta": ENVELOPE},
    ]
)


def numbered(ids: Sequence[Any], asked: Sequence[Any], envelope: dict[str, Any]) -> list[bytes]:
    """Requests with these ids, and lines that are none as they are."""
    lines, free = [], iter(ids)
    for item in asked:
        if isinstance(item, bytes):
            lines.append(item)
        else:
            method, params = item
            meta = {"_meta": {**(params.get("_meta") or {}), **envelope}} if envelope else {}
            lines.append(request(next(free), method, **{**params, **meta}))
    return lines


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[bytes], int]:
    """The lines of one client, and how many come before the real server wakes up."""
    asked = draw(st.lists(st.one_of(LISTED, OTHERS, NOTIFICATIONS), max_size=8))
    ids = draw(st.lists(IDS, min_size=9, max_size=9, unique_by=repr))
    modern = draw(st.booleans())
    if not modern:
        lines = [initialize(ids.pop(), **draw(CLIENTS)), *numbered(ids, asked, {})]
    else:
        lines = numbered(ids, asked, ENVELOPE)
    lines += numbered(["end"], [("nobody/knows/this", {})], ENVELOPE if modern else {})
    return lines, draw(st.integers(0, len(lines)))


@given(sessions())
@settings(max_examples=25)
def test_no_client_can_tell_that_the_server_was_asleep(session: tuple[list[bytes], int]) -> None:
    lines, early = session
    assert by_id(together(lines[:early], lines[early:])) == by_id(by_the_real_server(lines))


END = request("end", "nobody/knows/this")
ODD_ORDERS = {
    "both eras": [request(1, "tools/list", _meta=ENVELOPE), initialize(2), END],
    "another version": [
        initialize(1, protocolVersion="2025-06-18"),
        initialize(2, protocolVersion="2025-03-26"),
        request(3, "prompts/list"),
        END,
    ],
    "ids that are no numbers of JSON": [
        initialize(2**53 + 1),
        request(2, "resources/list", _meta=ENVELOPE),
        initialize(2**53 + 2, protocolVersion="2024-11-05"),
        request(3, "tools/list"),
        END,
    ],
}


@pytest.mark.parametrize("lines", ODD_ORDERS.values(), ids=ODD_ORDERS)
def test_a_client_that_changes_its_mind_is_answered_as_by_the_real_server(
    lines: list[bytes],
) -> None:
    assert by_id(together(lines, [])) == by_id(by_the_real_server(lines))


@pytest.mark.parametrize("late", [0, 1, 2, 3])
def test_a_client_may_look_before_it_shakes_hands(late: int) -> None:
    lines = [
        request(1, "server/discover", _meta=ENVELOPE),
        initialize(2),
        request(3, "server/discover", _meta=ENVELOPE),
        request(4, "tools/call", name="nonsense"),
    ]
    early = len(lines) - 1 - late
    found, looked, again, called = sorted(
        (json.loads(line) for line in together(lines[:early], lines[early:])),
        key=lambda reply: reply["id"],
    )
    assert found["result"] == again["result"]
    assert found["result"]["supportedVersions"] == [MODERN]
    assert looked["result"]["protocolVersion"] == LEGACY[-1]
    assert called["result"]["isError"]


def test_a_version_of_the_future_is_told_which_are_known() -> None:
    future = {**ENVELOPE, VERSION: "2030-01-01"}
    lines = [request(1, "server/discover", _meta=future)]
    assert without_server(lines) == by_the_real_server(lines)


def test_tools_that_differ_from_the_manifest_are_announced() -> None:
    client = Client(initialize(1), INITIALIZED, request(2, "tools/list"))
    handshake = Handshake(client, client, "")
    listed = client.wait_for(2)[1]
    assert [handshake.readline() for _ in range(3)] == [
        initialize(1),
        INITIALIZED,
        request(2, "tools/list"),
    ]
    handshake.write(client.lines[0])
    handshake.write(listed.replace(b'"chat"', b'"chats"'))
    assert client.lines[2:] == [LIST_CHANGED]


def test_a_server_that_cannot_start_says_why() -> None:
    client = Client(initialize(1), INITIALIZED, request(2, "tools/call", name="chat"))
    handshake = Handshake(client, client, "")
    client.wait_until_read()
    client.send(request(3, "ping"), b"")
    handshake.refuse("It is broken.")
    *_, second, third = map(json.loads, client.lines)
    assert (second["id"], second["error"]["message"]) == (2, "It is broken.")
    assert third["id"] == 3


def test_a_call_that_waits_for_the_server_ages() -> None:
    client = Client(initialize(1), INITIALIZED, request("early", "tools/call", name="chat"))
    handshake = Handshake(client, client, "")
    client.wait_until_read()
    for _ in range(3):
        handshake.readline()
    assert handshake.age("early") > 0
    assert handshake.age("early") == 0
    # The thread that reads for the server takes one more line before it ends.
    client.send(request("next", "ping"), request("late", "tools/call", name="chat"))
    while b'"late"' not in handshake.readline():
        pass
    assert handshake.age("late") == 0


async def test_a_client_that_leaves_at_once_leaves_nothing_behind() -> None:
    async with stdio.server({}) as server:
        await server.initialize()
        assert (await server.request("tools/list"))["result"]["tools"]
        server.ask("prompts/get", {"name": "pick_model"})
        assert await server.close() == (0, "")


async def test_a_broken_installation_answers_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "fastmcp.py").write_text("raise ImportError('half of it is missing')")
    async with stdio.server({"PYTHONPATH": str(tmp_path)}) as server:
        await server.initialize()
        reply = await server.reply(server.call("chat", prompt="Hi"))
        assert "half of it is missing" in reply["error"]["message"]
        code, log = await server.close()
    assert (code, "Traceback" in log) == (1, True)


async def test_a_signal_ends_a_server_that_is_not_awake() -> None:
    async with stdio.server({}) as server:
        await server.initialize()
        server.process.terminate()
        assert await server.process.wait() == -signal.SIGTERM
