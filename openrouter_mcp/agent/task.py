"""A task for `run_agent` from its arguments to its reply."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from difflib import SequenceMatcher
from heapq import nlargest
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult

from openrouter_mcp.agent import loop, toolbox
from openrouter_mcp.agent import replies as agent_replies
from openrouter_mcp.agent.loop import Agent, Limits, Run, Step, Watch
from openrouter_mcp.agent.run_log import Transcript
from openrouter_mcp.agent.toolbox import Toolbox
from openrouter_mcp.app import App
from openrouter_mcp.chat import replies
from openrouter_mcp.completions.answer import Answer, Listener
from openrouter_mcp.completions.request import Ask, ChatRequest, compose
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.mcp_client.servers import McpServers
from openrouter_mcp.models.filter import supports
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.progress import Progress, Report, silent
from openrouter_mcp.settings import variable
from openrouter_mcp.spending import consent as spending
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.paid_request import after_cancelling, cost_of, pay
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.text import clean
from openrouter_mcp.threads import history
from openrouter_mcp.threads.threads import NEW, Thread

TOOL = "run_agent"
NEAREST = 3
SHOWN_TASK = 200
ASKING = 10.0
"""Seconds that servers have to start before the user is asked; the rest is withheld unasked."""
LOOK_UPS = (0.5, 1.0, 2.0)
"""Seconds before each question what a turn cost that was cut off."""


@dataclass(frozen=True)
class Task:
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


class Delegation:
    """One task, checked before anything is started, and paid for only then."""

    def __init__(self, app: App, servers: McpServers, task: Task) -> None:
        self._app = app
        self._servers = servers
        self._task = task
        settings = app.settings
        self._limits = Limits(
            steps=min(task.max_steps or settings.agent_max_steps, settings.agent_max_steps),
            dollars=app.budget.limit(Decimal(str(task.max_cost)) if task.max_cost else None),
            seconds=settings.agent_max_seconds,
            result_chars=settings.agent_result_chars,
            continuations=settings.max_continuations,
            dollars_per_call=settings.max_cost_per_call,
        )

    async def check(self) -> Resolution:
        """The model of the run. Raises what the arguments and the settings rule out."""
        if self._app.settings.inside_agent:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                "This server was started by run_agent, and a run does not start runs. Do the task "
                "with the tools at hand.",
            )
        if not self._task.task.strip():
            raise OpenRouterError(Code.INVALID_INPUT, "task is empty. Say what is to be done.")
        await self._servers.named(self._task.servers)
        model = await self._app.resolve(self._task.model)
        row = model.model
        if row and not row.is_router and not supports(row, "tools"):
            raise await self._without_tools(model)
        return model

    async def consent(
        self, model: Resolution, progress: Progress
    ) -> frozenset[str] | InputRequiredResult:
        """The withheld tools that the user allows for this run; asked only for what is named.

        Where the cost needs a yes too, it is one question. Raises `BUDGET_EXCEEDED` for a no to it.
        """
        names = await self._named_but_withheld()
        listed = f"use these tools, which may change something: {', '.join(sorted(names))}"
        task = clean(self._task.task, SHOWN_TASK)
        if self._is_dear:
            tools = f", which can {listed}," if names else ""
            what = f"{TOOL} with {model.id} ({task}){tools}"
            settings, most = self._app.settings, self._limits.dollars
            return await spending.question(settings, progress, what, most, None) or names
        if not names:
            return names
        digest = hashlib.sha256(listed.encode()).hexdigest()[:16]
        question = f"Let {model.id} {listed}? For this run only. Its task: {task}"
        answer = await progress.confirm(f"tools-{digest}", question)
        if isinstance(answer, InputRequiredResult):
            return answer
        return names if answer else frozenset()

    @property
    def _is_dear(self) -> bool:
        """Whether the user has to agree to the cost, which no argument has limited."""
        threshold, most = self._app.settings.confirm_above, self._limits.dollars
        return bool(threshold and not self._task.max_cost) and (most is None or most > threshold)

    async def _named_but_withheld(self) -> frozenset[str]:
        if not self._task.tools:
            return frozenset()
        try:
            async with asyncio.timeout(ASKING):
                return frozenset((await self._opened(silent)).withheld)
        except TimeoutError:
            return frozenset()

    async def dry_run(self, model: Resolution) -> ToolResult:
        """The first request and what the run may cost. Servers are started, nothing is paid.

        Raises `INVALID_INPUT` when there is no tool to work with.
        """
        box = await self._opened(silent)
        if not box.offered:
            raise _no_tools(box)
        request = self._compose(model, box, [])
        limits, now = self._limits, datetime.now(UTC)
        if limits.dollars is not None:
            request = estimate.within(request, limits.dollars, now, limits.dollars_per_call)
        steps = f"The price is that of one turn; there are {self._limits.steps} at most."
        request = replace(request, notes=(*request.notes, steps, *box.notes()))
        return replies.dry_run(request, estimate.estimate(request, now), [])

    async def work(
        self, model: Resolution, allowed: frozenset[str], progress: Progress
    ) -> ToolResult:
        """Run the task, as a job when it takes long."""

        async def work(handle: Handle) -> ToolResult:
            box = (await self._opened(handle.report)).with_allowed(allowed)
            if not box.offered:
                raise _no_tools(box)
            if not self._app.settings.threads:
                return await self._run(model, box, handle, None)
            async with self._app.threads.open(self._task.thread_id or NEW) as thread:
                return await self._run(model, box, handle, thread)

        return await self._app.jobs.run(TOOL, model.id, work, progress)

    async def _run(
        self, model: Resolution, box: Toolbox, handle: Handle, thread: Thread | None
    ) -> ToolResult:
        app = self._app
        earlier, notes = await history.restored(thread.messages if thread else [], app.files.parts)
        if self._task.max_steps > self._limits.steps:
            most = variable("agent_max_steps")
            notes.append(f"max_steps is {self._limits.steps} at most; {most} says so.")
        request = self._compose(model, box, earlier)
        transcript = Transcript(
            app.settings.state_dir / "transcripts", days=app.settings.thread_ttl_days
        )

        handle.text = f"Transcript: {transcript.path}"

        def stepped(step: Step) -> None:
            handle.text += f"\n{step.line()}"

        def grown(answer: Answer) -> None:
            handle.billing_note = after_cancelling(answer.provider)

        watch = Watch(handle.report, grown, stepped, transcript)
        run = await Agent(request, box, self._pay, self._limits, watch).work()
        run.receipts = [await self._settled(receipt) for receipt in run.receipts]
        kept = await self._keep(thread, run)
        return await self._reply(run, transcript, kept, [*notes, *box.notes()])

    async def _pay(self, request: ChatRequest, listener: Listener) -> Answer:
        """Pay for one turn, within the caps."""
        app = self._app
        return await pay(app.client, app.budget, TOOL, request, self._limits.dollars, listener)

    async def _settled(self, receipt: Receipt) -> Receipt:
        """The receipt with its cost, which OpenRouter tells of what was cut off after a while."""
        app = self._app
        for wait in LOOK_UPS if receipt.cost_pending else ():
            await asyncio.sleep(wait)
            try:
                cost = await cost_of(app.client, receipt.generation_id)
            except OpenRouterError:
                break
            if cost is not None:
                await app.budget.settle(receipt.generation_id, cost)
                return replace(receipt, cost=cost, cost_pending=False)
        return receipt

    async def _opened(self, report: Report) -> Toolbox:
        servers = await self._servers.named(self._task.servers)
        allow = self._app.settings.agent_allow
        return await toolbox.opened(servers, self._task.tools, allow, report)

    def _compose(
        self, model: Resolution, box: Toolbox, earlier: Sequence[history.Message]
    ) -> ChatRequest:
        task, options = self._task, dict(self._task.options)
        options["tools"] = [*box.definitions, *(options.get("tools") or [])]
        messages = [*earlier, {"role": "user", "content": task.task}]
        system = "\n\n".join(part for part in (loop.SYSTEM, task.system, box.manual) if part)
        ask = Ask(messages=messages, system=system, options=options)
        return compose(ask, model, [], self._app.settings)

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
        )
        return thread.id

    async def _reply(
        self, run: Run, transcript: Transcript, thread_id: str, notes: list[str]
    ) -> ToolResult:
        app, receipt = self._app, run.receipt
        if receipt:
            app.audit(TOOL, receipt, self._task.task)
        text, more = await app.shortened(run.text, receipt.generation_id if receipt else TOOL)
        problems = [transcript.problem] if transcript.problem else []
        return agent_replies.finished(
            run,
            receipt,
            text=text,
            limits=self._limits,
            thread_id=thread_id,
            transcript=str(transcript.path),
            notes=[*more, *notes, *problems, *app.warnings()],
            budget=await app.budget_line(),
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
