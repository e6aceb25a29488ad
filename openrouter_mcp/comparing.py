"""`compare_models` from its arguments to its reply: ask all at once, lose none, judge blind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

from fastmcp.tools import ToolResult

from openrouter_mcp import comparison, conversation, receipts, replies
from openrouter_mcp.app import App
from openrouter_mcp.comparison import Candidate, Verdict
from openrouter_mcp.conversation import Call
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.exchange import Exchange
from openrouter_mcp.jobs import Handle
from openrouter_mcp.progress import Progress
from openrouter_mcp.receipts import Receipt
from openrouter_mcp.request import Ask, ChatRequest


async def compare(
    app: App, call: Call, models: Sequence[str], judge: str, progress: Progress
) -> ToolResult:
    """Ask every model the same and lay the answers side by side, within one `max_cost`.

    Raises what concerns all of them before anything is paid: `INVALID_INPUT`, `MODEL_NOT_FOUND`,
    `BUDGET_EXCEEDED`.
    """
    chosen, notes = await _chosen(app, models)
    shares = len(chosen) + bool(judge)
    calls = [replace(call, model=model, max_cost=call.max_cost / shares) for model in chosen]
    judging = replace(call, max_cost=call.max_cost / shares, model=judge)
    requests = [await conversation.compose_for(app, each) for each in calls]
    if judge:
        await app.resolve(judge)

    async def work(handle: Handle) -> ToolResult:
        candidates = await _ask_all(app, calls, requests, handle)
        verdict = await _judged(app, judging, candidates, handle) if judge else None
        return await _reply(app, call, candidates, verdict, notes)

    return await app.jobs.run(call.tool, f"{len(chosen)} models", work, progress)


async def dry_run(app: App, call: Call, models: Sequence[str]) -> ToolResult:
    """What comparing would send and cost, model by model."""
    chosen, _ = await _chosen(app, models)
    calls = [replace(call, model=m, max_cost=call.max_cost / len(chosen)) for m in chosen]
    each = [await conversation.dry_run(app, one) for one in calls]
    return ToolResult(
        content=[block for result in each for block in result.content],
        meta={
            replies.ESTIMATE_META: [(result.meta or {})[replies.ESTIMATE_META] for result in each]
        },
    )


async def _chosen(app: App, models: Sequence[str]) -> tuple[list[str], list[str]]:
    """The models to ask, and why these, when the caller named none."""
    if not models:
        spread = comparison.spread(await app.catalogue.models())
        return [model for model, _ in spread], [f"{model}: {reason}" for model, reason in spread]
    if not comparison.FEWEST <= len(models) <= comparison.MOST:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"compare_models takes {comparison.FEWEST} to {comparison.MOST} models. Name that "
            "many, or none to compare a sensible spread.",
        )
    return list(models), []


async def _ask_all(
    app: App, calls: Sequence[Call], requests: Sequence[ChatRequest], handle: Handle
) -> list[Candidate]:
    """Every model's answer or failure; one that is slow or fails holds up no other."""
    candidates = [Candidate(request.model.id) for request in requests]
    parts = [Handle(request.model.id, handle.keep) for request in requests]

    async def one(candidate: Candidate, call: Call, request: ChatRequest, part: Handle) -> None:
        try:
            candidate.exchange = await conversation.ask(app, call, request, part)
            app.audit(call.tool, candidate.exchange.receipt, request.preview())
        except OpenRouterError as error:
            candidate.error = error
        done = sum(1 for each in candidates if each.exchange or each.error)
        handle.text = comparison.answers(candidates)
        await handle.report(f"{done} of {len(candidates)} models have answered")

    async with asyncio.TaskGroup() as group:
        for each in zip(candidates, calls, requests, parts, strict=True):
            group.create_task(one(*each))
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
    return Verdict(call.model, comparison.ranking(exchange.value, answered), exchange)


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
    return replies.compared([*head, body], sentences, total, each)
