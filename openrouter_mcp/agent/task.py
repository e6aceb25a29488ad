"""A task for `run_agent` from its arguments to its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from difflib import SequenceMatcher
from functools import partial
from heapq import nlargest
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult

from openrouter_mcp.agent import loop, replies, toolbox
from openrouter_mcp.agent.loop import Agent, Limits, Run, Step, Watch
from openrouter_mcp.agent.run_log import RunLog
from openrouter_mcp.agent.toolbox import Toolbox
from openrouter_mcp.app import App
from openrouter_mcp.chat import replies as chat_replies
from openrouter_mcp.chat.conversation import fallbacks_of
from openrouter_mcp.chat.exchange import pay
from openrouter_mcp.chat.media import save_media
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.jobs.paid_calls import PaidCall
from openrouter_mcp.mcp_client.servers import McpServers
from openrouter_mcp.models.filter import supports
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.progress import Decision, Progress, Report, silent
from openrouter_mcp.settings import Settings, variable
from openrouter_mcp.spending import consent, estimate
from openrouter_mcp.spending.budget import LOWER_MAX_TOKENS
from openrouter_mcp.spending.consent import Expense
from openrouter_mcp.spending.cost import of_statistics
from openrouter_mcp.spending.paid_request import MAY_BILL, Purchase, statistics_in_time
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.text import clean
from openrouter_mcp.threads import history
from openrouter_mcp.threads.threads import NEW, Thread

TOOL = "run_agent"
NEAREST = 3
SHOWN_NAME = 100
ASKING = 10.0
"""Seconds that the servers have to start before the user is asked about their tools.

Tools of servers that take longer are withheld, and nobody is asked about them.
"""


@dataclass(frozen=True)
class AgentTask:
    """The arguments of one run. `max_cost` is USD; 0 means the setting's own limit."""

    task: str
    model: str = ""
    system: str = ""
    servers: Sequence[str] = ()
    tools: Sequence[str] = ()
    max_steps: int = 0
    max_cost: float = 0
    thread_id: str = ""
    options: dict[str, Any] = field(default_factory=dict)


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
        await self._servers.named(self._task.servers)
        model = await self._app.catalogue.resolve(self._task.model)
        row = model.model
        if row and not row.is_router and not supports(row, "tools"):
            raise await self._without_tools(model)
        self._model = model
        asked = CallerRequest(options=self._task.options)
        self._fallbacks = await fallbacks_of(self._app, asked)

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
                return frozenset((await self._open_toolbox(silent)).withheld)
        except TimeoutError:
            return frozenset()

    async def dry_run(self) -> ToolResult:
        """The first request and what the run may cost. Servers are started, nothing is paid.

        Raises `INVALID_INPUT` when there is no tool to work with.
        """
        box = await self._open_toolbox(silent)
        if not box.offered:
            raise _no_tools(box)
        request = self._compose(box, [])
        cap, now = self._app.settings.max_cost_per_call, datetime.now(UTC)
        if self.limit is not None:
            request = estimate.within(request, self.limit, now, cap)
        steps = f"The price is that of one turn; there are {self._limits.steps} at most."
        request = replace(request, notes=(*request.notes, steps, *box.notes()))
        return chat_replies.dry_run(request, estimate.of_chat(request, now), [])

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Run the task, within its thread where conversations are kept."""
        box = (await self._open_toolbox(handle.report)).with_allowed(self._allowed)
        if not box.offered:
            raise _no_tools(box)
        if not self._app.settings.threads:
            return await self._run(purchase, box, handle, None)
        async with self._app.threads.open(self._task.thread_id or NEW) as thread:
            return await self._run(purchase, box, handle, thread)

    async def _run(
        self, purchase: Purchase, box: Toolbox, handle: Handle, thread: Thread | None
    ) -> ToolResult:
        app = self._app
        earlier, notes = await history.restored(thread.messages if thread else [], app.files.parts)
        if self._task.max_steps > self._limits.steps:
            most = variable("agent_max_steps")
            notes.append(f"max_steps is {self._limits.steps} at most; {most} says so.")
        request = self._compose(box, earlier)
        directory = app.settings.state_dir / "transcripts"
        log = RunLog(directory, days=app.settings.thread_ttl_days)
        handle.text = f"Transcript: {log.path}"

        def on_step(step: Step) -> None:
            handle.text += f"\n{step.line()}"

        def on_delta(_answer: Answer) -> None:
            handle.billing_note = MAY_BILL

        watch = Watch(report=handle.report, on_delta=on_delta, on_step=on_step, log=log)
        run = await Agent(request, box, partial(pay, purchase), self._limits, watch).work()
        run.receipts = [await self._settled(receipt) for receipt in run.receipts]
        kept = await self._keep(thread, run)
        return await self._reply(purchase, run, log, kept, handle, [*notes, *box.notes()])

    async def _settled(self, receipt: Receipt) -> Receipt:
        """The receipt with its cost, which OpenRouter tells of what was cut off after a while."""
        if not receipt.cost_pending:
            return receipt
        app = self._app
        try:
            found = await statistics_in_time(app.client, receipt.generation_id)
        except OpenRouterError:
            return receipt
        cost = of_statistics(found or {})
        if cost.total is None:
            return receipt
        await app.budget.settle(receipt.generation_id, cost)
        return replace(receipt, cost=cost.total, upstream_cost=cost.upstream, cost_pending=False)

    async def _open_toolbox(self, report: Report) -> Toolbox:
        servers = await self._servers.named(self._task.servers)
        allow = self._app.settings.agent_allow
        settings = self._app.settings
        box = await toolbox.open_toolbox(servers, self._task.tools, allow, report)
        return replace(box, own_keys=settings.own_keys, shows_secrets=settings.allow_unsafe_paths)

    def _compose(self, box: Toolbox, earlier: Sequence[history.Message]) -> ChatRequest:
        task, options = self._task, dict(self._task.options)
        options["tools"] = [*box.definitions, *(options.get("tools") or [])]
        messages = [*earlier, {"role": "user", "content": task.task}]
        system = "\n\n".join(part for part in (loop.SYSTEM, task.system, box.manual) if part)
        asked = CallerRequest(tool=TOOL, messages=messages, system=system, options=options)
        return compose(asked, self._model, self._fallbacks, self._app.settings)

    async def _keep(self, thread: Thread | None, run: Run) -> str:
        """Keep the run as a turn of its thread; returns the thread's id."""
        if thread is None:
            return ""
        asked = {"role": "user", "content": self._task.task}
        receipt = run.receipt
        await thread.append(
            [asked, *(loop.without_media(message) for message in run.added)],
            model=receipt.model if receipt else run.request.model.id,
            cost=receipt.cost if receipt else None,
            untrusted=True,
        )
        return thread.id

    async def _reply(
        self,
        purchase: Purchase,
        run: Run,
        log: RunLog,
        thread_id: str,
        handle: Handle,
        notes: list[str],
    ) -> ToolResult:
        app, receipt = self._app, run.receipt
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
            thread_id=thread_id,
            transcript=str(log.path),
            notes=[*unsaved, *shown.notes, *notes, *problems, *app.warnings()],
            budget=await app.budget.line(),
            files=files,
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


def _no_tools(box: Toolbox) -> OpenRouterError:
    notes = box.notes() or ["These servers have none."]
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"There is no tool to work with. {' '.join(notes)} See {variable('mcp_config')} and "
        f"{variable('agent_allow')}, or give other servers and tools.",
    )
