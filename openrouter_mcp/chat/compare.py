"""`compare_models` from its arguments to its reply: ask all at once, lose none, judge blind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal

from fastmcp.tools import ToolResult

from openrouter_mcp.app import App
from openrouter_mcp.chat import conversation, judging, replies
from openrouter_mcp.chat.exchange import Exchange, ask
from openrouter_mcp.chat.judging import Jury, Verdict
from openrouter_mcp.chat.media import save_media
from openrouter_mcp.completions.request import CallerRequest, ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.jobs.paid_calls import PaidCall
from openrouter_mcp.models import choose
from openrouter_mcp.models.catalogue import NOT_NAMED, Snapshot
from openrouter_mcp.models.model import Model
from openrouter_mcp.money import dollars
from openrouter_mcp.results import (
    UNTRUSTED_META,
    SavedFile,
    file_lines,
    paragraphs,
)
from openrouter_mcp.spending import receipts
from openrouter_mcp.spending.budget import LOWER_MAX_TOKENS
from openrouter_mcp.spending.consent import Expense
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.spending.receipts import Receipt

FEWEST, MOST = 2, 8
CHEAP = Decimal(1)
MIDDLING = Decimal(5)
"""USD per million tokens, three parts input to one of output."""


@dataclass
class Candidate:
    """One model of a comparison and what came of it."""

    model: str
    exchange: Exchange | None = None
    error: OpenRouterError | None = None
    files: Sequence[SavedFile] = ()
    """The images and sound of its answer."""
    so_far: str = ""
    """What has come while the answer is not whole yet."""

    @property
    def text(self) -> str:
        """What it answered, as far as it did."""
        return self.exchange.text if self.exchange else ""

    @property
    def failed(self) -> OpenRouterError | None:
        """Why it gave no answer, or broke off; None if it did neither."""
        return self.error or (self.exchange.error if self.exchange else None)

    def listen(self, text: str) -> None:
        """Take what it has said so far."""
        self.so_far = text


def spread(snapshot: Snapshot, needed: AbstractSet[str]) -> list[tuple[str, str]]:
    """Three models worth comparing, by different authors where possible, each with the reason.

    The most intelligent of all that take what is `needed`, of those below 5 and of those below 1
    USD per million tokens, by Artificial Analysis's index as OpenRouter lists it.
    """
    able = [model for model in snapshot.models if choose.takes(model, needed)]
    rated = [model for model in able if _comparable(model)]
    rated.sort(key=lambda model: (-model.intelligence, model.id))
    chosen: list[tuple[Model, str]] = []
    for limit, what in ((None, ""), (MIDDLING, " below $5"), (CHEAP, " below $1")):
        fitting = [m for m in rated if limit is None or (m.blended_price or 0) < limit]
        authors = {model.author for model, _ in chosen}
        best = next((m for m in fitting if m.author not in authors), None)
        if best:
            reason = f"highest intelligence index{what} ({best.intelligence:.0f})"
            chosen.append((best, reason))
    if len(chosen) < FEWEST:
        raise OpenRouterError(
            Code.INVALID_INPUT, "Name the models to compare: the catalogue rates too few."
        )
    return [(model.id, reason) for model, reason in chosen]


def _comparable(model: Model) -> bool:
    plain = not (model.variant or model.is_alias or model.is_router or model.expiration_date)
    return plain and model.intelligence > 0 and "text" in model.output_modalities


def table(candidates: Sequence[Candidate]) -> str:
    """One line for each model: provider, cost, seconds, tokens, how it ended."""
    lines = [
        "| model | provider | cost | seconds | in + out | finish |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(candidate) for candidate in candidates]
    return "\n".join(lines)


def _row(candidate: Candidate) -> str:
    if candidate.exchange is None:
        code = candidate.error.code if candidate.error else "pending"
        return f"| {candidate.model} | | | | | {code} |"
    receipt = candidate.exchange.receipt
    cost = "not reported" if receipt.cost is None else dollars(receipt.cost)
    tokens = f"{receipt.input_tokens:,} + {receipt.output_tokens:,}"
    ended = candidate.exchange.error.code if candidate.exchange.error else receipt.finish_reason
    return (
        f"| {receipt.model} | {receipt.provider} | {cost} | {receipt.seconds:.1f} | {tokens} | "
        f"{ended} |"
    )


def answers(candidates: Sequence[Candidate]) -> str:
    """Every answer in full under its model's name, and every failure."""
    parts = []
    for candidate in candidates:
        said = paragraphs([candidate.text or candidate.so_far, *file_lines(candidate.files)])
        if failed := candidate.failed:
            said = f"{said}\n\n[{failed.once_paid.message}]".strip()
        parts.append(f"## {candidate.model}\n\n{said or '[no answer yet]'}")
    return "\n\n".join(parts)


PACE = 0.5
"""Seconds between two looks at what has been answered so far."""


class Comparison(PaidCall):
    """Every model is asked the same, and their answers are laid side by side."""

    less = LOWER_MAX_TOKENS

    def __init__(
        self,
        app: App,
        asked: CallerRequest,
        models: Sequence[str],
        judges: Sequence[str],
        notes: Sequence[str],
    ) -> None:
        self.tool = asked.tool
        self.limit = asked.limit
        self._app = app
        self._asked = asked
        self._models = models
        self._notes = notes
        self._requests: Sequence[ChatRequest] = ()
        self._share: Decimal | None = None
        """USD that each model may cost, and each reading of a judge."""
        self._jury = Jury(app, judges, asked)

    async def share_out(self, limit: Decimal | None) -> None:
        """Compose what each model and the judge are asked, for an equal share of `limit` USD.

        Raises what concerns all of them: `INVALID_INPUT`, `MODEL_NOT_FOUND`, `BUDGET_EXCEEDED`.
        """
        limit = self._app.budget.limit(limit)
        shares = len(self._models) + self._jury.readings
        asked = replace(self._asked, max_cost=float((limit or 0) / shares))
        try:
            self._requests = [
                await conversation.compose_for(self._app, replace(asked, model=model))
                for model in self._models
            ]
        except OpenRouterError as error:
            if error.code is not Code.BUDGET_EXCEEDED:
                raise
            raise error.advised(
                f"Each of the {shares} calls has an equal share of max_cost: for all of them "
                f"together it is {shares} times that."
            ) from error
        self._jury = replace(self._jury, asked=asked)
        self.limit, self._share = limit, asked.limit

    @property
    def title(self) -> str:
        """How many models there are."""
        return f"{len(self._requests)} models"

    async def dry_run(self) -> ToolResult:
        """What comparing would send and cost, model by model."""
        each = [await conversation.dry_run_of(self._app, request) for request in self._requests]
        return self._jury.dry_run(each, "the question and all answers")

    async def fit(self, limit: Decimal) -> bool:
        """Derive the output limits from equal shares of `limit` USD where the caller gave none."""
        await self.share_out(limit)
        return True

    async def expense(self) -> Expense:
        """All of them; what the judge reads is not known yet."""
        each = [conversation.most_of(self._app, request) for request in self._requests]
        known = [most for most in each if most is not None]
        bounded = len(known) == len(each) and not self._jury.judges
        # Each has an equal share of what the user agrees to.
        most = self.at_most(len(known) * max(known) if bounded else None)
        models = ", ".join(request.model.id for request in self._requests)
        return Expense(self.tool, models, most, self._asked.prompt)

    async def agreed(self, most: Decimal) -> None:
        """Each of them may cost an equal share of it."""
        await self.share_out(most)

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Ask them all, have the answers judged, and reply. Raises when not one has answered."""
        candidates = await self._ask_all(purchase, handle)
        verdict = await self._judged(purchase, candidates, handle)
        return await self._reply(purchase, candidates, verdict, handle)

    async def _ask_all(self, purchase: Purchase, handle: Handle) -> list[Candidate]:
        """Every model's answer or failure; one that is slow or fails holds up no other."""
        candidates = [Candidate(request.model.id) for request in self._requests]
        handle.billing_note = "Some of the providers may bill the whole answer."
        shown_at = 0.0

        async def show(message: str = "") -> None:
            nonlocal shown_at
            shown_at = time.monotonic()
            done = sum(1 for each in candidates if each.exchange or each.error)
            handle.text = answers(candidates)
            told = f"{done} of {len(candidates)} models have answered"
            await handle.report(f"{told}; {message}" if message else told)

        async def report(message: str) -> None:
            # There may be many news.
            if time.monotonic() - shown_at >= PACE:
                await show(message)

        async def ask_one(candidate: Candidate, request: ChatRequest) -> None:
            own = purchase.part(self._share, report)
            try:
                candidate.exchange = await ask(own, request, candidate.listen)
                own.audit(candidate.exchange.receipt, request.preview())
            except OpenRouterError as error:
                candidate.error = error
            await show()

        try:
            async with asyncio.TaskGroup() as group:
                for candidate, request in zip(candidates, self._requests, strict=True):
                    group.create_task(ask_one(candidate, request))
        except asyncio.CancelledError:
            await show()
            raise
        return candidates

    async def _judged(
        self, purchase: Purchase, candidates: Sequence[Candidate], handle: Handle
    ) -> Verdict | None:
        """The ranking by models that do not know who wrote what; None where nobody judges."""
        if not self._jury.judges or all(each.failed for each in candidates):
            return None
        answered = [(each.model, each.text) for each in candidates if each.text]
        return await self._jury.judge(purchase, self._asked.prompt, answered, handle.report)

    async def _reply(
        self,
        purchase: Purchase,
        candidates: Sequence[Candidate],
        verdict: Verdict | None,
        handle: Handle,
    ) -> ToolResult:
        paid: list[Exchange] = [each.exchange for each in candidates if each.exchange]
        paid += verdict.exchanges if verdict else []
        failures = [each.failed for each in candidates if each.failed]
        error = _none_answered(failures) if len(failures) == len(candidates) else None
        if error and not paid:
            raise error
        receipt: Receipt = receipts.together([exchange.receipt for exchange in paid])
        total = replace(
            receipt,
            model=self.title,
            provider="",
            why=NOT_NAMED if self._notes else "",
            seconds=max(exchange.receipt.seconds for exchange in paid),
            budget=await purchase.budget.line(),
        )
        settings, attached = purchase.settings, self._asked.attached
        unsaved: list[str] = []
        for candidate in candidates:
            if exchange := candidate.exchange:
                candidate.files, problems = await save_media(
                    settings, handle, exchange.request, exchange.answers
                )
                unsaved += (f"{candidate.model}: {note}" for note in problems)
        text = answers(candidates)
        shown = await save.shown_text(settings, text, receipt.generation_id)
        head = [table(candidates), *([verdict.told()] if verdict else [])]
        head = [f"[{error.message}]", *head] if error else head
        notes = [*self._notes, *attached.notes, *unsaved, *shown.notes, *self._app.warnings()]
        each = [exchange.receipt for exchange in paid]
        files = [file for candidate in candidates for file in candidate.files]
        result = replies.compared([*head, shown.text], notes, total, each, files, error)
        untrusted = attached.untrusted or any(map(replies.is_untrusted, paid))
        result.meta = {**(result.meta or {}), **shown.meta}
        if untrusted:
            result.meta[UNTRUSTED_META] = True
        return result


def _none_answered(errors: Sequence[OpenRouterError]) -> OpenRouterError:
    """The failure of all: what the first one says, and when to call again if they are alike."""
    first = errors[0]
    told = f"None of the models answered. The first: {first.message}"
    kinds = {(error.code, (error.availability or {}).get("code")) for error in errors}
    if len(kinds) > 1:
        return OpenRouterError(first.code, told)
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    return OpenRouterError(
        first.code,
        told,
        retryable=all(error.retryable for error in errors),
        retry_after=max(waits, default=None),
        http_status=first.http_status,
        availability=first.availability,
    )


async def plan_comparison(
    app: App, asked: CallerRequest, models: Sequence[str], judges: Sequence[str]
) -> Comparison:
    """The comparison that is asked for; `max_cost`, or the cap per call, is shared equally.

    Raises what concerns all of them: `INVALID_INPUT`, `MODEL_NOT_FOUND`, `BUDGET_EXCEEDED`.
    """
    chosen, notes = await _chosen(app, asked, models)
    await judging.check(app, judges)
    comparison = Comparison(app, asked, chosen, judges, notes)
    await comparison.share_out(asked.limit)
    return comparison


async def _chosen(
    app: App, asked: CallerRequest, models: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The models to ask, and why these, when the caller named none."""
    if not models:
        needed = choose.of_parts(asked.attached.parts)
        chosen = spread(await app.catalogue.models(), needed)
        return [model for model, _ in chosen], [f"{model}: {reason}" for model, reason in chosen]
    if not FEWEST <= len(models) <= MOST:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"compare_models takes {FEWEST} to {MOST} models. Name that "
            "many, or none to compare a sensible spread.",
        )
    return list(models), []
