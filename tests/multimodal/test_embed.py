"""Vectors in files that others can read, which are near each other, and how texts are sent."""

import ast
import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.multimodal import embed
from openrouter_mcp.multimodal.documents import Document, count_tokens
from openrouter_mcp.multimodal.embed import Vectors
from openrouter_mcp.settings import Settings

ROWS = [embed.vector([1.0, 0.5, -2.0]), embed.vector([0.0, 3.25, 1e-3])]
MADE = Vectors("invented/embedder", ROWS, [Document("one"), Document("two", "/a/b.txt")])
numbers = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20)


def test_numbers_and_base64_mean_the_same_row() -> None:
    encoded = base64.b64encode(struct.pack("<3f", 1.0, 0.5, -2.0)).decode()
    assert embed.vector(encoded) == ROWS[0]


@pytest.mark.parametrize("embedding", ["%%%", "AAA=", None, ["a"], {"x": 1}])
def test_what_is_no_vector_is_refused(embedding) -> None:
    with pytest.raises(ValueError, match=r"floats|base64"):
        embed.vector(embedding)


def test_an_npy_file_has_numpys_header_and_rows() -> None:
    data = embed.npy(ROWS)
    length = int.from_bytes(data[8:10], "little")
    assert data[:8] == b"\x93NUMPY\x01\x00"
    assert (10 + length) % 64 == 0
    header = ast.literal_eval(data[10 : 10 + length].decode())
    assert header == {"descr": "<f4", "fortran_order": False, "shape": (2, 3)}
    assert struct.unpack("<6f", data[10 + length :])[:3] == (1.0, 0.5, -2.0)


@given(numbers)
def test_what_is_written_is_read_back(row: list[float]) -> None:
    made = Vectors("m", [embed.vector(row)], [Document("text")])
    assert embed.parse_jsonl(embed.jsonl(made)) == made


def test_model_text_and_file_are_read_back() -> None:
    assert embed.parse_jsonl(embed.jsonl(MADE)) == MADE


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for prefix in (b"", embed.npy(ROWS)[:90], embed.jsonl(MADE)[:40]):
        with pytest.raises(ValueError, match="line"):
            embed.parse_jsonl(prefix + data)


@pytest.mark.parametrize(
    "embedding", ["[]", "[1e999999, NaN]", f"[{10**400}]", '"AAAA"', "[" * 5000 + "]" * 5000]
)
def test_a_line_of_odd_numbers_is_refused_or_like_nothing(embedding) -> None:
    line = f'{{"model": "m", "text": "t", "embedding": {embedding}}}'.encode()
    try:
        [(_, score)] = embed.nearest(ROWS[0], embed.parse_jsonl(line).rows)
    except ValueError:
        return
    assert score == 0


def test_the_nearest_points_the_same_way() -> None:
    rows = [embed.vector(row) for row in ([0, 1], [2, 2], [9, 0], [-1, 0], [0, 0])]
    found = embed.nearest(embed.vector([1, 0]), rows)
    assert [index for index, _ in found] == [2, 1, 0, 4, 3]
    assert found[0][1] == pytest.approx(1)
    assert found[-1][1] == pytest.approx(-1)


@given(st.lists(st.integers(1, 120_000), max_size=300))
def test_batches_keep_order_and_bounds(sizes: list[int]) -> None:
    texts = ["x" * (3 * (size // 100)) for size in sizes]
    pieces = list(embed.batches(texts))
    assert [text for piece in pieces for text in piece] == texts
    for piece in pieces:
        assert 1 <= len(piece) <= embed.BATCH
        assert len(piece) == 1 or sum(map(count_tokens, piece)) <= embed.BATCH_TOKENS


def test_a_text_that_is_too_long_goes_alone() -> None:
    long = "x" * 3 * (embed.BATCH_TOKENS + 1)
    assert list(embed.batches(["a", long, "b"])) == [["a"], [long], ["b"]]


async def test_more_names_than_can_be_looked_for_are_refused_unseen(monkeypatch) -> None:
    monkeypatch.setattr(embed, "_load", lambda *looked: pytest.fail(f"looked at {looked}"))
    with pytest.raises(OpenRouterError) as caught:
        await embed.load(Settings(), [f"{number}.jsonl" for number in range(200_000)])
    assert caught.value.code == Code.TOO_LARGE
