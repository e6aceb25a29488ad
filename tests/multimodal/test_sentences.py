"""Long texts are divided where a speaker would pause."""

from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.multimodal import speech


def test_a_short_text_stays_whole() -> None:
    assert speech.pieces("  One. Two. ", 100) == ["One. Two."]
    assert speech.pieces("  ", 100) == []


def test_paragraphs_come_before_sentences_and_those_before_words() -> None:
    assert speech.pieces("First one. Yes.\n\nSecond one. No.", 30) == [
        "First one. Yes.",
        "Second one. No.",
    ]
    assert speech.pieces("First one here. Then the second one.", 20) == [
        "First one here.",
        "Then the second one.",
    ]
    assert speech.pieces("aaaa bbbb cccc", 9) == ["aaaa", "bbbb cccc"]


def test_a_sentence_may_end_with_a_quotation_or_in_chinese() -> None:
    assert speech.pieces('He said "Go." Then he went away.', 20)[0] == 'He said "Go."'
    assert speech.pieces("一二三四五。六七八九十。", 8) == ["一二三四五。", "六七八九十。"]


def test_a_word_that_is_too_long_is_cut() -> None:
    assert speech.pieces("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


@given(st.text(max_size=400), st.integers(1, 50))
def test_nothing_but_space_is_lost(text: str, longest: int) -> None:
    found = speech.pieces(text, longest)
    assert all(0 < len(piece) <= longest for piece in found)
    assert "".join("".join(found).split()) == "".join(text.split())
