"""Speech to text, with times and speakers, as a reply or a file of subtitles.

Source: `POST /audio/transcriptions`.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from fastmcp.tools import ToolResult

from openrouter_mcp import programs
from openrouter_mcp.api.request_body import Encoded
from openrouter_mcp.app import App
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.files.attach import Files
from openrouter_mcp.files.save import Destination, destination
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models import choose, prices
from openrouter_mcp.models.catalogue import unreadable
from openrouter_mcp.models.choose import Requirements
from openrouter_mcp.models.model import Model
from openrouter_mcp.multimodal import replies, subtitles
from openrouter_mcp.multimodal.plan import MediaPlan, limit_of
from openrouter_mcp.multimodal.subtitles import Spoken
from openrouter_mcp.results import UNTRUSTED_META, SavedFile
from openrouter_mcp.settings import environment
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.text import clean

# Only what is in the file itself: a playlist could name other files and addresses.
RECORDINGS = "aac,aiff,amr,asf,au,avi,caf,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,w64,wav,wv"
"""The containers that ffmpeg may read: a playlist would have it open other files."""
FFMPEG_OPTIONS = (
    *("-hide_banner", "-nostdin", "-protocol_whitelist", "file,pipe"),
    *("-format_whitelist", RECORDINGS),
)
FIND_SILENCE = "silencedetect=noise=-35dB:duration=0.35"
# Small, and every model takes it; voices need no more than 16 kHz.
ENCODE_SPEECH = ("-vn", "-ac", "1", "-ar", "16000", "-c:a", "libmp3lame", "-b:a", "64k")
SOUND_LINE = ("Stream #", ": Audio:")
DURATION_LINE = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
GUESSED_LINE = "Estimating duration"
TIME_LINE = re.compile(r"time=(\d+):(\d\d):(\d\d(?:\.\d+)?)")
SILENCE_LINE = re.compile(r"silence_(start|end): (-?\d+(?:\.\d+)?)")
FFMPEG_LIMIT = 600.0
"""Seconds after which a run of ffmpeg is given up."""
FORMATS = frozenset({"wav", "mp3", "flac", "m4a", "ogg", "webm", "aac"})
"""The formats that `/audio/transcriptions` takes."""
LARGEST_WHOLE = 25_000_000
"""Bytes of a recording that is sent whole."""
LONGEST_PART = 600.0
"""Seconds of one part: providers have a minute to write it down."""
LEAST_RATE = {"wav": 16_000, "flac": 8_000, "mp3": 4_000}
OTHER_RATE = 2_000
"""Bytes of a second of speech at the very least, where nobody can say how long it plays."""
PATH = "/audio/transcriptions"
MIME = {
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".txt": "text/plain",
    ".json": "application/json",
}
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z\d]{2,8})*")
"""An ISO-639 code, of two or three letters; script and region may follow."""
HOUR = 3600
HIGHEST_PRICE = Decimal("0.5")
"""USD for an hour, above which a model is not chosen unasked."""
# The catalogue does not say for what unit a price is; its order of magnitude does.
PER_HOUR = Decimal("0.05")
PER_MINUTE = Decimal("0.0005")
TOKENS_PER_SECOND = 15
PROVIDER = frozenset({"options", "zdr", "data_collection"})
"""The routing preferences that `/audio/transcriptions` knows."""


@dataclass(frozen=True)
class Part:
    """A stretch of sound, in seconds from its beginning."""

    start: float
    end: float


def at_hand() -> str:
    """The path of ffmpeg; empty where it is not installed."""
    return programs.find("ffmpeg", environment())


async def duration(file: Path) -> float:
    """Seconds that a file plays; 0 where that cannot be told.

    Raises `UNSUPPORTED_FORMAT`, also where there is nothing to hear.
    """
    said = await _run("-i", str(file), "-t", "0", "-f", "null", "-")
    if not any(all(word in line for word in SOUND_LINE) for line in said.splitlines()):
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT, "There is no sound in this file. Name one with sound."
        )
    found = DURATION_LINE.search(said)
    if found is None or GUESSED_LINE in said:
        # A live recording says nothing and AAC next to nothing: a guess would lose the end.
        said = await _run("-stats", "-i", str(file), "-vn", "-f", "null", "-")
        found = next(reversed([*TIME_LINE.finditer(said)]), None)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0


async def silences(file: Path) -> list[Part]:
    """Where nobody speaks. Raises `UNSUPPORTED_FORMAT`."""
    said = await _run("-i", str(file), "-vn", "-af", FIND_SILENCE, "-f", "null", "-")
    found: list[Part] = []
    begun = 0.0
    for match in SILENCE_LINE.finditer(said):
        if match[1] == "start":
            begun = max(0.0, float(match[2]))
        else:
            found.append(Part(begun, float(match[2])))
    return found


async def extract(file: Path, part: Part, target: Path) -> None:
    """Write a part of the sound to `target` as MP3. Raises `UNSUPPORTED_FORMAT`."""
    cut = ("-ss", f"{part.start:.3f}", "-t", f"{part.end - part.start:.3f}")
    await _run(*cut, "-i", str(file), *ENCODE_SPEECH, str(target))


def parts(length: float, quiet: list[Part], longest: float) -> list[Part]:
    """Parts of at most `longest` seconds, cut in the middle of the last silence before that. Pure.

    Where nobody is silent for so long, the cut is made there.
    """
    found: list[Part] = []
    start = 0.0
    while length - start > longest:
        middles = [(silence.start + silence.end) / 2 for silence in quiet]
        # A cut in the first half would make crumbs.
        possible = [m for m in middles if start + longest / 2 <= m <= start + longest]
        end = max(possible, default=start + longest)
        found.append(Part(start, end))
        start = end
    return [*found, Part(start, length)]


async def _run(*arguments: str) -> str:
    """What ffmpeg said. Raises `UNSUPPORTED_FORMAT` with its last line where it failed."""
    process = await asyncio.create_subprocess_exec(
        at_hand(),
        *FFMPEG_OPTIONS,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(FFMPEG_LIMIT):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode("utf-8", "replace")
    if process.returncode:
        last = (text.strip().splitlines() or ["nothing"])[-1]
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"ffmpeg cannot read this file: {last[:200]}. Convert it to MP3 and call again.",
        )
    return text


@dataclass(frozen=True)
class Recording:
    """One recording: its bytes, OpenRouter's word for its format, how long it plays at most."""

    name: str
    data: Encoded
    format: str
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether one request can hold it."""
        short = self.seconds <= LONGEST_PART or not at_hand()
        return self.format in FORMATS and self.data.size <= LARGEST_WHOLE and short


async def find(files: Files, name: str) -> Recording:
    """The recording that a path or an address means.

    Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`, and what `Files.parts` raises.
    """
    attached = await files.parts([name])
    if len(attached.parts) != 1:
        raise OpenRouterError(
            Code.INVALID_INPUT, f"{name} means {len(attached.parts)} files. Name one recording."
        )
    data, kind = _sound(attached.parts[0], name)
    seconds = data.size / LEAST_RATE.get(kind, OTHER_RATE)
    if at_hand():
        async with _copied(data) as copy:
            seconds = await duration(copy) or seconds
    found = Recording(data.name, data, kind, seconds)
    if not found.whole and not at_hand():
        what = (
            f"has {data.size:,} bytes, and {LARGEST_WHOLE:,} can be sent at once"
            if kind in FORMATS
            else f"is {kind.upper() or 'a format'} that cannot be transcribed as it is"
        )
        raise OpenRouterError(
            Code.TOO_LARGE if kind in FORMATS else Code.UNSUPPORTED_FORMAT,
            f"{data.name} {what}. Install ffmpeg, with which it is converted and divided by "
            "itself, or convert it to MP3 and divide it yourself.",
        )
    return found


def _sound(part: Mapping[str, Any], name: str) -> tuple[Encoded, str]:
    """The bytes of a content part that can be heard, and their format."""
    match part:
        case {"input_audio": {"data": Encoded() as data, "format": str(kind)}}:
            return data, kind
        case {"video_url": {"url": Encoded() as data}}:
            kind = data.prefix.removeprefix("data:video/").partition(";")[0]
            return Encoded(data.name, "", data.size, data.open), kind
    raise OpenRouterError(
        Code.UNSUPPORTED_FORMAT,
        f"{name} is no recording. Name a file of sound (wav, mp3, flac, m4a, ogg, webm, aac).",
    )


@asynccontextmanager
async def divided(recording: Recording) -> AsyncGenerator[list[tuple[Part, Recording]]]:
    """The recording in parts that one request can hold, cut where nobody speaks.

    The parts are there until the block ends. Raises `UNSUPPORTED_FORMAT`.
    """
    if recording.whole:
        yield [(Part(0.0, recording.seconds), recording)]
        return
    async with _copied(recording.data) as copy:
        quiet = await silences(copy)
        found = []
        for number, part in enumerate(parts(recording.seconds, quiet, LONGEST_PART)):
            target = copy.with_name(f"part-{number}.mp3")
            await extract(copy, part, target)
            size = (await asyncio.to_thread(target.stat)).st_size
            data = Encoded(f"{recording.name}, part {number + 1}", "", size, _opener(target))
            found.append((part, Recording(data.name, data, "mp3", part.end - part.start)))
        yield found


@asynccontextmanager
async def _copied(data: Encoded) -> AsyncGenerator[Path]:
    """A copy in a directory of its own: what was checked is what ffmpeg reads."""
    directory = await asyncio.to_thread(lambda: Path(tempfile.mkdtemp(prefix="openrouter-")))
    try:
        copy = directory / "recording"
        await asyncio.to_thread(_copy, data, copy)
        yield copy
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _copy(data: Encoded, target: Path) -> None:
    with data.open() as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)


def _opener(path: Path) -> Any:
    def opened() -> BinaryIO:
        return path.open("rb")

    return opened


@dataclass(kw_only=True)
class TranscriptionPlan(MediaPlan):
    """The request for each part of a recording; its bytes are put in when it is sent."""

    recording: Recording
    body: Mapping[str, Any]
    timestamps: str
    destination: Destination | None

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Pay for the transcript, show it, and save it where that is wanted.

        Raises `OpenRouterError`; when a later part fails, what came before it is shown.
        """
        if self.destination:
            await asyncio.to_thread(self.destination.prepare)
        done, seconds, parts, error = await _all_parts(self, purchase)
        notes = [*self.notes]
        if parts > 1:
            notes.append(f"The recording was transcribed in {parts} parts, cut at pauses.")
            if self.body.get("diarize"):
                notes.append("The speakers are numbered separately in each part.")
        if error:
            notes.append(f"Only {len(done)} of {parts} parts could be transcribed.")
        whole = subtitles.joined(done)
        receipt = await purchase.receipt(f"{seconds:.1f} s of sound" if seconds else "")
        made = await asyncio.to_thread(_made, self, whole, notes, handle)
        shown = await save.shown_text(
            purchase.settings,
            subtitles.lines(whole, self.timestamps) or "[Nothing was said.]",
            receipt.generation_id,
        )
        return replies.files(
            shown.text,
            made,
            receipt,
            notes=[*notes, *shown.notes],
            error=error,
            meta={UNTRUSTED_META: True, **shown.meta},
        )


async def plan_transcription(
    app: App,
    file: str,
    *,
    model: str,
    language: str,
    timestamps: str,
    speakers: bool,
    save_to: str,
    max_cost: float,
    options: Mapping[str, Any],
) -> TranscriptionPlan:
    """The request for these arguments. Raises what `recordings.find` and `destination` raise."""
    extra = request_options.checked(options)
    spoken = _language(language)
    recording = await find(app.files, file)
    stem = PurePath(recording.name).stem or "transcript"
    place = None
    if save_to:
        place = await asyncio.to_thread(destination, app.settings, save_to, stem, *MIME)
    named = model or str(extra.pop("model", ""))
    found = await app.chooser.choose(named, _requirements(speakers=speakers))
    body = {**extra, "model": found.id}
    if spoken:
        body["language"] = spoken
    subtitled = place is not None and place.suffix in {".srt", ".vtt"}
    body |= _detail(timestamps, speakers=speakers, subtitled=subtitled)
    body |= _routing(request_options.provider(body, app.settings))
    return TranscriptionPlan(
        tool="transcribe_audio",
        model=found,
        path=PATH,
        request={**body, "input_audio": f"{recording.name} ({recording.data.size:,} bytes)"},
        most=transcription_cost(found.model, recording.seconds),
        limit=limit_of(app, max_cost),
        subject=recording.name,
        recording=recording,
        body=body,
        timestamps=timestamps,
        destination=place,
    )


def _language(asked: str) -> str:
    """The code of a language as OpenRouter wants it. Raises `INVALID_INPUT`."""
    code = asked.strip().lower().replace("_", "-")
    if code and not LANGUAGE.fullmatch(code):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"language takes an ISO-639 code such as en, de or pt-BR, not {clean(asked, 40)!r}. "
            "Correct that, or leave it out to have the language recognised.",
        )
    return code


def _routing(preferences: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in preferences.items() if name in PROVIDER}
    return {"provider": known} if known else {}


def _detail(timestamps: str, *, speakers: bool, subtitled: bool) -> dict[str, Any]:
    """How much a reply is to tell beside the text."""
    if timestamps == "none" and not speakers and not subtitled:
        return {}
    granularities = ["segment", "word"] if timestamps == "word" else ["segment"]
    detail = {"response_format": "verbose_json", "timestamp_granularities": granularities}
    return {**detail, "diarize": True} if speakers else detail


def _requirements(*, speakers: bool) -> Requirements:
    async def price(model: Model) -> Decimal | None:
        return transcription_cost(model, HOUR)

    def tells_speakers(endpoint: Mapping[str, Any]) -> bool:
        return endpoint.get("supports_diarization", True) is True

    return Requirements(
        output=("transcription",),
        default="default_transcription_model",
        price=price,
        below=HIGHEST_PRICE,
        unit="an hour",
        endpoint=tells_speakers if speakers else choose.any_endpoint,
        ability="telling speakers apart" if speakers else "",
    )


async def _all_parts(
    plan: TranscriptionPlan, purchase: Purchase
) -> tuple[list[tuple[float, Spoken]], float, int, OpenRouterError | None]:
    """What is said in the parts and when each begins, the seconds billed, the number of parts.

    Also why there are not more, where a later part failed.
    """
    done: list[tuple[float, Spoken]] = []
    seconds = 0.0
    async with divided(plan.recording) as parts:
        for part, recording in parts:
            if len(parts) > 1:
                await purchase.report(f"{plan.model.id}: part {len(done) + 1} of {len(parts)}")
            try:
                spoken, length = await _written_down(plan, recording, purchase, len(parts))
            except OpenRouterError as failure:
                if not done:
                    raise
                return done, seconds, len(parts), failure
            done.append((part.start, spoken))
            seconds += length
        return done, seconds, len(parts), None


async def _written_down(
    plan: TranscriptionPlan, recording: Recording, purchase: Purchase, parts: int
) -> tuple[Spoken, float]:
    """The transcript of one part, and the seconds that are billed for it (0 = not told)."""
    audio = {"data": recording.data, "format": recording.format}
    body = {**plan.body, "input_audio": audio}
    most = None if plan.most is None else plan.most / parts
    async with purchase.request(plan.model, estimate.media_bound(PATH, body, most)) as paid:
        reply = await purchase.client.post(
            PATH, paid.body, on_headers=paid.on_headers, report=purchase.report
        )
        paid.read(reply)
    if not isinstance(reply, dict) or not isinstance(reply.get("text"), str):
        raise unreadable("the transcript")
    told = paid.usage.get("seconds")
    return subtitles.read(reply), float(told) if isinstance(told, int | float) else 0.0


def _made(
    plan: TranscriptionPlan, spoken: Spoken, notes: list[str], handle: Handle
) -> list[SavedFile]:
    """The transcript as a file, in the format that its name says. Blocks."""
    place = plan.destination
    if place is None:
        return []
    suffix = place.suffix or ".txt"
    if suffix in {".srt", ".vtt"} and not spoken.cues:
        notes.append(f"{plan.model.id} gave no times, so there are no subtitles.")
        suffix = ".txt"
    text = {
        ".srt": lambda: subtitles.srt(spoken.cues),
        ".vtt": lambda: subtitles.vtt(spoken.cues),
        ".txt": lambda: subtitles.lines(spoken, plan.timestamps),
        ".json": lambda: _json(spoken),
    }[suffix]()
    return [handle.save(place, text.encode(), suffix, MIME[suffix])]


def _json(spoken: Spoken) -> str:
    about = {
        "text": spoken.text,
        "language": spoken.language,
        "segments": [vars(cue) for cue in spoken.segments],
        "words": [vars(cue) for cue in spoken.words],
    }
    return json.dumps(about, ensure_ascii=False, indent=1)


def transcription_cost(model: Model | None, seconds: float) -> Decimal | None:
    """USD that the transcript can cost at most; None where the catalogue lists no price."""
    if model and model.is_free:
        return Decimal(0)
    listed = prices.listed(model, "prompt", "completion")
    if listed is None:
        return None
    prompt, completion = listed
    length = Decimal(str(seconds))
    if completion > 0:
        return length * TOKENS_PER_SECOND * (prompt + completion)
    if prompt <= 0:
        return None
    if prompt >= PER_HOUR:
        return prompt * length / HOUR
    return prompt * length / 60 if prompt >= PER_MINUTE else prompt * length
