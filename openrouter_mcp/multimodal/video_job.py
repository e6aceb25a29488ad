"""A video from its order to its file; whichever process asks for it, it is paid once.

Source: `POST /videos`, `GET /videos/{id}`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from fastmcp.tools import ToolResult

from openrouter_mcp.api import failures, responses
from openrouter_mcp.api.responses import PERHAPS_BILLED, translating_errors
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.files.kinds import HEAD, MediaType, film, is_text
from openrouter_mcp.files.save import Destination, Draft, destination
from openrouter_mcp.jobs import unsaved
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.jobs.paid_calls import paid_in_vain
from openrouter_mcp.models.catalogue import unreadable
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import dollars
from openrouter_mcp.multimodal import replies
from openrouter_mcp.progress import Report
from openrouter_mcp.results import UNKNOWN_TYPE, SavedFile
from openrouter_mcp.settings import Settings, variable
from openrouter_mcp.spending import receipts
from openrouter_mcp.spending.cost import Cost, completed, of_usage
from openrouter_mcp.spending.estimate import Bound
from openrouter_mcp.spending.paid_request import (
    PaidRequest,
    Purchase,
    audit,
    statistics_in_time,
)
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.text import clean, duration, parse_json

if TYPE_CHECKING:
    import httpx2

TOOL = "generate_video"
PATH = "/videos"
FRUITLESS_ATTEMPTS = 4
"""Attempts in a row that bring nothing, after which a download is given up."""
RETRY_WAIT = 0.5
"""Seconds before the second attempt; doubled each time."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")
ENDED = {"completed", "failed", "cancelled", "expired"}
OTHER_WORDS = {
    **dict.fromkeys(("succeeded", "success", "successful", "complete", "done"), "completed"),
    **dict.fromkeys(("finished", "ready"), "completed"),
    **dict.fromkeys(("error", "errored", "failure"), "failed"),
    **dict.fromkeys(("canceled", "aborted"), "cancelled"),
    "timed_out": "expired",
}
"""How others than OpenRouter call the ends of a video."""
FIRST_WAIT = 0.125
"""The first wait for a video, as a share of the longest."""
SLOWER = 1.5
SUFFIXES = (".mp4", ".webm", ".mov")
"""Of the containers that every player opens."""
UNKNOWN_AT_FIRST = 5
"""How often OpenRouter may not know a job that it has just taken."""
BILLED_ON = (
    "OpenRouter cannot stop a video that it has begun: it is finished and billed all the same."
)


async def download(
    app: App,
    job_id: str,
    index: int,
    place: Destination,
    handle: Handle,
) -> SavedFile:
    """Save one video of a job; where it cannot be written, where such files are kept.

    Raises `UPSTREAM_ERROR`, `NETWORK`, `TOO_LARGE`, `INTERNAL`.
    """
    try:
        return await _into(app, job_id, index, place, handle.report)
    except OSError as error:
        for directory in await asyncio.to_thread(handle.unsaved_directories):
            with suppress(OSError):
                instead = replace(place, directory=directory)
                saved = await _into(app, job_id, index, instead, handle.report)
                return replace(saved, note=unsaved.note(handle.job_id, place, error))
        raise OpenRouterError(
            Code.INTERNAL,
            f"The video is done, but could not be saved in {place.failed(error)} nor "
            f"anywhere else. {unsaved.next_call(handle.job_id, place)}",
        ) from None


async def _into(app: App, job_id: str, index: int, place: Destination, report: Report) -> SavedFile:
    with ExitStack() as stack:
        file = await asyncio.to_thread(_opened, stack, place.directory)
        size = await _Download(app, job_id, index, file, report).whole()
        kind, note = await asyncio.to_thread(_kind, file)
        path = await asyncio.to_thread(file.publish, place.stem, place.ending(kind.suffix))
    return SavedFile(path, size, kind.mime, f"{place.renaming(kind.suffix)} {note}".strip())


def _opened(stack: ExitStack, directory: Path) -> Draft:
    return stack.enter_context(save.draft(directory))


def _kind(file: Draft) -> tuple[MediaType, str]:
    """What was downloaded, told from its bytes, and a note on what few players open.

    Raises `UPSTREAM_ERROR` for what is a text or nothing.
    """
    file.content.seek(0)
    head = file.content.read(HEAD)
    file.content.seek(0, 2)
    if is_text(head):
        raise OpenRouterError(Code.UPSTREAM_ERROR, "What OpenRouter sent is no video.")
    found = film(head)
    if found is None:
        return MediaType(".bin", UNKNOWN_TYPE), "This is no video of a kind that is known here."
    if found.suffix in SUFFIXES:
        return found, ""
    return found, f"Not every player opens {found.format}."


class _Download:
    """One file on its way; `size` bytes of it are there."""

    def __init__(self, app: App, job_id: str, index: int, file: Draft, report: Report) -> None:
        self._app = app
        self._path = f"/videos/{quote(job_id, safe='')}/content?index={index}"
        self._file = file
        self._report = report
        self._size = 0
        self._total = 0

    async def whole(self) -> int:
        """Fetch it, again from where it broke off; its size."""
        fruitless = 0
        while True:
            before = self._size
            try:
                await self._attempt()
            except OpenRouterError as error:
                fruitless = 0 if self._size > before else fruitless + 1
                if not error.retryable or fruitless >= FRUITLESS_ATTEMPTS:
                    raise
                await self._report(f"the download broke off at {self._size:,} bytes; going on")
                await self._app.timing.sleep(RETRY_WAIT * 2**fruitless)
            else:
                return self._size

    async def _attempt(self) -> None:
        headers = {"Range": f"bytes={self._size}-"} if self._size else {}
        async with self._app.client.open("get", self._path, headers=headers) as response:
            await self._begin(response)
            await translating_errors(partial(self._read, response))
        if self._total and self._size < self._total:
            raise OpenRouterError(Code.NETWORK, "The download broke off.", retryable=True)

    async def _begin(self, response: httpx2.Response) -> None:
        """Go on where it broke off; from the beginning if that is what is sent."""
        part = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        length = response.headers.get("content-length", "")
        if response.status_code == 206 and part and int(part[1]) == self._size:
            self._total = 0 if part[2] == "*" else int(part[2])
        else:
            self._size = 0
            self._total = int(length) if length.isdecimal() else 0
            await asyncio.to_thread(self._file.content.seek, 0)
            await asyncio.to_thread(self._file.content.truncate)
        self._check(self._total)

    async def _read(self, response: httpx2.Response) -> None:
        async for piece in response.aiter_bytes():
            self._check(self._size + len(piece))
            await asyncio.to_thread(self._file.content.write, piece)
            self._size += len(piece)
            await self._report(f"downloading the video: {self._size:,} bytes")

    def _check(self, size: int) -> None:
        limit = self._app.settings.video_gen_max_bytes
        if size > limit:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"The video has more than the {limit:,} bytes that "
                f"{variable('video_gen_max_bytes')} allows. Raise that and restart this server.",
            )


@dataclass(frozen=True)
class Order:
    """What a later process has to know to fetch a video: kept with the job."""

    model: str
    subject: str
    directory: str
    stem: str
    suffix: str
    at: float = field(default_factory=time.time)
    """When it was given, in unix seconds."""

    def to(self, place: Destination) -> Order:
        """The same for another place, under the same name unless that has one."""
        place = place.named(self.stem)
        return replace(self, directory=str(place.directory), stem=place.stem, suffix=place.suffix)

    def destination(self, settings: Settings) -> Destination:
        """Where the video is saved: in the output directory, whatever the store says. Blocks."""
        try:
            place = destination(settings, f"{self.directory}/", self.stem)
        except OpenRouterError:
            place = destination(settings, "", self.stem)
        return replace(place, suffix=self.suffix)


async def make(
    app: App, order: Order, model: Resolution, bound: Bound, purchase: Purchase, handle: Handle
) -> ToolResult:
    """Order a video, wait for it and save it. Raises `OpenRouterError` while it is not made."""
    handle.details = json.dumps(order.__dict__)
    # A job from the first second: should this process die now, somebody can tell.
    await handle.keep()
    async with purchase.request(model, bound) as paid:
        # From here on a cancelled call must not lose what is paid.
        handle.lasting = True
        job_id = await _undisturbed(_submit(app, paid, handle))
        with _to_go_on(handle):
            ended = await _ended(app, handle, job_id)
        paid.usage = responses.mapping(ended, "usage")
        paid.generation_id = responses.identifier(ended, "generation_id") or job_id
    receipt = await purchase.receipt(_quantity(ended))
    return await _deliver(app, order, job_id, ended, receipt, handle)


async def resume(app: App, handle: Handle, job_id: str) -> ToolResult:
    """Go on with a video that a process which died had ordered; nothing is paid again."""
    try:
        order = Order(**parse_json(handle.details))
    except (ValueError, TypeError):
        raise OpenRouterError(
            Code.JOB_FAILED,
            f"The record of this job is damaged. OpenRouter knows its video as {job_id[:100]}.",
        ) from None
    if handle.place:
        order = order.to(handle.place)
        handle.details = json.dumps(order.__dict__)
    handle.billing_note = BILLED_ON
    with _to_go_on(handle):
        ended = await _ended(app, handle, job_id)
    usage = responses.mapping(ended, "usage")
    generation_id = responses.identifier(ended, "generation_id") or job_id
    if of_usage(usage).total is None:
        # The status of a video tells OpenRouter's fee alone where the user's own key was billed.
        with suppress(OpenRouterError):
            found = await statistics_in_time(app.client, generation_id)
            usage = completed(usage, found or {})
    receipt = receipts.of_usage(
        Resolution(order.model, None, ""),
        usage,
        generation_id=generation_id,
        seconds=max(0.0, time.time() - order.at),
    )
    if receipt.cost is not None:
        await app.budget.settle(job_id, Cost(receipt.cost, receipt.upstream_cost))
    receipt = replace(receipt, quantity=_quantity(ended), budget=await app.budget.line())
    audit(app.settings, TOOL, receipt, order.subject)
    return await _deliver(app, order, job_id, ended, receipt, handle)


async def _submit(app: App, paid: PaidRequest, handle: Handle) -> str:
    """Order it, and keep its id before anything else can fail."""
    try:
        reply = await app.client.post(
            PATH, paid.body, on_headers=paid.on_headers, report=handle.report
        )
    except BaseException:
        handle.lasting = False
        raise
    reply = _job(reply)
    job_id = responses.identifier(reply, "id") or _in_address(reply)
    if not job_id:
        handle.lasting = False
        raise _nameless(paid)
    handle.billing_note = BILLED_ON
    # Written before the job, so that a process that finds the job finds its money too.
    await paid.identify(job_id)
    paid.goes_on = True
    await handle.upstream(job_id)
    return job_id


def _job(reply: object) -> dict[str, Any]:
    """The job in a reply, which may wrap it, its status in OpenRouter's word; empty if none."""
    job = {**reply, **responses.mapping(reply, "data")} if isinstance(reply, dict) else {}
    status = responses.text(job, "status").strip().lower()
    return {**job, "status": OTHER_WORDS.get(status, status)}


def _in_address(reply: object) -> str:
    """The id of a job at the end of the address where it is asked for; empty if there is none."""
    path = urlsplit(responses.text(reply, "polling_url")).path.rstrip("/")
    before, _, last = path.rpartition("/")
    return responses.identifier({"id": unquote(last)}, "id") if before.endswith(PATH) else ""


def _nameless(paid: PaidRequest) -> OpenRouterError:
    """The failure of an order whose answer names no id by which its video could be had."""
    known = f" It is the generation {paid.generation_id}." if paid.generation_id else ""
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        "OpenRouter took the order, but its answer has no id to fetch the video with."
        f"{known} {PERHAPS_BILLED}",
    )


def _quantity(ended: Mapping[str, Any]) -> str:
    return "1 video" if ended["status"] == "completed" else ""


async def _undisturbed(submitting: Any) -> str:
    """The result of work that goes on to its end even when this call is cancelled meanwhile."""
    task = asyncio.ensure_future(submitting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise


async def _ended(app: App, handle: Handle, job_id: str) -> Mapping[str, Any]:
    """The status of a video once it is done, whatever became of it.

    Raises `UPSTREAM_TIMEOUT` when it takes longer than the setting allows, `NOT_FOUND`.
    """
    loop = asyncio.get_running_loop()
    begun, longest = loop.time(), app.settings.video_poll_interval_ms / 1000
    most = app.settings.video_max_wait_ms / 1000
    wait, unknown, trouble = longest * FIRST_WAIT, 0, ""
    while True:
        status: Mapping[str, Any] = {}
        try:
            status = _job(await app.client.get(f"{PATH}/{quote(job_id, safe='')}"))
            unknown, trouble = 0, ""
            if not responses.text(status, "status"):
                trouble = _said(unreadable("the video"))
        except OpenRouterError as error:
            trouble = _said(error)
            unknown += error.code is Code.NOT_FOUND
            if unknown > UNKNOWN_AT_FIRST or not (error.retryable or unknown):
                raise
        if responses.text(status, "status") in ENDED:
            return status
        passed = loop.time() - begun
        if passed + wait > most:
            raise OpenRouterError(
                Code.UPSTREAM_TIMEOUT,
                f"The video is not done after {duration(passed)}, and "
                f"{variable('video_max_wait_ms')} allows no longer wait.{trouble}",
            )
        said = clean(responses.text(status, "status") or "no answer", 40).replace("_", " ")
        await handle.report(f"video {job_id}: {said} after {duration(passed)}")
        await asyncio.sleep(wait)
        wait = min(longest, wait * SLOWER)


def _said(error: OpenRouterError) -> str:
    """What happened, without the advice to call again: that would order another video."""
    said, _, step = error.message.rpartition(". ")
    return f" {said}." if step.startswith("Call again") else f" {error.message}"


@contextmanager
def _to_go_on(handle: Handle) -> Generator[None]:
    """What is paid is not lost: whatever is worth another attempt can be had by the job's id."""
    try:
        yield
    except OpenRouterError as error:
        if error.code is Code.NOT_FOUND:
            raise OpenRouterError(
                Code.NOT_FOUND,
                f"OpenRouter does not have the video {handle.upstream_id} any more. Call "
                "generate_video again if it is still wanted; you pay for another one.",
                http_status=error.http_status,
            ) from error
        raise OpenRouterError(
            error.code,
            f'{_said(error).strip()} get_job(job_id="{handle.job_id}") goes on with it; nothing is '
            "paid again.",
            http_status=error.http_status,
        ) from error


async def _deliver(
    app: App,
    order: Order,
    job_id: str,
    ended: Mapping[str, Any],
    receipt: Receipt,
    handle: Handle,
) -> ToolResult:
    """Save what was made; a failure with its receipt if nothing was, or it cannot be had."""
    if ended["status"] != "completed":
        return paid_in_vain(_failed(ended, receipt), receipt)
    urls = ended.get("unsigned_urls")
    count = max(1, len(urls) if isinstance(urls, list) else 0)
    try:
        place = await asyncio.to_thread(order.destination, app.settings)
        with _to_go_on(handle):
            made = [await download(app, job_id, index, place, handle) for index in range(count)]
    except OpenRouterError as error:
        return paid_in_vain(error, receipt)
    head = f"{'The video' if count == 1 else f'{count} videos'} by {order.model}:"
    extend = f'To go on with it: generate_video(extend="{handle.job_id}").'
    return replies.files(head, made, receipt, notes=[extend])


def _failed(ended: Mapping[str, Any], receipt: Receipt) -> OpenRouterError:
    what = {"failed": "failed", "cancelled": "was cancelled", "expired": "expired"}
    reason = clean(failures.words(ended.get("error") or ""))
    said = f" ({reason.rstrip('.')})" if reason else ""
    if receipt.cost is None:
        billed = "What was billed is not known yet (get_generation)"
    else:
        billed = f"{dollars(receipt.cost) if receipt.cost else 'Nothing'} was billed"
    return OpenRouterError(
        Code.JOB_FAILED,
        f"The video {what[str(ended['status'])]} at OpenRouter{said}. {billed}, for "
        f"{receipt.generation_id}. Rephrase the prompt or choose another model, and call again.",
    )
