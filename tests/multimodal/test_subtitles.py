"""Transcripts with times: read, put together, written as lines and subtitles."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.multimodal import subtitles
from openrouter_mcp.multimodal.subtitles import Cue, Spoken

REPLY = {
    "text": " Hello there. Go on. ",
    "language": "en",
    "segments": [
        {"id": 0, "start": 0, "end": 1.5, "text": " Hello there.", "speaker": 0},
        {"id": 1, "start": 3661.25, "end": 3662, "text": " Go on.", "speaker_label": "Ann"},
    ],
}


def test_a_reply_is_read_with_times_and_speakers() -> None:
    spoken = subtitles.read(REPLY)
    assert spoken.text == "Hello there. Go on."
    assert spoken.segments == [
        Cue(0, 1.5, "Hello there.", "Speaker 0"),
        Cue(3661.25, 3662, "Go on.", "Ann"),
    ]


def test_a_reply_that_is_not_as_documented_is_read_as_far_as_it_goes() -> None:
    odd = {"text": "x", "segments": [None, {"start": "0"}, {"start": 2, "end": 1, "text": "y"}]}
    assert subtitles.read(odd) == Spoken("x", [Cue(2, 3, "y")], [])


def test_subrip_has_numbers_and_thousandths_after_a_comma() -> None:
    assert subtitles.srt(subtitles.read(REPLY).cues) == (
        "1\n00:00:00,000 --> 00:00:01,500\nSpeaker 0: Hello there.\n"
        "\n2\n01:01:01,250 --> 01:01:02,000\nAnn: Go on.\n"
    )


def test_webvtt_has_a_head_voices_and_no_tags_in_what_was_said() -> None:
    made = subtitles.vtt([Cue(0, 1, "a <b> & c --> d"), Cue(1, 2, "hi", "Ann")])
    assert made.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &lt;b&gt; &amp; c --&gt; d")
    assert "<v Ann>hi" in made


def test_lines_name_times_and_speakers_as_asked() -> None:
    spoken = subtitles.read(REPLY)
    assert subtitles.lines(spoken, "segment").splitlines()[1] == "[1:01:01] Ann: Go on."
    assert subtitles.lines(spoken, "none") == "Speaker 0: Hello there.\nAnn: Go on."
    assert subtitles.lines(Spoken("plain"), "word") == "plain"


def test_parts_of_a_recording_go_on_where_the_one_before_ended() -> None:
    part = Spoken("a", [Cue(0, 1, "a")], [Cue(0, 1, "a")], "en")
    whole = subtitles.joined([(0, part), (600, part), (1200, Spoken(""))])
    assert whole.text == "a a"
    assert [cue.start for cue in whole.segments] == [0, 600]
    assert [cue.end for cue in whole.words] == [1, 601]


def test_words_alone_become_subtitles_of_readable_length() -> None:
    words = [Cue(n, n + 1, f"word{n}") for n in range(14)]
    cues = Spoken("", [], words).cues
    assert [(cue.start, cue.end) for cue in cues] == [(0, 6), (6, 12), (12, 14)]
    assert cues[2].text == "word12 word13"


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=20))
def test_times_are_always_well_formed(times) -> None:
    made = subtitles.srt([Cue(start, end, "x") for start, end in times])
    stamps = re.findall(
        r"^\d\d+:[0-5]\d:[0-5]\d,\d{3} --> \d\d+:[0-5]\d:[0-5]\d,\d{3}$", made, re.M
    )
    assert len(stamps) == len(times)


def subtitled(text: str, *words: str) -> str:
    rows = [{"word": word, "start": i / 9, "end": (i + 1) / 9} for i, word in enumerate(words)]
    (cue,) = subtitles.read({"text": text, "words": rows}).cues
    return cue.text


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world! (Yes.)", ["Hello", ",", "world", "!", "(", "Yes", ".", ")"]),
        ("今天天气很好。", ["今天", "天气", "很", "好", "。"]),
        ("これはテストです。", ["これ", "は", "テスト", "です", "。"]),
        ("สวัสดีครับ", ["สวัสดี", "ครับ"]),
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("¿Qué tal? 50 %", ["¿", "Qué", "tal", "?", "50", " %"]),
    ],
)
def test_words_are_joined_as_people_write(known: bool, text: str, words: list[str]) -> None:
    if any(word != word.strip() for word in words):
        words = [word.strip() for word in words]
        text = text.replace(" %", "%") if not known else text
    assert subtitled(text if known else "", *words) == text


@pytest.mark.parametrize("said", ["I don't know.", "Well-known: 3.5 l", "a/b 今天 c"])
def test_words_are_joined_as_the_text_has_them(said: str) -> None:
    pieces = re.findall(r"\w+|[^\w\s]", said)
    assert subtitled(said, *pieces) == said


def test_words_are_joined_as_the_model_spaced_them() -> None:
    assert subtitled("", " I", " do", "n't", " know", ".") == "I don't know."
    assert subtitled("", "今 ", "天") == "今 天"


LACKS = [
    {"text": "Two."},
    {"text": "Two.", "start": None, "end": None},
    {"text": "Two.", "start": 1.0},
    {"text": "Two.", "end": 2.0},
    {"text": "Two.", "start": "1.0", "end": "2.0"},
    {"text": "Two.", "start": [], "end": {}},
    {"start": 1.0, "end": 2.0, "words": [{"word": "Two."}]},
    {"text": None, "start": 1.0, "words": [{"word": " Two", "start": 1}, {"word": "."}]},
]


@pytest.mark.parametrize("second", LACKS, ids=repr)
def test_no_sentence_is_lost_whatever_a_segment_lacks(second: dict) -> None:
    first, third = {"text": "One.", "start": 0, "end": 1}, {"text": "Three.", "start": 2, "end": 3}
    spoken = subtitles.read({"text": "One. Two. Three.", "segments": [first, second, third]})
    assert [cue.text for cue in spoken.segments] == ["One.", "Two.", "Three."]
    assert [cue.start for cue in spoken.segments] == [0, 1, 2]
    assert spoken.segments[1].end in (1.0, 2.0)


@pytest.mark.parametrize(
    ("segments", "shown"),
    [
        ([{"text": "One."}, {"text": "Two."}], [(0, 1), (1, 2)]),
        ([{"start": 0, "text": "One."}, {"start": 3, "text": "Two."}], [(0, 3), (3, 4)]),
        ([{"start": 5, "end": 5, "text": "x" * 60}], [(5, 9)]),
    ],
)
def test_no_sentence_is_shown_for_no_time(segments: list, shown: list) -> None:
    cues = subtitles.read({"segments": segments}).cues
    assert [(cue.start, cue.end) for cue in cues] == shown


@pytest.mark.parametrize("lacking", [{}, {"text": None}, {"text": " "}, None])
def test_what_the_text_alone_says_is_shown_where_it_was_said(lacking: dict | None) -> None:
    said = {"start": 2, "end": 4, "text": "Two."}
    timed = lacking if lacking is None else {"start": 0, "end": 2, **lacking}
    spoken = subtitles.read({"text": "One, one. Two.  Three!", "segments": [timed, said, {}]})
    assert spoken.cues == [Cue(0, 2, "One, one."), Cue(2, 4, "Two."), Cue(4, 5, "Three!")]
    assert subtitles.lines(spoken, "none") == "One, one. Two.  Three!"
    # What is written otherwise there cannot be told from what is missing.
    other = subtitles.read({"text": "One. Two?", "segments": [said]})
    assert other.cues == [Cue(2, 4, "Two.")]


def test_no_subtitle_is_a_full_stop_alone() -> None:
    said = [*["word"] * 20, ".", "”"]
    rows = [{"word": word, "start": i / 3, "end": i / 3 + 0.3} for i, word in enumerate(said)]
    texts = [cue.text for cue in subtitles.read({"words": rows}).cues]
    assert texts[-1].startswith("word")
    assert texts[-1].endswith("word.”")


def test_a_reply_without_its_whole_text_is_made_of_its_segments() -> None:
    rows = [{"text": "今天"}, {"text": "很好。"}]
    assert subtitles.read({"segments": rows}).text == "今天很好。"
    assert subtitles.joined([(0, Spoken("今天。")), (9, Spoken("很好。"))]).text == "今天。很好。"
