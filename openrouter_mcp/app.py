"""The parts that the tools of one server share, each of which comes alive at its first use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from openrouter_mcp.settings import Settings
from openrouter_mcp.timing import Timing

if TYPE_CHECKING:
    from openrouter_mcp.api.client import OpenRouter
    from openrouter_mcp.files.attach import Files
    from openrouter_mcp.jobs.jobs import Jobs
    from openrouter_mcp.jobs.paid_calls import PaidCalls
    from openrouter_mcp.mcp_client.servers import McpServers
    from openrouter_mcp.models.catalogue import Catalogue
    from openrouter_mcp.models.choose import Chooser
    from openrouter_mcp.models.datasets import Market
    from openrouter_mcp.spending.budget import Budget
    from openrouter_mcp.state.document_cache import DocumentCache
    from openrouter_mcp.state.store import Store
    from openrouter_mcp.threads.threads import Threads
    from openrouter_mcp.workspace.scratch import Scratches

Resume = Callable[..., Coroutine[Any, Any, Any]]
"""Goes on with one job: takes the app, the job's handle and OpenRouter's id for the work."""


class App:
    """What the lifespan makes: a part is imported and made at its first use, and not before."""

    def __init__(
        self,
        settings: Settings,
        timing: Timing = Timing(),
        resumers: Mapping[str, Resume] | None = None,
        notices: Sequence[str] = (),
    ) -> None:
        """`resumers` go on with the jobs of a tool that a process which died left at OpenRouter.

        `notices` say what is wrong with the variables.
        """
        self.notices = notices
        self.settings = settings
        self.timing = timing
        self._resumers = resumers or {}
        self._closing: asyncio.Task[None] | None = None

    @cached_property
    def client(self) -> OpenRouter:
        """The way to OpenRouter."""
        from openrouter_mcp.api.client import OpenRouter

        return OpenRouter(self.settings, self.timing)

    @cached_property
    def cache(self) -> DocumentCache:
        """Documents of OpenRouter. Another address has others: the simulator's are not its."""
        from openrouter_mcp.state.document_cache import DocumentCache

        address = quote(self.settings.base_url, safe="")
        return DocumentCache(self.settings.state_dir / "cache" / address, self.timing)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The live models."""
        from openrouter_mcp.models.catalogue import Catalogue

        max_age = self.settings.model_cache_ttl_ms / 1000
        return Catalogue(self.client, self.cache, max_age, self.settings.default_model)

    @cached_property
    def market(self) -> Market:
        """OpenRouter's data about models: use, benchmarks, providers."""
        from openrouter_mcp.models.datasets import Market

        return Market(self.client, self.cache)

    @cached_property
    def chooser(self) -> Chooser:
        """Choosing a model for work that is no chat."""
        from openrouter_mcp.models.choose import Chooser

        return Chooser(self.settings, self.catalogue, self.market)

    @cached_property
    def files(self) -> Files:
        """The files that callers name."""
        from openrouter_mcp.files.attach import Files

        return Files(self.settings)

    @cached_property
    def store(self) -> Store:
        """The state that outlives this process."""
        from openrouter_mcp.state.store import Store

        return Store(self.settings.state_dir, self.timing)

    @cached_property
    def budget(self) -> Budget:
        """The caps and the ledger."""
        from openrouter_mcp.spending.budget import Budget

        return Budget(self.settings, self.store)

    @cached_property
    def jobs(self) -> Jobs:
        """The paid calls, and what became of those that take long."""
        from openrouter_mcp.jobs.jobs import Jobs

        jobs = Jobs(self.settings, self.store, self.timing)
        for tool, resume in self._resumers.items():
            jobs.register_resumer(tool, partial(resume, self))
        return jobs

    @cached_property
    def paid_calls(self) -> PaidCalls:
        """The one path of every paid tool."""
        from openrouter_mcp.jobs.paid_calls import PaidCalls

        listed = self.catalogue.listed
        return PaidCalls(self.settings, self.client, self.budget, self.jobs, listed)

    @cached_property
    def threads(self) -> Threads:
        """The conversations."""
        from openrouter_mcp.threads.threads import Threads

        return Threads(self.settings, self.store)

    @cached_property
    def scratches(self) -> Scratches:
        """The copies of folders in which models work."""
        from openrouter_mcp.workspace.scratch import Scratches

        return Scratches(self.settings, self.store)

    @cached_property
    def mcp_servers(self) -> McpServers:
        """The user's other MCP servers, for models that work with them."""
        from openrouter_mcp.mcp_client.servers import McpServers

        return McpServers(self.settings, self.timing)

    async def finish(self) -> None:
        """Let the jobs end for which a client that has gone may ask another server."""
        if "jobs" in self.__dict__:
            await self.jobs.finish(self.timing.jobs_alone)

    async def aclose(self) -> None:
        """Stop what runs in the background and close the connections.

        Whoever asks for it again waits for the same end.
        """
        self._closing = self._closing or asyncio.create_task(self._close())
        await self._closing

    async def _close(self) -> None:
        for name in ("jobs", "mcp_servers", "cache", "client", "store"):
            if name in self.__dict__:
                await getattr(self, name).aclose()

    def warnings(self) -> list[str]:
        """What a user should know about the state of this server."""
        return [self.store.warning] if self.store.warning else []
