"""What was said and when: read from replies, put together, written as lines, SRT and VTT. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

LONGEST_CUE = 6.0
"""Seconds of a subtitle that is made of words."""
LONGEST_LINE = 84
"""Characters of such a subtitle: two lines of 42."""


@dataclass(frozen=True)
class Cue:
    """Words that were said from `start` to `end` (seconds), and by whom where that is known."""

    start: float
    end: float
    text: str
    speaker: str = ""


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
    segments = _cues(reply.get("segments"), "text")
    return Spoken(
        str(reply.get("text") or "").strip(),
        segments,
        [_attributed(word, segments) for word in _cues(reply.get("words"), "word")],
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
    return Spoken(" ".join(text for text in texts if text), segments, words, language)


def lines(spoken: Spoken, timestamps: str) -> str:
    """The transcript to be read; by "segment" or "word" with the time, where there is one."""
    cues = spoken.words if timestamps == "word" and spoken.words else spoken.cues
    if timestamps == "none" or not cues:
        turns = groupby(spoken.segments, key=lambda cue: cue.speaker)
        told = [(who, " ".join(cue.text for cue in said)) for who, said in turns]
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


def _cues(rows: object, name: str) -> list[Cue]:
    found = []
    for row in rows if isinstance(rows, list) else []:
        match row:
            case {"start": int() | float() as start, "end": int() | float() as end}:
                text = " ".join(str(row.get(name) or "").split())
                if text:
                    begun = max(0.0, float(start))
                    found.append(Cue(begun, max(begun, float(end)), text, _speaker(row)))
    return found


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
        if (
            last is None
            or last.speaker != word.speaker
            or word.end - last.start > LONGEST_CUE
            or len(last.text) + 1 + len(word.text) > LONGEST_LINE
        ):
            cues.append(word)
        else:
            cues[-1] = replace(last, end=word.end, text=f"{last.text} {word.text}")
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
