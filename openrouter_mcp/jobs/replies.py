"""Jobs as the results that an MCP client shows: what there is so far, how it ended, what next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp import results
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError
from openrouter_mcp.jobs.table import JobRow, State
from openrouter_mcp.results import SavedFile
from openrouter_mcp.text import clean, duration

META = "openrouter/job"
PAID_ANEW = "Call {tool} again only if the answer is still wanted: you pay for it again."
PAID = "The receipt below shows what was paid so far."
UNKNOWN_COST = "What was produced may have been billed (get_usage)."
TAIL = 500
"""Characters shown of a text that still grows."""


def pending(job: JobRow, save_to: str = "") -> ToolResult:
    """What a job has so far, and the call that gets the rest, or saves it."""
    what = "Stopping" if job.state is State.CANCELLING else "Still working"
    so_far = job.message or job.title
    if job.text:
        so_far = f"{job.title}, {len(job.text):,} characters so far"
    parts = [f"{what}: {so_far} ({duration(job.seconds)})."]
    if job.text:
        parts.append(f"[...] {job.text[-TAIL:]}" if len(job.text) > TAIL else job.text)
    saving = f", save_to={json.dumps(save_to, ensure_ascii=False)}" if save_to else ""
    parts.append(f'Next: get_job(job_id="{job.id}"{saving})')
    return results.tool_result("\n\n".join(parts), meta={META: _meta(job)})


def listed(jobs: Sequence[JobRow]) -> ToolResult:
    """One line for each job, newest first."""
    if not jobs:
        return results.tool_result("No jobs. A paid call that takes long becomes one.")
    lines = [
        f"{job.id} | {job.tool} | {job.title} | {job.state} | {duration(job.seconds)}"
        for job in jobs
    ]
    return results.tool_result("\n".join(lines), meta={META: [_meta(job) for job in jobs]})


def ended(job: JobRow) -> ToolResult:
    """The result just as the tool gave it; else why there is none, and the text until then."""
    if job.result:
        return job.result
    error = job.error or OpenRouterError(Code.INTERNAL, NEXT_STEP[Code.INTERNAL])
    meta = {META: _meta(job), results.ERROR_META: error.meta(), **_receipt_meta(job)}
    return results.tool_result(_with_text(error.message, job), meta=meta, is_error=True)


def saved(job: JobRow, files: Sequence[SavedFile], notes: Iterable[str]) -> ToolResult:
    """The files that a job was saved in now; what it cost was told when it ended."""
    result = job.result or results.tool_result()
    meta: dict[str, Any] = {META: _meta(job)}
    if receipt := (result.meta or {}).get(results.RECEIPT_META):
        meta[results.RECEIPT_META] = receipt
    count = f"{len(files)} file{'s' if len(files) != 1 else ''}"
    head = f"Saved {count} of {job.id} ({job.tool}, {job.title}); nothing was paid for that:"
    return results.with_files(head, files, [*notes, results.receipt_line(result)], meta)


def stopped(job: JobRow) -> ToolResult:
    """The good news that a job was cancelled, for who wanted that."""
    message = job.error.message if job.error else ""
    meta = {META: _meta(job), **_receipt_meta(job)}
    return results.tool_result(_with_text(message, job), meta=meta)


def cancelled(job: JobRow, billing_note: str = "", *, closing: bool = False) -> JobRow:
    """The job as one that was stopped: somebody wanted that, or its server is `closing`."""
    after = f"after {duration(job.seconds)}"
    ended = f"ended {after}, when its server was stopped" if closing else f"was cancelled {after}"
    next_step = f"{_paid(job)} {PAID_ANEW.format(tool=job.tool)}"
    if job.upstream_id:
        fetching = f'get_job(job_id="{job.id}", save_to="./")'
        next_step = f"If it is wanted after all, {fetching} fetches it without paying again."
    parts = [f"{job.tool} ({job.title}) {ended}.", billing_note, next_step]
    error = OpenRouterError(Code.CANCELLED, " ".join(part for part in parts if part))
    return replace(job, state=State.CANCELLED, error=error)


def lost(job: JobRow) -> JobRow:
    """The job as one whose server died: nobody else can fetch its answer."""
    error = OpenRouterError(
        Code.JOB_FAILED,
        f"The server that ran {job.tool} ({job.title}) ended {duration(job.seconds)} after the "
        f"start of this job, and OpenRouter does not keep the answer. {_paid(job)} "
        f"{PAID_ANEW.format(tool=job.tool)}",
    )
    return replace(job, state=State.LOST, error=error)


def failed(job: JobRow, error: BaseException) -> JobRow:
    """The job as one whose work raised."""
    if not isinstance(error, OpenRouterError):
        error = OpenRouterError(Code.INTERNAL, f"{job.tool} failed. {NEXT_STEP[Code.INTERNAL]}")
    return replace(job, state=State.FAILED, error=error)


def unknown(job_id: str, recent: Sequence[JobRow]) -> OpenRouterError:
    """Why there is no such job, and which there are."""
    there_are = ", ".join(f"{job.id} ({job.state}, {job.title})" for job in recent)
    known = f"The last ones are {there_are}." if recent else "There is none."
    return OpenRouterError(
        Code.NOT_FOUND,
        f"No job {clean(job_id, 40)!r} is known; it may have expired. {known} Call get_job "
        "without an id to list them.",
        suggestions=[job.id for job in recent],
    )


def _paid(job: JobRow) -> str:
    """What is to be said of the cost before anyone is told to pay again."""
    return PAID if job.receipt else UNKNOWN_COST


def _meta(job: JobRow) -> dict[str, str | float]:
    return {
        "job_id": job.id,
        "state": job.state.value,
        "tool": job.tool,
        "seconds": round(job.seconds, 3),
    }


def _receipt_meta(job: JobRow) -> dict[str, Any]:
    return {results.RECEIPT_META: job.receipt["meta"]} if job.receipt else {}


def _with_text(message: str, job: JobRow) -> str:
    """Why there is no result, the text until then, and the receipt of what was paid."""
    line = job.receipt.get("line", "")
    if not job.text:
        return results.paragraphs([message, line])
    text = f"The text until then ({len(job.text):,} characters):\n\n{job.text}"
    return results.paragraphs([message, text, line])
