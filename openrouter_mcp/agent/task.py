"""A task for `run_agent` from its arguments to its reply."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from difflib import SequenceMatcher
from heapq import nlargest

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult

from openrouter_mcp.agent import replies
from openrouter_mcp.agent.loop import Limits
from openrouter_mcp.agent.work import TOOL, AgentTask, Work, Worker
from openrouter_mcp.app import App
from openrouter_mcp.chat import replies as chat_replies
from openrouter_mcp.chat.conversation import fallbacks_of
from openrouter_mcp.chat.media import save_media
from openrouter_mcp.completions.request import CallerRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox, save
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.jobs.paid_calls import PaidCall
from openrouter_mcp.mcp_client.servers import McpServers
from openrouter_mcp.models.filter import supports
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.progress import Decision, Progress, silent
from openrouter_mcp.settings import Settings, environment
from openrouter_mcp.spending import consent, estimate
from openrouter_mcp.spending.budget import LOWER_MAX_TOKENS
from openrouter_mcp.spending.consent import Expense
from openrouter_mcp.spending.paid_request import Purchase
from openrouter_mcp.text import clean
from openrouter_mcp.threads.threads import NEW
from openrouter_mcp.workspace import folder, git, scratch
from openrouter_mcp.workspace.folder import UserFolder

NEAREST = 3
SHOWN_NAME = 100
ASKING = 10.0
"""Seconds that the servers have to start before the user is asked about their tools.

Tools of servers that take longer are withheld, and nobody is asked about them.
"""


class Delegation(PaidCall):
    """One task, checked before anything is started, and paid for only then."""

    tool = TOOL
    less = LOWER_MAX_TOKENS

    def __init__(self, app: App, servers: McpServers, task: AgentTask) -> None:
        self._app = app
        self._servers = servers
        self._task = task
        settings = app.settings
        self._limits = Limits(
            steps=min(task.max_steps or settings.agent_max_steps, settings.agent_max_steps),
            seconds=settings.agent_max_seconds,
            result_chars=settings.agent_result_chars,
            continuations=settings.max_continuations,
        )
        self.limit = app.budget.limit(Decimal(str(task.max_cost)))
        self._model = Resolution(task.model, None, "")
        self._fallbacks: list[Resolution] = []
        self._folder: UserFolder | None = None
        self._allowed: frozenset[str] = frozenset()
        """The withheld tools that the user allows for this run."""

    @property
    def title(self) -> str:
        """The model."""
        return self._model.id

    async def check(self) -> None:
        """Find the model of the run. Raises what the arguments and the settings rule out."""
        if self._app.settings.inside_agent:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                "This server was started by run_agent, and a run does not start runs. Do the task "
                "with the tools at hand.",
            )
        if not self._task.task.strip():
            raise OpenRouterError(Code.INVALID_INPUT, "task is empty. Say what is to be done.")
        self._folder = await self._workspace()
        if self._task.servers or not self._folder:
            await self._servers.named(self._task.servers)
        model = await self._app.catalogue.resolve(self._task.model)
        row = model.model
        if row and not row.is_router and not supports(row, "tools"):
            raise await self._without_tools(model)
        self._model = model
        asked = CallerRequest(options=self._task.options)
        self._fallbacks = await fallbacks_of(self._app, asked)

    async def _workspace(self) -> UserFolder | None:
        """The folder that is named, or that the thread has worked on. Raises what `find` raises."""
        task, kept = self._task, ""
        if self._app.settings.threads and task.thread_id not in ("", NEW):
            # First: an id that is none leads nowhere.
            await self._app.threads.show(task.thread_id)
            place = self._app.threads.workspace(task.thread_id)
            kept = await asyncio.to_thread(scratch.folder_of, place)
        if not (name := task.workspace or kept):
            return None
        git.find(environment())
        found = await asyncio.to_thread(folder.find, self._app.settings, name)
        if kept and str(found.path) != kept:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"{task.thread_id} works on {sandbox.display(kept)}. Leave workspace out to go on "
                "there, or begin another run without thread_id.",
            )
        return found

    async def consent(self, settings: Settings, progress: Progress) -> InputRequiredResult | None:
        """Ask the user to allow withheld tools that the caller names, and the cost above the limit.

        It is one question for both. Raises `BUDGET_EXCEEDED` unless the user agrees to the cost.
        """
        names = await self._named_but_withheld()
        listed = ", ".join(clean(name, SHOWN_NAME) for name in sorted(names))
        tools = f"use these tools, which may change something: {listed}"
        if await self.exceeds(settings.confirm_above):
            beside = f"For this run it may also {tools}." if names else ""
            question = await consent.ask(progress, await self.expense(), beside)
            self._allowed = names
            return question
        if not names:
            return None
        task = consent.quoted(self._task.task)
        question = f"Let {self._model.id} {tools}? For this run only. Its task: {task}"
        decision = await progress.confirm(question)
        if isinstance(decision, InputRequiredResult):
            return decision
        self._allowed = names if decision is Decision.YES else frozenset()
        return None

    async def fit(self, limit: Decimal) -> bool:
        """End the run at `limit` USD where the caller gave no limit."""
        if self._task.max_cost:
            return False
        self.limit = limit
        return True

    async def expense(self) -> Expense:
        """The whole run."""
        return Expense(TOOL, self._model.id, self.limit, self._task.task)

    async def _named_but_withheld(self) -> frozenset[str]:
        if not self._task.tools:
            return frozenset()
        try:
            async with asyncio.timeout(ASKING):
                return frozenset((await self.worker.toolbox(silent)).withheld)
        except TimeoutError:
            return frozenset()

    async def dry_run(self) -> ToolResult:
        """The first request and what the run may cost. Servers are started, nothing is paid.

        Raises `INVALID_INPUT` when there is no tool to work with.
        """
        async with self.worker.dry_toolbox(silent) as (box, manual):
            request = self.worker.compose(box, [], manual)
            cap, now = self._app.settings.max_cost_per_call, datetime.now(UTC)
            if self.limit is not None:
                request = estimate.within(request, self.limit, now, cap)
            steps = f"The price is that of one turn; there are {self._limits.steps} at most."
            request = replace(request, notes=(*request.notes, steps, *box.notes()))
            return chat_replies.dry_run(request, estimate.of_chat(request, now), [])

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Run the task, within its thread where conversations are kept."""
        work = await self.work(purchase, handle)
        return await self._reply(purchase, work, handle)

    async def work(self, purchase: Purchase, handle: Handle, label: str = "") -> Work:
        """Do the task in its thread. What is told meanwhile begins with the `label`."""
        if not self._app.settings.threads:
            return await self.worker.work(purchase, handle, None, self._allowed, label)
        async with self._app.threads.open(self._task.thread_id or NEW) as thread:
            return await self.worker.work(purchase, handle, thread, self._allowed, label)

    @property
    def worker(self) -> Worker:
        """The model at work, once `check` has found it."""
        return Worker(
            self._app,
            self._servers,
            self._task,
            self._model,
            self._fallbacks,
            self._limits,
            self._folder,
        )

    async def _reply(self, purchase: Purchase, work: Work, handle: Handle) -> ToolResult:
        app, run, log, receipt = self._app, work.run, work.log, work.run.receipt
        if receipt:
            purchase.audit(receipt, self._task.task)
        name = receipt.generation_id if receipt else TOOL
        shown = await save.shown_text(app.settings, run.text, name)
        said = [answer for exchange in run.exchanges for answer in exchange.answers]
        files, unsaved = await save_media(app.settings, handle, run.request, said)
        problems = [log.problem] if log.problem else []
        return replies.finished(
            run,
            receipt,
            shown=shown,
            limits=self._limits,
            thread_id=work.thread_id,
            transcript=str(log.path),
            notes=[*unsaved, *shown.notes, *work.notes, *problems, *app.warnings()],
            budget=await app.budget.line(),
            files=files,
            changes=work.changes,
            most=app.settings.max_reply_chars,
        )

    async def _without_tools(self, model: Resolution) -> OpenRouterError:
        snapshot = await self._app.catalogue.models()

        def likeness(other: Model) -> tuple[bool, float]:
            same_author = other.author == model.id.partition("/")[0]
            return same_author, SequenceMatcher(None, other.id, model.id).ratio()

        able = [row for row in snapshot.models if not row.variant and supports(row, "tools")]
        nearest = [row.id for row in nlargest(NEAREST, able, key=likeness)]
        return OpenRouterError(
            Code.INVALID_INPUT,
            f"{model.id} cannot call tools. The nearest that can: {', '.join(nearest)}. Name one "
            "of them, or another from find_models(supports=tools).",
            suggestions=nearest,
        )
