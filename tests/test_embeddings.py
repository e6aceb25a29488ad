"""How texts are divided into requests."""

from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp import embeddings
from openrouter_mcp.documents import count_tokens


@given(st.lists(st.integers(1, 120_000), max_size=300))
def test_batches_keep_order_and_bounds(sizes: list[int]) -> None:
    texts = ["x" * (3 * (size // 100)) for size in sizes]
    pieces = list(embeddings.batches(texts))
    assert [text for piece in pieces for text in piece] == texts
    for piece in pieces:
        assert 1 <= len(piece) <= embeddings.BATCH
        assert len(piece) == 1 or sum(map(count_tokens, piece)) <= embeddings.BATCH_TOKENS


def test_a_text_that_is_too_long_goes_alone() -> None:
    long = "x" * 3 * (embeddings.BATCH_TOKENS + 1)
    assert list(embeddings.batches(["a", long, "b"])) == [["a"], [long], ["b"]]
