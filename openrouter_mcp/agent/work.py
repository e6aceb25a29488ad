"""One model at work on a task: its toolbox, its run, what it changed, and its thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from openrouter_mcp.agent import changes, loop, toolbox
from openrouter_mcp.agent.changes import Changes, Workspace
from openrouter_mcp.agent.loop import Agent, Limits, Run, Step, Watch
from openrouter_mcp.agent.run_log import RunLog
from openrouter_mcp.agent.toolbox import Toolbox
from openrouter_mcp.app import App
from openrouter_mcp.chat.exchange import pay
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.mcp_client.servers import McpServer, McpServers
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.progress import Report
from openrouter_mcp.settings import variable
from openrouter_mcp.spending.cost import of_statistics
from openrouter_mcp.spending.paid_request import MAY_BILL, Purchase, statistics_in_time
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.threads import history
from openrouter_mcp.threads.threads import NEW, Thread
from openrouter_mcp.workspace.folder import UserFolder
from openrouter_mcp.workspace.scratch import Scratch
from openrouter_mcp.workspace.tools import NAME

TOOL = "run_agent"
FORGOTTEN = "The changes of the earlier turns are not kept any more, and not in this copy."


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
    workspace: str = ""
    models: Sequence[str] = ()
    judge: Sequence[str] = ()


@dataclass
class Work:
    """What one model did."""

    run: Run
    log: RunLog
    thread_id: str
    notes: list[str]
    changes: Changes | None = None
    """What it changed in its workspace; None where it had none."""


@dataclass(frozen=True)
class Worker:
    """One model that can work on a task."""

    app: App
    servers: McpServers
    task: AgentTask
    model: Resolution
    fallbacks: Sequence[Resolution]
    limits: Limits
    folder: UserFolder | None
    """The folder of the workspace; None where the task has none."""

    async def work(
        self,
        purchase: Purchase,
        handle: Handle,
        thread: Thread | None,
        allowed: Collection[str] = (),
        label: str = "",
    ) -> Work:
        """Do the task. `allowed` are withheld tools that the user has agreed to.

        What is told of it meanwhile begins with the `label`. Raises `OpenRouterError`.
        """
        if self.folder is None:
            box = await self._box(purchase.report, allowed)
            return await self._run(purchase, box, handle, thread, label)
        kept = await self._kept(thread)
        forgotten = [FORGOTTEN] if kept is None and _has_worked(thread) else []
        taken = [server.name for server in await self._named()]
        async with changes.opened(self.app, self.folder, kept, taken, purchase.report) as opened:
            workspace, scratch = opened
            box = await self._box(purchase.report, allowed, workspace)
            words = f"{self.folder.path.name} {self.model.id.rpartition('/')[2]}".split()
            stem = "-".join(words)
            try:
                work = await self._run(purchase, box, handle, thread, label, workspace.manual)
            except asyncio.CancelledError:
                made = await workspace.changes(scratch, stem)
                handle.text += f"\n{label}Changed so far: {made.apply or made.lost or 'nothing'}"
                raise
            work.changes = await workspace.changes(scratch, stem)
            work.notes += [*forgotten, *await self._keep_workspace(scratch, thread)]
            return work

    async def toolbox(self, report: Report, workspace: Workspace | None = None) -> Toolbox:
        """The tools that it may use. Raises `INVALID_INPUT` when there is none."""
        settings, servers = self.app.settings, await self._named()
        globs, allow = [*self.task.tools], [*settings.agent_allow]
        if workspace:
            servers = [*servers, workspace.server]
            globs += [workspace.glob] if globs else []
            allow.append(workspace.glob)
        box = await toolbox.open_toolbox(servers, globs, allow, report)
        return replace(
            box,
            allowed=settings.agent_allow,
            own_keys=settings.own_keys,
            shows_secrets=settings.allow_unsafe_paths,
        )

    @asynccontextmanager
    async def dry_toolbox(self, report: Report) -> AsyncGenerator[tuple[Toolbox, str]]:
        """The same without a copy of the workspace, and what the system message says of that."""
        if self.folder is None:
            yield await self._box(report, ()), ""
            return
        app, taken = self.app, [server.name for server in await self._named()]
        workspace = Workspace(app.settings, app.timing, self.folder, taken=taken)
        try:
            yield await self._box(report, (), workspace), workspace.manual
        finally:
            await workspace.server.aclose()

    def compose(
        self, box: Toolbox, earlier: Sequence[history.Message], manual: str = ""
    ) -> ChatRequest:
        """The first request of the run."""
        task, options = self.task, dict(self.task.options)
        options["tools"] = [*box.definitions, *(options.get("tools") or [])]
        messages = [*earlier, {"role": "user", "content": task.task}]
        parts = (loop.SYSTEM, manual, task.system, box.manual)
        system = "\n\n".join(part for part in parts if part)
        asked = CallerRequest(tool=TOOL, messages=messages, system=system, options=options)
        return compose(asked, self.model, self.fallbacks, self.app.settings)

    async def _box(
        self, report: Report, allowed: Collection[str], workspace: Workspace | None = None
    ) -> Toolbox:
        box = (await self.toolbox(report, workspace)).with_allowed(allowed)
        if not box.offered:
            raise _no_tools(box)
        return box

    async def _named(self) -> list[McpServer]:
        """The user's servers of the run; with a workspace, none that the caller does not name."""
        task = self.task
        if self.folder and not (task.servers or task.tools):
            return []
        return await self.servers.named(task.servers)

    async def _run(
        self,
        purchase: Purchase,
        box: Toolbox,
        handle: Handle,
        thread: Thread | None,
        label: str,
        manual: str = "",
    ) -> Work:
        app = self.app
        earlier, notes = await history.restored(thread.messages if thread else [], app.files.parts)
        if self.task.max_steps > self.limits.steps:
            most = variable("agent_max_steps")
            notes.append(f"max_steps is {self.limits.steps} at most; {most} says so.")
        request = self.compose(box, earlier, manual)
        directory = app.settings.state_dir / "transcripts"
        log = RunLog(directory, days=app.settings.thread_ttl_days)
        handle.text = f"{handle.text}\n{label}Transcript: {log.path}".lstrip()

        def on_step(step: Step) -> None:
            handle.text += f"\n{label}{step.line()}"

        def on_delta(_answer: Answer) -> None:
            handle.billing_note = MAY_BILL

        watch = Watch(report=purchase.report, on_delta=on_delta, on_step=on_step, log=log)
        run = await Agent(request, box, partial(pay, purchase), self.limits, watch).work()
        run.receipts = [await self._settled(receipt) for receipt in run.receipts]
        kept = await self._keep(thread, run)
        return Work(run, log, kept, [*notes, *box.notes()])

    async def _settled(self, receipt: Receipt) -> Receipt:
        """The receipt with its cost, which OpenRouter tells of what was cut off after a while."""
        if not receipt.cost_pending:
            return receipt
        app = self.app
        try:
            found = await statistics_in_time(app.client, receipt.generation_id)
        except OpenRouterError:
            return receipt
        cost = of_statistics(found or {})
        if cost.total is None:
            return receipt
        await app.budget.settle(receipt.generation_id, cost)
        return replace(receipt, cost=cost.total, upstream_cost=cost.upstream, cost_pending=False)

    async def _keep(self, thread: Thread | None, run: Run) -> str:
        """Keep the run as a turn of its thread; returns the thread's id."""
        if thread is None:
            return ""
        asked = {"role": "user", "content": self.task.task}
        receipt = run.receipt
        await thread.append(
            [asked, *(loop.without_media(message) for message in run.added)],
            model=receipt.model if receipt else run.request.model.id,
            cost=receipt.cost if receipt else None,
            untrusted=True,
        )
        return thread.id

    async def _kept(self, thread: Thread | None) -> Path | None:
        """What an earlier run of the thread kept of its workspace."""
        if thread is None or self.task.thread_id in ("", NEW):
            return None
        kept = self.app.threads.workspace(thread.id)
        return kept if await asyncio.to_thread(kept.is_dir) else None

    async def _keep_workspace(self, scratch: Scratch, thread: Thread | None) -> list[str]:
        """Keep what the next run needs; a note where it is too much."""
        if thread is None:
            return []
        place = self.app.threads.workspace(thread.id)
        try:
            if await scratch.work(partial(scratch.keep, place)):
                return []
        except (OSError, OpenRouterError):
            pass
        return ["What was changed cannot be kept for another run: apply the patch to go on."]


def _has_worked(thread: Thread | None) -> bool:
    """Whether an earlier turn of the thread worked in a workspace."""
    calls = (
        call["function"]["name"]
        for message in (thread.messages if thread else ())
        for call in message.get("tool_calls") or []
    )
    return any(name.startswith(NAME) for name in calls)


def _no_tools(box: Toolbox) -> OpenRouterError:
    notes = box.notes() or ["These servers have none."]
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"There is no tool to work with. {' '.join(notes)} See {variable('mcp_config')} and "
        f"{variable('agent_allow')}, or give other servers and tools.",
    )
