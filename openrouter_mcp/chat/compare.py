"""`compare_models` from its arguments to its reply: ask all at once, lose none, judge blind."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult, TextContent

from openrouter_mcp.app import App
from openrouter_mcp.chat import comparison, conversation, replies
from openrouter_mcp.chat.comparison import Candidate, Verdict
from openrouter_mcp.chat.conversation import Call
from openrouter_mcp.chat.exchange import Exchange
from openrouter_mcp.completions.request import Ask, ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models import modalities
from openrouter_mcp.progress import Progress
from openrouter_mcp.spending import consent, estimate, receipts
from openrouter_mcp.spending.receipts import Receipt

PACE = 0.5
"""Seconds between two looks at what has been answered so far."""


class _Share(Handle):
    """The handle of one model's answer, which shows in the text of the whole comparison."""

    def __init__(self, candidate: Candidate, whole: _Whole) -> None:
        super().__init__(candidate.model, whole.handle.keep)
        self._candidate = candidate
        self._whole = whole

    async def report(self, message: str) -> None:
        """Tell it among the others' news."""
        self._candidate.so_far = self.text
        await self._whole.report(message)


class _Whole:
    """What all models have answered so far, as the text of one job."""

    def __init__(self, handle: Handle, candidates: Sequence[Candidate]) -> None:
        self.handle = handle
        self._candidates = candidates
        self._shown_at = 0.0
        handle.billing_note = "Some of the providers may bill the whole answer."

    async def report(self, message: str) -> None:
        """Show it now and then: there may be many news."""
        if time.monotonic() - self._shown_at >= PACE:
            await self.show(message)

    async def show(self, message: str = "") -> None:
        """Show what there is, and how many have answered."""
        self._shown_at = time.monotonic()
        done = sum(1 for each in self._candidates if each.exchange or each.error)
        self.handle.text = comparison.answers(self._candidates)
        told = f"{done} of {len(self._candidates)} models have answered"
        await self.handle.report(f"{told}; {message}" if message else told)


async def compare(
    app: App, call: Call, models: Sequence[str], judge: str, progress: Progress
) -> ToolResult | InputRequiredResult:
    """Ask every model the same and lay the answers side by side, within one `max_cost`.

    Raises what concerns all of them before anything is paid: `INVALID_INPUT`, `MODEL_NOT_FOUND`,
    `BUDGET_EXCEEDED`.
    """
    chosen, notes = await _chosen(app, call, models)
    calls, judging = _shared(call, chosen, judge)
    requests = await _composed(app, calls, judge)
    if question := await _question(app, call, requests, judge, progress):
        return question

    async def work(handle: Handle) -> ToolResult:
        candidates = await _ask_all(app, calls, requests, handle)
        verdict = await _judged(app, judging, candidates, handle) if judge else None
        return await _reply(app, call, candidates, verdict, notes)

    return await app.jobs.run(call.tool, f"{len(chosen)} models", work, progress)


async def dry_run(app: App, call: Call, models: Sequence[str], judge: str) -> ToolResult:
    """What comparing would send and cost, model by model."""
    chosen, _ = await _chosen(app, call, models)
    calls, _ = _shared(call, chosen, judge)
    requests = await _composed(app, calls, judge)
    each = [await conversation.dry_run_of(app, request) for request in requests]
    content = [block for result in each for block in result.content]
    if judge:
        told = f"Beside these, {judge} reads the question and all answers as the judge."
        content.append(TextContent(type="text", text=told))
    return ToolResult(
        content=content,
        meta={
            replies.ESTIMATE_META: [(result.meta or {})[replies.ESTIMATE_META] for result in each]
        },
    )


async def _chosen(app: App, call: Call, models: Sequence[str]) -> tuple[list[str], list[str]]:
    """The models to ask, and why these, when the caller named none."""
    if not models:
        needed = modalities.of_parts(call.attached.parts)
        spread = comparison.spread(await app.catalogue.models(), needed)
        return [model for model, _ in spread], [f"{model}: {reason}" for model, reason in spread]
    if not comparison.FEWEST <= len(models) <= comparison.MOST:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"compare_models takes {comparison.FEWEST} to {comparison.MOST} models. Name that "
            "many, or none to compare a sensible spread.",
        )
    return list(models), []


def _shared(call: Call, models: Sequence[str], judge: str) -> tuple[list[Call], Call]:
    """One call for each model and one for the judge, each with an equal share of `max_cost`."""
    share = call.max_cost / (len(models) + bool(judge))
    calls = [replace(call, model=model, max_cost=share) for model in models]
    return calls, replace(call, model=judge, max_cost=share)


async def _composed(app: App, calls: Sequence[Call], judge: str) -> list[ChatRequest]:
    """Every model's request. Raises what is wrong with any of them, or with the judge's name."""
    if judge:
        await app.resolve(judge)
    try:
        return [await conversation.compose_for(app, each) for each in calls]
    except OpenRouterError as error:
        if error.code is not Code.BUDGET_EXCEEDED:
            raise
        shares = len(calls) + bool(judge)
        raise OpenRouterError(
            error.code,
            f"Each of the {shares} calls has an equal share of max_cost. {error.message} For all "
            f"of them together max_cost is {shares} times that.",
        ) from error


async def _question(
    app: App, call: Call, requests: Sequence[ChatRequest], judge: str, progress: Progress
) -> InputRequiredResult | None:
    """What to ask the user before all of them are paid; None = nothing."""
    now = datetime.now(UTC)
    each = [estimate.estimate(request, now).most for request in requests]
    known = [most for most in each if most is not None]
    most = sum(known, Decimal(0)) if len(known) == len(each) else None
    if judge:
        # What it reads is not known yet; its share of the limit bounds it.
        most = call.limit
    what = f"{call.tool} with {len(requests)} models"
    return await consent.question(app.settings, progress, what, most, call.limit)


async def _ask_all(
    app: App, calls: Sequence[Call], requests: Sequence[ChatRequest], handle: Handle
) -> list[Candidate]:
    """Every model's answer or failure; one that is slow or fails holds up no other."""
    candidates = [Candidate(request.model.id) for request in requests]
    whole = _Whole(handle, candidates)

    async def one(candidate: Candidate, call: Call, request: ChatRequest) -> None:
        try:
            share = _Share(candidate, whole)
            candidate.exchange = await conversation.ask(app, call, request, share)
            app.audit(call.tool, candidate.exchange.receipt, request.preview())
        except OpenRouterError as error:
            candidate.error = error
        await whole.show()

    try:
        async with asyncio.TaskGroup() as group:
            for each in zip(candidates, calls, requests, strict=True):
                group.create_task(one(*each))
    except asyncio.CancelledError:
        await whole.show()
        raise
    return candidates


async def _judged(app: App, call: Call, candidates: Sequence[Candidate], handle: Handle) -> Verdict:
    """The ranking by a model that does not know who wrote what."""
    answered = comparison.shuffled(candidates, random.SystemRandom())
    if len(answered) < comparison.FEWEST:
        return Verdict(call.model, error="Fewer than two models answered: nothing to judge.")
    asked = Ask(
        prompt=comparison.brief(call.ask.prompt, answered),
        system=comparison.JUDGE,
        schema=comparison.VERDICT,
    )
    call = replace(call, ask=asked, fallbacks=())
    try:
        request = await conversation.compose_for(app, call)
        await handle.report(f"{request.model.id} judges the answers")
        exchange = await conversation.ask(app, call, request, handle)
    except OpenRouterError as error:
        return Verdict(call.model, error=error.message)
    app.audit(call.tool, exchange.receipt, "judge")
    if exchange.error:
        return Verdict(call.model, exchange=exchange, error=exchange.error.message)
    ranked = comparison.ranking(exchange.value, answered)
    if not ranked:
        return Verdict(call.model, exchange=exchange, error="It ranked none of the answers.")
    return Verdict(call.model, ranked, exchange)


async def _reply(
    app: App,
    call: Call,
    candidates: Sequence[Candidate],
    verdict: Verdict | None,
    notes: Sequence[str],
) -> ToolResult:
    paid: list[Exchange] = [each.exchange for each in candidates if each.exchange]
    if verdict and verdict.exchange:
        paid.append(verdict.exchange)
    if not paid:
        first = next(each.error for each in candidates if each.error)
        raise OpenRouterError(
            first.code, f"None of the models answered. The first: {first.message}"
        )
    receipt: Receipt = receipts.together([exchange.receipt for exchange in paid])
    slowest = max(exchange.receipt.seconds for exchange in paid)
    total = replace(
        receipt,
        model=f"{len(candidates)} models",
        provider="",
        why="",
        seconds=slowest,
        budget=await app.budget_line(),
    )
    body, saved = await app.shortened(comparison.answers(candidates), receipt.generation_id)
    head = [comparison.table(candidates), *([comparison.told(verdict)] if verdict else [])]
    sentences = [*notes, *call.ask.notes, *saved, *app.warnings()]
    each = [exchange.receipt for exchange in paid]
    result = replies.compared([*head, body], sentences, total, each)
    if call.attached.untrusted and result.meta is not None:
        result.meta[replies.UNTRUSTED_META] = True
    return result
