"""The parts that the tools of one server share, each of which comes alive at its first use."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.text import storable
from openrouter_mcp.timing import Timing

if TYPE_CHECKING:
    from openrouter_mcp.api.client import OpenRouter
    from openrouter_mcp.files.attach import Files
    from openrouter_mcp.jobs.jobs import Jobs
    from openrouter_mcp.mcp_client.servers import McpServers
    from openrouter_mcp.models.catalogue import Catalogue, Resolution
    from openrouter_mcp.spending.budget import Budget
    from openrouter_mcp.spending.receipts import Receipt
    from openrouter_mcp.state.document_cache import DocumentCache
    from openrouter_mcp.state.store import Store
    from openrouter_mcp.threads.threads import Threads

PREVIEW = 80

audit_log = logging.getLogger("openrouter_mcp.audit")


class App:
    """What the lifespan makes: a part is imported and made at its first use, and not before."""

    def __init__(self, settings: Settings, timing: Timing = Timing()) -> None:
        self.settings = settings
        self.timing = timing

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

        return Catalogue(self.client, self.cache, self.settings.model_cache_ttl_ms / 1000)

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
        from openrouter_mcp.multimodal import video, video_job

        jobs = Jobs(self.settings, self.store)
        jobs.resume(video.TOOL, partial(video_job.resume, self))
        return jobs

    @cached_property
    def threads(self) -> Threads:
        """The conversations."""
        from openrouter_mcp.threads.threads import Threads

        return Threads(self.settings, self.store)

    @cached_property
    def mcp_servers(self) -> McpServers:
        """The user's other MCP servers, for models that work with them."""
        from openrouter_mcp.mcp_client.servers import McpServers

        return McpServers(self.settings, self.timing)

    async def aclose(self) -> None:
        """Stop what runs in the background and close the connections."""
        for name in ("jobs", "mcp_servers", "cache", "client", "store"):
            if name in self.__dict__:
                await getattr(self, name).aclose()

    async def resolve(self, name: str) -> Resolution:
        """The model that `name` means (the default model if empty), from the live catalogue.

        While the catalogue cannot be had, a full id is taken at its word. Raises
        `MODEL_NOT_FOUND`.
        """
        name = name.strip() or self.settings.default_model
        try:
            snapshot = await self.catalogue.models()
        except OpenRouterError:
            if "/" not in name:
                raise
            from openrouter_mcp.models.catalogue import Resolution

            return Resolution(name, None, "")
        return snapshot.resolve(name)

    async def budget_line(self) -> str:
        """What is left of the caps, for receipts; empty where there are none."""
        capped = self.settings.max_cost_per_day or self.settings.max_cost_per_session
        return (await self.budget.left()).line() if capped else ""

    def warnings(self) -> list[str]:
        """What a user should know about the state of this server."""
        return [self.store.warning] if self.store.warning else []

    async def settle(self) -> int:
        """Ask OpenRouter what unfinished requests cost; the number of those that are settled."""
        from openrouter_mcp.spending.paid_request import cost_of

        return await self.budget.settle_leftovers(partial(cost_of, self.client))

    async def shortened(self, text: str, name: str) -> tuple[str, list[str]]:
        """What to show of a reply, and where the whole is when that is not all of it."""
        shown = self.settings.max_reply_chars
        if len(text) <= shown:
            return text, []
        path, unsaved = await self._whole(text, name, ".md")
        if not path:
            return text, [unsaved]
        return text[:shown], [f"These are {shown:,} of {len(text):,} characters; all are in {path}"]

    async def shortened_rows(
        self, rows: Sequence[dict[str, Any]], name: str
    ) -> tuple[Sequence[dict[str, Any]], list[str]]:
        """The first rows of data, as many as a reply may hold, and where all are."""
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        room = self.settings.max_reply_chars
        fitting = sum(end <= room for end in itertools.accumulate(len(line) + 1 for line in lines))
        if fitting == len(rows):
            return rows, []
        path, unsaved = await self._whole("\n".join(lines), name, ".jsonl")
        if not path:
            return rows, [unsaved]
        return rows[:fitting], [f"These are {fitting:,} of {len(rows):,}; all are in {path}"]

    async def _whole(self, text: str, name: str, suffix: str) -> tuple[str, str]:
        """Where a long reply is saved; else nothing, and why not."""
        from openrouter_mcp.files import save

        directory = self.settings.output_dir
        try:
            path = await asyncio.to_thread(
                save.save, storable(text).encode(), directory, name or "reply", suffix
            )
        except OSError as error:
            reason = f"could not be saved in {directory} ({error.strerror})"
            return "", f"The reply has {len(text):,} characters and {reason}."
        return str(path), ""

    def audit(self, tool: str, receipt: Receipt, prompt: str) -> None:
        """One line of JSON on stderr for each paid call."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "tool": tool,
            "model": receipt.model,
            "usd": None if receipt.cost is None else str(receipt.cost),
            "generation_id": receipt.generation_id,
        }
        if self.settings.audit_prompts:
            line["prompt"] = prompt[:PREVIEW]
        audit_log.info(json.dumps(line, ensure_ascii=False))
