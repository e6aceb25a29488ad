"""How texts are divided into requests."""

from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.multimodal import embed
from openrouter_mcp.multimodal.documents import count_tokens


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
