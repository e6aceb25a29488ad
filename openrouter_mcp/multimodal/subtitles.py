"""What was said and when: read from replies, put together, written as lines, SRT and VTT. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

LONGEST_CUE = 6.0
"""Seconds of a subtitle that is made of words."""
LONGEST_LINE = 84
"""Characters of such a subtitle: two lines of 42."""


SHORTEST_CUE = 1.0
"""Seconds of a subtitle whose end is not known, at least."""
READ_A_SECOND = 15
"""Characters that people read in a second."""
FARTHEST = 40
"""Characters of the text within which the next word is looked for."""
CLOSING = frozenset(".,;:!?…%)]}»”’、。，．！？：；）］｝」』】")  # noqa: RUF001
OPENING = frozenset("([{«“‘¿¡（［｛「『【")  # noqa: RUF001
UNSPACED = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u2e80", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\uff00", "\uffef"),
    ("\U00020000", "\U0003ffff"),
)
"""First and last characters of scripts without spaces."""


@dataclass(frozen=True)
class Cue:
    """Words that were said from `start` to `end` (seconds), and by whom where that is known."""

    start: float
    end: float
    text: str
    speaker: str = ""
    spaced: bool = field(default=True, compare=False)
    """Whether a space is before the words."""


@dataclass(frozen=True)
class Spoken:
    """A transcript: the whole text, and its segments and words where they were asked for."""

    text: str
    segments: Sequence[Cue] = ()
    words: Sequence[Cue] = ()
    language: str = ""

    @property
    def cues(self) -> list[Cue]:
        """Subtitles: the segments, else words put together."""
        return [*self.segments] or _of_words(self.words)


def read(reply: Mapping[str, Any]) -> Spoken:
    """The transcript in a reply of `/audio/transcriptions`."""
    said = reply.get("text")
    text = said.strip() if isinstance(said, str) else ""
    segments = _cues(reply.get("segments"), "text", text)
    segments = _completed(segments, text) if segments else segments
    words = _cues(reply.get("words"), "word", text)
    return Spoken(
        text or _text(segments or words),
        segments,
        [_attributed(word, segments) for word in words],
        str(reply.get("language") or ""),
    )


def joined(parts: Iterable[tuple[float, Spoken]]) -> Spoken:
    """One transcript of the parts of a recording, each with the second at which it begins."""
    texts, segments, words, language = [], [], [], ""
    for start, part in parts:
        texts.append(part.text)
        segments += [_later(cue, start) for cue in part.segments]
        words += [_later(cue, start) for cue in part.words]
        language = language or part.language
    whole = ""
    for text in filter(None, texts):
        whole += f" {text}" if _apart(whole, text) else text
    return Spoken(whole, segments, words, language)


def lines(spoken: Spoken, timestamps: str) -> str:
    """The transcript to be read; by "segment" or "word" with the time, where there is one."""
    cues = spoken.words if timestamps == "word" and spoken.words else spoken.cues
    if timestamps == "none" or not cues:
        turns = groupby(spoken.segments, key=lambda cue: cue.speaker)
        told = [(who, _text(said)) for who, said in turns]
        if not any(who for who, _ in told):
            return spoken.text
        return "\n".join(f"{who}: {said}" if who else said for who, said in told)
    precise = timestamps == "word"
    return "\n".join(f"[{_clock(cue.start, precise=precise)}] {_told(cue)}" for cue in cues)


def srt(cues: Iterable[Cue]) -> str:
    """Subtitles in the format SubRip."""
    blocks = [
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{_told(cue)}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """Subtitles in the format WebVTT."""
    blocks = []
    for cue in cues:
        # What looks like a tag or an arrow would not be text.
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        voice = cue.speaker.replace(">", "").replace("<", "")
        said = f"<v {voice}>{text}" if voice else text
        blocks.append(f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{said}\n")
    return "\n".join(["WEBVTT\n", *blocks])


def _cues(rows: object, name: str, text: str) -> list[Cue]:
    """The rows that have words, whatever else they lack; `text` is all that was said."""
    found: list[Cue] = []
    listed = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    said = [(_words(row, name), row) for row in listed]
    said = [(words, row) for words, row in said if words.strip()]
    starts = [_seconds(row, "start") for _, row in said]
    spaced = _spaced([words for words, _ in said], text)
    for place, (words, row) in enumerate(said):
        before = found[-1].end if found else 0.0
        begun = starts[place]
        begun = before if begun is None else begun
        end = _seconds(row, "end")
        line = " ".join(words.split())
        if end is None:
            end = next((start for start in starts[place + 1 :] if start is not None), begun)
        if end <= begun and name == "text":
            end = begun + _reading(line)
        found.append(Cue(begun, max(begun, end), line, _speaker(row), spaced[place]))
    return found


def _reading(line: str) -> float:
    """Seconds that it takes to read a subtitle: what is shown for no time is not seen."""
    return max(SHORTEST_CUE, len(line) / READ_A_SECOND)


def _completed(cues: list[Cue], text: str) -> list[Cue]:
    """The cues with others between them for what `text` alone says, if that has all of theirs."""
    whole, at, complete = " ".join(text.split()), 0, list[Cue]()
    for cue in [*cues, None]:
        place = whole.find(cue.text, at) if cue else len(whole)
        if place < 0:
            return cues
        if any(map(str.isalnum, between := whole[at:place])):
            begun = complete[-1].end if complete else 0.0
            end = max(cue.start if cue else 0.0, begun + SHORTEST_CUE)
            complete.append(Cue(begun, end, between.strip(), spaced=between[0].isspace()))
        if cue:
            complete.append(cue)
            at = place + len(cue.text)
    return complete


def _words(row: Mapping[str, Any], name: str) -> str:
    """What a row says, by itself or word by word."""
    for field_name in (name, "text", "word", "punctuated_word"):
        if (value := row.get(field_name)) and isinstance(value, str) and value.strip():
            return value
    inner = row.get("words")
    return _text(_cues(inner, "word", "")) if isinstance(inner, list) else ""


def _seconds(row: Mapping[str, Any], name: str) -> float | None:
    """A time of a row; None if it has none that is one."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _spaced(said: Sequence[str], text: str) -> list[bool]:
    """Whether a space is before each of the words.

    As they bring it themselves, else as it is in the text that they are from, else as people write.
    """
    if any(words != words.strip() for words in said):
        pairs = zip(["", *said], said, strict=False)
        return [before[-1:].isspace() or words[:1].isspace() for before, words in pairs]
    spaced, at, before = [], 0, ""
    for words in said:
        place = text.find(words, at, at + FARTHEST + len(words))
        if place < 0:
            spaced.append(_apart(before, words))
        else:
            spaced.append(place > at and any(map(str.isspace, text[at:place])))
            at = place + len(words)
        before = words
    return spaced


def _apart(before: str, words: str) -> bool:
    """Whether people write a space between these."""
    last, first = before[-1:], words[:1]
    if not last or not first or first in CLOSING or last in OPENING:
        return False
    return not (_is_unspaced(last) or _is_unspaced(first))


def _is_unspaced(character: str) -> bool:
    """Whether it is of a script that puts no spaces between words: Chinese, Japanese, Thai."""
    return any(low <= character <= high for low, high in UNSPACED)


def _text(cues: Iterable[Cue]) -> str:
    whole = ""
    for cue in cues:
        whole += f" {cue.text}" if whole and cue.spaced else cue.text
    return whole


def _attributed(word: Cue, segments: Iterable[Cue]) -> Cue:
    """The word with its speaker, whom only the segment around it may tell."""
    around = (cue.speaker for cue in segments if cue.start <= word.start < cue.end)
    return word if word.speaker else replace(word, speaker=next(around, ""))


def _speaker(row: Mapping[str, Any]) -> str:
    for name in ("speaker_label", "speaker"):
        if (label := row.get(name)) not in (None, ""):
            return f"Speaker {label}" if isinstance(label, int) else " ".join(str(label).split())
    return ""


def _later(cue: Cue, seconds: float) -> Cue:
    return replace(cue, start=cue.start + seconds, end=cue.end + seconds)


def _of_words(words: Sequence[Cue]) -> list[Cue]:
    cues: list[Cue] = []
    for word in words:
        last = cues[-1] if cues else None
        closes = not word.spaced and word.text[0] in CLOSING
        if (
            last is None
            or last.speaker != word.speaker
            or (not closes and word.end - last.start > LONGEST_CUE)
            or (not closes and len(last.text) + 1 + len(word.text) > LONGEST_LINE)
        ):
            cues.append(word)
        else:
            cues[-1] = replace(last, end=word.end, text=_text([last, word]))
    return cues


def _told(cue: Cue) -> str:
    return f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text


def _time(seconds: float, comma: str) -> str:
    """Hours, minutes, seconds and thousandths: 00:01:02,345."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{comma}{rest % 1000:03}"


def _clock(seconds: float, *, precise: bool) -> str:
    """Minutes and seconds, hours where there are some."""
    minutes, rest = divmod(seconds, 60)
    told = f"{rest:05.2f}" if precise else f"{int(rest):02}"
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{told}" if hours else f"{minutes:02}:{told}"
