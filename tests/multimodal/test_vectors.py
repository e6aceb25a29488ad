"""Vectors in files that others can read, and which of them are near each other."""

import ast
import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.multimodal import embed
from openrouter_mcp.multimodal.documents import Document
from openrouter_mcp.multimodal.embed import NotVectorsError, Vectors

ROWS = [embed.vector([1.0, 0.5, -2.0]), embed.vector([0.0, 3.25, 1e-3])]
MADE = Vectors("invented/embedder", ROWS, [Document("one"), Document("two", "/a/b.txt")])
numbers = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20)


def test_numbers_and_base64_mean_the_same_row() -> None:
    encoded = base64.b64encode(struct.pack("<3f", 1.0, 0.5, -2.0)).decode()
    assert embed.vector(encoded) == ROWS[0]


@pytest.mark.parametrize("embedding", ["%%%", "AAA=", None, ["a"], {"x": 1}])
def test_what_is_no_vector_is_refused(embedding) -> None:
    with pytest.raises(ValueError, match=r"base64|buffer|bytes"):
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
    data = embed.npy(made.rows)
    assert embed.of_npy(data) == made.rows
    assert embed.of_companion(data, embed.companion(made, data)) == made
    assert embed.of_jsonl(embed.jsonl(made)).rows == made.rows


def test_model_text_and_file_are_read_back() -> None:
    assert embed.of_jsonl(embed.jsonl(MADE)) == MADE


@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(data: bytes) -> None:
    for read in (embed.of_npy, embed.of_jsonl):
        for prefix in (b"", embed.npy(ROWS)[:90], embed.jsonl(MADE)[:40]):
            with pytest.raises(NotVectorsError):
                read(prefix + data)


def test_another_array_is_not_taken_for_vectors() -> None:
    data = embed.npy(ROWS)
    for old, new in ((b"<f4", b"<f8"), (b"False", b"True "), (b"(2, 3)", b"(3, 2, 1)")):
        with pytest.raises(NotVectorsError):
            embed.of_npy(data.replace(old, new))


def test_what_is_beside_must_be_about_these_vectors() -> None:
    data = embed.npy(ROWS)
    about = embed.companion(MADE, data)
    assert embed.of_companion(data, about) == MADE
    for wrong in (about.replace(b'"sha256": "', b'"sha256": "0'), b"[]", b"{}", b""):
        with pytest.raises(NotVectorsError):
            embed.of_companion(data, wrong)


def test_the_nearest_points_the_same_way() -> None:
    rows = [embed.vector(row) for row in ([0, 1], [2, 2], [9, 0], [-1, 0], [0, 0])]
    found = embed.nearest(embed.vector([1, 0]), rows)
    assert [index for index, _ in found] == [2, 1, 0, 4, 3]
    assert found[0][1] == pytest.approx(1)
    assert found[-1][1] == pytest.approx(-1)
