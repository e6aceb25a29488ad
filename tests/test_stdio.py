"""Every line that a client sends is answered, and no answer is torn."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.stdio import _id_of, _Input, _Output
from tests.support import stdio

CALL = (
    '{"jsonrpc":"2.0","id":%s,"method":"tools/call",'
    '"params":{"name":"chat","arguments":{"prompt":"%s"}}}'
)


class Pipe:
    """A pipe that holds one line and keeps what is answered."""

    def __init__(self, line: bytes = b"") -> None:
        self._lines = [line] if line else []
        self.written: list[bytes] = []

    def readline(self) -> bytes:
        return self._lines.pop() if self._lines else b""

    def write(self, line: bytes) -> None:
        self.written.append(line)


def through(line: bytes) -> tuple[bytes, list[dict]]:
    """What the SDK reads of a line, and what is answered without it."""
    pipe = Pipe(line)
    with io.BufferedReader(_Input(pipe)) as lines:
        passed = lines.read()
    return passed, [json.loads(answer) for answer in pipe.written]


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        ("this is no JSON", None, -32700),
        ('{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":', 7, -32700),
        ('{"jsonrpc":"2.0","id":"a","method":"ping",}', "a", -32700),
        ("[" * 100_000, None, -32700),
        ('{"jsonrpc":"2.0","id":7,"method":5}', 7, -32600),
        ('{"id":7,"method":"ping"}', 7, -32600),
        ('{"jsonrpc":"2.0","id":{},"method":"ping"}', None, -32600),
        ("[]", None, -32600),
        ("7", None, -32600),
        ('"ping"', None, -32600),
    ],
)
def test_a_line_that_cannot_be_read_is_answered(line: str, request_id: object, code: int) -> None:
    passed, (answer,) = through(line.encode() + b"\n")
    assert passed == b""
    assert (answer["id"], answer["error"]["code"]) == (request_id, code)


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        (CALL % (1, "\\ud83d"), "\ufffd"),
        (CALL % (1, "a \\ude00\\ud83d b"), "a \ufffd\ufffd b"),
        (CALL % (1, "\\ud83d\\ude00"), "\U0001f600"),
        ("\ufeff" + CALL % (1, "Hi"), "Hi"),
    ],
)
def test_half_a_character_and_a_byte_order_mark_are_mended(line: str, prompt: str) -> None:
    passed, answers = through(line.encode() + b"\n")
    assert json.loads(passed)["params"]["arguments"] == {"prompt": prompt}
    assert answers == []


@pytest.mark.parametrize("line", ["", " ", '{"jsonrpc":"2.0","id":1,"result":5}'])
def test_what_expects_no_answer_gets_none(line: str) -> None:
    assert through(line.encode() + b"\n")[1] == []


@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_every_line_is_passed_on_or_answered(line: bytes) -> None:
    passed, answers = through(line + b"\n")
    assert passed or answers or not line.decode("utf-8-sig", "replace").strip()


@pytest.mark.parametrize("answer", ['"result":null', '"result":5', '"error":"no"', '"error":null'])
def test_an_answer_that_cannot_be_read_fails_the_question(answer: str) -> None:
    passed, answers = through(b'{"jsonrpc":"2.0","id":3,%s}\n' % answer.encode())
    assert answers == []
    assert json.loads(passed)["id"] == 3
    assert json.loads(passed)["error"]["code"] == -32600


def test_the_id_of_a_long_broken_line_is_found_at_either_end() -> None:
    filler = "x" * 100_000
    assert _id_of('{"id":7,"params":"' + filler) == 7
    assert _id_of('{"params":"' + filler + '","id":"last",}') == "last"


def test_lines_are_written_when_they_are_complete() -> None:
    pipe = Pipe()
    output = _Output(pipe)
    output.write(b'{"begun"')
    assert pipe.written == []
    output.write(b": 1}\n{}\nnext")
    assert pipe.written == [b'{"begun": 1}\n', b"{}\n"]


async def test_a_client_that_sends_odd_lines_is_answered_and_goes_on(
    environment, simulator
) -> None:
    async with stdio.server(environment) as server:
        await server.initialize()
        for line in ("no JSON", '{"jsonrpc":"2.0","id":90,"method":', CALL % (91, "\\ud83d")):
            server.process.stdin.write(line.encode() + b"\n")
        broken, mended = await server.reply(90), await server.reply(91)
        assert broken["error"]["code"] == -32700
        assert mended["result"]["content"]
        assert "error" in await server.reply(None)
        assert (await server.request("tools/list"))["result"]["tools"]
