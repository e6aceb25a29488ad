"""Several models on the same task, each in its own copy of the workspace, under one budget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from fastmcp.tools import ToolResult

from openrouter_mcp import results
from openrouter_mcp.agent import replies
from openrouter_mcp.agent.task import Delegation
from openrouter_mcp.agent.work import TOOL, AgentTask, Work
from openrouter_mcp.app import App
from openrouter_mcp.chat import judging
from openrouter_mcp.chat.judging import Jury, Verdict
from openrouter_mcp.chat.replies import with_receipt
from openrouter_mcp.completions.request import CallerRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.jobs.paid_calls import PaidCall
from openrouter_mcp.money import dollars
from openrouter_mcp.spending import receipts
from openrouter_mcp.spending.consent import Expense
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.threads.threads import NEW

FEWEST, MOST = 2, 4


@dataclass
class Rival:
    """One of the models, and what came of its work."""

    delegation: Delegation
    work: Work | None = None
    error: OpenRouterError | None = None

    @property
    def name(self) -> str:
        """The model."""
        return self.delegation.title

    @property
    def receipt(self) -> Receipt | None:
        """What it cost, if anything."""
        return self.work.run.receipt if self.work else None


class Contest(PaidCall):
    """The same task for several models: a table, a patch of each, and a verdict on them."""

    tool = TOOL

    def __init__(self, app: App, task: AgentTask, rivals: Sequence[Delegation]) -> None:
        self._app = app
        self._task = task
        self._rivals = rivals
        self.less = rivals[0].less
        self.subject = task.task
        self._jury = Jury(app, task.judge, CallerRequest(tool=TOOL))
        self._share_out(app.budget.limit(Decimal(str(task.max_cost))))

    @property
    def title(self) -> str:
        """How many models there are."""
        return f"{len(self._rivals)} models"

    def _share_out(self, limit: Decimal | None) -> None:
        """Give each model, and each reading of a judge, an equal share of `limit` USD."""
        shares = len(self._rivals) + self._jury.readings
        self.limit, self._share = limit, None if limit is None else limit / shares
        for rival in self._rivals:
            rival.limit = self._share
        asked = replace(self._jury.asked, max_cost=float(self._share or 0))
        self._jury = replace(self._jury, asked=asked)

    async def fit(self, limit: Decimal) -> bool:
        """End the runs at equal shares of `limit` USD where the caller gave no limit."""
        if self._task.max_cost:
            return False
        self._share_out(limit)
        return True

    async def agreed(self, most: Decimal) -> None:
        """Each of them may cost an equal share of it."""
        self._share_out(most)

    async def expense(self) -> Expense:
        """All runs and the judging."""
        models = ", ".join(rival.title for rival in self._rivals)
        return Expense(TOOL, models, self.limit, self._task.task)

    async def dry_run(self) -> ToolResult:
        """The first request of each model, and what it may cost. Nothing is paid."""
        each = [await rival.dry_run() for rival in self._rivals]
        return self._jury.dry_run(each, "the task and all work")

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Let them all work, have their work judged, and reply.

        Raises when not one of them has answered.
        """
        rivals = [Rival(delegation) for delegation in self._rivals]

        async def compete(rival: Rival) -> None:
            own = purchase.part(self._share)
            try:
                rival.work = await rival.delegation.work(own, handle, f"{rival.name}: ")
                if rival.receipt:
                    own.audit(rival.receipt, self._task.task)
            except OpenRouterError as error:
                rival.error = error
            done = sum(1 for each in rivals if each.work or each.error)
            await handle.report(f"{done} of {len(rivals)} models are done")

        async with asyncio.TaskGroup() as group:
            for rival in rivals:
                group.create_task(compete(rival))
        if rivals[0].error and all(rival.error for rival in rivals):
            raise rivals[0].error
        verdict = await self._judged(purchase, rivals, handle)
        return await self._reply(rivals, verdict)

    async def _judged(
        self, purchase: Purchase, rivals: Sequence[Rival], handle: Handle
    ) -> Verdict | None:
        if not self._task.judge:
            return None
        handed_in = [(rival.name, _for_judges(rival.work)) for rival in rivals if rival.work]
        return await self._jury.judge(purchase, self._task.task, handed_in, handle.report)

    async def _reply(self, rivals: Sequence[Rival], verdict: Verdict | None) -> ToolResult:
        app = self._app
        judged = [exchange.receipt for exchange in verdict.exchanges] if verdict else []
        paid = [*(rival.receipt for rival in rivals if rival.receipt), *judged]
        total = receipts.together(paid)
        seconds = max(receipt.seconds for receipt in paid)
        total = replace(total, model=self.title, provider="", why="", seconds=seconds)
        total = replace(total, budget=await app.budget.line())
        works = [rival.work for rival in rivals if rival.work]
        patches = [work.changes.patch for work in works if work.changes and work.changes.patch]
        room = app.settings.max_reply_chars // (2 * len(rivals))
        text = results.paragraphs(_told(rival, room) for rival in rivals)
        shown = await save.shown_text(app.settings, text, total.generation_id)
        notes = [note for work in works for note in [*_notes(work), *work.notes]]
        notes = [f"Note: {note}" for note in dict.fromkeys([*notes, *shown.notes, *app.warnings()])]
        verdict_told = verdict.told() if verdict else ""
        parts = [_table(rivals), verdict_told, shown.text, "\n".join(notes)]
        meta = {
            results.RECEIPT_META: total.meta(),
            "openrouter/receipts": [receipt.meta() for receipt in paid],
            replies.META: {"rivals": [_meta(rival) for rival in rivals]},
            results.UNTRUSTED_META: True,
            **shown.meta,
        }
        content = with_receipt([results.paragraphs(parts)], patches, total)
        return results.tool_result(content, meta=meta)


async def plan(app: App, task: AgentTask) -> Delegation | Contest:
    """What is asked for: the work of one model, or of several.

    Raises what the arguments and the settings rule out.
    """
    if not task.models:
        if task.judge:
            raise OpenRouterError(
                Code.INVALID_INPUT, "judge compares the work of several: name them in models."
            )
        delegation = Delegation(app, app.mcp_servers, task)
        await delegation.check()
        return delegation
    if not FEWEST <= len(task.models) <= MOST or task.model:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"models takes {FEWEST} to {MOST} models, and then model stays empty.",
        )
    if not task.workspace or task.thread_id not in ("", NEW):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "models needs a workspace, of which each gets a new copy, and no thread_id. For "
            "answers alone use compare_models.",
        )
    rivals = [Delegation(app, app.mcp_servers, replace(task, model=model)) for model in task.models]
    for rival in rivals:
        await rival.check()
    await judging.check(app, task.judge)
    return Contest(app, task, rivals)


def _table(rivals: Sequence[Rival]) -> str:
    lines = ["| model | files | lines | checks | cost | seconds | ended |", "|---" * 7 + "|"]
    for rival in rivals:
        work, receipt = rival.work, rival.receipt
        if work is None or work.changes is None:
            lines.append(f"| {rival.name} | | | | | | {rival.error.code if rival.error else ''} |")
            continue
        files, checks = work.changes.files, work.changes.checks
        counts = [sum(getattr(each, name) or 0 for each in files) for name in ("added", "removed")]
        passed = sum(check.passed for check in checks)
        cost = "" if receipt is None or receipt.cost is None else dollars(receipt.cost)
        seconds = f"{receipt.seconds:.1f}" if receipt else ""
        lines.append(
            f"| {rival.name} | {len(files)} | +{counts[0]} -{counts[1]} | "
            f"{passed} of {len(checks)} passed | {cost} | {seconds} | {work.run.ending} |"
        )
    return "\n".join(lines)


def _told(rival: Rival, room: int) -> str:
    """What a model said and did, under its name; of its patch, `room` characters at most."""
    if rival.work is None or rival.work.changes is None:
        said = rival.error.once_paid.message if rival.error else ""
        return f"## {rival.name}\n\n[{said}]"
    work, changes = rival.work, rival.work.changes
    going_on = f'To go on with it: thread_id="{work.thread_id}"' if work.thread_id else ""
    failed = f"[{work.run.error.message}]" if work.run.error else ""
    parts = [work.run.text.strip() or "[The model gave no answer.]", failed]
    parts += [replies.changed(changes), replies.beginning(changes, room), going_on]
    return results.paragraphs([f"## {rival.name}", *parts])


def _notes(work: Work) -> Sequence[str]:
    return work.changes.notes if work.changes else ()


def _for_judges(work: Work) -> str:
    """What the judges see of the work: what the model says of it, the checks, the patch."""
    if work.changes is None:
        return work.run.text
    checks = "\n".join(check.line() for check in work.changes.checks)
    diff = replies.beginning(work.changes, len(work.changes.head))
    return results.paragraphs([work.run.text, checks, diff or "[Nothing was changed.]"])


def _meta(rival: Rival) -> dict[str, object]:
    work = rival.work
    return {
        "model": rival.name,
        "error": rival.error.meta() if rival.error else None,
        "thread_id": work.thread_id if work else None,
        "transcript": str(work.log.path) if work else None,
        "workspace": work.changes.meta() if work and work.changes else None,
    }
