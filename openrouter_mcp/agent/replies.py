"""A run of `run_agent` as the result that an MCP client shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock

from openrouter_mcp import results
from openrouter_mcp.agent.changes import Changes
from openrouter_mcp.agent.loop import Ending, Limits, Run
from openrouter_mcp.chat.replies import with_receipt
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files.sandbox import display
from openrouter_mcp.files.save import Shown
from openrouter_mcp.money import dollars
from openrouter_mcp.settings import variable
from openrouter_mcp.spending.receipts import Receipt, after_paying
from openrouter_mcp.text import duration

META = "openrouter/agent"
SHOWN_STEPS = 60


def finished(
    run: Run,
    receipt: Receipt | None,
    *,
    shown: Shown,
    limits: Limits,
    thread_id: str,
    transcript: str,
    notes: Sequence[str],
    budget: str,
    files: Sequence[results.SavedFile] = (),
    changes: Changes | None = None,
    most: int = 0,
) -> ToolResult:
    """The answer, how the run ended, one line for each step, what was withheld, the receipt.

    With what was `changed` in a workspace: the beginning of the patch as far as a reply of `most`
    characters has room for it.
    """
    given = results.paragraphs([shown.text.strip(), "\n".join(results.file_lines(files))])
    error = _error(run, receipt)
    said = error.message if error else ""
    parts = [given or "[The model gave no answer.]", _ending(run, limits, thread_id, said)]
    parts += [changed(changes)] if changes else []
    parts.append(_trace(run))
    told = (*run.request.notes, *_unsettled(run), *(changes.notes if changes else ()), *notes)
    parts += [f"Note: {note}" for note in told]
    going_on = f'; to go on: thread_id="{thread_id}"' if thread_id else ""
    parts.append(f"Transcript: {transcript}{going_on}")
    if changes:
        room = most - sum(map(len, parts))
        parts[-1:-1] = [beginning(changes, room)]
        files = [*files, *([changes.patch] if changes.patch else [])]
    meta: dict[str, Any] = {
        META: {
            "ending": run.ending.value,
            "turns": len(run.exchanges),
            "tool_calls": len(run.steps),
            "failed_tool_calls": sum(step.outcome.failed for step in run.steps),
            "transcript": transcript,
            **({"thread_id": thread_id} if thread_id else {}),
            **({"workspace": changes.meta()} if changes else {}),
        },
        results.UNTRUSTED_META: True,
        **shown.meta,
    }
    content: Sequence[ContentBlock] = results.text_blocks([results.paragraphs(parts)])
    if receipt:
        receipt = replace(receipt, budget=budget)
        content = with_receipt([results.paragraphs(parts)], files, receipt)
        meta[results.RECEIPT_META] = receipt.meta()
    failed = run.ending is Ending.FAILED
    if failed and error:
        meta[results.ERROR_META] = error.meta()
    return results.tool_result(content, meta=meta, is_error=failed)


def changed(changes: Changes) -> str:
    """The changed files, the patch and how to apply it, and the checks that ran."""
    checks = [f"- {check.line()}" for check in changes.checks[:SHOWN_STEPS]]
    ran = "\n".join(["Checks that ran:", *checks]) if checks else ""
    if changes.lost:
        return results.paragraphs([f"[What was changed is lost: {changes.lost}]", ran])
    if not changes.files:
        return results.paragraphs(["[Nothing was changed: there is no patch.]", ran])
    lines = [change.line() for change in changes.files[:SHOWN_STEPS]]
    if len(changes.files) > SHOWN_STEPS:
        lines.append(f"... and {len(changes.files) - SHOWN_STEPS:,} more files")
    parts = ["\n".join([f"Changed in a copy of {display(changes.folder)}:", *lines]), ran]
    if changes.patch:
        where = f"Patch: {changes.patch.path} ({changes.patch.size:,} bytes)"
        parts.append(f"{where}. Nothing is applied yet. To apply it:\n{changes.apply}")
    return results.paragraphs(parts)


def beginning(changes: Changes, room: int) -> str:
    """The first lines of the patch in so many characters; empty where there is no room."""
    shown = changes.head
    if len(shown) > room:
        shown = shown[: max(room, 0)].rpartition("\n")[0]
    if not shown:
        return ""
    fence = "```"
    while fence in shown:
        fence += "`"
    cut = "" if changes.is_whole and shown == changes.head else "\n[The rest is in the patch.]"
    return f"{fence}diff\n{shown.rstrip()}\n{fence}{cut}"


def _error(run: Run, receipt: Receipt | None) -> OpenRouterError | None:
    """Why the run ended, beside what it has cost."""
    if not (run.error and receipt):
        return run.error
    answers = (answer for exchange in run.exchanges for answer in exchange.answers)
    return after_paying(
        run.error, receipt, nothing_came=not any(answer.has_come for answer in answers)
    )


def _ending(run: Run, limits: Limits, thread_id: str, error: str) -> str:
    """How the run ended, when not with an answer of its own accord, and how to go on."""
    if run.ending is Ending.ANSWERED:
        last = run.exchanges[-1].last
        if last.finish_reason == "length":
            return "[The answer was cut off at the output limit. Raise options.max_tokens.]"
        if last.finish_reason == "content_filter":
            return "[The provider's content filter cut off the answer.]"
        return ""
    if thread_id:
        how = f'Continue with run_agent(thread_id="{thread_id}", task="go on")'
    else:
        how = f"It cannot be continued, since {variable('threads')} is off"
    reasons = {
        Ending.STEPS: f"The limit of {limits.steps} steps ended this run. {how}, or raise "
        "max_steps.",
        Ending.COST: f"The limit of cost ended this run after {dollars(run.spent)}: {error} {how}.",
        Ending.TIME: f"The limit of {duration(limits.seconds)} ended this run. {how}, or raise "
        f"{variable('agent_max_seconds')}.",
        Ending.LOOP: "The model made the same call with the same result three times, which ended "
        f"this run. {how}, a clearer task or another model.",
        Ending.FAILED: f"{error} {how}.",
    }
    return f"[{reasons[run.ending]}]"


def _unsettled(run: Run) -> list[str]:
    """What the receipt cannot say yet."""
    if not run.unsettled:
        return []
    known = f"{dollars(run.spent)} of the cost is known so far"
    ids = [receipt.generation_id for receipt in run.unsettled if receipt.generation_id]
    if not ids:
        return [f"{known}; what was cut off counts as spent with all that it could have cost."]
    return [
        f"{known}; of {', '.join(ids)} OpenRouter has not told it yet. get_generation will, and "
        "until then the budget counts all that it could have cost."
    ]


def _trace(run: Run) -> str:
    if not run.steps:
        return "Steps: the model called no tool."
    lines = [step.line() for step in run.steps[:SHOWN_STEPS]]
    if len(run.steps) > SHOWN_STEPS:
        lines.append(f"... and {len(run.steps) - SHOWN_STEPS} more, in the transcript")
    return "\n".join(["Steps:", *lines])
